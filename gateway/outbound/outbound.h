/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMTP out: sessions that carry deliveries to a next hop (RFC 5321).
 *
 * One struct outbound per worker holds its sessions.  A session belongs to one
 * destination: it is opened for it, pulls delivery after delivery from it,
 * waits a while when there is none, and ends.  It is a table of states
 * (outbound_session.c).  The queue decides what is delivered when; outbound
 * only says what became of it.
 */
#ifndef GATEWAY_OUTBOUND_OUTBOUND_H
#define GATEWAY_OUTBOUND_OUTBOUND_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/config/config.h"
#include "gateway/metrics/tls_stats.h"
#include "gateway/outbound/next_hop.h"
#include "gateway/smtp/smtp_reply.h"
#include "gateway/spool/spool.h"
#include "ktls/ktls_stream.h"

struct outbound;
struct outbound_session;

struct outbound_answer;

/*
 * A session may be lent: whoever borrows it speaks SMTP on it himself, from
 * MAIL on, one transaction, and gives it back (outbound_give_back()).
 */
struct outbound_loan_ops {
	/* The session is the borrower's. Nothing but commands in here. */
	void (*lent)(void *borrower, struct outbound_session *session);
	/* A whole reply; borrowed for the call. */
	void (*reply)(void *borrower, const struct smtp_reply *reply);
	/* All that was queued into its stream is sent. */
	void (*written)(void *borrower);
	/* The session is lost; its pointer is dead when this returns, as after
	 * outbound_give_back(). */
	void (*lost)(void *borrower, const struct outbound_answer *why);
};

struct outbound_loan {
	const struct outbound_loan_ops *ops; /* static; NULL: no loan */
	void *borrower;
};

/* One message for one destination: what a transaction carries. Filled and
 * owned by the queue; the session borrows it from next() until finished().
 * With a loan the rest is not looked at. */
struct outbound_delivery {
	uint64_t id;		       /* queue id, for the log */
	const struct spool_view *view; /* envelope, trace, body */
	const uint32_t *recipients;    /* indices into view->envelope */
	size_t recipient_count;
	struct outbound_loan loan;
	/* Its connection was lost to new keys of the server's so many times in
	 * a row; repeat: and once more. Nobody's fault: up to
	 * OUTBOUND_REPEATS it is finished() without answers. */
	unsigned repeats;
	bool repeat;
};

#define OUTBOUND_REPEATS 2

/* What a next hop (or this relay in its stead) said. */
struct outbound_answer {
	uint16_t code; /* SMTP code; 4xx when made up here */
	uint16_t said; /* what the server said itself: 552 where 452 is meant;
			* 0: the words are this relay's */
	bool tells; /* it was told what the sender wants to hear of (RFC 3461) */
	const struct smtp_reply *reply; /* all of it; NULL: text is all */
	const char *enhanced;		/* "4.4.2" or "" */
	const char *text;		/* one line; borrowed for the call */
	const char *where; /* "connect", "RCPT", "end of data"...; static */
	/* Whose connection it came by, borrowed for the call; NULL: none. */
	const struct outbound_session *session;
};

/* The way of the running transaction, for those who keep account. */
struct outbound_trip {
	const char *host;  /* its name; valid as long as the session */
	const char *relay; /* "[192.0.2.1]:25"; likewise */
	uint64_t messages; /* on this connection, this one included */
	uint64_t connect;  /* ns from the connection's beginning to the
			    * transaction's; 0: it was there already */
	uint64_t transmit; /* ns since the transaction's beginning */
	struct ktls_stream_info info;
};

/* outbound_trip() - with answer->session, in answered(). */
void outbound_trip(const struct outbound_session *session,
		   struct outbound_trip *out);

/* What a session tells the owner of its destination. */
struct outbound_ops {
	/* The next delivery for this session, or NULL: none now. */
	struct outbound_delivery *(*next)(void *destination,
					  struct outbound_session *session);
	/* Recipient @index (into delivery->recipients) has its answer: 2xx
	 * delivered, 4xx try again, 5xx failed. At most one each, before
	 * finished(). */
	void (*answered)(void *destination, struct outbound_delivery *delivery,
			 size_t index, const struct outbound_answer *answer);
	/* The transaction is over; the delivery is the queue's again, and
	 * nothing reads from its view any more. Recipients without an answer
	 * (the server closed an idle connection just then; it changed keys that
	 * can't be followed; shutdown) are due at once. */
	void (*finished)(void *destination, struct outbound_delivery *delivery);
	/* The session is ready for mail (greeting, EHLO, TLS went well). */
	void (*ready)(void *destination, struct outbound_session *session);
	/* The session ended; its pointer is dead after this call.
	 * @failure: NULL when it ended in order or after it was ready;
	 * otherwise why no mail could be given (all that was never begun is
	 * still the queue's). */
	void (*ended)(void *destination, struct outbound_session *session,
		      const struct outbound_answer *failure);
};

struct outbound_config {
	const struct config *config;	/* borrowed, outlives outbound */
	const struct ktls_env *env;	/* borrowed */
	const struct outbound_ops *ops; /* static */
	/* socket(2) for SOCK_STREAM; NULL: the system's. Injected by tests. */
	int (*socket)(void *arg, int family);
	void *socket_arg;
	/* bind(2) to a source address; NULL: the system's, with the port left
	 * to connect(2). 0 or -errno. */
	int (*bind)(void *arg, int fd, const struct sockaddr *address,
		    socklen_t length);
};

int outbound_create(const struct outbound_config *config,
		    struct outbound **out);
/* outbound_reload() - @config (borrowed, as in struct outbound_config) from now
 * on; what is open keeps the terms it was opened with. */
void outbound_reload(struct outbound *outbound, const struct config *config);
/* outbound_destroy() - with no session left; accepts NULL; clears. */
void outbound_destroy(struct outbound **outbound);

/* What a session keeps to. */
struct outbound_terms {
	enum config_tls_level tls;
	unsigned messages;	     /* on one connection; 0: no limit */
	struct sockaddr_in source4;  /* sin_family 0: the system's choice */
	struct sockaddr_in6 source6; /* likewise */
	struct config_destination_timeouts timeouts; /* all of them given */
};

/* outbound_terms_of() - for mail of @route to a destination of @given (an entry
 * of destinations:, NULL: none). */
void outbound_terms_of(const struct config *config,
		       const struct config_route *route,
		       const struct config_destination *given,
		       struct outbound_terms *out);

/* Where a session goes: one address of one host. */
struct outbound_target {
	const struct next_hop *hop; /* borrowed, outlives the session */
	const struct sockaddr *address;
	socklen_t length;
	const char *host; /* to ask for in TLS and to verify, unless the route
			   * has a name for that; copied */
	const struct outbound_terms *terms; /* copied; NULL: the route's */
	bool plain;  /* skip TLS this once (`may`, after a failed handshake) */
	bool rekeys; /* it changes keys in ways that kernel TLS can't follow:
		      * user space, unless the configuration insists */
	/* What it will probably carry, as ktls_traffic_worth(); 0: nobody
	 * knows. */
	uint64_t expected;
};

/*
 * outbound_open() - a new session to @target for @destination.
 * @target: borrowed for the call. Returns it, or NULL (no memory, no
 * descriptor; errno-like cause in *error).
 */
struct outbound_session *outbound_open(struct outbound *outbound,
				       const struct outbound_target *target,
				       void *destination, int *error);
/* outbound_host() - target->host; valid as long as the session. */
const char *outbound_host(const struct outbound_session *session);

/* outbound_retire() - the session takes no further delivery; when it is idle,
 * outbound_wake() ends it. */
void outbound_retire(struct outbound_session *session);
/* outbound_wake() - an idle session shall ask next() again. */
void outbound_wake(struct outbound_session *session);
/* outbound_messages() - deliveries it was given. */
uint64_t outbound_messages(const struct outbound_session *session);
bool outbound_idle(const struct outbound_session *session);
/* outbound_resetting() - RSET is on its way; the session asks for its next
 * delivery behind that, or ends. */
bool outbound_resetting(const struct outbound_session *session);
/* Did TLS fail where level `may` allows going on without? Valid in ended(). */
bool outbound_retry_plain(const struct outbound_session *session);

/* Did the server change keys in a way that kernel TLS can't follow, and may
 * the next session do without? Valid in ended(). */
bool outbound_rekeys(const struct outbound_session *session);

/* For borrowers, between lent() and the session's way back. */
struct ktls_stream *outbound_stream(struct outbound_session *session);
/* What the server offers (enum smtp_extension), and SIZE's number or 0. */
uint32_t outbound_extensions(const struct outbound_session *session,
			     uint64_t *size_limit);
const char *outbound_relay(const struct outbound_session *session);

enum outbound_condition {
	OUTBOUND_CLEAN,	 /* between transactions */
	OUTBOUND_OPEN,	 /* a transaction is open and means nothing: RSET */
	OUTBOUND_BROKEN, /* half a message is out: drop the connection */
};
/* outbound_give_back() - finished() comes for its delivery before this returns,
 * or, when the session is BROKEN, once it is closed. */
void outbound_give_back(struct outbound_session *session,
			enum outbound_condition condition);

/* outbound_shutdown() - idle sessions QUIT; busy ones after their delivery.
 * outbound_abort() - all close now; deliveries are answered 4xx. */
void outbound_shutdown(struct outbound *outbound);
void outbound_abort(struct outbound *outbound);
unsigned outbound_sessions(const struct outbound *outbound);

/* How far a session had come that no mail could be given to. */
enum outbound_failed {
	OUTBOUND_FAILED_CONNECT,
	OUTBOUND_FAILED_GREETING,
	OUTBOUND_FAILED_EHLO,
	OUTBOUND_FAILED_STARTTLS,
	OUTBOUND_FAILED_TLS,
	OUTBOUND_FAILED_KINDS
};

/* Numbers only: outbound_stats_add(). */
struct outbound_stats {
	uint64_t connections; /* begun */
	uint64_t ended;	      /* that had been ready for mail */
	uint64_t failed[OUTBOUND_FAILED_KINDS];
	uint64_t messages; /* transactions begun */
	uint64_t repeats;
	uint64_t sessions; /* now; only in a copy */
	struct tls_stats tls;
};
/* outbound_stats() - borrowed, changes. _now(): a copy, with what is open now.
 * _add(): @to is of both. */
const struct outbound_stats *outbound_stats(const struct outbound *outbound);
void outbound_stats_now(const struct outbound *outbound,
			struct outbound_stats *out);
void outbound_stats_add(struct outbound_stats *to,
			const struct outbound_stats *from);

#endif
