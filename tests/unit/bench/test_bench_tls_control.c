/* SPDX-License-Identifier: Apache-2.0 */
/* The conversation of the two ends: lines of JSON from a hostile network. */
#include "tests/unit/bench/unit.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/tls/tls_control.h"
#include "bench/tls/tls_dial.h"
#include "bench/tls/tls_serve.h"

struct pair {
	struct tls_control a; /* under test */
	int b;
	char error[128];
};

static struct pair make_pair(void)
{
	struct pair p;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	tls_control_init(&p.a, fds[0]);
	p.b = fds[1];
	p.error[0] = '?';
	return p;
}

static void send_text(const struct pair *p, const char *text)
{
	assert_int_equal(write(p->b, text, strlen(text)), strlen(text));
}

static void unmake(struct pair *p)
{
	tls_control_close(&p->a);
	close(p->b);
}

static json_t *hear(struct pair *p)
{
	return tls_control_hear(&p->a, p->error, sizeof(p->error));
}

static void what_is_said_is_one_line(void **state)
{
	struct pair p = make_pair();
	char got[64] = "";

	assert_int_equal(tls_control_say(&p.a, json_pack("{s:i}", "n", 1)), 0);
	assert_true(read(p.b, got, sizeof(got) - 1) > 0);
	assert_string_equal(got, "{\"n\":1}\n");
	unmake(&p);
}

static void lines_come_one_by_one_however_they_are_cut(void **state)
{
	struct pair p = make_pair();
	json_t *object;

	send_text(&p, "{\"n\":");
	send_text(&p, "1}\n{\"n\":2}\n");
	for (int n = 1; n <= 2; n++) {
		object = hear(&p);
		assert_non_null(object);
		assert_int_equal(
			json_integer_value(json_object_get(object, "n")), n);
		json_decref(object);
	}
	unmake(&p);
}

static void hanging_up_between_lines_is_no_error(void **state)
{
	struct pair p = make_pair();

	shutdown(p.b, SHUT_WR);
	assert_null(hear(&p));
	assert_string_equal(p.error, "");
	unmake(&p);
}

static void hanging_up_inside_a_line_is_one(void **state)
{
	struct pair p = make_pair();

	send_text(&p, "{\"n\":");
	shutdown(p.b, SHUT_WR);
	assert_null(hear(&p));
	assert_string_not_equal(p.error, "");
	unmake(&p);
}

static void what_is_no_object_is_refused(void **state)
{
	static const char *const bad[] = {"[1]\n", "nonsense\n", "\n",
					  "{\"a\":1,\"a\":2}\n"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct pair p = make_pair();

		send_text(&p, bad[i]);
		assert_null(hear(&p));
		assert_string_not_equal(p.error, "");
		unmake(&p);
	}
}

static void a_line_without_an_end_is_refused(void **state)
{
	struct pair p = make_pair();
	char much[TLS_CONTROL_LINE + 1];

	memset(much, ' ', sizeof(much));
	assert_int_equal(write(p.b, much, sizeof(much)), sizeof(much));
	assert_null(hear(&p));
	assert_string_not_equal(p.error, "");
	unmake(&p);
}

static void usage_survives_the_way(void **state)
{
	const struct tls_usage sent = {
		.wall_ns = 1,
		.cpu_ns = UINT64_C(123456789012),
		.waits = 4,
		.workers = 5,
		.instructions = 6,
		.has_instructions = true,
		.softirq_ns = 7,
		.has_softirq = true,
		.kthread_ns = 8, /* was not counted */
	};
	struct tls_usage got;
	json_t *object = tls_usage_pack(&sent);

	assert_int_equal(tls_usage_unpack(object, &got), 0);
	assert_int_equal(got.cpu_ns, sent.cpu_ns);
	assert_int_equal(got.workers, 5);
	assert_int_equal(got.instructions, 6);
	assert_true(got.has_instructions);
	assert_false(got.has_cycles);
	assert_true(got.has_softirq);
	assert_int_equal(got.softirq_ns, 7);
	assert_false(got.has_kthread);
	assert_int_equal(got.kthread_ns, 0);
	json_decref(object);
}

static void usage_with_a_hole_is_refused(void **state)
{
	const struct tls_usage sent = {0};
	struct tls_usage got;
	json_t *object = tls_usage_pack(&sent);

	json_object_set_new(object, "cpu_ns", json_integer(-1));
	assert_int_not_equal(tls_usage_unpack(object, &got), 0);
	json_object_del(object, "cpu_ns");
	assert_int_not_equal(tls_usage_unpack(object, &got), 0);
	json_decref(object);
}

static void tokens_read_as_they_were_written(void **state)
{
	struct tls_token made, read;
	char text[33];

	assert_int_equal(tls_token_make(&made), 0);
	tls_token_text(&made, text);
	assert_int_equal(tls_token_parse(text, &read), 0);
	assert_memory_equal(&made, &read, sizeof(made));
	assert_int_not_equal(tls_token_parse("12", &read), 0);
	text[5] = 'g';
	assert_int_not_equal(tls_token_parse(text, &read), 0);
}

/* --- a server's manners --- */

/* Says all orders at once; the answers of a server that was then left. */
static void serve(const char *orders, char *answers, size_t cap)
{
	const struct tls_serve s = {.folder = "/tmp", .quiet = true};
	struct pair p = make_pair();
	ssize_t n;

	send_text(&p, orders);
	shutdown(p.b, SHUT_WR);
	assert_int_equal(tls_serve_client(&s, p.a.fd), 0);
	n = read(p.b, answers, cap - 1);
	assert_true(n >= 0);
	answers[n] = '\0';
	close(p.b);
}

static void a_server_wants_a_hello_first(void **state)
{
	char answers[4096];

	serve("{\"do\":\"transfer\",\"messages\":1}\n", answers,
	      sizeof(answers));
	assert_non_null(strstr(answers, "hello comes first"));
}

static void a_server_refuses_another_language(void **state)
{
	char answers[4096];

	serve("{\"do\":\"hello\",\"version\":99,\"counter\":\"none\"}\n",
	      answers, sizeof(answers));
	assert_non_null(strstr(answers, "\"ok\":false"));
}

#define HELLO "{\"do\":\"hello\",\"version\":2,\"counter\":\"none\"}\n"

static void a_server_refuses_jobs_out_of_bounds(void **state)
{
	static const char *const bad[] = {
		"\"connections\":1025", "\"connections\":0",
		"\"connections\":-1",	"\"connections\":\"1\"",
		"\"threads\":65",	"\"threads\":2",
		"\"size\":67108865",	"\"size\":0",
		"\"path\":\"none\"",	"\"tls\":\"1.1\"",
		"\"cipher\":\"rc4\"",	"\"token\":\"12\"",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *job = json_pack(
			"{s:s,s:s,s:s,s:s,s:i,s:i,s:i,s:s}", "do", "open",
			"path", "openssl-read", "tls", "1.3", "cipher",
			"aes128", "connections", 1, "threads", 1, "size", 4096,
			"token", "00112233445566778899aabbccddeeff");
		char text[256], answers[4096], orders[2048];
		json_t *change;
		char *line;

		snprintf(text, sizeof(text), "{%s}", bad[i]);
		change = json_loads(text, 0, NULL);
		json_object_update(job, change);
		line = json_dumps(job, JSON_COMPACT);
		snprintf(orders, sizeof(orders), HELLO "%s\n", line);
		serve(orders, answers, sizeof(answers));
		assert_non_null(strstr(answers, "no such job"));
		free(line);
		json_decref(change);
		json_decref(job);
	}
}

static void a_server_transfers_nothing_without_a_job(void **state)
{
	char answers[4096];

	serve(HELLO "{\"do\":\"transfer\",\"messages\":1}\n"
		    "{\"do\":\"shake\",\"count\":1}\n{\"do\":\"dance\"}\n",
	      answers, sizeof(answers));
	assert_non_null(strstr(answers, "nothing to transfer"));
	assert_non_null(strstr(answers, "no handshakes to make"));
	assert_non_null(strstr(answers, "no such order"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_said_is_one_line),
		cmocka_unit_test(lines_come_one_by_one_however_they_are_cut),
		cmocka_unit_test(hanging_up_between_lines_is_no_error),
		cmocka_unit_test(hanging_up_inside_a_line_is_one),
		cmocka_unit_test(what_is_no_object_is_refused),
		cmocka_unit_test(a_line_without_an_end_is_refused),
		cmocka_unit_test(usage_survives_the_way),
		cmocka_unit_test(usage_with_a_hole_is_refused),
		cmocka_unit_test(tokens_read_as_they_were_written),
		cmocka_unit_test(a_server_wants_a_hello_first),
		cmocka_unit_test(a_server_refuses_another_language),
		cmocka_unit_test(a_server_refuses_jobs_out_of_bounds),
		cmocka_unit_test(a_server_transfers_nothing_without_a_job),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
