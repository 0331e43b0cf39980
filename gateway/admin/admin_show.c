/* SPDX-License-Identifier: Apache-2.0 */
/* `show`: one message, its recipients, its headers or all of it. */
#include <stdlib.h>

#include "gateway/admin/admin_job.h"

/* Of a message's bytes in one turn; and of its headers in all. */
#define PIECE	    (64 * 1024)
#define HEADERS_MAX (256 * 1024)

static bool put(struct admin_job *job, struct admin_row *row)
{
	if (!row)
		job->no_memory = true;
	return row && admin_port_put(job->port, row);
}

/* --- envelope and recipients --- */

struct showing {
	struct admin_job *job;
	struct spool_message *message; /* NULL: not found yet */
	struct spool_glance glance;
	const char **recipients; /* by index; owned */
	bool *told;		 /* likewise, in the same memory */
};

static bool show_envelope(struct showing *s, const struct queue_entry *e)
{
	if (spool_glance(e->message, &s->glance) < 0)
		return false;
	s->recipients = calloc(s->glance.recipient_count,
			       sizeof(char *) + sizeof(bool));
	if (!s->recipients) {
		s->job->no_memory = true;
		return false;
	}
	s->told = (bool *)(s->recipients + s->glance.recipient_count);
	s->recipients[0] = s->glance.first;
	for (size_t i = 1; i < s->glance.recipient_count; i++)
		s->recipients[i] = spool_glance_next(s->recipients[i - 1]);
	s->message = e->message;
	(void)put(s->job, admin_row_message(e, &s->glance));
	return true;
}

static bool on_delivery(void *arg, const struct queue_entry *e)
{
	struct showing *s = arg;

	s->job->counts.seen++;
	if (!s->message && !show_envelope(s, e))
		return false;
	for (size_t i = 0; i < e->recipient_count; i++) {
		uint32_t index = e->recipients[i];

		s->told[index] = true;
		(void)put(s->job, admin_row_recipient(e, s->recipients[index]));
	}
	return true;
}

/* Recipients that no delivery has: they have a final result, or no route. */
static void show_others(struct showing *s)
{
	for (size_t i = 0; i < s->glance.recipient_count; i++)
		if (!s->told[i] && spool_message_recipient_done(s->message, i))
			(void)put(s->job,
				  admin_row_recipient(NULL, s->recipients[i]));
}

/* One turn's work: a message has at most some thousand recipients. */
static bool show_all_but_body(struct admin_job *job)
{
	struct showing s = {.job = job};

	(void)queue_look_on(&job->look, 1, on_delivery, &s);
	if (s.message) {
		show_others(&s);
		(void)put(job,
			  admin_row_bytes(spool_message_id(s.message),
					  s.glance.trace, s.glance.trace_len));
	}
	free(s.recipients);
	job->shown = true;
	return s.message != NULL;
}

/* --- bytes --- */

/* Octets of @data that belong to the headers; job->ends counts how much of the
 * CRLF CRLF behind them was seen. */
static size_t header_part(struct admin_job *job, const unsigned char *data,
			  size_t len)
{
	static const char end[] = "\r\n\r\n";
	size_t i = 0;

	for (; i < len && job->ends < 4; i++) {
		if (data[i] == (unsigned char)end[job->ends])
			job->ends++;
		else
			job->ends = data[i] == '\r';
	}
	return i;
}

static bool on_found(void *arg, const struct queue_entry *e)
{
	*(struct spool_message **)arg = e->message;
	return false;
}

/* It may have been delivered since the last turn. */
static struct spool_message *find(struct admin_job *job)
{
	struct spool_message *message = NULL;
	struct queue_look look;

	queue_look_begin(&look, job->queue, &job->port->request->filter, 0);
	(void)queue_look_on(&look, 1, on_found, &message);
	queue_look_end(&look);
	return message;
}

/* The next piece. False: that was all. */
static bool show_bytes(struct admin_job *job)
{
	bool all = job->port->request->content;
	struct spool_message *message = find(job);
	const unsigned char *data;
	size_t len;

	if (!message) {
		job->gone = true;
		return false;
	}
	if (spool_glance_body(message, job->offset, &data, &len) < 0 ||
	    len == 0)
		return false;
	if (len > PIECE)
		len = PIECE;
	if (!all)
		len = header_part(job, data, len);
	(void)put(job, admin_row_bytes(spool_message_id(message), data, len));
	job->offset += len;
	return all || (job->ends < 4 && job->offset < HEADERS_MAX);
}

bool admin_show_turn(struct admin_job *job)
{
	if (!job->shown)
		return show_all_but_body(job);
	return show_bytes(job);
}
