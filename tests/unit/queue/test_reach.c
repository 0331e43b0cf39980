/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/queue/reach.h"

static uint64_t schedule[] = {10, 20, 40};
static const struct config_retry retry = {.schedule = schedule, .count = 3};

static struct dns_address address(unsigned number)
{
	struct dns_address a;
	char text[32];

	snprintf(text, sizeof(text), "10.%u.%u.1", number / 256 % 256,
		 number % 256);
	assert_true(
		dns_address_parse(text, (uint16_t)(25 + number / 65536), &a));
	return a;
}

static void nothing_is_held_against_a_stranger(void **state)
{
	struct reach r;
	struct dns_address a = address(1);

	reach_init(&r, &retry, 1);
	assert_int_equal(reach_until(&r, &a), 0);
	assert_false(reach_plain(&r, &a, 0));
	reach_works(&r, &a);
	reach_deinit(&r);
}

static void failures_put_it_off_longer(void **state)
{
	struct reach r;
	struct dns_address a = address(1), b = address(2);

	reach_init(&r, &retry, 1);
	reach_failed(&r, &a, 90, 100);
	assert_int_equal(reach_until(&r, &a), 110);
	reach_failed(&r, &a, 110, 120);
	assert_int_equal(reach_until(&r, &a), 140);
	assert_int_equal(reach_until(&r, &b), 0);
	reach_works(&r, &a);
	assert_int_equal(reach_until(&r, &a), 0);
	reach_failed(&r, &a, 150, 150);
	assert_int_equal(reach_until(&r, &a), 160);
	reach_deinit(&r);
}

/* Twenty connections that fail together are one failure. */
static void sessions_of_before_make_it_no_worse(void **state)
{
	struct reach r;
	struct dns_address a = address(1);

	reach_init(&r, &retry, 1);
	for (int i = 0; i < 20; i++)
		reach_failed(&r, &a, 90, 100);
	assert_int_equal(reach_until(&r, &a), 110);
	reach_deinit(&r);
}

static void one_probe_is_enough(void **state)
{
	struct reach r;
	struct dns_address a = address(1);

	reach_init(&r, &retry, 1);
	reach_probe(&r, &a, 50);
	assert_int_equal(reach_until(&r, &a), 0);
	reach_failed(&r, &a, 50, 100);
	reach_probe(&r, &a, 110);
	assert_int_equal(reach_until(&r, &a), 120);
	reach_deinit(&r);
}

static void broken_tls_is_remembered_for_a_time(void **state)
{
	struct reach r;
	struct dns_address a = address(1);

	reach_init(&r, &retry, 1);
	assert_true(reach_set_plain(&r, &a, 200));
	reach_works(&r, &a);
	assert_true(reach_plain(&r, &a, 199));
	assert_false(reach_plain(&r, &a, 200));
	reach_deinit(&r);
}

static void changes_of_keys_are_remembered_for_a_time(void **state)
{
	struct reach r;
	struct dns_address a = address(1), b = address(2);

	reach_init(&r, &retry, 1);
	assert_true(reach_set_rekeys(&r, &a, 200));
	reach_failed(&r, &a, 90, 100);
	reach_works(&r, &a);
	assert_true(reach_rekeys(&r, &a, 199));
	assert_false(reach_rekeys(&r, &a, 200));
	assert_false(reach_plain(&r, &a, 199));
	assert_false(reach_rekeys(&r, &b, 199));
	reach_deinit(&r);
}

static void it_does_not_grow_without_end(void **state)
{
	struct reach r;
	struct dns_address first = address(0);

	reach_init(&r, &retry, 1);
	for (unsigned i = 0; i < 50000; i++) {
		struct dns_address a = address(i);

		reach_failed(&r, &a, 0, 100);
	}
	assert_true(r.table.count <= 20000);
	assert_int_equal(reach_until(&r, &first), 0);
	reach_deinit(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_held_against_a_stranger),
		cmocka_unit_test(failures_put_it_off_longer),
		cmocka_unit_test(sessions_of_before_make_it_no_worse),
		cmocka_unit_test(one_probe_is_enough),
		cmocka_unit_test(broken_tls_is_remembered_for_a_time),
		cmocka_unit_test(changes_of_keys_are_remembered_for_a_time),
		cmocka_unit_test(it_does_not_grow_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
