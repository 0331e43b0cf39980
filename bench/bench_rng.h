/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small deterministic random numbers (splitmix64). The same seed and index
 * give the same mail on every machine, and a fault script repeats.
 */
#ifndef BENCH_RNG_H
#define BENCH_RNG_H

#include <stdint.h>

/* Scale of shares: 1,000,000 parts are all of it. */
#define BENCH_SHARE_ALL 1000000u

static inline uint64_t bench_rng_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* State of the stream that belongs to item `index` of `seed`. */
static inline uint64_t bench_rng_stream(uint64_t seed, uint64_t index)
{
	uint64_t state = seed;

	state = bench_rng_next(&state) ^ (index * 0xd1342543de82ef95ull + 1);
	return bench_rng_next(&state);
}

/* A number in [0, bound); bound > 0. The bias of the modulo is harmless. */
static inline uint64_t bench_rng_below(uint64_t *state, uint64_t bound)
{
	return bench_rng_next(state) % bound;
}

/* A number in [0, 1). */
static inline double bench_rng_unit(uint64_t *state)
{
	return (double)(bench_rng_next(state) >> 11) * 0x1p-53;
}

static inline uint32_t bench_rng_share(uint64_t *state)
{
	return (uint32_t)bench_rng_below(state, BENCH_SHARE_ALL);
}

#endif
