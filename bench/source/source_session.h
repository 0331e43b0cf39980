/* SPDX-License-Identifier: Apache-2.0 */
/* One SMTP client connection of the source and the transactions on it. */
#ifndef BENCH_SOURCE_SESSION_H
#define BENCH_SOURCE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/bench_conn.h"
#include "bench/bench_hash.h"
#include "bench/bench_message.h"
#include "bench/bench_reply.h"
#include "bench/bench_tls.h"
#include "bench/source/source_latency.h"

/* What the command line asks for; read-only while sessions run. */
struct source_config {
	struct bench_addr to;
	struct bench_plan plan;
	enum bench_tls_mode tls;
	struct bench_tls_config tls_config;
	const char *cipher; /* of either TLS version */
	const char *sni;
	const char *helo;
	uint64_t bdat_chunk;	/* octets; 0: the whole message at once */
	bool pipelining;	/* use it when it is offered */
	unsigned key_update;	/* before every Nth message; 0: never */
	bool key_update_ask;	/* the server has to answer each with its own */
	bool key_update_behind; /* the message, not before it */
	unsigned key_update_wait; /* ms for the server to hang up upon it */
	bool resume; /* TLS sessions, from connection to connection */
	unsigned timeout_s;
	unsigned connections;
	uint64_t messages;
	uint64_t per_connection; /* 0: no limit */
	double rate;		 /* messages per second in all; 0: no rate */
	bool connect_first;	 /* all connections, and keep them to the end */
	bool retry;
	unsigned retry_delay_ms;
	unsigned give_up_s;
	enum bench_hash_kind hash;
	const char *ledger;
	const char *domains;   /* as given; plan.domains is made from it */
	const char *histogram; /* file for all latencies */
	bool progress;
	bool json;
};

enum source_outcome {
	SOURCE_ACCEPTED, /* 250 after the last octet */
	SOURCE_DEFERRED, /* 4xx */
	SOURCE_REFUSED,	 /* 5xx */
	SOURCE_UNFIT,	 /* the server doesn't offer what the message needs */
	SOURCE_BROKEN,	 /* no answer: may or may not have been accepted */
};

/* Zero-initialise but for the first four. */
struct source_session {
	const struct source_config *config;
	SSL_CTX *ctx;		  /* borrowed; NULL without TLS */
	struct bench_hash *hash;  /* borrowed */
	struct bench_conn *conn;  /* borrowed; fd -1 while not open */
	SSL_SESSION *tls_session; /* owned; to resume */
	struct bench_caps caps;
	uint64_t sent; /* messages on this connection */
	uint64_t key_updates;
	uint64_t key_updates_final; /* of them: the server hung up */
	uint64_t tls_clean_ends;    /* QUIT, and the server's close_notify */
	uint64_t tls_unclean_ends;  /* QUIT, and none */
	bool closing;		    /* the server said 421 */
	bool resumed;
	struct source_open_times open_times; /* of this connection */
	char why[256]; /* the reply or error behind the last bad outcome */
};

struct source_result {
	enum source_outcome outcome;
	unsigned rcpts_accepted; /* valid when the outcome is ACCEPTED */
	unsigned rcpts_refused;
	bool by_bdat;
	struct source_send_times times; /* valid when the outcome is ACCEPTED */
	char hash[BENCH_HASH_TEXT];	/* valid when the outcome is ACCEPTED */
};

/* Connects, greets and starts TLS. 0, or -errno with s->why set. */
int source_session_open(struct source_session *s);

/* Sends the message from its start; anything but BROKEN leaves a usable
 * connection unless s->closing. */
void source_session_send(struct source_session *s, struct bench_message *m,
			 struct source_result *ret);

/* QUIT and the end in order; accepts a session that isn't open. */
void source_session_quit(struct source_session *s);

/* Just closes. */
void source_session_drop(struct source_session *s);

/* Frees what the session owns beside the connection. */
void source_session_deinit(struct source_session *s);

#endif
