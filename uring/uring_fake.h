/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kernel in memory, for tests: a backend that executes SQEs against sockets
 * and files of its own, in an order and with the accidents that a seed
 * chooses: completions in any order, short counts, cancel racing success,
 * -ENOBUFS, full send buffers, connection resets, failing and short writes,
 * failing fdatasync.  Deterministic: the same seed and the same calls give
 * the same run.
 *
 * Built as a library of its own (uring_fake_dep); never part of a program.
 */
#ifndef URING_URING_FAKE_H
#define URING_URING_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "uring/uring_backend.h"
#include "uring/uring_timer.h"

struct uring_fake;

struct uring_fake_config {
	uint64_t seed;
	enum uring_level level; /* caps offered (multishot, buf rings...) */
	unsigned short_percent; /* chance of a short send/recv/write */
	unsigned delay_percent; /* chance that a ready op waits a turn */
	unsigned reset_percent; /* chance per send/recv of -ECONNRESET */
	unsigned socket_buffer; /* bytes a socket direction holds; 0: 64 KiB */
};

/* uring_fake_create() - @out owned until given to uring_create() (then the
 * ring frees it); the pointer stays usable until uring_destroy().  One that is
 * never given to a ring is freed by its backend's destroy operation.
 * Returns 0 or -ENOMEM. */
int uring_fake_create(const struct uring_fake_config *,
		      struct uring_fake **out);
struct uring_backend *uring_fake_backend(struct uring_fake *);

/*
 * The fake's clock: starts at 1 s; advances only when told, and, when a turn
 * would wait with nothing ready, by exactly the time to the wait's end.  A
 * turn that would wait for ever with nothing that could end it returns
 * -EDEADLK, so that a hang is a failure and not a hang.
 */
const struct uring_clock *uring_fake_clock(struct uring_fake *);
void uring_fake_advance(struct uring_fake *, uint64_t ns);

/*
 * Sockets: stream sockets whose directions hold socket_buffer bytes.
 * Descriptors are fake numbers >= 1 << 20, never given out twice, so that use
 * after close is always -EBADF.
 *
 * As in the kernel, requests in flight keep a closed socket alive; when it
 * goes with bytes unread, the other end gets a reset and may lose bytes that
 * were on their way to it.
 */

/* Two connected ends; fds[0] is for the code under test (used in SQEs), fds[1]
 * is the test's, used with the calls below (or in SQEs too). 0 or -ENOMEM. */
int uring_fake_socketpair(struct uring_fake *, int fds[2]);
/* A listener that CONNECT SQEs to @port (sockaddr_in, sockaddr_in6, any
 * address) and uring_fake_connect() reach; ACCEPT SQEs on the returned
 * descriptor, or uring_fake_accept(), get the peers. Returns a descriptor or
 * -EADDRINUSE, -ENOMEM. */
int uring_fake_listen(struct uring_fake *, uint16_t port);
/* New socket for CONNECT (where code would call socket(2)). */
int uring_fake_socket(struct uring_fake *);

/* The test's end: what a peer program would do, without a ring and without
 * accidents. Connect and accept return a descriptor or -ECONNREFUSED,
 * -EAGAIN; write and read return bytes, 0 at end of file, -EAGAIN, -EPIPE,
 * -ECONNRESET. */
int uring_fake_connect(struct uring_fake *, uint16_t port);
int uring_fake_accept(struct uring_fake *, int listener);
ssize_t uring_fake_peer_write(struct uring_fake *, int fd, const void *,
			      size_t);
ssize_t uring_fake_peer_read(struct uring_fake *, int fd, void *, size_t);
void uring_fake_peer_shutdown(struct uring_fake *, int fd); /* SHUT_WR */
void uring_fake_peer_reset(struct uring_fake *, int fd);
void uring_fake_peer_close(struct uring_fake *, int fd);

/* Every byte that was ever sent on @fd, by SQEs or uring_fake_peer_write()
 * (its wire image), for "nothing in clear after STARTTLS"; works after its
 * close too. Borrowed until the next turn. */
const unsigned char *uring_fake_wire(struct uring_fake *, int fd, size_t *len);

/*
 * Files: real descriptors are used as they are (READ, WRITEV, FDATASYNC,
 * FALLOCATE, SPLICE, CLOSE run the system call; POLL asks poll(2)).
 *
 * Injected failures, for any opcode: the @nth (0 = next) execution of @opcode
 * (IORING_OP_*) ends with -@error; @count times in a row.  @error 0: it hangs
 * until it is cancelled.
 */
void uring_fake_fail(struct uring_fake *, unsigned opcode, unsigned nth,
		     int error, unsigned count);

/* Descriptors opened and not closed; for leak checks. */
unsigned uring_fake_open_fds(const struct uring_fake *);

#endif
