/* SPDX-License-Identifier: Apache-2.0 */
/* The queue on a real spool, against next hops in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/log/log.h"
#include "gateway/queue/queue.h"
#include "tests/support/sim_net.h"
#include "tests/support/sim_server.h"
#include "tests/support/test_tree.h"

#define HOPS 2
#define PORT 2530

struct fixture {
	char dir[64];
	struct sim_net net;
	struct config *config;
	struct next_hop hops[HOPS];
	struct spool *spool;
	struct queue *queue;
	struct sim_server servers[HOPS];
	bool open[HOPS];
	unsigned received[HOPS], recipients[HOPS];
	bool refuse[HOPS]; /* 450 to MAIL */
	bool fail[HOPS];   /* 550 to MAIL */
	struct spool_message *found[16];
	size_t found_count;
	size_t commits;
};

static const char text[] =
	"hostname: relay.example.test\n"
	"spool: {path: /unused}\n"
	"workers: 1\n"
	"listen:\n  - {address: \"127.0.0.1:2525\"}\n"
	"relay_from: [\"127.0.0.0/8\"]\n"
	"retry: {schedule: [10s, 30s], expire: 100s}\n"
	"timeouts: {idle: 1s}\n"
	"routes:\n"
	"  - {match: one.test, next_hop: \"127.0.0.1:2530\", tls: none, "
	"connections: 2}\n"
	"  - {match: two.test, next_hop: \"127.0.0.1:2531\", tls: none}\n";

static void received(void *arg, const struct sim_mail *mail);
static const char *script(void *arg, const char *line);

/* A server's callbacks need to know which one it is. */
struct hop_arg {
	struct fixture *f;
	int hop;
};
static struct hop_arg hop_args[HOPS];

static void received(void *arg, const struct sim_mail *mail)
{
	struct hop_arg *a = arg;

	a->f->received[a->hop]++;
	a->f->recipients[a->hop] += (unsigned)mail->rcpt_count;
}

static const char *script(void *arg, const char *line)
{
	struct hop_arg *a = arg;

	if (strncmp(line, "MAIL", 4) != 0)
		return NULL;
	return a->f->refuse[a->hop] ? "450 4.2.0 later\r\n"
	       : a->f->fail[a->hop] ? "550 5.7.1 never\r\n"
				    : NULL;
}

static void open_hop(struct fixture *f, int hop)
{
	struct sim_server_config config = {
		.ring = f->net.ring,
		.fake = f->net.fake,
		.port = (uint16_t)(PORT + hop),
		.seed = 1,
		.script = script,
		.received = received,
		.arg = &hop_args[hop],
	};

	hop_args[hop] = (struct hop_arg){f, hop};
	sim_server_open(&f->servers[hop], &config);
	f->open[hop] = true;
}

static void found(void *arg, struct spool_message *message)
{
	struct fixture *f = arg;

	f->found[f->found_count++] = message;
}

static void open_queue(struct fixture *f)
{
	struct queue_config config = {.config = f->config,
				      .env = &f->net.env,
				      .hops = f->hops,
				      .socket = sim_net_socket,
				      .socket_arg = &f->net,
				      .wall_clock = sim_net_wall_clock};
	struct spool_config spool = {
		.path = f->dir, .segment_size = 256 * 1024, .sync = true};
	struct spool_report report;
	char error[256] = "";

	assert_int_equal(queue_create(&config, &f->queue), 0);
	f->found_count = 0;
	assert_int_equal(spool_open(&spool, f->net.ring, found, f, &report,
				    error, &f->spool),
			 0);
	for (size_t i = 0; i < f->found_count; i++)
		queue_add(f->queue, f->spool, f->found[i]);
}

static struct fixture *start(void)
{
	struct fixture *f = test_calloc(1, sizeof(*f));
	struct uring_fake_config fake = {.seed = 3};

	snprintf(f->dir, sizeof(f->dir), "/tmp/ringpost-queue-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(config_parse(text, strlen(text), "test.yaml", stderr,
				      &f->config),
			 0);
	sim_net_open(&f->net, &fake, 8);
	for (int i = 0; i < HOPS; i++)
		sim_net_hop(&f->hops[i], &f->config->routes[i]);
	open_queue(f);
	return f;
}

static void settle(struct fixture *f)
{
	for (int still = 0, i = 0; still < 8 && i < 100000; i++) {
		bool moved = uring_turn(f->net.ring, 0) > 0;

		for (int hop = 0; hop < HOPS; hop++)
			if (f->open[hop])
				moved |= sim_server_pump(&f->servers[hop]);
		still = moved ? 0 : still + 1;
	}
}

static void later(struct fixture *f, uint64_t seconds)
{
	uring_fake_advance(f->net.fake, seconds * URING_SEC);
	settle(f);
}

static void close_queue(struct fixture *f)
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
}

static void finish(struct fixture *f)
{
	close_queue(f);
	for (int i = 0; i < HOPS; i++) {
		if (f->open[i])
			sim_server_close(&f->servers[i]);
		settle(f);
		next_hop_deinit(&f->hops[i]);
	}
	sim_net_close(&f->net);
	config_unref(&f->config);
	test_tree_remove(f->dir);
	test_free(f);
}

/* --- mail --- */

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
	size_t before = f->commits;

	assert_int_equal(spool_begin(f->spool, &writer), SPOOL_OK);
	assert_true(spool_reserve(writer, &room) >= sizeof(body) - 1);
	memcpy(room, body, sizeof(body) - 1);
	spool_advance(writer, sizeof(body) - 1);
	spool_commit(writer, &envelope, "Received: x\r\n", 13, committed, f);
	settle(f);
	assert_int_equal(f->commits, before + 1);
}

static void send_one(struct fixture *f, const char *rcpt)
{
	send_to(f, &rcpt, 1);
}

static struct queue_stats stats_of(struct fixture *f)
{
	struct queue_stats stats;

	queue_stats(f->queue, &stats);
	return stats;
}

/* --- tests --- */

static void delivers_and_forgets(void **state)
{
	struct fixture *f = start();

	open_hop(f, 0);
	send_one(f, "a@one.test");
	assert_int_equal(f->received[0], 1);
	assert_int_equal(stats_of(f).delivered, 1);
	assert_int_equal(spool_stats(f->spool)->finished, 1);
	finish(f);
}

static void splits_by_route_and_gathers_recipients(void **state)
{
	static const char *const rcpts[] = {"a@one.test", "b@two.test",
					    "c@ONE.test", "d@two.test"};
	struct fixture *f = start();

	open_hop(f, 0);
	open_hop(f, 1);
	send_to(f, rcpts, 4);
	assert_int_equal(f->received[0], 1);
	assert_int_equal(f->recipients[0], 2);
	assert_int_equal(f->received[1], 1);
	assert_int_equal(f->recipients[1], 2);
	assert_int_equal(spool_stats(f->spool)->finished, 1);
	finish(f);
}

static void tries_again_by_schedule(void **state)
{
	struct fixture *f = start();

	open_hop(f, 0);
	f->refuse[0] = true;
	send_one(f, "a@one.test");
	assert_int_equal(stats_of(f).deferred, 1);
	assert_int_equal(stats_of(f).waiting, 1);
	later(f, 9);
	assert_int_equal(stats_of(f).deferred, 1);
	later(f, 2);
	assert_int_equal(stats_of(f).deferred, 2);
	f->refuse[0] = false;
	later(f, 25); /* the second delay is 30 s */
	assert_int_equal(f->received[0], 0);
	later(f, 6);
	assert_int_equal(f->received[0], 1);
	assert_int_equal(stats_of(f).waiting, 0);
	finish(f);
}

static void gives_up_when_expired(void **state)
{
	struct fixture *f = start();

	open_hop(f, 0);
	f->refuse[0] = true;
	send_one(f, "a@one.test");
	for (int i = 0; i < 5; i++)
		later(f, 31);
	assert_int_equal(stats_of(f).failed, 1);
	assert_int_equal(spool_stats(f->spool)->finished, 1);
	finish(f);
}

static void fails_for_good_on_5xx(void **state)
{
	struct fixture *f = start();

	open_hop(f, 0);
	f->fail[0] = true;
	send_one(f, "a@one.test");
	assert_int_equal(stats_of(f).failed, 1);
	assert_int_equal(stats_of(f).waiting, 0);
	assert_int_equal(spool_stats(f->spool)->finished, 1);
	finish(f);
}

static void remembers_attempts_over_a_restart(void **state)
{
	struct fixture *f = start();

	open_hop(f, 0);
	f->refuse[0] = true;
	send_one(f, "a@one.test");
	later(f, 11); /* second attempt: the next is 30 s away */
	close_queue(f);
	open_queue(f);
	assert_int_equal(stats_of(f).waiting, 1);
	f->refuse[0] = false;
	later(f, 20);
	assert_int_equal(f->received[0], 0);
	later(f, 15);
	assert_int_equal(f->received[0], 1);
	finish(f);
}

static void an_unreachable_hop_costs_one_attempt_per_probe(void **state)
{
	struct fixture *f = start();

	for (int i = 0; i < 4; i++)
		send_one(f, "a@one.test");
	assert_int_equal(stats_of(f).deferred, 1);
	assert_int_equal(stats_of(f).ready, 3);
	open_hop(f, 0);
	later(f, 11);
	assert_int_equal(f->received[0], 4);
	finish(f);
}

static void a_dead_hop_does_not_stop_another(void **state)
{
	struct fixture *f = start();

	open_hop(f, 1);
	send_one(f, "a@one.test");
	send_one(f, "b@two.test");
	assert_int_equal(f->received[1], 1);
	finish(f);
}

static void what_waits_for_a_dead_hop_expires(void **state)
{
	struct fixture *f = start();

	for (int i = 0; i < 3; i++)
		send_one(f, "a@one.test");
	for (int i = 0; i < 12; i++)
		later(f, 31);
	assert_int_equal(stats_of(f).failed, 3);
	finish(f);
}

static void keeps_to_the_connection_limit_and_reuses(void **state)
{
	struct fixture *f = start();

	open_hop(f, 0);
	for (int i = 0; i < 10; i++)
		send_one(f, "a@one.test");
	assert_int_equal(f->received[0], 10);
	/* Each message found the first connection idle. */
	assert_int_equal(f->servers[0].connections, 1);
	finish(f);
}

static void opens_at_most_its_share(void **state)
{
	struct fixture *f = start();

	/* Ten due at once: the limit is two connections. */
	for (int i = 0; i < 10; i++)
		send_one(f, "a@one.test");
	open_hop(f, 0);
	later(f, 11);
	assert_int_equal(f->received[0], 10);
	assert_in_range(f->servers[0].connections, 1, 2);
	finish(f);
}

static void gives_out_nothing_while_stopping(void **state)
{
	struct fixture *f = start();

	open_hop(f, 0);
	queue_shutdown(f->queue);
	send_one(f, "a@one.test");
	assert_int_equal(f->received[0], 0);
	close_queue(f);
	open_queue(f);
	settle(f);
	assert_int_equal(f->received[0], 1);
	finish(f);
}

static void a_recipient_without_a_route_waits(void **state)
{
	struct fixture *f = start();

	open_hop(f, 0);
	send_one(f, "a@nowhere.test");
	assert_int_equal(stats_of(f).ready + stats_of(f).waiting, 0);
	assert_int_equal(spool_stats(f->spool)->finished, 0);
	finish(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delivers_and_forgets),
		cmocka_unit_test(splits_by_route_and_gathers_recipients),
		cmocka_unit_test(tries_again_by_schedule),
		cmocka_unit_test(gives_up_when_expired),
		cmocka_unit_test(fails_for_good_on_5xx),
		cmocka_unit_test(remembers_attempts_over_a_restart),
		cmocka_unit_test(
			an_unreachable_hop_costs_one_attempt_per_probe),
		cmocka_unit_test(a_dead_hop_does_not_stop_another),
		cmocka_unit_test(what_waits_for_a_dead_hop_expires),
		cmocka_unit_test(keeps_to_the_connection_limit_and_reuses),
		cmocka_unit_test(opens_at_most_its_share),
		cmocka_unit_test(gives_out_nothing_while_stopping),
		cmocka_unit_test(a_recipient_without_a_route_waits),
	};

	(void)log_open(NULL, CONFIG_LOG_TEXT, CONFIG_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
