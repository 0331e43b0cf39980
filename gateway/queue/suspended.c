/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator has suspended (suspended.h): a JSON array in a file. */
#include "gateway/queue/suspended.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "gateway/queue/queue_filter.h"

#define FILE_MAX (1024 * 1024)

struct suspended {
	char *path; /* owned */
	atomic_size_t count;
	pthread_rwlock_t lock; /* guards what follows */
	json_t *list;	       /* of {"name", "by"}; owned */
};

static const char *name_at(const struct suspended *s, size_t i)
{
	return json_string_value(
		json_object_get(json_array_get(s->list, i), "name"));
}

/* --- the file --- */

static bool is_sound(const json_t *list)
{
	size_t i;
	const json_t *entry;

	if (!json_is_array(list) || json_array_size(list) > SUSPENDED_MAX)
		return false;
	json_array_foreach(list, i, entry)
	{
		if (!json_is_string(json_object_get(entry, "name")))
			return false;
	}
	return true;
}

static int load(struct suspended *s)
{
	char *text = malloc(FILE_MAX);
	FILE *in = text ? fopen(s->path, "re") : NULL;
	int r = 0;
	size_t len;

	if (!text)
		return -ENOMEM;
	if (!in) {
		free(text);
		return errno == ENOENT ? 0 : -errno;
	}
	len = fread(text, 1, FILE_MAX, in);
	if (ferror(in))
		r = -EIO;
	fclose(in);
	if (r == 0) {
		json_decref(s->list);
		s->list = json_loadb(text, len, 0, NULL);
		if (!is_sound(s->list))
			r = -EINVAL;
	}
	free(text);
	return r;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* The new name must be as durable as the file behind it. */
static int sync_folder(const char *path)
{
	char *folder = strdup(path), *slash = folder ? strrchr(folder, '/') : 0;
	int fd, r = 0;

	if (!folder)
		return -ENOMEM;
	if (slash)
		slash[slash == folder] = '\0';
	fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		r = -errno;
	if (fd >= 0)
		close(fd);
	free(folder);
	return r;
}

static int replace(const char *path, const char *text)
{
	char *new_path = NULL;
	int fd, r;

	if (asprintf(&new_path, "%s.new", path) < 0)
		return -ENOMEM;
	fd = open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	r = fd < 0 ? -errno : write_all(fd, text, strlen(text));
	if (fd >= 0)
		close(fd);
	if (r == 0 && rename(new_path, path) < 0)
		r = -errno;
	if (r == 0)
		r = sync_folder(path);
	free(new_path);
	return r;
}

/* @list (taken) instead of what there is, if that can be written. */
static int change(struct suspended *s, json_t *list)
{
	char *text = list ? json_dumps(list, JSON_INDENT(1)) : NULL;
	int r = text ? replace(s->path, text) : -ENOMEM;

	free(text);
	if (r < 0) {
		json_decref(list);
		return r;
	}
	pthread_rwlock_wrlock(&s->lock);
	json_decref(s->list);
	s->list = list;
	pthread_rwlock_unlock(&s->lock);
	atomic_store(&s->count, json_array_size(list));
	return 0;
}

/* --- life --- */

int suspended_open(const char *path, struct suspended **out)
{
	struct suspended *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	*out = NULL;
	if (!s)
		return r;
	pthread_rwlock_init(&s->lock, NULL);
	s->path = strdup(path);
	s->list = json_array();
	if (s->path && s->list)
		r = load(s);
	if (r < 0) {
		suspended_close(&s);
		return r;
	}
	atomic_init(&s->count, json_array_size(s->list));
	*out = s;
	return 0;
}

void suspended_close(struct suspended **pointer)
{
	struct suspended *s = *pointer;

	if (!s)
		return;
	json_decref(s->list);
	pthread_rwlock_destroy(&s->lock);
	free(s->path);
	free(s);
	*pointer = NULL;
}

/* --- changes: by the control thread alone --- */

static size_t find(const struct suspended *s, const char *name)
{
	size_t i = 0;

	while (i < json_array_size(s->list) &&
	       strcasecmp(name_at(s, i), name) != 0)
		i++;
	return i;
}

int suspended_add(struct suspended *s, const char *name, const char *by)
{
	json_t *list;

	if (find(s, name) < json_array_size(s->list))
		return 1;
	if (json_array_size(s->list) >= SUSPENDED_MAX)
		return -ENOSPC;
	list = json_copy(s->list);
	if (list &&
	    json_array_append_new(list, json_pack("{s:s, s:s}", "name", name,
						  "by", by)) < 0) {
		json_decref(list);
		list = NULL;
	}
	return change(s, list);
}

int suspended_remove(struct suspended *s, const char *name)
{
	size_t i = find(s, name);
	json_t *list;

	if (i == json_array_size(s->list))
		return 1;
	list = json_copy(s->list);
	if (list)
		json_array_remove(list, i);
	return change(s, list);
}

/* --- asking --- */

bool suspended_has(struct suspended *s, const char *destination,
		   const char *domain)
{
	bool has = false;

	if (!s || atomic_load(&s->count) == 0)
		return false;
	pthread_rwlock_rdlock(&s->lock);
	for (size_t i = 0; !has && i < json_array_size(s->list); i++) {
		const char *name = name_at(s, i);

		has = (domain && strcasecmp(name, domain) == 0) ||
		      queue_filter_destination(name, destination);
	}
	pthread_rwlock_unlock(&s->lock);
	return has;
}

void suspended_each(struct suspended *s,
		    void (*fn)(void *arg, const char *name), void *arg)
{
	pthread_rwlock_rdlock(&s->lock);
	for (size_t i = 0; i < json_array_size(s->list); i++)
		fn(arg, name_at(s, i));
	pthread_rwlock_unlock(&s->lock);
}
