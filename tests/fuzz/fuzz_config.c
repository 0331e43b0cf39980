/* SPDX-License-Identifier: Apache-2.0 */
/* Any octets as a configuration: refused with a reason, or sound. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/config.h"
#include "tests/fuzz/fuzz.h"

/* libfyaml 0.7 loses a buffer when some broken texts end inside a scalar:
 * once per reading of a wrong file, not ours to free.  clang and gcc ask this
 * function of the program. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml\n";
}

static void check_rate(const struct config_rate *rate)
{
	assert(rate->count == 0 || rate->period >= rate->count);
}

static void check_destination(const struct config_destination *d)
{
	assert(d->recipients >= 1 && d->remember_broken_tls > 0);
	check_rate(&d->connection_rate);
	check_rate(&d->message_rate);
	for (size_t i = 0; i < d->backoff_count; i++)
		assert((d->backoff[i].pattern != NULL) !=
		       (d->backoff[i].failures > 0));
}

static void check_config(const struct config *config)
{
	const char *const hosts[] = {"mx.example.test"};
	const struct config_destination_query query = {
		.domain = "example.test", .hosts = hosts, .host_count = 1};

	assert(config->hostname && config->spool.path);
	assert(config->listener_count >= 1 && config->route_count >= 1);
	assert(config->workers >= 1 && config->workers <= 64);
	assert(config->retry.count >= 1 ||
	       (config->retry.first > 0 && config->retry.factor >= 1 &&
		config->retry.max >= config->retry.first));
	for (size_t i = 0; i < config->listener_count; i++) {
		const struct config_listener *l = &config->listeners[i];

		assert(l->address.len > 0 && l->address.text[0]);
		assert((l->tls == CONFIG_LISTEN_NONE) ==
		       (l->certificate_count == 0));
	}
	for (size_t i = 0; i < config->route_count; i++) {
		const struct config_route *r = &config->routes[i];

		assert(r->match && r->next_hop.host && r->next_hop.text);
		assert(r->next_hop.port && r->connections);
	}
	for (size_t i = 0; i < config->destination_count; i++)
		check_destination(&config->destinations[i]);
	check_destination(&config->anywhere);
	config_route_for(config, "example.test");
	assert(config_destination_for(config, &query));
}

/* Every mistake is one line of printable text. */
static void check_errors(const char *errors, size_t size)
{
	assert(size > 0 && errors[size - 1] == '\n');
	for (size_t i = 0; i < size; i++)
		assert((uint8_t)errors[i] >= 0x20 || errors[i] == '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *config;
	char *errors = NULL;
	size_t errors_size;
	FILE *stream = open_memstream(&errors, &errors_size);
	int result;

	if (!stream)
		return 0;
	result = config_parse((const char *)data, size, "/nowhere/fuzz.yaml",
			      stream, &config);
	fclose(stream);
	assert(result == 0 || result == -EINVAL);
	if (result == 0)
		check_config(config);
	else
		check_errors(errors, errors_size);
	config_unref(&config);
	free(errors);
	return 0;
}
