/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection as its user sees it: plain TCP, TLS in user space (OpenSSL) or
 * TLS in the kernel, with the same calls.  The user never asks which one it
 * has, except to log it.
 *
 * One owner, one handler, few events.  All events come from uring_turn(),
 * never from inside a call of the owner; a handler may call anything here.
 *
 * Life: ktls_stream_open() (or _connect()) -> reads, writes, perhaps one
 * ktls_stream_start_tls() -> ktls_stream_close() -> KTLS_EVENT_CLOSED, the last
 * event: nothing is in flight, the descriptor is closed, the memory is the
 * owner's again.  After KTLS_EVENT_FAILED the owner still calls close.
 *
 * Reading: bytes gather in the stream; KTLS_EVENT_READABLE says there are more
 * than before.  The owner peeks and consumes until peek gives 0.  What it
 * leaves stays; the stream stops receiving while it holds unread bytes beyond
 * a small bound, so a slow owner slows its peer (TCP's window), not us.
 *
 * Writing: a queue of at most KTLS_OUT_MAX pieces, sent in order. Small ones
 * are copied; memory and ranges of files are borrowed until they are sent, on
 * the path that the policy chooses (ktls_paths.h).
 * KTLS_EVENT_WRITTEN comes when the queue has run empty.
 */
#ifndef KTLS_KTLS_STREAM_H
#define KTLS_KTLS_STREAM_H

#include <sys/socket.h>

#include "ktls/ktls_ctx.h"
#include "ktls/ktls_engine.h"
#include "ktls/ktls_install.h"
#include "ktls/ktls_paths.h"
#include "ktls/ktls_types.h"
#include "uring/uring_bufs.h"
#include "uring/uring_op.h"
#include "uring/uring_timer.h"

struct uring;
struct ktls_stream;

/* What the streams of one thread share. Borrowed by its streams. */
struct ktls_env {
	struct uring *ring;
	struct uring_bufs *bufs;      /* receive buffers, >= 20000 bytes each */
	const struct ktls_caps *caps; /* shared by all threads */
	const struct ktls_kernel *kernel; /* injected setsockopt */
	struct ktls_paths *paths; /* of file ranges; NULL: only mapped */
	/* Full records under one key before it is changed; 0: what RFC 8446
	 * section 5.5 allows, rounded down. */
	uint64_t record_limit;
};

enum ktls_event {
	KTLS_EVENT_CONNECTED, /* connect(2) done; still plain */
	KTLS_EVENT_SECURE,    /* handshake done; ktls_stream_info() is valid */
	KTLS_EVENT_READABLE,  /* more bytes to peek */
	KTLS_EVENT_WRITTEN,   /* the output queue ran empty */
	KTLS_EVENT_EOF,	   /* peer ended in order: FIN when plain, close_notify
			       * under TLS; read what is left, then close */
	KTLS_EVENT_FAILED, /* see ktls_stream_failure(); close it */
	KTLS_EVENT_CLOSED, /* last event */
};
const char *ktls_event_name(enum ktls_event event);

typedef void (*ktls_stream_fn)(void *owner, enum ktls_event event);

enum ktls_failure {
	KTLS_FAILURE_NONE,
	KTLS_FAILURE_CONNECT, /* error = errno of connect */
	KTLS_FAILURE_IO, /* error = errno of send or receive (ECONNRESET...) */
	KTLS_FAILURE_TRUNCATED, /* FIN without close_notify under TLS */
	KTLS_FAILURE_HANDSHAKE, /* text says why */
	KTLS_FAILURE_VERIFY,	/* the server is not who it should be */
	KTLS_FAILURE_INJECTION, /* clear text behind STARTTLS */
	KTLS_FAILURE_RECORD, /* bad record (EBADMSG, EMSGSIZE): fatal alert */
	KTLS_FAILURE_ALERT,  /* peer sent a fatal alert: text names it */
	KTLS_FAILURE_REKEY,  /* KeyUpdate that this kernel can't follow: nothing
				 * more can be read, but what is written still
				 * goes out when it is closed with FLUSH */
	KTLS_FAILURE_INSTALL,  /* second setsockopt failed after the first */
	KTLS_FAILURE_INTERNAL, /* out of memory or operations */
};

struct ktls_failure_info {
	enum ktls_failure kind;
	int error;	  /* positive errno or 0 */
	const char *text; /* one line; borrowed until the stream is closed */
};

/* How a connection is protected, for logs and Received. */
struct ktls_stream_info {
	bool tls;
	struct ktls_info agreed;		  /* when tls */
	bool offload[KTLS_DIRECTIONS];		  /* keys in the kernel */
	enum ktls_reason reason[KTLS_DIRECTIONS]; /* why not */
	int reason_error;			  /* errno of SETSOCKOPT */
	uint64_t bytes_in, bytes_out;		  /* application bytes */
	uint64_t path_bytes[KTLS_PATHS];  /* those of file ranges, by path */
	unsigned rekeys[KTLS_DIRECTIONS]; /* changes of keys in the kernel */
};

#define KTLS_OUT_MAX 24

struct ktls_stream_private;

/* Embedded in its owner; all members private. */
struct ktls_stream {
	struct ktls_stream_private
		*p; /* owned; NULL before open, after CLOSED */
};

/*
 * ktls_stream_open() - take a connected TCP socket.
 * @stream: zeroed memory of the owner, valid until KTLS_EVENT_CLOSED
 * @env:    borrowed until then
 * @fd:     taken (closed by the stream), also on failure
 * Returns 0 or -errno. Receives start at once.
 */
int ktls_stream_open(struct ktls_stream *stream, const struct ktls_env *env,
		     int fd, ktls_stream_fn fn, void *owner);

/*
 * ktls_stream_connect() - the same for a socket still to be connected: ends in
 * CONNECTED or FAILED. @fd: a fresh SOCK_STREAM socket, taken; @addr copied.
 */
int ktls_stream_connect(struct ktls_stream *stream, const struct ktls_env *env,
			int fd, const struct sockaddr *addr, socklen_t len,
			ktls_stream_fn fn, void *owner);

/*
 * ktls_stream_start_tls() - after what is queued has been sent, shake hands;
 * ends in SECURE or FAILED.
 * @ctx: referenced; its role is the stream's. @config: copied; may be NULL.
 * Returns 0; -EBADMSG when unread clear bytes are there (command or response
 * injection, RFC 3207 section 6; CVE-2011-0411); -EALREADY, -ENOTCONN (not
 * yet connected), -EPIPE (the peer has ended, or failed or closing), -ENOMEM.
 * After any of these the owner must not go on. What is written from now on
 * goes out under TLS only.
 */
int ktls_stream_start_tls(struct ktls_stream *stream, struct ktls_ctx *ctx,
			  const struct ktls_engine_config *config,
			  enum ktls_offload offload);

/*
 * ktls_stream_peek() - the next unread bytes; returns their number (0: none
 * now), *data borrowed until the next consume or event.
 * ktls_stream_consume() - drop @len (<= peeked) of them.
 */
size_t ktls_stream_peek(struct ktls_stream *stream, const unsigned char **data);
void ktls_stream_consume(struct ktls_stream *stream, size_t len);

/* ktls_stream_pause() / _resume() - stop and go on receiving (a pause lets
 * what is in flight still arrive). Streams start unpaused. */
void ktls_stream_pause(struct ktls_stream *stream);
void ktls_stream_resume(struct ktls_stream *stream);

/*
 * ktls_stream_spare() - take no more out of the socket than is read at once,
 * one buffer at a time, as long as @on: what is not received yet can be
 * forwarded inside the kernel (ktls_forward.h). Costs an operation more for
 * each piece. 0 or -ENOMEM.
 */
int ktls_stream_spare(struct ktls_stream *stream, bool on);

/* ktls_stream_write() - queue a copy of @data. 0, or -ENOBUFS (queue full,
 * nothing taken), -EPIPE (failed or closing), -ENOMEM. */
int ktls_stream_write(struct ktls_stream *stream, const void *data, size_t len);

/* ktls_stream_send() - queue @data itself, borrowed until WRITTEN (or CLOSED):
 * a range of a mapped file, sent without a copy where the path allows. Same
 * errors. */
int ktls_stream_send(struct ktls_stream *stream, const void *data, size_t len);

/*
 * ktls_stream_send_file() - queue a range of a file, borrowed (descriptor and
 * mapping) until WRITTEN (or CLOSED); the range itself is copied. Until the
 * peer has all of it the file must stay as it is there: in clear the socket
 * may hold the page cache's own pages. Same errors, and -EINVAL for a range
 * without a mapping when env->paths is NULL. A file that ends early or can't
 * be read is a failure of the stream (INTERNAL): nothing else could stand in
 * its place.
 */
int ktls_stream_send_file(struct ktls_stream *stream,
			  const struct ktls_file_range *range);

/*
 * ktls_stream_expect() - so many bytes are expected in direction @dir: what
 * KTLS_OFFLOAD_AUTO goes by (ktls_policy_offload()). Before start_tls; nothing
 * said means many.
 */
void ktls_stream_expect(struct ktls_stream *stream, enum ktls_direction dir,
			uint64_t bytes);

/* ktls_stream_worn() - a key has been used as much as RFC 8446 section 5.5
 * allows and can't be changed (TLS 1.2, a kernel that can't rekey): end the
 * connection where that does no harm. There is time for a hundred gigabytes
 * more. */
bool ktls_stream_worn(const struct ktls_stream *stream);

/* ktls_stream_unsent() - bytes queued and not yet taken by the kernel. */
size_t ktls_stream_unsent(const struct ktls_stream *stream);

enum ktls_close {
	KTLS_CLOSE_FLUSH, /* send the queue, close_notify, FIN; read to the end
			   * (bounded in bytes and time), then close */
	KTLS_CLOSE_ABORT, /* drop the queue; close now */
};

/* ktls_stream_close() - end; CLOSED will come. Callable in every state,
 * repeatedly (ABORT hurries a FLUSH on). No other event but CLOSED comes. */
void ktls_stream_close(struct ktls_stream *stream, enum ktls_close how);

void ktls_stream_info(const struct ktls_stream *stream,
		      struct ktls_stream_info *out);
void ktls_stream_failure(const struct ktls_stream *stream,
			 struct ktls_failure_info *out);
int ktls_stream_fd(const struct ktls_stream *stream); /* for getpeername */

/*
 * ktls_stream_describe() - "tls=TLSv1.3 cipher=... offload=tx,rx" or
 * "... offload=none why=no_ulp"; returns @buf.
 */
const char *ktls_stream_describe(const struct ktls_stream *stream, char *buf,
				 size_t size);

#endif
