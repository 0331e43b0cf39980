/* SPDX-License-Identifier: Apache-2.0 */
/* A file's values as a list of paths. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/config_change.h"

struct flattening {
	struct config_lines *lines;
	bool failed;
};

/* @value is copied, @path is taken. */
static void add(struct flattening *f, char *path, const char *value)
{
	struct config_lines *lines = f->lines;
	char *copy = strdup(value);

	if (lines->count == lines->room) {
		size_t room = lines->room ? lines->room * 2 : 64;
		struct config_line *more =
			reallocarray(lines->list, room, sizeof(*more));

		if (more) {
			lines->list = more;
			lines->room = room;
		}
	}
	if (!path || !copy || lines->count == lines->room) {
		free(path);
		free(copy);
		f->failed = true;
		return;
	}
	lines->list[lines->count] = (struct config_line){
		.path = path,
		.value = copy,
		.order = (uint32_t)lines->count,
	};
	lines->count++;
}

/* a, between, b, after. */
static char *join(const char *a, const char *between, const char *b,
		  const char *after)
{
	char *text = NULL;

	return asprintf(&text, "%s%s%s%s", a, between, b, after) < 0 ? NULL
								     : text;
}

/* What an element is about. */
static const char *identity(const struct config_node *element)
{
	static const char *const keys[] = {"address",	  "match", "next_hop",
					   "certificate", "reply", "url"};

	if (element->kind == CONFIG_NODE_SCALAR)
		return element->text;
	for (size_t i = 0; element->kind == CONFIG_NODE_MAPPING &&
			   i < sizeof(keys) / sizeof(keys[0]);
	     i++) {
		const struct config_node *v =
			config_node_find(element, keys[i]);

		if (v && v->kind == CONFIG_NODE_SCALAR)
			return v->text;
	}
	return NULL;
}

/* The order of a list's elements, which may matter. */
static char *in_order(const struct config_node *list)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fputc('[', out);
	for (const struct config_node *e = list->first; e; e = e->next) {
		const char *name = identity(e);

		fprintf(out, "%s%s", e == list->first ? "" : ", ",
			name ? name : "...");
	}
	fputc(']', out);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* How many before @element have its name. */
static unsigned same_before(const struct config_node *list,
			    const struct config_node *element, const char *name)
{
	unsigned count = 0;

	for (const struct config_node *e = list->first; e != element;
	     e = e->next) {
		const char *other = identity(e);

		count += other && strcmp(other, name) == 0;
	}
	return count;
}

static void flatten(struct flattening *f, const char *path,
		    const struct config_node *node, unsigned depth);

static void flatten_element(struct flattening *f, const char *path,
			    const struct config_node *list,
			    const struct config_node *element, unsigned number,
			    unsigned depth)
{
	const char *name = identity(element);
	unsigned same = name ? same_before(list, element, name) : number;
	char text[16] = "", *unique, *below;

	if (!name || same > 0)
		snprintf(text, sizeof(text), "#%u", same);
	unique = join(name ? name : "", text, "", "");
	below = unique ? join(path, "[", unique, "]") : NULL;
	if (below)
		flatten(f, below, element, depth + 1);
	else
		f->failed = true;
	free(below);
	free(unique);
}

static void flatten_list(struct flattening *f, const char *path,
			 const struct config_node *list, unsigned depth)
{
	char *order = in_order(list);
	unsigned number = 0;

	if (order)
		add(f, strdup(path), order);
	else
		f->failed = true;
	free(order);
	for (const struct config_node *e = list->first; e && !f->failed;
	     e = e->next, number++)
		if (e->kind != CONFIG_NODE_SCALAR)
			flatten_element(f, path, list, e, number, depth);
}

static void flatten_keys(struct flattening *f, const char *path,
			 const struct config_node *mapping, unsigned depth)
{
	for (const struct config_node *key = mapping->first; key && !f->failed;
	     key = key->next) {
		char *below = path[0] ? join(path, ".", key->text, "")
				      : strdup(key->text);

		if (below && key->value)
			flatten(f, below, key->value, depth + 1);
		else if (!below)
			f->failed = true;
		free(below);
	}
}

static void flatten(struct flattening *f, const char *path,
		    const struct config_node *node, unsigned depth)
{
	if (depth > CONFIG_YAML_DEPTH_MAX)
		return;
	switch (node->kind) {
	case CONFIG_NODE_SCALAR:
		add(f, strdup(path), node->text ? node->text : "");
		break;
	case CONFIG_NODE_SEQUENCE:
		flatten_list(f, path, node, depth);
		break;
	case CONFIG_NODE_MAPPING:
		flatten_keys(f, path, node, depth);
		break;
	}
}

static int by_path(const void *a, const void *b)
{
	const struct config_line *x = a, *y = b;
	int r = strcmp(x->path, y->path);

	return r ? r : (x->order > y->order) - (x->order < y->order);
}

struct config_lines *config_lines_create(const struct config_node *root)
{
	struct config_lines *lines = calloc(1, sizeof(*lines));
	struct flattening f = {.lines = lines};

	if (!lines)
		return NULL;
	if (root && root->kind == CONFIG_NODE_MAPPING)
		flatten(&f, "", root, 0);
	if (f.failed)
		config_lines_free(&lines);
	else if (lines->count > 0)
		qsort(lines->list, lines->count, sizeof(lines->list[0]),
		      by_path);
	return lines;
}

void config_lines_free(struct config_lines **pointer)
{
	struct config_lines *lines = *pointer;

	if (!lines)
		return;
	for (size_t i = 0; i < lines->count; i++) {
		free(lines->list[i].path);
		free(lines->list[i].value);
	}
	free(lines->list);
	free(lines);
	*pointer = NULL;
}
