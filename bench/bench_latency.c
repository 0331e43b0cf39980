/* SPDX-License-Identifier: Apache-2.0 */
/* Tables, JSON and CSV of latencies; see bench_latency.h. */
#include "bench/bench_latency.h"

#include <errno.h>

/* clang-format off */
static const struct column {
	const char *title; /* of the table */
	const char *key;   /* in JSON */
	double share;
} columns[] = {
	{"min",   "min_us",   0},
	{"p50",   "p50_us",   0.5},
	{"p90",   "p90_us",   0.9},
	{"p99",   "p99_us",   0.99},
	{"p99.9", "p99_9_us", 0.999},
	{"max",   "max_us",   1},
};
/* clang-format on */
enum {
	COLUMNS = sizeof(columns) / sizeof(columns[0]),
	NAME_WIDTH = 12,
	VALUE_WIDTH = 10,
};

/* Three digits that count are more than a histogram knows. */
static void print_ms(FILE *to, uint64_t ns)
{
	double ms = (double)ns / 1e6;

	fprintf(to, "%*.*f", VALUE_WIDTH, ms < 10 ? 3 : ms < 1000 ? 1 : 0, ms);
}

static void print_row(FILE *to, const struct bench_latency *row)
{
	const struct bench_histogram *h = row->histogram;

	fprintf(to, "%-*s", NAME_WIDTH, row->name);
	for (size_t i = 0; i < COLUMNS; i++)
		print_ms(to, bench_histogram_at(h, columns[i].share));
	fprintf(to, "%*llu\n", VALUE_WIDTH, (unsigned long long)h->count);
}

void bench_latency_print(FILE *to, const struct bench_latency *rows,
			 size_t count)
{
	fprintf(to, "%-*s", NAME_WIDTH, "ms");
	for (size_t i = 0; i < COLUMNS; i++)
		fprintf(to, "%*s", VALUE_WIDTH, columns[i].title);
	fprintf(to, "%*s\n", VALUE_WIDTH, "count");
	for (size_t i = 0; i < count; i++) {
		if (rows[i].histogram->count)
			print_row(to, &rows[i]);
	}
}

static json_t *row_json(const struct bench_histogram *h)
{
	json_t *row = json_object();

	json_object_set_new(row, "count", json_integer((json_int_t)h->count));
	json_object_set_new(row, "mean_us",
			    json_real(bench_histogram_mean(h) / 1e3));
	for (size_t i = 0; i < COLUMNS; i++) {
		uint64_t ns = bench_histogram_at(h, columns[i].share);

		json_object_set_new(row, columns[i].key,
				    json_real((double)ns / 1e3));
	}
	return row;
}

json_t *bench_latency_json(const struct bench_latency *rows, size_t count)
{
	json_t *root = json_object();

	for (size_t i = 0; i < count; i++) {
		if (rows[i].histogram->count)
			json_object_set_new(root, rows[i].name,
					    row_json(rows[i].histogram));
	}
	return root;
}

static void write_row(FILE *to, const struct bench_latency *row)
{
	struct bench_bucket b;
	uint64_t seen = 0;
	size_t at = 0;

	while (bench_histogram_next(row->histogram, &at, &b)) {
		seen += b.count;
		fprintf(to, "%s,%llu,%llu,%llu,%.9f\r\n", row->name,
			(unsigned long long)b.low, (unsigned long long)b.high,
			(unsigned long long)b.count,
			(double)seen / (double)row->histogram->count);
	}
}

int bench_latency_write(FILE *to, const struct bench_latency *rows,
			size_t count)
{
	fputs("phase,from_ns,to_ns,count,share\r\n", to);
	for (size_t i = 0; i < count; i++)
		write_row(to, &rows[i]);
	if (fflush(to))
		return -errno;
	return ferror(to) ? -EIO : 0;
}
