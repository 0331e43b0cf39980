/* SPDX-License-Identifier: Apache-2.0 */
/* A delivery status notification, part by part. */
#include "gateway/bounce/dsn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/bounce/dsn_text.h"
#include "gateway/log/log.h"
#include "gateway/smtp/smtp_params.h"
#include "gateway/smtp/smtp_trace.h"

/* Of a peer's words; RFC 5322 2.1.1 allows 998 with what is around them. */
#define LINE_MAX_LEN 700
/* A header without an end is cut here. */
#define HEADER_MAX 65536

const char *dsn_action_name(enum dsn_action action)
{
	static const char *const names[DSN_ACTIONS] = {
		[DSN_NOTHING] = "nothing",
		[DSN_RELAYED] = "relayed",
		[DSN_DELAYED] = "delayed",
		[DSN_FAILED] = "failed",
	};

	return names[action];
}

/* The gravest of the actions: what the whole is about. */
static enum dsn_action subject_of(const struct dsn *d)
{
	enum dsn_action most = DSN_NOTHING;

	for (size_t i = 0; i < d->recipient_count; i++)
		if (d->recipients[i].action > most)
			most = d->recipients[i].action;
	return most;
}

/* --- the message it is about --- */

static bool is_ascii(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] >= 0x80)
			return false;
	return true;
}

/* The message's header: trace and body up to the first empty line. */
static void add_message_header(struct dsn_text *t, const struct dsn *d)
{
	size_t start = t->len;

	dsn_add_bytes(t, d->view->trace, d->view->trace_len);
	for (size_t i = 0; i < d->view->body_count; i++) {
		const struct iovec *piece = &d->view->body[i];
		size_t left = HEADER_MAX - (t->len - start);
		const char *end;

		dsn_add_bytes(t, piece->iov_base,
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

/* Does mail that was sent with SMTPUTF8 make use of it in what we repeat? */
static bool needs_utf8(const struct dsn *d)
{
	const struct spool_envelope *e = &d->view->envelope;
	struct dsn_text header = {0};
	bool ascii;

	if (!(e->flags & SPOOL_SMTPUTF8))
		return false;
	ascii = is_ascii(e->reverse_path, strlen(e->reverse_path));
	for (size_t i = 0; ascii && i < d->recipient_count; i++) {
		const struct dsn_recipient *r = &d->recipients[i];

		ascii = is_ascii(r->address, strlen(r->address)) &&
			(!r->dsn || is_ascii(r->dsn, strlen(r->dsn)));
	}
	if (ascii) {
		add_message_header(&header, d);
		ascii = !header.failed && is_ascii(header.data, header.len);
		dsn_text_free(&header);
	}
	return !ascii;
}

/* --- the header --- */

static void add_header(struct dsn_text *t, const struct dsn *d,
		       const char *boundary)
{
	static const char *const subjects[DSN_ACTIONS] = {
		[DSN_RELAYED] = "Mail was passed on",
		[DSN_DELAYED] = "Mail is delayed and still being tried",
		[DSN_FAILED] = "Undelivered mail returned to its sender",
	};
	char date[SMTP_DATE_SIZE], id[LOG_ID_SIZE];

	log_id_text(d->queue_id, id);
	dsn_add(t, "Date: %s\r\n", smtp_date(d->now, date));
	dsn_add(t, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n",
		d->hostname);
	dsn_add(t, "To: <%s>\r\n", d->view->envelope.reverse_path);
	dsn_add(t, "Subject: %s\r\n", subjects[subject_of(d)]);
	dsn_add(t, "Message-ID: <dsn.%s.%llu@%s>\r\n", id,
		(unsigned long long)d->now, d->hostname);
	dsn_add(t, "Auto-Submitted: auto-replied\r\n"); /* RFC 3834 */
	dsn_add(t, "MIME-Version: 1.0\r\n");
	dsn_add(t,
		"Content-Type: multipart/report; "
		"report-type=delivery-status;\r\n"
		"\tboundary=\"%s\"\r\n",
		boundary);
}

/* --- the part for people --- */

/* Where a line is to end: at its end, or where it gets too long for mail. */
static const char *line_end(const char *line)
{
	const char *end = strchrnul(line, '\n'), *blank;

	if (end - line <= LINE_MAX_LEN)
		return end;
	blank = memrchr(line + 1, ' ', LINE_MAX_LEN - 1);
	return blank ? blank : line + LINE_MAX_LEN;
}

/* The reply's lines, those behind the first behind some white space. */
static void add_reply(struct dsn_text *t, const struct dsn_recipient *r,
		      const char *indent, bool utf8)
{
	const char *line = r->reply, *end;

	if (r->code > 0 && !r->ours)
		dsn_add(t, "%u ", r->code);
	for (bool first = true; first || *line; line = end) {
		end = line_end(line);
		/* A line of white space alone is none. */
		if (!first && end > line)
			dsn_add(t, "\r\n%s", indent);
		dsn_add_tame(t, line, (size_t)(end - line), utf8);
		first = false;
		if (*end == ' ' || *end == '\n')
			end++;
	}
	dsn_add(t, "\r\n");
}

static void add_person(struct dsn_text *t, const struct dsn *d,
		       const struct dsn_recipient *r)
{
	dsn_add(t, "<%s>:\r\n    ", r->address);
	if (r->ours)
		dsn_add(t, "%s%s", r->remote ? r->remote : "",
			r->remote ? ": " : "");
	else
		dsn_add(t,
			"%s answered: ", r->remote ? r->remote : d->hostname);
	add_reply(t, r, "    ", true);
	if (r->expired)
		dsn_add(t, "    It was tried again until its time was "
			   "over.\r\n");
	dsn_add(t, "\r\n");
}

/* All with the same fate, under what that means. */
static void add_fate(struct dsn_text *t, const struct dsn *d,
		     enum dsn_action action)
{
	static const char *const words[DSN_ACTIONS] = {
		[DSN_RELAYED] =
			"was passed on for the addresses below, to hosts that "
			"don't\r\nreport deliveries: you may hear no more of "
			"it.\r\n\r\n",
		[DSN_FAILED] = "could not be delivered to the addresses "
			       "below.\r\nIt will not be tried again.\r\n\r\n",
	};
	char date[SMTP_DATE_SIZE];
	bool any = false;

	for (size_t i = 0; i < d->recipient_count; i++) {
		const struct dsn_recipient *r = &d->recipients[i];

		if (r->action != action)
			continue;
		if (!any && action == DSN_DELAYED)
			dsn_add(t,
				"It could not be delivered yet to the "
				"addresses below. Nothing is to be\r\n"
				"done: it is tried again until %s.\r\n\r\n",
				smtp_date(d->retry_until, date));
		else if (!any)
			dsn_add(t, "It %s", words[action]);
		any = true;
		add_person(t, d, r);
	}
}

static void add_people(struct dsn_text *t, const struct dsn *d,
		       const char *boundary)
{
	char date[SMTP_DATE_SIZE], id[LOG_ID_SIZE];
	size_t encoding;

	log_id_text(d->queue_id, id);
	dsn_add(t, "--%s\r\n", boundary);
	dsn_add(t, "Content-Description: Notification\r\n"
		   "Content-Type: text/plain; charset=utf-8\r\n");
	encoding = dsn_add_encoding(t);
	dsn_add(t, "\r\nThis is the mail relay at %s.\r\n\r\n", d->hostname);
	dsn_add(t, "It is about your message of %s\r\n(queue id %s).\r\n\r\n",
		smtp_date(d->view->envelope.arrival, date), id);
	for (int action = DSN_FAILED; action > DSN_NOTHING; action--)
		add_fate(t, d, (enum dsn_action)action);
	dsn_end_part(t, encoding);
}

/* --- the part for programs --- */

/* RFC 3463, kept from the reply; else only the class is known. A failure by
 * expiry has a code of its own, whatever the last reply was. */
static void add_status(struct dsn_text *t, const struct dsn_recipient *r)
{
	unsigned class =
		r->code ? r->code / 100u : (unsigned)(r->reply[0] - '0');

	if (r->expired)
		dsn_add(t, "Status: 4.4.7\r\n");
	else if (r->status && r->status[0])
		dsn_add(t, "Status: %s\r\n", r->status);
	else
		dsn_add(t, "Status: %u.0.0\r\n",
			class == 2 || class == 4 ? class : 5);
}

/* RFC 3464 section 2.1.2: a name, or an address literal. */
static void add_remote(struct dsn_text *t, const char *remote)
{
	struct in6_addr address;

	if (inet_pton(AF_INET, remote, &address) == 1)
		dsn_add(t, "Remote-MTA: dns; [%s]\r\n", remote);
	else if (inet_pton(AF_INET6, remote, &address) == 1)
		dsn_add(t, "Remote-MTA: dns; [IPv6:%s]\r\n", remote);
	else
		dsn_add(t, "Remote-MTA: dns; %s\r\n", remote);
}

/* What the sender called it (RFC 3461 section 4.2): only when he did. */
static void add_original(struct dsn_text *t, const struct dsn_recipient *r,
			 bool utf8)
{
	char address[SMTP_ORCPT_MAX + 1];
	struct smtp_dsn_rcpt params;
	size_t type_len;

	if (!r->dsn ||
	    smtp_params_rcpt(r->dsn, strlen(r->dsn), &params) !=
		    SMTP_PARAMS_OK ||
	    !params.orcpt)
		return;
	smtp_dsn_original(&params, address, &type_len);
	dsn_add(t, "Original-Recipient: %.*s; ", (int)type_len, params.orcpt);
	dsn_add_tame(t, address, strlen(address), utf8);
	dsn_add(t, "\r\n");
}

static void add_recipient(struct dsn_text *t, const struct dsn *d,
			  const struct dsn_recipient *r, bool utf8)
{
	char date[SMTP_DATE_SIZE];

	dsn_add(t, "\r\n");
	add_original(t, r, utf8);
	/* RFC 6533: addresses beyond ASCII have a type of their own. */
	dsn_add(t, "Final-Recipient: %s; %s\r\n",
		is_ascii(r->address, strlen(r->address)) ? "rfc822" : "utf-8",
		r->address);
	dsn_add(t, "Action: %s\r\n", dsn_action_name(r->action));
	add_status(t, r);
	if (r->remote && !r->ours)
		add_remote(t, r->remote);
	/* RFC 3461 section 9.2: each line as it was, behind white space. */
	dsn_add(t, "Diagnostic-Code: %s; ", r->ours ? "X-Ringpost" : "smtp");
	add_reply(t, r, " ", utf8);
	dsn_add(t, "Last-Attempt-Date: %s\r\n", smtp_date(d->now, date));
	if (r->action == DSN_DELAYED)
		dsn_add(t, "Will-Retry-Until: %s\r\n",
			smtp_date(d->retry_until, date));
}

static void add_envelope_id(struct dsn_text *t, const char *dsn)
{
	struct smtp_mail_params params;
	char id[SMTP_ENVID_MAX + 1];

	if (!dsn ||
	    smtp_params_mail(dsn, strlen(dsn), &params) != SMTP_PARAMS_OK ||
	    !params.dsn.envid)
		return;
	smtp_xtext_decode(params.dsn.envid, params.dsn.envid_len, id);
	dsn_add(t, "Original-Envelope-Id: %s\r\n", id);
}

static void add_report(struct dsn_text *t, const struct dsn *d,
		       const char *boundary, bool utf8)
{
	char date[SMTP_DATE_SIZE], id[LOG_ID_SIZE];
	size_t encoding;

	log_id_text(d->queue_id, id);
	dsn_add(t, "--%s\r\n", boundary);
	dsn_add(t,
		"Content-Description: Delivery report\r\n"
		"Content-Type: message/%sdelivery-status\r\n",
		utf8 ? "global-" : "");
	encoding = dsn_add_encoding(t);
	dsn_add(t, "\r\n");
	add_envelope_id(t, d->view->envelope.dsn);
	dsn_add(t, "Reporting-MTA: dns; %s\r\n", d->hostname);
	dsn_add(t, "X-Ringpost-Queue-ID: %s\r\n", id);
	dsn_add(t, "Arrival-Date: %s\r\n",
		smtp_date(d->view->envelope.arrival, date));
	for (size_t i = 0; i < d->recipient_count; i++)
		add_recipient(t, d, &d->recipients[i], utf8);
	dsn_add(t, "\r\n");
	dsn_end_part(t, encoding);
}

/* --- what is returned --- */

/* The whole message only with a failure, when nobody asked for less (RFC 3461
 * section 4.3) and it is not too large. */
static bool returns_whole(const struct dsn *d)
{
	const char *dsn = d->view->envelope.dsn;
	struct smtp_mail_params params;

	if (subject_of(d) != DSN_FAILED ||
	    d->view->trace_len + d->view->body_size > d->return_max)
		return false;
	return !dsn ||
	       smtp_params_mail(dsn, strlen(dsn), &params) != SMTP_PARAMS_OK ||
	       params.dsn.ret != SMTP_RET_HDRS;
}

static void add_returned(struct dsn_text *t, const struct dsn *d,
			 const char *boundary, bool utf8)
{
	bool whole = returns_whole(d);
	size_t encoding;

	dsn_add(t, "--%s\r\n", boundary);
	dsn_add(t, "Content-Description: %s message%s\r\n",
		subject_of(d) == DSN_FAILED ? "Undelivered" : "Your",
		whole ? "" : " headers");
	dsn_add(t, "Content-Type: %s\r\n",
		whole && utf8 ? "message/global"
		: whole	      ? "message/rfc822"
		: utf8	      ? "message/global-headers"
			      : "text/rfc822-headers");
	encoding = dsn_add_encoding(t);
	dsn_add(t, "\r\n");
	if (!whole) {
		add_message_header(t, d);
	} else {
		dsn_add_bytes(t, d->view->trace, d->view->trace_len);
		for (size_t i = 0; i < d->view->body_count; i++)
			dsn_add_bytes(t, d->view->body[i].iov_base,
				      d->view->body[i].iov_len);
	}
	dsn_end_part(t, encoding);
	dsn_add(t, "\r\n--%s--\r\n", boundary);
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
	bool utf8 = needs_utf8(dsn);
	char boundary[64];
	size_t encoding;

	*out = (struct dsn_text){.utf8 = utf8};
	choose_boundary(dsn, boundary);
	add_header(out, dsn, boundary);
	encoding = dsn_add_encoding(out);
	dsn_add(out, "\r\nThis is a MIME-encapsulated message.\r\n\r\n");
	add_people(out, dsn, boundary);
	add_report(out, dsn, boundary, utf8);
	add_returned(out, dsn, boundary, utf8);
	dsn_end_part(out, encoding);
	return out->failed ? -ENOMEM : 0;
}
