/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mistakes of one configuration file, gathered while it is read and said
 * together, in the order of the file.
 */
#ifndef GATEWAY_CONFIG_CONFIG_ERRORS_H
#define GATEWAY_CONFIG_CONFIG_ERRORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Beyond these only their number is said: nobody mends more at once, and a
 * hostile file must not make us keep them. */
#define CONFIG_MISTAKES_MAX 100

struct config_mistake {
	uint32_t line, column; /* from 1; line 0: of no place in the file */
	uint32_t order;	       /* of finding, to keep the sort stable */
	char text[512];
};

struct config_errors {
	const char *name; /* of the file, borrowed */
	size_t count;	  /* of mistakes, kept or not */
	bool no_memory;
	struct config_mistake list[CONFIG_MISTAKES_MAX];
};

/* config_errors_create() - returned owned, NULL without memory; free(3) it. */
struct config_errors *config_errors_create(const char *name);

/*
 * config_errors_add() - note a mistake: "what is wrong; what is expected".
 * Text that doesn't fit is cut.
 */
void config_errors_add(struct config_errors *errors, uint32_t line,
		       uint32_t column, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* config_errors_print() - one line each, by line and column. */
void config_errors_print(struct config_errors *errors, FILE *out);

/* config_errors_result() - 0, -EINVAL when there are any, -ENOMEM. */
int config_errors_result(const struct config_errors *errors);

/* A value of the file as it may stand in a message: cut, on one line. */
#define CONFIG_QUOTE_SIZE 72
const char *config_errors_quote(const char *text, size_t len,
				char buf[CONFIG_QUOTE_SIZE]);

#endif
