/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, networks, next hops, host names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/config_address.h"

/* --- endpoints --- */

static void test_endpoint_ipv4(void **state)
{
	struct config_endpoint endpoint;
	struct sockaddr_in in;

	assert_null(config_address_endpoint("127.0.0.1:2525", &endpoint));
	assert_int_equal(endpoint.len, sizeof(in));
	memcpy(&in, &endpoint.addr, sizeof(in));
	assert_int_equal(in.sin_family, AF_INET);
	assert_int_equal(ntohs(in.sin_port), 2525);
	assert_int_equal(ntohl(in.sin_addr.s_addr), 0x7f000001);
	assert_string_equal(endpoint.text, "127.0.0.1:2525");
}

static void test_endpoint_ipv6(void **state)
{
	struct config_endpoint endpoint;
	struct sockaddr_in6 in6;

	assert_null(config_address_endpoint("[0:0::1]:25", &endpoint));
	assert_int_equal(endpoint.len, sizeof(in6));
	memcpy(&in6, &endpoint.addr, sizeof(in6));
	assert_int_equal(in6.sin6_family, AF_INET6);
	assert_int_equal(ntohs(in6.sin6_port), 25);
	assert_memory_equal(&in6.sin6_addr, &in6addr_loopback, 16);
	assert_string_equal(endpoint.text, "[::1]:25");
}

static void test_endpoint_refused(void **state)
{
	static const char *const words[] = {
		"",
		":25",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:0",
		"127.0.0.1:65536",
		"127.0.0.1:x",
		"localhost:25",
		"::1:25",
		"[::1]",
		"[::1:25",
		"[127.0.0.1]:25",
		"127.1:25",
		"256.0.0.1:25",
		"[::1]x:25",
		"[]:25",
		"127.0.0.1:25:26",
	};
	struct config_endpoint endpoint;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!config_address_endpoint(words[i], &endpoint))
			fail_msg("'%s' was accepted", words[i]);
	}
}

static void test_endpoint_says_why(void **state)
{
	struct config_endpoint endpoint;

	assert_string_equal(config_address_endpoint("127.0.0.1", &endpoint),
			    "no port");
	assert_string_equal(config_address_endpoint("::1:25", &endpoint),
			    "an IPv6 address without brackets");
	assert_string_equal(config_address_endpoint("1.2.3.4:x", &endpoint),
			    "the port is not a number from 1 to 65535");
}

static void test_endpoint_too_long(void **state)
{
	struct config_endpoint endpoint;
	char text[600];

	memset(text, '1', sizeof(text));
	memcpy(text + sizeof(text) - 4, ":25", 4);
	assert_non_null(config_address_endpoint(text, &endpoint));
	text[0] = '[';
	text[sizeof(text) - 5] = ']';
	assert_non_null(config_address_endpoint(text, &endpoint));
}

/* --- networks --- */

static bool network_has(const char *network, const char *address)
{
	struct config_network parsed;
	struct sockaddr_storage addr = {0};
	struct sockaddr_in *in = (void *)&addr;
	struct sockaddr_in6 *in6 = (void *)&addr;

	assert_null(config_address_network(network, &parsed));
	if (inet_pton(AF_INET, address, &in->sin_addr) == 1)
		addr.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, address, &in6->sin6_addr) == 1)
		addr.ss_family = AF_INET6;
	else
		fail_msg("'%s'", address);
	return config_address_network_has(&parsed, (struct sockaddr *)&addr);
}

static void test_network_ipv4(void **state)
{
	assert_true(network_has("127.0.0.0/8", "127.255.255.255"));
	assert_false(network_has("127.0.0.0/8", "128.0.0.0"));
	assert_false(network_has("127.0.0.0/8", "126.255.255.255"));
	assert_true(network_has("10.1.2.128/25", "10.1.2.129"));
	assert_false(network_has("10.1.2.128/25", "10.1.2.127"));
	assert_true(network_has("0.0.0.0/0", "203.0.113.9"));
}

static void test_network_of_one_address(void **state)
{
	assert_true(network_has("192.0.2.7", "192.0.2.7"));
	assert_false(network_has("192.0.2.7", "192.0.2.6"));
	assert_true(network_has("192.0.2.7/32", "192.0.2.7"));
	assert_true(network_has("::1", "::1"));
	assert_false(network_has("::1", "::2"));
}

static void test_network_ipv6(void **state)
{
	assert_true(network_has("2001:db8::/32", "2001:db8:ffff::1"));
	assert_false(network_has("2001:db8::/32", "2001:db9::1"));
	assert_true(network_has("2001:db8:0:8000::/49", "2001:db8:0:8001::"));
	assert_false(network_has("2001:db8:0:8000::/49", "2001:db8:0:7fff::"));
	assert_true(network_has("::/0", "2001:db8::1"));
}

static void test_network_families_are_apart(void **state)
{
	assert_false(network_has("0.0.0.0/0", "2001:db8::1"));
	assert_false(network_has("::/0", "192.0.2.1"));
}

static void test_network_mapped_address_is_ipv4(void **state)
{
	assert_true(network_has("127.0.0.0/8", "::ffff:127.0.0.1"));
	assert_false(network_has("127.0.0.0/8", "::ffff:192.0.2.1"));
	assert_false(network_has("::/0", "::ffff:192.0.2.1"));
}

static void test_network_mapped_network_is_ipv4(void **state)
{
	struct config_network network;

	assert_null(config_address_network("::ffff:10.0.0.0/104", &network));
	assert_int_equal(network.family, AF_INET);
	assert_int_equal(network.prefix, 8);
	assert_true(network_has("::ffff:10.0.0.0/104", "10.2.3.4"));
}

static void test_network_other_family_is_in_none(void **state)
{
	struct config_network network;
	struct sockaddr addr = {.sa_family = AF_UNIX};

	assert_null(config_address_network("0.0.0.0/0", &network));
	assert_false(config_address_network_has(&network, &addr));
}

static void test_network_refused(void **state)
{
	static const char *const words[] = {
		"",
		"x",
		"127.0.0.0/33",
		"::/129",
		"127.0.0.0/",
		"127.0.0.1/8",
		"2001:db8::1/32",
		"1.2.3.4/-1",
		"1.2.3.4/8/8",
		"[::1]/128",
		"10/8",
		"1.2.3.0/+24",
	};
	struct config_network network;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!config_address_network(words[i], &network))
			fail_msg("'%s' was accepted", words[i]);
	}
}

/* --- next hops --- */

static void expect_next_hop(const char *text, const char *host, unsigned port,
			    const char *written)
{
	struct config_next_hop hop = {0};

	assert_null(config_address_next_hop(text, &hop));
	assert_string_equal(hop.host, host);
	assert_int_equal(hop.port, port);
	assert_string_equal(hop.text, written);
	free(hop.host);
	free(hop.text);
}

static void test_next_hop(void **state)
{
	expect_next_hop("127.0.0.1:2526", "127.0.0.1", 2526, "127.0.0.1:2526");
	expect_next_hop("smtp.example.test:587", "smtp.example.test", 587,
			"smtp.example.test:587");
	expect_next_hop("[::1]:2525", "::1", 2525, "[::1]:2525");
	expect_next_hop("localhost:2526", "localhost", 2526, "localhost:2526");
}

static void test_next_hop_default_port(void **state)
{
	expect_next_hop("smtp.example.test", "smtp.example.test", 25,
			"smtp.example.test:25");
	expect_next_hop("[2001:db8::1]", "2001:db8::1", 25, "[2001:db8::1]:25");
	expect_next_hop("192.0.2.1", "192.0.2.1", 25, "192.0.2.1:25");
}

static void test_next_hop_refused(void **state)
{
	static const char *const words[] = {
		"",	      ":25",
		"::1",	      "a..b:25",
		"-a.test",    "a b.test:25",
		"a.test:0",   "a.test:99999",
		"a.test:",    "[a.test]:25",
		"1.2.3:25",   "999.1.1.1",
		"a.test.:25", "b\xc3\xbc.test",
		"[::1",
	};
	struct config_next_hop hop = {0};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!config_address_next_hop(words[i], &hop))
			fail_msg("'%s' was accepted", words[i]);
		assert_null(hop.host);
		assert_null(hop.text);
	}
}

/* --- domains --- */

static void test_domain(void **state)
{
	assert_null(config_address_domain("example.test"));
	assert_null(config_address_domain("EXAMPLE.TEST"));
	assert_null(config_address_domain("a-b.c_d.xn--bcher-kva.test"));
	assert_null(config_address_domain("localhost"));
	assert_null(config_address_domain(
		"a23456789012345678901234567890123456789012345678901234567890"
		"123.test"));
}

#define LABEL_OF_64 \
	"a234567890123456789012345678901234567890123456789012345678901234"

static void test_domain_refused(void **state)
{
	static const char *const words[] = {
		"",	".",	"a..b",	    ".a",	 "a.",
		"-a.b", "a-.b", "a b.test", "a/b",	 "a@b.test",
		"a\tb", "*",	"*.a",	    "[1.2.3.4]", LABEL_OF_64 ".test",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!config_address_domain(words[i]))
			fail_msg("'%s' was accepted", words[i]);
	}
}

static void test_domain_longest(void **state)
{
	char text[255];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 ? '.' : 'a';
	text[253] = '\0';
	assert_null(config_address_domain(text));
	memcpy(text + 250, "aaaa", 5);
	assert_string_equal(config_address_domain(text),
			    "longer than 253 octets");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_endpoint_ipv4),
		cmocka_unit_test(test_endpoint_ipv6),
		cmocka_unit_test(test_endpoint_refused),
		cmocka_unit_test(test_endpoint_says_why),
		cmocka_unit_test(test_endpoint_too_long),
		cmocka_unit_test(test_network_ipv4),
		cmocka_unit_test(test_network_of_one_address),
		cmocka_unit_test(test_network_ipv6),
		cmocka_unit_test(test_network_families_are_apart),
		cmocka_unit_test(test_network_mapped_address_is_ipv4),
		cmocka_unit_test(test_network_mapped_network_is_ipv4),
		cmocka_unit_test(test_network_other_family_is_in_none),
		cmocka_unit_test(test_network_refused),
		cmocka_unit_test(test_next_hop),
		cmocka_unit_test(test_next_hop_default_port),
		cmocka_unit_test(test_next_hop_refused),
		cmocka_unit_test(test_domain),
		cmocka_unit_test(test_domain_refused),
		cmocka_unit_test(test_domain_longest),
	};

	return cmocka_run_group_tests_name("config_address", tests, NULL, NULL);
}
