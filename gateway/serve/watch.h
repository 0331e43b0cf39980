/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that a configuration names: certificates, keys, trust anchors.
 * Whether one was replaced or written to is seen by its stat(2).
 */
#ifndef GATEWAY_SERVE_WATCH_H
#define GATEWAY_SERVE_WATCH_H

#include <stdbool.h>

#include "gateway/config/config.h"

struct watch;

/* What a file is good for. */
enum watch_use {
	WATCH_CLIENTS,	/* listeners' certificates and keys */
	WATCH_DELIVERY, /* ca_file of routes */
	WATCH_RESOLVER, /* resolver.trust_anchor */
};

/* watch_create() - how the files of @config are now. NULL: no memory.
 * watch_free() accepts NULL; clears. */
struct watch *watch_create(const struct config *config);
void watch_free(struct watch **watch);
bool watch_equal(const struct watch *a, const struct watch *b);
/* watch_compare() - @fn for each file of @after that @before has as well, but
 * otherwise. */
void watch_compare(const struct watch *before, const struct watch *after,
		   void (*fn)(void *arg, const char *path, enum watch_use use),
		   void *arg);

#endif
