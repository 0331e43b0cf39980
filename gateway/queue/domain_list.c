/* SPDX-License-Identifier: Apache-2.0 */
/* Busy and idle domains in rows, and walks through the busy ones. */
#include <assert.h>

#include "gateway/queue/queue_private.h"
#include "uring/uring.h"

void domain_list_append(struct domain_list *list, struct domain *domain)
{
	domain->before = list->last;
	domain->behind = NULL;
	if (list->last)
		list->last->behind = domain;
	else
		list->first = domain;
	list->last = domain;
	list->count++;
}

void domain_list_remove(struct domain_list *list, struct domain *domain)
{
	if (domain->before)
		domain->before->behind = domain->behind;
	else
		list->first = domain->behind;
	if (domain->behind)
		domain->behind->before = domain->before;
	else
		list->last = domain->before;
	list->count--;
}

void domain_make_idle(struct domain *domain)
{
	struct queue *queue = domain->queue;

	for (struct domain_walk *w = queue->walks; w; w = w->next)
		if (w->at == domain)
			w->at = domain->behind;
	domain_list_remove(&queue->busy, domain);
	domain->idle_since = uring_now(queue->config.env->ring);
	domain_list_append(&queue->idle, domain);
}

void domain_make_busy(struct domain *domain)
{
	struct queue *queue = domain->queue;

	domain_list_remove(&queue->idle, domain);
	domain_list_append(&queue->busy, domain);
}

void domain_walk_begin(struct queue *queue, struct domain_walk *walk)
{
	walk->at = queue->busy.first;
	walk->next = queue->walks;
	queue->walks = walk;
}

struct domain *domain_walk_next(struct domain_walk *walk)
{
	struct domain *domain = walk->at;

	if (domain)
		walk->at = domain->behind;
	return domain;
}

void domain_walk_end(struct queue *queue, struct domain_walk *walk)
{
	struct domain_walk **at = &queue->walks;

	while (*at && *at != walk)
		at = &(*at)->next;
	assert(*at);
	*at = walk->next;
}
