/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy of byte paths, and what streams share for them.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "ktls/ktls_caps.h"
#include "ktls/ktls_paths_private.h"
#include "ktls/ktls_traffic.h"

#define ALL 16

static struct ktls_paths *make(const struct ktls_paths_config *config)
{
	struct ktls_paths *paths;

	assert_int_equal(ktls_paths_create(config, &paths), 0);
	return paths;
}

/* --- policy --- */

static void the_policy_chooses(void **state)
{
	static const struct {
		enum ktls_byte_path asked;
		size_t len;
		bool mapped, in_file, can_splice;
		enum ktls_byte_path chosen;
	} rows[] = {
		/* as asked, where it can be */
		{KTLS_PATH_MAPPED, 50, true, true, true, KTLS_PATH_MAPPED},
		{KTLS_PATH_SPLICE, 50, true, true, true, KTLS_PATH_SPLICE},
		{KTLS_PATH_READ, 50, true, true, true, KTLS_PATH_READ},
		/* the next best */
		{KTLS_PATH_MAPPED, 50, false, true, true, KTLS_PATH_READ},
		{KTLS_PATH_SPLICE, 50, true, true, false, KTLS_PATH_AUTO},
		{KTLS_PATH_SPLICE, 50, false, true, false, KTLS_PATH_READ},
		{KTLS_PATH_SPLICE, 50, true, false, true, KTLS_PATH_MAPPED},
		{KTLS_PATH_READ, 50, true, false, true, KTLS_PATH_MAPPED},
		/* by size */
		{KTLS_PATH_AUTO, 9, true, true, true, KTLS_PATH_MAPPED},
		{KTLS_PATH_AUTO, 10, true, true, true, KTLS_PATH_AUTO},
		{KTLS_PATH_AUTO, 99, true, true, true, KTLS_PATH_AUTO},
		{KTLS_PATH_AUTO, 100, true, true, true, KTLS_PATH_SPLICE},
		{KTLS_PATH_AUTO, 100, true, true, false, KTLS_PATH_AUTO},
		{KTLS_PATH_AUTO, 9, false, true, true, KTLS_PATH_READ},
		{KTLS_PATH_AUTO, 99, false, true, true, KTLS_PATH_READ},
		{KTLS_PATH_AUTO, 100, false, true, true, KTLS_PATH_SPLICE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ktls_policy policy = {
			.path = rows[i].asked,
			.splice_min = 100,
			.look_min = 10,
		};
		struct ktls_choice choice = {
			.len = rows[i].len,
			.mapped = rows[i].mapped,
			.in_file = rows[i].in_file,
			.can_splice = rows[i].can_splice,
		};

		if (ktls_policy_choose(&policy, &choice) != rows[i].chosen)
			fail_msg("row %zu", i);
	}
}

static bool pays(const struct ktls_policy *policy, uint64_t tx, uint64_t rx)
{
	uint64_t expected[KTLS_DIRECTIONS] = {[KTLS_TX] = tx, [KTLS_RX] = rx};

	return ktls_policy_offload(policy, expected);
}

static void offload_goes_by_expected_bytes(void **state)
{
	struct ktls_policy policy = {
		.offload_min = {[KTLS_TX] = 100, [KTLS_RX] = 1000}};

	assert_false(pays(&policy, 0, 0));
	assert_false(pays(&policy, 99, 0));
	assert_true(pays(&policy, 100, 0));
	assert_false(pays(&policy, 0, 999));
	assert_true(pays(&policy, 0, 1000));
	assert_true(pays(&policy, 0, UINT64_MAX));
	/* together */
	assert_false(pays(&policy, 50, 499));
	assert_true(pays(&policy, 50, 500));
}

static void offload_of_any_number_pays_when_told_so(void **state)
{
	struct ktls_policy policy = {.offload_min = {[KTLS_RX] = 1000}};

	assert_true(pays(&policy, 0, 0));
}

/* What the relay says of connections that it knows nothing about. */
static void offload_pays_when_nothing_is_known(void **state)
{
	assert_true(pays(&ktls_policy_measured, KTLS_TRAFFIC_UNKNOWN, 0));
	assert_true(pays(&ktls_policy_measured, 0, KTLS_TRAFFIC_UNKNOWN));
}

/* As docs/benchmarks.md has them: where kernel TLS earns its install back. */
static void measured_break_even_of_sending(void **state)
{
	static const struct {
		uint64_t messages, size;
		bool pays;
	} rows[] = {
		{1, 4096, false},  {3, 4096, false},   {8, 4096, true},
		{2, 16384, false}, {7, 16384, true},   {1, 65536, false},
		{3, 65536, true},  {1, 1 << 20, true}, {1, 16 << 20, true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t worth = ktls_traffic_worth(
			rows[i].messages * rows[i].size, rows[i].messages);

		if (pays(&ktls_policy_measured, worth, 0) != rows[i].pays)
			fail_msg("row %zu", i);
	}
}

static void measured_break_even_of_receiving(void **state)
{
	assert_false(
		pays(&ktls_policy_measured, 0, ktls_traffic_worth(65536, 1)));
	assert_true(
		pays(&ktls_policy_measured, 0, ktls_traffic_worth(1 << 20, 1)));
}

/* Receiving on 6.1 earns less. */
static void measured_break_even_of_older_kernels(void **state)
{
	struct ktls_caps caps = {.ulp = true};
	struct ktls_policy older = ktls_policy_for(&caps), newer;

	caps.rekey_rx = caps.rekey_tx = true;
	newer = ktls_policy_for(&caps);
	assert_true(pays(&newer, 0, ktls_traffic_worth(1 << 20, 1)));
	assert_false(pays(&older, 0, ktls_traffic_worth(1 << 20, 1)));
	assert_true(pays(&older, 0, ktls_traffic_worth(4 << 20, 1)));
	for (uint64_t tx = 0; tx < 400000; tx += 1000)
		assert_int_equal(pays(&older, tx, 0), pays(&newer, tx, 0));
}

static void worth_has_no_overflow(void **state)
{
	uint64_t most = ktls_traffic_worth(UINT64_MAX, 1);

	assert_true(most != KTLS_TRAFFIC_UNKNOWN && most > UINT32_MAX);
	most = ktls_traffic_worth(1, UINT64_MAX);
	assert_true(most != KTLS_TRAFFIC_UNKNOWN && most > UINT32_MAX);
}

/* --- traffic --- */

static void traffic_begins_with_the_first(void **state)
{
	struct ktls_traffic traffic = {0};

	assert_true(ktls_traffic_guess(&traffic) == KTLS_TRAFFIC_UNKNOWN);
	ktls_traffic_add(&traffic, 800);
	assert_int_equal(ktls_traffic_guess(&traffic), 800);
	ktls_traffic_add(&traffic, 0);
	assert_int_equal(ktls_traffic_guess(&traffic), 700);
	ktls_traffic_add(&traffic, 1500);
	assert_int_equal(ktls_traffic_guess(&traffic), 800);
}

static void traffic_settles_on_what_goes_on(void **state)
{
	static const uint64_t values[] = {0, 1, 12345, UINT64_MAX / 4};

	for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
		struct ktls_traffic traffic = {0};

		ktls_traffic_add(&traffic, 1000000);
		for (int i = 0; i < 1000; i++)
			ktls_traffic_add(&traffic, values[v]);
		assert_true(ktls_traffic_guess(&traffic) == values[v]);
	}
}

static void traffic_that_is_known_is_never_unknown(void **state)
{
	struct ktls_traffic traffic = {0};

	ktls_traffic_add(&traffic, UINT64_MAX);
	assert_true(ktls_traffic_guess(&traffic) != KTLS_TRAFFIC_UNKNOWN);
}

static void text_names_paths_by_use(void **state)
{
	uint64_t bytes[KTLS_PATHS] = {0};
	char text[KTLS_PATHS_TEXT];

	assert_null(ktls_byte_paths_text(bytes, text));
	bytes[KTLS_PATH_MAPPED] = 5;
	assert_string_equal(ktls_byte_paths_text(bytes, text), "mapped");
	bytes[KTLS_PATH_READ] = 6;
	assert_string_equal(ktls_byte_paths_text(bytes, text), "read,mapped");
	bytes[KTLS_PATH_SPLICE] = 1;
	assert_string_equal(ktls_byte_paths_text(bytes, text),
			    "read,mapped,splice");
}

/* --- pipes and buffers --- */

static void pipes_are_bounded_and_reused(void **state)
{
	struct ktls_paths_config config = {.pipes = 3};
	struct ktls_paths *paths = make(&config);
	struct ktls_paths_stats stats;
	struct ktls_pipe *pipe[3];

	for (int i = 0; i < 3; i++) {
		pipe[i] = ktls_paths_pipe_get(paths);
		assert_non_null(pipe[i]);
		assert_true(pipe[i]->size >= 4096);
	}
	assert_null(ktls_paths_pipe_get(paths));
	ktls_paths_pipe_put(paths, pipe[1], true);
	assert_ptr_equal(ktls_paths_pipe_get(paths), pipe[1]);
	for (int i = 0; i < 3; i++)
		ktls_paths_pipe_put(paths, pipe[i], true);
	ktls_paths_stats(paths, &stats);
	assert_int_equal(stats.pipes, 3);
	assert_int_equal(stats.pipes_out, 0);
	assert_int_equal(stats.no_pipe, 1);
	ktls_paths_destroy(&paths);
	assert_null(paths);
}

static void a_pipe_with_bytes_in_it_is_closed(void **state)
{
	struct ktls_paths_config config = {.pipes = 1};
	struct ktls_paths *paths = make(&config);
	struct ktls_pipe *pipe = ktls_paths_pipe_get(paths);
	int bytes = 1, fd = pipe->read_fd;

	assert_int_equal(write(pipe->write_fd, "old", 3), 3);
	ktls_paths_pipe_put(paths, pipe, false);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	pipe = ktls_paths_pipe_get(paths);
	assert_int_equal(ioctl(pipe->read_fd, FIONREAD, &bytes), 0);
	assert_int_equal(bytes, 0);
	ktls_paths_pipe_put(paths, pipe, true);
	ktls_paths_destroy(&paths);
}

static void after_a_rush_few_are_kept(void **state)
{
	struct ktls_paths_config config = {.pipes = ALL, .buffers = ALL};
	struct ktls_paths *paths = make(&config);
	struct ktls_buffer *buffer[ALL];
	struct ktls_pipe *pipe[ALL];
	struct ktls_paths_stats stats;

	for (int i = 0; i < ALL; i++) {
		pipe[i] = ktls_paths_pipe_get(paths);
		buffer[i] = ktls_paths_buffer_get(paths);
		assert_true(pipe[i] && buffer[i]);
	}
	for (int i = 0; i < ALL; i++) {
		ktls_paths_pipe_put(paths, pipe[i], true);
		ktls_paths_buffer_put(paths, buffer[i]);
	}
	ktls_paths_stats(paths, &stats);
	assert_true(stats.pipes <= 4 && stats.buffers <= 4);
	ktls_paths_destroy(&paths);
}

struct guest {
	struct ktls_paths_waiter waiter;
	struct ktls_buffer *got;
	int turn;
};

static int turns;

static void served(void *owner, struct ktls_buffer *buffer)
{
	struct guest *guest = owner;

	guest->got = buffer;
	guest->turn = ++turns;
}

static void buffers_go_to_who_waited_first(void **state)
{
	struct ktls_paths_config config = {.buffers = 1};
	struct ktls_paths *paths = make(&config);
	struct ktls_buffer *buffer = ktls_paths_buffer_get(paths);
	struct guest guest[3] = {{.got = NULL}};

	turns = 0;
	for (int i = 0; i < 3; i++) {
		guest[i].waiter.fn = served;
		guest[i].waiter.owner = &guest[i];
		ktls_paths_wait(paths, &guest[i].waiter);
	}
	ktls_paths_unwait(&guest[1].waiter);
	ktls_paths_unwait(&guest[1].waiter);
	ktls_paths_buffer_put(paths, buffer);
	assert_ptr_equal(guest[0].got, buffer);
	assert_null(ktls_paths_buffer_get(paths)); /* it is out */
	ktls_paths_buffer_put(paths, buffer);
	assert_ptr_equal(guest[2].got, buffer);
	assert_null(guest[1].got);
	assert_int_equal(guest[2].turn, 2);
	ktls_paths_buffer_put(paths, buffer);
	assert_ptr_equal(ktls_paths_buffer_get(paths), buffer);
	ktls_paths_buffer_put(paths, buffer);
	ktls_paths_destroy(&paths);
}

/* --- the page cache --- */

/* On a file system with a page cache of its own: not tmpfs. */
static int file_on_disk(size_t size)
{
	static const char *const folders[] = {"/var/tmp", "/tmp", "."};
	struct statfs fs;
	char *bytes = calloc(1, size);

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		int fd = open(folders[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

		if (fd < 0)
			continue;
		if (fstatfs(fd, &fs) == 0 && fs.f_type != TMPFS_MAGIC &&
		    write(fd, bytes, size) == (ssize_t)size && fsync(fd) == 0) {
			free(bytes);
			return fd;
		}
		close(fd);
	}
	free(bytes);
	return -1;
}

static void what_left_the_page_cache_is_not_resident(void **state)
{
	const size_t size = 1024 * 1024;
	struct ktls_paths_config config = {.pipes = 1};
	struct ktls_paths *paths = make(&config);
	int fd = file_on_disk(size);
	const char *map;
	char byte;

	if (fd < 0) {
		print_message("no file system but tmpfs to try it on\n");
		ktls_paths_destroy(&paths);
		skip();
	}
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(map != MAP_FAILED);
	assert_int_equal(ktls_paths_resident(paths, map, size), size);
	assert_int_equal(ktls_paths_resident(paths, map + 4097, 5), 5);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	assert_int_equal(ktls_paths_resident(paths, map, size), 0);
	assert_int_equal(ktls_paths_resident(paths, map + 4097, 5), 0);
	assert_int_equal(pread(fd, &byte, 1, 8192), 1);
	assert_int_equal(ktls_paths_resident(paths, map + 8193, 7), 7);
	assert_int_equal(ktls_paths_resident(paths, map + 8193, 40000), 4095);
	munmap((void *)(uintptr_t)map, size);
	close(fd);
	ktls_paths_destroy(&paths);
}

static void one_look_covers_a_bounded_range(void **state)
{
	const size_t size = 5 * 1024 * 1024;
	struct ktls_paths_config config = {.pipes = 1};
	struct ktls_paths *paths = make(&config);
	char *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(map != MAP_FAILED);
	memset(map, 1, size);
	assert_int_equal(ktls_paths_resident(paths, map + 1, size - 1),
			 1024 * 1024);
	munmap(map, size);
	ktls_paths_destroy(&paths);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_policy_chooses),
		cmocka_unit_test(offload_goes_by_expected_bytes),
		cmocka_unit_test(offload_of_any_number_pays_when_told_so),
		cmocka_unit_test(offload_pays_when_nothing_is_known),
		cmocka_unit_test(measured_break_even_of_sending),
		cmocka_unit_test(measured_break_even_of_receiving),
		cmocka_unit_test(measured_break_even_of_older_kernels),
		cmocka_unit_test(worth_has_no_overflow),
		cmocka_unit_test(traffic_begins_with_the_first),
		cmocka_unit_test(traffic_settles_on_what_goes_on),
		cmocka_unit_test(traffic_that_is_known_is_never_unknown),
		cmocka_unit_test(text_names_paths_by_use),
		cmocka_unit_test(pipes_are_bounded_and_reused),
		cmocka_unit_test(a_pipe_with_bytes_in_it_is_closed),
		cmocka_unit_test(after_a_rush_few_are_kept),
		cmocka_unit_test(buffers_go_to_who_waited_first),
		cmocka_unit_test(what_left_the_page_cache_is_not_resident),
		cmocka_unit_test(one_look_covers_a_bounded_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
