/* SPDX-License-Identifier: Apache-2.0 */
/* One end's threads and connections; see tls_end.h. */
#include "bench/tls/tls_end.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ktls/ktls_install.h"
#include "uring/uring.h"

/* --- connections --- */

static struct tls_conn_setup conn_setup(const struct tls_end *end)
{
	return (struct tls_conn_setup){
		.server = end->server,
		.path = end->job.path,
		.context = end->context,
		.caps = &end->able->ktls,
	};
}

/* The server takes them as they come; their numbers say which they are. */
static int answer_all(struct tls_end *end, char *error)
{
	for (unsigned i = 0; i < end->job.connections; i++) {
		uint32_t number;
		int fd = tls_answer(end->listener, &end->job.token, &number);

		if (fd < 0)
			return tls_conn_explain(error, TLS_ERROR, fd, "accept");
		if (number >= end->job.connections ||
		    end->conns[number].fd >= 0) {
			close(fd);
			return tls_conn_explain(error, TLS_ERROR, -EPROTO,
						"a connection's number");
		}
		end->conns[number].fd = fd;
	}
	return 0;
}

static int dial_all(struct tls_end *end, char *error)
{
	for (unsigned i = 0; i < end->job.connections; i++) {
		int fd = tls_dial(&end->peer, &end->job.token, i);

		if (fd < 0)
			return tls_conn_explain(error, TLS_ERROR, fd,
						"connect");
		end->conns[i].fd = fd;
	}
	return 0;
}

/* The client of an exchange: its stream shakes hands by itself. */
static bool exchanges(const struct tls_end *end)
{
	return end->job.path->test == TLS_TEST_EXCHANGE;
}

static int open_mover(struct tls_end *end, struct tls_end_thread *t,
		      char *error)
{
	struct tls_send_setup setup = {
		.path = end->job.path,
		.source = end->source,
		.size = end->job.size,
		.chunk = end->job.chunk,
	};
	struct tls_relay_setup relay = {
		.path = end->job.path,
		.source = end->source,
		.context = end->context,
		.caps = &end->able->ktls,
		.size = end->job.size,
	};
	struct tls_conn *conns = &end->conns[t->first];

	if (exchanges(end))
		return tls_relay_create(&relay, conns, t->count, t->first,
					&t->relay, error, TLS_ERROR);
	if (end->server)
		return tls_receiver_create(end->job.path, end->folder, conns,
					   t->count, &t->receiver, error,
					   TLS_ERROR);
	return tls_sender_create(&setup, conns, t->count, t->first, &t->sender,
				 error, TLS_ERROR);
}

static int open_thread(void *arg, unsigned thread, char *error)
{
	struct tls_end *end = arg;
	struct tls_end_thread *t = &end->threads[thread];
	struct tls_conn_setup setup = conn_setup(end);

	for (unsigned i = t->first; i < t->first + t->count && !exchanges(end);
	     i++) {
		struct tls_conn *c = &end->conns[i];
		int fd = c->fd;
		int err = tls_conn_open(c, &setup, &t->memory, fd, error,
					TLS_ERROR);

		if (err)
			return err;
	}
	return open_mover(end, t, error);
}

static int set_up(struct tls_end *end, char *error)
{
	const struct tls_job *job = &end->job;
	int err = tls_crew_create(job->threads, &end->crew);

	end->conns = calloc(job->connections, sizeof(*end->conns));
	end->threads = calloc(job->threads, sizeof(*end->threads));
	end->hashes = calloc(job->connections, sizeof(*end->hashes));
	for (unsigned i = 0; end->conns && i < job->connections; i++)
		end->conns[i].fd = -1;
	if (!err && (!end->conns || !end->threads || !end->hashes))
		err = -ENOMEM;
	if (err)
		return tls_conn_explain(error, TLS_ERROR, err, "threads");
	for (unsigned i = 0; i < job->threads; i++) {
		unsigned first = job->connections * i / job->threads;
		unsigned next = job->connections * (i + 1) / job->threads;

		end->threads[i].first = first;
		end->threads[i].count = next - first;
	}
	return 0;
}

int tls_end_open(struct tls_end *end, const struct tls_job *job, char *error)
{
	int err;

	assert(!end->crew);
	assert(job->threads > 0 && job->threads <= job->connections);
	end->job = *job;
	if (job->path->layer != TLS_LAYER_PLAIN) {
		end->context = tls_contexts_get(&end->contexts, job->version,
						job->cipher, error, TLS_ERROR);
		if (!end->context)
			return -EINVAL;
	}
	err = set_up(end, error);
	if (err || job->path->test == TLS_TEST_HANDSHAKE)
		return err;
	err = end->server ? answer_all(end, error) : dial_all(end, error);
	return err ? err : tls_crew_run(end->crew, open_thread, end, error);
}

/* --- transfers --- */

static int transfer_thread(void *arg, unsigned thread, char *error)
{
	struct tls_end *end = arg;
	struct tls_end_thread *t = &end->threads[thread];

	if (exchanges(end))
		return tls_relay_run(t->relay, end->messages, error, TLS_ERROR);
	if (!end->server)
		return tls_sender_run(t->sender, end->messages, error,
				      TLS_ERROR);
	return tls_receiver_run(t->receiver, end->messages, end->job.size,
				end->hashing ? &end->hashes[t->first] : NULL,
				error, TLS_ERROR);
}

/* One hash for all connections: of their hashes, in order. */
static int fold(struct bench_hash *hash, char (*hashes)[BENCH_HASH_TEXT],
		unsigned count, char out[BENCH_HASH_TEXT])
{
	bench_hash_start(hash);
	for (unsigned i = 0; i < count; i++)
		bench_hash_add(hash, hashes[i], strlen(hashes[i]));
	bench_hash_text(hash, out);
	return 0;
}

/* So that the other end does not wait for what will not come. */
static void hang_up(struct tls_end *end)
{
	for (unsigned i = 0; i < end->job.connections; i++) {
		if (end->conns[i].fd >= 0)
			shutdown(end->conns[i].fd, SHUT_RDWR);
	}
}

int tls_end_transfer(struct tls_end *end, uint64_t messages,
		     char out[BENCH_HASH_TEXT], char *error)
{
	struct bench_hash *hash;
	int err;

	end->messages = messages;
	end->hashing = out != NULL;
	err = tls_crew_run(end->crew, transfer_thread, end, error);
	if (err)
		hang_up(end);
	if (err || !out || !end->server)
		return err;
	hash = bench_hash_new(BENCH_HASH_SHA256);
	if (!hash)
		return tls_conn_explain(error, TLS_ERROR, -ENOMEM, "hashing");
	fold(hash, end->hashes, end->job.connections, out);
	bench_hash_free(hash);
	return 0;
}

int tls_end_expect(const struct tls_end *end, uint64_t first, uint64_t messages,
		   char out[BENCH_HASH_TEXT])
{
	struct bench_hash *hash = bench_hash_new(BENCH_HASH_SHA256);

	if (!hash)
		return -ENOMEM;
	for (unsigned i = 0; i < end->job.connections; i++)
		tls_source_hash(end->source, hash, i, first, messages,
				end->job.size,
				exchanges(end) ? tls_relay_commands : NULL,
				end->hashes[i]);
	fold(hash, end->hashes, end->job.connections, out);
	bench_hash_free(hash);
	return 0;
}

/* --- handshakes --- */

/*
 * The client ends a connection with a reset: thousands of them in TIME_WAIT
 * would use up its ports.  The server waits for that.
 */
static void part(const struct tls_end *end, struct tls_conn *conn)
{
	struct linger at_once = {.l_onoff = 1};
	char octet;

	if (end->server)
		while (recv(conn->fd, &octet, 1, 0) > 0)
			;
	else
		setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &at_once,
			   sizeof(at_once));
	tls_conn_close(conn);
}

static int shake_once(struct tls_end *end, struct tls_end_thread *t,
		      char *error)
{
	struct tls_conn_setup setup = conn_setup(end);
	struct tls_conn conn;
	uint32_t number;
	int fd = end->server
			 ? tls_answer(end->listener, &end->job.token, &number)
			 : tls_dial(&end->peer, &end->job.token, 0);
	int err;

	if (fd < 0)
		return tls_conn_explain(error, TLS_ERROR, fd,
					end->server ? "accept" : "connect");
	err = tls_conn_open(&conn, &setup, &t->memory, fd, error, TLS_ERROR);
	if (err)
		return err;
	if (conn.resumed)
		atomic_fetch_add(&end->resumed, 1);
	if (end->job.path->layer == TLS_LAYER_KERNEL) {
		atomic_fetch_add(&end->install_ns, conn.install_ns);
		atomic_fetch_add(&end->derive_ns, conn.derive_ns);
		atomic_fetch_add(&end->installs, 1);
	}
	part(end, &conn);
	return 0;
}

/* Each thread makes its share, so that each has had a ticket after a few. */
static int shake_thread(void *arg, unsigned thread, char *error)
{
	struct tls_end *end = arg;
	uint64_t first = end->shakes * thread / end->job.threads;
	uint64_t next = end->shakes * (thread + 1) / end->job.threads;
	int err = 0;

	for (; first < next && !err && !atomic_load(&end->shake_failed);
	     first++)
		err = shake_once(end, &end->threads[thread], error);
	if (err)
		atomic_store(&end->shake_failed, true);
	return err;
}

int tls_end_shake(struct tls_end *end, uint64_t count, char *error)
{
	end->shakes = count;
	atomic_store(&end->shake_failed, false);
	atomic_store(&end->resumed, 0);
	atomic_store(&end->install_ns, 0);
	atomic_store(&end->derive_ns, 0);
	atomic_store(&end->installs, 0);
	return tls_crew_run(end->crew, shake_thread, end, error);
}

/* --- the end --- */

static int close_thread(void *arg, unsigned thread, char *error)
{
	struct tls_end *end = arg;
	struct tls_end_thread *t = &end->threads[thread];

	tls_sender_free(&t->sender);
	tls_receiver_free(&t->receiver);
	tls_relay_free(&t->relay);
	tls_conn_forget(&t->memory);
	return 0;
}

void tls_end_close(struct tls_end *end)
{
	char error[TLS_ERROR];

	if (end->crew && end->threads)
		tls_crew_run(end->crew, close_thread, end, error);
	tls_crew_free(&end->crew);
	for (unsigned i = 0; end->conns && i < end->job.connections; i++)
		tls_conn_close(&end->conns[i]);
	free(end->conns);
	free(end->threads);
	free(end->hashes);
	end->conns = NULL;
	end->threads = NULL;
	end->hashes = NULL;
}

void tls_end_free(struct tls_end *end)
{
	tls_end_close(end);
	tls_contexts_free(&end->contexts);
}

/* --- what the machine can do --- */

void tls_able_probe(struct tls_able *able)
{
	struct uring *ring = NULL;
	struct uring_config config = {.entries = 8};
	int err = uring_create(&config, &ring);

	*able = (struct tls_able){0};
	if (err)
		uring_blocked_reason(err, able->no_uring,
				     sizeof(able->no_uring));
	else
		able->splice = uring_caps(ring)->op_splice;
	uring_destroy(&ring);
	ktls_caps_probe(ktls_kernel_system(), &able->ktls);
	if (!able->ktls.ulp)
		ktls_caps_reason(&able->ktls, able->no_ktls,
				 sizeof(able->no_ktls));
}

static bool refuse(char *why, size_t cap, const char *text)
{
	snprintf(why, cap, "%s", text);
	return true;
}

static bool refuse_kernel(const struct tls_able *able,
			  const struct tls_job *job, char *why, size_t cap)
{
	for (int dir = 0; dir < KTLS_DIRECTIONS; dir++) {
		enum ktls_reason reason =
			ktls_validate(&able->ktls, (enum ktls_direction)dir,
				      job->version, job->cipher);

		if (reason == KTLS_REASON_NO_ULP && able->no_ktls[0])
			return refuse(why, cap, able->no_ktls);
		if (reason != KTLS_REASON_NONE)
			return refuse(why, cap, ktls_reason_text(reason));
	}
	if (!job->path->no_pad)
		return false;
	if (job->version != KTLS_TLS_1_3)
		return refuse(why, cap, "only TLS 1.3 has padding");
	if (!able->ktls.no_pad)
		return refuse(why, cap,
			      "TLS_RX_EXPECT_NO_PAD came with Linux 6.0");
	return false;
}

bool tls_able_refusal(const struct tls_able *able, const struct tls_job *job,
		      char *why, size_t cap)
{
	const struct tls_path *path = job->path;
	bool ring = path->test != TLS_TEST_HANDSHAKE &&
		    path->layer != TLS_LAYER_OPENSSL &&
		    path->method != TLS_SENDFILE;

	if (ring && able->no_uring[0])
		return refuse(why, cap, able->no_uring);
	if (path->method == TLS_SPLICE && !able->splice)
		return refuse(why, cap, "io_uring can't splice before 5.7");
	if (path->layer == TLS_LAYER_KERNEL)
		return refuse_kernel(able, job, why, cap);
	return false;
}
