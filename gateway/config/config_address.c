/* SPDX-License-Identifier: Apache-2.0 */
/* Reading addresses, networks and host names; asking networks. */
#include "gateway/config/config_address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/config_value.h"

#define HOST_MAX     255
#define DOMAIN_MAX   253 /* RFC 1035 2.3.4 without the root's dot */
#define LABEL_MAX    63
#define DEFAULT_PORT 25

/* host[:port] taken apart, nothing interpreted yet. */
struct split {
	char host[HOST_MAX + 1];
	bool brackets;
	const char *port; /* NULL: none given */
};

static const char *split_brackets(const char *text, struct split *out)
{
	const char *end = strchr(text, ']');

	if (!end || (size_t)(end - text) - 1 > HOST_MAX)
		return "no closing bracket";
	if (end[1] && end[1] != ':')
		return "neither a port nor the end after the bracket";
	memcpy(out->host, text + 1, (size_t)(end - text) - 1);
	out->brackets = true;
	out->port = end[1] ? end + 2 : NULL;
	return NULL;
}

static const char *split_port(const char *text, struct split *out)
{
	const char *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);

	*out = (struct split){0};
	if (text[0] == '[')
		return split_brackets(text, out);
	if (colon && strchr(colon + 1, ':'))
		return "an IPv6 address without brackets";
	if (len > HOST_MAX)
		return "too long";
	memcpy(out->host, text, len);
	out->port = colon ? colon + 1 : NULL;
	return NULL;
}

static const char *read_port(const char *text, uint16_t *out)
{
	uint64_t value;

	if (config_value_count(text, &value) || !value || value > UINT16_MAX)
		return "the port is not a number from 1 to 65535";
	*out = (uint16_t)value;
	return NULL;
}

static const char *fill_ipv6(const struct split *split, uint16_t port,
			     struct config_endpoint *out)
{
	struct sockaddr_in6 *in6 = (void *)&out->addr;
	char text[INET6_ADDRSTRLEN];

	if (inet_pton(AF_INET6, split->host, &in6->sin6_addr) != 1)
		return "not an IPv6 address in the brackets";
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	out->len = sizeof(*in6);
	inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
	snprintf(out->text, sizeof(out->text), "[%s]:%u", text, port);
	return NULL;
}

static const char *fill_ipv4(const struct split *split, uint16_t port,
			     struct config_endpoint *out)
{
	struct sockaddr_in *in = (void *)&out->addr;
	char text[INET_ADDRSTRLEN];

	if (inet_pton(AF_INET, split->host, &in->sin_addr) != 1)
		return "not a numeric address";
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	out->len = sizeof(*in);
	inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
	snprintf(out->text, sizeof(out->text), "%s:%u", text, port);
	return NULL;
}

const char *config_address_endpoint(const char *text,
				    struct config_endpoint *out)
{
	struct config_endpoint endpoint = {0};
	struct split split;
	uint16_t port = 0;
	const char *wrong = split_port(text, &split);

	if (!wrong && !split.port)
		wrong = "no port";
	if (!wrong)
		wrong = read_port(split.port, &port);
	if (!wrong)
		wrong = split.brackets ? fill_ipv6(&split, port, &endpoint)
				       : fill_ipv4(&split, port, &endpoint);
	if (!wrong)
		*out = endpoint;
	return wrong;
}

/* --- networks --- */

static unsigned address_bits(int family)
{
	return family == AF_INET ? 32 : 128;
}

static bool is_mapped(const uint8_t bytes[16])
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(bytes, prefix, sizeof(prefix)) == 0;
}

static bool host_bits_set(const struct config_network *network)
{
	for (unsigned bit = network->prefix;
	     bit < address_bits(network->family); bit++) {
		if (network->bytes[bit / 8] & (0x80 >> bit % 8))
			return true;
	}
	return false;
}

static void unmap_network(struct config_network *network)
{
	if (network->family != AF_INET6 || network->prefix < 96 ||
	    !is_mapped(network->bytes))
		return;
	memmove(network->bytes, network->bytes + 12, 4);
	memset(network->bytes + 4, 0, 12);
	network->family = AF_INET;
	network->prefix = (uint8_t)(network->prefix - 96);
}

static const char *read_prefix(const char *text, struct config_network *network)
{
	uint64_t value = address_bits(network->family);

	if (text && (config_value_count(text, &value) ||
		     value > address_bits(network->family)))
		return network->family == AF_INET
			       ? "the prefix is not a number from 0 to 32"
			       : "the prefix is not a number from 0 to 128";
	network->prefix = (uint8_t)value;
	return host_bits_set(network) ? "bits are set behind the prefix" : NULL;
}

const char *config_address_network(const char *text, struct config_network *out)
{
	struct config_network network = {0};
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char host[INET6_ADDRSTRLEN + 1] = "";
	const char *wrong;

	if (len >= sizeof(host))
		return "not a numeric address";
	memcpy(host, text, len);
	if (inet_pton(AF_INET, host, network.bytes) == 1)
		network.family = AF_INET;
	else if (inet_pton(AF_INET6, host, network.bytes) == 1)
		network.family = AF_INET6;
	else
		return "not a numeric address";
	wrong = read_prefix(slash ? slash + 1 : NULL, &network);
	if (wrong)
		return wrong;
	unmap_network(&network);
	*out = network;
	return NULL;
}

/* @addr's family and octets, IPv4-mapped addresses as IPv4. */
static int address_octets(const struct sockaddr *addr, uint8_t bytes[16])
{
	if (addr->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, addr, sizeof(in));
		memcpy(bytes, &in.sin_addr, 4);
		return AF_INET;
	}
	if (addr->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, addr, sizeof(in6));
		memcpy(bytes, &in6.sin6_addr, 16);
		if (!is_mapped(bytes))
			return AF_INET6;
		memmove(bytes, bytes + 12, 4);
		return AF_INET;
	}
	return AF_UNSPEC;
}

bool config_address_network_has(const struct config_network *network,
				const struct sockaddr *addr)
{
	uint8_t bytes[16] = {0};
	unsigned whole = network->prefix / 8, rest = network->prefix % 8;

	if (address_octets(addr, bytes) != network->family ||
	    memcmp(bytes, network->bytes, whole) != 0)
		return false;
	if (!rest)
		return true;
	return (bytes[whole] ^ network->bytes[whole]) >> (8 - rest) == 0;
}

/* --- host names --- */

static bool is_label(const char *text, size_t len)
{
	if (!len || len > LABEL_MAX || text[0] == '-' || text[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x80 || !(isalnum(c) || c == '-' || c == '_'))
			return false;
	}
	return true;
}

const char *config_address_domain(const char *text)
{
	size_t len = strlen(text);

	if (!len)
		return "empty";
	if (len > DOMAIN_MAX)
		return "longer than 253 octets";
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] >= 0x80)
			return "not ASCII: write it as xn--...";
	}
	for (const char *label = text; label;) {
		const char *dot = strchr(label, '.');
		size_t label_len = dot ? (size_t)(dot - label) : strlen(label);

		if (!is_label(label, label_len))
			return "not a domain";
		label = dot ? dot + 1 : NULL;
	}
	return NULL;
}

static const char *check_host(const struct split *split)
{
	uint8_t bytes[16];

	if (split->brackets)
		return inet_pton(AF_INET6, split->host, bytes) == 1
			       ? NULL
			       : "brackets are for IPv6 addresses";
	if (inet_pton(AF_INET, split->host, bytes) == 1)
		return NULL;
	if (split->host[strspn(split->host, "0123456789.")] == '\0')
		return "neither a name nor an IPv4 address";
	return config_address_domain(split->host);
}

const char *config_address_next_hop(const char *text,
				    struct config_next_hop *out)
{
	struct split split;
	uint16_t port = DEFAULT_PORT;
	const char *wrong = split_port(text, &split);

	if (!wrong)
		wrong = check_host(&split);
	if (!wrong && split.port)
		wrong = read_port(split.port, &port);
	if (wrong)
		return wrong;
	out->port = port;
	out->host = strdup(split.host);
	if (asprintf(&out->text, split.brackets ? "[%s]:%u" : "%s:%u",
		     split.host, port) < 0)
		out->text = NULL;
	return NULL;
}
