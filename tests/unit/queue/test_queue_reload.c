/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another configuration for a queue that is at work.  What it went by before is
 * freed as soon as the queue says that nobody uses it: the address sanitizer
 * tells when that is not so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <assert.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log/log.h"
#include "tests/unit/queue/queue_world.h"

#define MINUTE	   (60 * URING_SEC)
#define CONFIGS	   64
#define ROUTES_MAX 4

/* Configurations of the world, the last one in use. */
struct history {
	struct queue_world *world;
	size_t count, freed;
	struct config *configs[CONFIGS];
	struct next_hop hops[CONFIGS][ROUTES_MAX];
};

static struct config *read_config(const char *routes, const char *destinations)
{
	char text[4096];
	struct config *config = NULL;

	snprintf(text, sizeof(text),
		 "hostname: relay.example.test\nspool: {path: /unused}\n"
		 "listen:\n  - {address: \"127.0.0.77:25\"}\n"
		 "retry: {schedule: [10s, 30s], expire: 100000s}\n"
		 "timeouts: {idle: 10s}\nworkers: 2\n"
		 "routes:\n%sdestinations:\n%s",
		 routes, destinations);
	assert_int_equal(
		config_parse(text, strlen(text), "test.yaml", stderr, &config),
		0);
	return config;
}

static void forget_old(struct history *h)
{
	for (unsigned i = 0; i < h->world->worker_count; i++)
		if (queue_retired(h->world->workers[i].queue) > 0)
			return;
	for (; h->freed + 1 < h->count; h->freed++) {
		struct config *config = h->configs[h->freed];

		for (size_t i = 0; i < config->route_count; i++)
			next_hop_deinit(&h->hops[h->freed][i]);
		config_unref(&config);
	}
}

/* Each worker by itself, as they come to it. */
static void reload(struct history *h, const char *routes,
		   const char *destinations)
{
	struct config *config = read_config(routes, destinations);

	assert(h->count < CONFIGS && config->route_count <= ROUTES_MAX);
	for (size_t i = 0; i < config->route_count; i++)
		sim_net_hop(&h->hops[h->count][i], &config->routes[i]);
	h->configs[h->count] = config;
	for (unsigned i = 0; i < h->world->worker_count; i++)
		queue_reload(h->world->workers[i].queue, config,
			     h->hops[h->count], NULL);
	h->count++;
}

#define ONE                                                            \
	"  - {match: \"*\", next_hop: \"127.0.0.1:2560\", tls: none, " \
	"connections: 20}\n"
#define TWO                                                                   \
	"  - {match: \"one.test\", next_hop: \"127.0.0.1:2560\", tls: none, " \
	"connections: 3}\n" ONE

#define THREE                                                                  \
	"  - {match: \"one.test\", next_hop: \"127.0.0.1:2560\", tls: none}\n" \
	"  - {match: \"x.test\", next_hop: \"127.0.0.1:9\", tls: none}\n" ONE

static struct history *begin(struct queue_world *world)
{
	struct history *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	h->world = world;
	/* The world's own is the world's to free. */
	reload(h, ONE, "  []\n");
	return h;
}

static void finish(struct history *h)
{
	struct queue_world *w = h->world;
	struct config *last;

	forget_old(h);
	queue_world_finish(w);
	for (; h->freed < h->count; h->freed++) {
		last = h->configs[h->freed];
		for (size_t i = 0; i < last->route_count; i++)
			next_hop_deinit(&h->hops[h->freed][i]);
		config_unref(&last);
	}
	free(h);
}

static const char *later(struct queue_world *w, const char *line)
{
	return w->arg && strncmp(line, "MAIL", 4) == 0 ? "451 4.3.0 later\r\n"
						       : NULL;
}

/* --- */

static void an_idle_session_ends(void **state)
{
	struct history *h = begin(queue_world_start(1, "  []\n"));
	struct queue_world *w = h->world;

	queue_world_send_many(w, 0, 1);
	queue_world_settle(w);
	assert_int_equal(queue_world_connections(w), 1);
	reload(h, ONE, "  []\n");
	queue_world_settle(w);
	assert_int_equal(queue_world_connections(w), 0);
	assert_int_equal(queue_retired(w->workers[0].queue), 0);
	finish(h);
}

static void ready_mail_goes_on(void **state)
{
	struct history *h = begin(queue_world_start(2, "  []\n"));
	struct queue_world *w = h->world;

	for (unsigned i = 0; i < 2; i++)
		queue_world_send_many(w, i, 200);
	for (int i = 0; i < 30; i++)
		queue_world_turn(w);
	reload(h, ONE, "  []\n");
	forget_old(h);
	for (int i = 0; i < 30; i++)
		queue_world_turn(w);
	reload(h, TWO, "  []\n");
	queue_world_settle(w);
	forget_old(h);
	assert_int_equal(w->received, 400);
	finish(h);
}

static void recipients_part_when_their_routes_do(void **state)
{
	static const char *const rcpts[] = {"a@one.test", "b@two.test",
					    "c@one.test"};
	struct history *h = begin(queue_world_start(1, "  []\n"));
	struct queue_world *w = h->world;

	w->script = later;
	w->arg = "";
	queue_world_send(w, 0, rcpts, 3);
	queue_world_settle(w);
	w->arg = NULL;
	reload(h, TWO, "  []\n");
	queue_world_later(w, MINUTE);
	assert_int_equal(w->received, 2);
	assert_int_equal(w->mails[0].rcpt_count + w->mails[1].rcpt_count, 3);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(w->mails[i].rcpt_count,
				 strcmp(w->mails[i].rcpt, "b@two.test") ? 2
									: 1);
	finish(h);
}

static void a_route_behind_changes_nothing_for_those_before(void **state)
{
	static const char *const rcpts[] = {"a@one.test", "b@one.test"};
	struct history *h = begin(queue_world_start(1, "  []\n"));
	struct queue_world *w = h->world;

	reload(h, TWO, "  []\n");
	w->script = later;
	w->arg = "";
	queue_world_send(w, 0, rcpts, 2);
	queue_world_settle(w);
	w->arg = NULL;
	reload(h, THREE, "  []\n");
	queue_world_later(w, MINUTE);
	assert_int_equal(w->received, 1);
	assert_int_equal(w->mails[0].rcpt_count, 2);
	finish(h);
}

static void mail_without_a_route_waits_for_one(void **state)
{
	static const char *const rcpts[] = {"a@one.test"};
	struct history *h = begin(queue_world_start(1, "  []\n"));
	struct queue_world *w = h->world;

	w->script = later;
	w->arg = "";
	queue_world_send(w, 0, rcpts, 1);
	queue_world_settle(w);
	w->arg = NULL;
	reload(h,
	       "  - {match: two.test, next_hop: \"127.0.0.1:2560\", "
	       "tls: none}\n",
	       "  []\n");
	queue_world_later(w, MINUTE);
	assert_int_equal(w->received, 0);
	reload(h, TWO, "  []\n");
	queue_world_later(w, MINUTE);
	assert_int_equal(w->received, 1);
	finish(h);
}

#define SUSPENDS                                                          \
	"  - {match: \"*\", connections: 4, backoff: [{reply: \"^421\", " \
	"action: suspend, for: 10m}]}\n"

static const char *away(struct queue_world *w, const char *line)
{
	return w->arg && strncmp(line, "MAIL", 4) == 0 ? "421 4.3.2 away\r\n"
						       : NULL;
}

static void a_suspension_outlives_a_reload(void **state)
{
	struct history *h = begin(queue_world_start(1, "  []\n"));
	struct queue_world *w = h->world;

	reload(h, ONE, SUSPENDS);
	w->script = away;
	w->arg = "";
	queue_world_send_many(w, 0, 1);
	queue_world_settle(w);
	w->arg = NULL;
	reload(h, TWO, SUSPENDS);
	queue_world_later(w, MINUTE);
	assert_int_equal(w->received, 0);
	queue_world_later(w, 10 * MINUTE);
	assert_int_equal(w->received, 1);
	finish(h);
}

static void unchanged_limits_count_old_sessions(void **state)
{
	struct history *h = begin(queue_world_start(2, "  []\n"));
	struct queue_world *w = h->world;
	static const char limit[] = "  - {match: \"*\", connections: 2}\n";

	reload(h, ONE, limit);
	queue_world_settle(w);
	w->most_connections = 0;
	for (unsigned i = 0; i < 2; i++)
		queue_world_send_many(w, i, 300);
	for (int n = 0; n < 10; n++) {
		for (int i = 0; i < 20; i++)
			queue_world_turn(w);
		reload(h, n % 2 ? ONE : TWO, limit);
	}
	queue_world_settle(w);
	queue_world_later(w, MINUTE);
	assert_int_equal(w->received, 600);
	assert_in_range(w->most_connections, 1, 2);
	finish(h);
}

/* At any moment, with peers that refuse and drop. */
static void nothing_is_lost_or_sent_twice(void **state)
{
	for (uint64_t seed = 1; seed <= 25; seed++) {
		struct queue_world_luck luck = {
			.seed = seed,
			.short_percent = 20,
			.delay_percent = 20,
			.refuse_percent = 10,
		};
		struct history *h =
			begin(queue_world_start_with(2, "  []\n", &luck));
		struct queue_world *w = h->world;

		for (unsigned i = 0; i < 2; i++)
			queue_world_send_many(w, i, 60);
		for (uint64_t n = 0; n < 12; n++) {
			for (uint64_t i = 0; i < (seed * 7 + n * 5) % 31; i++)
				queue_world_turn(w);
			reload(h, (seed + n) % 3 ? ONE : TWO, "  []\n");
			forget_old(h);
		}
		for (int i = 0; i < 100 && w->received < 120; i++)
			queue_world_later(w, MINUTE);
		assert_int_equal(w->received, 120);
		finish(h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idle_session_ends),
		cmocka_unit_test(ready_mail_goes_on),
		cmocka_unit_test(recipients_part_when_their_routes_do),
		cmocka_unit_test(
			a_route_behind_changes_nothing_for_those_before),
		cmocka_unit_test(mail_without_a_route_waits_for_one),
		cmocka_unit_test(a_suspension_outlives_a_reload),
		cmocka_unit_test(unchanged_limits_count_old_sessions),
		cmocka_unit_test(nothing_is_lost_or_sent_twice),
	};

	log_open("/dev/null", CONFIG_LOG_TEXT, CONFIG_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
