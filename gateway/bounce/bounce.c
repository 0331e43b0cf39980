/* SPDX-License-Identifier: Apache-2.0 */
/* A bounce on its way into the spool. */
#include "gateway/bounce/bounce.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/smtp/smtp_params.h"

struct bounce {
	struct spool *spool;
	struct spool_writer *writer; /* until the commit */
	struct spool_waiter waiter;
	struct dsn_text text;
	size_t written;
	char *sender; /* who gets it */
	uint64_t now;
	uint32_t flags;
	bounce_done_fn done;
	void *owner;
};

/* What RCPT said of NOTIFY; 0: nothing. */
static unsigned notify_of(const struct spool_envelope *e, size_t recipient)
{
	const char *dsn = e->recipients_dsn ? e->recipients_dsn[recipient] : "";
	struct smtp_dsn_rcpt params;

	if (smtp_params_rcpt(dsn, strlen(dsn), &params) != SMTP_PARAMS_OK)
		return 0;
	return params.notify;
}

enum dsn_action bounce_action(const struct spool_envelope *e, size_t recipient,
			      enum spool_result result, bool told, bool late)
{
	unsigned notify;

	if (e->reverse_path[0] == '\0')
		return DSN_NOTHING;
	notify = notify_of(e, recipient);
	switch (result) {
	case SPOOL_DELIVERED:
		return notify & SMTP_NOTIFY_SUCCESS && !told ? DSN_RELAYED
							     : DSN_NOTHING;
	case SPOOL_BOUNCED:
		return !notify || notify & SMTP_NOTIFY_FAILURE ? DSN_FAILED
							       : DSN_NOTHING;
	case SPOOL_DEFERRED:
		break;
	}
	return late && (!notify || notify & SMTP_NOTIFY_DELAY) ? DSN_DELAYED
							       : DSN_NOTHING;
}

static void end(struct bounce *b, struct spool_message *message)
{
	bounce_done_fn done = b->done;
	void *owner = b->owner;

	dsn_text_free(&b->text);
	free(b->sender);
	free(b);
	done(owner, message);
}

static void on_committed(void *owner, enum spool_status status,
			 struct spool_message *message)
{
	end(owner, status == SPOOL_OK ? message : NULL);
}

static void commit(struct bounce *b)
{
	const char *const to[] = {b->sender};
	struct spool_envelope envelope = {
		.reverse_path = "",
		.recipients = to,
		.recipient_count = 1,
		.client = "bounce",
		.arrival = b->now,
		.flags = b->flags,
	};
	struct spool_writer *writer = b->writer;

	b->writer = NULL;
	spool_commit(writer, &envelope, NULL, 0, on_committed, b);
}

/* Write what the spool has room for; the rest when it has more. */
static void go_on(void *owner)
{
	struct bounce *b = owner;

	while (b->written < b->text.len) {
		size_t left = b->text.len - b->written;
		unsigned char *room;
		size_t n = spool_reserve(b->writer, &room);

		if (n == 0) {
			spool_wait(b->spool, &b->waiter);
			return;
		}
		if (n > left)
			n = left;
		memcpy(room, b->text.data + b->written, n);
		spool_advance(b->writer, n);
		b->written += n;
	}
	commit(b);
}

/* Does a line begin with a dot? Then DATA must stuff it. */
static bool has_dot_line(const struct dsn_text *t)
{
	return memmem(t->data, t->len, "\n.", 2) != NULL;
}

static uint32_t flags_of(const struct dsn_text *t)
{
	uint32_t flags = t->utf8 ? SPOOL_SMTPUTF8 : 0;

	if (t->eight_bit)
		flags |= SPOOL_8BITMIME | SPOOL_8BIT;
	if (has_dot_line(t))
		flags |= SPOOL_DOT_LINES;
	return flags;
}

int bounce_start(struct spool *spool, const struct dsn *dsn,
		 bounce_done_fn done, void *owner)
{
	struct bounce *b = calloc(1, sizeof(*b));
	int r = b ? dsn_compose(dsn, &b->text) : -ENOMEM;

	if (r == 0) {
		b->sender = strdup(dsn->view->envelope.reverse_path);
		r = b->sender ? 0 : -ENOMEM;
	}
	if (r == 0 && spool_begin(spool, &b->writer) != SPOOL_OK)
		r = -ENOSPC;
	if (r < 0) {
		if (b) {
			dsn_text_free(&b->text);
			free(b->sender);
		}
		free(b);
		return r;
	}
	b->spool = spool;
	b->now = dsn->now;
	b->flags = flags_of(&b->text);
	b->done = done;
	b->owner = owner;
	b->waiter = (struct spool_waiter){.fn = go_on, .owner = b};
	go_on(b);
	return 0;
}
