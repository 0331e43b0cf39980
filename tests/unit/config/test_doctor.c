/* SPDX-License-Identifier: Apache-2.0 */
/* What doctor makes of a kernel, of /proc/crypto, and of what it found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/cli/doctor.h"
#include "uring/uring_caps.h"

/* --- kernels --- */

static void expect_upstream(const char *release, const char *version,
			    const char *signature, const char *expected)
{
	struct utsname kernel = {0};
	char got[64] = "untouched";

	snprintf(kernel.release, sizeof(kernel.release), "%s", release);
	snprintf(kernel.version, sizeof(kernel.version), "%s", version);
	doctor_kernel_upstream(&kernel, signature, got);
	assert_string_equal(got, expected);
}

static void test_upstream_of_mainline(void **state)
{
	expect_upstream("6.18.44", "#1 SMP", NULL, "6.18.44");
	expect_upstream("7.2.0-rc1", "#1 SMP", NULL, "7.2.0");
	expect_upstream("5.10", "#1", NULL, "5.10.0");
}

static void test_upstream_of_debian(void **state)
{
	expect_upstream("6.1.0-40-amd64",
			"#1 SMP PREEMPT_DYNAMIC Debian 6.1.187-1 (2026-01-02)",
			NULL, "6.1.187");
}

static void test_upstream_of_ubuntu(void **state)
{
	expect_upstream("5.15.0-100-generic", "#110-Ubuntu SMP",
			"Ubuntu 5.15.0-100.110-generic 5.15.143\n", "5.15.143");
}

static void test_upstream_unknown(void **state)
{
	expect_upstream("unknown", "", NULL, "");
	expect_upstream("6.1.4", "Debian sid", "strange", "6.1.4");
}

static size_t warnings_of(const char *upstream)
{
	struct doctor_notes warnings = {.count = 0};

	doctor_kernel_warn(upstream, &warnings);
	return warnings.count;
}

static void test_known_bad_kernels(void **state)
{
	struct doctor_notes warnings = {.count = 0};

	assert_int_equal(warnings_of("6.1.187"), 0);
	assert_int_equal(warnings_of("6.1.200"), 0);
	assert_int_equal(warnings_of("6.12.1"), 0);
	assert_int_equal(warnings_of("5.10.46"), 0);
	assert_int_equal(warnings_of("6.1.186"), 1);
	assert_int_equal(warnings_of("6.1.0"), 1);
	doctor_kernel_warn("6.1.90", &warnings);
	assert_non_null(strstr(warnings.text[0], "Linux 6.1.90"));
	assert_non_null(strstr(warnings.text[0], "Use 6.1.187 or later"));
}

static void test_unknown_kernel_is_said(void **state)
{
	assert_int_equal(warnings_of(""), 1);
}

/* --- /proc/crypto --- */

#define ENTRY(name, driver, priority, async, internal)                        \
	"name         : " name "\ndriver       : " driver "\nmodule       : " \
	"kernel\npriority     : " priority                                    \
	"\nrefcnt       : 1\nselftest     : passed\ninternal     : " internal \
	"\ntype         : aead\nasync        : " async                        \
	"\nblocksize    : 1\n\n"

static struct doctor_crypto crypto_of(const char *text)
{
	struct doctor_crypto crypto;
	FILE *file = tmpfile();

	assert_non_null(file);
	fputs(text, file);
	rewind(file);
	doctor_crypto_read(file, &crypto);
	fclose(file);
	return crypto;
}

static void test_crypto_highest_priority_wins(void **state)
{
	struct doctor_crypto crypto = crypto_of(
		ENTRY("aes", "aes-aesni", "300", "no", "no")
			ENTRY("gcm(aes)", "gcm_base(ctr,ghash)", "100", "no",
			      "no") ENTRY("gcm(aes)", "generic-gcm-aesni",
					  "400", "yes", "no")
				ENTRY("gcm(aes)", "slow", "50", "no", "no"));

	assert_true(crypto.found);
	assert_string_equal(crypto.driver, "generic-gcm-aesni");
	assert_int_equal(crypto.priority, 400);
	assert_true(crypto.async);
}

static void test_crypto_internal_parts_do_not_count(void **state)
{
	struct doctor_crypto crypto =
		crypto_of(ENTRY("gcm(aes)", "__part", "900", "no", "yes")
				  ENTRY("gcm(aes)", "whole", "1", "no", "no"));

	assert_string_equal(crypto.driver, "whole");
}

static void test_crypto_without_gcm(void **state)
{
	assert_false(crypto_of("").found);
	assert_false(crypto_of(ENTRY("ccm(aes)", "x", "1", "no", "no")).found);
	assert_false(crypto_of(ENTRY("rfc4106(gcm(aes))", "x", "1", "no", "no"))
			     .found);
}

static void test_crypto_last_entry_without_blank_line(void **state)
{
	struct doctor_crypto crypto =
		crypto_of("name : gcm(aes)\ndriver : d\npriority : 7\nasync : "
			  "no");

	assert_true(crypto.found);
	assert_string_equal(crypto.driver, "d");
	assert_int_equal(crypto.priority, 7);
}

/* --- conclusions --- */

static struct doctor_report *make_report(void)
{
	struct doctor_report *report = calloc(1, sizeof(*report));

	assert_non_null(report);
	report->openssl = "OpenSSL";
	report->uring_usable = true;
	strcpy(report->kernel.release, "6.6.6");
	strcpy(report->kernel.machine, "m");
	return report;
}

static void allow_all(struct ktls_caps *caps)
{
	caps->ulp = true;
	for (unsigned c = KTLS_AES_128_GCM; c < KTLS_CIPHERS; c++)
		for (unsigned v = KTLS_TLS_1_2; v < KTLS_VERSIONS; v++)
			for (unsigned d = 0; d < KTLS_DIRECTIONS; d++)
				caps->cipher[c][v][d] = true;
}

static void test_path_none_without_io_uring(void **state)
{
	struct doctor_report *report = make_report();

	report->uring_usable = false;
	strcpy(report->uring_reason, "switched off");
	allow_all(&report->ktls);
	doctor_conclude(report);
	assert_int_equal(report->path, DOCTOR_PATH_NONE);
	assert_string_equal(report->summary.text[0],
			    "ringpost can't run here: switched off");
	free(report);
}

static void test_path_by_ciphers(void **state)
{
	struct doctor_report *report = make_report();

	doctor_conclude(report);
	assert_int_equal(report->path, DOCTOR_PATH_USER);
	allow_all(&report->ktls);
	doctor_conclude(report);
	assert_int_equal(report->path, DOCTOR_PATH_KERNEL);
	report->ktls.cipher[KTLS_CHACHA20_POLY1305][KTLS_TLS_1_3][KTLS_RX] =
		false;
	doctor_conclude(report);
	assert_int_equal(report->path, DOCTOR_PATH_MIXED);
	free(report);
}

static void test_path_follows_the_configuration(void **state)
{
	struct doctor_report *report = make_report();
	struct config config = {.offload = KTLS_OFFLOAD_NEVER};

	report->config = &config;
	allow_all(&report->ktls);
	doctor_conclude(report);
	assert_int_equal(report->path, DOCTOR_PATH_USER);
	assert_non_null(strstr(report->summary.text[1], "offload: never"));
	free(report);
}

static void test_always_without_kernel_tls_is_said(void **state)
{
	struct doctor_report *report = make_report();
	struct config config = {.offload = KTLS_OFFLOAD_ALWAYS};
	size_t last;

	report->config = &config;
	doctor_conclude(report);
	last = report->summary.count - 1;
	assert_non_null(strstr(report->summary.text[last],
			       "'offload: always' ends every TLS connection"));
	assert_non_null(strstr(report->summary.text[last], "all of them"));
	free(report);
}

static void test_too_few_files_are_said(void **state)
{
	struct doctor_report *report = make_report();
	struct config config = {.workers = 2, .limits.connections = 10000};

	report->config = &config;
	report->files.rlim_max = 20000;
	doctor_conclude(report);
	assert_int_equal(report->summary.count, 2);
	report->summary.count = 0;
	report->files.rlim_max = 1024;
	doctor_conclude(report);
	assert_int_equal(report->summary.count, 3);
	assert_non_null(strstr(report->summary.text[2], "limit is 1024"));
	free(report);
}

static void test_better_feature_in_the_place_of_another(void **state)
{
	struct doctor_report *report = make_report();
	size_t count;
	const struct uring_cap_row *rows = uring_cap_rows(&count);

	report->uring.defer_taskrun = true;
	for (size_t i = 0; i < count; i++) {
		const char *instead = doctor_uring_instead(report, &rows[i]);

		if (strcmp(rows[i].name, "coop_taskrun") == 0)
			assert_string_equal(instead, "defer_taskrun");
		else
			assert_null(instead);
	}
	free(report);
}

static void test_every_feature_has_a_cost(void **state)
{
	size_t count;
	const struct uring_cap_row *rows = uring_cap_rows(&count);

	for (size_t i = 0; i < count; i++)
		assert_string_not_equal(doctor_uring_cost(rows[i].name),
					"unknown");
}

/* --- reports --- */

static char *print(const struct doctor_report *report, bool json)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	if (json)
		assert_int_equal(doctor_print_json(report, out), 0);
	else
		doctor_print_text(report, out);
	fclose(out);
	return text;
}

static void test_json_says_the_same(void **state)
{
	struct doctor_report *report = make_report();
	json_t *json;
	char *text;

	allow_all(&report->ktls);
	report->crypto = (struct doctor_crypto){
		.found = true, .driver = "d", .priority = 3, .async = true};
	report->files.rlim_cur = RLIM_INFINITY;
	doctor_conclude(report);
	text = print(report, true);
	json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "path")),
			    "kernel");
	assert_true(json_is_true(json_object_get(json, "can_run")));
	assert_int_equal(
		json_array_size(json_object_get(
			json_object_get(json, "kernel_tls"), "ciphers")),
		12);
	json_decref(json);
	free(text);
	free(report);
}

static void test_text_names_what_is_missing(void **state)
{
	struct doctor_report *report = make_report();
	char *text;

	strcpy(report->ktls_reason, "The moon is full.");
	doctor_conclude(report);
	text = print(report, false);
	assert_non_null(strstr(text, "Linux 6.6.6 (m)"));
	assert_non_null(strstr(text, "The moon is full."));
	assert_non_null(strstr(text, "no   multishot_recv"));
	assert_non_null(strstr(text, "comes with Linux 6.0"));
	free(text);
	free(report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_upstream_of_mainline),
		cmocka_unit_test(test_upstream_of_debian),
		cmocka_unit_test(test_upstream_of_ubuntu),
		cmocka_unit_test(test_upstream_unknown),
		cmocka_unit_test(test_known_bad_kernels),
		cmocka_unit_test(test_unknown_kernel_is_said),
		cmocka_unit_test(test_crypto_highest_priority_wins),
		cmocka_unit_test(test_crypto_internal_parts_do_not_count),
		cmocka_unit_test(test_crypto_without_gcm),
		cmocka_unit_test(test_crypto_last_entry_without_blank_line),
		cmocka_unit_test(test_path_none_without_io_uring),
		cmocka_unit_test(test_path_by_ciphers),
		cmocka_unit_test(test_path_follows_the_configuration),
		cmocka_unit_test(test_always_without_kernel_tls_is_said),
		cmocka_unit_test(test_too_few_files_are_said),
		cmocka_unit_test(test_better_feature_in_the_place_of_another),
		cmocka_unit_test(test_every_feature_has_a_cost),
		cmocka_unit_test(test_json_says_the_same),
		cmocka_unit_test(test_text_names_what_is_missing),
	};

	return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
