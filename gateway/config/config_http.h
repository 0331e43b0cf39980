/* SPDX-License-Identifier: Apache-2.0 */
/* admin.http: metrics, health, the status page and the admin interface over
 * HTTP. */
#ifndef GATEWAY_CONFIG_CONFIG_HTTP_H
#define GATEWAY_CONFIG_CONFIG_HTTP_H

#include <stdbool.h>
#include <stdint.h>

struct config_endpoint;
struct config_reader;
struct config_node;

enum config_http_clear {
	CONFIG_HTTP_CLEAR_LOOPBACK, /* without TLS only there */
	CONFIG_HTTP_CLEAR_ANYWHERE,
};

struct config_http {
	struct config_endpoint *address; /* owned; NULL: not wanted */
	char *token_file;		 /* NULL: nobody may act */
	char *certificate, *key;	 /* NULL: no TLS */
	unsigned clear_text;		 /* enum config_http_clear */
	uint32_t line, column;
};

/* Who does not have this many octets of luck is not let in. */
#define CONFIG_HTTP_TOKEN_MIN 16
#define CONFIG_HTTP_TOKEN_MAX 512

/* config_http_token() - read the token: one line of visible ASCII, from a file
 * that only its owner can read or write. @out is zeroed beyond it. NULL, or what
 * is wrong (static). */
const char *config_http_token(const char *file,
			      char out[CONFIG_HTTP_TOKEN_MAX + 1]);

/* config_http_is_loopback() - can nobody from outside reach it? */
bool config_http_is_loopback(const struct config_endpoint *address);

void config_http_free(struct config_http *http);

#endif
