/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the metrics' text: one family and its samples. */
#ifndef GATEWAY_METRICS_METRICS_TEXT_H
#define GATEWAY_METRICS_METRICS_TEXT_H

#include "gateway/metrics/metrics_view.h"

struct metrics_label {
	const char *name, *value; /* name NULL: the end */
};

/* A family being written. */
struct metrics_text {
	FILE *out;
	const char *name;
};

enum metrics_unit {
	METRICS_NUMBER,
	METRICS_NANOSECONDS, /* said in seconds */
};

/* A family's samples: one number of the sum of all workers (@at), or what @fn
 * writes. */
struct metrics_row {
	struct metrics_family family;
	size_t at;
	void (*fn)(struct metrics_text *text, const struct metrics_view *view);
};

struct metrics_rows {
	const struct metrics_row *rows;
	size_t count;
};
extern const struct metrics_rows metrics_smtp_rows, metrics_mail_rows,
	metrics_host_rows;

/* A sample; labels end with {NULL, NULL}. */
#define METRICS_PUT(text, value, ...)                \
	metrics_put((text), METRICS_NUMBER, (value), \
		    (const struct metrics_label[]){__VA_ARGS__, {NULL, NULL}})
void metrics_put(struct metrics_text *text, enum metrics_unit unit,
		 uint64_t value, const struct metrics_label *labels);
void metrics_put_plain(struct metrics_text *text, enum metrics_unit unit,
		       uint64_t value);

/* A histogram of @count buckets, each up to @bounds[i]; the last has none. */
struct metrics_histogram {
	enum metrics_unit unit;
	const uint64_t *counts, *bounds;
	unsigned count;
	uint64_t sum;
};
void metrics_put_histogram(struct metrics_text *text,
			   const struct metrics_histogram *histogram);

#endif
