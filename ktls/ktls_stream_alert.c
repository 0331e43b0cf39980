/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alerts and other records of their own type through kernel TLS: the type is
 * said by control data (Documentation/networking/tls.rst, "Send TLS control
 * messages"). With sending in OpenSSL alerts are the engine's output.
 */
#include <assert.h>
#include <errno.h>
#include <linux/tls.h>
#include <poll.h>
#include <string.h>

#include "ktls/ktls_stream_private.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

enum {
	LEVEL_WARNING = 1,
	LEVEL_FATAL = 2,
};

union record_control {
	char bytes[CMSG_SPACE(sizeof(uint8_t))];
	struct cmsghdr align;
};

void kstream_alert_fatal(struct ktls_stream_private *p, uint8_t description)
{
	if (p->path[KTLS_TX] != KSTREAM_KERNEL)
		return;
	p->alert.level = LEVEL_FATAL;
	p->alert.description = description;
	p->alert.due = true;
}

void kstream_alert_close_notify(struct ktls_stream_private *p)
{
	switch (p->path[KTLS_TX]) {
	case KSTREAM_ENGINE:
		ktls_engine_shutdown(p->engine);
		break;
	case KSTREAM_KERNEL:
		p->alert.level = LEVEL_WARNING;
		p->alert.description = KSTREAM_ALERT_CLOSE_NOTIFY;
		p->alert.due = true;
		break;
	case KSTREAM_RAW:
	case KSTREAM_RECORD:
		break;
	}
}

static void record_control_fill(union record_control *control, uint8_t type)
{
	memset(control, 0, sizeof(*control));
	control->align.cmsg_level = SOL_TLS;
	control->align.cmsg_type = TLS_SET_RECORD_TYPE;
	control->align.cmsg_len = CMSG_LEN(sizeof(uint8_t));
	*CMSG_DATA(&control->align) = type;
}

/* The first io_uring refuses control data: two bytes by the system call then,
 * once the socket takes them. */
static void alert_by_call(struct ktls_stream_private *p)
{
	union record_control control;
	struct iovec iov = {.iov_base = &p->alert, .iov_len = 2};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};

	record_control_fill(&control, KTLS_ALERT);
	p->alert.due = false;
	if (sendmsg(p->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ||
	    errno != EAGAIN)
		return;
	p->ops.send =
		uring_poll(p->env->ring, kstream_target(p, KSTREAM_IN_SEND),
			   p->fd, POLLOUT);
	p->sending = KSTREAM_SENDING_ALERT;
	p->alert.due = p->ops.send != NULL;
}

void kstream_record_send(struct ktls_stream_private *p, uint8_t type,
			 void *data, size_t len)
{
	union record_control control;
	struct iovec iov = {.iov_base = data, .iov_len = len};

	assert(p->path[KTLS_TX] == KSTREAM_KERNEL && !p->ops.send);
	record_control_fill(&control, type);
	p->ops.send = uring_sendmsg(
		p->env->ring, kstream_target(p, KSTREAM_IN_SEND), p->fd, &iov,
		1, control.bytes, sizeof(control.bytes), MSG_NOSIGNAL);
}

void kstream_alert_send(struct ktls_stream_private *p)
{
	static_assert(offsetof(struct kstream_alert, description) == 1,
		      "level and description are the record's two bytes");
	assert(p->alert.due && !p->ops.send);
	if (!uring_caps(p->env->ring)->sendmsg_control) {
		alert_by_call(p);
		return;
	}
	kstream_record_send(p, KTLS_ALERT, &p->alert, 2);
	p->sending = KSTREAM_SENDING_ALERT;
	p->alert.due = false;
}

void kstream_alert_sent(struct ktls_stream_private *p,
			const struct uring_event *ev)
{
	/* a poll has left it due; else its fate is of no consequence: FIN or
	 * the failure follow in any case */
	if (ev->res == -EINTR || ev->res == -EAGAIN)
		p->alert.due = true;
}
