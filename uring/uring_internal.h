/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this folder share and nobody else sees: the ring, the
 * operation, the buffer group, and the calls between them.
 */
#ifndef URING_URING_INTERNAL_H
#define URING_URING_INTERNAL_H

#include <assert.h>
#include <liburing.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "uring/uring.h"
#include "uring/uring_backend.h"
#include "uring/uring_bufs.h"
#include "uring/uring_caps.h"
#include "uring/uring_op.h"
#include "uring/uring_timer.h"

enum {
	URING_TURN_CQES = 256,	   /* completions dispatched in one turn */
	URING_SLAB_OPS = 32,	   /* operations allocated at a time */
	URING_MAX_OPS = 1 << 24,   /* a slot number is 24 bits */
	URING_MAX_GROUPS = 65536,  /* a group number is 16 bits */
	URING_MAX_BUFS = 32768,	   /* the kernel's limit for a group */
	URING_MAX_LEN = 0x7ffff000 /* the kernel's limit for one transfer */
};

/*
 * user_data: an operation's is (generation << 32 | slot) with the top bit
 * clear; the ring's own requests have it set, and a tag.
 */
#define URING_OWN	      (UINT64_C(1) << 63)
#define URING_OWN_TAG_SHIFT   56
#define URING_GENERATION_MASK UINT32_C(0x7fffffff)

enum uring_own_tag {
	URING_OWN_WAKE,	  /* poll of the eventfd */
	URING_OWN_CANCEL, /* result not looked at */
};

/* Who holds an op. */
enum uring_op_state {
	URING_OP_FREE,	 /* the pool; not to be touched */
	URING_OP_FLYING, /* queued or with the kernel; an event will come */
	URING_OP_ENDING, /* its final event's handler is running */
};

/* What the next completion of a flying op means. */
enum uring_op_stage {
	URING_STAGE_RESULT,  /* it is the result */
	URING_STAGE_DONE,    /* the result is op->result (a NOP flies) */
	URING_STAGE_POLLED,  /* readable: pick a buffer, queue the receive */
	URING_STAGE_PICKED,  /* it is the result, in buffer op->result */
	URING_STAGE_SENDABLE /* writable: sendmsg(2) now */
};

/* Memory that the kernel reads or writes while a message op flies. */
struct uring_op_msg {
	struct msghdr hdr;
	alignas(struct cmsghdr) unsigned char control[URING_CONTROL_MAX];
	struct iovec iov[URING_IOV_MAX];
};

struct uring_op {
	struct uring_op *next_free;
	struct uring_target target;
	struct uring_bufs *group; /* receives into it, or NULL */
	uint32_t slot;
	uint32_t generation;
	int fd;
	int result; /* by stage: the result, a buffer, a send's flags */
	enum uring_op_kind kind;
	enum uring_op_state state;
	enum uring_op_stage stage;
	bool cancelled;	    /* uring_op_cancel() was called */
	bool cancel_unsent; /* ... but no SQE could be had for it */
	bool multishot;
	union {
		struct uring_op_msg msg;
		struct sockaddr_storage addr;
	};
};

struct uring_op_pool {
	struct uring_op **slabs;
	unsigned slab_count; /* allocated */
	unsigned slab_room;  /* length of slabs[] */
	unsigned max_ops;
	unsigned inflight;
	struct uring_op *free; /* last freed first: warm memory */
};

/* SQEs that wait for room in the SQ, in order. */
struct uring_backlog {
	struct io_uring_sqe *sqes;
	unsigned head, count, room; /* room: a power of two */
};

struct uring {
	struct uring_backend *backend;
	const struct uring_clock *clock;
	uint64_t now;
	struct uring_op_pool pool;
	struct uring_backlog backlog;
	struct uring_timer *timers; /* root of the heap */
	struct uring_timer *due;    /* this turn's, first first */
	struct uring_bufs *groups;
	unsigned next_group;
	int wake_fd; /* -1: no wakes */
	bool wake_armed;
	bool in_turn;
	bool cancels_unsent; /* some op's cancel_unsent is set */
	uring_wake_fn on_wake;
	void *wake_arg;
	struct uring_caps caps;
	struct uring_stats stats;
};

struct uring_bufs {
	struct uring *ring;
	struct uring_bufs *next;
	unsigned char *memory;
	struct io_uring_buf *entries; /* buffer ring; NULL: a list */
	uint16_t *free_ids;	      /* list: a stack of free_count */
	unsigned free_count;
	uint64_t *out_map; /* bit set: with an event receiver */
	unsigned out;
	unsigned count, size;
	unsigned receives; /* ops in flight that may take a buffer */
	uint16_t group;
	uint16_t tail;	  /* of the buffer ring */
	uint64_t returns; /* times a buffer came back, from 1 */
	bool changed;	  /* waiters may have something to hope for */
	struct uring_bufs_waiter waiters; /* head of a circular list */
};

/* uring_op.c: the pool */
int uring_pool_init(struct uring_op_pool *pool, unsigned max_ops);
void uring_pool_free(struct uring_op_pool *pool);
struct uring_op *uring_pool_get(struct uring_op_pool *pool);
void uring_pool_put(struct uring_op_pool *pool, struct uring_op *op);
/* The flying op of @user_data, or NULL if there is none (stale). */
struct uring_op *uring_pool_find(const struct uring_op_pool *pool,
				 uint64_t user_data);
uint64_t uring_op_user_data(const struct uring_op *op);

/*
 * Start an op: reserves it and an SQE which has its user_data. NULL when
 * there is no op to be had (then there is no SQE either).
 */
struct uring_op *uring_op_start(struct uring *ring, struct uring_target target,
				enum uring_op_kind kind, int fd,
				struct io_uring_sqe **sqe);

/* uring_cancel.c */
void uring_cancel_unsent(struct uring *ring);
void uring_cancel_all(struct uring *ring);

/* uring_submit.c */
/* A cleared SQE, in the SQ or the backlog; NULL without memory. Valid until
 * the next call. */
struct io_uring_sqe *uring_sqe(struct uring *ring);
/* Move the backlog into the SQ as far as there is room, submitting as often
 * as that helps. Returns 0 or -errno. */
int uring_backlog_flush(struct uring *ring);
int uring_submit(struct uring *ring, uint64_t wait_ns);

/* Fill an SQE from uring_sqe(); leaves user_data and the rest alone. */
static inline void uring_prep(struct io_uring_sqe *sqe, unsigned opcode, int fd,
			      const void *addr, size_t len, uint64_t offset)
{
	sqe->opcode = (uint8_t)opcode;
	sqe->fd = fd;
	sqe->off = offset;
	sqe->addr = (uint64_t)(uintptr_t)addr;
	sqe->len = len > URING_MAX_LEN ? URING_MAX_LEN : (uint32_t)len;
}

static inline uint64_t uring_own_data(enum uring_own_tag tag, uint64_t data)
{
	return URING_OWN | (uint64_t)tag << URING_OWN_TAG_SHIFT | data;
}

/* uring_dispatch.c: a completion; returns the number of events delivered */
unsigned uring_dispatch(struct uring *ring, const struct uring_cqe *cqe);

/* uring_wake.c */
int uring_wake_init(struct uring *ring, const struct uring_config *config);
void uring_wake_free(struct uring *ring);
void uring_wake_arm(struct uring *ring); /* tried again each turn */
void uring_wake_done(struct uring *ring);

/* uring_timer.c */
/* The next deadline; false when no timer is armed. */
bool uring_timers_next(struct uring *ring, uint64_t *deadline);
unsigned uring_timers_run(struct uring *ring);

/* uring_bufs.c */
void uring_bufs_take(struct uring_bufs *bufs, unsigned id, size_t len,
		     struct uring_buf *buf);
bool uring_bufs_waiting(const struct uring *ring);
unsigned uring_bufs_run_waiters(struct uring *ring);

/* uring_bufs_list.c */
int uring_bufs_list_init(struct uring_bufs *bufs);
void uring_bufs_list_give(struct uring_bufs *bufs, unsigned id);
/* A free buffer's id, or -ENOBUFS. */
int uring_bufs_list_pick(struct uring_bufs *bufs);

/* uring_bufs_ring.c */
int uring_bufs_ring_init(struct uring_bufs *bufs);
void uring_bufs_ring_give(struct uring_bufs *bufs, unsigned id);
void uring_bufs_ring_free(struct uring_bufs *bufs);

/* The second halves of ops that polled first (uring_recv.c, uring_send.c).
 * True: the op flies on; false: *res is its result. */
bool uring_recv_readable(struct uring *ring, struct uring_op *op, int *res);
bool uring_send_writable(struct uring *ring, struct uring_op *op, int *res);

/* uring_caps.c: take away what is newer than @level */
void uring_caps_limit(struct uring_caps *caps, enum uring_level level);

/* uring_probe.c: features that only a try can tell; on a ring of its own */
void uring_probe_tries(struct uring_caps *caps);

/* uring_blocked.c: the text for given facts; @disabled, @seccomp: -1 unknown */
const char *uring_blocked_text(int error, int disabled, int seccomp, char *buf,
			       size_t size);

#endif
