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

/*
 * A kernel that can rekey (mainline 6.14) would be given the next generation
 * of keys here, RX at once and TX behind an answer; until the stream keeps
 * the secrets for that, a peer that changes keys is left in order.
 */
static enum kstream_state control_key_update(struct ktls_stream_private *p)
{
	return kstream_fail(p, KTLS_FAILURE_REKEY, 0, NULL);
}

static enum kstream_state control_message(struct ktls_stream_private *p,
					  uint8_t type)
{
	bool tls13 = p->agreed->version == KTLS_TLS_1_3;

	if (tls13 && type == MESSAGE_KEY_UPDATE)
		return control_key_update(p);
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

/* Messages may be cut anywhere, by records and by pieces of records. */
static enum kstream_state control_handshake(struct ktls_stream_private *p,
					    const unsigned char *data,
					    size_t len)
{
	struct kstream_messages *m = &p->messages;
	enum kstream_state next = p->state;

	while (len > 0 && next == p->state) {
		size_t n = m->left < len ? m->left : len;

		data += n;
		len -= n;
		m->left -= (uint32_t)n;
		if (len == 0)
			break;
		m->header[m->have++] = *data++;
		len--;
		if (m->have < sizeof(m->header))
			continue;
		m->have = 0;
		m->left = (uint32_t)m->header[1] << 16 |
			  (uint32_t)m->header[2] << 8 | m->header[3];
		next = control_message(p, m->header[0]);
	}
	return next;
}

enum kstream_state kstream_control(struct ktls_stream_private *p, uint8_t type,
				   const unsigned char *data, size_t len)
{
	assert(p->agreed && type != KTLS_APPLICATION_DATA);
	if (len == 0)
		return control_bad(p, "empty record");
	if (++p->messages.count > KSTREAM_CONTROL_RECORDS)
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
