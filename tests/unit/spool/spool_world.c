/* SPDX-License-Identifier: Apache-2.0 */
/* A spool in a temporary folder on a ring (spool_world.h). */
#include "tests/unit/spool/spool_world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/test_tree.h"

#define TRACE	  "Received: by test; now\r\n"
#define TURNS_MAX 1000000

static unsigned answers_given;

/* Where this process has its folders: on the disk, and in memory. */
static char places[2][40];

static void remove_places(void)
{
	for (size_t i = 0; i < 2; i++)
		if (*places[i])
			test_tree_remove(places[i]);
}

/* Never a name that another process may have used and may still remove. */
static const char *place(bool in_memory)
{
	char *path = places[in_memory];

	if (!*places[0] && !*places[1])
		assert_int_equal(atexit(remove_places), 0);
	if (!*path)
		test_tree_make("spool-test", in_memory, path,
			       sizeof(places[0]));
	return path;
}

static void world_init_in(struct world *w, const char *folder)
{
	static unsigned worlds;

	memset(w, 0, sizeof(*w));
	snprintf(w->path, sizeof(w->path), "%s/%u", folder, worlds++);
	w->config = (struct spool_config){
		.path = w->path,
		.segment_size = 1024 * 1024,
		.sync = true,
		.direct = true,
	};
}

void world_init(struct world *w)
{
	world_init_in(w, place(false));
}

void world_init_fast(struct world *w)
{
	world_init_in(w, place(true));
	w->config.segment_size = 64 * 1024;
}

static void on_found(void *arg, struct spool_message *message)
{
	struct world *w = arg;

	assert_true(w->found_count < WORLD_FOUND_MAX);
	w->found[w->found_count++] = message;
}

int world_try_open(struct world *w)
{
	struct uring_config config = {.entries = 64, .max_ops = w->max_ops};

	answers_given = 0;
	w->fake = NULL;
	if (!w->real) {
		assert_int_equal(uring_fake_create(&w->fake_config, &w->fake),
				 0);
		config.backend = uring_fake_backend(w->fake);
		config.clock = uring_fake_clock(w->fake);
	}
	assert_int_equal(uring_create(&config, &w->ring), 0);
	w->found_count = 0;
	return spool_open(&w->config, w->ring, on_found, w, &w->report,
			  w->error_text, &w->spool);
}

void world_open(struct world *w)
{
	int error = world_try_open(w);

	if (error)
		print_message("%s\n", w->error_text);
	assert_int_equal(error, 0);
}

void world_turn(struct world *w)
{
	int n = uring_turn(w->ring, 1000000);

	assert_true(n >= 0);
}

void world_settle(struct world *w)
{
	unsigned turns = 0;

	while (spool_inflight(w->spool)) {
		assert_true(turns++ < TURNS_MAX);
		world_turn(w);
	}
}

void world_close(struct world *w)
{
	if (w->spool) {
		world_settle(w);
		spool_close(&w->spool);
	}
	assert_null(w->spool);
	if (w->ring)
		assert_int_equal(uring_inflight(w->ring), 0);
	uring_destroy(&w->ring);
}

void world_reopen(struct world *w)
{
	world_close(w);
	world_open(w);
}

void world_end(struct world *w)
{
	world_close(w);
	world_remove(w);
}

unsigned char world_byte(uint64_t key, size_t at)
{
	uint64_t x = (key << 32) + at / 8 + 1;

	x *= UINT64_C(0x9e3779b97f4a7c15);
	x ^= x >> 29;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	return (unsigned char)(x >> (8 * (at % 8)));
}

const char *world_recipient(size_t i)
{
	static char name[64];

	snprintf(name, sizeof(name), "r%zu@example.test", i);
	return name;
}

struct spool_writer *world_begin(struct world *w)
{
	struct spool_writer *writer = NULL;

	assert_int_equal(spool_begin(w->spool, &writer), SPOOL_OK);
	assert_non_null(writer);
	return writer;
}

void world_fill(struct world *w, struct spool_writer *writer, uint64_t key,
		size_t size)
{
	size_t at = 0;

	while (at < size) {
		unsigned char *data;
		size_t room = spool_reserve(writer, &data);

		if (!room) {
			world_turn(w);
			continue;
		}
		/* An odd step, so that boundaries don't fall together. */
		if (room > 9973)
			room = 9973;
		if (room > size - at)
			room = size - at;
		for (size_t i = 0; i < room; i++)
			data[i] = world_byte(key, at + i);
		spool_advance(writer, room);
		at += room;
	}
	assert_int_equal(spool_writer_size(writer), size);
}

static void on_committed(void *owner, enum spool_status status,
			 struct spool_message *message)
{
	struct answer *answer = owner;

	answer->count++;
	answer->order = ++answers_given;
	answer->status = status;
	answer->message = message;
	assert_true((status == SPOOL_OK) == (message != NULL));
	if (message)
		assert_int_equal(spool_message_id(message), answer->id);
}

/* Every other message has parameters of RFC 3461: an even number of recipients
 * says so. */
static bool has_dsn(size_t recipients)
{
	return recipients % 2 == 0;
}

static const char *recipient_dsn(size_t i)
{
	return i % 3 == 0 ? "" : i % 3 == 1 ? " NOTIFY=NEVER" : " ORCPT=a;b";
}

static void set_dsn(struct spool_envelope *envelope, const char **dsn,
		    size_t recipients)
{
	if (!has_dsn(recipients))
		return;
	for (size_t i = 0; i < recipients; i++)
		dsn[i] = recipient_dsn(i);
	envelope->recipients_dsn = dsn;
	envelope->dsn = recipients % 4 ? " ENVID=x" : NULL;
}

static void check_dsn(const struct spool_envelope *envelope, size_t recipients)
{
	if (!has_dsn(recipients)) {
		assert_null(envelope->dsn);
		assert_null(envelope->recipients_dsn);
		return;
	}
	assert_string_equal(envelope->dsn, recipients % 4 ? " ENVID=x" : "");
	for (size_t i = 0; i < recipients; i++)
		assert_string_equal(envelope->recipients_dsn[i],
				    recipient_dsn(i));
}

void world_commit_writer(struct world *w, struct spool_writer *writer,
			 size_t recipients, struct answer *answer)
{
	const char **names = calloc(recipients, 2 * sizeof(*names));
	struct spool_envelope envelope = {
		.reverse_path = "sender@example.test",
		.recipients = names,
		.recipient_count = recipients,
		.client = "[127.0.0.1]:40000",
		.arrival = 1234567890123456789,
		.flags = SPOOL_8BITMIME | SPOOL_DOT_LINES,
	};

	for (size_t i = 0; i < recipients; i++)
		names[i] = strdup(world_recipient(i));
	set_dsn(&envelope, names + recipients, recipients);
	*answer = (struct answer){.id = spool_writer_id(writer)};
	spool_commit(writer, &envelope, TRACE, strlen(TRACE), on_committed,
		     answer);
	assert_int_equal(answer->count, 0);
	for (size_t i = 0; i < recipients; i++)
		free((void *)(uintptr_t)names[i]);
	free(names);
}

void world_commit(struct world *w, uint64_t key, size_t size, size_t recipients,
		  struct answer *answer)
{
	struct spool_writer *writer = world_begin(w);

	world_fill(w, writer, key, size);
	world_commit_writer(w, writer, recipients, answer);
}

struct spool_message *world_put(struct world *w, uint64_t key, size_t size,
				size_t recipients)
{
	struct answer answer;

	world_commit(w, key, size, recipients, &answer);
	while (!answer.count)
		world_turn(w);
	assert_int_equal(answer.count, 1);
	assert_int_equal(answer.status, SPOOL_OK);
	return answer.message;
}

void world_check(struct world *w, struct spool_message *message, uint64_t key,
		 size_t size, size_t recipients)
{
	struct spool_view view;
	size_t at = 0;

	assert_int_equal(spool_message_recipient_count(message), recipients);
	assert_int_equal(spool_view(w->spool, message, &view), 0);
	assert_string_equal(view.envelope.reverse_path, "sender@example.test");
	assert_string_equal(view.envelope.client, "[127.0.0.1]:40000");
	assert_int_equal(view.envelope.arrival, 1234567890123456789);
	assert_int_equal(view.envelope.flags, SPOOL_8BITMIME | SPOOL_DOT_LINES);
	assert_int_equal(view.envelope.recipient_count, recipients);
	for (size_t i = 0; i < recipients; i++)
		assert_string_equal(view.envelope.recipients[i],
				    world_recipient(i));
	check_dsn(&view.envelope, recipients);
	assert_int_equal(view.trace_len, strlen(TRACE));
	assert_memory_equal(view.trace, TRACE, strlen(TRACE));
	assert_int_equal(view.body_size, size);
	for (size_t i = 0; i < view.body_count; i++) {
		const unsigned char *body = view.body[i].iov_base;

		for (size_t j = 0; j < view.body[i].iov_len; j++, at++)
			if (body[j] != world_byte(key, at))
				fail_msg("body differs at %zu", at);
	}
	assert_int_equal(at, size);
	spool_release_view(w->spool, &view);
}

void world_deliver(struct world *w, struct spool_message *message)
{
	size_t count = spool_message_recipient_count(message);

	for (size_t i = 0; i < count; i++)
		if (!spool_message_recipient_done(message, i))
			spool_record(w->spool, message, i, SPOOL_DELIVERED, 1,
				     0, "250 2.0.0 ok");
}

/* --- the folder --- */

static bool has_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name), n = strlen(suffix);

	return len > n && !strcmp(name + len - n, suffix);
}

size_t world_count_files(const struct world *w, const char *suffix)
{
	DIR *dir = opendir(w->path);
	struct dirent *entry;
	size_t count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		count += has_suffix(entry->d_name, suffix);
	closedir(dir);
	return count;
}

const char *world_segment_path(const struct world *w, uint32_t number)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%016" PRIu32 ".log", w->path, number);
	return path;
}

uint32_t world_segment_number(const struct world *w, size_t nth)
{
	for (uint32_t number = 1; number < 100000; number++) {
		struct stat st;

		if (!stat(world_segment_path(w, number), &st) && !nth--)
			return number;
	}
	return 0;
}

uint64_t world_disk_bytes(const struct world *w)
{
	DIR *dir = opendir(w->path);
	struct dirent *entry;
	uint64_t bytes = 0;
	struct stat st;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (has_suffix(entry->d_name, ".log") &&
		    !fstatat(dirfd(dir), entry->d_name, &st, 0))
			bytes += (uint64_t)st.st_blocks * 512;
	closedir(dir);
	return bytes;
}

static void copy_file(const char *from, const char *to)
{
	static char buffer[65536];
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct stat st;
	ssize_t n;

	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, buffer, sizeof(buffer))) > 0)
		assert_int_equal(write(out, buffer, (size_t)n), n);
	assert_int_equal(n, 0);
	assert_int_equal(fstat(in, &st), 0);
	close(in);
	close(out);
}

void world_copy(const struct world *from, struct world *to)
{
	DIR *dir = opendir(from->path);
	struct dirent *entry;

	assert_non_null(dir);
	assert_int_equal(mkdir(to->path, 0700), 0);
	while ((entry = readdir(dir))) {
		char a[400], b[400];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(a, sizeof(a), "%s/%s", from->path, entry->d_name);
		snprintf(b, sizeof(b), "%s/%s", to->path, entry->d_name);
		copy_file(a, b);
	}
	closedir(dir);
}

void world_remove(const struct world *w)
{
	DIR *dir = opendir(w->path);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	rmdir(w->path);
}

unsigned char *world_read_file(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned char *data;
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	data = malloc((size_t)st.st_size + 1);
	assert_non_null(data);
	assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
	close(fd);
	*len = (size_t)st.st_size;
	while (*len && !data[*len - 1])
		--*len;
	/* Records are padded with zeros. */
	while (*len % 8 && *len < (size_t)st.st_size)
		++*len;
	return data;
}

void world_write_file(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}
