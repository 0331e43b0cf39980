/* SPDX-License-Identifier: Apache-2.0 */
/* Order statistics; see tls_stats.h. */
#include "bench/tls/tls_stats.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The value at `share` of the way through sorted values (type 7 of Hyndman
 * and Fan, as R, NumPy and spreadsheets have it). */
static double quantile(const double *sorted, size_t count, double share)
{
	double place = share * (double)(count - 1);
	size_t below = (size_t)place;
	double part = place - (double)below;

	if (below + 1 >= count)
		return sorted[count - 1];
	return sorted[below] + part * (sorted[below + 1] - sorted[below]);
}

int tls_stats_of(const double *values, size_t count, struct tls_stats *out)
{
	const double none = (double)NAN; /* NAN is a float */
	double *sorted = malloc((count ? count : 1) * sizeof(*sorted));
	size_t n = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (!isnan(values[i]))
			sorted[n++] = values[i];
	}
	*out = (struct tls_stats){n, none, none, none, none, none};
	if (n) {
		qsort(sorted, n, sizeof(*sorted), compare);
		out->median = quantile(sorted, n, 0.5);
		out->low = quantile(sorted, n, 0.25);
		out->high = quantile(sorted, n, 0.75);
		out->min = sorted[0];
		out->max = sorted[n - 1];
	}
	free(sorted);
	return 0;
}

double tls_stats_spread(const struct tls_stats *stats)
{
	if (!stats->count || stats->median == 0)
		return (double)NAN;
	return (stats->high - stats->low) / fabs(stats->median);
}
