/* SPDX-License-Identifier: Apache-2.0 */
/* Which octets of a delivered message are hashed, however they are cut. */
#include "tests/unit/bench/unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <openssl/sha.h>

#include "bench/bench_region.h"

static void sha256_text(const char *data, size_t len,
			char text[BENCH_HASH_TEXT])
{
	unsigned char md[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)data, len, md);
	for (size_t i = 0; i < sizeof(md); i++)
		snprintf(text + 2 * i, 3, "%02x", md[i]);
}

/* Feeds the message in pieces of `step` octets; true when there was an id. */
static bool feed(const char *message, size_t step, struct bench_region *r,
		 char text[BENCH_HASH_TEXT])
{
	struct bench_hash *hash = bench_hash_new(BENCH_HASH_SHA256);
	size_t len = strlen(message);
	bool has_id;

	bench_region_start(r, hash);
	for (size_t at = 0; at < len; at += step)
		bench_region_add(r, message + at,
				 len - at < step ? len - at : step);
	has_id = bench_region_end(r, text);
	bench_hash_free(hash);
	return has_id;
}

/* The region must be the tail of the message from `region` on. */
static void expect_region(const char *message, const char *region,
			  const char *id)
{
	char want[BENCH_HASH_TEXT], got[BENCH_HASH_TEXT];
	struct bench_region r;

	sha256_text(region, strlen(region), want);
	for (size_t step = 1; step <= strlen(message); step++) {
		assert_int_equal(feed(message, step, &r, got), *id != '\0');
		assert_string_equal(got, want);
		assert_int_equal(r.size, strlen(region));
		if (*id)
			assert_string_equal(r.id, id);
	}
}

#define REGION "X-Bench-Id: s1-7\r\nFrom: <a@b>\r\n\r\nbody\r\n.\r\n"

static void region_is_all_without_trace_headers(void **state)
{
	expect_region(REGION, REGION, "s1-7");
}

static void trace_headers_above_are_left_out(void **state)
{
	expect_region(
		"Received: from x\r\n\tby y; now\r\nX-Other: z\r\n" REGION,
		REGION, "s1-7");
}

static void the_name_may_be_in_any_case(void **state)
{
	expect_region("A: b\r\nx-BENCH-id:q.1\r\n\r\nx",
		      "x-BENCH-id:q.1\r\n\r\nx", "q.1");
}

static void a_longer_name_is_another_field(void **state)
{
	expect_region("X-Bench-Idea: s1-1\r\n" REGION, REGION, "s1-7");
	expect_region("XX-Bench-Id: s1-1\r\n" REGION, REGION, "s1-7");
}

static void the_line_in_a_body_is_no_id(void **state)
{
	expect_region("A: b\r\n\r\n" REGION, REGION, "");
}

static void without_id_the_body_is_hashed(void **state)
{
	expect_region("Subject: x\r\n\r\nhello\r\n", "hello\r\n", "");
}

static void a_header_alone_has_an_empty_region(void **state)
{
	expect_region("Subject: x\r\n", "", "");
}

static void an_unusable_id_is_none(void **state)
{
	char text[BENCH_HASH_TEXT];
	struct bench_region r;

	assert_false(feed("X-Bench-Id: a,b\r\n\r\n", 5, &r, text));
	assert_false(feed("X-Bench-Id: \r\n\r\n", 5, &r, text));
}

static void a_changed_octet_changes_the_hash(void **state)
{
	char message[] = REGION, first[BENCH_HASH_TEXT], text[BENCH_HASH_TEXT];
	struct bench_region r;

	feed(message, sizeof(message), &r, first);
	for (size_t i = 18; i < sizeof(message) - 1; i++) {
		message[i] ^= 1;
		feed(message, sizeof(message), &r, text);
		assert_string_not_equal(first, text);
		message[i] ^= 1;
	}
}

static void hashes_have_their_known_values(void **state)
{
	char text[BENCH_HASH_TEXT];
	struct bench_hash *sha = bench_hash_new(BENCH_HASH_SHA256);
	struct bench_hash *xxh = bench_hash_new(BENCH_HASH_XXH3);
	struct bench_hash *none = bench_hash_new(BENCH_HASH_NONE);

	bench_hash_start(sha);
	bench_hash_add(sha, "abc", 3);
	bench_hash_text(sha, text);
	assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223"
				  "b00361a396177a9cb410ff61f20015ad");
	bench_hash_start(xxh);
	bench_hash_text(xxh, text);
	assert_string_equal(text, "2d06800538d394c2"); /* of nothing */
	bench_hash_start(none);
	bench_hash_add(none, "abc", 3);
	bench_hash_text(none, text);
	assert_string_equal(text, "-");
	bench_hash_free(sha);
	bench_hash_free(xxh);
	bench_hash_free(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(region_is_all_without_trace_headers),
		cmocka_unit_test(trace_headers_above_are_left_out),
		cmocka_unit_test(the_name_may_be_in_any_case),
		cmocka_unit_test(a_longer_name_is_another_field),
		cmocka_unit_test(the_line_in_a_body_is_no_id),
		cmocka_unit_test(without_id_the_body_is_hashed),
		cmocka_unit_test(a_header_alone_has_an_empty_region),
		cmocka_unit_test(an_unusable_id_is_none),
		cmocka_unit_test(a_changed_octet_changes_the_hash),
		cmocka_unit_test(hashes_have_their_known_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
