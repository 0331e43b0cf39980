/* SPDX-License-Identifier: Apache-2.0 */
/* ringpost check-config: read the file, load its certificates, sum it up. */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "gateway/cli/cli.h"
#include "gateway/config/config.h"
#include "gateway/config/config_value.h"
#include "ktls/ktls_ctx.h"

#define ROUTES_SHOWN 10

/* Makes the context and drops it; false after saying why it can't be made. */
static bool try_context(const struct ktls_ctx_config *tls, const char *file,
			uint32_t line, uint32_t column, const char *what)
{
	struct ktls_error error = {{0}};
	struct ktls_ctx *ctx = NULL;

	if (ktls_ctx_create(tls, &ctx, &error) == 0) {
		ktls_ctx_unref(&ctx);
		return true;
	}
	fprintf(stderr, "%s:%u:%u: TLS of %s: %s\n", file, line, column, what,
		error.text);
	return false;
}

static bool check_listener(const struct config *config,
			   const struct config_listener *listener)
{
	struct ktls_ctx_config tls = {
		.role = KTLS_SERVER,
		.min_version = listener->min_version,
		.ciphers = listener->ciphers,
		.ciphersuites = listener->ciphersuites,
		.cert_count = listener->certificate_count,
		.tickets = listener->tickets,
	};
	struct ktls_cert_files *files;
	bool good;

	if (listener->tls == CONFIG_LISTEN_NONE)
		return true;
	files = calloc(listener->certificate_count, sizeof(files[0]));
	if (!files)
		return false;
	for (size_t i = 0; i < listener->certificate_count; i++) {
		files[i].certificate = listener->certificates[i].certificate;
		files[i].key = listener->certificates[i].key;
	}
	tls.certs = files;
	good = try_context(&tls, config->file, listener->line, listener->column,
			   listener->address.text);
	free(files);
	return good;
}

static bool check_route(const struct config *config,
			const struct config_route *route)
{
	struct ktls_ctx_config tls = {
		.role = KTLS_CLIENT,
		.min_version = route->min_version,
		.ciphers = route->ciphers,
		.ciphersuites = route->ciphersuites,
		.ca_file = route->ca_file,
	};

	return !route->may_need_tls ||
	       try_context(&tls, config->file, route->line, route->column,
			   route->next_hop.text);
}

static bool check_contexts(const struct config *config)
{
	bool good = true;

	for (size_t i = 0; i < config->listener_count; i++)
		good &= check_listener(config, &config->listeners[i]);
	for (size_t i = 0; i < config->route_count; i++)
		good &= check_route(config, &config->routes[i]);
	return good;
}

/* --- the summary --- */

static void show_listeners(const struct config *config)
{
	static const char *const modes[] = {
		[CONFIG_LISTEN_STARTTLS] = "STARTTLS offered",
		[CONFIG_LISTEN_IMPLICIT] = "TLS from the first byte",
		[CONFIG_LISTEN_REQUIRED] = "STARTTLS required",
		[CONFIG_LISTEN_NONE] = "no TLS",
	};

	for (size_t i = 0; i < config->listener_count; i++) {
		const struct config_listener *l = &config->listeners[i];

		printf("  %-11s %s, %s", i ? "" : "listen", l->address.text,
		       modes[l->tls]);
		if (l->certificate_count)
			printf(", %zu certificate%s", l->certificate_count,
			       l->certificate_count == 1 ? "" : "s");
		printf("\n");
	}
}

static void show_routes(const struct config *config)
{
	size_t shown = config->route_count;

	if (shown > ROUTES_SHOWN)
		shown = ROUTES_SHOWN;
	for (size_t i = 0; i < shown; i++) {
		const struct config_route *r = &config->routes[i];

		printf("  %-11s %s to %s, TLS %s%s\n", i ? "" : "routes",
		       r->match, r->next_hop.text,
		       config_tls_level_name(r->tls),
		       r->mode == CONFIG_MODE_CUT_THROUGH ? ", cut-through"
							  : "");
	}
	if (config->route_count > shown)
		printf("  %-11s and %zu more\n", "",
		       config->route_count - shown);
}

static void show_summary(const struct config *config)
{
	static const char *const offloads[] = {
		[KTLS_OFFLOAD_AUTO] = "auto",
		[KTLS_OFFLOAD_ALWAYS] = "always",
		[KTLS_OFFLOAD_NEVER] = "never",
	};
	char size[CONFIG_VALUE_TEXT], expire[CONFIG_VALUE_TEXT];

	printf("%s: ok\n", config->file);
	printf("  %-11s %s\n", "hostname", config->hostname);
	show_listeners(config);
	if (config->relay_from_count)
		printf("  %-11s %zu network%s\n", "relay_from",
		       config->relay_from_count,
		       config->relay_from_count == 1 ? "" : "s");
	else
		printf("  %-11s nobody: all mail will be refused\n",
		       "relay_from");
	show_routes(config);
	if (config->destination_count)
		printf("  %-11s %zu with settings of their own\n",
		       "destinations", config->destination_count);
	printf("  %-11s %s, %s\n", "spool", config->spool.path,
	       config->spool.durability == CONFIG_SYNC
		       ? "sync"
		       : "async: a power cut loses accepted mail");
	printf("  %-11s messages up to %s, kept for %s\n", "limits",
	       config_value_size_text(config->limits.message_size, size),
	       config_value_duration_text(config->retry.expire, expire));
	printf("  %-11s %s\n", "offload", offloads[config->offload]);
	printf("  %-11s %s\n", "body_path",
	       ktls_byte_path_name(config->body_path));
	printf("  %-11s %u\n", "workers", config->workers);
}

int cli_check_config(const struct cli_options *options)
{
	struct config *config;
	int code = cli_load_config(options->config, &config);

	if (code != EX_OK)
		return code;
	if (check_contexts(config))
		show_summary(config);
	else
		code = EX_CONFIG;
	config_unref(&config);
	return code;
}
