/* SPDX-License-Identifier: Apache-2.0 */
/* One request in one worker, done bit by bit. For admin_agent.c. */
#ifndef GATEWAY_ADMIN_ADMIN_JOB_H
#define GATEWAY_ADMIN_ADMIN_JOB_H

#include "gateway/admin/admin_port.h"
#include "gateway/queue/queue_act.h"
#include "gateway/queue/queue_trace.h"

struct queue;

enum admin_job_result {
	ADMIN_JOB_MORE,	 /* there is more to do */
	ADMIN_JOB_WAITS, /* for its reader */
	ADMIN_JOB_RESTS, /* the disk is behind: a little later */
	ADMIN_JOB_DONE,
};

/* What an action waits for when it has seen all. */
enum admin_job_phase {
	ADMIN_JOB_WALKS,
	ADMIN_JOB_STORES, /* notifications */
	ADMIN_JOB_WRITES, /* records */
};

#define ADMIN_JOB_SPOOLS 16

struct admin_job {
	struct admin_job *next; /* the agent's */
	struct queue *queue;
	struct admin_port *port; /* a reference */
	struct admin_counts counts;
	bool no_memory;
	struct queue_look look;
	struct queue_domains *domains;
	struct spool *spool; /* actions: the last one's */
	/* Where it has put records, and how many there are to be written until
	 * its own are. */
	struct admin_job_spool {
		struct spool *spool;
		uint64_t target;
	} spools[ADMIN_JOB_SPOOLS];
	unsigned spool_count;
	enum admin_job_phase phase;
	unsigned rests;	 /* in that phase */
	uint32_t number; /* likewise, see queue_act.h */
	struct queue_trace trace;
	bool tracing;
	uint64_t dropped; /* lines since the last one that was put */
	/* list */
	uint64_t rows;	   /* so far */
	uint64_t page_end; /* id of the last message that is in it */
	bool page_over;
	/* show */
	bool shown;	 /* all but the bytes; status: deferrals */
	bool gone;	 /* before all of it was shown */
	unsigned ends;	 /* octets of the CRLF CRLF behind headers */
	uint64_t offset; /* in the body */
};

/* admin_job_create() - the reference to @port is taken; NULL: no memory (then
 * it is not). */
struct admin_job *admin_job_create(struct queue *queue,
				   struct admin_port *port);
/* admin_job_measures() - it wants counts.worker. */
bool admin_job_measures(const struct admin_job *job);
/* admin_job_turn() - do about @budget units (queue_look.h). DONE was told to
 * the port. */
enum admin_job_result admin_job_turn(struct admin_job *job, int budget);
/* admin_job_refuse() - tell the port that this ends here. */
void admin_job_refuse(struct admin_job *job);
void admin_job_free(struct admin_job **job);

/* admin_show.c: a turn of `show`. False: that was all. */
bool admin_show_turn(struct admin_job *job);
/* admin_trace.c */
void admin_trace_begin(struct admin_job *job);
void admin_trace_end(struct admin_job *job);

#endif
