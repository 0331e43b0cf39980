/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receiving through OpenSSL: wire bytes from the inbox, or one record from the
 * reader, through the engine into the block that the owner reads.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "ktls/ktls_stream_private.h"

/* The engine may have had to answer, which with TX in the kernel is not its
 * to do: a KeyUpdate, or under TLS 1.2 its refusal to renegotiate. */
static enum kstream_state engine_answered(struct ktls_stream_private *p,
					  enum kstream_state next)
{
	if (next == KSTREAM_FAILED || p->path[KTLS_TX] != KSTREAM_KERNEL ||
	    !kstream_output_pending(p))
		return next;
	return kstream_rekey_answer(p);
}

static enum kstream_state engine_failed(struct ktls_stream_private *p)
{
	enum ktls_failure kind = KTLS_FAILURE_RECORD;

	if (ktls_engine_fault(p->engine) == KTLS_FAULT_ALERT)
		kind = KTLS_FAILURE_ALERT;
	else
		kstream_alert_fatal(p, KSTREAM_ALERT_BAD_RECORD_MAC);
	return kstream_fail(p, kind, 0, ktls_engine_error(p->engine));
}

/* One read into the empty block: > 0 bytes, 0 nothing (more wire bytes are
 * needed, or the peer has ended), -errno. */
static ssize_t engine_read(struct ktls_stream_private *p)
{
	struct kstream_block *block = p->block;
	ssize_t n = ktls_engine_read(p->engine, block->data + block->end,
				     sizeof(block->data) - block->end);

	if (n > 0) {
		block->end += (size_t)n;
		p->bytes_in += (size_t)n;
		return n;
	}
	if (n == 0)
		kstream_recv_ended(p, KSTREAM_END_NOTIFY);
	return n == -EAGAIN ? 0 : n;
}

/* The same, with whole records from where they were received. */
static ssize_t engine_read_inbox(struct ktls_stream_private *p)
{
	const unsigned char *data = NULL;
	size_t len = kstream_inbox_peek(&p->inbox, &data);
	ssize_t n;

	ktls_engine_lend(p->engine, data, len);
	n = engine_read(p);
	kstream_inbox_drop(&p->inbox, ktls_engine_reclaim(p->engine));
	return n;
}

/* Feeds the engine from the inbox until it gives bytes or wants more. */
static enum kstream_state engine_work(struct ktls_stream_private *p)
{
	while (p->end != KSTREAM_END_NOTIFY) {
		const unsigned char *data;
		ssize_t n = engine_read_inbox(p);
		size_t len;

		if (n < 0)
			return engine_failed(p);
		if (n > 0 || p->end == KSTREAM_END_NOTIFY)
			break;
		/* What is left there is a part of a record. */
		len = kstream_inbox_peek(&p->inbox, &data);
		if (len == 0 && p->end == KSTREAM_END_FIN)
			return kstream_fail(p, KTLS_FAILURE_TRUNCATED, 0, NULL);
		if (len == 0)
			break;
		n = ktls_engine_put_part(p->engine, data, len);
		if (n < 0)
			return kstream_fail(p, KTLS_FAILURE_INTERNAL, ENOMEM,
					    NULL);
		kstream_inbox_drop(&p->inbox, (size_t)n);
	}
	return p->state;
}

enum kstream_state kstream_recv_refill(struct ktls_stream_private *p)
{
	enum kstream_state next;

	assert(p->state == KSTREAM_SECURE);
	if (p->path[KTLS_RX] != KSTREAM_ENGINE ||
	    (p->block && p->block->start < p->block->end))
		return p->state;
	if (!p->block)
		p->block = malloc(sizeof(*p->block));
	if (!p->block)
		return kstream_fail(p, KTLS_FAILURE_INTERNAL, ENOMEM, NULL);
	p->block->start = p->block->end = 0;
	next = engine_answered(p, engine_work(p));
	if (p->block->end == 0) {
		free(p->block);
		p->block = NULL;
	}
	if (p->end == KSTREAM_END_NOTIFY)
		kstream_inbox_clear(&p->inbox);
	return next;
}

enum kstream_state kstream_engine_recv(struct ktls_stream_private *p,
				       const struct uring_event *ev)
{
	enum kstream_state next = p->state;

	if (ev->res < 0) {
		kstream_event_drop(ev);
		return kstream_recv_error(p, -ev->res);
	}
	if (ev->res == 0) {
		kstream_event_drop(ev);
		p->end = KSTREAM_END_FIN;
	} else {
		next = kstream_recv_keep(p, ev);
	}
	if (next == KSTREAM_SECURE)
		next = kstream_recv_refill(p);
	if (p->block && ev->res > 0)
		kstream_say(p, KTLS_EVENT_READABLE);
	return next;
}

/* One record of a client that waits for its first reply. */
static enum kstream_state record_data(struct ktls_stream_private *p)
{
	struct kstream_reader *r = p->reader;
	ssize_t n = 1;

	assert(!p->block);
	if (ktls_engine_put(p->engine, r->record, r->have) == 0)
		p->block = malloc(sizeof(*p->block));
	if (!p->block)
		return kstream_fail(p, KTLS_FAILURE_INTERNAL, ENOMEM, NULL);
	p->block->start = p->block->end = 0;
	kstream_reader_next(p);
	while (n > 0 && p->block->end < sizeof(p->block->data) &&
	       p->end == KSTREAM_END_OPEN)
		n = engine_read(p);
	if (p->block->end == 0) {
		free(p->block);
		p->block = NULL;
	} else {
		kstream_say(p, KTLS_EVENT_READABLE);
	}
	return n < 0 ? engine_failed(p) : p->state;
}

enum kstream_state kstream_record_recv(struct ktls_stream_private *p,
				       const struct uring_event *ev)
{
	enum kstream_state next;
	int whole;

	if (ev->res < 0)
		return kstream_recv_error(p, -ev->res);
	if (ev->res == 0) {
		p->end = KSTREAM_END_FIN;
		return kstream_fail(p, KTLS_FAILURE_TRUNCATED, 0, NULL);
	}
	p->reader->have += (size_t)ev->res;
	whole = kstream_reader_take(p);
	if (whole == 0)
		return p->state;
	if (whole < 0)
		return kstream_fail(p, KTLS_FAILURE_RECORD, EBADMSG, NULL);
	next = engine_answered(p, record_data(p));
	if (next == p->state && p->block && p->end == KSTREAM_END_OPEN)
		next = kstream_offload_receive(p);
	return next;
}
