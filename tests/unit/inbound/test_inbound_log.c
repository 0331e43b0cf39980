/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator reads of sessions, and what the counters say. */
#include "gateway/log/log.h"
#include "tests/unit/inbound/inbound_world.h"

#include <unistd.h>

#define ENVELOPE "MAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\n"

struct fixture {
	struct world *w;
	char path[64];
	char *text; /* of the log, once read */
};

static struct fixture start(void)
{
	struct fixture f = {.path = "/tmp/test_inbound_log_XXXXXX"};
	int fd = mkstemp(f.path);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(log_open(f.path, CONFIG_LOG_JSON, CONFIG_LOG_INFO), 0);
	f.w = world_start(NULL);
	return f;
}

static void read_log(struct fixture *f)
{
	FILE *file = fopen(f->path, "r");
	size_t room = 0;
	ssize_t n;

	assert_non_null(file);
	free(f->text);
	f->text = NULL;
	n = getdelim(&f->text, &room, '\0', file);
	fclose(file);
	if (n < 0) {
		free(f->text);
		f->text = strdup("");
	}
}

static void finish(struct fixture *f)
{
	world_end(f->w);
	assert_int_equal(
		log_open("/dev/null", CONFIG_LOG_JSON, CONFIG_LOG_INFO), 0);
	unlink(f->path);
	free(f->text);
}

static unsigned count(struct fixture *f, const char *part)
{
	unsigned n = 0;

	read_log(f);
	for (const char *at = f->text; (at = strstr(at, part)); at++)
		n++;
	return n;
}

/* The one line of @event, ended by a NUL. */
static const char *line(struct fixture *f, const char *event)
{
	char *at, *begin, *end;

	assert_int_equal(count(f, event), 1);
	at = strstr(f->text, event);
	for (begin = at; begin > f->text && begin[-1] != '\n';)
		begin--;
	end = strchr(at, '\n');
	*end = '\0';
	return begin;
}

static void assert_part(const char *text, const char *part)
{
	if (!strstr(text, part))
		print_error("%.1000s\n", text);
	assert_non_null(strstr(text, part));
}

static void test_accepted_message_is_one_line(void **state)
{
	struct fixture f = start();
	struct client *c = client_hello(f.w, CONFIG_LISTEN_IMPLICIT);
	const char *text;

	client_say(c, ENVELOPE "RCPT TO:<c@example.test>\r\n"
			       "BDAT 3 LAST\r\nx\r\n");
	text = line(&f, "inbound.accepted");
	assert_part(text, "\"id\":\"00000000J6H81\"");
	assert_part(text, "\"from\":\"a@example.test\"");
	assert_part(text, "\"rcpts\":2");
	assert_part(text, "\"size\":3");
	assert_part(text, "\"client\":\"[127.0.0.1]:40000\"");
	assert_part(text, "\"tls\":\"TLSv1.3\"");
	assert_part(text, "\"cipher\":\"TLS_AES_128_GCM_SHA256\"");
	finish(&f);
}

static void test_end_of_a_session_says_how_it_was_protected(void **state)
{
	struct fixture f = start();
	struct client *c = client_hello(f.w, CONFIG_LISTEN_IMPLICIT);
	const char *text;

	client_say(c, ENVELOPE "BDAT 3 LAST\r\nx\r\nQUIT\r\n");
	client_close(c);
	text = line(&f, "inbound.closed");
	assert_part(text, "\"tls\":\"TLSv1.3\"");
	assert_part(text, "\"cipher\":\"TLS_AES_128_GCM_SHA256\"");
	assert_part(text, "\"resumed\":\"no\"");
	assert_part(text, "\"offload\":\"none\"");
	assert_part(text, "\"why\":\"no_ulp\"");
	assert_part(text, "\"messages\":1");
	assert_part(text, "\"bytes\":3");
	assert_int_equal(tls_stats_offloads(&inbound_stats(f.w->inbound)->tls,
					    KTLS_TX, 0),
			 1);
	assert_int_equal(tls_stats_offloads(&inbound_stats(f.w->inbound)->tls,
					    KTLS_RX, 0),
			 1);
	finish(&f);
}

static void test_plain_session_says_so(void **state)
{
	struct fixture f = start();
	struct client *c = client_hello(f.w, CONFIG_LISTEN_NONE);
	const char *text;

	client_close(c);
	text = line(&f, "inbound.closed");
	assert_part(text, "\"tls\":\"none\"");
	assert_part(text, "\"why\":\"plain\"");
	assert_null(strstr(text, "\"resumed\""));
	assert_int_equal(tls_stats_offloads(&inbound_stats(f.w->inbound)->tls,
					    KTLS_TX, 0),
			 0);
	finish(&f);
}

static void test_refusals_are_said_once_per_kind(void **state)
{
	struct fixture f = start();
	struct client *c = client_hello(f.w, CONFIG_LISTEN_NONE);

	for (int i = 0; i < 4; i++)
		client_say(c, "BOGUS\r\nDATA\r\n");
	assert_int_equal(count(&f, "inbound.rejected"), 2);
	assert_int_equal(count(&f, "500 5.5.1 Command not recognized"), 1);
	assert_int_equal(count(&f, "503 5.5.1 Send MAIL first"), 1);
	c = client_hello(f.w, CONFIG_LISTEN_NONE);
	client_say(c, "BOGUS\r\n");
	assert_int_equal(count(&f, "500 5.5.1 Command not recognized"), 2);
	finish(&f);
}

static void test_refused_connections_are_said_once_a_second(void **state)
{
	struct fixture f = start();

	f.w->config->limits.connections = 1;
	client_hello(f.w, CONFIG_LISTEN_NONE);
	for (int i = 0; i < 20; i++)
		client_close(client_open(f.w, CONFIG_LISTEN_NONE));
	assert_int_equal(count(&f, "inbound.refused"), 1);
	world_pass(f.w, 2 * URING_SEC);
	client_open(f.w, CONFIG_LISTEN_NONE);
	assert_int_equal(count(&f, "inbound.refused"), 2);
	assert_int_equal(count(&f, "\"more\":19"), 1);
	/* They had no session whose end could be told. */
	assert_int_equal(count(&f, "inbound.closed"), 0);
	finish(&f);
}

static void test_client_gone_before_its_250_is_told(void **state)
{
	struct fixture f = start();
	struct client *c = client_hello(f.w, CONFIG_LISTEN_NONE);

	f.w->spool.hold = true;
	client_say(c, ENVELOPE "BDAT 3 LAST\r\nx\r\n");
	client_reset(c);
	f.w->spool.hold = false;
	world_settle(f.w);
	assert_part(line(&f, "inbound.accepted"),
		    "client gone before the reply");
	assert_int_equal(count(&f, "inbound.closed"), 1);
	finish(&f);
}

static void test_failed_handshake_has_its_reason(void **state)
{
	struct fixture f = start();
	struct client *c = client_open(f.w, CONFIG_LISTEN_IMPLICIT);

	client_say(c, "EHLO is what I say on any port\r\n");
	assert_part(line(&f, "inbound.failed"), "peer does not speak TLS");
	finish(&f);
}

/* A FIN without close_notify cuts off what is under way, and nothing else. */
static void test_truncation_is_a_failure_within_a_message(void **state)
{
	static const char *const said[] = {"", ENVELOPE,
					   ENVELOPE "BDAT 10 LAST\r\nhalf"};

	for (size_t i = 0; i < 3; i++) {
		struct fixture f = start();
		struct client *c = client_hello(f.w, CONFIG_LISTEN_IMPLICIT);
		const char *text;

		client_say(c, said[i]);
		client_half_close(c);
		assert_int_equal(count(&f, "inbound.failed"), i > 0);
		text = line(&f, "inbound.closed");
		assert_part(text, i > 0 ? "\"end\":\"failed\""
					: "\"end\":\"no close_notify\"");
		assert_int_equal(f.w->accepted, 0);
		client_close(c);
		finish(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_truncation_is_a_failure_within_a_message),
		cmocka_unit_test(test_accepted_message_is_one_line),
		cmocka_unit_test(
			test_end_of_a_session_says_how_it_was_protected),
		cmocka_unit_test(test_plain_session_says_so),
		cmocka_unit_test(test_refusals_are_said_once_per_kind),
		cmocka_unit_test(
			test_refused_connections_are_said_once_a_second),
		cmocka_unit_test(test_client_gone_before_its_250_is_told),
		cmocka_unit_test(test_failed_handshake_has_its_reason),
	};

	return cmocka_run_group_tests_name("inbound_log", tests,
					   world_set_up_group,
					   world_tear_down_group);
}
