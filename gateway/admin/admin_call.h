/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the control thread's part: a call and its steps. */
#ifndef GATEWAY_ADMIN_ADMIN_CALL_H
#define GATEWAY_ADMIN_ADMIN_CALL_H

#include <errno.h>

#include "gateway/admin/admin_core.h"
#include "gateway/admin/admin_status.h"
#include "gateway/admin/admin_summary.h"

struct admin_core {
	struct admin_core_config config;
	struct worker_stats *last; /* of each worker, as `status` has seen it;
				    * owned */
};

/* What came from one worker. */
struct admin_call_track {
	struct admin_port *port; /* a reference */
	struct admin_row *rows;	 /* owned; not passed on yet */
	bool done;		 /* no more will come */
};

struct admin_call {
	struct admin_core *core;
	struct admin_request *request; /* shared with the ports */
	struct admin_sink sink;
	struct admin_who who;
	struct admin_call_track *tracks; /* one per worker */
	unsigned track_count;
	struct admin_counts counts;
	bool over, blocked, moved, refused, no_memory, was_so;
	bool finishing, unfinished;    /* the last rows are being said */
	uint64_t rows;		       /* passed on */
	unsigned listening;	       /* trace: workers */
	uint64_t last_id;	       /* list: of the last row */
	struct admin_summary *summary; /* NULL until the first row */
	size_t said;		       /* summary: rows */
	struct admin_status *status;   /* NULL until the first row */
};

/* What a command makes of its rows; finish() says the last line. */
struct admin_step {
	void (*begin)(struct admin_call *call); /* before workers; or NULL */
	void (*rows)(struct admin_call *call);
	void (*finish)(struct admin_call *call);
};
extern const struct admin_step admin_steps[ADMIN_COMMANDS];

/* admin_status.c */
void admin_status_rows(struct admin_call *call);
void admin_status_finish(struct admin_call *call);

/* admin_call_line() - pass a line on; @line is taken. */
void admin_call_line(struct admin_call *call, json_t *line);
/* admin_call_fail() - the last line says an error. */
void admin_call_fail(struct admin_call *call, const char *code,
		     const char *text);
/* admin_call_next() - the next row of worker @i, owned by the caller now, or
 * NULL. */
struct admin_row *admin_call_next(struct admin_call *call, unsigned i);
uint64_t admin_call_now(const struct admin_call *call);

#endif
