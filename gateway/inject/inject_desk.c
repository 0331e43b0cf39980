/* SPDX-License-Identifier: Apache-2.0 */
/* Connections on their way to a worker. */
#include "gateway/inject/inject_desk.h"

#include <string.h>
#include <unistd.h>

#include "gateway/inbound/inbound.h"

/* Where these sessions come from, as if it were configured. */
static const struct config_listener by_socket = {
	.address = {.text = "inject"},
	.tls = CONFIG_LISTEN_NONE,
};
static const struct config_listener by_http = {
	.address = {.text = "http"},
	.tls = CONFIG_LISTEN_NONE,
};

static const struct inbound_listener listeners[] = {
	[INJECT_BY_SOCKET] = {.config = &by_socket, .trusted = true},
	[INJECT_BY_HTTP] = {.config = &by_http,
			    .trusted = true,
			    .protocol = "HTTP"},
};

void inject_desk_open(struct inject_desk *desk, void (*wake)(void *arg),
		      void *arg)
{
	pthread_mutex_init(&desk->lock, NULL);
	desk->count = 0;
	desk->open = true;
	desk->wake = wake;
	desk->arg = arg;
}

bool inject_desk_put(struct inject_desk *desk, const struct inject_guest *guest)
{
	bool taken;

	pthread_mutex_lock(&desk->lock);
	taken = desk->open && desk->count < INJECT_DESK_ROOM;
	if (taken)
		desk->guests[desk->count++] = *guest;
	pthread_mutex_unlock(&desk->lock);
	if (taken)
		desk->wake(desk->arg);
	return taken;
}

static size_t take(struct inject_desk *desk,
		   struct inject_guest out[INJECT_DESK_ROOM])
{
	size_t count;

	pthread_mutex_lock(&desk->lock);
	count = desk->count;
	memcpy(out, desk->guests, count * sizeof(out[0]));
	desk->count = 0;
	pthread_mutex_unlock(&desk->lock);
	return count;
}

void inject_desk_serve(struct inject_desk *desk, struct inbound *inbound)
{
	struct inject_guest guests[INJECT_DESK_ROOM];
	size_t count = take(desk, guests);

	for (size_t i = 0; i < count; i++)
		inbound_accept(inbound, guests[i].fd, &listeners[guests[i].way],
			       (const struct sockaddr *)&guests[i].peer,
			       guests[i].peer_len);
}

void inject_desk_close(struct inject_desk *desk)
{
	struct inject_guest guests[INJECT_DESK_ROOM];
	size_t count;

	pthread_mutex_lock(&desk->lock);
	desk->open = false;
	pthread_mutex_unlock(&desk->lock);
	count = take(desk, guests);
	for (size_t i = 0; i < count; i++)
		close(guests[i].fd);
}
