/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: one thread with its own ring, listeners, sessions, spool log and
 * queue.  A message stays with the worker that accepted it; workers share
 * nothing on the hot path but the configuration and a few counters.
 */
#ifndef GATEWAY_WORKER_WORKER_H
#define GATEWAY_WORKER_WORKER_H

#include <stdatomic.h>
#include <stddef.h>

#include "gateway/admin/admin_core.h"
#include "gateway/config/config.h"
#include "gateway/inbound/inbound.h"
#include "gateway/worker/snapshot.h"
#include "ktls/ktls_caps.h"
#include "ktls/ktls_install.h"

struct inject_desk;
struct worker;

/* What all workers use, whatever the configuration; made by serve, read-only
 * while they run. */
struct worker_shared {
	struct ktls_caps caps;
	const struct ktls_kernel *kernel;
	struct inbound_admission *admission;
	struct throttles *throttles;
	struct suspended *suspended;
};

/* What the control thread asks of a worker, in this order only. */
enum worker_order {
	WORKER_RUN,
	WORKER_STOP,
	WORKER_ABORT
};

/*
 * worker_start() - make the thread; it opens its spool logs (recovery),
 * takes its listeners and turns its ring.
 * @shared: borrowed until worker_join().  @snapshot: a reference is taken.
 * @index: 0 .. config->workers - 1.
 * @fds: its bound sockets, one per listener; taken.
 * @out: returned owned.  Returns 0 or -errno; the thread reports its own
 * start by worker_wait_ready().
 */
int worker_start(const struct worker_shared *shared, struct snapshot *snapshot,
		 unsigned index, const int *fds, struct worker **out);

/* worker_wait_ready() - until the worker accepts mail (0) or has failed to
 * start (a sysexits code; it has said why in the log). */
int worker_wait_ready(struct worker *worker);

/* worker_order() - from the control thread; takes effect soon. */
void worker_order(struct worker *worker, enum worker_order order);
bool worker_running(const struct worker *worker);
/* worker_turns() - how often its ring has turned; worker_wake() - it shall
 * turn. Any thread. */
uint64_t worker_turns(const struct worker *worker);
void worker_wake(struct worker *worker);

/*
 * Another configuration, while it runs. First worker_prepare() for all workers,
 * which may fail and changes nothing; then worker_post() and
 * worker_wait_changed(), which can't.
 */
struct worker_change;

/* How much of a worker changes. */
enum worker_extent {
	WORKER_CLIENTS,	 /* listeners, and what new connections meet */
	WORKER_DELIVERY, /* and what the queue goes by */
	WORKER_RESOLVER, /* and who is asked for names */
};

/*
 * worker_prepare() - control thread. @snapshot: a reference is taken.
 * @fds: listening sockets, one per listener of @snapshot; taken on success
 * where worker_listens() says no, and not looked at where it has that address
 * already.
 * @out: returned owned. 0 or -errno.
 */
int worker_prepare(struct worker *worker, struct snapshot *snapshot,
		   const int *fds, enum worker_extent extent,
		   struct worker_change **out);
bool worker_listens(const struct worker *worker,
		    const struct config_listener *config);
/* worker_discard() - it shall not be; accepts NULL; clears. */
void worker_discard(struct worker_change **change);
/* worker_post() - it shall be; @change is taken. worker_wait_changed() - until
 * it is. */
void worker_post(struct worker *worker, struct worker_change **change);
void worker_wait_changed(struct worker *worker);

/* worker_admin() - how the admin interface asks this worker, once it is ready
 * and until worker_join(). */
struct admin_worker worker_admin(struct worker *worker);

/* worker_desk() - where connections for local mail are put, until
 * worker_join(). */
struct inject_desk *worker_desk(struct worker *worker);

/* worker_join() - wait for the thread's end and free it; returns the sysexits
 * code it ended with. Accepts NULL (0); clears. */
int worker_join(struct worker **worker);

#endif
