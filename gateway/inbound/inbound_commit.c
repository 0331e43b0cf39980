/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The promise: a message is complete, and its 250 is said when it is on stable
 * storage, not before.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/inbound/inbound_session.h"
#include "gateway/log/log.h"
#include "gateway/smtp/smtp_trace.h"

uint64_t inbound_wall_clock(const struct inbound_session *s)
{
	struct timespec now;

	if (s->pool->config.wall_clock)
		return s->pool->config.wall_clock();
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) +
	       (uint64_t)now.tv_nsec;
}

size_t inbound_trace_write(const struct inbound_session *s,
			   char buf[SMTP_TRACE_MAX])
{
	const struct inbound_transaction *tx = s->tx;
	char id[LOG_ID_SIZE], address[INET6_ADDRSTRLEN];
	struct ktls_stream_info info;
	struct smtp_trace trace = {
		.helo = s->helo,
		.client = inbound_client_address(s, address),
		.hostname = s->pool->config.config->hostname,
		.extended = s->extended,
		.utf8 = tx->smtputf8,
		.id = log_id_text(tx->id, id),
		.recipient =
			tx->recipient_count == 1 ? tx->recipients.bytes : NULL,
		.time = tx->arrival,
		.protocol = s->listener->protocol,
		.local = s->peer.any.sa_family == AF_UNIX,
		.uid = s->peer.local.uid,
	};

	ktls_stream_info(&s->stream, &info);
	if (info.tls) {
		trace.version = ktls_version_name(info.agreed.version);
		trace.cipher = info.agreed.suite;
		trace.cipher_bits = info.agreed.cipher_bits;
	}
	return smtp_trace_write(&trace, buf);
}

static uint32_t envelope_flags(const struct inbound_transaction *tx)
{
	return (tx->body_8bitmime ? SPOOL_8BITMIME : 0) |
	       (tx->smtputf8 ? SPOOL_SMTPUTF8 : 0) |
	       (tx->data.dot_line ? SPOOL_DOT_LINES : 0) |
	       (tx->data.eight_bit ? SPOOL_8BIT : 0);
}

static void commit(struct inbound_session *s, const char *const *recipients,
		   const char *const *recipients_dsn)
{
	struct inbound_transaction *tx = s->tx;
	struct spool_writer *writer = tx->writer;
	char client[INBOUND_CLIENT_SIZE], trace[SMTP_TRACE_MAX];
	struct spool_envelope envelope = {
		.reverse_path = tx->reverse_path,
		.recipients = recipients,
		.recipient_count = tx->recipient_count,
		.dsn = tx->dsn,
		.recipients_dsn = recipients_dsn,
		.client = inbound_client(s, client),
		.flags = envelope_flags(tx),
	};

	tx->arrival = inbound_wall_clock(s);
	envelope.arrival = tx->arrival;
	tx->writer = NULL; /* the spool's from here on */
	spool_commit(writer, &envelope, trace, inbound_trace_write(s, trace),
		     inbound_on_committed, s);
}

/* The lists that the spool wants exist only for the call. */
static bool commit_lists(struct inbound_session *s)
{
	struct inbound_transaction *tx = s->tx;
	bool has_dsn = tx->recipients_dsn.bytes;
	const char **recipients, **dsn = NULL;
	bool listed;

	recipients = inbound_texts_list(&tx->recipients, tx->recipient_count);
	if (has_dsn)
		dsn = inbound_texts_list(&tx->recipients_dsn,
					 tx->recipient_count);
	listed = recipients && (dsn || !has_dsn);
	if (listed)
		commit(s, recipients, dsn);
	free(recipients);
	free(dsn);
	return listed;
}

/* What is pipelined behind the message waits unread, and the stream receives
 * little of it; pausing would cost operations for every message. */
enum inbound_state inbound_commit_enter(struct inbound_session *s)
{
	if (s->tx->leg)
		return inbound_relay_end(s);
	inbound_timer_clear(s);
	if (commit_lists(s))
		return INBOUND_COMMIT;
	inbound_say(s, REPLY_NO_MEMORY);
	inbound_reset(s);
	return INBOUND_COMMAND;
}

static void accepted(struct inbound_session *s, bool client_gone)
{
	struct inbound *pool = s->pool;

	s->messages++;
	s->bytes += s->tx->data.stored;
	s->idle = 0;
	pool->stats.messages++;
	pool->stats.bytes += s->tx->data.stored;
	inbound_log_accepted(s, client_gone);
	pool->config.accepted(pool->config.arg, s->committed.message);
}

enum inbound_state inbound_commit_on_committed(struct inbound_session *s)
{
	char id[LOG_ID_SIZE];

	switch (s->committed.status) {
	case SPOOL_OK:
		accepted(s, false);
		inbound_printf(s, "250 2.0.0 Ok: queued as %s\r\n",
			       log_id_text(s->tx->id, id));
		break;
	case SPOOL_FULL:
		inbound_say(s, REPLY_SPOOL_FULL);
		break;
	case SPOOL_FAILED:
		inbound_say(s, REPLY_SPOOL_FAILED);
		break;
	}
	inbound_reset(s);
	return INBOUND_COMMAND;
}

/* Whose new keys can't be followed still gets the answer, so that it need not
 * send the message again. */
enum inbound_state inbound_commit_on_failed(struct inbound_session *s)
{
	inbound_note_failure(s);
	return s->rekeyed ? INBOUND_COMMIT : INBOUND_ORPHAN;
}

enum inbound_state inbound_commit_on_abort(struct inbound_session *s)
{
	s->end = INBOUND_END_ABORTED;
	return INBOUND_ORPHAN;
}

enum inbound_state inbound_orphan_enter(struct inbound_session *s)
{
	inbound_hang_up(s, KTLS_CLOSE_ABORT);
	return INBOUND_ORPHAN;
}

/* The message was accepted, and stays so; its client will send it again. */
enum inbound_state inbound_orphan_on_committed(struct inbound_session *s)
{
	if (s->committed.status == SPOOL_OK)
		accepted(s, true);
	return INBOUND_GONE;
}
