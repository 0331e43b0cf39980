/* SPDX-License-Identifier: Apache-2.0 */
/* Ledgers: what is written, what is read back, what the comparison says. */
#include "tests/unit/bench/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench_ledger.h"
#include "bench/bench_seen.h"
#include "bench/bench_verify.h"

static char dir[] = "/tmp/bench-verify-XXXXXX";
static char accepted_path[64];
static char delivered_path[64];

static int make_dir(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(accepted_path, sizeof(accepted_path), "%s/a", dir);
	snprintf(delivered_path, sizeof(delivered_path), "%s/d", dir);
	return 0;
}

static int remove_dir(void **state)
{
	unlink(accepted_path);
	unlink(delivered_path);
	return rmdir(dir);
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static struct bench_verify compare(const char *accepted, const char *delivered)
{
	struct bench_verify v;
	char error[256];

	put(accepted_path, accepted);
	put(delivered_path, delivered);
	assert_int_equal(bench_verify(accepted_path, delivered_path, &v, NULL,
				      error, sizeof(error)),
			 0);
	return v;
}

static void equal_ledgers_are_equal(void **state)
{
	struct bench_verify v = compare("a-0 11 100 1\na-1 22 200 1\n",
					"a-1 22 200 x@y\na-0 11 100 x@y\n");

	assert_int_equal(v.accepted, 2);
	assert_int_equal(v.delivered, 2);
	assert_int_equal(v.lost + v.duplicated + v.different + v.extra, 0);
}

static void a_missing_message_is_lost(void **state)
{
	struct bench_verify v =
		compare("a-0 11 100 1\na-1 22 200 1\n", "a-0 11 100 x@y\n");

	assert_int_equal(v.delivered, 1);
	assert_int_equal(v.lost, 1);
	assert_int_equal(v.partial, 0);
}

static void a_second_copy_is_a_duplicate(void **state)
{
	struct bench_verify v =
		compare("a-0 11 100 1\n", "a-0 11 100 x@y\na-0 11 100 x@y\n");

	assert_int_equal(v.delivered, 1);
	assert_int_equal(v.duplicated, 1);
}

static void copies_for_other_recipients_are_not(void **state)
{
	struct bench_verify v = compare("a-0 11 100 3\n",
					"a-0 11 100 x@y,z@y\na-0 11 100 q@y\n");

	assert_int_equal(v.delivered, 1);
	assert_int_equal(v.duplicated, 0);
}

static void a_missing_recipient_is_a_loss(void **state)
{
	struct bench_verify v =
		compare("a-0 11 100 3\n", "a-0 11 100 x@y,z@y\n");

	assert_int_equal(v.delivered, 0);
	assert_int_equal(v.lost, 1);
	assert_int_equal(v.partial, 1);
}

static void a_repeated_recipient_does_not_stand_for_another(void **state)
{
	struct bench_verify v =
		compare("a-0 11 100 2\n", "a-0 11 100 x@y\na-0 11 100 x@y\n");

	assert_int_equal(v.lost, 1);
	assert_int_equal(v.duplicated, 1);
}

static void another_hash_is_a_different_body(void **state)
{
	struct bench_verify v = compare("a-0 11 100 1\n", "a-0 12 100 x@y\n");

	assert_int_equal(v.different, 1);
	assert_int_equal(v.delivered, 1);
}

static void another_size_is_a_different_body(void **state)
{
	struct bench_verify v = compare("a-0 11 100 1\n", "a-0 11 99 x@y\n");

	assert_int_equal(v.different, 1);
	assert_int_equal(compare("a-0 - 9 1\n", "a-0 - 8 x@y\n").different, 1);
}

static void no_hash_is_unchecked(void **state)
{
	struct bench_verify v = compare("a-0 - 100 1\n", "a-0 11 100 x@y\n");

	assert_int_equal(v.different, 0);
	assert_int_equal(v.unchecked, 1);
}

static void what_was_never_accepted_is_extra(void **state)
{
	struct bench_verify v = compare("", "a-0 11 100 x@y\n- 33 5 x@y\n");

	assert_int_equal(v.extra, 1);
	assert_int_equal(v.foreign, 1);
	assert_int_equal(v.accepted + v.lost + v.duplicated, 0);
}

static void a_torn_last_line_counts_for_nothing(void **state)
{
	struct bench_verify v = compare("a-0 11 100 1\na-1 22 2",
					"a-0 11 100 x@y\na-0 11 100 x");

	assert_int_equal(v.accepted, 1);
	assert_int_equal(v.duplicated, 0);
	assert_int_equal(v.torn, 2);
}

static void broken_lines_and_repeated_ids_are_refused(void **state)
{
	static const char *const bad[] = {"a-0 11\n", "a-0 11 x 1\n", "\n",
					  "a-0 1 2 3 4\n",
					  "a-0 11 1 1\na-0 11 1 1\n"};
	struct bench_verify v;
	char error[256];

	put(delivered_path, "");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put(accepted_path, bad[i]);
		assert_int_equal(bench_verify(accepted_path, delivered_path, &v,
					      NULL, error, sizeof(error)),
				 -EINVAL);
	}
	assert_non_null(strstr(error, "/a:2: "));
}

static void a_missing_ledger_is_an_error(void **state)
{
	struct bench_verify v;
	char error[256];

	assert_int_equal(bench_verify("/nonexistent/x", delivered_path, &v,
				      NULL, error, sizeof(error)),
			 -ENOENT);
	assert_non_null(strstr(error, "/nonexistent/x"));
}

static void many_messages_are_compared(void **state)
{
	FILE *a = fopen(accepted_path, "w"), *d = fopen(delivered_path, "w");
	struct bench_verify v;
	char error[256];

	for (unsigned i = 0; i < 20000; i++) {
		fprintf(a, "m-%u %x 10 1\n", i, i);
		if (i != 777)
			fprintf(d, "m-%u %x 10 x@y\n", i, i);
		if (i == 999)
			fprintf(d, "m-%u %x 10 x@y\n", i, i);
	}
	fclose(a);
	fclose(d);
	assert_int_equal(bench_verify(accepted_path, delivered_path, &v, NULL,
				      error, sizeof(error)),
			 0);
	assert_int_equal(v.delivered, 19999);
	assert_int_equal(v.lost, 1);
	assert_int_equal(v.duplicated, 1);
}

static void details_name_the_ids(void **state)
{
	struct bench_verify v;
	char error[256], *text = NULL;
	size_t len;
	FILE *details = open_memstream(&text, &len);

	put(accepted_path, "a-0 11 100 1\na-1 11 100 1\n");
	put(delivered_path, "a-0 11 100 x@y\na-0 12 100 x@y\n");
	bench_verify(accepted_path, delivered_path, &v, details, error,
		     sizeof(error));
	fclose(details);
	assert_string_equal(text, "different a-0\nduplicated a-0\nlost a-1\n");
	free(text);
}

static void written_lines_are_read_back(void **state)
{
	char address[] = "\"a b,c%\"@x.test", quoted[64], line[256];
	struct bench_ledger_line l;
	FILE *f;
	int fd;

	unlink(accepted_path);
	fd = bench_ledger_open(accepted_path);
	assert_true(fd >= 0);
	bench_ledger_quote(address, quoted, sizeof(quoted));
	assert_int_equal(bench_ledger_add(fd, "r-1", "ff", 12, quoted), 0);
	close(fd);
	f = fopen(accepted_path, "r");
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	assert_string_equal(line, "r-1 ff 12 \"a%20b%2Cc%25\"@x.test\n");
	line[strlen(line) - 1] = '\0';
	assert_int_equal(bench_ledger_parse(line, &l), 0);
	assert_string_equal(l.id, "r-1");
	assert_string_equal(l.hash, "ff");
	assert_int_equal(l.size, 12);
	assert_string_equal(l.last, "\"a%20b%2Cc%25\"@x.test");
}

static void a_long_line_is_written_whole(void **state)
{
	char last[5000], line[6000];
	FILE *f;
	int fd;

	memset(last, 'x', sizeof(last) - 1);
	last[sizeof(last) - 1] = '\0';
	unlink(accepted_path);
	fd = bench_ledger_open(accepted_path);
	assert_int_equal(bench_ledger_add(fd, "r-1", "ff", 12, last), 0);
	close(fd);
	f = fopen(accepted_path, "r");
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	assert_int_equal(strlen(line), strlen("r-1 ff 12 ") + 4999 + 1);
}

static void a_ledger_is_appended_to(void **state)
{
	int fd;

	put(accepted_path, "old 1 1 1\n");
	fd = bench_ledger_open(accepted_path);
	bench_ledger_add(fd, "new", "2", 2, "1");
	close(fd);
	put(delivered_path, "old 1 1 x\nnew 2 2 x\n");
	assert_int_equal(access(accepted_path, R_OK), 0);
	{
		struct bench_verify v;
		char error[256];

		assert_int_equal(bench_verify(accepted_path, delivered_path, &v,
					      NULL, error, sizeof(error)),
				 0);
		assert_int_equal(v.delivered, 2);
	}
}

static void a_full_disk_is_an_error(void **state)
{
	int fd = bench_ledger_open("/dev/full");

	assert_true(fd >= 0);
	assert_int_equal(bench_ledger_add(fd, "r-1", "ff", 1, "1"), -ENOSPC);
	close(fd);
}

static void the_set_tells_new_from_seen(void **state)
{
	struct bench_seen *seen = bench_seen_new();
	char id[16];

	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 5000; i++) {
			snprintf(id, sizeof(id), "%u", i);
			assert_int_equal(bench_seen_add(seen, id, "r@x", 3),
					 round == 0);
		}
	}
	assert_int_equal(bench_seen_add(seen, "1", "r@y", 3), 1);
	bench_seen_free(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_ledgers_are_equal),
		cmocka_unit_test(a_missing_message_is_lost),
		cmocka_unit_test(a_second_copy_is_a_duplicate),
		cmocka_unit_test(copies_for_other_recipients_are_not),
		cmocka_unit_test(a_missing_recipient_is_a_loss),
		cmocka_unit_test(
			a_repeated_recipient_does_not_stand_for_another),
		cmocka_unit_test(another_hash_is_a_different_body),
		cmocka_unit_test(another_size_is_a_different_body),
		cmocka_unit_test(no_hash_is_unchecked),
		cmocka_unit_test(what_was_never_accepted_is_extra),
		cmocka_unit_test(a_torn_last_line_counts_for_nothing),
		cmocka_unit_test(broken_lines_and_repeated_ids_are_refused),
		cmocka_unit_test(a_missing_ledger_is_an_error),
		cmocka_unit_test(many_messages_are_compared),
		cmocka_unit_test(details_name_the_ids),
		cmocka_unit_test(written_lines_are_read_back),
		cmocka_unit_test(a_long_line_is_written_whole),
		cmocka_unit_test(a_ledger_is_appended_to),
		cmocka_unit_test(a_full_disk_is_an_error),
		cmocka_unit_test(the_set_tells_new_from_seen),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
