/* SPDX-License-Identifier: Apache-2.0 */
/* What the rules say is done to the client here: pauses, replies, ends. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench/sink/sink_state.h"

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void sink_pause(struct sink_session *s, uint64_t ms)
{
	struct pollfd fds[2] = {{.fd = s->conn->fd},
				{.fd = s->shared->wake_fd, .events = POLLIN}};
	uint64_t until = now_ms() + ms, now;

	if (!ms)
		return;
	while ((now = now_ms()) < until) {
		if (poll(fds, 2, (int)(until - now)) > 0)
			return;
	}
}

static void count_fault(struct sink_session *s, const struct sink_rule *rule)
{
	pthread_mutex_lock(&s->shared->lock);
	s->shared->totals.faults++;
	s->shared->totals.greylisted += rule->grey;
	pthread_mutex_unlock(&s->shared->lock);
}

static void hang_up(struct sink_session *s, enum sink_hang_up how)
{
	if (how == SINK_STAY)
		return;
	s->state = SINK_GONE;
	if (how == SINK_DROP)
		bench_conn_drop(s->conn);
	else if (how == SINK_RESET)
		bench_conn_reset(s->conn);
}

/* A reply is read before the end of what it was written on. */
static void hang_up_behind(struct sink_session *s, enum sink_hang_up how)
{
	if (how != SINK_STAY && bench_conn_flush(s->conn))
		s->state = SINK_GONE;
	hang_up(s, how);
}

static void send_pieces(struct sink_session *s)
{
	struct bench_conn *c = s->conn;
	char text[SINK_REPLY_LINES * (SINK_REPLY_LINE + 2)];
	size_t len = c->out_len, n;

	if (len > sizeof(text))
		return; /* more than one reply: it goes as it is */
	memcpy(text, c->out, len);
	c->out_len = 0;
	for (size_t at = 0; at < len; at += n) {
		n = len - at < s->pieces ? len - at : s->pieces;
		if (bench_conn_write(c, text + at, n) || bench_conn_flush(c)) {
			s->state = SINK_GONE;
			return;
		}
		if (at + n < len)
			sink_pause(s, s->pause_ms);
	}
}

void sink_settle(struct sink_session *s)
{
	enum sink_hang_up then = s->then;

	if (s->pieces && s->conn->fd >= 0)
		send_pieces(s);
	s->pieces = 0;
	s->then = SINK_STAY;
	s->instead = NULL;
	hang_up_behind(s, then);
}

struct sink_verdict sink_ask(struct sink_session *s, enum sink_phase phase)
{
	struct sink_event event = {
		.phase = phase,
		.client = s->client,
		.helo = s->helo,
		.sender = s->sender,
		.recipient = s->recipient,
		.hit = s->hit,
		.messages = s->messages,
		.now_ms = now_ms(),
	};

	return sink_rules_ask(&s->config->rules, &s->shared->counts,
			      s->shared->grey, &event, &s->rng);
}

/* True: refused. A code of success only changes the words. */
static bool give_reply(struct sink_session *s, enum sink_phase phase,
		       const struct sink_rule *rule)
{
	char text[64];

	if (sink_phase_succeeds(phase, rule->code)) {
		s->instead = rule->reply;
		s->then = rule->hang_up;
		return false;
	}
	snprintf(text, sizeof(text), "%u %u.0.0 As the script says\r\n",
		 rule->code, rule->code / 100);
	s->instead = rule->reply ? rule->reply : text;
	sink_reply_good(s, "");
	sink_settle(s);
	if (s->state == SINK_GONE)
		return true;
	hang_up_behind(s, rule->hang_up);
	if (rule->code == 421)
		s->state = SINK_GONE;
	return true;
}

bool sink_strike(struct sink_session *s, enum sink_phase phase,
		 const struct sink_verdict *verdict)
{
	const struct sink_rule *rule = verdict->rule;

	/* Earlier answers neither wait nor come in pieces. */
	if ((verdict->delay_ms || verdict->pieces) && bench_conn_flush(s->conn))
		s->state = SINK_GONE;
	sink_pause(s, verdict->delay_ms);
	s->pieces = verdict->pieces;
	s->pause_ms = verdict->pause_ms;
	s->offers &= ~verdict->hide;
	if (!rule || rule->accept)
		return false;
	count_fault(s, rule);
	if (rule->code)
		return give_reply(s, phase, rule);
	hang_up(s, rule->hang_up);
	return true;
}

bool sink_fault(struct sink_session *s, enum sink_phase phase)
{
	struct sink_verdict verdict = sink_ask(s, phase);

	return sink_strike(s, phase, &verdict);
}

void sink_ambush_set(struct sink_session *s)
{
	struct sink_verdict v = sink_ask(s, SINK_AT_BODY);

	s->body_octets = 0;
	s->ambush = (struct sink_ambush){v.rule || v.delay_ms, v};
}

size_t sink_ambush_far(const struct sink_session *s, size_t n)
{
	uint64_t left = s->ambush.verdict.octets - s->body_octets;

	return s->ambush.set && left < n ? (size_t)left : n;
}

bool sink_ambush_pass(struct sink_session *s)
{
	if (!s->ambush.set || s->body_octets < s->ambush.verdict.octets)
		return true;
	s->ambush.set = false;
	return !sink_strike(s, SINK_AT_BODY, &s->ambush.verdict);
}
