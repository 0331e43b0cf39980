/* SPDX-License-Identifier: Apache-2.0 */
/* The Received field that is written, and the ones that are counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/smtp/smtp_header.h"
#include "gateway/smtp/smtp_trace.h"

static struct smtp_trace sample(void)
{
	return (struct smtp_trace){
		.helo = "client.example.test",
		.client = "192.0.2.1",
		.hostname = "relay.example.test",
		.extended = true,
		.id = "0123456789ABC",
		.time = UINT64_C(1795459200999999999),
	};
}

static void check(const struct smtp_trace *trace, const char *expected)
{
	char buf[SMTP_TRACE_MAX];
	size_t len = smtp_trace_write(trace, buf);

	assert_string_equal(buf, expected);
	assert_int_equal(len, strlen(expected));
}

#define DATE "\tMon, 23 Nov 2026 18:40:00 +0000\r\n"

static void test_plain_session(void **state)
{
	struct smtp_trace trace = sample();

	check(&trace, "Received: from client.example.test ([192.0.2.1])\r\n"
		      "\tby relay.example.test with ESMTP\r\n"
		      "\tid 0123456789ABC;\r\n" DATE);
}

static void test_tls_session_with_one_recipient(void **state)
{
	struct smtp_trace trace = sample();

	trace.version = "TLSv1.3";
	trace.cipher = "TLS_AES_128_GCM_SHA256";
	trace.cipher_bits = 128;
	trace.recipient = "joe@example.test";
	check(&trace, "Received: from client.example.test ([192.0.2.1])\r\n"
		      "\tby relay.example.test with ESMTPS\r\n"
		      "\t(version=TLSv1.3 cipher=TLS_AES_128_GCM_SHA256 "
		      "bits=128/128)\r\n"
		      "\tid 0123456789ABC\r\n"
		      "\tfor <joe@example.test>;\r\n" DATE);
}

static void assert_contains(const struct smtp_trace *trace, const char *part)
{
	char buf[SMTP_TRACE_MAX];

	smtp_trace_write(trace, buf);
	if (!strstr(buf, part))
		fail_msg("no '%s' in '%s'", part, buf);
}

static void test_protocol_names(void **state)
{
	struct smtp_trace trace = sample();

	trace.extended = false;
	assert_contains(&trace, " with SMTP\r\n");
	trace.extended = true;
	trace.utf8 = true;
	assert_contains(&trace, " with UTF8SMTP\r\n");
	trace.version = "TLSv1.2";
	trace.cipher = "ECDHE";
	assert_contains(&trace, " with UTF8SMTPS\r\n");
	trace.utf8 = false;
	assert_contains(&trace, " with ESMTPS\r\n");
}

static void test_ipv6_client_is_tagged(void **state)
{
	struct smtp_trace trace = sample();

	trace.client = "2001:db8::1";
	assert_contains(&trace, " ([IPv6:2001:db8::1])\r\n");
}

static void test_hostile_helo_is_cleaned(void **state)
{
	struct smtp_trace trace = sample();

	trace.helo = "x) by evil (\r\nBcc: a;\x01\xff\"<>\\";
	assert_contains(&trace,
			"from x??by?evil????Bcc:?a??????? ([192.0.2.1])\r\n");
	trace.helo = "";
	assert_contains(&trace, "from ? ([");
}

static void test_longest_field_fits(void **state)
{
	struct smtp_trace trace = sample();
	char name[2000];
	char buf[SMTP_TRACE_MAX];

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	trace.helo = trace.hostname = trace.version = trace.cipher = name;
	trace.recipient = trace.id = name;
	trace.client = "1111:2222:3333:4444:5555:6666:255.255.255.255";
	assert_true(smtp_trace_write(&trace, buf) < SMTP_TRACE_MAX);
	for (const char *at = buf; *at; at = strstr(at, "\r\n") + 2)
		assert_true(strstr(at, "\r\n") - at <= 998);
}

static void test_dates(void **state)
{
	char buf[SMTP_DATE_SIZE];

	assert_string_equal(smtp_date(0, buf),
			    "Thu, 01 Jan 1970 00:00:00 +0000");
	assert_string_equal(smtp_date(UINT64_C(1709164799) * 1000000000, buf),
			    "Wed, 28 Feb 2024 23:59:59 +0000");
	assert_string_equal(smtp_date(UINT64_C(1709164800) * 1000000000, buf),
			    "Thu, 29 Feb 2024 00:00:00 +0000");
	assert_true(strlen(smtp_date(UINT64_MAX, buf)) < SMTP_DATE_SIZE);
}

/* --- counting --- */

static void count(const char *text, size_t cut, struct smtp_header *header)
{
	const unsigned char *bytes = (const unsigned char *)text;

	smtp_header_start(header);
	smtp_header_feed(header, bytes, cut);
	smtp_header_feed(header, bytes + cut, strlen(text) - cut);
}

static void check_count(const char *text, unsigned received, bool ended)
{
	for (size_t cut = 0; cut <= strlen(text); cut++) {
		struct smtp_header header;

		count(text, cut, &header);
		assert_int_equal(header.received, received);
		assert_int_equal(header.ended, ended);
	}
}

static void test_received_fields_are_counted(void **state)
{
	check_count("Received: a\r\nReceived: b\r\nSubject: c\r\n", 2, false);
	check_count("RECEIVED:x\r\nreceived :y\r\nReceived \t:z\r\n", 3, false);
	check_count("Received: folded\r\n\tReceived: x\r\n Received: y\r\n", 1,
		    false);
}

static void test_similar_fields_are_not(void **state)
{
	check_count("X-Received: a\r\nReceived-SPF: b\r\nReceive: c\r\n"
		    "Receivedd: d\r\nReceived\r\n: e\r\nReceived x: f\r\n",
		    0, false);
}

static void test_the_body_does_not_count(void **state)
{
	check_count("Received: a\r\n\r\nReceived: b\r\n", 1, true);
	check_count("\r\nReceived: b\r\n", 0, true);
	check_count("Received: a\r\n\rx\r\nReceived: b\r\n", 2, false);
}

static void test_bytewise_is_the_same(void **state)
{
	static const char text[] =
		"Received: a\r\nSubject: Received: x\r\nreceived:b\r\n\r\n"
		"Received: c\r\n";
	struct smtp_header header;

	smtp_header_start(&header);
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		smtp_header_feed(&header, (const unsigned char *)text + i, 1);
	assert_int_equal(header.received, 2);
	assert_true(header.ended);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_session),
		cmocka_unit_test(test_tls_session_with_one_recipient),
		cmocka_unit_test(test_protocol_names),
		cmocka_unit_test(test_ipv6_client_is_tagged),
		cmocka_unit_test(test_hostile_helo_is_cleaned),
		cmocka_unit_test(test_longest_field_fits),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_received_fields_are_counted),
		cmocka_unit_test(test_similar_fields_are_not),
		cmocka_unit_test(test_the_body_does_not_count),
		cmocka_unit_test(test_bytewise_is_the_same),
	};

	return cmocka_run_group_tests_name("smtp_trace", tests, NULL, NULL);
}
