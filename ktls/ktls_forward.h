/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes from one stream to another, a number of them that is known before (a
 * BDAT chunk, RFC 3030): what has been received already is copied, the rest
 * goes from socket to pipe to socket inside the kernel where both streams
 * leave their bytes to it (kernel TLS, or no TLS at all), and is copied where
 * they don't.
 *
 * While a forward runs the streams' events are its own; it keeps them, and
 * their owners hear them when it has ended: a failure ends the forward first
 * and is told to the stream's owner then.  Nobody else may read from @from or
 * write to @to meanwhile; what was written to @to before goes out before.
 *
 * splice(2) knows no MSG_NOSIGNAL: the program has to ignore SIGPIPE.
 *
 * Pipes are those of env->paths; without one, or with a policy that wants
 * another path, bytes are copied.
 */
#ifndef KTLS_KTLS_FORWARD_H
#define KTLS_KTLS_FORWARD_H

#include <stdint.h>

#include "ktls/ktls_stream.h"

enum ktls_forward_end {
	KTLS_FORWARD_DONE,   /* all of it is in @to's queue or socket */
	KTLS_FORWARD_SOURCE, /* @from failed or ended too early */
	KTLS_FORWARD_SINK,   /* @to failed, or its peer has ended */
};

/* Told from uring_turn(); the forward is over, its memory the owner's. */
typedef void (*ktls_forward_fn)(void *owner, enum ktls_forward_end end);

struct ktls_stream_private;
struct ktls_pipe;

/* Whom a forward waits for. */
enum ktls_forward_wait {
	KTLS_FORWARD_WAITS_SOURCE,
	KTLS_FORWARD_WAITS_SINK,
};

/* Embedded in its owner. */
struct ktls_forward {
	/* Read-only: how far it is, and stays readable behind its end. */
	uint64_t len;
	uint64_t taken;	  /* bytes that have left @from */
	uint64_t spliced; /* of them, those that stayed in the kernel */

	/* private */
	struct ktls_stream_private *from, *to; /* NULL: it does not run */
	ktls_forward_fn fn;
	void *owner;
	struct ktls_pipe *pipe; /* NULL: bytes are copied */
	size_t piped;		/* bytes in it */
	unsigned takes;		/* splices that brought them */
	bool gives;		/* they go out before more is taken */
	bool copies;		/* splicing has turned out not to work */
	bool fetches;		/* a record that is no data is in the way */
	bool fetched;		/* and was received since the last bytes */
	bool sink_full;		/* it was, when it was last asked */
	bool sink_over;		/* it failed, or the owner says so: ends as
				 * soon as the source's splice is reaped */
};

/*
 * ktls_forward_start() - move exactly @len bytes (0 too).
 * @forward: memory of the owner; valid until fn is called or it is cancelled.
 * Returns 0, or -EPIPE (a stream has failed or is closing).
 */
int ktls_forward_start(struct ktls_forward *forward, struct ktls_stream *from,
		       struct ktls_stream *to, uint64_t len, ktls_forward_fn fn,
		       void *owner);

/*
 * ktls_forward_cancel() - no call will come any more. Both streams are only
 * good for being closed then: bytes may be on their way out of @from that
 * nobody counts. Harmless when it does not run. Closing a stream cancels the
 * forward it is part of.
 */
void ktls_forward_cancel(struct ktls_forward *forward);

static inline bool ktls_forward_running(const struct ktls_forward *forward)
{
	return forward->from != NULL;
}

/*
 * ktls_forward_stop() - end it as if the sink had failed: fn is called with
 * KTLS_FORWARD_SINK as soon as what has left @from is known, and @from can go
 * on behind that. Harmless when it does not run.
 */
void ktls_forward_stop(struct ktls_forward *forward);

/* ktls_forward_waits() - while it runs: for more to come, or for room. */
enum ktls_forward_wait ktls_forward_waits(const struct ktls_forward *forward);

#endif
