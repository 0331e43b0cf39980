/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table of clients that have connections, under one mutex. It holds no
 * more entries than there are connections, which is the bound.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "gateway/inbound/inbound_admission.h"

#define BUCKETS 4096

struct client {
	struct client *next;
	uint64_t network; /* IPv6 /64, an IPv4 address, or a user */
	unsigned connections;
	int family;
};

struct inbound_admission {
	pthread_mutex_t lock;
	uint64_t seed; /* peers choose their addresses, but not this */
	unsigned connections;
	struct client *buckets[BUCKETS];
};

int inbound_admission_create(struct inbound_admission **out)
{
	struct inbound_admission *admission = calloc(1, sizeof(*admission));

	if (!admission)
		return -ENOMEM;
	if (getrandom(&admission->seed, sizeof(admission->seed), 0) !=
	    (ssize_t)sizeof(admission->seed)) {
		free(admission);
		return -EIO;
	}
	pthread_mutex_init(&admission->lock, NULL);
	*out = admission;
	return 0;
}

void inbound_admission_destroy(struct inbound_admission **admission)
{
	if (!*admission)
		return;
	assert((*admission)->connections == 0);
	pthread_mutex_destroy(&(*admission)->lock);
	free(*admission);
	*admission = NULL;
}

static struct client client_key(const struct sockaddr *address)
{
	struct client key = {.family = AF_INET};
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	if (address->sa_family == AF_UNIX) {
		struct inbound_local local;

		memcpy(&local, address, sizeof(local));
		key.family = AF_UNIX;
		key.network = local.uid;
	} else if (address->sa_family == AF_INET) {
		memcpy(&in, address, sizeof(in));
		key.network = in.sin_addr.s_addr;
	} else if (address->sa_family == AF_INET6) {
		memcpy(&in6, address, sizeof(in6));
		if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
			uint32_t mapped;

			memcpy(&mapped, in6.sin6_addr.s6_addr + 12, 4);
			key.network = mapped;
			return key;
		}
		key.family = AF_INET6;
		memcpy(&key.network, in6.sin6_addr.s6_addr, 8);
	}
	return key;
}

/* Where @key's entry is linked, or would be. */
static struct client **find(struct inbound_admission *admission,
			    const struct client *key)
{
	uint64_t hash = XXH64(&key->network, sizeof(key->network),
			      admission->seed + (uint64_t)key->family);
	struct client **at = &admission->buckets[hash % BUCKETS];

	while (*at &&
	       ((*at)->network != key->network || (*at)->family != key->family))
		at = &(*at)->next;
	return at;
}

static enum inbound_admitted count(struct inbound_admission *admission,
				   const struct config_limits *limits,
				   const struct client *key)
{
	struct client **at = find(admission, key);

	if (admission->connections >= limits->connections)
		return INBOUND_TOO_MANY;
	if (!*at) {
		*at = malloc(sizeof(**at));
		if (!*at)
			return INBOUND_NO_MEMORY;
		**at = *key;
	} else if ((*at)->connections >= limits->connections_per_client) {
		return INBOUND_CLIENT_MANY;
	}
	(*at)->connections++;
	admission->connections++;
	return INBOUND_ADMITTED;
}

enum inbound_admitted inbound_admission_enter(
	struct inbound_admission *admission, const struct config_limits *limits,
	const struct sockaddr *client)
{
	struct client key = client_key(client);
	enum inbound_admitted result;

	pthread_mutex_lock(&admission->lock);
	result = count(admission, limits, &key);
	pthread_mutex_unlock(&admission->lock);
	return result;
}

void inbound_admission_leave(struct inbound_admission *admission,
			     const struct sockaddr *client)
{
	struct client key = client_key(client);
	struct client **at, *gone = NULL;

	pthread_mutex_lock(&admission->lock);
	at = find(admission, &key);
	assert(*at && (*at)->connections > 0 && admission->connections > 0);
	admission->connections--;
	if (--(*at)->connections == 0) {
		gone = *at;
		*at = gone->next;
	}
	pthread_mutex_unlock(&admission->lock);
	free(gone);
}
