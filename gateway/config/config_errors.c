/* SPDX-License-Identifier: Apache-2.0 */
/* Mistakes of a configuration file: gathering, sorting, saying. */
#include "gateway/config/config_errors.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log/log_utf8.h"

struct config_errors *config_errors_create(const char *name)
{
	struct config_errors *errors = calloc(1, sizeof(*errors));

	if (errors)
		errors->name = name;
	return errors;
}

void config_errors_add(struct config_errors *errors, uint32_t line,
		       uint32_t column, const char *format, ...)
{
	struct config_mistake *mistake;
	va_list ap;

	if (errors->count++ >= CONFIG_MISTAKES_MAX)
		return;
	mistake = &errors->list[errors->count - 1];
	mistake->line = line;
	mistake->column = column;
	mistake->order = (uint32_t)errors->count;
	va_start(ap, format);
	vsnprintf(mistake->text, sizeof(mistake->text), format, ap);
	va_end(ap);
}

static int compare_u32(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

static int compare_mistakes(const void *left, const void *right)
{
	const struct config_mistake *a = left, *b = right;
	int by_line = compare_u32(a->line, b->line);
	int by_column = compare_u32(a->column, b->column);

	if (by_line)
		return by_line;
	return by_column ? by_column : compare_u32(a->order, b->order);
}

void config_errors_print(struct config_errors *errors, FILE *out)
{
	size_t kept = errors->count;

	if (errors->no_memory)
		fprintf(out, "%s: out of memory while reading it\n",
			errors->name);
	if (kept > CONFIG_MISTAKES_MAX)
		kept = CONFIG_MISTAKES_MAX;
	qsort(errors->list, kept, sizeof(errors->list[0]), compare_mistakes);
	for (size_t i = 0; i < kept; i++) {
		const struct config_mistake *mistake = &errors->list[i];

		if (mistake->line)
			fprintf(out, "%s:%u:%u: %s\n", errors->name,
				mistake->line, mistake->column, mistake->text);
		else
			fprintf(out, "%s: %s\n", errors->name, mistake->text);
	}
	if (errors->count > kept)
		fprintf(out, "%s: %zu more mistakes; mend these first\n",
			errors->name, errors->count - kept);
}

int config_errors_result(const struct config_errors *errors)
{
	if (errors->no_memory)
		return -ENOMEM;
	return errors->count ? -EINVAL : 0;
}

const char *config_errors_quote(const char *text, size_t len,
				char buf[CONFIG_QUOTE_SIZE])
{
	const size_t room = CONFIG_QUOTE_SIZE - sizeof("...");
	size_t in = 0, out = 0;

	while (in < len) {
		uint32_t code = 0;
		size_t step = log_utf8_decode(text + in, len - in, &code);
		bool shown = step && !log_utf8_is_control(code);

		if (out + (shown ? step : 1) > room) {
			memcpy(buf + out, "...", sizeof("..."));
			return buf;
		}
		if (shown)
			memcpy(buf + out, text + in, step);
		else
			buf[out] = '?';
		out += shown ? step : 1;
		in += step ? step : 1;
	}
	buf[out] = '\0';
	return buf;
}
