/* SPDX-License-Identifier: Apache-2.0 */
/* Processors shared out between the ends of a run. */
#include "tests/unit/bench/unit.h"

#include <errno.h>

#include "bench/tls/tls_pin.h"

static void split(const int *cpus, int count, cpu_set_t *client,
		  cpu_set_t *server, int want)
{
	cpu_set_t all;

	CPU_ZERO(&all);
	for (int i = 0; i < count; i++)
		CPU_SET(cpus[i], &all);
	assert_int_equal(tls_pin_split(&all, client, server), want);
}

static void each_end_gets_one_of_two(void **state)
{
	static const int cpus[] = {3, 7};
	cpu_set_t client, server;

	split(cpus, 2, &client, &server, 0);
	assert_int_equal(CPU_COUNT(&client), 1);
	assert_int_equal(CPU_COUNT(&server), 1);
	assert_true(CPU_ISSET(3, &client));
	assert_true(CPU_ISSET(7, &server));
}

static void the_odd_one_is_the_servers(void **state)
{
	static const int cpus[] = {0, 1, 2};
	cpu_set_t client, server;

	split(cpus, 3, &client, &server, 0);
	assert_int_equal(CPU_COUNT(&client), 1);
	assert_int_equal(CPU_COUNT(&server), 2);
}

static void one_is_not_enough(void **state)
{
	static const int cpus[] = {5};
	cpu_set_t client, server;

	split(cpus, 1, &client, &server, -ENOTSUP);
	split(cpus, 0, &client, &server, -ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_end_gets_one_of_two),
		cmocka_unit_test(the_odd_one_is_the_servers),
		cmocka_unit_test(one_is_not_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
