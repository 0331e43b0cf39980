/* SPDX-License-Identifier: Apache-2.0 */
/* Where a relay's sockets are (config_socket.h). */
#include "gateway/config/config_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/admin_address.h"
#include "gateway/config/config_yaml.h"
#include "gateway/inject/inject_client.h"

/* @mapping.@key as a word, or NULL. */
static const char *word(const struct config_node *mapping, const char *key)
{
	const struct config_node *node = NULL;

	if (mapping && mapping->kind == CONFIG_NODE_MAPPING)
		node = config_node_find(mapping, key);
	return node && node->kind == CONFIG_NODE_SCALAR && node->len
		       ? node->text
		       : NULL;
}

static const struct config_node *part(const struct config_tree *tree,
				      const char *key)
{
	if (!tree->root || tree->root->kind != CONFIG_NODE_MAPPING)
		return NULL;
	return config_node_find(tree->root, key);
}

/* Relative paths start in the folder of the file. */
static char *join(const char *file, const char *path, const char *name)
{
	const char *slash = strrchr(file, '/');
	int folder = path[0] != '/' && slash ? (int)(slash - file) + 1 : 0;
	char *joined;

	if (asprintf(&joined, "%.*s%s%s", folder, file, path, name) < 0)
		return NULL;
	return joined;
}

/* One of the relay's sockets: the mapping that may say where it is, and its
 * name in the spool folder otherwise. */
struct wanted {
	const char *mapping, *name;
};

static char *find(const struct config_tree *tree, const char *file,
		  const struct wanted *wanted)
{
	const char *socket = word(part(tree, wanted->mapping), "socket");
	const char *spool = word(part(tree, "spool"), "path");

	if (socket)
		return join(file, socket, "");
	return spool ? join(file, spool, wanted->name) : NULL;
}

static int read_text(const char *file, char *text, size_t room, size_t *len)
{
	FILE *in = fopen(file, "re");
	int r = 0;

	if (!in)
		return -errno;
	errno = 0;
	*len = fread(text, 1, room, in);
	if (ferror(in))
		r = errno ? -errno : -EIO;
	fclose(in);
	return r;
}

static int parse(const char *text, size_t len, const char *file, FILE *out,
		 const struct wanted *wanted, char **path)
{
	struct config_errors *errors = config_errors_create(file);
	struct config_tree tree = {0};
	bool good;

	if (!errors)
		return -ENOMEM;
	good = len <= CONFIG_YAML_MAX &&
	       config_yaml_read(text, len, errors, &tree);
	if (good)
		*path = find(&tree, file, wanted);
	else
		config_errors_print(errors, out);
	config_yaml_free(&tree);
	free(errors);
	return *path ? 0 : -EINVAL;
}

static int locate(const char *file, FILE *errors, const struct wanted *wanted,
		  char **path)
{
	char *text = malloc(CONFIG_YAML_MAX + 1);
	size_t len = 0;
	int r = text ? read_text(file, text, CONFIG_YAML_MAX + 1, &len)
		     : -ENOMEM;

	*path = NULL;
	if (r < 0)
		fprintf(errors, "%s: %s\n", file, strerror(-r));
	else
		r = parse(text, len, file, errors, wanted, path);
	free(text);
	return r;
}

int config_socket(const char *file, FILE *errors, char **path)
{
	static const struct wanted admin = {"admin", "/" ADMIN_SOCKET_NAME};

	return locate(file, errors, &admin, path);
}

int config_inject_socket(const char *file, FILE *errors, char **path)
{
	static const struct wanted inject = {"inject", "/" INJECT_SOCKET_NAME};

	return locate(file, errors, &inject, path);
}
