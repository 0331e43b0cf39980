/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues of several workers that share a destination's limits, seed by seed:
 * random limits, rates and backoff, refusals, lost connections, completions in
 * any order, mail that comes in bursts.
 *
 * What must hold for every seed, after every turn: no more connections than the
 * limit, over all workers; in any window of time no more messages and no more
 * connections than the rate gives in it, a second's worth, and one for each
 * worker (which may hold a place in the stream back); and in the end: all mail
 * is delivered, once unless a connection was lost, and no worker with mail had
 * to watch others have more than their turn.
 *
 *   sim_queue [FIRST [LAST]]     (default 1 300)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log/log.h"
#include "tests/support/sim_random.h"
#include "tests/unit/queue/queue_world.h"

#define BURSTS_MAX 16
/* As many a connection carries before it is given up for others, and as many
 * as those that wait may need to come round. */
#define TURN_MESSAGES 100

static uint64_t the_seed;

#define CHECK(condition, what, number)                              \
	do {                                                        \
		if (!(condition))                                   \
			fail(__LINE__, #condition, what, (number)); \
	} while (0)

static void fail(int line, const char *condition, const char *what,
		 uint64_t number)
{
	fprintf(stderr, "seed %llu: %s (%llu): %s, line %d\n",
		(unsigned long long)the_seed, what, (unsigned long long)number,
		condition, line);
	abort();
}

struct plan {
	struct sim_random random;
	struct queue_world_luck luck;
	unsigned workers, limit;
	struct config_rate messages, connections;
	bool backoff;
	unsigned sent[WORLD_WORKERS];
	struct {
		unsigned worker, count;
		unsigned before; /* messages received before it was sent */
	} bursts[BURSTS_MAX];
	unsigned burst_count;
};

static unsigned below(struct plan *p, unsigned n)
{
	return (unsigned)sim_random_below(&p->random, n);
}

/* --- the plan --- */

static struct config_rate random_rate(struct plan *p)
{
	struct config_rate rate = {.count = 1 + below(p, 60),
				   .period = (1 + below(p, 30)) * URING_SEC};

	if (below(p, 2))
		rate.count = 0;
	return rate;
}

static int put_rate(char *out, size_t room, const char *name,
		    const struct config_rate *rate)
{
	if (rate->count == 0)
		return 0;
	return snprintf(out, room, "  %s: %llu/%llus\n", name,
			(unsigned long long)rate->count,
			(unsigned long long)(rate->period / URING_SEC));
}

static void make_plan(struct plan *p, char *text, size_t room)
{
	int n;

	p->random = (struct sim_random){the_seed};
	p->luck.seed = the_seed;
	p->luck.short_percent = below(p, 30);
	p->luck.delay_percent = below(p, 50);
	if (below(p, 2)) {
		p->luck.refuse_percent = below(p, 15);
		p->luck.drop_percent = below(p, 4);
	}
	p->workers = 1 + below(p, WORLD_WORKERS);
	p->limit = 1 + below(p, 6);
	p->messages = random_rate(p);
	p->connections = random_rate(p);
	p->backoff = p->luck.refuse_percent > 0 && below(p, 2);
	n = snprintf(text, room,
		     "- match: \"*\"\n  connections: %u\n"
		     "  messages_per_connection: %u\n",
		     p->limit, below(p, 3) ? 0 : 1 + below(p, 8));
	n += put_rate(text + n, room - (size_t)n, "message_rate", &p->messages);
	n += put_rate(text + n, room - (size_t)n, "connection_rate",
		      &p->connections);
	if (p->backoff)
		snprintf(text + n, room - (size_t)n,
			 "  backoff:\n"
			 "    - {reply: \"^4\", action: %s, for: 20s}\n",
			 below(p, 2) ? "slow_down" : "suspend");
}

/* --- what must hold --- */

static void check_connections(struct queue_world *w)
{
	const struct plan *p = w->check_arg;
	unsigned sessions = 0;

	for (unsigned i = 0; i < w->worker_count; i++)
		sessions += queue_sessions(w->workers[i].queue);
	CHECK(sessions <= p->limit, "too many connections", sessions);
}

/* A second's worth: what may go together after a pause. */
static uint64_t burst_of(const struct config_rate *rate)
{
	uint64_t n = rate->count * URING_SEC / rate->period;

	return n > 0 ? n : 1;
}

/* @at: times in order. Windows that begin with any of them. */
static void check_rate(const struct plan *p, const struct config_rate *rate,
		       const uint64_t *at, unsigned count, const char *what)
{
	uint64_t extra = burst_of(rate) + p->workers + 1;

	for (unsigned i = 0; rate->count > 0 && i < count; i++)
		for (unsigned j = i; j < count; j++) {
			uint64_t allowed = (at[j] - at[i]) / 1000 *
						   rate->count /
						   (rate->period / 1000) +
					   extra;

			CHECK(j - i + 1 <= allowed, what, j - i + 1);
		}
}

static void check_rates(const struct plan *p, const struct queue_world *w)
{
	static uint64_t at[WORLD_MAILS];

	for (unsigned i = 0; i < w->received; i++)
		at[i] = w->mails[i].at;
	check_rate(p, &p->messages, at, w->received, "messages too fast");
	check_rate(p, &p->connections, w->opened, w->server.connections,
		   "connections too fast");
}

/* How much mail of @worker was there when @received had come. */
static unsigned sent_by(const struct plan *p, unsigned worker,
			unsigned received)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->burst_count; i++)
		if (p->bursts[i].worker == worker &&
		    p->bursts[i].before <= received)
			n += p->bursts[i].count;
	return n;
}

static void check_turns(const struct plan *p, const struct queue_world *w)
{
	unsigned most = TURN_MESSAGES * p->limit * p->workers;

	for (unsigned worker = 0; worker < p->workers; worker++) {
		unsigned mine = 0, others = 0;

		for (unsigned i = 0; i < w->received; i++) {
			bool is_mine = w->mails[i].from == worker;

			mine += is_mine;
			others++;
			if (is_mine || mine == sent_by(p, worker, i))
				others = 0;
			CHECK(others <= most, "a worker starves", worker);
		}
	}
}

static void check_delivered(const struct plan *p, const struct queue_world *w)
{
	for (unsigned i = 0; i < p->workers; i++) {
		unsigned n = queue_world_received_from(w, i);

		CHECK(n >= p->sent[i], "mail is lost", i);
		CHECK(n == p->sent[i] || p->luck.drop_percent > 0,
		      "mail is repeated", i);
	}
}

/* --- a seed --- */

static bool all_done(const struct queue_world *w)
{
	struct queue_stats stats = queue_world_stats(w);
	uint64_t open = 0;

	for (unsigned i = 0; i < w->worker_count; i++)
		open += spool_stats(w->workers[i].spool)->accepted -
			spool_stats(w->workers[i].spool)->finished;
	return open == 0 && stats.ready == 0 && stats.waiting == 0;
}

static void send_some(struct plan *p, struct queue_world *w)
{
	unsigned worker = below(p, p->workers);
	unsigned n = 1 + below(p, below(p, 4) ? 60 : 400);

	p->bursts[p->burst_count].worker = worker;
	p->bursts[p->burst_count].count = n;
	p->bursts[p->burst_count++].before = w->received;
	queue_world_send_many(w, worker, n);
	p->sent[worker] += n;
}

static void run_seed(uint64_t *messages)
{
	struct plan p = {0};
	char text[1024];
	struct queue_world *w;

	make_plan(&p, text, sizeof(text));
	w = queue_world_start_with(p.workers, text, &p.luck);
	w->check = check_connections;
	w->check_arg = &p;
	for (unsigned n = 3 + below(&p, 5); n > 0; n--) {
		send_some(&p, w);
		for (unsigned step = below(&p, 40); step > 0; step--)
			queue_world_later(w, below(&p, 2000) * URING_MSEC);
	}
	/* No more accidents. */
	w->server.config.refuse_percent = 0;
	w->server.config.drop_percent = 0;
	queue_world_settle(w);
	for (unsigned i = 0; !all_done(w); i++) {
		CHECK(i < 40000, "mail is stuck", i);
		/* Slow rates and much mail take a day. */
		queue_world_later(w, (i < 2000 ? 500 : 5000) * URING_MSEC);
	}
	check_rates(&p, w);
	check_delivered(&p, w);
	/* Whoever waits for more than a connection has no turn yet. */
	if (p.luck.refuse_percent + p.luck.drop_percent + p.connections.count ==
	    0)
		check_turns(&p, w);
	*messages += w->received;
	queue_world_finish(w);
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	uint64_t last = argc > 2 ? strtoull(argv[2], NULL, 10) : 300;
	uint64_t messages = 0;

	(void)log_open(NULL, CONFIG_LOG_TEXT, CONFIG_LOG_ERROR);
	for (the_seed = first; the_seed <= last; the_seed++)
		run_seed(&messages);
	printf("seeds=%llu messages=%llu\n",
	       (unsigned long long)(last - first + 1),
	       (unsigned long long)messages);
	return 0;
}
