/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing of command line values; see bench_parse.h. */
#include "bench/bench_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bench/bench_rng.h"

/* Digits only: strtoull would take "-1", " 1" and "+1". */
static int parse_digits(const char *text, const char **rest, uint64_t *ret)
{
	uint64_t value = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (unsigned)(*p - '0'), &value))
			return -ERANGE;
	}
	if (p == text)
		return -EINVAL;
	*rest = p;
	*ret = value;
	return 0;
}

int bench_parse_u64(const char *text, uint64_t *ret)
{
	const char *rest;
	uint64_t value;
	int err = parse_digits(text, &rest, &value);

	if (err)
		return err;
	if (*rest)
		return -EINVAL;
	*ret = value;
	return 0;
}

int bench_parse_decimal(const char *text, double *ret)
{
	double value = 0, unit = 1;
	const char *p = text;

	for (; *p >= '0' && *p <= '9'; p++)
		value = value * 10 + (*p - '0');
	if (p == text)
		return -EINVAL;
	if (*p == '.') {
		for (p++; *p >= '0' && *p <= '9'; p++) {
			value = value * 10 + (*p - '0');
			unit *= 10;
		}
		if (p[-1] == '.')
			return -EINVAL;
	}
	if (*p)
		return -EINVAL;
	if (value >= 1e15 || unit >= 1e15)
		return -ERANGE;
	*ret = value / unit;
	return 0;
}

static int parse_unit(const char *unit, unsigned *shift)
{
	static const struct {
		const char *name;
		unsigned shift;
	} units[] = {
		{"", 0},     {"b", 0},	 {"k", 10},   {"kb", 10},
		{"kib", 10}, {"m", 20},	 {"mb", 20},  {"mib", 20},
		{"g", 30},   {"gb", 30}, {"gib", 30},
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!strcasecmp(unit, units[i].name)) {
			*shift = units[i].shift;
			return 0;
		}
	}
	return -EINVAL;
}

int bench_parse_size(const char *text, uint64_t *ret)
{
	const char *rest;
	unsigned shift;
	uint64_t value;
	int err = parse_digits(text, &rest, &value);

	if (err)
		return err;
	if (parse_unit(rest, &shift))
		return -EINVAL;
	if (value > UINT64_MAX >> shift)
		return -ERANGE;
	*ret = value << shift;
	return 0;
}

int bench_parse_size_range(const char *text, struct bench_size_range *ret)
{
	const char *dash = strchr(text, '-');
	struct bench_size_range range;
	char low[32];
	size_t len = dash ? (size_t)(dash - text) : strlen(text);
	int err;

	if (len >= sizeof(low))
		return -EINVAL;
	memcpy(low, text, len);
	low[len] = '\0';
	err = bench_parse_size(low, &range.min);
	if (err)
		return err;
	range.max = range.min;
	if (dash) {
		err = bench_parse_size(dash + 1, &range.max);
		if (err)
			return err;
	}
	if (!range.min || range.max < range.min)
		return -EINVAL;
	*ret = range;
	return 0;
}

/* Up to four decimals: the scale has no room for more. */
static int parse_decimals(const char **text, uint64_t *ret)
{
	const char *p = *text;
	uint64_t unit = BENCH_SHARE_ALL / 100;

	*ret = 0;
	for (; *p >= '0' && *p <= '9'; p++) {
		unit /= 10;
		if (!unit)
			return -EINVAL;
		*ret += unit * (unsigned)(*p - '0');
	}
	if (p == *text)
		return -EINVAL;
	*text = p;
	return 0;
}

int bench_parse_share(const char *text, uint32_t *ret)
{
	const char *rest;
	uint64_t whole, decimals = 0;
	int err = parse_digits(text, &rest, &whole);

	if (err)
		return err;
	if (*rest == '.') {
		rest++;
		err = parse_decimals(&rest, &decimals);
		if (err)
			return err;
	}
	if (strcmp(rest, "%") && strcmp(rest, ""))
		return -EINVAL;
	if (whole > 100 || (whole == 100 && decimals))
		return -ERANGE;
	*ret = (uint32_t)(whole * (BENCH_SHARE_ALL / 100) + decimals);
	return 0;
}

int bench_parse_addr(const char *text, struct bench_addr *ret)
{
	const char *colon = strrchr(text, ':');
	const char *host = text;
	size_t len;
	uint64_t port;

	if (!colon || bench_parse_u64(colon + 1, &port) || port > 65535 ||
	    strlen(colon + 1) >= sizeof(ret->port))
		return -EINVAL;
	len = (size_t)(colon - text);
	if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	} else if (memchr(host, ':', len)) {
		return -EINVAL; /* an IPv6 address needs its brackets */
	}
	if (!len || len >= sizeof(ret->host))
		return -EINVAL;
	memcpy(ret->host, host, len);
	ret->host[len] = '\0';
	strcpy(ret->port, colon + 1);
	return 0;
}
