/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver of inbound sessions: the table of states, the one function that
 * writes session->state, and the one place that gives a slot back.
 */
#include <assert.h>

#include "gateway/inbound/inbound_session.h"
#include "gateway/log/log.h"
#include "uring/uring.h"

typedef enum inbound_state (*handler)(struct inbound_session *);

struct row {
	const char *name;
	handler enter;
	handler on[INBOUND_EVENTS];
};

/* An event that changes nothing in this state. */
static enum inbound_state stay(struct inbound_session *s)
{
	return s->state;
}

/* Against the contract of the stream, the spool or the timer. */
static enum inbound_state never(struct inbound_session *s)
{
	assert(false && "an event that can't come in this state");
	return s->state;
}

/* clang-format off */
#define ON(secure, readable, written, failed, closed, timeout, room, committed, shutdown, abort) \
	  ON_RELAY(secure, readable, written, failed, closed, timeout, room, committed, never, never, never, shutdown, abort)
#define ON_RELAY(secure, readable, written, failed, closed, timeout, room, committed, answer, forwarded, lost, shutdown, abort) \
	{ [INBOUND_ON_SECURE] = (secure), [INBOUND_ON_READABLE] = (readable), \
	  [INBOUND_ON_WRITTEN] = (written), [INBOUND_ON_FAILED] = (failed), \
	  [INBOUND_ON_CLOSED] = (closed), [INBOUND_ON_TIMEOUT] = (timeout), \
	  [INBOUND_ON_ROOM] = (room), [INBOUND_ON_COMMITTED] = (committed), \
	  [INBOUND_ON_ANSWER] = (answer), [INBOUND_ON_FORWARDED] = (forwarded), \
	  [INBOUND_ON_LOST] = (lost), \
	  [INBOUND_ON_SHUTDOWN] = (shutdown), [INBOUND_ON_ABORT] = (abort) }

static const struct row rows[INBOUND_STATES] = {
	/* state: name, enter, and per event:
	 *  SECURE READABLE WRITTEN FAILED CLOSED TIMEOUT ROOM COMMITTED
	 *  (RELAY: ANSWER FORWARDED LOST) SHUTDOWN ABORT */
	[INBOUND_FREE] = {"free", NULL,
		ON(never, never, never, never, never, never, never, never, never, never)},
	[INBOUND_GREETING] = {"greeting", inbound_greeting_enter,
		ON(never, never, never, never, never, never, never, never, never, never)},
	[INBOUND_TLS] = {"tls", inbound_tls_enter,
		ON(inbound_tls_on_secure, inbound_tls_on_readable, stay,
		   inbound_tls_on_failed, never, inbound_tls_on_timeout, never,
		   never, inbound_tls_on_shutdown, inbound_on_abort)},
	[INBOUND_COMMAND] = {"command", inbound_command_enter,
		ON_RELAY(never, inbound_command_on_input, inbound_command_on_input,
		   inbound_command_on_failed, never, inbound_command_on_timeout, never,
		   never, never, never, stay, inbound_command_on_shutdown,
		   inbound_on_abort)},
	[INBOUND_DATA] = {"data", inbound_data_enter,
		ON_RELAY(never, inbound_data_on_input, stay, inbound_on_failed, never,
		   inbound_body_on_timeout, inbound_data_on_room, never,
		   never, never, inbound_body_on_lost, stay, inbound_on_abort)},
	[INBOUND_BDAT] = {"bdat", inbound_bdat_enter,
		ON_RELAY(never, inbound_bdat_on_input, stay, inbound_on_failed, never,
		   inbound_body_on_timeout, inbound_bdat_on_room, never,
		   never, never, inbound_body_on_lost, stay, inbound_on_abort)},
	[INBOUND_DISCARD] = {"discard", inbound_discard_enter,
		ON(never, inbound_discard_on_input, stay, inbound_on_failed, never,
		   inbound_body_on_timeout, never, never, stay, inbound_on_abort)},
	[INBOUND_COMMIT] = {"commit", inbound_commit_enter,
		ON(never, stay, stay, inbound_commit_on_failed, never, never, never,
		   inbound_commit_on_committed, stay, inbound_commit_on_abort)},
	[INBOUND_ORPHAN] = {"orphan", inbound_orphan_enter,
		ON(never, never, never, never, stay, never, never,
		   inbound_orphan_on_committed, stay, stay)},
	[INBOUND_RELAY] = {"relay", inbound_relay_enter,
		ON_RELAY(never, stay, stay, inbound_relay_on_failed, never, never, stay, never,
		   inbound_relay_on_answer, never, never, stay, inbound_on_abort)},
	[INBOUND_CHUNK] = {"chunk", inbound_chunk_enter,
		ON_RELAY(never, inbound_chunk_on_input, stay, inbound_on_failed, never,
		   inbound_chunk_on_timeout, inbound_chunk_on_room, never,
		   never, inbound_chunk_on_forwarded, inbound_chunk_on_lost, stay,
		   inbound_on_abort)},
	[INBOUND_CLOSING] = {"closing", inbound_closing_enter,
		ON(never, never, never, never, stay, never, never, never, stay,
		   inbound_closing_on_abort)},
	[INBOUND_ABORTING] = {"aborting", inbound_aborting_enter,
		ON(never, never, never, never, stay, never, never, never, stay,
		   stay)},
	[INBOUND_GONE] = {"gone", inbound_gone_enter,
		ON(never, never, never, never, stay, never, never, never, stay,
		   stay)},
};
/* clang-format on */

static const char *const event_names[INBOUND_EVENTS] = {
	[INBOUND_ON_SECURE] = "secure",
	[INBOUND_ON_READABLE] = "readable",
	[INBOUND_ON_WRITTEN] = "written",
	[INBOUND_ON_FAILED] = "failed",
	[INBOUND_ON_CLOSED] = "closed",
	[INBOUND_ON_TIMEOUT] = "timeout",
	[INBOUND_ON_ROOM] = "room",
	[INBOUND_ON_COMMITTED] = "committed",
	[INBOUND_ON_ANSWER] = "answer",
	[INBOUND_ON_FORWARDED] = "forwarded",
	[INBOUND_ON_LOST] = "lost",
	[INBOUND_ON_SHUTDOWN] = "shutdown",
	[INBOUND_ON_ABORT] = "abort",
};

const char *inbound_state_name(enum inbound_state state)
{
	return rows[state].name;
}

const char *inbound_event_name(enum inbound_event event)
{
	return event_names[event];
}

static void log_move(const struct inbound_session *s, enum inbound_state next)
{
	char client[INBOUND_CLIENT_SIZE];

	if (log_enabled(CONFIG_LOG_DEBUG))
		log_debug("inbound.state",
			  L_STR("client", inbound_client(s, client)),
			  L_STR("from", rows[s->state].name),
			  L_STR("to", rows[next].name));
}

/* The one place that writes a state. Entering may lead on at once. */
static void move(struct inbound_session *s, enum inbound_state next)
{
	while (next != s->state) {
		log_move(s, next);
		s->state = next;
		next = rows[next].enter(s);
	}
}

/* Replies go out; when they can't, the connection is as good as broken. */
static void finish(struct inbound_session *s)
{
	inbound_flush(s);
	if (s->pool->output.error == 0)
		return;
	s->pool->output.error = 0;
	if (s->state < INBOUND_ORPHAN)
		move(s, rows[s->state].on[INBOUND_ON_ABORT](s));
	s->pool->output.len = 0;
}

/* A slot is free when nothing can call back any more. */
static void release_if_over(struct inbound_session *s)
{
	if (s->open || s->state < INBOUND_CLOSING)
		return;
	assert(!s->timer.armed && !inbound_waits_for_room(s));
	assert(!s->tx && !s->line);
	s->state = INBOUND_FREE;
	inbound_release(s);
}

void inbound_event(struct inbound_session *s, enum inbound_event event)
{
	assert(s->state != INBOUND_FREE);
	assert(s->pool->output.len == 0);
	move(s, rows[s->state].on[event](s));
	finish(s);
	release_if_over(s);
}

void inbound_begin(struct inbound_session *s, enum inbound_state state)
{
	assert(s->state == INBOUND_FREE);
	assert(s->pool->output.len == 0);
	move(s, state);
	finish(s);
	release_if_over(s);
}

static void on_timer(void *owner)
{
	inbound_event(owner, INBOUND_ON_TIMEOUT);
}

void inbound_timer_arm(struct inbound_session *s, uint64_t delay)
{
	s->timer.fn = on_timer;
	s->timer.owner = s;
	uring_timer_set(s->pool->config.env->ring, &s->timer, delay);
}

void inbound_timer_clear(struct inbound_session *s)
{
	uring_timer_clear(s->pool->config.env->ring, &s->timer);
}

void inbound_on_stream(void *owner, enum ktls_event event)
{
	struct inbound_session *s = owner;

	switch (event) {
	case KTLS_EVENT_SECURE:
		inbound_event(s, INBOUND_ON_SECURE);
		return;
	case KTLS_EVENT_READABLE:
		inbound_event(s, INBOUND_ON_READABLE);
		return;
	case KTLS_EVENT_EOF:
		s->ended = true;
		inbound_event(s, INBOUND_ON_READABLE);
		return;
	case KTLS_EVENT_WRITTEN:
		s->writes = 0;
		inbound_event(s, INBOUND_ON_WRITTEN);
		return;
	case KTLS_EVENT_FAILED:
		inbound_event(s, INBOUND_ON_FAILED);
		return;
	case KTLS_EVENT_CLOSED:
		s->open = false;
		inbound_event(s, INBOUND_ON_CLOSED);
		return;
	case KTLS_EVENT_CONNECTED:
		break;
	}
	assert(false && "streams of inbound are connected from the start");
}

void inbound_on_committed(void *owner, enum spool_status status,
			  struct spool_message *message)
{
	struct inbound_session *s = owner;

	s->committed = (struct inbound_committed){status, message};
	inbound_event(s, INBOUND_ON_COMMITTED);
}
