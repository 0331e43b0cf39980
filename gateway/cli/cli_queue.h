/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of `ringpost queue`: its tables. */
#ifndef GATEWAY_CLI_CLI_QUEUE_H
#define GATEWAY_CLI_CLI_QUEUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* What is known of an answer so far. */
struct cli_queue_text {
	const char *action;
	bool content;	/* show: nothing but the message */
	json_t *rows;	/* summary: kept for the widths; owned */
	size_t printed; /* list: rows */
	bool headers;	/* show: they have begun */
};

/* cli_queue_line() - a cli_line_fn: print it for people. */
int cli_queue_line(void *arg, json_t *line, const char *text);

#endif
