/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's side of the conversation (tls_control.h): rows, repeats,
 * verification, warm-up, measurement; see tls_run.h.
 */
#include "bench/tls/tls_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/tls/tls_control.h"
#include "bench/tls/tls_end.h"
#include "bench/tls/tls_machine.h"

enum {
	/* The verification round, in octets and messages. */
	VERIFY_BYTES = 2 << 20,
	VERIFY_MOST = 64,
	SHAKES_FIRST = 2, /* in front: the first tickets, warm caches */
};

struct client {
	const struct tls_run *run;
	struct tls_control control;
	struct tls_source source;
	struct tls_able able;
	struct tls_meter meter;
	struct tls_end end;
	struct tls_result *result;
	bool lost; /* the conversation has broken off */
	char error[TLS_ERROR];
};

/* --- the conversation --- */

static int broken(struct client *c)
{
	if (!c->error[0])
		snprintf(c->error, sizeof(c->error), "the server hung up");
	c->lost = true;
	return -ECONNRESET;
}

/* The server's answer, owned; NULL with c->error set. */
static json_t *hear(struct client *c, bool *unsupported)
{
	json_t *answer =
		tls_control_hear(&c->control, c->error, sizeof(c->error));

	*unsupported = false;
	if (!answer) {
		broken(c);
		return NULL;
	}
	if (json_is_true(json_object_get(answer, "ok")))
		return answer;
	snprintf(c->error, sizeof(c->error), "server: %s",
		 tls_machine_text(answer, "error"));
	*unsupported = json_is_true(json_object_get(answer, "unsupported"));
	json_decref(answer);
	return NULL;
}

static int hear_ok(struct client *c)
{
	bool unsupported;
	json_t *answer = hear(c, &unsupported);

	json_decref(answer);
	return answer ? 0 : -EPROTO;
}

static int say(struct client *c, json_t *order)
{
	int err = tls_control_say(&c->control, order);

	if (!err)
		return 0;
	tls_conn_explain(c->error, sizeof(c->error), err, "the server");
	c->lost = true;
	return err;
}

static int hello(struct client *c)
{
	bool unsupported;
	json_t *answer;
	int err = say(c, json_pack("{s:s,s:i,s:s}", "do", "hello", "version",
				   TLS_CONTROL_VERSION, "counter",
				   tls_counter_name(c->run->counter)));

	if (err)
		return err;
	answer = hear(c, &unsupported);
	if (!answer)
		return -EPROTO;
	c->result->server = json_incref(json_object_get(answer, "machine"));
	json_decref(answer);
	return 0;
}

/* --- opening a run --- */

static void refuse(struct tls_row *row, const char *reason, bool failed)
{
	snprintf(row->reason, sizeof(row->reason), "%s", reason);
	row->failed = failed;
}

/* The client's job; the server's has the peer's path. */
static struct tls_job job_of(const struct client *c, const struct tls_row *row)
{
	const struct tls_plan *plan = c->run->plan;
	unsigned n = row->c.connections;
	bool peers = row->c.path->test == TLS_TEST_RECEIVE;

	return (struct tls_job){
		.path = peers ? tls_path_peer(row->c.path) : row->c.path,
		.version = row->c.version,
		.cipher = row->c.cipher,
		.connections = n,
		.threads = plan->threads < n ? plan->threads : n,
		.size = row->c.size,
		.chunk = plan->chunk,
	};
}

static int order_open(struct client *c, const struct tls_row *row,
		      const struct tls_job *job)
{
	bool ours = row->c.path->test == TLS_TEST_SEND ||
		    row->c.path->test == TLS_TEST_EXCHANGE;
	const struct tls_path *path =
		ours ? tls_path_peer(row->c.path) : row->c.path;
	char token[33];

	tls_token_text(&job->token, token);
	return say(c, json_pack("{s:s,s:s,s:s,s:s,s:i,s:i,s:I,s:s}", "do",
				"open", "path", path->name, "tls",
				tls_row_tls(row), "cipher", tls_row_cipher(row),
				"connections", (int)job->connections, "threads",
				(int)job->threads, "size",
				(json_int_t)job->size, "token", token));
}

/* The port where the server listens; 0: it can't, and the row says why. */
static uint16_t hear_port(struct client *c, struct tls_row *row)
{
	bool unsupported;
	json_t *answer = hear(c, &unsupported);
	json_int_t port;

	if (!answer) {
		refuse(row, c->error, !unsupported);
		return 0;
	}
	port = json_integer_value(json_object_get(answer, "port"));
	json_decref(answer);
	if (port > 0 && port <= UINT16_MAX)
		return (uint16_t)port;
	refuse(row, "server: no port", true);
	return 0;
}

/* 0, or -errno with the row's reason set; close_run() follows in any case. */
static int open_run(struct client *c, struct tls_row *row)
{
	struct tls_job job = job_of(c, row);
	uint16_t port;
	int err, theirs;

	if (tls_able_refusal(&c->able, &job, c->error, sizeof(c->error))) {
		refuse(row, c->error, false);
		return -ENOTSUP;
	}
	err = tls_token_make(&job.token);
	if (!err)
		err = order_open(c, row, &job);
	if (err) {
		refuse(row, c->error, true);
		return err;
	}
	port = hear_port(c, row);
	if (!port)
		return -ENOTSUP;
	err = tls_address_peer(c->control.fd, port, &c->end.peer);
	if (!err)
		err = tls_end_open(&c->end, &job, c->error);
	if (err)
		refuse(row, c->error, true);
	if (err)
		tls_end_close(&c->end);
	theirs = hear_ok(c);
	if (theirs && !err)
		refuse(row, c->error, true);
	return err ? err : theirs;
}

static void close_run(struct client *c)
{
	tls_end_close(&c->end);
	if (!c->lost && !say(c, json_pack("{s:s}", "do", "close")))
		hear_ok(c);
}

/* --- transfers --- */

/* The server's second answer: what it used, what it saw. */
static int hear_done(struct client *c, struct tls_sample *sample, char *hash)
{
	bool unsupported;
	json_t *answer = hear(c, &unsupported);
	int err;

	if (!answer)
		return -EPROTO;
	err = tls_usage_unpack(json_object_get(answer, "usage"),
			       &sample->server);
	if (err)
		snprintf(c->error, sizeof(c->error),
			 "server: no usage in its answer");
	snprintf(hash, BENCH_HASH_TEXT, "%s", tls_machine_text(answer, "hash"));
	sample->server_install_ns = (uint64_t)json_integer_value(
		json_object_get(answer, "install_ns"));
	sample->server_derive_ns = (uint64_t)json_integer_value(
		json_object_get(answer, "derive_ns"));
	sample->installs = (uint64_t)json_integer_value(
		json_object_get(answer, "installs"));
	json_decref(answer);
	return err;
}

static int transfer(struct client *c, uint64_t messages, bool hashing,
		    struct tls_sample *sample, char hash[BENCH_HASH_TEXT])
{
	char ours[TLS_ERROR] = "";
	int err, theirs;

	tls_meter_prepare(&c->meter, &sample->client);
	err = say(c, json_pack("{s:s,s:I,s:b}", "do", "transfer", "messages",
			       (json_int_t)messages, "hash", hashing));
	if (err || hear_ok(c))
		return -EPROTO;
	tls_meter_start(&c->meter, &sample->client);
	err = tls_end_transfer(&c->end, messages, NULL, ours);
	theirs = hear_done(c, sample, hash);
	tls_meter_stop(&c->meter, &sample->client);
	if (err && !c->lost)
		snprintf(c->error, sizeof(c->error), "%s", ours);
	return err ? err : theirs;
}

static uint64_t to_verify(const struct tls_row *row)
{
	uint64_t messages = VERIFY_BYTES / row->c.size;

	if (messages > VERIFY_MOST)
		return VERIFY_MOST;
	return messages ? messages : 1;
}

/* Untimed: what arrives is hashed there and compared here. */
static int verify(struct client *c, uint64_t messages)
{
	char want[BENCH_HASH_TEXT], got[BENCH_HASH_TEXT];
	struct tls_sample sample;
	int err;

	err = transfer(c, messages, true, &sample, got);
	if (!err)
		err = tls_end_expect(&c->end, 0, messages, want);
	if (err || !strcmp(want, got))
		return err;
	snprintf(c->error, sizeof(c->error),
		 "other octets arrived than were sent");
	return -EBADMSG;
}

/* What is verified warms up, too. */
static int measure_transfer(struct client *c, struct tls_row *row)
{
	uint64_t part = c->run->plan->warm_up;
	uint64_t warm = part ? row->messages / part : 0;
	uint64_t verified = to_verify(row);
	struct tls_sample sample = {0};
	char hash[BENCH_HASH_TEXT];
	int err = verify(c, verified);

	if (!err && warm > verified)
		err = transfer(c, warm - verified, false, &sample, hash);
	if (!err)
		err = transfer(c, row->messages, false, &sample, hash);
	if (err)
		return err;
	row->verified = true;
	tls_row_add(row, &sample);
	return 0;
}

/* --- handshakes --- */

static int shake(struct client *c, uint64_t count, struct tls_sample *sample)
{
	char ours[TLS_ERROR] = "", hash[BENCH_HASH_TEXT];
	int err, theirs;

	tls_meter_prepare(&c->meter, &sample->client);
	err = say(c, json_pack("{s:s,s:I}", "do", "shake", "count",
			       (json_int_t)count));
	if (err || hear_ok(c))
		return -EPROTO;
	tls_meter_start(&c->meter, &sample->client);
	err = tls_end_shake(&c->end, count, ours);
	theirs = hear_done(c, sample, hash);
	tls_meter_stop(&c->meter, &sample->client);
	sample->client_install_ns = c->end.install_ns;
	sample->client_derive_ns = c->end.derive_ns;
	if (err && !c->lost)
		snprintf(c->error, sizeof(c->error), "%s", ours);
	return err ? err : theirs;
}

static int measure_handshakes(struct client *c, struct tls_row *row)
{
	struct tls_sample sample = {0};
	uint64_t want = row->c.path->resume ? row->messages : 0;
	int err =
		shake(c, (uint64_t)SHAKES_FIRST * c->end.job.threads, &sample);

	if (!err)
		err = shake(c, row->messages, &sample);
	if (err)
		return err;
	if (c->end.resumed != want) {
		snprintf(c->error, sizeof(c->error),
			 "%llu of %llu handshakes were resumed",
			 (unsigned long long)c->end.resumed,
			 (unsigned long long)row->messages);
		return -EPROTO;
	}
	row->verified = true;
	tls_row_add(row, &sample);
	return 0;
}

/* --- the plan --- */

static void run_once(struct client *c, struct tls_row *row)
{
	bool shakes = row->c.path->test == TLS_TEST_HANDSHAKE;
	int err = open_run(c, row);

	if (!err) {
		err = shakes ? measure_handshakes(c, row)
			     : measure_transfer(c, row);
		if (err)
			refuse(row, c->error, true);
	}
	if (err != -ENOTSUP)
		close_run(c);
}

/*
 * One group: each path once, then each once more, and so on, the first of them
 * another one each time, so that what disturbs the machine hurts all alike.
 */
static void run_group(struct client *c, size_t first, size_t next, size_t *done)
{
	struct tls_result *result = c->result;
	size_t n = next - first;
	unsigned repeats = c->run->plan->repeats;

	for (unsigned r = 0; r < repeats && !c->lost; r++) {
		for (size_t i = 0; i < n && !c->lost; i++) {
			struct tls_row *row =
				&result->rows[first + (i + r) % n];

			if (c->run->progress)
				c->run->progress(c->run->progress_arg, row, r,
						 *done,
						 result->count * repeats);
			if (!row->reason[0])
				run_once(c, row);
			(*done)++;
		}
	}
}

static int make_rows(struct client *c)
{
	const struct tls_plan *plan = c->run->plan;
	struct tls_result *result = c->result;
	struct tls_case *cases = NULL;
	long count = tls_plan_cases(plan, &cases);
	int err = count < 0 ? (int)count : 0;

	result->rows =
		calloc(count > 0 ? (size_t)count : 1, sizeof(*result->rows));
	if (!result->rows)
		err = -ENOMEM;
	for (long i = 0; i < count && !err; i++) {
		struct tls_row *row = &result->rows[i];

		err = tls_row_init(row, &cases[i], plan->repeats);
		row->messages = row->c.path->test == TLS_TEST_HANDSHAKE
					? plan->handshakes
					: tls_plan_messages(plan, &cases[i]);
		result->count++;
	}
	free(cases);
	return err ? tls_conn_explain(c->error, sizeof(c->error), err, "plan")
		   : 0;
}

static void run_all(struct client *c)
{
	struct tls_result *result = c->result;
	size_t done = 0;

	for (size_t i = 0; i < result->count;) {
		size_t next = i + 1;

		while (next < result->count &&
		       result->rows[next].c.group == result->rows[i].c.group)
			next++;
		run_group(c, i, next, &done);
		i = next;
	}
}

static int client_open(struct client *c)
{
	const struct tls_run *run = c->run;
	int err = tls_meter_open(&c->meter, run->counter);

	if (err) {
		snprintf(c->error, sizeof(c->error), "%s", c->meter.why);
		return err;
	}
	c->meter.machine = c->meter.softirq = true;
	err = tls_source_open(&c->source, run->folder,
			      (size_t)run->plan->offset, c->error,
			      sizeof(c->error));
	if (err)
		return err;
	tls_able_probe(&c->able);
	c->result->client = tls_machine_pack(&c->able, &c->meter);
	c->end = (struct tls_end){
		.able = &c->able,
		.source = &c->source,
		.folder = run->folder,
		.listener = -1,
	};
	return hello(c);
}

int tls_run(const struct tls_run *run, int control, struct tls_result *out,
	    char *error)
{
	struct client *c = calloc(1, sizeof(*c));
	int err;

	*out = (struct tls_result){.plan = run->plan,
				   .loopback = run->loopback};
	if (!c)
		return tls_conn_explain(error, TLS_ERROR, -ENOMEM, "client");
	c->run = run;
	c->result = out;
	c->source.fd = -1;
	tls_control_init(&c->control, control);
	err = client_open(c);
	if (!err)
		err = make_rows(c);
	if (!err) {
		run_all(c);
		err = c->lost ? -ECONNRESET : 0;
	}
	memcpy(error, c->error, TLS_ERROR);
	tls_end_free(&c->end);
	tls_meter_close(&c->meter);
	tls_source_close(&c->source);
	tls_control_close(&c->control);
	free(c);
	return err;
}
