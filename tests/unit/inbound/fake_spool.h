/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A spool in memory that a test holds back, fills up and breaks. It stands in
 * for gateway/spool in the tests of inbound: the linker takes these functions
 * before it looks into the library.
 */
#ifndef TESTS_UNIT_INBOUND_FAKE_SPOOL_H
#define TESTS_UNIT_INBOUND_FAKE_SPOOL_H

#include "gateway/spool/spool.h"

#define FAKE_MESSAGES 64

struct spool_writer {
	struct spool *spool;
	uint64_t id;
	unsigned char *body;
	size_t len;
	unsigned char *reserved; /* exactly as long as said */
	size_t room;
};

struct spool_message {
	uint64_t id;
	char reverse_path[300];
	char recipients[8][300]; /* the first of them */
	size_t recipient_count;
	char dsn[200], recipients_dsn[8][600];
	char client[80];
	uint64_t arrival;
	uint32_t flags;
	char trace[2000];
	unsigned char *body; /* with a NUL behind it */
	size_t len;
};

/* A commit that waits for its answer. */
struct fake_commit {
	struct spool_message *message;
	spool_committed_fn fn;
	void *owner;
};

struct spool {
	/* the test's */
	enum spool_status begin_status, commit_status;
	bool behind;	 /* spool_reserve() gives nothing */
	bool hold;	 /* commits are not answered */
	size_t room;	 /* of one spool_reserve(); 0: 64 KiB */
	size_t capacity; /* body bytes until it is behind; 0: no end */

	/* what happened */
	struct spool_message *messages[FAKE_MESSAGES];
	unsigned count; /* of messages committed */
	unsigned begun, aborted;
	unsigned open;		     /* writers */
	struct spool_waiter waiters; /* list head */
	struct fake_commit commits[FAKE_MESSAGES];
	unsigned commit_count;
};

void fake_spool_open(struct spool *spool);
/* Nothing may be left open. */
void fake_spool_close(struct spool *spool);
/* What a turn would do; true: something. */
bool fake_spool_pump(struct spool *spool);

#endif
