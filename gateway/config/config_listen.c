/* SPDX-License-Identifier: Apache-2.0 */
/* listen: addresses, and TLS towards clients. */
#include <stdlib.h>
#include <string.h>

#include "gateway/config/config_address.h"
#include "gateway/config/config_keys.h"

#define CERTIFICATES_MAX 63 /* and the one beside the list */

/* tls: of a listener as it stands in the file: certificate and key may be
 * given beside a list of more. */
struct listen_tls {
	struct config_certificate own;
	struct config_certificate *more;
	size_t more_count;
	enum config_listen_tls mode;
	enum ktls_version min_version;
	char *ciphers, *ciphersuites;
	unsigned tickets;
};

static const struct config_choice mode_choices[] = {
	{"starttls", CONFIG_LISTEN_STARTTLS},
	{"implicit", CONFIG_LISTEN_IMPLICIT},
	{"required", CONFIG_LISTEN_REQUIRED},
	{NULL, 0},
};

/* clang-format off */
static const struct config_key certificate_rows[] = {
	{.name = "certificate", .kind = CONFIG_FILE, .required = true,
	 .offset = offsetof(struct config_certificate, certificate),
	 .expects = CONFIG_EXPECTS_CERTIFICATE},
	{.name = "key", .kind = CONFIG_FILE, .required = true,
	 .offset = offsetof(struct config_certificate, key),
	 .expects = CONFIG_EXPECTS_KEY},
};

static const struct config_table certificate_table = {
	.rows = certificate_rows, .count = CONFIG_COUNT_OF(certificate_rows),
};

static const struct config_key certificate_row = {
	.name = "certificates", .kind = CONFIG_MAPPING,
	.table = &certificate_table,
	.expects = "a mapping {certificate: FILE, key: FILE}",
};

static const struct config_elements certificate_elements = {
	.row = &certificate_row, .size = sizeof(struct config_certificate),
	.count_offset = offsetof(struct listen_tls, more_count),
	.min = 1, .max = CERTIFICATES_MAX,
};

static const struct config_key tls_rows[] = {
	{.name = "certificate", .kind = CONFIG_FILE,
	 .offset = offsetof(struct listen_tls, own.certificate),
	 .expects = CONFIG_EXPECTS_CERTIFICATE},
	{.name = "key", .kind = CONFIG_FILE,
	 .offset = offsetof(struct listen_tls, own.key),
	 .expects = CONFIG_EXPECTS_KEY},
	{.name = "certificates", .kind = CONFIG_LIST,
	 .offset = offsetof(struct listen_tls, more),
	 .elements = &certificate_elements},
	{.name = "mode", .kind = CONFIG_CHOICE,
	 .offset = offsetof(struct listen_tls, mode),
	 .fallback = CONFIG_LISTEN_STARTTLS, .choices = mode_choices},
	{.name = "min_version", .kind = CONFIG_CHOICE,
	 .offset = offsetof(struct listen_tls, min_version),
	 .fallback = KTLS_TLS_1_2, .choices = config_version_choices},
	{.name = "ciphers", .kind = CONFIG_WORD,
	 .offset = offsetof(struct listen_tls, ciphers),
	 .expects = "TLS 1.2 ciphers in OpenSSL's syntax"},
	{.name = "ciphersuites", .kind = CONFIG_WORD,
	 .offset = offsetof(struct listen_tls, ciphersuites),
	 .expects = "TLS 1.3 suites in OpenSSL's syntax"},
	{.name = "tickets", .kind = CONFIG_COUNT,
	 .offset = offsetof(struct listen_tls, tickets),
	 .fallback = 2, .min = 0, .max = 8},
};
/* clang-format on */

static void tls_finish(struct config_reader *reader,
		       const struct config_node *node, void *base);

static const struct config_table tls_table = {
	.rows = tls_rows,
	.count = CONFIG_COUNT_OF(tls_rows),
	.finish = tls_finish,
};

static void refuse_half(struct config_reader *reader,
			const struct config_node *node, const char *given,
			const char *missing, const char *expects)
{
	if (config_node_find(node, given) && !config_node_find(node, missing))
		config_errors_add(reader->errors, node->line, node->column,
				  "'%s' is given without '%s'; expected %s",
				  given, missing, expects);
}

static void tls_finish(struct config_reader *reader,
		       const struct config_node *node, void *base)
{
	(void)base;
	refuse_half(reader, node, "certificate", "key", CONFIG_EXPECTS_KEY);
	refuse_half(reader, node, "key", "certificate",
		    CONFIG_EXPECTS_CERTIFICATE);
	if (config_node_find(node, "certificate") ||
	    config_node_find(node, "key") ||
	    config_node_find(node, "certificates"))
		return;
	config_errors_add(reader->errors, node->line, node->column,
			  "'tls' has no certificate; expected certificate and "
			  "key, or certificates (without TLS: no tls key)");
}

static void certificate_free(struct config_certificate *certificate)
{
	free(certificate->certificate);
	free(certificate->key);
}

/* certificate and key first (the default), then the list: SNI's order. */
static void move_certificates(struct config_reader *reader,
			      struct listen_tls *tls,
			      struct config_listener *listener)
{
	bool own = tls->own.certificate || tls->own.key;
	size_t count = tls->more_count + (own ? 1 : 0);

	if (!count)
		return;
	listener->certificates =
		calloc(count, sizeof(listener->certificates[0]));
	if (!listener->certificates) {
		reader->errors->no_memory = true;
		certificate_free(&tls->own);
		for (size_t i = 0; i < tls->more_count; i++)
			certificate_free(&tls->more[i]);
		return;
	}
	listener->certificate_count = count;
	if (own)
		listener->certificates[0] = tls->own;
	for (size_t i = 0; i < tls->more_count; i++)
		listener->certificates[i + (own ? 1 : 0)] = tls->more[i];
}

static void read_tls(struct config_reader *reader, const struct config_key *row,
		     const struct config_node *node, void *field)
{
	struct config_listener *listener = field;
	struct listen_tls tls = {0};

	if (node->kind != CONFIG_NODE_MAPPING) {
		config_schema_refuse(reader, row, node, NULL);
		return;
	}
	config_schema_defaults(&tls_table, &tls);
	config_schema_read(reader, &tls_table, node, &tls);
	listener->tls = tls.mode;
	listener->min_version = tls.min_version;
	listener->ciphers = tls.ciphers;
	listener->ciphersuites = tls.ciphersuites;
	listener->tickets = tls.tickets;
	move_certificates(reader, &tls, listener);
	free(tls.more);
}

static void read_address(struct config_reader *reader,
			 const struct config_key *row,
			 const struct config_node *node, void *field)
{
	const char *wrong = NULL;

	if (node->kind == CONFIG_NODE_SCALAR && node->len)
		wrong = config_address_endpoint(node->text, field);
	if (wrong || node->kind != CONFIG_NODE_SCALAR || !node->len)
		config_schema_refuse(reader, row, node, wrong);
}

/* clang-format off */
static const struct config_key listen_rows[] = {
	{.name = "address", .kind = CONFIG_OTHER, .required = true,
	 .offset = offsetof(struct config_listener, address),
	 .read = read_address,
	 .expects = "a numeric address with a port, such as 127.0.0.1:25, "
		    "0.0.0.0:25 or \"[::]:25\""},
	{.name = "tls", .kind = CONFIG_OTHER, .offset = 0, .read = read_tls,
	 .expects = "a mapping {certificate: FILE, key: FILE, ...}"},
};
/* clang-format on */

static void listen_finish(struct config_reader *reader,
			  const struct config_node *node, void *base)
{
	struct config_listener *listener = base;

	(void)reader;
	listener->line = node->line;
	listener->column = node->column;
	if (config_node_find(node, "tls"))
		return;
	listener->tls = CONFIG_LISTEN_NONE;
	listener->min_version = KTLS_TLS_1_2;
}

static const struct config_table listen_table = {
	.rows = listen_rows,
	.count = CONFIG_COUNT_OF(listen_rows),
	.finish = listen_finish,
};

const struct config_key config_listen_row = {
	.name = "listen",
	.kind = CONFIG_MAPPING,
	.table = &listen_table,
	.expects = "a mapping {address: ..., tls: {...}}",
};

void config_listen_check_all(struct config_reader *reader,
			     const struct config_node *node,
			     const struct config *config)
{
	const struct config_node *at = node ? node->first : NULL;

	for (size_t i = 0; i < config->listener_count && at; i++) {
		const struct config_listener *mine = &config->listeners[i];

		for (size_t j = 0; j < i && mine->address.len; j++) {
			if (strcmp(config->listeners[j].address.text,
				   mine->address.text) != 0)
				continue;
			config_errors_add(reader->errors, at->line, at->column,
					  "%s is listed already on line %u; "
					  "expected each address once",
					  mine->address.text,
					  config->listeners[j].line);
			break;
		}
		at = at->next;
	}
}

void config_listen_free(struct config_listener *listener)
{
	for (size_t i = 0; i < listener->certificate_count; i++)
		certificate_free(&listener->certificates[i]);
	free(listener->certificates);
	free(listener->ciphers);
	free(listener->ciphersuites);
}
