/* SPDX-License-Identifier: Apache-2.0 */
/* A mail transaction's memory. */
#include <stdlib.h>
#include <string.h>

#include "gateway/inbound/inbound_session.h"

struct inbound_transaction *inbound_transaction_begin(const char *reverse_path)
{
	struct inbound_transaction *tx = calloc(1, sizeof(*tx));

	if (!tx)
		return NULL;
	tx->phase = INBOUND_ENVELOPE;
	tx->reverse_path = strdup(reverse_path);
	if (!tx->reverse_path) {
		free(tx);
		return NULL;
	}
	return tx;
}

static bool make_room(struct inbound_texts *texts, size_t len)
{
	size_t room = texts->room ? texts->room : 128;
	char *grown;

	while (room - texts->len < len)
		room *= 2;
	if (room == texts->room)
		return true;
	grown = realloc(texts->bytes, room);
	if (!grown)
		return false;
	texts->bytes = grown;
	texts->room = room;
	return true;
}

static void append(struct inbound_texts *texts, const char *text, size_t len)
{
	memcpy(texts->bytes + texts->len, text, len);
	texts->len += len;
}

/* Most mail has no such parameters, and no memory for them. */
static bool make_room_dsn(struct inbound_transaction *tx, const char *dsn)
{
	struct inbound_texts *texts = &tx->recipients_dsn;
	size_t before = texts->bytes ? 0 : tx->recipient_count;

	if (!texts->bytes && dsn[0] == '\0')
		return true;
	if (!make_room(texts, before + strlen(dsn) + 1))
		return false;
	memset(texts->bytes + texts->len, 0, before);
	texts->len += before;
	return true;
}

bool inbound_transaction_add(struct inbound_transaction *tx,
			     const char *mailbox, const char *domain,
			     const char *dsn)
{
	size_t domain_len = domain ? strlen(domain) + 1 : 0;
	struct inbound_texts *texts = &tx->recipients;

	if (!make_room(texts, strlen(mailbox) + domain_len + 1) ||
	    !make_room_dsn(tx, dsn))
		return false;
	append(texts, mailbox, strlen(mailbox));
	if (domain) {
		append(texts, "@", 1);
		append(texts, domain, strlen(domain));
	}
	append(texts, "", 1);
	if (tx->recipients_dsn.bytes)
		append(&tx->recipients_dsn, dsn, strlen(dsn) + 1);
	tx->recipient_count++;
	return true;
}

const char **inbound_texts_list(const struct inbound_texts *texts, size_t count)
{
	const char **list = calloc(count, sizeof(*list));
	const char *at = texts->bytes;

	for (size_t i = 0; list && i < count; i++) {
		list[i] = at;
		at += strlen(at) + 1;
	}
	return list;
}

void inbound_transaction_free(struct inbound_transaction **tx)
{
	if (!*tx)
		return;
	spool_abort(&(*tx)->writer);
	cutthrough_drop(&(*tx)->leg);
	free((*tx)->reverse_path);
	free((*tx)->dsn);
	free((*tx)->recipients.bytes);
	free((*tx)->recipients_dsn.bytes);
	free(*tx);
	*tx = NULL;
}

void inbound_reset(struct inbound_session *s)
{
	inbound_transaction_free(&s->tx);
	s->chunk_left = 0;
	s->chunk_last = false;
	s->discarded = 0;
}
