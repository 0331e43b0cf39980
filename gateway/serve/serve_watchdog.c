/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signs of life. A worker lives when its ring turns: each is woken, and must
 * have turned at the next look. One that hangs keeps the sign from being sent,
 * and the service manager ends the relay.
 */
#include <stdlib.h>

#include "gateway/serve/notify.h"
#include "gateway/serve/serve_private.h"

/* Looks in the time that is allowed. */
#define LOOKS 4

static bool all_turn(struct serve *s)
{
	bool all = true;

	for (unsigned i = 0; i < s->started; i++) {
		uint64_t turns = worker_turns(s->workers[i]);

		all &= turns != s->turns[i];
		s->turns[i] = turns;
		worker_wake(s->workers[i]);
	}
	return all;
}

void serve_watchdog(struct serve *s)
{
	uint64_t now = serve_monotonic();

	if (s->watchdog == 0 || now - s->signed_at < s->watchdog / LOOKS)
		return;
	s->signed_at = now;
	if (!s->turns)
		s->turns = calloc(s->started, sizeof(s->turns[0]));
	if (s->turns && all_turn(s))
		(void)notify("WATCHDOG=1");
}
