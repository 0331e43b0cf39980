/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a delivery status notification. */
#include "gateway/bounce/dsn.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log/log.h"
#include "gateway/smtp/smtp_trace.h"

/* RFC 5322 2.1.1 allows 998; a reply is cut well before. */
#define LINE_TEXT_MAX 600
/* A header without an end is cut here. */
#define HEADER_MAX 65536

/* --- text --- */

static bool reserve(struct dsn_text *t, size_t len)
{
	size_t room = t->room ? t->room : 4096;
	char *more;

	if (t->failed || t->len + len <= t->room)
		return !t->failed;
	while (room < t->len + len)
		room *= 2;
	more = realloc(t->data, room);
	t->failed = !more;
	if (!more)
		return false;
	t->data = more;
	t->room = room;
	return true;
}

static void add_bytes(struct dsn_text *t, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	if (len == 0 || !reserve(t, len))
		return;
	for (size_t i = 0; i < len && !t->eight_bit; i++)
		t->eight_bit = bytes[i] >= 0x80;
	memcpy(t->data + t->len, data, len);
	t->len += len;
}

static void add(struct dsn_text *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add(struct dsn_text *t, const char *format, ...)
{
	char line[1024];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (len > 0)
		add_bytes(t, line,
			  (size_t)len < sizeof(line) ? (size_t)len
						     : sizeof(line) - 1);
}

/* What a peer said, on one line: no control characters, cut to a length. */
static const char *tame(const char *text, char buf[LINE_TEXT_MAX + 1])
{
	size_t len = 0;

	for (; text && *text && len < LINE_TEXT_MAX; text++) {
		unsigned char c = (unsigned char)*text;

		buf[len++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
	}
	buf[len] = '\0';
	return buf;
}

/* RFC 3463: the class must be 5 for a failure, also one by expiry, whose
 * reply was a 4xx (RFC 3464 section 2.3.4: 4.4.7 delivery time expired). */
static const char *status_of(const struct dsn_recipient *r)
{
	if (r->expired)
		return "4.4.7";
	if (r->status && r->status[0] == '5')
		return r->status;
	return "5.0.0";
}

/* --- parts --- */

static void add_header(struct dsn_text *t, const struct dsn *d,
		       const char *boundary)
{
	char date[SMTP_DATE_SIZE], id[LOG_ID_SIZE];

	log_id_text(d->queue_id, id);
	add(t, "Date: %s\r\n", smtp_date(d->now, date));
	add(t, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n",
	    d->hostname);
	add(t, "To: <%s>\r\n", d->view->envelope.reverse_path);
	add(t, "Subject: Undelivered mail returned to its sender\r\n");
	add(t, "Message-ID: <dsn.%s.%llu@%s>\r\n", id,
	    (unsigned long long)d->now, d->hostname);
	add(t, "Auto-Submitted: auto-replied\r\n"); /* RFC 3834 */
	add(t, "MIME-Version: 1.0\r\n");
	add(t,
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n"
	    "\tboundary=\"%s\"\r\n",
	    boundary);
	/* What is returned may be 8-bit; saying so is allowed for 7-bit, too. */
	add(t, "Content-Transfer-Encoding: 8bit\r\n\r\n");
	add(t, "This is a MIME-encapsulated message.\r\n\r\n");
}

static void add_people(struct dsn_text *t, const struct dsn *d,
		       const char *boundary)
{
	char buf[LINE_TEXT_MAX + 1], date[SMTP_DATE_SIZE], id[LOG_ID_SIZE];

	log_id_text(d->queue_id, id);
	add(t, "--%s\r\n", boundary);
	add(t, "Content-Description: Notification\r\n"
	       "Content-Type: text/plain; charset=utf-8\r\n"
	       "Content-Transfer-Encoding: 8bit\r\n\r\n");
	add(t, "This is the mail relay at %s.\r\n\r\n", d->hostname);
	add(t,
	    "Your message of %s\r\n"
	    "(queue id %s) could not be delivered to the addresses below.\r\n"
	    "It will not be tried again.\r\n\r\n",
	    smtp_date(d->view->envelope.arrival, date), id);
	for (size_t i = 0; i < d->recipient_count; i++) {
		const struct dsn_recipient *r = &d->recipients[i];

		add(t, "<%s>:\r\n", r->address);
		add(t, "    %s answered: %u ",
		    r->remote ? r->remote : d->hostname, r->code);
		add(t, "%s\r\n", tame(r->reply, buf));
		if (r->expired)
			add(t, "    It was tried again until its time was "
			       "over.\r\n");
		add(t, "\r\n");
	}
}

static void add_status(struct dsn_text *t, const struct dsn *d,
		       const char *boundary)
{
	char buf[LINE_TEXT_MAX + 1], date[SMTP_DATE_SIZE], id[LOG_ID_SIZE];
	/* RFC 6533: addresses beyond ASCII have a type of their own. */
	const char *type =
		d->view->envelope.flags & SPOOL_SMTPUTF8 ? "utf-8" : "rfc822";

	log_id_text(d->queue_id, id);
	add(t, "--%s\r\n", boundary);
	add(t,
	    "Content-Description: Delivery report\r\n"
	    "Content-Type: message/%sdelivery-status\r\n",
	    d->view->envelope.flags & SPOOL_SMTPUTF8 ? "global-" : "");
	add(t, "Content-Transfer-Encoding: 8bit\r\n\r\n");
	add(t, "Reporting-MTA: dns; %s\r\n", d->hostname);
	add(t, "X-Ringpost-Queue-ID: %s\r\n", id);
	add(t, "Arrival-Date: %s\r\n",
	    smtp_date(d->view->envelope.arrival, date));
	for (size_t i = 0; i < d->recipient_count; i++) {
		const struct dsn_recipient *r = &d->recipients[i];

		add(t, "\r\nFinal-Recipient: %s; %s\r\n", type, r->address);
		add(t, "Action: failed\r\n");
		add(t, "Status: %s\r\n", status_of(r));
		if (r->remote)
			add(t, "Remote-MTA: dns; %s\r\n", r->remote);
		add(t, "Diagnostic-Code: smtp; %u ", r->code);
		add(t, "%s\r\n", tame(r->reply, buf));
		add(t, "Last-Attempt-Date: %s\r\n", smtp_date(d->now, date));
	}
	add(t, "\r\n");
}

/* The message's header: trace and body up to the first empty line. */
static void add_message_header(struct dsn_text *t, const struct dsn *d)
{
	size_t start = t->len;

	add_bytes(t, d->view->trace, d->view->trace_len);
	for (size_t i = 0; i < d->view->body_count; i++) {
		const struct iovec *piece = &d->view->body[i];
		size_t left = HEADER_MAX - (t->len - start);
		const char *end;

		add_bytes(t, piece->iov_base,
			  piece->iov_len < left ? piece->iov_len : left);
		if (t->failed)
			return;
		end = memmem(t->data + start, t->len - start, "\r\n\r\n", 4);
		if (end) {
			t->len = (size_t)(end - t->data) + 2;
			return;
		}
		if (t->len - start >= HEADER_MAX)
			return;
	}
}

static void add_returned(struct dsn_text *t, const struct dsn *d,
			 const char *boundary)
{
	uint64_t size = d->view->trace_len + d->view->body_size;
	bool whole = size <= d->return_max;
	bool utf8 = d->view->envelope.flags & SPOOL_SMTPUTF8;

	add(t, "--%s\r\n", boundary);
	add(t, "Content-Description: Undelivered message%s\r\n",
	    whole ? "" : " headers");
	add(t, "Content-Type: %s\r\n",
	    whole && utf8 ? "message/global"
	    : whole	  ? "message/rfc822"
	    : utf8	  ? "message/global-headers"
			  : "text/rfc822-headers");
	add(t, "Content-Transfer-Encoding: 8bit\r\n\r\n");
	if (!whole) {
		add_message_header(t, d);
	} else {
		add_bytes(t, d->view->trace, d->view->trace_len);
		for (size_t i = 0; i < d->view->body_count; i++)
			add_bytes(t, d->view->body[i].iov_base,
				  d->view->body[i].iov_len);
	}
	add(t, "\r\n--%s--\r\n", boundary);
}

/* A boundary that the returned message does not contain: with each collision
 * another one, until none is left to meet. */
static void choose_boundary(const struct dsn *d, char out[64])
{
	char id[LOG_ID_SIZE];
	unsigned n = 0;
	bool met;

	log_id_text(d->queue_id, id);
	do {
		snprintf(out, 64, "=_%s_%llx_%u", id,
			 (unsigned long long)d->now, n++);
		met = false;
		for (size_t i = 0; i < d->view->body_count; i++)
			met |= memmem(d->view->body[i].iov_base,
				      d->view->body[i].iov_len, out,
				      strlen(out)) != NULL;
	} while (met && n < 16);
}

int dsn_compose(const struct dsn *dsn, struct dsn_text *out)
{
	char boundary[64];

	*out = (struct dsn_text){0};
	choose_boundary(dsn, boundary);
	add_header(out, dsn, boundary);
	add_people(out, dsn, boundary);
	add_status(out, dsn, boundary);
	add_returned(out, dsn, boundary);
	return out->failed ? -ENOMEM : 0;
}

void dsn_text_free(struct dsn_text *text)
{
	free(text->data);
	*text = (struct dsn_text){0};
}
