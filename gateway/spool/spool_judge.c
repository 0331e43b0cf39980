/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judging what isn't records.  A gap is one of three things:
 *  - given back: a FREE record says so;
 *  - torn: nothing says that it was ever on stable storage, so no client
 *    was promised it;
 *  - damaged: a record written later, or the next segment's header, says
 *    that it had been safe.  Its segment is kept.
 */
#include <stdlib.h>
#include <unistd.h>

#include "gateway/spool/spool_recover.h"

static int compare_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_ranges(const void *a, const void *b)
{
	const struct spool_range *x = a, *y = b;
	int order = compare_u64(x->segment, y->segment);

	return order ? order : compare_u64(x->from, y->from);
}

static int compare_ids(const void *a, const void *b)
{
	return compare_u64(*(const uint64_t *)a, *(const uint64_t *)b);
}

static void sort(struct spool_list *list, size_t size,
		 int (*compare)(const void *, const void *))
{
	if (list->count)
		qsort(list->data, list->count, size, compare);
}

/* The first FREE range that isn't before @at of @segment. */
static size_t free_lower(const struct spool_recovery *r, uint32_t segment,
			 uint64_t at)
{
	const struct spool_range *frees = r->frees.data;
	size_t low = 0, high = r->frees.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct spool_range *f = &frees[middle];

		if (f->segment < segment ||
		    (f->segment == segment && f->to <= at))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* How many stretches of [from, to) were not given back. */
static uint64_t count_uncovered(const struct spool_recovery *r,
				uint32_t segment, uint64_t from, uint64_t to)
{
	const struct spool_range *frees = r->frees.data;
	size_t i = free_lower(r, segment, from);
	uint64_t count = 0;

	for (; from < to; i++) {
		if (i == r->frees.count || frees[i].segment != segment ||
		    frees[i].from >= to)
			return count + 1;
		count += frees[i].from > from;
		if (frees[i].to > from)
			from = frees[i].to;
	}
	return count;
}

/* A torn stretch with records behind it: it is made zeros, and what comes
 * later must not call it safe. */
static void void_torn(struct spool_segment *segment, uint64_t from, uint64_t to)
{
	static const unsigned char zeros[4096];

	if (from < segment->synced_end)
		segment->synced_end = from;
	if (segment->spool->read_only)
		return;
	while (from < to) {
		size_t len = to - from < sizeof(zeros) ? (size_t)(to - from)
						       : sizeof(zeros);
		ssize_t n = pwrite(segment->fd, zeros, len, (off_t)from);

		if (n <= 0)
			return; /* reported again at the next start */
		from += (uint64_t)n;
	}
}

static void tell_damage(struct spool_recovery *r, enum spool_damage_kind kind,
			const struct spool_range *gap, uint64_t from,
			uint64_t to)
{
	struct spool_damage damage = {
		.kind = kind,
		.segment = gap->segment,
		.from = from,
		.to = to,
		.records = gap->headers,
	};

	spool_recovery_tell(r, &damage);
}

/* What is behind the end of a file that was used before. */
static bool is_earlier_life(const struct spool_segment *segment,
			    const struct spool_range *gap)
{
	return segment->recycled && gap->to == UINT64_MAX;
}

static void judge_gap(struct spool_recovery *r, const struct spool_range *gap)
{
	struct spool_segment *segment = spool_recovery_segment(r, gap->segment);
	uint64_t safe, bad, torn;

	if (!segment)
		return;
	safe = r->spool->seed_unknown ? gap->content : segment->sync_off;
	if (safe > gap->to)
		safe = gap->to;
	bad = count_uncovered(r, gap->segment, gap->from, safe);
	if (bad) {
		r->report->bad_records +=
			bad > gap->headers ? bad : gap->headers;
		segment->damaged = true;
		tell_damage(r, SPOOL_DAMAGE_BAD, gap, gap->from, safe);
	}
	torn = safe > gap->from ? safe : gap->from;
	if (gap->content > torn && !is_earlier_life(segment, gap)) {
		r->report->torn_bytes += gap->content - torn;
		tell_damage(r, SPOOL_DAMAGE_TORN, gap, torn, gap->content);
	}
	/* The last gap goes with the end of the file, others stay. */
	if (gap->to != UINT64_MAX && gap->to > torn)
		void_torn(segment, torn, gap->content);
}

/* --- messages whose chunks are not all there --- */

static int compare_place(const struct spool_extent *a,
			 const struct spool_extent *b)
{
	int order = compare_u64(a->segment->number, b->segment->number);

	return order ? order : compare_u64(a->offset8, b->offset8);
}

/* Chunks were seen in the order of their places. */
static bool chunk_is_there(const struct spool_recovery *r, uint64_t id,
			   const struct spool_extent *extent)
{
	const struct spool_chunk_seen *seen = r->chunks.data;
	size_t low = 0, high = r->chunks.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_place(&seen[middle].extent, extent);

		if (!order)
			return seen[middle].id == id &&
			       seen[middle].extent.length == extent->length;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

enum chunks {
	CHUNKS_THERE,
	CHUNKS_TORN,	/* one was never on stable storage */
	CHUNKS_DAMAGED, /* one is lost that had been safe */
};

static enum chunks judge_chunks(const struct spool_recovery *r,
				const struct spool_message *message)
{
	enum chunks verdict = CHUNKS_THERE;

	for (uint32_t i = 0; i < message->extent_count; i++) {
		const struct spool_extent *extent = &message->extents[i];

		if (!extent->segment)
			return CHUNKS_DAMAGED;
		if (chunk_is_there(r, message->id, extent))
			continue;
		if ((uint64_t)extent->offset8 << 3 < extent->segment->sync_off)
			return CHUNKS_DAMAGED;
		verdict = CHUNKS_TORN;
	}
	return verdict;
}

/* Half a message isn't sent. Its bytes stay where somebody may look at them:
 * its segments are kept under another name when nothing else is in them. */
static void set_aside(struct spool_recovery *r, struct spool_message *message)
{
	uint64_t from = (uint64_t)message->offset8 << 3;
	struct spool_damage damage = {
		.kind = SPOOL_DAMAGE_MESSAGE,
		.segment = message->segment->number,
		.from = from,
		.to = from + spool_record_size(message->length),
		.message = message,
	};

	spool_recovery_tell(r, &damage);
	r->report->damaged_messages++;
	message->segment->damaged = true;
	for (uint32_t i = 0; i < message->extent_count; i++) {
		struct spool_segment *segment = message->extents[i].segment;

		if (segment)
			segment->damaged = true;
		else
			r->report->bad_records++; /* no gap to tell of it */
	}
	spool_idmap_remove(&r->live, message->id);
	spool_message_drop(r->spool, message);
}

/*
 * A MESSAGE record may have reached the disk and a chunk of the same round
 * not: then nobody was told "ok", and it is as torn as the chunk.
 */
static void judge_messages(struct spool_recovery *r)
{
	uint64_t *owners = r->owners.data;

	for (size_t i = 0; i < r->owners.count; i++) {
		struct spool_message *message =
			spool_idmap_find(&r->live, owners[i]);

		if (!message || !message->extent_count)
			continue;
		switch (judge_chunks(r, message)) {
		case CHUNKS_THERE:
			break;
		case CHUNKS_TORN:
			spool_idmap_remove(&r->live, message->id);
			spool_message_drop(r->spool, message);
			owners[i] = 0;
			break;
		case CHUNKS_DAMAGED:
			set_aside(r, message);
			owners[i] = 0;
			break;
		}
	}
}

void spool_judge(struct spool_recovery *r)
{
	const struct spool_range *gaps = r->gaps.data;

	sort(&r->frees, sizeof(struct spool_range), compare_ranges);
	for (size_t i = 0; i < r->gaps.count; i++)
		judge_gap(r, &gaps[i]);
	judge_messages(r);
}

static bool has_owner(const struct spool_recovery *r, uint64_t id)
{
	return r->owners.count && bsearch(&id, r->owners.data, r->owners.count,
					  sizeof(id), compare_ids);
}

static bool was_freed(const struct spool_recovery *r,
		      const struct spool_extent *extent)
{
	uint64_t from = (uint64_t)extent->offset8 << 3;

	return !count_uncovered(r, extent->segment->number, from,
				from + spool_record_size(extent->length));
}

void spool_judge_orphans(struct spool_recovery *r)
{
	struct spool_chunk_seen *seen = r->chunks.data;

	sort(&r->owners, sizeof(uint64_t), compare_ids);
	for (size_t i = 0; i < r->chunks.count; i++) {
		if (has_owner(r, seen[i].id) || was_freed(r, &seen[i].extent))
			continue;
		r->report->orphan_chunks++;
		/* A tool has no ring: the next start gives them back. */
		if (seen[i].extent.segment->live && r->spool->ring)
			spool_give_back(r->spool, &seen[i].extent, 1);
	}
}
