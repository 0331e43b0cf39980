/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libfyaml's events to a tree.
 *
 * Events and not libfyaml's documents, because events carry the place of
 * everything, empty mappings too, and because a document would expand aliases.
 */
#include "gateway/config/config_yaml.h"

#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log/log_utf8.h"

struct builder {
	struct config_tree *tree;
	struct config_errors *errors;
	struct config_node *open; /* innermost collection */
	uint32_t line, column;	  /* of the last event that had a place */
	unsigned depth;
	unsigned documents;
};

/* --- before YAML: is it text at all? --- */

static bool check_character(struct config_errors *errors, uint32_t code,
			    uint32_t line, uint32_t column)
{
	if (code == '\t' || code == '\n' || code == '\r' ||
	    (code >= 0x20 && code < 0x7f) || code >= 0xa0 || code == 0x85)
		return true;
	config_errors_add(errors, line, column,
			  "control character 0x%02x; expected text",
			  (unsigned)code);
	return false;
}

/* libfyaml takes an octet that is no UTF-8 for the end of the file, without a
 * word: so look first. */
static bool check_text(const char *text, size_t len,
		       struct config_errors *errors)
{
	uint32_t line = 1, column = 1;

	for (size_t i = 0; i < len;) {
		uint32_t code = 0;
		size_t step = log_utf8_decode(text + i, len - i, &code);

		if (!step) {
			config_errors_add(errors, line, column,
					  "octet 0x%02x is not UTF-8; expected "
					  "UTF-8 text",
					  (unsigned)(uint8_t)text[i]);
			return false;
		}
		if (!check_character(errors, code, line, column))
			return false;
		i += step;
		column++;
		if (code == '\n') {
			line++;
			column = 1;
		}
	}
	return true;
}

/* --- building --- */

static struct config_node *new_node(struct builder *b,
				    enum config_node_kind kind)
{
	struct config_node *node;

	if (b->tree->nodes >= CONFIG_YAML_NODES_MAX) {
		config_errors_add(b->errors, b->line, b->column,
				  "too many values; expected at most %d",
				  CONFIG_YAML_NODES_MAX);
		return NULL;
	}
	node = calloc(1, sizeof(*node));
	if (!node) {
		b->errors->no_memory = true;
		return NULL;
	}
	node->kind = kind;
	node->line = b->line;
	node->column = b->column;
	node->parent = b->open;
	node->all = b->tree->all;
	b->tree->all = node;
	b->tree->nodes++;
	return node;
}

static struct config_node *pending_key(const struct config_node *mapping)
{
	struct config_node *key = mapping->last;

	return key && !key->value ? key : NULL;
}

static void append(struct config_node *parent, struct config_node *node)
{
	if (parent->last)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
}

static bool check_twice(struct builder *b, struct config_node *node)
{
	char quote[CONFIG_QUOTE_SIZE];
	unsigned keys = 0;

	for (struct config_node *key = b->open->first; key; key = key->next) {
		if (++keys >= CONFIG_YAML_KEYS_MAX) {
			config_errors_add(b->errors, node->line, node->column,
					  "too many keys; expected at most %d",
					  CONFIG_YAML_KEYS_MAX);
			return false;
		}
		if (node->refused || strcmp(key->text, node->text) != 0)
			continue;
		config_errors_add(
			b->errors, node->line, node->column,
			"'%s' is given twice, first on line %u; expected once",
			config_errors_quote(node->text, node->len, quote),
			key->line);
		node->refused = true;
	}
	return true;
}

static bool add_key(struct builder *b, struct config_node *node)
{

	if (node->kind != CONFIG_NODE_SCALAR) {
		config_errors_add(b->errors, node->line, node->column,
				  "%s stands as a key; expected a word",
				  config_node_kind_name(node));
		return false;
	}
	if (!check_twice(b, node))
		return false;
	append(b->open, node);
	return true;
}

static bool attach(struct builder *b, struct config_node *node)
{
	struct config_node *key;

	if (!b->open) {
		b->tree->root = node;
		return true;
	}
	if (b->open->kind == CONFIG_NODE_SEQUENCE) {
		append(b->open, node);
		return true;
	}
	key = pending_key(b->open);
	if (!key)
		return add_key(b, node);
	key->value = node;
	if (config_node_is_empty(node)) { /* has no place of its own */
		node->line = key->line;
		node->column = key->column;
	}
	return true;
}

static bool refuse_tag(struct builder *b, const struct fy_token *tag)
{
	if (!tag)
		return true;
	config_errors_add(b->errors, b->line, b->column,
			  "a YAML tag; expected a value without one");
	return false;
}

static bool open_collection(struct builder *b, enum config_node_kind kind,
			    const struct fy_token *tag)
{
	struct config_node *node;

	if (!refuse_tag(b, tag))
		return false;
	if (b->depth >= CONFIG_YAML_DEPTH_MAX) {
		config_errors_add(b->errors, b->line, b->column,
				  "nested too deep; expected at most %d levels",
				  CONFIG_YAML_DEPTH_MAX);
		return false;
	}
	node = new_node(b, kind);
	if (!node || !attach(b, node))
		return false;
	b->open = node;
	b->depth++;
	return true;
}

static bool close_collection(struct builder *b)
{
	b->open = b->open->parent;
	b->depth--;
	return true;
}

static void check_scalar(struct builder *b, struct config_node *node)
{
	for (size_t i = 0; i < node->len; i++) {
		if ((uint8_t)node->text[i] >= 0x20 && node->text[i] != 0x7f)
			continue;
		config_errors_add(b->errors, node->line, node->column,
				  "control character 0x%02x in a value; "
				  "expected text on one line",
				  (unsigned)(uint8_t)node->text[i]);
		node->refused = true;
		return;
	}
}

static bool add_scalar(struct builder *b, const struct fy_event *event)
{
	struct fy_token *token = event->scalar.value;
	struct config_node *node;
	enum fy_scalar_style style;
	const char *text;

	if (!refuse_tag(b, event->scalar.tag))
		return false;
	node = new_node(b, CONFIG_NODE_SCALAR);
	if (!node)
		return false;
	text = fy_token_get_text(token, &node->len);
	style = fy_token_scalar_style(token);
	node->plain = style == FYSS_PLAIN;
	if (style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED)
		node->column--; /* libfyaml's mark is behind the quote */
	node->text = calloc(1, node->len + 1);
	if (!node->text) {
		b->errors->no_memory = true;
		return false;
	}
	if (text)
		memcpy(node->text, text, node->len);
	else
		node->len = 0;
	check_scalar(b, node);
	return attach(b, node);
}

static bool add_alias(struct builder *b)
{
	config_errors_add(b->errors, b->line, b->column - 1, /* at the '*' */
			  "a YAML alias (*name); expected the value itself");
	return false;
}

static bool start_document(struct builder *b)
{
	if (b->documents++ == 0)
		return true;
	config_errors_add(b->errors, b->line, b->column,
			  "a second YAML document; expected one");
	return false;
}

static bool add_event(struct builder *b, struct fy_event *event)
{
	const struct fy_mark *mark = fy_event_start_mark(event);

	if (mark) {
		b->line = (uint32_t)mark->line + 1;
		b->column = (uint32_t)mark->column + 1;
	}
	switch (event->type) {
	case FYET_DOCUMENT_START:
		return start_document(b);
	case FYET_MAPPING_START:
		return open_collection(b, CONFIG_NODE_MAPPING,
				       event->mapping_start.tag);
	case FYET_SEQUENCE_START:
		return open_collection(b, CONFIG_NODE_SEQUENCE,
				       event->sequence_start.tag);
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		return close_collection(b);
	case FYET_SCALAR:
		return add_scalar(b, event);
	case FYET_ALIAS:
		return add_alias(b);
	case FYET_NONE:
	case FYET_STREAM_START:
	case FYET_STREAM_END:
	case FYET_DOCUMENT_END:
		break;
	}
	return true;
}

/* --- driving libfyaml --- */

static void report_syntax(struct fy_diag *diag, struct builder *b)
{
	struct fy_diag_error *error;
	void *at = NULL;
	size_t before = b->errors->count;

	while ((error = fy_diag_errors_iterate(diag, &at)))
		config_errors_add(b->errors, (uint32_t)error->line,
				  (uint32_t)error->column,
				  "not YAML: %s; expected 'key: value' lines "
				  "with matching quotes, brackets and blanks",
				  error->msg);
	if (b->errors->count == before)
		config_errors_add(b->errors, b->line, b->column,
				  "not YAML from here on; expected 'key: "
				  "value' lines");
}

static bool run_parser(struct fy_parser *parser, struct fy_diag *diag,
		       struct builder *b)
{
	struct fy_event *event;
	bool good = true;

	while (good && (event = fy_parser_parse(parser))) {
		good = add_event(b, event);
		fy_parser_event_free(parser, event);
	}
	if (good && fy_parser_get_stream_error(parser)) {
		report_syntax(diag, b);
		good = false;
	}
	return good;
}

static struct fy_diag *create_diag(void)
{
	struct fy_diag_cfg config;
	struct fy_diag *diag;

	fy_diag_cfg_default(&config);
	config.fp = NULL;
	config.level = FYET_ERROR;
	diag = fy_diag_create(&config);
	if (diag)
		fy_diag_set_collect_errors(diag, true);
	return diag;
}

bool config_yaml_read(const char *text, size_t len,
		      struct config_errors *errors, struct config_tree *tree)
{
	struct builder b = {
		.tree = tree, .errors = errors, .line = 1, .column = 1};
	struct fy_parse_cfg config = {
		.flags = FYPCF_DISABLE_MMAP_OPT | FYPCF_JSON_NONE,
	};
	struct fy_parser *parser;
	bool good = false;

	*tree = (struct config_tree){0};
	if (!check_text(text, len, errors))
		return false;
	config.diag = create_diag();
	parser = config.diag ? fy_parser_create(&config) : NULL;
	if (parser && fy_parser_set_string(parser, text, len) == 0)
		good = run_parser(parser, config.diag, &b);
	else
		errors->no_memory = true;
	if (parser)
		fy_parser_destroy(parser);
	fy_diag_destroy(config.diag);
	return good;
}

void config_yaml_free(struct config_tree *tree)
{
	struct config_node *node = tree->all;

	while (node) {
		struct config_node *next = node->all;

		free(node->text);
		free(node);
		node = next;
	}
	*tree = (struct config_tree){0};
}

/* --- looking at it --- */

const struct config_node *config_node_find(const struct config_node *mapping,
					   const char *key)
{
	for (const struct config_node *at = mapping->first; at; at = at->next) {
		if (strcmp(at->text, key) == 0)
			return at->value;
	}
	return NULL;
}

bool config_node_is_empty(const struct config_node *node)
{
	return node->kind == CONFIG_NODE_SCALAR && node->plain && !node->len;
}

const char *config_node_kind_name(const struct config_node *node)
{
	static const char *const names[] = {
		[CONFIG_NODE_SCALAR] = "a single value",
		[CONFIG_NODE_SEQUENCE] = "a list",
		[CONFIG_NODE_MAPPING] = "a mapping",
	};

	return names[node->kind];
}
