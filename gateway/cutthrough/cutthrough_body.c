/* SPDX-License-Identifier: Apache-2.0 */
/* Message bytes to the next hop: text by DATA, chunks by BDAT. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "gateway/cutthrough/cutthrough_leg.h"

/* So much, in so many pieces, may wait for the next hop. */
#define UNSENT_MAX (128 * 1024)
#define WRITES_MAX (KTLS_OUT_MAX / 2)

static struct ktls_stream *stream_of(const struct cutthrough_leg *leg)
{
	return outbound_stream(leg->via->session);
}

static bool has_room(const struct cutthrough_leg *leg)
{
	return leg->writes < WRITES_MAX &&
	       ktls_stream_unsent(stream_of(leg)) < UNSENT_MAX;
}

static void put(struct cutthrough_leg *leg, const void *data, size_t len)
{
	if (len == 0)
		return;
	/* A stream that can't take it has failed and says so by an event; it
	 * can't be full, and without memory the timer ends it. */
	(void)ktls_stream_write(stream_of(leg), data, len);
	leg->writes++;
}

bool cutthrough_behind(const struct cutthrough_leg *leg)
{
	if (ktls_forward_running(&leg->forward))
		return ktls_forward_waits(&leg->forward) ==
		       KTLS_FORWARD_WAITS_SINK;
	return !has_room(leg) || leg->forwarded != KTLS_FORWARD_DONE;
}

bool cutthrough_progressed(struct cutthrough_leg *leg)
{
	struct ktls_stream_info info;
	uint64_t before = leg->progress;

	ktls_stream_info(stream_of(leg), &info);
	leg->progress = info.bytes_out;
	return info.bytes_out != before;
}

static void body_begin(struct cutthrough_leg *leg)
{
	leg->writes = 0;
	leg->forwarded = KTLS_FORWARD_DONE;
	leg->late = false;
	leg->progress = 0;
	(void)cutthrough_progressed(leg);
}

/* --- DATA --- */

void cutthrough_text(struct cutthrough_leg *leg, const char *trace, size_t len)
{
	assert(leg->state == CUTTHROUGH_IN_OPEN);
	body_begin(leg);
	smtp_stuff_start(&leg->stuff);
	put(leg, trace, len);
	cutthrough_enter(leg, CUTTHROUGH_IN_BODY);
}

size_t cutthrough_reserve(struct cutthrough_leg *leg, unsigned char **out)
{
	assert(leg->state == CUTTHROUGH_IN_BODY);
	if (!has_room(leg)) {
		leg->wants_room = true;
		return 0;
	}
	*out = leg->hop->pool->text;
	return CUTTHROUGH_TEXT;
}

/* Returns the length of the stuffed text. */
static size_t stuff(struct cutthrough_leg *leg, size_t len)
{
	const unsigned char *from = leg->hop->pool->text;
	unsigned char *to = leg->hop->pool->stuffed;
	size_t at = 0, made = 0;

	while (at < len) {
		bool dot;
		size_t n =
			smtp_stuff_run(&leg->stuff, from + at, len - at, &dot);

		memcpy(to + made, from + at, n);
		made += n;
		at += n;
		if (dot)
			to[made++] = '.';
	}
	return made;
}

void cutthrough_advance(struct cutthrough_leg *leg, size_t len)
{
	assert(leg->state == CUTTHROUGH_IN_BODY && len <= CUTTHROUGH_TEXT);
	put(leg, leg->hop->pool->stuffed, stuff(leg, len));
	leg->copied += len;
}

void cutthrough_end(struct cutthrough_leg *leg)
{
	const char *end = smtp_stuff_end(&leg->stuff);

	assert(leg->state == CUTTHROUGH_IN_BODY);
	put(leg, end, strlen(end));
	leg->last = false; /* no chunk */
	cutthrough_enter(leg, CUTTHROUGH_IN_FINAL);
}

/* --- BDAT --- */

void cutthrough_chunk(struct cutthrough_leg *leg, uint64_t size, bool last,
		      const char *trace, size_t trace_len)
{
	char line[64];
	int len = snprintf(line, sizeof(line), "BDAT %llu%s\r\n",
			   (unsigned long long)(size + trace_len),
			   last ? " LAST" : "");

	assert(leg->state == CUTTHROUGH_IN_OPEN && leg->via);
	body_begin(leg);
	leg->chunk_left = size;
	leg->last = last;
	put(leg, line, (size_t)len);
	put(leg, trace, trace_len);
	cutthrough_enter(leg, CUTTHROUGH_IN_CHUNK);
}

size_t cutthrough_put(struct cutthrough_leg *leg, const void *data, size_t len)
{
	assert(leg->state == CUTTHROUGH_IN_CHUNK && len <= leg->chunk_left);
	if (!has_room(leg)) {
		leg->wants_room = true;
		return 0;
	}
	put(leg, data, len);
	leg->chunk_left -= len;
	leg->copied += len;
	return len;
}

static void on_forwarded(void *owner, enum ktls_forward_end end)
{
	struct cutthrough_leg *leg = owner;

	leg->forwarded = end;
	cutthrough_input(leg, CUTTHROUGH_ON_FORWARDED);
}

void cutthrough_forward(struct cutthrough_leg *leg, struct ktls_stream *from)
{
	assert(leg->state == CUTTHROUGH_IN_CHUNK);
	/* -EPIPE: one of them has failed and is about to say so. */
	(void)ktls_forward_start(&leg->forward, from, stream_of(leg),
				 leg->chunk_left, on_forwarded, leg);
}

void cutthrough_forwarded(struct cutthrough_leg *leg)
{
	struct ktls_forward *f = &leg->forward;

	ktls_forward_cancel(f);
	leg->spliced += f->spliced;
	leg->copied += f->taken - f->spliced;
	leg->chunk_left -= f->taken;
	*f = (struct ktls_forward){0};
}

uint64_t cutthrough_left(const struct cutthrough_leg *leg)
{
	return leg->chunk_left - leg->forward.taken;
}
