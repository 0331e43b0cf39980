/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A leg: the one function that writes its state, what comes in from its
 * connection, and what its owner asks for outside of the body.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/cutthrough/cutthrough_leg.h"
#include "uring/uring.h"

static struct uring *ring_of(const struct cutthrough_leg *leg)
{
	return leg->hop->pool->config.env->ring;
}

void cutthrough_clock(struct cutthrough_leg *leg)
{
	const struct config_timeouts *t =
		&leg->hop->pool->config.config->timeouts;

	switch (cutthrough_rows[leg->state].clock) {
	case CUTTHROUGH_CLOCK_NONE:
		uring_timer_clear(ring_of(leg), &leg->timer);
		return;
	case CUTTHROUGH_CLOCK_REPLY:
		uring_timer_set(ring_of(leg), &leg->timer, t->reply);
		return;
	case CUTTHROUGH_CLOCK_TRANSMIT:
		uring_timer_set(ring_of(leg), &leg->timer, t->transmit);
		return;
	case CUTTHROUGH_CLOCK_FINAL:
		uring_timer_set(ring_of(leg), &leg->timer, t->final);
		return;
	}
}

/* The one place that writes a state. */
void cutthrough_enter(struct cutthrough_leg *leg, enum cutthrough_state next)
{
	if (next == leg->state)
		return;
	leg->state = next;
	leg->wants_room = false;
	cutthrough_clock(leg);
}

static void leg_free(struct cutthrough_leg *leg)
{
	assert(!leg->via && !ktls_forward_running(&leg->forward));
	uring_timer_clear(ring_of(leg), &leg->timer);
	uring_timer_clear(ring_of(leg), &leg->soon);
	free(leg->recipient);
	/* owned here, whatever struct cutthrough_mail says of its callers' */
	free((char *)(uintptr_t)leg->mail.reverse_path);
	free((char *)(uintptr_t)leg->mail.dsn);
	free(leg);
}

/* Last: the owner may drop the leg. */
static void deliver(struct cutthrough_leg *leg)
{
	if (!leg->fn) {
		leg->is_due = false;
		if (leg->state == CUTTHROUGH_IN_OVER)
			leg_free(leg);
		return;
	}
	if (!leg->is_due)
		return;
	leg->is_due = false;
	uring_timer_clear(ring_of(leg), &leg->soon);
	leg->fn(leg->owner, leg->due);
}

void cutthrough_step(struct cutthrough_leg *leg, enum cutthrough_input input)
{
	struct cutthrough_hop *hop = leg->hop;
	bool retry;

	cutthrough_enter(leg, cutthrough_rows[leg->state].on[input](leg));
	retry = leg->retry;
	leg->retry = false;
	if (retry)
		cutthrough_pump(hop);
}

void cutthrough_input(struct cutthrough_leg *leg, enum cutthrough_input input)
{
	assert(!leg->running);
	leg->running = true;
	cutthrough_step(leg, input);
	leg->running = false;
	deliver(leg);
}

void cutthrough_tell(struct cutthrough_leg *leg, enum cutthrough_event event)
{
	assert(!leg->is_due || leg->due == event);
	leg->is_due = true;
	leg->due = event;
	if (!leg->running)
		uring_timer_set(ring_of(leg), &leg->soon, 0);
}

void cutthrough_unreachable(struct cutthrough_leg *leg,
			    const struct outbound_answer *why)
{
	char text[SMTP_REPLY_TEXT_MAX];

	snprintf(text, sizeof(text), "%s %s",
		 why->enhanced[0] == '4' ? why->enhanced : "4.4.1", why->text);
	cutthrough_say(leg, 451, text);
	cutthrough_enter(leg, cutthrough_lost_asked(leg));
}

static void on_timer(void *owner)
{
	cutthrough_input(owner, CUTTHROUGH_ON_TIMEOUT);
}

static void on_soon(void *owner)
{
	deliver(owner);
}

static void on_lent(void *borrower, struct outbound_session *session)
{
	cutthrough_step(borrower, CUTTHROUGH_ON_LENT);
}

static void on_reply(void *borrower, const struct smtp_reply *reply)
{
	struct cutthrough_leg *leg = borrower;

	leg->reply = reply;
	cutthrough_input(leg, CUTTHROUGH_ON_REPLY);
}

static void on_written(void *borrower)
{
	cutthrough_input(borrower, CUTTHROUGH_ON_WRITTEN);
}

static void on_lost(void *borrower, const struct outbound_answer *why)
{
	struct cutthrough_leg *leg = borrower;
	char text[SMTP_REPLY_TEXT_MAX];

	cutthrough_forwarded(leg);
	leg->uses = leg->via->uses;
	leg->via = NULL;
	snprintf(text, sizeof(text), "%s The next hop: %s", why->enhanced,
		 why->text);
	cutthrough_say(leg, 451, text);
	cutthrough_input(leg, CUTTHROUGH_ON_LOST);
}

const struct outbound_loan_ops cutthrough_loan_ops = {
	.lent = on_lent,
	.reply = on_reply,
	.written = on_written,
	.lost = on_lost,
};

/* --- what the owner asks for --- */

/* The one that is asked for from now on. False: no memory, none is changed. */
static bool set_recipient(struct cutthrough_leg *leg, const char *recipient,
			  const char *dsn)
{
	char *text;

	if (asprintf(&text, "<%s>%s", recipient, dsn) < 0)
		return false;
	free(leg->recipient);
	leg->recipient = text;
	leg->path_len = strlen(recipient) + 2;
	return true;
}

static struct cutthrough_leg *leg_make(struct cutthrough_hop *hop,
				       const struct cutthrough_mail *mail,
				       const char *recipient, const char *dsn)
{
	struct cutthrough_leg *leg = calloc(1, sizeof(*leg));

	if (!leg)
		return NULL;
	leg->hop = hop;
	leg->mail = *mail;
	leg->mail.reverse_path = strdup(mail->reverse_path);
	leg->mail.dsn = strdup(mail->dsn);
	leg->timer = (struct uring_timer){.fn = on_timer, .owner = leg};
	leg->soon = (struct uring_timer){.fn = on_soon, .owner = leg};
	if (!leg->mail.reverse_path || !leg->mail.dsn ||
	    !set_recipient(leg, recipient, dsn)) {
		leg_free(leg);
		return NULL;
	}
	return leg;
}

static struct cutthrough_hop *hop_of(struct cutthrough *pool,
				     const struct config_route *route)
{
	return &pool->hops[route - pool->config.config->routes];
}

struct cutthrough_leg *cutthrough_begin(struct cutthrough *pool,
					const struct config_route *route,
					const struct cutthrough_mail *mail,
					const char *recipient, const char *dsn,
					cutthrough_fn fn, void *owner)
{
	struct cutthrough_leg *leg =
		leg_make(hop_of(pool, route), mail, recipient, dsn);

	if (!leg)
		return NULL;
	leg->fn = fn;
	leg->owner = owner;
	leg->begun = uring_now(pool->config.env->ring);
	pool->stats.transactions++;
	cutthrough_wait(leg, false);
	cutthrough_clock(leg);
	cutthrough_pump(leg->hop);
	return leg;
}

bool cutthrough_over(struct cutthrough_leg *leg)
{
	if (leg->state != CUTTHROUGH_IN_OVER)
		return false;
	if (leg->answer.code < 400)
		cutthrough_say(leg, 451, "4.4.2 The next hop is gone");
	return true;
}

/* What is asked of a leg that is over gets its last answer again. */
static bool is_over(struct cutthrough_leg *leg)
{
	if (!cutthrough_over(leg)) {
		assert(leg->state == CUTTHROUGH_IN_OPEN);
		return false;
	}
	cutthrough_tell(leg, CUTTHROUGH_ANSWER);
	return true;
}

bool cutthrough_recipient(struct cutthrough_leg *leg, const char *recipient,
			  const char *dsn)
{
	if (!set_recipient(leg, recipient, dsn))
		return false;
	if (is_over(leg))
		return true;
	cutthrough_send_recipient(leg);
	cutthrough_enter(leg, CUTTHROUGH_IN_RCPT);
	return true;
}

void cutthrough_data(struct cutthrough_leg *leg)
{
	if (is_over(leg))
		return;
	cutthrough_command(leg, "DATA\r\n", 6);
	cutthrough_enter(leg, CUTTHROUGH_IN_DATA);
}

const struct config_route *cutthrough_route(const struct cutthrough_leg *leg)
{
	return leg->hop->route;
}

const struct cutthrough_answer *cutthrough_answer(
	const struct cutthrough_leg *leg)
{
	return &leg->answer;
}

bool cutthrough_tells(const struct cutthrough_leg *leg)
{
	return leg->extensions & SMTP_EXT_DSN;
}

bool cutthrough_chunking(const struct cutthrough_leg *leg)
{
	return leg->extensions & SMTP_EXT_CHUNKING;
}

/* A leg whose message is complete lives on without its owner. */
void cutthrough_drop(struct cutthrough_leg **pointer)
{
	struct cutthrough_leg *leg = *pointer;

	if (!leg)
		return;
	*pointer = NULL;
	assert(!leg->running);
	leg->fn = NULL;
	switch (leg->state) {
	case CUTTHROUGH_IN_FINAL:
		return;
	case CUTTHROUGH_IN_WAIT:
		cutthrough_unwait(leg);
		break;
	case CUTTHROUGH_IN_OPEN:
		cutthrough_release(leg, OUTBOUND_OPEN);
		break;
	case CUTTHROUGH_IN_MAIL:
	case CUTTHROUGH_IN_RCPT:
	case CUTTHROUGH_IN_DATA:
	case CUTTHROUGH_IN_BODY:
	case CUTTHROUGH_IN_CHUNK:
	case CUTTHROUGH_IN_REPLY:
		cutthrough_release(leg, OUTBOUND_BROKEN);
		break;
	case CUTTHROUGH_IN_OVER:
	case CUTTHROUGH_STATES:
		break;
	}
	leg_free(leg);
}
