/* SPDX-License-Identifier: Apache-2.0 */
/* log.delivery: logs of what becomes of messages. */
#include "gateway/config/config_events.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/config/config_keys.h"

#define LOGS_MAX 4

static const struct config_choice format_choices[] = {
	{"json", CONFIG_EVENT_JSON},
	{"postfix", CONFIG_EVENT_POSTFIX},
	{"journald", CONFIG_EVENT_JOURNALD},
	{NULL, 0},
};

/* It stands in each line, unquoted. */
static void read_name(struct config_reader *reader,
		      const struct config_key *row,
		      const struct config_node *node, void *field)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_./";

	if (node->kind != CONFIG_NODE_SCALAR || !node->len || node->len > 32 ||
	    strspn(node->text, letters) != node->len) {
		config_schema_refuse(reader, row, node, NULL);
		return;
	}
	free(*(char **)field);
	*(char **)field = strdup(node->text);
	if (!*(char **)field)
		reader->errors->no_memory = true;
}

/* clang-format off */
static const struct config_key rows[] = {
	{.name = "format", .kind = CONFIG_CHOICE, .required = true,
	 .offset = offsetof(struct config_event_log, format),
	 .choices = format_choices},
	{.name = "file", .kind = CONFIG_PATH,
	 .offset = offsetof(struct config_event_log, file),
	 .expects = "the file to append to"},
	{.name = "name", .kind = CONFIG_OTHER,
	 .offset = offsetof(struct config_event_log, name), .read = read_name,
	 .expects = "a word for the lines, such as postfix"},
};
/* clang-format on */

static void finish(struct config_reader *reader, const struct config_node *node,
		   void *base)
{
	struct config_event_log *log = base;

	log->line = node->line;
	if (!log->file && log->format != CONFIG_EVENT_JOURNALD)
		config_errors_add(reader->errors, node->line, node->column,
				  "'file' is missing; expected where this "
				  "log is to be");
	if (!log->name)
		log->name = strdup("postfix");
	if (!log->name)
		reader->errors->no_memory = true;
}

static const struct config_table table = {
	.rows = rows,
	.count = CONFIG_COUNT_OF(rows),
	.finish = finish,
};

static const struct config_key row = {
	.name = "delivery",
	.kind = CONFIG_MAPPING,
	.table = &table,
	.expects = "a mapping {format: ..., file: ...}",
};

const struct config_elements config_events_elements = {
	.row = &row,
	.size = sizeof(struct config_event_log),
	.count_offset = offsetof(struct config, log.delivery_count),
	.min = 0,
	.max = LOGS_MAX,
};

void config_events_free(struct config_event_log *log)
{
	free(log->file);
	free(log->name);
}
