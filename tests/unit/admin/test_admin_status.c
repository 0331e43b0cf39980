/* SPDX-License-Identifier: Apache-2.0 */
/* `status`: what workers say is added up; one that is silent is not waited for;
 * and when the relay says that it takes mail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/admin_health.h"
#include "gateway/admin/admin_status.h"
#include "gateway/metrics/metrics_view.h"

/* A worker that answers at once, or never. */
struct fake {
	bool silent, stopping;
	uint64_t messages;
	unsigned destinations; /* rows, of as many deliveries as their number */
	struct admin_port *held;
};

static void put_rows(const struct fake *fake, struct admin_port *port)
{
	for (unsigned i = 1; i <= fake->destinations; i++) {
		char name[32];
		struct queue_domain domain = {
			.domain = "",
			.route = "*",
			.destination = name,
			.count = {[QUEUE_DEFERRED] = i},
			.sessions = 1,
			.unreachable = i == 1,
		};

		snprintf(name, sizeof(name), "mx%u.test:25", i);
		(void)admin_port_put(port, admin_row_domain(&domain));
	}
}

static void post(void *worker, struct admin_port *port)
{
	struct fake *fake = worker;
	struct admin_counts counts = {
		.worker = {.workers = 1,
			   .inbound = {.messages = fake->messages}},
	};

	if (fake->silent) {
		fake->held = port;
		return;
	}
	if (!fake->stopping)
		put_rows(fake, port);
	admin_port_finish(port, fake->stopping ? NULL : &counts,
			  fake->stopping);
	admin_port_unref(&port);
}

static void poke(void *worker)
{
}

static void news(void *arg)
{
}

static bool swallow(void *arg, const char *line, size_t len)
{
	return true;
}

struct world {
	struct fake fakes[2];
	struct admin_core *core;
	struct admin_call *call;
};

static void begin(struct world *w)
{
	struct admin_worker workers[2] = {
		{.post = post, .poke = poke, .worker = &w->fakes[0]},
		{.post = post, .poke = poke, .worker = &w->fakes[1]},
	};
	struct admin_core_config config = {
		.workers = workers,
		.worker_count = 2,
		.news = news,
	};

	w->core = admin_core_create(&config);
	assert_non_null(w->core);
}

static void ask(struct world *w, const char *text)
{
	struct admin_sink sink = {.write = swallow};
	struct admin_who who = {.from = "test"};

	w->call = admin_call_begin(w->core, text, strlen(text), &who, &sink);
	assert_non_null(w->call);
}

static void end(struct world *w)
{
	admin_call_end(&w->call);
	for (unsigned i = 0; i < 2; i++)
		admin_port_unref(&w->fakes[i].held);
}

static void finish(struct world *w)
{
	end(w);
	admin_core_destroy(&w->core);
}

#define STATUS "{\"command\": \"status\"}"

static void test_workers_add_up(void **state)
{
	struct world w = {.fakes = {{.messages = 3}, {.messages = 4}}};
	const struct metrics_view *view;

	begin(&w);
	ask(&w, STATUS);
	assert_true(admin_call_pump(w.call));
	view = admin_call_view(w.call);
	assert_non_null(view);
	assert_int_equal(view->stats.inbound.messages, 7);
	assert_int_equal(view->workers, 2);
	assert_int_equal(view->responding, 2);
	finish(&w);
}

/* A sum must not fall because one does not answer. */
static void test_a_silent_worker_counts_as_it_did(void **state)
{
	struct world w = {.fakes = {{.messages = 3}, {.messages = 4}}};
	const struct metrics_view *view;

	begin(&w);
	ask(&w, STATUS);
	assert_true(admin_call_pump(w.call));
	end(&w);
	w.fakes[0].messages = 5;
	w.fakes[1].silent = true;
	ask(&w, STATUS);
	assert_false(admin_call_pump(w.call));
	admin_call_hurry(w.call);
	view = admin_call_view(w.call);
	assert_non_null(view);
	assert_int_equal(view->stats.inbound.messages, 9);
	assert_int_equal(view->responding, 1);
	finish(&w);
}

static void test_a_stopping_worker_counts_as_it_did(void **state)
{
	struct world w = {.fakes = {{.messages = 3}, {.messages = 4}}};
	const struct metrics_view *view;

	begin(&w);
	ask(&w, STATUS);
	assert_true(admin_call_pump(w.call));
	end(&w);
	w.fakes[0].stopping = w.fakes[1].stopping = true;
	ask(&w, STATUS);
	assert_true(admin_call_pump(w.call));
	view = admin_call_view(w.call);
	assert_non_null(view);
	assert_int_equal(view->stats.inbound.messages, 7);
	finish(&w);
}

/* Labels are bounded: what is not among the first is counted together. */
static void test_most_mail_first_and_the_rest_together(void **state)
{
	struct world w = {
		.fakes = {{.destinations = 30}, {.destinations = 30}}};
	const struct metrics_view *view;

	begin(&w);
	ask(&w, "{\"command\": \"status\", \"limit\": 2}");
	assert_true(admin_call_pump(w.call));
	view = admin_call_view(w.call);
	assert_non_null(view);
	assert_int_equal(view->destinations, 30);
	assert_int_equal(view->top_count, 2);
	assert_string_equal(view->top[0].name, "mx30.test:25");
	assert_int_equal(view->top[0].count[QUEUE_DEFERRED], 60);
	assert_string_equal(view->top[1].name, "mx29.test:25");
	assert_int_equal(view->other.count[QUEUE_DEFERRED], 28 * 29);
	assert_int_equal(view->total.count[QUEUE_DEFERRED], 30 * 31);
	assert_int_equal(view->other.sessions, 56);
	assert_int_equal(view->unreachable, 1);
	finish(&w);
}

static void test_other_commands_have_no_view(void **state)
{
	struct world w = {.fakes = {{.messages = 3}}};

	begin(&w);
	ask(&w, "{\"command\": \"summary\"}");
	assert_true(admin_call_pump(w.call));
	assert_null(admin_call_view(w.call));
	finish(&w);
}

/* --- health --- */

static void expect_reasons(const struct admin_health *health,
			   const struct metrics_view *view,
			   const char *expected)
{
	const char *reasons[ADMIN_HEALTH_REASONS];
	unsigned n = admin_health_reasons(health, view, reasons);
	char all[256] = "";

	for (unsigned i = 0; i < n; i++) {
		strcat(all, reasons[i]);
		strcat(all, " ");
	}
	assert_string_equal(all, expected);
}

static void test_reasons_for_not_being_ready(void **state)
{
	struct admin_health health = {.phase = ADMIN_PHASE_SERVING,
				      .min_free_percent = 10};
	struct metrics_view *view = calloc(1, sizeof(*view));

	assert_non_null(view);
	view->workers = view->responding = 2;
	view->host.has_space = true;
	view->host.space = 1000;
	view->host.space_free = 100;
	expect_reasons(&health, view, "");
	view->host.space_free = 99;
	expect_reasons(&health, view, "low_space ");
	health.min_free_percent = 0;
	expect_reasons(&health, view, "");
	view->stats.spool_full = 1;
	view->responding = 1;
	expect_reasons(&health, view, "spool_full worker_silent ");
	view->stats.spool_full = 0;
	view->stats.spool_failed = 1;
	atomic_store(&health.phase, ADMIN_PHASE_STOPPING);
	expect_reasons(&health, view, "stopping spool_failed ");
	free(view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_workers_add_up),
		cmocka_unit_test(test_a_silent_worker_counts_as_it_did),
		cmocka_unit_test(test_a_stopping_worker_counts_as_it_did),
		cmocka_unit_test(test_most_mail_first_and_the_rest_together),
		cmocka_unit_test(test_other_commands_have_no_view),
		cmocka_unit_test(test_reasons_for_not_being_ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
