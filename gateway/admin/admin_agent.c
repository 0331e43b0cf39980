/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's part of the admin interface (admin_agent.h). */
#include "gateway/admin/admin_agent.h"

#include <stdlib.h>

#include "gateway/admin/admin_job.h"
#include "uring/uring.h"
#include "uring/uring_op.h"
#include "uring/uring_timer.h"

#define REST_TIME (2 * URING_MSEC)

struct admin_agent {
	struct uring *ring;
	struct queue *queue;
	void (*stats)(void *arg, struct worker_stats *out); /* NULL: none */
	void *stats_arg;
	struct admin_job *first, **last; /* in turns */
	bool ticking;			 /* a NOP is in flight */
	struct uring_timer rest;
	bool stopping;
	pthread_mutex_t lock; /* guards what follows */
	struct admin_port *posted[ADMIN_POSTED_MAX];
	unsigned posted_count;
};

static void on_tick(void *owner, const struct uring_event *event);
static void on_rested(void *owner);

struct admin_agent *admin_agent_create(struct uring *ring, struct queue *queue)
{
	struct admin_agent *agent = calloc(1, sizeof(*agent));

	if (!agent)
		return NULL;
	agent->ring = ring;
	agent->queue = queue;
	agent->last = &agent->first;
	agent->rest = (struct uring_timer){.fn = on_rested, .owner = agent};
	pthread_mutex_init(&agent->lock, NULL);
	return agent;
}

void admin_agent_measure(struct admin_agent *agent,
			 void (*stats)(void *arg, struct worker_stats *out),
			 void *arg)
{
	agent->stats = stats;
	agent->stats_arg = arg;
}

static void push(struct admin_agent *agent, struct admin_job *job)
{
	job->next = NULL;
	*agent->last = job;
	agent->last = &job->next;
}

static struct admin_job *pop(struct admin_agent *agent)
{
	struct admin_job *job = agent->first;

	if (!job)
		return NULL;
	agent->first = job->next;
	if (!agent->first)
		agent->last = &agent->first;
	return job;
}

/* Go on in the next turn; without an operation for that, at the next wake. */
static void tick(struct admin_agent *agent)
{
	struct uring_target target = {.fn = on_tick, .owner = agent};

	if (!agent->ticking && !agent->stopping)
		agent->ticking = uring_nop(agent->ring, target) != NULL;
}

/* One job has its turn; what the others wait for comes by admin_agent_wake(),
 * or by the timer. */
static void work(struct admin_agent *agent)
{
	bool rests = false;
	unsigned jobs = 0;

	for (struct admin_job *j = agent->first; j; j = j->next)
		jobs++;
	while (jobs-- > 0) {
		struct admin_job *job = pop(agent);
		enum admin_job_result r = admin_job_turn(job, ADMIN_TURN);

		if (r == ADMIN_JOB_DONE)
			admin_job_free(&job);
		else
			push(agent, job);
		if (r == ADMIN_JOB_DONE || r == ADMIN_JOB_MORE) {
			if (agent->first)
				tick(agent);
			return;
		}
		rests |= r == ADMIN_JOB_RESTS;
	}
	if (rests)
		uring_timer_set(agent->ring, &agent->rest, REST_TIME);
}

static void on_tick(void *owner, const struct uring_event *event)
{
	struct admin_agent *agent = owner;

	agent->ticking = false;
	if (!agent->stopping)
		work(agent);
}

static void on_rested(void *owner)
{
	work(owner);
}

void admin_agent_post(struct admin_agent *agent, struct admin_port *port)
{
	bool room;

	pthread_mutex_lock(&agent->lock);
	room = agent->posted_count < ADMIN_POSTED_MAX;
	if (room)
		agent->posted[agent->posted_count++] = port;
	pthread_mutex_unlock(&agent->lock);
	if (room)
		return;
	admin_port_finish(port, NULL, true);
	admin_port_unref(&port);
}

static void begin(struct admin_agent *agent, struct admin_port *port)
{
	struct admin_job *job = NULL;

	if (!agent->stopping)
		job = admin_job_create(agent->queue, port);
	if (job) {
		if (agent->stats && admin_job_measures(job))
			agent->stats(agent->stats_arg, &job->counts.worker);
		push(agent, job);
		return;
	}
	admin_port_finish(port, NULL, true);
	admin_port_unref(&port);
}

static void take_posted(struct admin_agent *agent)
{
	struct admin_port *posted[ADMIN_POSTED_MAX];
	unsigned count;

	pthread_mutex_lock(&agent->lock);
	count = agent->posted_count;
	for (unsigned i = 0; i < count; i++)
		posted[i] = agent->posted[i];
	agent->posted_count = 0;
	pthread_mutex_unlock(&agent->lock);
	for (unsigned i = 0; i < count; i++)
		begin(agent, posted[i]);
}

void admin_agent_wake(struct admin_agent *agent)
{
	take_posted(agent);
	if (agent->first)
		tick(agent);
}

void admin_agent_stop(struct admin_agent *agent)
{
	struct admin_job *job;

	agent->stopping = true;
	uring_timer_clear(agent->ring, &agent->rest);
	take_posted(agent);
	while ((job = pop(agent))) {
		admin_job_refuse(job);
		admin_job_free(&job);
	}
}

bool admin_agent_busy(const struct admin_agent *agent)
{
	return agent->ticking;
}

void admin_agent_destroy(struct admin_agent **pointer)
{
	struct admin_agent *agent = *pointer;

	if (!agent)
		return;
	admin_agent_stop(agent);
	pthread_mutex_destroy(&agent->lock);
	free(agent);
	*pointer = NULL;
}
