/* SPDX-License-Identifier: Apache-2.0 */
/* The sessions of one worker: opening, waking, ending them all. */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/metrics/sum.h"
#include "gateway/outbound/outbound_session.h"
#include "uring/uring.h"

static int system_socket(void *arg, int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* The port is chosen when it connects: it need not be free for all remote
 * addresses. */
static int system_bind(void *arg, int fd, const struct sockaddr *address,
		       socklen_t length)
{
	int one = 1;

	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one,
			 sizeof(one));
	return bind(fd, address, length) < 0 ? -errno : 0;
}

int outbound_create(const struct outbound_config *config, struct outbound **out)
{
	struct outbound *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return -ENOMEM;
	pool->config = *config;
	if (!pool->config.socket)
		pool->config.socket = system_socket;
	if (!pool->config.bind)
		pool->config.bind = system_bind;
	*out = pool;
	return 0;
}

void outbound_reload(struct outbound *pool, const struct config *config)
{
	pool->config.config = config;
}

void outbound_destroy(struct outbound **outbound)
{
	struct outbound *pool = *outbound;

	if (!pool)
		return;
	assert(pool->count == 0);
	free(pool->scratch);
	free(pool);
	*outbound = NULL;
}

char *outbound_scratch(struct outbound *pool, size_t size)
{
	if (size > pool->scratch_room) {
		char *more = realloc(pool->scratch, size);

		if (!more)
			return NULL;
		pool->scratch = more;
		pool->scratch_room = size;
	}
	return pool->scratch;
}

static void relay_text(struct outbound_session *s, const struct sockaddr *addr)
{
	char host[INET6_ADDRSTRLEN] = "?";
	const struct sockaddr_in *v4 = (const void *)addr;
	const struct sockaddr_in6 *v6 = (const void *)addr;

	if (addr->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
	else
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
	snprintf(s->relay, sizeof(s->relay), "[%s]:%u", host,
		 ntohs(addr->sa_family == AF_INET6 ? v6->sin6_port
						   : v4->sin_port));
}

static void link_session(struct outbound *pool, struct outbound_session *s)
{
	s->next = pool->sessions;
	if (s->next)
		s->next->prev = s;
	pool->sessions = s;
	pool->count++;
	pool->stats.connections++;
}

static int bind_source(struct outbound_session *s, int fd, int family)
{
	const struct outbound_terms *terms = &s->terms;
	struct outbound *pool = s->pool;

	if (family == AF_INET && terms->source4.sin_family)
		return pool->config.bind(
			pool->config.socket_arg, fd,
			(const struct sockaddr *)&terms->source4,
			sizeof(terms->source4));
	if (family == AF_INET6 && terms->source6.sin6_family)
		return pool->config.bind(
			pool->config.socket_arg, fd,
			(const struct sockaddr *)&terms->source6,
			sizeof(terms->source6));
	return 0;
}

/* The rest of outbound_open(), once there is memory. 0 or -errno. */
static int open_session(struct outbound_session *s,
			const struct outbound_target *target)
{
	struct outbound *pool = s->pool;
	int fd, r;

	s->host = strdup(target->host);
	if (!s->host)
		return -ENOMEM;
	relay_text(s, target->address);
	fd = pool->config.socket(pool->config.socket_arg,
				 target->address->sa_family);
	if (fd < 0)
		return fd;
	r = bind_source(s, fd, target->address->sa_family);
	if (r < 0) {
		close(fd);
		return r;
	}
	return outbound_session_start(s, fd, target->address, target->length);
}

struct outbound_session *outbound_open(struct outbound *pool,
				       const struct outbound_target *target,
				       void *destination, int *error)
{
	struct outbound_session *s = calloc(1, sizeof(*s));
	int r = s ? 0 : -ENOMEM;

	if (s) {
		s->pool = pool;
		s->hop = target->hop;
		s->destination = destination;
		s->plain = target->plain;
		s->rekeys = target->rekeys &&
			    pool->config.config->offload != KTLS_OFFLOAD_ALWAYS;
		if (target->terms)
			s->terms = *target->terms;
		else
			outbound_terms_of(pool->config.config,
					  target->hop->route, NULL, &s->terms);
		s->expected = target->expected;
		s->opened = uring_now(pool->config.env->ring);
		s->number = ++pool->numbers;
		r = open_session(s, target);
	}
	if (r < 0) {
		*error = -r;
		if (s)
			free(s->host);
		free(s);
		return NULL;
	}
	link_session(pool, s);
	return s;
}

const char *outbound_host(const struct outbound_session *s)
{
	return s->host;
}

void outbound_retire(struct outbound_session *s)
{
	s->stopping = true;
}

uint64_t outbound_messages(const struct outbound_session *s)
{
	return s->messages;
}

void outbound_wake(struct outbound_session *s)
{
	outbound_dispatch(s, OUTBOUND_ON_WAKE);
}

bool outbound_idle(const struct outbound_session *s)
{
	return s->state == OUTBOUND_READY && !s->delivery;
}

bool outbound_resetting(const struct outbound_session *s)
{
	return s->state == OUTBOUND_RESET;
}

bool outbound_retry_plain(const struct outbound_session *s)
{
	return s->tls_failed && s->terms.tls == CONFIG_TLS_MAY;
}

bool outbound_rekeys(const struct outbound_session *s)
{
	return s->rekeyed && !s->rekeys &&
	       s->pool->config.config->offload != KTLS_OFFLOAD_ALWAYS;
}

void outbound_shutdown(struct outbound *pool)
{
	struct outbound_session *s, *next;

	for (s = pool->sessions; s; s = next) {
		next = s->next;
		s->stopping = true;
		outbound_dispatch(s, OUTBOUND_ON_SHUTDOWN);
	}
}

void outbound_abort(struct outbound *pool)
{
	struct outbound_session *s, *next;

	for (s = pool->sessions; s; s = next) {
		next = s->next;
		s->stopping = true;
		outbound_session_abort(s);
	}
}

unsigned outbound_sessions(const struct outbound *pool)
{
	return pool->count;
}

const struct outbound_stats *outbound_stats(const struct outbound *pool)
{
	return &pool->stats;
}

void outbound_stats_now(const struct outbound *pool, struct outbound_stats *out)
{
	*out = pool->stats;
	out->sessions = pool->count;
	for (const struct outbound_session *s = pool->sessions; s;
	     s = s->next) {
		struct ktls_stream_info info;

		if (s->state >= OUTBOUND_CLOSING)
			continue;
		ktls_stream_info(&s->stream, &info);
		tls_stats_open(&out->tls, &info);
	}
}

void outbound_stats_add(struct outbound_stats *to,
			const struct outbound_stats *from)
{
	SUM_INTO(to, from);
}
