/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File ranges on every byte path and every way of TLS, on a kernel that sends
 * short, says "full" and loses connections: the peer gets the file's bytes,
 * and no pipe, buffer or operation is left behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "ktls/ktls_paths_private.h"
#include "tests/unit/ktls/test_ktls_stream_ways.h"

#define BIG (1024 * 1024 + 1)

static const size_t sizes[] = {0, 1, 16383, 16384, 16385, 65536, BIG};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static const enum ktls_byte_path all_paths[] = {
	KTLS_PATH_AUTO, KTLS_PATH_MAPPED, KTLS_PATH_SPLICE, KTLS_PATH_READ};
#define PATHS (sizeof(all_paths) / sizeof(all_paths[0]))

/* A file of random bytes, and what goes out of it. */
struct desk {
	struct world w;
	struct ktls_paths *paths;
	int fd;
	size_t size;
	unsigned char *map;
	unsigned char *expect; /* all that was queued */
	size_t expect_len;
};

/* Some of it is there, some isn't: as the page cache will have it. */
static size_t at_random(void *arg, const void *addr, size_t len)
{
	struct desk *d = arg;

	switch (world_below(&d->w, 3)) {
	case 0:
		return 0;
	case 1:
		return len;
	default:
		return 1 + world_below(&d->w, (unsigned)len);
	}
}

static size_t never(void *arg, const void *addr, size_t len)
{
	return 0;
}

static void desk_paths(struct desk *d, enum ktls_byte_path path)
{
	struct ktls_paths_config config = {
		.policy = ktls_policy_measured,
		.resident = at_random,
		.arg = d,
	};

	config.policy.path = path;
	assert_int_equal(ktls_paths_create(&config, &d->paths), 0);
	d->w.env.paths = d->paths;
}

/* NULL way: in clear. */
static void desk_open(struct desk *d, struct shop *shop, const struct way *way,
		      uint64_t seed, enum ktls_byte_path path, size_t size)
{
	struct world_config config =
		way ? way_config(shop, way, seed) : world_seeded(seed);

	*d = (struct desk){.size = size};
	world_open(&d->w, shop, &config);
	desk_paths(d, path);
	d->fd = memfd_create("range", MFD_CLOEXEC);
	assert_true(d->fd >= 0);
	assert_int_equal(ftruncate(d->fd, (off_t)size), 0);
	d->map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd, 0);
	assert_true(d->map != MAP_FAILED);
	for (size_t i = 0; i + 8 <= size; i += 8) {
		uint64_t r = world_random(&d->w);

		memcpy(d->map + i, &r, 8);
	}
}

static void desk_start(struct desk *d, const struct way *way)
{
	world_start(&d->w);
	if (way)
		world_secure(&d->w, way->role, KTLS_OFFLOAD_AUTO);
}

/* The next stream would send what was left in it. */
static void assert_kept_pipe_is_empty(struct desk *d)
{
	struct ktls_pipe *pipe = ktls_paths_pipe_get(d->paths);
	int bytes = 0;

	if (!pipe)
		return;
	assert_int_equal(ioctl(pipe->read_fd, FIONREAD, &bytes), 0);
	assert_int_equal(bytes, 0);
	ktls_paths_pipe_put(d->paths, pipe, true);
}

static void desk_close(struct desk *d)
{
	struct ktls_paths_stats stats;

	world_close(&d->w);
	assert_kept_pipe_is_empty(d);
	ktls_paths_stats(d->paths, &stats);
	assert_int_equal(stats.pipes_out, 0);
	assert_int_equal(stats.buffers_out, 0);
	ktls_paths_destroy(&d->paths);
	munmap(d->map, d->size);
	close(d->fd);
	free(d->expect);
}

static void expect(struct desk *d, const void *data, size_t len)
{
	d->expect = realloc(d->expect, d->expect_len + len + 1);
	assert_non_null(d->expect);
	memcpy(d->expect + d->expect_len, data, len);
	d->expect_len += len;
}

static int send_range(struct desk *d, size_t at, size_t len, bool mapped)
{
	struct ktls_file_range range = {
		.fd = d->fd,
		.offset = at,
		.len = len,
		.base = mapped ? d->map + at : NULL,
		.block = world_below(&d->w, 2) ? KTLS_PATHS_BLOCK_MAX : 0,
	};

	assert_true(at + len <= d->size);
	expect(d, d->map + at, len);
	return ktls_stream_send_file(&d->w.side.stream, &range);
}

static void send_words(struct desk *d, const char *words)
{
	expect(d, words, strlen(words));
	assert_int_equal(
		ktls_stream_write(&d->w.side.stream, words, strlen(words)), 0);
}

static void until_arrived(struct desk *d)
{
	world_while(&d->w, d->w.peer.in_len < d->expect_len);
	assert_int_equal(d->w.peer.in_len, d->expect_len);
	assert_memory_equal(d->w.peer.in, d->expect, d->expect_len);
}

/* --- every size, every path, every way --- */

static void one_message(struct desk *d, size_t len, bool mapped)
{
	unsigned before = d->w.side.count[KTLS_EVENT_WRITTEN];
	size_t at = world_below(&d->w, (unsigned)(d->size - len));

	send_words(d, "BDAT\r\n");
	assert_int_equal(send_range(d, at, len, mapped), 0);
	world_while(&d->w, d->w.side.count[KTLS_EVENT_WRITTEN] == before);
	assert_int_equal(ktls_stream_unsent(&d->w.side.stream), 0);
	until_arrived(d);
}

static void every_size(struct shop *shop, const struct way *way, uint64_t seed,
		       enum ktls_byte_path path)
{
	struct ktls_stream_info info;
	uint64_t sum = 0;
	struct desk d;

	desk_open(&d, shop, way, seed, path, BIG + 5000);
	desk_start(&d, way);
	for (size_t i = 0; i < SIZES; i++) {
		one_message(&d, sizes[i], true);
		one_message(&d, sizes[i], false);
	}
	ktls_stream_info(&d.w.side.stream, &info);
	assert_int_equal(info.path_bytes[KTLS_PATH_AUTO], 0);
	for (unsigned p = 0; p < KTLS_PATHS; p++)
		sum += info.path_bytes[p];
	assert_int_equal(sum, d.expect_len - 2 * SIZES * 6);
	if (path == KTLS_PATH_READ)
		assert_int_equal(info.path_bytes[KTLS_PATH_READ], sum);
	if (path == KTLS_PATH_SPLICE && (!way || way->kernel))
		assert_int_equal(info.path_bytes[KTLS_PATH_SPLICE], sum);
	if (path == KTLS_PATH_MAPPED || (way && !way->kernel))
		assert_int_equal(info.path_bytes[KTLS_PATH_SPLICE], 0);
	if (path == KTLS_PATH_MAPPED)
		assert_true(info.path_bytes[KTLS_PATH_MAPPED] >= sum / 2);
	desk_close(&d);
}

static void every_size_on_every_path(void **state)
{
	for (size_t i = 0; i < way_count; i++)
		for (size_t p = 0; p < PATHS; p++)
			every_size(*state, &ways[i], 2 + i + p, all_paths[p]);
}

static void every_size_on_every_path_in_clear(void **state)
{
	for (uint64_t seed = 0; seed < 6; seed++)
		for (size_t p = 0; p < PATHS; p++)
			every_size(*state, NULL, seed, all_paths[p]);
}

static void sixty_four_megabytes(void **state)
{
	const size_t len = 64 * 1024 * 1024;

	for (size_t p = 0; p < PATHS; p++) {
		struct desk d;

		desk_open(&d, *state, NULL, 0, all_paths[p], len + 1);
		desk_start(&d, NULL);
		assert_int_equal(send_range(&d, 1, len, p & 1), 0);
		until_arrived(&d);
		desk_close(&d);
	}
}

/* --- mixed, and full queues --- */

static int send_something(struct desk *d)
{
	size_t len = 1 + world_below(&d->w, 70000);
	size_t at = world_below(&d->w, (unsigned)(d->size - len));
	int error;

	switch (world_below(&d->w, 4)) {
	case 0:
		len = 1 + len % 300;
		error = ktls_stream_write(&d->w.side.stream, d->map + at, len);
		break;
	case 1:
		error = ktls_stream_send(&d->w.side.stream, d->map + at, len);
		break;
	default:
		error = send_range(d, at, len, world_below(&d->w, 2));
		if (error)
			d->expect_len -= len;
		return error;
	}
	if (!error)
		expect(d, d->map + at, len);
	return error;
}

static void pieces_of_all_kinds_keep_their_order(void **state)
{
	for (uint64_t seed = 0; seed < 48; seed++) {
		const struct way *way =
			seed % 3 ? &ways[seed % way_count] : NULL;
		struct desk d;

		desk_open(&d, *state, way, seed, all_paths[seed % PATHS],
			  200000);
		desk_start(&d, way);
		for (int i = 0; i < 60; i++) {
			int error = send_something(&d);

			assert_true(error == 0 || error == -ENOBUFS);
			world_turns(&d.w, world_below(&d.w, 4));
		}
		until_arrived(&d);
		desk_close(&d);
	}
}

static void nothing_of_a_file_goes_out_in_clear(void **state)
{
	for (uint64_t seed = 0; seed < 32; seed++) {
		const struct way *way = &ways[seed % way_count];
		struct desk d;

		desk_open(&d, *state, way, seed, all_paths[seed % PATHS],
			  100000);
		world_start(&d.w);
		assert_int_equal(
			world_start_tls(&d.w, way->role, KTLS_OFFLOAD_AUTO), 0);
		assert_int_equal(send_range(&d, 0, d.size, seed & 1), 0);
		world_peer_tls(&d.w, way->role);
		until_arrived(&d);
		d.w.side.out = d.expect;
		d.w.side.out_len = d.w.side.out_at = d.expect_len;
		way_assert_nothing_in_clear(&d.w);
		desk_close(&d);
	}
}

/* --- peers that read slowly, or not to the end --- */

static void a_slow_reader_gets_all(void **state)
{
	for (uint64_t seed = 0; seed < 24; seed++) {
		const struct way *way =
			seed % 3 ? &ways[seed % way_count] : NULL;
		struct desk d;

		desk_open(&d, *state, way, seed, all_paths[seed % PATHS],
			  300000);
		desk_start(&d, way);
		assert_int_equal(send_range(&d, 3, 250000, seed & 1), 0);
		for (int i = 0; i < 40; i++) {
			d.w.peer.stalled = true;
			world_turns(&d.w, world_below(&d.w, 30));
			d.w.peer.stalled = false;
			world_turns(&d.w, 1);
		}
		until_arrived(&d);
		desk_close(&d);
	}
}

static void end_in_the_middle(struct desk *d, unsigned how)
{
	switch (how % 4) {
	case 0:
		peer_close(&d->w.peer);
		break;
	case 1:
		peer_reset(&d->w.peer);
		d->w.peer.stalled = true;
		break;
	case 2:
		ktls_stream_close(&d->w.side.stream, KTLS_CLOSE_FLUSH);
		break;
	default:
		ktls_stream_close(&d->w.side.stream, KTLS_CLOSE_ABORT);
		break;
	}
}

/* After @turns; whatever is in flight then. */
static void run_into_the_end(struct shop *shop, uint64_t seed, unsigned turns,
			     size_t path, bool mapped)
{
	const struct way *way = seed % 3 ? &ways[seed % way_count] : NULL;
	struct desk d;

	desk_open(&d, shop, way, seed, all_paths[path], 300000);
	desk_start(&d, way);
	send_words(&d, "BDAT 299990 LAST\r\n");
	assert_int_equal(send_range(&d, 7, 100000, mapped), 0);
	assert_int_equal(send_range(&d, 0, 199990, mapped), 0);
	world_turns(&d.w, turns);
	end_in_the_middle(&d, (unsigned)seed);
	for (int i = 0; i < 200 && !d.w.side.closed; i++) {
		world_turn(&d.w);
		if (side_failed(&d.w))
			ktls_stream_close(&d.w.side.stream, KTLS_CLOSE_FLUSH);
	}
	if (d.w.peer.in_len > 0)
		assert_memory_equal(d.w.peer.in, d.expect, d.w.peer.in_len);
	desk_close(&d);
}

static void ends_at_any_time_leak_nothing(void **state)
{
	for (uint64_t seed = 0; seed < 40; seed++)
		for (size_t path = 0; path < PATHS; path++)
			for (unsigned turns = 0; turns < 8; turns++)
				run_into_the_end(*state, seed, turns * 3 / 2,
						 path, seed & 4);
}

/* --- files that are not what they should be --- */

static void assert_file_failure(struct desk *d, int error)
{
	world_until(&d->w, side_failed);
	assert_int_equal(d->w.side.failure.kind, KTLS_FAILURE_INTERNAL);
	assert_int_equal(d->w.side.failure.error, error);
	assert_non_null(strstr(d->w.side.failure_text, "the file"));
	assert_false(d->w.peer.notify);
}

#define BLOCKS ((size_t)64 * KTLS_PATHS_BLOCK_MAX)

/* The desk's file, past the page cache, or -1. */
static int open_again(const struct desk *d)
{
	char path[32];

	assert_int_equal(fsync(d->fd), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", d->fd);
	return open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
}

static void send_block_range(struct desk *d, int fd, size_t at, size_t len)
{
	struct ktls_file_range range = {
		.fd = fd,
		.block = KTLS_PATHS_BLOCK_MAX,
		.offset = at,
		.len = len,
		.base = d->map + at,
	};

	expect(d, d->map + at, len);
	assert_int_equal(ktls_stream_send_file(&d->w.side.stream, &range), 0);
}

static void a_short_file_is_a_failure(void **state)
{
	for (size_t i = 0; i < way_count; i += 2)
		for (size_t p = 0; p < PATHS; p++) {
			struct desk d;

			desk_open(&d, *state, &ways[i], i, all_paths[p], 90000);
			desk_start(&d, &ways[i]);
			assert_int_equal(ftruncate(d.fd, 50000), 0);
			assert_int_equal(
				ktls_stream_send_file(
					&d.w.side.stream,
					&(struct ktls_file_range){
						.fd = d.fd, .len = 90000}),
				0);
			assert_file_failure(&d, 0);
			assert_true(d.w.peer.in_len <= 50000);
			assert_int_equal(ftruncate(d.fd, 90000), 0);
			desk_close(&d);
		}
}

/* Everything is read in whole blocks, from their begins. */
static void blocks_are_read_as_the_disk_has_them(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		struct desk d;
		int direct;

		desk_open(&d, *state, &ways[i], i, KTLS_PATH_READ, 3 * BLOCKS);
		desk_start(&d, &ways[i]);
		direct = open_again(&d);
		if (direct < 0) {
			desk_close(&d);
			skip(); /* a file system without O_DIRECT */
		}
		send_block_range(&d, direct, 40, 2 * BLOCKS + 1001);
		send_block_range(&d, direct, BLOCKS - 1, 2);
		until_arrived(&d);
		desk_close(&d);
		close(direct);
	}
}

static void refused_blocks_go_out_mapped(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		struct ktls_stream_info info;
		struct desk d;

		desk_open(&d, *state, &ways[i], i, KTLS_PATH_READ, 3 * BLOCKS);
		desk_start(&d, &ways[i]);
		uring_fake_fail(d.w.fake, IORING_OP_READ, 0, EINVAL, 1);
		send_block_range(&d, d.fd, 40, BLOCKS);
		send_block_range(&d, d.fd, 40, BLOCKS);
		until_arrived(&d);
		ktls_stream_info(&d.w.side.stream, &info);
		assert_int_equal(info.path_bytes[KTLS_PATH_MAPPED], 2 * BLOCKS);
		desk_close(&d);
	}
}

static void a_file_that_cant_be_read_is_a_failure(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		struct desk d;

		desk_open(&d, *state, &ways[i], i, KTLS_PATH_READ, 400000);
		desk_start(&d, &ways[i]);
		uring_fake_fail(d.w.fake, IORING_OP_READ, (unsigned)i % 3, EIO,
				1);
		assert_int_equal(send_range(&d, 0, 400000, i & 1), 0);
		if (i % 3 < 2)
			assert_file_failure(&d, EIO);
		desk_close(&d);
	}
}

static void an_interrupted_step_is_repeated(void **state)
{
	static const int opcodes[] = {IORING_OP_READ, IORING_OP_SPLICE,
				      IORING_OP_SEND, IORING_OP_POLL_ADD};
	static const int errors[] = {EINTR, EAGAIN};

	for (unsigned i = 0; i < 64; i++) {
		const struct way *way = i & 1 ? &ways[i % way_count] : NULL;
		struct desk d;

		desk_open(&d, *state, way, i, all_paths[i / 8 % PATHS], 400000);
		desk_start(&d, way);
		uring_fake_fail(d.w.fake, (unsigned)opcodes[i % 4], i / 16,
				errors[i / 4 % 2], 3);
		assert_int_equal(send_range(&d, 0, 400000, i & 2), 0);
		until_arrived(&d);
		desk_close(&d);
	}
}

/* --- what is not to be had --- */

/* The first splice takes from the file, the second gives to the socket. */
static void a_refused_splice_gives_way(void **state)
{
	static const int errors[] = {EINVAL, EOPNOTSUPP, EPERM, ENOSYS};

	for (unsigned i = 0; i < 32; i++) {
		const struct way *way = i & 1 ? &ways[i % 12] : NULL;
		struct ktls_stream_info info;
		struct desk d;

		desk_open(&d, *state, way, i, KTLS_PATH_SPLICE, 300000);
		desk_start(&d, way);
		uring_fake_fail(d.w.fake, IORING_OP_SPLICE, i / 2 % 5,
				errors[i % 4], 1);
		assert_int_equal(send_range(&d, 0, 300000, i & 8), 0);
		until_arrived(&d);
		ktls_stream_info(&d.w.side.stream, &info);
		assert_int_equal(info.path_bytes[KTLS_PATH_SPLICE] +
					 info.path_bytes[KTLS_PATH_READ] +
					 info.path_bytes[KTLS_PATH_MAPPED],
				 300000);
		desk_close(&d);
	}
}

static void without_pipes_another_path_is_taken(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct ktls_paths_config config = {
			.policy = {.path = KTLS_PATH_SPLICE},
			.pipes = KTLS_PATHS_NONE,
		};
		bool mapped = i & 1;
		struct ktls_stream_info info;
		struct desk d;

		desk_open(&d, *state, NULL, i, KTLS_PATH_AUTO, 300000);
		ktls_paths_destroy(&d.paths);
		assert_int_equal(ktls_paths_create(&config, &d.paths), 0);
		d.w.env.paths = d.paths;
		desk_start(&d, NULL);
		assert_int_equal(send_range(&d, 0, 300000, mapped), 0);
		until_arrived(&d);
		ktls_stream_info(&d.w.side.stream, &info);
		assert_int_equal(info.path_bytes[mapped ? KTLS_PATH_MAPPED
							: KTLS_PATH_READ],
				 300000);
		desk_close(&d);
	}
}

static void without_paths_only_mappings_go(void **state)
{
	struct ktls_file_range range = {.len = 20000};
	struct desk d;

	desk_open(&d, *state, NULL, 0, KTLS_PATH_READ, 20000);
	d.w.env.paths = NULL;
	desk_start(&d, NULL);
	range.fd = d.fd;
	assert_int_equal(ktls_stream_send_file(&d.w.side.stream, &range),
			 -EINVAL);
	assert_int_equal(send_range(&d, 0, 20000, true), 0);
	until_arrived(&d);
	desk_close(&d);
}

static void one_buffer_desk(struct desk *d, struct shop *shop,
			    const struct way *way, uint64_t seed)
{
	struct ktls_paths_config config = {
		.policy = {.path = KTLS_PATH_READ},
		.buffers = 1,
		.resident = never,
	};

	desk_open(d, shop, way, seed, KTLS_PATH_READ, 300000);
	ktls_paths_destroy(&d->paths);
	assert_int_equal(ktls_paths_create(&config, &d->paths), 0);
	d->w.env.paths = d->paths;
	desk_start(d, way);
}

static void without_a_buffer_a_mapping_goes_on(void **state)
{
	struct ktls_buffer *taken;
	struct desk d;

	one_buffer_desk(&d, *state, &ways[WAY_CLIENT_13], 0);
	taken = ktls_paths_buffer_get(d.paths);
	assert_int_equal(send_range(&d, 0, 300000, true), 0);
	until_arrived(&d);
	ktls_paths_buffer_put(d.paths, taken);
	desk_close(&d);
}

static void without_mapping_and_buffer_a_stream_waits(void **state)
{
	for (size_t i = 0; i < way_count; i++) {
		struct ktls_buffer *taken;
		struct desk d;

		one_buffer_desk(&d, *state, &ways[i], i);
		taken = ktls_paths_buffer_get(d.paths);
		assert_int_equal(send_range(&d, 0, 300000, false), 0);
		world_turns(&d.w, 50);
		assert_int_equal(d.w.peer.in_len, 0);
		assert_int_equal(ktls_stream_unsent(&d.w.side.stream), 300000);
		ktls_paths_buffer_put(d.paths, taken);
		until_arrived(&d);
		desk_close(&d);
	}
}

static void a_stream_that_waits_can_end(void **state)
{
	for (unsigned i = 0; i < 8; i++) {
		struct ktls_buffer *taken;
		struct desk d;

		one_buffer_desk(&d, *state, &ways[i], i);
		taken = ktls_paths_buffer_get(d.paths);
		assert_int_equal(send_range(&d, 0, 300000, false), 0);
		world_turns(&d.w, i);
		end_in_the_middle(&d, i);
		world_turns(&d.w, 20);
		if (!d.w.side.closed)
			ktls_stream_close(&d.w.side.stream, KTLS_CLOSE_ABORT);
		world_until(&d.w, side_closed);
		ktls_paths_buffer_put(d.paths, taken);
		desk_close(&d);
	}
}

static void an_ended_stream_takes_no_range(void **state)
{
	struct desk d;

	desk_open(&d, *state, NULL, 0, KTLS_PATH_AUTO, 100);
	desk_start(&d, NULL);
	ktls_stream_close(&d.w.side.stream, KTLS_CLOSE_FLUSH);
	assert_int_equal(send_range(&d, 0, 100, true), -EPIPE);
	desk_close(&d);
}

static void a_full_queue_takes_no_range(void **state)
{
	struct desk d;

	desk_open(&d, *state, NULL, 0, KTLS_PATH_READ, 100);
	desk_start(&d, NULL);
	for (int i = 0; i < KTLS_OUT_MAX; i++)
		assert_int_equal(send_range(&d, 0, 100, true), 0);
	assert_int_equal(send_range(&d, 0, 100, true), -ENOBUFS);
	d.expect_len -= 100;
	until_arrived(&d);
	desk_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_on_every_path),
		cmocka_unit_test(every_size_on_every_path_in_clear),
		cmocka_unit_test(sixty_four_megabytes),
		cmocka_unit_test(pieces_of_all_kinds_keep_their_order),
		cmocka_unit_test(nothing_of_a_file_goes_out_in_clear),
		cmocka_unit_test(a_slow_reader_gets_all),
		cmocka_unit_test(ends_at_any_time_leak_nothing),
		cmocka_unit_test(blocks_are_read_as_the_disk_has_them),
		cmocka_unit_test(refused_blocks_go_out_mapped),
		cmocka_unit_test(a_short_file_is_a_failure),
		cmocka_unit_test(a_file_that_cant_be_read_is_a_failure),
		cmocka_unit_test(an_interrupted_step_is_repeated),
		cmocka_unit_test(a_refused_splice_gives_way),
		cmocka_unit_test(without_pipes_another_path_is_taken),
		cmocka_unit_test(without_paths_only_mappings_go),
		cmocka_unit_test(without_a_buffer_a_mapping_goes_on),
		cmocka_unit_test(without_mapping_and_buffer_a_stream_waits),
		cmocka_unit_test(a_stream_that_waits_can_end),
		cmocka_unit_test(an_ended_stream_takes_no_range),
		cmocka_unit_test(a_full_queue_takes_no_range),
	};

	return cmocka_run_group_tests(tests, shop_set_up, shop_tear_down);
}
