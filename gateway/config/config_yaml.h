/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML text as a tree in which every node knows its line and column.
 *
 * Only what a configuration needs: mappings with plain words as keys,
 * sequences, scalars.  Aliases, tags, several documents and control characters
 * are mistakes, size and depth are bounded.
 */
#ifndef GATEWAY_CONFIG_CONFIG_YAML_H
#define GATEWAY_CONFIG_CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/config/config_errors.h"

#define CONFIG_YAML_MAX	      (1U << 20) /* octets of a file */
#define CONFIG_YAML_DEPTH_MAX 16
#define CONFIG_YAML_NODES_MAX 65536
#define CONFIG_YAML_KEYS_MAX  64 /* of one mapping */

enum config_node_kind {
	CONFIG_NODE_SCALAR,
	CONFIG_NODE_SEQUENCE,
	CONFIG_NODE_MAPPING,
};

struct config_node {
	enum config_node_kind kind;
	uint32_t line, column; /* from 1 */
	bool plain;	       /* scalar without quotes */
	bool refused;	       /* its mistake is said already */
	char *text;	       /* scalar: NUL-terminated, owned */
	size_t len;
	/* Items of a sequence; keys (scalars) of a mapping. */
	struct config_node *first, *last;
	struct config_node *next;  /* sibling */
	struct config_node *value; /* of a key; never NULL once read */
	struct config_node *parent;
	struct config_node *all; /* chain of all nodes, to free them */
};

struct config_tree {
	struct config_node *root; /* NULL: nothing but comments */
	struct config_node *all;
	size_t nodes;
};

/*
 * config_yaml_read() - @text (borrowed for the call) to a tree.
 * @tree: overwritten; free with config_yaml_free() in any case.  Mistakes go
 * to @errors; after some of them the tree is still good to look at.
 * Returns false when it isn't.
 */
bool config_yaml_read(const char *text, size_t len,
		      struct config_errors *errors, struct config_tree *tree);
void config_yaml_free(struct config_tree *tree);

/* config_node_find() - value of @key in a mapping; NULL: not given. */
const struct config_node *config_node_find(const struct config_node *mapping,
					   const char *key);

/* config_node_is_empty() - "key:" with nothing behind it. */
bool config_node_is_empty(const struct config_node *node);

/* config_node_kind_name() - "a list", for messages. */
const char *config_node_kind_name(const struct config_node *node);

#endif
