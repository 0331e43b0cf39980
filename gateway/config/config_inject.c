/* SPDX-License-Identifier: Apache-2.0 */
/* inject.http: its keys. */
#include "gateway/config/config_inject.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "gateway/config/config_address.h"
#include "gateway/config/config_keys.h"

static void read_address(struct config_reader *reader,
			 const struct config_key *row,
			 const struct config_node *node, void *field)
{
	const char *wrong = NULL;
	bool scalar = node->kind == CONFIG_NODE_SCALAR && node->len;

	if (scalar)
		wrong = config_address_endpoint(node->text, field);
	if (wrong || !scalar)
		config_schema_refuse(reader, row, node, wrong);
}

/* clang-format off */
static const struct config_key rows[] = {
	{.name = "address", .kind = CONFIG_OTHER, .required = true,
	 .offset = offsetof(struct config_inject_http, address),
	 .read = read_address,
	 .expects = "a numeric address with a port, such as 127.0.0.1:8025"},
	{.name = "token_file", .kind = CONFIG_FILE, .required = true,
	 .offset = offsetof(struct config_inject_http, token_file),
	 .expects = "a file with the token that applications show"},
	{.name = "certificate", .kind = CONFIG_FILE,
	 .offset = offsetof(struct config_inject_http, certificate),
	 .expects = "a file with the certificate, PEM"},
	{.name = "key", .kind = CONFIG_FILE,
	 .offset = offsetof(struct config_inject_http, key),
	 .expects = "a file with its key, PEM"},
};
/* clang-format on */

static bool is_loopback(const struct config_endpoint *address)
{
	const struct sockaddr_in *v4 = (const void *)&address->addr;
	const struct sockaddr_in6 *v6 = (const void *)&address->addr;

	if (address->addr.ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static void finish(struct config_reader *reader, const struct config_node *node,
		   void *base)
{
	struct config_inject_http *http = base;

	http->line = node->line;
	if (!http->certificate != !http->key)
		config_errors_add(reader->errors, node->line, node->column,
				  "'certificate' or 'key' is missing; expected "
				  "both of them or none");
	else if (http->address.len && !is_loopback(&http->address) &&
		 !http->certificate)
		config_errors_add(reader->errors, node->line, node->column,
				  "the token would go over a network in clear; "
				  "expected 'certificate' and 'key', or a "
				  "loopback address");
	http->wanted = true;
}

static const struct config_table table = {
	.rows = rows,
	.count = CONFIG_COUNT_OF(rows),
	.finish = finish,
};

void config_inject_read_http(struct config_reader *reader,
			     const struct config_key *row,
			     const struct config_node *node, void *field)
{
	if (node->kind == CONFIG_NODE_MAPPING)
		config_schema_read(reader, &table, node, field);
	else
		config_schema_refuse(reader, row, node, NULL);
}

void config_inject_free(struct config_inject_http *http)
{
	free(http->token_file);
	free(http->certificate);
	free(http->key);
}
