/* SPDX-License-Identifier: Apache-2.0 */
/* The command `status` (admin_status.h). */
#include "gateway/admin/admin_status.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/admin/admin_call.h"
#include "gateway/admin/admin_health.h"
#include "gateway/admin/admin_status_json.h"
#include "gateway/metrics/metrics_view.h"

struct admin_status {
	struct metrics_view view;
	bool seen; /* the view is whole */
	struct admin_row *deferrals[ADMIN_STATUS_DEFERRALS]; /* owned; newest
							      * first */
	size_t deferral_count;
};

struct admin_status *admin_status_create(void)
{
	return calloc(1, sizeof(struct admin_status));
}

void admin_status_free(struct admin_status **pointer)
{
	struct admin_status *status = *pointer;

	if (!status)
		return;
	for (size_t i = 0; i < status->deferral_count; i++)
		free(status->deferrals[i]);
	free(status);
	*pointer = NULL;
}

const struct metrics_view *admin_call_view(const struct admin_call *call)
{
	return call->status && call->status->seen ? &call->status->view : NULL;
}

/* --- rows --- */

/* Keep it if it is newer than what there is room for. */
static void keep_deferral(struct admin_status *s, struct admin_row *row)
{
	size_t at = s->deferral_count;

	while (at > 0 && s->deferrals[at - 1]->arrival < row->arrival)
		at--;
	if (at == ADMIN_STATUS_DEFERRALS) {
		free(row);
		return;
	}
	if (s->deferral_count == ADMIN_STATUS_DEFERRALS)
		free(s->deferrals[--s->deferral_count]);
	memmove(&s->deferrals[at + 1], &s->deferrals[at],
		(s->deferral_count - at) * sizeof(s->deferrals[0]));
	s->deferrals[at] = row;
	s->deferral_count++;
}

static void take_row(struct admin_call *call, struct admin_row *row)
{
	if (!call->status || !call->summary)
		free(row);
	else if (row->kind == ADMIN_ROW_DEFERRAL)
		keep_deferral(call->status, row);
	else if (!admin_summary_add(call->summary, row))
		call->no_memory = true;
}

void admin_status_rows(struct admin_call *call)
{
	struct admin_row *row;

	if (!call->status)
		call->status = admin_status_create();
	if (!call->summary)
		call->summary = admin_summary_create(false);
	for (unsigned i = 0; i < call->track_count; i++)
		while ((row = admin_call_next(call, i))) {
			call->moved = true;
			take_row(call, row);
		}
}

/* --- the view --- */

static void add_destination(struct metrics_destination *to,
			    const struct admin_row *row)
{
	for (unsigned i = 0; i < QUEUE_STATES; i++)
		to->count[i] += row->count[i];
	to->sessions += row->sessions;
	if (row->arrival && (!to->oldest || row->arrival < to->oldest))
		to->oldest = row->arrival;
}

static void add_rows(struct admin_call *call, struct metrics_view *view)
{
	uint64_t limit = call->request->limit;
	struct admin_row **rows =
		admin_summary_sort(call->summary, &view->destinations);

	if (limit == 0 || limit > METRICS_TOP_MAX)
		limit = METRICS_TOP_MAX;
	for (size_t i = 0; i < view->destinations; i++) {
		struct metrics_destination *to = &view->other;

		if (view->top_count < limit) {
			to = &view->top[view->top_count++];
			to->name = rows[i]->destination;
			to->limit = rows[i]->limit;
			to->unreachable = rows[i]->unreachable;
			to->suspended = rows[i]->suspended;
		}
		add_destination(to, rows[i]);
		view->unreachable += rows[i]->unreachable;
		view->suspended += rows[i]->suspended;
	}
	add_destination(&view->total, admin_summary_total(call->summary));
}

/* What a worker that does not answer said last still counts: a sum that falls
 * would look like a restart. */
static void add_workers(struct admin_call *call, struct metrics_view *view)
{
	struct worker_stats *last = call->core->last;

	view->workers = call->core->config.worker_count;
	for (unsigned i = 0; i < call->track_count; i++) {
		const struct admin_call_track *t = &call->tracks[i];

		if (t->done && !t->port->refused) {
			last[i] = t->port->counts.worker;
			view->responding++;
		}
	}
	for (unsigned i = 0; i < view->workers; i++)
		worker_stats_add(&view->stats, &last[i]);
}

static void make_view(struct admin_call *call)
{
	struct metrics_view *view = &call->status->view;
	const struct admin_core_config *config = &call->core->config;
	const char *reasons[ADMIN_HEALTH_REASONS];

	view->now = admin_call_now(call);
	if (config->meter)
		host_meter_read(config->meter, &view->host);
	add_workers(call, view);
	add_rows(call, view);
	if (config->health)
		view->ready = admin_health_reasons(config->health, view,
						   reasons) == 0;
	call->status->seen = true;
}

void admin_status_finish(struct admin_call *call)
{
	struct admin_status *s = call->status;
	size_t count;

	if (!s || !call->summary) {
		admin_call_fail(call, "failed", "out of memory");
		return;
	}
	make_view(call);
	admin_call_line(call, admin_status_json(
				      &s->view,
				      admin_summary_sort(call->summary, &count),
				      s->deferrals, s->deferral_count));
	admin_call_line(call, json_pack("{s:s, s:I}", "type", "done", "rows",
					(json_int_t)count));
}

void admin_call_hurry(struct admin_call *call)
{
	if (call->over || call->request->command != ADMIN_STATUS)
		return;
	admin_status_rows(call);
	admin_status_finish(call);
	call->over = true;
}
