/* SPDX-License-Identifier: Apache-2.0 */
/* The text that Prometheus reads; names and docs/metrics.md agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/metrics/metrics_view.h"

static char *text_of(const struct metrics_view *view)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	metrics_write(view, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static struct metrics_view *fresh(void)
{
	struct metrics_view *view = calloc(1, sizeof(*view));

	assert_non_null(view);
	return view;
}

/* The text must have the line. */
static void expect_line(const char *text, const char *line)
{
	char want[512];

	snprintf(want, sizeof(want), "\n%s\n", line);
	if (!strstr(text, want))
		fail_msg("there is no line '%s'", line);
}

static void test_numbers_and_labels(void **state)
{
	struct metrics_view *view = fresh();
	char *text;

	view->stats.inbound.messages = 12345678901;
	view->stats.inbound.tls.handshakes[KTLS_TLS_1_3][KTLS_AES_128_GCM][1] =
		3;
	view->stats.queue.failed = 5;
	view->stats.queue.expired = 2;
	text = text_of(view);
	expect_line(text, "ringpost_inbound_messages_total 12345678901");
	expect_line(text, "ringpost_tls_handshakes_total{side=\"inbound\","
			  "version=\"TLSv1.3\",cipher=\"AES-128-GCM\","
			  "resumed=\"yes\"} 3");
	expect_line(text,
		    "ringpost_delivery_results_total{result=\"bounced\"} 3");
	expect_line(text,
		    "ringpost_delivery_results_total{result=\"expired\"} 2");
	free(text);
	free(view);
}

static void test_histogram_is_cumulative(void **state)
{
	struct metrics_view *view = fresh();
	struct histogram *h = &view->stats.queue.time;
	char *text;

	histogram_add(h, &histogram_queue_time, 1);
	histogram_add(h, &histogram_queue_time, 3000000);
	histogram_add(h, &histogram_queue_time, UINT64_C(3) << 60);
	h->sum = 2500000000;
	text = text_of(view);
#define NAME "ringpost_delivery_queue_time_seconds"
	expect_line(text, NAME "_bucket{le=\"0.001\"} 1");
	expect_line(text, NAME "_bucket{le=\"0.004\"} 2");
	expect_line(text, NAME "_bucket{le=\"0.016\"} 2");
	expect_line(text, NAME "_bucket{le=\"+Inf\"} 3");
	expect_line(text, NAME "_sum 2.500000000");
	expect_line(text, NAME "_count 3");
	free(text);
	free(view);
}

/* Names of destinations come from DNS. */
static void test_hostile_labels_are_escaped(void **state)
{
	struct metrics_view *view = fresh();
	char *text;

	view->top_count = 2;
	view->top[0].name = "a\"b\\c\nd\x01\xff:25";
	view->top[0].sessions = 1;
	view->top[1].sessions = 2;
	text = text_of(view);
	expect_line(text, "ringpost_queue_destination_sessions{destination="
			  "\"a\\\"b\\\\c\\nd\\\\x01\\\\xff:25\"} 1");
	expect_line(text, "ringpost_queue_destination_sessions{destination="
			  "\"unresolved\"} 2");
	free(text);
	free(view);
}

static void test_kernel_without_counters_says_nothing(void **state)
{
	struct metrics_view *view = fresh();
	char *text = text_of(view);

	assert_null(strstr(text, "\nringpost_kernel_tls"));
	free(text);
	view->host.has_tls = true;
	view->host.tls[HOST_TLS_RX_DEVICE] = 4;
	text = text_of(view);
	expect_line(text, "ringpost_kernel_tls_installed_total{"
			  "direction=\"received\",offload=\"device\"} 4");
	free(text);
	free(view);
}

/* --- names --- */

struct names {
	const char *docs;
	size_t count;
};

static void check_name(const char *name)
{
	for (const char *c = name; *c; c++)
		assert_true(islower(*c) || isdigit(*c) || *c == '_');
	assert_int_equal(strncmp(name, "ringpost_", 9), 0);
}

static void check_family(void *arg, const struct metrics_family *family)
{
	struct names *names = arg;
	size_t len = strlen(family->name);
	bool total = len > 6 && strcmp(family->name + len - 6, "_total") == 0;
	char row[128];

	names->count++;
	check_name(family->name);
	assert_int_equal(total, strcmp(family->type, "counter") == 0);
	assert_int_equal(family->help[strlen(family->help) - 1], '.');
	snprintf(row, sizeof(row), "\n| `%s` | %s |", family->name,
		 family->type);
	if (!strstr(names->docs, row))
		fail_msg("docs/metrics.md has no row '%s'", row + 1);
}

static char *read_docs(void)
{
	FILE *file = fopen(METRICS_DOCS, "re");
	char *text = calloc(1, 1 << 17);

	assert_non_null(file);
	assert_non_null(text);
	assert_true(fread(text, 1, (1 << 17) - 1, file) > 0);
	fclose(file);
	return text;
}

/* As many rows as names: none is there that isn't exported. */
static void test_docs_have_every_name_once(void **state)
{
	char *docs = read_docs();
	struct names names = {.docs = docs};
	size_t rows = 0;

	metrics_each(check_family, &names);
	for (const char *at = docs; (at = strstr(at, "\n| `ringpost_")); at++)
		rows++;
	assert_int_equal(rows, names.count);
	free(docs);
}

static bool is_a_sample_of(const char *line, const char *name)
{
	size_t len = strlen(name);

	return strncmp(line, name, len) == 0 &&
	       strchr("{ _", line[len]) != NULL;
}

/* Every line is a comment about, or a sample of, the family before it. */
static void test_every_line_belongs_to_its_family(void **state)
{
	struct metrics_view *view = fresh();
	char *text, *save = NULL, name[128] = "";

	view->host.has_tls = view->host.has_space = true;
	text = text_of(view);
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "# HELP %127s", name) == 1)
			continue;
		if (strncmp(line, "# TYPE ", 7) == 0)
			assert_int_equal(strncmp(line + 7, name, strlen(name)),
					 0);
		else
			assert_true(is_a_sample_of(line, name));
	}
	free(text);
	free(view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_and_labels),
		cmocka_unit_test(test_histogram_is_cumulative),
		cmocka_unit_test(test_hostile_labels_are_escaped),
		cmocka_unit_test(test_kernel_without_counters_says_nothing),
		cmocka_unit_test(test_docs_have_every_name_once),
		cmocka_unit_test(test_every_line_belongs_to_its_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
