/* SPDX-License-Identifier: Apache-2.0 */
/* The walk over tables and tree; one function per kind of value. */
#include "gateway/config/config_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/config/config_value.h"

#define EXPECTS_MAX 256

static void *field_at(void *base, size_t offset)
{
	return (char *)base + offset;
}

/* --- what was expected --- */

/* "@start{a, b or c}": names joined for people. */
struct name_list {
	char text[EXPECTS_MAX];
	size_t len;
};

static void add_name(struct name_list *list, const char *name, bool last)
{
	const char *between = !list->len ? "" : last ? " or " : ", ";
	int n = snprintf(list->text + list->len, sizeof(list->text) - list->len,
			 "%s%s", between, name);

	list->len += (size_t)n;
	if (list->len >= sizeof(list->text))
		list->len = sizeof(list->text) - 1;
}

static void expect_choices(const struct config_choice *choices,
			   struct name_list *list)
{
	for (; choices->name; choices++)
		add_name(list, choices->name, !choices[1].name);
}

static void expect_keys(const struct config_table *table,
			struct name_list *list)
{
	for (size_t i = 0; i < table->count; i++)
		add_name(list, table->rows[i].name, i + 1 == table->count);
}

static void expect_range(const struct config_key *row, char buf[EXPECTS_MAX])
{
	char min[CONFIG_VALUE_TEXT], max[CONFIG_VALUE_TEXT];

	if (row->kind == CONFIG_SIZE)
		snprintf(buf, EXPECTS_MAX,
			 "a size such as 64K, 10MiB or 1G, from %s to %s",
			 config_value_size_text(row->min, min),
			 config_value_size_text(row->max, max));
	else if (row->kind == CONFIG_DURATION)
		snprintf(buf, EXPECTS_MAX,
			 "a time such as 500ms, 30s, 5m, 2h or 5d, from %s to "
			 "%s",
			 config_value_duration_text(row->min, min),
			 config_value_duration_text(row->max, max));
	else if (row->kind == CONFIG_PERCENT)
		snprintf(buf, EXPECTS_MAX,
			 "a percentage such as 10%%, from %u%% to %u%%",
			 (unsigned)row->min, (unsigned)row->max);
	else
		snprintf(buf, EXPECTS_MAX, "a number from %u to %u",
			 (unsigned)row->min, (unsigned)row->max);
}

static const char *expected(const struct config_key *row, char buf[EXPECTS_MAX])
{
	struct name_list list = {0};

	if (row->expects)
		return row->expects;
	switch (row->kind) {
	case CONFIG_COUNT:
	case CONFIG_PERCENT:
	case CONFIG_SIZE:
	case CONFIG_DURATION:
		expect_range(row, buf);
		return buf;
	case CONFIG_CHOICE:
		expect_choices(row->choices, &list);
		memcpy(buf, list.text, sizeof(list.text));
		return buf;
	case CONFIG_PATH:
	case CONFIG_FILE:
		return "a path";
	case CONFIG_MAPPING:
		return "a mapping ('key: value' lines, or {key: value, ...})";
	case CONFIG_LIST:
		return "a list ('- value' lines, or [value, ...])";
	case CONFIG_WORD:
	case CONFIG_OTHER:
		break;
	}
	return "a value";
}

void config_schema_refuse(struct config_reader *reader,
			  const struct config_key *row,
			  const struct config_node *node, const char *why)
{
	char quote[CONFIG_QUOTE_SIZE], buf[EXPECTS_MAX];
	const char *want = expected(row, buf);

	if (node->kind != CONFIG_NODE_SCALAR)
		config_errors_add(reader->errors, node->line, node->column,
				  "'%s' is %s; expected %s", row->name,
				  config_node_kind_name(node), want);
	else if (config_node_is_empty(node))
		config_errors_add(reader->errors, node->line, node->column,
				  "'%s' has no value; expected %s", row->name,
				  want);
	else
		config_errors_add(
			reader->errors, node->line, node->column,
			"'%s' is '%s'%s%s%s; expected %s", row->name,
			config_errors_quote(node->text, node->len, quote),
			why ? " (" : "", why ? why : "", why ? ")" : "", want);
}

/* --- values --- */

typedef int (*number_fn)(const char *text, uint64_t *out);

static void read_number(struct config_reader *reader,
			const struct config_key *row,
			const struct config_node *node, void *field,
			number_fn parse)
{
	bool wide = row->kind == CONFIG_SIZE || row->kind == CONFIG_DURATION;
	uint64_t value;
	int error = parse(node->text, &value);

	if (error || value < row->min || value > row->max) {
		const char *why = NULL;

		if (error == -ERANGE || (!error && value > row->max))
			why = "too big";
		else if (!error)
			why = "too small";
		config_schema_refuse(reader, row, node, why);
	} else if (wide) {
		*(uint64_t *)field = value;
	} else {
		*(unsigned *)field = (unsigned)value;
	}
}

const struct config_choice *config_schema_choice(
	const struct config_choice *choices, const char *name)
{
	for (; choices->name; choices++) {
		if (strcmp(choices->name, name) == 0)
			return choices;
	}
	return NULL;
}

static bool is_near(const char *word, const char *name, unsigned *best)
{
	unsigned distance = config_value_distance(word, name);

	if (distance > 2 || distance * 2 >= strlen(name) || distance >= *best)
		return false;
	*best = distance;
	return true;
}

static const char *near_choice(const struct config_choice *choices,
			       const char *word)
{
	const char *name = NULL;
	unsigned best = UINT_MAX;

	for (; choices->name; choices++) {
		if (is_near(word, choices->name, &best))
			name = choices->name;
	}
	return name;
}

static const char *near_key(const struct config_table *table, const char *word)
{
	const char *name = NULL;
	unsigned best = UINT_MAX;

	for (size_t i = 0; i < table->count; i++) {
		if (is_near(word, table->rows[i].name, &best))
			name = table->rows[i].name;
	}
	return name;
}

static void read_choice(struct config_reader *reader,
			const struct config_key *row,
			const struct config_node *node, void *field)
{
	const struct config_choice *choice =
		config_schema_choice(row->choices, node->text);
	const char *near;
	char why[64];

	if (choice) {
		*(unsigned *)field = choice->value;
		return;
	}
	near = near_choice(row->choices, node->text);
	if (near)
		snprintf(why, sizeof(why), "did you mean '%s'?", near);
	config_schema_refuse(reader, row, node, near ? why : NULL);
}

static char *resolve_path(struct config_reader *reader, const char *path)
{
	char *resolved;

	if (asprintf(&resolved, "%s%s", path[0] == '/' ? "" : reader->folder,
		     path) >= 0)
		return resolved;
	reader->errors->no_memory = true;
	return NULL;
}

/* stat first: opening could wait (a pipe) or do something (a device). */
static int try_file(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	if (!S_ISREG(st.st_mode))
		return EINVAL;
	return faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) < 0 ? errno : 0;
}

static void read_path(struct config_reader *reader,
		      const struct config_key *row,
		      const struct config_node *node, char **field)
{
	int error;

	*field = resolve_path(reader, node->text);
	if (row->kind != CONFIG_FILE || !*field)
		return;
	error = try_file(*field);
	if (error)
		config_errors_add(reader->errors, node->line, node->column,
				  "'%s': can't read %.200s: %s; expected %s",
				  row->name, *field,
				  error == EINVAL ? "not a regular file"
						  : strerror(error),
				  row->expects);
}

static void read_scalar(struct config_reader *reader,
			const struct config_key *row,
			const struct config_node *node, void *field)
{
	if (node->kind != CONFIG_NODE_SCALAR || !node->len) {
		config_schema_refuse(reader, row, node, NULL);
		return;
	}
	switch (row->kind) {
	case CONFIG_WORD:
		*(char **)field = strdup(node->text);
		if (!*(char **)field)
			reader->errors->no_memory = true;
		break;
	case CONFIG_PATH:
	case CONFIG_FILE:
		read_path(reader, row, node, field);
		break;
	case CONFIG_COUNT:
		read_number(reader, row, node, field, config_value_count);
		break;
	case CONFIG_PERCENT:
		read_number(reader, row, node, field, config_value_percent);
		break;
	case CONFIG_SIZE:
		read_number(reader, row, node, field, config_value_size);
		break;
	case CONFIG_DURATION:
		read_number(reader, row, node, field, config_value_duration);
		break;
	case CONFIG_CHOICE:
		read_choice(reader, row, node, field);
		break;
	case CONFIG_MAPPING:
	case CONFIG_LIST:
	case CONFIG_OTHER:
		abort(); /* not scalars: config_schema_value() has them */
	}
}

/* --- lists --- */

static size_t count_items(const struct config_node *list)
{
	size_t count = 0;

	for (const struct config_node *at = list->first; at; at = at->next)
		count++;
	return count;
}

static bool check_list(struct config_reader *reader,
		       const struct config_key *row,
		       const struct config_node *node, size_t count)
{
	const struct config_elements *elements = row->elements;

	if (count >= elements->min && count <= elements->max)
		return true;
	config_errors_add(reader->errors, node->line, node->column,
			  "'%s' has %zu entries; expected %zu to %zu: %s",
			  row->name, count, elements->min, elements->max,
			  elements->row->expects);
	return false;
}

static void read_list(struct config_reader *reader,
		      const struct config_key *row,
		      const struct config_node *node, void *base)
{
	const struct config_elements *elements = row->elements;
	size_t *count_field = field_at(base, elements->count_offset);
	bool one = elements->one && node->kind == CONFIG_NODE_SCALAR;
	const struct config_node *at = one ? node : node->first;
	size_t count, i = 0;
	char *array;

	if (!one && node->kind != CONFIG_NODE_SEQUENCE) {
		config_schema_refuse(reader, row, node, NULL);
		return;
	}
	count = one ? 1 : count_items(node);
	if (!check_list(reader, row, node, count) || !count)
		return;
	array = calloc(count, elements->size);
	if (!array) {
		reader->errors->no_memory = true;
		return;
	}
	*(void **)field_at(base, row->offset) = array;
	*count_field = count;
	for (; i < count; at = at->next) {
		void *element = array + i++ * elements->size;

		if (elements->row->kind == CONFIG_MAPPING)
			config_schema_defaults(elements->row->table, element);
		if (!at->refused)
			config_schema_value(reader, elements->row, at, element);
	}
}

/* --- mappings --- */

static void read_mapping(struct config_reader *reader,
			 const struct config_key *row,
			 const struct config_node *node, void *field)
{
	/* "limits:" with everything in it commented out is fine. */
	if (node->kind == CONFIG_NODE_MAPPING || config_node_is_empty(node))
		config_schema_read(reader, row->table, node, field);
	else
		config_schema_refuse(reader, row, node, NULL);
}

void config_schema_value(struct config_reader *reader,
			 const struct config_key *row,
			 const struct config_node *node, void *base)
{
	void *field = field_at(base, row->offset);

	if (row->kind == CONFIG_MAPPING)
		read_mapping(reader, row, node, field);
	else if (row->kind == CONFIG_LIST)
		read_list(reader, row, node, base);
	else if (row->kind == CONFIG_OTHER)
		row->read(reader, row, node, field);
	else
		read_scalar(reader, row, node, field);
}

static const struct config_key *find_row(const struct config_table *table,
					 const char *name)
{
	for (size_t i = 0; i < table->count; i++) {
		if (strcmp(table->rows[i].name, name) == 0)
			return &table->rows[i];
	}
	return NULL;
}

static void refuse_key(struct config_reader *reader,
		       const struct config_table *table,
		       const struct config_node *key)
{
	const char *near = near_key(table, key->text);
	char quote[CONFIG_QUOTE_SIZE];
	struct name_list list = {0};

	expect_keys(table, &list);
	config_errors_add(reader->errors, key->line, key->column,
			  "unknown key '%s'%s%s%s; expected %s",
			  config_errors_quote(key->text, key->len, quote),
			  near ? " (did you mean '" : "", near ? near : "",
			  near ? "'?)" : "", list.text);
}

static void refuse_missing(struct config_reader *reader,
			   const struct config_table *table,
			   const struct config_node *node)
{
	char buf[EXPECTS_MAX];

	for (size_t i = 0; i < table->count; i++) {
		const struct config_key *row = &table->rows[i];

		if (row->required && !config_node_find(node, row->name))
			config_errors_add(reader->errors, node->line,
					  node->column,
					  "'%s' is missing; expected %s",
					  row->name, expected(row, buf));
	}
}

void config_schema_read(struct config_reader *reader,
			const struct config_table *table,
			const struct config_node *node, void *base)
{
	for (const struct config_node *key = node->first; key;
	     key = key->next) {
		const struct config_key *row = find_row(table, key->text);

		if (key->refused || key->value->refused)
			continue;
		if (row)
			config_schema_value(reader, row, key->value, base);
		else
			refuse_key(reader, table, key);
	}
	refuse_missing(reader, table, node);
	if (table->finish)
		table->finish(reader, node, base);
}

void config_schema_defaults(const struct config_table *table, void *base)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct config_key *row = &table->rows[i];
		void *field = field_at(base, row->offset);

		switch (row->kind) {
		case CONFIG_COUNT:
		case CONFIG_PERCENT:
		case CONFIG_CHOICE:
			*(unsigned *)field = (unsigned)row->fallback;
			break;
		case CONFIG_SIZE:
		case CONFIG_DURATION:
			*(uint64_t *)field = row->fallback;
			break;
		case CONFIG_MAPPING:
			config_schema_defaults(row->table, field);
			break;
		case CONFIG_WORD:
		case CONFIG_PATH:
		case CONFIG_FILE:
		case CONFIG_LIST:
		case CONFIG_OTHER:
			break;
		}
	}
}
