/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alerts through kernel TLS: a record of their own type, said by control data
 * (Documentation/networking/tls.rst, "Send TLS control messages"). With
 * sending in OpenSSL they are the engine's output.
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

union alert_control {
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

static void alert_control_fill(union alert_control *control)
{
	memset(control, 0, sizeof(*control));
	control->align.cmsg_level = SOL_TLS;
	control->align.cmsg_type = TLS_SET_RECORD_TYPE;
	control->align.cmsg_len = CMSG_LEN(sizeof(uint8_t));
	*CMSG_DATA(&control->align) = KTLS_ALERT;
}

/* The first io_uring refuses control data: two bytes by the system call then,
 * once the socket takes them. */
static void alert_by_call(struct ktls_stream_private *p, struct iovec *iov,
			  union alert_control *control)
{
	struct msghdr msg = {
		.msg_iov = iov,
		.msg_iovlen = 1,
		.msg_control = control->bytes,
		.msg_controllen = sizeof(control->bytes),
	};

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

void kstream_alert_send(struct ktls_stream_private *p)
{
	union alert_control control;
	struct iovec iov = {.iov_base = &p->alert, .iov_len = 2};

	static_assert(offsetof(struct kstream_alert, description) == 1,
		      "level and description are the record's two bytes");
	assert(p->alert.due && !p->ops.send);
	assert(p->path[KTLS_TX] == KSTREAM_KERNEL);
	alert_control_fill(&control);
	if (!uring_caps(p->env->ring)->sendmsg_control) {
		alert_by_call(p, &iov, &control);
		return;
	}
	p->ops.send = uring_sendmsg(
		p->env->ring, kstream_target(p, KSTREAM_IN_SEND), p->fd, &iov,
		1, control.bytes, sizeof(control.bytes), MSG_NOSIGNAL);
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
