/* SPDX-License-Identifier: Apache-2.0 */
/* Which route a domain takes, who may relay, and the life of a snapshot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/config/fixture.h"

static const char routes[] =
	"hostname: h.test\nspool: {path: s}\n"
	"listen: [{address: \"127.0.0.1:25\"}]\n"
	"relay_from: [127.0.0.0/8, \"2001:db8::/32\"]\n"
	"routes:\n"
	"- {match: special.example.test, next_hop: a.test:1}\n"
	"- {match: \"*.example.test\", next_hop: a.test:2}\n"
	"- {match: Example.TEST, next_hop: a.test:3}\n"
	"- {match: \"*.test\", next_hop: a.test:4}\n";

/* Port of the route that @domain takes; 0: none. */
static unsigned route_of(const char *domain)
{
	struct parsed p = expect_good(routes);
	const struct config_route *route = config_route_for(p.config, domain);
	unsigned port = route ? route->next_hop.port : 0;

	parsed_free(&p);
	return port;
}

static void test_first_match_wins(void **state)
{
	assert_int_equal(route_of("special.example.test"), 1);
	assert_int_equal(route_of("other.example.test"), 2);
	assert_int_equal(route_of("b.special.example.test"), 2);
}

static void test_suffix_does_not_take_the_domain_itself(void **state)
{
	assert_int_equal(route_of("example.test"), 3);
	assert_int_equal(route_of("test"), 0);
}

static void test_suffix_ends_at_a_dot(void **state)
{
	assert_int_equal(route_of("badexample.test"), 4);
	assert_int_equal(route_of(".test"), 0);
}

static void test_case_is_ignored(void **state)
{
	assert_int_equal(route_of("SPECIAL.Example.Test"), 1);
	assert_int_equal(route_of("OTHER.EXAMPLE.TEST"), 2);
	assert_int_equal(route_of("eXAMPLE.test"), 3);
}

static void test_no_route(void **state)
{
	assert_int_equal(route_of("example.org"), 0);
	assert_int_equal(route_of(""), 0);
	assert_int_equal(route_of("[192.0.2.1]"), 0);
}

static void test_star_takes_everything(void **state)
{
	struct parsed p = expect_good(LEAST);

	assert_non_null(config_route_for(p.config, "example.org"));
	assert_non_null(config_route_for(p.config, "[192.0.2.1]"));
	assert_non_null(config_route_for(p.config, ""));
	parsed_free(&p);
}

static bool may_relay(const char *text, const char *address)
{
	struct parsed p = expect_good(text);
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	bool allowed = false;

	if (inet_pton(AF_INET, address, &in.sin_addr) == 1)
		allowed =
			config_relay_allowed(p.config, (struct sockaddr *)&in);
	else if (inet_pton(AF_INET6, address, &in6.sin6_addr) == 1)
		allowed =
			config_relay_allowed(p.config, (struct sockaddr *)&in6);
	else
		fail_msg("'%s'", address);
	parsed_free(&p);
	return allowed;
}

static void test_relay_from(void **state)
{
	assert_true(may_relay(routes, "127.0.0.1"));
	assert_true(may_relay(routes, "::ffff:127.9.9.9"));
	assert_true(may_relay(routes, "2001:db8::5"));
	assert_false(may_relay(routes, "192.0.2.1"));
	assert_false(may_relay(routes, "::1"));
}

static void test_nobody_relays_by_default(void **state)
{
	assert_false(may_relay(LEAST, "127.0.0.1"));
	assert_false(may_relay(LEAST, "::1"));
	assert_false(may_relay(LEAST "relay_from: []\n", "127.0.0.1"));
}

/* --- life --- */

static void test_last_reference_frees(void **state)
{
	struct parsed p = expect_good(LEAST);
	struct config *second = config_ref(p.config);

	assert_ptr_equal(second, p.config);
	config_unref(&p.config);
	assert_null(p.config);
	assert_string_equal(second->hostname, "relay.example.test");
	config_unref(&second);
	assert_null(second);
	config_unref(&second); /* NULL is fine */
	parsed_free(&p);
}

#define ROUNDS 20000

static void *ref_and_unref(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct config *mine = config_ref(arg);

		config_unref(&mine);
	}
	return NULL;
}

static void test_references_from_threads(void **state)
{
	struct parsed p = expect_good(LEAST);
	pthread_t threads[4];

	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
						ref_and_unref, p.config),
				 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_string_equal(p.config->hostname, "relay.example.test");
	parsed_free(&p); /* the leak checker sees whether the count is right */
}

/* --- files --- */

static char *load(const char *file, int *result)
{
	struct config *config;
	char *errors = NULL;
	size_t size;
	FILE *stream = open_memstream(&errors, &size);

	*result = config_load(file, stream, &config);
	fclose(stream);
	assert_int_equal(!config, *result != 0);
	config_unref(&config);
	return errors;
}

static void expect_load(const char *file, int result, const char *said)
{
	int got;
	char *errors = load(file, &got);

	assert_string_equal(errors, said);
	assert_int_equal(got, result);
	free(errors);
}

static void write_file(const char *path, const char *text, size_t len)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	fclose(file);
}

static void test_load(void **state)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/good.yaml", scratch_folder());
	write_file(path, LEAST, strlen(LEAST));
	expect_load(path, 0, "");
	unlink(path);
}

static void test_load_what_is_not_there(void **state)
{
	expect_load("/nowhere/r.yaml", -ENOENT,
		    "/nowhere/r.yaml: No such file or directory; expected a "
		    "readable YAML file\n");
	expect_load("/tmp", -EISDIR,
		    "/tmp: Is a directory; expected a readable YAML file\n");
}

static void test_load_too_big(void **state)
{
	size_t size = (1 << 20) + 1;
	char *text = malloc(size);
	char path[80], said[160];

	assert_non_null(text);
	memset(text, '\n', size);
	snprintf(path, sizeof(path), "%s/big.yaml", scratch_folder());
	write_file(path, text, size);
	snprintf(said, sizeof(said), "%s: too big; expected at most 1 MiB\n",
		 path);
	expect_load(path, -EINVAL, said);
	unlink(path);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_match_wins),
		cmocka_unit_test(test_suffix_does_not_take_the_domain_itself),
		cmocka_unit_test(test_suffix_ends_at_a_dot),
		cmocka_unit_test(test_case_is_ignored),
		cmocka_unit_test(test_no_route),
		cmocka_unit_test(test_star_takes_everything),
		cmocka_unit_test(test_relay_from),
		cmocka_unit_test(test_nobody_relays_by_default),
		cmocka_unit_test(test_last_reference_frees),
		cmocka_unit_test(test_references_from_threads),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_load_what_is_not_there),
		cmocka_unit_test(test_load_too_big),
	};

	unsetenv("RINGPOST_URING");
	return cmocka_run_group_tests_name("config_match", tests, NULL, NULL);
}
