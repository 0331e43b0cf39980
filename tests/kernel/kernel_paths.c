/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies through ktls_stream on every byte path of a real kernel, against
 * OpenSSL in user space: each version, cipher and direction, all sizes where
 * something changes, sockets that take little at a time, readers that are slow
 * and readers that go away.
 *
 * One test for each row, and one line on stdout, for the table that
 * tests/kernel/run makes of it:
 *   byte path: kernel=6.1.176 version=TLSv1.3 cipher=AES-128-GCM
 *   direction=send path=mapped largest=67108864 limit=- result=ok
 * result is "ok", "unsupported" (what this kernel is known not to do, by
 * the limit's name in kernel_limits.c, and does not) or "FAILED".
 *
 * Needs a kernel with TLS; exits with 77 and the reason where there is none,
 * unless RINGPOST_KTLS_EXPECTED=1 says that it must be there.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/kernel/kernel_limits.h"
#include "tests/kernel/kernel_shop.h"
#include "tests/kernel/kernel_suites.h"
#include "tests/kernel/paths_desk.h"

enum {
	MIB = 1024 * 1024,
	BIG = MIB + 1,
	LARGEST = 64 * MIB,
	ODD = 4096 * 3 + 13, /* where bodies begin: in the middle of a page */
	NARROW = 16 * 1024,  /* of a socket's buffers; the kernel doubles it */
	CUT = 100 * 1000,    /* bytes, then the reader goes away */
	HELD_TURNS = 50,
};

/* clang-format off */
static const struct byte_path byte_paths[] = {
	{.name = "mapped", .direction = KTLS_TX, .file = KTLS_PATH_MAPPED},
	{.name = "splice", .direction = KTLS_TX, .file = KTLS_PATH_SPLICE},
	{.name = "read+send", .direction = KTLS_TX, .file = KTLS_PATH_READ},
	{.name = "user-space", .direction = KTLS_TX, .file = KTLS_PATH_MAPPED,
	 .user = true},
	{.name = "multishot", .direction = KTLS_RX, .level = URING_LEVEL_BEST},
	{.name = "plain", .direction = KTLS_RX, .level = URING_LEVEL_5_10},
	{.name = "user-space", .direction = KTLS_RX, .user = true},
};
/* clang-format on */
#define BYTE_PATHS (sizeof(byte_paths) / sizeof(byte_paths[0]))

static struct {
	struct shop shop;
	int fd;
	unsigned char *bytes; /* ODD + LARGEST */
} world;

struct row {
	const struct kernel_suite *suite;
	const struct byte_path *path;
	size_t largest;
	const char *result;
	char name[80];
	struct desk desk; /* of the connection that is open */
};

/* --- one connection --- */

static void row_open(struct row *row, const struct errand *errand, int buffer)
{
	const struct desk_config config = {
		.path = row->path,
		.version = row->suite->version,
		.suite = row->suite->name,
		.buffer = buffer,
		.file = world.fd,
	};

	desk_open(&row->desk, &world.shop, &config, errand);
}

static struct errand errand_of(const size_t *sizes, size_t count)
{
	struct errand errand = {.file = world.bytes, .count = count};

	assert_true(count <= ERRAND_MAX);
	for (size_t i = 0; i < count; i++)
		errand.parcels[i] = (struct parcel){ODD, sizes[i]};
	return errand;
}

/* All bytes went the way that the row is about. */
static void assert_path(const struct row *row)
{
	const struct desk *d = &row->desk;
	enum ktls_direction direction = row->path->direction;

	assert_int_equal(d->info.agreed.version, row->suite->version);
	assert_int_equal(d->info.agreed.cipher, row->suite->cipher);
	assert_int_equal(d->info.offload[direction], !row->path->user);
	if (direction == KTLS_TX)
		assert_int_equal(d->info.path_bytes[row->path->file], d->bytes);
}

/* --- what is done on every row --- */

static void all_sizes(struct row *row)
{
	static const size_t sizes[] = {0,     1,     16383, 16384,
				       16385, 65536, BIG,   LARGEST};
	size_t count = sizeof(sizes) / sizeof(sizes[0]);
	struct errand errand =
		errand_of(sizes, row->largest == LARGEST ? count : count - 1);

	row_open(row, &errand, 0);
	desk_begin(&row->desk);
	desk_run(&row->desk);
	assert_path(row);
	desk_close(&row->desk, KTLS_CLOSE_FLUSH);
}

/* Little room: sends are short or find the socket full, records come in
 * pieces. */
static void narrow_sockets(struct row *row)
{
	static const size_t sizes[] = {16385, 65536, BIG};
	struct errand errand = errand_of(sizes, 3);

	row_open(row, &errand, NARROW);
	desk_begin(&row->desk);
	desk_run(&row->desk);
	assert_path(row);
	desk_close(&row->desk, KTLS_CLOSE_FLUSH);
}

static void slow_reader(struct row *row)
{
	static const size_t sizes[] = {BIG, 1};
	struct errand errand = errand_of(sizes, 2);
	struct desk *d = &row->desk;
	bool we_read = row->path->direction == KTLS_RX;

	errand.slow = !we_read;
	row_open(row, &errand, NARROW);
	d->hold = we_read;
	desk_begin(d);
	for (int i = 0; i < HELD_TURNS; i++)
		desk_turn(d);
	if (we_read) {
		assert_true(d->info.bytes_in < BIG);
		desk_release(d);
	} else {
		assert_true(ktls_stream_unsent(&d->stream) > 0);
		sem_post(&d->errand.go);
	}
	desk_run(d);
	assert_path(row);
	desk_close(d, KTLS_CLOSE_FLUSH);
}

static void reader_that_goes_away(struct row *row)
{
	static const size_t sizes[] = {BIG};
	struct errand errand = errand_of(sizes, 1);
	struct desk *d = &row->desk;

	errand.cut = CUT;
	row_open(row, &errand, NARROW);
	desk_begin(d);
	if (row->path->direction == KTLS_TX)
		desk_while(d, d->events[KTLS_EVENT_FAILED] == 0);
	else
		desk_while(d, d->bytes < CUT);
	desk_close(d, KTLS_CLOSE_ABORT);
}

/* --- what this kernel can't do --- */

static const char *row_limit(const struct row *row)
{
	const char *limit = NULL;

	if (row->path->user)
		return NULL;
	if (row->suite->cipher == KTLS_CHACHA20_POLY1305)
		limit = kernel_lacks(KERNEL_NO_CHACHA20);
	if (!limit && row->path->direction == KTLS_RX &&
	    row->path->level == URING_LEVEL_BEST)
		limit = kernel_lacks(KERNEL_NO_MULTISHOT);
	return limit;
}

/* It refuses what it should, and the stream goes another way. */
static void refused(struct row *row)
{
	static const size_t sizes[] = {1, 65536};
	struct errand errand = errand_of(sizes, 2);
	struct desk *d = &row->desk;
	bool cipher = !kernel_takes(row->suite->cipher);
	enum ktls_direction direction = row->path->direction;

	row_open(row, &errand, 0);
	desk_begin(d);
	desk_run(d);
	assert_int_equal(d->info.offload[direction], !cipher);
	if (cipher)
		assert_int_equal(d->info.reason[direction],
				 KTLS_REASON_NO_CIPHER);
	else
		assert_false(uring_caps(d->ring)->multishot_recv);
	desk_close(d, KTLS_CLOSE_FLUSH);
}

static void run_row(void **state)
{
	struct row *row = *state;

	if (row_limit(row)) {
		refused(row);
		row->result = "unsupported";
		return;
	}
	all_sizes(row);
	narrow_sockets(row);
	slow_reader(row);
	reader_that_goes_away(row);
	row->result = "ok";
}

static int end_row(void **state)
{
	struct row *row = *state;

	desk_drop(&row->desk);
	return 0;
}

/* --- the table --- */

static void print_row(const struct row *row)
{
	const char *limit = row_limit(row);
	struct utsname name;

	uname(&name);
	printf("byte path: kernel=%s version=%s cipher=%s direction=%s "
	       "path=%s largest=%zu limit=%s result=%s\n",
	       name.release, ktls_version_name(row->suite->version),
	       ktls_cipher_name(row->suite->cipher),
	       row->path->direction == KTLS_TX ? "send" : "receive",
	       row->path->name, row->largest, limit ? limit : "-", row->result);
}

/* The largest body takes its time where a kernel has no assembler for the
 * cipher: it goes once over each path. */
static size_t largest_of(const struct kernel_suite *suite)
{
	return suite->version == KTLS_TLS_1_3 &&
			       suite->cipher == KTLS_AES_128_GCM
		       ? LARGEST
		       : BIG;
}

static void make_row(struct row *row, const struct kernel_suite *suite,
		     const struct byte_path *path)
{
	*row = (struct row){
		.suite = suite,
		.path = path,
		.largest = largest_of(suite),
		.result = "FAILED",
	};
	snprintf(row->name, sizeof(row->name), "%s %s %s %s",
		 ktls_version_name(suite->version),
		 ktls_cipher_name(suite->cipher),
		 path->direction == KTLS_TX ? "send" : "receive", path->name);
}

static int run_rows(void)
{
	static struct row rows[KERNEL_SUITES * BYTE_PATHS];
	struct CMUnitTest tests[KERNEL_SUITES * BYTE_PATHS];
	size_t count = 0;
	int failed;

	for (size_t s = 0; s < KERNEL_SUITES; s++)
		for (size_t p = 0; p < BYTE_PATHS; p++, count++) {
			make_row(&rows[count], &kernel_suites[s],
				 &byte_paths[p]);
			tests[count] = (struct CMUnitTest){
				.name = rows[count].name,
				.test_func = run_row,
				.teardown_func = end_row,
				.initial_state = &rows[count],
			};
		}
	failed = _cmocka_run_group_tests("paths", tests, count, NULL, NULL);
	for (size_t i = 0; i < count; i++)
		print_row(&rows[i]);
	return failed;
}

static bool make_file(void)
{
	size_t size = ODD + LARGEST;
	uint64_t x = 1;

	world.fd = memfd_create("bodies", MFD_CLOEXEC);
	if (world.fd < 0 || ftruncate(world.fd, (off_t)size) != 0)
		return false;
	world.bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			   world.fd, 0);
	if (world.bytes == MAP_FAILED)
		return false;
	for (size_t i = 0; i + 8 <= size; i += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(world.bytes + i, &x, 8);
	}
	return true;
}

int main(void)
{
	int usable, status = EXIT_FAILURE;

	/* A peer that writes to a reader that has gone. */
	signal(SIGPIPE, SIG_IGN);
	shop_open(&world.shop);
	usable = kernel_usable(&world.shop.caps);
	if (usable == 0)
		status = KERNEL_SKIPPED;
	else if (usable > 0 && !make_file())
		perror("kernel_paths: a file of 64 MiB in memory");
	else if (usable > 0)
		status = run_rows() ? EXIT_FAILURE : EXIT_SUCCESS;
	shop_close(&world.shop);
	return status;
}
