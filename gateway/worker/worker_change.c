/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another configuration for a running worker.
 *
 * The control thread makes all that may fail (worker_prepare()); the worker
 * then only exchanges pointers, between two turns of its ring. Sessions of
 * clients stay in the face they began in, which goes when it is empty; the
 * queue lets sessions to next hops end one by one (queue_reload()).
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/worker/worker_private.h"

struct worker_change {
	struct worker_face *face;	    /* owned */
	struct worker_listener **listeners; /* owned; kept ones are not */
	size_t listener_count;
	bool delivery;
	struct dns *dns;	    /* owned; NULL: the one that is there */
	struct worker_spent *spent; /* owned; with delivery */
};

/* --- faces --- */

static int make_cutthrough(struct worker *w, struct worker_face *face)
{
	struct cutthrough_config config = {
		.config = face->snapshot->config,
		.env = &w->env,
		.hops = face->snapshot->hops,
	};

	return cutthrough_create(&config, &face->cutthrough);
}

static int make_inbound(struct worker *w, struct worker_face *face)
{
	struct inbound_config config = {
		.config = face->snapshot->config,
		.env = &w->env,
		.spool = spool_set_own(&w->spools),
		.cutthrough = face->cutthrough,
		.admission = w->shared->admission,
		.max_sessions = face->snapshot->config->limits.connections,
		.accepted = worker_on_message,
		.arg = w,
	};

	return inbound_create(&config, &face->inbound);
}

int worker_face_create(struct worker *w, struct snapshot *snapshot,
		       struct worker_face **out)
{
	struct worker_face *face = calloc(1, sizeof(*face));
	int r;

	*out = NULL;
	if (!face)
		return -ENOMEM;
	face->snapshot = snapshot_ref(snapshot);
	r = make_cutthrough(w, face);
	if (r == 0)
		r = make_inbound(w, face);
	if (r < 0)
		worker_face_free(&face);
	*out = face;
	return r;
}

void worker_face_free(struct worker_face **pointer)
{
	struct worker_face *face = *pointer;

	if (!face)
		return;
	inbound_destroy(&face->inbound);
	cutthrough_destroy(&face->cutthrough);
	snapshot_unref(&face->snapshot);
	free(face);
	*pointer = NULL;
}

unsigned worker_face_sessions(const struct worker_face *face)
{
	return inbound_sessions(face->inbound) +
	       cutthrough_sessions(face->cutthrough);
}

/* --- prepared by the control thread --- */

static bool is_kept(const struct worker_change *change,
		    const struct worker_listener *l)
{
	for (size_t i = 0; i < change->listener_count; i++)
		if (change->listeners[i] == l)
			return true;
	return false;
}

void worker_discard(struct worker_change **pointer)
{
	struct worker_change *change = *pointer;

	if (!change)
		return;
	/* Those of its own face are new. */
	for (size_t i = 0; i < change->listener_count; i++)
		if (change->listeners[i] &&
		    change->listeners[i]->face == change->face)
			worker_listener_free(&change->listeners[i]);
	free(change->listeners);
	worker_face_free(&change->face);
	dns_destroy(&change->dns);
	free(change->spent);
	free(change);
	*pointer = NULL;
}

static struct worker_listener *find(const struct worker *w,
				    const struct config_listener *config)
{
	for (size_t i = 0; i < w->listener_count; i++)
		if (strcmp(w->listeners[i]->shared->config->address.text,
			   config->address.text) == 0)
			return w->listeners[i];
	return NULL;
}

bool worker_listens(const struct worker *worker,
		    const struct config_listener *config)
{
	return find(worker, config) != NULL;
}

static int prepare_listeners(struct worker *w, struct worker_change *change,
			     const int *fds)
{
	const struct snapshot *s = change->face->snapshot;
	size_t n = s->config->listener_count;

	change->listeners = calloc(n, sizeof(struct worker_listener *));
	if (!change->listeners)
		return -ENOMEM;
	for (; change->listener_count < n; change->listener_count++) {
		size_t i = change->listener_count;
		struct worker_listener *l = find(w, s->listeners[i].config);

		if (!l)
			l = worker_listener_new(w, change->face,
						&s->listeners[i], -1);
		if (!l)
			return -ENOMEM;
		change->listeners[i] = l;
	}
	/* Last, so that after a failure they are the caller's still. */
	for (size_t i = 0; i < n; i++)
		if (change->listeners[i]->face == change->face)
			change->listeners[i]->fd = fds[i];
	return 0;
}

static int prepare_queue(struct worker *w, struct worker_change *change,
			 bool resolver)
{
	struct dns_config dns = {
		.config = change->face->snapshot->config,
		.ring = w->env.ring,
	};

	change->spent = calloc(1, sizeof(*change->spent));
	if (!change->spent)
		return -ENOMEM;
	return resolver ? dns_create(&dns, &change->dns) : 0;
}

int worker_prepare(struct worker *w, struct snapshot *snapshot, const int *fds,
		   enum worker_extent extent, struct worker_change **out)
{
	struct worker_change *change = calloc(1, sizeof(*change));
	int r;

	*out = NULL;
	if (!change)
		return -ENOMEM;
	change->delivery = extent >= WORKER_DELIVERY;
	r = worker_face_create(w, snapshot, &change->face);
	if (r == 0 && change->delivery)
		r = prepare_queue(w, change, extent >= WORKER_RESOLVER);
	if (r == 0)
		r = prepare_listeners(w, change, fds);
	if (r < 0)
		worker_discard(&change);
	*out = change;
	return r;
}

void worker_post(struct worker *w, struct worker_change **change)
{
	pthread_mutex_lock(&w->lock);
	assert(!w->change);
	if (w->wake_ring) {
		w->change = *change;
		*change = NULL;
		(void)uring_wake(w->wake_ring);
	}
	pthread_mutex_unlock(&w->lock);
	worker_discard(change);
}

void worker_wait_changed(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	while (w->change)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

/* --- made by the worker --- */

static void change_listeners(struct worker *w, struct worker_change *change)
{
	const struct snapshot *s = change->face->snapshot;

	for (size_t i = 0; i < w->listener_count; i++)
		if (!is_kept(change, w->listeners[i]))
			worker_listener_leave(w->listeners[i]);
	free(w->listeners);
	w->listeners = change->listeners;
	w->listener_count = change->listener_count;
	change->listeners = NULL;
	change->listener_count = 0;
	for (size_t i = 0; i < w->listener_count; i++) {
		struct worker_listener *l = w->listeners[i];

		l->face = change->face;
		l->shared = &s->listeners[i];
		worker_accept_more(l);
	}
}

static void change_queue(struct worker *w, struct worker_change *change,
			 struct snapshot *next)
{
	struct worker_spent *spent = change->spent;

	change->spent = NULL;
	*spent = (struct worker_spent){
		.next = w->spent,
		.snapshot = w->queue_snapshot,
		.dns = change->dns ? w->dns : NULL,
	};
	w->spent = spent;
	w->queue_snapshot = snapshot_ref(next);
	if (change->dns) {
		w->dns = change->dns;
		change->dns = NULL;
	} else {
		dns_reload(w->dns, next->config);
	}
	queue_reload(w->queue, next->config, next->hops, w->dns);
	if (spent->dns)
		dns_stop(spent->dns);
}

static void apply(struct worker *w, struct worker_change *change)
{
	struct worker_face *before = w->face;

	change_listeners(w, change);
	if (change->delivery)
		change_queue(w, change, change->face->snapshot);
	w->face = change->face;
	change->face = NULL;
	before->next = w->old_faces;
	w->old_faces = before;
}

void worker_take_change(struct worker *w)
{
	struct worker_change *change;

	pthread_mutex_lock(&w->lock);
	change = w->change;
	pthread_mutex_unlock(&w->lock);
	if (!change)
		return;
	if (w->obeyed == WORKER_RUN)
		apply(w, change);
	worker_discard(&change);
	pthread_mutex_lock(&w->lock);
	w->change = NULL;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

/* --- what is left of older ones --- */

static void tidy_listeners(struct worker *w)
{
	struct worker_listener **at = &w->leaving;

	while (*at) {
		struct worker_listener *l = *at;

		if (l->fd >= 0) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		worker_listener_free(&l);
	}
}

/* Is nobody in it, and will nobody be? */
static bool is_over(struct worker *w, struct worker_face *face)
{
	for (const struct worker_listener *l = w->leaving; l; l = l->next)
		if (l->face == face)
			return false;
	if (inbound_sessions(face->inbound) > 0)
		return false;
	if (!face->closing)
		cutthrough_shutdown(face->cutthrough);
	face->closing = true;
	return cutthrough_sessions(face->cutthrough) == 0;
}

static void tidy_faces(struct worker *w)
{
	struct worker_face **at = &w->old_faces;

	while (*at) {
		struct worker_face *face = *at;

		if (!is_over(w, face)) {
			at = &face->next;
			continue;
		}
		*at = face->next;
		worker_face_measure(face, &w->past);
		worker_face_free(&face);
	}
}

static void free_spent(struct worker_spent *spent)
{
	dns_destroy(&spent->dns);
	snapshot_unref(&spent->snapshot);
	free(spent);
}

static void tidy_spent(struct worker *w)
{
	struct worker_spent **at = &w->spent;

	/* Destinations don't say whose they are. */
	if (!*at || queue_retired(w->queue) > 0)
		return;
	while (*at) {
		struct worker_spent *spent = *at;

		if (spent->dns && !dns_stopped(spent->dns)) {
			at = &spent->next;
			continue;
		}
		*at = spent->next;
		free_spent(spent);
	}
}

void worker_tidy(struct worker *w)
{
	tidy_listeners(w);
	tidy_faces(w);
	tidy_spent(w);
}

void worker_drop_spent(struct worker *w)
{
	struct worker_spent *spent;

	while ((spent = w->spent)) {
		w->spent = spent->next;
		free_spent(spent);
	}
}
