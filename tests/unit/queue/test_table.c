/* SPDX-License-Identifier: Apache-2.0 */
/* The hash table of embedded nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "gateway/queue/table.h"

#define MANY 10000

struct item {
	struct table_node node;
	int number;
};

static struct item *find(const struct table *t, int number)
{
	struct table_node *node =
		table_first(t, table_hash(t, &number, sizeof(number)));

	for (; node; node = table_next(node))
		if (((struct item *)node)->number == number)
			return (struct item *)node;
	return NULL;
}

static void add_all(struct table *t, struct item *items)
{
	for (int i = 0; i < MANY; i++) {
		items[i].number = i;
		assert_true(table_add(t, &items[i].node,
				      table_hash(t, &i, sizeof(i))));
	}
}

static void finds_what_was_added(void **state)
{
	struct item *items = test_calloc(MANY, sizeof(*items));
	struct table t;

	table_init(&t, 7);
	assert_null(find(&t, 1));
	add_all(&t, items);
	for (int i = 0; i < MANY; i++)
		assert_ptr_equal(find(&t, i), &items[i]);
	assert_null(find(&t, MANY));
	for (int i = 0; i < MANY; i++)
		table_remove(&t, &items[i].node);
	table_deinit(&t);
	test_free(items);
}

static void same_hashes_are_told_apart(void **state)
{
	struct item a = {.number = 1}, b = {.number = 2};
	struct table t;

	table_init(&t, 0);
	assert_true(table_add(&t, &a.node, 5));
	assert_true(table_add(&t, &b.node, 5));
	assert_ptr_equal(table_next(table_first(&t, 5)), &a);
	table_remove(&t, &b.node);
	assert_ptr_equal(table_first(&t, 5), &a);
	assert_null(table_next(&a.node));
	table_remove(&t, &a.node);
	table_deinit(&t);
}

static void remove_odd(struct table_node *node, void *arg)
{
	if (((struct item *)node)->number % 2)
		table_remove(arg, node);
}

static void a_walk_may_remove(void **state)
{
	struct item *items = test_calloc(MANY, sizeof(*items));
	struct table t;

	table_init(&t, 7);
	add_all(&t, items);
	table_walk(&t, remove_odd, &t);
	assert_int_equal(t.count, MANY / 2);
	assert_null(find(&t, 17));
	assert_ptr_equal(find(&t, 18), &items[18]);
	for (int i = 0; i < MANY; i += 2)
		table_remove(&t, &items[i].node);
	table_deinit(&t);
	test_free(items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_was_added),
		cmocka_unit_test(same_hashes_are_told_apart),
		cmocka_unit_test(a_walk_may_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
