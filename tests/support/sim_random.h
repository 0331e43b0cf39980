/* SPDX-License-Identifier: Apache-2.0 */
/* A small seeded generator (splitmix64): the same seed, the same run. */
#ifndef TESTS_SUPPORT_SIM_RANDOM_H
#define TESTS_SUPPORT_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct sim_random {
	uint64_t state;
};

static inline uint64_t sim_random_next(struct sim_random *r)
{
	uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0 .. n - 1 */
static inline uint64_t sim_random_below(struct sim_random *r, uint64_t n)
{
	return sim_random_next(r) % n;
}

static inline bool sim_random_percent(struct sim_random *r, unsigned percent)
{
	return sim_random_below(r, 100) < percent;
}

#endif
