/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys into a real kernel, over real TCP, against OpenSSL in user space: each
 * cipher, version and role, bytes both ways, alerts both ways, and the kernel's
 * own count of what it took.
 *
 * Needs a kernel with TLS; exits with 77 and the reason where there is none,
 * unless RINGPOST_KTLS_EXPECTED=1 says that it must be there.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ktls/ktls_caps.h"
#include "ktls/ktls_engine.h"
#include "ktls/ktls_install.h"
#include "tests/kernel/kernel_limits.h"
#include "tests/kernel/kernel_suites.h"
#include "tests/kernel/tcp_peer.h"
#include "tests/kernel/tls_control.h"
#include "tests/support/test_cert.h"

#define SKIPPED 77
#define NAME	"mx.example.test"

static struct test_certs certs;
static struct ktls_caps caps;

/* Our end of a connection; not of a test's stack: its peer's thread outlives
 * a test that fails. */
struct ours {
	bool open; /* the peer runs, the descriptor is ours */
	const struct kernel_suite *suite;
	struct ktls_ctx *ctx;
	struct ktls_engine *engine;
	struct tcp_peer peer;
	int fd;
};

static long tls_stat(const char *name)
{
	FILE *file = fopen("/proc/net/tls_stat", "re");
	char word[64];
	long value, found = -1;

	assert_non_null(file);
	while (fscanf(file, "%63s %ld", word, &value) == 2)
		if (strcmp(word, name) == 0)
			found = value;
	fclose(file);
	return found;
}

/* --- plain socket work --- */

static void send_all(int fd, const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		assert_in_range(n, 1, len);
		p += n;
		len -= (size_t)n;
	}
}

static void recv_all(int fd, void *data, size_t len)
{
	unsigned char *p = data;

	while (len) {
		ssize_t n = recv(fd, p, len, 0);

		assert_in_range(n, 1, len);
		p += n;
		len -= (size_t)n;
	}
}

/* Exactly one record: not a byte more may leave the socket. */
static size_t recv_record(int fd, unsigned char *buf)
{
	size_t body;

	recv_all(fd, buf, KTLS_RECORD_HEADER);
	body = ((size_t)buf[3] << 8) | buf[4];
	assert_in_range(body, 1, KTLS_RECORD_WIRE_MAX);
	recv_all(fd, buf + KTLS_RECORD_HEADER, body);
	return KTLS_RECORD_HEADER + body;
}

static void flush(struct ours *o)
{
	size_t len;
	const unsigned char *data = ktls_engine_output(o->engine, &len);

	send_all(o->fd, data, len);
	ktls_engine_output_drop(o->engine, len);
}

/* --- the engine over the socket --- */

static void make_ctx(struct ours *o, enum ktls_role role, unsigned tickets)
{
	const struct ktls_cert_files files = {
		test_certs_path(&certs, "server.pem"),
		test_certs_path(&certs, "server.key")};
	struct ktls_ctx_config config = {
		.role = role,
		.min_version = o->suite->version,
		.max_version = o->suite->version,
		.certs = &files,
		.cert_count = role == KTLS_SERVER ? 1 : 0,
		.ca_file = certs.ca,
		.tickets = tickets,
		.session_cache = 4,
	};
	struct ktls_error error = {""};

	if (o->suite->version == KTLS_TLS_1_2)
		config.ciphers = o->suite->name;
	else
		config.ciphersuites = o->suite->name;
	if (ktls_ctx_create(&config, &o->ctx, &error) != 0)
		fail_msg("%s", error.text);
}

static void shake_hands(struct ours *o)
{
	unsigned char record[KTLS_RECORD_HEADER + KTLS_RECORD_WIRE_MAX];
	enum ktls_step step = ktls_engine_start(o->engine);

	while (step == KTLS_STEP_MORE) {
		size_t len;

		flush(o);
		len = recv_record(o->fd, record);
		step = ktls_engine_feed(o->engine, record, len);
	}
	if (step != KTLS_STEP_DONE)
		fail_msg("handshake: %s", ktls_engine_error(o->engine));
	flush(o);
}

static void open_ours(struct ours *o, const struct kernel_suite *suite,
		      enum ktls_role role, const char *script)
{
	const struct ktls_engine_config config = {.server_name = NAME,
						  .session_key = "mx:25",
						  .verify = KTLS_VERIFY_NAME};

	memset(o, 0, sizeof(*o));
	o->suite = suite;
	make_ctx(o, role, 3);
	tcp_peer_start(&o->peer, &certs, suite->version, role == KTLS_CLIENT,
		       script);
	o->fd = o->peer.our_fd;
	o->open = true;
	assert_int_equal(ktls_engine_create(o->ctx, &config, &o->engine), 0);
	shake_hands(o);
}

/* Returns what the peer did not like, or NULL. */
static const char *end_ours(struct ours *o)
{
	const char *complaint = tcp_peer_finish(&o->peer);

	o->open = false;
	ktls_engine_free(&o->engine);
	ktls_ctx_unref(&o->ctx);
	return complaint;
}

/* The peer must have been content with all it saw. */
static void close_ours(struct ours *o)
{
	const char *complaint;

	shutdown(o->fd, SHUT_WR);
	complaint = end_ours(o);
	close(o->fd);
	if (complaint)
		fail_msg("peer: %s", complaint);
}

/* Of a test that failed: whatever the peer waits for ends at once. */
static void drop_ours(struct ours *o)
{
	shutdown(o->fd, SHUT_RDWR);
	close(o->fd);
	end_ours(o);
}

/* True for what this kernel is known to refuse: asserted, not passed over. */
static bool refused(const struct kernel_suite *suite)
{
	if (kernel_takes(suite->cipher))
		return false;
	for (int d = 0; d < KTLS_DIRECTIONS; d++) {
		assert_int_equal(
			ktls_validate(&caps, d, suite->version, suite->cipher),
			KTLS_REASON_NO_CIPHER);
		assert_int_equal(
			caps.cipher_error[suite->cipher][suite->version][d],
			EINVAL);
	}
	return true;
}

static void install(struct ours *o, enum ktls_direction dir)
{
	struct ktls_keys keys;

	assert_int_equal(
		ktls_validate(&caps, dir, o->suite->version, o->suite->cipher),
		KTLS_REASON_NONE);
	assert_true(ktls_engine_idle(o->engine, dir));
	assert_int_equal(ktls_engine_keys(o->engine, dir, &keys), 0);
	assert_int_equal(ktls_install(ktls_kernel_system(), o->fd, dir, &keys),
			 0);
	ktls_keys_wipe(&keys);
}

static void attach(struct ours *o)
{
	assert_int_equal(ktls_attach(ktls_kernel_system(), o->fd), 0);
}

/* Reads in OpenSSL until the peer's first text has come, tickets before it. */
static void read_greeting(struct ours *o)
{
	unsigned char record[KTLS_RECORD_HEADER + KTLS_RECORD_WIRE_MAX];
	char text[TCP_PEER_GREETING + 1] = "";
	ssize_t n = -EAGAIN;

	while (n == -EAGAIN) {
		size_t len = recv_record(o->fd, record);

		assert_int_equal(ktls_engine_put(o->engine, record, len), 0);
		n = ktls_engine_read(o->engine, text, TCP_PEER_GREETING);
	}
	assert_int_equal(n, TCP_PEER_GREETING);
}

/* --- with keys in the kernel --- */

static void send_bulk(struct ours *o)
{
	static unsigned char data[TCP_PEER_BULK];

	for (size_t i = 0; i < TCP_PEER_BULK; i++)
		data[i] = tcp_peer_pattern(i);
	send_all(o->fd, data, sizeof(data));
}

static void recv_bulk(struct ours *o)
{
	static unsigned char data[TCP_PEER_BULK];

	recv_all(o->fd, data, sizeof(data));
	for (size_t i = 0; i < TCP_PEER_BULK; i++)
		if (data[i] != tcp_peer_pattern(i))
			fail_msg("byte %zu is wrong", i);
}

static void part_in_order(struct ours *o)
{
	static const unsigned char close_notify[] = {1, 0};
	unsigned char alert[16];
	size_t len = sizeof(alert);

	tls_control_send(o->fd, KTLS_ALERT, close_notify, 2);
	assert_int_equal(tls_control_recv(o->fd, alert, &len), KTLS_ALERT);
	assert_int_equal(len, 2);
	assert_memory_equal(alert, close_notify, 2);
}

/* --- tests --- */

/* The kernel's counters move by exactly these connections. */
struct counts {
	long tx, rx, errors;
};

static struct counts count(void)
{
	struct counts c = {tls_stat("TlsTxSw"), tls_stat("TlsRxSw"),
			   tls_stat("TlsDecryptError")};

	return c;
}

static void counted(struct counts before, long tx, long rx)
{
	struct counts now = count();

	assert_int_equal(now.tx - before.tx, tx);
	assert_int_equal(now.rx - before.rx, rx);
	assert_int_equal(now.errors, before.errors);
}

static void test_server_installs_after_its_tickets(void **state)
{
	for (size_t i = 0; i < KERNEL_SUITES; i++) {
		struct counts before = count();
		struct ours *o = *state;

		if (refused(&kernel_suites[i]))
			continue;
		open_ours(o, &kernel_suites[i], KTLS_SERVER, "rwc");
		attach(o);
		install(o, KTLS_RX);
		install(o, KTLS_TX);
		ktls_engine_free(&o->engine);
		send_bulk(o);
		recv_bulk(o);
		part_in_order(o);
		close_ours(o);
		counted(before, 1, 1);
	}
}

static void test_client_installs_receiving_after_the_first_reply(void **state)
{
	for (size_t i = 0; i < KERNEL_SUITES; i++) {
		struct counts before = count();
		struct ktls_ctx_stats stats;
		struct ours *o = *state;

		if (refused(&kernel_suites[i]))
			continue;
		open_ours(o, &kernel_suites[i], KTLS_CLIENT, "grwc");
		attach(o);
		install(o, KTLS_TX);
		read_greeting(o);
		install(o, KTLS_RX);
		ktls_engine_free(&o->engine);
		send_bulk(o);
		recv_bulk(o);
		part_in_order(o);
		ktls_ctx_stats(o->ctx, &stats);
		assert_true(stats.sessions_stored > 0);
		close_ours(o);
		counted(before, 1, 1);
	}
}

/* User-space records first: sequence numbers and nonces go on from there. */
static void test_kernel_goes_on_where_openssl_stopped(void **state)
{
	for (size_t i = 0; i < KERNEL_SUITES; i++) {
		struct ours *o = *state;

		if (refused(&kernel_suites[i]))
			continue;
		open_ours(o, &kernel_suites[i], KTLS_CLIENT, "glllrwc");
		for (int line = 0; line < 3; line++)
			assert_int_equal(ktls_engine_write(o->engine,
							   TCP_PEER_LINE,
							   TCP_PEER_LINE_LEN),
					 TCP_PEER_LINE_LEN);
		flush(o);
		read_greeting(o);
		attach(o);
		install(o, KTLS_TX);
		install(o, KTLS_RX);
		send_bulk(o);
		recv_bulk(o);
		part_in_order(o);
		close_ours(o);
	}
}

static void test_sending_alone_in_the_kernel(void **state)
{
	for (size_t i = 0; i < KERNEL_SUITES; i++) {
		struct counts before = count();
		struct ours *o = *state;

		if (refused(&kernel_suites[i]))
			continue;
		open_ours(o, &kernel_suites[i], KTLS_CLIENT, "grc");
		attach(o);
		install(o, KTLS_TX);
		read_greeting(o);
		send_bulk(o);
		close_ours(o);
		counted(before, 1, 0);
	}
}

static void test_receiving_alone_in_the_kernel(void **state)
{
	for (size_t i = 0; i < KERNEL_SUITES; i++) {
		struct counts before = count();
		struct ours *o = *state;

		if (refused(&kernel_suites[i]))
			continue;
		open_ours(o, &kernel_suites[i], KTLS_SERVER, "lwc");
		attach(o);
		install(o, KTLS_RX);
		assert_int_equal(ktls_engine_write(o->engine, TCP_PEER_LINE,
						   TCP_PEER_LINE_LEN),
				 TCP_PEER_LINE_LEN);
		flush(o);
		recv_bulk(o);
		close_ours(o);
		counted(before, 0, 1);
	}
}

/* Tickets that arrive after the kernel took over show as handshake records. */
static void test_late_tickets_are_control_records(void **state)
{
	unsigned char message[4096];
	size_t len = sizeof(message);
	struct ours *o = *state;

	open_ours(o, &kernel_suites[3], KTLS_CLIENT, "rwc");
	attach(o);
	install(o, KTLS_TX);
	install(o, KTLS_RX);
	assert_int_equal(tls_control_recv(o->fd, message, &len),
			 KTLS_HANDSHAKE);
	assert_int_equal(message[0], 4); /* NewSessionTicket */
	len = sizeof(message);
	assert_int_equal(tls_control_recv(o->fd, message, &len),
			 KTLS_HANDSHAKE);
	send_bulk(o);
	recv_bulk(o);
	close_ours(o);
}

static void test_no_pad_does_no_harm(void **state)
{
	struct ours *o = *state;

	open_ours(o, &kernel_suites[3], KTLS_SERVER, "rwc");
	attach(o);
	install(o, KTLS_RX);
	install(o, KTLS_TX);
	ktls_expect_no_pad(ktls_kernel_system(), o->fd);
	send_bulk(o);
	recv_bulk(o);
	close_ours(o);
}

/* As caps says: a second install is a rekey or EBUSY. */
static void test_probe_tells_the_truth_about_rekeying(void **state)
{
	struct ktls_keys keys;
	struct ours *o = *state;
	int err;

	open_ours(o, &kernel_suites[3], KTLS_SERVER, "e");
	attach(o);
	install(o, KTLS_TX);
	assert_int_equal(ktls_engine_keys(o->engine, KTLS_TX, &keys), 0);
	err = ktls_install(ktls_kernel_system(), o->fd, KTLS_TX, &keys);
	ktls_keys_wipe(&keys);
	assert_int_equal(err, caps.rekey_tx ? 0 : -EBUSY);
	close_ours(o);
}

static void test_ulp_attaches_once(void **state)
{
	struct ours *o = *state;

	open_ours(o, &kernel_suites[3], KTLS_SERVER, "e");
	attach(o);
	assert_int_equal(ktls_attach(ktls_kernel_system(), o->fd), -EEXIST);
	close_ours(o);
}

static void test_keys_before_the_ulp_are_refused(void **state)
{
	struct ktls_keys keys;
	struct ours *o = *state;

	open_ours(o, &kernel_suites[3], KTLS_SERVER, "e");
	assert_int_equal(ktls_engine_keys(o->engine, KTLS_TX, &keys), 0);
	assert_int_equal(
		ktls_install(ktls_kernel_system(), o->fd, KTLS_TX, &keys),
		-ENOPROTOOPT);
	ktls_keys_wipe(&keys);
	close_ours(o);
}

static void test_probe_leaves_nothing_open(void **state)
{
	struct ktls_caps again;

	assert_int_equal(ktls_caps_probe(ktls_kernel_system(), &again), 0);
	assert_memory_equal(&again, &caps, sizeof(caps));
	assert_int_equal(tls_stat("TlsCurrTxSw"), 0);
	assert_int_equal(tls_stat("TlsCurrRxSw"), 0);
}

static void test_probe_finds_every_cipher(void **state)
{
	char reason[512];

	for (size_t i = 0; i < KERNEL_SUITES; i++) {
		if (refused(&kernel_suites[i]))
			continue;
		for (int d = 0; d < KTLS_DIRECTIONS; d++)
			assert_true(caps.cipher[kernel_suites[i].cipher]
					       [kernel_suites[i].version][d]);
	}
	assert_string_equal(ktls_caps_reason(&caps, reason, sizeof(reason)),
			    "");
}

/* Before and after each test. */
static int make_ours(void **state)
{
	*state = calloc(1, sizeof(struct ours));
	return *state ? 0 : -1;
}

/* What a failed test left open is ended first. */
static int free_ours(void **state)
{
	struct ours *o = *state;

	if (o->open)
		drop_ours(o);
	free(o);
	return 0;
}

static int set_up(void **state)
{
	test_certs_open(&certs);
	test_certs_make_simple(&certs, "server", NAME);
	return 0;
}

static int tear_down(void **state)
{
	test_certs_close(&certs);
	return 0;
}

static int without_kernel_tls(void)
{
	const char *expected = getenv("RINGPOST_KTLS_EXPECTED");
	char reason[512];

	fprintf(stderr, "kernel_install: %s\n",
		ktls_caps_reason(&caps, reason, sizeof(reason)));
	if (!expected || strcmp(expected, "1") != 0)
		return SKIPPED;
	fprintf(stderr, "RINGPOST_KTLS_EXPECTED=1: it must be there\n");
	return 1;
}

#define TEST(function) \
	cmocka_unit_test_setup_teardown(function, make_ours, free_ours)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_probe_finds_every_cipher),
		TEST(test_probe_leaves_nothing_open),
		TEST(test_probe_tells_the_truth_about_rekeying),
		TEST(test_ulp_attaches_once),
		TEST(test_keys_before_the_ulp_are_refused),
		TEST(test_server_installs_after_its_tickets),
		TEST(test_client_installs_receiving_after_the_first_reply),
		TEST(test_kernel_goes_on_where_openssl_stopped),
		TEST(test_sending_alone_in_the_kernel),
		TEST(test_receiving_alone_in_the_kernel),
		TEST(test_late_tickets_are_control_records),
		TEST(test_no_pad_does_no_harm),
	};

	/* A peer that still writes to a test that gave up. */
	signal(SIGPIPE, SIG_IGN);
	ktls_caps_probe(ktls_kernel_system(), &caps);
	if (!caps.ulp)
		return without_kernel_tls();
	return cmocka_run_group_tests_name("kernel_install", tests, set_up,
					   tear_down);
}
