/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the control thread and one worker, for one request: rows come out,
 * "cancelled" goes in.  A lock guards it that nobody else takes; a worker which
 * is ahead of its reader stops until that has caught up.
 */
#ifndef GATEWAY_ADMIN_ADMIN_PORT_H
#define GATEWAY_ADMIN_ADMIN_PORT_H

#include <pthread.h>
#include <stdatomic.h>

#include "gateway/admin/admin_request.h"
#include "gateway/admin/admin_row.h"
#include "gateway/metrics/worker_stats.h"

/* Octets of rows that wait for the control thread, per worker. */
#define ADMIN_PORT_FULL (256 * 1024)

/* What became of what was asked for. */
struct admin_counts {
	uint64_t seen;		    /* entries that fitted */
	uint64_t changed;	    /* of them, those that were changed */
	uint64_t busy;		    /* in delivery: left alone */
	uint64_t failed;	    /* could not be: no memory, no disk */
	uint64_t unwanted;	    /* were so already */
	bool no_memory;		    /* the answer is not whole */
	struct worker_stats worker; /* summary, status */
};

struct admin_port {
	struct admin_request *request; /* a reference; read only */
	void (*news)(void *arg);       /* any thread: rows, or the end */
	void *arg;
	atomic_uint users; /* the control thread and the worker */
	atomic_bool cancelled;
	pthread_mutex_t lock; /* guards the rest */
	struct admin_row *first, *last;
	size_t bytes;
	bool full; /* the worker waits for admin_port_take() */
	bool done;
	bool refused; /* done, because the worker is about to stop */
	struct admin_counts counts; /* when done */
};

/* admin_port_create() - with two users; NULL: no memory. */
struct admin_port *admin_port_create(struct admin_request *request,
				     void (*news)(void *arg), void *arg);
/* admin_port_unref() - the last user frees it; accepts NULL; clears. */
void admin_port_unref(struct admin_port **port);

/* The worker's. admin_port_put() - @row is taken. False: enough for now, wait
 * for a poke. admin_port_finish() - nothing more will come. */
bool admin_port_put(struct admin_port *port, struct admin_row *row);
bool admin_port_full(struct admin_port *port);
void admin_port_finish(struct admin_port *port,
		       const struct admin_counts *counts, bool refused);
bool admin_port_cancelled(const struct admin_port *port);

/* The control thread's. admin_port_take() - all rows so far, in order, or
 * NULL; *poke: the worker waits and must be told. */
struct admin_row *admin_port_take(struct admin_port *port, bool *poke,
				  bool *done);

void admin_rows_free(struct admin_row *row);

#endif
