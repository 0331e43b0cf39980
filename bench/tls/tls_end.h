/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One end of a run: its threads, their connections, what they send or
 * receive. The client sends, the server receives.
 */
#ifndef BENCH_TLS_END_H
#define BENCH_TLS_END_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/bench_hash.h"
#include "bench/tls/tls_conn.h"
#include "bench/tls/tls_context.h"
#include "bench/tls/tls_crew.h"
#include "bench/tls/tls_dial.h"
#include "bench/tls/tls_recv.h"
#include "bench/tls/tls_relay.h"
#include "bench/tls/tls_send.h"
#include "bench/tls/tls_source.h"

enum {
	TLS_CONNECTIONS_MAX = 1024,
	TLS_THREADS_MAX = 64,
};

/* What both ends agree on for a run. */
struct tls_job {
	const struct tls_path *path; /* this end's */
	enum ktls_version version;
	enum ktls_cipher cipher;
	unsigned connections;
	unsigned threads; /* at most connections */
	size_t size;	  /* of a message */
	size_t chunk;	  /* the sender's */
	struct tls_token token;
};

/* What this machine can do; found once. */
struct tls_able {
	struct ktls_caps ktls;
	char no_ktls[200];  /* why there is no kernel TLS, or "" */
	char no_uring[200]; /* why there is no io_uring, or "" */
	bool splice;
};
void tls_able_probe(struct tls_able *able);

/* tls_able_refusal() - why this machine can't do the job, in `why`; false when
 * it can. */
bool tls_able_refusal(const struct tls_able *able, const struct tls_job *job,
		      char *why, size_t cap);

struct tls_end_thread {
	unsigned first, count; /* its connections */
	struct tls_sender *sender;
	struct tls_receiver *receiver;
	struct tls_relay *relay;
	struct tls_conn_memory memory;
};

struct tls_end {
	/* Set once. */
	bool server;
	const struct tls_able *able;	 /* borrowed */
	const struct tls_source *source; /* borrowed; the client's */
	const char *folder;		 /* for received files; borrowed */
	struct tls_contexts contexts;
	/* Of the current job. */
	struct tls_job job;
	const struct tls_context *context;
	struct tls_address peer; /* the client's */
	int listener;		 /* borrowed; the server's */
	struct tls_crew *crew;
	struct tls_conn *conns;		/* job.connections */
	struct tls_end_thread *threads; /* job.threads */
	char (*hashes)[BENCH_HASH_TEXT];
	uint64_t messages; /* of the current transfer, a connection */
	bool hashing;
	uint64_t shakes; /* of the current call, all threads */
	_Atomic bool shake_failed;
	_Atomic uint64_t resumed, install_ns, derive_ns, installs;
};

/*
 * tls_end_open() - all of the job's connections, up to the greeting.
 * 0 or -errno with `error` (TLS_ERROR) filled; tls_end_close() follows in any
 * case. A handshake job opens none.
 */
int tls_end_open(struct tls_end *end, const struct tls_job *job, char *error);

/* tls_end_transfer() - send or receive `messages` on each connection; with
 * `hash` the received octets of all are hashed into it. */
int tls_end_transfer(struct tls_end *end, uint64_t messages,
		     char hash[BENCH_HASH_TEXT], char *error);

/* tls_end_expect() - the hash that the other end must find for the `messages`
 * messages of each connection from `first` on. 0 or -ENOMEM. */
int tls_end_expect(const struct tls_end *end, uint64_t first, uint64_t messages,
		   char hash[BENCH_HASH_TEXT]);

/* tls_end_shake() - `count` connections, one after another on each thread,
 * closed as soon as they are ready. Sets end->resumed and so on. */
int tls_end_shake(struct tls_end *end, uint64_t count, char *error);

void tls_end_close(struct tls_end *end); /* the job's; idempotent */
void tls_end_free(struct tls_end *end);

#endif
