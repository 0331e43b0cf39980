/* SPDX-License-Identifier: Apache-2.0 */
/* Asking a configuration: who may relay, and where a domain goes. */
#include <string.h>
#include <strings.h>

#include "gateway/config/config.h"
#include "gateway/config/config_address.h"
#include "gateway/config/config_keys.h"

bool config_relay_allowed(const struct config *config,
			  const struct sockaddr *addr)
{
	for (size_t i = 0; i < config->relay_from_count; i++) {
		if (config_address_network_has(&config->relay_from[i], addr))
			return true;
	}
	return false;
}

/* "*.example.test" takes what is below example.test, not itself. */
bool config_match(const char *pattern, const char *domain, size_t len)
{
	size_t suffix;

	if (strcmp(pattern, "*") == 0)
		return true;
	if (pattern[0] != '*')
		return strlen(pattern) == len &&
		       strncasecmp(pattern, domain, len) == 0;
	suffix = strlen(pattern) - 1;
	return len > suffix &&
	       strncasecmp(pattern + 1, domain + len - suffix, suffix) == 0;
}

const struct config_route *config_route_for(const struct config *config,
					    const char *domain)
{
	size_t len = strlen(domain);

	for (size_t i = 0; i < config->route_count; i++) {
		if (config_match(config->routes[i].match, domain, len))
			return &config->routes[i];
	}
	return NULL;
}
