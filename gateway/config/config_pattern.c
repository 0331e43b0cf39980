/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions by PCRE2, with limits on the work for one text. */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "gateway/config/config_pattern.h"

#include <pcre2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Steps of the matcher and KiB of memory for one text: a reply is at most some
 * kilobytes, and a pattern that needs more is a mistake.  About a
 * millisecond. */
#define STEPS_MAX 20000
#define HEAP_KIB  256

struct config_pattern {
	pcre2_code *code;
	pcre2_match_context *context; /* the limits; read-only in matches */
};

static void explain(int error, size_t at, char why[CONFIG_PATTERN_WHY])
{
	PCRE2_UCHAR text[120] = "";

	(void)pcre2_get_error_message(error, text, sizeof(text));
	snprintf(why, CONFIG_PATTERN_WHY, "%s at character %zu",
		 (const char *)text, at + 1);
}

static pcre2_match_context *make_limits(void)
{
	pcre2_match_context *context = pcre2_match_context_create(NULL);

	if (!context)
		return NULL;
	pcre2_set_match_limit(context, STEPS_MAX);
	pcre2_set_depth_limit(context, STEPS_MAX);
	pcre2_set_heap_limit(context, HEAP_KIB);
	return context;
}

struct config_pattern *config_pattern_create(const char *text,
					     char why[CONFIG_PATTERN_WHY])
{
	struct config_pattern *pattern = calloc(1, sizeof(*pattern));
	int error = 0;
	size_t at = 0;

	snprintf(why, CONFIG_PATTERN_WHY, "out of memory");
	if (!pattern)
		return NULL;
	pattern->context = make_limits();
	pattern->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
				      PCRE2_CASELESS | PCRE2_NEVER_BACKSLASH_C |
					      PCRE2_NEVER_UCP | PCRE2_NEVER_UTF,
				      &error, &at, NULL);
	if (!pattern->code)
		explain(error, at, why);
	if (!pattern->code || !pattern->context)
		config_pattern_free(&pattern);
	return pattern;
}

void config_pattern_free(struct config_pattern **pattern)
{
	if (*pattern) {
		pcre2_code_free((*pattern)->code);
		pcre2_match_context_free((*pattern)->context);
		free(*pattern);
	}
	*pattern = NULL;
}

enum config_pattern_result config_pattern_match(
	const struct config_pattern *pattern, const char *text, size_t len)
{
	/* Whether, not where: one pair is enough. */
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	int r;

	if (!data)
		return CONFIG_PATTERN_LIMIT;
	r = pcre2_match(pattern->code, (PCRE2_SPTR)text, len, 0, 0, data,
			pattern->context);
	pcre2_match_data_free(data);
	if (r >= 0)
		return CONFIG_PATTERN_YES;
	return r == PCRE2_ERROR_NOMATCH ? CONFIG_PATTERN_NO
					: CONFIG_PATTERN_LIMIT;
}
