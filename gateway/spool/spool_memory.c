/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool's memory: buffers by size class, items, messages and writers.
 * Each comes from a free list first, so that a message in the steady state
 * costs no call to malloc.
 */
#include <stdlib.h>

#include "gateway/spool/spool_private.h"

enum {
	SLAB_MESSAGES = 128,
	SLAB_ITEMS = 64,
	SPOOL_CLASS_CHUNK = SPOOL_CLASSES - 1,
};

/* How big the classes' data[] are, and how many are kept when idle. A mail
 * of 4 KiB with its envelope fits the first. */
static const struct {
	uint32_t size;
	unsigned keep;
} classes[SPOOL_CLASSES] = {
	{8 * 1024, 512},
	{24 * 1024, 128},
	{72 * 1024, 64},
	{SPOOL_MESSAGE_HEAD + SPOOL_CHUNK + SPOOL_CHUNK_TAIL, 32},
};

/* Memory of many small structs, freed at the end. */
struct spool_slab {
	struct spool_slab *next;
	alignas(16) unsigned char data[];
};

static void *slab_get(struct spool_memory *memory, size_t size)
{
	struct spool_slab *slab = calloc(1, sizeof(*slab) + size);

	if (!slab)
		return NULL;
	slab->next = memory->slabs;
	memory->slabs = slab;
	return slab->data;
}

static unsigned class_for(size_t size)
{
	unsigned class = 0;

	while (class < SPOOL_CLASSES && classes[class].size < size)
		class ++;
	return class;
}

/* Where in its memory a buffer of the class of chunks begins: the CHUNK record
 * in it, and with it the write, is at a block's begin. */
#define CHUNK_AT                                                    \
	(SPOOL_BLOCK - (SPOOL_MESSAGE_HEAD - SPOOL_RECORD_HEADER) - \
	 sizeof(struct spool_buffer))

static struct spool_buffer *buffer_make(unsigned class, size_t size)
{
	unsigned char *memory;

	size += sizeof(struct spool_buffer);
	if (class != SPOOL_CLASS_CHUNK)
		return malloc(size);
	size = (CHUNK_AT + size + SPOOL_BLOCK - 1) & ~(size_t)(SPOOL_BLOCK - 1);
	memory = aligned_alloc(SPOOL_BLOCK, size);
	return memory ? (void *)(memory + CHUNK_AT) : NULL;
}

static void buffer_free(struct spool_buffer *buffer)
{
	if (buffer->class == SPOOL_CLASS_CHUNK)
		free((unsigned char *)buffer - CHUNK_AT);
	else
		free(buffer);
}

struct spool_buffer *spool_buffer_get(struct spool_memory *memory, size_t size)
{
	unsigned class = class_for(size);
	struct spool_buffer *buffer;

	if (class < SPOOL_CLASSES && memory->free[class]) {
		buffer = memory->free[class];
		memory->free[class] = buffer->next;
		memory->kept[class]--;
		buffer->refs = 1;
		return buffer;
	}
	if (class < SPOOL_CLASSES)
		size = classes[class].size;
	if (size > UINT32_MAX)
		return NULL;
	buffer = buffer_make(class, size);
	if (!buffer)
		return NULL;
	buffer->size = (uint32_t)size;
	buffer->class = (uint8_t) class;
	buffer->refs = 1;
	return buffer;
}

void spool_buffer_unref(struct spool_memory *memory,
			struct spool_buffer *buffer)
{
	unsigned class;

	if (!buffer)
		return;
	assert(buffer->refs);
	if (--buffer->refs)
		return;
	class = buffer->class;
	if (class == SPOOL_CLASSES ||
	    memory->kept[class] >= classes[class].keep) {
		buffer_free(buffer);
		return;
	}
	buffer->next = memory->free[class];
	memory->free[class] = buffer;
	memory->kept[class]++;
}

size_t spool_buffer_next_size(const struct spool_buffer *buffer)
{
	if (!buffer)
		return classes[0].size;
	assert(buffer->class + 1 < SPOOL_CLASSES);
	return classes[buffer->class + 1].size;
}

struct spool_item *spool_item_get(struct spool_memory *memory)
{
	struct spool_item *item = memory->items;

	if (!item) {
		item = slab_get(memory, SLAB_ITEMS * sizeof(*item));
		if (!item)
			return NULL;
		for (unsigned i = 1; i < SLAB_ITEMS; i++) {
			item[i].next = memory->items;
			memory->items = &item[i];
		}
	} else {
		memory->items = item->next;
	}
	*item = (struct spool_item){0};
	return item;
}

void spool_item_put(struct spool_memory *memory, struct spool_item *item)
{
	spool_buffer_unref(memory, item->buffer);
	item->buffer = NULL;
	item->next = memory->items;
	memory->items = item;
}

static struct spool_message *message_slot(struct spool_memory *memory)
{
	struct spool_message *message = memory->messages;

	if (message) {
		memory->messages = message->next;
		return message;
	}
	message = slab_get(memory, SLAB_MESSAGES * sizeof(*message));
	for (unsigned i = 1; message && i < SLAB_MESSAGES; i++) {
		message[i].next = memory->messages;
		memory->messages = &message[i];
	}
	return message;
}

struct spool_message *spool_message_get(struct spool_memory *memory,
					uint32_t recipients)
{
	struct spool_message *message = message_slot(memory);

	if (!message)
		return NULL;
	*message = (struct spool_message){.recipients = recipients,
					  .open = recipients};
	if (recipients <= SPOOL_WORDS_INLINE)
		return message;
	message->more = calloc(recipients, sizeof(*message->more));
	if (message->more)
		return message;
	message->recipients = 0;
	spool_message_put(memory, message);
	return NULL;
}

void spool_message_put(struct spool_memory *memory,
		       struct spool_message *message)
{
	if (message->recipients > SPOOL_WORDS_INLINE)
		free(message->more);
	free(message->extents);
	message->extents = NULL;
	message->next = memory->messages;
	memory->messages = message;
}

struct spool_writer *spool_writer_get(struct spool_memory *memory)
{
	struct spool_writer *writer = memory->writers;

	if (writer)
		memory->writers = writer->next;
	else
		writer = malloc(sizeof(*writer));
	if (writer)
		*writer = (struct spool_writer){0};
	return writer;
}

void spool_writer_put(struct spool_memory *memory, struct spool_writer *writer)
{
	writer->next = memory->writers;
	memory->writers = writer;
}

void spool_memory_free(struct spool_memory *memory)
{
	for (unsigned class = 0; class < SPOOL_CLASSES; class ++) {
		while (memory->free[class]) {
			struct spool_buffer *buffer = memory->free[class];

			memory->free[class] = buffer->next;
			buffer_free(buffer);
		}
	}
	while (memory->writers) {
		struct spool_writer *writer = memory->writers;

		memory->writers = writer->next;
		free(writer);
	}
	while (memory->slabs) {
		struct spool_slab *slab = memory->slabs;

		memory->slabs = slab->next;
		free(slab);
	}
}
