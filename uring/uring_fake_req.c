/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests in flight: where they wait, in which order they run, how they are
 * cancelled.  A request is tried when submitted and whenever its socket has
 * changed; a pass runs what is ready in random order, and some of it a turn
 * later.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "uring/uring_fake_internal.h"

static struct fake_req **bucket_of(struct uring_fake *fake, uint64_t user_data)
{
	return &fake->buckets[user_data % FAKE_BUCKETS];
}

static struct fake_req *req_find(struct uring_fake *fake, uint64_t user_data)
{
	struct fake_req *req = *bucket_of(fake, user_data);

	while (req && req->sqe.user_data != user_data)
		req = req->hash_next;
	return req;
}

static struct fake_req *req_new(struct uring_fake *fake,
				const struct io_uring_sqe *sqe)
{
	struct fake_req **bucket = bucket_of(fake, sqe->user_data);
	struct fake_req *req = fake->free_reqs;

	/* Two requests in flight that can't be told apart: a ring's bug. */
	assert(!req_find(fake, sqe->user_data));
	if (req)
		fake->free_reqs = req->hash_next;
	else
		req = fake_alloc(sizeof(*req));
	*req = (struct fake_req){.sqe = *sqe, .hash_next = *bucket};
	*bucket = req;
	return req;
}

static void place_ready(struct uring_fake *fake, struct fake_req *req)
{
	struct fake_reqs *ready = &fake->ready;

	assert(req->place == FAKE_NOWHERE);
	if (ready->count == ready->room) {
		ready->room = ready->room ? ready->room * 2 : 16;
		ready->items = fake_grow(ready->items, ready->room,
					 sizeof(struct fake_req *));
	}
	req->place = FAKE_READY;
	req->index = ready->count;
	ready->items[ready->count++] = req;
}

/* SPLICE may wait for a pipe, which is real. */
static struct fake_req **waiters_of(struct uring_fake *fake,
				    struct fake_req *req)
{
	if (req->sock && req->sqe.opcode != IORING_OP_SPLICE)
		return &req->sock->waiters;
	return &fake->outside;
}

static void place_waiting(struct uring_fake *fake, struct fake_req *req)
{
	struct fake_req **head = waiters_of(fake, req);

	assert(req->place == FAKE_NOWHERE);
	req->place = FAKE_WAITING;
	req->prev = NULL;
	req->next = *head;
	if (*head)
		(*head)->prev = req;
	*head = req;
}

static void unplace(struct uring_fake *fake, struct fake_req *req)
{
	struct fake_reqs *ready = &fake->ready;

	switch (req->place) {
	case FAKE_NOWHERE:
		break;
	case FAKE_READY:
		ready->items[req->index] = ready->items[--ready->count];
		ready->items[req->index]->index = req->index;
		break;
	case FAKE_WAITING:
		if (req->prev)
			req->prev->next = req->next;
		else
			*waiters_of(fake, req) = req->next;
		if (req->next)
			req->next->prev = req->prev;
		break;
	}
	req->place = FAKE_NOWHERE;
	req->next = req->prev = NULL;
}

static void req_free(struct uring_fake *fake, struct fake_req *req)
{
	struct fake_req **link = bucket_of(fake, req->sqe.user_data);
	struct fake_sock *sock = req->sock;

	assert(req->place == FAKE_NOWHERE);
	while (*link != req)
		link = &(*link)->hash_next;
	*link = req->hash_next;
	req->hash_next = fake->free_reqs;
	fake->free_reqs = req;
	if (sock)
		fake_sock_unref(fake, sock);
}

static void req_end(struct uring_fake *fake, struct fake_req *req, int res,
		    uint32_t flags)
{
	uint64_t user_data = req->sqe.user_data;

	fake_post(fake, user_data, res, flags);
	req_free(fake, req);
}

/* What MSG_WAITALL has moved before is not lost. */
static void req_end_cancelled(struct uring_fake *fake, struct fake_req *req)
{
	req_end(fake, req, req->done ? (int)req->done : -ECANCELED, 0);
}

/* True if an injected failure hits @opcode now; *error is set. */
static bool fault_hits(struct uring_fake *fake, unsigned opcode, int *error)
{
	struct fake_fault *fault;
	bool hit = false;

	for (fault = fake->faults; fault; fault = fault->next) {
		if (fault->opcode != opcode)
			continue;
		if (fault->nth > 0) {
			fault->nth--;
		} else if (!hit && fault->count > 0) {
			hit = true;
			fault->count--; /* spent ones stay: they are few */
			*error = fault->error;
		}
	}
	return hit;
}

/* A result, or FAKE_BLOCK. */
static int try_req(struct uring_fake *fake, struct fake_req *req,
		   uint32_t *flags)
{
	int error = 0;

	*flags = 0;
	if (!req->counted) {
		req->counted = true;
		if (fault_hits(fake, req->sqe.opcode, &error)) {
			req->last = true;
			req->hangs = error == 0;
			return req->hangs ? FAKE_BLOCK : -error;
		}
	}
	return fake_exec(fake, req, flags);
}

static void req_blocked(struct uring_fake *fake, struct fake_req *req)
{
	if (req->cancelled)
		req_end_cancelled(fake, req);
	else if (!req->hangs)
		place_waiting(fake, req);
}

/* A multishot request that goes on after a result. */
static void req_more(struct uring_fake *fake, struct fake_req *req)
{
	req->counted = false;
	if (req->cancelled)
		req_end_cancelled(fake, req);
	else
		place_ready(fake, req);
}

static void run_req(struct uring_fake *fake, struct fake_req *req)
{
	uint32_t flags;
	int res = try_req(fake, req, &flags);

	if (res == FAKE_BLOCK) {
		req_blocked(fake, req);
		return;
	}
	/* Kernels end a multishot when they like. */
	if (!fake_is_multishot(req) || req->last || res < 0 ||
	    fake_chance(fake, FAKE_MULTISHOT_END)) {
		req_end(fake, req, res, flags);
		return;
	}
	fake_post(fake, req->sqe.user_data, res, flags | IORING_CQE_F_MORE);
	req_more(fake, req);
}

void fake_run_ready(struct uring_fake *fake)
{
	struct fake_reqs pass = fake->ready;
	struct fake_req *req;
	unsigned pick;

	/* Those that get ready meanwhile run in the next pass. */
	fake->ready = fake->running;
	fake->ready.count = 0;
	for (unsigned left = pass.count; left > 0; left--) {
		pick = fake_below(fake, left);
		req = pass.items[pick];
		pass.items[pick] = pass.items[left - 1];
		req->place = FAKE_NOWHERE;
		if (fake_chance(fake, fake->config.delay_percent))
			place_ready(fake, req);
		else
			run_req(fake, req);
	}
	fake->running = pass;
}

void fake_sock_wake(struct uring_fake *fake, struct fake_sock *sock)
{
	struct fake_req *req;

	while ((req = sock->waiters)) {
		unplace(fake, req);
		place_ready(fake, req);
	}
}

void fake_wake_outside(struct uring_fake *fake)
{
	struct fake_req *req;

	while ((req = fake->outside)) {
		unplace(fake, req);
		place_ready(fake, req);
	}
}

int fake_outside_wait(struct uring_fake *fake)
{
	struct pollfd fds[64];
	nfds_t n = 0;

	for (struct fake_req *req = fake->outside; req && n < 64;
	     req = req->next)
		if (req->sqe.opcode == IORING_OP_POLL_ADD)
			fds[n++] = (struct pollfd){
				.fd = req->sqe.fd,
				.events = (short)req->sqe.poll32_events,
			};
	if (n == 0)
		return -EDEADLK;
	if (poll(fds, n, -1) < 0)
		return -errno;
	fake_wake_outside(fake);
	fake_run_ready(fake);
	return 0;
}

/* Chance decides the race when the request could end by itself as well. */
static int cancel(struct uring_fake *fake, uint64_t user_data)
{
	struct fake_req *req = req_find(fake, user_data);

	if (!req)
		return -ENOENT;
	if (req->place == FAKE_READY && fake_chance(fake, 50)) {
		req->cancelled = true;
		return -EALREADY;
	}
	unplace(fake, req);
	req_end_cancelled(fake, req);
	return 0;
}

static void start(struct uring_fake *fake, const struct io_uring_sqe *sqe)
{
	struct fake_req *req = req_new(fake, sqe);

	if (sqe->fd >= FAKE_FD_BASE) {
		req->sock = fake_sock_of(fake, sqe->fd);
		if (!req->sock) {
			req_end(fake, req, -EBADF, 0);
			return;
		}
		req->sock->refs++;
	}
	place_ready(fake, req);
}

/* A cancel is done while submitting, as in the kernel. */
void fake_submit_sqe(struct uring_fake *fake, const struct io_uring_sqe *sqe)
{
	if (sqe->opcode == IORING_OP_ASYNC_CANCEL)
		fake_post(fake, sqe->user_data, cancel(fake, sqe->addr), 0);
	else
		start(fake, sqe);
}

void fake_reqs_free(struct uring_fake *fake)
{
	struct fake_req *req;

	for (unsigned i = 0; i < FAKE_BUCKETS; i++) {
		while ((req = fake->buckets[i])) {
			fake->buckets[i] = req->hash_next;
			free(req);
		}
	}
	while ((req = fake->free_reqs)) {
		fake->free_reqs = req->hash_next;
		free(req);
	}
	free(fake->ready.items);
	free(fake->running.items);
}
