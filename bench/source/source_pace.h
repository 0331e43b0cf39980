/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When each message is due. Without a rate: as soon as a connection has time
 * for it, so that a slow server is asked for less (a closed loop). With one:
 * at a moment of its own, whatever became of those before (an open loop).
 * Latency that is counted from there has in it the wait for a connection, which
 * a closed loop never sees ("coordinated omission").
 */
#ifndef BENCH_SOURCE_PACE_H
#define BENCH_SOURCE_PACE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct source_pace {
	double rate; /* messages per second; 0: no rate */
	uint64_t start;
	pthread_mutex_t lock; /* of `stopped` */
	pthread_cond_t moved;
	bool stopped;
};

void source_pace_init(struct source_pace *p, double rate);
void source_pace_deinit(struct source_pace *p);

/* Called by each thread that will wait, once. */
void source_pace_join(const struct source_pace *p);

/* The first message is due at this moment of bench_clock_ns(). */
void source_pace_start(struct source_pace *p, uint64_t when);

/*
 * Waits until message `index` is due. When that was, in *due, and when the
 * wait was over, in *turned; the same without a rate. False: stopped.
 */
bool source_pace_wait(struct source_pace *p, uint64_t index, uint64_t *due,
		      uint64_t *turned);

/* Ends all waits, those to come as well. */
void source_pace_stop(struct source_pace *p);

#endif
