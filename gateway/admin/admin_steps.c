/* SPDX-License-Identifier: Apache-2.0 */
/* What each command makes of the rows of its workers. */
#include <stdlib.h>

#include "gateway/admin/admin_call.h"
#include "gateway/log/log.h"

static void pass_on(struct admin_call *call, struct admin_row *row)
{
	admin_call_line(call, admin_row_json(row, admin_call_now(call)));
	call->rows++;
	call->moved = true;
	free(row);
}

/* --- summary --- */

static void summary_rows(struct admin_call *call)
{
	struct admin_row *row;

	if (!call->summary)
		call->summary = admin_summary_create(call->request->by_domain);
	for (unsigned i = 0; i < call->track_count; i++)
		while ((row = admin_call_next(call, i))) {
			call->moved = true;
			if (!call->summary)
				free(row);
			else if (!admin_summary_add(call->summary, row))
				call->no_memory = true;
		}
}

/* Ten thousand lines at once: made for people and monitoring, and bounded by
 * `limit`. */
static void summary_finish(struct admin_call *call)
{
	uint64_t limit = call->request->limit, now = admin_call_now(call);
	const struct admin_row *total;
	struct admin_row **rows;
	size_t count = 0;
	json_t *line;

	if (!call->summary) {
		admin_call_fail(call, "failed", "out of memory");
		return;
	}
	rows = admin_summary_sort(call->summary, &count);
	for (size_t i = 0; i < count && (limit == 0 || i < limit); i++)
		admin_call_line(call, admin_row_json(rows[i], now));
	total = admin_summary_total(call->summary);
	line = json_pack("{s:s, s:I, s:o, s:I}", "type", "done", "rows",
			 (json_int_t)count, "oldest",
			 admin_json_time(total->arrival), "connections",
			 (json_int_t)total->sessions);
	for (unsigned i = 0; i < QUEUE_STATES; i++)
		json_object_set_new(line, queue_state_name(i),
				    json_integer((json_int_t)total->count[i]));
	admin_call_line(call, line);
}

/* --- list --- */

/* The worker whose next row is the oldest; -1: one has to be waited for, or
 * nothing is left. */
static int oldest(const struct admin_call *call)
{
	int best = -1;

	for (unsigned i = 0; i < call->track_count; i++) {
		const struct admin_call_track *t = &call->tracks[i];

		if (!t->rows && !t->done)
			return -1;
		if (t->rows &&
		    (best < 0 || t->rows->id < call->tracks[best].rows->id))
			best = (int)i;
	}
	return best;
}

static void list_done(struct admin_call *call, bool more)
{
	char id[LOG_ID_SIZE];
	json_t *line = json_pack("{s:s, s:I, s:b}", "type", "done", "rows",
				 (json_int_t)call->rows, "more", more);

	if (more)
		json_object_set_new(
			line, "after",
			json_string(log_id_text(call->last_id, id)));
	admin_call_line(call, line);
	call->over = true;
}

/* A page ends between messages. */
static void list_rows(struct admin_call *call)
{
	uint64_t limit = call->request->limit;
	int i;

	while (!call->blocked && (i = oldest(call)) >= 0) {
		const struct admin_row *row = call->tracks[i].rows;

		if (limit > 0 && call->rows >= limit &&
		    row->id != call->last_id) {
			list_done(call, true);
			return;
		}
		call->last_id = row->id;
		pass_on(call, admin_call_next(call, (unsigned)i));
	}
}

static void list_finish(struct admin_call *call)
{
	list_done(call, false);
}

/* --- show --- */

static void any_rows(struct admin_call *call)
{
	struct admin_row *row;

	for (unsigned i = 0; i < call->track_count; i++)
		while (!call->blocked && (row = admin_call_next(call, i)))
			pass_on(call, row);
}

static void show_finish(struct admin_call *call)
{
	char text[128], id[LOG_ID_SIZE];

	if (call->counts.seen == 0) {
		snprintf(text, sizeof(text),
			 "no message %s is queued; it may have been delivered, "
			 "see the log",
			 log_id_text(call->request->ids[0], id));
		admin_call_fail(call, "not_found", text);
		return;
	}
	admin_call_line(call, json_pack("{s:s, s:I}", "type", "done", "rows",
					(json_int_t)call->rows));
}

const struct admin_step admin_steps[ADMIN_COMMANDS] = {
	[ADMIN_SUMMARY] = {summary_rows, summary_finish},
	[ADMIN_LIST] = {list_rows, list_finish},
	[ADMIN_SHOW] = {any_rows, show_finish},
};
