/* SPDX-License-Identifier: Apache-2.0 */
/* Events that wait for a hook: lines of JSON, in order, in bounded memory. */
#ifndef GATEWAY_WEBHOOK_WEBHOOK_QUEUE_H
#define GATEWAY_WEBHOOK_WEBHOOK_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct webhook_event {
	struct webhook_event *next;
	size_t len;
	char json[]; /* without line feed */
};

struct webhook_queue {
	pthread_mutex_t lock; /* guards the rest; held for an append */
	pthread_cond_t news;
	struct webhook_event *first, **last;
	size_t count, bytes;
	size_t max_bytes;
	uint64_t dropped; /* had no room, since the beginning */
	bool stopping;
};

/* What a batch is made of. */
struct webhook_batch_terms {
	size_t events;	/* at most */
	uint64_t delay; /* ns: so long for more, once there is one */
};

/* 0 or -errno. */
int webhook_queue_init(struct webhook_queue *queue, size_t max_bytes);
/* With no other user any more. */
void webhook_queue_deinit(struct webhook_queue *queue);

/* webhook_queue_put() - any thread; copies. False: no room, counted. */
bool webhook_queue_put(struct webhook_queue *queue, const char *json,
		       size_t len);
/* webhook_queue_take() - wait for a batch; returned owned, a list. NULL: it is
 * stopping, and nothing is left. */
struct webhook_event *webhook_queue_take(
	struct webhook_queue *queue, const struct webhook_batch_terms *terms);
/* webhook_queue_sleep() - @ns, or until it is stopping; is it? */
bool webhook_queue_sleep(struct webhook_queue *queue, uint64_t ns);
void webhook_queue_stop(struct webhook_queue *queue);
/* Of those taken: their memory is given back to the bound. */
void webhook_queue_free(struct webhook_queue *queue,
			struct webhook_event *events);
uint64_t webhook_queue_dropped(struct webhook_queue *queue);
size_t webhook_queue_count(struct webhook_queue *queue);

#endif
