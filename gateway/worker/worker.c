/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's thread: its parts, its start, its loop and its end. */
#include "gateway/worker/worker.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "gateway/admin/admin_agent.h"
#include "gateway/cutthrough/cutthrough.h"
#include "gateway/dns/dns.h"
#include "gateway/inject/inject_desk.h"
#include "gateway/log/log.h"
#include "gateway/queue/queue.h"
#include "gateway/spool/spool.h"
#include "gateway/worker/listener.h"
#include "gateway/worker/spool_set.h"
#include "uring/uring.h"
#include "uring/uring_op.h"

/* Receive buffers per worker: a kernel TLS record (16 KiB and its header) fits
 * in one; 512 of them are 10 MiB. */
#define RECEIVE_BUFFERS	    512
#define RECEIVE_BUFFER_SIZE 20000

struct worker_listener {
	struct worker *worker;
	const struct inbound_listener *shared;
	int fd;
	struct uring_op *accept;  /* in flight, or NULL */
	struct uring_timer retry; /* after a failed accept */
};

struct worker {
	const struct worker_shared *shared;
	struct snapshot *snapshot; /* owned reference; for new sessions */
	unsigned index;
	pthread_t thread;

	/* between the control thread and this one */
	_Atomic enum worker_order order;
	atomic_bool running;
	pthread_mutex_t lock; /* guards the start's result */
	pthread_cond_t started;
	bool is_started;
	int start_result;
	struct uring *wake_ring;   /* set under lock while the ring lives */
	struct admin_agent *agent; /* likewise */
	struct inject_desk desk;

	/* the thread's own */
	enum worker_order obeyed;
	struct ktls_env env;
	struct spool_set spools;
	struct inbound *inbound;
	struct dns *dns;
	struct queue *queue;
	struct cutthrough *cutthrough;
	struct worker_listener *listeners;
	size_t listener_count;
};

/* --- accepting --- */

static void accept_more(struct worker_listener *l);

static void on_accepted(struct worker_listener *l, int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	/* Multishot accept has no room for addresses. A peer that is gone
	 * already has none. */
	if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0) {
		close(fd);
		return;
	}
	inbound_accept(l->worker->inbound, fd, l->shared,
		       (const struct sockaddr *)&peer, len);
}

/* Out of descriptors or memory: waiting is all that helps. */
static void accept_failed(struct worker_listener *l, int error)
{
	log_warning("worker.accept_failed",
		    L_STR("address", l->shared->config->address.text),
		    L_STR("error", strerror(error)));
	uring_timer_set(l->worker->env.ring, &l->retry, 100 * URING_MSEC);
}

/* With the accept in flight reaped. New clients are refused at once, instead
 * of waiting in the backlog of a relay that is about to go. */
static void close_listener(struct worker_listener *l)
{
	assert(!l->accept);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

static void on_accept(void *owner, const struct uring_event *event)
{
	struct worker_listener *l = owner;

	if (!event->more)
		l->accept = NULL;
	if (event->res >= 0)
		on_accepted(l, event->res);
	if (event->more)
		return;
	if (l->worker->obeyed != WORKER_RUN) {
		close_listener(l);
		return;
	}
	if (event->res < 0 && event->res != -ECONNABORTED)
		accept_failed(l, -event->res);
	else
		accept_more(l);
}

static void accept_more(struct worker_listener *l)
{
	struct uring_target target = {.fn = on_accept, .owner = l};

	if (l->worker->obeyed != WORKER_RUN || l->accept)
		return;
	l->accept = uring_accept(l->worker->env.ring, target, l->fd);
	if (!l->accept)
		accept_failed(l, ENOBUFS);
}

static void on_accept_retry(void *owner)
{
	accept_more(owner);
}

static void stop_accepting(struct worker *w)
{
	for (size_t i = 0; i < w->listener_count; i++) {
		struct worker_listener *l = &w->listeners[i];

		uring_timer_clear(w->env.ring, &l->retry);
		if (l->accept)
			uring_op_cancel(w->env.ring, l->accept);
		else
			close_listener(l);
	}
}

static bool accepting(const struct worker *w)
{
	for (size_t i = 0; i < w->listener_count; i++)
		if (w->listeners[i].accept)
			return true;
	return false;
}

/* --- orders --- */

static void obey(struct worker *w)
{
	enum worker_order order = atomic_load(&w->order);

	if (order >= WORKER_STOP && w->obeyed < WORKER_STOP) {
		w->obeyed = WORKER_STOP;
		stop_accepting(w);
		inject_desk_close(&w->desk);
		inbound_shutdown(w->inbound);
		cutthrough_shutdown(w->cutthrough);
		queue_shutdown(w->queue);
		admin_agent_stop(w->agent);
	}
	if (order >= WORKER_ABORT && w->obeyed < WORKER_ABORT) {
		w->obeyed = WORKER_ABORT;
		inbound_abort(w->inbound);
		cutthrough_abort(w->cutthrough);
		queue_abort(w->queue);
	}
}

static void on_wake(void *arg)
{
	struct worker *w = arg;

	obey(w);
	inject_desk_serve(&w->desk, w->inbound);
	if (w->queue)
		queue_attend(w->queue);
	if (w->agent)
		admin_agent_wake(w->agent);
}

/* From any worker's thread; ends with queue_destroy(). */
static void on_attention(void *arg)
{
	struct worker *w = arg;

	(void)uring_wake(w->env.ring);
}

static unsigned sessions(const struct worker *w)
{
	return (w->inbound ? inbound_sessions(w->inbound) : 0) +
	       (w->cutthrough ? cutthrough_sessions(w->cutthrough) : 0) +
	       (w->queue ? queue_sessions(w->queue) : 0);
}

static bool done(const struct worker *w)
{
	return w->obeyed != WORKER_RUN && !accepting(w) && sessions(w) == 0 &&
	       spool_set_inflight(&w->spools) == 0 &&
	       !admin_agent_busy(w->agent);
}

/* --- the parts --- */

static void on_message(void *arg, struct spool_message *message)
{
	struct worker *w = arg;

	queue_add(w->queue, spool_set_own(&w->spools), message);
}

static void on_found(void *arg, struct spool *spool,
		     struct spool_message *message)
{
	struct worker *w = arg;

	queue_add(w->queue, spool, message);
}

static int fail(const char *what, int error)
{
	log_error("worker.start_failed", L_STR("part", what),
		  L_STR("error", strerror(-error)));
	return error == -ENOMEM || error == -EMFILE ? EX_OSERR : EX_UNAVAILABLE;
}

static int make_ring(struct worker *w)
{
	struct uring_config config = {
		.level = w->snapshot->config->uring,
		.on_wake = on_wake,
		.wake_arg = w,
	};
	struct ktls_paths_config paths = {
		.policy = ktls_policy_for(&w->shared->caps),
	};
	char why[512];
	int r = uring_create(&config, &w->env.ring);

	if (r < 0) {
		log_error("worker.no_io_uring",
			  L_STR("error",
				uring_blocked_reason(r, why, sizeof(why))));
		return EX_UNAVAILABLE;
	}
	r = uring_bufs_create(w->env.ring, RECEIVE_BUFFERS, RECEIVE_BUFFER_SIZE,
			      &w->env.bufs);
	if (r < 0)
		return fail("receive buffers", r);
	paths.policy.path = w->snapshot->config->body_path;
	r = ktls_paths_create(&paths, &w->env.paths);
	if (r < 0)
		return fail("byte paths", r);
	w->env.caps = &w->shared->caps;
	w->env.kernel = w->shared->kernel;
	return EX_OK;
}

static int make_dns(struct worker *w)
{
	struct dns_config config = {
		.config = w->snapshot->config,
		.ring = w->env.ring,
	};
	int r = dns_create(&config, &w->dns);

	return r < 0 ? fail("resolver", r) : EX_OK;
}

static int make_queue(struct worker *w)
{
	struct queue_config config = {
		.config = w->snapshot->config,
		.env = &w->env,
		.hops = w->snapshot->hops,
		.dns = w->dns,
		.throttles = w->shared->throttles,
		.suspended = w->shared->suspended,
		.worker = w->index,
		.wake = on_attention,
		.wake_arg = w,
	};
	int r = queue_create(&config, &w->queue);

	return r < 0 ? fail("queue", r) : EX_OK;
}

static void on_stats(void *arg, struct spool_stats *out)
{
	const struct worker *w = arg;

	spool_set_stats(&w->spools, out);
}

static int make_agent(struct worker *w)
{
	w->agent = admin_agent_create(w->env.ring, w->queue);
	if (!w->agent)
		return fail("admin", -ENOMEM);
	admin_agent_measure(w->agent, on_stats, w);
	return EX_OK;
}

static int make_cutthrough(struct worker *w)
{
	struct cutthrough_config config = {
		.config = w->snapshot->config,
		.env = &w->env,
		.hops = w->snapshot->hops,
	};
	int r = cutthrough_create(&config, &w->cutthrough);

	return r < 0 ? fail("cut-through", r) : EX_OK;
}

static int make_spools(struct worker *w)
{
	struct spool_set_config config = {
		.config = w->snapshot->config,
		.worker = w->index,
		.ring = w->env.ring,
		.found = on_found,
		.arg = w,
	};

	return spool_set_open(&config, &w->spools) < 0 ? EX_CANTCREAT : EX_OK;
}

static int make_inbound(struct worker *w)
{
	const struct config *c = w->snapshot->config;
	struct inbound_config config = {
		.config = c,
		.env = &w->env,
		.spool = spool_set_own(&w->spools),
		.cutthrough = w->cutthrough,
		.admission = w->shared->admission,
		.max_sessions = c->limits.connections,
		.accepted = on_message,
		.arg = w,
	};
	int r = inbound_create(&config, &w->inbound);

	return r < 0 ? fail("inbound", r) : EX_OK;
}

static int make_listeners(struct worker *w)
{
	for (size_t i = 0; i < w->listener_count; i++) {
		int r = listener_start(w->listeners[i].fd);

		if (r < 0)
			return fail("listener", r);
		accept_more(&w->listeners[i]);
	}
	return EX_OK;
}

/* From here on nobody asks. */
static void unmake_agent(struct worker *w)
{
	struct admin_agent *agent;

	pthread_mutex_lock(&w->lock);
	agent = w->agent;
	w->agent = NULL;
	pthread_mutex_unlock(&w->lock);
	admin_agent_destroy(&agent);
}

static void unmake(struct worker *w)
{
	unmake_agent(w);
	inbound_destroy(&w->inbound);
	cutthrough_destroy(&w->cutthrough);
	queue_destroy(&w->queue);
	if (w->dns)
		dns_stop(w->dns);
	spool_set_close(&w->spools);
	ktls_paths_destroy(&w->env.paths);
	if (w->env.ring) {
		uring_bufs_destroy(&w->env.bufs);
		pthread_mutex_lock(&w->lock);
		w->wake_ring = NULL;
		pthread_mutex_unlock(&w->lock);
		uring_destroy(&w->env.ring);
	}
	dns_destroy(&w->dns); /* what the ring held of it is gone now */
}

/* --- the thread --- */

static void report_start(struct worker *w, int result)
{
	pthread_mutex_lock(&w->lock);
	w->is_started = true;
	w->start_result = result;
	w->wake_ring = result == EX_OK ? w->env.ring : NULL;
	pthread_cond_signal(&w->started);
	pthread_mutex_unlock(&w->lock);
}

static int make(struct worker *w)
{
	static int (*const parts[])(struct worker *) = {
		make_ring,	 make_dns,    make_queue,   make_agent,
		make_cutthrough, make_spools, make_inbound, make_listeners,
	};
	int r = EX_OK;

	for (size_t i = 0; r == EX_OK && i < sizeof(parts) / sizeof(parts[0]);
	     i++)
		r = parts[i](w);
	return r;
}

static int loop(struct worker *w)
{
	while (!done(w)) {
		int r = uring_turn(w->env.ring, UINT64_MAX);

		if (r < 0) {
			log_error("worker.ring_failed",
				  L_STR("error", strerror(-r)));
			return EX_OSERR;
		}
	}
	return EX_OK;
}

static void *run(void *arg)
{
	struct worker *w = arg;
	int result = make(w);

	report_start(w, result);
	if (result == EX_OK)
		result = loop(w);
	/* With sessions left (a failed ring, a start that failed after the
	 * queue had begun) nothing can be taken back in order: the process
	 * ends, and the log on disk is what counts. */
	if (sessions(w) == 0)
		unmake(w);
	atomic_store(&w->running, false);
	return (void *)(intptr_t)result;
}

static int prepare(struct worker *w, const int *fds)
{
	size_t n = w->snapshot->config->listener_count;

	w->listeners = calloc(n, sizeof(w->listeners[0]));
	if (!w->listeners)
		return -ENOMEM;
	w->listener_count = n;
	for (size_t i = 0; i < n; i++)
		w->listeners[i] = (struct worker_listener){
			.worker = w,
			.shared = &w->snapshot->listeners[i],
			.fd = fds[i],
			.retry = {.fn = on_accept_retry,
				  .owner = &w->listeners[i]},
		};
	return 0;
}

static void wake(void *worker)
{
	struct worker *w = worker;

	pthread_mutex_lock(&w->lock);
	if (w->wake_ring)
		(void)uring_wake(w->wake_ring);
	pthread_mutex_unlock(&w->lock);
}

int worker_start(const struct worker_shared *shared, struct snapshot *snapshot,
		 unsigned index, const int *fds, struct worker **out)
{
	struct worker *w = calloc(1, sizeof(*w));
	char name[16];
	int r;

	if (!w)
		return -ENOMEM;
	w->shared = shared;
	w->snapshot = snapshot_ref(snapshot);
	w->index = index;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->started, NULL);
	inject_desk_open(&w->desk, wake, w);
	atomic_store(&w->running, true);
	r = prepare(w, fds);
	if (r == 0)
		r = -pthread_create(&w->thread, NULL, run, w);
	if (r < 0) {
		free(w->listeners);
		snapshot_unref(&w->snapshot);
		free(w);
		return r;
	}
	snprintf(name, sizeof(name), "worker-%u", index);
	pthread_setname_np(w->thread, name);
	*out = w;
	return 0;
}

int worker_wait_ready(struct worker *w)
{
	int result;

	pthread_mutex_lock(&w->lock);
	while (!w->is_started)
		pthread_cond_wait(&w->started, &w->lock);
	result = w->start_result;
	pthread_mutex_unlock(&w->lock);
	return result;
}

void worker_order(struct worker *w, enum worker_order order)
{
	atomic_store(&w->order, order);
	wake(w);
}

static void admin_post(void *worker, struct admin_port *port)
{
	struct worker *w = worker;
	bool there;

	pthread_mutex_lock(&w->lock);
	there = w->agent && w->wake_ring;
	if (there) {
		admin_agent_post(w->agent, port);
		(void)uring_wake(w->wake_ring);
	}
	pthread_mutex_unlock(&w->lock);
	if (there)
		return;
	admin_port_finish(port, NULL, true);
	admin_port_unref(&port);
}

struct admin_worker worker_admin(struct worker *w)
{
	return (struct admin_worker){
		.post = admin_post, .poke = wake, .worker = w};
}

struct inject_desk *worker_desk(struct worker *w)
{
	return &w->desk;
}

bool worker_running(const struct worker *w)
{
	return atomic_load(&w->running);
}

int worker_join(struct worker **pointer)
{
	struct worker *w = *pointer;
	void *result;

	if (!w)
		return EX_OK;
	pthread_join(w->thread, &result);
	for (size_t i = 0; i < w->listener_count; i++)
		if (w->listeners[i].fd >= 0)
			close(w->listeners[i].fd);
	pthread_cond_destroy(&w->started);
	pthread_mutex_destroy(&w->lock);
	free(w->listeners);
	snapshot_unref(&w->snapshot);
	free(w);
	*pointer = NULL;
	return (int)(intptr_t)result;
}
