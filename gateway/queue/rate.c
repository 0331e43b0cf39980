/* SPDX-License-Identifier: Apache-2.0 */
/* A rate without a lock. */
#include "gateway/queue/rate.h"

#define SECOND UINT64_C(1000000000)

/* Rounded up, so that the rate is never exceeded. */
static uint64_t interval_of(const struct config_rate *limit, unsigned halvings)
{
	return ((limit->period + limit->count - 1) / limit->count) << halvings;
}

uint64_t rate_take(struct rate *rate, const struct config_rate *limit,
		   unsigned halvings, uint64_t now)
{
	uint64_t interval, burst, next, from, at;

	if (limit->count == 0)
		return now;
	interval = interval_of(limit, halvings);
	burst = interval < SECOND ? SECOND - interval : 0;
	next = atomic_load_explicit(&rate->next, memory_order_relaxed);
	do {
		from = next > now ? next : now;
		at = from > now + burst ? from - burst : now;
	} while (!atomic_compare_exchange_weak_explicit(
		&rate->next, &next, from + interval, memory_order_relaxed,
		memory_order_relaxed));
	return at;
}

bool rate_rests(const struct rate *rate, uint64_t now)
{
	return atomic_load_explicit(&rate->next, memory_order_relaxed) <= now;
}
