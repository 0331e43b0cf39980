/* SPDX-License-Identifier: Apache-2.0 */
/* Distributions of numbers; see bench_dist.h. */
#include "bench/bench_dist.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "bench/bench_rng.h"

enum {
	PIECE_MAX = 96
};

/* Cuts off what stands in front of the next comma. False at the end. */
static bool next_piece(const char **text, char piece[PIECE_MAX], int *err)
{
	size_t len;

	if (!*text || *err)
		return false;
	len = strcspn(*text, ",");
	if (len >= PIECE_MAX) {
		*err = -EINVAL;
		return false;
	}
	memcpy(piece, *text, len);
	piece[len] = '\0';
	*text = (*text)[len] ? *text + len + 1 : NULL;
	return true;
}

/* RANGE[:WEIGHT]; `piece` is written to. */
static int parse_item(char *piece, struct bench_size_range *range,
		      double *weight)
{
	char *colon = strchr(piece, ':');
	int err = 0;

	*weight = 1;
	if (colon) {
		*colon = '\0';
		err = bench_parse_decimal(colon + 1, weight);
	}
	return err ? err : bench_parse_size_range(piece, range);
}

static int parse_items(const char *text, struct bench_dist *d)
{
	char piece[PIECE_MAX];
	double sum = 0, weight;
	int err = 0;

	while (next_piece(&text, piece, &err)) {
		struct bench_dist_item *item = &d->items[d->count];

		if (d->count == BENCH_DIST_ITEMS)
			return -ERANGE;
		err = parse_item(piece, &item->range, &weight);
		if (err)
			return err;
		sum += weight;
		item->upto = sum;
		if (item->range.max > d->max)
			d->max = item->range.max;
		d->count++;
	}
	if (!err && sum <= 0)
		err = -EINVAL;
	for (unsigned i = 0; i < d->count; i++)
		d->items[i].upto /= sum;
	return err;
}

/* MEDIAN,SIGMA[,MAX] */
static int parse_lognormal(const char *text, struct bench_dist *d)
{
	char piece[PIECE_MAX];
	unsigned given = 0;
	int err = 0;

	d->max = BENCH_DIST_MAX;
	while (next_piece(&text, piece, &err)) {
		uint64_t size = 0;

		if (given == 1)
			err = bench_parse_decimal(piece, &d->sigma);
		else
			err = bench_parse_size(piece, &size);
		if (given == 0)
			d->median = (double)size;
		else if (given == 2)
			d->max = size;
		given++;
	}
	if (err)
		return err;
	if (given < 2 || given > 3)
		return -EINVAL;
	return d->median < 1 || d->median > (double)d->max || d->sigma > 10
		       ? -ERANGE
		       : 0;
}

int bench_dist_parse(const char *text, struct bench_dist *ret)
{
	static const char name[] = "lognormal:";
	struct bench_dist d = {0};
	int err;

	if (!strncmp(text, name, sizeof(name) - 1))
		err = parse_lognormal(text + sizeof(name) - 1, &d);
	else
		err = parse_items(text, &d);
	if (!err)
		*ret = d;
	return err;
}

int bench_dist_opt(const char *text, void *field)
{
	return bench_dist_parse(text, field);
}

struct bench_dist bench_dist_range(uint64_t min, uint64_t max)
{
	return (struct bench_dist){
		.count = 1,
		.items = {{.range = {min, max}, .upto = 1}},
		.max = max,
	};
}

/* As many between 1K and 2K as between 1M and 2M. */
static uint64_t draw_range(const struct bench_size_range *range, uint64_t *rng)
{
	double u = bench_rng_unit(rng);
	double ratio = (double)range->max / (double)range->min;

	if (range->min == range->max)
		return range->min;
	return (uint64_t)((double)range->min * pow(ratio, u));
}

static uint64_t draw_item(const struct bench_dist *d, uint64_t *rng)
{
	double u = d->count > 1 ? bench_rng_unit(rng) : 0;
	unsigned i = 0;

	while (i + 1 < d->count && u >= d->items[i].upto)
		i++;
	return draw_range(&d->items[i].range, rng);
}

/* Box and Muller; what is beyond the largest counts as the largest. */
static uint64_t draw_lognormal(const struct bench_dist *d, uint64_t *rng)
{
	double radius = sqrt(-2 * log(1 - bench_rng_unit(rng)));
	double z = radius * cos(2 * M_PI * bench_rng_unit(rng));
	double value = d->median * exp(d->sigma * z);

	if (value >= (double)d->max)
		return d->max;
	return value < 1 ? 1 : (uint64_t)value;
}

uint64_t bench_dist_draw(const struct bench_dist *d, uint64_t *rng)
{
	return d->count ? draw_item(d, rng) : draw_lognormal(d, rng);
}
