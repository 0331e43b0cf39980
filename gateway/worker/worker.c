/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's thread: its parts, its start, its loop and its end. */
#include "gateway/worker/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "gateway/inject/inject_desk.h"
#include "gateway/log/log.h"
#include "gateway/worker/listener.h"
#include "gateway/worker/worker_private.h"

/* Receive buffers per worker: a kernel TLS record (16 KiB and its header) fits
 * in one; 512 of them are 10 MiB. */
#define RECEIVE_BUFFER_SIZE 20000

/* --- orders --- */

static void each_face(struct worker *w, void (*fn)(struct worker_face *face))
{
	fn(w->face);
	for (struct worker_face *face = w->old_faces; face; face = face->next)
		fn(face);
}

static void shut_down(struct worker_face *face)
{
	inbound_shutdown(face->inbound);
	cutthrough_shutdown(face->cutthrough);
}

static void abort_face(struct worker_face *face)
{
	inbound_abort(face->inbound);
	cutthrough_abort(face->cutthrough);
}

static void obey(struct worker *w)
{
	enum worker_order order = atomic_load(&w->order);

	if (order >= WORKER_STOP && w->obeyed < WORKER_STOP) {
		w->obeyed = WORKER_STOP;
		worker_stop_accepting(w);
		inject_desk_close(&w->desk);
		each_face(w, shut_down);
		queue_shutdown(w->queue);
		admin_agent_stop(w->agent);
	}
	if (order >= WORKER_ABORT && w->obeyed < WORKER_ABORT) {
		w->obeyed = WORKER_ABORT;
		each_face(w, abort_face);
		queue_abort(w->queue);
	}
}

static void on_wake(void *arg)
{
	struct worker *w = arg;

	if (!w->face)
		return; /* it is being made */
	worker_take_change(w);
	obey(w);
	inject_desk_serve(&w->desk, w->face->inbound);
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
	unsigned n = w->queue ? queue_sessions(w->queue) : 0;

	if (w->face)
		n += worker_face_sessions(w->face);
	for (const struct worker_face *f = w->old_faces; f; f = f->next)
		n += worker_face_sessions(f);
	return n;
}

static bool done(const struct worker *w)
{
	return w->obeyed != WORKER_RUN && !worker_accepting(w) &&
	       sessions(w) == 0 && spool_set_inflight(&w->spools) == 0 &&
	       !admin_agent_busy(w->agent);
}

/* --- the parts --- */

void worker_on_message(void *arg, struct spool_message *message)
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
		.level = w->queue_snapshot->config->uring,
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
	r = uring_bufs_create(w->env.ring, WORKER_RECEIVE_BUFFERS, RECEIVE_BUFFER_SIZE,
			      &w->env.bufs);
	if (r < 0)
		return fail("receive buffers", r);
	paths.policy.path = w->queue_snapshot->config->body_path;
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
		.config = w->queue_snapshot->config,
		.ring = w->env.ring,
	};
	int r = dns_create(&config, &w->dns);

	return r < 0 ? fail("resolver", r) : EX_OK;
}

static int make_queue(struct worker *w)
{
	struct queue_config config = {
		.config = w->queue_snapshot->config,
		.env = &w->env,
		.hops = w->queue_snapshot->hops,
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

static int make_agent(struct worker *w)
{
	w->agent = admin_agent_create(w->env.ring, w->queue);
	if (!w->agent)
		return fail("admin", -ENOMEM);
	admin_agent_measure(w->agent, worker_measure, w);
	return EX_OK;
}

static int make_spools(struct worker *w)
{
	struct spool_set_config config = {
		.config = w->queue_snapshot->config,
		.worker = w->index,
		.ring = w->env.ring,
		.found = on_found,
		.arg = w,
	};

	return spool_set_open(&config, &w->spools) < 0 ? EX_CANTCREAT : EX_OK;
}

/* After the spools, whose first is what clients fill. */
static int make_face(struct worker *w)
{
	int r = worker_face_create(w, w->queue_snapshot, &w->face);

	for (size_t i = 0; r == 0 && i < w->listener_count; i++)
		w->listeners[i]->face = w->face;
	return r < 0 ? fail("inbound", r) : EX_OK;
}

static int make_listeners(struct worker *w)
{
	for (size_t i = 0; i < w->listener_count; i++) {
		int r = listener_start(w->listeners[i]->fd);

		if (r < 0)
			return fail("listener", r);
		worker_accept_more(w->listeners[i]);
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
	worker_tidy(w); /* no session is left: all old faces go */
	worker_face_free(&w->face);
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
	worker_drop_spent(w);
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
		make_ring,   make_dns,	make_queue,	make_agent,
		make_spools, make_face, make_listeners,
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
		worker_tidy(w);
		atomic_fetch_add_explicit(&w->turns, 1, memory_order_relaxed);
	}
	return EX_OK;
}

/* None is made from here on; who waits for one is told. */
static void end_changes(struct worker *w)
{
	struct worker_change *change;

	pthread_mutex_lock(&w->lock);
	w->wake_ring = NULL;
	change = w->change;
	w->change = NULL;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
	worker_discard(&change);
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
	end_changes(w);
	atomic_store(&w->running, false);
	return (void *)(intptr_t)result;
}

static void free_listeners(struct worker *w)
{
	struct worker_listener *l;

	for (size_t i = 0; i < w->listener_count; i++)
		worker_listener_free(&w->listeners[i]);
	free(w->listeners);
	while ((l = w->leaving)) {
		w->leaving = l->next;
		worker_listener_free(&l);
	}
}

static int prepare(struct worker *w, const int *fds)
{
	const struct snapshot *s = w->queue_snapshot;
	size_t n = s->config->listener_count;

	w->listeners = calloc(n, sizeof(struct worker_listener *));
	if (!w->listeners)
		return -ENOMEM;
	for (; w->listener_count < n; w->listener_count++) {
		size_t i = w->listener_count;

		w->listeners[i] =
			worker_listener_new(w, NULL, &s->listeners[i], -1);
		if (!w->listeners[i])
			return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		w->listeners[i]->fd = fds[i];
	return 0;
}

static void free_worker(struct worker *w)
{
	free_listeners(w);
	snapshot_unref(&w->queue_snapshot);
	pthread_cond_destroy(&w->changed);
	pthread_cond_destroy(&w->started);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

/* They are the caller's again. */
static void give_back(struct worker *w)
{
	for (size_t i = 0; i < w->listener_count; i++)
		w->listeners[i]->fd = -1;
}

static void wake(void *worker)
{
	worker_wake(worker);
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
	w->queue_snapshot = snapshot_ref(snapshot);
	w->index = index;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->started, NULL);
	pthread_cond_init(&w->changed, NULL);
	inject_desk_open(&w->desk, wake, w);
	atomic_store(&w->running, true);
	r = prepare(w, fds);
	if (r == 0)
		r = -pthread_create(&w->thread, NULL, run, w);
	if (r < 0) {
		give_back(w);
		free_worker(w);
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

void worker_wake(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	if (w->wake_ring)
		(void)uring_wake(w->wake_ring);
	pthread_mutex_unlock(&w->lock);
}

uint64_t worker_turns(const struct worker *w)
{
	return atomic_load_explicit(&w->turns, memory_order_relaxed);
}

void worker_order(struct worker *w, enum worker_order order)
{
	atomic_store(&w->order, order);
	worker_wake(w);
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
	free_worker(w);
	*pointer = NULL;
	return (int)(intptr_t)result;
}
