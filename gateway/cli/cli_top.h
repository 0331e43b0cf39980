/* SPDX-License-Identifier: Apache-2.0 */
/* ringpost top: the figures of a running relay on one screen. */
#ifndef GATEWAY_CLI_CLI_TOP_H
#define GATEWAY_CLI_CLI_TOP_H

#include <jansson.h>
#include <stdio.h>

/*
 * cli_top_print() - @now as a text of at most @rows lines of @columns cells.
 * @before: an earlier answer, for rates; NULL: none. Both are the relay's
 * answers to `status`; anything may be missing in them.
 */
void cli_top_print(FILE *out, const json_t *now, const json_t *before,
		   unsigned rows, unsigned columns);

#endif
