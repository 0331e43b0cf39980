/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: the owner's calls. The states they lead through are in
 * ktls_stream_states.c.
 */
#include "ktls/ktls_stream.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "ktls/ktls_stream_private.h"

static void stream_set_nodelay(const struct ktls_env *env, int fd)
{
	int one = 1;

	/* only a hint: a socket that is no TCP socket goes on without */
	env->kernel->setsockopt(env->kernel, fd, IPPROTO_TCP, TCP_NODELAY, &one,
				sizeof(one));
}

static struct ktls_stream_private *stream_make(struct ktls_stream *stream,
					       const struct ktls_env *env,
					       int fd, ktls_stream_fn fn,
					       void *owner)
{
	struct ktls_stream_private *p = calloc(1, sizeof(*p));

	assert(!stream->p && env && fd >= 0 && fn);
	if (!p) {
		close(fd);
		return NULL;
	}
	p->stream = stream;
	p->env = env;
	p->fd = fd;
	p->fn = fn;
	p->owner = owner;
	p->may_send = KSTREAM_SENDS_ALL;
	p->clear_left = SIZE_MAX;
	for (unsigned dir = 0; dir < KTLS_DIRECTIONS; dir++) {
		p->reason[dir] = KTLS_REASON_PLAIN;
		p->expected[dir] = UINT64_MAX;
	}
	kstream_drive(p);
	stream->p = p;
	stream_set_nodelay(env, fd);
	kstream_kick(p);
	return p;
}

int ktls_stream_open(struct ktls_stream *stream, const struct ktls_env *env,
		     int fd, ktls_stream_fn fn, void *owner)
{
	struct ktls_stream_private *p = stream_make(stream, env, fd, fn, owner);

	if (!p)
		return -ENOMEM;
	p->state = KSTREAM_PLAIN;
	return 0;
}

int ktls_stream_connect(struct ktls_stream *stream, const struct ktls_env *env,
			int fd, const struct sockaddr *addr, socklen_t len,
			ktls_stream_fn fn, void *owner)
{
	struct ktls_stream_private *p = stream_make(stream, env, fd, fn, owner);

	if (!p)
		return -ENOMEM;
	p->state = KSTREAM_CONNECTING;
	p->ops.life =
		uring_connect(env->ring, kstream_target(p, KSTREAM_IN_CONNECT),
			      fd, addr, len);
	if (!p->ops.life)
		kstream_set_state(p, kstream_fail(p, KTLS_FAILURE_INTERNAL,
						  ENOBUFS, NULL));
	return 0;
}

int ktls_stream_start_tls(struct ktls_stream *stream, struct ktls_ctx *ctx,
			  const struct ktls_engine_config *config,
			  enum ktls_offload offload)
{
	struct ktls_stream_private *p = stream->p;
	int error;

	if (p->state == KSTREAM_CONNECTING)
		return -ENOTCONN;
	if (p->state == KSTREAM_FLUSHING || p->state == KSTREAM_HANDSHAKE ||
	    p->state == KSTREAM_FINISHING || p->state == KSTREAM_SECURE)
		return -EALREADY;
	if (p->state != KSTREAM_PLAIN)
		return -EPIPE;
	if (kstream_unread(p))
		return -EBADMSG;
	if (p->end != KSTREAM_END_OPEN)
		return -EPIPE;
	error = ktls_engine_create(ctx, config, &p->engine);
	if (error < 0)
		return error;
	p->role = ktls_ctx_role(ctx);
	p->offload = offload;
	p->clear_left = kstream_queue_bytes(p->queue);
	kstream_recv_cancel(p);
	kstream_recv_unwait(p);
	kstream_set_state(p, KSTREAM_FLUSHING);
	kstream_kick(p);
	return 0;
}

size_t ktls_stream_peek(struct ktls_stream *stream, const unsigned char **data)
{
	return kstream_recv_peek(stream->p, data);
}

void ktls_stream_consume(struct ktls_stream *stream, size_t len)
{
	struct ktls_stream_private *p = stream->p;

	if (len == 0)
		return;
	kstream_recv_consume(p, len);
	if (p->state == KSTREAM_SECURE)
		kstream_set_state(p, kstream_recv_refill(p));
	if (p->pending || !kstream_unread(p))
		kstream_kick(p);
}

void ktls_stream_pause(struct ktls_stream *stream)
{
	struct ktls_stream_private *p = stream->p;

	p->paused = true;
	if (p->state == KSTREAM_SECURE && p->path[KTLS_RX] != KSTREAM_RECORD)
		kstream_recv_cancel(p);
}

void ktls_stream_resume(struct ktls_stream *stream)
{
	stream->p->paused = false;
	kstream_kick(stream->p);
}

int ktls_stream_spare(struct ktls_stream *stream, bool on)
{
	struct ktls_stream_private *p = stream->p;

	if (!p)
		return 0;
	if (!on && p->sparing) {
		p->sparing->asked = false;
		if (!p->forward) /* which ends it itself */
			kstream_sparing_off(p, false);
	}
	if (!on)
		return 0;
	if (!kstream_sparing_on(p))
		return -ENOMEM;
	p->sparing->asked = true;
	return 0;
}

/* A peer whose new keys can't be followed still reads us: what ends the
 * conversation can be said. */
static bool stream_takes_output(const struct ktls_stream_private *p)
{
	return p->state < KSTREAM_FAILED ||
	       (p->state == KSTREAM_FAILED && p->failure == KTLS_FAILURE_REKEY);
}

int kstream_write(struct ktls_stream_private *p, const void *data, size_t len,
		  bool copy)
{
	int error;

	if (!stream_takes_output(p))
		return -EPIPE;
	if (len > 0) {
		error = kstream_queue_push(&p->queue, data, len, copy);
		if (error < 0)
			return error;
	}
	p->written_due = true;
	kstream_kick(p);
	return 0;
}

int ktls_stream_write(struct ktls_stream *stream, const void *data, size_t len)
{
	assert(!stream->p->forward || stream->p->forward->to != stream->p);
	return kstream_write(stream->p, data, len, true);
}

int ktls_stream_send(struct ktls_stream *stream, const void *data, size_t len)
{
	assert(!stream->p->forward || stream->p->forward->to != stream->p);
	return kstream_write(stream->p, data, len, false);
}

int ktls_stream_send_file(struct ktls_stream *stream,
			  const struct ktls_file_range *range)
{
	struct ktls_stream_private *p = stream->p;
	int error;

	assert(range->offset <= INT64_MAX - range->len);
	if (p->state >= KSTREAM_FAILED)
		return -EPIPE;
	if (!range->base && (range->fd < 0 || !p->env->paths))
		return -EINVAL;
	if (range->len > 0) {
		error = kstream_queue_push_file(&p->queue, range);
		if (error < 0)
			return error;
	}
	p->written_due = true;
	kstream_kick(p);
	return 0;
}

void ktls_stream_expect(struct ktls_stream *stream, enum ktls_direction dir,
			uint64_t bytes)
{
	assert((unsigned)dir < KTLS_DIRECTIONS);
	stream->p->expected[dir] = bytes;
}

static enum kstream_state stream_close_next(const struct ktls_stream_private *p,
					    enum ktls_close how)
{
	if (p->state >= KSTREAM_TEARDOWN)
		return p->state;
	if (how == KTLS_CLOSE_ABORT || p->state == KSTREAM_CONNECTING ||
	    p->may_send == KSTREAM_SENDS_NOTHING)
		return KSTREAM_TEARDOWN;
	return p->state < KSTREAM_DRAINING ? KSTREAM_DRAINING : p->state;
}

void ktls_stream_close(struct ktls_stream *stream, enum ktls_close how)
{
	struct ktls_stream_private *p = stream->p;

	if (!p)
		return;
	kstream_forward_leave(p);
	kstream_set_state(p, stream_close_next(p, how));
	kstream_kick(p);
}
