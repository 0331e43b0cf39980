/* SPDX-License-Identifier: Apache-2.0 */
/* What a session keeps to: the entry of destinations:, or else its route and
 * the relay's timeouts. */
#include "gateway/outbound/outbound.h"

static uint64_t either(uint64_t given, uint64_t otherwise)
{
	return given ? given : otherwise;
}

static void set_timeouts(const struct config_timeouts *all,
			 const struct config_destination_timeouts *given,
			 struct config_destination_timeouts *out)
{
	*out = (struct config_destination_timeouts){
		.connect = either(given->connect, all->connect),
		.greeting = either(given->greeting, all->reply),
		.helo = either(given->helo, all->reply),
		.tls = either(given->tls, all->tls),
		.mail = either(given->mail, all->reply),
		.rcpt = either(given->rcpt, all->reply),
		.data = either(given->data, all->reply),
		.transmit = either(given->transmit, all->transmit),
		.final = either(given->final, all->final),
		.idle = either(given->idle, all->idle),
	};
}

void outbound_terms_of(const struct config *config,
		       const struct config_route *route,
		       const struct config_destination *given,
		       struct outbound_terms *out)
{
	if (!given)
		given = &config->anywhere;
	*out = (struct outbound_terms){
		.tls = given->tls_given ? (enum config_tls_level)given->tls
					: route->tls,
		.messages = given->messages_per_connection != CONFIG_UNSET
				    ? given->messages_per_connection
				    : route->messages_per_connection,
		.source4 = given->source4,
		.source6 = given->source6,
	};
	set_timeouts(&config->timeouts, &given->timeouts, &out->timeouts);
}
