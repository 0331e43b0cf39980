/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool logs of one worker: its own (PATH/worker-N), which takes new mail,
 * and those that a start with more workers has left behind, which are only
 * delivered from.
 */
#ifndef GATEWAY_WORKER_SPOOL_SET_H
#define GATEWAY_WORKER_SPOOL_SET_H

#include <stddef.h>

#include "gateway/config/config.h"
#include "gateway/spool/spool.h"

struct uring;

struct spool_set {
	struct spool **spools; /* [0] is the worker's own */
	size_t count;
};

struct spool_set_config {
	const struct config *config;
	unsigned worker;
	struct uring *ring;
	/* Each message found at start, as in spool_open(). */
	void (*found)(void *arg, struct spool *spool,
		      struct spool_message *message);
	void *arg;
};

/*
 * spool_set_open() - open the worker's own log and the folders worker-M with
 * M >= workers and M % workers == worker; says in the log what was found.
 * found() is called after all are open. 0 or -errno (said in the log).
 */
int spool_set_open(const struct spool_set_config *config,
		   struct spool_set *set);
void spool_set_close(struct spool_set *set);
struct spool *spool_set_own(const struct spool_set *set);
/* spool_set_stats() - of all of them together. */
void spool_set_stats(const struct spool_set *set, struct spool_stats *out);
unsigned spool_set_inflight(const struct spool_set *set);

#endif
