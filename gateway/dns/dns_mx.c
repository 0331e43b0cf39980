/* SPDX-License-Identifier: Apache-2.0 */
/* MX records: reading, ordering, cutting off. RFC 5321 section 5, RFC 7505. */
#include <stdlib.h>
#include <string.h>

#include "gateway/dns/dns_private.h"

static int by_preference(const void *a, const void *b)
{
	const struct dns_host *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	return strcmp(x->name, y->name);
}

static bool have(const struct dns_host *hosts, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(hosts[i].name, name) == 0)
			return true;
	return false;
}

/* Into its place in a sorted array that keeps the DNS_HOSTS_MAX best. */
static size_t insert(struct dns_host *hosts, size_t count,
		     const struct dns_host *host)
{
	size_t i = count;

	if (count == DNS_HOSTS_MAX) {
		if (by_preference(host, &hosts[count - 1]) >= 0)
			return count;
		i = --count;
	}
	while (i > 0 && by_preference(host, &hosts[i - 1]) < 0) {
		hosts[i] = hosts[i - 1];
		i--;
	}
	hosts[i] = *host;
	return count + 1;
}

/* The same host again: only its best preference counts. */
static size_t drop_repeated(struct dns_host *hosts, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (!have(hosts, kept, hosts[i].name))
			hosts[kept++] = hosts[i];
	return kept;
}

size_t dns_mx_read(const struct dns_reply *reply, struct dns_host *out,
		   bool *null)
{
	size_t count = 0, nulls = 0;

	for (size_t i = 0; i < reply->count; i++) {
		const unsigned char *data = reply->data[i];
		struct dns_host host = {0};

		if (reply->len[i] < 3 ||
		    !dns_name_read(data + 2, (size_t)reply->len[i] - 2,
				   host.name))
			continue;
		host.preference = (uint16_t)(data[0] << 8 | data[1]);
		if (host.name[0] == '\0')
			nulls++;
		else
			count = insert(out, count, &host);
	}
	/* Beside other records it is a mistake, not a null MX. */
	*null = nulls > 0 && count == 0;
	return drop_repeated(out, count);
}

size_t dns_mx_cut(struct dns_host *hosts, size_t count, uint16_t least)
{
	while (count > 0 && hosts[count - 1].preference >= least)
		count--;
	return count;
}
