/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's inbound: its slots, connections let in or turned away, the end.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/inbound/inbound_admission.h"
#include "gateway/inbound/inbound_session.h"
#include "gateway/log/log.h"
#include "gateway/metrics/sum.h"
#include "uring/uring.h"

/* Slots beyond max_sessions, for connections that only hear their 421. */
#define REFUSAL_SLOTS 64

int inbound_create(const struct inbound_config *config, struct inbound **out)
{
	struct inbound *inbound = calloc(1, sizeof(*inbound));

	if (!inbound)
		return -ENOMEM;
	inbound->config = *config;
	inbound->slot_count = config->max_sessions + REFUSAL_SLOTS;
	inbound->slots = calloc(inbound->slot_count, sizeof(*inbound->slots));
	inbound->line = malloc(config->config->limits.line_length + 1);
	inbound->traffic = calloc(config->config->listener_count,
				  sizeof(*inbound->traffic));
	if (!inbound->slots || !inbound->line || !inbound->traffic) {
		inbound_destroy(&inbound);
		return -ENOMEM;
	}
	*out = inbound;
	return 0;
}

void inbound_destroy(struct inbound **inbound)
{
	if (!*inbound)
		return;
	assert(inbound_sessions(*inbound) == 0);
	free((*inbound)->slots);
	free((*inbound)->line);
	free((*inbound)->traffic);
	free(*inbound);
	*inbound = NULL;
}

unsigned inbound_sessions(const struct inbound *inbound)
{
	return inbound->count + inbound->notifying;
}

const struct inbound_stats *inbound_stats(const struct inbound *inbound)
{
	return &inbound->stats;
}

void inbound_stats_now(const struct inbound *inbound, struct inbound_stats *out)
{
	*out = inbound->stats;
	out->sessions = inbound->admitted;
	for (const struct inbound_session *s = inbound->sessions; s;
	     s = s->next) {
		struct ktls_stream_info info;

		if (!s->open || !s->admitted || s->counted)
			continue;
		ktls_stream_info(&s->stream, &info);
		tls_stats_open(&out->tls, &info);
	}
}

void inbound_stats_add(struct inbound_stats *to,
		       const struct inbound_stats *from)
{
	SUM_INTO(to, from);
}

static struct inbound_session *take_slot(struct inbound *inbound)
{
	struct inbound_session *s = inbound->free;

	/* Slots never used cost no memory. */
	if (s)
		inbound->free = s->next;
	else if (inbound->slots_used < inbound->slot_count)
		s = &inbound->slots[inbound->slots_used++];
	else
		return NULL;
	memset(s, 0, sizeof(*s));
	s->pool = inbound;
	s->next = inbound->sessions;
	if (s->next)
		s->next->prev = s;
	inbound->sessions = s;
	inbound->count++;
	return s;
}

void inbound_release(struct inbound_session *s)
{
	struct inbound *inbound = s->pool;

	if (s->admitted) {
		inbound_admission_leave(inbound->config.admission,
					&s->peer.any);
		inbound->admitted--;
	}
	free(s->helo);
	s->helo = NULL;
	if (s->prev)
		s->prev->next = s->next;
	else
		inbound->sessions = s->next;
	if (s->next)
		s->next->prev = s->prev;
	s->prev = NULL;
	s->next = inbound->free;
	inbound->free = s;
	inbound->count--;
	/* Last: the caller's caller may look at us, not at the slot. */
	inbound_idle(inbound);
}

void inbound_idle(struct inbound *inbound)
{
	if (inbound_sessions(inbound) == 0 && inbound->stopping &&
	    inbound->config.idle)
		inbound->config.idle(inbound->config.arg);
}

static void closed(void *owner, const struct uring_event *event)
{
}

/* No slot even to say so. */
static void drop(struct inbound *inbound, int fd)
{
	struct uring_target target = {.fn = closed, .owner = inbound};

	inbound->stats.turned[INBOUND_TURNED_MANY]++;
	if (!uring_close(inbound->config.env->ring, target, fd))
		close(fd);
}

static void set_peer(struct inbound_session *s, const struct sockaddr *peer,
		     socklen_t len)
{
	if (len > sizeof(s->peer))
		len = sizeof(s->peer);
	memcpy(&s->peer, peer, len);
}

/* Why this connection gets a 421; REPLY_OK: it doesn't. */
static enum inbound_reply_id admit(struct inbound_session *s)
{
	struct inbound *inbound = s->pool;

	if (inbound->stopping)
		return REPLY_SHUTDOWN;
	if (inbound->admitted >= inbound->config.max_sessions)
		return REPLY_TOO_MANY_CONNECTIONS;
	switch (inbound_admission_enter(inbound->config.admission,
					&inbound->config.config->limits,
					&s->peer.any)) {
	case INBOUND_ADMITTED:
		s->admitted = true;
		inbound->admitted++;
		return REPLY_OK;
	case INBOUND_CLIENT_MANY:
		return REPLY_TOO_MANY_OF_CLIENT;
	case INBOUND_TOO_MANY:
	case INBOUND_NO_MEMORY:
		break;
	}
	return REPLY_TOO_MANY_CONNECTIONS;
}

static void count_turned(struct inbound *inbound, enum inbound_reply_id reply)
{
	enum inbound_turned turned = INBOUND_TURNED_MANY;

	if (reply == REPLY_SHUTDOWN)
		turned = INBOUND_TURNED_SHUTDOWN;
	else if (reply == REPLY_TOO_MANY_OF_CLIENT)
		turned = INBOUND_TURNED_OF_CLIENT;
	inbound->stats.turned[turned]++;
}

/* An implicit TLS port can't say it in clear. */
static void turn_away(struct inbound_session *s, enum inbound_reply_id reply)
{
	count_turned(s->pool, reply);
	inbound_log_refused(s, reply);
	if (s->listener->config->tls == CONFIG_LISTEN_IMPLICIT) {
		inbound_begin(s, INBOUND_ABORTING);
		return;
	}
	s->refusal = reply;
	inbound_begin(s, INBOUND_CLOSING);
}

void inbound_accept(struct inbound *inbound, int fd,
		    const struct inbound_listener *listener,
		    const struct sockaddr *peer, socklen_t peer_len)
{
	struct inbound_session *s = take_slot(inbound);
	enum inbound_reply_id refusal;

	if (!s) {
		drop(inbound, fd);
		return;
	}
	s->listener = listener;
	set_peer(s, peer, peer_len);
	s->opened = uring_now(inbound->config.env->ring);
	if (ktls_stream_open(&s->stream, inbound->config.env, fd,
			     inbound_on_stream, s) < 0) {
		inbound->stats.turned[INBOUND_TURNED_MANY]++;
		inbound_release(s);
		return;
	}
	s->open = true;
	s->relay = listener->trusted ||
		   config_relay_allowed(inbound->config.config, &s->peer.any);
	refusal = admit(s);
	if (refusal != REPLY_OK) {
		turn_away(s, refusal);
		return;
	}
	inbound->stats.connections++;
	inbound_log_connected(s);
	inbound_begin(s, listener->config->tls == CONFIG_LISTEN_IMPLICIT
				 ? INBOUND_TLS
				 : INBOUND_GREETING);
}

/* Sessions leave the list only after CLOSED, so none does in here. */
static void tell_all(struct inbound *inbound, enum inbound_event event)
{
	struct inbound_session *s, *next;

	for (s = inbound->sessions; s; s = next) {
		next = s->next;
		inbound_event(s, event);
	}
}

void inbound_shutdown(struct inbound *inbound)
{
	inbound->stopping = true;
	tell_all(inbound, INBOUND_ON_SHUTDOWN);
}

void inbound_abort(struct inbound *inbound)
{
	inbound->stopping = true;
	tell_all(inbound, INBOUND_ON_ABORT);
}
