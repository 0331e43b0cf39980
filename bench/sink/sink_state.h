/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of one sink connection share among themselves: sink_session.c
 * reads commands, sink_mail.c does those of a transaction. */
#ifndef BENCH_SINK_STATE_H
#define BENCH_SINK_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/sink/sink_message.h"
#include "bench/sink/sink_session.h"

enum sink_state {
	SINK_NEW,   /* no EHLO yet, or none since STARTTLS */
	SINK_READY, /* between transactions */
	SINK_MAIL,  /* MAIL was accepted */
	SINK_RCPT,  /* and at least one RCPT */
	SINK_BDAT,  /* and a BDAT that was not the last */
	SINK_GONE,  /* over */
};

struct sink_session {
	struct sink_shared *shared;
	const struct sink_config *config;
	struct bench_conn *conn;
	struct bench_hash *hash;
	enum sink_state state;
	uint64_t number;
	uint64_t rng;
	unsigned messages;
	unsigned bad_commands;
	char tls[96];
	struct sink_message message;
};

/* Appends CRLF; what can't be sent ends the session. */
void sink_reply(struct sink_session *s, const char *text);
/* For nonsense: after too many of these the answer is 421 and the end. */
void sink_reply_bad(struct sink_session *s, const char *text);
/* Counts and tells what a correct client doesn't do. */
void sink_blame(struct sink_session *s, const char *what);
/* Rolls the script's dice; true when it has dealt with the command. */
bool sink_fault(struct sink_session *s, enum bench_phase phase);
/* Counts a fault and hangs up at once. */
void sink_hang_up(struct sink_session *s);
/* Forgets the transaction, if there is one. */
void sink_reset(struct sink_session *s);

/* Commands; arg is what follows the verb, cut up at will. */
void sink_do_mail(struct sink_session *s, char *arg);
void sink_do_rcpt(struct sink_session *s, char *arg);
void sink_do_data(struct sink_session *s, char *arg);
void sink_do_bdat(struct sink_session *s, char *arg);
void sink_do_rset(struct sink_session *s, char *arg);

#endif
