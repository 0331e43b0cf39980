/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration becomes one in use. */
#include "gateway/worker/snapshot.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>

#include "gateway/log/log.h"

#define CERTIFICATES_MAX 64

static int make_listener(const struct config_listener *l,
			 struct inbound_listener *out, struct ktls_error *error)
{
	struct ktls_cert_files certs[CERTIFICATES_MAX];
	struct ktls_ctx_config tls = {
		.role = KTLS_SERVER,
		.min_version = l->min_version,
		.ciphers = l->ciphers,
		.ciphersuites = l->ciphersuites,
		.certs = certs,
		.tickets = l->tickets,
	};

	out->config = l;
	if (l->tls == CONFIG_LISTEN_NONE)
		return 0;
	for (; tls.cert_count < l->certificate_count &&
	       tls.cert_count < CERTIFICATES_MAX;
	     tls.cert_count++)
		certs[tls.cert_count] = (struct ktls_cert_files){
			.certificate =
				l->certificates[tls.cert_count].certificate,
			.key = l->certificates[tls.cert_count].key,
		};
	return ktls_ctx_create(&tls, &out->ctx, error) == 0 ? 0 : -EINVAL;
}

static int make_listeners(struct snapshot *s, struct snapshot_error *error)
{
	const struct config *c = s->config;
	int r = 0;

	s->listeners = calloc(c->listener_count, sizeof(s->listeners[0]));
	if (!s->listeners)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < c->listener_count; i++) {
		const struct config_listener *l = &c->listeners[i];

		s->listeners[i].index = i;
		r = make_listener(l, &s->listeners[i], &error->tls);
		if (r == 0)
			continue;
		error->route = false;
		error->subject = l->address.text;
		error->line = l->line;
		error->column = l->column;
	}
	return r;
}

static int make_hops(struct snapshot *s, struct snapshot_error *error)
{
	const struct config *c = s->config;

	s->hops = calloc(c->route_count, sizeof(s->hops[0]));
	if (!s->hops)
		return -ENOMEM;
	for (; s->hop_count < c->route_count; s->hop_count++) {
		const struct config_route *route = &c->routes[s->hop_count];

		if (next_hop_init(&s->hops[s->hop_count], route, &error->tls) ==
		    0)
			continue;
		next_hop_deinit(&s->hops[s->hop_count]);
		error->route = true;
		error->subject = route->match;
		error->line = route->line;
		error->column = route->column;
		return -EINVAL;
	}
	return 0;
}

static void destroy(struct snapshot *s)
{
	for (size_t i = 0; i < s->hop_count; i++)
		next_hop_deinit(&s->hops[i]);
	free(s->hops);
	for (size_t i = 0; s->listeners && i < s->config->listener_count; i++)
		ktls_ctx_unref(&s->listeners[i].ctx);
	free(s->listeners);
	config_unref(&s->config);
	free(s);
}

int snapshot_create(struct config *config, struct snapshot **out,
		    struct snapshot_error *error)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	atomic_init(&s->references, 1);
	s->config = config_ref(config);
	r = make_listeners(s, error);
	if (r == 0)
		r = make_hops(s, error);
	if (r < 0)
		snapshot_unref(&s);
	*out = s;
	return r;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
	unsigned before = atomic_fetch_add_explicit(&snapshot->references, 1,
						    memory_order_relaxed);

	assert(before > 0);
	return snapshot;
}

void snapshot_unref(struct snapshot **pointer)
{
	struct snapshot *s = *pointer;

	if (!s)
		return;
	*pointer = NULL;
	/* Acquire and release: whoever frees sees what others did before. */
	if (atomic_fetch_sub_explicit(&s->references, 1,
				      memory_order_acq_rel) == 1)
		destroy(s);
}

static void resolve(struct next_hop *hop)
{
	int r = next_hop_resolve(hop);

	if (r != 0)
		log_warning("serve.unresolved",
			    L_STR("next_hop", hop->route->next_hop.text),
			    L_STR("error", gai_strerror(r)));
}

void snapshot_resolve(struct snapshot *snapshot, bool all)
{
	struct sockaddr_storage unused;

	for (size_t i = 0; i < snapshot->hop_count; i++) {
		struct next_hop *hop = &snapshot->hops[i];

		if (hop->route->mode != CONFIG_MODE_CUT_THROUGH)
			continue;
		if (all || next_hop_address(hop, 0, &unused) == 0)
			resolve(hop);
	}
}
