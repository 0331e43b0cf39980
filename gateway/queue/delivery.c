/* SPDX-License-Identifier: Apache-2.0 */
/* One message for one destination. */
#include "gateway/queue/delivery.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/queue/domain.h"

enum {
	SIZE_ONE = (offsetof(struct delivery, recipients[1]) + 7) & ~7,
};

struct delivery *delivery_create(struct delivery_pool *pool,
				 struct spool_message *message,
				 const uint32_t *recipients, size_t count)
{
	struct delivery *d =
		count == 1 ? delivery_pool_get(pool, SIZE_ONE)
			   : calloc(1, sizeof(*d) + count * sizeof(uint32_t));

	assert(count > 0);
	if (!d)
		return NULL;
	d->message = message;
	d->recipient_count = (uint32_t)count;
	d->pooled = count == 1;
	memcpy(d->recipients, recipients, count * sizeof(uint32_t));
	return d;
}

void delivery_free(struct delivery_pool *pool, struct delivery *d)
{
	assert(!d || !d->run);
	if (d && d->pooled)
		delivery_pool_put(pool, d);
	else
		free(d);
}

void delivery_place(struct delivery *d, enum delivery_place place)
{
	d->domain->places[d->place]--;
	d->place = (uint8_t)place;
	d->domain->places[place]++;
}

uint64_t delivery_id(const void *item)
{
	const struct delivery *d = item;

	return spool_message_id(d->message);
}

int delivery_begin(struct delivery *d)
{
	size_t n = d->recipient_count;
	struct delivery_run *run =
		calloc(1, sizeof(*run) + n * sizeof(run->answers[0]));
	int r;

	assert(!d->run);
	if (!run)
		return -ENOMEM;
	r = spool_view(spool_message_spool(d->message), d->message, &run->view);
	if (r < 0) {
		free(run);
		return r;
	}
	run->delivery = d;
	run->outbound = (struct outbound_delivery){
		.id = spool_message_id(d->message),
		.view = &run->view,
		.recipients = d->recipients,
		.recipient_count = n,
		.repeats = d->repeats,
	};
	d->run = run;
	return 0;
}

/* A reply of several lines, or a long one, as it was. */
static char *keep_whole(const struct outbound_answer *answer)
{
	char text[SMTP_TRANSCRIPT_SIZE];

	if (!answer->reply ||
	    (answer->reply->part_count <= 1 &&
	     answer->reply->text_len <
		     sizeof(((struct delivery_answer *)0)->reply)))
		return NULL;
	/* Without memory the beginning must do. */
	return strdup(smtp_reply_transcript(answer->reply, text));
}

void delivery_answered(struct delivery *d, size_t index,
		       const struct outbound_answer *answer,
		       enum spool_result result)
{
	struct delivery_answer *kept = &d->run->answers[index];

	assert(!kept->given);
	kept->given = true;
	kept->result = result;
	kept->code = answer->code;
	kept->said = answer->said;
	kept->tells = answer->tells;
	snprintf(kept->status, sizeof(kept->status), "%s", answer->enhanced);
	snprintf(kept->reply, sizeof(kept->reply), "%s", answer->text);
	if (result != SPOOL_DELIVERED)
		kept->transcript = keep_whole(answer);
}

size_t delivery_end(struct delivery *d)
{
	struct delivery_run *run = d->run;
	struct spool *spool = spool_message_spool(d->message);
	size_t open = 0, deferred = 0;

	assert(run);
	spool_release_view(spool, &run->view);
	for (size_t i = 0; i < d->recipient_count; i++) {
		struct delivery_answer *a = &run->answers[i];
		uint32_t recipient = d->recipients[i];

		free(a->transcript);
		if (!a->given || a->result == SPOOL_DEFERRED)
			d->recipients[open++] = recipient;
		if (!a->given)
			continue;
		deferred += a->result == SPOOL_DEFERRED;
		spool_message_warn(d->message, recipient, d->warned);
		/* After the last open recipient's record the message is the
		 * spool's to free. */
		spool_record(spool, d->message, recipient, a->result,
			     d->attempts, d->due, a->reply);
	}
	d->recipient_count = (uint32_t)open;
	d->run = NULL;
	free(run);
	return deferred;
}
