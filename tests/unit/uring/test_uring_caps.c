/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel can do, what a forced level leaves of it, and why there is
 * nothing at all. */
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

#include "tests/unit/uring/world.h"
#include "uring/uring_internal.h"

static bool cap(const struct uring_caps *caps, const struct uring_cap_row *row)
{
	return *(const bool *)((const char *)caps + row->offset);
}

static const struct uring_cap_row *row_of(const char *name)
{
	size_t count;
	const struct uring_cap_row *rows = uring_cap_rows(&count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	fail_msg("no row %s", name);
	return NULL;
}

static void the_table_has_a_row_for_every_feature(void **state)
{
	bool seen[sizeof(struct uring_caps)] = {false};
	size_t count;
	const struct uring_cap_row *rows = uring_cap_rows(&count);

	assert_int_equal(count, sizeof(struct uring_caps));
	for (size_t i = 0; i < count; i++) {
		assert_in_range(rows[i].offset, 0, sizeof(seen) - 1);
		assert_false(seen[rows[i].offset]);
		seen[rows[i].offset] = true;
		assert_true(strlen(rows[i].name) > 0);
		assert_true(strlen(rows[i].used_for) > 0);
		assert_true(strlen(rows[i].since) > 0);
	}
}

static void levels_are_parsed_exactly(void **state)
{
	static const char *const bad[] = {"",	  "5",	  "5.1",   "5.100",
					  "6.10", "BEST", "5.10 ", "latest"};
	enum uring_level level = URING_LEVEL_6_1;

	assert_int_equal(uring_level_parse("best", &level), 0);
	assert_int_equal(level, URING_LEVEL_BEST);
	assert_int_equal(uring_level_parse("5.10", &level), 0);
	assert_int_equal(level, URING_LEVEL_5_10);
	assert_int_equal(uring_level_parse("5.19", &level), 0);
	assert_int_equal(level, URING_LEVEL_5_19);
	assert_int_equal(uring_level_parse("6.1", &level), 0);
	assert_int_equal(level, URING_LEVEL_6_1);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(uring_level_parse(bad[i], &level), -EINVAL);
	assert_int_equal(level, URING_LEVEL_6_1);
}

static struct uring_caps limited(enum uring_level level)
{
	struct uring_caps caps;

	memset(&caps, true, sizeof(caps));
	uring_caps_limit(&caps, level);
	return caps;
}

static void a_level_leaves_what_its_kernel_had(void **state)
{
	struct uring_caps caps = limited(URING_LEVEL_5_10);

	assert_true(caps.op_splice);
	assert_false(caps.ext_arg);
	assert_false(caps.op_shutdown);
	assert_false(caps.buf_ring);
	assert_false(caps.sendmsg_control);
	caps = limited(URING_LEVEL_5_19);
	assert_true(caps.ext_arg);
	assert_true(caps.buf_ring);
	assert_true(caps.multishot_accept);
	assert_true(caps.coop_taskrun);
	assert_false(caps.multishot_recv);
	assert_false(caps.single_issuer);
	caps = limited(URING_LEVEL_6_1);
	assert_true(caps.multishot_recv);
	assert_true(caps.defer_taskrun);
	caps = limited(URING_LEVEL_BEST);
	assert_true(caps.defer_taskrun);
}

static void a_level_never_adds_a_feature(void **state)
{
	struct uring_caps caps = {0};
	const struct uring_caps none = {0};

	uring_caps_limit(&caps, URING_LEVEL_BEST);
	assert_memory_equal(&caps, &none, sizeof(caps));
	uring_caps_limit(&caps, URING_LEVEL_6_1);
	assert_memory_equal(&caps, &none, sizeof(caps));
}

static const enum uring_level levels[] = {
	URING_LEVEL_BEST,
	URING_LEVEL_6_1,
	URING_LEVEL_5_19,
	URING_LEVEL_5_10,
};

enum {
	LEVELS = sizeof(levels) / sizeof(levels[0])
};

/* The caps of a real ring at @level. */
static struct uring_caps real_caps(enum uring_level level)
{
	struct uring_config config = {.level = level};
	struct uring_caps caps;
	struct uring *ring;
	char reason[512];
	int err = uring_create(&config, &ring);

	if (err)
		fail_msg("%s",
			 uring_blocked_reason(err, reason, sizeof(reason)));
	caps = *uring_caps(ring);
	uring_destroy(&ring);
	return caps;
}

static void a_rings_caps_are_within_its_level(void **state)
{
	size_t count;
	const struct uring_cap_row *rows = uring_cap_rows(&count);

	for (unsigned l = 0; l < LEVELS; l++) {
		struct uring_caps most = limited(levels[l]);
		struct uring_caps caps = real_caps(levels[l]);

		for (size_t i = 0; i < count; i++)
			if (cap(&caps, &rows[i]))
				assert_true(cap(&most, &rows[i]));
	}
}

static void set_up_flags_exclude_each_other(void **state)
{
	for (unsigned l = 0; l < LEVELS; l++) {
		struct uring_caps caps = real_caps(levels[l]);

		assert_false(caps.defer_taskrun && caps.coop_taskrun);
		if (caps.defer_taskrun)
			assert_true(caps.single_issuer);
	}
}

/* Opcodes and flags of one release come together or not at all. */
static void what_came_together_is_found_together(void **state)
{
	struct uring_caps caps = real_caps(URING_LEVEL_BEST);

	assert_int_equal(caps.op_socket, caps.buf_ring);
	assert_int_equal(caps.op_socket, caps.multishot_accept);
	assert_int_equal(caps.op_send_zc, caps.multishot_recv);
	if (caps.op_socket)
		assert_true(caps.sendmsg_control);
}

static void rows_point_at_their_members(void **state)
{
	struct uring_caps caps = {.buf_ring = true};

	assert_true(cap(&caps, row_of("buf_ring")));
	assert_false(cap(&caps, row_of("multishot_recv")));
	assert_string_equal(row_of("buf_ring")->since, "5.19");
	assert_string_equal(row_of("multishot_recv")->since, "6.0");
}

/* What a text must say for an error in given circumstances. */
static void expect_text(int error, int disabled, int seccomp, const char *part)
{
	char text[512];

	assert_ptr_equal(uring_blocked_text(error, disabled, seccomp, text,
					    sizeof(text)),
			 text);
	if (!strstr(text, part))
		fail_msg("\"%s\" does not say \"%s\"", text, part);
}

static void blocked_names_the_cause(void **state)
{
	expect_text(-EPERM, 2, 0, "kernel.io_uring_disabled=2");
	expect_text(-EPERM, 1, 0, "kernel.io_uring_disabled=1");
	expect_text(-EPERM, 1, 0, "kernel.io_uring_group");
	expect_text(-EPERM, 0, 2, "seccomp");
	expect_text(-EPERM, -1, 2, "seccomp");
	expect_text(-EPERM, 2, 2, "kernel.io_uring_disabled=2");
	expect_text(-EPERM, 0, 0, "audit");
	expect_text(-ENOSYS, -1, 0, "CONFIG_IO_URING");
	expect_text(-ENOSYS, -1, 2, "seccomp");
	expect_text(-ENOMEM, 0, 0, "RLIMIT_MEMLOCK");
	expect_text(-EMFILE, 0, 0, "RLIMIT_NOFILE");
	expect_text(-EBADMSG, 0, 0, "Bad message");
}

static void blocked_fits_its_buffer(void **state)
{
	char text[16];

	memset(text, 'x', sizeof(text));
	uring_blocked_reason(-EPERM, text, 8);
	assert_int_equal(strlen(text), 7);
	assert_int_equal(text[8], 'x');
}

/* The whole way: a ring that can't be had is an error, and can be tried
 * again. */
static void no_descriptor_is_an_error(void **state)
{
	struct uring_config config = {0};
	struct uring *ring = NULL;
	struct rlimit old, none;
	int err;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	err = uring_create(&config, &ring);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(err, -EMFILE);
	assert_null(ring);
	assert_int_equal(uring_create(&config, &ring), 0);
	uring_destroy(&ring);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_has_a_row_for_every_feature),
		cmocka_unit_test(rows_point_at_their_members),
		cmocka_unit_test(levels_are_parsed_exactly),
		cmocka_unit_test(a_level_leaves_what_its_kernel_had),
		cmocka_unit_test(a_level_never_adds_a_feature),
		cmocka_unit_test(a_rings_caps_are_within_its_level),
		cmocka_unit_test(set_up_flags_exclude_each_other),
		cmocka_unit_test(what_came_together_is_found_together),
		cmocka_unit_test(blocked_names_the_cause),
		cmocka_unit_test(blocked_fits_its_buffer),
		cmocka_unit_test(no_descriptor_is_an_error),
	};

	return cmocka_run_group_tests_name("uring_caps", tests, NULL, NULL);
}
