/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of recovery share: the state that is built up while the
 * segments are read (spool_recover.c), what each record does to it
 * (spool_replay.c), and how what is no record is judged (spool_judge.c).
 */
#ifndef GATEWAY_SPOOL_SPOOL_RECOVER_H
#define GATEWAY_SPOOL_SPOOL_RECOVER_H

#include "gateway/spool/spool_idmap.h"
#include "gateway/spool/spool_private.h"
#include "gateway/spool/spool_scan.h"

/* A growing array. */
struct spool_list {
	void *data;
	size_t count, room;
};

/* A range of a segment: a gap, or what a FREE record gave back. */
struct spool_range {
	uint32_t segment;
	uint64_t from, to;
	uint64_t content, headers; /* gaps: as in struct spool_gap */
};

struct spool_chunk_seen {
	uint64_t id;
	struct spool_extent extent;
};

struct spool_recovery {
	struct spool *spool;
	struct spool_report *report;
	struct spool_idmap live;
	struct spool_list numbers; /* uint32_t: the segments' files */
	struct spool_list voids;   /* uint64_t: positions */
	size_t voids_known;	   /* of them, from the pass before */
	struct spool_list gaps;	   /* struct spool_range, in order */
	struct spool_list frees;   /* struct spool_range */
	struct spool_list chunks;  /* struct spool_chunk_seen */
	struct spool_list owners;  /* uint64_t: ids of messages with chunks */
	struct spool_segment *cached; /* the last one asked for */
	uint64_t last_id;
	uint64_t set_aside; /* files named .bad */
	bool doubtful;	    /* an unverified record was a wrong one */
	char *error_text;
};

/* A new zeroed entry at the end, or NULL. */
void *spool_list_add(struct spool_list *list, size_t size);

/* spool_recover.c */
/* Read the whole log and judge it; nothing is changed if spool->read_only.
 * Returns 0 or -errno, said in r->error_text. */
int spool_recovery_read(struct spool_recovery *r);
/* Count what is queued in r->report. */
void spool_recovery_count(struct spool_recovery *r);
/* Tell of damage whoever wants to know. */
void spool_recovery_tell(const struct spool_recovery *r,
			 const struct spool_damage *damage);
/* The lists, not the spool. */
void spool_recovery_free(struct spool_recovery *r);
/* "0000000000000042.log" -> 42; 0: no such name. */
uint32_t spool_segment_number(const char *name, const char *suffix);

/* spool_replay.c */
/* The record's bytes, returned owned; NULL: can't be read, or damaged. */
unsigned char *spool_record_read(const struct spool_segment *segment,
				 uint32_t offset8, uint32_t length, uint64_t id,
				 uint8_t type);
/* Returns 0 or -ENOMEM. */
int spool_replay(struct spool_recovery *r, struct spool_segment *segment,
		 const struct spool_scanned *scanned);
struct spool_segment *spool_recovery_segment(struct spool_recovery *r,
					     uint32_t number);

/* spool_judge.c */
/* Sort what isn't records into given back, torn and damaged. */
void spool_judge(struct spool_recovery *r);
/* Give back the chunks that no message ever named. */
void spool_judge_orphans(struct spool_recovery *r);

#endif
