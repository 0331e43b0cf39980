/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report for programs.  jansson's calls accept NULL and pass it on, so
 * that one check at the end is enough.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "gateway/cli/cli_versions.h"
#include "gateway/cli/doctor.h"

static json_t *notes_json(const struct doctor_notes *notes)
{
	json_t *array = json_array();

	for (size_t i = 0; i < notes->count; i++)
		json_array_append_new(array, json_string(notes->text[i]));
	return array;
}

static json_t *kernel_json(const struct doctor_report *report)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:o}", "release",
			 report->kernel.release, "version",
			 report->kernel.version, "machine",
			 report->kernel.machine, "upstream", report->upstream,
			 "warnings", notes_json(&report->warnings));
}

static json_t *uring_features(const struct doctor_report *report)
{
	size_t count;
	const struct uring_cap_row *rows = uring_cap_rows(&count);
	json_t *array = json_array();
	char mend[DOCTOR_TEXT];

	for (size_t i = 0; i < count; i++) {
		json_array_append_new(
			array,
			json_pack("{s:s, s:b, s:s?, s:s, s:s, s:s, s:s}",
				  "name", rows[i].name, "present",
				  doctor_uring_has(report, &rows[i]), "instead",
				  doctor_uring_instead(report, &rows[i]),
				  "since", rows[i].since, "used_for",
				  rows[i].used_for, "cost",
				  doctor_uring_cost(rows[i].name), "mend",
				  doctor_uring_mend(report, &rows[i], mend,
						    sizeof(mend))));
	}
	return array;
}

static json_t *uring_json(const struct doctor_report *report)
{
	return json_pack("{s:b, s:s, s:b, s:o}", "usable", report->uring_usable,
			 "reason", report->uring_reason, "forced_older",
			 report->level != URING_LEVEL_BEST, "features",
			 uring_features(report));
}

static json_t *cipher_json(const struct ktls_caps *caps, unsigned cipher,
			   unsigned version, unsigned direction)
{
	int error = caps->cipher_error[cipher][version][direction];

	return json_pack(
		"{s:s, s:s, s:s, s:b, s:s, s:s}", "cipher",
		ktls_cipher_name(cipher), "version", ktls_version_name(version),
		"direction", ktls_direction_name(direction), "present",
		caps->cipher[cipher][version][direction], "error",
		error ? strerror(error) : "", "mend",
		error ? doctor_cipher_mend((enum ktls_cipher)cipher) : "");
}

static json_t *ciphers_json(const struct ktls_caps *caps)
{
	json_t *array = json_array();

	for (unsigned c = KTLS_AES_128_GCM; c < KTLS_CIPHERS; c++) {
		for (unsigned v = KTLS_TLS_1_2; v < KTLS_VERSIONS; v++) {
			for (unsigned d = 0; d < KTLS_DIRECTIONS; d++)
				json_array_append_new(
					array, cipher_json(caps, c, v, d));
		}
	}
	return array;
}

static json_t *ktls_features(const struct ktls_caps *caps)
{
	size_t count;
	const struct doctor_ktls_extra *extras = doctor_ktls_extras(&count);
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++) {
		bool has =
			*(const bool *)((const char *)caps + extras[i].offset);

		json_array_append_new(
			array,
			json_pack("{s:s, s:b, s:s, s:s, s:s}", "name",
				  extras[i].name, "present", has, "since",
				  extras[i].since, "used_for",
				  extras[i].used_for, "cost", extras[i].cost));
	}
	return array;
}

static json_t *ktls_json(const struct doctor_report *report)
{
	return json_pack("{s:b, s:s, s:o, s:o}", "usable", report->ktls.ulp,
			 "reason", report->ktls_reason, "ciphers",
			 ciphers_json(&report->ktls), "features",
			 ktls_features(&report->ktls));
}

static json_t *crypto_json(const struct doctor_crypto *crypto)
{
	if (!crypto->found)
		return json_null();
	return json_pack("{s:s, s:s, s:i, s:b}", "algorithm", "gcm(aes)",
			 "driver", crypto->driver, "priority",
			 (int)crypto->priority, "async", crypto->async);
}

static json_t *limit_json(rlim_t value)
{
	return value == RLIM_INFINITY ? json_null()
				      : json_integer((json_int_t)value);
}

static json_t *limits_json(const struct doctor_report *report)
{
	return json_pack("{s:{s:o, s:o}, s:{s:o, s:o}, s:i}", "open_files",
			 "soft", limit_json(report->files.rlim_cur), "hard",
			 limit_json(report->files.rlim_max), "locked_memory",
			 "soft", limit_json(report->memlock.rlim_cur), "hard",
			 limit_json(report->memlock.rlim_max), "cores",
			 (int)report->cores);
}

static json_t *ways_json(const struct doctor_report *report)
{
	json_t *array = json_array();

	for (size_t i = 0; i < report->way_count; i++) {
		const struct doctor_way *way = &report->ways[i];

		json_array_append_new(array,
				      json_pack("{s:s, s:s, s:s}", "connection",
						way->connection, "way",
						doctor_way_name(way->kind),
						"text", way->text));
	}
	return array;
}

static json_t *report_json(const struct doctor_report *report)
{
	return json_pack(
		"{s:s, s:o, s:o, s:o, s:{s:s, s:s}, s:o, s:o, s:s?, s:b, s:s, "
		"s:o, s:o}",
		"version", RINGPOST_VERSION, "kernel", kernel_json(report),
		"io_uring", uring_json(report), "kernel_tls", ktls_json(report),
		"libraries", "openssl", report->openssl, "liburing",
		CLI_LIBURING_VERSION, "crypto", crypto_json(&report->crypto),
		"limits", limits_json(report), "config",
		report->config ? report->config->file : NULL, "can_run",
		report->path != DOCTOR_PATH_NONE, "path",
		doctor_path_name(report->path), "summary",
		notes_json(&report->summary), "ways", ways_json(report));
}

int doctor_print_json(const struct doctor_report *report, FILE *out)
{
	json_t *json = report_json(report);
	int error;

	if (!json)
		return -ENOMEM;
	error = json_dumpf(json, out, JSON_INDENT(2)) < 0 ? -EIO : 0;
	json_decref(json);
	fputc('\n', out);
	return error;
}
