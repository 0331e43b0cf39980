/* SPDX-License-Identifier: Apache-2.0 */
/* destinations: what its settings do to mail, over several workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log/log.h"
#include "tests/unit/queue/queue_world.h"

#define MINUTE (60 * URING_SEC)

/* @ns in steps, so that what waits for a time acts at it. */
static void pass(struct queue_world *w, uint64_t ns, uint64_t step)
{
	for (uint64_t done = 0; done < ns; done += step)
		queue_world_later(w, step);
}

/* --- connections --- */

static void workers_share_the_connections(void **state)
{
	struct queue_world *w =
		queue_world_start(3, "- {match: \"*\", connections: 4}\n");

	for (unsigned i = 0; i < 3; i++)
		queue_world_send_many(w, i, 50);
	queue_world_settle(w);
	assert_int_equal(w->received, 150);
	assert_in_range(w->most_connections, 1, 4);
	queue_world_finish(w);
}

static void a_limit_of_one_is_one_for_all_workers(void **state)
{
	struct queue_world *w =
		queue_world_start(3, "- {match: \"*\", connections: 1}\n");

	for (unsigned i = 0; i < 3; i++)
		queue_world_send_many(w, i, 20);
	queue_world_settle(w);
	assert_int_equal(w->received, 60);
	assert_int_equal(w->most_connections, 1);
	queue_world_finish(w);
}

static void a_worker_with_endless_mail_starves_nobody(void **state)
{
	struct queue_world *w =
		queue_world_start(2, "- {match: \"*\", connections: 1}\n");
	unsigned from1 = 0;

	queue_world_send_many(w, 0, 1000);
	for (int i = 0; i < 20; i++)
		uring_turn(w->net.ring, 0);
	queue_world_send_many(w, 1, 1);
	queue_world_settle(w);
	assert_int_equal(w->received, 1001);
	for (unsigned i = 0; i < w->received; i++)
		if (w->mails[i].from == 1)
			from1 = i;
	/* It came in its turn, not last. */
	assert_true(from1 < 500);
	queue_world_finish(w);
}

static void an_idle_connection_makes_room_for_another_worker(void **state)
{
	struct queue_world *w =
		queue_world_start(2, "- {match: \"*\", connections: 1}\n");

	queue_world_send_many(w, 0, 1);
	queue_world_settle(w);
	/* Worker 0's connection is open and without work. */
	assert_int_equal(queue_world_connections(w), 1);
	queue_world_send_many(w, 1, 1);
	queue_world_settle(w); /* no time passes */
	assert_int_equal(w->received, 2);
	assert_int_equal(w->most_connections, 1);
	queue_world_finish(w);
}

static void who_has_no_mail_left_asks_for_no_connection(void **state)
{
	struct queue_world *w =
		queue_world_start(2, "- {match: \"*\", connections: 2}\n");
	unsigned before;

	/* Worker 0 would like more than two. */
	queue_world_send_many(w, 0, 40);
	queue_world_settle(w);
	queue_world_send_many(w, 1, 1);
	queue_world_settle(w);
	before = w->server.connections;
	for (int i = 0; i < 5; i++) {
		queue_world_send_many(w, 1, 1);
		queue_world_settle(w);
	}
	/* Worker 1 keeps the one that it has. */
	assert_int_equal(w->received, 46);
	assert_int_equal(w->server.connections, before);
	queue_world_finish(w);
}

static void an_idle_connection_is_used_before_a_new_one_is_made(void **state)
{
	struct queue_world *w =
		queue_world_start(1, "- {match: \"*\", connections: 5}\n");

	for (int i = 0; i < 20; i++) {
		queue_world_send_many(w, 0, 1);
		queue_world_settle(w);
	}
	assert_int_equal(w->received, 20);
	assert_int_equal(w->server.connections, 1);
	queue_world_finish(w);
}

static void connections_are_made_at_their_rate(void **state)
{
	struct queue_world *w =
		queue_world_start(2, "- {match: \"*\", connection_rate: 6/m, "
				     "messages_per_connection: 1}\n");

	queue_world_send_many(w, 0, 10);
	queue_world_send_many(w, 1, 10);
	queue_world_settle(w);
	assert_int_equal(w->server.connections, 1);
	pass(w, 4 * MINUTE, URING_SEC);
	assert_int_equal(w->received, 20);
	for (unsigned i = 1; i < w->server.connections; i++)
		assert_true(w->opened[i] - w->opened[i - 1] >= 10 * URING_SEC);
	queue_world_finish(w);
}

/* --- messages --- */

static void workers_keep_one_message_rate(void **state)
{
	struct queue_world *w =
		queue_world_start(3, "- {match: \"*\", message_rate: 10/s}\n");

	for (unsigned i = 0; i < 3; i++)
		queue_world_send_many(w, i, 100);
	pass(w, 40 * URING_SEC, 50 * URING_MSEC);
	assert_int_equal(w->received, 300);
	/* A second's worth at once, then the rate. */
	assert_in_range(queue_world_busiest(w, URING_SEC), 10, 20);
	assert_true(queue_world_busiest(w, 10 * URING_SEC) <= 110);
	assert_true(w->mails[299].at - w->mails[0].at >= 29 * URING_SEC);
	assert_true(w->mails[299].at - w->mails[0].at <= 31 * URING_SEC);
	queue_world_finish(w);
}

static void a_rate_is_shared_fairly(void **state)
{
	struct queue_world *w =
		queue_world_start(2, "- {match: \"*\", message_rate: 60/m}\n");

	queue_world_send_many(w, 0, 500);
	queue_world_send_many(w, 1, 500);
	pass(w, 100 * URING_SEC, 250 * URING_MSEC);
	assert_in_range(w->received, 98, 102);
	assert_in_range(queue_world_received_from(w, 0), 40, 60);
	queue_world_finish(w);
}

static void nothing_is_done_while_a_rate_is_waited_for(void **state)
{
	struct queue_world *w =
		queue_world_start(1, "- {match: \"*\", message_rate: 1/h}\n");
	unsigned turns = 0;

	queue_world_send_many(w, 0, 100);
	queue_world_settle(w);
	pass(w, MINUTE, URING_SEC); /* the connection idles out */
	while (uring_turn(w->net.ring, 0) > 0)
		turns++;
	assert_true(turns < 8);
	assert_int_equal(w->received, 1);
	assert_int_equal(queue_world_connections(w), 0);
	pass(w, 60 * MINUTE, MINUTE);
	assert_int_equal(w->received, 2);
	queue_world_finish(w);
}

static void what_waits_for_its_place_too_long_fails(void **state)
{
	struct queue_world *w =
		queue_world_start(1, "- {match: \"*\", message_rate: 1/d}\n");

	queue_world_send_many(w, 0, 4);
	queue_world_settle(w);
	assert_int_equal(w->received, 1);
	pass(w, 1000 * MINUTE, 10 * MINUTE);
	assert_int_equal(queue_world_stats(w).failed, 0);
	/* The second goes after a day; after 100,000 s the others are too
	 * old. */
	pass(w, 700 * MINUTE, 10 * MINUTE);
	assert_int_equal(queue_world_stats(w).failed, 2);
	queue_world_finish(w);
}

static void messages_per_connection_come_from_the_entry(void **state)
{
	struct queue_world *w =
		queue_world_start(1, "- {match: \"*\", connections: 1, "
				     "messages_per_connection: 4}\n");

	queue_world_send_many(w, 0, 12);
	queue_world_settle(w);
	assert_int_equal(w->received, 12);
	assert_int_equal(w->server.connections, 3);
	queue_world_finish(w);
}

static void recipients_beyond_a_transaction_take_another(void **state)
{
	static const char *const rcpts[] = {"a@x.test", "b@x.test", "c@x.test",
					    "d@x.test", "e@x.test"};
	struct queue_world *w = queue_world_start(
		1, "- {match: \"*\", recipients_per_transaction: 2}\n");

	queue_world_send(w, 0, rcpts, 5);
	queue_world_settle(w);
	assert_int_equal(w->received, 3);
	assert_int_equal(w->mails[0].rcpt_count + w->mails[1].rcpt_count +
				 w->mails[2].rcpt_count,
			 5);
	assert_int_equal(queue_world_stats(w).delivered, 5);
	assert_int_equal(spool_stats(w->workers[0].spool)->finished, 1);
	queue_world_finish(w);
}

/* --- order --- */

static const char *not_yet(struct queue_world *w, const char *line)
{
	return strncmp(line, "RCPT TO:<old", 12) == 0 && w->arg
		       ? "451 4.7.1 later\r\n"
		       : NULL;
}

static void new_mail_goes_before_mail_tried_before(void **state)
{
	struct queue_world *w = queue_world_start(
		1, "- {match: \"*\", connections: 1, message_rate: 60/m}\n");
	unsigned old_at[64], old = 0;

	w->script = not_yet;
	w->arg = w;
	for (unsigned i = 0; i < 10; i++) {
		char rcpt[64];
		const char *rcpts[] = {rcpt};

		snprintf(rcpt, sizeof(rcpt), "old%u@example.test", i);
		queue_world_send(w, 0, rcpts, 1);
	}
	pass(w, 9 * URING_SEC, URING_SEC);
	w->arg = NULL;
	queue_world_send_many(w, 0, 60);
	pass(w, 120 * URING_SEC, URING_SEC);
	assert_int_equal(w->received, 70);
	for (unsigned i = 0; i < w->received; i++)
		if (strncmp(w->mails[i].rcpt, "old", 3) == 0)
			old_at[old++] = i;
	assert_int_equal(old, 10);
	/* One in ten as long as there is new mail, the others behind it. */
	for (unsigned i = 2; i < 7; i++)
		assert_int_equal(old_at[i] - old_at[i - 1], 10);
	assert_true(old_at[8] >= 68);
	queue_world_finish(w);
}

/* --- backoff --- */

static const char *busy_reply(struct queue_world *w, const char *line)
{
	return strncmp(line, "MAIL", 4) == 0 && w->arg
		       ? "451 4.7.0 Too many messages from you\r\n"
		       : NULL;
}

static const char slowing[] =
	"- match: \"*\"\n  connections: 8\n  messages_per_connection: 1\n"
	"  backoff:\n"
	"    - {reply: too many, action: slow_down, for: 60s}\n";

static unsigned most_from_now(struct queue_world *w, unsigned messages)
{
	w->most_connections = 0;
	queue_world_send_many(w, 0, messages);
	queue_world_settle(w);
	return w->most_connections;
}

static void a_reply_slows_down_and_success_brings_it_back(void **state)
{
	struct queue_world *w = queue_world_start(1, slowing);

	w->script = busy_reply;
	assert_in_range(most_from_now(w, 300), 5, 8);
	w->arg = w;
	queue_world_send_many(w, 0, 1);
	queue_world_settle(w);
	w->arg = NULL;
	assert_in_range(most_from_now(w, 300), 1, 4);
	queue_world_later(w, 61 * URING_SEC);
	(void)most_from_now(w, 1); /* one success takes it one step up */
	assert_in_range(most_from_now(w, 300), 5, 8);
	queue_world_finish(w);
}

static const char suspending[] =
	"- match: \"*\"\n  backoff:\n"
	"    - {reply: \"^451 4.7.0 too many\", action: suspend, for: 10m}\n";

static void a_reply_suspends_for_all_workers(void **state)
{
	struct queue_world *w = queue_world_start(2, suspending);

	w->script = busy_reply;
	w->arg = w;
	queue_world_send_many(w, 0, 1);
	queue_world_settle(w);
	w->arg = NULL;
	queue_world_send_many(w, 1, 5);
	pass(w, 9 * MINUTE, 10 * URING_SEC);
	assert_int_equal(w->received, 0);
	/* It was not tried in vain meanwhile. */
	assert_int_equal(queue_world_stats(w).deferred, 1);
	pass(w, 2 * MINUTE, 10 * URING_SEC);
	assert_int_equal(w->received, 6);
	queue_world_finish(w);
}

static const char judging[] =
	"- match: \"*\"\n  backoff:\n"
	"    - {reply: \"mailbox full\", action: bounce}\n"
	"    - {reply: \"blocked by our list\", action: defer, for: 30m}\n";

static const char *say_arg(struct queue_world *w, const char *line)
{
	return strncmp(line, "RCPT", 4) == 0 ? w->arg : NULL;
}

static void a_temporary_reply_may_fail_at_once(void **state)
{
	struct queue_world *w = queue_world_start(1, judging);

	w->script = say_arg;
	w->arg = "452 4.2.2 Mailbox full\r\n";
	queue_world_send_many(w, 0, 1);
	queue_world_settle(w);
	assert_int_equal(queue_world_stats(w).deferred, 0);
	assert_true(queue_world_stats(w).failed >= 1);
	queue_world_finish(w);
}

static void a_permanent_reply_may_be_put_off(void **state)
{
	struct queue_world *w = queue_world_start(1, judging);

	w->script = say_arg;
	w->arg = "554 5.7.1 Blocked by our list\r\n";
	queue_world_send_many(w, 0, 1);
	queue_world_settle(w);
	assert_int_equal(queue_world_stats(w).failed, 0);
	assert_int_equal(queue_world_stats(w).waiting, 1);
	w->arg = NULL;
	pass(w, 29 * MINUTE, MINUTE); /* not by the schedule, which says 10 s */
	assert_int_equal(w->received, 0);
	pass(w, 2 * MINUTE, MINUTE);
	assert_int_equal(w->received, 1);
	queue_world_finish(w);
}

static const char *refuse_all(struct queue_world *w, const char *line)
{
	return !line[0] && w->arg ? "421 4.3.2 go away\r\n" : NULL;
}

static void failures_in_a_row_suspend(void **state)
{
	struct queue_world *w = queue_world_start(
		1, "- match: \"*\"\n  connections: 1\n  backoff:\n"
		   "    - {failures: 2, action: suspend, for: 1h}\n");
	unsigned tried;

	w->script = refuse_all;
	w->arg = w;
	queue_world_send_many(w, 0, 3);
	pass(w, 2 * MINUTE, 10 * URING_SEC);
	tried = w->server.connections;
	assert_int_equal(tried, 2);
	pass(w, 50 * MINUTE, MINUTE);
	assert_int_equal(w->server.connections, tried);
	w->arg = NULL;
	pass(w, 15 * MINUTE, MINUTE);
	assert_int_equal(w->received, 3);
	queue_world_finish(w);
}

static void a_greeting_is_a_reply_too(void **state)
{
	struct queue_world *w = queue_world_start(
		1, "- match: \"*\"\n  backoff:\n"
		   "    - {reply: \"go away\", action: suspend, for: 1h}\n");

	w->script = refuse_all;
	w->arg = w;
	queue_world_send_many(w, 0, 3);
	queue_world_settle(w);
	w->arg = NULL;
	pass(w, 55 * MINUTE, MINUTE);
	assert_int_equal(w->received, 0);
	pass(w, 10 * MINUTE, MINUTE);
	assert_int_equal(w->received, 3);
	queue_world_finish(w);
}

/* --- where from --- */

static void the_source_address_is_bound(void **state)
{
	struct queue_world *w = queue_world_start(
		1, "- {match: \"*\", source_address: 127.0.0.9}\n");
	const struct sockaddr_in *bound = (const void *)&w->bound;

	queue_world_send_many(w, 0, 1);
	queue_world_settle(w);
	assert_int_equal(w->received, 1);
	assert_int_equal(bound->sin_family, AF_INET);
	assert_int_equal(ntohl(bound->sin_addr.s_addr), 0x7f000009);
	assert_int_equal(bound->sin_port, 0);
	queue_world_finish(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(workers_share_the_connections),
		cmocka_unit_test(a_limit_of_one_is_one_for_all_workers),
		cmocka_unit_test(a_worker_with_endless_mail_starves_nobody),
		cmocka_unit_test(
			an_idle_connection_makes_room_for_another_worker),
		cmocka_unit_test(
			an_idle_connection_is_used_before_a_new_one_is_made),
		cmocka_unit_test(who_has_no_mail_left_asks_for_no_connection),
		cmocka_unit_test(connections_are_made_at_their_rate),
		cmocka_unit_test(workers_keep_one_message_rate),
		cmocka_unit_test(a_rate_is_shared_fairly),
		cmocka_unit_test(nothing_is_done_while_a_rate_is_waited_for),
		cmocka_unit_test(what_waits_for_its_place_too_long_fails),
		cmocka_unit_test(messages_per_connection_come_from_the_entry),
		cmocka_unit_test(recipients_beyond_a_transaction_take_another),
		cmocka_unit_test(new_mail_goes_before_mail_tried_before),
		cmocka_unit_test(a_reply_slows_down_and_success_brings_it_back),
		cmocka_unit_test(a_reply_suspends_for_all_workers),
		cmocka_unit_test(a_temporary_reply_may_fail_at_once),
		cmocka_unit_test(a_permanent_reply_may_be_put_off),
		cmocka_unit_test(failures_in_a_row_suspend),
		cmocka_unit_test(a_greeting_is_a_reply_too),
		cmocka_unit_test(the_source_address_is_bound),
	};

	(void)log_open(NULL, CONFIG_LOG_TEXT, CONFIG_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
