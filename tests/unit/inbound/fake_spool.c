/* SPDX-License-Identifier: Apache-2.0 */
/* A spool in memory. */
#include "tests/unit/inbound/fake_spool.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fake_spool_open(struct spool *spool)
{
	memset(spool, 0, sizeof(*spool));
	spool->waiters.next = spool->waiters.prev = &spool->waiters;
}

static void free_message(struct spool_message *message)
{
	if (message)
		free(message->body);
	free(message);
}

void fake_spool_close(struct spool *spool)
{
	assert(spool->open == 0);
	assert(spool->commit_count == 0);
	assert(spool->waiters.next == &spool->waiters);
	for (unsigned i = 0; i < spool->count; i++)
		free_message(spool->messages[i]);
}

enum spool_status spool_begin(struct spool *spool, struct spool_writer **out)
{
	struct spool_writer *writer;

	if (spool->begin_status != SPOOL_OK)
		return spool->begin_status;
	writer = calloc(1, sizeof(*writer));
	assert(writer);
	writer->spool = spool;
	writer->id = UINT64_C(0x1234500) + ++spool->begun;
	spool->open++;
	*out = writer;
	return SPOOL_OK;
}

uint64_t spool_writer_id(const struct spool_writer *writer)
{
	return writer->id;
}

uint64_t spool_writer_size(const struct spool_writer *writer)
{
	return writer->len;
}

size_t spool_reserve(struct spool_writer *writer, unsigned char **data)
{
	struct spool *spool = writer->spool;
	size_t room = spool->room ? spool->room : 65536;

	free(writer->reserved);
	writer->reserved = NULL;
	writer->room = 0;
	if (spool->behind ||
	    (spool->capacity && writer->len >= spool->capacity))
		return 0;
	writer->reserved = malloc(room);
	assert(writer->reserved);
	writer->room = room;
	*data = writer->reserved;
	return room;
}

void spool_advance(struct spool_writer *writer, size_t len)
{
	assert(len <= writer->room);
	if (len == 0)
		return;
	writer->body = realloc(writer->body, writer->len + len + 1);
	assert(writer->body);
	memcpy(writer->body + writer->len, writer->reserved, len);
	writer->len += len;
	writer->body[writer->len] = '\0';
	free(writer->reserved);
	writer->reserved = NULL;
	writer->room = 0;
}

void spool_wait(struct spool *spool, struct spool_waiter *waiter)
{
	assert(!waiter->next && !waiter->prev);
	waiter->prev = spool->waiters.prev;
	waiter->next = &spool->waiters;
	waiter->prev->next = waiter;
	spool->waiters.prev = waiter;
}

void spool_unwait(struct spool *spool, struct spool_waiter *waiter)
{
	if (!waiter->next)
		return;
	waiter->prev->next = waiter->next;
	waiter->next->prev = waiter->prev;
	waiter->next = waiter->prev = NULL;
}

static void copy_envelope(struct spool_message *message,
			  const struct spool_envelope *envelope)
{
	snprintf(message->reverse_path, sizeof(message->reverse_path), "%s",
		 envelope->reverse_path);
	message->recipient_count = envelope->recipient_count;
	for (size_t i = 0; i < envelope->recipient_count && i < 8; i++) {
		snprintf(message->recipients[i], sizeof(message->recipients[i]),
			 "%s", envelope->recipients[i]);
		if (envelope->recipients_dsn)
			snprintf(message->recipients_dsn[i],
				 sizeof(message->recipients_dsn[i]), "%s",
				 envelope->recipients_dsn[i]);
	}
	if (envelope->dsn)
		snprintf(message->dsn, sizeof(message->dsn), "%s",
			 envelope->dsn);
	snprintf(message->client, sizeof(message->client), "%s",
		 envelope->client);
	message->arrival = envelope->arrival;
	message->flags = envelope->flags;
}

void spool_commit(struct spool_writer *writer,
		  const struct spool_envelope *envelope, const void *trace,
		  size_t trace_len, spool_committed_fn fn, void *owner)
{
	struct spool *spool = writer->spool;
	struct spool_message *message = calloc(1, sizeof(*message));

	assert(message && trace_len < sizeof(message->trace));
	assert(spool->commit_count < FAKE_MESSAGES);
	copy_envelope(message, envelope);
	memcpy(message->trace, trace, trace_len);
	message->id = writer->id;
	message->body =
		writer->body ? writer->body : (unsigned char *)strdup("");
	message->len = writer->len;
	spool->commits[spool->commit_count++] =
		(struct fake_commit){message, fn, owner};
	free(writer->reserved);
	free(writer);
	spool->open--;
}

void spool_abort(struct spool_writer **writer)
{
	if (!*writer)
		return;
	(*writer)->spool->open--;
	(*writer)->spool->aborted++;
	free((*writer)->reserved);
	free((*writer)->body);
	free(*writer);
	*writer = NULL;
}

static void answer(struct spool *spool)
{
	struct fake_commit commit = spool->commits[0];

	spool->commit_count--;
	memmove(spool->commits, spool->commits + 1,
		spool->commit_count * sizeof(spool->commits[0]));
	if (spool->commit_status != SPOOL_OK) {
		free_message(commit.message);
		commit.fn(commit.owner, spool->commit_status, NULL);
		return;
	}
	assert(spool->count < FAKE_MESSAGES);
	spool->messages[spool->count++] = commit.message;
	commit.fn(commit.owner, SPOOL_OK, commit.message);
}

bool fake_spool_pump(struct spool *spool)
{
	struct spool_waiter *waiter = spool->waiters.next;

	if (!spool->hold && spool->commit_count > 0) {
		answer(spool);
		return true;
	}
	if (spool->behind || waiter == &spool->waiters)
		return false;
	if (spool->capacity)
		spool->capacity += 4096;
	spool_unwait(spool, waiter);
	waiter->fn(waiter->owner);
	return true;
}
