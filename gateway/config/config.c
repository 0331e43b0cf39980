/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a configuration: read, shared, freed. */
#include "gateway/config/config.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/config_change.h"
#include "gateway/config/config_events.h"
#include "gateway/config/config_inject.h"
#include "gateway/config/config_keys.h"
#include "gateway/config/config_webhook.h"

/* What config_ref() counts; struct config stays plain values. */
struct counted {
	struct config config; /* first: the pointers are the same */
	atomic_uint references;
};

static struct counted *counted_of(struct config *config)
{
	return (struct counted *)config;
}

static void config_free(struct config *config)
{
	for (size_t i = 0; i < config->listener_count; i++)
		config_listen_free(&config->listeners[i]);
	for (size_t i = 0; i < config->route_count; i++)
		config_route_free(&config->routes[i]);
	for (size_t i = 0; i < config->destination_count; i++)
		config_destination_free(&config->destinations[i]);
	free(config->listeners);
	free(config->routes);
	free(config->destinations);
	free(config->relay_from);
	free(config->retry.schedule);
	free(config->bounce.delay_warning);
	free(config->resolver.servers);
	free(config->resolver.trust_anchor);
	free(config->spool.path);
	free(config->admin.socket);
	free(config->admin.group);
	free(config->inject.socket);
	config_inject_free(&config->inject.http);
	for (size_t i = 0; i < config->webhook_count; i++)
		config_webhook_free(&config->webhooks[i]);
	free(config->webhooks);
	config_http_free(&config->admin.http);
	free(config->log.file);
	config_lines_free(&config->lines);
	for (size_t i = 0; i < config->log.delivery_count; i++)
		config_events_free(&config->log.delivery[i]);
	free(config->log.delivery);
	free(config->hostname);
	free(config->file);
	free(counted_of(config));
}

struct config *config_ref(struct config *config)
{
	unsigned before = atomic_fetch_add_explicit(
		&counted_of(config)->references, 1, memory_order_relaxed);

	assert(before > 0);
	return config;
}

void config_unref(struct config **config)
{
	struct config *mine = *config;
	unsigned before;

	*config = NULL;
	if (!mine)
		return;
	before = atomic_fetch_sub_explicit(&counted_of(mine)->references, 1,
					   memory_order_acq_rel);
	assert(before > 0);
	if (before == 1)
		config_free(mine);
}

/* The folder of @file with its '/', so that relative paths can follow it. */
static char *folder_of(const char *file)
{
	const char *slash = strrchr(file, '/');

	return strndup(file, slash ? (size_t)(slash - file) + 1 : 0);
}

static struct config *config_create(const char *name)
{
	struct counted *counted = calloc(1, sizeof(*counted));

	if (!counted)
		return NULL;
	atomic_init(&counted->references, 1);
	counted->config.file = strdup(name);
	if (counted->config.file)
		return &counted->config;
	free(counted);
	return NULL;
}

/* No key at all: as if an empty mapping stood there, so that the keys that
 * must be given are named. */
static void read_root(struct config_reader *reader,
		      const struct config_node *root, struct config *config)
{
	const struct config_node nothing = {
		.kind = CONFIG_NODE_MAPPING, .line = 1, .column = 1};

	if (!root || config_node_is_empty(root))
		root = &nothing;
	if (root->kind == CONFIG_NODE_MAPPING)
		config_schema_read(reader, &config_keys, root, config);
	else
		config_errors_add(reader->errors, root->line, root->column,
				  "the file is %s; expected 'key: value' lines",
				  config_node_kind_name(root));
}

static void read_text(struct config_errors *errors, const char *text,
		      size_t len, struct config *config)
{
	struct config_reader reader = {.errors = errors};
	struct config_tree tree;
	char *folder = folder_of(errors->name);

	if (!folder) {
		errors->no_memory = true;
		return;
	}
	reader.folder = folder;
	config_schema_defaults(&config_keys, config);
	config_destination_defaults(&config->anywhere);
	if (config_yaml_read(text, len, errors, &tree))
		read_root(&reader, tree.root, config);
	config->lines = config_lines_create(tree.root);
	if (!config->lines)
		errors->no_memory = true;
	config_yaml_free(&tree);
	free(folder);
}

int config_parse(const char *text, size_t len, const char *name, FILE *out,
		 struct config **result)
{
	struct config_errors *errors = config_errors_create(name);
	struct config *config = config_create(name);
	int error = -ENOMEM;

	*result = NULL;
	if (errors && config) {
		read_text(errors, text, len, config);
		config_errors_print(errors, out);
		error = config_errors_result(errors);
	} else {
		fprintf(out, "%s: out of memory while reading it\n", name);
	}
	free(errors);
	if (error)
		config_unref(&config);
	*result = config;
	return error;
}

/* Reads @stream to its end; *len is at most CONFIG_YAML_MAX + 1. */
static int read_stream(FILE *stream, char **text, size_t *len)
{
	const size_t room = CONFIG_YAML_MAX + 1;
	char *buf = malloc(room);

	if (!buf)
		return -ENOMEM;
	errno = 0;
	*len = fread(buf, 1, room, stream);
	if (ferror(stream)) {
		int error = errno ? -errno : -EIO;

		free(buf);
		return error;
	}
	*text = buf;
	return 0;
}

static int read_file(const char *file, char **text, size_t *len)
{
	FILE *stream = fopen(file, "re");
	int error;

	if (!stream)
		return -errno;
	error = read_stream(stream, text, len);
	fclose(stream);
	return error;
}

int config_load(const char *file, FILE *errors, struct config **out)
{
	char *text = NULL;
	size_t len = 0;
	int error = read_file(file, &text, &len);

	*out = NULL;
	if (error) {
		fprintf(errors, "%s: %s; expected a readable YAML file\n", file,
			strerror(-error));
		return error;
	}
	if (len > CONFIG_YAML_MAX) {
		fprintf(errors, "%s: too big; expected at most 1 MiB\n", file);
		error = -EINVAL;
	} else {
		error = config_parse(text, len, file, errors, out);
	}
	free(text);
	return error;
}
