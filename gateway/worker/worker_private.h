/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of a worker. Not for other folders. */
#ifndef GATEWAY_WORKER_WORKER_PRIVATE_H
#define GATEWAY_WORKER_WORKER_PRIVATE_H

#include <pthread.h>

#include "gateway/admin/admin_agent.h"
#include "gateway/cutthrough/cutthrough.h"
#include "gateway/dns/dns.h"
#include "gateway/inject/inject_desk.h"
#include "gateway/metrics/worker_stats.h"
#include "gateway/queue/queue.h"
#include "gateway/worker/spool_set.h"
#include "gateway/worker/worker.h"
#include "uring/uring.h"
#include "uring/uring_op.h"

/* For receiving, see worker.c. */
#define WORKER_RECEIVE_BUFFERS 512

/* What clients see of one configuration: sessions end in the one they began
 * with. */
struct worker_face {
	struct worker_face *next;  /* an older one */
	struct snapshot *snapshot; /* owned reference */
	struct inbound *inbound;
	struct cutthrough *cutthrough;
	bool closing; /* cutthrough was told that no more will come */
};

struct worker_listener {
	struct worker *worker;
	struct worker_face *face;	       /* its new connections' */
	const struct inbound_listener *shared; /* of face->snapshot */
	int fd;				       /* owned; -1: closed */
	struct uring_op *accept;	       /* in flight, or NULL */
	struct uring_timer retry;	       /* after a failed accept */
	bool leaving;		      /* the configuration has it no more */
	struct worker_listener *next; /* leaving */
};

/* What the queue went by before; destinations may still use it. */
struct worker_spent {
	struct worker_spent *next;
	struct snapshot *snapshot; /* owned reference */
	struct dns *dns;	   /* stopped; NULL: in use still */
};

struct worker {
	const struct worker_shared *shared;
	unsigned index;
	pthread_t thread;

	/* between the control thread and this one */
	_Atomic enum worker_order order;
	atomic_bool running;
	_Atomic uint64_t turns;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t started;
	pthread_cond_t changed; /* change is NULL again */
	bool is_started;
	int start_result;
	struct uring *wake_ring;      /* set while the ring lives */
	struct admin_agent *agent;    /* likewise */
	struct worker_change *change; /* to be made; owned */

	struct inject_desk desk;

	/* the thread's own */
	enum worker_order obeyed;
	struct ktls_env env;
	struct spool_set spools;
	struct worker_face *face, *old_faces;
	struct snapshot *queue_snapshot; /* owned reference */
	struct worker_spent *spent;
	struct dns *dns;
	struct queue *queue;
	struct worker_listener **listeners; /* owned, as are they */
	size_t listener_count;
	struct worker_listener *leaving;
	struct worker_stats past; /* counted by faces that are gone */
};

/* --- worker_listen.c --- */
struct worker_listener *worker_listener_new(
	struct worker *worker, struct worker_face *face,
	const struct inbound_listener *shared, int fd);
/* Closes the socket; nothing of it is in flight. Accepts NULL; clears. */
void worker_listener_free(struct worker_listener **listener);
void worker_accept_more(struct worker_listener *listener);
/* No new connection is taken: all sockets close, as soon as the ring lets them
 * go. */
void worker_stop_accepting(struct worker *worker);
bool worker_accepting(const struct worker *worker);
/* It takes the connections that wait already, then it is closed;
 * worker_tidy() frees it. */
void worker_listener_leave(struct worker_listener *listener);

/* --- worker_change.c --- */
/* 0 or -errno. */
int worker_face_create(struct worker *worker, struct snapshot *snapshot,
		       struct worker_face **out);
void worker_face_free(struct worker_face **face); /* accepts NULL; clears */
unsigned worker_face_sessions(const struct worker_face *face);
/* Make the change that the control thread has left, if there is one. */
void worker_take_change(struct worker *worker);
/* Let go of what older configurations have left and nobody uses any more. */
void worker_tidy(struct worker *worker);
/* At the end of the thread: the same, whether used or not. */
void worker_drop_spent(struct worker *worker);

/* --- worker_measure.c --- */
/* Everything there is to count; for admin_agent_measure(). */
void worker_measure(void *worker, struct worker_stats *out);
/* A face's part, added to @sum. */
void worker_face_measure(const struct worker_face *face,
			 struct worker_stats *sum);

/* worker.c: a message of a client is stored. */
void worker_on_message(void *worker, struct spool_message *message);

#endif
