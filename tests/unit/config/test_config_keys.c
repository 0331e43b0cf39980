/* SPDX-License-Identifier: Apache-2.0 */
/* Every key: its value, its default, its bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tests/unit/config/fixture.h"
#include "uring/uring_timer.h"

#define MS UINT64_C(1000000)
#define S  (1000 * MS)
#define M  (60 * S)
#define H  (60 * M)
#define D  (24 * H)

/* The configuration of the README. */
static const char from_the_issue[] =
	"hostname: relay.example.test\n"
	"spool: {path: /var/spool/ringpost}\n"
	"listen:\n"
	"  - {address: \"127.0.0.1:2525\", tls: {certificate: cert.pem, key: "
	"key.pem}}\n"
	"relay_from: [\"127.0.0.0/8\", \"::1/128\"]\n"
	"offload: auto            # auto | always | never\n"
	"routes:\n"
	"  - {match: \"*\", next_hop: \"127.0.0.1:2526\", tls: encrypt}\n";

static void test_simple_file(void **state)
{
	struct parsed p = parse_in_folder(from_the_issue);
	const struct config *c = p.config;
	char path[80];

	assert_string_equal(c->hostname, "relay.example.test");
	assert_string_equal(c->spool.path, "/var/spool/ringpost");
	assert_int_equal(c->listener_count, 1);
	assert_string_equal(c->listeners[0].address.text, "127.0.0.1:2525");
	assert_int_equal(c->listeners[0].tls, CONFIG_LISTEN_STARTTLS);
	assert_int_equal(c->listeners[0].certificate_count, 1);
	snprintf(path, sizeof(path), "%s/cert.pem", scratch_folder());
	assert_string_equal(c->listeners[0].certificates[0].certificate, path);
	snprintf(path, sizeof(path), "%s/key.pem", scratch_folder());
	assert_string_equal(c->listeners[0].certificates[0].key, path);
	assert_int_equal(c->relay_from_count, 2);
	assert_int_equal(c->offload, KTLS_OFFLOAD_AUTO);
	assert_int_equal(c->route_count, 1);
	assert_string_equal(c->routes[0].match, "*");
	assert_string_equal(c->routes[0].next_hop.text, "127.0.0.1:2526");
	assert_int_equal(c->routes[0].tls, CONFIG_TLS_ENCRYPT);
	parsed_free(&p);
}

static void test_places_are_kept(void **state)
{
	struct parsed p = parse_in_folder(from_the_issue);

	assert_int_equal(p.config->listeners[0].line, 4);
	assert_int_equal(p.config->listeners[0].column, 5);
	assert_int_equal(p.config->routes[0].line, 8);
	assert_int_equal(p.config->routes[0].column, 5);
	parsed_free(&p);
}

/* --- numbers: mapping, key, field, default, least, most --- */

struct number {
	const char *mapping, *key;
	size_t offset;
	bool wide; /* uint64_t */
	uint64_t fallback;
	const char *least, *most;
	uint64_t least_value, most_value;
	const char *below, *above; /* NULL: there is nothing below 0 */
};

#define FIELD(member) offsetof(struct config, member)

/* clang-format off */
static const struct number numbers[] = {
	{"spool", "segment_size", FIELD(spool.segment_size), true, 64 << 20,
	 "1MiB", "4GiB", 1 << 20, UINT64_C(4) << 30, "1023KiB", "4097MiB"},
	{"spool", "min_free", FIELD(spool.min_free_percent), false, 10,
	 "0%", "90%", 0, 90, NULL, "91%"},
	{"limits", "message_size", FIELD(limits.message_size), true, 50 << 20,
	 "64KiB", "2GiB", 64 << 10, UINT64_C(2) << 30, "65535", "2049MiB"},
	{"limits", "recipients", FIELD(limits.recipients), false, 1000,
	 "100", "100000", 100, 100000, "99", "100001"},
	{"limits", "line_length", FIELD(limits.line_length), false, 2048,
	 "1024", "65536", 1024, 65536, "1023", "65537"},
	{"limits", "text_line_length", FIELD(limits.text_line_length), false,
	 65536, "1000", "16777216", 1000, 16777216, "999", "16777217"},
	{"limits", "errors", FIELD(limits.errors), false, 20,
	 "1", "10000", 1, 10000, "0", "10001"},
	{"limits", "connections", FIELD(limits.connections), false, 10000,
	 "1", "1000000", 1, 1000000, "0", "1000001"},
	{"limits", "connections_per_client",
	 FIELD(limits.connections_per_client), false, 1000,
	 "1", "1000000", 1, 1000000, "0", "1000001"},
	{"limits", "messages_per_connection",
	 FIELD(limits.messages_per_connection), false, 0,
	 "0", "1000000000", 0, 1000000000, NULL, "1000000001"},
	{"limits", "received", FIELD(limits.received), false, 50,
	 "1", "1000", 1, 1000, "0", "1001"},
	{"timeouts", "command", FIELD(timeouts.command), true, 5 * M,
	 "10ms", "1d", 10 * MS, D, "9ms", "25h"},
	{"timeouts", "data", FIELD(timeouts.data), true, 5 * M,
	 "10ms", "1d", 10 * MS, D, "9ms", "25h"},
	{"timeouts", "tls", FIELD(timeouts.tls), true, 30 * S,
	 "10ms", "1d", 10 * MS, D, "9ms", "25h"},
	{"timeouts", "shutdown", FIELD(timeouts.shutdown), true, 30 * S,
	 "0", "1d", 0, D, NULL, "25h"},
	{"timeouts", "connect", FIELD(timeouts.connect), true, 30 * S,
	 "10ms", "1d", 10 * MS, D, "9ms", "25h"},
	{"timeouts", "reply", FIELD(timeouts.reply), true, 5 * M,
	 "10ms", "1d", 10 * MS, D, "9ms", "25h"},
	{"timeouts", "transmit", FIELD(timeouts.transmit), true, 5 * M,
	 "10ms", "1d", 10 * MS, D, "9ms", "25h"},
	{"timeouts", "final", FIELD(timeouts.final), true, 10 * M,
	 "10ms", "1d", 10 * MS, D, "9ms", "25h"},
	{"timeouts", "idle", FIELD(timeouts.idle), true, 10 * S,
	 "0", "1d", 0, D, NULL, "25h"},
	{"retry", "expire", FIELD(retry.expire), true, 5 * D,
	 "10ms", "365d", 10 * MS, 365 * D, "9ms", "366d"},
};
/* clang-format on */

#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

/* LEAST with "mapping: {key: value}"; spool needs its path. */
static struct parsed parse_key(const char *mapping, const char *key,
			       const char *value)
{
	char text[1024];

	if (strcmp(mapping, "spool") == 0)
		snprintf(text, sizeof(text),
			 "hostname: h.test\nspool: {path: s, %s: %s}\n"
			 "listen: [{address: \"127.0.0.1:25\"}]\n"
			 "routes: [{match: \"*\", next_hop: a.test}]\n",
			 key, value);
	else if (strcmp(key, "expire") == 0)
		snprintf(text, sizeof(text),
			 LEAST "retry: {schedule: [10ms], expire: %s}\n",
			 value);
	else
		snprintf(text, sizeof(text), LEAST "%s: {%s: %s}\n", mapping,
			 key, value);
	return parse(text);
}

static uint64_t number_of(const struct config *config,
			  const struct number *number)
{
	const void *field = (const char *)config + number->offset;

	return number->wide ? *(const uint64_t *)field
			    : *(const unsigned *)field;
}

static void expect_number(const struct number *number, const char *text,
			  uint64_t value)
{
	struct parsed p = parse_key(number->mapping, number->key, text);

	if (p.result)
		fail_msg("%s: %s: %s", number->key, text, p.errors);
	assert_int_equal(number_of(p.config, number), value);
	parsed_free(&p);
}

static void expect_refused(const struct number *number, const char *text,
			   const char *part)
{
	struct parsed p;

	if (!text)
		return;
	p = parse_key(number->mapping, number->key, text);
	if (p.result == 0 || !strstr(p.errors, number->key) ||
	    !strstr(p.errors, part))
		fail_msg("%s: %s: '%s'", number->key, text, p.errors);
	parsed_free(&p);
}

static void test_number_defaults(void **state)
{
	struct parsed p = expect_good(LEAST);

	for (size_t i = 0; i < NUMBERS; i++) {
		if (number_of(p.config, &numbers[i]) != numbers[i].fallback)
			fail_msg("%s", numbers[i].key);
	}
	parsed_free(&p);
}

static void test_number_bounds_are_included(void **state)
{
	for (size_t i = 0; i < NUMBERS; i++) {
		expect_number(&numbers[i], numbers[i].least,
			      numbers[i].least_value);
		expect_number(&numbers[i], numbers[i].most,
			      numbers[i].most_value);
	}
}

static void test_number_beyond_bounds(void **state)
{
	for (size_t i = 0; i < NUMBERS; i++) {
		expect_refused(&numbers[i], numbers[i].below, "(too small)");
		expect_refused(&numbers[i], numbers[i].above, "(too big)");
	}
}

static void test_number_overflow(void **state)
{
	for (size_t i = 0; i < NUMBERS; i++)
		expect_refused(&numbers[i], "99999999999999999999999999",
			       "expected");
}

static void test_number_nonsense(void **state)
{
	static const char *const values[] = {"many",   "-1",   "[1]",
					     "{a: 1}", "\"\"", ""};

	for (size_t i = 0; i < NUMBERS; i++) {
		for (size_t j = 0; j < sizeof(values) / sizeof(values[0]); j++)
			expect_refused(&numbers[i], values[j], "expected");
	}
}

/* --- words from a list --- */

static void expect_choice(const char *text, size_t offset, unsigned value)
{
	struct parsed p = expect_good(text);

	assert_int_equal(
		*(const unsigned *)(const void *)((const char *)p.config +
						  offset),
		value);
	parsed_free(&p);
}

static void test_body_path(void **state)
{
	expect_choice(LEAST, FIELD(body_path), KTLS_PATH_AUTO);
	expect_choice(LEAST "body_path: auto", FIELD(body_path),
		      KTLS_PATH_AUTO);
	expect_choice(LEAST "body_path: mapped", FIELD(body_path),
		      KTLS_PATH_MAPPED);
	expect_choice(LEAST "body_path: splice", FIELD(body_path),
		      KTLS_PATH_SPLICE);
	expect_choice(LEAST "body_path: read", FIELD(body_path),
		      KTLS_PATH_READ);
	expect_error_has(LEAST "body_path: reed",
			 "'body_path' is 'reed' (did you mean 'read'?)");
}

static void test_offload(void **state)
{
	expect_choice(LEAST, FIELD(offload), KTLS_OFFLOAD_AUTO);
	expect_choice(LEAST "offload: auto", FIELD(offload), KTLS_OFFLOAD_AUTO);
	expect_choice(LEAST "offload: always", FIELD(offload),
		      KTLS_OFFLOAD_ALWAYS);
	expect_choice(LEAST "offload: never", FIELD(offload),
		      KTLS_OFFLOAD_NEVER);
	expect_error_has(LEAST "offload: yes",
			 "test.yaml:5:10: 'offload' is 'yes'; expected auto, "
			 "always or never\n");
}

static void test_bare_line_ends(void **state)
{
	expect_choice(LEAST, FIELD(bare_line_ends), CONFIG_REFUSE);
	expect_choice(LEAST "bare_line_ends: refuse", FIELD(bare_line_ends),
		      CONFIG_REFUSE);
	expect_choice(LEAST "bare_line_ends: normalise", FIELD(bare_line_ends),
		      CONFIG_NORMALISE);
	expect_error_has(LEAST "bare_line_ends: normalize",
			 "(did you mean 'normalise'?); expected refuse or "
			 "normalise\n");
}

static void test_uring(void **state)
{
	expect_choice(LEAST, FIELD(uring), URING_LEVEL_BEST);
	expect_choice(LEAST "uring: best", FIELD(uring), URING_LEVEL_BEST);
	expect_choice(LEAST "uring: 5.10", FIELD(uring), URING_LEVEL_5_10);
	expect_choice(LEAST "uring: \"5.19\"", FIELD(uring), URING_LEVEL_5_19);
	expect_choice(LEAST "uring: 6.1", FIELD(uring), URING_LEVEL_6_1);
	expect_error_has(LEAST "uring: 5.1",
			 "expected best, 5.10, 5.19 or 6.1");
}

static void test_uring_environment_wins(void **state)
{
	setenv("RINGPOST_URING", "5.19", 1);
	expect_choice(LEAST "uring: 6.1", FIELD(uring), URING_LEVEL_5_19);
	setenv("RINGPOST_URING", "", 1);
	expect_choice(LEAST "uring: 6.1", FIELD(uring), URING_LEVEL_6_1);
	setenv("RINGPOST_URING", "4.0", 1);
	expect_errors(LEAST,
		      "test.yaml: RINGPOST_URING in the environment is '4.0'; "
		      "expected best, 5.10, 5.19 or 6.1\n");
	unsetenv("RINGPOST_URING");
}

static void test_durability(void **state)
{
	struct parsed p;

	expect_choice(LEAST, FIELD(spool.durability), CONFIG_SYNC);
	p = parse_key("spool", "durability", "async");
	assert_int_equal(p.config->spool.durability, CONFIG_ASYNC);
	parsed_free(&p);
	p = parse_key("spool", "durability", "fast");
	assert_non_null(strstr(p.errors, "expected sync or async"));
	parsed_free(&p);
}

static void test_log(void **state)
{
	struct parsed p = expect_good(LEAST);

	assert_int_equal(p.config->log.format, CONFIG_LOG_AUTO);
	assert_int_equal(p.config->log.level, CONFIG_LOG_INFO);
	assert_null(p.config->log.file);
	parsed_free(&p);
	p = expect_good(LEAST
			"log: {format: json, level: debug, file: /a/b.log}");
	assert_int_equal(p.config->log.format, CONFIG_LOG_JSON);
	assert_int_equal(p.config->log.level, CONFIG_LOG_DEBUG);
	assert_string_equal(p.config->log.file, "/a/b.log");
	parsed_free(&p);
	expect_error_has(LEAST "log: {format: xml}",
			 "expected auto, text, json or journald");
	expect_error_has(LEAST "log: {level: warn}",
			 "expected debug, info, warning or error");
}

static void test_workers(void **state)
{
	struct parsed p = expect_good(LEAST);

	assert_in_range(p.config->workers, 1, 64);
	assert_true(p.config->workers <=
		    (unsigned)sysconf(_SC_NPROCESSORS_CONF));
	parsed_free(&p);
	p = expect_good(LEAST "workers: auto");
	assert_in_range(p.config->workers, 1, 64);
	parsed_free(&p);
	p = expect_good(LEAST "workers: 64");
	assert_int_equal(p.config->workers, 64);
	parsed_free(&p);
	expect_error_has(LEAST "workers: 65", "a number from 1 to 64");
	expect_error_has(LEAST "workers: 0", "a number from 1 to 64");
	expect_error_has(LEAST "workers: all", "expected auto");
	expect_error_has(LEAST "workers: [1]", "expected auto");
}

/* --- retry --- */

static void test_retry_default(void **state)
{
	struct parsed p = expect_good(LEAST);

	assert_int_equal(p.config->retry.count, 0);
	assert_int_equal(p.config->retry.first, 5 * M);
	assert_int_equal(p.config->retry.factor, 2);
	assert_int_equal(p.config->retry.max, 4 * H);
	parsed_free(&p);
}

static void test_retry_is_a_schedule_or_exponential(void **state)
{
	expect_error_has(LEAST "retry: {schedule: [1m], factor: 3}",
			 "beside 'schedule'");
	expect_error_has(LEAST "retry: {first: 10m, max: 5m}",
			 "'max' is less than 'first'");
	expect_error_has(LEAST "retry: {first: 1d, max: 2d, expire: 1h}",
			 "'expire' ends before the first retry");
}

static void test_schedule(void **state)
{
	struct parsed p = expect_good(LEAST "retry: {schedule: [1m, 2h, 3d]}");

	assert_int_equal(p.config->retry.count, 3);
	assert_int_equal(p.config->retry.schedule[0], M);
	assert_int_equal(p.config->retry.schedule[1], 2 * H);
	assert_int_equal(p.config->retry.schedule[2], 3 * D);
	parsed_free(&p);
	expect_error_has(LEAST "retry: {schedule: []}", "has 0 entries");
	expect_error_has(LEAST "retry: {schedule: 5m}", "expected a list");
	expect_error_has(LEAST "retry: {schedule: [5m, soon]}",
			 "test.yaml:5:24: 'schedule' is 'soon'");
	expect_error_has(LEAST "retry: {schedule: [2h], expire: 1h}",
			 "'expire' ends before the first retry");
}

static void test_delay_warnings(void **state)
{
	struct parsed p = expect_good(LEAST);

	assert_int_equal(p.config->bounce.delay_warning_count, 0);
	parsed_free(&p);
	p = expect_good(LEAST "bounce: {delay_warning: []}");
	assert_int_equal(p.config->bounce.delay_warning_count, 0);
	parsed_free(&p);
	p = expect_good(LEAST "bounce: {delay_warning: [4h, 1d]}");
	assert_int_equal(p.config->bounce.delay_warning_count, 2);
	assert_int_equal(p.config->bounce.delay_warning[0], 4 * H);
	assert_int_equal(p.config->bounce.delay_warning[1], D);
	parsed_free(&p);
	p = expect_good(LEAST "bounce: {delay_warning: 4h, return_max: 1K}");
	assert_int_equal(p.config->bounce.delay_warning_count, 1);
	assert_int_equal(p.config->bounce.delay_warning[0], 4 * H);
	parsed_free(&p);
	expect_error_has(LEAST "bounce: {delay_warning: soon}",
			 "expected a time such as 4h");
	expect_error_has(LEAST "bounce: {delay_warning: {a: b}}",
			 "expected a time such as 4h, or a list such as");
	expect_error_has(LEAST "bounce: {delay_warning: [4h, 4h]}",
			 "'delay_warning' goes back");
	expect_error_has(LEAST
			 "bounce: {delay_warning: [1h,2h,3h,4h,5h,6h,7h,8h]}",
			 "has 8 entries");
}

/* --- hostname, paths --- */

static void test_hostname_refused(void **state)
{
	expect_error_has("hostname: a b\n", "'hostname' is 'a b' (not a");
	expect_error_has("hostname: [a]\n", "'hostname' is a list");
	expect_error_has("hostname:\n", "'hostname' has no value");
	expect_error_has("hostname: b\xc3\xbc.test\n", "not ASCII");
}

static void test_hostname_of_the_system(void **state)
{
	const char *text = "hostname: auto\nspool: {path: s}\n"
			   "listen: [{address: \"127.0.0.1:25\"}]\n"
			   "routes: [{match: \"*\", next_hop: h.test}]\n";
	struct parsed p = parse_named(text, strlen(text), "/etc/r/r.yaml");
	struct utsname system;

	assert_int_equal(uname(&system), 0);
	assert_string_equal(p.config->hostname, system.nodename);
	parsed_free(&p);
}

static void test_paths_follow_the_file(void **state)
{
	const char *text = LEAST "log: {file: log/relay.log}\n";
	struct parsed p = parse_named(text, strlen(text), "/etc/r/r.yaml");

	assert_string_equal(p.config->file, "/etc/r/r.yaml");
	assert_string_equal(p.config->spool.path, "/etc/r/spool");
	assert_string_equal(p.config->log.file, "/etc/r/log/relay.log");
	parsed_free(&p);
	p = parse_named(text, strlen(text), "r.yaml");
	assert_string_equal(p.config->spool.path, "spool");
	parsed_free(&p);
}

/* --- listen --- */

#define LISTEN(tls)                                    \
	"hostname: h.test\nspool: {path: s}\n"         \
	"routes: [{match: \"*\", next_hop: a.test}]\n" \
	"listen:\n- address: 127.0.0.1:25\n" tls

static void test_listen_without_tls(void **state)
{
	struct parsed p = expect_good(LISTEN(""));

	assert_int_equal(p.config->listeners[0].tls, CONFIG_LISTEN_NONE);
	assert_int_equal(p.config->listeners[0].certificate_count, 0);
	parsed_free(&p);
}

static void test_listen_tls_defaults(void **state)
{
	struct parsed p = parse_in_folder(
		LISTEN("  tls: {certificate: cert.pem, key: key.pem}\n"));
	const struct config_listener *l = &p.config->listeners[0];

	assert_int_equal(l->tls, CONFIG_LISTEN_STARTTLS);
	assert_int_equal(l->min_version, KTLS_TLS_1_2);
	assert_null(l->ciphers);
	assert_null(l->ciphersuites);
	assert_int_equal(l->tickets, 2);
	parsed_free(&p);
}

static void test_listen_tls_keys(void **state)
{
	struct parsed p = parse_in_folder(LISTEN(
		"  tls: {certificate: cert.pem, key: key.pem, mode: implicit, "
		"min_version: 1.3, ciphers: A, ciphersuites: B, tickets: 0}\n"));
	const struct config_listener *l = &p.config->listeners[0];

	assert_int_equal(l->tls, CONFIG_LISTEN_IMPLICIT);
	assert_int_equal(l->min_version, KTLS_TLS_1_3);
	assert_string_equal(l->ciphers, "A");
	assert_string_equal(l->ciphersuites, "B");
	assert_int_equal(l->tickets, 0);
	parsed_free(&p);
	p = parse_in_folder(LISTEN("  tls: {certificate: cert.pem, key: "
				   "key.pem, mode: required}\n"));
	assert_int_equal(p.config->listeners[0].tls, CONFIG_LISTEN_REQUIRED);
	parsed_free(&p);
}

static void test_listen_own_certificate_is_the_first(void **state)
{
	struct parsed p = parse_in_folder(
		LISTEN("  tls:\n    certificates:\n"
		       "    - {certificate: ca.pem, key: key.pem}\n"
		       "    - {certificate: cert.pem, key: ca.pem}\n"
		       "    certificate: cert.pem\n    key: key.pem\n"));
	const struct config_listener *l = &p.config->listeners[0];

	assert_int_equal(l->certificate_count, 3);
	assert_non_null(strstr(l->certificates[0].certificate, "/cert.pem"));
	assert_non_null(strstr(l->certificates[0].key, "/key.pem"));
	assert_non_null(strstr(l->certificates[1].certificate, "/ca.pem"));
	assert_non_null(strstr(l->certificates[2].key, "/ca.pem"));
	parsed_free(&p);
}

static void test_listen_certificates_alone(void **state)
{
	struct parsed p = parse_in_folder(
		LISTEN("  tls:\n    certificates: [{certificate: ca.pem, key: "
		       "key.pem}]\n"));

	assert_int_equal(p.config->listeners[0].certificate_count, 1);
	parsed_free(&p);
}

static void test_listen_tls_refused(void **state)
{
	expect_error_has(LISTEN("  tls: {}\n"), "'tls' has no certificate");
	expect_error_has(LISTEN("  tls: yes\n"), "'tls' is 'yes'");
	expect_error_has(LISTEN("  tls: {certificate: /dev/null}\n"),
			 "'certificate' is given without 'key'");
	expect_error_has(LISTEN("  tls: {key: /dev/null}\n"),
			 "'key' is given without 'certificate'");
	expect_error_has(LISTEN("  tls: {mode: smtps}\n"),
			 "expected starttls, implicit or required");
	expect_error_has(LISTEN("  tls: {min_version: 1.1}\n"),
			 "expected 1.2 or 1.3");
	expect_error_has(LISTEN("  tls: {tickets: 9}\n"),
			 "a number from 0 to 8");
	expect_error_has(LISTEN("  tls: {certificates: [{key: k}]}\n"),
			 "'certificate' is missing");
	expect_error_has(LISTEN("  tls: {certificates: []}\n"),
			 "has 0 entries");
}

static void test_listen_files_must_be_readable(void **state)
{
	expect_error_has(LISTEN("  tls: {certificate: /nowhere/c.pem, key: "
				"/dev/null}\n"),
			 "test.yaml:6:22: 'certificate': can't read "
			 "/nowhere/c.pem: No such file or directory; expected "
			 "a PEM file with the certificate chain");
	expect_error_has(LISTEN("  tls: {certificate: /tmp, key: /tmp}\n"),
			 "can't read /tmp: Is a directory");
	expect_error_has(LISTEN("  tls: {certificate: c, key: /dev/null}\n"),
			 "can't read /dev/null: not a regular file");
}

static void test_listen_address_twice(void **state)
{
	expect_error_has(LISTEN("- address: 127.0.0.1:26\n"
				"- address: 127.0.0.1:25\n"),
			 "test.yaml:7:3: 127.0.0.1:25 is listed already on "
			 "line 5; expected each address once\n");
}

static void test_listen_same_address_other_writing(void **state)
{
	expect_error_has(LISTEN("- address: \"[::1]:25\"\n"
				"- address: \"[0::1]:25\"\n"),
			 "[::1]:25 is listed already");
}

static void test_listen_none(void **state)
{
	expect_error_has("listen: []\n", "'listen' has 0 entries");
	expect_error_has("listen: [{}]\n", "'address' is missing");
	expect_error_has("listen: [127.0.0.1:25]\n",
			 "'listen' is '127.0.0.1:25'; expected a mapping");
}

/* --- routes --- */

#define ROUTE(keys)                               \
	"hostname: h.test\nspool: {path: s}\n"    \
	"listen: [{address: \"127.0.0.1:25\"}]\n" \
	"routes:\n- {match: \"*\", next_hop: a.test" keys "}\n"

static void test_route_defaults(void **state)
{
	struct parsed p = expect_good(ROUTE(""));
	const struct config_route *r = &p.config->routes[0];

	assert_string_equal(r->next_hop.host, "a.test");
	assert_int_equal(r->next_hop.port, 25);
	assert_int_equal(r->mode, CONFIG_MODE_SPOOL);
	assert_int_equal(r->tls, CONFIG_TLS_MAY);
	assert_null(r->tls_name);
	assert_null(r->ca_file);
	assert_int_equal(r->min_version, KTLS_TLS_1_2);
	assert_null(r->ciphers);
	assert_null(r->ciphersuites);
	assert_int_equal(r->connections, 20);
	assert_int_equal(r->messages_per_connection, 1000);
	parsed_free(&p);
}

#define MX(keys)                                  \
	"hostname: h.test\nspool: {path: s}\n"    \
	"listen: [{address: \"127.0.0.1:25\"}]\n" \
	"routes:\n- {match: \"*\", next_hop: mx" keys "}\n"

static void test_route_by_mx(void **state)
{
	struct parsed p = expect_good(MX(""));

	assert_true(p.config->routes[0].next_hop.mx);
	assert_int_equal(p.config->routes[0].next_hop.port, 25);
	assert_string_equal(p.config->routes[0].next_hop.text, "mx");
	assert_null(p.config->routes[0].fallback.host);
	parsed_free(&p);
	p = expect_good(MX(", port: 2525"));
	assert_int_equal(p.config->routes[0].next_hop.port, 2525);
	parsed_free(&p);
	expect_error_has(MX(", port: 0"), "a number from 1 to 65535");
	expect_error_has(ROUTE(", port: 26"), "'port' is for 'next_hop: mx'");
	expect_error_has(MX(", tls: {level: encrypt, name: a.test}"),
			 "'name' in 'tls' with 'next_hop: mx'");
	expect_error_has(MX(", mode: cut_through"),
			 "'mode: cut_through' with 'next_hop: mx'");
}

static void test_route_fallback(void **state)
{
	struct parsed p = expect_good(MX(", fallback: b.test:26"));

	assert_false(p.config->routes[0].fallback.mx);
	assert_string_equal(p.config->routes[0].fallback.host, "b.test");
	assert_int_equal(p.config->routes[0].fallback.port, 26);
	assert_int_equal(p.config->routes[0].fallback_after, 3);
	parsed_free(&p);
	p = expect_good(ROUTE(", fallback: b.test, fallback_after: 1"));
	assert_int_equal(p.config->routes[0].fallback_after, 1);
	parsed_free(&p);
	expect_error_has(MX(", fallback_after: 2"),
			 "'fallback_after' without 'fallback'");
}

static void test_resolver(void **state)
{
	struct parsed p = expect_good(MX(""));

	assert_int_equal(p.config->resolver.server_count, 0);
	assert_int_equal(p.config->resolver.timeout, 10 * URING_SEC);
	assert_null(p.config->resolver.trust_anchor);
	parsed_free(&p);
	p = expect_good(MX("") "resolver: {servers: [\"127.0.0.1:53\", "
			       "\"[::1]:5353\"], timeout: 2s}\n");
	assert_int_equal(p.config->resolver.server_count, 2);
	assert_string_equal(p.config->resolver.servers[1].text, "[::1]:5353");
	assert_int_equal(p.config->resolver.timeout, 2 * URING_SEC);
	parsed_free(&p);
	expect_error_has(MX("") "resolver: {servers: [ns.test]}\n",
			 "an address and port such as 127.0.0.1:53");
	expect_error_has(MX("") "resolver: {trust_anchor: /nowhere}\n",
			 "'trust_anchor'");
}

static void test_route_mode(void **state)
{
	struct parsed p = expect_good(ROUTE(", mode: cut_through, tls: none"));

	assert_int_equal(p.config->routes[0].mode, CONFIG_MODE_CUT_THROUGH);
	assert_string_equal(config_route_mode_name(CONFIG_MODE_CUT_THROUGH),
			    "cut_through");
	parsed_free(&p);
	p = expect_good(ROUTE(", mode: spool"));
	assert_int_equal(p.config->routes[0].mode, CONFIG_MODE_SPOOL);
	parsed_free(&p);
	expect_error_has(ROUTE(", mode: proxy"),
			 "expected spool or cut_through");
}

static void test_route_tls_word(void **state)
{
	static const char *const names[] = {"none", "may", "encrypt", "verify"};
	char text[512];

	for (unsigned i = 0; i < 4; i++) {
		struct parsed p;

		snprintf(text, sizeof(text), ROUTE(", tls: %s"), names[i]);
		p = expect_good(text);
		assert_int_equal(p.config->routes[0].tls, i);
		assert_int_equal(p.config->routes[0].min_version, KTLS_TLS_1_2);
		assert_string_equal(config_tls_level_name(i), names[i]);
		parsed_free(&p);
	}
}

static void test_route_tls_mapping(void **state)
{
	struct parsed p = parse_in_folder(
		ROUTE(", connections: 7, messages_per_connection: 0, "
		      "tls: {level: verify, name: mx.a.test, ca_file: ca.pem, "
		      "min_version: \"1.3\", ciphers: A, ciphersuites: B}"));
	const struct config_route *r = &p.config->routes[0];

	assert_int_equal(r->tls, CONFIG_TLS_VERIFY);
	assert_string_equal(r->tls_name, "mx.a.test");
	assert_non_null(strstr(r->ca_file, "/ca.pem"));
	assert_int_equal(r->min_version, KTLS_TLS_1_3);
	assert_string_equal(r->ciphers, "A");
	assert_string_equal(r->ciphersuites, "B");
	assert_int_equal(r->connections, 7);
	assert_int_equal(r->messages_per_connection, 0);
	parsed_free(&p);
}

static void test_route_tls_refused(void **state)
{
	expect_error_has(ROUTE(", tls: must"),
			 "expected none, may, encrypt or verify");
	expect_error_has(ROUTE(", tls: [may]"), "'tls' is a list");
	expect_error_has(ROUTE(", tls: "), "'tls' has no value");
	expect_error_has(ROUTE(", tls: {}"), "'level' is missing");
	expect_error_has(ROUTE(", tls: {level: verify, name: \"a b\"}"),
			 "'name' is 'a b'");
	expect_error_has(ROUTE(", tls: {level: verify, ca_file: /nowhere}"),
			 "can't read /nowhere");
	expect_error_has(ROUTE(", tls: {level: encrypt, ca_file: /tmp}"),
			 "'ca_file' without 'level: verify'");
}

static void test_route_numbers_refused(void **state)
{
	expect_error_has(ROUTE(", connections: 0"), "(too small)");
	expect_error_has(ROUTE(", connections: 10001"), "(too big)");
	expect_error_has(ROUTE(", messages_per_connection: 1000000001"),
			 "(too big)");
}

static void test_route_match_refused(void **state)
{
	static const char *const bad[] = {"",	   "*.",   "**",
					  "a.*",   "*a",   "a..b",
					  "*.*.b", "@a.b", "b\xc3\xbc.test"};
	char text[512];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text),
			 LEAST "x: 1\nroutes: [{match: \"%s\", next_hop: "
			       "a.test}]\n",
			 bad[i]);
		/* LEAST has routes already: take its line out */
		memmove(strstr(text, "routes:"),
			strstr(strstr(text, "routes:"), "x: 1"),
			strlen(strstr(strstr(text, "routes:"), "x: 1")) + 1);
		expect_error_has(text, "'match'");
	}
}

static void test_route_needs_match_and_next_hop(void **state)
{
	expect_error_has("routes: [{}]\n", "test.yaml:1:10: 'match' is "
					   "missing; expected \"*\"");
	expect_error_has("routes: [{}]\n",
			 "test.yaml:1:10: 'next_hop' is missing");
	expect_error_has("routes: []\n", "'routes' has 0 entries");
}

static void expect_unreachable(const char *first, const char *second)
{
	char text[512], part[256];

	snprintf(text, sizeof(text),
		 "routes:\n- {match: \"%s\", next_hop: a.test}\n"
		 "- {match: \"%s\", next_hop: b.test}\n",
		 first, second);
	snprintf(part, sizeof(part),
		 "test.yaml:3:3: '%s' is never used, '%s' on line 2 takes all "
		 "of it",
		 second, first);
	expect_error_has(text, part);
}

static void test_route_never_used(void **state)
{
	expect_unreachable("*", "a.test");
	expect_unreachable("*", "*");
	expect_unreachable("*", "*.test");
	expect_unreachable("a.test", "A.Test");
	expect_unreachable("*.test", "a.test");
	expect_unreachable("*.test", "*.a.test");
	expect_unreachable("*.test", "*.test");
}

static void test_route_narrower_first_is_fine(void **state)
{
	struct parsed p =
		expect_good("hostname: h.test\nspool: {path: s}\n"
			    "listen: [{address: \"127.0.0.1:25\"}]\n"
			    "routes:\n- {match: a.test, next_hop: a.test}\n"
			    "- {match: \"*.a.test\", next_hop: a.test}\n"
			    "- {match: b.test, next_hop: a.test}\n"
			    "- {match: \"*.test\", next_hop: a.test}\n"
			    "- {match: test, next_hop: a.test}\n"
			    "- {match: \"*\", next_hop: a.test}\n");

	assert_int_equal(p.config->route_count, 6);
	parsed_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_simple_file),
		cmocka_unit_test(test_places_are_kept),
		cmocka_unit_test(test_number_defaults),
		cmocka_unit_test(test_number_bounds_are_included),
		cmocka_unit_test(test_number_beyond_bounds),
		cmocka_unit_test(test_number_overflow),
		cmocka_unit_test(test_number_nonsense),
		cmocka_unit_test(test_body_path),
		cmocka_unit_test(test_offload),
		cmocka_unit_test(test_bare_line_ends),
		cmocka_unit_test(test_uring),
		cmocka_unit_test(test_uring_environment_wins),
		cmocka_unit_test(test_durability),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_workers),
		cmocka_unit_test(test_retry_default),
		cmocka_unit_test(test_retry_is_a_schedule_or_exponential),
		cmocka_unit_test(test_schedule),
		cmocka_unit_test(test_delay_warnings),
		cmocka_unit_test(test_hostname_refused),
		cmocka_unit_test(test_hostname_of_the_system),
		cmocka_unit_test(test_paths_follow_the_file),
		cmocka_unit_test(test_listen_without_tls),
		cmocka_unit_test(test_listen_tls_defaults),
		cmocka_unit_test(test_listen_tls_keys),
		cmocka_unit_test(test_listen_own_certificate_is_the_first),
		cmocka_unit_test(test_listen_certificates_alone),
		cmocka_unit_test(test_listen_tls_refused),
		cmocka_unit_test(test_listen_files_must_be_readable),
		cmocka_unit_test(test_listen_address_twice),
		cmocka_unit_test(test_listen_same_address_other_writing),
		cmocka_unit_test(test_listen_none),
		cmocka_unit_test(test_route_defaults),
		cmocka_unit_test(test_route_by_mx),
		cmocka_unit_test(test_route_fallback),
		cmocka_unit_test(test_resolver),
		cmocka_unit_test(test_route_mode),
		cmocka_unit_test(test_route_tls_word),
		cmocka_unit_test(test_route_tls_mapping),
		cmocka_unit_test(test_route_tls_refused),
		cmocka_unit_test(test_route_numbers_refused),
		cmocka_unit_test(test_route_match_refused),
		cmocka_unit_test(test_route_needs_match_and_next_hop),
		cmocka_unit_test(test_route_never_used),
		cmocka_unit_test(test_route_narrower_first_is_fine),
	};

	unsetenv("RINGPOST_URING");
	return cmocka_run_group_tests_name("config_keys", tests, NULL, NULL);
}
