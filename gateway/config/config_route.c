/* SPDX-License-Identifier: Apache-2.0 */
/* routes: which next hop takes a domain, and TLS towards it. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/config/config_address.h"
#include "gateway/config/config_keys.h"
#include "gateway/config/config_value.h"

#define SMTP_PORT 25

const struct config_choice config_level_choices[] = {
	{"none", CONFIG_TLS_NONE},
	{"may", CONFIG_TLS_MAY},
	{"encrypt", CONFIG_TLS_ENCRYPT},
	{"verify", CONFIG_TLS_VERIFY},
	{NULL, 0},
};

static const struct config_choice mode_choices[] = {
	{"spool", CONFIG_MODE_SPOOL},
	{"cut_through", CONFIG_MODE_CUT_THROUGH},
	{NULL, 0},
};

const char *config_route_mode_name(enum config_route_mode mode)
{
	return mode_choices[mode].name;
}

const char *config_tls_level_name(enum config_tls_level level)
{
	return config_level_choices[level].name;
}

/* --- tls: a level, or a mapping with one --- */

static void read_domain(struct config_reader *reader,
			const struct config_key *row,
			const struct config_node *node, void *field)
{
	const char *wrong = NULL;

	if (node->kind == CONFIG_NODE_SCALAR && node->len)
		wrong = config_address_domain(node->text);
	if (wrong || node->kind != CONFIG_NODE_SCALAR || !node->len) {
		config_schema_refuse(reader, row, node, wrong);
		return;
	}
	*(char **)field = strdup(node->text);
	if (!*(char **)field)
		reader->errors->no_memory = true;
}

/* clang-format off */
static const struct config_key level_row = {
	.name = "tls", .kind = CONFIG_CHOICE,
	.offset = offsetof(struct config_route, tls),
	.fallback = CONFIG_TLS_MAY, .choices = config_level_choices,
};

static const struct config_key tls_rows[] = {
	{.name = "level", .kind = CONFIG_CHOICE, .required = true,
	 .offset = offsetof(struct config_route, tls),
	 .fallback = CONFIG_TLS_MAY, .choices = config_level_choices},
	{.name = "name", .kind = CONFIG_OTHER,
	 .offset = offsetof(struct config_route, tls_name),
	 .read = read_domain,
	 .expects = "the name in the next hop's certificate"},
	{.name = "ca_file", .kind = CONFIG_FILE,
	 .offset = offsetof(struct config_route, ca_file),
	 .expects = "a PEM file with the trusted certificates"},
	{.name = "min_version", .kind = CONFIG_CHOICE,
	 .offset = offsetof(struct config_route, min_version),
	 .fallback = KTLS_TLS_1_2, .choices = config_version_choices},
	{.name = "ciphers", .kind = CONFIG_WORD,
	 .offset = offsetof(struct config_route, ciphers),
	 .expects = "TLS 1.2 ciphers in OpenSSL's syntax"},
	{.name = "ciphersuites", .kind = CONFIG_WORD,
	 .offset = offsetof(struct config_route, ciphersuites),
	 .expects = "TLS 1.3 suites in OpenSSL's syntax"},
};
/* clang-format on */

/* A trust anchor without verification would look safer than it is. */
static void tls_finish(struct config_reader *reader,
		       const struct config_node *node, void *base)
{
	const struct config_route *route = base;
	const struct config_node *ca = config_node_find(node, "ca_file");

	if (ca && !ca->refused && route->tls != CONFIG_TLS_VERIFY)
		config_errors_add(reader->errors, ca->line, ca->column,
				  "'ca_file' without 'level: verify', nothing "
				  "would be verified; expected level: verify, "
				  "or no ca_file");
}

static const struct config_table tls_table = {
	.rows = tls_rows,
	.count = CONFIG_COUNT_OF(tls_rows),
	.finish = tls_finish,
};

static void read_tls(struct config_reader *reader, const struct config_key *row,
		     const struct config_node *node, void *field)
{
	config_schema_defaults(&tls_table, field);
	if (node->kind == CONFIG_NODE_MAPPING)
		config_schema_read(reader, &tls_table, node, field);
	else if (node->kind == CONFIG_NODE_SCALAR && node->len)
		config_schema_value(reader, &level_row, node, field);
	else
		config_schema_refuse(reader, row, node, NULL);
}

/* --- match and next_hop --- */

static void read_match(struct config_reader *reader,
		       const struct config_key *row,
		       const struct config_node *node, void *field)
{
	const char *wrong = NULL, *domain = node->text;

	if (node->kind != CONFIG_NODE_SCALAR || !node->len) {
		config_schema_refuse(reader, row, node, NULL);
		return;
	}
	if (strcmp(domain, "*") != 0)
		wrong = config_address_domain(
			strncmp(domain, "*.", 2) == 0 ? domain + 2 : domain);
	if (wrong) {
		config_schema_refuse(reader, row, node, wrong);
		return;
	}
	*(char **)field = strdup(domain);
	if (!*(char **)field)
		reader->errors->no_memory = true;
}

/* "mx", or as config_address_next_hop(). */
static void read_next_hop(struct config_reader *reader,
			  const struct config_key *row,
			  const struct config_node *node, void *field)
{
	struct config_next_hop *hop = field;
	const char *wrong = NULL;

	if (node->kind == CONFIG_NODE_SCALAR && node->len &&
	    row->offset == offsetof(struct config_route, next_hop) &&
	    strcmp(node->text, "mx") == 0)
		*hop = (struct config_next_hop){.mx = true,
						.port = hop->port ? hop->port
								  : SMTP_PORT,
						.host = strdup(""),
						.text = strdup("mx")};
	else if (node->kind == CONFIG_NODE_SCALAR && node->len)
		wrong = config_address_next_hop(node->text, hop);
	if (wrong || node->kind != CONFIG_NODE_SCALAR || !node->len)
		config_schema_refuse(reader, row, node, wrong);
	else if (!hop->host || !hop->text)
		reader->errors->no_memory = true;
}

/* The port of MX hosts; any other next hop has its own. */
static void read_port(struct config_reader *reader,
		      const struct config_key *row,
		      const struct config_node *node, void *field)
{
	uint64_t value = 0;

	if (node->kind != CONFIG_NODE_SCALAR ||
	    config_value_count(node->text, &value) || !value ||
	    value > UINT16_MAX)
		config_schema_refuse(reader, row, node, NULL);
	else
		*(uint16_t *)field = (uint16_t)value;
}

/* clang-format off */
static const struct config_key route_rows[] = {
	{.name = "match", .kind = CONFIG_OTHER, .required = true,
	 .offset = offsetof(struct config_route, match), .read = read_match,
	 .expects = "\"*\", a domain, or \"*.domain\" for all below it"},
	{.name = "next_hop", .kind = CONFIG_OTHER, .required = true,
	 .offset = offsetof(struct config_route, next_hop),
	 .read = read_next_hop,
	 .expects = "mx, or host:port, such as smtp.example.test:587, "
		    "192.0.2.1 or \"[2001:db8::1]:25\""},
	{.name = "port", .kind = CONFIG_OTHER,
	 .offset = offsetof(struct config_route, next_hop.port),
	 .read = read_port, .expects = "a number from 1 to 65535"},
	{.name = "fallback", .kind = CONFIG_OTHER,
	 .offset = offsetof(struct config_route, fallback),
	 .read = read_next_hop,
	 .expects = "host:port, such as smtp.example.test:587, 192.0.2.1 or "
		    "\"[2001:db8::1]:25\""},
	{.name = "fallback_after", .kind = CONFIG_COUNT,
	 .offset = offsetof(struct config_route, fallback_after),
	 .fallback = 3, .min = 1, .max = 1000},
	{.name = "mode", .kind = CONFIG_CHOICE,
	 .offset = offsetof(struct config_route, mode),
	 .fallback = CONFIG_MODE_SPOOL, .choices = mode_choices},
	{.name = "tls", .kind = CONFIG_OTHER, .offset = 0, .read = read_tls,
	 .expects = "none, may, encrypt or verify, or a mapping {level: ..., "
		    "...}"},
	{.name = "connections", .kind = CONFIG_COUNT,
	 .offset = offsetof(struct config_route, connections),
	 .fallback = 20, .min = 1, .max = 10000},
	{.name = "messages_per_connection", .kind = CONFIG_COUNT,
	 .offset = offsetof(struct config_route, messages_per_connection),
	 .fallback = 1000, .min = 0, .max = 1000000000},
};
/* clang-format on */

/* Keys that would have no effect, or a wrong one. */
static void check_together(struct config_reader *reader,
			   const struct config_node *node,
			   const struct config_route *route)
{
	const struct config_node *port = config_node_find(node, "port");
	const struct config_node *after =
		config_node_find(node, "fallback_after");

	if (port && !port->refused && route->next_hop.host &&
	    !route->next_hop.mx)
		config_errors_add(reader->errors, port->line, port->column,
				  "'port' is for 'next_hop: mx'; expected the "
				  "port in 'next_hop' (host:port)");
	if (after && !config_node_find(node, "fallback"))
		config_errors_add(reader->errors, after->line, after->column,
				  "'fallback_after' without 'fallback'; "
				  "expected both or none");
	if (route->next_hop.mx && route->mode == CONFIG_MODE_CUT_THROUGH)
		config_errors_add(reader->errors, node->line, node->column,
				  "'mode: cut_through' with 'next_hop: mx'; "
				  "expected host:port, or mode: spool");
	if (route->next_hop.mx && route->tls_name)
		config_errors_add(reader->errors, node->line, node->column,
				  "'name' in 'tls' with 'next_hop: mx'; "
				  "expected none, the name is the MX host's");
}

static void route_finish(struct config_reader *reader,
			 const struct config_node *node, void *base)
{
	struct config_route *route = base;

	check_together(reader, node, route);
	route->line = node->line;
	route->column = node->column;
	if (!config_node_find(node, "tls"))
		config_schema_defaults(&tls_table, route);
}

static const struct config_table route_table = {
	.rows = route_rows,
	.count = CONFIG_COUNT_OF(route_rows),
	.finish = route_finish,
};

const struct config_key config_route_row = {
	.name = "routes",
	.kind = CONFIG_MAPPING,
	.table = &route_table,
	.expects = "a mapping {match: ..., next_hop: ..., tls: ...}",
};

/* --- all routes --- */

/* Does whatever @later matches match @earlier, which is asked first? */
static bool covers(const char *earlier, const char *later)
{
	size_t earlier_len = strlen(earlier), later_len = strlen(later);

	if (strcmp(earlier, "*") == 0 || strcasecmp(earlier, later) == 0)
		return true;
	if (earlier[0] != '*' || later_len < earlier_len)
		return false;
	return strcasecmp(later + later_len - (earlier_len - 1), earlier + 1) ==
	       0;
}

void config_route_check_all(struct config_reader *reader,
			    const struct config_node *node,
			    const struct config *config)
{
	const struct config_node *at = node ? node->first : NULL;

	for (size_t i = 0; i < config->route_count && at; i++) {
		const struct config_route *mine = &config->routes[i];

		for (size_t j = 0; j < i && mine->match; j++) {
			const struct config_route *other = &config->routes[j];

			if (!other->match || !covers(other->match, mine->match))
				continue;
			config_errors_add(reader->errors, at->line, at->column,
					  "'%.100s' is never used, '%.100s' on "
					  "line %u takes all of it; expected "
					  "the narrower match first",
					  mine->match, other->match,
					  other->line);
			break;
		}
		at = at->next;
	}
}

void config_route_free(struct config_route *route)
{
	free(route->match);
	free(route->next_hop.host);
	free(route->next_hop.text);
	free(route->fallback.host);
	free(route->fallback.text);
	free(route->tls_name);
	free(route->ca_file);
	free(route->ciphers);
	free(route->ciphersuites);
}
