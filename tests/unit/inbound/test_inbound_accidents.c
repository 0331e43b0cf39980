/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions on a kernel with accidents: short sends and receives, completions
 * late and out of order, resets, on every set of ring features. What a client
 * was told is true; nothing is left over.
 */
#include "tests/support/sim_random.h"
#include "tests/unit/inbound/inbound_world.h"

#define SEEDS	 400
#define MESSAGES 5

struct run {
	struct world *w;
	struct sim_random random;
	struct client *client;
	char bodies[MESSAGES][4096];
};

static struct uring_fake_config accidents(uint64_t seed, unsigned resets)
{
	static const unsigned buffers[] = {0, 100, 3000};

	return (struct uring_fake_config){
		.seed = seed,
		.level = (enum uring_level)(seed % 4),
		.short_percent = (unsigned)(seed % 3) * 30,
		.delay_percent = (unsigned)(seed % 5) * 15,
		.reset_percent = resets,
		.socket_buffer = buffers[seed % 3],
	};
}

/* A body that says which it is, with dots, of any length. */
static void make_body(struct run *run, unsigned number)
{
	char *body = run->bodies[number];
	size_t n = (size_t)snprintf(body, 64, "Subject: %u\r\n\r\n", number);
	unsigned lines = (unsigned)sim_random_below(&run->random, 60);

	for (unsigned i = 0; i < lines; i++)
		n += (size_t)snprintf(body + n, 80, "%.*sline %u\r\n",
				      (int)sim_random_below(&run->random, 4),
				      "...", i);
}

/* The wire form of a message, by DATA or by BDAT in some chunks. */
static void put_data(struct run *run, const char *body)
{
	struct sim_bytes *out = &run->client->peer.out;

	sim_bytes_text(out, "DATA\r\n");
	while (*body) {
		const char *end = strstr(body, "\r\n") + 2;

		if (*body == '.')
			sim_bytes_text(out, ".");
		sim_bytes_put(out, body, (size_t)(end - body));
		body = end;
	}
	sim_bytes_text(out, ".\r\n");
}

static void put_chunks(struct run *run, const char *body)
{
	struct sim_bytes *out = &run->client->peer.out;
	size_t left = strlen(body);

	do {
		size_t n = (size_t)sim_random_below(&run->random, left + 1);
		bool last = sim_random_percent(&run->random, 30);
		char line[64];

		if (last)
			n = left;
		snprintf(line, sizeof(line), "BDAT %zu%s\r\n", n,
			 last ? " LAST" : "");
		sim_bytes_text(out, line);
		sim_bytes_put(out, body, n);
		body += n;
		left -= n;
		if (last)
			return;
	} while (true);
}

static void put_session(struct run *run)
{
	struct sim_bytes *out = &run->client->peer.out;

	sim_bytes_text(out, "EHLO x\r\n");
	for (unsigned i = 0; i < MESSAGES; i++) {
		make_body(run, i);
		sim_bytes_text(out, "MAIL FROM:<a@example.test>\r\n"
				    "RCPT TO:<b@example.test>\r\n");
		if (sim_random_percent(&run->random, 50))
			put_data(run, run->bodies[i]);
		else
			put_chunks(run, run->bodies[i]);
	}
	sim_bytes_text(out, "QUIT\r\n");
}

/* The spool has its moods meanwhile. */
static void settle(struct run *run)
{
	struct spool *spool = &run->w->spool;

	spool->room = 1 + (size_t)sim_random_below(&run->random, 300);
	for (int i = 0; i < 200; i++) {
		spool->behind = sim_random_percent(&run->random, 50);
		spool->hold = sim_random_percent(&run->random, 50);
		uring_turn(run->w->ring, 0);
		sim_peer_pump(&run->client->peer);
		fake_spool_pump(spool);
	}
	spool->behind = spool->hold = false;
	world_settle(run->w);
}

static unsigned promises(struct run *run)
{
	unsigned count = 0;
	char line[600];

	while (sim_bytes_line(&run->client->peer.in, line, sizeof(line)))
		count += strstr(line, "queued as") != NULL;
	return count;
}

static struct run run_session(uint64_t seed, unsigned resets, bool tls)
{
	struct uring_fake_config config = accidents(seed, resets);
	struct run run = {.random = {seed}};

	run.w = world_start(&config);
	run.client = client_open(run.w, tls ? CONFIG_LISTEN_IMPLICIT
					    : CONFIG_LISTEN_NONE);
	if (tls)
		client_tls(run.client);
	put_session(&run);
	settle(&run);
	return run;
}

/* The first @count messages are what was sent, in order. */
static void check_messages(struct run *run, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_body(world_message(run->w, i), run->bodies[i]);
}

static void test_all_arrives_in_spite_of_accidents(void **state)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct run run = run_session(seed, 0, false);

		assert_int_equal(promises(&run), MESSAGES);
		assert_int_equal(run.w->spool.count, MESSAGES);
		check_messages(&run, MESSAGES);
		client_expect_end(run.client);
		world_end(run.w);
	}
}

static void test_all_arrives_under_tls(void **state)
{
	for (uint64_t seed = 1; seed <= SEEDS / 4; seed++) {
		struct run run = run_session(seed, 0, true);

		assert_int_equal(promises(&run), MESSAGES);
		check_messages(&run, MESSAGES);
		world_end(run.w);
	}
}

static void test_promises_hold_when_connections_break(void **state)
{
	unsigned broken = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct run run = run_session(seed, 2, false);
		unsigned promised = promises(&run);

		/* Accepted without being promised is duplicate mail at worst;
		 * the other way round is lost mail. */
		assert_true(run.w->spool.count >= promised);
		assert_true(run.w->spool.count <= promised + MESSAGES);
		check_messages(&run, run.w->spool.count);
		broken += promised < MESSAGES;
		world_end(run.w);
	}
	assert_true(broken > SEEDS / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_arrives_in_spite_of_accidents),
		cmocka_unit_test(test_all_arrives_under_tls),
		cmocka_unit_test(test_promises_hold_when_connections_break),
	};

	return cmocka_run_group_tests_name("inbound_accidents", tests,
					   world_set_up_group,
					   world_tear_down_group);
}
