/* SPDX-License-Identifier: Apache-2.0 */
/* The workers, as the control thread handles them. */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "gateway/log/log.h"
#include "gateway/serve/inherited.h"
#include "gateway/serve/serve_private.h"

static int bind_listeners(struct serve *s, bool alone, int *fds)
{
	const struct config *c = s->snapshot->config;

	for (size_t i = 0; i < c->listener_count; i++) {
		const struct config_listener *l = &c->listeners[i];

		fds[i] = serve_socket(s, &l->address, alone);
		if (fds[i] >= 0)
			continue;
		log_error("serve.bind", L_STR("address", l->address.text),
			  L_UINT("line", l->line),
			  L_STR("error", strerror(-fds[i])));
		while (i-- > 0)
			close(fds[i]);
		return EX_UNAVAILABLE;
	}
	return EX_OK;
}

static int start_worker(struct serve *s, unsigned index)
{
	const struct config *c = s->snapshot->config;
	int *fds = calloc(c->listener_count, sizeof(*fds));
	int r = fds ? bind_listeners(s, index == 0, fds) : EX_OSERR;

	if (r == EX_OK && worker_start(&s->shared, s->snapshot, index, fds,
				       &s->workers[index]) < 0) {
		for (size_t i = 0; i < c->listener_count; i++)
			close(fds[i]);
		r = EX_OSERR;
	}
	free(fds);
	return r;
}

int serve_start_workers(struct serve *s)
{
	int r = EX_OK, result;

	s->workers =
		calloc(s->snapshot->config->workers, sizeof(s->workers[0]));
	if (!s->workers)
		return EX_OSERR;
	s->inherited = inherited_take();
	while (r == EX_OK && s->started < s->snapshot->config->workers) {
		r = start_worker(s, s->started);
		if (r == EX_OK)
			s->started++;
	}
	inherited_free(&s->inherited);
	for (unsigned i = 0; i < s->started; i++) {
		result = worker_wait_ready(s->workers[i]);
		if (r == EX_OK)
			r = result;
	}
	return r;
}

void serve_order_all(struct serve *s, enum worker_order order)
{
	for (unsigned i = 0; i < s->started; i++)
		worker_order(s->workers[i], order);
}

bool serve_all_running(const struct serve *s)
{
	for (unsigned i = 0; i < s->started; i++)
		if (!worker_running(s->workers[i]))
			return false;
	return true;
}

bool serve_any_running(const struct serve *s)
{
	for (unsigned i = 0; i < s->started; i++)
		if (worker_running(s->workers[i]))
			return true;
	return false;
}

int serve_join_workers(struct serve *s, int result)
{
	for (unsigned i = 0; i < s->started; i++) {
		int r = worker_join(&s->workers[i]);

		if (result == EX_OK)
			result = r;
	}
	free(s->workers);
	return result;
}
