/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another configuration without a restart.
 *
 * All that may go wrong is done first: the file is read, certificates are
 * loaded, new addresses bound, each worker's new parts made. Only then the
 * workers exchange what they have, which can't fail. A mistake anywhere before
 * changes nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/config/config_change.h"
#include "gateway/event/event_log.h"
#include "gateway/log/log.h"
#include "gateway/serve/notify.h"
#include "gateway/serve/serve_private.h"

/* A change under way. */
struct reload {
	struct serve *s;
	struct config *config;	   /* owned reference */
	struct snapshot *snapshot; /* owned; made of it */
	struct watch *watch;	   /* owned; before it was made */
	enum worker_extent extent;
	size_t changes, waiting; /* waiting: for a restart */
	bool log_changes;
	json_t *list;		       /* of changes; owned */
	json_t *mistakes;	       /* texts; owned */
	struct worker_change **worker; /* owned; one per worker */
};

/* --- what is said --- */

static void mistake(struct reload *r, const char *text)
{
	json_t *line = json_string(text);

	log_error("reload.mistake", L_STR("error", text));
	(void)json_array_append_new(
		r->mistakes,
		line ? line : json_string("a mistake that is not UTF-8"));
}

static void mistake_at(struct reload *r, uint32_t line, uint32_t column,
		       const char *subject, const char *what)
{
	char text[1024];

	snprintf(text, sizeof(text), "%s:%u:%u: %s: %s", r->config->file, line,
		 column, subject, what);
	mistake(r, text);
}

/* What config_load() has said, line by line. */
static void mistakes_of(struct reload *r, char *text)
{
	char *rest = NULL;

	for (char *line = strtok_r(text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest))
		mistake(r, line);
}

static void widen(struct reload *r, enum worker_extent extent)
{
	if (extent > r->extent)
		r->extent = extent;
}

static json_t *or_null(const char *text)
{
	json_t *value = text ? json_string(text) : NULL;

	return value ? value : json_null();
}

static bool is_resolver(const char *path)
{
	return strncmp(path, "resolver", 8) == 0 ||
	       strcmp(path, "hostname") == 0 || strcmp(path, "listen") == 0;
}

static void on_difference(void *arg, const struct config_difference *d)
{
	struct reload *r = arg;
	bool live = d->effect == CONFIG_LIVE;

	r->changes++;
	r->waiting += !live;
	r->log_changes |= strncmp(d->path, "log.", 4) == 0;
	if (d->delivery)
		widen(r,
		      is_resolver(d->path) ? WORKER_RESOLVER : WORKER_DELIVERY);
	if (live)
		log_info("reload.changed", L_STR("key", d->path),
			 L_STR("before", d->before), L_STR("after", d->after));
	else
		log_warning("reload.needs_restart", L_STR("key", d->path),
			    L_STR("before", d->before),
			    L_STR("after", d->after));
	(void)json_array_append_new(
		r->list, json_pack("{s:s, s:o, s:o, s:b}", "key", d->path,
				   "before", or_null(d->before), "after",
				   or_null(d->after), "needs_restart", !live));
}

static void on_file(void *arg, const char *path, enum watch_use use)
{
	static const enum worker_extent extents[] = {
		[WATCH_CLIENTS] = WORKER_CLIENTS,
		[WATCH_DELIVERY] = WORKER_DELIVERY,
		[WATCH_RESOLVER] = WORKER_RESOLVER,
	};
	struct reload *r = arg;

	r->changes++;
	widen(r, extents[use]);
	log_info("reload.changed", L_STR("file", path));
	(void)json_array_append_new(r->list, json_pack("{s:o, s:b}", "file",
						       or_null(path),
						       "needs_restart", 0));
}

/* --- what may fail --- */

static bool read_config(struct reload *r)
{
	char *text = NULL;
	size_t size = 0;
	FILE *errors = open_memstream(&text, &size);
	int error = errors ? config_load(r->s->snapshot->config->file, errors,
					 &r->config)
			   : -ENOMEM;

	if (errors)
		fclose(errors);
	if (error < 0 && text && text[0])
		mistakes_of(r, text);
	else if (error < 0)
		mistake(r, strerror(-error));
	free(text);
	return error == 0;
}

static bool make_snapshot(struct reload *r)
{
	struct snapshot_error error = {0};
	int result = snapshot_create(r->config, &r->snapshot, &error);

	if (result == -EINVAL)
		mistake_at(r, error.line, error.column, error.subject,
			   error.tls.text);
	else if (result < 0)
		mistake(r, strerror(-result));
	return result == 0;
}

static void close_new(int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* Sockets of addresses that @worker does not have. */
static bool bind_new(struct reload *r, unsigned worker, int *fds)
{
	const struct config *c = r->config;

	for (size_t i = 0; i < c->listener_count; i++) {
		const struct config_listener *l = &c->listeners[i];

		fds[i] = -1;
		if (worker_listens(r->s->workers[worker], l))
			continue;
		fds[i] = serve_socket(r->s, &l->address, worker == 0);
		if (fds[i] >= 0)
			continue;
		mistake_at(r, l->line, l->column, l->address.text,
			   strerror(-fds[i]));
		close_new(fds, i + 1);
		return false;
	}
	return true;
}

static bool prepare_worker(struct reload *r, unsigned worker)
{
	size_t n = r->config->listener_count;
	int *fds = calloc(n ? n : 1, sizeof(*fds));
	int error = fds ? 0 : -ENOMEM;

	if (fds && !bind_new(r, worker, fds)) {
		free(fds);
		return false;
	}
	if (fds)
		error = worker_prepare(r->s->workers[worker], r->snapshot, fds,
				       r->extent, &r->worker[worker]);
	if (error < 0) {
		mistake(r, error == -EINVAL ? "the resolver can't be set up"
					    : strerror(-error));
		if (fds)
			close_new(fds, n);
	}
	free(fds);
	return error == 0;
}

static bool prepare_workers(struct reload *r)
{
	r->worker = calloc(r->s->started, sizeof(struct worker_change *));
	if (!r->worker) {
		mistake(r, strerror(ENOMEM));
		return false;
	}
	for (unsigned i = 0; i < r->s->started; i++)
		if (!prepare_worker(r, i))
			return false;
	return true;
}

static bool change_log(struct reload *r)
{
	const struct config *c = r->config;
	int error = 0;

	if (r->log_changes)
		error = log_open(c->log.file, c->log.format, c->log.level);
	if (error < 0)
		mistake_at(r, 1, 1, c->log.file ? c->log.file : "log",
			   strerror(-error));
	return error == 0;
}

/* --- what can't --- */

static void commit(struct reload *r)
{
	struct serve *s = r->s;
	struct snapshot *before = s->snapshot;

	for (unsigned i = 0; i < s->started; i++)
		worker_post(s->workers[i], &r->worker[i]);
	for (unsigned i = 0; i < s->started; i++)
		worker_wait_changed(s->workers[i]);
	s->snapshot = r->snapshot;
	r->snapshot = NULL;
	watch_free(&s->watch);
	s->watch = r->watch;
	r->watch = NULL;
	snapshot_unref(&before);
}

/* r->config is to be. */
static bool change_to(struct reload *r)
{
	if (!make_snapshot(r))
		return false;
	snapshot_resolve(r->snapshot, true);
	if (!prepare_workers(r) || !change_log(r))
		return false;
	commit(r);
	return true;
}

static void begin(struct reload *r, struct serve *s)
{
	*r = (struct reload){
		.s = s,
		.list = json_array(),
		.mistakes = json_array(),
	};
}

static void end(struct reload *r)
{
	/* The new ones, or those of before if it came to nothing. */
	serve_sockets_keep(r->s, r->s->snapshot->config);
	for (unsigned i = 0; r->worker && i < r->s->started; i++)
		worker_discard(&r->worker[i]);
	free(r->worker);
	snapshot_unref(&r->snapshot);
	config_unref(&r->config);
	watch_free(&r->watch);
	json_decref(r->list);
	json_decref(r->mistakes);
}

/* --- the whole --- */

/* They may have been rotated. */
static void reopen_logs(void)
{
	int r = log_reopen(), delivery = event_log_reopen();

	if (r == 0)
		r = delivery;
	if (r < 0)
		log_error("serve.reopen", L_STR("error", strerror(-r)));
}

static bool reload(struct reload *r)
{
	struct serve *s = r->s;

	if (!read_config(r))
		return false;
	config_compare(s->snapshot->config, r->config, on_difference, r);
	r->watch = watch_create(r->config);
	if (!r->watch || config_keep(r->config, s->snapshot->config) < 0) {
		mistake(r, strerror(ENOMEM));
		return false;
	}
	watch_compare(s->watch, r->watch, on_file, r);
	return r->changes == r->waiting || change_to(r);
}

static json_t *answer(struct reload *r, bool good)
{
	if (good)
		return json_pack("{s:s, s:O, s:I}", "type", "done", "changes",
				 r->list, "needs_restart",
				 (json_int_t)r->waiting);
	return json_pack("{s:s, s:s, s:s, s:O}", "type", "error", "code",
			 "config", "error",
			 "nothing was changed: the configuration has mistakes",
			 "mistakes", r->mistakes);
}

json_t *serve_reload(struct serve *s, const char *by)
{
	struct reload r;
	json_t *said;
	bool good;

	reopen_logs();
	log_info("reload.begin", L_STR("by", by));
	notify_reloading();
	begin(&r, s);
	good = r.list && r.mistakes && reload(&r);
	if (good)
		log_info("reload.done", L_UINT("changes", r.changes),
			 L_UINT("needs_restart", r.waiting));
	else
		log_error("reload.refused",
			  L_STR("file", s->snapshot->config->file),
			  L_UINT("mistakes", json_array_size(r.mistakes)));
	(void)notify(good ? "READY=1\nSTATUS=Serving; reloaded"
			  : "READY=1\nSTATUS=Serving; the last reload was "
			    "refused: see the log");
	said = answer(&r, good);
	end(&r);
	return said;
}

/* --- files by themselves --- */

/* The same configuration with what its files are now. */
static void renew(struct serve *s, struct watch **watch)
{
	struct reload r;

	begin(&r, s);
	r.config = config_ref(s->snapshot->config);
	r.watch = *watch;
	*watch = NULL;
	watch_compare(s->watch, r.watch, on_file, &r);
	if (r.list && r.mistakes && change_to(&r))
		log_info("reload.files", L_UINT("changes", r.changes));
	else
		log_warning("reload.files_kept",
			    L_STR("error", "the files do not fit together, "
					   "see above; those from before are "
					   "in use"));
	end(&r);
}

void serve_watch_files(struct serve *s)
{
	struct watch *now = watch_create(s->snapshot->config);

	/* Somebody may be writing: only what has stayed the same since the
	 * last look counts, and what was tried in vain is not tried again. */
	if (!now || watch_equal(now, s->watch) || watch_equal(now, s->tried)) {
		watch_free(&now);
		watch_free(&s->seen);
		return;
	}
	if (!watch_equal(now, s->seen)) {
		watch_free(&s->seen);
		s->seen = now;
		return;
	}
	watch_free(&s->tried);
	s->tried = s->seen;
	s->seen = NULL;
	renew(s, &now);
}
