/* SPDX-License-Identifier: Apache-2.0 */
/* Items on their way to a round. */
#include "gateway/spool/spool_private.h"

void spool_queue_push(struct spool_queue *queue, struct spool_item *item)
{
	item->next = NULL;
	if (queue->head)
		queue->tail->next = item;
	else
		queue->head = item;
	queue->tail = item;
}

struct spool_item *spool_queue_pop(struct spool_queue *queue)
{
	struct spool_item *item = queue->head;

	if (item)
		queue->head = item->next;
	return item;
}

void spool_queue_prepend(struct spool_queue *queue,
			 const struct spool_queue *front)
{
	if (!front->head)
		return;
	front->tail->next = queue->head;
	if (!queue->head)
		queue->tail = front->tail;
	queue->head = front->head;
}

bool spool_item_is_mail(const struct spool_item *item)
{
	return item->kind == SPOOL_ITEM_CHUNK ||
	       item->kind == SPOOL_ITEM_MESSAGE;
}

bool spool_item_is_move(const struct spool_item *item)
{
	return item->kind == SPOOL_ITEM_MOVE_CHUNK ||
	       item->kind == SPOOL_ITEM_MOVE;
}

bool spool_item_is_owed(const struct spool_item *item)
{
	return item->kind == SPOOL_ITEM_MESSAGE ||
	       item->kind == SPOOL_ITEM_RESULT;
}

void spool_enqueue(struct spool *spool, struct spool_item *item)
{
	spool_queue_push(&spool->queue, item);
	spool->queued += item->size;
	spool->unsettled += spool_item_is_owed(item);
	spool_kick(spool);
}

void spool_item_end(struct spool *spool, struct spool_item *item)
{
	spool->queued -= item->size;
	spool->unsettled -= spool_item_is_owed(item);
	spool_item_put(&spool->memory, item);
}

bool spool_item_is_dead(const struct spool_item *item)
{
	return spool_item_is_mail(item) &&
	       (item->writer->status != SPOOL_OK ||
		item->writer->state == SPOOL_WRITER_ABORTED);
}

void spool_item_drop_dead(struct spool *spool, struct spool_item *item)
{
	struct spool_writer *writer = item->writer;

	writer->items--;
	if (item->kind == SPOOL_ITEM_MESSAGE)
		spool_answer(spool, writer);
	else
		spool_writer_settle(writer);
	spool_item_end(spool, item);
}

void spool_queue_drop_dead(struct spool *spool)
{
	while (spool->queue.head && spool_item_is_dead(spool->queue.head))
		spool_item_drop_dead(spool, spool_queue_pop(&spool->queue));
}
