/* SPDX-License-Identifier: Apache-2.0 */
/* A message completed: its header read once, copied field by field. */
#include "gateway/inject/inject_message.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "gateway/inject/inject_header.h"
#include "gateway/log/log_utf8.h"
#include "gateway/smtp/smtp_trace.h"

/* What the header has. */
struct found {
	bool from, date, id, resent;
};

static bool is_resent(const struct inject_field *field)
{
	static const char *const names[] = {"resent-to", "resent-cc",
					    "resent-bcc", "resent-from",
					    "resent-date"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (inject_field_is(field, names[i]))
			return true;
	return false;
}

static struct found look(const struct inject_job *job)
{
	struct inject_header header;
	struct inject_field field;
	struct found found = {0};

	inject_header_start(&header, job->text, job->len);
	while (inject_header_next(&header, &field)) {
		found.from |= inject_field_is(&field, "from");
		found.date |= inject_field_is(&field, "date");
		found.id |= inject_field_is(&field, "message-id");
		found.resent |= is_resent(&field);
	}
	return found;
}

static bool is_bcc(const struct inject_field *field)
{
	return inject_field_is(field, "bcc") ||
	       inject_field_is(field, "resent-bcc");
}

/* A message that is sent on goes to whom it is sent on to. */
static bool names_recipients(const struct inject_field *field, bool resent)
{
	if (resent)
		return inject_field_is(field, "resent-to") ||
		       inject_field_is(field, "resent-cc") ||
		       inject_field_is(field, "resent-bcc");
	return inject_field_is(field, "to") || inject_field_is(field, "cc") ||
	       inject_field_is(field, "bcc");
}

/* --- fields that are missing --- */

/* A display name as a quoted string; what can't stand in one is left out. */
static void add_name(struct inject_buffer *out, const char *name)
{
	size_t len = strlen(name), at = 0;

	inject_buffer_text(out, "\"");
	while (at < len) {
		uint32_t code = 0;
		size_t n = log_utf8_decode(name + at, len - at, &code);

		if (n && !log_utf8_is_control(code)) {
			if (code == '"' || code == '\\')
				inject_buffer_text(out, "\\");
			inject_buffer_add(out, name + at, n);
		}
		at += n ? n : 1;
	}
	inject_buffer_text(out, "\" ");
}

static void add_from(const struct inject_job *job, struct inject_buffer *out)
{
	bool null = !job->sender[0];

	inject_buffer_text(out, "From: ");
	if (job->full_name && job->full_name[0])
		add_name(out, job->full_name);
	inject_buffer_format(out, "<%s%s>\r\n",
			     null ? "MAILER-DAEMON@" : job->sender,
			     null ? job->hostname : "");
}

static void add_missing(const struct inject_job *job, const struct found *found,
			struct inject_buffer *out)
{
	char date[SMTP_DATE_SIZE];
	time_t seconds = (time_t)(job->now / UINT64_C(1000000000));
	struct tm tm = {0};

	if (!found->date)
		inject_buffer_format(out, "Date: %s\r\n",
				     smtp_date(job->now, date));
	if (!found->from)
		add_from(job, out);
	if (found->id)
		return;
	gmtime_r(&seconds, &tm);
	inject_buffer_format(
		out,
		"Message-ID: <%04d%02d%02d%02d%02d%02d.%016" PRIx64 "@%s>\r\n",
		tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		tm.tm_min, tm.tm_sec, job->unique, job->hostname);
}

/* --- the whole --- */

static const char *copy_header(const struct inject_job *job,
			       const struct found *found,
			       struct inject_header *header,
			       struct inject_recipients *recipients,
			       struct inject_buffer *out)
{
	struct inject_field field;

	while (inject_header_next(header, &field)) {
		if (job->recipients &&
		    names_recipients(&field, found->resent) &&
		    !inject_recipients_read(recipients, field.value,
					    field.value_len))
			return recipients->wrong ? recipients->wrong
						 : "out of memory";
		if (!is_bcc(&field))
			inject_buffer_lines(out, field.whole, field.whole_len);
	}
	return NULL;
}

const char *inject_message_make(const struct inject_job *job,
				struct inject_recipients *recipients,
				struct inject_buffer *out)
{
	struct inject_header header;
	const char *wrong = NULL;
	struct found found;

	if (job->raw) {
		inject_buffer_lines(out, job->text, job->len);
	} else {
		found = look(job);
		inject_header_start(&header, job->text, job->len);
		wrong = copy_header(job, &found, &header, recipients, out);
		add_missing(job, &found, out);
		inject_buffer_text(out, "\r\n");
		inject_buffer_lines(out, header.at,
				    (size_t)(header.end - header.at));
	}
	if (!wrong && out->too_long)
		wrong = "the message is too large";
	if (!wrong && out->no_memory)
		wrong = "out of memory";
	return wrong;
}

size_t inject_message_dot(const char *text, size_t len)
{
	const char *at = text, *end = text + len;

	while (at < end) {
		const char *lf = memchr(at, '\n', (size_t)(end - at));
		size_t n = lf ? (size_t)(lf - at) : (size_t)(end - at);

		if (n > 0 && at[n - 1] == '\r')
			n--;
		if (n == 1 && at[0] == '.')
			return (size_t)(at - text);
		if (!lf)
			break;
		at = lf + 1;
	}
	return len;
}
