/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the fake kernel share. */
#ifndef URING_URING_FAKE_INTERNAL_H
#define URING_URING_FAKE_INTERNAL_H

#include <assert.h>
#include <liburing.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "uring/uring_fake.h"

enum {
	FAKE_FD_BASE = 1 << 20,
	FAKE_SQ = 64,		    /* SQEs: small, so that it gets full */
	FAKE_BUCKETS = 64,	    /* of requests by user_data */
	FAKE_SOCKET_BUFFER = 65536, /* bytes */
	FAKE_MULTISHOT_END = 6,	    /* percent */
	FAKE_BLOCK = INT_MIN,	    /* no result yet */
	FAKE_PIPE_CHUNK = 4096,	    /* a pipe that polls takes this much */
};

/* One direction of a connection, written by its owner, read by the peer. All
 * that was ever sent stays: it is the wire image. */
struct fake_stream {
	unsigned char *data;
	size_t len, room;
	size_t read; /* the peer has read so far */
	size_t end;  /* the peer can read so far: len, less after a reset */
};

struct fake_req;
struct fake_ktls_tx;
struct fake_ktls_rx;

struct fake_sock {
	int fd;
	unsigned refs; /* the descriptor, requests in flight */
	bool open;     /* the descriptor */
	bool shut_rd, shut_wr;
	bool dead;		/* reset, or released */
	int error;		/* reported once, to the next receive or send */
	struct fake_sock *peer; /* NULL: not connected */
	struct fake_stream out;
	struct fake_req *waiters;
	struct fake_ktls_tx *tx; /* kernel TLS, or NULL */
	struct fake_ktls_rx *rx;
	/* listeners */
	bool listening;
	uint16_t port;
	struct fake_sock *next_listener;
	struct fake_sock **pending; /* accepted by nobody yet, oldest first */
	unsigned pending_count, pending_room;
};

enum fake_req_place {
	FAKE_NOWHERE,
	FAKE_READY,   /* in fake.ready, at index */
	FAKE_WAITING, /* in its socket's waiters, or fake.outside */
};

/* A request in flight. */
struct fake_req {
	struct io_uring_sqe sqe;
	struct fake_sock *sock; /* of sqe.fd; NULL: a real descriptor or none */
	struct fake_req *hash_next;
	struct fake_req *next, *prev;
	enum fake_req_place place;
	unsigned index;
	size_t done;	/* MSG_WAITALL: moved so far */
	bool hangs;	/* injected */
	bool counted;	/* by the injected failures */
	bool cancelled; /* but it may still make it */
	bool last;	/* this result ends it, multishot or not */
};

struct fake_reqs {
	struct fake_req **items;
	unsigned count, room;
};

/* A registered buffer ring. */
struct fake_group {
	struct fake_group *next;
	uint16_t id;
	struct io_uring_buf *ring;
	unsigned count;
	uint16_t head;
};

struct fake_fault {
	struct fake_fault *next;
	unsigned opcode, nth, count;
	int error;
};

struct fake_clock {
	struct uring_clock base;
	uint64_t now;
};

struct uring_fake {
	struct uring_backend base;
	struct uring_fake_config config;
	struct uring_caps caps;
	struct fake_clock clock;
	uint64_t random;
	struct io_uring_sqe sq[FAKE_SQ];
	unsigned sq_count;
	struct uring_cqe *cq;
	unsigned cq_head, cq_count, cq_room; /* cq_count: end of the valid */
	struct fake_req *buckets[FAKE_BUCKETS];
	struct fake_req *free_reqs;
	struct fake_reqs ready;
	struct fake_reqs running; /* those of this pass */
	struct fake_req *outside; /* wait for real descriptors */
	struct fake_sock **socks; /* by descriptor */
	unsigned sock_count, sock_room;
	struct fake_sock *listeners;
	unsigned open_fds;
	struct fake_group *groups;
	struct fake_fault *faults;
};

/* The fake aborts where a test can't go on: no memory. */
void *fake_alloc(size_t size);
void *fake_grow(void *old, size_t count, size_t size);

/* uring_fake.c */
uint64_t fake_random(struct uring_fake *fake);
unsigned fake_below(struct uring_fake *fake, unsigned limit);
bool fake_chance(struct uring_fake *fake, unsigned percent);
/* @len, or at random less, but something. */
size_t fake_short(struct uring_fake *fake, size_t len);
void fake_post(struct uring_fake *fake, uint64_t user_data, int res,
	       uint32_t flags);

/* uring_fake_req.c */
void fake_submit_sqe(struct uring_fake *fake, const struct io_uring_sqe *sqe);
/* One pass over what is ready, in random order. */
void fake_run_ready(struct uring_fake *fake);
/* Something changed for @sock: let its requests look again. */
void fake_sock_wake(struct uring_fake *fake, struct fake_sock *sock);
/* Let those that wait for real descriptors look again. */
void fake_wake_outside(struct uring_fake *fake);
/* Wait until a real descriptor may be ready; -EDEADLK: nobody waits for one. */
int fake_outside_wait(struct uring_fake *fake);
void fake_reqs_free(struct uring_fake *fake);

/* uring_fake_exec.c: do it; a result, -errno or FAKE_BLOCK */
int fake_exec(struct uring_fake *fake, struct fake_req *req, uint32_t *flags);
bool fake_is_multishot(const struct fake_req *req);

/* uring_fake_sock.c */
struct fake_sock *fake_sock_of(struct uring_fake *fake, int fd);
struct fake_sock *fake_sock_new(struct uring_fake *fake);
void fake_sock_pair(struct fake_sock *a, struct fake_sock *b);
void fake_sock_unref(struct uring_fake *fake, struct fake_sock *sock);
int fake_sock_close(struct uring_fake *fake, struct fake_sock *sock);
void fake_sock_reset(struct uring_fake *fake, struct fake_sock *sock);
int fake_sock_shutdown(struct uring_fake *fake, struct fake_sock *sock,
		       int how);
int fake_listen(struct uring_fake *fake, struct fake_sock *sock, uint16_t port);
/* Make @sock's other end and leave it with the listener on @port; 0 or
 * -ECONNREFUSED. */
int fake_connect(struct uring_fake *fake, struct fake_sock *sock,
		 uint16_t port);
struct fake_sock *fake_listener_take(struct uring_fake *fake,
				     struct fake_sock *listener);
void fake_socks_free(struct uring_fake *fake);
/* Bytes there to read; room to write. */
size_t fake_readable(const struct fake_sock *sock);
size_t fake_writable(const struct uring_fake *fake,
		     const struct fake_sock *sock);
/* POLL* of a socket now. */
unsigned fake_sock_events(const struct uring_fake *fake,
			  const struct fake_sock *sock);
/* What a receive or send says before any byte moves: 0 (go on), FAKE_BLOCK,
 * -errno; *eof is set when a receive ends with 0. */
int fake_recv_state(struct fake_sock *sock, bool *eof);
int fake_send_state(const struct uring_fake *fake, struct fake_sock *sock);
/* The same when there are bytes, but not enough of them. */
int fake_recv_rest(struct fake_sock *sock, bool *eof);
void fake_take(struct uring_fake *fake, struct fake_sock *sock, void *to,
	       size_t len);
void fake_put(struct uring_fake *fake, struct fake_sock *sock, const void *from,
	      size_t len);

/* uring_fake_ktls.c: sockets with keys; as fake_exec() */
int fake_ktls_send(struct uring_fake *fake, struct fake_req *req,
		   const struct iovec *iov, size_t iovcnt);
/* At most @len bytes out of a pipe that has some. */
int fake_ktls_splice(struct uring_fake *fake, struct fake_sock *sock, int pipe,
		     size_t len, bool more);
int fake_ktls_recv(struct uring_fake *fake, struct fake_req *req,
		   uint32_t *flags);
/* splice(2): at most one record's data into @to; *eof. A length (0 of an empty
 * record, too), FAKE_BLOCK or -errno: -EINVAL in front of a record of another
 * type. */
int fake_ktls_splice_in(struct uring_fake *fake, struct fake_sock *sock,
			void *to, size_t room, bool *eof);
/* Part of an opened record is there to be read. */
bool fake_ktls_unread(const struct fake_sock *sock);
void fake_ktls_free(struct fake_sock *sock);

/* uring_fake_file.c */
int fake_file_exec(struct uring_fake *fake, const struct io_uring_sqe *sqe);
int fake_splice(struct uring_fake *fake, struct fake_req *req);

/* uring_fake_bufs.c */
int fake_group_register(struct uring_fake *fake, void *ring_mem, unsigned count,
			uint16_t id);
int fake_group_unregister(struct uring_fake *fake, uint16_t id);
/* Take a buffer; 0 and *flags gets its id, or -ENOBUFS. */
int fake_select(struct uring_fake *fake, uint16_t id, struct io_uring_buf *buf,
		uint32_t *flags);
void fake_groups_free(struct uring_fake *fake);

#endif
