/* SPDX-License-Identifier: Apache-2.0 */
/* Open and closed loops; see source_pace.h. */
#include "bench/source/source_pace.h"

#include <math.h>
#include <sys/prctl.h>
#include <time.h>

#include "bench/bench_clock.h"

/* Thirty years: beyond it there is no order any more. */
#define FAR_SECONDS 1e9

void source_pace_init(struct source_pace *p, double rate)
{
	pthread_condattr_t attr;

	*p = (struct source_pace){.rate = rate};
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->moved, &attr);
	pthread_condattr_destroy(&attr);
}

void source_pace_deinit(struct source_pace *p)
{
	pthread_cond_destroy(&p->moved);
	pthread_mutex_destroy(&p->lock);
}

void source_pace_join(const struct source_pace *p)
{
	if (p->rate > 0) /* not the usual 50 us too late */
		prctl(PR_SET_TIMERSLACK, 1ul);
}

void source_pace_start(struct source_pace *p, uint64_t when)
{
	p->start = when;
}

/* False: stopped before. */
static bool sleep_until(struct source_pace *p, uint64_t due)
{
	const struct timespec ts = {(time_t)(due / 1000000000u),
				    (long)(due % 1000000000u)};
	bool stopped;

	pthread_mutex_lock(&p->lock);
	while (!p->stopped && bench_clock_ns() < due)
		pthread_cond_timedwait(&p->moved, &p->lock, &ts);
	stopped = p->stopped;
	pthread_mutex_unlock(&p->lock);
	return !stopped;
}

bool source_pace_wait(struct source_pace *p, uint64_t index, uint64_t *due,
		      uint64_t *turned)
{
	double after = (double)index / p->rate;
	bool go = true;

	*turned = bench_clock_ns();
	*due = *turned;
	if (p->rate <= 0)
		return true;
	*due = p->start + (uint64_t)(fmin(after, FAR_SECONDS) * 1e9);
	if (*due > *turned) {
		go = sleep_until(p, *due);
		*turned = bench_clock_ns();
	}
	return go;
}

void source_pace_stop(struct source_pace *p)
{
	pthread_mutex_lock(&p->lock);
	p->stopped = true;
	pthread_cond_broadcast(&p->moved);
	pthread_mutex_unlock(&p->lock);
}
