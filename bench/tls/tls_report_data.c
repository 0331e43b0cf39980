/* SPDX-License-Identifier: Apache-2.0 */
/* JSON and CSV; the keys are those of tls_metric_key(). */
#include <errno.h>
#include <math.h>
#include <string.h>

#include <jansson.h>

#include "bench/tls/tls_report.h"

/* --- JSON --- */

static json_t *number(double value)
{
	return isnan(value) ? json_null() : json_real(value);
}

static json_t *pack_runs(const struct tls_row *row, enum tls_metric metric)
{
	json_t *runs = json_array();

	for (unsigned i = 0; runs && i < row->repeats; i++)
		json_array_append_new(
			runs,
			number(row->values[(size_t)i * TLS_METRICS + metric]));
	return runs;
}

static json_t *pack_metrics(const struct tls_row *row)
{
	json_t *metrics = json_object();

	for (int m = 0; metrics && m < TLS_METRICS; m++) {
		enum tls_metric metric = (enum tls_metric)m;
		struct tls_stats s;

		if (tls_row_stats(row, metric, &s) || !s.count)
			continue;
		json_object_set_new(
			metrics, tls_metric_key(metric),
			json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "median",
				  number(s.median), "low", number(s.low),
				  "high", number(s.high), "min", number(s.min),
				  "max", number(s.max), "runs",
				  pack_runs(row, metric)));
	}
	return metrics;
}

static json_t *pack_row(const struct tls_row *row)
{
	const struct tls_path *path = row->c.path;
	json_t *object =
		json_pack("{s:s,s:s,s:s,s:s,s:I,s:I}", "test",
			  tls_test_name(path->test), "path", path->name, "tls",
			  tls_row_tls(row), "cipher", tls_row_cipher(row),
			  "connections", (json_int_t)row->c.connections,
			  "messages", (json_int_t)row->messages);

	if (!object)
		return NULL;
	if (path->test != TLS_TEST_HANDSHAKE) {
		json_object_set_new(object, "size",
				    json_integer((json_int_t)row->c.size));
		json_object_set_new(object, "copies",
				    path->copies == TLS_COPIES_UNKNOWN
					    ? json_null()
					    : json_integer(path->copies));
	}
	if (row->reason[0]) {
		json_object_set_new(object, "reason", json_string(row->reason));
		json_object_set_new(object, "failed",
				    json_boolean(row->failed));
		return object;
	}
	json_object_set_new(object, "verified", json_boolean(row->verified));
	json_object_set_new(object, "metrics", pack_metrics(row));
	return object;
}

int tls_report_json(const struct tls_result *result, FILE *to)
{
	const struct tls_plan *plan = result->plan;
	json_t *rows = json_array();
	json_t *root;
	int err;

	for (size_t i = 0; rows && i < result->count; i++)
		json_array_append_new(rows, pack_row(&result->rows[i]));
	root = json_pack("{s:s,s:O?,s:O?,s:b,s:I,s:I,s:I,s:I,s:o}", "program",
			 "ringpost-bench tls " RINGPOST_VERSION, "client",
			 result->client, "server", result->server, "loopback",
			 result->loopback, "repeats", (json_int_t)plan->repeats,
			 "threads", (json_int_t)plan->threads, "chunk",
			 (json_int_t)plan->chunk, "offset",
			 (json_int_t)plan->offset, "rows", rows);
	err = root && !json_dumpf(root, to,
				  JSON_INDENT(1) | JSON_PRESERVE_ORDER |
					  JSON_REAL_PRECISION(7))
		      ? 0
		      : -EIO;
	json_decref(root);
	fputc('\n', to);
	return err;
}

/* --- CSV, RFC 4180 --- */

static void put_text(const char *text, FILE *to)
{
	if (!text[strcspn(text, ",\"\r\n")]) {
		fputs(text, to);
		return;
	}
	fputc('"', to);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', to);
		fputc(*text, to);
	}
	fputc('"', to);
}

static void put_number(double value, FILE *to)
{
	if (isnan(value))
		fputc(',', to); /* not known: empty */
	else
		fprintf(to, ",%.7g", value);
}

static int put_row(const struct tls_row *row, FILE *to)
{
	char copies[16];

	fprintf(to, "%s,%s,%s,%s,%zu,%u,%llu,%u,%s,",
		tls_test_name(row->c.path->test), row->c.path->name,
		tls_row_tls(row), tls_row_cipher(row), row->c.size,
		row->c.connections, (unsigned long long)row->messages,
		row->repeats, tls_copies_text(row, copies));
	put_text(row->reason, to);
	for (int m = 0; m < TLS_METRICS; m++) {
		struct tls_stats s;
		int err = tls_row_stats(row, (enum tls_metric)m, &s);

		if (err)
			return err;
		put_number(s.median, to);
		put_number(s.low, to);
		put_number(s.high, to);
	}
	fputs("\r\n", to);
	return 0;
}

int tls_report_csv(const struct tls_result *result, FILE *to)
{
	int err = 0;

	fputs("test,path,tls,cipher,size,connections,messages,repeats,copies,"
	      "reason",
	      to);
	for (int m = 0; m < TLS_METRICS; m++) {
		const char *key = tls_metric_key((enum tls_metric)m);

		fprintf(to, ",%s,%s_low,%s_high", key, key, key);
	}
	fputs("\r\n", to);
	for (size_t i = 0; i < result->count && !err; i++)
		err = put_row(&result->rows[i], to);
	return err;
}
