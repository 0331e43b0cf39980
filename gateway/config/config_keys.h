/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of ringpost.yaml: tables that several files of this folder share.
 */
#ifndef GATEWAY_CONFIG_CONFIG_KEYS_H
#define GATEWAY_CONFIG_CONFIG_KEYS_H

#include "gateway/config/config.h"
#include "gateway/config/config_schema.h"

#define CONFIG_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* One element of listen: and one of routes:, as rows for the lists. */
extern const struct config_key config_listen_row;
extern const struct config_key config_route_row;
extern const struct config_key config_destination_row;
/* admin.http, a struct config_http. */
extern const struct config_table config_http_table;
/* The whole file. */
extern const struct config_table config_keys;

extern const struct config_choice config_version_choices[];
extern const struct config_choice config_level_choices[];
extern const struct config_choice config_uring_choices[];

/* What a file must be, said in messages. */
#define CONFIG_EXPECTS_CERTIFICATE \
	"a PEM file with the certificate chain, leaf first"
#define CONFIG_EXPECTS_KEY "a PEM file with the private key"

/* Checks that need all elements: the same address twice; routes that can't be
 * reached because one before them matches the same.  @node: the list, NULL
 * when it isn't given. */
void config_listen_check_all(struct config_reader *reader,
			     const struct config_node *node,
			     const struct config *config);
void config_route_check_all(struct config_reader *reader,
			    const struct config_node *node,
			    const struct config *config);

/* Also notes which routes need a TLS context. */
void config_destination_check_all(struct config_reader *reader,
				  struct config *config);
void config_destination_defaults(struct config_destination *destination);

/* config_match() - does the pattern ("*", a domain, "*.domain") take @domain of
 * @len octets? In any case of letters. */
bool config_match(const char *pattern, const char *domain, size_t len);

/* Free what an element owns, not the element; half-read ones too. */
void config_listen_free(struct config_listener *listener);
void config_route_free(struct config_route *route);
void config_destination_free(struct config_destination *destination);

#endif
