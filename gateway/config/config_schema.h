/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a tree of YAML into structs by tables: one table per mapping, one
 * row per key.  A key that is in no table is a mistake.
 */
#ifndef GATEWAY_CONFIG_CONFIG_SCHEMA_H
#define GATEWAY_CONFIG_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/config/config_errors.h"
#include "gateway/config/config_yaml.h"

/* What one reading shares. */
struct config_reader {
	struct config_errors *errors;
	const char *folder; /* of relative paths: "" or with a '/' at its end */
};

enum config_kind {
	CONFIG_WORD,	 /* char *, owned */
	CONFIG_PATH,	 /* char *, owned, relative to the file's folder */
	CONFIG_FILE,	 /* the same; must be there and readable */
	CONFIG_COUNT,	 /* unsigned */
	CONFIG_PERCENT,	 /* unsigned */
	CONFIG_SIZE,	 /* uint64_t, octets */
	CONFIG_DURATION, /* uint64_t, nanoseconds */
	CONFIG_CHOICE,	 /* an enum, by name */
	CONFIG_MAPPING,	 /* a struct, or a part of the same one (offset 0) */
	CONFIG_LIST,	 /* a pointer to elements, and their number */
	CONFIG_OTHER,	 /* whatever row->read does */
};

struct config_choice {
	const char *name; /* NULL ends the table */
	unsigned value;
};

struct config_key;

/* A reader of its own: @node to the field of @row at @field. */
typedef void (*config_read_fn)(struct config_reader *reader,
			       const struct config_key *row,
			       const struct config_node *node, void *field);

struct config_table {
	const struct config_key *rows;
	size_t count;
	/* After the rows, also when some had mistakes: what concerns several
	 * keys, and defaults that are not numbers.  May be NULL. */
	void (*finish)(struct config_reader *reader,
		       const struct config_node *node, void *base);
};

/* Elements of a list: each is read by the row @element at offset 0. */
struct config_elements {
	const struct config_key *row;
	size_t size;	     /* of one */
	size_t count_offset; /* of the size_t beside the pointer, in the struct
			      * that holds it */
	size_t min, max;
	bool one; /* a single value may stand without [] */
};

struct config_key {
	const char *name;
	enum config_kind kind;
	bool required;
	size_t offset;
	uint64_t fallback;   /* for numbers and choices */
	uint64_t min, max;   /* both included */
	const char *expects; /* "a numeric address and port such as ..." */
	union {
		const struct config_choice *choices;
		const struct config_table *table;
		const struct config_elements *elements;
		config_read_fn read;
	};
};

/* config_schema_defaults() - fallbacks of @table and of the mappings in it to
 * @base. */
void config_schema_defaults(const struct config_table *table, void *base);

/* config_schema_read() - the mapping @node to @base, which has its defaults.
 * Mistakes go to the reader's errors; fields in error keep their default. */
void config_schema_read(struct config_reader *reader,
			const struct config_table *table,
			const struct config_node *node, void *base);

/* config_schema_value() - one value by its row; @field is the row's field. */
void config_schema_value(struct config_reader *reader,
			 const struct config_key *row,
			 const struct config_node *node, void *base);

/*
 * config_schema_refuse() - "'name' is 'value' (why); expected ...".
 * @why: NULL: not said.
 */
void config_schema_refuse(struct config_reader *reader,
			  const struct config_key *row,
			  const struct config_node *node, const char *why);

/* config_schema_choice() - the row of @choices called @name; NULL: none. */
const struct config_choice *config_schema_choice(
	const struct config_choice *choices, const char *name);

#endif
