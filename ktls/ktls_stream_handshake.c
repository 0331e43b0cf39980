/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From clear text to TLS: the clear queue is sent out, then the engine is fed
 * one record at a time.  A record is read in two receives, its header and
 * then exactly its body, so that whatever follows stays in the socket, for
 * the kernel to decrypt.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ktls/ktls_stream_private.h"

/*
 * A receive was in flight when start_tls was called.  What it still delivers
 * was sent before our side could speak TLS.  From a client, after our "go on"
 * is out, that can be its ClientHello (an implicit TLS port, too); it is fed
 * to the engine and to nobody else.  Anything else is injected.
 */
enum kstream_state kstream_flushing_recv(struct ktls_stream_private *p,
					 const struct uring_event *ev)
{
	if (ev->res > 0 && ev->buf.data) {
		if (p->role == KTLS_SERVER && p->clear_left == 0) {
			if (kstream_inbox_push(&p->inbox, &ev->buf) >= 0)
				return p->state;
			return kstream_fail(p, KTLS_FAILURE_INTERNAL, ENOMEM,
					    NULL);
		}
		kstream_event_drop(ev);
		return kstream_fail(p, KTLS_FAILURE_INJECTION, 0, NULL);
	}
	kstream_event_drop(ev);
	if (ev->res == 0) {
		p->end = KSTREAM_END_FIN;
		return kstream_fail(p, KTLS_FAILURE_HANDSHAKE, 0,
				    "connection closed before the handshake");
	}
	return -ev->res == ENOBUFS ? p->state : kstream_recv_error(p, -ev->res);
}

static enum kstream_state handshake_failed(struct ktls_stream_private *p)
{
	enum ktls_failure kind = KTLS_FAILURE_HANDSHAKE;

	if (ktls_engine_fault(p->engine) == KTLS_FAULT_VERIFY)
		kind = KTLS_FAILURE_VERIFY;
	return kstream_fail(p, kind, 0, ktls_engine_error(p->engine));
}

static enum kstream_state handshake_step(struct ktls_stream_private *p,
					 enum ktls_step step)
{
	switch (step) {
	case KTLS_STEP_MORE:
		return KSTREAM_HANDSHAKE;
	case KTLS_STEP_DONE:
		return KSTREAM_FINISHING;
	case KTLS_STEP_FAILED:
		break;
	}
	return handshake_failed(p);
}

enum kstream_state kstream_flushing_advance(struct ktls_stream_private *p)
{
	if (p->ops.recv || p->ops.send || p->clear_left > 0)
		return p->state;
	p->reader = calloc(1, sizeof(*p->reader));
	if (!p->reader)
		return kstream_fail(p, KTLS_FAILURE_INTERNAL, ENOMEM, NULL);
	kstream_reader_next(p);
	return handshake_step(p, ktls_engine_start(p->engine));
}

void kstream_reader_next(struct ktls_stream_private *p)
{
	p->reader->have = 0;
	p->reader->need = KTLS_RECORD_HEADER;
}

struct uring_op *kstream_reader_arm(struct ktls_stream_private *p)
{
	struct kstream_reader *r = p->reader;

	assert(r->have < r->need && r->need <= sizeof(r->record));
	return uring_recv(p->env->ring, kstream_target(p, KSTREAM_IN_RECV),
			  p->fd, r->record + r->have, r->need - r->have, 0);
}

/* RFC 8446 section 5.1, RFC 5246 section 6.2.1. */
static bool reader_header_good(const unsigned char *header, size_t len)
{
	return header[0] >= KTLS_CHANGE_CIPHER_SPEC &&
	       header[0] <= KTLS_APPLICATION_DATA && header[1] == 3 &&
	       header[2] <= 4 && len <= KTLS_RECORD_WIRE_MAX;
}

static void reader_fill(struct ktls_stream_private *p)
{
	struct kstream_reader *r = p->reader;
	const unsigned char *data;
	size_t n;

	while (r->have < r->need &&
	       (n = kstream_inbox_peek(&p->inbox, &data)) > 0) {
		if (n > r->need - r->have)
			n = r->need - r->have;
		memcpy(r->record + r->have, data, n);
		kstream_inbox_drop(&p->inbox, n);
		r->have += n;
	}
}

int kstream_reader_take(struct ktls_stream_private *p)
{
	struct kstream_reader *r = p->reader;
	size_t len;

	reader_fill(p);
	if (r->have < r->need)
		return 0;
	if (r->need > KTLS_RECORD_HEADER)
		return 1;
	len = (size_t)r->record[3] << 8 | r->record[4];
	if (!reader_header_good(r->record, len))
		return -EBADMSG;
	r->need += len;
	reader_fill(p);
	return r->have == r->need;
}

static enum kstream_state handshake_record(struct ktls_stream_private *p)
{
	struct kstream_reader *r = p->reader;
	size_t len = r->have;

	kstream_reader_next(p);
	return handshake_step(p, ktls_engine_feed(p->engine, r->record, len));
}

enum kstream_state kstream_handshake_advance(struct ktls_stream_private *p)
{
	enum kstream_state next = p->state;

	if (p->ops.recv)
		return next;
	while (next == KSTREAM_HANDSHAKE) {
		int whole = kstream_reader_take(p);

		if (whole == 0)
			break;
		if (whole < 0)
			return kstream_fail(p, KTLS_FAILURE_HANDSHAKE, 0,
					    "peer does not speak TLS");
		next = handshake_record(p);
	}
	return next;
}

enum kstream_state kstream_handshake_recv(struct ktls_stream_private *p,
					  const struct uring_event *ev)
{
	if (ev->res == 0) {
		p->end = KSTREAM_END_FIN;
		return kstream_fail(p, KTLS_FAILURE_HANDSHAKE, 0,
				    "connection closed in the handshake");
	}
	if (ev->res < 0)
		return kstream_recv_error(p, -ev->res);
	p->reader->have += (size_t)ev->res;
	return kstream_handshake_advance(p);
}
