/* SPDX-License-Identifier: Apache-2.0 */
/* Making rows (admin_row.h). */
#include "gateway/admin/admin_row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct making {
	struct admin_row *row;
	char *at;
};

/* A row of @kind with room for @texts (each may be NULL). */
static bool make(struct making *m, enum admin_row_kind kind,
		 const char *const *texts, size_t count, size_t bytes)
{
	size_t size = sizeof(*m->row) + bytes;

	for (size_t i = 0; i < count; i++)
		size += texts[i] ? strlen(texts[i]) + 1 : 0;
	m->row = calloc(1, size);
	if (!m->row)
		return false;
	m->row->size = size;
	m->row->kind = kind;
	m->at = m->row->text;
	return true;
}

static const char *keep(struct making *m, const char *text)
{
	char *at = m->at;

	if (!text)
		return NULL;
	m->at = stpcpy(at, text) + 1;
	return at;
}

static void set_entry(struct admin_row *row, const struct queue_entry *e)
{
	row->id = e->id;
	row->arrival = e->arrival;
	row->due = e->due;
	row->state = e->state;
	row->attempts = e->attempts;
	row->code = e->code;
	row->recipient_count = e->recipient_count;
}

/* The envelope's recipient with that index; "" when there is none. */
static const char *recipient_at(const struct spool_glance *glance,
				uint32_t index)
{
	const char *recipient = glance->first;

	if (index >= glance->recipient_count)
		return "";
	while (index-- > 0)
		recipient = spool_glance_next(recipient);
	return recipient;
}

struct admin_row *admin_row_entry(const struct queue_entry *e)
{
	struct spool_glance glance;
	const char *sender = NULL, *first = NULL;
	struct making m;

	if (spool_glance(e->message, &glance) == 0) {
		sender = glance.sender;
		first = recipient_at(&glance, e->recipients[0]);
	} else {
		glance.size = 0;
	}
	const char *texts[] = {e->domain, e->destination, e->reply, sender,
			       first};

	if (!make(&m, ADMIN_ROW_ENTRY, texts, 5, 0))
		return NULL;
	set_entry(m.row, e);
	m.row->domain = keep(&m, e->domain);
	m.row->destination = keep(&m, e->destination);
	m.row->reply = keep(&m, e->reply);
	m.row->sender = keep(&m, sender);
	m.row->recipient = keep(&m, first);
	m.row->message_size = glance.size;
	return m.row;
}

struct admin_row *admin_row_domain(const struct queue_domain *d)
{
	const char *texts[] = {d->domain, d->destination, d->reply, d->route};
	struct making m;

	if (!make(&m, ADMIN_ROW_DOMAIN, texts, 4, 0))
		return NULL;
	m.row->domain = keep(&m, d->domain);
	m.row->destination = keep(&m, d->destination);
	m.row->reply = keep(&m, d->reply);
	m.row->route = keep(&m, d->route);
	m.row->arrival = d->oldest;
	m.row->code = d->code;
	m.row->reply_at = d->reply_at;
	m.row->sessions = d->sessions;
	m.row->limit = d->limit;
	m.row->unreachable = d->unreachable;
	m.row->suspended = d->suspended;
	m.row->fallback = d->fallback;
	memcpy(m.row->count, d->count, sizeof(d->count));
	return m.row;
}

struct admin_row *admin_row_message(const struct queue_entry *e,
				    const struct spool_glance *glance)
{
	const char *texts[] = {glance->sender, glance->client};
	struct making m;

	if (!make(&m, ADMIN_ROW_MESSAGE, texts, 2, 0))
		return NULL;
	m.row->id = e->id;
	m.row->arrival = glance->arrival;
	m.row->flags = glance->flags;
	m.row->message_size = glance->size;
	m.row->recipient_count = glance->recipient_count;
	m.row->sender = keep(&m, glance->sender);
	m.row->client = keep(&m, glance->client);
	return m.row;
}

struct admin_row *admin_row_recipient(const struct queue_entry *e,
				      const char *recipient)
{
	const char *texts[] = {recipient, e ? e->domain : NULL,
			       e ? e->destination : NULL, e ? e->reply : NULL};
	struct making m;

	if (!make(&m, ADMIN_ROW_RECIPIENT, texts, 4, 0))
		return NULL;
	m.row->state = ADMIN_DONE;
	if (e) {
		set_entry(m.row, e);
		m.row->domain = keep(&m, e->domain);
		m.row->destination = keep(&m, e->destination);
		m.row->reply = keep(&m, e->reply);
	}
	m.row->recipient = keep(&m, recipient);
	return m.row;
}

struct admin_row *admin_row_deferral(const struct deferral *d)
{
	char reply[sizeof(d->enhanced) + sizeof(d->reply) + 8];
	const char *texts[] = {d->domain, d->destination, reply, d->where};
	struct making m;

	/* Our own words do not begin with it. */
	bool has = strncmp(d->reply, d->enhanced, strlen(d->enhanced)) == 0;

	snprintf(reply, sizeof(reply), "%u %s%s%s", d->code,
		 has ? "" : d->enhanced, has ? "" : " ", d->reply);
	if (!make(&m, ADMIN_ROW_DEFERRAL, texts, 4, 0))
		return NULL;
	m.row->arrival = d->at;
	m.row->code = d->code;
	m.row->domain = keep(&m, d->domain);
	m.row->destination = keep(&m, d->destination);
	m.row->reply = keep(&m, reply);
	m.row->sender = keep(&m, d->where);
	return m.row;
}

struct admin_row *admin_row_trace(const struct outbound_trace_line *line,
				  uint64_t now, uint64_t dropped)
{
	const char *texts[] = {line->relay, line->host};
	struct making m;

	if (!make(&m, ADMIN_ROW_TRACE, texts, 2, line->len + 1))
		return NULL;
	m.row->arrival = now;
	m.row->id = line->delivery ? line->delivery->id : 0;
	m.row->state = line->kind;
	m.row->dropped = dropped;
	m.row->session = line->session;
	m.row->client = keep(&m, line->relay);
	m.row->destination = keep(&m, line->host);
	m.row->reply = m.at;
	memcpy(m.at, line->text, line->len);
	return m.row;
}

struct admin_row *admin_row_bytes(uint64_t id, const void *bytes, size_t len)
{
	struct making m;

	if (!make(&m, ADMIN_ROW_BYTES, NULL, 0, len))
		return NULL;
	m.row->id = id;
	m.row->len = len;
	memcpy(m.row->text, bytes, len);
	m.row->bytes = (const unsigned char *)m.row->text;
	return m.row;
}
