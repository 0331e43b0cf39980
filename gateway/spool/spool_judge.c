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
	}
	torn = safe > gap->from ? safe : gap->from;
	if (gap->content > torn)
		r->report->torn_bytes += gap->content - torn;
}

void spool_judge(struct spool_recovery *r)
{
	const struct spool_range *gaps = r->gaps.data;

	sort(&r->frees, sizeof(struct spool_range), compare_ranges);
	for (size_t i = 0; i < r->gaps.count; i++)
		judge_gap(r, &gaps[i]);
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
		if (seen[i].extent.segment->live)
			spool_give_back(r->spool, &seen[i].extent, 1);
	}
}
