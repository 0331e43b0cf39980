/* SPDX-License-Identifier: Apache-2.0 */
/* Items in order of their number, against a plain sorted array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "gateway/queue/order.h"
#include "tests/support/sim_random.h"

struct item {
	uint64_t number;
	bool in;
};

static uint64_t number_of(const void *item)
{
	return ((const struct item *)item)->number;
}

static size_t walk(const struct order *order, uint64_t from)
{
	struct order_at at;
	const struct item *i = order_from(order, from, &at);
	uint64_t last = from;
	size_t seen = 0;

	for (; i; i = order_next(order, &at), seen++) {
		assert_true(i->in);
		assert_true(i->number >= last);
		last = i->number;
	}
	return seen;
}

static void check(const struct order *order, const struct item *items,
		  size_t count, uint64_t from)
{
	size_t expected = 0;

	for (size_t i = 0; i < count; i++)
		expected += items[i].in && items[i].number >= from;
	assert_int_equal(walk(order, from), expected);
}

static void an_empty_one_has_nothing(void **state)
{
	struct order order;
	struct order_at at;

	order_init(&order, number_of);
	assert_null(order_from(&order, 0, &at));
	order_deinit(&order);
}

static void growing_numbers_come_back_in_order(void **state)
{
	static struct item items[10000];
	struct order order;

	order_init(&order, number_of);
	for (size_t i = 0; i < 10000; i++) {
		items[i] = (struct item){.number = i / 3, .in = true};
		assert_true(order_add(&order, &items[i]));
	}
	assert_int_equal(order.total, 10000);
	check(&order, items, 10000, 0);
	check(&order, items, 10000, 1000);
	check(&order, items, 10000, 5000);
	/* About a pointer each. */
	assert_true(order.count < 10000 / 100);
	order_deinit(&order);
}

static void anything_may_come_and_go(void **state)
{
	enum {
		ITEMS = 3000,
		STEPS = 60000
	};
	static struct item items[ITEMS];
	struct sim_random random = {.state = 7};
	struct order order;
	size_t in = 0;

	order_init(&order, number_of);
	/* Few numbers: many are equal. */
	for (size_t i = 0; i < ITEMS; i++)
		items[i] = (struct item){.number = sim_random_next(&random) %
						   (i % 2 ? 40 : ITEMS)};
	for (size_t step = 0; step < STEPS; step++) {
		/* First it grows, then it shrinks, and again. */
		bool add = sim_random_next(&random) % 10 <
			   (step / 6000 % 2 ? 3 : 7);
		struct item *i = &items[sim_random_next(&random) % ITEMS];

		if (i->in == add)
			continue;
		i->in = add;
		in += add ? 1 : (size_t)-1;
		if (add)
			assert_true(order_add(&order, i));
		else
			order_remove(&order, i);
		assert_int_equal(order.total, in);
		if (step % 500 == 0)
			check(&order, items, ITEMS,
			      sim_random_next(&random) % ITEMS);
	}
	for (size_t i = 0; i < ITEMS; i++)
		if (items[i].in)
			order_remove(&order, &items[i]);
	assert_int_equal(order.count, 0);
	order_deinit(&order);
}

static void the_oldest_may_go_first(void **state)
{
	static struct item items[5000];
	struct order order;

	order_init(&order, number_of);
	for (size_t i = 0; i < 5000; i++) {
		items[i] = (struct item){.number = i, .in = true};
		assert_true(order_add(&order, &items[i]));
	}
	for (size_t i = 0; i < 4990; i++) {
		items[i].in = false;
		order_remove(&order, &items[i]);
	}
	check(&order, items, 5000, 0);
	assert_int_equal(order.count, 1);
	order_deinit(&order);
}

static void few_left_take_little(void **state)
{
	static struct item items[12800];
	struct order order;

	order_init(&order, number_of);
	for (size_t i = 0; i < 12800; i++) {
		items[i] = (struct item){.number = i, .in = true};
		assert_true(order_add(&order, &items[i]));
	}
	for (size_t i = 0; i < 12800; i++) {
		if (i % 128 == 64)
			continue;
		items[i].in = false;
		order_remove(&order, &items[i]);
	}
	check(&order, items, 12800, 0);
	assert_true(order.count < 12800 / 128 / 8);
	order_deinit(&order);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_one_has_nothing),
		cmocka_unit_test(growing_numbers_come_back_in_order),
		cmocka_unit_test(anything_may_come_and_go),
		cmocka_unit_test(the_oldest_may_go_first),
		cmocka_unit_test(few_left_take_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
