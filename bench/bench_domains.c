/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of recipient domains; see bench_domains.h. */
#include "bench/bench_domains.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench_parse.h"
#include "bench/bench_rng.h"

/* Keeps the draws of domains apart from those of the message. */
#define DOMAIN_STREAM 0x646f6d61696e73ull

enum {
	NUMBER_MAX = 6 /* digits of BENCH_DOMAINS_MAX - 1 */
};

struct item {
	const char *name; /* borrowed, not terminated */
	size_t len;
	size_t hash; /* where the number goes; len: nowhere */
	size_t first;
	size_t count;
	double slope;  /* the S of 1/n^S */
	double weight; /* of the whole item */
};

struct bench_domains {
	size_t items;
	size_t count;
	bool in_turn;
	double *upto; /* owned: share of this domain and those before */
	struct item item[];
};

/* What `piece` says behind `mark`, and cuts it off there. */
static const char *cut(char *piece, char mark)
{
	char *at = strrchr(piece, mark);

	if (!at)
		return NULL;
	*at = '\0';
	return at + 1;
}

/* A set has a place for the number, a single domain has none. */
static bool name_valid(const struct item *item, bool set)
{
	if (!item->len || item->len + NUMBER_MAX >= BENCH_DOMAIN_SIZE)
		return false;
	for (size_t i = 0; i < item->len; i++) {
		unsigned char c = (unsigned char)item->name[i];

		if (c <= ' ' || c == 127 || strchr("<>@*~", c) ||
		    (c == '#' && i != item->hash))
			return false;
	}
	return (item->hash < item->len) == set;
}

/* Behind the name: [*COUNT[~S]][:WEIGHT]. */
static int parse_item(struct bench_domains *d, struct item *item, char *piece)
{
	/* An address literal may have colons of its own. */
	const char *weight =
		cut(strrchr(piece, ']') ? strrchr(piece, ']') : piece, ':');
	const char *slope = cut(piece, '~'), *count = cut(piece, '*');
	uint64_t n = 1;

	item->len = strlen(piece);
	item->hash = strcspn(piece, "#");
	if ((slope && (!count || bench_parse_decimal(slope, &item->slope))) ||
	    (count && bench_parse_u64(count, &n)))
		return -EINVAL;
	if (!n || n > BENCH_DOMAINS_MAX - d->count || item->slope > 100)
		return -ERANGE;
	item->first = d->count;
	item->count = (size_t)n;
	item->weight = (double)n;
	if (weight && bench_parse_decimal(weight, &item->weight))
		return -EINVAL;
	d->in_turn &= !weight && !slope;
	d->count += item->count;
	return name_valid(item, count != NULL) ? 0 : -EINVAL;
}

static int parse(struct bench_domains *d, const char *text, char *error,
		 size_t cap)
{
	for (;;) {
		struct item *item = &d->item[d->items++];
		size_t len = strcspn(text, ",");
		char *piece = strndup(text, len);
		int err;

		if (!piece)
			return -ENOMEM;
		item->name = text;
		err = parse_item(d, item, piece);
		free(piece);
		if (err) {
			snprintf(error, cap, "%.*s: %s", (int)len, text,
				 err == -ERANGE ? "out of range"
						: "no domain or set of them");
			return err;
		}
		if (!text[len])
			return 0;
		text += len + 1;
	}
}

/* The set's weight shared out, the nth 1/n^S of the first. */
static double share_out(const struct item *item, double *upto, double sum)
{
	double all = 0, seen = 0;

	for (size_t n = 1; n <= item->count; n++)
		all += pow((double)n, -item->slope);
	for (size_t n = 1; n <= item->count; n++) {
		seen += pow((double)n, -item->slope);
		upto[item->first + n - 1] = sum + item->weight * seen / all;
	}
	return sum + item->weight;
}

static int weigh(struct bench_domains *d, char *error, size_t cap)
{
	double sum = 0;

	if (d->in_turn)
		return 0;
	d->upto = calloc(d->count, sizeof(*d->upto));
	if (!d->upto)
		return -ENOMEM;
	for (size_t i = 0; i < d->items; i++)
		sum = share_out(&d->item[i], d->upto, sum);
	if (sum > 0)
		return 0;
	snprintf(error, cap, "all weights are 0");
	return -EINVAL;
}

struct bench_domains *bench_domains_new(const char *text, char *error,
					size_t cap)
{
	size_t items = 1;
	struct bench_domains *d;

	for (const char *p = text; (p = strchr(p, ',')); p++)
		items++;
	snprintf(error, cap, "out of memory");
	d = calloc(1, sizeof(*d) + items * sizeof(d->item[0]));
	if (!d)
		return NULL;
	d->in_turn = true;
	if (parse(d, text, error, cap) || weigh(d, error, cap)) {
		bench_domains_free(d);
		return NULL;
	}
	return d;
}

void bench_domains_free(struct bench_domains *d)
{
	if (!d)
		return;
	free(d->upto);
	free(d);
}

size_t bench_domains_count(const struct bench_domains *d)
{
	return d->count;
}

static const struct item *item_of(const struct bench_domains *d, size_t i)
{
	size_t low = 0, high = d->items - 1;

	while (low < high) {
		size_t mid = low + (high - low + 1) / 2;

		if (d->item[mid].first <= i)
			low = mid;
		else
			high = mid - 1;
	}
	return &d->item[low];
}

/* For every recipient of the run: printf would cost more than the draw. */
static char *put_number(char *at, size_t number)
{
	char digits[20];
	size_t len = 0;

	do
		digits[len++] = (char)('0' + number % 10);
	while (number /= 10);
	while (len)
		*at++ = digits[--len];
	return at;
}

void bench_domains_name(const struct bench_domains *d, size_t i,
			char name[BENCH_DOMAIN_SIZE])
{
	const struct item *item = item_of(d, i);
	char *at = mempcpy(name, item->name, item->hash);

	if (item->hash < item->len) {
		at = put_number(at, i - item->first);
		at = mempcpy(at, item->name + item->hash + 1,
			     item->len - item->hash - 1);
	}
	*at = '\0';
}

/* The first domain whose share reaches beyond u. */
static size_t search(const struct bench_domains *d, double u)
{
	size_t low = 0, high = d->count - 1;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (d->upto[mid] > u)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

size_t bench_domains_pick(const struct bench_domains *d, uint64_t seed,
			  uint64_t index, unsigned k)
{
	uint64_t rng;

	if (d->in_turn)
		return (size_t)((index + k) % d->count);
	rng = bench_rng_stream(bench_rng_stream(seed ^ DOMAIN_STREAM, index),
			       k);
	return search(d, bench_rng_unit(&rng) * d->upto[d->count - 1]);
}
