/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to libunbound: it resolves, validates and caches in a thread of
 * its own, and writes to a pipe when there are answers; the ring polls that
 * pipe, and ub_process() calls back in the worker's thread.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unbound.h>

#include "gateway/config/config.h"
#include "gateway/dns/dns_source.h"
#include "gateway/log/log.h"
#include "uring/uring.h"
#include "uring/uring_op.h"
#include "uring/uring_timer.h"

#define RCODE_NXDOMAIN 3
#define CLASS_IN       1

struct dns_unbound {
	struct dns_source source; /* first: the pointers are the same */
	struct ub_ctx *ctx;
	struct uring *ring;
	struct uring_op *poll;	  /* in flight, or NULL */
	struct uring_timer retry; /* the ring had no room for a poll */
	unsigned open;		  /* questions in flight */
};

static struct dns_unbound *unbound_of(struct dns_source *source)
{
	return (struct dns_unbound *)source;
}

/* --- answers --- */

static void poll_pipe(struct dns_unbound *u);

static void on_poll(void *owner, const struct uring_event *event)
{
	struct dns_unbound *u = owner;

	u->poll = NULL;
	if (event->res == -ECANCELED)
		return;
	(void)ub_process(u->ctx);
	poll_pipe(u);
}

static void on_retry(void *owner)
{
	struct dns_unbound *u = owner;

	(void)ub_process(u->ctx);
	poll_pipe(u);
}

static void poll_pipe(struct dns_unbound *u)
{
	struct uring_target target = {.fn = on_poll, .owner = u};

	if (u->poll || u->open == 0)
		return;
	u->poll = uring_poll(u->ring, target, ub_fd(u->ctx), POLLIN);
	if (!u->poll)
		uring_timer_set(u->ring, &u->retry, 100 * URING_MSEC);
}

static enum dns_outcome outcome_of(const struct ub_result *result)
{
	if (result->bogus)
		return DNS_FORGED;
	if (result->havedata)
		return DNS_DATA;
	if (result->nxdomain || result->rcode == RCODE_NXDOMAIN)
		return DNS_NO_NAME;
	return result->rcode == 0 ? DNS_EMPTY : DNS_FAILED;
}

static void on_answer(void *arg, int error, struct ub_result *result)
{
	struct dns_query *query = arg;
	struct dns_unbound *u = unbound_of(query->source);
	struct dns_reply reply = {.outcome = DNS_FAILED};

	query->source = NULL;
	u->open--;
	if (error == 0 && result) {
		reply.outcome = outcome_of(result);
		reply.ttl = result->ttl > 0 ? (uint32_t)result->ttl : 0;
		reply.data = (const unsigned char *const *)result->data;
		reply.len = result->len;
		while (reply.outcome == DNS_DATA && result->data[reply.count])
			reply.count++;
	}
	query->fn(query->owner, &reply);
	ub_resolve_free(result);
}

/* --- questions --- */

static int ask(struct dns_source *source, const char *name, enum dns_type type,
	       struct dns_query *query)
{
	struct dns_unbound *u = unbound_of(source);
	int r;

	query->source = source;
	r = ub_resolve_async(u->ctx, name, type, CLASS_IN, query, on_answer,
			     &query->handle);
	if (r != 0) {
		query->source = NULL;
		return -EIO;
	}
	u->open++;
	poll_pipe(u);
	return 0;
}

static void forget(struct dns_source *source, struct dns_query *query)
{
	struct dns_unbound *u = unbound_of(source);

	(void)ub_cancel(u->ctx, query->handle);
	query->source = NULL;
	u->open--;
}

static void stop(struct dns_source *source)
{
	struct dns_unbound *u = unbound_of(source);

	uring_timer_clear(u->ring, &u->retry);
	if (u->poll)
		uring_op_cancel(u->ring, u->poll);
}

static bool stopped(const struct dns_source *source)
{
	return !((const struct dns_unbound *)source)->poll;
}

static void destroy(struct dns_source *source)
{
	struct dns_unbound *u = unbound_of(source);

	ub_ctx_delete(u->ctx);
	free(u);
}

static const struct dns_source_ops ops = {
	.ask = ask,
	.forget = forget,
	.stop = stop,
	.stopped = stopped,
	.destroy = destroy,
};

/* --- setting up --- */

/* "[::1]:53" and "127.0.0.1:53" to unbound's "::1@53" and "127.0.0.1@53". */
static int forward_to(struct ub_ctx *ctx, const struct config_endpoint *server)
{
	char text[sizeof(server->text)];
	const char *from = server->text;
	size_t len;
	char *colon;

	snprintf(text, sizeof(text), "%s", from[0] == '[' ? from + 1 : from);
	colon = strrchr(text, ':');
	if (!colon)
		return UB_SYNTAX;
	*colon = '@';
	len = strlen(colon);
	if (colon > text && colon[-1] == ']')
		memmove(colon - 1, colon, len + 1);
	return ub_ctx_set_fwd(ctx, text);
}

static int choose_servers(struct ub_ctx *ctx, const struct config_resolver *c)
{
	int r = 0;

	if (c->server_count == 0) {
		r = ub_ctx_resolvconf(ctx, NULL);
		/* As the C library does without that file. */
		return r == UB_READFILE ? ub_ctx_set_fwd(ctx, "127.0.0.1") : r;
	}
	for (size_t i = 0; r == 0 && i < c->server_count; i++)
		r = forward_to(ctx, &c->servers[i]);
	return r;
}

static int configure(struct ub_ctx *ctx, const struct config_resolver *c)
{
	/* A server that was silent is asked again and not given up for a
	 * quarter of an hour; failures are not remembered for longer than
	 * mail waits; servers on this machine are fine. */
	static const char *const options[][2] = {
		{"do-not-query-localhost:", "no"},
		{"infra-keep-probing:", "yes"},
		{"infra-host-ttl:", "60"},
		{"cache-max-ttl:", "3600"},
		{"cache-max-negative-ttl:", "300"},
		/* A library has 16 sockets by default, and questions to dead
		 * servers keep theirs. */
		{"outgoing-range:", "4096"},
		/* Sockets: those that wait for dead servers need theirs. */
	};
	int r = ub_ctx_async(ctx, 1);

	for (size_t i = 0; r == 0 && i < sizeof(options) / sizeof(options[0]);
	     i++)
		r = ub_ctx_set_option(ctx, options[i][0], options[i][1]);
	if (r == 0)
		r = choose_servers(ctx, c);
	if (r == 0)
		(void)ub_ctx_hosts(ctx, NULL); /* a machine may have none */
	if (r == 0 && c->trust_anchor)
		r = ub_ctx_add_ta_file(ctx, c->trust_anchor);
	/* libunbound answers for these itself, as nobody's; labs and homes
	 * have mail hosts in them. This also ends the configuration. */
	if (r == 0)
		r = ub_ctx_zone_remove(ctx, "test.");
	if (r == 0)
		r = ub_ctx_zone_remove(ctx, "home.arpa.");
	return r;
}

/* One at a time: what libunbound has once in a process (the lock of its log,
 * for one) it makes with the first context, and not so that a second thread
 * could ask at that moment. Workers start together. */
static struct ub_ctx *make_context(const struct config_resolver *config,
				   int *error)
{
	static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
	struct ub_ctx *ctx;

	pthread_mutex_lock(&one);
	ctx = ub_ctx_create();
	*error = ctx ? configure(ctx, config) : UB_NOMEM;
	pthread_mutex_unlock(&one);
	return ctx;
}

int dns_unbound_create(const struct config_resolver *config, struct uring *ring,
		       struct dns_source **out)
{
	struct dns_unbound *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return -ENOMEM;
	u->source.ops = &ops;
	u->ring = ring;
	u->retry = (struct uring_timer){.fn = on_retry, .owner = u};
	u->ctx = make_context(config, &r);
	if (!u->ctx) {
		free(u);
		return -ENOMEM;
	}
	if (r != 0) {
		log_error("dns.resolver", L_STR("error", ub_strerror(r)));
		destroy(&u->source);
		return -EINVAL;
	}
	*out = &u->source;
	return 0;
}
