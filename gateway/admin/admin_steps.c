/* SPDX-License-Identifier: Apache-2.0 */
/* What each command makes of the rows of its workers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/admin_call.h"
#include "gateway/log/log.h"
#include "gateway/queue/suspended.h"
#include "gateway/spool/spool.h"

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

static void add_name(void *arg, const char *name)
{
	json_array_append_new(arg, admin_json_text(name));
}

static json_t *buckets_json(const uint64_t buckets[SPOOL_BUCKETS])
{
	json_t *array = json_array();

	for (unsigned i = 0; i < SPOOL_BUCKETS; i++)
		json_array_append_new(array,
				      json_integer((json_int_t)buckets[i]));
	return array;
}

/* Since the start; see struct spool_stats. */
static json_t *spool_json(const struct spool_stats *s)
{
	return json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
		"s:o, s:o}",
		"accepted", (json_int_t)s->accepted, "finished",
		(json_int_t)s->finished, "results", (json_int_t)s->results,
		"segments", (json_int_t)s->segments, "bytes_live",
		(json_int_t)s->bytes_live, "bytes_written",
		(json_int_t)s->bytes_written, "failures",
		(json_int_t)s->failures, "commits", (json_int_t)s->commits,
		"batch_sum", (json_int_t)s->batch_sum, "batch_max",
		(json_int_t)s->batch_max, "commit_us_sum",
		(json_int_t)(s->commit_ns / 1000), "commit_us_max",
		(json_int_t)(s->commit_ns_max / 1000), "batch_buckets",
		buckets_json(s->batch_buckets), "commit_us_buckets",
		buckets_json(s->time_buckets));
}

static json_t *suspended_json(const struct admin_call *call)
{
	json_t *names = json_array();

	if (names && call->core->config.suspended)
		suspended_each(call->core->config.suspended, add_name, names);
	return names;
}

static void summary_done(struct admin_call *call, size_t count)
{
	const struct admin_row *total = admin_summary_total(call->summary);
	json_t *line = json_pack("{s:s, s:I, s:o, s:I}", "type", "done", "rows",
				 (json_int_t)count, "oldest",
				 admin_json_time(total->arrival), "connections",
				 (json_int_t)total->sessions);

	for (unsigned i = 0; i < QUEUE_STATES; i++)
		json_object_set_new(line, queue_state_name(i),
				    json_integer((json_int_t)total->count[i]));
	json_object_set_new(line, "suspended", suspended_json(call));
	json_object_set_new(line, "spool",
			    spool_json(&call->counts.worker.spool));
	admin_call_line(call, line);
}

/* Called again as long as it is unfinished. */
static void summary_finish(struct admin_call *call)
{
	uint64_t limit = call->request->limit, now = admin_call_now(call);
	struct admin_row **rows;
	size_t count, last;

	call->unfinished = false;
	if (!call->summary) {
		admin_call_fail(call, "failed", "out of memory");
		return;
	}
	rows = admin_summary_sort(call->summary, &count);
	last = limit > 0 && limit < count ? (size_t)limit : count;
	while (call->said < last && !call->blocked)
		admin_call_line(call, admin_row_json(rows[call->said++], now));
	if (call->said < last)
		call->unfinished = true;
	else
		summary_done(call, count);
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

/* --- actions --- */

static void log_done(const struct admin_call *call)
{
	const struct admin_request *request = call->request;

	log_info("admin.done",
		 L_STR("command", admin_command_name(request->command)),
		 L_UINT("changed", call->counts.changed),
		 L_UINT("busy", call->counts.busy),
		 L_UINT("failed", call->counts.failed),
		 L_STR("destination", request->destination),
		 L_STR("to", request->to.text),
		 L_STR("reason", request->reason), L_UINT("uid", call->who.uid),
		 L_UINT("pid", call->who.pid), L_STR("from", call->who.from));
}

static void action_finish(struct admin_call *call)
{
	const struct admin_counts *c = &call->counts;

	log_done(call);
	if (call->request->filter.id_count > 0 && c->seen == 0) {
		admin_call_fail(call, "not_found",
				"no such message is queued; it may have been "
				"delivered, see the log");
		return;
	}
	admin_call_line(call,
			json_pack("{s:s, s:I, s:I, s:I, s:I}", "type", "done",
				  "changed", (json_int_t)c->changed,
				  "in_delivery", (json_int_t)c->busy,
				  "unchanged", (json_int_t)c->unwanted,
				  "failed", (json_int_t)c->failed));
}

/* --- suspend, resume --- */

/* The list first: a destination that comes to be meanwhile heeds it. */
static void suspend_begin(struct admin_call *call)
{
	const struct admin_request *request = call->request;
	struct suspended *s = call->core->config.suspended;
	int r = -ENOTSUP;

	if (s && request->command == ADMIN_SUSPEND)
		r = suspended_add(s, request->destination, request->by);
	else if (s)
		r = suspended_remove(s, request->destination);
	call->was_so = r == 1;
	if (r >= 0)
		return;
	log_error("admin.suspended", L_STR("error", strerror(-r)));
	admin_call_fail(call, "failed", strerror(-r));
}

static void suspend_finish(struct admin_call *call)
{
	log_done(call);
	admin_call_line(call, json_pack("{s:s, s:b, s:I}", "type", "done",
					"listed", !call->was_so, "changed",
					(json_int_t)call->counts.changed));
}

/* --- trace --- */

/* Who listens in is written down. */
static void trace_begin(struct admin_call *call)
{
	char id[LOG_ID_SIZE];

	log_info("admin.trace",
		 L_STR("destination", call->request->destination),
		 L_STR("message",
		       call->request->ids
			       ? log_id_text(call->request->ids[0], id)
			       : NULL),
		 L_UINT("uid", call->who.uid), L_UINT("pid", call->who.pid),
		 L_STR("from", call->who.from));
}

static void trace_finish(struct admin_call *call)
{
	admin_call_line(call, json_pack("{s:s, s:I}", "type", "done", "rows",
					(json_int_t)call->rows));
	call->over = true;
}

/* Once all workers listen: from here on nothing is missed. */
static void trace_ready(struct admin_call *call, struct admin_row *row)
{
	free(row);
	call->moved = true;
	if (++call->listening == call->track_count)
		admin_call_line(call, json_pack("{s:s}", "type", "listening"));
}

static void trace_rows(struct admin_call *call)
{
	uint64_t limit = call->request->limit;
	struct admin_row *row;

	for (unsigned i = 0; i < call->track_count; i++)
		while (!call->blocked && !call->over &&
		       (row = admin_call_next(call, i))) {
			if (row->kind == ADMIN_ROW_BYTES) {
				trace_ready(call, row);
				continue;
			}
			pass_on(call, row);
			if (limit > 0 && call->rows >= limit)
				trace_finish(call);
		}
}

/* --- the relay itself --- */

static void control_begin(struct admin_call *call)
{
	const struct admin_core_config *c = &call->core->config;
	const struct admin_request *request = call->request;

	if (!c->control) {
		admin_call_fail(call, "unavailable", "not here");
		return;
	}
	admin_call_line(call, c->control(c->control_arg, request->command,
					 request->by));
	call->over = true;
}

static void no_rows(struct admin_call *call)
{
}

const struct admin_step admin_steps[ADMIN_COMMANDS] = {
	[ADMIN_SUMMARY] = {NULL, summary_rows, summary_finish},
	[ADMIN_LIST] = {NULL, list_rows, list_finish},
	[ADMIN_SHOW] = {NULL, any_rows, show_finish},
	[ADMIN_RETRY] = {NULL, no_rows, action_finish},
	[ADMIN_HOLD] = {NULL, no_rows, action_finish},
	[ADMIN_RELEASE] = {NULL, no_rows, action_finish},
	[ADMIN_BOUNCE] = {NULL, no_rows, action_finish},
	[ADMIN_DELETE] = {NULL, no_rows, action_finish},
	[ADMIN_MOVE] = {NULL, no_rows, action_finish},
	[ADMIN_SUSPEND] = {suspend_begin, no_rows, suspend_finish},
	[ADMIN_RESUME] = {suspend_begin, no_rows, suspend_finish},
	[ADMIN_STATUS] = {NULL, admin_status_rows, admin_status_finish},
	[ADMIN_TRACE] = {trace_begin, trace_rows, trace_finish},
	[ADMIN_RELOAD] = {control_begin, no_rows, trace_finish},
	[ADMIN_RESTART] = {control_begin, no_rows, trace_finish},
	[ADMIN_INSTANCE] = {control_begin, no_rows, trace_finish},
};
