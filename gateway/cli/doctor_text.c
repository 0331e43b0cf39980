/* SPDX-License-Identifier: Apache-2.0 */
/* The report for people. */
#include <inttypes.h>
#include <string.h>

#include "gateway/cli/cli_versions.h"
#include "gateway/cli/doctor.h"
#include "gateway/config/config_value.h"

#define WIDTH  79
#define INDENT 12

/* One paragraph behind a label of @indent columns, wrapped at blanks. */
static void print_behind(FILE *out, int indent, const char *label,
			 const char *text)
{
	size_t column = (size_t)indent;
	bool first = true;

	fprintf(out, "%-*s", indent, label);
	while (*text) {
		size_t word = strcspn(text, " ");

		if (!first && column + 1 + word > WIDTH) {
			fprintf(out, "\n%*s", indent, "");
			column = (size_t)indent;
		} else if (!first) {
			fputc(' ', out);
			column++;
		}
		fwrite(text, 1, word, out);
		column += word;
		first = false;
		text += word;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

static void print_wrapped(FILE *out, const char *label, const char *text)
{
	print_behind(out, INDENT, label, text);
}

static void print_notes(FILE *out, const char *label,
			const struct doctor_notes *notes)
{
	for (size_t i = 0; i < notes->count; i++)
		print_wrapped(out, i ? "" : label, notes->text[i]);
}

static void print_kernel(const struct doctor_report *report, FILE *out)
{
	fprintf(out, "%-*sLinux %s (%s)", INDENT, "kernel",
		report->kernel.release, report->kernel.machine);
	if (strncmp(report->upstream, report->kernel.release,
		    strlen(report->upstream)) != 0)
		fprintf(out, ", made from %s", report->upstream);
	fputc('\n', out);
	print_notes(out, "  warning", &report->warnings);
}

static void print_feature(const struct doctor_report *report,
			  const struct uring_cap_row *row, FILE *out)
{
	bool has = doctor_uring_has(report, row);
	const char *instead = doctor_uring_instead(report, row);
	char mend[DOCTOR_TEXT];

	fprintf(out, "  %-3s  %-17s %s\n",
		has	  ? "yes"
		: instead ? "-"
			  : "no",
		row->name, row->used_for);
	if (has)
		return;
	if (instead)
		fprintf(out, "       %-17s not needed: %s is there\n", "",
			instead);
	else
		fprintf(out,
			"       %-17s costs: %s\n"
			"       %-17s %s\n",
			"", doctor_uring_cost(row->name), "",
			doctor_uring_mend(report, row, mend, sizeof(mend)));
}

static void print_uring(const struct doctor_report *report, FILE *out)
{
	size_t count;
	const struct uring_cap_row *rows = uring_cap_rows(&count);

	fputc('\n', out);
	if (!report->uring_usable) {
		print_wrapped(out, "io_uring", report->uring_reason);
		return;
	}
	fprintf(out, "%-*sworks\n", INDENT, "io_uring");
	for (size_t i = 0; i < count; i++)
		print_feature(report, &rows[i], out);
}

static void print_ciphers(const struct ktls_caps *caps, FILE *out)
{
	fprintf(out, "  %-18s", "");
	for (unsigned v = KTLS_TLS_1_2; v < KTLS_VERSIONS; v++) {
		for (unsigned d = 0; d < KTLS_DIRECTIONS; d++)
			fprintf(out, "  %s %s", ktls_version_name(v),
				ktls_direction_name(d));
	}
	for (unsigned c = KTLS_AES_128_GCM; c < KTLS_CIPHERS; c++) {
		fprintf(out, "\n  %-18s", ktls_cipher_name(c));
		for (unsigned v = KTLS_TLS_1_2; v < KTLS_VERSIONS; v++) {
			for (unsigned d = 0; d < KTLS_DIRECTIONS; d++)
				fprintf(out, "  %*s", 10,
					caps->cipher[c][v][d] ? "yes" : "no");
		}
	}
	fputc('\n', out);
}

/* A kernel's refusal of single ciphers, each said once. */
static void print_cipher_errors(const struct ktls_caps *caps, FILE *out)
{
	for (unsigned c = KTLS_AES_128_GCM; c < KTLS_CIPHERS; c++) {
		int error = caps->cipher_error[c][KTLS_TLS_1_3][KTLS_TX];
		char text[DOCTOR_TEXT];

		if (!error)
			continue;
		snprintf(text, sizeof(text),
			 "%s: the kernel says \"%s\". Mend: %s.",
			 ktls_cipher_name((enum ktls_cipher)c), strerror(error),
			 doctor_cipher_mend((enum ktls_cipher)c));
		print_wrapped(out, "  missing", text);
	}
}

static void print_extra(const struct ktls_caps *caps,
			const struct doctor_ktls_extra *extra, FILE *out)
{
	bool has = *(const bool *)((const char *)caps + extra->offset);

	fprintf(out, "  %-3s  %-17s %s\n", has ? "yes" : "no", extra->name,
		extra->used_for);
	if (!has)
		fprintf(out,
			"       %-17s costs: %s\n"
			"       %-17s comes with Linux %s\n",
			"", extra->cost, "", extra->since);
}

static void print_ktls(const struct doctor_report *report, FILE *out)
{
	size_t count;
	const struct doctor_ktls_extra *extras = doctor_ktls_extras(&count);

	fputc('\n', out);
	if (!report->ktls.ulp) {
		fprintf(out, "%-*snot here\n", INDENT, "kernel TLS");
		print_wrapped(out, "  why", report->ktls_reason);
		print_wrapped(out, "  costs",
			      "TLS runs in user space: bytes are copied and "
			      "encrypted by the workers.");
		return;
	}
	fprintf(out, "%-*sworks\n", INDENT, "kernel TLS");
	print_ciphers(&report->ktls, out);
	print_cipher_errors(&report->ktls, out);
	for (size_t i = 0; i < count; i++)
		print_extra(&report->ktls, &extras[i], out);
}

static void print_libraries(const struct doctor_report *report, FILE *out)
{
	fprintf(out, "\n%-*sringpost %s, %s, liburing %s (at build)\n", INDENT,
		"programs", RINGPOST_VERSION, report->openssl,
		CLI_LIBURING_VERSION);
	if (report->crypto.found)
		fprintf(out, "%-*sgcm(aes): %s, %s\n", INDENT, "crypto",
			report->crypto.driver,
			report->crypto.async ? "asynchronous" : "synchronous");
	else
		fprintf(out, "%-*sgcm(aes): not in use by this kernel yet\n",
			INDENT, "crypto");
}

static void print_limit(FILE *out, const char *what, rlim_t soft, rlim_t hard,
			const char *more)
{
	char text[2][24];
	rlim_t value[2] = {soft, hard};

	for (int i = 0; i < 2; i++) {
		if (value[i] == RLIM_INFINITY)
			snprintf(text[i], sizeof(text[i]), "no limit");
		else
			snprintf(text[i], sizeof(text[i]), "%" PRIu64,
				 (uint64_t)value[i]);
	}
	fprintf(out, "%s %s (hard limit %s)%s", what, text[0], text[1], more);
}

static void print_limits(const struct doctor_report *report, FILE *out)
{
	fprintf(out, "%-*s", INDENT, "limits");
	print_limit(out, "open files", report->files.rlim_cur,
		    report->files.rlim_max, ": one per connection\n");
	fprintf(out, "%*s", INDENT, "");
	print_limit(out, "locked memory", report->memlock.rlim_cur,
		    report->memlock.rlim_max, ": matters before 5.12\n");
	fprintf(out, "%*scores %u\n", INDENT, "", report->cores);
}

/* A wide label; the text wraps behind it. */
static void print_ways(const struct doctor_report *report, FILE *out)
{
	if (report->way_count == 0)
		return;
	fprintf(out, "\nways of connections\n");
	for (size_t i = 0; i < report->way_count; i++) {
		char label[64];

		snprintf(label, sizeof(label), "  %s",
			 report->ways[i].connection);
		print_behind(out, 40, label, report->ways[i].text);
	}
}

void doctor_print_text(const struct doctor_report *report, FILE *out)
{
	print_kernel(report, out);
	print_uring(report, out);
	print_ktls(report, out);
	print_libraries(report, out);
	print_limits(report, out);
	fputc('\n', out);
	print_notes(out, "result", &report->summary);
	print_ways(report, out);
}
