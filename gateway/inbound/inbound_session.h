/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of inbound: one session, its states, and what they share. Not for
 * other folders.
 *
 *   GREETING -> COMMAND                      (plain)
 *   TLS -> GREETING -> COMMAND               (implicit TLS)
 *   COMMAND -(STARTTLS)-> TLS -> COMMAND
 *   COMMAND -(DATA)-> DATA -> COMMIT -> COMMAND
 *   COMMAND -(BDAT)-> BDAT -> COMMAND ... BDAT -(LAST)-> COMMIT -> COMMAND
 *   DATA, BDAT -(refused)-> DISCARD -> COMMAND
 *   COMMIT -(client gone)-> ORPHAN -> GONE
 * and for routes that are cut through (gateway/cutthrough/):
 *   COMMAND -(RCPT)-> RELAY -> COMMAND
 *   COMMAND -(DATA)-> RELAY -> DATA -> RELAY -> COMMAND
 *   COMMAND -(BDAT)-> CHUNK -> RELAY -> COMMAND
 *   any -> CLOSING or ABORTING -> slot free
 */
#ifndef GATEWAY_INBOUND_INBOUND_SESSION_H
#define GATEWAY_INBOUND_INBOUND_SESSION_H

#include <netinet/in.h>

#include "gateway/cutthrough/cutthrough.h"
#include "gateway/inbound/inbound.h"
#include "gateway/inbound/inbound_reply.h"
#include "gateway/smtp/smtp_command.h"
#include "gateway/smtp/smtp_data.h"
#include "gateway/smtp/smtp_header.h"
#include "gateway/smtp/smtp_path.h"
#include "gateway/smtp/smtp_trace.h"
#include "ktls/ktls_traffic.h"
#include "uring/uring_timer.h"

enum inbound_state {
	/* The slot is in the free list. */
	INBOUND_FREE,
	/* Says 220 and goes on. No event is awaited here. */
	INBOUND_GREETING,
	/* The handshake runs; timer: timeouts.tls. */
	INBOUND_TLS,
	/* Command lines are read; timer: timeouts.command. Between commands a
	 * transaction may be open. */
	INBOUND_COMMAND,
	/* A message by DATA goes to the spool; timer: timeouts.data, off while
	 * the spool is behind. A writer is open. */
	INBOUND_DATA,
	/* A chunk by BDAT does; otherwise the same. */
	INBOUND_BDAT,
	/* The rest of a refused message or chunk is dropped, then its refusal is
	 * said. No writer is open; timer: timeouts.data. */
	INBOUND_DISCARD,
	/* spool_commit() was called, its answer awaited: the slot stays until
	 * then. Nothing is read; no timer. */
	INBOUND_COMMIT,
	/* The same, but the client is gone and the stream is closing. */
	INBOUND_ORPHAN,
	/* The next hop was asked something (transaction->asked), its answer is
	 * awaited. Nothing is read; the leg keeps the time. */
	INBOUND_RELAY,
	/* A chunk goes to the next hop as it is: the header's bytes by our hands,
	 * then all that is left in one piece, which reads the stream for us.
	 * Timer: timeouts.data. */
	INBOUND_CHUNK,
	/* The stream sends what is queued and closes; CLOSED is awaited. */
	INBOUND_CLOSING,
	/* The stream closes at once; CLOSED is awaited. */
	INBOUND_ABORTING,
	/* After ORPHAN: the same, or CLOSED has come already. */
	INBOUND_GONE,
	INBOUND_STATES
};

enum inbound_event {
	INBOUND_ON_SECURE,   /* the handshake is done */
	INBOUND_ON_READABLE, /* bytes, or the end of them (session->ended) */
	INBOUND_ON_WRITTEN,  /* replies have gone out */
	INBOUND_ON_FAILED,   /* the connection broke */
	INBOUND_ON_CLOSED,   /* the stream is gone */
	INBOUND_ON_TIMEOUT,  /* the state's time is up */
	INBOUND_ON_ROOM,     /* the spool, or the next hop, takes bytes again */
	INBOUND_ON_COMMITTED, /* session->committed says what became of it */
	INBOUND_ON_ANSWER,    /* the next hop's */
	INBOUND_ON_FORWARDED, /* the chunk is passed on */
	INBOUND_ON_LOST,      /* the next hop is gone in the middle of a body */
	INBOUND_ON_SHUTDOWN,  /* finish, then close */
	INBOUND_ON_ABORT,     /* close now */
	INBOUND_EVENTS
};

/* How far a transaction is. */
enum inbound_phase {
	INBOUND_ENVELOPE, /* MAIL was accepted; RCPT may follow */
	INBOUND_BODY,	  /* in DATA */
	INBOUND_CHUNKS,	  /* a first BDAT was accepted: nothing but BDAT */
	INBOUND_REFUSED,  /* a BDAT was refused: RSET must follow */
};

/* What an answer of the next hop is to. */
enum inbound_asked {
	INBOUND_ASKED_RCPT,
	INBOUND_ASKED_DATA,    /* for a client's DATA */
	INBOUND_ASKED_CONVERT, /* for a client's first BDAT */
	INBOUND_ASKED_CHUNK,
	INBOUND_ASKED_MESSAGE,
};

/* Strings, one behind the other, each ended by a NUL. */
struct inbound_texts {
	char *bytes; /* owned */
	size_t len, room;
};

/* A mail transaction (RFC 5321 section 3.3), from MAIL to its end. */
struct inbound_transaction {
	enum inbound_phase phase;
	char *reverse_path; /* owned */
	char *dsn; /* owned: RET and ENVID (smtp_dsn.h); NULL: neither */
	struct inbound_texts recipients;
	/* NOTIFY and ORCPT of each; empty as long as nobody has any. */
	struct inbound_texts recipients_dsn;
	size_t recipient_count;
	bool recipients_refused; /* some RCPT was */
	bool smtputf8;
	bool body_8bitmime;
	bool has_size;
	uint64_t size;	  /* as MAIL declared it */
	uint64_t arrival; /* wall clock, ns */
	uint64_t id;	  /* of the message, once a writer was open */
	struct spool_writer *writer; /* owned; NULL before the body, and after
				      * commit or refusal */
	struct cutthrough_leg *leg;  /* owned; NULL: the message is stored */
	enum inbound_asked asked;    /* RELAY */
	/* RELAY: lengths of both texts before the one that is asked for */
	size_t recipients_before, dsn_before;
	bool behind;	 /* the leg's ROOM is awaited */
	bool forwarding; /* CHUNK: no more by our hands */
	uint64_t left;	 /* CHUNK: at the last look at the time */
	struct smtp_data data;
	struct smtp_header header;
};

/* What COMMITTED says. */
struct inbound_committed {
	enum spool_status status;
	struct spool_message *message;
};

/* A piece of a command line that waits for its end; allocated while one does,
 * so that an idle session costs none. */
struct inbound_line {
	size_t len; /* may exceed limit: then the line is dropped to its end */
	bool cr;    /* the last octet was CR */
	bool bare;  /* it had a bare LF, and was answered */
	char bytes[]; /* limits.line_length */
};

struct inbound_session {
	struct inbound *pool;
	struct inbound_session *next; /* free list, or all sessions in use */
	struct inbound_session *prev;
	enum inbound_state state;

	/* the connection */
	struct ktls_stream stream;
	bool open;	/* CLOSED has not come yet */
	bool admitted;	/* counted by the admission */
	bool ended;	/* the peer sends no more */
	bool rekeyed;	/* it does, under keys that can't be followed */
	bool relay;	/* the client is in relay_from */
	uint8_t writes; /* queued since the last WRITTEN */
	struct uring_timer timer;
	struct spool_waiter waiter;
	const struct inbound_listener *listener;
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct inbound_local local;
	} peer;
	uint64_t opened; /* uring_now() */

	/* the SMTP session */
	char *helo;			/* owned; NULL: not said yet */
	bool extended;			/* it was EHLO */
	bool secure;			/* under TLS */
	struct inbound_line *line;	/* owned */
	struct inbound_transaction *tx; /* owned; NULL: none */
	uint64_t chunk_size;		/* BDAT: bytes of the chunk */
	uint64_t chunk_left;		/* BDAT, DISCARD: of them to come */
	uint64_t discarded;		/* DISCARD: bytes so far */
	bool chunk_last;
	enum inbound_reply_id refusal; /* DISCARD: what is said at the end */
	struct inbound_committed committed;

	/* for the log and for limits */
	unsigned errors; /* refused commands that count */
	unsigned idle;	 /* commands since the last message that did nothing */
	unsigned messages;    /* accepted */
	uint64_t bytes;	      /* their bodies' */
	uint64_t logged;      /* refusals already in the log, 1 << reply */
	enum inbound_end end; /* why it ended */
	bool counted;	      /* its connection is in the statistics */
};

struct inbound {
	struct inbound_config config;
	struct inbound_session *slots;	 /* max_sessions, then the ones that
					* only say 421 */
	unsigned slot_count, slots_used; /* used: at least once */
	struct inbound_session *free;
	struct inbound_session *sessions;
	unsigned count;		      /* slots in use */
	unsigned admitted;	      /* of them: real sessions */
	unsigned notifying;	      /* notifications being stored */
	struct ktls_traffic *traffic; /* owned; of TLS sessions, by listener */
	bool stopping;
	uint64_t refused_logged;   /* uring_now() of the last line about it */
	uint64_t refused_silently; /* since then */
	uint64_t last_id;	   /* of a message that is not stored */
	struct inbound_stats stats;
	/* Replies of the event that runs; empty between events. */
	struct inbound_output output;
	char *line; /* the command that runs, with a NUL; limits.line_length */
};

/* --- inbound_session.c: the driver --- */

/* The only entrance for events; may release the slot. */
void inbound_event(struct inbound_session *s, enum inbound_event event);
/* Begin: the slot is set up, the stream is open. */
void inbound_begin(struct inbound_session *s, enum inbound_state state);
void inbound_on_stream(void *owner, enum ktls_event event);
void inbound_on_committed(void *owner, enum spool_status status,
			  struct spool_message *message);
void inbound_timer_arm(struct inbound_session *s, uint64_t delay);
void inbound_timer_clear(struct inbound_session *s);
const char *inbound_state_name(enum inbound_state state);
const char *inbound_event_name(enum inbound_event event);

/* --- inbound.c --- */
void inbound_release(struct inbound_session *s);
/* Tell the owner when nothing is left to wait for. */
void inbound_idle(struct inbound *inbound);

/* --- inbound_notify.c --- */
/* The next hop has taken a message that was cut through: its sender may want
 * to know. */
void inbound_notify(struct inbound_session *s);

/* --- states; each returns the next one --- */
enum inbound_state inbound_greeting_enter(struct inbound_session *s);
enum inbound_state inbound_tls_enter(struct inbound_session *s);
enum inbound_state inbound_tls_on_secure(struct inbound_session *s);
enum inbound_state inbound_tls_on_readable(struct inbound_session *s);
enum inbound_state inbound_tls_on_failed(struct inbound_session *s);
enum inbound_state inbound_tls_on_timeout(struct inbound_session *s);
enum inbound_state inbound_tls_on_shutdown(struct inbound_session *s);

enum inbound_state inbound_command_enter(struct inbound_session *s);
enum inbound_state inbound_command_on_input(struct inbound_session *s);
enum inbound_state inbound_command_on_timeout(struct inbound_session *s);
enum inbound_state inbound_command_on_shutdown(struct inbound_session *s);

enum inbound_state inbound_data_enter(struct inbound_session *s);
enum inbound_state inbound_data_on_input(struct inbound_session *s);
enum inbound_state inbound_data_on_room(struct inbound_session *s);
enum inbound_state inbound_body_on_timeout(struct inbound_session *s);

enum inbound_state inbound_bdat_enter(struct inbound_session *s);
enum inbound_state inbound_bdat_on_input(struct inbound_session *s);
enum inbound_state inbound_bdat_on_room(struct inbound_session *s);

enum inbound_state inbound_discard_enter(struct inbound_session *s);
enum inbound_state inbound_discard_on_input(struct inbound_session *s);

enum inbound_state inbound_commit_enter(struct inbound_session *s);
enum inbound_state inbound_commit_on_committed(struct inbound_session *s);
enum inbound_state inbound_commit_on_failed(struct inbound_session *s);
enum inbound_state inbound_commit_on_abort(struct inbound_session *s);
enum inbound_state inbound_orphan_enter(struct inbound_session *s);
enum inbound_state inbound_orphan_on_committed(struct inbound_session *s);

enum inbound_state inbound_relay_enter(struct inbound_session *s);
enum inbound_state inbound_relay_on_answer(struct inbound_session *s);
enum inbound_state inbound_relay_on_failed(struct inbound_session *s);
enum inbound_state inbound_chunk_enter(struct inbound_session *s);
enum inbound_state inbound_chunk_on_input(struct inbound_session *s);
enum inbound_state inbound_chunk_on_room(struct inbound_session *s);
enum inbound_state inbound_chunk_on_forwarded(struct inbound_session *s);
enum inbound_state inbound_chunk_on_lost(struct inbound_session *s);
enum inbound_state inbound_chunk_on_timeout(struct inbound_session *s);
enum inbound_state inbound_body_on_lost(struct inbound_session *s);

enum inbound_state inbound_closing_enter(struct inbound_session *s);
enum inbound_state inbound_closing_on_abort(struct inbound_session *s);
enum inbound_state inbound_aborting_enter(struct inbound_session *s);
enum inbound_state inbound_gone_enter(struct inbound_session *s);
void inbound_hang_up(struct inbound_session *s, enum ktls_close how);
enum inbound_state inbound_on_failed(struct inbound_session *s);
enum inbound_state inbound_command_on_failed(struct inbound_session *s);
/* inbound_note_failure() - logs it; why the session ends. */
void inbound_note_failure(struct inbound_session *s);
enum inbound_state inbound_on_abort(struct inbound_session *s);

/* --- inbound_body.c: bytes to the spool, for DATA and BDAT --- */

enum inbound_body {
	INBOUND_BODY_MORE,   /* all that was there is taken */
	INBOUND_BODY_BEHIND, /* the spool is behind: ROOM will come */
	INBOUND_BODY_DONE,   /* end of data, or of the chunk, and all is well */
	INBOUND_BODY_REFUSED, /* s->refusal says why; the writer is gone; the
			       * rest is to be discarded */
};

/* Open a writer. False: s->refusal says why. */
bool inbound_body_begin(struct inbound_session *s, enum smtp_data_form form);
/* Move bytes until one of the above; at most s->chunk_left of a chunk. */
enum inbound_body inbound_body_move(struct inbound_session *s);
/* Refuse: no writer is open afterwards. */
void inbound_body_refuse(struct inbound_session *s, enum inbound_reply_id why);
bool inbound_waits_for_room(const struct inbound_session *s);
/* What is wrong with the message so far; REPLY_OK: nothing. */
enum inbound_reply_id inbound_body_judge(const struct inbound_session *s);

/* --- inbound_relay.c: transactions that are cut through --- */

/* Is this recipient the next hop's to judge, or in the way of one that is? */
bool inbound_relay_wanted(struct inbound_session *s,
			  const struct config_route *route);
/* A recipient for @route, which is to be asked. REPLY_OK: in RELAY. */
enum inbound_reply_id inbound_relay_rcpt(struct inbound_session *s,
					 const struct config_route *route,
					 const struct smtp_path *path,
					 const char *domain, const char *dsn);
enum inbound_state inbound_relay_data(struct inbound_session *s);
/* The chunk's size is known and allowed. */
enum inbound_state inbound_relay_bdat(struct inbound_session *s);
/* The end of a body that was not spliced. */
enum inbound_state inbound_relay_end(struct inbound_session *s);

/* --- inbound_commit.c --- */

/* The Received field of this message; returns its length. */
size_t inbound_trace_write(const struct inbound_session *s,
			   char buf[SMTP_TRACE_MAX]);
uint64_t inbound_wall_clock(const struct inbound_session *s);

/* --- inbound_transaction.c --- */
/* NULL: no memory. */
struct inbound_transaction *inbound_transaction_begin(const char *reverse_path);
/* @domain: of a mailbox that has none, or NULL. @dsn: as smtp_dsn_rcpt_write()
 * writes it. False: no memory, nothing was added. */
bool inbound_transaction_add(struct inbound_transaction *tx,
			     const char *mailbox, const char *domain,
			     const char *dsn);
/* inbound_texts_list() - owned array of pointers to @count strings; NULL: no
 * memory. */
const char **inbound_texts_list(const struct inbound_texts *texts,
				size_t count);
void inbound_transaction_free(struct inbound_transaction **tx);
/* RSET, EHLO, end of message: nothing of a transaction is left. */
void inbound_reset(struct inbound_session *s);

/* --- inbound_commands.c: the table --- */

/* Run one line, without its line end; a NUL follows it. */
enum inbound_state inbound_command_run(struct inbound_session *s,
				       const char *line, size_t len);
/* A command that brings no mail nearer: too many of them are an error. */
void inbound_idle_command(struct inbound_session *s);

/* inbound_verbs.c, inbound_envelope.c: the second column of the table */
enum inbound_state inbound_do_hello(struct inbound_session *s,
				    const struct smtp_command *command);
enum inbound_state inbound_do_starttls(struct inbound_session *s,
				       const struct smtp_command *command);
enum inbound_state inbound_do_rset(struct inbound_session *s,
				   const struct smtp_command *command);
enum inbound_state inbound_do_noop(struct inbound_session *s,
				   const struct smtp_command *command);
enum inbound_state inbound_do_vrfy(struct inbound_session *s,
				   const struct smtp_command *command);
enum inbound_state inbound_do_help(struct inbound_session *s,
				   const struct smtp_command *command);
enum inbound_state inbound_do_quit(struct inbound_session *s,
				   const struct smtp_command *command);
enum inbound_state inbound_do_mail(struct inbound_session *s,
				   const struct smtp_command *command);
enum inbound_state inbound_do_rcpt(struct inbound_session *s,
				   const struct smtp_command *command);
enum inbound_state inbound_do_data(struct inbound_session *s,
				   const struct smtp_command *command);
enum inbound_state inbound_do_bdat(struct inbound_session *s,
				   const struct smtp_command *command);
/* BDAT is refused, but its chunk comes nevertheless. */
enum inbound_state inbound_refuse_bdat(struct inbound_session *s,
				       const struct smtp_command *command,
				       enum inbound_reply_id why);

/* --- inbound_log.c --- */
#define INBOUND_CLIENT_SIZE (INET6_ADDRSTRLEN + 16)
/* "[192.0.2.1]:40000" */
const char *inbound_client(const struct inbound_session *s,
			   char buf[INBOUND_CLIENT_SIZE]);
/* "192.0.2.1"; IPv4-mapped addresses as IPv4. */
const char *inbound_client_address(const struct inbound_session *s,
				   char buf[INET6_ADDRSTRLEN]);
void inbound_log_connected(const struct inbound_session *s);
/* inbound_event.c: for those who keep account. */
void inbound_event_connected(const struct inbound_session *s, bool begins);
void inbound_event_accepted(const struct inbound_session *s, bool client_gone);
void inbound_event_rejected(const struct inbound_session *s,
			    enum inbound_reply_id reply, const char *subject);
void inbound_log_refused(const struct inbound_session *s,
			 enum inbound_reply_id reply);
void inbound_log_accepted(const struct inbound_session *s, bool client_gone);
/* Once for each kind in a session. */
void inbound_log_rejected(struct inbound_session *s,
			  enum inbound_reply_id reply, const char *subject);
void inbound_log_failed(const struct inbound_session *s);
void inbound_log_closed(const struct inbound_session *s);

#endif
