/* SPDX-License-Identifier: Apache-2.0 */
/* What a result looks like as JSON, as CSV and on the screen. */
#include "tests/unit/bench/unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "bench/tls/tls_report.h"

enum {
	REPEATS = 3,
	COLUMNS_BEFORE = 10, /* of CSV, in front of the metrics */
};

/* Two rows of one group: one measured, one that this machine can't do. */
struct fixture {
	struct tls_plan plan;
	struct tls_result result;
	char *text;
	size_t len;
};

static struct tls_sample sample(uint64_t client_cpu_ns)
{
	return (struct tls_sample){
		.client = {.wall_ns = 500000000,
			   .cpu_ns = client_cpu_ns,
			   .waits = 30,
			   .preempted = 2,
			   .workers = 1,
			   .softirq_ns = 6400000,
			   .has_softirq = true},
		.server = {.wall_ns = 500000000,
			   .cpu_ns = 64000000,
			   .instructions = 6400000000,
			   .has_instructions = true},
	};
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct tls_case c = {
		.path = tls_path_find("ktls-send"),
		.version = KTLS_TLS_1_3,
		.cipher = KTLS_AES_128_GCM,
		.size = 65536,
		.connections = 2,
	};

	tls_plan_default(&f->plan);
	f->plan.repeats = REPEATS;
	f->result.plan = &f->plan;
	f->result.loopback = true;
	f->result.client =
		json_pack("{s:s,s:s}", "kernel", "Linux", "counter", "none");
	f->result.server = json_object();
	f->result.count = 2;
	f->result.rows = calloc(2, sizeof(*f->result.rows));
	tls_row_init(&f->result.rows[0], &c, REPEATS);
	/* 2 connections of 512 messages of 64 KiB: 64 MiB */
	f->result.rows[0].messages = 512;
	for (unsigned i = 0; i < REPEATS; i++) {
		struct tls_sample s = sample(64000000 * (i + 1));

		tls_row_add(&f->result.rows[0], &s);
	}
	f->result.rows[0].verified = true;
	c.path = tls_path_find("ktls-read");
	tls_row_init(&f->result.rows[1], &c, REPEATS);
	f->result.rows[1].messages = 512;
	strcpy(f->result.rows[1].reason, "no \"tls\" module, none at all");
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	free(f->text);
	tls_result_free(&f->result);
	free(f);
	return 0;
}

static const char *report(struct fixture *f,
			  int (*fn)(const struct tls_result *, FILE *))
{
	FILE *to = open_memstream(&f->text, &f->len);

	assert_non_null(to);
	assert_int_equal(fn(&f->result, to), 0);
	fclose(to);
	return f->text;
}

/* --- numbers --- */

static double median(const struct tls_row *row, enum tls_metric metric)
{
	struct tls_stats s;

	assert_int_equal(tls_row_stats(row, metric, &s), 0);
	return s.median;
}

static void costs_are_for_a_mib(void **state)
{
	struct fixture *f = *state;
	const struct tls_row *row = &f->result.rows[0];

	assert_float_equal(median(row, TLS_RATE), 128, 1e-6);
	assert_float_equal(median(row, TLS_MESSAGE_RATE), 2048, 1e-6);
	assert_float_equal(median(row, TLS_CLIENT_CPU), 2000, 1e-6);
	assert_float_equal(median(row, TLS_SERVER_CPU), 1000, 1e-6);
	assert_float_equal(median(row, TLS_SERVER_INSTRUCTIONS), 1e8, 1);
	assert_float_equal(median(row, TLS_CLIENT_SWITCHES), 0.5, 1e-6);
	assert_float_equal(median(row, TLS_CLIENT_WORKERS), 1, 1e-6);
	assert_float_equal(median(row, TLS_CLIENT_SOFTIRQ), 100, 1e-6);
}

static void what_was_not_counted_is_unknown(void **state)
{
	struct fixture *f = *state;

	assert_true(isnan(median(&f->result.rows[0], TLS_CLIENT_INSTRUCTIONS)));
	assert_true(isnan(median(&f->result.rows[0], TLS_CLIENT_INSTALL)));
	assert_true(isnan(median(&f->result.rows[0], TLS_CLIENT_KTHREADS)));
	assert_true(isnan(median(&f->result.rows[0], TLS_SERVER_SOFTIRQ)));
}

static void handshakes_cost_by_the_piece(void **state)
{
	struct tls_case c = {.path = tls_path_find("ktls-full"),
			     .size = 1,
			     .connections = 1};
	struct tls_sample s = sample(100000000);
	struct tls_row row;

	s.client_install_ns = 3000000;
	s.server_install_ns = 2000000;
	s.installs = 1000;
	assert_int_equal(tls_row_init(&row, &c, 1), 0);
	row.messages = 1000;
	tls_row_add(&row, &s);
	assert_float_equal(median(&row, TLS_RATE), 2000, 1e-6);
	assert_float_equal(median(&row, TLS_CLIENT_CPU), 100, 1e-6);
	assert_float_equal(median(&row, TLS_CLIENT_INSTALL), 3, 1e-6);
	assert_float_equal(median(&row, TLS_SERVER_INSTALL), 2, 1e-6);
	assert_true(isnan(median(&row, TLS_MESSAGE_RATE)));
	tls_row_free(&row);
}

/* --- JSON --- */

static void json_has_every_row_with_its_runs(void **state)
{
	struct fixture *f = *state;
	json_t *root = json_loads(report(f, tls_report_json), 0, NULL);
	const json_t *row, *cpu;

	assert_non_null(root);
	assert_int_equal(json_array_size(json_object_get(root, "rows")), 2);
	row = json_array_get(json_object_get(root, "rows"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "path")),
			    "ktls-send");
	assert_string_equal(json_string_value(json_object_get(row, "tls")),
			    "TLSv1.3");
	assert_true(json_is_true(json_object_get(row, "verified")));
	cpu = json_object_get(json_object_get(row, "metrics"), "client_cpu_us");
	assert_float_equal(json_real_value(json_object_get(cpu, "median")),
			   2000, 1e-3);
	assert_int_equal(json_array_size(json_object_get(cpu, "runs")),
			 REPEATS);
	json_decref(root);
}

static void json_leaves_out_what_is_unknown(void **state)
{
	struct fixture *f = *state;
	json_t *root = json_loads(report(f, tls_report_json), 0, NULL);
	const json_t *row = json_array_get(json_object_get(root, "rows"), 0);

	assert_null(json_object_get(json_object_get(row, "metrics"),
				    "client_instructions"));
	json_decref(root);
}

static void json_tells_the_reason_of_an_empty_row(void **state)
{
	struct fixture *f = *state;
	json_t *root = json_loads(report(f, tls_report_json), 0, NULL);
	const json_t *row = json_array_get(json_object_get(root, "rows"), 1);

	assert_string_equal(json_string_value(json_object_get(row, "reason")),
			    "no \"tls\" module, none at all");
	assert_true(json_is_false(json_object_get(row, "failed")));
	assert_null(json_object_get(row, "metrics"));
	json_decref(root);
}

/* --- CSV --- */

/* Fields of a line, quotes understood; *line is moved behind it. */
static size_t fields(const char **line)
{
	size_t count = 1;
	bool quoted = false;

	for (; **line && (quoted || **line != '\n'); (*line)++) {
		if (**line == '"')
			quoted = !quoted;
		count += **line == ',' && !quoted;
	}
	*line += **line == '\n';
	return count;
}

static void csv_lines_have_the_same_fields(void **state)
{
	struct fixture *f = *state;
	const char *line = report(f, tls_report_csv);
	size_t want = COLUMNS_BEFORE + 3 * TLS_METRICS;

	assert_int_equal(fields(&line), want);
	assert_int_equal(fields(&line), want);
	assert_int_equal(fields(&line), want);
	assert_string_equal(line, "");
}

static void csv_quotes_a_reason(void **state)
{
	struct fixture *f = *state;

	assert_non_null(strstr(report(f, tls_report_csv),
			       ",\"no \"\"tls\"\" module, none at all\","));
}

/* --- the screen --- */

static void the_table_has_a_head_for_each_group_and_all_rows(void **state)
{
	struct fixture *f = *state;
	const char *text = report(f, tls_report_text);

	assert_non_null(strstr(text,
			       "send, TLSv1.3 AES-128-GCM, 2 connections, "
			       "messages of 64 KiB, 1024 in a run"));
	assert_non_null(strstr(text, "\nktls-send"));
	assert_non_null(
		strstr(text, "not here: no \"tls\" module, none at all"));
}

static void copies_are_told_where_they_are_known(void **state)
{
	struct tls_row row = {.c.path = tls_path_find("openssl-ring")};
	struct fixture *f = *state;
	const char *text = report(f, tls_report_text);
	const char *measured = strstr(text, "\nktls-send ");
	char buf[16];

	assert_non_null(strstr(text, "  copies\n"));
	assert_non_null(measured);
	assert_memory_equal(strchr(measured + 1, '\n') - 8, "       0", 8);
	assert_string_equal(tls_copies_text(&row, buf), "2");
	row.c.path = tls_path_find("relay-auto");
	assert_string_equal(tls_copies_text(&row, buf), "");
	row.c.path = tls_path_find("ktls-full");
	assert_string_equal(tls_copies_text(&row, buf), "");
}

static void a_failure_does_not_look_like_a_lack(void **state)
{
	struct fixture *f = *state;

	f->result.rows[1].failed = true;
	assert_non_null(strstr(report(f, tls_report_text),
			       "FAILED: no \"tls\" module"));
}

static void sizes_read_well(void **state)
{
	char buf[24];

	assert_string_equal(tls_size_text(512, buf), "512 B");
	assert_string_equal(tls_size_text(4096, buf), "4 KiB");
	assert_string_equal(tls_size_text(16 << 20, buf), "16 MiB");
	assert_string_equal(tls_size_text(16385, buf), "16385 B");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(costs_are_for_a_mib),
		TEST(what_was_not_counted_is_unknown),
		cmocka_unit_test(handshakes_cost_by_the_piece),
		TEST(json_has_every_row_with_its_runs),
		TEST(json_leaves_out_what_is_unknown),
		TEST(json_tells_the_reason_of_an_empty_row),
		TEST(csv_lines_have_the_same_fields),
		TEST(csv_quotes_a_reason),
		TEST(the_table_has_a_head_for_each_group_and_all_rows),
		TEST(copies_are_told_where_they_are_known),
		TEST(a_failure_does_not_look_like_a_lack),
		cmocka_unit_test(sizes_read_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
