/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole relay in memory, seed by seed: clients, inbound sessions, spool,
 * queue, outbound sessions and a next hop on one fake ring, with completions
 * in any order, short counts, full buffers, resets, refusals, vanishing
 * clients, restarts, TLS keys in the kernel and peers that change theirs.
 *
 * What must hold for every seed: each message that was answered 250 reaches
 * each of its recipients with its body unchanged, or the next hop refused it
 * for good, and its sender hears of that, of delays and of mail passed on
 * exactly as its NOTIFY asked; nothing arrives twice except where the next
 * hop's 250 was lost, or stood behind new keys that the kernel could not
 * follow; nothing is sent in clear after STARTTLS; no operation, buffer,
 * descriptor or message is left behind.
 *
 *   sim_relay [FIRST [LAST]]     (default 1 2000)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/inbound/inbound.h"
#include "gateway/log/log.h"
#include "gateway/queue/queue.h"
#include "gateway/spool/spool.h"
#include "tests/support/sim_client.h"
#include "tests/support/sim_net.h"
#include "tests/support/sim_server.h"
#include "tests/support/test_cert.h"
#include "tests/support/test_tree.h"

#define PORT	 2526
#define CLIENTS	 4
#define MESSAGES 12
#define TURNS	 200000

static uint64_t the_seed;
static unsigned the_turn;

#define CHECK(condition, ...)                                    \
	do {                                                     \
		if (!(condition))                                \
			fail(__LINE__, #condition, __VA_ARGS__); \
	} while (0)

static void fail(int line, const char *condition, const char *what,
		 uint64_t number)
{
	fprintf(stderr, "seed %llu turn %u: %s (%llu): %s, line %d\n",
		(unsigned long long)the_seed, the_turn, what,
		(unsigned long long)number, condition, line);
	abort();
}

/* What all seeds share. */
struct world {
	char dir[64];
	struct test_certs certs;
	struct ktls_ctx *server_ctx, *client_ctx;
	struct config *clear, *secure;
	struct next_hop clear_hop, secure_hop;
	uint64_t accepted, delivered, repeated, refused, restarts, bounces;
	uint64_t notices, delays, relayed;
	uint64_t in_kernel; /* seeds with TLS keys there */
};

struct sim {
	struct world *world;
	struct sim_random random;
	bool tls;
	const struct config *config;
	struct sim_net net;
	struct next_hop *hop;
	struct spool *spool;
	struct queue *queue;
	struct inbound *inbound;
	struct inbound_admission *admission;
	struct inbound_listener listener;
	struct sim_server server;
	struct sim_client clients[CLIENTS];
	int client_fds[CLIENTS]; /* the relay's ends */
	size_t checked[CLIENTS]; /* bytes of their wire seen to be TLS */
	size_t client_count;
	struct sim_message messages[MESSAGES];
	size_t message_count, next_message;
	bool calm;		/* no more accidents */
	bool resets;		/* replies may be lost on the way */
	bool in_kernel, rekeys; /* TLS keys; and they can be changed */
};

/* --- the parts --- */

static void accepted(void *arg, struct spool_message *message)
{
	struct sim *s = arg;

	queue_add(s->queue, s->spool, message);
}

/* Messages found at a restart, added when the spool is open. */
static struct spool_message *found_messages[MESSAGES * 2];
static size_t found_count;

static void found(void *arg, struct spool_message *message)
{
	CHECK(found_count < MESSAGES * 2, "found too many", found_count);
	found_messages[found_count++] = message;
}

static void open_relay(struct sim *s)
{
	char path[128], error[256] = "";
	struct spool_report report = {0};
	struct spool_config spool = {
		.path = path, .segment_size = 256 * 1024, .sync = true};
	struct queue_config queue = {.config = s->config,
				     .env = &s->net.env,
				     .hops = s->hop,
				     .socket = sim_net_socket,
				     .socket_arg = &s->net,
				     .wall_clock = sim_net_wall_clock};
	struct inbound_config inbound = {.config = s->config,
					 .env = &s->net.env,
					 .admission = s->admission,
					 .max_sessions = 16,
					 .accepted = accepted,
					 .arg = s,
					 .wall_clock = sim_net_wall_clock};

	snprintf(path, sizeof(path), "%s/spool", s->world->dir);
	CHECK(queue_create(&queue, &s->queue) == 0, "queue", 0);
	found_count = 0;
	int r = spool_open(&spool, s->net.ring, found, s, &report, error,
			   &s->spool);
	CHECK(r == 0, error, (uint64_t)-r);
	CHECK(report.bad_records == 0, "bad records", report.bad_records);
	for (size_t i = 0; i < found_count; i++)
		queue_add(s->queue, s->spool, found_messages[i]);
	inbound.spool = s->spool;
	CHECK(inbound_create(&inbound, &s->inbound) == 0, "inbound", 0);
}

static bool busy(const struct sim *s)
{
	return inbound_sessions(s->inbound) > 0 ||
	       queue_sessions(s->queue) > 0 || spool_inflight(s->spool) > 0;
}

static void turn(struct sim *s);

static void close_relay(struct sim *s)
{
	inbound_shutdown(s->inbound);
	queue_shutdown(s->queue);
	for (unsigned i = 0; busy(s); i++) {
		CHECK(i < TURNS, "the relay does not stop",
		      inbound_sessions(s->inbound));
		turn(s);
		if (i % 64 == 63)
			uring_fake_advance(s->net.fake, URING_SEC);
	}
	inbound_destroy(&s->inbound);
	queue_destroy(&s->queue);
	spool_close(&s->spool);
}

/* --- the next hop --- */

static bool message_of(struct sim *s, const char *text, const char *marker,
		       unsigned *number, unsigned *rcpt)
{
	const char *at = strstr(text, marker);

	*rcpt = 0;
	return at && sscanf(at + strlen(marker), "%u-%u", number, rcpt) >= 1 &&
	       *number < s->message_count;
}

static const char *script(void *arg, const char *line)
{
	struct sim *s = arg;
	unsigned number, rcpt;

	/* Bounces get through: what is tested is that they come. */
	if (s->calm || strstr(line, "@sender.test") ||
	    !message_of(s, line, "RCPT TO:<m", &number, &rcpt) ||
	    !sim_random_percent(&s->random, 3))
		return NULL;
	s->messages[number].failed[rcpt] = true;
	return "550 5.1.1 unknown\r\n";
}

/* Can a reply behind new keys be lost? */
static bool unreadable(const struct sim *s)
{
	return s->in_kernel && !s->rekeys;
}

/* Does the relay know that it was taken? Otherwise it may send it again. */
static bool known(const struct sim *s, const struct sim_mail *mail)
{
	return mail->answered && !(mail->rekeyed && unreadable(s));
}

/* What a sender said of NOTIFY, for recipient @rcpt. */
static bool asked(const struct sim_message *m, size_t rcpt, const char *word)
{
	return strstr(m->params[rcpt], word) != NULL;
}

static bool unsaid(const struct sim_message *m, size_t rcpt)
{
	return m->params[rcpt][0] == '\0';
}

/* One group of a notification: @field is its Final-Recipient. */
static void count_notice(struct sim *s, const char *field, unsigned number,
			 unsigned rcpt)
{
	const char *action = strstr(field, "\r\nAction: ");
	struct sim_message *m = &s->messages[number];

	CHECK(action, "no action", number);
	action += strlen("\r\nAction: ");
	if (strncmp(action, "failed\r\n", 8) == 0) {
		CHECK(m->failed[rcpt], "a bounce without a failure", number);
		CHECK(unsaid(m, rcpt) || asked(m, rcpt, "FAILURE"),
		      "a bounce unasked", number);
		m->bounced[rcpt]++;
	} else if (strncmp(action, "delayed\r\n", 9) == 0) {
		CHECK(unsaid(m, rcpt) || asked(m, rcpt, "DELAY"),
		      "a warning unasked", number);
		m->delayed[rcpt]++;
	} else {
		CHECK(strncmp(action, "relayed\r\n", 9) == 0, action, number);
		CHECK(asked(m, rcpt, "SUCCESS") && !s->server.config.dsn,
		      "'relayed' unasked", number);
		m->relayed[rcpt]++;
	}
}

/* A notification names those it is about. */
static void notice_received(struct sim *s, const struct sim_mail *mail)
{
	static const char field[] = "Final-Recipient: rfc822; m";
	char *text = strndup((const char *)mail->body, mail->len);
	unsigned number, rcpt, found_here = 0;

	for (char *at = text; (at = strstr(at, field)); at++) {
		CHECK(message_of(s, at, field, &number, &rcpt),
		      "a notification for a stranger", 0);
		count_notice(s, at, number, rcpt);
		s->messages[number].doubtful[rcpt] += !known(s, mail);
		found_here++;
	}
	CHECK(found_here > 0, "a notification about nobody", 0);
	s->world->notices++;
	free(text);
}

static void received(void *arg, const struct sim_mail *mail)
{
	struct sim *s = arg;
	unsigned number, rcpt;

	if (strncmp(mail->from, "MAIL FROM:<>", 12) == 0) {
		notice_received(s, mail);
		return;
	}
	CHECK(message_of(s, mail->from, "MAIL FROM:<m", &number, &rcpt),
	      "a message nobody sent", 0);
	struct sim_message *m = &s->messages[number];
	CHECK(mail->len > m->len, "a body cut short", number);
	CHECK(memcmp(mail->body + mail->len - m->len, m->body, m->len) == 0,
	      "a body changed", number);
	CHECK(memcmp(mail->body, "Received: ", 10) == 0, "no trace", number);
	CHECK(mail->tls == s->tls, "delivered in clear", number);
	for (size_t i = 0; i < mail->rcpt_count; i++) {
		char text[160];

		snprintf(text, sizeof(text), "<%s", mail->rcpts[i]);
		CHECK(message_of(s, text, "<m", &number, &rcpt), "a stranger",
		      i);
		CHECK(strcmp(mail->params[i],
			     s->server.config.dsn
				     ? s->messages[number].params[rcpt]
				     : "") == 0,
		      "NOTIFY changed", number);
		s->messages[number].copies[rcpt]++;
		s->messages[number].unanswered[rcpt] += !known(s, mail);
	}
}

/* --- the clients --- */

static struct sim_message *next_message(void *arg)
{
	struct sim *s = arg;

	return s->next_message < s->message_count
		       ? &s->messages[s->next_message++]
		       : NULL;
}

static const char *const notify[] = {
	"",
	"",
	"",
	" NOTIFY=NEVER",
	" NOTIFY=SUCCESS",
	" NOTIFY=FAILURE",
	" NOTIFY=DELAY",
	" NOTIFY=SUCCESS,FAILURE,DELAY",
};

#define NOTIFY_COUNT (sizeof(notify) / sizeof(notify[0]))

static void make_message(struct sim *s, unsigned number)
{
	struct sim_message *m = &s->messages[number];
	size_t room = 64 + (size_t)sim_random_below(&s->random, 3000);

	/* Now and then one that spans chunks. */
	if (sim_random_percent(&s->random, 4))
		room += 70000;
	m->number = number;
	m->body = malloc(room + 100);
	m->len = (size_t)sprintf(m->body, "Subject: %u\r\n\r\n", number);
	while (m->len < room) {
		size_t line = (size_t)sim_random_below(&s->random, 75);

		for (size_t i = 0; i < line; i++)
			m->body[m->len++] = "..abcdefghi "[sim_random_below(
				&s->random, 12)];
		m->len += (size_t)sprintf(m->body + m->len, "\r\n");
	}
	m->rcpt_count = 1 + (size_t)sim_random_below(&s->random, 3);
	for (size_t i = 0; i < m->rcpt_count; i++) {
		snprintf(m->rcpts[i], sizeof(m->rcpts[i]),
			 "m%u-%zu@example.test", number, i);
		snprintf(m->params[i], sizeof(m->params[i]), "%s",
			 notify[sim_random_below(&s->random, NOTIFY_COUNT)]);
	}
}

static void open_client(struct sim *s, size_t i)
{
	struct sockaddr_in peer = {.sin_family = AF_INET,
				   .sin_port = htons((uint16_t)(40000 + i)),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sim_client_config config = {
		.fake = s->net.fake,
		.seed = the_seed * CLIENTS + i,
		.ctx = s->tls ? s->world->client_ctx : NULL,
		.vanish_percent = sim_random_percent(&s->random, 30) ? 10 : 0,
		.junk_percent = 10,
		.rekey_chance = (unsigned)sim_random_below(&s->random, 20),
		.next = next_message,
		.arg = s,
	};
	int fds[2];

	CHECK(uring_fake_socketpair(s->net.fake, fds) == 0, "socketpair", i);
	config.fd = fds[1];
	s->client_fds[i] = fds[0];
	s->checked[i] = 0;
	sim_client_open(&s->clients[i], &config);
	inbound_accept(s->inbound, fds[0], &s->listener,
		       (struct sockaddr *)&peer, sizeof(peer));
}

/* All that the relay sends to a client after its 220 to STARTTLS must be TLS
 * records. */
static void check_wire(struct sim *s, size_t i)
{
	const struct sim_client *c = &s->clients[i];
	size_t len;
	const unsigned char *wire;

	if (c->state == SIM_DONE || !c->peer.engine)
		return;
	wire = uring_fake_wire(s->net.fake, s->client_fds[i], &len);
	if (s->checked[i] < c->peer.clear_in)
		s->checked[i] = c->peer.clear_in;
	while (s->checked[i] + 5 <= len) {
		const unsigned char *at = wire + s->checked[i];

		CHECK(at[0] >= 20 && at[0] <= 23 && at[1] == 3,
		      "clear text after STARTTLS", i);
		s->checked[i] += 5 + (size_t)at[3] * 256 + at[4];
	}
}

/* --- a seed --- */

static void turn(struct sim *s)
{
	the_turn++;
	int r = uring_turn(s->net.ring, 0);

	CHECK(r >= 0, "turn", (uint64_t)-r);
	for (size_t i = 0; i < s->client_count; i++) {
		check_wire(s, i);
		sim_client_pump(&s->clients[i]);
	}
	sim_server_pump(&s->server);
}

/* The first ring can't send alerts through kernel TLS: not here. */
static void choose_kernel(struct sim *s, enum uring_level level)
{
	s->in_kernel = s->tls && level == URING_LEVEL_BEST &&
		       sim_random_percent(&s->random, 60);
	s->rekeys = sim_random_percent(&s->random, 50);
	if (!s->in_kernel)
		return;
	sim_net_kernel_tls(&s->net, s->rekeys);
	if (sim_random_percent(&s->random, 30))
		s->net.env.record_limit =
			10 + sim_random_below(&s->random, 100);
	s->world->in_kernel++;
}

static void set_up(struct sim *s)
{
	struct uring_fake_config fake = {
		.seed = the_seed,
		.level = sim_random_percent(&s->random, 30) ? URING_LEVEL_5_10
							    : URING_LEVEL_BEST,
		.short_percent = (unsigned)sim_random_below(&s->random, 40),
		.delay_percent = (unsigned)sim_random_below(&s->random, 60),
		.reset_percent = sim_random_percent(&s->random, 10) ? 1 : 0,
		.socket_buffer = sim_random_percent(&s->random, 30) ? 1000 : 0,
	};

	s->resets = fake.reset_percent > 0;
	/* Few buffers, so that they run out. */
	sim_net_open(&s->net, &fake, 4);
	choose_kernel(s, fake.level);
	CHECK(inbound_admission_create(&s->admission) == 0, "admission", 0);
	s->listener = (struct inbound_listener){
		.config = &s->config->listeners[0],
		.ctx = s->tls ? s->world->server_ctx : NULL,
	};
	open_relay(s);
	struct sim_server_config server = {
		.ring = s->net.ring,
		.fake = s->net.fake,
		.port = PORT,
		.seed = the_seed,
		.ctx = s->tls ? s->world->server_ctx : NULL,
		.no_pipelining = sim_random_percent(&s->random, 30),
		.no_chunking = sim_random_percent(&s->random, 50),
		.dsn = sim_random_percent(&s->random, 30),
		.refuse_percent = (unsigned)sim_random_below(&s->random, 10),
		.drop_percent = (unsigned)sim_random_below(&s->random, 5),
		.rekey_percent = (unsigned)sim_random_below(&s->random, 5),
		.script = script,
		.received = received,
		.arg = s,
	};
	sim_server_open(&s->server, &server);
	s->message_count = 1 + (size_t)sim_random_below(&s->random, MESSAGES);
	for (unsigned i = 0; i < s->message_count; i++)
		make_message(s, i);
	s->client_count = 1 + (size_t)sim_random_below(&s->random, CLIENTS);
	for (size_t i = 0; i < s->client_count; i++)
		open_client(s, i);
}

static bool clients_done(const struct sim *s)
{
	for (size_t i = 0; i < s->client_count; i++)
		if (!sim_client_done(&s->clients[i]))
			return false;
	return true;
}

static bool queue_empty(const struct sim *s)
{
	struct queue_stats stats;

	queue_stats(s->queue, &stats);
	return stats.ready == 0 && stats.waiting == 0 &&
	       spool_stats(s->spool)->accepted + found_count ==
		       spool_stats(s->spool)->finished;
}

static void restart(struct sim *s)
{
	s->world->restarts++;
	close_relay(s);
	open_relay(s);
}

static void run(struct sim *s)
{
	bool again = sim_random_percent(&s->random, 20);
	unsigned when = (unsigned)sim_random_below(&s->random, 300);

	for (unsigned i = 0; !clients_done(s); i++) {
		CHECK(i < TURNS, "clients wait for ever", 0);
		turn(s);
		if (sim_random_percent(&s->random, 1))
			uring_fake_advance(s->net.fake, URING_SEC);
		if (again && i == when)
			restart(s);
	}
	/* No more accidents: now everything must get through. */
	s->calm = true;
	s->server.config.refuse_percent = 0;
	s->server.config.drop_percent = 0;
	for (unsigned i = 0; !queue_empty(s); i++) {
		CHECK(i < TURNS, "the queue does not drain", 0);
		turn(s);
		if (i % 64 == 63)
			uring_fake_advance(s->net.fake, URING_SEC);
	}
}

static bool wants_failure(const struct sim_message *m, size_t i)
{
	return unsaid(m, i) || asked(m, i, "FAILURE");
}

/* No more than there is to tell, and all of it. */
static void check_notices(struct sim *s, const struct sim_message *m, size_t i)
{
	bool passed_on = m->copies[i] > 0 && asked(m, i, "SUCCESS") &&
			 !s->server.config.dsn;

	CHECK(m->relayed[i] <= m->copies[i] + m->doubtful[i] || s->resets,
	      "'relayed' too often", m->number);
	CHECK(!m->accepted || !passed_on || m->relayed[i] > 0 || m->failed[i],
	      "no 'relayed'", m->number);
	CHECK(m->delayed[i] <= 1 + m->doubtful[i] || s->resets, "warned twice",
	      m->number);
	s->world->delays += m->delayed[i];
	s->world->relayed += m->relayed[i];
	s->world->bounces += m->bounced[i];
}

static void check_message(struct sim *s, const struct sim_message *m)
{
	for (size_t i = 0; i < m->rcpt_count; i++) {
		check_notices(s, m, i);
		if (m->accepted)
			CHECK(m->copies[i] > 0 || m->bounced[i] > 0 ||
				      (m->failed[i] && !wants_failure(m, i)),
			      "lost", m->number);
		CHECK(m->copies[i] <= 1 + m->unanswered[i] || s->resets,
		      "repeated", m->number);
		s->world->delivered += m->copies[i] > 0;
		s->world->repeated += m->copies[i] > 1;
		s->world->refused += m->failed[i];
	}
	s->world->accepted += m->accepted;
}

static void tear_down(struct sim *s)
{
	close_relay(s);
	for (size_t i = 0; i < s->client_count; i++)
		while (!sim_client_done(&s->clients[i]))
			turn(s);
	sim_server_close(&s->server);
	while (!sim_server_closed(&s->server))
		turn(s);
	CHECK(uring_inflight(s->net.ring) == 0, "operations left",
	      uring_inflight(s->net.ring));
	CHECK(uring_bufs_out(s->net.bufs) == 0, "buffers left",
	      uring_bufs_out(s->net.bufs));
	CHECK(uring_fake_open_fds(s->net.fake) <= 1, "descriptors left",
	      uring_fake_open_fds(s->net.fake));
	for (size_t i = 0; i < s->message_count; i++) {
		check_message(s, &s->messages[i]);
		free(s->messages[i].body);
	}
	inbound_admission_destroy(&s->admission);
	sim_net_close(&s->net);
}

static void remove_spool(struct world *w)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/spool", w->dir);
	test_tree_remove(path);
}

static void one_seed(struct world *w, uint64_t seed)
{
	struct sim *s = calloc(1, sizeof(*s));

	the_seed = seed;
	the_turn = 0;
	s->world = w;
	s->random.state = seed;
	s->tls = sim_random_percent(&s->random, 15);
	s->config = s->tls ? w->secure : w->clear;
	s->hop = s->tls ? &w->secure_hop : &w->clear_hop;
	set_up(s);
	run(s);
	tear_down(s);
	free(s);
	remove_spool(w);
}

/* --- the world --- */

static struct config *make_config(const struct world *w, const char *level)
{
	char text[2048];
	struct config *config;

	snprintf(text, sizeof(text),
		 "hostname: relay.example.test\n"
		 "spool: {path: %s/spool, min_free: 0%%}\n"
		 "workers: 1\n"
		 "listen:\n  - {address: \"127.0.0.1:2525\"}\n"
		 "relay_from: [\"127.0.0.0/8\"]\n"
		 "limits: {message_size: 1MiB}\n"
		 "retry: {schedule: [1s, 2s, 4s], expire: 5d}\n"
		 "bounce: {delay_warning: [1s]}\n"
		 "routes:\n  - {match: \"*\", next_hop: \"127.0.0.1:%d\", "
		 "tls: %s, connections: 3, messages_per_connection: 5}\n",
		 w->dir, PORT, level);
	int r = config_parse(text, strlen(text), "sim.yaml", stderr, &config);
	CHECK(r == 0, "configuration", (uint64_t)-r);
	return config;
}

static void make_world(struct world *w)
{
	struct ktls_error error;

	snprintf(w->dir, sizeof(w->dir), "/dev/shm/ringpost-sim-%d", getpid());
	mkdir(w->dir, 0700);
	test_certs_open(&w->certs);
	test_certs_make_simple(&w->certs, "server", "sim.example.test");
	struct ktls_cert_files files = {
		test_certs_path(&w->certs, "server.pem"),
		test_certs_path(&w->certs, "server.key")};
	struct ktls_ctx_config server = {.role = KTLS_SERVER,
					 .certs = &files,
					 .cert_count = 1,
					 .tickets = 2};
	struct ktls_ctx_config client = {.role = KTLS_CLIENT,
					 .session_cache = 4};
	CHECK(ktls_ctx_create(&server, &w->server_ctx, &error) == 0, error.text,
	      0);
	CHECK(ktls_ctx_create(&client, &w->client_ctx, &error) == 0, error.text,
	      0);
	w->clear = make_config(w, "none");
	w->secure = make_config(w, "encrypt");
	/* Once: a client's context loads the system's trust anchors. */
	sim_net_hop(&w->clear_hop, &w->clear->routes[0]);
	sim_net_hop(&w->secure_hop, &w->secure->routes[0]);
}

static void unmake_world(struct world *w)
{
	next_hop_deinit(&w->clear_hop);
	next_hop_deinit(&w->secure_hop);
	config_unref(&w->clear);
	config_unref(&w->secure);
	ktls_ctx_unref(&w->server_ctx);
	ktls_ctx_unref(&w->client_ctx);
	test_certs_close(&w->certs);
	rmdir(w->dir);
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	uint64_t last = argc > 2   ? strtoull(argv[2], NULL, 10)
			: argc > 1 ? first
				   : 2000;
	struct world w = {0};

	signal(SIGPIPE, SIG_IGN);
	(void)log_open(NULL, CONFIG_LOG_TEXT,
		       argc == 2 ? CONFIG_LOG_DEBUG : CONFIG_LOG_ERROR);
	make_world(&w);
	for (uint64_t seed = first; seed <= last; seed++)
		one_seed(&w, seed);
	unmake_world(&w);
	printf("seeds=%llu accepted=%llu delivered=%llu lost=0 "
	       "repeated_after_lost_reply=%llu refused=%llu bounces=%llu "
	       "delay_warnings=%llu relayed=%llu notifications=%llu "
	       "restarts=%llu kernel_tls=%llu\n",
	       (unsigned long long)(last - first + 1),
	       (unsigned long long)w.accepted, (unsigned long long)w.delivered,
	       (unsigned long long)w.repeated, (unsigned long long)w.refused,
	       (unsigned long long)w.bounces, (unsigned long long)w.delays,
	       (unsigned long long)w.relayed, (unsigned long long)w.notices,
	       (unsigned long long)w.restarts, (unsigned long long)w.in_kernel);
	return 0;
}
