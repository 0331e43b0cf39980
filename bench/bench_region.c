/* SPDX-License-Identifier: Apache-2.0 */
/* Finding and hashing the part of a message that must not change. */
#include "bench/bench_region.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

static const char field[] = "x-bench-id:";
enum {
	FIELD_LEN = sizeof(field) - 1
};

void bench_region_start(struct bench_region *r, struct bench_hash *hash)
{
	static_assert(FIELD_LEN <= sizeof(r->held), "held takes the name");
	r->hash = hash;
	r->size = 0;
	r->state = BENCH_REGION_HEADER;
	r->column = 0;
	r->match = 0;
	r->id_len = 0;
	r->id[0] = '\0';
	bench_hash_start(hash);
}

static void region_hash(struct bench_region *r, const char *data, size_t len)
{
	bench_hash_add(r->hash, data, len);
	r->size += len;
}

/* One octet of the header above the id line. */
static void region_header_octet(struct bench_region *r, char c)
{
	if (c == '\n') {
		/* The empty line: the header ended without an id. */
		if (r->column == 0 || (r->column == 1 && r->held[0] == '\r'))
			r->state = BENCH_REGION_INSIDE;
		r->column = r->match = 0;
		return;
	}
	if (r->column < FIELD_LEN)
		r->held[r->column] = c;
	if (r->match == r->column && r->match < FIELD_LEN &&
	    tolower((unsigned char)c) == field[r->match])
		r->match++;
	r->column++;
	if (r->match == FIELD_LEN) {
		r->state = BENCH_REGION_ID;
		region_hash(r, r->held, FIELD_LEN);
	}
}

static void region_id_octet(struct bench_region *r, char c)
{
	if (c == '\n') {
		r->state = BENCH_REGION_INSIDE;
		r->id[r->id_len] = '\0';
		return;
	}
	if (c == ' ' || c == '\t' || c == '\r')
		return;
	if (r->id_len + 1 < sizeof(r->id))
		r->id[r->id_len++] = c;
}

void bench_region_add(struct bench_region *r, const char *data, size_t len)
{
	size_t i = 0, id_from;

	while (i < len && r->state == BENCH_REGION_HEADER)
		region_header_octet(r, data[i++]);
	id_from = i;
	while (i < len && r->state == BENCH_REGION_ID)
		region_id_octet(r, data[i++]);
	region_hash(r, data + id_from, len - id_from);
}

static bool id_valid(const char *id)
{
	for (const char *p = id; *p; p++) {
		if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
			return false;
	}
	return *id;
}

bool bench_region_end(struct bench_region *r, char text[BENCH_HASH_TEXT])
{
	bench_hash_text(r->hash, text);
	if (r->state == BENCH_REGION_ID)
		r->id[r->id_len] = '\0';
	return id_valid(r->id);
}
