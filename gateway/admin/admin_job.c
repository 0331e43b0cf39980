/* SPDX-License-Identifier: Apache-2.0 */
/* One request in one worker (admin_job.h). */
#include "gateway/admin/admin_job.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/queue/deferrals.h"

/* Domains cost more than entries. */
#define DOMAIN_COST 2
/* On top of looking at it: records, a line of the log. */
#define ACTION_COST 8
/* Of 2 ms; then a disk that hangs holds up no answer. */
#define RESTS_MAX 5000

struct admin_job *admin_job_create(struct queue *queue, struct admin_port *port)
{
	const struct admin_request *request = port->request;
	struct admin_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->queue = queue;
	job->port = port;
	job->number = queue_act_number(queue);
	if (request->command == ADMIN_TRACE) {
		admin_trace_begin(job);
		return job;
	}
	if (admin_job_measures(job) || request->destination) {
		job->domains = queue_domains_begin(queue);
		if (job->domains)
			return job;
		free(job);
		return NULL;
	}
	queue_look_begin(&job->look, queue, &request->filter, request->after);
	return job;
}

bool admin_job_measures(const struct admin_job *job)
{
	enum admin_command command = job->port->request->command;

	return command == ADMIN_SUMMARY || command == ADMIN_STATUS;
}

void admin_job_free(struct admin_job **pointer)
{
	struct admin_job *job = *pointer;

	if (!job)
		return;
	admin_trace_end(job);
	queue_domains_end(&job->domains);
	queue_look_end(&job->look);
	admin_port_unref(&job->port);
	free(job);
	*pointer = NULL;
}

void admin_job_refuse(struct admin_job *job)
{
	admin_port_finish(job->port, &job->counts, true);
}

/* False: enough for now. */
static bool put(struct admin_job *job, struct admin_row *row)
{
	if (row)
		return admin_port_put(job->port, row);
	job->no_memory = true;
	return false;
}

/* --- summary --- */

static void on_domain(void *arg, const struct queue_domain *domain)
{
	(void)put(arg, admin_row_domain(domain));
}

static bool summary_turn(struct admin_job *job, int budget)
{
	return queue_domains_on(job->domains, budget / DOMAIN_COST, on_domain,
				job);
}

/* --- status --- */

static void put_deferrals(struct admin_job *job)
{
	const struct deferrals *deferrals = queue_deferrals(job->queue);

	for (unsigned i = 0; i < DEFERRALS_MAX; i++)
		if (deferrals->rows[i].at)
			(void)put(job, admin_row_deferral(&deferrals->rows[i]));
}

static bool status_turn(struct admin_job *job, int budget)
{
	if (!job->shown) {
		job->shown = true;
		put_deferrals(job);
		return true;
	}
	return summary_turn(job, budget);
}

/* --- list --- */

/* A page ends between messages; one entry beyond it tells that there are
 * more. */
static bool on_listed(void *arg, const struct queue_entry *entry)
{
	struct admin_job *job = arg;
	uint64_t limit = job->port->request->limit;

	job->counts.seen++;
	if (++job->rows == limit)
		job->page_end = entry->id;
	else if (limit > 0 && job->rows > limit && entry->id != job->page_end)
		job->page_over = true;
	return put(job, admin_row_entry(entry)) && !job->page_over;
}

static bool list_turn(struct admin_job *job, int budget)
{
	return queue_look_on(&job->look, budget, on_listed, job) &&
	       !job->page_over;
}

/* --- actions --- */

static void count(struct admin_counts *counts, enum queue_acted r)
{
	counts->changed += r == QUEUE_CHANGED;
	counts->unwanted += r == QUEUE_UNWANTED;
	counts->busy += r == QUEUE_BUSY;
	counts->failed += r == QUEUE_FAILED;
}

static enum queue_verb verb_of(enum admin_command command)
{
	static const enum queue_verb verbs[] = {
		[ADMIN_RETRY] = QUEUE_RETRY,	 [ADMIN_HOLD] = QUEUE_HOLD,
		[ADMIN_RELEASE] = QUEUE_RELEASE, [ADMIN_BOUNCE] = QUEUE_BOUNCE,
		[ADMIN_DELETE] = QUEUE_DELETE,	 [ADMIN_MOVE] = QUEUE_MOVE,
	};

	return verbs[command];
}

static void note_spool(struct admin_job *job, struct spool *spool)
{
	job->spool = spool;
	for (unsigned i = 0; i < job->spool_count; i++)
		if (job->spools[i].spool == spool)
			return;
	if (job->spool_count < ADMIN_JOB_SPOOLS)
		job->spools[job->spool_count++].spool = spool;
}

static uint64_t written(const struct spool *spool)
{
	const struct spool_stats *stats = spool_stats(spool);

	return stats->accepted + stats->results;
}

static void set_targets(struct admin_job *job)
{
	for (unsigned i = 0; i < job->spool_count; i++)
		job->spools[i].target =
			written(job->spools[i].spool) +
			spool_sync_pending(job->spools[i].spool);
}

/* A message that fails meanwhile is never counted: then nothing pending, or
 * the limit, ends the wait. */
static bool all_written(const struct admin_job *job)
{
	for (unsigned i = 0; i < job->spool_count; i++)
		if (written(job->spools[i].spool) < job->spools[i].target &&
		    spool_sync_pending(job->spools[i].spool) > 0)
			return false;
	return true;
}

/* An action is said to be done when the disk has it. */
static bool is_durable(struct admin_job *job)
{
	bool enough = ++job->rests > RESTS_MAX;

	if (job->phase == ADMIN_JOB_STORES) {
		if (queue_act_storing(job->queue) && !enough)
			return false;
		set_targets(job);
		job->phase = ADMIN_JOB_WRITES;
		job->rests = 0;
	}
	return all_written(job) || enough;
}

static bool on_entry(void *arg, const struct queue_entry *entry)
{
	struct admin_job *job = arg;
	const struct admin_request *request = job->port->request;
	struct queue_action action = {
		.verb = verb_of(request->command),
		.number = job->number,
		.filter = &request->filter,
		.by = request->by,
		.reason = request->reason,
		.to = request->to.text ? &request->to : NULL,
	};

	job->counts.seen++;
	note_spool(job, entry->spool);
	job->look.budget -= ACTION_COST;
	count(&job->counts, queue_act(job->queue, entry, &action));
	return !queue_act_behind(job->queue, job->spool);
}

static bool action_turn(struct admin_job *job, int budget)
{
	bool more = queue_look_on(&job->look, budget, on_entry, job);

	queue_acted(job->queue);
	return more;
}

/* --- suspend, resume --- */

static void on_suspended(void *arg, const struct queue_domain *domain)
{
	struct admin_job *job = arg;
	const struct admin_request *request = job->port->request;

	count(&job->counts,
	      queue_suspend(job->queue, domain, request->destination,
			    request->command == ADMIN_SUSPEND));
}

static bool suspend_turn(struct admin_job *job, int budget)
{
	return queue_domains_on(job->domains, budget / DOMAIN_COST,
				on_suspended, job);
}

/* --- a turn --- */

static bool turn(struct admin_job *job, int budget)
{
	switch (job->port->request->command) {
	case ADMIN_SUMMARY:
		return summary_turn(job, budget);
	case ADMIN_STATUS:
		return status_turn(job, budget);
	case ADMIN_LIST:
		return list_turn(job, budget);
	case ADMIN_SHOW:
		return admin_show_turn(job);
	case ADMIN_RETRY:
	case ADMIN_HOLD:
	case ADMIN_RELEASE:
	case ADMIN_BOUNCE:
	case ADMIN_DELETE:
	case ADMIN_MOVE:
		return action_turn(job, budget);
	case ADMIN_SUSPEND:
	case ADMIN_RESUME:
		return suspend_turn(job, budget);
	case ADMIN_TRACE:
	case ADMIN_RELOAD:
	case ADMIN_RESTART:
	case ADMIN_INSTANCE:
	case ADMIN_COMMANDS:
		break;
	}
	assert(!"a command that no job can be made for");
	return false;
}

enum admin_job_result admin_job_turn(struct admin_job *job, int budget)
{
	if (job->phase == ADMIN_JOB_WALKS && !admin_port_cancelled(job->port)) {
		if (job->tracing)
			return ADMIN_JOB_WAITS;
		if (admin_port_full(job->port))
			return ADMIN_JOB_WAITS;
		if (queue_act_behind(job->queue, job->spool))
			return ADMIN_JOB_RESTS;
		if (turn(job, budget) && !job->no_memory)
			return ADMIN_JOB_MORE;
	}
	if (job->phase == ADMIN_JOB_WALKS && job->spool_count > 0)
		job->phase = ADMIN_JOB_STORES;
	if (job->phase != ADMIN_JOB_WALKS && !is_durable(job))
		return ADMIN_JOB_RESTS;
	job->counts.no_memory = job->no_memory;
	admin_port_finish(job->port, &job->counts, false);
	return ADMIN_JOB_DONE;
}
