/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with units, and how far two words are apart. */
#include "gateway/config/config_value.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX 32

struct unit {
	const char *name;
	uint64_t factor;
};

/* clang-format off */
static const struct unit size_units[] = {
	{"K",   UINT64_C(1) << 10}, {"KiB", UINT64_C(1) << 10},
	{"M",   UINT64_C(1) << 20}, {"MiB", UINT64_C(1) << 20},
	{"G",   UINT64_C(1) << 30}, {"GiB", UINT64_C(1) << 30},
	{"T",   UINT64_C(1) << 40}, {"TiB", UINT64_C(1) << 40},
	{"KB",  UINT64_C(1000)},
	{"MB",  UINT64_C(1000000)},
	{"GB",  UINT64_C(1000000000)},
	{"TB",  UINT64_C(1000000000000)},
	{"B",   1},
	{"",    1},
	{NULL,  0},
};

static const struct unit duration_units[] = {
	{"ms", UINT64_C(1000000)},
	{"s",  UINT64_C(1000000000)},
	{"m",  UINT64_C(1000000000) * 60},
	{"h",  UINT64_C(1000000000) * 3600},
	{"d",  UINT64_C(1000000000) * 86400},
	{"w",  UINT64_C(1000000000) * 604800},
	{NULL, 0},
};
/* clang-format on */

/* Digits at *@text; moves it behind them. */
static int read_digits(const char **text, uint64_t *out)
{
	const char *at = *text;
	uint64_t value = 0;

	if (*at < '0' || *at > '9')
		return -EINVAL;
	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*at - '0'),
					   &value))
			return -ERANGE;
	}
	*text = at;
	*out = value;
	return 0;
}

static int read_with_unit(const char *text, const struct unit *units,
			  int (*compare)(const char *, const char *),
			  uint64_t *out)
{
	uint64_t value;
	int error = read_digits(&text, &value);

	if (error)
		return error;
	if (text[0] == ' ' && text[1])
		text++;
	for (; units->name; units++) {
		if (compare(text, units->name) != 0)
			continue;
		if (__builtin_mul_overflow(value, units->factor, &value))
			return -ERANGE;
		*out = value;
		return 0;
	}
	return -EINVAL;
}

int config_value_count(const char *text, uint64_t *out)
{
	uint64_t value;
	int error = read_digits(&text, &value);

	if (error || *text)
		return error ? error : -EINVAL;
	*out = value;
	return 0;
}

int config_value_size(const char *text, uint64_t *out)
{
	return read_with_unit(text, size_units, strcasecmp, out);
}

int config_value_duration(const char *text, uint64_t *out)
{
	if (strcmp(text, "0") == 0) {
		*out = 0;
		return 0;
	}
	return read_with_unit(text, duration_units, strcmp, out);
}

int config_value_percent(const char *text, uint64_t *out)
{
	uint64_t value;
	int error = read_digits(&text, &value);

	if (error)
		return error;
	if (strcmp(text, "%") != 0 && (value || *text))
		return -EINVAL;
	*out = value;
	return 0;
}

static const char *value_text(uint64_t value, const struct unit *units,
			      const char *bare, char buf[CONFIG_VALUE_TEXT])
{
	const struct unit *best = NULL;

	for (; units->name; units++) {
		if (value && units->factor > 1 && value % units->factor == 0 &&
		    (!best || units->factor >= best->factor))
			best = units;
	}
	snprintf(buf, CONFIG_VALUE_TEXT, "%" PRIu64 "%s",
		 best ? value / best->factor : value, best ? best->name : bare);
	return buf;
}

const char *config_value_size_text(uint64_t octets, char buf[CONFIG_VALUE_TEXT])
{
	return value_text(octets, size_units, "", buf);
}

const char *config_value_duration_text(uint64_t ns, char buf[CONFIG_VALUE_TEXT])
{
	return value_text(ns, duration_units, ns ? "ns" : "", buf);
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Optimal string alignment: three rows of the usual table. */
unsigned config_value_distance(const char *a, const char *b)
{
	unsigned rows[3][WORD_MAX + 1];
	unsigned *before = rows[0], *above = rows[1], *row = rows[2];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > WORD_MAX || b_len > WORD_MAX)
		return UINT_MAX;
	for (unsigned j = 0; j <= b_len; j++) {
		before[j] = j;
		row[j] = j;
	}
	for (unsigned i = 1; i <= a_len; i++) {
		unsigned *spare = before;

		before = above;
		above = row;
		row = spare;
		row[0] = i;
		for (unsigned j = 1; j <= b_len; j++) {
			bool same = a[i - 1] == b[j - 1];

			row[j] = least(above[j] + 1, row[j - 1] + 1,
				       above[j - 1] + !same);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
	}
	return row[b_len];
}
