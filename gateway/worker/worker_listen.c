/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's listening sockets: connections become sessions. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/log/log.h"
#include "gateway/worker/worker_private.h"

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
	inbound_accept(l->face->inbound, fd, l->shared,
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

/* Whoever is in the backlog has a connection already: it counts. */
static void take_waiting(struct worker_listener *l)
{
	int flags = fcntl(l->fd, F_GETFL), fd;

	if (flags < 0 || fcntl(l->fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return;
	while ((fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0 ||
	       errno == ECONNABORTED)
		if (fd >= 0)
			on_accepted(l, fd);
}

/* With the accept in flight reaped. When the relay stops new clients are
 * refused at once, instead of waiting in the backlog of one that is about to
 * go. */
static void close_listener(struct worker_listener *l)
{
	assert(!l->accept);
	if (l->fd < 0)
		return;
	if (l->worker->obeyed == WORKER_RUN)
		take_waiting(l);
	close(l->fd);
	l->fd = -1;
}

static bool ends(const struct worker_listener *l)
{
	return l->leaving || l->worker->obeyed != WORKER_RUN;
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
	if (ends(l))
		close_listener(l);
	else if (event->res < 0 && event->res != -ECONNABORTED)
		accept_failed(l, -event->res);
	else
		worker_accept_more(l);
}

void worker_accept_more(struct worker_listener *l)
{
	struct uring_target target = {.fn = on_accept, .owner = l};

	if (ends(l) || l->accept)
		return;
	l->accept = uring_accept(l->worker->env.ring, target, l->fd);
	if (!l->accept)
		accept_failed(l, ENOBUFS);
}

static void on_accept_retry(void *owner)
{
	worker_accept_more(owner);
}

static void stop(struct worker_listener *l)
{
	struct uring *ring = l->worker->env.ring;

	uring_timer_clear(ring, &l->retry);
	if (l->accept)
		uring_op_cancel(ring, l->accept);
	else
		close_listener(l);
}

void worker_stop_accepting(struct worker *w)
{
	for (size_t i = 0; i < w->listener_count; i++)
		stop(w->listeners[i]);
}

void worker_listener_leave(struct worker_listener *l)
{
	l->leaving = true;
	l->next = l->worker->leaving;
	l->worker->leaving = l;
	stop(l);
}

bool worker_accepting(const struct worker *w)
{
	for (size_t i = 0; i < w->listener_count; i++)
		if (w->listeners[i]->accept)
			return true;
	for (const struct worker_listener *l = w->leaving; l; l = l->next)
		if (l->accept)
			return true;
	return false;
}

struct worker_listener *worker_listener_new(
	struct worker *worker, struct worker_face *face,
	const struct inbound_listener *shared, int fd)
{
	struct worker_listener *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->worker = worker;
	l->face = face;
	l->shared = shared;
	l->fd = fd;
	l->retry = (struct uring_timer){.fn = on_accept_retry, .owner = l};
	return l;
}

void worker_listener_free(struct worker_listener **pointer)
{
	struct worker_listener *l = *pointer;

	if (!l)
		return;
	if (l->fd >= 0)
		close(l->fd);
	free(l);
	*pointer = NULL;
}
