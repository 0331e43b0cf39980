/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring under test with what happened to it.  The same tests run on the real
 * kernel and on the fake one, at each feature level: run_worlds() multiplies
 * them.  Handlers only record; tests judge the record.
 */
#ifndef TESTS_UNIT_URING_WORLD_H
#define TESTS_UNIT_URING_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "uring/uring.h"
#include "uring/uring_bufs.h"
#include "uring/uring_fake.h"
#include "uring/uring_op.h"
#include "uring/uring_timer.h"

enum {
	WORLD_LOG = 2048,
	WORLD_TAGS = 1024,
	WORLD_DATA = 64,
	WORLD_PATIENCE = 500, /* turns of 10 ms before a test gives up */
};

/* An event as it came; data is the front of its buffer. */
struct record {
	int tag;
	enum uring_op_kind kind;
	int res;
	bool more;
	bool in_call; /* came from inside a submitting call: never */
	size_t len;
	unsigned char data[WORLD_DATA];
	bool has_control; /* the control area was given */
	size_t control_len;
	unsigned char control[URING_CONTROL_MAX];
	int msg_flags;
};

struct world;

struct world_tag {
	struct world *world;
	int tag;
};

struct world {
	struct uring *ring;
	struct uring_fake *fake; /* NULL: the real kernel */
	enum uring_level level;
	bool turning;
	bool keep_buffers; /* else handlers return them at once */
	struct uring_buf kept[64];
	unsigned kept_count;
	struct record *log;
	unsigned count;
	/* Called at the end of each event's handler, if set. */
	void (*then)(struct world *, const struct uring_event *,
		     const struct record *);
	void *then_arg;
	struct world_tag tags[WORLD_TAGS];
};

/* Which world: the initial state of a test. */
struct world_kind {
	const char *name;
	enum uring_level level;
	bool fake;
};

int world_setup(void **state);
int world_teardown(void **state);
/* With a configuration of one's own (level, backend and clock are set). */
struct world *world_new(const struct world_kind *kind,
			struct uring_config config,
			struct uring_fake_config fake);
void world_free(struct world *world);

enum {
	WORLDS_REAL = 1,
	WORLDS_FAKE = 2,
	WORLDS_ALL = 3,
};

/* clang-format off */
#define WORLD_TEST(function) {#function, function, WORLDS_ALL}
#define WORLD_TEST_IN(function, which) {#function, function, which}
/* clang-format on */
struct world_test {
	const char *name;
	CMUnitTestFunction run;
	int which;
};

/* Each test in each of its worlds, as one group. */
int run_worlds(const char *group, const struct world_test *tests, size_t count);

struct uring_target world_target(struct world *world, int tag);
void world_turn(struct world *world, uint64_t wait_ns);
/* Turn until @count events are recorded in all; fails when they don't come. */
void world_await(struct world *world, unsigned count);
/* Turn until nothing is in flight. */
void world_settle(struct world *world);
/* A few turns in which nothing more is expected. */
void world_linger(struct world *world);
/* The only record of @tag, or the @nth of them. */
const struct record *world_record(struct world *world, int tag);
const struct record *world_record_n(struct world *world, int tag, unsigned nth);
unsigned world_records(struct world *world, int tag);

/* Sockets of the world's kernel. */
void world_pair(struct world *world, int fds[2]);
/* TCP on the real kernel: the first io_urings refuse control areas on others.
 */
void world_tcp_pair(struct world *world, int fds[2]);
int world_listen(struct world *world, uint16_t *port);
int world_socket(struct world *world);
void world_write(struct world *world, int fd, const void *data, size_t len);
/* Exactly @len bytes. */
void world_read(struct world *world, int fd, void *data, size_t len);
bool world_at_eof(struct world *world, int fd);
void world_shutdown(struct world *world, int fd);
void world_close(struct world *world, int fd);

/* True if @run aborts (in a child). */
bool aborts(void (*run)(const struct world_kind *), const struct world_kind *);
const struct world_kind *world_kind(const struct world *world);

#endif
