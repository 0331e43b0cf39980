/* SPDX-License-Identifier: Apache-2.0 */
/* Lists on the command line, the table of paths, the rows that follow. */
#include "tests/unit/bench/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/tls/tls_plan.h"
#include "bench/tls/tls_source.h"

/* --- lists --- */

static void versions_go_by_both_names(void **state)
{
	struct tls_list list = {0};

	assert_int_equal(tls_plan_versions_opt("1.3,TLSv1.2", &list), 0);
	assert_int_equal(list.count, 2);
	assert_int_equal(list.items[0], KTLS_TLS_1_3);
	assert_int_equal(list.items[1], KTLS_TLS_1_2);
}

static void ciphers_go_by_both_names(void **state)
{
	struct tls_list list = {0};

	assert_int_equal(
		tls_plan_ciphers_opt("chacha20,AES-256-GCM,aes128", &list), 0);
	assert_int_equal(list.count, 3);
	assert_int_equal(list.items[0], KTLS_CHACHA20_POLY1305);
	assert_int_equal(list.items[1], KTLS_AES_256_GCM);
	assert_int_equal(list.items[2], KTLS_AES_128_GCM);
}

static void a_list_takes_the_place_of_the_default(void **state)
{
	struct tls_plan plan;

	tls_plan_default(&plan);
	assert_int_equal(tls_plan_sizes_opt("1K,64M", &plan.sizes), 0);
	assert_int_equal(plan.sizes.count, 2);
	assert_int_equal(plan.sizes.items[0], 1024);
	assert_int_equal(plan.sizes.items[1], TLS_MESSAGE_MAX);
}

static void doubles_count_once(void **state)
{
	struct tls_list list = {0};

	assert_int_equal(tls_plan_sizes_opt("4K,4096,4k", &list), 0);
	assert_int_equal(list.count, 1);
}

static void bad_lists_change_nothing(void **state)
{
	static const char *const bad[] = {"",	    ",", "4K,", ",4K",
					  "4K,,8K", "0", "4X",	"-1"};
	struct tls_list list = {1, {7}};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(tls_plan_sizes_opt(bad[i], &list), -EINVAL);
	assert_int_equal(tls_plan_sizes_opt("65M", &list), -ERANGE);
	assert_int_equal(tls_plan_connections_opt("1025", &list), -ERANGE);
	assert_int_equal(tls_plan_connections_opt("0", &list), -EINVAL);
	assert_int_equal(tls_plan_versions_opt("1.1", &list), -EINVAL);
	assert_int_equal(tls_plan_ciphers_opt("rc4", &list), -EINVAL);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.items[0], 7);
}

static void a_list_is_bounded(void **state)
{
	struct tls_list list = {0};
	char text[TLS_LIST_MAX * 4 + 16] = "";

	for (unsigned i = 0; i <= TLS_LIST_MAX; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "%s%u", i ? "," : "", i + 1);
	assert_int_equal(tls_plan_sizes_opt(text, &list), -ERANGE);
}

static void tests_are_chosen_by_name(void **state)
{
	bool tests[TLS_TESTS] = {true, true, true};

	assert_int_equal(tls_plan_tests_opt("receive", tests), 0);
	assert_false(tests[TLS_TEST_SEND]);
	assert_true(tests[TLS_TEST_RECEIVE]);
	assert_false(tests[TLS_TEST_HANDSHAKE]);
	assert_int_equal(tls_plan_tests_opt("sending", tests), -EINVAL);
}

static void a_pattern_that_fits_no_path_is_refused(void **state)
{
	const char *paths = "before";

	assert_int_equal(tls_plan_paths_opt("ktls-*,openssl-wirte", &paths),
			 -EINVAL);
	assert_string_equal(paths, "before");
	assert_int_equal(tls_plan_paths_opt("ktls-*,openssl-write", &paths), 0);
	assert_string_equal(paths, "ktls-*,openssl-write");
}

/* --- paths --- */

static void every_path_has_its_own_name_and_can_be_found(void **state)
{
	size_t count;
	const struct tls_path *paths = tls_path_all(&count);

	for (size_t i = 0; i < count; i++)
		assert_ptr_equal(tls_path_find(paths[i].name), &paths[i]);
	assert_null(tls_path_find("nonsense"));
}

static void patterns_choose_paths(void **state)
{
	const struct tls_path *splice = tls_path_find("ktls-splice-64K");

	assert_true(tls_path_matches(splice, NULL));
	assert_true(tls_path_matches(splice, "ktls-*"));
	assert_true(tls_path_matches(splice, "plain-send,*-splice-64K"));
	assert_false(tls_path_matches(splice, "ktls"));
	assert_false(tls_path_matches(splice, "plain-*"));
	assert_false(tls_path_matches(splice, ""));
}

/* A row says what one end's path costs: the other end must be the same for all
 * rows that are compared, and able to talk to it. */
static void the_other_end_speaks_the_same_and_does_the_opposite(void **state)
{
	size_t count;
	const struct tls_path *paths = tls_path_all(&count);

	for (size_t i = 0; i < count; i++) {
		const struct tls_path *peer = tls_path_peer(&paths[i]);

		assert_non_null(peer);
		assert_true((paths[i].layer == TLS_LAYER_PLAIN) ==
			    (peer->layer == TLS_LAYER_PLAIN));
		if (paths[i].test == TLS_TEST_SEND)
			assert_int_equal(peer->test, TLS_TEST_RECEIVE);
		if (paths[i].test == TLS_TEST_RECEIVE)
			assert_int_equal(peer->test, TLS_TEST_SEND);
	}
}

/* --- rows --- */

static struct tls_plan small_plan(void)
{
	struct tls_plan plan;

	tls_plan_default(&plan);
	plan.sizes = (struct tls_list){2, {4096, 65536}};
	memset(plan.tests, 0, sizeof(plan.tests));
	plan.tests[TLS_TEST_SEND] = true;
	plan.paths = "plain-send,openssl-write";
	return plan;
}

static void rows_of_a_group_differ_in_their_path_alone(void **state)
{
	struct tls_plan plan = small_plan();
	struct tls_case *cases;

	assert_int_equal(tls_plan_cases(&plan, &cases), 4);
	assert_string_equal(cases[0].path->name, "plain-send");
	assert_string_equal(cases[1].path->name, "openssl-write");
	assert_int_equal(cases[0].group, cases[1].group);
	assert_int_equal(cases[0].size, 4096);
	assert_int_equal(cases[1].size, 4096);
	assert_int_not_equal(cases[1].group, cases[2].group);
	assert_int_equal(cases[2].size, 65536);
	free(cases);
}

static void plain_rows_have_no_cipher_and_come_once(void **state)
{
	struct tls_plan plan = small_plan();
	struct tls_case *cases;
	unsigned plain = 0;
	long count;

	plan.versions = (struct tls_list){2, {KTLS_TLS_1_2, KTLS_TLS_1_3}};
	plan.ciphers =
		(struct tls_list){2, {KTLS_AES_128_GCM, KTLS_AES_256_GCM}};
	count = tls_plan_cases(&plan, &cases);
	assert_int_equal(count, 2 * (1 + 4));
	for (long i = 0; i < count; i++) {
		if (cases[i].path->layer != TLS_LAYER_PLAIN)
			continue;
		assert_int_equal(cases[i].version, KTLS_VERSION_NONE);
		assert_int_equal(cases[i].cipher, KTLS_CIPHER_OTHER);
		plain++;
	}
	assert_int_equal(plain, 2);
	free(cases);
}

static void handshakes_know_no_sizes(void **state)
{
	struct tls_plan plan = small_plan();
	struct tls_case *cases;

	plan.tests[TLS_TEST_SEND] = false;
	plan.tests[TLS_TEST_HANDSHAKE] = true;
	plan.paths = "openssl-full";
	assert_int_equal(tls_plan_cases(&plan, &cases), 1);
	free(cases);
}

static void a_plan_without_rows_is_empty(void **state)
{
	struct tls_plan plan = small_plan();
	struct tls_case *cases;

	plan.paths = "ktls-recv";
	assert_int_equal(tls_plan_cases(&plan, &cases), 0);
	free(cases);
}

static void a_run_has_the_octets_asked_for(void **state)
{
	struct tls_plan plan = small_plan();
	struct tls_case c = {.size = 65536, .connections = 4};

	plan.total = 64 << 20;
	assert_int_equal(tls_plan_messages(&plan, &c), 256);
}

static void a_run_has_a_message_however_large(void **state)
{
	struct tls_plan plan = small_plan();
	struct tls_case c = {.size = 64 << 20, .connections = 16};

	plan.total = 1 << 20;
	assert_int_equal(tls_plan_messages(&plan, &c), 1);
}

/* --- messages --- */

static void messages_lie_inside_the_file_and_differ(void **state)
{
	struct tls_source s = {.size = TLS_MESSAGE_MAX + 4096, .offset = 100};
	size_t size = 1 << 20;
	size_t last = s.size;

	for (uint64_t i = 0; i < 200; i++) {
		size_t at = tls_source_at(&s, 3, i, size);

		assert_true(at >= s.offset && at + size <= s.size);
		assert_int_equal(at % 4096, 100);
		assert_int_not_equal(at, last);
		last = at;
	}
	assert_int_equal(tls_source_at(&s, 0, 5, TLS_MESSAGE_MAX), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_go_by_both_names),
		cmocka_unit_test(ciphers_go_by_both_names),
		cmocka_unit_test(a_list_takes_the_place_of_the_default),
		cmocka_unit_test(doubles_count_once),
		cmocka_unit_test(bad_lists_change_nothing),
		cmocka_unit_test(a_list_is_bounded),
		cmocka_unit_test(tests_are_chosen_by_name),
		cmocka_unit_test(a_pattern_that_fits_no_path_is_refused),
		cmocka_unit_test(every_path_has_its_own_name_and_can_be_found),
		cmocka_unit_test(patterns_choose_paths),
		cmocka_unit_test(
			the_other_end_speaks_the_same_and_does_the_opposite),
		cmocka_unit_test(rows_of_a_group_differ_in_their_path_alone),
		cmocka_unit_test(plain_rows_have_no_cipher_and_come_once),
		cmocka_unit_test(handshakes_know_no_sizes),
		cmocka_unit_test(a_plan_without_rows_is_empty),
		cmocka_unit_test(a_run_has_the_octets_asked_for),
		cmocka_unit_test(a_run_has_a_message_however_large),
		cmocka_unit_test(messages_lie_inside_the_file_and_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
