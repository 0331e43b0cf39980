/* SPDX-License-Identifier: Apache-2.0 */
/*
 * destinations: how much mail goes to a destination, how fast, and what
 * becomes of its refusals.  Part of config.h.
 */
#ifndef GATEWAY_CONFIG_CONFIG_DESTINATION_H
#define GATEWAY_CONFIG_CONFIG_DESTINATION_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct config_pattern;

struct config_words {
	char **list; /* owned, as are they */
	size_t count;
};

/* @count in each @period; count 0: no limit. */
struct config_rate {
	uint64_t count;
	uint64_t period; /* ns */
};

enum config_action {
	CONFIG_SLOW_DOWN, /* half of the connections and rates */
	CONFIG_SUSPEND,	  /* nothing is sent for a while */
	CONFIG_DEFER,	  /* the recipient waits, whatever the code */
	CONFIG_BOUNCE,	  /* the recipient fails, whatever the code */
};

struct config_backoff {
	char *reply; /* as written; NULL: failures counts instead */
	struct config_pattern *pattern; /* of reply */
	unsigned failures; /* sessions in a row that came to nothing */
	enum config_action action;
	uint64_t duration; /* ns */
	uint32_t line, column;
};

/* ns; 0: as the timeouts: of the whole relay say. RFC 5321 4.5.3.2. */
struct config_destination_timeouts {
	uint64_t connect, greeting, helo, tls, mail, rcpt, data, transmit,
		final, idle;
};

struct config_destination {
	/* All that is given must match; none given matches nothing. */
	struct config_words match; /* recipients' domains */
	struct config_words mx;	   /* the best MX hosts: a provider */
	char *next_hop;		   /* as in a route; NULL: not asked for */

	unsigned connections; /* at once, all workers; 0: the route's */
	unsigned messages_per_connection; /* CONFIG_UNSET: the route's */
	unsigned recipients;		  /* per transaction */
	struct config_rate connection_rate, message_rate;
	bool tls_given;
	unsigned tls;		      /* enum config_tls_level */
	uint64_t remember_broken_tls; /* ns */
	struct sockaddr_in source4;   /* sin_family 0: the system's choice */
	struct sockaddr_in6 source6;  /* likewise */
	struct config_destination_timeouts timeouts;
	struct config_backoff *backoff; /* owned, first match wins */
	size_t backoff_count;
	uint32_t line, column;
};

#define CONFIG_UNSET UINT32_MAX

/* What is asked of config_destination_for(). */
struct config_destination_query {
	const char *domain; /* NULL: mail of many domains, to a next hop */
	const char *const *hosts; /* MX hosts of the best preference */
	size_t host_count;	  /* 0: to a next hop */
	const char *next_hop;	  /* "host:port"; NULL: MX */
};

/* config_destination_for() - the first entry that matches, or the one with all
 * defaults. Borrowed from @config. */
const struct config_destination *config_destination_for(
	const struct config *config,
	const struct config_destination_query *query);

/* Does @destination take all mail of what its mx: matches together? */
bool config_destination_is_provider(
	const struct config_destination *destination);

const char *config_action_name(enum config_action action);

#endif
