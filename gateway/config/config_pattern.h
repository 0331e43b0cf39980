/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions of the configuration, matched against text from
 * outside in bounded time.
 *
 * Perl's syntax, by PCRE2.  A pattern is compiled once and may be used by any
 * thread.
 */
#ifndef GATEWAY_CONFIG_CONFIG_PATTERN_H
#define GATEWAY_CONFIG_CONFIG_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

struct config_pattern;

/*
 * config_pattern_create() - @text: the expression; letters match in any case.
 * Returned owned. NULL: it is none (why[] says what is wrong and where), or
 * there is no memory.
 */
#define CONFIG_PATTERN_WHY 160
struct config_pattern *config_pattern_create(const char *text,
					     char why[CONFIG_PATTERN_WHY]);
/* config_pattern_free() - accepts NULL; clears. */
void config_pattern_free(struct config_pattern **pattern);

enum config_pattern_result {
	CONFIG_PATTERN_NO,
	CONFIG_PATTERN_YES,
	/* The effort that is allowed for one text was not enough to say, or
	 * there was no memory. */
	CONFIG_PATTERN_LIMIT,
};

/* config_pattern_match() - is it anywhere in @text (any octets)? */
enum config_pattern_result config_pattern_match(
	const struct config_pattern *pattern, const char *text, size_t len);

#endif
