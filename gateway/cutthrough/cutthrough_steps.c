/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of a leg's states, and its steps. cutthrough_leg.c goes through it.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/cutthrough/cutthrough_leg.h"

/* MAIL or RCPT with a path and parameters that our own inbound side took. */
#define COMMAND_MAX 1200

/* What a Received field adds to the size that the client declares. */
#define TRACE_ROOM 512

/* --- ways out --- */

void cutthrough_release(struct cutthrough_leg *leg,
			enum outbound_condition condition)
{
	struct cutthrough_via *via = leg->via;

	cutthrough_forwarded(leg);
	leg->via = NULL;
	outbound_give_back(via->session, condition);
}

static enum cutthrough_state over(struct cutthrough_leg *leg,
				  enum outbound_condition condition)
{
	cutthrough_release(leg, condition);
	return CUTTHROUGH_IN_OVER;
}

void cutthrough_say(struct cutthrough_leg *leg, uint16_t code, const char *text)
{
	leg->answer.code = code;
	snprintf(leg->answer.text, sizeof(leg->answer.text), "%s", text);
}

/* Our client has been promised enhanced codes (RFC 2034), the next hop may not
 * know any; its 421 is about its connection, not about our client's. */
static void take_reply(struct cutthrough_leg *leg)
{
	const struct smtp_reply *reply = leg->reply;
	uint16_t code = reply->code == 421 ? 451 : reply->code;
	char *text = leg->answer.text;

	leg->answer.code = code;
	if (reply->enhanced[0] || code / 100 == 3)
		snprintf(text, sizeof(leg->answer.text), "%s", reply->text);
	else
		snprintf(text, sizeof(leg->answer.text), "%u.0.0 %.*s",
			 code / 100u % 10u, SMTP_REPLY_TEXT_MAX - 8,
			 reply->text);
	for (; *text; text++)
		if ((unsigned char)*text >= 0x7f)
			*text = '?';
}

/* The next hop does not keep to the protocol. */
static enum cutthrough_state nonsense(struct cutthrough_leg *leg)
{
	cutthrough_say(leg, 451, "4.5.0 The next hop answered out of turn");
	return over(leg, OUTBOUND_BROKEN);
}

static enum cutthrough_state stay(struct cutthrough_leg *leg)
{
	return leg->state;
}

static enum cutthrough_state never(struct cutthrough_leg *leg)
{
	assert(!"an input that can't come in this state");
	return leg->state;
}

static void note_lost(struct cutthrough_leg *leg)
{
	leg->hop->pool->stats.lost++;
	cutthrough_log_lost(leg, cutthrough_rows[leg->state].at);
}

/* A request is open: it gets what we know as its answer. */
enum cutthrough_state cutthrough_lost_asked(struct cutthrough_leg *leg)
{
	note_lost(leg);
	cutthrough_tell(leg, CUTTHROUGH_ANSWER);
	return CUTTHROUGH_IN_OVER;
}

/* Nobody asks: the next request will hear of it. */
static enum cutthrough_state lost_silent(struct cutthrough_leg *leg)
{
	note_lost(leg);
	return CUTTHROUGH_IN_OVER;
}

static enum cutthrough_state lost_body(struct cutthrough_leg *leg)
{
	note_lost(leg);
	cutthrough_tell(leg, CUTTHROUGH_LOST);
	return CUTTHROUGH_IN_OVER;
}

static void too_long(struct cutthrough_leg *leg)
{
	cutthrough_say(leg, 451, "4.4.2 The next hop took too long");
}

static enum cutthrough_state late(struct cutthrough_leg *leg)
{
	too_long(leg);
	cutthrough_release(leg, OUTBOUND_BROKEN);
	return cutthrough_lost_asked(leg);
}

static enum cutthrough_state wait_on_timeout(struct cutthrough_leg *leg)
{
	cutthrough_unwait(leg);
	cutthrough_say(leg, 451,
		       "4.4.1 No connection to the next hop was free in time");
	return cutthrough_lost_asked(leg);
}

/* --- the envelope --- */

void cutthrough_command(struct cutthrough_leg *leg, const char *line,
			size_t len)
{
	/* A stream that can't take it has failed and says so by an event. */
	(void)ktls_stream_write(outbound_stream(leg->via->session), line, len);
}

/* What this next hop can't take, said without trying. NULL: fine. */
static const char *unfit(const struct cutthrough_leg *leg, uint64_t limit)
{
	if (leg->mail.smtputf8 && !(leg->extensions & SMTP_EXT_SMTPUTF8))
		return "5.6.7 The next hop does not take SMTPUTF8 mail";
	if (leg->mail.has_size && limit > 0 &&
	    (leg->mail.size > limit || limit - leg->mail.size < TRACE_ROOM))
		return "5.3.4 Larger than the next hop accepts";
	return NULL;
}

static void send_mail(struct cutthrough_leg *leg)
{
	const struct cutthrough_mail *mail = &leg->mail;
	char line[COMMAND_MAX], size[40] = "";
	int len;

	if (mail->has_size && leg->extensions & SMTP_EXT_SIZE)
		snprintf(size, sizeof(size), " SIZE=%llu",
			 (unsigned long long)(mail->size + TRACE_ROOM));
	len = snprintf(line, sizeof(line), "MAIL FROM:<%s>%s%s%s%s\r\n",
		       mail->reverse_path, size,
		       mail->body_8bitmime &&
				       leg->extensions & SMTP_EXT_8BITMIME
			       ? " BODY=8BITMIME"
			       : "",
		       mail->smtputf8 ? " SMTPUTF8" : "",
		       leg->extensions & SMTP_EXT_DSN ? mail->dsn : "");
	assert(len > 0 && (size_t)len < sizeof(line));
	cutthrough_command(leg, line, (size_t)len);
}

void cutthrough_send_recipient(struct cutthrough_leg *leg)
{
	char line[COMMAND_MAX];
	const char *end = strchr(leg->recipient, '\0');
	int len;

	if (!(leg->extensions & SMTP_EXT_DSN))
		end = leg->recipient + leg->path_len;
	len = snprintf(line, sizeof(line), "RCPT TO:%.*s\r\n",
		       (int)(end - leg->recipient), leg->recipient);

	assert(len > 0 && (size_t)len < sizeof(line));
	cutthrough_command(leg, line, (size_t)len);
}

static enum cutthrough_state wait_on_lent(struct cutthrough_leg *leg)
{
	struct outbound_session *session = leg->via->session;
	const char *no;
	uint64_t limit;

	leg->extensions = outbound_extensions(session, &limit);
	ktls_stream_info(outbound_stream(session), &leg->tls);
	snprintf(leg->relay, sizeof(leg->relay), "%s", outbound_relay(session));
	no = unfit(leg, limit);
	if (no) {
		cutthrough_say(leg, no[2] == '3' ? 552 : 550, no);
		cutthrough_tell(leg, CUTTHROUGH_ANSWER);
		return over(leg, OUTBOUND_CLEAN);
	}
	send_mail(leg);
	return CUTTHROUGH_IN_MAIL;
}

/* The connection idled, and was closed just now: another one. Nothing of this
 * transaction has been said to anybody. */
static bool stale(const struct cutthrough_leg *leg, unsigned uses)
{
	return uses > 1 && !leg->hop->pool->stopping;
}

static enum cutthrough_state again(struct cutthrough_leg *leg)
{
	cutthrough_wait(leg, true);
	leg->retry = true;
	return CUTTHROUGH_IN_WAIT;
}

static enum cutthrough_state mail_on_reply(struct cutthrough_leg *leg)
{
	unsigned class = leg->reply->code / 100u;

	if (leg->reply->code == 421 && stale(leg, leg->via->uses)) {
		cutthrough_release(leg, OUTBOUND_BROKEN);
		return again(leg);
	}
	if (class == 2) {
		cutthrough_send_recipient(leg);
		return CUTTHROUGH_IN_RCPT;
	}
	take_reply(leg);
	cutthrough_tell(leg, CUTTHROUGH_ANSWER);
	if (class == 3)
		return nonsense(leg);
	cutthrough_log_refused(leg, "MAIL");
	return over(leg,
		    leg->reply->code == 421 ? OUTBOUND_BROKEN : OUTBOUND_CLEAN);
}

static enum cutthrough_state mail_on_lost(struct cutthrough_leg *leg)
{
	return stale(leg, leg->uses) ? again(leg) : cutthrough_lost_asked(leg);
}

static enum cutthrough_state rcpt_on_reply(struct cutthrough_leg *leg)
{
	unsigned class = leg->reply->code / 100u;

	take_reply(leg);
	cutthrough_tell(leg, CUTTHROUGH_ANSWER);
	if (class == 3)
		return nonsense(leg);
	if (class == 2)
		leg->accepted++;
	else
		cutthrough_log_refused(leg, "RCPT");
	return leg->reply->code == 421 ? over(leg, OUTBOUND_BROKEN)
				       : CUTTHROUGH_IN_OPEN;
}

/* Unasked: usually a 421 in front of the connection's end. */
static enum cutthrough_state open_on_reply(struct cutthrough_leg *leg)
{
	take_reply(leg);
	if (leg->answer.code < 400)
		return nonsense(leg);
	return over(leg, OUTBOUND_BROKEN);
}

/* --- the message's replies --- */

static enum cutthrough_state data_on_reply(struct cutthrough_leg *leg)
{
	take_reply(leg);
	cutthrough_tell(leg, CUTTHROUGH_ANSWER);
	if (leg->reply->code == 354)
		return CUTTHROUGH_IN_OPEN;
	if (leg->reply->code < 400)
		return nonsense(leg);
	cutthrough_log_refused(leg, "DATA");
	return leg->reply->code == 421 ? over(leg, OUTBOUND_BROKEN)
				       : CUTTHROUGH_IN_OPEN;
}

/* It speaks before it has all: half a message is out, so this connection can't
 * be used again. */
static enum cutthrough_state body_on_reply(struct cutthrough_leg *leg)
{
	take_reply(leg);
	cutthrough_tell(leg, CUTTHROUGH_LOST);
	if (leg->reply->code < 400)
		return nonsense(leg);
	cutthrough_log_refused(leg, "message");
	return over(leg, OUTBOUND_BROKEN);
}

static enum cutthrough_state body_on_written(struct cutthrough_leg *leg)
{
	leg->writes = 0;
	if (leg->wants_room)
		cutthrough_tell(leg, CUTTHROUGH_ROOM);
	leg->wants_room = false;
	return leg->state;
}

static enum cutthrough_state give_up_body(struct cutthrough_leg *leg)
{
	cutthrough_release(leg, OUTBOUND_BROKEN);
	return lost_body(leg);
}

/* How much of the chunk the forward has is known when it has ended. */
static enum cutthrough_state body_on_timeout(struct cutthrough_leg *leg)
{
	if (cutthrough_progressed(leg) || !cutthrough_behind(leg)) {
		cutthrough_clock(leg);
		return leg->state;
	}
	too_long(leg);
	leg->late = ktls_forward_running(&leg->forward);
	if (!leg->late)
		return give_up_body(leg);
	ktls_forward_stop(&leg->forward);
	return leg->state;
}

static enum cutthrough_state chunk_on_forwarded(struct cutthrough_leg *leg)
{
	cutthrough_forwarded(leg);
	if (leg->late)
		return give_up_body(leg);
	/* What went wrong will be told by the stream that it went wrong with.*/
	if (leg->forwarded != KTLS_FORWARD_DONE)
		return leg->state;
	cutthrough_tell(leg, CUTTHROUGH_FORWARDED);
	return leg->last ? CUTTHROUGH_IN_FINAL : CUTTHROUGH_IN_REPLY;
}

static enum cutthrough_state reply_on_reply(struct cutthrough_leg *leg)
{
	take_reply(leg);
	cutthrough_tell(leg, CUTTHROUGH_ANSWER);
	if (leg->reply->code / 100 == 3)
		return nonsense(leg);
	if (leg->answer.code >= 400)
		cutthrough_log_refused(leg, "chunk");
	return leg->reply->code == 421 ? over(leg, OUTBOUND_BROKEN)
				       : CUTTHROUGH_IN_OPEN;
}

/* A refused last chunk leaves the transaction open (RFC 3030 section 2). */
static enum outbound_condition condition_after(const struct cutthrough_leg *leg)
{
	if (leg->reply->code == 421)
		return OUTBOUND_BROKEN;
	return leg->last && leg->answer.code >= 400 ? OUTBOUND_OPEN
						    : OUTBOUND_CLEAN;
}

static enum cutthrough_state final_on_reply(struct cutthrough_leg *leg)
{
	struct cutthrough_stats *stats = &leg->hop->pool->stats;

	take_reply(leg);
	cutthrough_tell(leg, CUTTHROUGH_ANSWER);
	if (leg->reply->code / 100 == 3)
		return nonsense(leg);
	if (leg->answer.code / 100 == 2) {
		stats->messages++;
		stats->spliced += leg->spliced;
		stats->copied += leg->copied;
		cutthrough_log_message(leg);
	} else {
		stats->refused++;
		cutthrough_log_refused(leg, "message");
	}
	return over(leg, condition_after(leg));
}

static enum cutthrough_state final_on_written(struct cutthrough_leg *leg)
{
	cutthrough_clock(leg); /* the reply's time begins now */
	return leg->state;
}

/* clang-format off */
#define ON(lent, reply, written, forwarded, lost, timeout) \
	{ [CUTTHROUGH_ON_LENT] = (lent), [CUTTHROUGH_ON_REPLY] = (reply), \
	  [CUTTHROUGH_ON_WRITTEN] = (written), [CUTTHROUGH_ON_FORWARDED] = (forwarded), \
	  [CUTTHROUGH_ON_LOST] = (lost), [CUTTHROUGH_ON_TIMEOUT] = (timeout) }

const struct cutthrough_row cutthrough_rows[CUTTHROUGH_STATES] = {
	/* state: words, clock, and per input:
	 *  LENT REPLY WRITTEN FORWARDED LOST TIMEOUT */
	[CUTTHROUGH_IN_WAIT] = {"connect", CUTTHROUGH_CLOCK_REPLY,
		ON(wait_on_lent, never, never, never, never, wait_on_timeout)},
	[CUTTHROUGH_IN_MAIL] = {"MAIL", CUTTHROUGH_CLOCK_REPLY,
		ON(never, mail_on_reply, stay, never, mail_on_lost, late)},
	[CUTTHROUGH_IN_RCPT] = {"RCPT", CUTTHROUGH_CLOCK_REPLY,
		ON(never, rcpt_on_reply, stay, never, cutthrough_lost_asked, late)},
	[CUTTHROUGH_IN_OPEN] = {"transaction", CUTTHROUGH_CLOCK_NONE,
		ON(never, open_on_reply, stay, never, lost_silent, never)},
	[CUTTHROUGH_IN_DATA] = {"DATA", CUTTHROUGH_CLOCK_REPLY,
		ON(never, data_on_reply, stay, never, cutthrough_lost_asked, late)},
	[CUTTHROUGH_IN_BODY] = {"message", CUTTHROUGH_CLOCK_TRANSMIT,
		ON(never, body_on_reply, body_on_written, never, lost_body, body_on_timeout)},
	[CUTTHROUGH_IN_CHUNK] = {"chunk", CUTTHROUGH_CLOCK_TRANSMIT,
		ON(never, body_on_reply, body_on_written, chunk_on_forwarded, lost_body, body_on_timeout)},
	[CUTTHROUGH_IN_REPLY] = {"chunk", CUTTHROUGH_CLOCK_REPLY,
		ON(never, reply_on_reply, final_on_written, never, cutthrough_lost_asked, late)},
	[CUTTHROUGH_IN_FINAL] = {"end of message", CUTTHROUGH_CLOCK_FINAL,
		ON(never, final_on_reply, final_on_written, never, cutthrough_lost_asked, late)},
	[CUTTHROUGH_IN_OVER] = {"end", CUTTHROUGH_CLOCK_NONE,
		ON(never, never, never, never, never, never)},
};
/* clang-format on */
