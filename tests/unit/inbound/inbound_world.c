/* SPDX-License-Identifier: Apache-2.0 */
/* Worlds for inbound's tests (inbound_world.h). */
#include "tests/unit/inbound/inbound_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>

#include "gateway/log/log.h"

/* Group state. */
static struct test_certs certs;
static struct ktls_ctx *server_ctx, *client_ctx;

int world_set_up_group(void **state)
{
	struct ktls_cert_files files;
	struct ktls_error error;
	struct ktls_ctx_config server = {.role = KTLS_SERVER,
					 .certs = &files,
					 .cert_count = 1,
					 .tickets = 1};
	struct ktls_ctx_config client = {.role = KTLS_CLIENT};

	if (log_open("/dev/null", CONFIG_LOG_JSON, CONFIG_LOG_DEBUG) < 0)
		return -1;
	test_certs_open(&certs);
	test_certs_make_simple(&certs, "server", "relay.example.test");
	files.certificate = test_certs_path(&certs, "server.pem");
	files.key = test_certs_path(&certs, "server.key");
	client.ca_file = certs.ca;
	if (ktls_ctx_create(&server, &server_ctx, &error) < 0 ||
	    ktls_ctx_create(&client, &client_ctx, &error) < 0)
		return -1;
	return 0;
}

int world_tear_down_group(void **state)
{
	ktls_ctx_unref(&server_ctx);
	ktls_ctx_unref(&client_ctx);
	test_certs_close(&certs);
	return 0;
}

static const char config_text[] =
	"hostname: relay.example.test\n"
	"spool: {path: /nonexistent}\n"
	"workers: 1\n"
	"listen:\n  - {address: \"127.0.0.1:2525\"}\n"
	"relay_from: [\"127.0.0.0/8\", \"::1/128\"]\n"
	"timeouts: {command: 100s, data: 50s, tls: 20s}\n"
	"limits: {message_size: 64KiB, recipients: 100, line_length: 1024, "
	"text_line_length: 1000, errors: 10, received: 5}\n"
	"routes:\n  - {match: \"example.test\", next_hop: \"127.0.0.1:2526\"}\n"
	"  - {match: \"*.example.test\", next_hop: \"127.0.0.1:2526\"}\n";

static int no_kernel_tls(const struct ktls_kernel *kernel, int fd, int level,
			 int name, const void *value, socklen_t len)
{
	return name == TCP_ULP ? -ENOENT : 0;
}

static void on_accepted(void *arg, struct spool_message *message)
{
	struct world *w = arg;

	assert_non_null(message);
	w->accepted++;
}

static void on_idle(void *arg)
{
	struct world *w = arg;

	w->idle++;
}

static uint64_t wall_clock(void)
{
	/* Mon, 23 Nov 2026 18:40:00 UTC */
	return UINT64_C(1795459200) * URING_SEC;
}

static void make_listeners(struct world *w)
{
	for (int tls = CONFIG_LISTEN_STARTTLS; tls <= CONFIG_LISTEN_NONE;
	     tls++) {
		w->listener_config[tls] = w->config->listeners[0];
		w->listener_config[tls].tls = (enum config_listen_tls)tls;
		w->listeners[tls].config = &w->listener_config[tls];
		if (tls != CONFIG_LISTEN_NONE)
			w->listeners[tls].ctx = server_ctx;
	}
}

static void make_ring(struct world *w, const struct uring_fake_config *fake)
{
	struct uring_config config = {.level = fake->level};

	assert_int_equal(uring_fake_create(fake, &w->fake), 0);
	config.clock = uring_fake_clock(w->fake);
	config.backend = uring_fake_backend(w->fake);
	assert_int_equal(uring_create(&config, &w->ring), 0);
	assert_int_equal(uring_bufs_create(w->ring, 16, 20480, &w->bufs), 0);
	w->kernel.setsockopt = no_kernel_tls;
	w->env = (struct ktls_env){.ring = w->ring,
				   .bufs = w->bufs,
				   .caps = &w->caps,
				   .kernel = &w->kernel};
}

struct world *world_start(const struct uring_fake_config *fake)
{
	static const struct uring_fake_config calm = {.seed = 1};
	struct world *w = calloc(1, sizeof(*w));
	struct inbound_config config;

	assert_non_null(w);
	assert_int_equal(config_parse(config_text, strlen(config_text), "test",
				      stderr, &w->config),
			 0);
	make_ring(w, fake ? fake : &calm);
	make_listeners(w);
	fake_spool_open(&w->spool);
	assert_int_equal(inbound_admission_create(&w->admission), 0);
	config = (struct inbound_config){
		.config = w->config,
		.env = &w->env,
		.spool = &w->spool,
		.admission = w->admission,
		.max_sessions = 8,
		.accepted = on_accepted,
		.idle = on_idle,
		.arg = w,
		.wall_clock = wall_clock,
	};
	assert_int_equal(inbound_create(&config, &w->inbound), 0);
	return w;
}

void world_kernel_tls(struct world *w, bool rekeys)
{
	soft_tls_kernel_init(&w->soft, w->fake, rekeys, &w->caps);
	w->env.kernel = &w->soft.base;
}

void world_settle(struct world *w)
{
	for (int still = 0, i = 0; still < 16; i++) {
		int events = uring_turn(w->ring, 0);
		bool moved = events > 0;

		assert_true(events >= 0);
		assert_true(i < 1000000);
		for (unsigned n = 0; n < w->client_count; n++)
			if (!w->clients[n].stalled)
				moved |= sim_peer_pump(&w->clients[n].peer);
		moved |= fake_spool_pump(&w->spool);
		still = moved ? 0 : still + 1;
	}
}

void world_pass(struct world *w, uint64_t ns)
{
	while (ns > 0) {
		uint64_t step = ns < URING_SEC ? ns : URING_SEC;

		uring_fake_advance(w->fake, step);
		ns -= step;
		world_settle(w);
	}
}

void world_end(struct world *w)
{
	w->spool.hold = w->spool.behind = false;
	inbound_abort(w->inbound);
	for (unsigned n = 0; n < w->client_count; n++)
		sim_peer_close(&w->clients[n].peer);
	world_settle(w);
	world_pass(w, 40 * URING_SEC);
	assert_int_equal(inbound_sessions(w->inbound), 0);
	assert_int_equal(uring_inflight(w->ring), 0);
	assert_int_equal(uring_bufs_out(w->bufs), 0);
	assert_int_equal(uring_fake_open_fds(w->fake), 0);
	inbound_destroy(&w->inbound);
	inbound_admission_destroy(&w->admission);
	fake_spool_close(&w->spool);
	uring_bufs_destroy(&w->bufs);
	uring_destroy(&w->ring);
	config_unref(&w->config);
	free(w);
}

static socklen_t peer_address(const char *text, struct sockaddr_storage *out)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(40000)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
				   .sin6_port = htons(40000)};

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
		memcpy(out, &in, sizeof(in));
		return sizeof(in);
	}
	assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	memcpy(out, &in6, sizeof(in6));
	return sizeof(in6);
}

struct client *client_open_from(struct world *w, enum config_listen_tls tls,
				const char *address)
{
	struct client *c = &w->clients[w->client_count++];
	struct sockaddr_storage peer;
	socklen_t len = peer_address(address, &peer);
	int fds[2];

	assert_true(w->client_count <= WORLD_CLIENTS);
	assert_int_equal(uring_fake_socketpair(w->fake, fds), 0);
	c->world = w;
	c->fd = fds[0];
	sim_peer_open(&c->peer, w->fake, fds[1]);
	inbound_accept(w->inbound, fds[0], &w->listeners[tls],
		       (struct sockaddr *)&peer, len);
	if (tls != CONFIG_LISTEN_IMPLICIT)
		world_settle(w);
	return c;
}

struct client *client_open(struct world *w, enum config_listen_tls tls)
{
	return client_open_from(w, tls, "127.0.0.1");
}

struct client *client_hello(struct world *w, enum config_listen_tls tls)
{
	struct client *c = client_open(w, tls);

	if (tls == CONFIG_LISTEN_IMPLICIT)
		client_tls(c);
	client_expect(c, "220 relay.example.test ESMTP ringpost\r\n");
	client_say(c, "EHLO client.example.test\r\n");
	client_expect_start(c, "250-relay.example.test\r\n");
	return c;
}

void client_write(struct client *c, const void *data, size_t len)
{
	sim_bytes_put(&c->peer.out, data, len);
	world_settle(c->world);
}

void client_say(struct client *c, const char *text)
{
	client_write(c, text, strlen(text));
}

/* All that was answered, as a string; the caller frees it. */
static char *take_answer(struct client *c)
{
	size_t len = c->peer.in.len;
	char *text = malloc(len + 1);

	assert_non_null(text);
	if (len > 0)
		memcpy(text, sim_bytes_at(&c->peer.in), len);
	text[len] = '\0';
	sim_bytes_drop(&c->peer.in, len);
	return text;
}

void client_expect(struct client *c, const char *text)
{
	char *answer = take_answer(c);

	assert_string_equal(answer, text);
	free(answer);
}

void client_expect_start(struct client *c, const char *text)
{
	char *answer = take_answer(c);

	if (strlen(answer) > strlen(text))
		answer[strlen(text)] = '\0';
	assert_string_equal(answer, text);
	free(answer);
}

void client_ask(struct client *c, const char *text, const char *answer)
{
	client_say(c, text);
	client_expect(c, answer);
}

void client_expect_end(struct client *c)
{
	world_settle(c->world);
	assert_true(c->peer.ended);
	assert_int_equal(c->peer.in.len, 0);
}

void client_tls(struct client *c)
{
	sim_peer_tls(&c->peer, client_ctx, NULL);
	world_settle(c->world);
	assert_false(c->peer.shaking);
	assert_false(c->peer.failed);
}

void client_start_tls(struct client *c)
{
	client_ask(c, "STARTTLS\r\n", "220 2.0.0 Ready to start TLS\r\n");
	client_tls(c);
}

void client_key_update(struct client *c, bool ask)
{
	sim_peer_key_update(&c->peer, ask);
	world_settle(c->world);
}

void client_close(struct client *c)
{
	sim_peer_close(&c->peer);
	world_settle(c->world);
}

void client_reset(struct client *c)
{
	sim_peer_reset(&c->peer);
	world_settle(c->world);
}

void client_half_close(struct client *c)
{
	uring_fake_peer_shutdown(c->world->fake, c->peer.fd);
	world_settle(c->world);
}

const struct spool_message *world_message(struct world *w, unsigned nth)
{
	assert_true(nth < w->spool.count);
	assert_int_equal(w->accepted, w->spool.count);
	return w->spool.messages[nth];
}

void assert_body(const struct spool_message *message, const char *body)
{
	assert_int_equal(message->len, strlen(body));
	assert_memory_equal(message->body, body, message->len);
}
