/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMTP in: sessions that take mail from clients (RFC 5321) into the spool.
 *
 * One struct inbound per worker; it owns its sessions (fixed slots) and is
 * driven by its ring. A session is a table of states (inbound_session.c).
 */
#ifndef GATEWAY_INBOUND_INBOUND_H
#define GATEWAY_INBOUND_INBOUND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/config/config.h"
#include "gateway/inbound/inbound_end.h"
#include "gateway/metrics/tls_stats.h"
#include "gateway/spool/spool.h"
#include "ktls/ktls_stream.h"

struct cutthrough;
struct inbound;

/* Counted over all workers: who is connected. Shared, thread-safe. */
struct inbound_admission;
int inbound_admission_create(struct inbound_admission **out);
void inbound_admission_destroy(struct inbound_admission **admission);

struct inbound_listener { /* one configured listener, ready for use */
	const struct config_listener *config; /* borrowed */
	struct ktls_ctx *ctx;		      /* borrowed; NULL: no TLS */
	size_t index;			      /* in config->listeners */
	bool trusted;	      /* may relay wherever the client is */
	const char *protocol; /* for the Received field; NULL: SMTP's */
};

/* The peer of a Unix-domain socket, as a sockaddr: who it is. */
struct inbound_local {
	sa_family_t family; /* AF_UNIX */
	uint32_t uid;
};

struct inbound_config {
	const struct config *config; /* borrowed, outlives inbound */
	const struct ktls_env *env;  /* borrowed */
	struct spool *spool;	     /* borrowed */
	/* For routes that are cut through; borrowed; NULL: none is. */
	struct cutthrough *cutthrough;
	struct inbound_admission *admission; /* borrowed */
	unsigned max_sessions;		     /* slots of this worker */
	/* A message is on stable storage and now the queue's. */
	void (*accepted)(void *arg, struct spool_message *message);
	/* The last session ended after inbound_shutdown(). May be NULL. */
	void (*idle)(void *arg);
	void *arg; /* borrowed */
	/* Wall clock, ns since 1970; NULL: CLOCK_REALTIME. */
	uint64_t (*wall_clock)(void);
};

/* inbound_create() - @out returned owned. 0 or -errno. */
int inbound_create(const struct inbound_config *config, struct inbound **out);
/* inbound_destroy() - with no session left; accepts NULL; clears. */
void inbound_destroy(struct inbound **inbound);

/*
 * inbound_accept() - a connection on a listener becomes a session (or is
 * answered 421 and closed when a limit is reached).
 * @fd: taken. @listener: borrowed, outlives the session. @peer: copied.
 */
void inbound_accept(struct inbound *inbound, int fd,
		    const struct inbound_listener *listener,
		    const struct sockaddr *peer, socklen_t peer_len);

/* inbound_shutdown() - no more transactions: idle sessions get 421 and close;
 * a message in flight is finished and answered, then 421. */
void inbound_shutdown(struct inbound *inbound);
/* inbound_abort() - shutdown's time is over: close all without ceremony. */
void inbound_abort(struct inbound *inbound);

/* inbound_sessions() - sessions, and notifications being stored. */
unsigned inbound_sessions(const struct inbound *inbound);

/* Why a connection was turned away. */
enum inbound_turned {
	INBOUND_TURNED_MANY,	  /* limits.connections, or no memory */
	INBOUND_TURNED_OF_CLIENT, /* limits.connections_per_client */
	INBOUND_TURNED_SHUTDOWN,
	INBOUND_TURNED_KINDS
};

/* Replies that refuse something are counted by code, from 400 on. */
enum {
	INBOUND_CODE_FIRST = 400,
	INBOUND_CODES = 200,
};

/* Numbers only: inbound_stats_add(). */
struct inbound_stats {
	uint64_t connections; /* let in */
	uint64_t turned[INBOUND_TURNED_KINDS];
	uint64_t ended[INBOUND_ENDS];
	uint64_t messages, bytes; /* accepted */
	uint64_t rejected_recipients, protocol_errors;
	uint64_t refusals[INBOUND_CODES];
	uint64_t sessions; /* now; only in a copy */
	struct tls_stats tls;
};
/* inbound_stats() - borrowed, changes. _now(): a copy, with what is open now.
 * _add(): @to is of both. */
const struct inbound_stats *inbound_stats(const struct inbound *inbound);
void inbound_stats_now(const struct inbound *inbound,
		       struct inbound_stats *out);
void inbound_stats_add(struct inbound_stats *to,
		       const struct inbound_stats *from);

#endif
