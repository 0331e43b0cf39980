/* SPDX-License-Identifier: Apache-2.0 */
/* Next hops that change their TLS keys while ours are in the kernel, and keys
 * that have done their share: the queue with real sessions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/log/log.h"
#include "gateway/queue/queue.h"
#include "tests/support/sim_net.h"
#include "tests/support/sim_server.h"
#include "tests/support/test_cert.h"
#include "tests/support/test_tree.h"

#define PORT 2530
#define DAY  (24 * 3600)

struct fixture {
	char dir[64];
	struct sim_net net;
	struct config *config;
	struct next_hop hop;
	struct spool *spool;
	struct queue *queue;
	struct sim_server server;
	struct test_certs certs;
	struct ktls_ctx *ctx;
	unsigned received, commits;
	const char *at; /* the line that is answered by @what */
	const char *what;
	unsigned times; /* so often; it counts down */
	bool refuse_b;	/* 450 for b@ */
};

static const char text[] =
	"hostname: relay.example.test\n"
	"spool: {path: /unused}\n"
	"workers: 1\n"
	"offload: %s\n"
	"listen:\n  - {address: \"127.0.0.1:2525\"}\n"
	"relay_from: [\"127.0.0.0/8\"]\n"
	"retry: {schedule: [10s, 30s], expire: 5d}\n"
	"timeouts: {idle: 1s}\n"
	"routes:\n"
	"  - {match: \"*\", next_hop: \"127.0.0.1:2530\", tls: encrypt, "
	"connections: 1}\n";

/* --- the next hop --- */

static void received(void *arg, const struct sim_mail *mail)
{
	struct fixture *f = arg;

	assert_true(mail->tls);
	f->received++;
}

static const char *script(void *arg, const char *line)
{
	struct fixture *f = arg;

	if (f->refuse_b && strncmp(line, "RCPT TO:<b@", 11) == 0)
		return "450 4.2.0 later\r\n";
	if (!f->at || f->times == 0 || line[0] == '\0' ||
	    strncmp(line, f->at, strlen(f->at)) != 0)
		return NULL;
	f->times--;
	return f->what;
}

static void open_server(struct fixture *f, bool chunking)
{
	struct ktls_cert_files files;
	struct ktls_error error;
	struct ktls_ctx_config ctx = {.role = KTLS_SERVER,
				      .certs = &files,
				      .cert_count = 1,
				      .tickets = 2};
	struct sim_server_config config = {
		.ring = f->net.ring,
		.fake = f->net.fake,
		.port = PORT,
		.seed = 1,
		.no_chunking = !chunking,
		.script = script,
		.received = received,
		.arg = f,
	};

	test_certs_open(&f->certs);
	test_certs_make_simple(&f->certs, "server", "127.0.0.1");
	files.certificate = test_certs_path(&f->certs, "server.pem");
	files.key = test_certs_path(&f->certs, "server.key");
	assert_int_equal(ktls_ctx_create(&ctx, &f->ctx, &error), 0);
	config.ctx = f->ctx;
	sim_server_open(&f->server, &config);
}

/* The server answers @at with new keys in front, @times times. */
static void change_keys(struct fixture *f, const char *at, bool ask,
			unsigned times)
{
	f->at = at;
	f->what = ask ? "^?" : "^";
	f->times = times;
}

/* --- the relay --- */

static void found(void *arg, struct spool_message *message)
{
	fail_msg("a fresh spool is empty");
}

static void open_queue(struct fixture *f)
{
	struct queue_config config = {.config = f->config,
				      .env = &f->net.env,
				      .hops = &f->hop,
				      .socket = sim_net_socket,
				      .socket_arg = &f->net,
				      .wall_clock = sim_net_wall_clock};
	struct spool_config spool = {
		.path = f->dir, .segment_size = 256 * 1024, .sync = true};
	struct spool_report report;
	char error[256] = "";

	assert_int_equal(queue_create(&config, &f->queue), 0);
	assert_int_equal(spool_open(&spool, f->net.ring, found, f, &report,
				    error, &f->spool),
			 0);
}

struct how {
	bool rekeys;	/* the kernel can change keys */
	bool always;	/* offload: always */
	bool chunking;	/* the server's */
	uint64_t limit; /* records of a key */
};

static struct fixture *start(const struct how *how)
{
	struct fixture *f = test_calloc(1, sizeof(*f));
	struct uring_fake_config fake = {.seed = 3};
	char conf[sizeof(text) + 16];

	snprintf(f->dir, sizeof(f->dir), "/tmp/ringpost-queue-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(conf, sizeof(conf), text, how->always ? "always" : "auto");
	assert_int_equal(config_parse(conf, strlen(conf), "test.yaml", stderr,
				      &f->config),
			 0);
	sim_net_open(&f->net, &fake, 8);
	sim_net_kernel_tls(&f->net, how->rekeys);
	f->net.env.record_limit = how->limit;
	sim_net_hop(&f->hop, &f->config->routes[0]);
	open_queue(f);
	open_server(f, how->chunking);
	return f;
}

static void settle(struct fixture *f)
{
	for (int still = 0, i = 0; still < 8 && i < 100000; i++) {
		bool moved = uring_turn(f->net.ring, 0) > 0;

		moved |= sim_server_pump(&f->server);
		still = moved ? 0 : still + 1;
	}
}

static void later(struct fixture *f, uint64_t seconds)
{
	uring_fake_advance(f->net.fake, seconds * URING_SEC);
	settle(f);
}

static void finish(struct fixture *f)
{
	queue_shutdown(f->queue);
	settle(f);
	queue_abort(f->queue);
	for (int i = 0; i < 100 && (queue_sessions(f->queue) > 0 ||
				    spool_inflight(f->spool) > 0);
	     i++)
		later(f, 1);
	assert_int_equal(queue_sessions(f->queue), 0);
	queue_destroy(&f->queue);
	spool_close(&f->spool);
	sim_server_close(&f->server);
	settle(f);
	next_hop_deinit(&f->hop);
	ktls_ctx_unref(&f->ctx);
	test_certs_close(&f->certs);
	sim_net_close(&f->net);
	config_unref(&f->config);
	test_tree_remove(f->dir);
	test_free(f);
}

static void committed(void *owner, enum spool_status status,
		      struct spool_message *message)
{
	struct fixture *f = owner;

	assert_int_equal(status, SPOOL_OK);
	f->commits++;
	queue_add(f->queue, f->spool, message);
}

static void send_to(struct fixture *f, const char *const *rcpts, size_t count)
{
	static const char body[] = "Subject: x\r\n\r\nhello\r\n";
	struct spool_envelope envelope = {
		.reverse_path = "from@example.test",
		.recipients = rcpts,
		.recipient_count = count,
		.client = "test",
		.arrival = sim_net_wall_clock(),
	};
	struct spool_writer *writer;
	unsigned char *room;
	unsigned before = f->commits;

	assert_int_equal(spool_begin(f->spool, &writer), SPOOL_OK);
	assert_true(spool_reserve(writer, &room) >= sizeof(body) - 1);
	memcpy(room, body, sizeof(body) - 1);
	spool_advance(writer, sizeof(body) - 1);
	spool_commit(writer, &envelope, "Received: x\r\n", 13, committed, f);
	settle(f);
	assert_int_equal(f->commits, before + 1);
}

static void send_one(struct fixture *f)
{
	static const char *const rcpt = "a@example.test";

	send_to(f, &rcpt, 1);
}

static void assert_queue(const struct fixture *f, unsigned delivered,
			 unsigned deferred)
{
	struct queue_stats stats;

	queue_stats(f->queue, &stats);
	assert_int_equal(stats.delivered, delivered);
	assert_int_equal(stats.deferred, deferred);
	assert_int_equal(stats.failed, 0);
}

/* Connections that ended with receiving in the kernel, and without. */
static void assert_offloads(struct fixture *f, unsigned with, unsigned without)
{
	const struct outbound_stats *stats =
		outbound_stats(queue_outbound(f->queue));

	later(f, 2); /* idle ones end */
	assert_int_equal(tls_stats_offloads(&stats->tls, KTLS_RX, true), with);
	assert_int_equal(tls_stats_offloads(&stats->tls, KTLS_TX, false),
			 without);
	assert_int_equal(tls_stats_offloads(&stats->tls, KTLS_RX, false),
			 without);
}

static uint64_t repeats(const struct fixture *f)
{
	return outbound_stats(queue_outbound(f->queue))->repeats;
}

/* --- new keys that can't be followed --- */

/* The server has nothing of the message yet: it is delivered once, at once, on
 * a connection whose keys OpenSSL can follow; and so are all that come after,
 * whatever the server does with its keys. */
static void goes_again_at_once(void **state)
{
	for (int ask = 0; ask < 2; ask++) {
		struct fixture *f = start(&(struct how){0});

		change_keys(f, "DATA", ask, UINT_MAX);
		send_one(f);
		assert_queue(f, 1, 0);
		assert_int_equal(f->received, 1);
		assert_int_equal(repeats(f), 1);
		for (int i = 0; i < 5; i++)
			send_one(f);
		change_keys(f, ".", ask, UINT_MAX);
		for (int i = 0; i < 5; i++)
			send_one(f);
		assert_queue(f, 11, 0);
		assert_int_equal(f->received, 11);
		assert_int_equal(repeats(f), 1);
		assert_int_equal(f->server.connections, 2);
		assert_offloads(f, 1, 1);
		finish(f);
	}
}

/* The one case that costs a duplicate: the server may have taken it, and its
 * reply can't be read. */
static void a_reply_behind_new_keys_is_lost_once(void **state)
{
	struct fixture *f = start(&(struct how){.chunking = true});

	change_keys(f, ".", false, UINT_MAX);
	for (int i = 0; i < 5; i++)
		send_one(f);
	assert_queue(f, 5, 0);
	assert_int_equal(f->received, 6);
	assert_int_equal(repeats(f), 1);
	finish(f);
}

static void nothing_is_repeated_when_idle(void **state)
{
	struct fixture *f = start(&(struct how){.chunking = true});

	send_one(f);
	sim_peer_key_update(&f->server.conns[0].peer, true);
	settle(f);
	send_one(f);
	assert_queue(f, 2, 0);
	assert_int_equal(f->received, 2);
	assert_int_equal(repeats(f), 0);
	assert_offloads(f, 1, 1);
	finish(f);
}

static void keys_are_followed_where_they_can_be(void **state)
{
	for (int ask = 0; ask < 2; ask++) {
		struct fixture *f = start(&(struct how){.rekeys = true});

		change_keys(f, "DATA", ask, UINT_MAX);
		for (int i = 0; i < 5; i++)
			send_one(f);
		change_keys(f, ".", ask, UINT_MAX);
		for (int i = 0; i < 5; i++)
			send_one(f);
		assert_queue(f, 10, 0);
		assert_int_equal(f->received, 10);
		assert_int_equal(repeats(f), 0);
		assert_int_equal(f->server.connections, 1);
		assert_offloads(f, 1, 0);
		finish(f);
	}
}

static void it_is_forgotten_after_a_day(void **state)
{
	struct fixture *f = start(&(struct how){0});

	change_keys(f, "DATA", false, 1);
	send_one(f);
	assert_offloads(f, 1, 1);
	later(f, DAY - 100);
	send_one(f);
	assert_offloads(f, 1, 2);
	later(f, 200);
	send_one(f);
	assert_offloads(f, 2, 2);
	assert_queue(f, 3, 0);
	assert_int_equal(f->received, 3);
	finish(f);
}

/* Where user space is not allowed: twice more at once, then by schedule. */
static void repeats_end(void **state)
{
	struct fixture *f = start(&(struct how){.always = true});

	change_keys(f, "DATA", false, 5);
	send_one(f);
	assert_int_equal(f->server.connections, 3);
	assert_int_equal(repeats(f), 2);
	assert_queue(f, 0, 1);
	later(f, 9);
	assert_int_equal(f->server.connections, 3);
	later(f, 2);
	assert_int_equal(f->server.connections, 6);
	assert_queue(f, 1, 1);
	assert_int_equal(f->received, 1);
	assert_offloads(f, 6, 0);
	finish(f);
}

/* A recipient that has to wait takes the others along: asking for it again at
 * once is not what its server wants. */
static void what_has_to_wait_waits(void **state)
{
	static const char *const rcpts[] = {"a@example.test", "b@example.test"};
	struct fixture *f = start(&(struct how){0});

	f->refuse_b = true;
	change_keys(f, "DATA", false, 1);
	send_to(f, rcpts, 2);
	assert_queue(f, 0, 1);
	f->refuse_b = false;
	later(f, 9);
	assert_queue(f, 0, 1);
	later(f, 2);
	assert_queue(f, 2, 1);
	finish(f);
}

/* Before any mail could be given: the server is not to blame for that. */
static void before_mail(void **state)
{
	struct fixture *f = start(&(struct how){0});

	change_keys(f, "EHLO", true, UINT_MAX);
	send_one(f);
	assert_queue(f, 1, 0);
	assert_int_equal(f->received, 1);
	assert_int_equal(f->server.connections, 2);
	finish(f);

	f = start(&(struct how){.always = true});
	change_keys(f, "EHLO", true, UINT_MAX);
	send_one(f);
	assert_queue(f, 0, 1);
	assert_int_equal(f->server.connections, 1);
	finish(f);
}

/* --- keys that have done their share --- */

static void worn_keys_get_a_new_connection(void **state)
{
	struct fixture *f = start(&(struct how){.chunking = true, .limit = 20});

	for (int i = 0; i < 40; i++)
		send_one(f);
	assert_queue(f, 40, 0);
	assert_int_equal(f->received, 40);
	assert_int_equal(repeats(f), 0);
	assert_in_range(f->server.connections, 3, 20);
	finish(f);
}

static void worn_keys_are_changed_where_they_can_be(void **state)
{
	struct fixture *f = start(
		&(struct how){.chunking = true, .rekeys = true, .limit = 20});

	for (int i = 0; i < 40; i++)
		send_one(f);
	assert_queue(f, 40, 0);
	assert_int_equal(f->received, 40);
	assert_int_equal(f->server.connections, 1);
	finish(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_again_at_once),
		cmocka_unit_test(a_reply_behind_new_keys_is_lost_once),
		cmocka_unit_test(nothing_is_repeated_when_idle),
		cmocka_unit_test(keys_are_followed_where_they_can_be),
		cmocka_unit_test(it_is_forgotten_after_a_day),
		cmocka_unit_test(repeats_end),
		cmocka_unit_test(what_has_to_wait_waits),
		cmocka_unit_test(before_mail),
		cmocka_unit_test(worn_keys_get_a_new_connection),
		cmocka_unit_test(worn_keys_are_changed_where_they_can_be),
	};

	(void)log_open(NULL, CONFIG_LOG_TEXT, CONFIG_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
