/* SPDX-License-Identifier: Apache-2.0 */
/* A spool in a temporary folder on a ring, and shorthand to use it. */
#ifndef TESTS_UNIT_SPOOL_SPOOL_WORLD_H
#define TESTS_UNIT_SPOOL_SPOOL_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/spool/spool.h"
#include "uring/uring.h"
#include "uring/uring_fake.h"

enum {
	WORLD_FOUND_MAX = 4096,
};

struct world {
	char path[64]; /* the spool's folder */
	struct spool_config config;
	struct uring_fake_config fake_config;
	unsigned max_ops; /* of the ring; 0: its default */
	bool real;	  /* the kernel's ring instead of the fake one */
	struct uring *ring;
	struct uring_fake *fake; /* NULL on a real ring */
	struct spool *spool;
	struct spool_report report;
	char error_text[256];
	struct spool_message *found[WORLD_FOUND_MAX];
	size_t found_count;
};

/* The answer to a commit. */
struct answer {
	unsigned count;
	unsigned order; /* 1 for the first answer of all */
	enum spool_status status;
	struct spool_message *message;
	uint64_t id; /* of the writer */
};

/* Makes the folder's name and a configuration; nothing is opened. */
void world_init(struct world *w);
/* In memory, if the machine has such a place: for tests with thousands of
 * folders. */
void world_init_fast(struct world *w);
/* A ring and the spool on it; asserts that it works. */
void world_open(struct world *w);
int world_try_open(struct world *w);
/* Waits for what is in flight, then closes both. */
void world_close(struct world *w);
void world_reopen(struct world *w);
/* Closes and removes the folder. */
void world_end(struct world *w);

/* One turn of the ring. */
void world_turn(struct world *w);
/* Turns until nothing is in flight. */
void world_settle(struct world *w);

/* Byte @at of the body of the message with @key. */
unsigned char world_byte(uint64_t key, size_t at);

/* A message for @recipients, its body made of world_byte(@key, ...). */
struct spool_writer *world_begin(struct world *w);
void world_fill(struct world *w, struct spool_writer *writer, uint64_t key,
		size_t size);
void world_commit_writer(struct world *w, struct spool_writer *writer,
			 size_t recipients, struct answer *answer);
/* All of it; the answer comes later. */
void world_commit(struct world *w, uint64_t key, size_t size, size_t recipients,
		  struct answer *answer);
/* ... and waits for it; asserts that it is SPOOL_OK. */
struct spool_message *world_put(struct world *w, uint64_t key, size_t size,
				size_t recipients);

/* Asserts that the message reads as world_commit() wrote it. */
void world_check(struct world *w, struct spool_message *message, uint64_t key,
		 size_t size, size_t recipients);
/* Recipient @i of a message, as world_commit() names it; static. */
const char *world_recipient(size_t i);
/* All its open recipients are delivered. */
void world_deliver(struct world *w, struct spool_message *message);

/* --- the folder --- */

/* Names that end in @suffix. */
size_t world_count_files(const struct world *w, const char *suffix);
/* Bytes of disk under all segments (st_blocks). */
uint64_t world_disk_bytes(const struct world *w);
/* Full path of segment @number in a static buffer. */
const char *world_segment_path(const struct world *w, uint32_t number);
/* The number of the @nth segment file, in order; 0: no such. */
uint32_t world_segment_number(const struct world *w, size_t nth);
/* Copy the folder's files to an empty folder of their own. */
void world_copy(const struct world *from, struct world *to);
void world_remove(const struct world *w);
/* The bytes of a file, up to its last 8 that aren't zero; returned owned. */
unsigned char *world_read_file(const char *path, size_t *len);
void world_write_file(const char *path, const void *data, size_t len);

#endif
