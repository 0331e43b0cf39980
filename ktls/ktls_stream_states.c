/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: the table of states and inputs, and the driver. How it works is told
 * in ktls_stream_private.h.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ktls/ktls_stream_private.h"

typedef enum kstream_state kstream_handler(struct ktls_stream_private *p,
					   const struct uring_event *ev);

struct kstream_row {
	unsigned next;		  /* states that may follow, as 1 << state */
	enum kstream_sends sends; /* at most this is sent here */
	void (*enter)(struct ktls_stream_private *p);
	/* What goes on without an input, asked until it stays. */
	enum kstream_state (*advance)(struct ktls_stream_private *p);
	/* NULL: can't happen here, asserted. */
	kstream_handler *on[KSTREAM_INPUTS];
};

static enum kstream_state stream_connected(struct ktls_stream_private *p,
					   const struct uring_event *ev)
{
	if (ev->res < 0)
		return kstream_fail(p, KTLS_FAILURE_CONNECT, -ev->res, NULL);
	kstream_say(p, KTLS_EVENT_CONNECTED);
	return KSTREAM_PLAIN;
}

static enum kstream_state stream_stay(struct ktls_stream_private *p,
				      const struct uring_event *ev)
{
	return p->state;
}

static void stream_enter_secure(struct ktls_stream_private *p)
{
	kstream_say(p, KTLS_EVENT_SECURE);
}

/* What was received before stays readable; wire bytes of a handshake that
 * failed do not. */
static void stream_enter_failed(struct ktls_stream_private *p)
{
	kstream_recv_cancel(p);
	kstream_recv_unwait(p);
	if (p->path[KTLS_RX] == KSTREAM_RAW && p->engine)
		kstream_recv_drop(p);
	p->pending &= ~(1u << KTLS_EVENT_WRITTEN);
	p->written_due = false;
	p->pending |= 1u << KTLS_EVENT_FAILED;
}

#define TO(state) (1u << KSTREAM_##state)
/* clang-format off */
static const struct kstream_row stream_rows[KSTREAM_STATES] = {
	[KSTREAM_CONNECTING] = {
		.next = TO(PLAIN) | TO(FAILED) | TO(TEARDOWN),
		.on[KSTREAM_IN_CONNECT] = stream_connected,
	},
	[KSTREAM_PLAIN] = {
		.next = TO(FLUSHING) | TO(FAILED) | TO(DRAINING) | TO(TEARDOWN),
		.sends = KSTREAM_SENDS_ALL,
		.on[KSTREAM_IN_RECV] = kstream_plain_recv,
		.on[KSTREAM_IN_SEND] = kstream_sent,
		.on[KSTREAM_IN_BUFFER] = stream_stay,
	},
	[KSTREAM_FLUSHING] = {
		.next = TO(HANDSHAKE) | TO(FAILED) | TO(DRAINING) | TO(TEARDOWN),
		.sends = KSTREAM_SENDS_ALL,
		.advance = kstream_flushing_advance,
		.on[KSTREAM_IN_RECV] = kstream_flushing_recv,
		.on[KSTREAM_IN_SEND] = kstream_sent,
	},
	[KSTREAM_HANDSHAKE] = {
		.next = TO(FINISHING) | TO(FAILED) | TO(DRAINING) | TO(TEARDOWN),
		.sends = KSTREAM_SENDS_OUTPUT,
		.advance = kstream_handshake_advance,
		.on[KSTREAM_IN_RECV] = kstream_handshake_recv,
		.on[KSTREAM_IN_SEND] = kstream_sent,
	},
	[KSTREAM_FINISHING] = {
		.next = TO(SECURE) | TO(FAILED) | TO(DRAINING) | TO(TEARDOWN),
		.sends = KSTREAM_SENDS_OUTPUT,
		.advance = kstream_finishing_advance,
		.on[KSTREAM_IN_SEND] = kstream_sent,
	},
	[KSTREAM_SECURE] = {
		.next = TO(FAILED) | TO(DRAINING) | TO(TEARDOWN),
		.sends = KSTREAM_SENDS_ALL,
		.enter = stream_enter_secure,
		.on[KSTREAM_IN_RECV] = kstream_secure_recv,
		.on[KSTREAM_IN_SEND] = kstream_sent,
		.on[KSTREAM_IN_BUFFER] = stream_stay,
	},
	[KSTREAM_FAILED] = {
		.next = TO(DRAINING) | TO(TEARDOWN),
		.sends = KSTREAM_SENDS_ALL,
		.enter = stream_enter_failed,
		.on[KSTREAM_IN_RECV] = kstream_discard_recv,
		.on[KSTREAM_IN_SEND] = kstream_sent,
	},
	[KSTREAM_DRAINING] = {
		.next = TO(FAREWELL) | TO(TEARDOWN),
		.sends = KSTREAM_SENDS_ALL,
		.enter = kstream_draining_enter,
		.advance = kstream_draining_advance,
		.on[KSTREAM_IN_RECV] = kstream_discard_recv,
		.on[KSTREAM_IN_SEND] = kstream_sent,
		.on[KSTREAM_IN_DEADLINE] = kstream_give_up,
	},
	[KSTREAM_FAREWELL] = {
		.next = TO(LINGERING) | TO(TEARDOWN),
		.sends = KSTREAM_SENDS_OUTPUT,
		.advance = kstream_farewell_advance,
		.on[KSTREAM_IN_RECV] = kstream_discard_recv,
		.on[KSTREAM_IN_SEND] = kstream_sent,
		.on[KSTREAM_IN_DEADLINE] = kstream_give_up,
	},
	[KSTREAM_LINGERING] = {
		.next = TO(TEARDOWN),
		.enter = kstream_lingering_enter,
		.advance = kstream_lingering_advance,
		.on[KSTREAM_IN_RECV] = kstream_lingering_recv,
		.on[KSTREAM_IN_SHUTDOWN] = kstream_shutdown_done,
		.on[KSTREAM_IN_BUFFER] = stream_stay,
		.on[KSTREAM_IN_DEADLINE] = kstream_give_up,
	},
	[KSTREAM_TEARDOWN] = {
		.next = TO(CLOSING),
		.enter = kstream_teardown_enter,
		.advance = kstream_teardown_advance,
		.on[KSTREAM_IN_CONNECT] = stream_stay,
		.on[KSTREAM_IN_RECV] = kstream_discard_recv,
		.on[KSTREAM_IN_SEND] = stream_stay,
		.on[KSTREAM_IN_SHUTDOWN] = stream_stay,
		.on[KSTREAM_IN_DEADLINE] = stream_stay,
	},
	[KSTREAM_CLOSING] = {
		.next = TO(CLOSED),
		.on[KSTREAM_IN_CLOSE] = kstream_closed,
	},
	[KSTREAM_CLOSED] = {0},
};
/* clang-format on */

/* The one place that writes the state. */
void kstream_set_state(struct ktls_stream_private *p, enum kstream_state next)
{
	if (next == p->state)
		return;
	assert(next < KSTREAM_STATES);
	assert(stream_rows[p->state].next & 1u << next);
	p->state = next;
	if (stream_rows[next].enter)
		stream_rows[next].enter(p);
}

enum kstream_sends kstream_allowed(const struct ktls_stream_private *p)
{
	enum kstream_sends here = stream_rows[p->state].sends;

	return here < p->may_send ? here : p->may_send;
}

void kstream_say(struct ktls_stream_private *p, enum ktls_event event)
{
	if (p->state < KSTREAM_FAILED)
		p->pending |= 1u << event;
}

/* What may still be said after each kind of failure. */
static enum kstream_sends stream_last_words(enum ktls_failure kind)
{
	switch (kind) {
	case KTLS_FAILURE_TRUNCATED:
	case KTLS_FAILURE_REKEY:
		return KSTREAM_SENDS_ALL;
	case KTLS_FAILURE_HANDSHAKE:
	case KTLS_FAILURE_VERIFY:
	case KTLS_FAILURE_RECORD:
		return KSTREAM_SENDS_OUTPUT;
	case KTLS_FAILURE_NONE:
	case KTLS_FAILURE_CONNECT:
	case KTLS_FAILURE_IO:
	case KTLS_FAILURE_INJECTION:
	case KTLS_FAILURE_ALERT:
	case KTLS_FAILURE_INSTALL:
	case KTLS_FAILURE_INTERNAL:
		break;
	}
	return KSTREAM_SENDS_NOTHING;
}

enum kstream_state kstream_fail(struct ktls_stream_private *p,
				enum ktls_failure kind, int error,
				const char *text)
{
	enum kstream_sends words = stream_last_words(kind);

	assert(kind != KTLS_FAILURE_NONE && error >= 0);
	if (words < p->may_send)
		p->may_send = words;
	if (p->state >= KSTREAM_DRAINING)
		return KSTREAM_TEARDOWN; /* nobody is left to be told */
	if (p->state == KSTREAM_FAILED)
		return KSTREAM_FAILED; /* the first failure is the one */
	p->failure = kind;
	p->failure_error = error;
	p->failure_text = text && *text ? strdup(text) : NULL;
	return KSTREAM_FAILED;
}

/* Waits for nothing in flight; the owner may free or reuse the stream. */
static void stream_release(struct ktls_stream_private *p)
{
	ktls_stream_fn fn = p->fn;
	void *owner = p->owner;

	assert(!p->ops.recv && !p->ops.send && !p->ops.life);
	uring_timer_clear(p->env->ring, &p->kick);
	uring_timer_clear(p->env->ring, &p->deadline);
	kstream_recv_unwait(p);
	kstream_recv_drop(p);
	kstream_carrier_drop(p);
	kstream_pipe_drop(p);
	kstream_sparing_off(p, true);
	kstream_queue_free(&p->queue);
	ktls_engine_free(&p->engine);
	kstream_wire_free(p);
	free(p->reader);
	free(p->agreed);
	kstream_rekey_free(p);
	free(p->failure_text);
	p->stream->p = NULL;
	free(p);
	fn(owner, KTLS_EVENT_CLOSED);
}

static void stream_deliver(struct ktls_stream_private *p)
{
	unsigned event = (unsigned)__builtin_ctz(p->pending);

	assert(p->state <= KSTREAM_FAILED);
	p->pending &= ~(1u << event);
	if (!kstream_forward_keep(p, (enum ktls_event)event))
		p->fn(p->owner, (enum ktls_event)event);
}

/* Goes as far as it can without an input. A step may wait for the queue to be
 * out, and may itself have something to send. */
static void stream_advance(struct ktls_stream_private *p)
{
	enum kstream_state before;

	do {
		before = p->state;
		kstream_set_state(p, kstream_send_pump(p));
		if (stream_rows[p->state].advance)
			kstream_set_state(p, stream_rows[p->state].advance(p));
		kstream_set_state(p, kstream_send_pump(p));
		if (!p->pending)
			kstream_set_state(p, kstream_recv_arm(p));
	} while (p->state != before);
}

/* The driver. Runs in a turn of the ring only; the owner's handler may change
 * anything but can't get in here again. */
static void stream_run(struct ktls_stream_private *p)
{
	assert(!p->running);
	p->running = true;
	for (;;) {
		stream_advance(p);
		if (p->state == KSTREAM_CLOSED) {
			stream_release(p);
			return;
		}
		if (p->pending)
			stream_deliver(p);
		else if (!kstream_forward_work(p))
			break;
	}
	p->running = false;
}

static void stream_input(struct ktls_stream_private *p,
			 enum kstream_input input, const struct uring_event *ev)
{
	kstream_handler *handler = stream_rows[p->state].on[input];

	assert(handler);
	kstream_set_state(p, handler(p, ev));
	stream_run(p);
}

static void stream_on_connect(void *owner, const struct uring_event *ev)
{
	struct ktls_stream_private *p = owner;

	p->ops.life = NULL;
	stream_input(p, KSTREAM_IN_CONNECT, ev);
}

static void stream_on_recv(void *owner, const struct uring_event *ev)
{
	struct ktls_stream_private *p = owner;

	if (!ev->more) {
		p->ops.recv = NULL;
		p->recv_cancelled = false;
	}
	stream_input(p, KSTREAM_IN_RECV, ev);
}

static void stream_on_send(void *owner, const struct uring_event *ev)
{
	struct ktls_stream_private *p = owner;

	p->ops.send = NULL;
	stream_input(p, KSTREAM_IN_SEND, ev);
}

static void stream_on_shutdown(void *owner, const struct uring_event *ev)
{
	struct ktls_stream_private *p = owner;

	p->ops.life = NULL;
	stream_input(p, KSTREAM_IN_SHUTDOWN, ev);
}

static void stream_on_close(void *owner, const struct uring_event *ev)
{
	struct ktls_stream_private *p = owner;

	p->ops.life = NULL;
	stream_input(p, KSTREAM_IN_CLOSE, ev);
}

static void stream_on_buffer(void *owner)
{
	stream_input(owner, KSTREAM_IN_BUFFER, NULL);
}

static void stream_on_deadline(void *owner)
{
	stream_input(owner, KSTREAM_IN_DEADLINE, NULL);
}

static void stream_on_kick(void *owner)
{
	stream_run(owner);
}

struct uring_target kstream_target(struct ktls_stream_private *p,
				   enum kstream_input input)
{
	static const uring_event_fn fn[KSTREAM_INPUTS] = {
		[KSTREAM_IN_CONNECT] = stream_on_connect,
		[KSTREAM_IN_RECV] = stream_on_recv,
		[KSTREAM_IN_SEND] = stream_on_send,
		[KSTREAM_IN_SHUTDOWN] = stream_on_shutdown,
		[KSTREAM_IN_CLOSE] = stream_on_close,
	};

	assert(fn[input]);
	return (struct uring_target){.fn = fn[input], .owner = p};
}

/* After a call of the owner: the driver goes on when the owner's handler has
 * returned, or in the next turn. */
void kstream_kick(struct ktls_stream_private *p)
{
	if (!p->running && !p->kick.armed)
		uring_timer_set(p->env->ring, &p->kick, 0);
}

void kstream_drive(struct ktls_stream_private *p)
{
	p->waiter.fn = stream_on_buffer;
	p->waiter.owner = p;
	p->kick.fn = stream_on_kick;
	p->kick.owner = p;
	p->deadline.fn = stream_on_deadline;
	p->deadline.owner = p;
}
