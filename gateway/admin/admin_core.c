/* SPDX-License-Identifier: Apache-2.0 */
/* A request to all workers, their rows as lines (admin_core.h). */
#include "gateway/admin/admin_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/admin/admin_call.h"
#include "gateway/log/log.h"

static uint64_t system_wall_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

struct admin_core *admin_core_create(const struct admin_core_config *config)
{
	struct admin_core *core = calloc(1, sizeof(*core));
	struct admin_worker *workers =
		calloc(config->worker_count, sizeof(*workers));

	struct worker_stats *last = calloc(config->worker_count, sizeof(*last));

	if (!core || !workers || !last) {
		free(core);
		free(workers);
		free(last);
		return NULL;
	}
	core->last = last;
	memcpy(workers, config->workers,
	       config->worker_count * sizeof(*workers));
	core->config = *config;
	core->config.workers = workers;
	if (!core->config.wall_clock)
		core->config.wall_clock = system_wall_clock;
	return core;
}

void admin_core_destroy(struct admin_core **pointer)
{
	struct admin_core *core = *pointer;

	if (!core)
		return;
	free((void *)(uintptr_t)core->config.workers);
	free(core->last);
	free(core);
	*pointer = NULL;
}

uint64_t admin_call_now(const struct admin_call *call)
{
	return call->core->config.wall_clock();
}

/* --- lines --- */

void admin_call_line(struct admin_call *call, json_t *line)
{
	char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
	size_t len = text ? strlen(text) : 0;

	json_decref(line);
	if (!text) {
		call->no_memory = true;
		return;
	}
	text[len] = '\n'; /* the NUL's place: the length is said */
	if (!call->sink.write(call->sink.arg, text, len + 1))
		call->blocked = true;
	free(text);
}

void admin_call_fail(struct admin_call *call, const char *code,
		     const char *text)
{
	admin_call_line(call,
			json_pack("{s:s, s:s, s:o}", "type", "error", "code",
				  code, "error", admin_json_text(text)));
	call->over = true;
}

/* --- ports --- */

static bool open_ports(struct admin_call *call)
{
	const struct admin_core_config *c = &call->core->config;

	call->tracks = calloc(c->worker_count, sizeof(call->tracks[0]));
	if (!call->tracks)
		return false;
	for (unsigned i = 0; i < c->worker_count; i++) {
		struct admin_port *port =
			admin_port_create(call->request, c->news, c->arg);

		if (!port)
			return false;
		call->tracks[i].port = port;
		call->track_count++;
		c->workers[i].post(c->workers[i].worker, port);
	}
	return true;
}

static void fetch(struct admin_call *call, unsigned i)
{
	const struct admin_worker *w = &call->core->config.workers[i];
	struct admin_call_track *t = &call->tracks[i];
	bool poke = false;

	if (t->rows || t->done)
		return;
	t->rows = admin_port_take(t->port, &poke, &t->done);
	if (poke)
		w->poke(w->worker);
}

struct admin_row *admin_call_next(struct admin_call *call, unsigned i)
{
	struct admin_call_track *t = &call->tracks[i];
	struct admin_row *row = t->rows;

	if (row) {
		t->rows = row->next;
		row->next = NULL;
	}
	return row;
}

/* --- what the rows of a command become --- */

static void add_counts(struct admin_call *call)
{
	for (unsigned i = 0; i < call->track_count; i++) {
		const struct admin_port *port = call->tracks[i].port;

		call->refused |= port->refused;
		call->counts.seen += port->counts.seen;
		call->counts.changed += port->counts.changed;
		call->counts.busy += port->counts.busy;
		call->counts.failed += port->counts.failed;
		call->counts.unwanted += port->counts.unwanted;
		call->no_memory |= port->counts.no_memory;
		worker_stats_add(&call->counts.worker, &port->counts.worker);
	}
}

static bool all_done(const struct admin_call *call)
{
	for (unsigned i = 0; i < call->track_count; i++)
		if (!call->tracks[i].done || call->tracks[i].rows)
			return false;
	return true;
}

static void finish(struct admin_call *call)
{
	if (!call->finishing)
		add_counts(call);
	call->finishing = true;
	/* Somebody looks at a relay that stops: its last figures. */
	if (call->refused && call->request->command != ADMIN_STATUS)
		admin_call_fail(call, "unavailable",
				"the relay is stopping, or has too many "
				"requests; try again");
	else if (call->no_memory)
		admin_call_fail(call, "failed", "out of memory");
	else
		admin_steps[call->request->command].finish(call);
	/* A long answer goes on when there is room for it. */
	call->over = !call->unfinished;
}

bool admin_call_pump(struct admin_call *call)
{
	if (call->over)
		return true;
	call->blocked = false;
	do {
		call->moved = false;
		for (unsigned i = 0; i < call->track_count; i++)
			fetch(call, i);
		admin_steps[call->request->command].rows(call);
	} while (call->moved && !call->blocked && !call->over);
	if (!call->over && !call->blocked && all_done(call))
		finish(call);
	return call->over;
}

/* --- life --- */

struct admin_call *admin_call_begin(struct admin_core *core, const char *text,
				    size_t len, const struct admin_who *who,
				    const struct admin_sink *sink)
{
	struct admin_call *call = calloc(1, sizeof(*call));
	struct admin_error error = {0};
	int r;

	if (!call)
		return NULL;
	call->core = core;
	call->sink = *sink;
	call->who = *who;
	r = admin_request_parse(text, len, core->config.wall_clock(),
				&call->request, &error);
	if (r == 0) {
		if (who->from)
			snprintf(call->request->by, sizeof(call->request->by),
				 "%s", who->from);
		else
			snprintf(call->request->by, sizeof(call->request->by),
				 "uid %u", (unsigned)who->uid);
		if (admin_steps[call->request->command].begin)
			admin_steps[call->request->command].begin(call);
		if (!call->over && !open_ports(call))
			r = -ENOMEM;
	}
	if (r == -ENOMEM)
		admin_call_fail(call, "failed", "out of memory");
	else if (r < 0)
		admin_call_fail(call, error.code, error.text);
	return call;
}

static void let_go(struct admin_call *call)
{
	const struct admin_core_config *c = &call->core->config;

	for (unsigned i = 0; i < call->track_count; i++) {
		struct admin_call_track *t = &call->tracks[i];

		admin_rows_free(t->rows);
		atomic_store(&t->port->cancelled, true);
		if (!t->done)
			c->workers[i].poke(c->workers[i].worker);
		admin_port_unref(&t->port);
	}
	free(call->tracks);
}

void admin_call_end(struct admin_call **pointer)
{
	struct admin_call *call = *pointer;

	if (!call)
		return;
	let_go(call);
	admin_status_free(&call->status);
	admin_summary_free(&call->summary);
	admin_request_unref(&call->request);
	free(call);
	*pointer = NULL;
}
