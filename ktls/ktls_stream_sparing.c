/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking no more out of a socket than is asked for: by operations that don't
 * wait, with a poll between them where there was nothing.  A multishot receive
 * would empty the socket into buffers before anybody could stop it.
 *
 * The try comes before the poll, because the kernel may hold the rest of a
 * decrypted record of which poll(2) knows nothing.  The other way round some
 * kernels' poll(2) is content with a part of a record, with which nothing can
 * be done: then naps, longer and longer, come between the tries.
 */
#include <poll.h>
#include <stdlib.h>

#include "ktls/ktls_stream_private.h"

#define NAP_MIN_NS URING_MSEC
#define NAP_MAX_NS (64 * URING_MSEC)

static void sparing_rested(void *owner)
{
	kstream_kick(owner);
}

bool kstream_sparing_on(struct ktls_stream_private *p)
{
	if (p->sparing)
		return true;
	p->sparing = calloc(1, sizeof(*p->sparing));
	if (!p->sparing)
		return false;
	p->sparing->nap.fn = sparing_rested;
	p->sparing->nap.owner = p;
	/* a receive that empties the socket is called back */
	if (p->state == KSTREAM_SECURE && p->path[KTLS_RX] == KSTREAM_KERNEL)
		kstream_recv_cancel(p);
	return true;
}

void kstream_sparing_off(struct ktls_stream_private *p, bool all)
{
	if (!p->sparing || (p->sparing->asked && !all))
		return;
	uring_timer_clear(p->env->ring, &p->sparing->nap);
	free(p->sparing);
	p->sparing = NULL;
	if (p->taking == KSTREAM_TAKING_POLL)
		kstream_recv_cancel(p);
	kstream_kick(p);
}

bool kstream_sparing_possible(const struct ktls_stream_private *p)
{
	const struct uring_caps *caps = uring_caps(p->env->ring);

	return caps->multishot_recv && caps->buf_ring;
}

bool kstream_sparing_rests(const struct ktls_stream_private *p)
{
	return p->sparing && p->sparing->nap.armed;
}

struct uring_op *kstream_sparing_poll(struct ktls_stream_private *p)
{
	if (p->sparing->patience != KSTREAM_POLLS) {
		p->taking = KSTREAM_TAKING_BYTES;
		return NULL;
	}
	p->taking = KSTREAM_TAKING_POLL;
	return uring_poll(p->env->ring, kstream_target(p, KSTREAM_IN_RECV),
			  p->fd, POLLIN);
}

void kstream_sparing_polled(struct ktls_stream_private *p)
{
	if (p->sparing)
		p->sparing->patience = KSTREAM_POLLED;
}

void kstream_sparing_nothing(struct ktls_stream_private *p)
{
	struct kstream_sparing *s = p->sparing;

	if (!s)
		return;
	if (s->patience == KSTREAM_TRIES) {
		s->patience = KSTREAM_POLLS;
		return;
	}
	s->patience = KSTREAM_NAPS;
	s->nap_ns = s->nap_ns ? s->nap_ns * 2 : NAP_MIN_NS;
	if (s->nap_ns > NAP_MAX_NS)
		s->nap_ns = NAP_MAX_NS;
	uring_timer_set(p->env->ring, &s->nap, s->nap_ns);
}

void kstream_sparing_something(struct ktls_stream_private *p)
{
	if (!p->sparing)
		return;
	p->sparing->patience = KSTREAM_TRIES;
	p->sparing->nap_ns = 0;
}
