/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A forward's work (ktls_forward.h).  It is done by the drivers of its two
 * streams: the source's takes bytes, the sink's lets them out; each kicks the
 * other when there is something to do for it.
 */
#include "ktls/ktls_forward.h"

#include <assert.h>
#include <errno.h>

#include "ktls/ktls_stream_private.h"

/* So much may wait in the sink's queue. */
#define FORWARD_UNSENT_MAX (128 * 1024)

int ktls_forward_start(struct ktls_forward *f, struct ktls_stream *from,
		       struct ktls_stream *to, uint64_t len, ktls_forward_fn fn,
		       void *owner)
{
	*f = (struct ktls_forward){.len = len, .fn = fn, .owner = owner};
	if (!from->p || !to->p || from->p->state >= KSTREAM_FAILED ||
	    to->p->state >= KSTREAM_FAILED)
		return -EPIPE;
	assert(!from->p->forward && !to->p->forward && from->p != to->p);
	f->from = from->p;
	f->to = to->p;
	f->from->forward = f;
	f->to->forward = f;
	kstream_kick(f->from);
	return 0;
}

/* The stream is its owner's again, who hears what was kept from him. */
static void forward_let_go(struct ktls_stream_private *p)
{
	p->forward = NULL;
	if (p->state > KSTREAM_FAILED)
		return;
	p->pending |= p->held;
	p->held = 0;
	if (kstream_unread(p))
		p->pending |= 1u << KTLS_EVENT_READABLE;
	kstream_kick(p);
}

void ktls_forward_cancel(struct ktls_forward *f)
{
	if (!f->from)
		return;
	kstream_splice_end(f);
	kstream_sparing_off(f->from, false);
	forward_let_go(f->from);
	forward_let_go(f->to);
	f->from = f->to = NULL;
}

void ktls_forward_stop(struct ktls_forward *f)
{
	if (!f->from)
		return;
	f->sink_over = true;
	kstream_kick(f->from);
}

static void forward_end(struct ktls_forward *f, enum ktls_forward_end end)
{
	ktls_forward_cancel(f);
	f->fn(f->owner, end); /* the owner may reuse or free it */
}

static size_t forward_room(const struct ktls_stream_private *to)
{
	size_t unsent = kstream_queue_bytes(to->queue);

	if (kstream_queue_full(to->queue) || unsent >= FORWARD_UNSENT_MAX)
		return 0;
	return FORWARD_UNSENT_MAX - unsent;
}

enum ktls_forward_wait ktls_forward_waits(const struct ktls_forward *f)
{
	assert(f->from);
	return kstream_unread(f->from) || forward_room(f->to) == 0 ||
			       f->piped > 0 || f->taken == f->len
		       ? KTLS_FORWARD_WAITS_SINK
		       : KTLS_FORWARD_WAITS_SOURCE;
}

/* One piece of what is unread. 1: moved; 0: nothing there, or no room; -errno. */
static int forward_copy(struct ktls_forward *f)
{
	size_t room = forward_room(f->to);
	const unsigned char *data;
	size_t n = ktls_stream_peek(f->from->stream, &data);
	int error;

	if (n > room)
		n = room;
	if (n > f->len - f->taken)
		n = (size_t)(f->len - f->taken);
	if (n == 0)
		return 0;
	error = kstream_write(f->to, data, n, true);
	if (error < 0)
		return error;
	ktls_stream_consume(f->from->stream, n);
	f->taken += n;
	return 1;
}

/* No byte will come any more that is not here already, and one is missing. */
static bool forward_source_over(const struct ktls_forward *f)
{
	return f->taken < f->len &&
	       (f->from->state == KSTREAM_FAILED ||
		f->from->end != KSTREAM_END_OPEN) &&
	       !kstream_unread(f->from);
}

/* All of it is out of our hands. */
static bool forward_done(const struct ktls_forward *f)
{
	return f->taken == f->len && f->piped == 0;
}

/* The source may go on without its sink: what it has given must be known. */
static bool forward_break(struct ktls_forward *f)
{
	if (kstream_splice_stop(f))
		return false;
	forward_end(f, KTLS_FORWARD_SINK);
	return true;
}

bool kstream_forward_work(struct ktls_stream_private *p)
{
	struct ktls_forward *f = p->forward;
	bool moved = false;
	int error = 0;

	if (!f || f->from != p)
		return false;
	if (f->sink_over)
		return forward_break(f);
	if (kstream_splice_refused(f)) {
		f->copies = true;
		kstream_splice_end(f);
	}
	while (f->piped == 0 && (error = forward_copy(f)) > 0)
		moved = true;
	if (error < 0)
		return forward_break(f);
	if (forward_done(f))
		forward_end(f, KTLS_FORWARD_DONE);
	else if (forward_source_over(f))
		forward_end(f, KTLS_FORWARD_SOURCE);
	else
		return kstream_splice_begin(f) || moved;
	return true;
}

bool kstream_forward_keep(struct ktls_stream_private *p, enum ktls_event event)
{
	struct ktls_forward *f = p->forward;

	if (!f)
		return false;
	p->held |= 1u << event;
	if (p == f->from)
		return true; /* kstream_forward_work() sees for itself */
	if (event == KTLS_EVENT_EOF || event == KTLS_EVENT_FAILED)
		f->sink_over = true;
	if (event != KTLS_EVENT_READABLE)
		kstream_kick(f->from);
	return true;
}

void kstream_forward_leave(struct ktls_stream_private *p)
{
	if (p->forward)
		ktls_forward_cancel(p->forward);
}
