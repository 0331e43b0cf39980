/* SPDX-License-Identifier: Apache-2.0 */
/* destinations: what is read, what is refused, which entry mail takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/config/config_pattern.h"
#include "tests/unit/config/fixture.h"

#define SECOND UINT64_C(1000000000)

/* The only entry of a configuration with @entry below destinations:. */
static struct parsed with_entry(const char *entry)
{
	char text[1024];

	snprintf(text, sizeof(text), LEAST "destinations:\n- %s\n", entry);
	return expect_good(text);
}

static void refuse(const char *entry, const char *said)
{
	char text[1024];

	snprintf(text, sizeof(text), LEAST "destinations:\n- %s\n", entry);
	expect_error_has(text, said);
}

static void test_no_entry_means_no_limit_of_rate(void **state)
{
	struct parsed p = expect_good(LEAST);
	const struct config_destination_query query = {.domain = "a.test"};
	const struct config_destination *d =
		config_destination_for(p.config, &query);

	assert_ptr_equal(d, &p.config->anywhere);
	assert_int_equal(d->message_rate.count, 0);
	assert_int_equal(d->connection_rate.count, 0);
	assert_int_equal(d->connections, 0);
	assert_int_equal(d->messages_per_connection, CONFIG_UNSET);
	assert_int_equal(d->recipients, 100);
	assert_false(d->tls_given);
	parsed_free(&p);
}

static struct config_rate rate_of(const char *text)
{
	char entry[128];
	struct config_rate rate;

	snprintf(entry, sizeof(entry), "{match: \"*\", message_rate: %s}",
		 text);
	struct parsed p = with_entry(entry);
	rate = p.config->destinations[0].message_rate;
	parsed_free(&p);
	return rate;
}

static void test_rates(void **state)
{
	struct config_rate rate = rate_of("10/s");

	assert_int_equal(rate.count, 10);
	assert_int_equal(rate.period, SECOND);
	rate = rate_of("1000/h");
	assert_int_equal(rate.count, 1000);
	assert_int_equal(rate.period, 3600 * SECOND);
	rate = rate_of("5/10m");
	assert_int_equal(rate.period, 600 * SECOND);
}

static void test_rates_that_are_none(void **state)
{
	static const char *const wrong[] = {"10",    "0/s",   "/s",
					    "10/",   "10/x",  "-1/s",
					    "1e3/s", "10/0s", "10 per s"};
	char entry[128];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(entry, sizeof(entry),
			 "{match: \"*\", message_rate: \"%s\"}", wrong[i]);
		refuse(entry, "'message_rate' is ");
	}
}

static void test_sources_of_both_families(void **state)
{
	struct parsed p = with_entry(
		"{match: \"*\", source_address: [192.0.2.1, \"2001:db8::1\"]}");
	const struct config_destination *d = &p.config->destinations[0];

	assert_int_equal(d->source4.sin_family, AF_INET);
	assert_int_equal(ntohl(d->source4.sin_addr.s_addr), 0xc0000201);
	assert_int_equal(d->source6.sin6_family, AF_INET6);
	assert_int_equal(d->source6.sin6_addr.s6_addr[15], 1);
	parsed_free(&p);
	refuse("{match: \"*\", source_address: [192.0.2.1, 192.0.2.2]}",
	       "'source_address' is a list");
	refuse("{match: \"*\", source_address: host.test}",
	       "'source_address' is 'host.test'");
}

static void test_an_entry_must_say_what_it_is_for(void **state)
{
	refuse("{connections: 5}", "says not what it is for");
	refuse("{mx: a.test, next_hop: b.test}", "'mx' and 'next_hop'");
}

static void test_patterns_of_replies(void **state)
{
	refuse("{match: \"*\", backoff: [{reply: \"(\", action: suspend}]}",
	       "missing closing parenthesis at character 2");
	refuse("{match: \"*\", backoff: [{action: suspend}]}",
	       "neither 'reply' nor 'failures'");
	refuse("{match: \"*\", backoff: [{failures: 3, action: bounce}]}",
	       "'action' is 'bounce' with 'failures'");
	refuse("{match: \"*\", backoff: [{reply: x}]}", "'action' is missing");
}

static enum config_pattern_result match(const char *pattern, const char *text)
{
	char why[CONFIG_PATTERN_WHY];
	struct config_pattern *p = config_pattern_create(pattern, why);
	enum config_pattern_result r;

	assert_non_null(p);
	r = config_pattern_match(p, text, strlen(text));
	config_pattern_free(&p);
	assert_null(p);
	return r;
}

static void test_patterns_match_anywhere_in_any_case(void **state)
{
	assert_int_equal(match("too many", "421 4.7.0 Too Many mails"),
			 CONFIG_PATTERN_YES);
	assert_int_equal(match("^421", "421 4.7.0 Too Many mails"),
			 CONFIG_PATTERN_YES);
	assert_int_equal(match("^4.7.0", "421 4.7.0 Too Many mails"),
			 CONFIG_PATTERN_NO);
	assert_int_equal(match("\\[TS0[34]\\]", "421 [TS03] \xff\xfe busy"),
			 CONFIG_PATTERN_YES);
}

/* A server that knows the pattern sends what it takes longest for. */
static void test_a_pattern_gives_up_in_bounded_time(void **state)
{
	char text[2000];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(match("(a+)+b$|(a|aa)+$x", text),
			 CONFIG_PATTERN_LIMIT);
}

/* --- which entry --- */

static const char entries[] =
	LEAST "destinations:\n"
	      "- {mx: [\"*.google.test\", \"*.gmail.test\"], connections: 1}\n"
	      "- {match: [one.test, \"*.two.test\"], connections: 2}\n"
	      "- {next_hop: hop.test, connections: 3}\n"
	      "- {match: three.test, mx: \"*.host.test\", connections: 4}\n"
	      "- {match: \"*\", connections: 5}\n";

static unsigned entry_for(const char *domain, const char *host,
			  const char *second, const char *hop)
{
	struct parsed p = expect_good(entries);
	const char *hosts[] = {host, second};
	const struct config_destination_query query = {
		.domain = domain,
		.hosts = hosts,
		.host_count = (host != NULL) + (second != NULL),
		.next_hop = hop,
	};
	unsigned n = config_destination_for(p.config, &query)->connections;

	parsed_free(&p);
	return n;
}

static void test_an_entry_by_domain(void **state)
{
	assert_int_equal(entry_for("one.test", "mx.test", NULL, NULL), 2);
	assert_int_equal(entry_for("a.two.test", "mx.test", NULL, NULL), 2);
	assert_int_equal(entry_for("two.test", "mx.test", NULL, NULL), 5);
}

static void test_an_entry_by_provider(void **state)
{
	assert_int_equal(entry_for("one.test", "a.google.test", NULL, NULL), 1);
	assert_int_equal(
		entry_for("one.test", "a.google.test", "b.gmail.test", NULL),
		1);
}

static void test_all_the_best_hosts_must_be_the_providers(void **state)
{
	assert_int_equal(
		entry_for("x.test", "a.google.test", "mx.x.test", NULL), 5);
}

static void test_an_entry_by_next_hop(void **state)
{
	assert_int_equal(entry_for(NULL, NULL, NULL, "hop.test:25"), 3);
	assert_int_equal(entry_for(NULL, NULL, NULL, "hop.test:26"), 5);
}

static void test_all_that_an_entry_says_must_match(void **state)
{
	assert_int_equal(entry_for("three.test", "a.host.test", NULL, NULL), 4);
	assert_int_equal(entry_for("three.test", "mx.test", NULL, NULL), 5);
	assert_int_equal(entry_for("four.test", "a.host.test", NULL, NULL), 5);
}

static void test_what_stands_behind_everything_is_a_mistake(void **state)
{
	expect_error_has(LEAST "destinations:\n- {match: \"*\"}\n"
			       "- {match: a.test}\n",
			 "this entry is never used");
}

static void test_a_route_without_tls_may_need_it_after_all(void **state)
{
	static const char text[] =
		"hostname: h.test\nspool: {path: s}\n"
		"listen: [{address: \"127.0.0.1:25\"}]\n"
		"routes: [{match: \"*\", next_hop: mx, tls: none}]\n";
	char more[512];
	struct parsed p = expect_good(text);

	assert_false(p.config->routes[0].may_need_tls);
	parsed_free(&p);
	snprintf(more, sizeof(more),
		 "%sdestinations: [{match: a.test, tls: encrypt}]\n", text);
	p = expect_good(more);
	assert_true(p.config->routes[0].may_need_tls);
	parsed_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_entry_means_no_limit_of_rate),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_rates_that_are_none),
		cmocka_unit_test(test_sources_of_both_families),
		cmocka_unit_test(test_an_entry_must_say_what_it_is_for),
		cmocka_unit_test(test_patterns_of_replies),
		cmocka_unit_test(test_patterns_match_anywhere_in_any_case),
		cmocka_unit_test(test_a_pattern_gives_up_in_bounded_time),
		cmocka_unit_test(test_an_entry_by_domain),
		cmocka_unit_test(test_an_entry_by_provider),
		cmocka_unit_test(test_all_the_best_hosts_must_be_the_providers),
		cmocka_unit_test(test_an_entry_by_next_hop),
		cmocka_unit_test(test_all_that_an_entry_says_must_match),
		cmocka_unit_test(
			test_what_stands_behind_everything_is_a_mistake),
		cmocka_unit_test(
			test_a_route_without_tls_may_need_it_after_all),
	};

	unsetenv("RINGPOST_URING");
	return cmocka_run_group_tests_name("config_destination", tests, NULL,
					   NULL);
}
