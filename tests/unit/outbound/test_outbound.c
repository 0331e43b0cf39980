/* SPDX-License-Identifier: Apache-2.0 */
/* Outbound sessions against a scripted next hop on the fake ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log/log.h"
#include "gateway/outbound/outbound.h"
#include "tests/support/sim_net.h"
#include "tests/support/sim_server.h"
#include "tests/support/test_cert.h"

#define PORT	   2526
#define DELIVERIES 16

/* A delivery as the queue would give it, and what became of it. */
struct mail {
	struct outbound_delivery delivery;
	struct spool_view view;
	const char *rcpts[4];
	uint32_t indices[4];
	struct iovec body[2];
	uint16_t codes[4]; /* 0: no answer */
	char text[4][200];
	bool given, finished;
};

struct fixture {
	struct sim_net net;
	struct config *config;
	struct next_hop hop;
	struct sockaddr_in address; /* of the next hop */
	struct outbound *outbound;
	struct sim_server server;
	struct sim_server_config server_config;
	struct test_certs certs;
	struct ktls_ctx *server_ctx;

	struct mail mails[DELIVERIES];
	size_t mail_count, given;
	struct outbound_session *idle;
	unsigned ready, ended, failed;
	bool retry_plain;
	char failure[300];

	char seen[16][20000]; /* messages as the server got them */
	size_t seen_len[16];
	size_t seen_rcpts[16];
	bool seen_tls;
	size_t seen_count;
	const char *(*script)(struct fixture *, const char *line);
	char mail_line[200];
};

/* --- the destination's side --- */

static struct outbound_delivery *next(void *owner, struct outbound_session *s)
{
	struct fixture *f = owner;

	if (f->given < f->mail_count) {
		f->mails[f->given].given = true;
		return &f->mails[f->given++].delivery;
	}
	f->idle = s;
	return NULL;
}

static struct mail *mail_of(struct outbound_delivery *d)
{
	return (struct mail *)(void *)d;
}

static void answered(void *owner, struct outbound_delivery *d, size_t index,
		     const struct outbound_answer *answer)
{
	struct mail *m = mail_of(d);

	assert_false(m->finished);
	assert_int_equal(m->codes[index], 0);
	m->codes[index] = answer->code;
	snprintf(m->text[index], sizeof(m->text[index]), "%.30s|%.100s|%.30s",
		 answer->enhanced, answer->text, answer->where);
}

static void finished(void *owner, struct outbound_delivery *d)
{
	assert_false(mail_of(d)->finished);
	mail_of(d)->finished = true;
}

static void ready(void *owner, struct outbound_session *s)
{
	((struct fixture *)owner)->ready++;
}

static void ended(void *owner, struct outbound_session *s,
		  const struct outbound_answer *failure)
{
	struct fixture *f = owner;

	f->ended++;
	if (f->idle == s)
		f->idle = NULL;
	f->retry_plain = outbound_retry_plain(s);
	if (!failure)
		return;
	f->failed++;
	snprintf(f->failure, sizeof(f->failure), "%u %s %s (%s)", failure->code,
		 failure->enhanced, failure->text, failure->where);
}

static const struct outbound_ops ops = {next, answered, finished, ready, ended};

/* --- the next hop's side --- */

static void received(void *arg, const struct sim_mail *mail)
{
	struct fixture *f = arg;

	assert_true(mail->len <= sizeof(f->seen[0]));
	if (f->seen_count == 16)
		f->seen_count = 0;
	f->seen_len[f->seen_count] = mail->len;
	f->seen_rcpts[f->seen_count] = mail->rcpt_count;
	memcpy(f->seen[f->seen_count++], mail->body, mail->len);
	f->seen_tls = mail->tls;
	snprintf(f->mail_line, sizeof(f->mail_line), "%s", mail->from);
}

static const char *script(void *arg, const char *line)
{
	struct fixture *f = arg;

	return f->script ? f->script(f, line) : NULL;
}

/* --- fixture --- */

static const char base_config[] =
	"hostname: relay.example.test\n"
	"spool: {path: /nonexistent}\n"
	"workers: 1\n"
	"listen:\n  - {address: \"127.0.0.1:2525\"}\n"
	"relay_from: [\"127.0.0.0/8\"]\n"
	"timeouts: {connect: 10s, reply: 20s, transmit: 20s, final: 40s, "
	"idle: 5s, tls: 15s}\n"
	"routes:\n  - {match: \"*\", next_hop: \"127.0.0.1:2526\", tls: %s, "
	"messages_per_connection: %d}\n";

static void set_up(struct fixture *f, const char *level, int per_connection,
		   struct uring_fake_config fake)
{
	char text[1024];

	snprintf(text, sizeof(text), base_config, level, per_connection);
	assert_int_equal(config_parse(text, strlen(text), "test.yaml", stderr,
				      &f->config),
			 0);
	sim_net_open(&f->net, &fake, 16);
	sim_net_hop(&f->hop, &f->config->routes[0]);
	f->address =
		(struct sockaddr_in){.sin_family = AF_INET,
				     .sin_port = htons(PORT),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct outbound_config config = {.config = f->config,
					 .env = &f->net.env,
					 .ops = &ops,
					 .socket = sim_net_socket,
					 .socket_arg = &f->net};
	assert_int_equal(outbound_create(&config, &f->outbound), 0);
	f->server_config.ring = f->net.ring;
	f->server_config.fake = f->net.fake;
	f->server_config.port = PORT;
	f->server_config.seed = fake.seed;
	f->server_config.script = script;
	f->server_config.received = received;
	f->server_config.arg = f;
}

static void use_tls(struct fixture *f)
{
	struct ktls_cert_files files;
	struct ktls_error error;

	test_certs_open(&f->certs);
	test_certs_make_simple(&f->certs, "server", "127.0.0.1");
	files.certificate = test_certs_path(&f->certs, "server.pem");
	files.key = test_certs_path(&f->certs, "server.key");
	struct ktls_ctx_config config = {.role = KTLS_SERVER,
					 .certs = &files,
					 .cert_count = 1,
					 .tickets = 2};
	assert_int_equal(ktls_ctx_create(&config, &f->server_ctx, &error), 0);
	f->server_config.ctx = f->server_ctx;
}

static struct fixture *start(const char *level)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	set_up(f, level, 0, (struct uring_fake_config){.seed = 1});
	return f;
}

/* Turn until nothing moves any more at this time. */
static void settle(struct fixture *f)
{
	for (int still = 0, i = 0; still < 8 && i < 100000; i++) {
		bool moved = uring_turn(f->net.ring, 0) > 0;

		moved |= sim_server_pump(&f->server);
		still = moved ? 0 : still + 1;
	}
}

static struct outbound_session *open_session(struct fixture *f, bool plain)
{
	struct outbound_target target = {
		.hop = &f->hop,
		.address = (const struct sockaddr *)&f->address,
		.length = sizeof(f->address),
		.host = "127.0.0.1",
		.plain = plain,
	};
	int error = 0;

	return outbound_open(f->outbound, &target, f, &error);
}

static void run(struct fixture *f)
{
	sim_server_open(&f->server, &f->server_config);
	assert_non_null(open_session(f, false));
	settle(f);
}

static void later(struct fixture *f, uint64_t seconds)
{
	uring_fake_advance(f->net.fake, seconds * URING_SEC);
	settle(f);
}

/* The end of every test: nothing may be left. */
static void tear_down(struct fixture *f)
{
	outbound_abort(f->outbound);
	sim_server_close(&f->server);
	for (int i = 0; i < 1000 && (outbound_sessions(f->outbound) > 0 ||
				     !sim_server_closed(&f->server));
	     i++) {
		uring_turn(f->net.ring, 0);
		uring_fake_advance(f->net.fake, URING_SEC);
	}
	assert_int_equal(outbound_sessions(f->outbound), 0);
	for (size_t i = 0; i < f->mail_count; i++) {
		assert_int_equal(f->mails[i].given, f->mails[i].finished);
		free(f->mails[i].body[0].iov_base);
	}
	outbound_destroy(&f->outbound);
	next_hop_deinit(&f->hop);
	sim_net_close(&f->net);
	config_unref(&f->config);
	ktls_ctx_unref(&f->server_ctx);
	if (f->certs.dir[0])
		test_certs_close(&f->certs);
	test_free(f);
}

static const char trace[] = "Received: from there\r\n\tby here\r\n";

static struct mail *add_mail(struct fixture *f, const char *body,
			     uint32_t flags, size_t rcpts)
{
	static const char *const names[] = {"a@example.test", "b@example.test",
					    "c@example.test", "d@example.test"};
	struct mail *m = &f->mails[f->mail_count++];
	size_t len = strlen(body), half = len / 2;

	for (size_t i = 0; i < rcpts; i++) {
		m->rcpts[i] = names[i];
		m->indices[i] = (uint32_t)i;
	}
	/* Two pieces, as a message of two chunks would have. */
	char *copy = strdup(body);
	m->body[0] = (struct iovec){copy, half};
	m->body[1] = (struct iovec){copy + half, len - half};
	m->view = (struct spool_view){
		.envelope = {.reverse_path = "from@example.test",
			     .recipients = m->rcpts,
			     .recipient_count = rcpts,
			     .flags = flags},
		.trace = (const unsigned char *)trace,
		.trace_len = sizeof(trace) - 1,
		.body_size = len,
		.body = m->body,
		.body_count = 2,
	};
	m->delivery = (struct outbound_delivery){
		.id = f->mail_count,
		.view = &m->view,
		.recipients = m->indices,
		.recipient_count = rcpts,
	};
	return m;
}

static void assert_seen(struct fixture *f, size_t i, const char *body)
{
	assert_true(i < f->seen_count);
	assert_int_equal(f->seen_len[i], sizeof(trace) - 1 + strlen(body));
	assert_memory_equal(f->seen[i], trace, sizeof(trace) - 1);
	assert_memory_equal(f->seen[i] + sizeof(trace) - 1, body, strlen(body));
}

static const char plain_body[] = "Subject: x\r\n\r\nhello\r\n";
static const char dot_body[] = "Subject: x\r\n\r\n.\r\n..two\r\nx.y\r\n.z\r\n";

/* --- messages on their way --- */

static void delivers_by_bdat(void **state)
{
	struct fixture *f = start("none");
	struct mail *m = add_mail(f, dot_body, SPOOL_DOT_LINES, 2);

	run(f);
	assert_int_equal(m->codes[0], 250);
	assert_int_equal(m->codes[1], 250);
	assert_true(m->finished);
	assert_int_equal(f->seen_rcpts[0], 2);
	assert_seen(f, 0, dot_body);
	tear_down(f);
}

static void says_size_and_8bit(void **state)
{
	struct fixture *f = start("none");

	add_mail(f, plain_body, SPOOL_8BITMIME, 1);
	run(f);
	assert_non_null(strstr(f->mail_line, "MAIL FROM:<from@example.test>"));
	assert_non_null(strstr(f->mail_line, " SIZE="));
	assert_non_null(strstr(f->mail_line, " BODY=8BITMIME"));
	tear_down(f);
}

static void stuffs_dots_without_chunking(void **state)
{
	struct fixture *f = start("none");

	f->server_config.no_chunking = true;
	add_mail(f, dot_body, SPOOL_DOT_LINES, 1);
	run(f);
	assert_seen(f, 0, dot_body);
	tear_down(f);
}

static void sends_dotless_data_as_stored(void **state)
{
	struct fixture *f = start("none");

	f->server_config.no_chunking = true;
	add_mail(f, plain_body, 0, 1);
	run(f);
	assert_seen(f, 0, plain_body);
	tear_down(f);
}

static void completes_a_last_line_for_data(void **state)
{
	struct fixture *f = start("none");

	f->server_config.no_chunking = true;
	add_mail(f, "no line end", 0, 1);
	run(f);
	assert_seen(f, 0, "no line end\r\n");
	tear_down(f);
}

static void speaks_helo_when_ehlo_is_refused(void **state)
{
	struct fixture *f = start("none");
	struct mail *m = add_mail(f, dot_body, SPOOL_DOT_LINES, 2);

	f->server_config.helo_only = true;
	run(f);
	assert_int_equal(m->codes[1], 250);
	assert_seen(f, 0, dot_body);
	tear_down(f);
}

static void waits_without_pipelining(void **state)
{
	struct fixture *f = start("none");
	struct mail *m = add_mail(f, plain_body, 0, 3);

	f->server_config.no_pipelining = true;
	run(f);
	assert_int_equal(m->codes[2], 250);
	assert_seen(f, 0, plain_body);
	tear_down(f);
}

static void reuses_the_connection(void **state)
{
	struct fixture *f = start("none");

	for (int i = 0; i < 5; i++)
		add_mail(f, plain_body, 0, 1);
	run(f);
	assert_int_equal(f->seen_count, 5);
	assert_int_equal(f->server.connections, 1);
	tear_down(f);
}

static void ends_after_its_share_of_messages(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	set_up(f, "none", 2, (struct uring_fake_config){.seed = 1});
	for (int i = 0; i < 5; i++)
		add_mail(f, plain_body, 0, 1);
	run(f);
	assert_int_equal(f->seen_count, 2);
	assert_int_equal(f->ended, 1);
	assert_int_equal(f->failed, 0);
	tear_down(f);
}

static void wakes_for_new_mail(void **state)
{
	struct fixture *f = start("none");

	run(f);
	assert_non_null(f->idle);
	assert_true(outbound_idle(f->idle));
	add_mail(f, plain_body, 0, 1);
	outbound_wake(f->idle);
	settle(f);
	assert_seen(f, 0, plain_body);
	tear_down(f);
}

static void quits_when_idle_too_long(void **state)
{
	struct fixture *f = start("none");

	run(f);
	later(f, 6);
	assert_int_equal(f->ended, 1);
	assert_int_equal(f->failed, 0);
	tear_down(f);
}

/* --- refusals --- */

#define SCRIPT(name, prefix, reply)                                           \
	static const char *name(struct fixture *f, const char *line)          \
	{                                                                     \
		return strncmp(line, prefix, sizeof(prefix) - 1) == 0 ? reply \
								      : NULL; \
	}

SCRIPT(refuse_mail, "MAIL", "451 4.3.0 later\r\n")
SCRIPT(fail_mail, "MAIL", "550 5.7.1 never\r\n")
SCRIPT(refuse_b, "RCPT TO:<b@", "450 4.2.1 full\r\n")
SCRIPT(fail_rcpt, "RCPT", "550 5.1.1 unknown\r\n")
SCRIPT(many_rcpt, "RCPT TO:<b@", "552 too many\r\n")
SCRIPT(end_rcpt, "RCPT TO:<b@", "421 4.3.2 going down\r\n")
SCRIPT(fail_message, ".", "554-5.6.0 bad\r\n554 5.6.0 content\r\n")
SCRIPT(drop_message, ".", "!")
SCRIPT(drop_mail, "MAIL", "!")
SCRIPT(fail_data, "DATA", "451 4.3.0 not now\r\n")
SCRIPT(drop_ehlo, "EHLO", "!")
SCRIPT(junk_ehlo, "EHLO", "what?\r\n")
SCRIPT(no_starttls, "STARTTLS", "454 4.7.0 not available\r\n")
SCRIPT(bad_starttls, "STARTTLS", "220 go\r\n250 injected\r\n")
SCRIPT(silent_mail, "MAIL", "")

static const char *bad_greeting(struct fixture *f, const char *line)
{
	return line[0] == '\0' ? "554 5.7.1 you are not welcome\r\n" : NULL;
}

static void check_codes(const char *(*refuse)(struct fixture *, const char *),
			bool chunking, uint16_t a, uint16_t b, bool reusable)
{
	struct fixture *f = start("none");
	struct mail *m = add_mail(f, plain_body, 0, 2);
	struct mail *second;

	f->script = refuse;
	f->server_config.no_chunking = !chunking;
	run(f);
	assert_int_equal(m->codes[0], a);
	assert_int_equal(m->codes[1], b);
	assert_true(m->finished);
	assert_int_equal(f->failed, 0);
	/* A refused message leaves a connection that still works. */
	assert_int_equal(f->ended, reusable ? 0 : 1);
	if (reusable) {
		f->script = NULL;
		second = add_mail(f, dot_body, SPOOL_DOT_LINES, 1);
		outbound_wake(f->idle);
		settle(f);
		assert_int_equal(second->codes[0], 250);
	}
	tear_down(f);
}

static void reads_refusals_right(void **state)
{
	for (int chunking = 0; chunking < 2; chunking++) {
		check_codes(refuse_mail, chunking, 451, 451, true);
		check_codes(fail_mail, chunking, 550, 550, true);
		check_codes(refuse_b, chunking, 250, 450, true);
		check_codes(fail_rcpt, chunking, 550, 550, true);
		check_codes(many_rcpt, chunking, 250, 452, true);
		check_codes(fail_message, chunking, 554, 554, true);
		check_codes(drop_message, chunking, 451, 451, false);
		check_codes(drop_mail, chunking, 451, 451, false);
	}
	check_codes(fail_data, false, 451, 451, true);
}

static void closes_after_421(void **state)
{
	struct fixture *f = start("none");
	struct mail *m = add_mail(f, plain_body, 0, 3);

	f->script = end_rcpt;
	run(f);
	for (int i = 0; i < 3; i++)
		assert_int_equal(m->codes[i] / 100, 4);
	assert_int_equal(f->ended, 1);
	tear_down(f);
}

static void blames_the_hop_before_mail(void **state)
{
	const char *(*const scripts[])(struct fixture *, const char *) = {
		bad_greeting, drop_ehlo, junk_ehlo};

	for (size_t i = 0; i < 3; i++) {
		struct fixture *f = start("none");
		struct mail *m = add_mail(f, plain_body, 0, 1);

		f->script = scripts[i];
		run(f);
		assert_int_equal(f->failed, 1);
		assert_int_equal(f->failure[0], '4');
		assert_false(m->given);
		tear_down(f);
	}
}

static void gives_back_untried_mail_of_a_stale_connection(void **state)
{
	struct fixture *f = start("none");
	struct mail *m;

	add_mail(f, plain_body, 0, 1);
	run(f);
	f->script = drop_mail;
	m = add_mail(f, plain_body, 0, 1);
	outbound_wake(f->idle);
	settle(f);
	assert_true(m->finished);
	assert_int_equal(m->codes[0], 0);
	assert_int_equal(f->failed, 0);
	tear_down(f);
}

static void gives_up_on_silence(void **state)
{
	struct fixture *f = start("none");
	struct mail *m = add_mail(f, plain_body, 0, 1);

	f->server_config.no_pipelining = true;
	f->script = silent_mail;
	run(f);
	assert_int_equal(m->codes[0], 0);
	later(f, 21);
	assert_int_equal(m->codes[0], 451);
	assert_non_null(strstr(m->text[0], "4.4.2"));
	tear_down(f);
}

static void refuses_what_the_hop_can_not_take(void **state)
{
	struct fixture *f = start("none");
	struct mail *m = add_mail(f, plain_body, SPOOL_SMTPUTF8, 1);

	run(f);
	assert_int_equal(m->codes[0], 554);
	assert_non_null(strstr(m->text[0], "5.6.7"));
	assert_int_equal(f->seen_count, 0);
	tear_down(f);
}

static void fails_when_nobody_listens(void **state)
{
	struct fixture *f = start("none");

	add_mail(f, plain_body, 0, 1);
	f->address.sin_port = htons(9);
	run(f);
	assert_int_equal(f->failed, 1);
	assert_non_null(strstr(f->failure, "(connect)"));
	tear_down(f);
}

/* --- TLS --- */

static void delivers_over_tls(void **state)
{
	struct fixture *f = start("encrypt");
	struct mail *m = add_mail(f, dot_body, 0, 1);

	use_tls(f);
	run(f);
	assert_int_equal(m->codes[0], 250);
	assert_true(f->seen_tls);
	assert_seen(f, 0, dot_body);
	tear_down(f);
}

static void needs_tls_when_told_to(void **state)
{
	struct fixture *f = start("encrypt");
	struct mail *m = add_mail(f, plain_body, 0, 1);

	run(f);
	assert_int_equal(f->failed, 1);
	assert_non_null(strstr(f->failure, "4.7.4"));
	assert_false(m->given);
	tear_down(f);
}

static void does_not_fall_back_from_encrypt(void **state)
{
	struct fixture *f = start("encrypt");

	use_tls(f);
	f->script = no_starttls;
	add_mail(f, plain_body, 0, 1);
	run(f);
	assert_int_equal(f->failed, 1);
	assert_int_equal(f->seen_count, 0);
	tear_down(f);
}

static void may_go_on_in_clear(void **state)
{
	struct fixture *f = start("may");

	use_tls(f);
	f->script = no_starttls;
	add_mail(f, plain_body, 0, 1);
	run(f);
	assert_seen(f, 0, plain_body);
	assert_false(f->seen_tls);
	tear_down(f);
}

static void refuses_injected_replies(void **state)
{
	struct fixture *f = start("encrypt");
	struct mail *m = add_mail(f, plain_body, 0, 1);

	use_tls(f);
	f->script = bad_starttls;
	run(f);
	assert_int_equal(f->failed, 1);
	assert_false(m->given);
	assert_int_equal(f->seen_count, 0);
	tear_down(f);
}

static void verify_refuses_a_stranger(void **state)
{
	struct fixture *f = start("verify");

	use_tls(f);
	add_mail(f, plain_body, 0, 1);
	run(f);
	assert_int_equal(f->failed, 1);
	assert_int_equal(f->seen_count, 0);
	assert_false(f->retry_plain);
	tear_down(f);
}

/* --- accidents --- */

/* Any order of events, with refusals, resets, wakes and shutdowns at any
 * moment: never two answers, nothing given and not handed back, no leak. */
static void one_seed(uint64_t seed, bool tls)
{
	struct fixture *f = test_calloc(1, sizeof(*f));
	struct sim_random r = {seed};

	set_up(f, tls ? "may" : "none", (int)sim_random_below(&r, 4),
	       (struct uring_fake_config){
		       .seed = seed,
		       .level = sim_random_percent(&r, 30) ? URING_LEVEL_5_10
							   : URING_LEVEL_BEST,
		       .short_percent = 30,
		       .delay_percent = 30,
		       .reset_percent = sim_random_percent(&r, 30),
		       .socket_buffer = 512});
	if (tls)
		use_tls(f);
	f->server_config.no_chunking = sim_random_percent(&r, 50);
	f->server_config.no_pipelining = sim_random_percent(&r, 50);
	f->server_config.refuse_percent = (unsigned)sim_random_below(&r, 20);
	f->server_config.fail_percent = (unsigned)sim_random_below(&r, 10);
	f->server_config.drop_percent = (unsigned)sim_random_below(&r, 10);
	for (int i = 0; i < 8; i++)
		add_mail(f, i % 2 ? dot_body : plain_body,
			 i % 2 ? SPOOL_DOT_LINES : 0, 1 + (size_t)i % 4);
	sim_server_open(&f->server, &f->server_config);
	for (int i = 0; i < 3; i++)
		assert_non_null(open_session(f, i == 2 && tls));
	for (int i = 0; i < 400; i++) {
		uring_turn(f->net.ring, 0);
		sim_server_pump(&f->server);
		if (sim_random_percent(&r, 2))
			uring_fake_advance(f->net.fake, 3 * URING_SEC);
		if (f->idle && outbound_idle(f->idle) &&
		    sim_random_percent(&r, 20))
			outbound_wake(f->idle);
		if (i == 300 && sim_random_percent(&r, 50))
			outbound_shutdown(f->outbound);
	}
	tear_down(f);
}

static void survives_any_order_in_clear(void **state)
{
	for (uint64_t seed = 1; seed <= 400; seed++)
		one_seed(seed, false);
}

static void survives_any_order_under_tls(void **state)
{
	for (uint64_t seed = 1; seed <= 60; seed++)
		one_seed(seed, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delivers_by_bdat),
		cmocka_unit_test(says_size_and_8bit),
		cmocka_unit_test(stuffs_dots_without_chunking),
		cmocka_unit_test(sends_dotless_data_as_stored),
		cmocka_unit_test(completes_a_last_line_for_data),
		cmocka_unit_test(speaks_helo_when_ehlo_is_refused),
		cmocka_unit_test(waits_without_pipelining),
		cmocka_unit_test(reuses_the_connection),
		cmocka_unit_test(ends_after_its_share_of_messages),
		cmocka_unit_test(wakes_for_new_mail),
		cmocka_unit_test(quits_when_idle_too_long),
		cmocka_unit_test(reads_refusals_right),
		cmocka_unit_test(closes_after_421),
		cmocka_unit_test(blames_the_hop_before_mail),
		cmocka_unit_test(gives_back_untried_mail_of_a_stale_connection),
		cmocka_unit_test(gives_up_on_silence),
		cmocka_unit_test(refuses_what_the_hop_can_not_take),
		cmocka_unit_test(fails_when_nobody_listens),
		cmocka_unit_test(delivers_over_tls),
		cmocka_unit_test(needs_tls_when_told_to),
		cmocka_unit_test(does_not_fall_back_from_encrypt),
		cmocka_unit_test(may_go_on_in_clear),
		cmocka_unit_test(refuses_injected_replies),
		cmocka_unit_test(verify_refuses_a_stranger),
		cmocka_unit_test(survives_any_order_in_clear),
		cmocka_unit_test(survives_any_order_under_tls),
	};

	(void)log_open(NULL, CONFIG_LOG_TEXT, CONFIG_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
