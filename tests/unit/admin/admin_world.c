/* SPDX-License-Identifier: Apache-2.0 */
/* A queue to be looked at (admin_world.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/test_tree.h"
#include "tests/unit/admin/admin_world.h"

static const char text[] =
	"hostname: relay.example.test\n"
	"spool: {path: /unused}\n"
	"workers: 1\n"
	"listen:\n  - {address: \"127.0.0.1:2525\"}\n"
	"retry: {schedule: [100s, 200s], expire: 10000s}\n"
	"routes:\n"
	"  - {match: one.test, next_hop: \"127.0.0.1:2530\", tls: none}\n"
	"  - {match: \"*\", next_hop: \"127.0.0.1:2531\", tls: none}\n";

static void found(void *arg, struct spool_message *message)
{
	struct admin_world *w = arg;

	/* Not before spool_open() returns: there are few. */
	static struct spool_message *all[256];
	static size_t count;

	if (message) {
		assert_true(count < 256);
		all[count++] = message;
		return;
	}
	for (size_t i = 0; i < count; i++)
		queue_add(w->queue, w->spool, all[i]);
	count = 0;
}

/* --- the agent and who asks it --- */

static void post(void *worker, struct admin_port *port)
{
	struct admin_world *w = worker;

	admin_agent_post(w->agent, port);
	w->poked = true;
}

static void poke(void *worker)
{
	((struct admin_world *)worker)->poked = true;
}

static void news(void *arg)
{
	((struct admin_world *)arg)->news = true;
}

static void open_queue(struct admin_world *w)
{
	struct queue_config config = {.config = w->config,
				      .env = &w->net.env,
				      .hops = w->hops,
				      .socket = sim_net_socket,
				      .socket_arg = &w->net,
				      .wall_clock = sim_net_wall_clock};
	struct spool_config spool = {
		.path = w->dir, .segment_size = 1024 * 1024, .sync = true};
	struct admin_worker worker = {.post = post, .poke = poke, .worker = w};
	struct admin_core_config core = {
		.workers = &worker,
		.worker_count = 1,
		.news = news,
		.arg = w,
		.wall_clock = sim_net_wall_clock,
	};
	struct spool_report report;
	char error[256] = "";

	assert_int_equal(queue_create(&config, &w->queue), 0);
	assert_int_equal(spool_open(&spool, w->net.ring, found, w, &report,
				    error, &w->spool),
			 0);
	found(w, NULL);
	w->agent = admin_agent_create(w->net.ring, w->queue);
	w->core = admin_core_create(&core);
	assert_non_null(w->agent);
	assert_non_null(w->core);
}

struct admin_world *admin_world_open(void)
{
	struct admin_world *w = test_calloc(1, sizeof(*w));
	struct uring_fake_config fake = {.seed = 3};

	snprintf(w->dir, sizeof(w->dir), "/tmp/ringpost-admin-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	assert_int_equal(config_parse(text, strlen(text), "test.yaml", stderr,
				      &w->config),
			 0);
	sim_net_open(&w->net, &fake, 8);
	for (int i = 0; i < WORLD_HOPS; i++)
		sim_net_hop(&w->hops[i], &w->config->routes[i]);
	open_queue(w);
	return w;
}

void admin_world_settle(struct admin_world *w)
{
	for (int still = 0, i = 0; still < 8 && i < 100000; i++) {
		if (w->poked)
			admin_agent_wake(w->agent);
		w->poked = false;
		still = uring_turn(w->net.ring, 0) > 0 ? 0 : still + 1;
	}
}

void admin_world_later(struct admin_world *w, uint64_t seconds)
{
	uring_fake_advance(w->net.fake, seconds * URING_SEC);
	admin_world_settle(w);
}

static void close_queue(struct admin_world *w)
{
	admin_agent_stop(w->agent);
	queue_shutdown(w->queue);
	admin_world_settle(w);
	queue_abort(w->queue);
	for (int i = 0; i < 100 && (queue_sessions(w->queue) > 0 ||
				    spool_inflight(w->spool) > 0);
	     i++)
		admin_world_later(w, 1);
	admin_agent_destroy(&w->agent);
	admin_core_destroy(&w->core);
	queue_destroy(&w->queue);
	spool_close(&w->spool);
}

void admin_world_restart(struct admin_world *w)
{
	close_queue(w);
	open_queue(w);
	admin_world_settle(w);
}

void admin_world_close(struct admin_world *w)
{
	close_queue(w);
	for (int i = 0; i < WORLD_HOPS; i++)
		next_hop_deinit(&w->hops[i]);
	sim_net_close(&w->net);
	config_unref(&w->config);
	test_tree_remove(w->dir);
	test_free(w);
}

/* --- mail --- */

static void committed(void *owner, enum spool_status status,
		      struct spool_message *message)
{
	struct admin_world *w = owner;

	assert_int_equal(status, SPOOL_OK);
	w->commits++;
	w->last_id = spool_message_id(message);
	queue_add(w->queue, w->spool, message);
}

uint64_t admin_world_send(struct admin_world *w, const char *sender,
			  const char *const *rcpts, size_t count)
{
	static const char body[] = "Subject: x\r\nX-Long: y\r\n\r\nhello\r\n";
	struct spool_envelope envelope = {
		.reverse_path = sender,
		.recipients = rcpts,
		.recipient_count = count,
		.client = "[192.0.2.1]:1",
		.arrival = sim_net_wall_clock(),
	};
	struct spool_writer *writer;
	unsigned char *room;
	size_t before = w->commits;

	assert_int_equal(spool_begin(w->spool, &writer), SPOOL_OK);
	assert_true(spool_reserve(writer, &room) >= sizeof(body) - 1);
	memcpy(room, body, sizeof(body) - 1);
	spool_advance(writer, sizeof(body) - 1);
	spool_commit(writer, &envelope, "Received: x\r\n", 13, committed, w);
	admin_world_settle(w);
	assert_int_equal(w->commits, before + 1);
	return w->last_id;
}

uint64_t admin_world_send_one(struct admin_world *w, const char *sender,
			      const char *rcpt)
{
	return admin_world_send(w, sender, &rcpt, 1);
}

/* --- asking --- */

static bool take_line(void *arg, const char *line, size_t len)
{
	json_t *value = json_loadb(line, len, 0, NULL);

	assert_non_null(value);
	assert_int_equal(json_array_append_new(arg, value), 0);
	return true;
}

json_t *admin_world_ask(struct admin_world *w, const char *request)
{
	json_t *answer = json_array();
	struct admin_sink sink = {.write = take_line, .arg = answer};
	struct admin_who who = {.uid = 1000, .pid = 1};
	struct admin_call *call = admin_call_begin(
		w->core, request, strlen(request), &who, &sink);

	assert_non_null(call);
	for (int i = 0; i < 10000 && !admin_call_pump(call); i++) {
		w->news = false;
		uring_fake_advance(w->net.fake, URING_MSEC);
		admin_world_settle(w);
	}
	assert_true(admin_call_pump(call));
	admin_call_end(&call);
	return answer;
}

static bool is_of(const json_t *line, const char *type)
{
	return strcmp(admin_world_text(line, "type"), type) == 0;
}

size_t admin_world_count(const json_t *answer, const char *type)
{
	size_t count = 0, i;
	const json_t *line;

	json_array_foreach(answer, i, line) count += is_of(line, type);
	return count;
}

const json_t *admin_world_line(const json_t *answer, const char *type,
			       size_t index)
{
	const json_t *line;
	size_t i;

	json_array_foreach(answer, i, line)
	{
		if (is_of(line, type) && index-- == 0)
			return line;
	}
	fail_msg("no such line in %s",
		 json_dumps(answer, JSON_COMPACT | JSON_ENCODE_ANY));
	return NULL;
}

const char *admin_world_text(const json_t *line, const char *key)
{
	const char *value = json_string_value(json_object_get(line, key));

	return value ? value : "(none)";
}

long long admin_world_number(const json_t *line, const char *key)
{
	assert_true(json_is_integer(json_object_get(line, key)));
	return json_integer_value(json_object_get(line, key));
}
