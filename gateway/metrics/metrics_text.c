/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus's text format, version 0.0.4. */
#include "gateway/metrics/metrics_text.h"

#include <assert.h>
#include <inttypes.h>

#define NS 1000000000u

/* Backslash, quote and line feed are escaped (the format's only ones); other
 * control characters could only be noise. */
static void put_label_value(FILE *out, const char *value)
{
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if (c == '\\' || c == '"')
			fprintf(out, "\\%c", c);
		else if (c == '\n')
			fputs("\\n", out);
		else if (c < ' ' || c >= 0x7f)
			fprintf(out, "\\\\x%02x", c);
		else
			fputc(c, out);
	}
}

static void put_labels(FILE *out, const struct metrics_label *labels)
{
	const char *between = "{";

	for (; labels->name; labels++, between = ",") {
		fprintf(out, "%s%s=\"", between, labels->name);
		put_label_value(out, labels->value);
		fputc('"', out);
	}
	if (between[0] == ',')
		fputc('}', out);
}

/* Nine digits and no binary fractions: what was counted, exactly. */
static void put_value(FILE *out, enum metrics_unit unit, uint64_t value)
{
	if (unit == METRICS_NANOSECONDS)
		fprintf(out, "%" PRIu64 ".%09u", value / NS,
			(unsigned)(value % NS));
	else
		fprintf(out, "%" PRIu64, value);
}

void metrics_put(struct metrics_text *text, enum metrics_unit unit,
		 uint64_t value, const struct metrics_label *labels)
{
	fputs(text->name, text->out);
	put_labels(text->out, labels);
	fputc(' ', text->out);
	put_value(text->out, unit, value);
	fputc('\n', text->out);
}

void metrics_put_plain(struct metrics_text *text, enum metrics_unit unit,
		       uint64_t value)
{
	static const struct metrics_label none[] = {{NULL, NULL}};

	metrics_put(text, unit, value, none);
}

/* Prometheus's own form of a bound has no zeros at its end. */
static void put_bound(FILE *out, enum metrics_unit unit, uint64_t bound)
{
	if (unit == METRICS_NANOSECONDS)
		fprintf(out, "%.9g", (double)bound / NS);
	else
		fprintf(out, "%" PRIu64, bound);
}

void metrics_put_histogram(struct metrics_text *text,
			   const struct metrics_histogram *h)
{
	uint64_t so_far = 0;

	assert(h->count > 0);
	for (unsigned i = 0; i + 1 < h->count; i++) {
		so_far += h->counts[i];
		fprintf(text->out, "%s_bucket{le=\"", text->name);
		put_bound(text->out, h->unit, h->bounds[i]);
		fprintf(text->out, "\"} %" PRIu64 "\n", so_far);
	}
	so_far += h->counts[h->count - 1];
	fprintf(text->out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum ",
		text->name, so_far, text->name);
	put_value(text->out, h->unit, h->sum);
	fprintf(text->out, "\n%s_count %" PRIu64 "\n", text->name, so_far);
}

/* --- all families --- */

static const struct metrics_rows *const groups[] = {
	&metrics_smtp_rows,
	&metrics_mail_rows,
	&metrics_host_rows,
};
#define GROUPS (sizeof(groups) / sizeof(groups[0]))

static void write_row(const struct metrics_row *row,
		      const struct metrics_view *view, FILE *out)
{
	struct metrics_text text = {.out = out, .name = row->family.name};
	const char *base = (const char *)&view->stats;

	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", row->family.name,
		row->family.help, row->family.name, row->family.type);
	if (row->fn)
		row->fn(&text, view);
	else
		metrics_put_plain(
			&text, METRICS_NUMBER,
			*(const uint64_t *)(const void *)(base + row->at));
}

void metrics_write(const struct metrics_view *view, FILE *out)
{
	for (size_t g = 0; g < GROUPS; g++)
		for (size_t i = 0; i < groups[g]->count; i++)
			write_row(&groups[g]->rows[i], view, out);
}

void metrics_each(void (*fn)(void *arg, const struct metrics_family *family),
		  void *arg)
{
	for (size_t g = 0; g < GROUPS; g++)
		for (size_t i = 0; i < groups[g]->count; i++)
			fn(arg, &groups[g]->rows[i].family);
}
