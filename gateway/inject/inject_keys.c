/* SPDX-License-Identifier: Apache-2.0 */
/* Idempotency keys: a ring in memory, lines in a file. */
#include "gateway/inject/inject_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ktls/ktls_hmac.h"

#define DIGEST 16

struct entry {
	unsigned char key[DIGEST], body[DIGEST];
	uint64_t when;	      /* seconds; 0: free */
	char id[LOG_ID_SIZE]; /* "": under way */
};

struct inject_keys {
	pthread_mutex_t lock;
	int fd;
	char *file;	/* owned */
	size_t next;	/* to be written over */
	size_t written; /* lines of the file */
	struct entry entries[INJECT_KEYS_MAX];
};

static bool digest(const char *bytes, size_t len, unsigned char out[DIGEST])
{
	const struct ktls_hmac_piece piece = {bytes, len};
	unsigned char mac[KTLS_HMAC_SIZE];

	if (ktls_hmac_sha256("ringpost", 8, &piece, 1, mac) < 0)
		return false;
	memcpy(out, mac, DIGEST);
	return true;
}

static struct entry *find(struct inject_keys *keys,
			  const unsigned char key[DIGEST], uint64_t now)
{
	for (size_t i = 0; i < INJECT_KEYS_MAX; i++) {
		struct entry *e = &keys->entries[i];

		if (e->when && memcmp(e->key, key, DIGEST) == 0 &&
		    (!e->id[0] || now < e->when + INJECT_KEYS_SECONDS))
			return e;
	}
	return NULL;
}

/* Those under way stay. NULL: all are. */
static struct entry *free_entry(struct inject_keys *keys)
{
	for (size_t i = 0; i < INJECT_KEYS_MAX; i++) {
		struct entry *e = &keys->entries[keys->next];

		keys->next = (keys->next + 1) % INJECT_KEYS_MAX;
		if (!e->when || e->id[0])
			return e;
	}
	return NULL;
}

/* --- the file --- */

static void hex(const unsigned char *bytes, char out[2 * DIGEST + 1])
{
	for (size_t i = 0; i < DIGEST; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static bool unhex(const char *text, unsigned char out[DIGEST])
{
	for (size_t i = 0; i < DIGEST; i++) {
		unsigned value;

		if (sscanf(text + 2 * i, "%2x", &value) != 1)
			return false;
		out[i] = (unsigned char)value;
	}
	return true;
}

static int line_of(const struct entry *e, char out[160])
{
	char key[2 * DIGEST + 1], body[2 * DIGEST + 1];

	hex(e->key, key);
	hex(e->body, body);
	return snprintf(out, 160, "%" PRIu64 " %s %s %s\n", e->when, key, body,
			e->id);
}

static void read_line(struct inject_keys *keys, const char *line, uint64_t now)
{
	char key[2 * DIGEST + 1], body[2 * DIGEST + 1], id[LOG_ID_SIZE];
	struct entry e = {0}, *to;
	uint64_t unused;

	if (sscanf(line, "%" SCNu64 " %32[0-9a-f] %32[0-9a-f] %13s", &e.when,
		   key, body, id) != 4 ||
	    strlen(key) != 32 || strlen(body) != 32 || !unhex(key, e.key) ||
	    !unhex(body, e.body) || !log_id_parse(id, &unused) ||
	    e.when > now + INJECT_KEYS_SECONDS ||
	    now >= e.when + INJECT_KEYS_SECONDS)
		return;
	memcpy(e.id, id, sizeof(e.id));
	to = free_entry(keys);
	if (to)
		*to = e;
}

static void read_file(struct inject_keys *keys, const char *file, uint64_t now)
{
	FILE *in = fopen(file, "re");
	char line[256];

	if (!in)
		return;
	while (fgets(line, sizeof(line), in))
		read_line(keys, line, now);
	fclose(in);
}

/* What still counts, to a new file in the place of the old one. */
static int rewrite(struct inject_keys *keys)
{
	char *made = NULL, line[160];
	int r = 0;

	if (asprintf(&made, "%s.new", keys->file) < 0)
		return -ENOMEM;
	if (keys->fd >= 0)
		close(keys->fd);
	keys->written = 0;
	keys->fd =
		open(made, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC,
		     0600);
	if (keys->fd < 0)
		r = -errno;
	for (size_t i = 0; r == 0 && i < INJECT_KEYS_MAX; i++) {
		const struct entry *e = &keys->entries[i];
		int len = e->when && e->id[0] ? line_of(e, line) : 0;

		if (len > 0 && write(keys->fd, line, (size_t)len) != len)
			r = -EIO;
	}
	if (r == 0 && (fdatasync(keys->fd) < 0 || rename(made, keys->file) < 0))
		r = -errno;
	free(made);
	return r;
}

int inject_keys_open(const char *file, struct inject_keys **out)
{
	struct inject_keys *keys = calloc(1, sizeof(*keys));
	struct timespec now;
	int r;

	if (!keys)
		return -ENOMEM;
	pthread_mutex_init(&keys->lock, NULL);
	keys->fd = -1;
	clock_gettime(CLOCK_REALTIME, &now);
	read_file(keys, file, (uint64_t)now.tv_sec);
	keys->file = strdup(file);
	r = keys->file ? rewrite(keys) : -ENOMEM;
	if (r < 0)
		inject_keys_close(&keys);
	*out = keys;
	return r;
}

void inject_keys_close(struct inject_keys **keys)
{
	if (!*keys)
		return;
	if ((*keys)->fd >= 0)
		close((*keys)->fd);
	pthread_mutex_destroy(&(*keys)->lock);
	free((*keys)->file);
	free(*keys);
	*keys = NULL;
}

/* --- use --- */

static enum inject_key_state claim(struct inject_keys *keys,
				   const struct entry *wanted,
				   char id[LOG_ID_SIZE])
{
	struct entry *e = find(keys, wanted->key, wanted->when);

	if (!e) {
		e = free_entry(keys);
		if (!e)
			return INJECT_KEY_BUSY;
		*e = *wanted;
		return INJECT_KEY_NEW;
	}
	if (memcmp(e->body, wanted->body, DIGEST) != 0)
		return INJECT_KEY_OTHER;
	if (!e->id[0])
		return INJECT_KEY_BUSY;
	memcpy(id, e->id, LOG_ID_SIZE);
	return INJECT_KEY_DONE;
}

enum inject_key_state inject_keys_claim(struct inject_keys *keys,
					const char *key, const char *body,
					size_t len, uint64_t now,
					char id[LOG_ID_SIZE])
{
	struct entry wanted = {.when = now};
	enum inject_key_state state;

	if (!digest(key, strlen(key), wanted.key) ||
	    !digest(body, len, wanted.body))
		return INJECT_KEY_BUSY;
	pthread_mutex_lock(&keys->lock);
	state = claim(keys, &wanted, id);
	pthread_mutex_unlock(&keys->lock);
	return state;
}

/* With the lock: a new file takes the place of one that has grown. */
static int write_down(struct inject_keys *keys, const struct entry *e)
{
	char line[160];
	int len = line_of(e, line);

	if (++keys->written > 2 * INJECT_KEYS_MAX)
		return rewrite(keys);

	if (write(keys->fd, line, (size_t)len) != len)
		return -EIO;
	return fdatasync(keys->fd) < 0 ? -errno : 0;
}

int inject_keys_settle(struct inject_keys *keys, const char *key,
		       const char *id, uint64_t now)
{
	unsigned char wanted[DIGEST];
	struct entry *e;
	int r = 0;

	if (!digest(key, strlen(key), wanted))
		return -ENOMEM;
	pthread_mutex_lock(&keys->lock);
	e = find(keys, wanted, now);
	if (e && id) {
		snprintf(e->id, sizeof(e->id), "%s", id);
		r = write_down(keys, e);
	} else if (e) {
		e->when = 0;
	}
	pthread_mutex_unlock(&keys->lock);
	return r;
}
