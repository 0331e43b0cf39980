/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of one sink connection share among themselves: sink_session.c
 * reads commands, sink_mail.c does those of a transaction. */
#ifndef BENCH_SINK_STATE_H
#define BENCH_SINK_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/sink/sink_message.h"
#include "bench/sink/sink_rule.h"
#include "bench/sink/sink_session.h"

enum sink_state {
	SINK_NEW,   /* no EHLO yet, or none since STARTTLS */
	SINK_READY, /* between transactions */
	SINK_MAIL,  /* MAIL was accepted */
	SINK_RCPT,  /* and at least one RCPT */
	SINK_BDAT,  /* and a BDAT that was not the last */
	SINK_GONE,  /* over */
};

/* Trouble that waits for its place in a message. */
struct sink_ambush {
	bool set;
	struct sink_verdict verdict;
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
	unsigned offers; /* enum sink_offer, as the last EHLO was told */
	char client[64]; /* address */
	char helo[256];
	char tls[96];
	/* What the rules are asked with, beside those. */
	const char *sender;    /* of the transaction; NULL: none */
	const char *recipient; /* of the command */
	uint64_t hit[SINK_RULE_WORDS];
	/* What they said of the reply to the command at hand. */
	const char *instead; /* of the usual one; NULL: that one */
	enum sink_hang_up then;
	unsigned pieces;
	unsigned pause_ms;
	struct sink_ambush ambush;
	uint64_t body_octets;
	struct sink_message message;
};

/* Appends CRLF; what can't be sent ends the session. */
void sink_reply(struct sink_session *s, const char *text);
/* Success, in the rules' words if they have some. */
void sink_reply_good(struct sink_session *s, const char *text);
/* For nonsense: after too many of these the answer is 421 and the end. */
void sink_reply_bad(struct sink_session *s, const char *text);
/* Counts and tells what a correct client doesn't do. */
void sink_blame(struct sink_session *s, const char *what);

/* Asks the rules; true when that has dealt with the command. */
bool sink_fault(struct sink_session *s, enum sink_phase phase);
/* Asks them, and does nothing yet. */
struct sink_verdict sink_ask(struct sink_session *s, enum sink_phase phase);
/* Does what they said. */
bool sink_strike(struct sink_session *s, enum sink_phase phase,
		 const struct sink_verdict *verdict);
/* A message begins: is there trouble in it? */
void sink_ambush_set(struct sink_session *s);
/* So many of `n` octets may be read before it. */
size_t sink_ambush_far(const struct sink_session *s, size_t n);
/* Its place is reached, or not; false: the session is over. */
bool sink_ambush_pass(struct sink_session *s);
/* Sends what is to be sent in pieces, or hung up upon: at a command's end. */
void sink_settle(struct sink_session *s);
/* As long as the sink runs and the client stays. */
void sink_pause(struct sink_session *s, uint64_t ms);

/* TLS as the rules want it. */
void sink_handshake(struct sink_session *s);

/* Forgets the transaction, if there is one. */
void sink_reset(struct sink_session *s);

/* Commands; arg is what follows the verb, cut up at will. */
void sink_do_mail(struct sink_session *s, char *arg);
void sink_do_rcpt(struct sink_session *s, char *arg);
void sink_do_data(struct sink_session *s, char *arg);
void sink_do_bdat(struct sink_session *s, char *arg);
void sink_do_rset(struct sink_session *s, char *arg);

#endif
