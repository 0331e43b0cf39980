/* SPDX-License-Identifier: Apache-2.0 */
/* Events that wait for a hook. */
#include "gateway/webhook/webhook_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS UINT64_C(1000000000)

static size_t cost_of(size_t len)
{
	return sizeof(struct webhook_event) + len + 16; /* malloc's own */
}

int webhook_queue_init(struct webhook_queue *queue, size_t max_bytes)
{
	pthread_condattr_t attr;
	int r;

	*queue = (struct webhook_queue){.max_bytes = max_bytes};
	queue->last = &queue->first;
	pthread_mutex_init(&queue->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	r = pthread_cond_init(&queue->news, &attr);
	pthread_condattr_destroy(&attr);
	return -r;
}

void webhook_queue_deinit(struct webhook_queue *queue)
{
	webhook_queue_free(queue, queue->first);
	pthread_cond_destroy(&queue->news);
	pthread_mutex_destroy(&queue->lock);
}

/* False: no room. */
static bool append(struct webhook_queue *queue, struct webhook_event *event)
{
	size_t cost = cost_of(event->len);

	if (queue->stopping || cost > queue->max_bytes - queue->bytes)
		return false;
	*queue->last = event;
	queue->last = &event->next;
	queue->count++;
	queue->bytes += cost;
	return true;
}

bool webhook_queue_put(struct webhook_queue *queue, const char *json,
		       size_t len)
{
	struct webhook_event *event = malloc(sizeof(*event) + len);
	bool put;

	if (event) {
		event->next = NULL;
		event->len = len;
		memcpy(event->json, json, len);
	}
	pthread_mutex_lock(&queue->lock);
	put = event && append(queue, event);
	queue->dropped += !put;
	if (put)
		pthread_cond_signal(&queue->news);
	pthread_mutex_unlock(&queue->lock);
	if (!put)
		free(event);
	return put;
}

static struct timespec in_time(uint64_t ns)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ns += (uint64_t)ts.tv_nsec;
	ts.tv_sec += (time_t)(ns / NS);
	ts.tv_nsec = (long)(ns % NS);
	return ts;
}

/* With the lock: the first @max of them. */
static struct webhook_event *cut(struct webhook_queue *queue, size_t max)
{
	struct webhook_event *list = NULL, **end = &list;
	size_t n = 0;

	for (; queue->first && n < max; n++) {
		*end = queue->first;
		end = &queue->first->next;
		queue->first = *end;
	}
	*end = NULL;
	if (!queue->first)
		queue->last = &queue->first;
	queue->count -= n;
	return list;
}

struct webhook_event *webhook_queue_take(
	struct webhook_queue *queue, const struct webhook_batch_terms *terms)
{
	struct webhook_event *list;
	struct timespec until;

	pthread_mutex_lock(&queue->lock);
	while (!queue->first && !queue->stopping)
		pthread_cond_wait(&queue->news, &queue->lock);
	until = in_time(terms->delay);
	while (queue->count < terms->events && !queue->stopping &&
	       pthread_cond_timedwait(&queue->news, &queue->lock, &until) !=
		       ETIMEDOUT)
		;
	list = cut(queue, terms->events);
	pthread_mutex_unlock(&queue->lock);
	return list;
}

bool webhook_queue_sleep(struct webhook_queue *queue, uint64_t ns)
{
	struct timespec until = in_time(ns);
	bool stopping;

	pthread_mutex_lock(&queue->lock);
	while (!queue->stopping &&
	       pthread_cond_timedwait(&queue->news, &queue->lock, &until) !=
		       ETIMEDOUT)
		;
	stopping = queue->stopping;
	pthread_mutex_unlock(&queue->lock);
	return stopping;
}

void webhook_queue_stop(struct webhook_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->stopping = true;
	pthread_cond_broadcast(&queue->news);
	pthread_mutex_unlock(&queue->lock);
}

void webhook_queue_free(struct webhook_queue *queue,
			struct webhook_event *events)
{
	size_t bytes = 0;

	while (events) {
		struct webhook_event *next = events->next;

		bytes += cost_of(events->len);
		free(events);
		events = next;
	}
	pthread_mutex_lock(&queue->lock);
	queue->bytes -= bytes;
	pthread_mutex_unlock(&queue->lock);
}

uint64_t webhook_queue_dropped(struct webhook_queue *queue)
{
	uint64_t dropped;

	pthread_mutex_lock(&queue->lock);
	dropped = queue->dropped;
	pthread_mutex_unlock(&queue->lock);
	return dropped;
}

size_t webhook_queue_count(struct webhook_queue *queue)
{
	size_t count;

	pthread_mutex_lock(&queue->lock);
	count = queue->count;
	pthread_mutex_unlock(&queue->lock);
	return count;
}
