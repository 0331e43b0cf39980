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

static bool make_room(struct inbound_transaction *tx, size_t len)
{
	size_t room = tx->recipients_room ? tx->recipients_room : 128;
	char *grown;

	while (room - tx->recipients_len < len)
		room *= 2;
	if (room == tx->recipients_room)
		return true;
	grown = realloc(tx->recipients, room);
	if (!grown)
		return false;
	tx->recipients = grown;
	tx->recipients_room = room;
	return true;
}

static void append(struct inbound_transaction *tx, const char *text, size_t len)
{
	memcpy(tx->recipients + tx->recipients_len, text, len);
	tx->recipients_len += len;
}

bool inbound_transaction_add(struct inbound_transaction *tx,
			     const char *mailbox, const char *domain)
{
	size_t domain_len = domain ? strlen(domain) + 1 : 0;

	if (!make_room(tx, strlen(mailbox) + domain_len + 1))
		return false;
	append(tx, mailbox, strlen(mailbox));
	if (domain) {
		append(tx, "@", 1);
		append(tx, domain, strlen(domain));
	}
	append(tx, "", 1);
	tx->recipient_count++;
	return true;
}

void inbound_transaction_free(struct inbound_transaction **tx)
{
	if (!*tx)
		return;
	spool_abort(&(*tx)->writer);
	cutthrough_drop(&(*tx)->leg);
	free((*tx)->reverse_path);
	free((*tx)->recipients);
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
