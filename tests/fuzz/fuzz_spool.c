/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any log: the input is a script that writes segments, records with right
 * checksums (anything else ends at the first look) and bytes in between.
 * Opening it must be survived, everything that is found must be readable or
 * be called damaged, and opening it again must find the same.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/spool/spool.h"
#include "gateway/spool/spool_format.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/test_tree.h"
#include "uring/uring.h"
#include "uring/uring_fake.h"

enum {
	SEED = 42,
	SEGMENTS_MAX = 6,
	SEGMENT_ROOM = 32 * 1024,
	PLACES_MAX = 64,
	FOUND_MAX = 512,
};

struct input {
	const uint8_t *data;
	size_t size;
};

struct script {
	struct input in;
	char path[64]; /* the folder */
	uint32_t number;
	unsigned char segment[SEGMENT_ROOM];
	size_t at;
	uint64_t places[PLACES_MAX]; /* of the records so far */
	uint32_t lengths[PLACES_MAX];
	uint64_t chunk_of[PLACES_MAX]; /* CHUNK: its id; else 0 */
	size_t place_count;
	uint32_t recipients[17]; /* of messages so far, by id */
	bool raw; /* something that the spool would never have written */
};

struct found {
	uint64_t ids[FOUND_MAX];
	struct spool_message *messages[FOUND_MAX];
	size_t count;
};

static uint8_t take8(struct input *in)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->data++;
}

static uint32_t take16(struct input *in)
{
	uint32_t high = take8(in);

	return high << 8 | take8(in);
}

static void take_bytes(struct input *in, unsigned char *to, size_t len)
{
	size_t n = len < in->size ? len : in->size;

	memcpy(to, in->data, n);
	memset(to + n, 0x5a, len - n);
	in->data += n;
	in->size -= n;
}

/* --- writing segments --- */

static void file_path(const struct script *s, char path[128])
{
	snprintf(path, 128, "%s/%016" PRIu32 ".log", s->path, s->number);
}

static void segment_end(struct script *s)
{
	char path[128];
	int fd;

	file_path(s, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert(fd >= 0);
	assert(write(fd, s->segment, s->at) == (ssize_t)s->at);
	close(fd);
}

static void segment_begin(struct script *s)
{
	struct spool_segment_header header = {
		.number = ++s->number,
		.seed = SEED,
		.previous = spool_position(s->number - 1, s->at),
	};

	spool_segment_header_put(s->segment, &header);
	s->at = SPOOL_SEGMENT_HEADER;
}

/* The record that begins at s->at, its payload in place. */
static void record_end(struct script *s, uint8_t type, uint8_t flags,
		       uint32_t length, uint64_t id)
{
	unsigned char *record = s->segment + s->at;
	uint64_t position = spool_position(s->number, s->at);
	size_t i = s->place_count % PLACES_MAX;

	spool_record_begin(record, type, flags, length, id);
	spool_record_seal(record, position, s->at, SEED);
	s->places[i] = position;
	s->lengths[i] = length;
	s->chunk_of[i] = type == SPOOL_RECORD_CHUNK ? id : 0;
	s->place_count++;
	s->at += (size_t)spool_record_size(length);
}

static size_t choose_place(struct script *s)
{
	size_t count =
		s->place_count < PLACES_MAX ? s->place_count : PLACES_MAX;

	return count ? take8(&s->in) % count : 0;
}

static size_t put_name(unsigned char *at, const char *name)
{
	memcpy(at, name, strlen(name) + 1);
	return strlen(name) + 1;
}

static void write_message(struct script *s)
{
	unsigned char *payload = s->segment + s->at + SPOOL_RECORD_HEADER;
	unsigned char *at = payload + SPOOL_MESSAGE_FIXED;
	uint64_t id = 1 + take8(&s->in) % 16;
	uint8_t copy = take8(&s->in) & SPOOL_RECORD_COPY;
	uint32_t recipients = 1 + take8(&s->in) % 4;
	uint32_t chunks = take8(&s->in) % 4;
	uint32_t body = take16(&s->in) % 2000;
	uint64_t size = body;
	size_t text;

	memset(payload, 0, SPOOL_MESSAGE_FIXED + 8 + (size_t)body);
	take_bytes(&s->in, at, body);
	at += spool_pad8(body);
	for (uint32_t i = 0; i < chunks; i++, at += SPOOL_EXTENT_SIZE) {
		size_t place = choose_place(s);

		spool_put64(at, s->places[place]);
		spool_put64(at + 8, s->lengths[place]);
		size += s->lengths[place];
		s->raw |= s->chunk_of[place] != id;
	}
	/* A message comes once, its copies after it. */
	s->raw |= s->recipients[id] != (copy ? recipients : 0);
	s->recipients[id] = recipients;
	for (uint32_t i = 0; copy && i < recipients; i++, at += 8)
		spool_put64(at, (uint64_t)take8(&s->in) << 56);
	text = put_name(at, "client") + put_name(at + 7, "from@example.test");
	for (uint32_t i = 0; i < recipients; i++)
		text += put_name(at + text, "to@example.test");
	at += text;
	spool_put64(payload + 8, size);
	spool_put32(payload + 20, recipients);
	spool_put32(payload + 24, chunks);
	spool_put32(payload + 28, body);
	spool_put32(payload + 36, (uint32_t)text);
	record_end(s, SPOOL_RECORD_MESSAGE, copy, (uint32_t)(at - payload), id);
}

static void write_chunk(struct script *s)
{
	uint64_t id = 1 + take8(&s->in) % 16;
	uint32_t length = 1 + take16(&s->in) % 4000;

	take_bytes(&s->in, s->segment + s->at + SPOOL_RECORD_HEADER, length);
	record_end(s, SPOOL_RECORD_CHUNK, 0, length, id);
}

static void write_result(struct script *s)
{
	unsigned char *payload = s->segment + s->at + SPOOL_RECORD_HEADER;
	uint64_t id = 1 + take8(&s->in) % 16;

	s->raw = true; /* its home may be wrong */
	memset(payload, 0, SPOOL_RESULT_FIXED);
	spool_put64(payload, s->places[choose_place(s)]);
	spool_put32(payload + 8, take8(&s->in) % 5);
	payload[12] = take8(&s->in) % 4;
	record_end(s, SPOOL_RECORD_RESULT, 0, SPOOL_RESULT_FIXED, id);
}

static void write_free(struct script *s)
{
	unsigned char *payload = s->segment + s->at + SPOOL_RECORD_HEADER;
	uint32_t count = take8(&s->in) % 5;

	s->raw = true;
	spool_put64(payload, count);
	for (uint32_t i = 0; i < count; i++) {
		size_t place = choose_place(s);
		unsigned char *at = payload + SPOOL_FREE_FIXED +
				    (size_t)i * SPOOL_EXTENT_SIZE;

		spool_put64(at, s->places[place]);
		spool_put64(at + 8, spool_record_size(s->lengths[place]));
	}
	record_end(s, SPOOL_RECORD_FREE, 0,
		   SPOOL_FREE_FIXED + count * SPOOL_EXTENT_SIZE, 0);
}

static void write_void(struct script *s)
{
	s->raw = true;
	spool_put64(s->segment + s->at + SPOOL_RECORD_HEADER,
		    s->places[choose_place(s)]);
	record_end(s, SPOOL_RECORD_VOID, 0, SPOOL_VOID_SIZE, 0);
}

static void write_any(struct script *s)
{
	uint8_t type = take8(&s->in), flags = take8(&s->in);
	uint32_t length = take16(&s->in) % 3000;

	s->raw = true;
	take_bytes(&s->in, s->segment + s->at + SPOOL_RECORD_HEADER, length);
	record_end(s, type, flags, length, take8(&s->in));
}

static void write_garbage(struct script *s)
{
	size_t len = take16(&s->in) % 1000;

	s->raw = true;
	take_bytes(&s->in, s->segment + s->at, len);
	s->at = (size_t)spool_pad8(s->at + len);
}

static void script_run(struct script *s)
{
	static void (*const writers[])(struct script *) = {
		write_message, write_chunk,   write_result, write_free,
		write_void,    write_garbage, write_any,
	};

	segment_begin(s);
	while (s->in.size && s->number < SEGMENTS_MAX) {
		uint8_t op = take8(&s->in) % 8;

		if (op == 7 || s->at > SEGMENT_ROOM - 8192) {
			segment_end(s);
			segment_begin(s);
		}
		if (op < 7)
			writers[op](s);
	}
	segment_end(s);
}

/* --- reading them back --- */

static void on_found(void *arg, struct spool_message *message)
{
	struct found *found = arg;

	assert(found->count < FOUND_MAX);
	assert(!found->count ||
	       found->ids[found->count - 1] < spool_message_id(message));
	found->ids[found->count] = spool_message_id(message);
	found->messages[found->count++] = message;
}

/* Every byte, so that a sanitizer can object. */
static void read_message(struct spool *spool, struct spool_message *message)
{
	struct spool_view view;
	uint64_t size = 0;
	unsigned sum = 0;
	int error = spool_view(spool, message, &view);

	assert(!error || error == -EBADMSG);
	if (error)
		return;
	assert(view.envelope.recipient_count ==
	       spool_message_recipient_count(message));
	for (size_t i = 0; i < view.envelope.recipient_count; i++)
		sum += (unsigned)strlen(view.envelope.recipients[i]);
	for (size_t i = 0; i < view.body_count; i++) {
		const unsigned char *data = view.body[i].iov_base;

		for (size_t j = 0; j < view.body[i].iov_len; j++)
			sum += data[j];
		size += view.body[i].iov_len;
	}
	assert(size == view.body_size);
	assert(sum + 1 > 0);
	spool_release_view(spool, &view);
}

static void deliver(struct spool *spool, struct spool_message *message)
{
	size_t count = spool_message_recipient_count(message);
	size_t open = 0;

	for (size_t i = 0; i < count; i++)
		open += !spool_message_recipient_done(message, i);
	for (size_t i = 0; i < count && open; i++)
		if (!spool_message_recipient_done(message, i)) {
			spool_record(spool, message, i, SPOOL_DELIVERED, 1, 0,
				     "250");
			open--;
		}
}

static void open_log(const struct script *s, struct found *found, bool finish)
{
	struct spool_config config = {
		.path = s->path, .segment_size = 65536, .sync = false};
	struct uring_fake_config fake_config = {.seed = 1};
	struct uring_config ring_config = {.entries = 64};
	struct uring_fake *fake;
	struct uring *ring;
	struct spool *spool;
	char error_text[256];

	assert(!uring_fake_create(&fake_config, &fake));
	ring_config.backend = uring_fake_backend(fake);
	ring_config.clock = uring_fake_clock(fake);
	assert(!uring_create(&ring_config, &ring));
	found->count = 0;
	assert(!spool_open(&config, ring, on_found, found, NULL, error_text,
			   &spool));
	for (size_t i = 0; i < found->count; i++)
		read_message(spool, found->messages[i]);
	for (size_t i = 0; finish && i < found->count; i++)
		deliver(spool, found->messages[i]);
	while (spool_inflight(spool))
		assert(uring_turn(ring, 1000000) >= 0);
	assert(!finish || spool_stats(spool)->finished == found->count);
	spool_close(&spool);
	uring_destroy(&ring);
}

static char folder[64]; /* of this process; empty between inputs */

static void remove_folder(void)
{
	test_tree_remove(folder);
}

static void empty_folder(void)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	assert(dir);
	while ((entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct script s;
	static struct found first, second;

	if (!*folder) {
		test_tree_make("fuzz-spool", true, folder, sizeof(folder));
		atexit(remove_folder);
	}
	s = (struct script){.in = {data, size}};
	memcpy(s.path, folder, sizeof(s.path));
	script_run(&s);
	open_log(&s, &first, false);
	open_log(&s, &second, true);
	if (!s.raw) {
		assert(first.count == second.count);
		assert(!memcmp(first.ids, second.ids,
			       first.count * sizeof(*first.ids)));
		open_log(&s, &first, false);
		assert(!first.count);
	}
	empty_folder();
	return 0;
}
