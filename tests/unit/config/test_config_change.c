/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between two configurations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "gateway/config/config_change.h"
#include "tests/unit/config/fixture.h"

#define HEAD                             \
	"hostname: relay.example.test\n" \
	"spool: {path: spool}\n"

#define TAIL                                        \
	"listen: [{address: \"127.0.0.1:2525\"}]\n" \
	"routes: [{match: \"*\", next_hop: \"127.0.0.1:2526\"}]\n"

static void on_difference(void *arg, const struct config_difference *d)
{
	fprintf(arg, "%s: %s -> %s%s%s\n", d->path, d->before ? d->before : "",
		d->after ? d->after : "",
		d->effect == CONFIG_RESTART ? " restart" : "",
		d->delivery ? " delivery" : "");
}

static void compare(const struct config *a, const struct config *b, char *out,
		    size_t room)
{
	FILE *stream = fmemopen(out, room, "w");

	memset(out, 0, room);
	assert_non_null(stream);
	config_compare(a, b, on_difference, stream);
	fclose(stream);
}

static void expect(const char *before, const char *after, const char *said)
{
	struct parsed a = expect_good(before), b = expect_good(after);
	char text[2048];

	compare(a.config, b.config, text, sizeof(text));
	assert_string_equal(text, said);
	parsed_free(&a);
	parsed_free(&b);
}

static void the_same_in_other_words(void **state)
{
	expect(LEAST "limits: {errors: 3}\n",
	       "# a comment\n" LEAST "limits:\n  errors: 3\n", "");
}

static void a_value(void **state)
{
	expect(LEAST "limits: {errors: 3}\n", LEAST "limits: {errors: 4}\n",
	       "limits.errors: 3 -> 4\n");
	expect(LEAST, LEAST "limits: {errors: 4}\n", "limits.errors:  -> 4\n");
	expect(LEAST "limits: {errors: 3}\n", LEAST, "limits.errors: 3 -> \n");
}

static void one_more_route_is_no_other_route(void **state)
{
	expect(LEAST,
	       HEAD "listen: [{address: \"127.0.0.1:2525\"}]\n"
		    "routes:\n"
		    "- {match: a.test, next_hop: \"127.0.0.1:25\"}\n"
		    "- {match: \"*\", next_hop: \"127.0.0.1:2526\"}\n",
	       "routes: [*] -> [a.test, *] delivery\n"
	       "routes[a.test].match:  -> a.test delivery\n"
	       "routes[a.test].next_hop:  -> 127.0.0.1:25 delivery\n");
}

static void the_order_of_routes(void **state)
{
	expect(HEAD "listen: [{address: \"127.0.0.1:2525\"}]\nroutes:\n"
		    "- {match: a.test, next_hop: \"127.0.0.1:25\"}\n"
		    "- {match: b.test, next_hop: \"127.0.0.1:25\"}\n",
	       HEAD "listen: [{address: \"127.0.0.1:2525\"}]\nroutes:\n"
		    "- {match: b.test, next_hop: \"127.0.0.1:25\"}\n"
		    "- {match: a.test, next_hop: \"127.0.0.1:25\"}\n",
	       "routes: [a.test, b.test] -> [b.test, a.test] delivery\n");
}

static void two_of_one_name(void **state)
{
	expect(LEAST
	       "destinations:\n"
	       "- {next_hop: \"a.test:25\", match: \"*\", connections: 1}\n"
	       "- {next_hop: \"b.test:25\", match: \"*\", connections: 2}\n",
	       LEAST
	       "destinations:\n"
	       "- {next_hop: \"a.test:25\", match: \"*\", connections: 1}\n"
	       "- {next_hop: \"b.test:25\", match: \"*\", connections: 3}\n",
	       "destinations[*#1].connections: 2 -> 3 delivery\n");
}

static void what_waits_for_a_restart(void **state)
{
	expect(LEAST "workers: 1\n", LEAST "workers: 2\n",
	       "workers: 1 -> 2 restart\n");
	expect(LEAST,
	       "hostname: relay.example.test\nspool: {path: other}\n" TAIL,
	       "spool.path: spool -> other restart\n");
}

static void own_addresses_matter_for_deliveries(void **state)
{
	expect(LEAST,
	       HEAD "listen: [{address: \"127.0.0.1:2527\"}]\n"
		    "routes: [{match: \"*\", next_hop: \"127.0.0.1:2526\"}]\n",
	       "listen: [127.0.0.1:2525] -> [127.0.0.1:2527] delivery\n"
	       "listen[127.0.0.1:2525].address: 127.0.0.1:2525 -> \n"
	       "listen[127.0.0.1:2527].address:  -> 127.0.0.1:2527\n");
}

static void what_is_kept_stays_and_is_said_again(void **state)
{
	struct parsed a = expect_good(LEAST "workers: 1\n");
	struct parsed b = expect_good(
		"hostname: other.example.test\nspool: {path: other}\n" TAIL
		"workers: 2\nadmin: {socket: /else}\n");
	struct parsed c = expect_good(
		"hostname: other.example.test\nspool: {path: other}\n" TAIL
		"workers: 2\nadmin: {socket: /else}\n");
	char text[2048];

	assert_int_equal(config_keep(b.config, a.config), 0);
	assert_int_equal(b.config->workers, 1);
	assert_string_equal(b.config->spool.path, a.config->spool.path);
	assert_string_equal(b.config->admin.socket, a.config->admin.socket);
	assert_string_equal(b.config->hostname, "other.example.test");
	compare(b.config, c.config, text, sizeof(text));
	assert_string_equal(text, "admin.socket:  -> /else restart\n"
				  "spool.path: spool -> other restart\n"
				  "workers: 1 -> 2 restart\n");
	parsed_free(&a);
	parsed_free(&b);
	parsed_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_in_other_words),
		cmocka_unit_test(a_value),
		cmocka_unit_test(one_more_route_is_no_other_route),
		cmocka_unit_test(the_order_of_routes),
		cmocka_unit_test(two_of_one_name),
		cmocka_unit_test(what_waits_for_a_restart),
		cmocka_unit_test(own_addresses_matter_for_deliveries),
		cmocka_unit_test(what_is_kept_stays_and_is_said_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
