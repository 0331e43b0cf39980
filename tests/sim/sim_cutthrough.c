/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cut-through in memory, seed by seed: clients, inbound sessions, legs and a
 * next hop on one fake ring, with completions in any order, short counts, full
 * buffers, resets, refusals, next hops that stop reading, vanishing clients,
 * TLS in the kernel or not, new keys, bytes copied or spliced.
 *
 * What must hold for every seed: a client hears to its message what the next
 * hop said to it, or a refusal where that said nothing; what was answered 250
 * is there once, unchanged; nothing is sent twice; no pipe that is kept holds
 * a byte; no operation, buffer or descriptor is left behind.
 *
 *   sim_cutthrough [FIRST [LAST]]     (default 1 2000)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "gateway/cutthrough/cutthrough.h"
#include "gateway/inbound/inbound.h"
#include "gateway/log/log.h"
#include "ktls/ktls_paths_private.h"
#include "tests/support/sim_client.h"
#include "tests/support/sim_net.h"
#include "tests/support/sim_server.h"
#include "tests/support/test_cert.h"

#define PORT	 2526
#define CLIENTS	 4
#define MESSAGES 10
#define TURNS	 400000

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
	struct test_certs certs;
	struct ktls_ctx *server_ctx, *client_ctx;
	struct config *clear, *secure;
	struct next_hop clear_hop, secure_hop;
	uint64_t accepted, refused, unknown, in_kernel;
	uint64_t spliced, copied, stalls;
};

/* What the next hop said to a message, the last time. */
struct verdict {
	bool there;    /* whole */
	unsigned code; /* 0: the connection ended instead */
	bool unheard;  /* behind new keys that the kernel can't follow */
};

struct sim {
	struct world *world;
	struct sim_random random;
	bool tls, in_kernel, rekeys;
	const struct config *config;
	struct next_hop *hop;
	struct sim_net net;
	struct ktls_paths *paths;
	struct cutthrough *cutthrough;
	struct inbound *inbound;
	struct inbound_admission *admission;
	struct inbound_listener listener;
	struct sim_server server;
	struct sim_client clients[CLIENTS];
	size_t client_count;
	struct sim_message messages[MESSAGES];
	struct verdict verdicts[MESSAGES];
	size_t message_count, next_message;
	bool resets; /* replies may be lost on the way */
};

/* --- the next hop --- */

static struct sim_message *message_of(struct sim *s, const char *from)
{
	unsigned number;

	CHECK(sscanf(from, "MAIL FROM:<m%u@", &number) == 1 &&
		      number < s->message_count,
	      "a message nobody sent", 0);
	return &s->messages[number];
}

static void received(void *arg, const struct sim_mail *mail)
{
	struct sim *s = arg;
	struct sim_message *m = message_of(s, mail->from);

	CHECK(mail->len > m->len, "a body cut short", m->number);
	CHECK(memcmp(mail->body + mail->len - m->len, m->body, m->len) == 0,
	      "a body changed", m->number);
	CHECK(memcmp(mail->body, "Received: ", 10) == 0, "no trace", m->number);
	CHECK(!memmem(mail->body + 10, mail->len - m->len - 10,
		      "Received: ", 10),
	      "two traces", m->number);
	CHECK(mail->tls == s->tls, "sent on in clear", m->number);
	CHECK(mail->rcpt_count <= m->rcpt_count, "strangers", m->number);
	m->copies[0]++;
}

static void finished(void *arg, const struct sim_mail *mail)
{
	struct sim *s = arg;
	struct sim_message *m = message_of(s, mail->from);
	struct verdict *v = &s->verdicts[m->number];

	CHECK(!v->there, "sent twice", m->number);
	*v = (struct verdict){
		.there = true,
		.code = mail->code,
		.unheard = mail->rekeyed && s->in_kernel && !s->rekeys,
	};
}

/* --- the clients --- */

static struct sim_message *next_message(void *arg)
{
	struct sim *s = arg;

	return s->next_message < s->message_count
		       ? &s->messages[s->next_message++]
		       : NULL;
}

static void make_message(struct sim *s, unsigned number)
{
	struct sim_message *m = &s->messages[number];
	size_t room = 64 + (size_t)sim_random_below(&s->random, 3000);

	if (sim_random_percent(&s->random, 40))
		room += 60000 + (size_t)sim_random_below(&s->random, 300000);
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
	for (size_t i = 0; i < m->rcpt_count; i++)
		snprintf(m->rcpts[i], sizeof(m->rcpts[i]),
			 "m%u-%zu@example.test", number, i);
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
		.vanish_percent = sim_random_percent(&s->random, 30) ? 4 : 0,
		.junk_percent = 10,
		.rekey_chance = (unsigned)sim_random_below(&s->random, 8),
		.next = next_message,
		.arg = s,
	};
	int fds[2];

	CHECK(uring_fake_socketpair(s->net.fake, fds) == 0, "socketpair", i);
	config.fd = fds[1];
	sim_client_open(&s->clients[i], &config);
	inbound_accept(s->inbound, fds[0], &s->listener,
		       (struct sockaddr *)&peer, sizeof(peer));
}

/* --- a seed --- */

static void turn(struct sim *s)
{
	the_turn++;
	int r = uring_turn(s->net.ring, 0);

	CHECK(r >= 0, "turn", (uint64_t)-r);
	for (size_t i = 0; i < s->client_count; i++)
		sim_client_pump(&s->clients[i]);
	sim_server_pump(&s->server);
	uring_fake_advance(s->net.fake, URING_MSEC);
}

static void open_paths(struct sim *s)
{
	static const enum ktls_byte_path ways[] = {
		KTLS_PATH_AUTO, KTLS_PATH_SPLICE, KTLS_PATH_MAPPED};
	struct ktls_paths_config config = {.policy = ktls_policy_measured};

	config.policy.path = ways[sim_random_below(&s->random, 3)];
	/* sometimes fewer than are wanted */
	config.pipes = 1 + (unsigned)sim_random_below(&s->random, 6);
	CHECK(ktls_paths_create(&config, &s->paths) == 0, "paths", 0);
	s->net.env.paths = s->paths;
}

static void open_relay(struct sim *s)
{
	struct cutthrough_config cutthrough = {.config = s->config,
					       .env = &s->net.env,
					       .hops = s->hop,
					       .socket = sim_net_socket,
					       .socket_arg = &s->net};
	struct inbound_config inbound = {.config = s->config,
					 .env = &s->net.env,
					 .admission = s->admission,
					 .max_sessions = 16,
					 .arg = s,
					 .wall_clock = sim_net_wall_clock};

	CHECK(cutthrough_create(&cutthrough, &s->cutthrough) == 0, "cutthrough",
	      0);
	inbound.cutthrough = s->cutthrough;
	CHECK(inbound_create(&inbound, &s->inbound) == 0, "inbound", 0);
}

static void open_server(struct sim *s)
{
	struct sim_server_config server = {
		.ring = s->net.ring,
		.fake = s->net.fake,
		.port = PORT,
		.seed = the_seed,
		.ctx = s->tls ? s->world->server_ctx : NULL,
		.no_pipelining = sim_random_percent(&s->random, 30),
		.no_chunking = sim_random_percent(&s->random, 15),
		.refuse_percent = (unsigned)sim_random_below(&s->random, 8),
		.fail_percent = (unsigned)sim_random_below(&s->random, 4),
		.drop_percent = (unsigned)sim_random_below(&s->random, 4),
		.rekey_percent = (unsigned)sim_random_below(&s->random, 5),
		.stall_chance = sim_random_percent(&s->random, 20) ? 5 : 0,
		.received = received,
		.finished = finished,
		.arg = s,
	};

	sim_server_open(&s->server, &server);
}

static void set_up(struct sim *s)
{
	struct uring_fake_config fake = {
		.seed = the_seed,
		.level = sim_random_percent(&s->random, 20) ? URING_LEVEL_5_10
							    : URING_LEVEL_BEST,
		.short_percent = (unsigned)sim_random_below(&s->random, 40),
		.delay_percent = (unsigned)sim_random_below(&s->random, 60),
		.reset_percent = sim_random_percent(&s->random, 10) ? 1 : 0,
		.socket_buffer = sim_random_percent(&s->random, 30) ? 5000 : 0,
	};

	s->resets = fake.reset_percent > 0;
	/* Few buffers, so that they run out. */
	sim_net_open(&s->net, &fake, 4);
	open_paths(s);
	s->in_kernel = s->tls && fake.level == URING_LEVEL_BEST &&
		       sim_random_percent(&s->random, 75);
	s->rekeys = sim_random_percent(&s->random, 50);
	if (s->in_kernel)
		sim_net_kernel_tls(&s->net, s->rekeys);
	s->world->in_kernel += s->in_kernel;
	CHECK(inbound_admission_create(&s->admission) == 0, "admission", 0);
	s->listener = (struct inbound_listener){
		.config = &s->config->listeners[0],
		.ctx = s->tls ? s->world->server_ctx : NULL,
	};
	open_relay(s);
	open_server(s);
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

static void run(struct sim *s)
{
	for (unsigned i = 0; !clients_done(s); i++) {
		CHECK(i < TURNS, "clients wait for ever", 0);
		turn(s);
	}
}

static void check_message(struct sim *s, const struct sim_message *m)
{
	const struct verdict *v = &s->verdicts[m->number];
	/* a 421 is about the connection, which is not the client's */
	unsigned code = v->code == 421 ? 451 : v->code;

	CHECK(m->copies[0] <= 1, "repeated", m->number);
	if (m->accepted)
		CHECK(v->there && v->code == 250 && m->copies[0] == 1, "lost",
		      m->number);
	/* the client went before it was told */
	if (m->told == 0) {
		s->world->unknown += v->there;
		return;
	}
	s->world->accepted += m->accepted;
	s->world->refused += !m->accepted;
	if (v->there && v->code && !s->resets && !v->unheard)
		CHECK(m->told == code, "told otherwise",
		      m->number * 1000000 + m->told * 1000 + code);
	else if (!v->there || !v->code)
		CHECK(m->told >= 400, "told before it was said", m->told);
}

static void close_paths(struct sim *s)
{
	struct ktls_pipe *pipe, *all = NULL;
	struct ktls_paths_stats stats;

	ktls_paths_stats(s->paths, &stats);
	CHECK(stats.pipes_out == 0, "pipes left", stats.pipes_out);
	for (unsigned i = 0; i < stats.pipes; i++) {
		int bytes = -1;

		pipe = ktls_paths_pipe_get(s->paths);
		CHECK(pipe, "a pipe is gone", i);
		CHECK(ioctl(pipe->read_fd, FIONREAD, &bytes) == 0 && bytes == 0,
		      "a pipe is not empty", (uint64_t)bytes);
		pipe->next = all;
		all = pipe;
	}
	while ((pipe = all)) {
		all = pipe->next;
		ktls_paths_pipe_put(s->paths, pipe, true);
	}
	ktls_paths_destroy(&s->paths);
}

static void close_relay(struct sim *s)
{
	const struct cutthrough_stats *stats = cutthrough_stats(s->cutthrough);

	inbound_shutdown(s->inbound);
	cutthrough_shutdown(s->cutthrough);
	for (unsigned i = 0; inbound_sessions(s->inbound) > 0 ||
			     cutthrough_sessions(s->cutthrough) > 0;
	     i++) {
		CHECK(i < TURNS, "the relay does not stop",
		      inbound_sessions(s->inbound));
		turn(s);
	}
	s->world->spliced += stats->spliced;
	s->world->copied += stats->copied;
	inbound_destroy(&s->inbound);
	cutthrough_destroy(&s->cutthrough);
}

static void tear_down(struct sim *s)
{
	close_relay(s);
	for (size_t i = 0; i < SIM_SERVER_CONNS; i++)
		s->world->stalls +=
			s->server.conns[i].used && s->server.conns[i].stalled;
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
	close_paths(s);
	inbound_admission_destroy(&s->admission);
	sim_net_close(&s->net);
}

static void one_seed(struct world *w, uint64_t seed)
{
	struct sim *s = calloc(1, sizeof(*s));

	the_seed = seed;
	the_turn = 0;
	s->world = w;
	s->random.state = seed;
	s->tls = sim_random_percent(&s->random, 30);
	s->config = s->tls ? w->secure : w->clear;
	s->hop = s->tls ? &w->secure_hop : &w->clear_hop;
	set_up(s);
	run(s);
	tear_down(s);
	free(s);
}

/* --- the world --- */

static struct config *make_config(const char *level)
{
	char text[2048];
	struct config *config;

	snprintf(text, sizeof(text),
		 "hostname: relay.example.test\n"
		 "spool: {path: /nowhere, min_free: 0%%}\n"
		 "workers: 1\n"
		 "listen:\n  - {address: \"127.0.0.1:2525\"}\n"
		 "relay_from: [\"127.0.0.0/8\"]\n"
		 "limits: {message_size: 1MiB}\n"
		 "timeouts: {transmit: 5s, reply: 5s, final: 5s}\n"
		 "routes:\n  - {match: \"*\", next_hop: \"127.0.0.1:%d\", "
		 "tls: %s, connections: 3, mode: cut_through}\n",
		 PORT, level);
	int r = config_parse(text, strlen(text), "sim.yaml", stderr, &config);
	CHECK(r == 0, "configuration", (uint64_t)-r);
	return config;
}

static void make_world(struct world *w)
{
	struct ktls_error error;

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
	w->clear = make_config("none");
	w->secure = make_config("encrypt");
	/* Once: a client's context loads the system's trust anchors. */
	sim_net_hop(&w->clear_hop, &w->clear->routes[0]);
	sim_net_hop(&w->secure_hop, &w->secure->routes[0]);
	CHECK(next_hop_resolve(&w->clear_hop) == 0 &&
		      next_hop_resolve(&w->secure_hop) == 0,
	      "numeric addresses", 0);
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
		       argc == 2 || argc > 3 ? CONFIG_LOG_DEBUG
					     : CONFIG_LOG_ERROR);
	make_world(&w);
	for (uint64_t seed = first; seed <= last; seed++)
		one_seed(&w, seed);
	unmake_world(&w);
	printf("seeds=%llu accepted=%llu refused=%llu unheard=%llu "
	       "kernel_tls=%llu spliced=%llu copied=%llu stalls=%llu\n",
	       (unsigned long long)(last - first + 1),
	       (unsigned long long)w.accepted, (unsigned long long)w.refused,
	       (unsigned long long)w.unknown, (unsigned long long)w.in_kernel,
	       (unsigned long long)w.spliced, (unsigned long long)w.copied,
	       (unsigned long long)w.stalls);
	return 0;
}
