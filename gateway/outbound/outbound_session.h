/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of outbound: one session, its states and what they share.
 * Not for other folders.
 *
 *   CONNECT -> GREETING -> EHLO -(STARTTLS)-> TLS -> EHLO -> READY
 *   READY -> ENVELOPE -> BODY -> FINAL -> READY ...        (one transaction)
 *   READY -> LENT -> READY ...             (one transaction of a borrower's)
 *   any -> QUIT -> CLOSING -> CLOSED
 */
#ifndef GATEWAY_OUTBOUND_OUTBOUND_SESSION_H
#define GATEWAY_OUTBOUND_OUTBOUND_SESSION_H

#include "gateway/outbound/outbound.h"
#include "gateway/smtp/smtp_reply.h"
#include "gateway/smtp/smtp_stuff.h"
#include "uring/uring_timer.h"

enum outbound_state {
	/* The TCP connection is being made. */
	OUTBOUND_CONNECT,
	/* Connected; the server's 220 is awaited. */
	OUTBOUND_GREETING,
	/* EHLO was sent, in clear or under TLS. */
	OUTBOUND_EHLO,
	/* HELO was sent, because EHLO was refused. No extension is known. */
	OUTBOUND_HELO,
	/* STARTTLS was sent; nothing else may be until its 220. */
	OUTBOUND_STARTTLS,
	/* The handshake runs. */
	OUTBOUND_TLS,
	/* No transaction: takes the next delivery or idles. */
	OUTBOUND_READY,
	/* A borrower (session->delivery->loan) speaks; he keeps the time. */
	OUTBOUND_LENT,
	/* MAIL, RCPT... and DATA or BDAT are under way; replies are counted. */
	OUTBOUND_ENVELOPE,
	/* The message is being queued into the stream. */
	OUTBOUND_BODY,
	/* All of the message is queued; its final reply is awaited. */
	OUTBOUND_FINAL,
	/* The final 2xx is here, but the ring has not yet given back the memory
	 * that was sent: the transaction ends when it does. */
	OUTBOUND_ANSWERED,
	/* RSET was sent after a transaction that came to nothing. */
	OUTBOUND_RESET,
	/* QUIT was sent. */
	OUTBOUND_QUIT,
	/* The stream is closing; only its CLOSED is awaited. The delivery, if
	 * any, is kept until then: the ring may still read from its view. */
	OUTBOUND_CLOSING,
	/* Nothing in flight; the driver frees the session. */
	OUTBOUND_CLOSED,
	OUTBOUND_STATES
};

enum outbound_event {
	OUTBOUND_ON_CONNECTED,
	OUTBOUND_ON_SECURE,
	OUTBOUND_ON_REPLY,   /* session->parser.reply is complete */
	OUTBOUND_ON_WRITTEN, /* the stream's queue ran empty */
	OUTBOUND_ON_LOST,    /* stream failed or ended; closed by the driver */
	OUTBOUND_ON_TIMEOUT,
	OUTBOUND_ON_WAKE,     /* there is mail */
	OUTBOUND_ON_SHUTDOWN, /* finish what is in flight */
	OUTBOUND_ON_CLOSED,
	OUTBOUND_EVENTS
};

/* What a recipient of the running transaction waits for. */
enum outbound_recipient {
	OUTBOUND_RCPT_OPEN,	/* RCPT not answered yet */
	OUTBOUND_RCPT_ACCEPTED, /* RCPT got 2xx; the message decides */
	OUTBOUND_RCPT_ANSWERED, /* told to the queue */
};

/* How the message goes out. */
enum outbound_transfer {
	OUTBOUND_BDAT,	    /* RFC 3030: one chunk, as it is stored */
	OUTBOUND_DATA,	    /* no line begins with a dot: as it is stored */
	OUTBOUND_DATA_DOTS, /* dot-stuffed copy */
};

/* Where the body's queueing stands. */
struct outbound_body {
	size_t piece;  /* next piece of view->body */
	size_t offset; /* in it; DATA_DOTS only */
	struct smtp_stuff stuff;
};

struct outbound_session {
	struct outbound *pool;
	struct outbound_session *next, *prev; /* in pool->sessions */
	const struct next_hop *hop;
	char *host; /* owned */
	void *destination;
	struct outbound_terms terms;
	enum outbound_state state;
	struct ktls_stream stream;
	struct uring_timer timer;
	struct smtp_reply_parser parser;

	/* the connection */
	bool plain;	   /* asked to skip TLS this once */
	bool rekeys;	   /* asked to keep TLS out of the kernel */
	bool rekeyed;	   /* lost to new keys of the server's */
	uint64_t expected; /* as the target's */
	bool secure;	   /* SECURE has come */
	bool was_ready; /* READY was reached: later failures are not the hop's */
	bool tls_failed;     /* see outbound_retry_plain() */
	bool stopping;	     /* no further delivery */
	uint32_t extensions; /* of the last EHLO */
	uint64_t size_limit;
	uint64_t opened;   /* uring_now() */
	uint64_t number;   /* of this session, from 1 */
	uint64_t messages; /* transactions begun */
	uint64_t begun;	   /* uring_now(): the last of them */
	uint64_t unsent;   /* at the last look, to see progress */
	char relay[80];	   /* "[127.0.0.1]:25" for logs */
	/* why no mail could be given; text "" when there is nothing to say */
	struct {
		uint16_t code, said;
		char enhanced[12];
		char text[SMTP_REPLY_KEEP_MAX];
		const char *where;
	} failure;

	/* the transaction; delivery == NULL: none */
	struct outbound_delivery *delivery;
	unsigned char *recipients; /* enum outbound_recipient each */
	size_t recipients_room;
	size_t accepted; /* recipients waiting for the message's reply */
	enum outbound_transfer transfer;
	size_t commands;  /* MAIL + RCPTs + DATA or BDAT */
	size_t sent, got; /* of them: commands sent, replies received */
	struct outbound_body body;

	/* LENT: where to go when it comes back */
	bool telling; /* the borrower is on the stack */
	enum outbound_state back;
};

struct outbound {
	struct outbound_config config;
	struct outbound_session *sessions;
	unsigned count;
	struct outbound_stats stats;
	char *scratch; /* for building commands and stuffed text */
	size_t scratch_room;
	const struct outbound_trace *trace; /* NULL: nobody listens */
	uint64_t numbers;		    /* given to sessions */
};

typedef enum outbound_state (*outbound_handler)(struct outbound_session *);

/* --- the driver (outbound_session.c) --- */
/* Go on in @next: for calls that are no events. */
void outbound_move(struct outbound_session *s, enum outbound_state next);
void outbound_timer_clear(struct outbound_session *s);
void outbound_dispatch(struct outbound_session *s, enum outbound_event event);
/* Begin the connection of a fresh session; @fd is taken. 0 or -errno. */
int outbound_session_start(struct outbound_session *s, int fd,
			   const struct sockaddr *addr, socklen_t len);
/* Close whatever the state: time for an orderly end is over. */
void outbound_session_abort(struct outbound_session *s);
void outbound_timer_arm(struct outbound_session *s, uint64_t delay);
/* Anew, for what is awaited now. */
void outbound_timer_rearm(struct outbound_session *s);
const char *outbound_state_name(enum outbound_state state);

/* outbound_trace.c: for whoever listens; one branch when nobody does. */
static inline bool outbound_traced(const struct outbound_session *s)
{
	return s->pool->trace != NULL;
}
void outbound_trace_sent(struct outbound_session *s, const char *text,
			 size_t len);
void outbound_trace_reply(struct outbound_session *s);
void outbound_trace_note(struct outbound_session *s, const char *text);
void outbound_trace_body(struct outbound_session *s);
void outbound_trace_tls(struct outbound_session *s);
void outbound_trace_end(struct outbound_session *s);

/* --- shared by the state files --- */

/* Queue a command line; CRLF is added. Failures show as LOST later. */
void outbound_command(struct outbound_session *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The pool's scratch memory, at least @size bytes; NULL: no memory. */
char *outbound_scratch(struct outbound *pool, size_t size);

/* outbound_answers.c: what becomes of recipients. */
bool outbound_answers_begin(struct outbound_session *s);
void outbound_answer_one(struct outbound_session *s, size_t index,
			 const struct outbound_answer *answer);
void outbound_answer_open(struct outbound_session *s,
			  const struct outbound_answer *answer);
struct outbound_answer outbound_answer_of(const struct smtp_reply *reply,
					  const char *where);
void outbound_finish(struct outbound_session *s);

/* outbound_close.c: ways to end. */
enum outbound_state outbound_fail(struct outbound_session *s,
				  const struct outbound_answer *answer);
enum outbound_state outbound_fail_text(struct outbound_session *s,
				       const char *enhanced, const char *text);
enum outbound_state outbound_fail_reply(struct outbound_session *s);
enum outbound_state outbound_on_lost(struct outbound_session *s);
enum outbound_state outbound_on_timeout(struct outbound_session *s);
enum outbound_state outbound_close_now(struct outbound_session *s);
void outbound_log_end(struct outbound_session *s);
enum outbound_state outbound_quit_enter(struct outbound_session *s);
enum outbound_state outbound_quit_on_reply(struct outbound_session *s);
enum outbound_state outbound_quit_on_lost(struct outbound_session *s);
enum outbound_state outbound_closing_enter(struct outbound_session *s);
enum outbound_state outbound_closing_on_closed(struct outbound_session *s);
enum outbound_state outbound_closing_on_timeout(struct outbound_session *s);

/* outbound_greet.c: from connect to READY. */
enum outbound_state outbound_connect_on_connected(struct outbound_session *s);
enum outbound_state outbound_greeting_on_reply(struct outbound_session *s);
enum outbound_state outbound_ehlo_enter(struct outbound_session *s);
enum outbound_state outbound_ehlo_on_reply(struct outbound_session *s);
enum outbound_state outbound_helo_enter(struct outbound_session *s);
enum outbound_state outbound_helo_on_reply(struct outbound_session *s);
enum outbound_state outbound_starttls_enter(struct outbound_session *s);
enum outbound_state outbound_starttls_on_reply(struct outbound_session *s);
enum outbound_state outbound_tls_enter(struct outbound_session *s);
enum outbound_state outbound_tls_on_secure(struct outbound_session *s);
enum outbound_state outbound_tls_on_lost(struct outbound_session *s);
enum outbound_state outbound_tls_on_timeout(struct outbound_session *s);

/* outbound_transaction.c: a message's way. */
enum outbound_state outbound_ready_enter(struct outbound_session *s);
enum outbound_state outbound_ready_on_wake(struct outbound_session *s);
enum outbound_state outbound_ready_on_reply(struct outbound_session *s);
enum outbound_state outbound_ready_on_lost(struct outbound_session *s);
enum outbound_state outbound_ready_on_idle(struct outbound_session *s);
enum outbound_state outbound_envelope_enter(struct outbound_session *s);
enum outbound_state outbound_envelope_on_reply(struct outbound_session *s);
enum outbound_state outbound_envelope_on_lost(struct outbound_session *s);
enum outbound_state outbound_body_enter(struct outbound_session *s);
enum outbound_state outbound_body_on_written(struct outbound_session *s);
enum outbound_state outbound_body_on_reply(struct outbound_session *s);
enum outbound_state outbound_body_on_timeout(struct outbound_session *s);
enum outbound_state outbound_final_on_reply(struct outbound_session *s);
enum outbound_state outbound_final_on_written(struct outbound_session *s);
enum outbound_state outbound_answered_on_written(struct outbound_session *s);
enum outbound_state outbound_reset_enter(struct outbound_session *s);
enum outbound_state outbound_reset_on_reply(struct outbound_session *s);

/* outbound_loan.c: sessions that others use. */
enum outbound_state outbound_lent_enter(struct outbound_session *s);
enum outbound_state outbound_lent_on_reply(struct outbound_session *s);
enum outbound_state outbound_lent_on_written(struct outbound_session *s);
/* The borrower's session is lost, whatever happened. */
void outbound_loan_lost(struct outbound_session *s,
			const struct outbound_answer *why);

/* outbound_body.c: the message into the stream. */
enum outbound_transfer outbound_body_choose(const struct outbound_session *s);
uint64_t outbound_body_octets(const struct outbound_session *s);
void outbound_body_begin(struct outbound_session *s);
/* Queue more of it: 1 all is queued, 0 more later (on WRITTEN), -errno. */
int outbound_body_queue(struct outbound_session *s);

#endif
