/* SPDX-License-Identifier: Apache-2.0 */
/* One signed POST by libcurl. */
#ifndef GATEWAY_WEBHOOK_WEBHOOK_POST_H
#define GATEWAY_WEBHOOK_WEBHOOK_POST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/config/config.h"

struct webhook_post;

/* webhook_post_create() - @config: borrowed for the call. @secret: copied;
 * NULL: not signed. @over: asked about once a second while a request runs; true
 * ends it. 0 or -errno. */
int webhook_post_create(const struct config_webhook *config, const char *secret,
			bool (*over)(void *arg), void *arg,
			struct webhook_post **out);
void webhook_post_destroy(struct webhook_post **post);

struct webhook_answer {
	bool good;	 /* 2xx */
	long code;	 /* of HTTP; 0: there was none */
	uint64_t after;	 /* ns: Retry-After; 0: not said */
	char error[256]; /* what happened, unless good */
};

/* webhook_post_send() - @body, and @batch as its name, the same for each try.
 * @limit: ns, for all of it. */
void webhook_post_send(struct webhook_post *post, const char *body, size_t len,
		       const char *batch, uint64_t limit,
		       struct webhook_answer *answer);

#endif
