/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a queue through the agent and the core, bit by bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "gateway/log/log.h"
#include "tests/unit/admin/admin_world.h"

static size_t entries(struct admin_world *w, const char *filter)
{
	char request[512];
	json_t *answer;
	size_t count;

	snprintf(request, sizeof(request),
		 "{\"command\":\"list\",\"limit\":0,\"filter\":{%s}}", filter);
	answer = admin_world_ask(w, request);
	count = admin_world_count(answer, "entry");
	assert_int_equal(admin_world_count(answer, "done"), 1);
	json_decref(answer);
	return count;
}

static void an_empty_queue_answers(void **state)
{
	struct admin_world *w = admin_world_open();
	json_t *answer = admin_world_ask(w, "{\"command\":\"summary\"}");

	assert_int_equal(json_array_size(answer), 1);
	assert_int_equal(admin_world_number(admin_world_line(answer, "done", 0),
					    "ready"),
			 0);
	json_decref(answer);
	assert_int_equal(entries(w, ""), 0);
	admin_world_close(w);
}

static void filters_choose(void **state)
{
	struct admin_world *w = admin_world_open();

	admin_world_send_one(w, "a@x.test", "1@one.test");
	admin_world_send_one(w, "b@x.test", "2@two.test");
	admin_world_later(w, 50);
	admin_world_send_one(w, "", "3@three.test");
	assert_int_equal(entries(w, ""), 3);
	assert_int_equal(entries(w, "\"sender\":\"A@X.test\""), 1);
	assert_int_equal(entries(w, "\"sender\":\"@x.test\""), 2);
	assert_int_equal(entries(w, "\"sender\":\"\""), 1);
	assert_int_equal(entries(w, "\"domain\":\"TWO.test\""), 1);
	assert_int_equal(entries(w, "\"domain\":\"test\""), 0);
	assert_int_equal(entries(w, "\"recipient\":\"3@three.test\""), 1);
	assert_int_equal(entries(w, "\"destination\":\"127.0.0.1:2531\""), 2);
	assert_int_equal(entries(w, "\"destination\":\"127.0.0.1\""), 3);
	assert_int_equal(entries(w, "\"older_than\":\"40s\""), 2);
	assert_int_equal(entries(w, "\"newer_than\":\"40s\""), 1);
	assert_int_equal(entries(w, "\"sender\":\"@x.test\","
				    "\"domain\":\"one.test\""),
			 1);
	admin_world_close(w);
}

static void states_and_replies_are_told(void **state)
{
	struct admin_world *w = admin_world_open();
	json_t *answer;
	const json_t *line;

	admin_world_send_one(w, "a@x.test", "1@one.test");
	admin_world_send_one(w, "a@x.test", "2@one.test");
	/* The first was tried and could not be; the second waits. */
	assert_int_equal(entries(w, "\"state\":\"deferred\""), 1);
	assert_int_equal(entries(w, "\"state\":\"ready\""), 1);
	assert_int_equal(entries(w, "\"reply\":\"451\""), 1);
	assert_int_equal(entries(w, "\"reply\":\"greylisted\""), 0);
	answer = admin_world_ask(w, "{\"command\":\"summary\"}");
	line = admin_world_line(answer, "destination", 0);
	assert_string_equal(admin_world_text(line, "destination"),
			    "127.0.0.1:2530");
	assert_int_equal(admin_world_number(line, "queued"), 2);
	assert_int_equal(admin_world_number(line, "deferred"), 1);
	assert_int_equal(admin_world_number(line, "code"), 451);
	json_decref(answer);
	admin_world_close(w);
}

static void pages_follow_each_other(void **state)
{
	static const char *const rcpts[] = {"1@one.test", "2@two.test"};
	struct admin_world *w = admin_world_open();
	char request[256], after[32] = "0000000000000";
	size_t seen = 0, pages = 0;
	bool more = true;

	for (int i = 0; i < 10; i++)
		admin_world_send(w, "a@x.test", rcpts, 2);
	for (; more; pages++) {
		json_t *answer;
		const json_t *done;

		snprintf(request, sizeof(request),
			 "{\"command\":\"list\",\"limit\":3,\"after\":\"%s\"}",
			 after);
		answer = admin_world_ask(w, request);
		done = admin_world_line(answer, "done", 0);
		seen += admin_world_count(answer, "entry");
		more = json_is_true(json_object_get(done, "more"));
		if (more)
			snprintf(after, sizeof(after), "%s",
				 admin_world_text(done, "after"));
		json_decref(answer);
	}
	assert_int_equal(seen, 20);
	/* A page ends between messages: of 3 it makes 4. */
	assert_int_equal(pages, 5);
	admin_world_close(w);
}

static void a_message_is_shown_with_its_recipients(void **state)
{
	static const char *const rcpts[] = {"1@one.test", "2@two.test",
					    "3@one.test"};
	struct admin_world *w = admin_world_open();
	char request[256], id[LOG_ID_SIZE];
	const json_t *line;
	json_t *answer;

	admin_world_send_one(w, "other@x.test", "1@one.test");
	log_id_text(admin_world_send(w, "a@x.test", rcpts, 3), id);
	snprintf(request, sizeof(request),
		 "{\"command\":\"show\",\"filter\":{\"ids\":[\"%s\"]}}", id);
	answer = admin_world_ask(w, request);
	line = admin_world_line(answer, "message", 0);
	assert_string_equal(admin_world_text(line, "id"), id);
	assert_string_equal(admin_world_text(line, "sender"), "a@x.test");
	assert_string_equal(admin_world_text(line, "client"), "[192.0.2.1]:1");
	assert_int_equal(admin_world_count(answer, "recipient"), 3);
	/* The trace, and the headers without what follows them. */
	assert_int_equal(admin_world_count(answer, "bytes"), 2);
	assert_string_equal(
		admin_world_text(admin_world_line(answer, "bytes", 1),
				 "base64"),
		"U3ViamVjdDogeA0KWC1Mb25nOiB5DQoNCg==");
	json_decref(answer);
	admin_world_close(w);
}

static void what_is_not_there_is_said(void **state)
{
	struct admin_world *w = admin_world_open();
	json_t *answer =
		admin_world_ask(w, "{\"command\":\"show\",\"filter\":{\"ids\":"
				   "[\"0000000000001\"]}}");

	assert_string_equal(
		admin_world_text(admin_world_line(answer, "error", 0), "code"),
		"not_found");
	json_decref(answer);
	answer = admin_world_ask(w, "nonsense");
	assert_string_equal(
		admin_world_text(admin_world_line(answer, "error", 0), "code"),
		"usage");
	json_decref(answer);
	admin_world_close(w);
}

/* --- a walk and a queue that changes --- */

static bool count_entry(void *arg, const struct queue_entry *entry)
{
	uint64_t *last = arg;

	assert_true(entry->id > *last);
	*last = entry->id;
	return true;
}

static void a_walk_is_done_in_pieces(void **state)
{
	struct admin_world *w = admin_world_open();
	struct queue_filter any = {0};
	struct queue_look look;
	uint64_t last = 0, highest;
	unsigned turns = 0;

	for (int i = 0; i < 50; i++)
		admin_world_send_one(w, "a@x.test", "1@one.test");
	highest = w->last_id;
	queue_look_begin(&look, w->queue, &any, 0);
	while (queue_look_on(&look, 5, count_entry, &last)) {
		/* Nothing is seen twice; what comes meanwhile is not: the
		 * walk ends however much comes. */
		if (turns++ < 5)
			admin_world_send_one(w, "a@x.test", "1@one.test");
		assert_true(turns < 20);
	}
	queue_look_end(&look);
	assert_int_equal(last, highest);
	assert_true(turns >= 10);
	admin_world_close(w);
}

static bool keep_line(void *arg, const char *line, size_t len)
{
	json_array_append_new(arg, json_loadb(line, len, 0, NULL));
	return true;
}

static void no_news(void *arg)
{
}

static void a_reader_that_is_slow_stops_the_walk(void **state)
{
	struct admin_world *w = admin_world_open();
	struct admin_request *request;
	struct admin_error error;
	struct admin_port *port;
	struct admin_row *rows;
	static const char text[] = "{\"command\":\"list\",\"limit\":0}";
	bool poke, done = false;
	size_t total = 0;

	for (int i = 0; i < 1500; i++)
		admin_world_send_one(w, "a@x.test", "1@one.test");
	assert_int_equal(admin_request_parse(text, strlen(text),
					     sim_net_wall_clock(), &request,
					     &error),
			 0);
	port = admin_port_create(request, no_news, NULL);
	admin_request_unref(&request);
	admin_agent_post(w->agent, port);
	admin_agent_wake(w->agent);
	while (!done) {
		admin_world_settle(w);
		assert_true(port->bytes < ADMIN_PORT_FULL + 100000);
		rows = admin_port_take(port, &poke, &done);
		for (struct admin_row *r = rows; r; r = r->next)
			total++;
		admin_rows_free(rows);
		if (poke)
			admin_agent_wake(w->agent);
	}
	assert_int_equal(total, 1500);
	admin_port_unref(&port);
	admin_world_close(w);
}

static bool keep_one_line(void *arg, const char *line, size_t len)
{
	json_array_append_new(arg, json_loadb(line, len, 0, NULL));
	return false;
}

/* How many lines an answer has when each but one must be asked for. */
static size_t lines_one_by_one(struct admin_world *w, const char *text)
{
	json_t *answer = json_array();
	struct admin_sink sink = {.write = keep_one_line, .arg = answer};
	struct admin_who who = {0};
	struct admin_call *call =
		admin_call_begin(w->core, text, strlen(text), &who, &sink);
	size_t before, count;

	do {
		admin_world_settle(w);
		before = json_array_size(answer);
		if (admin_call_pump(call))
			break;
	} while (json_array_size(answer) <= before + 1);
	count = json_array_size(answer);
	assert_int_equal(admin_world_count(answer, "done"), 1);
	admin_call_end(&call);
	json_decref(answer);
	return count;
}

static void a_sink_may_take_one_line_at_a_time(void **state)
{
	struct admin_world *w = admin_world_open();

	for (int i = 0; i < 20; i++)
		admin_world_send_one(w, "a@x.test",
				     i % 2 ? "1@one.test" : "2@two.test");
	assert_int_equal(lines_one_by_one(w, "{\"command\":\"list\"}"), 21);
	assert_int_equal(lines_one_by_one(w, "{\"command\":\"summary\"}"), 3);
	admin_world_close(w);
}

static void a_trace_ends_with_its_listener(void **state)
{
	struct admin_world *w = admin_world_open();
	json_t *answer = json_array();
	struct admin_sink sink = {.write = keep_line, .arg = answer};
	struct admin_who who = {0};
	static const char text[] = "{\"command\":\"trace\",\"destination\":"
				   "\"127.0.0.1\"}";
	struct admin_call *call =
		admin_call_begin(w->core, text, strlen(text), &who, &sink);

	admin_world_settle(w);
	assert_false(admin_call_pump(call));
	assert_int_equal(admin_world_count(answer, "listening"), 1);
	admin_world_send_one(w, "a@x.test", "1@one.test");
	assert_false(admin_call_pump(call));
	assert_true(admin_world_count(answer, "line") > 0);
	admin_call_end(&call);
	admin_world_settle(w);
	admin_world_send_one(w, "a@x.test", "1@two.test");
	json_decref(answer);
	admin_world_close(w);
}

static void a_cancelled_one_ends(void **state)
{
	struct admin_world *w = admin_world_open();
	struct admin_sink sink = {0};
	struct admin_who who = {0};
	static const char text[] = "{\"command\":\"list\",\"limit\":0}";
	struct admin_call *call;

	for (int i = 0; i < 20; i++)
		admin_world_send_one(w, "a@x.test", "1@one.test");
	call = admin_call_begin(w->core, text, strlen(text), &who, &sink);
	admin_call_end(&call);
	admin_world_settle(w);
	assert_false(admin_agent_busy(w->agent));
	assert_int_equal(entries(w, ""), 20);
	admin_world_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_queue_answers),
		cmocka_unit_test(filters_choose),
		cmocka_unit_test(states_and_replies_are_told),
		cmocka_unit_test(pages_follow_each_other),
		cmocka_unit_test(a_message_is_shown_with_its_recipients),
		cmocka_unit_test(what_is_not_there_is_said),
		cmocka_unit_test(a_walk_is_done_in_pieces),
		cmocka_unit_test(a_reader_that_is_slow_stops_the_walk),
		cmocka_unit_test(a_sink_may_take_one_line_at_a_time),
		cmocka_unit_test(a_trace_ends_with_its_listener),
		cmocka_unit_test(a_cancelled_one_ends),
	};

	(void)log_open(NULL, CONFIG_LOG_TEXT, CONFIG_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
