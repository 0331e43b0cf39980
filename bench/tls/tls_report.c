/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table for people: one block for each group of rows that were measured
 * against each other.
 */
#include "bench/tls/tls_report.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "bench/tls/tls_machine.h"

enum {
	NAME_WIDTH = 21,
};

const char *tls_size_text(uint64_t size, char buf[24])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
	unsigned u = 0;

	while (u < 3 && size >= 1024 && size % 1024 == 0) {
		size /= 1024;
		u++;
	}
	snprintf(buf, 24, "%llu %s", (unsigned long long)size, units[u]);
	return buf;
}

/* --- the head --- */

static void print_machine(const char *what, const json_t *m, FILE *to)
{
	fprintf(to, "%s: %s, %lld x %s, %s\n", what,
		tls_machine_text(m, "kernel"),
		(long long)json_integer_value(json_object_get(m, "cpus")),
		tls_machine_text(m, "processor"),
		tls_machine_text(m, "openssl"));
	if (!json_is_true(json_object_get(m, "kernel_tls")))
		fprintf(to, "  no kernel TLS: %s\n",
			tls_machine_text(m, "why_no_kernel_tls"));
	if (*tls_machine_text(m, "why_no_io_uring"))
		fprintf(to, "  no io_uring: %s\n",
			tls_machine_text(m, "why_no_io_uring"));
	if (*tls_machine_text(m, "why_not_counted"))
		fprintf(to, "  %s\n", tls_machine_text(m, "why_not_counted"));
}

/* --- columns --- */

struct column {
	const char *title;
	int width;
	enum tls_metric metric;
	double scale;
	int decimals;
	bool spread;  /* with the distance of the quartiles in % */
	bool counted; /* only where instructions are counted */
};

/* clang-format off */
static const struct column sending[] = {
	{"MiB/s",      8, TLS_RATE,                1,    0, true,  false},
	{"CPU us/MiB", 11, TLS_CLIENT_CPU,         1,    1, true,  false},
	{"user",       8, TLS_CLIENT_USER,         1,    1, false, false},
	{"system",     8, TLS_CLIENT_SYSTEM,       1,    1, false, false},
	{"softirq",    8, TLS_CLIENT_SOFTIRQ,      1,    1, false, false},
	{"io-wq",      8, TLS_CLIENT_WORKER,       1,    1, false, false},
	{"k insn/MiB", 11, TLS_CLIENT_INSTRUCTIONS, 1e-3, 1, true,  true},
	{"k cycles",   9, TLS_CLIENT_CYCLES,       1e-3, 1, false, true},
	{"peer us",    9, TLS_SERVER_CPU,          1,    1, false, false},
	{"switches",   9, TLS_CLIENT_SWITCHES,     1,    2, false, false},
	{"threads",    8, TLS_CLIENT_WORKERS,      1,    0, false, false},
};
static const struct column receiving[] = {
	{"MiB/s",      8, TLS_RATE,                1,    0, true,  false},
	{"CPU us/MiB", 11, TLS_SERVER_CPU,         1,    1, true,  false},
	{"user",       8, TLS_SERVER_USER,         1,    1, false, false},
	{"system",     8, TLS_SERVER_SYSTEM,       1,    1, false, false},
	{"softirq",    8, TLS_SERVER_SOFTIRQ,      1,    1, false, false},
	{"io-wq",      8, TLS_SERVER_WORKER,       1,    1, false, false},
	{"k insn/MiB", 11, TLS_SERVER_INSTRUCTIONS, 1e-3, 1, true,  true},
	{"k cycles",   9, TLS_SERVER_CYCLES,       1e-3, 1, false, true},
	{"peer us",    9, TLS_CLIENT_CPU,          1,    1, false, false},
	{"switches",   9, TLS_SERVER_SWITCHES,     1,    2, false, false},
	{"threads",    8, TLS_SERVER_WORKERS,      1,    0, false, false},
};
static const struct column exchanging[] = {
	{"messages/s", 11, TLS_RATE,               1,    0, true,  false},
	{"CPU us",     9, TLS_CLIENT_CPU,          1,    2, true,  false},
	{"user",       8, TLS_CLIENT_USER,         1,    2, false, false},
	{"system",     8, TLS_CLIENT_SYSTEM,       1,    2, false, false},
	{"softirq",    8, TLS_CLIENT_SOFTIRQ,      1,    2, false, false},
	{"io-wq",      8, TLS_CLIENT_WORKER,       1,    2, false, false},
	{"k insn",     9, TLS_CLIENT_INSTRUCTIONS, 1e-3, 2, true,  true},
	{"k cycles",   9, TLS_CLIENT_CYCLES,       1e-3, 2, false, true},
	{"peer us",    9, TLS_SERVER_CPU,          1,    2, false, false},
	{"switches",   9, TLS_CLIENT_SWITCHES,     1,    2, false, false},
	{"threads",    8, TLS_CLIENT_WORKERS,      1,    0, false, false},
};
static const struct column shaking[] = {
	{"/s",          8, TLS_RATE,                1,    0, true,  false},
	{"client us",  10, TLS_CLIENT_CPU,          1,    1, true,  false},
	{"server us",  10, TLS_SERVER_CPU,          1,    1, true,  false},
	{"client k insn", 14, TLS_CLIENT_INSTRUCTIONS, 1e-3, 1, true, true},
	{"server k insn", 14, TLS_SERVER_INSTRUCTIONS, 1e-3, 1, true, true},
	{"client k cyc", 13, TLS_CLIENT_CYCLES,     1e-3, 1, false, true},
	{"server k cyc", 13, TLS_SERVER_CYCLES,     1e-3, 1, false, true},
	{"(softirq)",  10, TLS_CLIENT_SOFTIRQ,      1,    1, false, false},
	{"(server)",    9, TLS_SERVER_SOFTIRQ,      1,    1, false, false},
	{"switches",    9, TLS_CLIENT_SWITCHES,     1,    2, false, false},
	{"(server)",    9, TLS_SERVER_SWITCHES,     1,    2, false, false},
	{"install us",  11, TLS_CLIENT_INSTALL,     1,    2, false, false},
	{"(derive)",    9, TLS_CLIENT_DERIVE,       1,    2, false, false},
	{"(server)",    9, TLS_SERVER_INSTALL,      1,    2, false, false},
};
/* clang-format on */
#define COLUMNS(table) (sizeof(table) / sizeof((table)[0]))

static const struct column *columns_of(enum tls_test test, size_t *count)
{
	switch (test) {
	case TLS_TEST_SEND:
		*count = COLUMNS(sending);
		return sending;
	case TLS_TEST_RECEIVE:
		*count = COLUMNS(receiving);
		return receiving;
	case TLS_TEST_EXCHANGE:
		*count = COLUMNS(exchanging);
		return exchanging;
	case TLS_TEST_HANDSHAKE:
	case TLS_TEST_ANSWER:
		break;
	}
	*count = COLUMNS(shaking);
	return shaking;
}

static bool shown(const struct column *column, const struct tls_result *result)
{
	return !column->counted ||
	       strcmp(tls_machine_text(result->client, "counter"), "none") != 0;
}

static void print_titles(const struct tls_result *result, enum tls_test test,
			 FILE *to)
{
	size_t count;
	const struct column *columns = columns_of(test, &count);

	fprintf(to, "%-*s", NAME_WIDTH, "path");
	for (size_t i = 0; i < count; i++) {
		if (shown(&columns[i], result))
			fprintf(to, "%*s%s", columns[i].width, columns[i].title,
				columns[i].spread ? "   +-%" : "");
	}
	fputs(test == TLS_TEST_HANDSHAKE ? "\n" : "  copies\n", to);
}

static int print_value(const struct tls_row *row, const struct column *column,
		       FILE *to)
{
	struct tls_stats stats;
	int err = tls_row_stats(row, column->metric, &stats);
	double spread;

	if (err)
		return err;
	if (stats.count)
		fprintf(to, "%*.*f", column->width, column->decimals,
			stats.median * column->scale);
	else
		fprintf(to, "%*s", column->width, "-");
	if (!column->spread)
		return 0;
	spread = 100 * tls_stats_spread(&stats);
	if (isnan(spread))
		fprintf(to, "%6s", "-");
	else
		fprintf(to, "%6.1f", spread);
	return 0;
}

/* A long reason need not be read again on the next line. */
static void print_reason(const struct tls_result *result,
			 const struct tls_row *row, FILE *to)
{
	bool again = row > result->rows && row[-1].c.group == row->c.group &&
		     !strcmp(row[-1].reason, row->reason);

	fprintf(to, "  %s: %s\n", row->failed ? "FAILED" : "not here",
		again ? "as above" : row->reason);
}

static int print_row(const struct tls_result *result, const struct tls_row *row,
		     FILE *to)
{
	size_t count;
	const struct column *columns = columns_of(row->c.path->test, &count);
	char copies[16];
	int err = 0;

	fprintf(to, "%-*s", NAME_WIDTH, row->c.path->name);
	if (row->reason[0]) {
		print_reason(result, row, to);
		return 0;
	}
	for (size_t i = 0; i < count && !err; i++) {
		if (shown(&columns[i], result))
			err = print_value(row, &columns[i], to);
	}
	if (row->c.path->test != TLS_TEST_HANDSHAKE) {
		tls_copies_text(row, copies);
		fprintf(to, "%8s", *copies ? copies : "-");
	}
	fputc('\n', to);
	return err;
}

static void print_group(const struct tls_result *result, size_t first, FILE *to)
{
	const struct tls_row *row = &result->rows[first];
	bool shakes = row->c.path->test == TLS_TEST_HANDSHAKE;
	char size[24];

	fprintf(to, "\n%s, %s %s, %u connection%s",
		tls_test_name(row->c.path->test),
		ktls_version_name(row->c.version),
		ktls_cipher_name(row->c.cipher), row->c.connections,
		row->c.connections == 1 ? "" : "s");
	if (shakes)
		fprintf(to, ", %llu handshakes a run",
			(unsigned long long)row->messages);
	else
		fprintf(to, ", messages of %s, %llu in a run",
			tls_size_text(row->c.size, size),
			(unsigned long long)row->messages * row->c.connections);
	fprintf(to, ", median of %u\n", result->plan->repeats);
	print_titles(result, row->c.path->test, to);
}

/* The group's head needs a version and cipher: plain rows have none. */
static size_t head_of(const struct tls_result *result, size_t first)
{
	unsigned group = result->rows[first].c.group;

	for (size_t i = first; i < result->count; i++) {
		if (result->rows[i].c.group != group)
			break;
		if (result->rows[i].c.version != KTLS_VERSION_NONE)
			return i;
	}
	return first;
}

int tls_report_text(const struct tls_result *result, FILE *to)
{
	int err = 0;

	print_machine(result->loopback ? "both ends" : "client", result->client,
		      to);
	if (!result->loopback)
		print_machine("server", result->server, to);
	for (size_t i = 0; i < result->count && !err; i++) {
		if (!i ||
		    result->rows[i].c.group != result->rows[i - 1].c.group)
			print_group(result, head_of(result, i), to);
		err = print_row(result, &result->rows[i], to);
	}
	return err;
}
