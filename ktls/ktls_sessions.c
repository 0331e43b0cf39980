/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's session cache: a hash table and one list, newest first.
 */
#include "ktls/ktls_sessions.h"

#include <assert.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIFE_MAX (7 * 86400L) /* RFC 8446 4.6.1 */

struct entry {
	struct entry *chain;	     /* next in the bucket, older ones later */
	struct entry *newer, *older; /* over all entries */
	SSL_SESSION *session;	     /* owned, used under the lock alone */
	time_t expires;
	uint64_t hash;
	bool verified;
	bool single_use;
	const char *server_name; /* into text, or NULL */
	char text[];		 /* key, NUL, name, NUL */
};

struct ktls_sessions {
	pthread_mutex_t lock;
	struct entry **buckets;
	size_t mask; /* number of buckets - 1 */
	size_t count, max;
	struct entry *newest, *oldest;
	uint64_t seed; /* peers choose their names: no flooding of a bucket */
	struct ktls_ctx_stats stats;
};

static uint64_t hash_text(uint64_t hash, const char *text)
{
	/* FNV-1a; the NUL counts, so that "a","bc" is not "ab","c". */
	do {
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3ULL;
	} while (*text++);
	return hash;
}

static uint64_t hash_id(const struct ktls_sessions *sessions,
			const struct ktls_session_id *id)
{
	uint64_t hash =
		hash_text(0xcbf29ce484222325ULL ^ sessions->seed, id->key);

	if (id->server_name)
		hash = hash_text(hash, id->server_name);
	return hash ^ (hash >> 32);
}

static bool entry_is(const struct entry *entry, uint64_t hash,
		     const struct ktls_session_id *id)
{
	if (entry->hash != hash || strcmp(entry->text, id->key) != 0)
		return false;
	if (!entry->server_name || !id->server_name)
		return !entry->server_name && !id->server_name;
	return strcmp(entry->server_name, id->server_name) == 0;
}

struct ktls_sessions *ktls_sessions_create(size_t max)
{
	struct ktls_sessions *sessions = calloc(1, sizeof(*sessions));
	size_t buckets = 1;

	assert(max > 0);
	if (!sessions)
		return NULL;
	while (buckets < max && buckets < (1U << 20))
		buckets *= 2;
	sessions->buckets = calloc(buckets, sizeof(*sessions->buckets));
	if (!sessions->buckets || RAND_bytes((unsigned char *)&sessions->seed,
					     sizeof(sessions->seed)) != 1) {
		free(sessions->buckets);
		free(sessions);
		return NULL;
	}
	sessions->mask = buckets - 1;
	sessions->max = max;
	pthread_mutex_init(&sessions->lock, NULL);
	return sessions;
}

static struct entry **bucket_of(struct ktls_sessions *sessions, uint64_t hash)
{
	return &sessions->buckets[hash & sessions->mask];
}

static void link_newest(struct ktls_sessions *sessions, struct entry *entry)
{
	struct entry **bucket = bucket_of(sessions, entry->hash);

	entry->chain = *bucket;
	*bucket = entry;
	entry->newer = NULL;
	entry->older = sessions->newest;
	if (entry->older)
		entry->older->newer = entry;
	else
		sessions->oldest = entry;
	sessions->newest = entry;
	sessions->count++;
}

static void unlink_entry(struct ktls_sessions *sessions, struct entry *entry)
{
	struct entry **at = bucket_of(sessions, entry->hash);

	while (*at != entry)
		at = &(*at)->chain;
	*at = entry->chain;
	if (entry->newer)
		entry->newer->older = entry->older;
	else
		sessions->newest = entry->older;
	if (entry->older)
		entry->older->newer = entry->newer;
	else
		sessions->oldest = entry->newer;
	assert(sessions->count > 0);
	sessions->count--;
}

static void entry_free(struct entry *entry)
{
	SSL_SESSION_free(entry->session);
	free(entry);
}

static void drop(struct ktls_sessions *sessions, struct entry *entry)
{
	unlink_entry(sessions, entry);
	entry_free(entry);
}

void ktls_sessions_free(struct ktls_sessions **sessions)
{
	struct ktls_sessions *gone = *sessions;

	if (!gone)
		return;
	while (gone->newest)
		drop(gone, gone->newest);
	free(gone->buckets);
	pthread_mutex_destroy(&gone->lock);
	free(gone);
	*sessions = NULL;
}

/* OpenSSL's own limit, or less when the server says so. */
static time_t expiry(const SSL_SESSION *session)
{
	time_t now = time(NULL);
	long life = SSL_SESSION_get_timeout(session);
	unsigned long hint = SSL_SESSION_get_ticket_lifetime_hint(session);

	if (hint && hint < (unsigned long)life)
		life = (long)hint;
	if (life > LIFE_MAX)
		life = LIFE_MAX;
	return now + life;
}

static struct entry *entry_new(const struct ktls_sessions *sessions,
			       const struct ktls_session_id *id,
			       SSL_SESSION *session, bool verified)
{
	size_t key = strlen(id->key) + 1;
	size_t name = id->server_name ? strlen(id->server_name) + 1 : 0;
	struct entry *entry = calloc(1, sizeof(*entry) + key + name);

	if (!entry)
		return NULL;
	/* A copy: the connection goes on using its own without our lock. */
	entry->session = SSL_SESSION_dup(session);
	if (!entry->session) {
		free(entry);
		return NULL;
	}
	memcpy(entry->text, id->key, key);
	if (name) {
		memcpy(entry->text + key, id->server_name, name);
		entry->server_name = entry->text + key;
	}
	entry->hash = hash_id(sessions, id);
	entry->expires = expiry(session);
	entry->verified = verified;
	entry->single_use =
		SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION;
	return entry;
}

/* Keeps a peer's share bounded: the oldest beyond it goes. A TLS 1.2 session
 * may be used again and again, one of them is enough. */
static void trim_peer(struct ktls_sessions *sessions,
		      const struct ktls_session_id *id, uint64_t hash,
		      size_t keep)
{
	struct entry *entry = *bucket_of(sessions, hash), *next;
	size_t seen = 0;

	for (; entry; entry = next) {
		next = entry->chain;
		if (entry_is(entry, hash, id) && ++seen > keep)
			drop(sessions, entry);
	}
}

void ktls_sessions_put(struct ktls_sessions *sessions,
		       const struct ktls_session_id *id, SSL_SESSION *session,
		       bool verified)
{
	struct entry *entry = entry_new(sessions, id, session, verified);

	if (!entry)
		return; /* only a resumption is lost */
	pthread_mutex_lock(&sessions->lock);
	link_newest(sessions, entry);
	trim_peer(sessions, id, entry->hash,
		  entry->single_use ? KTLS_SESSIONS_PER_PEER : 1);
	if (sessions->count > sessions->max)
		drop(sessions, sessions->oldest);
	assert(sessions->count <= sessions->max);
	sessions->stats.sessions_stored++;
	pthread_mutex_unlock(&sessions->lock);
}

/* The newest fitting entry; expired ones of this peer go on the way. */
static struct entry *find(struct ktls_sessions *sessions,
			  const struct ktls_session_id *id, bool verified)
{
	uint64_t hash = hash_id(sessions, id);
	struct entry *entry = *bucket_of(sessions, hash), *next;
	time_t now = time(NULL);

	for (; entry; entry = next) {
		next = entry->chain;
		if (!entry_is(entry, hash, id))
			continue;
		if (entry->expires <= now)
			drop(sessions, entry);
		else if (entry->verified || !verified)
			return entry;
	}
	return NULL;
}

SSL_SESSION *ktls_sessions_take(struct ktls_sessions *sessions,
				const struct ktls_session_id *id, bool verified)
{
	SSL_SESSION *session = NULL;
	struct entry *entry;

	pthread_mutex_lock(&sessions->lock);
	entry = find(sessions, id, verified);
	if (entry && entry->single_use) {
		session = entry->session;
		entry->session = NULL;
		drop(sessions, entry);
	} else if (entry) {
		session = SSL_SESSION_dup(entry->session);
	}
	if (session)
		sessions->stats.sessions_used++;
	pthread_mutex_unlock(&sessions->lock);
	return session;
}

void ktls_sessions_forget(struct ktls_sessions *sessions,
			  const struct ktls_session_id *id)
{
	pthread_mutex_lock(&sessions->lock);
	trim_peer(sessions, id, hash_id(sessions, id), 0);
	pthread_mutex_unlock(&sessions->lock);
}

void ktls_sessions_stats(struct ktls_sessions *sessions,
			 struct ktls_ctx_stats *out)
{
	pthread_mutex_lock(&sessions->lock);
	*out = sessions->stats;
	pthread_mutex_unlock(&sessions->lock);
}
