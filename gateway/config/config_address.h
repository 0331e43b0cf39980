/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses, networks, host names and ports as text.
 *
 * The readers return NULL when it is right, otherwise what is wrong with it
 * ("no port"), static text.
 */
#ifndef GATEWAY_CONFIG_CONFIG_ADDRESS_H
#define GATEWAY_CONFIG_CONFIG_ADDRESS_H

#include <stdbool.h>

#include "gateway/config/config.h"

/* config_address_endpoint() - "127.0.0.1:25", "[::1]:25". */
const char *config_address_endpoint(const char *text,
				    struct config_endpoint *out);

/* config_address_network() - "10.0.0.0/8", "::1/128", or one address.
 * IPv4-mapped IPv6 is stored as IPv4. */
const char *config_address_network(const char *text,
				   struct config_network *out);

/* config_address_network_has() - is @addr (IPv4, IPv6) in @network?
 * IPv4-mapped IPv6 counts as IPv4. */
bool config_address_network_has(const struct config_network *network,
				const struct sockaddr *addr);

/*
 * config_address_next_hop() - "smtp.example.test", "192.0.2.1:2525",
 * "[::1]:25"; port 25 when none is given.
 * @out: host and text are owned by the caller afterwards; both NULL without
 * memory.
 */
const char *config_address_next_hop(const char *text,
				    struct config_next_hop *out);

/* config_address_domain() - a domain in ASCII: labels of letters, digits, '-'
 * and '_' (RFC 1123 2.1, RFC 2181 11). */
const char *config_address_domain(const char *text);

#endif
