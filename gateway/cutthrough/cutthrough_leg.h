/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of cut-through: legs, the connections they use, the routes these lead
 * to. Not for other folders.
 *
 *   WAIT -> MAIL -> RCPT -> OPEN -(RCPT)-> RCPT -> OPEN
 *   OPEN -(DATA)-> DATA -> BODY -> FINAL -> OVER
 *   OPEN -(BDAT)-> CHUNK -> REPLY -> OPEN ... CHUNK -(LAST)-> FINAL -> OVER
 *   any -> OVER (refused as a whole, or lost)
 */
#ifndef GATEWAY_CUTTHROUGH_CUTTHROUGH_LEG_H
#define GATEWAY_CUTTHROUGH_CUTTHROUGH_LEG_H

#include "gateway/cutthrough/cutthrough.h"
#include "gateway/smtp/smtp_stuff.h"
#include "ktls/ktls_forward.h"
#include "uring/uring_timer.h"

/* One piece of text by DATA. */
#define CUTTHROUGH_TEXT 16384

enum cutthrough_state {
	/* In its hop's list; a connection is awaited. */
	CUTTHROUGH_IN_WAIT,
	/* MAIL was sent; its reply is awaited, then RCPT follows. */
	CUTTHROUGH_IN_MAIL,
	/* RCPT was sent. */
	CUTTHROUGH_IN_RCPT,
	/* The transaction is open at the next hop; the owner's turn. */
	CUTTHROUGH_IN_OPEN,
	/* DATA was sent. */
	CUTTHROUGH_IN_DATA,
	/* The text goes out. */
	CUTTHROUGH_IN_BODY,
	/* A chunk goes out. */
	CUTTHROUGH_IN_CHUNK,
	/* It is out; its reply is awaited. */
	CUTTHROUGH_IN_REPLY,
	/* The whole message is out; its reply is awaited. The owner may go. */
	CUTTHROUGH_IN_FINAL,
	/* No connection any more; the last answer stands. */
	CUTTHROUGH_IN_OVER,
	CUTTHROUGH_STATES
};

enum cutthrough_input {
	CUTTHROUGH_ON_LENT,	 /* leg->via is there */
	CUTTHROUGH_ON_REPLY,	 /* leg->reply, during the event */
	CUTTHROUGH_ON_WRITTEN,	 /* what was queued is sent */
	CUTTHROUGH_ON_FORWARDED, /* the forward ended: leg->forwarded */
	CUTTHROUGH_ON_LOST,	 /* via is gone; leg->answer says why */
	CUTTHROUGH_ON_TIMEOUT,
	CUTTHROUGH_INPUTS
};

/* A connection of a hop's. */
struct cutthrough_via {
	struct cutthrough_hop *hop;
	struct cutthrough_via *next;
	struct outbound_session *session;
	struct outbound_delivery delivery; /* the loan, while it runs */
	bool opening;			   /* was not ready yet */
	unsigned uses;			   /* transactions so far */
};

/* Where one route leads. */
struct cutthrough_hop {
	struct cutthrough *pool;
	struct next_hop *hop;
	const struct config_route *route;
	struct cutthrough_leg *waiting, **waiting_tail;
	unsigned waiting_count;
	struct cutthrough_via *vias; /* last used first */
	unsigned via_count, opening_count, limit;
	uint64_t plain_until; /* ring time: TLS failed, level `may` */
	uint64_t
		rekeys_until; /* it changes keys that kernel TLS can't follow */
};

struct cutthrough {
	struct cutthrough_config config;
	struct outbound *outbound;
	struct cutthrough_hop *hops; /* one per route */
	bool stopping;
	struct cutthrough_stats stats;
	/* for text on its way: as it came, and stuffed */
	unsigned char text[CUTTHROUGH_TEXT], stuffed[2 * CUTTHROUGH_TEXT];
};

struct cutthrough_leg {
	struct cutthrough_hop *hop;
	struct cutthrough_leg *next; /* waiting */
	enum cutthrough_state state;
	struct cutthrough_via *via; /* NULL: none (yet, or any more) */
	cutthrough_fn fn;	    /* NULL: the owner is gone */
	void *owner;
	struct uring_timer timer; /* of the state */
	struct uring_timer soon;  /* tells what happened inside a call */
	bool running;		  /* in cutthrough_input() */
	bool retry;		  /* back in WAIT: look for a connection */
	bool is_due;		  /* the owner is to be told of @due */
	enum cutthrough_event due;
	struct cutthrough_mail mail; /* its strings are owned */
	char *recipient; /* owned; the one that is asked for, in <>, and its
			  * DSN parameters */
	size_t path_len; /* of the former */
	const struct smtp_reply *reply;
	struct cutthrough_answer answer;
	size_t accepted; /* recipients */
	unsigned uses;	 /* transactions of the connection that was lost */
	uint64_t begun;	 /* uring_now() */
	char relay[80];
	struct ktls_stream_info tls; /* of the connection, for the log */

	/* the message */
	uint32_t extensions; /* of the next hop */
	struct smtp_stuff stuff;
	struct ktls_forward forward;
	enum ktls_forward_end forwarded;
	uint64_t chunk_left; /* bytes not put yet, but for the forward's */
	bool late;	     /* the forward was stopped: out of time */
	bool last;
	bool wants_room;   /* the owner waits for ROOM */
	unsigned writes;   /* queued since the last WRITTEN */
	uint64_t progress; /* at the last look of the timer */
	uint64_t spliced, copied;
};

/* --- cutthrough.c: connections --- */
extern const struct outbound_loan_ops cutthrough_loan_ops;
void cutthrough_wait(struct cutthrough_leg *leg, bool in_front);
void cutthrough_unwait(struct cutthrough_leg *leg);
/* Bring those that wait and connections together. */
void cutthrough_pump(struct cutthrough_hop *hop);

/* --- cutthrough_steps.c: the table --- */

/* Which of the configuration's times bounds a state. */
enum cutthrough_time {
	CUTTHROUGH_CLOCK_NONE,
	CUTTHROUGH_CLOCK_REPLY,
	CUTTHROUGH_CLOCK_TRANSMIT,
	CUTTHROUGH_CLOCK_FINAL,
};

/* One step: does what the input asks for, says the state that follows. */
typedef enum cutthrough_state (*cutthrough_handler)(struct cutthrough_leg *);

struct cutthrough_row {
	const char *at; /* where it was, in words */
	enum cutthrough_time clock;
	cutthrough_handler on[CUTTHROUGH_INPUTS];
};

extern const struct cutthrough_row cutthrough_rows[CUTTHROUGH_STATES];

void cutthrough_command(struct cutthrough_leg *leg, const char *line,
			size_t len);
void cutthrough_send_recipient(struct cutthrough_leg *leg);
/* A request is open: it gets what we know as its answer. */
enum cutthrough_state cutthrough_lost_asked(struct cutthrough_leg *leg);

/* --- cutthrough_leg.c: the way through it --- */

/* The only entrance for inputs; tells the owner last, so the leg may be gone
 * when it returns. */
void cutthrough_input(struct cutthrough_leg *leg, enum cutthrough_input input);
/* The same from inside of a call of some owner's: he is told in a later turn. */
void cutthrough_step(struct cutthrough_leg *leg, enum cutthrough_input input);
/* A call of the owner's leads to @next. */
void cutthrough_enter(struct cutthrough_leg *leg, enum cutthrough_state next);
/* The state's time begins (again). */
void cutthrough_clock(struct cutthrough_leg *leg);
/* Tell the owner when this input, or the turn, is over. */
void cutthrough_tell(struct cutthrough_leg *leg, enum cutthrough_event event);
/* An answer in our own words. */
void cutthrough_say(struct cutthrough_leg *leg, uint16_t code,
		    const char *text);
/* The connection goes back; none is there afterwards. */
void cutthrough_release(struct cutthrough_leg *leg,
			enum outbound_condition condition);
/* Lost before there was a connection: told soon. */
void cutthrough_unreachable(struct cutthrough_leg *leg,
			    const struct outbound_answer *why);

/* --- cutthrough_body.c --- */
bool cutthrough_progressed(struct cutthrough_leg *leg);
/* The forward is over, if there was one: what it took is counted. */
void cutthrough_forwarded(struct cutthrough_leg *leg);

/* --- cutthrough_log.c --- */
void cutthrough_log_message(struct cutthrough_leg *leg);
void cutthrough_log_refused(const struct cutthrough_leg *leg, const char *at);
void cutthrough_log_lost(const struct cutthrough_leg *leg, const char *at);

#endif
