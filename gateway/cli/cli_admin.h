/* SPDX-License-Identifier: Apache-2.0 */
/* How commands speak with a running relay: a request out, lines back. */
#ifndef GATEWAY_CLI_CLI_ADMIN_H
#define GATEWAY_CLI_CLI_ADMIN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Which relay. */
struct cli_relay {
	const char *socket; /* NULL: as @config says */
	const char *config; /* NULL: CLI_CONFIG */
};

#define CLI_CONFIG "/etc/ringpost/ringpost.yaml"

/* A line of the answer, borrowed; @text is it as it came. EX_OK: go on. */
typedef int (*cli_line_fn)(void *arg, json_t *line, const char *text);

/*
 * cli_admin_ask() - send @request (taken) to @relay and call @fn for each line
 * of the answer, the last included, unless it is an error.
 * @raw: pass errors on as lines, too.  Returns a sysexits code; what went
 * wrong was said on standard error: EX_UNAVAILABLE (no relay there),
 * EX_NOPERM, EX_USAGE, EX_NOINPUT (no such message), EX_TEMPFAIL, EX_CONFIG.
 */
int cli_admin_ask(const char *command, const struct cli_relay *relay,
		  json_t *request, bool raw, cli_line_fn fn, void *arg);

/* cli_admin_peek() - the first line of the answer to @request (taken), owned;
 * NULL, without a word, when there is none. */
json_t *cli_admin_peek(const struct cli_relay *relay, json_t *request);

/* cli_safe() - print @text without what a terminal would obey. */
void cli_safe(FILE *out, const char *text);

#endif
