/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of servers good and bad, over a real socket where it matters. */
#include "tests/unit/bench/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench_reply.h"

static void one_line_is_a_reply(void **state)
{
	struct bench_reply r = {0};

	assert_int_equal(bench_reply_line(&r, "250 2.0.0 Ok"), 0);
	assert_int_equal(r.code, 250);
	assert_string_equal(r.text, "2.0.0 Ok");
}

static void a_code_alone_is_a_reply(void **state)
{
	struct bench_reply r = {0};

	assert_int_equal(bench_reply_line(&r, "354"), 0);
	assert_int_equal(r.code, 354);
	assert_string_equal(r.text, "");
}

static void a_hyphen_announces_another_line(void **state)
{
	struct bench_reply r = {0};

	assert_int_equal(bench_reply_line(&r, "250-first"), 1);
	assert_int_equal(bench_reply_line(&r, "250 last"), 0);
}

static void the_code_may_not_change(void **state)
{
	struct bench_reply r = {0};

	assert_int_equal(bench_reply_line(&r, "250-first"), 1);
	assert_int_equal(bench_reply_line(&r, "550 last"), -EPROTO);
}

static void nonsense_is_no_reply(void **state)
{
	static const char *const bad[] = {"",	       "2",	   "25",
					  "abc d",     "250x",	   "2500 Ok",
					  "150 early", "600 late", "SSH-2.0"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct bench_reply r = {0};

		assert_int_equal(bench_reply_line(&r, bad[i]), -EPROTO);
	}
}

static void capabilities_are_known_in_any_case(void **state)
{
	struct bench_caps caps = {0};

	bench_caps_line(&caps, "STARTTLS");
	bench_caps_line(&caps, "pipelining");
	bench_caps_line(&caps, "Size 5000");
	bench_caps_line(&caps, "CHUNKING");
	bench_caps_line(&caps, "8BITMIME");
	assert_true(caps.starttls && caps.pipelining && caps.size &&
		    caps.chunking && caps.eight_bit_mime);
	assert_int_equal(caps.size_limit, 5000);
}

static void similar_keywords_are_not_taken(void **state)
{
	struct bench_caps caps = {0};

	bench_caps_line(&caps, "STARTTLSX");
	bench_caps_line(&caps, "XCHUNKING");
	bench_caps_line(&caps, "PIPE");
	assert_false(caps.starttls || caps.chunking || caps.pipelining);
}

struct pair {
	struct bench_conn conn;
	int peer;
};

static int make_pair(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	int fds[2];

	if (!p || socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		return -1;
	bench_conn_init(&p->conn, fds[0], 5);
	p->peer = fds[1];
	*state = p;
	return 0;
}

static int drop_pair(void **state)
{
	struct pair *p = *state;

	bench_conn_drop(&p->conn);
	if (p->peer >= 0)
		close(p->peer);
	free(p);
	return 0;
}

static void say(struct pair *p, const char *text)
{
	size_t len = strlen(text);

	assert_int_equal(write(p->peer, text, len), (ssize_t)len);
}

static void hang_up(struct pair *p)
{
	close(p->peer);
	p->peer = -1;
}

static void ehlo_lines_fill_the_capabilities(void **state)
{
	struct pair *p = *state;
	struct bench_reply r;
	struct bench_caps caps = {0};

	say(p, "250-CHUNKING.example\r\n250-SIZE 77\r\n250 PIPELINING\r\n");
	assert_int_equal(bench_reply_read(&p->conn, &r, &caps), 0);
	assert_true(caps.pipelining && caps.size);
	assert_false(caps.chunking); /* the first line is the server's name */
	assert_int_equal(caps.size_limit, 77);
}

static void replies_in_one_read_are_told_apart(void **state)
{
	struct pair *p = *state;
	struct bench_reply r;

	say(p, "250 a\r\n550-b\r\n550 c\r\n354 d\r\n");
	assert_int_equal(bench_reply_read(&p->conn, &r, NULL), 0);
	assert_int_equal(r.code, 250);
	assert_int_equal(bench_reply_read(&p->conn, &r, NULL), 0);
	assert_int_equal(r.code, 550);
	assert_string_equal(r.text, "c");
	assert_int_equal(bench_reply_read(&p->conn, &r, NULL), 0);
	assert_int_equal(r.code, 354);
	assert_int_equal(bench_conn_pending(&p->conn), 0);
}

static void an_end_in_a_reply_is_an_error(void **state)
{
	struct pair *p = *state;
	struct bench_reply r;

	say(p, "250-a\r\n250");
	hang_up(p);
	assert_int_equal(bench_reply_read(&p->conn, &r, NULL), -ECONNRESET);
}

static void a_reply_without_end_is_given_up(void **state)
{
	struct pair *p = *state;
	struct bench_reply r;

	char text[300 * 10 + 1];

	for (int i = 0; i < 300; i++)
		memcpy(text + 10 * i, "250-more\r\n", 11);
	say(p, text);
	assert_int_equal(bench_reply_read(&p->conn, &r, NULL), -EPROTO);
}

static void a_line_without_end_is_given_up(void **state)
{
	struct pair *p = *state;
	struct bench_reply r;
	char line[5000];

	memset(line, 'x', sizeof(line));
	assert_int_equal(write(p->peer, line, sizeof(line)), sizeof(line));
	assert_int_equal(bench_reply_read(&p->conn, &r, NULL), -EMSGSIZE);
}

static void a_bare_lf_ends_a_line_and_is_told(void **state)
{
	struct pair *p = *state;
	bool crlf;
	char *line;

	say(p, "one\r\ntwo\n");
	assert_int_equal(bench_conn_line(&p->conn, 100, &line, &crlf), 1);
	assert_string_equal(line, "one");
	assert_true(crlf);
	assert_int_equal(bench_conn_line(&p->conn, 100, &line, &crlf), 1);
	assert_string_equal(line, "two");
	assert_false(crlf);
}

static void reading_sends_what_is_buffered(void **state)
{
	struct pair *p = *state;
	struct bench_reply r;
	char got[16];

	bench_conn_write(&p->conn, "NOOP\r\n", 6);
	assert_int_equal(recv(p->peer, got, sizeof(got), MSG_DONTWAIT), -1);
	say(p, "250 Ok\r\n");
	assert_int_equal(bench_reply_read(&p->conn, &r, NULL), 0);
	assert_int_equal(recv(p->peer, got, sizeof(got), MSG_DONTWAIT), 6);
}

static void a_slow_reader_takes_small_bites(void **state)
{
	struct pair *p = *state;

	p->conn.slow = 10000;
	for (int i = 0; i < 100; i++)
		say(p, "0123456789");
	assert_in_range(bench_conn_fill(&p->conn), 1, 501);
	assert_in_range(bench_conn_fill(&p->conn), 1, 501);
}

#define WITH_PAIR(test) \
	cmocka_unit_test_setup_teardown(test, make_pair, drop_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_line_is_a_reply),
		cmocka_unit_test(a_code_alone_is_a_reply),
		cmocka_unit_test(a_hyphen_announces_another_line),
		cmocka_unit_test(the_code_may_not_change),
		cmocka_unit_test(nonsense_is_no_reply),
		cmocka_unit_test(capabilities_are_known_in_any_case),
		cmocka_unit_test(similar_keywords_are_not_taken),
		WITH_PAIR(ehlo_lines_fill_the_capabilities),
		WITH_PAIR(replies_in_one_read_are_told_apart),
		WITH_PAIR(an_end_in_a_reply_is_an_error),
		WITH_PAIR(a_reply_without_end_is_given_up),
		WITH_PAIR(a_line_without_end_is_given_up),
		WITH_PAIR(a_bare_lf_ends_a_line_and_is_told),
		WITH_PAIR(reading_sends_what_is_buffered),
		WITH_PAIR(a_slow_reader_takes_small_bites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
