/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions that are lent: connecting, greeting and TLS are ours, and so is the
 * connection's end; the transaction in between is the borrower's.
 */
#include <assert.h>

#include "gateway/outbound/outbound_session.h"

/* The borrower may give the session back while he is told something. */
static enum outbound_state told(struct outbound_session *s)
{
	s->telling = false;
	return s->back;
}

enum outbound_state outbound_lent_enter(struct outbound_session *s)
{
	const struct outbound_loan *loan = &s->delivery->loan;

	outbound_timer_clear(s);
	s->telling = true;
	s->back = OUTBOUND_LENT;
	loan->ops->lent(loan->borrower, s);
	return told(s);
}

enum outbound_state outbound_lent_on_reply(struct outbound_session *s)
{
	const struct outbound_loan *loan = &s->delivery->loan;

	s->telling = true;
	loan->ops->reply(loan->borrower, &s->parser.reply);
	return told(s);
}

enum outbound_state outbound_lent_on_written(struct outbound_session *s)
{
	const struct outbound_loan *loan = &s->delivery->loan;

	s->telling = true;
	loan->ops->written(loan->borrower);
	return told(s);
}

void outbound_loan_lost(struct outbound_session *s,
			const struct outbound_answer *why)
{
	struct outbound_loan loan;

	if (!s->delivery || !s->delivery->loan.ops)
		return;
	loan = s->delivery->loan;
	s->delivery->loan.ops = NULL;
	loan.ops->lost(loan.borrower, why);
}

static enum outbound_state back_to(enum outbound_condition condition)
{
	switch (condition) {
	case OUTBOUND_CLEAN:
		return OUTBOUND_READY;
	case OUTBOUND_OPEN:
		return OUTBOUND_RESET;
	case OUTBOUND_BROKEN:
		break;
	}
	return OUTBOUND_CLOSING;
}

void outbound_give_back(struct outbound_session *s,
			enum outbound_condition condition)
{
	assert(s->state == OUTBOUND_LENT && s->delivery->loan.ops);
	/* Commands of the borrower's that are still on their way would meet
	 * the next one's. */
	if (ktls_stream_unsent(&s->stream) > 0)
		condition = OUTBOUND_BROKEN;
	s->delivery->loan.ops = NULL;
	s->back = back_to(condition);
	if (condition != OUTBOUND_BROKEN)
		outbound_finish(s);
	if (!s->telling)
		outbound_move(s, s->back);
}

struct ktls_stream *outbound_stream(struct outbound_session *s)
{
	assert(s->state == OUTBOUND_LENT);
	return &s->stream;
}

uint32_t outbound_extensions(const struct outbound_session *s,
			     uint64_t *size_limit)
{
	*size_limit = s->size_limit;
	return s->extensions;
}

const char *outbound_relay(const struct outbound_session *s)
{
	return s->relay;
}
