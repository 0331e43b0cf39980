/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The message into the stream.
 *
 * The body goes out from the log, piece by piece, without a copy, on the path
 * that the stream chooses: by BDAT always, by DATA when no line begins with a
 * dot.  Only a message with such lines, for a server without CHUNKING, is
 * copied through the stuffing path.  The trace header is small: it is copied
 * behind the commands.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "gateway/outbound/outbound_session.h"

/* A trace header beyond this is not copied. */
#define TRACE_COPIED 2048

/* Stuffed text is made in blocks of this size, one per WRITTEN. */
#define STUFF_BLOCK 65536

enum outbound_transfer outbound_body_choose(const struct outbound_session *s)
{
	if (s->extensions & SMTP_EXT_CHUNKING)
		return OUTBOUND_BDAT;
	if (s->delivery->view->envelope.flags & SPOOL_DOT_LINES)
		return OUTBOUND_DATA_DOTS;
	return OUTBOUND_DATA;
}

/* Octets of the message as a chunk: what SIZE= and BDAT say. */
uint64_t outbound_body_octets(const struct outbound_session *s)
{
	return s->delivery->view->trace_len + s->delivery->view->body_size;
}

void outbound_body_begin(struct outbound_session *s)
{
	s->body = (struct outbound_body){0};
	smtp_stuff_start(&s->body.stuff);
}

/* The next piece as it is; piece 0 is the trace header. */
static struct iovec piece_at(const struct spool_view *view, size_t i)
{
	if (i == 0)
		return (struct iovec){(void *)(uintptr_t)view->trace,
				      view->trace_len};
	return view->body[i - 1];
}

static size_t piece_count(const struct spool_view *view)
{
	return view->body_count + 1;
}

static int queue_trace(struct outbound_session *s)
{
	const struct spool_view *view = s->delivery->view;

	if (view->trace_len > TRACE_COPIED)
		return ktls_stream_send(&s->stream, view->trace,
					view->trace_len);
	return ktls_stream_write(&s->stream, view->trace, view->trace_len);
}

/* Without places a view is in memory only. */
static int queue_piece(struct outbound_session *s, size_t i)
{
	const struct spool_view *view = s->delivery->view;
	const struct spool_place nowhere = {.fd = -1};
	const struct spool_place *place;
	struct ktls_file_range range;

	if (i == 0)
		return queue_trace(s);
	place = view->places ? &view->places[i - 1] : &nowhere;
	range = (struct ktls_file_range){
		.fd = place->fd,
		.block = place->block,
		.offset = place->offset,
		.len = view->body[i - 1].iov_len,
		.base = view->body[i - 1].iov_base,
	};
	return ktls_stream_send_file(&s->stream, &range);
}

/* Queue as many pieces as the stream has room for. */
static int queue_pieces(struct outbound_session *s)
{
	const struct spool_view *view = s->delivery->view;

	for (; s->body.piece < piece_count(view); s->body.piece++) {
		int r;

		if (piece_at(view, s->body.piece).iov_len == 0)
			continue;
		r = queue_piece(s, s->body.piece);
		if (r == -ENOBUFS)
			return 0;
		if (r < 0 && r != -EPIPE) /* -EPIPE: its event is coming */
			return r;
	}
	return 1;
}

/* The last two octets of the stored message decide how DATA ends. */
static const char *data_end(const struct spool_view *view)
{
	unsigned char tail[2] = {0, 0};
	size_t have = 0;

	for (size_t i = piece_count(view); i-- > 0 && have < 2;) {
		struct iovec piece = piece_at(view, i);
		const unsigned char *bytes = piece.iov_base;

		for (size_t n = piece.iov_len; n > 0 && have < 2; n--)
			tail[have++] = bytes[n - 1];
	}
	return tail[0] == '\n' && tail[1] == '\r' ? ".\r\n" : "\r\n.\r\n";
}

static int queue_end(struct outbound_session *s, const char *end)
{
	int r = ktls_stream_write(&s->stream, end, strlen(end));

	if (r == -ENOBUFS)
		return 0;
	return r < 0 && r != -EPIPE ? r : 1;
}

/* Stuff at most one block into @out; the cursor moves. Returns its length. */
static size_t stuff_block(struct outbound_session *s, char *out)
{
	const struct spool_view *view = s->delivery->view;
	struct outbound_body *body = &s->body;
	size_t used = 0;

	while (body->piece < piece_count(view) && used + 1 < STUFF_BLOCK) {
		struct iovec piece = piece_at(view, body->piece);
		const unsigned char *from = piece.iov_base;
		size_t left = piece.iov_len - body->offset;
		size_t room = STUFF_BLOCK - used - 1;
		bool dot = false;
		size_t run = smtp_stuff_run(&body->stuff, from + body->offset,
					    left < room ? left : room, &dot);

		memcpy(out + used, from + body->offset, run);
		used += run;
		body->offset += run;
		if (dot)
			out[used++] = '.';
		if (body->offset == piece.iov_len) {
			body->piece++;
			body->offset = 0;
		}
	}
	return used;
}

static int queue_stuffed(struct outbound_session *s)
{
	char *block;
	size_t len;

	if (s->body.piece == piece_count(s->delivery->view))
		return queue_end(s, smtp_stuff_end(&s->body.stuff));
	block = outbound_scratch(s->pool, STUFF_BLOCK);
	if (!block)
		return -ENOMEM;
	len = stuff_block(s, block);
	if (len > 0) {
		int r = ktls_stream_write(&s->stream, block, len);

		/* The queue is empty here (begin, or WRITTEN). */
		assert(r != -ENOBUFS);
		if (r < 0 && r != -EPIPE)
			return r;
		return 0;
	}
	return queue_end(s, smtp_stuff_end(&s->body.stuff));
}

int outbound_body_queue(struct outbound_session *s)
{
	int r;

	if (s->body.piece == 0 && s->body.offset == 0)
		if (outbound_traced(s))
			outbound_trace_body(s);
	if (s->transfer == OUTBOUND_DATA_DOTS)
		return queue_stuffed(s);
	r = queue_pieces(s);
	if (r == 1 && s->transfer == OUTBOUND_DATA)
		return queue_end(s, data_end(s->delivery->view));
	return r;
}
