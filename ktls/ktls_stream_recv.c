/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receiving.
 *
 *   raw     single-shot into a buffer of the group, so that no receive
 *           reaches past a STARTTLS
 *   record  exactly one record into the reader, then through the engine
 *   engine  multishot; buffers wait in the inbox and go through the engine as
 *           the owner reads
 *   kernel  multishot recvmsg with a control area that names each piece's
 *           record type; decrypted buffers wait in the inbox
 *
 * Unread bytes stop the receiving: at once where it is single-shot, after a
 * few buffers where it is multishot.
 */
#include <assert.h>
#include <errno.h>
#include <linux/tls.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "ktls/ktls_stream_private.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

void kstream_event_drop(const struct uring_event *ev)
{
	struct uring_buf buf = ev->buf;

	uring_buf_return(&buf);
}

bool kstream_unread(const struct ktls_stream_private *p)
{
	return p->block || p->inbox.count > 0;
}

void kstream_recv_drop(struct ktls_stream_private *p)
{
	kstream_inbox_clear(&p->inbox);
	free(p->block);
	p->block = NULL;
}

void kstream_recv_cancel(struct ktls_stream_private *p)
{
	if (!p->ops.recv || p->recv_cancelled)
		return;
	p->recv_cancelled = true;
	uring_op_cancel(p->env->ring, p->ops.recv);
}

void kstream_recv_unwait(struct ktls_stream_private *p)
{
	if (p->waiter.next)
		uring_bufs_unwait(p->env->bufs, &p->waiter);
}

static bool recv_wanted(const struct ktls_stream_private *p)
{
	if (p->ops.recv || p->waiter.next || p->end == KSTREAM_END_FIN)
		return false;
	if (p->state == KSTREAM_LINGERING)
		return true;
	if (p->state == KSTREAM_HANDSHAKE) /* what raced start_tls first */
		return p->inbox.count == 0;
	if (p->state != KSTREAM_PLAIN && p->state != KSTREAM_SECURE)
		return false;
	return p->end == KSTREAM_END_OPEN && !p->paused && !kstream_unread(p);
}

/* Behind keys that can't be followed there is nothing to be read, and the
 * kernel would count each attempt as an attack. */
static bool recv_is_deaf(const struct ktls_stream_private *p)
{
	return p->state == KSTREAM_LINGERING &&
	       p->failure == KTLS_FAILURE_REKEY &&
	       p->path[KTLS_RX] == KSTREAM_KERNEL;
}

static struct uring_op *recv_arm_path(struct ktls_stream_private *p,
				      bool multishot)
{
	struct uring_target target = kstream_target(p, KSTREAM_IN_RECV);

	if (recv_is_deaf(p))
		p->end = KSTREAM_END_DEAF;
	if (p->end == KSTREAM_END_DEAF)
		return uring_poll(p->env->ring, target, p->fd, POLLRDHUP);
	if (p->path[KTLS_RX] == KSTREAM_KERNEL)
		return uring_recvmsg_group(
			p->env->ring, target, p->fd, p->env->bufs,
			CMSG_SPACE(sizeof(uint8_t)), multishot);
	if (p->reader && p->state != KSTREAM_LINGERING)
		return kstream_reader_arm(p);
	return uring_recv_group(p->env->ring, target, p->fd, p->env->bufs,
				multishot);
}

/* One piece, if one is there. */
static struct uring_op *recv_now(struct ktls_stream_private *p)
{
	return uring_recvmsg_group_now(
		p->env->ring, kstream_target(p, KSTREAM_IN_RECV), p->fd,
		p->env->bufs, CMSG_SPACE(sizeof(uint8_t)));
}

struct uring_op *kstream_recv_one(struct ktls_stream_private *p)
{
	p->taking = KSTREAM_TAKING_BYTES;
	return p->path[KTLS_RX] == KSTREAM_KERNEL ? recv_now(p)
						  : recv_arm_path(p, false);
}

static struct uring_op *recv_arm_sparing(struct ktls_stream_private *p)
{
	struct uring_op *poll = kstream_sparing_poll(p);

	if (poll || p->taking == KSTREAM_TAKING_POLL)
		return poll;
	return recv_now(p);
}

/* Elsewhere receives are single-shot anyway, or bytes are not the socket's. */
static bool recv_sparing(const struct ktls_stream_private *p)
{
	return p->sparing && p->state == KSTREAM_SECURE &&
	       p->path[KTLS_RX] == KSTREAM_KERNEL &&
	       kstream_sparing_possible(p);
}

static struct uring_op *recv_arm_any(struct ktls_stream_private *p)
{
	if (recv_sparing(p))
		return recv_arm_sparing(p);
	p->taking = KSTREAM_TAKING_BYTES;
	return recv_arm_path(p, p->state == KSTREAM_SECURE ||
					p->state == KSTREAM_LINGERING);
}

enum kstream_state kstream_recv_arm(struct ktls_stream_private *p)
{
	if (kstream_splice_takes(p))
		return kstream_splice_take(p);
	if (!recv_wanted(p) || (recv_sparing(p) && kstream_sparing_rests(p)))
		return p->state;
	p->ops.recv = recv_arm_any(p);
	if (p->ops.recv)
		return p->state;
	p->taking = KSTREAM_TAKING_BYTES;
	return kstream_fail(p, KTLS_FAILURE_INTERNAL, ENOBUFS,
			    "too many operations in flight");
}

/*
 * Kernel TLS leaves the failure in the socket's error, where the next send
 * would find it and break off for good; whoever reads it clears it. So a last
 * alert still gets through.
 */
static void recv_clear_error(const struct ktls_stream_private *p)
{
	int error;
	socklen_t len = sizeof(error);

	getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &len);
}

static enum kstream_state recv_bad_record(struct ktls_stream_private *p,
					  int error)
{
	recv_clear_error(p);
	kstream_alert_fatal(p, error == EMSGSIZE
				       ? KSTREAM_ALERT_RECORD_OVERFLOW
				       : KSTREAM_ALERT_BAD_RECORD_MAC);
	return kstream_fail(p, KTLS_FAILURE_RECORD, error, NULL);
}

enum kstream_state kstream_recv_error(struct ktls_stream_private *p, int error)
{
	switch (error) {
	case ECANCELED:
	case EINTR:
	case EAGAIN:
		return p->state;
	case ENOBUFS:
		uring_bufs_wait(p->env->bufs, &p->waiter);
		return p->state;
	case EBADMSG:
	case EMSGSIZE:
	case EINVAL:
	case EIO:
		if (p->path[KTLS_RX] == KSTREAM_KERNEL)
			return recv_bad_record(p, error);
		break;
	case EKEYEXPIRED:
		/* else a KeyUpdate cut into records, which kernels can't join */
		if (kstream_rekey_expired(p))
			return p->state;
		return kstream_fail(p, KTLS_FAILURE_REKEY, error, NULL);
	default:
		break;
	}
	return kstream_fail(p, KTLS_FAILURE_IO, error, NULL);
}

/* Takes the event's buffer. */
enum kstream_state kstream_recv_keep(struct ktls_stream_private *p,
				     const struct uring_event *ev)
{
	int scarce = kstream_inbox_push(&p->inbox, &ev->buf);

	if (scarce < 0)
		return kstream_fail(p, KTLS_FAILURE_INTERNAL, ENOMEM, NULL);
	if (scarce || p->inbox.count > KSTREAM_UNREAD_BUFS)
		kstream_recv_cancel(p);
	return p->state;
}

/* Bytes for the owner as they are. */
static enum kstream_state recv_data(struct ktls_stream_private *p,
				    const struct uring_event *ev)
{
	p->bytes_in += ev->buf.len;
	if (p->path[KTLS_RX] == KSTREAM_KERNEL)
		kstream_rekey_count(p, KTLS_RX, ev->buf.len);
	kstream_say(p, KTLS_EVENT_READABLE);
	return kstream_recv_keep(p, ev);
}

void kstream_recv_ended(struct ktls_stream_private *p, enum kstream_end end)
{
	p->end = end;
	kstream_recv_cancel(p);
	kstream_say(p, KTLS_EVENT_EOF);
}

enum kstream_state kstream_recv_fin(struct ktls_stream_private *p)
{
	if (p->state == KSTREAM_PLAIN) {
		kstream_recv_ended(p, KSTREAM_END_FIN);
		return p->state;
	}
	p->end = KSTREAM_END_FIN;
	return kstream_fail(p, KTLS_FAILURE_TRUNCATED, 0, NULL);
}

enum kstream_state kstream_plain_recv(struct ktls_stream_private *p,
				      const struct uring_event *ev)
{
	if (p->taking != KSTREAM_TAKING_BYTES)
		return kstream_splice_took(p, ev);
	if (ev->res > 0)
		return recv_data(p, ev);
	kstream_event_drop(ev);
	if (ev->res < 0)
		return kstream_recv_error(p, -ev->res);
	return kstream_recv_fin(p);
}

/*
 * The record type that the kernel put beside a piece; -1: it found no room.
 * Data needs none. 5.10 names the type of data twice when a piece begins with
 * the rest of an earlier record: MSG_CTRUNC is the second one's, and the
 * first holds for all of the piece.
 */
static int kernel_record_type(const struct uring_event *ev)
{
	struct cmsghdr header;
	uint8_t type;

	if (ev->control_len < CMSG_LEN(sizeof(type)))
		return ev->msg_flags & MSG_CTRUNC ? -1 : KTLS_APPLICATION_DATA;
	memcpy(&header, ev->control, sizeof(header));
	if (header.cmsg_level != SOL_TLS ||
	    header.cmsg_type != TLS_GET_RECORD_TYPE ||
	    header.cmsg_len < CMSG_LEN(sizeof(type)))
		return KTLS_APPLICATION_DATA;
	memcpy(&type, (const unsigned char *)ev->control + CMSG_LEN(0),
	       sizeof(type));
	return type;
}

static enum kstream_state kernel_control(struct ktls_stream_private *p,
					 const struct uring_event *ev, int type)
{
	enum kstream_state next;

	if (type < 0)
		next = kstream_fail(p, KTLS_FAILURE_RECORD, 0,
				    "record without a type");
	else
		next = kstream_control(p, (uint8_t)type, ev->buf.data,
				       ev->res > 0 ? ev->buf.len : 0);
	kstream_event_drop(ev);
	return next;
}

/* 5.10 gives a record without data as nothing, but names its type, which an
 * end has not. Later kernels pass over it. */
static bool kernel_empty_record(const struct uring_event *ev)
{
	return ev->res == 0 && ev->control_len >= CMSG_LEN(sizeof(uint8_t));
}

static enum kstream_state kernel_recv(struct ktls_stream_private *p,
				      const struct uring_event *ev)
{
	int type = kernel_record_type(ev);

	if (ev->res >= 0 && type != KTLS_APPLICATION_DATA)
		return kernel_control(p, ev, type);
	if (ev->res > 0)
		return recv_data(p, ev);
	kstream_event_drop(ev);
	if (ev->res < 0)
		return kstream_recv_error(p, -ev->res);
	if (kernel_empty_record(ev))
		return p->state;
	return kstream_recv_fin(p);
}

static void recv_tried(struct ktls_stream_private *p,
		       const struct uring_event *ev)
{
	if (ev->res == -EAGAIN)
		kstream_sparing_nothing(p);
	else if (ev->res >= 0)
		kstream_sparing_something(p);
}

enum kstream_state kstream_secure_recv(struct ktls_stream_private *p,
				       const struct uring_event *ev)
{
	if (p->taking != KSTREAM_TAKING_BYTES)
		return kstream_splice_took(p, ev);
	/* behind close_notify nothing counts any more */
	if (p->end != KSTREAM_END_OPEN)
		return kstream_discard_recv(p, ev);
	switch (p->path[KTLS_RX]) {
	case KSTREAM_RECORD:
		return kstream_record_recv(p, ev);
	case KSTREAM_ENGINE:
		return kstream_engine_recv(p, ev);
	case KSTREAM_KERNEL:
		recv_tried(p, ev);
		return kernel_recv(p, ev);
	case KSTREAM_RAW:
		break;
	}
	assert(!"a secure stream receives on a TLS path");
	return p->state;
}

enum kstream_state kstream_discard_recv(struct ktls_stream_private *p,
					const struct uring_event *ev)
{
	if (p->taking != KSTREAM_TAKING_BYTES) {
		kstream_splice_left(p, ev);
		return p->state;
	}
	kstream_event_drop(ev);
	if (ev->res > 0)
		p->lingered += (size_t)ev->res;
	if (ev->res == 0 && !ev->more)
		p->end = KSTREAM_END_FIN;
	if (ev->res == -EBADMSG)
		recv_clear_error(p);
	return p->state;
}

/* Unread bytes in the inbox are the owner's only when nobody has to decrypt
 * them. */
static bool recv_inbox_readable(const struct ktls_stream_private *p)
{
	if (p->state == KSTREAM_PLAIN)
		return true;
	if (p->state != KSTREAM_SECURE && p->state != KSTREAM_FAILED)
		return false;
	return p->path[KTLS_RX] == KSTREAM_RAW ||
	       p->path[KTLS_RX] == KSTREAM_KERNEL;
}

size_t kstream_recv_peek(struct ktls_stream_private *p,
			 const unsigned char **data)
{
	if (p->block) {
		*data = p->block->data + p->block->start;
		return p->block->end - p->block->start;
	}
	if (!recv_inbox_readable(p))
		return 0;
	return kstream_inbox_peek(&p->inbox, data);
}

void kstream_recv_consume(struct ktls_stream_private *p, size_t len)
{
	if (!p->block) {
		assert(recv_inbox_readable(p));
		kstream_inbox_drop(&p->inbox, len);
		return;
	}
	assert(len <= p->block->end - p->block->start);
	p->block->start += len;
	if (p->block->start < p->block->end)
		return;
	if (p->state == KSTREAM_SECURE && p->path[KTLS_RX] == KSTREAM_ENGINE)
		return; /* the refill that follows uses or frees it */
	free(p->block);
	p->block = NULL;
}
