/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups against a name server in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/dns/dns_private.h"
#include "tests/support/fake_dns.h"
#include "tests/support/sim_net.h"

#define PORT 2599

struct fixture {
	struct sim_net net;
	struct fake_dns fake;
	struct config *config;
	struct dns *dns;
	struct dns_lookup *lookup;
	/* the last answer */
	unsigned answers;
	enum dns_status status;
	unsigned code;
	char enhanced[16];
	uint64_t ttl;
	size_t host_count;
	struct dns_host hosts[DNS_HOSTS_MAX];
};

static const char text[] = "hostname: relay.example.test\nspool: {path: s}\n"
			   "listen: [{address: \"127.0.0.77:2599\"}]\n"
			   "resolver: {timeout: 10s}\n"
			   "routes: [{match: \"*\", next_hop: mx}]\n";

static struct fixture *start(void)
{
	struct fixture *f = test_calloc(1, sizeof(*f));
	struct uring_fake_config fake = {.seed = 1};
	struct dns_config config;

	assert_int_equal(
		config_parse(text, strlen(text), "t", stderr, &f->config), 0);
	sim_net_open(&f->net, &fake, 8);
	fake_dns_init(&f->fake, f->net.ring);
	config = (struct dns_config){.config = f->config,
				     .ring = f->net.ring,
				     .source = &f->fake.source};
	assert_int_equal(dns_create(&config, &f->dns), 0);
	return f;
}

static void finish(struct fixture *f)
{
	dns_cancel(&f->lookup);
	dns_stop(f->dns);
	dns_destroy(&f->dns);
	sim_net_close(&f->net);
	config_unref(&f->config);
	test_free(f);
}

static void turn(struct fixture *f)
{
	for (int i = 0; i < 20; i++)
		uring_turn(f->net.ring, 0);
}

static void later(struct fixture *f, uint64_t seconds)
{
	uring_fake_advance(f->net.fake, seconds * URING_SEC);
	turn(f);
}

static void on_done(void *arg, const struct dns_answer *answer)
{
	struct fixture *f = arg;

	f->lookup = NULL;
	f->answers++;
	f->status = answer->status;
	f->code = answer->code;
	snprintf(f->enhanced, sizeof(f->enhanced), "%s", answer->enhanced);
	f->ttl = answer->ttl;
	f->host_count = answer->host_count;
	assert_true(answer->host_count <= DNS_HOSTS_MAX);
	for (size_t i = 0; i < answer->host_count; i++)
		f->hosts[i] = answer->hosts[i];
}

static void ask(struct fixture *f, const char *domain)
{
	f->lookup = dns_mx(f->dns, domain, PORT, on_done, f);
	assert_non_null(f->lookup);
	assert_int_equal(f->answers, 0);
	turn(f);
}

static void assert_host(const struct fixture *f, size_t i, const char *name,
			unsigned addresses)
{
	assert_true(i < f->host_count);
	assert_string_equal(f->hosts[i].name, name);
	assert_int_equal(f->hosts[i].address_count, addresses);
}

static void assert_fails(struct fixture *f, const char *domain,
			 enum dns_status status, unsigned code,
			 const char *enhanced)
{
	ask(f, domain);
	assert_int_equal(f->answers, 1);
	assert_int_equal(f->status, status);
	assert_int_equal(f->code, code);
	assert_string_equal(f->enhanced, enhanced);
	assert_int_equal(f->host_count, 0);
	finish(f);
}

/* --- found --- */

static void hosts_by_preference(void **state)
{
	struct fixture *f = start();

	fake_dns_mx(&f->fake, "a.test", 20, "second.test");
	fake_dns_mx(&f->fake, "a.test", 10, "FIRST.test");
	fake_dns_mx(&f->fake, "a.test", 10, "also-first.test");
	fake_dns_a(&f->fake, "first.test", "192.0.2.1");
	fake_dns_a(&f->fake, "first.test", "2001:db8::1");
	fake_dns_a(&f->fake, "also-first.test", "192.0.2.2");
	fake_dns_a(&f->fake, "second.test", "192.0.2.3");
	ask(f, "A.Test.");
	assert_int_equal(f->status, DNS_FOUND);
	assert_int_equal(f->host_count, 3);
	assert_host(f, 0, "also-first.test", 1);
	assert_host(f, 1, "first.test", 2);
	assert_host(f, 2, "second.test", 1);
	assert_int_equal(f->hosts[0].preference, 10);
	assert_int_equal(f->hosts[2].preference, 20);
	assert_int_equal(ntohs(f->hosts[2].addresses[0].v4.sin_port), PORT);
	assert_int_equal(f->ttl, 300 * URING_SEC);
	finish(f);
}

static void the_domain_itself_without_mx(void **state)
{
	struct fixture *f = start();

	fake_dns_a(&f->fake, "a.test", "192.0.2.1");
	ask(f, "a.test");
	assert_int_equal(f->status, DNS_FOUND);
	assert_host(f, 0, "a.test", 1);
	finish(f);
}

static void a_domain_beyond_ascii(void **state)
{
	struct fixture *f = start();

	fake_dns_mx(&f->fake, "xn--bcher-kva.test", 1, "mx.test");
	fake_dns_a(&f->fake, "mx.test", "192.0.2.1");
	ask(f, "B\xc3\xbc"
	       "cher.test");
	assert_int_equal(f->status, DNS_FOUND);
	finish(f);
}

static void address_literals(void **state)
{
	static const char *const literals[] = {"[192.0.2.9]",
					       "[IPv6:2001:db8::9]"};

	for (int i = 0; i < 2; i++) {
		struct fixture *f = start();

		ask(f, literals[i]);
		assert_int_equal(f->status, DNS_FOUND);
		assert_host(f, 0, i ? "2001:db8::9" : "192.0.2.9", 1);
		assert_int_equal(f->fake.asked, 0);
		finish(f);
	}
}

static void a_host_without_mx_lookup(void **state)
{
	struct fixture *f = start();

	fake_dns_mx(&f->fake, "hop.test", 1, "other.test");
	fake_dns_a(&f->fake, "hop.test", "192.0.2.1");
	f->lookup = dns_host(f->dns, "hop.test", PORT, on_done, f);
	turn(f);
	assert_int_equal(f->status, DNS_FOUND);
	assert_host(f, 0, "hop.test", 1);
	finish(f);
}

static void a_host_named_twice_counts_once(void **state)
{
	struct fixture *f = start();

	fake_dns_mx(&f->fake, "a.test", 20, "mx.test");
	fake_dns_mx(&f->fake, "a.test", 10, "mx.test");
	fake_dns_a(&f->fake, "mx.test", "192.0.2.1");
	ask(f, "a.test");
	assert_int_equal(f->host_count, 1);
	assert_int_equal(f->hosts[0].preference, 10);
	finish(f);
}

static void only_the_best_of_many(void **state)
{
	struct fixture *f = start();
	static char names[60][16];

	for (int i = 0; i < 60; i++) {
		snprintf(names[i], sizeof(names[i]), "mx%02d.test", i);
		fake_dns_mx(&f->fake, "a.test", (unsigned)(100 - i), names[i]);
		fake_dns_a(&f->fake, names[i], "192.0.2.1");
	}
	ask(f, "a.test");
	assert_int_equal(f->host_count, DNS_HOSTS_MAX);
	assert_host(f, 0, "mx59.test", 1);
	assert_host(f, DNS_HOSTS_MAX - 1, "mx28.test", 1);
	finish(f);
}

static void only_so_many_addresses(void **state)
{
	struct fixture *f = start();
	char address[20];

	fake_dns_mx(&f->fake, "a.test", 1, "mx.test");
	for (int i = 0; i < 40; i++) {
		snprintf(address, sizeof(address), "192.0.2.%d", i);
		fake_dns_a(&f->fake, "mx.test", address);
	}
	ask(f, "a.test");
	assert_host(f, 0, "mx.test", DNS_HOST_ADDRESSES_MAX);
	finish(f);
}

static void what_is_no_record_is_passed_over(void **state)
{
	struct fixture *f = start();

	fake_dns_raw(&f->fake, "a.test", "\0\1", 2);
	fake_dns_raw(&f->fake, "a.test", "\0\1\5ab", 5);
	fake_dns_raw(&f->fake, "a.test", "\0\1\2ab", 5);
	fake_dns_raw(&f->fake, "a.test", "\0\1\3a.b\0", 7);
	fake_dns_raw(&f->fake, "a.test", "\0\1\xc0\x0c", 4);
	fake_dns_raw(&f->fake, "a.test", "\0\1\0", 3);
	fake_dns_mx(&f->fake, "a.test", 5, "mx.test");
	fake_dns_a(&f->fake, "mx.test", "192.0.2.1");
	ask(f, "a.test");
	assert_int_equal(f->host_count, 1);
	assert_host(f, 0, "mx.test", 1);
	finish(f);
}

/* --- not found --- */

static void a_missing_domain(void **state)
{
	assert_fails(start(), "a.test", DNS_NO_DOMAIN, 550, "5.1.2");
}

static void no_domain_at_all(void **state)
{
	assert_fails(start(), "a..test", DNS_NO_DOMAIN, 550, "5.1.2");
}

static void a_null_mx(void **state)
{
	struct fixture *f = start();

	fake_dns_mx(&f->fake, "a.test", 0, "");
	assert_fails(f, "a.test", DNS_NO_MAIL, 556, "5.1.10");
}

static void hosts_without_address(void **state)
{
	struct fixture *f = start();

	fake_dns_mx(&f->fake, "a.test", 1, "nowhere.test");
	assert_fails(f, "a.test", DNS_NO_HOST, 550, "5.4.4");
}

static void a_failing_server(void **state)
{
	struct fixture *f = start();

	fake_dns_bad(&f->fake, "a.test", DNS_FAILED, false);
	assert_fails(f, "a.test", DNS_LATER, 451, "4.4.3");
}

static void a_failing_host_is_no_missing_host(void **state)
{
	struct fixture *f = start();

	fake_dns_mx(&f->fake, "a.test", 1, "mx.test");
	fake_dns_mx(&f->fake, "a.test", 2, "nowhere.test");
	fake_dns_bad(&f->fake, "mx.test", DNS_FAILED, false);
	assert_fails(f, "a.test", DNS_LATER, 451, "4.4.3");
}

static void a_forged_answer(void **state)
{
	struct fixture *f = start();

	fake_dns_bad(&f->fake, "a.test", DNS_FORGED, false);
	assert_fails(f, "a.test", DNS_BOGUS, 451, "4.7.0");
}

static void nobody_to_ask(void **state)
{
	struct fixture *f = start();

	f->fake.deaf = true;
	assert_fails(f, "a.test", DNS_LATER, 451, "4.4.3");
}

/* --- loops --- */

static void this_relay_as_best_host(void **state)
{
	struct fixture *f = start();

	fake_dns_mx(&f->fake, "a.test", 10, "relay.example.test");
	fake_dns_mx(&f->fake, "a.test", 10, "twin.test");
	fake_dns_mx(&f->fake, "a.test", 20, "mx.test");
	fake_dns_a(&f->fake, "twin.test", "192.0.2.2");
	fake_dns_a(&f->fake, "mx.test", "192.0.2.1");
	assert_fails(f, "a.test", DNS_LOOP, 554, "5.4.6");
}

static void this_relay_by_address(void **state)
{
	struct fixture *f = start();

	fake_dns_mx(&f->fake, "a.test", 10, "other-name.test");
	fake_dns_a(&f->fake, "other-name.test", "127.0.0.77");
	assert_fails(f, "a.test", DNS_LOOP, 554, "5.4.6");
}

static void this_relay_cuts_off_what_is_behind(void **state)
{
	struct fixture *f = start();

	fake_dns_mx(&f->fake, "a.test", 10, "mx.test");
	fake_dns_mx(&f->fake, "a.test", 20, "relay.example.test");
	fake_dns_mx(&f->fake, "a.test", 30, "far.test");
	fake_dns_a(&f->fake, "mx.test", "192.0.2.1");
	fake_dns_a(&f->fake, "far.test", "192.0.2.2");
	ask(f, "a.test");
	assert_int_equal(f->status, DNS_FOUND);
	assert_int_equal(f->host_count, 1);
	assert_host(f, 0, "mx.test", 1);
	finish(f);
}

/* --- time --- */

static void silence_ends(void **state)
{
	struct fixture *f = start();

	fake_dns_bad(&f->fake, "a.test", DNS_DATA, true);
	ask(f, "a.test");
	assert_int_equal(f->answers, 0);
	later(f, 11);
	assert_int_equal(f->answers, 1);
	assert_int_equal(f->status, DNS_LATER);
	finish(f);
}

static void what_came_in_time_is_used(void **state)
{
	struct fixture *f = start();

	fake_dns_mx(&f->fake, "a.test", 10, "mute.test");
	fake_dns_mx(&f->fake, "a.test", 20, "mx.test");
	fake_dns_bad(&f->fake, "mute.test", DNS_DATA, true);
	fake_dns_a(&f->fake, "mx.test", "192.0.2.1");
	ask(f, "a.test");
	assert_int_equal(f->answers, 0);
	later(f, 11);
	assert_int_equal(f->status, DNS_FOUND);
	assert_host(f, 0, "mx.test", 1);
	/* and asked again soon, for the other */
	assert_int_equal(f->ttl, 60 * URING_SEC);
	finish(f);
}

static void a_cancelled_lookup_is_silent(void **state)
{
	struct fixture *f = start();

	fake_dns_mx(&f->fake, "a.test", 10, "mute.test");
	fake_dns_bad(&f->fake, "mute.test", DNS_DATA, true);
	ask(f, "a.test");
	dns_cancel(&f->lookup);
	later(f, 60);
	assert_int_equal(f->answers, 0);
	finish(f);
}

static void many_lookups_take_turns(void **state)
{
	struct fixture *f = start();

	fake_dns_mx(&f->fake, "a.test", 10, "mx.test");
	fake_dns_a(&f->fake, "mx.test", "192.0.2.1");
	for (int i = 0; i < 2000; i++)
		assert_non_null(dns_mx(f->dns, "a.test", PORT, on_done, f));
	turn(f);
	turn(f);
	assert_int_equal(f->answers, 2000);
	finish(f);
}

/* 2,000 domains whose servers are silent hold a working one up for some
 * seconds, not for their 10 s each, 512 at a time. */
static void silent_domains_hold_nobody_up(void **state)
{
	struct fixture *f = start();
	struct dns_lookup *silent[2000];

	fake_dns_bad(&f->fake, "dead.test", DNS_DATA, true);
	fake_dns_mx(&f->fake, "a.test", 10, "mx.test");
	fake_dns_a(&f->fake, "mx.test", "192.0.2.1");
	for (int i = 0; i < 2000; i++)
		silent[i] = dns_mx(f->dns, "dead.test", PORT, on_done, f);
	ask(f, "a.test");
	for (int i = 0; i < 5; i++)
		later(f, 1);
	assert_int_equal(f->answers, 1);
	assert_int_equal(f->status, DNS_FOUND);
	for (int i = 0; i < 2000; i++)
		dns_cancel(&silent[i]);
	finish(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_by_preference),
		cmocka_unit_test(the_domain_itself_without_mx),
		cmocka_unit_test(a_domain_beyond_ascii),
		cmocka_unit_test(address_literals),
		cmocka_unit_test(a_host_without_mx_lookup),
		cmocka_unit_test(a_host_named_twice_counts_once),
		cmocka_unit_test(only_the_best_of_many),
		cmocka_unit_test(only_so_many_addresses),
		cmocka_unit_test(what_is_no_record_is_passed_over),
		cmocka_unit_test(a_missing_domain),
		cmocka_unit_test(no_domain_at_all),
		cmocka_unit_test(a_null_mx),
		cmocka_unit_test(hosts_without_address),
		cmocka_unit_test(a_failing_server),
		cmocka_unit_test(a_failing_host_is_no_missing_host),
		cmocka_unit_test(a_forged_answer),
		cmocka_unit_test(nobody_to_ask),
		cmocka_unit_test(this_relay_as_best_host),
		cmocka_unit_test(this_relay_by_address),
		cmocka_unit_test(this_relay_cuts_off_what_is_behind),
		cmocka_unit_test(silence_ends),
		cmocka_unit_test(what_came_in_time_is_used),
		cmocka_unit_test(a_cancelled_lookup_is_silent),
		cmocka_unit_test(many_lookups_take_turns),
		cmocka_unit_test(silent_domains_hold_nobody_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
