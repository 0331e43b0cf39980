/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between two configurations, and what of it must wait. */
#include "gateway/config/config_change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What a running relay takes. A key that is not here needs a restart: so a new
 * one is never said to be in effect when it isn't. */
static const struct live_key {
	const char *key;
	bool delivery;
} live_keys[] = {
	{"hostname", true}, {"listen", false},	{"relay_from", false},
	{"offload", true},  {"routes", true},	{"destinations", true},
	{"limits", false},  {"timeouts", true}, {"retry", true},
	{"bounce", true},   {"resolver", true}, {"bare_line_ends", false},
	{"log", false},
};

static size_t top_len(const char *path)
{
	return strcspn(path, ".[");
}

static const struct live_key *live_key_of(const char *path)
{
	static const char opened_once[] = "log.delivery";
	size_t len = top_len(path);

	if (strncmp(path, opened_once, sizeof(opened_once) - 1) == 0)
		return NULL;
	for (size_t i = 0; i < sizeof(live_keys) / sizeof(live_keys[0]); i++)
		if (strlen(live_keys[i].key) == len &&
		    memcmp(live_keys[i].key, path, len) == 0)
			return &live_keys[i];
	return NULL;
}

static bool is_secret(const char *path)
{
	const char *last = strrchr(path, '.');

	last = last ? last + 1 : path;
	return strstr(last, "token") || strstr(last, "secret") ||
	       strstr(last, "password");
}

static void tell(const char *path, const char *before, const char *after,
		 config_difference_fn fn, void *arg)
{
	const struct live_key *key = live_key_of(path);
	bool secret = is_secret(path);
	struct config_difference d = {
		.path = path,
		.before = before && secret ? "..." : before,
		.after = after && secret ? "..." : after,
		.effect = key ? CONFIG_LIVE : CONFIG_RESTART,
		/* A relay's own addresses are no next hops. */
		.delivery =
			key && (key->delivery || strcmp(path, "listen") == 0),
	};

	fn(arg, &d);
}

void config_compare(const struct config *before, const struct config *after,
		    config_difference_fn fn, void *arg)
{
	const struct config_lines *a = before->lines, *b = after->lines;
	size_t i = 0, j = 0;

	while (i < a->count && j < b->count) {
		const struct config_line *x = &a->list[i], *y = &b->list[j];
		int order = strcmp(x->path, y->path);

		if (order < 0)
			tell(x->path, x->value, NULL, fn, arg);
		else if (order > 0)
			tell(y->path, NULL, y->value, fn, arg);
		else if (strcmp(x->value, y->value) != 0)
			tell(x->path, x->value, y->value, fn, arg);
		i += order <= 0;
		j += order >= 0;
	}
	for (; i < a->count; i++)
		tell(a->list[i].path, a->list[i].value, NULL, fn, arg);
	for (; j < b->count; j++)
		tell(b->list[j].path, NULL, b->list[j].value, fn, arg);
}

/* --- what stays --- */

static bool keep_text(char **text, const char *other)
{
	char *copy = other ? strdup(other) : NULL;

	if (other && !copy)
		return false;
	free(*text);
	*text = copy;
	return true;
}

static bool keep_values(struct config *next, const struct config *running)
{
	char *path = next->spool.path;

	next->spool = running->spool;
	next->spool.path = path;
	next->body_path = running->body_path;
	next->workers = running->workers;
	next->uring = running->uring;
	return keep_text(&next->spool.path, running->spool.path) &&
	       keep_text(&next->admin.socket, running->admin.socket) &&
	       keep_text(&next->admin.group, running->admin.group) &&
	       keep_text(&next->inject.socket, running->inject.socket);
}

/* Those with @live from @from, behind what @out has. */
static bool take_lines(struct config_lines *out,
		       const struct config_lines *from, bool live)
{
	for (size_t i = 0; i < from->count; i++) {
		const struct config_line *line = &from->list[i];
		struct config_line copy = {.order = line->order};

		if ((live_key_of(line->path) != NULL) != live)
			continue;
		copy.path = strdup(line->path);
		copy.value = strdup(line->value);
		out->list[out->count++] = copy;
		if (!copy.path || !copy.value)
			return false;
	}
	return true;
}

static int by_path(const void *a, const void *b)
{
	const struct config_line *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static bool keep_lines(struct config *next, const struct config *running)
{
	struct config_lines *lines = calloc(1, sizeof(*lines));
	size_t room = next->lines->count + running->lines->count;

	if (!lines)
		return false;
	lines->list = calloc(room ? room : 1, sizeof(lines->list[0]));
	lines->room = room;
	if (!lines->list || !take_lines(lines, next->lines, true) ||
	    !take_lines(lines, running->lines, false)) {
		config_lines_free(&lines);
		return false;
	}
	if (lines->count > 0)
		qsort(lines->list, lines->count, sizeof(lines->list[0]),
		      by_path);
	config_lines_free(&next->lines);
	next->lines = lines;
	return true;
}

int config_keep(struct config *next, const struct config *running)
{
	return keep_values(next, running) && keep_lines(next, running)
		       ? 0
		       : -ENOMEM;
}
