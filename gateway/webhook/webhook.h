/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events to applications over HTTP (docs/webhooks.md): each hook has a thread,
 * and a queue of bounded memory between that and the workers.  Nobody who
 * delivers mail ever waits for a hook: what has no room is dropped and counted.
 */
#ifndef GATEWAY_WEBHOOK_WEBHOOK_H
#define GATEWAY_WEBHOOK_WEBHOOK_H

#include "gateway/config/config.h"

struct webhooks;

/* webhooks_open() - by the control thread, before workers start. @out: returned
 * owned; NULL when there are no hooks. 0, or -errno with *failed. @config:
 * borrowed for the call. */
int webhooks_open(const struct config *config, struct webhooks **out,
		  const struct config_webhook **failed);
/* webhooks_close() - with no worker running: what is queued is tried once more,
 * for some seconds. Accepts NULL; clears. */
void webhooks_close(struct webhooks **hooks);

struct webhook_stats {
	uint64_t sent, dropped;	    /* events */
	uint64_t batches, failures; /* requests: answered 2xx, or not */
	uint64_t queued;	    /* events, now */
};
/* webhooks_stats() - of all hooks together; any thread. */
void webhooks_stats(const struct webhooks *hooks, struct webhook_stats *out);

#endif
