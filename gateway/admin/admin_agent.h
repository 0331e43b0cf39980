/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's part of the admin interface: it answers requests from its queue,
 * a little in each turn of its ring, so that mail never waits for it.
 */
#ifndef GATEWAY_ADMIN_ADMIN_AGENT_H
#define GATEWAY_ADMIN_ADMIN_AGENT_H

#include <stdbool.h>

#include "gateway/admin/admin_port.h"

struct admin_agent;
struct queue;
struct uring;

/* Requests on their way to a worker at a time. */
#define ADMIN_POSTED_MAX 64

/* Work in one turn, in units of queue_look.h: about 100 us. */
#define ADMIN_TURN 256

/* admin_agent_create() - @ring and @queue are borrowed. NULL: no memory. */
struct admin_agent *admin_agent_create(struct uring *ring, struct queue *queue);
/* admin_agent_measure() - @stats(@arg) fills in what the worker has counted,
 * for summaries; from the worker's thread. */
void admin_agent_measure(struct admin_agent *agent,
			 void (*stats)(void *arg, struct worker_stats *out),
			 void *arg);
/* admin_agent_destroy() - when not busy; accepts NULL; clears. */
void admin_agent_destroy(struct admin_agent **agent);

/* admin_agent_post() - any thread: a request. A reference to @port is taken.
 * The ring must be woken afterwards. */
void admin_agent_post(struct admin_agent *agent, struct admin_port *port);
/* admin_agent_wake() - the ring was woken: something was posted, cancelled or
 * read. */
void admin_agent_wake(struct admin_agent *agent);
/* admin_agent_stop() - end what runs and refuse what comes.
 * admin_agent_busy() - something is in flight still. */
void admin_agent_stop(struct admin_agent *agent);
bool admin_agent_busy(const struct admin_agent *agent);

#endif
