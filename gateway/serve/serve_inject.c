/* SPDX-License-Identifier: Apache-2.0 */
/* The socket for mail of this machine's own programs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "gateway/log/log.h"
#include "gateway/serve/serve_private.h"

static int open_http(struct serve *s)
{
	const struct config *c = s->snapshot->config;
	const struct inject_http_config config = {.config = c, .door = s->door};
	const char *what = NULL;
	int r;

	if (!c->inject.http.wanted)
		return EX_OK;
	r = inject_http_open(&config, &s->inject_http, &what);
	if (r == 0) {
		log_info("serve.listening",
			 L_STR("address", c->inject.http.address.text),
			 L_STR("use", "inject.http"));
		return EX_OK;
	}
	log_error("serve.inject_http",
		  L_STR("address", c->inject.http.address.text),
		  L_UINT("line", c->inject.http.line), L_STR("part", what),
		  L_STR("error", strerror(-r)));
	return EX_UNAVAILABLE;
}

int serve_open_inject(struct serve *s)
{
	const char *path = s->snapshot->config->inject.socket;
	struct inject_door_config config = {
		.path = path,
		.desks = calloc(s->started, sizeof(struct inject_desk *)),
		.desk_count = s->started,
	};
	int r = config.desks ? 0 : -ENOMEM;

	for (unsigned i = 0; r == 0 && i < s->started; i++)
		config.desks[i] = worker_desk(s->workers[i]);
	if (r == 0)
		r = inject_door_open(&config, &s->door);
	free(config.desks);
	if (r == 0)
		return open_http(s);
	log_error("serve.inject", L_STR("socket", path),
		  L_STR("error", strerror(-r)));
	return EX_CANTCREAT;
}
