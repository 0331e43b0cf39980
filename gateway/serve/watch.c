/* SPDX-License-Identifier: Apache-2.0 */
/* Files that may change (watch.h). */
#include "gateway/serve/watch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct mark {
	char *path; /* owned */
	enum watch_use use;
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified, changed;
};

struct watch {
	size_t count, room;
	bool failed;
	struct mark *marks; /* owned */
};

static void add(struct watch *watch, const char *path, enum watch_use use)
{
	struct stat st = {0};

	if (!path)
		return;
	if (watch->count == watch->room) {
		size_t room = watch->room ? watch->room * 2 : 8;
		struct mark *more =
			reallocarray(watch->marks, room, sizeof(*more));

		if (!more) {
			watch->failed = true;
			return;
		}
		watch->marks = more;
		watch->room = room;
	}
	(void)stat(path, &st); /* one that isn't there is all zeros */
	watch->marks[watch->count] = (struct mark){
		.path = strdup(path),
		.use = use,
		.device = st.st_dev,
		.inode = st.st_ino,
		.size = st.st_size,
		.modified = st.st_mtim,
		.changed = st.st_ctim,
	};
	if (watch->marks[watch->count++].path == NULL)
		watch->failed = true;
}

struct watch *watch_create(const struct config *c)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	for (size_t i = 0; i < c->listener_count; i++) {
		const struct config_listener *l = &c->listeners[i];

		for (size_t n = 0; n < l->certificate_count; n++) {
			add(watch, l->certificates[n].certificate,
			    WATCH_CLIENTS);
			add(watch, l->certificates[n].key, WATCH_CLIENTS);
		}
	}
	for (size_t i = 0; i < c->route_count; i++)
		add(watch, c->routes[i].ca_file, WATCH_DELIVERY);
	add(watch, c->resolver.trust_anchor, WATCH_RESOLVER);
	if (watch->failed)
		watch_free(&watch);
	return watch;
}

void watch_free(struct watch **pointer)
{
	struct watch *watch = *pointer;

	if (!watch)
		return;
	for (size_t i = 0; i < watch->count; i++)
		free(watch->marks[i].path);
	free(watch->marks);
	free(watch);
	*pointer = NULL;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same(const struct mark *a, const struct mark *b)
{
	return a->device == b->device && a->inode == b->inode &&
	       a->size == b->size && same_time(&a->modified, &b->modified) &&
	       same_time(&a->changed, &b->changed);
}

bool watch_equal(const struct watch *a, const struct watch *b)
{
	if (!a || !b || a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->marks[i].path, b->marks[i].path) != 0 ||
		    !same(&a->marks[i], &b->marks[i]))
			return false;
	return true;
}

static const struct mark *find(const struct watch *watch, const char *path)
{
	for (size_t i = 0; i < watch->count; i++)
		if (strcmp(watch->marks[i].path, path) == 0)
			return &watch->marks[i];
	return NULL;
}

void watch_compare(const struct watch *before, const struct watch *after,
		   void (*fn)(void *arg, const char *path, enum watch_use use),
		   void *arg)
{
	for (size_t i = 0; i < after->count; i++) {
		const struct mark *mark = &after->marks[i];
		const struct mark *old = find(before, mark->path);

		/* Named twice, it is told once. */
		if (old && !same(old, mark) && find(after, mark->path) == mark)
			fn(arg, mark->path, mark->use);
	}
}
