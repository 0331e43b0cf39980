/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics, health and requests over HTTP. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "gateway/log/log.h"
#include "gateway/serve/serve_private.h"

int serve_open_http(struct serve *s)
{
	const struct config *c = s->snapshot->config;
	struct http_server_config config = {
		.http = &c->admin.http,
		.hostname = c->hostname,
		.suspended = s->shared.suspended,
		.health = &s->health,
	};
	const char *what;
	int r;

	s->health.min_free_percent = c->spool.min_free_percent;
	s->meter = host_meter_open(c->spool.path, "/proc");
	config.meter = s->meter;
	if (!c->admin.http.address)
		return EX_OK;
	r = http_server_open(&config, &s->http, &what);
	if (r == 0)
		return EX_OK;
	log_error("serve.http", L_STR("address", c->admin.http.address->text),
		  L_STR("part", what), L_STR("error", strerror(-r)));
	return EX_UNAVAILABLE;
}

int serve_attach_http(struct serve *s)
{
	struct admin_worker *workers;
	int r;

	if (!s->http)
		return EX_OK;
	workers = calloc(s->started, sizeof(*workers));
	if (!workers)
		return EX_OSERR;
	for (unsigned i = 0; i < s->started; i++)
		workers[i] = worker_admin(s->workers[i]);
	r = http_server_attach(s->http, workers, s->started);
	free(workers);
	return r < 0 ? EX_OSERR : EX_OK;
}

void serve_phase(struct serve *s, enum admin_phase phase)
{
	atomic_store(&s->health.phase, phase);
}
