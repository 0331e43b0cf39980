/* SPDX-License-Identifier: Apache-2.0 */
/* What this relay is called and where it listens, to notice mail loops. */
#include <errno.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/dns/dns_private.h"

static uint16_t port_of(const struct dns_address *a)
{
	return a->any.sa_family == AF_INET6 ? a->v6.sin6_port : a->v4.sin_port;
}

static bool is_wildcard(const struct dns_address *a)
{
	return a->any.sa_family == AF_INET6
		       ? IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr)
		       : a->v4.sin_addr.s_addr == htonl(INADDR_ANY);
}

static int add(struct dns_self *self, const struct sockaddr *addr,
	       uint16_t port)
{
	struct dns_address *more = reallocarray(
		self->addresses, self->count + 1, sizeof(*self->addresses));
	struct dns_address *a;

	if (!more)
		return -ENOMEM;
	self->addresses = more;
	a = &more[self->count++];
	memset(a, 0, sizeof(*a));
	if (addr->sa_family == AF_INET6) {
		memcpy(&a->v6, addr, sizeof(a->v6));
		a->v6.sin6_port = port;
	} else {
		memcpy(&a->v4, addr, sizeof(a->v4));
		a->v4.sin_port = port;
	}
	return 0;
}

/* All addresses of this machine: it listens on any of them. */
static int add_interfaces(struct dns_self *self, uint16_t port)
{
	struct ifaddrs *list = NULL;
	int r = 0;

	if (getifaddrs(&list) < 0)
		return 0; /* then names must do */
	for (struct ifaddrs *i = list; r == 0 && i; i = i->ifa_next)
		if (i->ifa_addr && (i->ifa_addr->sa_family == AF_INET ||
				    i->ifa_addr->sa_family == AF_INET6))
			r = add(self, i->ifa_addr, port);
	freeifaddrs(list);
	return r;
}

int dns_self_init(struct dns_self *self, const struct config *config)
{
	int r = 0;

	self->hostname = config->hostname;
	for (size_t i = 0; r == 0 && i < config->listener_count; i++) {
		struct dns_address a;

		memcpy(&a, &config->listeners[i].address.addr, sizeof(a));
		r = is_wildcard(&a) ? add_interfaces(self, port_of(&a))
				    : add(self, &a.any, port_of(&a));
	}
	return r;
}

void dns_self_deinit(struct dns_self *self)
{
	free(self->addresses);
	*self = (struct dns_self){0};
}

bool dns_self_name(const struct dns_self *self, const char *name)
{
	return strcasecmp(self->hostname, name) == 0;
}

bool dns_self_address(const struct dns_self *self, const struct dns_address *a)
{
	for (size_t i = 0; i < self->count; i++)
		if (dns_address_equal(&self->addresses[i], a))
			return true;
	return false;
}
