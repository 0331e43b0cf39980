/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail of applications over HTTP (docs/inject.md): libmicrohttpd with a thread
 * per connection, each of which hands its message in as a local program would,
 * and waits for the relay's 250.
 */
#ifndef GATEWAY_INJECT_INJECT_HTTP_H
#define GATEWAY_INJECT_INJECT_HTTP_H

#include "gateway/config/config.h"
#include "gateway/inject/inject_door.h"

struct inject_http;

struct inject_http_config {
	const struct config *config; /* for the call; inject.http is set */
	struct inject_door *door;    /* borrowed until the close */
};

/* inject_http_open() - @out returned owned. 0, or -errno with *what (static)
 * saying what failed. */
int inject_http_open(const struct inject_http_config *config,
		     struct inject_http **out, const char **what);
/* inject_http_close() - requests under way are finished; while workers run.
 * Accepts NULL; clears. */
void inject_http_close(struct inject_http **http);

#endif
