/* SPDX-License-Identifier: Apache-2.0 */
/* Acting on queued mail, as operators do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/log/log.h"
#include "gateway/queue/suspended.h"
#include "tests/support/sim_random.h"
#include "tests/unit/admin/admin_world.h"

/* What @command with @rest says in its last line. */
static json_t *act(struct admin_world *w, const char *command, const char *rest)
{
	char request[512];

	snprintf(request, sizeof(request), "{\"command\":\"%s\",%s}", command,
		 rest);
	return admin_world_ask(w, request);
}

static long long changed(struct admin_world *w, const char *command,
			 const char *rest)
{
	json_t *answer = act(w, command, rest);
	long long n = admin_world_number(admin_world_line(answer, "done", 0),
					 "changed");

	json_decref(answer);
	return n;
}

static size_t in_state(struct admin_world *w, const char *state)
{
	char request[256];
	json_t *answer;
	size_t count;

	snprintf(request, sizeof(request),
		 "{\"command\":\"list\",\"limit\":0,\"filter\":{\"state\":"
		 "\"%s\"}}",
		 state);
	answer = admin_world_ask(w, request);
	count = admin_world_count(answer, "entry");
	json_decref(answer);
	return count;
}

static struct queue_stats stats_of(struct admin_world *w)
{
	struct queue_stats stats;

	queue_stats(w->queue, &stats);
	return stats;
}

#define ALL "\"all\":true"

static void held_mail_stays_held_over_a_restart(void **state)
{
	struct admin_world *w = admin_world_open();

	admin_world_send_one(w, "a@x.test", "1@one.test");
	admin_world_send_one(w, "a@x.test", "2@two.test");
	assert_int_equal(changed(w, "hold",
				 "\"filter\":{\"domain\":"
				 "\"one.test\"}"),
			 1);
	assert_int_equal(changed(w, "hold",
				 "\"filter\":{\"domain\":"
				 "\"one.test\"}"),
			 0);
	assert_int_equal(in_state(w, "held"), 1);
	admin_world_later(w, 20000);
	assert_int_equal(in_state(w, "held"), 1);
	admin_world_restart(w);
	assert_int_equal(in_state(w, "held"), 1);
	admin_world_later(w, 100);
	assert_int_equal(in_state(w, "held"), 1);
	admin_world_close(w);
}

static void released_mail_is_tried_also_after_a_restart(void **state)
{
	struct admin_world *w = admin_world_open();
	uint64_t tries;

	admin_world_send_one(w, "a@x.test", "1@one.test");
	admin_world_send_one(w, "a@x.test", "2@one.test");
	assert_int_equal(changed(w, "hold", ALL), 2);
	assert_int_equal(in_state(w, "held"), 2);
	admin_world_later(w, 300);
	tries = stats_of(w).deferred;
	assert_int_equal(changed(w, "release", ALL), 2);
	assert_int_equal(in_state(w, "held"), 0);
	assert_true(stats_of(w).deferred > tries);
	admin_world_restart(w);
	assert_int_equal(in_state(w, "held"), 0);
	admin_world_close(w);
}

static void a_part_of_a_message_may_be_held(void **state)
{
	static const char *const rcpts[] = {"1@two.test", "2@three.test",
					    "3@two.test"};
	struct admin_world *w = admin_world_open();

	/* One delivery, for all go to one next hop. */
	admin_world_send(w, "a@x.test", rcpts, 3);
	assert_int_equal(changed(w, "hold",
				 "\"filter\":{\"recipient\":"
				 "\"@two.test\"}"),
			 1);
	for (int i = 0; i < 2; i++) {
		json_t *answer = admin_world_ask(
			w, "{\"command\":\"list\",\"filter\":{\"state\":"
			   "\"held\"}}");
		const json_t *entry = admin_world_line(answer, "entry", 0);

		assert_int_equal(admin_world_count(answer, "entry"), 1);
		assert_int_equal(admin_world_number(entry, "recipients"), 2);
		assert_string_equal(admin_world_text(entry, "recipient"),
				    "1@two.test");
		json_decref(answer);
		admin_world_restart(w);
	}
	admin_world_close(w);
}

static void deleted_mail_is_gone_for_good(void **state)
{
	struct admin_world *w = admin_world_open();

	admin_world_send_one(w, "a@x.test", "1@one.test");
	admin_world_send_one(w, "b@x.test", "2@one.test");
	assert_int_equal(changed(w, "delete",
				 "\"filter\":{\"sender\":"
				 "\"a@x.test\"}"),
			 1);
	admin_world_settle(w);
	assert_int_equal(spool_stats(w->spool)->finished, 1);
	admin_world_restart(w);
	assert_int_equal(in_state(w, "ready") + in_state(w, "deferred"), 1);
	assert_int_equal(changed(w, "delete", ALL), 1);
	admin_world_restart(w);
	assert_int_equal(in_state(w, "ready") + in_state(w, "deferred"), 0);
	admin_world_close(w);
}

static void deleted_recipients_leave_the_others(void **state)
{
	static const char *const rcpts[] = {"1@two.test", "2@three.test"};
	struct admin_world *w = admin_world_open();
	json_t *answer;

	admin_world_send(w, "a@x.test", rcpts, 2);
	assert_int_equal(changed(w, "delete",
				 "\"filter\":{\"domain\":"
				 "\"two.test\"}"),
			 1);
	answer = admin_world_ask(w, "{\"command\":\"list\"}");
	assert_string_equal(
		admin_world_text(admin_world_line(answer, "entry", 0),
				 "recipient"),
		"2@three.test");
	json_decref(answer);
	admin_world_close(w);
}

static void bounced_mail_goes_back_to_its_sender(void **state)
{
	struct admin_world *w = admin_world_open();
	json_t *answer;

	admin_world_send_one(w, "a@back.test", "1@one.test");
	assert_int_equal(changed(w, "bounce",
				 "\"reason\":\"not wanted\","
				 "\"filter\":{\"domain\":"
				 "\"one.test\"}"),
			 1);
	admin_world_settle(w);
	assert_int_equal(stats_of(w).failed, 1);
	answer = admin_world_ask(w, "{\"command\":\"list\"}");
	assert_int_equal(admin_world_count(answer, "entry"), 1);
	assert_string_equal(
		admin_world_text(admin_world_line(answer, "entry", 0),
				 "recipient"),
		"a@back.test");
	json_decref(answer);
	admin_world_close(w);
}

static void bouncing_all_ends(void **state)
{
	struct admin_world *w = admin_world_open();

	for (int i = 0; i < 300; i++)
		admin_world_send_one(w, "a@back.test", "1@one.test");
	/* The notifications themselves are not bounced with the rest. */
	assert_int_equal(changed(w, "bounce", ALL), 300);
	admin_world_later(w, 1);
	assert_int_equal(stats_of(w).failed, 300);
	assert_int_equal(in_state(w, "ready") + in_state(w, "deferred") +
				 in_state(w, "active"),
			 300);
	admin_world_close(w);
}

static void a_retry_forgets_that_the_server_was_out_of_reach(void **state)
{
	struct admin_world *w = admin_world_open();
	uint64_t tries;

	admin_world_send_one(w, "a@x.test", "1@one.test");
	tries = stats_of(w).deferred;
	assert_int_equal(changed(w, "retry", ALL), 1);
	admin_world_settle(w);
	assert_int_equal(stats_of(w).deferred, tries + 1);
	admin_world_close(w);
}

static void moved_mail_goes_elsewhere(void **state)
{
	struct admin_world *w = admin_world_open();
	json_t *answer;

	admin_world_send_one(w, "a@x.test", "1@one.test");
	assert_int_equal(changed(w, "move",
				 "\"to\":\"192.0.2.9:2599\","
				 "\"all\":true"),
			 1);
	answer = admin_world_ask(w, "{\"command\":\"summary\"}");
	assert_string_equal(
		admin_world_text(admin_world_line(answer, "destination", 0),
				 "destination"),
		"192.0.2.9:2599");
	json_decref(answer);
	admin_world_close(w);
}

static void what_is_held_may_be_moved_and_deleted(void **state)
{
	struct admin_world *w = admin_world_open();

	admin_world_send_one(w, "a@x.test", "1@one.test");
	admin_world_send_one(w, "a@x.test", "2@one.test");
	assert_int_equal(changed(w, "hold", ALL), 2);
	assert_int_equal(changed(w, "move",
				 "\"to\":\"192.0.2.9:2599\","
				 "\"all\":true"),
			 2);
	assert_int_equal(in_state(w, "held"), 2);
	assert_int_equal(changed(w, "retry", ALL), 0);
	assert_int_equal(changed(w, "delete", ALL), 2);
	assert_int_equal(in_state(w, "held"), 0);
	admin_world_close(w);
}

static void actions_need_to_know_on_what(void **state)
{
	static const char *const commands[] = {"retry", "hold", "delete"};
	struct admin_world *w = admin_world_open();

	admin_world_send_one(w, "a@x.test", "1@one.test");
	for (int i = 0; i < 3; i++) {
		json_t *answer = act(w, commands[i], "\"filter\":{}");

		assert_string_equal(
			admin_world_text(admin_world_line(answer, "error", 0),
					 "code"),
			"usage");
		json_decref(answer);
	}
	admin_world_close(w);
}

static void an_unknown_message_is_said(void **state)
{
	struct admin_world *w = admin_world_open();
	json_t *answer =
		act(w, "delete", "\"filter\":{\"ids\":[\"0000000000001\"]}");

	assert_string_equal(
		admin_world_text(admin_world_line(answer, "error", 0), "code"),
		"not_found");
	json_decref(answer);
	admin_world_close(w);
}

/* --- anything in any order --- */

enum {
	RECIPIENTS = 4000,
	STEPS = 250
};

struct model {
	struct admin_world *w;
	struct sim_random random;
	unsigned count; /* recipients so far: "rN@dM.test" */
	bool alive[RECIPIENTS], held[RECIPIENTS];
	unsigned char domain[RECIPIENTS];
};

static const char *const model_domains[] = {"one.test", "two.test",
					    "three.test"};

/* To three recipients at most; nobody hears of failures. */
static void model_send(struct model *m)
{
	char text[3][64];
	const char *rcpts[3];
	size_t n = 1 + sim_random_below(&m->random, 3);

	for (size_t i = 0; i < n; i++) {
		unsigned number = m->count++;

		m->domain[number] =
			(unsigned char)sim_random_below(&m->random, 3);
		m->alive[number] = true;
		snprintf(text[i], sizeof(text[i]), "r%u@%s", number,
			 model_domains[m->domain[number]]);
		rcpts[i] = text[i];
	}
	admin_world_send(m->w, "", rcpts, n);
}

/* @command for one recipient, or for a domain; NULL: no such command. */
static void model_act(struct model *m, const char *command)
{
	uint64_t one = m->count ? sim_random_below(&m->random, m->count) : 0;
	uint64_t domain = sim_random_below(&m->random, 3);
	bool by_domain = sim_random_percent(&m->random, 30);
	char rest[256];

	if (by_domain)
		snprintf(rest, sizeof(rest),
			 "\"to\":\"192.0.2.9:25\",\"filter\":{\"domain\":"
			 "\"%s\"}",
			 model_domains[domain]);
	else
		snprintf(rest, sizeof(rest),
			 "\"to\":\"192.0.2.9:25\",\"filter\":"
			 "{\"recipient\":\"r%u@%s\"}",
			 (unsigned)one, model_domains[m->domain[one]]);
	json_decref(act(m->w, command,
			strcmp(command, "move") == 0 ? rest
						     : strchr(rest, ',') + 1));
	for (unsigned i = 0; i < m->count; i++) {
		if (!m->alive[i] ||
		    !(by_domain ? m->domain[i] == domain : i == one))
			continue;
		if (strcmp(command, "hold") == 0)
			m->held[i] = true;
		if (strcmp(command, "release") == 0)
			m->held[i] = false;
		if (strcmp(command, "delete") == 0 ||
		    strcmp(command, "bounce") == 0)
			m->alive[i] = m->held[i] = false;
	}
}

static unsigned recipients_of(struct admin_world *w, const char *filter)
{
	char request[256];
	unsigned count = 0;
	json_t *answer;
	size_t n;

	snprintf(request, sizeof(request),
		 "{\"command\":\"list\",\"limit\":0,\"filter\":{%s}}", filter);
	answer = admin_world_ask(w, request);
	n = admin_world_count(answer, "entry");
	for (size_t i = 0; i < n; i++)
		count += (unsigned)admin_world_number(
			admin_world_line(answer, "entry", i), "recipients");
	json_decref(answer);
	return count;
}

static void model_check(struct model *m)
{
	unsigned alive = 0, held = 0;

	for (unsigned i = 0; i < m->count; i++) {
		alive += m->alive[i];
		held += m->held[i];
	}
	assert_int_equal(recipients_of(m->w, ""), alive);
	assert_int_equal(recipients_of(m->w, "\"state\":\"held\""), held);
}

static void model_step(struct model *m)
{
	static const char *const commands[] = {
		"hold", "hold", "release", "delete", "bounce", "retry", "move"};
	uint64_t what = sim_random_below(&m->random, 20);

	if (what < 9 && m->count + 3 < RECIPIENTS)
		model_send(m);
	else if (what < 16)
		model_act(m, commands[what - 9]);
	else if (what < 17)
		admin_world_restart(m->w);
	else
		admin_world_later(m->w, 1 + sim_random_below(&m->random, 10));
}

static void anything_in_any_order_loses_nothing(void **state)
{
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct model *m = test_calloc(1, sizeof(*m));

		m->w = admin_world_open();
		m->random.state = seed;
		for (int i = 0; i < STEPS; i++) {
			model_step(m);
			if (i % 5 == 0)
				model_check(m);
		}
		admin_world_restart(m->w);
		model_check(m);
		admin_world_close(m->w);
		test_free(m);
	}
}

/* --- what is suspended --- */

static void suspensions_are_kept_in_a_file(void **state)
{
	char path[] = "/tmp/ringpost-suspended-XXXXXX";
	struct suspended *s;

	assert_non_null(mkdtemp(path));
	assert_int_equal(chdir(path), 0);
	assert_int_equal(suspended_open("s.json", &s), 0);
	assert_false(suspended_has(s, "mx.a.test:25", NULL));
	assert_int_equal(suspended_add(s, "mx.a.test", "uid 0"), 0);
	assert_int_equal(suspended_add(s, "MX.a.test", "uid 0"), 1);
	assert_int_equal(suspended_add(s, "b.test", "uid 0"), 0);
	suspended_close(&s);
	assert_int_equal(suspended_open("s.json", &s), 0);
	assert_true(suspended_has(s, "mx.a.test,mx2.a.test:25", NULL));
	assert_false(suspended_has(s, "xmx.a.test:25", NULL));
	assert_true(suspended_has(s, "other.test:25", "B.test"));
	assert_int_equal(suspended_remove(s, "mx.a.test"), 0);
	assert_int_equal(suspended_remove(s, "mx.a.test"), 1);
	assert_false(suspended_has(s, "mx.a.test:25", NULL));
	suspended_close(&s);
	unlink("s.json");
	assert_int_equal(chdir("/"), 0);
	rmdir(path);
}

static void a_damaged_file_is_refused(void **state)
{
	char path[] = "/tmp/ringpost-suspended-XXXXXX";
	int fd = mkstemp(path);
	struct suspended *s;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "[{\"name\":1}]", 12), 12);
	close(fd);
	assert_int_equal(suspended_open(path, &s), -EINVAL);
	assert_null(s);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(held_mail_stays_held_over_a_restart),
		cmocka_unit_test(released_mail_is_tried_also_after_a_restart),
		cmocka_unit_test(a_part_of_a_message_may_be_held),
		cmocka_unit_test(deleted_mail_is_gone_for_good),
		cmocka_unit_test(deleted_recipients_leave_the_others),
		cmocka_unit_test(bounced_mail_goes_back_to_its_sender),
		cmocka_unit_test(bouncing_all_ends),
		cmocka_unit_test(
			a_retry_forgets_that_the_server_was_out_of_reach),
		cmocka_unit_test(moved_mail_goes_elsewhere),
		cmocka_unit_test(what_is_held_may_be_moved_and_deleted),
		cmocka_unit_test(actions_need_to_know_on_what),
		cmocka_unit_test(an_unknown_message_is_said),
		cmocka_unit_test(anything_in_any_order_loses_nothing),
		cmocka_unit_test(suspensions_are_kept_in_a_file),
		cmocka_unit_test(a_damaged_file_is_refused),
	};

	(void)log_open(NULL, CONFIG_LOG_TEXT, CONFIG_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
