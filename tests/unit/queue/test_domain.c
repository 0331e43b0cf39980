/* SPDX-License-Identifier: Apache-2.0 */
/* Domains and their destinations: a queue that asks a name server in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/queue/queue_private.h"
#include "tests/support/fake_dns.h"
#include "tests/support/sim_net.h"
#include "tests/support/sim_server.h"
#include "tests/support/test_tree.h"

#define PORT	 2540
#define FALLBACK 2541

struct fixture {
	char dir[64];
	struct sim_net net;
	struct fake_dns fake;
	struct config *config;
	struct next_hop hop;
	struct dns *dns;
	struct spool *spool;
	struct queue *queue;
	struct sim_server server, fallback;
	bool fallback_open;
	unsigned received, fallen_back;
	size_t commits;
};

static const char text[] =
	"hostname: relay.example.test\nspool: {path: /unused}\nworkers: 1\n"
	"listen:\n  - {address: \"127.0.0.77:2540\"}\n"
	"retry: {schedule: [10s, 30s], expire: 1000s}\n"
	"timeouts: {idle: 1s}\nresolver: {timeout: 5s}\n"
	"routes:\n  - {match: \"*\", next_hop: mx, port: 2540, tls: none, "
	"connections: 1, fallback: \"127.0.0.1:2541\", fallback_after: 2}\n";

static void received(void *arg, const struct sim_mail *mail)
{
	++*(unsigned *)arg;
}

static void open_server(struct fixture *f, struct sim_server *server,
			uint16_t port, unsigned *count)
{
	struct sim_server_config config = {
		.ring = f->net.ring,
		.fake = f->net.fake,
		.port = port,
		.seed = 1,
		.received = received,
		.arg = count,
	};

	sim_server_open(server, &config);
}

static struct fixture *start(void)
{
	struct fixture *f = test_calloc(1, sizeof(*f));
	struct uring_fake_config fake = {.seed = 3};
	char error[256] = "";
	struct spool_report report;

	snprintf(f->dir, sizeof(f->dir), "/tmp/ringpost-domain-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(
		config_parse(text, strlen(text), "t", stderr, &f->config), 0);
	sim_net_open(&f->net, &fake, 8);
	sim_net_hop(&f->hop, &f->config->routes[0]);
	fake_dns_init(&f->fake, f->net.ring);
	struct dns_config dns = {.config = f->config,
				 .ring = f->net.ring,
				 .source = &f->fake.source};
	assert_int_equal(dns_create(&dns, &f->dns), 0);
	struct queue_config queue = {.config = f->config,
				     .env = &f->net.env,
				     .hops = &f->hop,
				     .dns = f->dns,
				     .socket = sim_net_socket,
				     .socket_arg = &f->net,
				     .wall_clock = sim_net_wall_clock};
	assert_int_equal(queue_create(&queue, &f->queue), 0);
	struct spool_config spool = {
		.path = f->dir, .segment_size = 256 * 1024, .sync = true};
	assert_int_equal(spool_open(&spool, f->net.ring, NULL, NULL, &report,
				    error, &f->spool),
			 0);
	open_server(f, &f->server, PORT, &f->received);
	return f;
}

static void settle(struct fixture *f)
{
	for (int still = 0, i = 0; still < 8 && i < 100000; i++) {
		bool moved = uring_turn(f->net.ring, 0) > 0;

		moved |= sim_server_pump(&f->server);
		if (f->fallback_open)
			moved |= sim_server_pump(&f->fallback);
		still = moved ? 0 : still + 1;
	}
}

static void later(struct fixture *f, uint64_t seconds)
{
	uring_fake_advance(f->net.fake, seconds * URING_SEC);
	settle(f);
}

static void finish(struct fixture *f)
{
	queue_shutdown(f->queue);
	settle(f);
	queue_abort(f->queue);
	for (int i = 0; i < 100 && (queue_sessions(f->queue) > 0 ||
				    spool_inflight(f->spool) > 0);
	     i++)
		later(f, 1);
	queue_destroy(&f->queue);
	dns_stop(f->dns);
	dns_destroy(&f->dns);
	spool_close(&f->spool);
	sim_server_close(&f->server);
	if (f->fallback_open)
		sim_server_close(&f->fallback);
	settle(f);
	next_hop_deinit(&f->hop);
	sim_net_close(&f->net);
	config_unref(&f->config);
	test_tree_remove(f->dir);
	test_free(f);
}

static void committed(void *owner, enum spool_status status,
		      struct spool_message *message)
{
	struct fixture *f = owner;

	assert_int_equal(status, SPOOL_OK);
	f->commits++;
	queue_add(f->queue, f->spool, message);
}

/* Without a sender: no bounce comes of it. */
static void send_to(struct fixture *f, const char *rcpt)
{
	static const char body[] = "Subject: x\r\n\r\nhello\r\n";
	struct spool_envelope envelope = {
		.reverse_path = "",
		.recipients = &rcpt,
		.recipient_count = 1,
		.client = "test",
		.arrival = sim_net_wall_clock(),
	};
	struct spool_writer *writer;
	unsigned char *room;

	assert_int_equal(spool_begin(f->spool, &writer), SPOOL_OK);
	assert_true(spool_reserve(writer, &room) >= sizeof(body) - 1);
	memcpy(room, body, sizeof(body) - 1);
	spool_advance(writer, sizeof(body) - 1);
	spool_commit(writer, &envelope, "Received: x\r\n", 13, committed, f);
	settle(f);
}

static struct queue_stats stats_of(const struct fixture *f)
{
	struct queue_stats stats;

	queue_stats(f->queue, &stats);
	return stats;
}

/* --- tests --- */

static void mail_goes_to_the_mx_host(void **state)
{
	struct fixture *f = start();

	fake_dns_mx(&f->fake, "a.test", 1, "mx.test");
	fake_dns_a(&f->fake, "mx.test", "192.0.2.1");
	send_to(f, "x@A.test");
	assert_int_equal(f->received, 1);
	assert_int_equal(stats_of(f).delivered, 1);
	finish(f);
}

static void an_answer_is_kept(void **state)
{
	struct fixture *f = start();
	unsigned asked;

	fake_dns_mx(&f->fake, "a.test", 1, "mx.test");
	fake_dns_a(&f->fake, "mx.test", "192.0.2.1");
	send_to(f, "x@a.test");
	asked = f->fake.asked;
	send_to(f, "y@a.test");
	assert_int_equal(f->fake.asked, asked);
	later(f, 301); /* its time to live is over */
	send_to(f, "z@a.test");
	assert_true(f->fake.asked > asked);
	assert_int_equal(f->received, 3);
	finish(f);
}

static void domains_of_the_same_hosts_share(void **state)
{
	struct fixture *f = start();

	fake_dns_mx(&f->fake, "a.test", 1, "mx.test");
	fake_dns_mx(&f->fake, "b.test", 7, "mx.test");
	fake_dns_mx(&f->fake, "c.test", 1, "other.test");
	fake_dns_a(&f->fake, "mx.test", "192.0.2.1");
	fake_dns_a(&f->fake, "other.test", "192.0.2.1");
	send_to(f, "x@a.test");
	send_to(f, "x@b.test");
	assert_int_equal(f->queue->destinations.count, 1);
	assert_int_equal(outbound_stats(f->queue->outbound)->connections, 1);
	send_to(f, "x@c.test");
	assert_int_equal(f->queue->destinations.count, 2);
	assert_int_equal(f->received, 3);
	finish(f);
}

static void mail_waits_while_dns_is_silent(void **state)
{
	struct fixture *f = start();

	fake_dns_bad(&f->fake, "a.test", DNS_DATA, true);
	send_to(f, "x@a.test");
	send_to(f, "y@a.test");
	assert_int_equal(stats_of(f).ready, 2);
	assert_int_equal(f->fake.asked, 1);
	later(f, 6);
	assert_int_equal(stats_of(f).deferred, 2);
	assert_int_equal(stats_of(f).waiting, 2);
	fake_dns_clear(&f->fake);
	fake_dns_a(&f->fake, "a.test", "192.0.2.1");
	later(f, 11);
	assert_int_equal(f->received, 2);
	finish(f);
}

static void shutdown_while_dns_is_silent(void **state)
{
	struct fixture *f = start();

	fake_dns_bad(&f->fake, "a.test", DNS_DATA, true);
	send_to(f, "x@a.test");
	finish(f);
}

static void what_dns_denies_fails(void **state)
{
	struct fixture *f = start();

	send_to(f, "x@missing.test");
	assert_int_equal(stats_of(f).failed, 1);
	assert_int_equal(stats_of(f).ready, 0);
	finish(f);
}

static void an_old_answer_is_better_than_none(void **state)
{
	struct fixture *f = start();

	fake_dns_a(&f->fake, "a.test", "192.0.2.1");
	send_to(f, "x@a.test");
	fake_dns_clear(&f->fake);
	fake_dns_bad(&f->fake, "a.test", DNS_FAILED, false);
	later(f, 400);
	send_to(f, "y@a.test");
	assert_int_equal(f->received, 2);
	finish(f);
}

static void what_nobody_needs_goes_away(void **state)
{
	struct fixture *f = start();

	fake_dns_a(&f->fake, "a.test", "192.0.2.1");
	fake_dns_a(&f->fake, "b.test", "192.0.2.2");
	send_to(f, "x@a.test");
	later(f, 700);
	send_to(f, "x@b.test");
	assert_int_equal(f->queue->domains.count, 1);
	assert_int_equal(f->queue->destinations.count, 1);
	assert_int_equal(f->received, 2);
	finish(f);
}

static void the_fallback_after_attempts_in_vain(void **state)
{
	struct fixture *f = start();

	open_server(f, &f->fallback, FALLBACK, &f->fallen_back);
	f->fallback_open = true;
	fake_dns_bad(&f->fake, "a.test", DNS_FAILED, false);
	send_to(f, "x@a.test");
	assert_int_equal(f->fallen_back, 0);
	later(f, 11);
	assert_int_equal(f->fallen_back, 0);
	later(f, 31);
	assert_int_equal(f->fallen_back, 1);
	finish(f);
}

static void ten_thousand_destinations(void **state)
{
	struct fixture *f = start();
	struct dns_host host = {.address_count = 1};
	struct dns_answer answer = {
		.status = DNS_FOUND, .hosts = &host, .host_count = 1};
	static struct destination *all[10000];

	for (int i = 0; i < 10000; i++) {
		snprintf(host.name, sizeof(host.name), "mx%d.test", i);
		all[i] = destination_get(f->queue, f->hop.route,
					 &f->config->anywhere, PORT, &answer);
		assert_non_null(all[i]);
	}
	assert_int_equal(f->queue->destinations.count, 10000);
	for (int i = 0; i < 10000; i++) {
		snprintf(host.name, sizeof(host.name), "mx%d.test", i);
		assert_ptr_equal(destination_get(f->queue, f->hop.route,
						 &f->config->anywhere, PORT,
						 &answer),
				 all[i]);
		destination_put(all[i]);
		destination_put(all[i]);
	}
	assert_int_equal(f->queue->destinations.count, 0);
	finish(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail_goes_to_the_mx_host),
		cmocka_unit_test(an_answer_is_kept),
		cmocka_unit_test(domains_of_the_same_hosts_share),
		cmocka_unit_test(mail_waits_while_dns_is_silent),
		cmocka_unit_test(shutdown_while_dns_is_silent),
		cmocka_unit_test(what_dns_denies_fails),
		cmocka_unit_test(an_old_answer_is_better_than_none),
		cmocka_unit_test(what_nobody_needs_goes_away),
		cmocka_unit_test(the_fallback_after_attempts_in_vain),
		cmocka_unit_test(ten_thousand_destinations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
