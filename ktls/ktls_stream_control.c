/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records that are not application data, as kernel TLS hands them up: alerts
 * (RFC 8446 section 6, RFC 5246 section 7.2) and handshake messages after the
 * handshake (RFC 8446 section 4.6).
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "ktls/ktls_stream_private.h"

enum {
	ALERT_WARNING = 1,
};

enum {
	MESSAGE_HELLO_REQUEST = 0,
	MESSAGE_CLIENT_HELLO = 1,
	MESSAGE_NEW_SESSION_TICKET = 4,
	MESSAGE_KEY_UPDATE = 24,
};

static enum kstream_state control_bad(struct ktls_stream_private *p,
				      const char *text)
{
	kstream_alert_fatal(p, KSTREAM_ALERT_UNEXPECTED_MESSAGE);
	return kstream_fail(p, KTLS_FAILURE_RECORD, 0, text);
}

/* In TLS 1.3 the level says nothing: all but two are fatal. */
static bool alert_harmless(const struct ktls_stream_private *p, uint8_t level,
			   uint8_t description)
{
	if (p->agreed->version == KTLS_TLS_1_3)
		return description == KSTREAM_ALERT_USER_CANCELED;
	return level == ALERT_WARNING;
}

static enum kstream_state control_alert(struct ktls_stream_private *p,
					const unsigned char *data, size_t len)
{
	char text[80];

	if (len != 2)
		return control_bad(p, "malformed alert");
	if (data[1] == KSTREAM_ALERT_CLOSE_NOTIFY) {
		kstream_recv_ended(p, KSTREAM_END_NOTIFY);
		return p->state;
	}
	if (alert_harmless(p, data[0], data[1]))
		return p->state;
	snprintf(text, sizeof(text), "peer sent alert %u: %s", data[1],
		 ktls_alert_name(data[1]));
	return kstream_fail(p, KTLS_FAILURE_ALERT, 0, text);
}

/* The message has to end its record, for what follows is under other keys
 * (RFC 8446 section 5.1), and says whether we shall change ours. */
static enum kstream_state control_key_update(struct ktls_stream_private *p,
					     const unsigned char *data,
					     size_t len)
{
	if (data[0] > 1) {
		kstream_alert_fatal(p, KSTREAM_ALERT_ILLEGAL_PARAMETER);
		return kstream_fail(p, KTLS_FAILURE_RECORD, 0,
				    "malformed KeyUpdate");
	}
	if (len > 1)
		return control_bad(p, "KeyUpdate inside a record");
	return kstream_rekey_received(p, data[0] == 1);
}

/* A message's header is there. */
static enum kstream_state control_message(struct ktls_stream_private *p)
{
	bool tls13 = p->agreed->version == KTLS_TLS_1_3;
	uint8_t type = p->messages.header[0];

	if (tls13 && type == MESSAGE_KEY_UPDATE)
		return p->messages.left == 1
			       ? p->state
			       : control_bad(p, "malformed KeyUpdate");
	/* A late ticket is of no use: OpenSSL is gone. */
	if (tls13 && type == MESSAGE_NEW_SESSION_TICKET &&
	    p->role == KTLS_CLIENT)
		return p->state;
	/* RFC 5246 section 7.4.1.1: may be ignored. */
	if (!tls13 && type == MESSAGE_HELLO_REQUEST && p->role == KTLS_CLIENT)
		return p->state;
	if (!tls13 && type == MESSAGE_CLIENT_HELLO && p->role == KTLS_SERVER)
		return control_bad(p, "peer asked to renegotiate");
	return control_bad(p, "unexpected handshake message");
}

/* One byte more of a message's header. */
static enum kstream_state control_header(struct ktls_stream_private *p,
					 unsigned char byte)
{
	struct kstream_messages *m = &p->messages;

	m->header[m->have++] = byte;
	if (m->have < sizeof(m->header))
		return p->state;
	m->have = 0;
	m->left = (uint32_t)m->header[1] << 16 | (uint32_t)m->header[2] << 8 |
		  m->header[3];
	return control_message(p);
}

/* Messages may be cut anywhere, by records and by pieces of records. */
static enum kstream_state control_handshake(struct ktls_stream_private *p,
					    const unsigned char *data,
					    size_t len)
{
	struct kstream_messages *m = &p->messages;
	enum kstream_state next = p->state;

	while (len > 0 && next == p->state) {
		size_t n = m->left < len ? m->left : len;

		if (n == 0)
			next = control_header(p, *data);
		else if (m->header[0] == MESSAGE_KEY_UPDATE)
			next = control_key_update(p, data, len);
		m->left -= (uint32_t)n;
		data += n > 0 ? n : 1;
		len -= n > 0 ? n : 1;
	}
	return next;
}

/* Each costs us work, and a KeyUpdate a change of keys. */
static bool control_flood(struct ktls_stream_private *p)
{
	struct kstream_messages *m = &p->messages;
	uint64_t seen = (p->bytes_in + p->bytes_out) / KSTREAM_CONTROL_BYTES +
			uring_now(p->env->ring) / KSTREAM_CONTROL_NS;
	uint64_t earned = seen - m->seen;

	m->seen = seen;
	m->spent = earned < m->spent ? (uint8_t)(m->spent - earned) : 0;
	return m->spent++ >= KSTREAM_CONTROL_RECORDS;
}

enum kstream_state kstream_control(struct ktls_stream_private *p, uint8_t type,
				   const unsigned char *data, size_t len)
{
	assert(p->agreed && type != KTLS_APPLICATION_DATA);
	if (len == 0)
		return control_bad(p, "empty record");
	if (control_flood(p))
		return control_bad(p, "too many control records");
	switch (type) {
	case KTLS_ALERT:
		return control_alert(p, data, len);
	case KTLS_HANDSHAKE:
		return control_handshake(p, data, len);
	default:
		return control_bad(p, "unexpected record type");
	}
}
