/* SPDX-License-Identifier: Apache-2.0 */
/* Queues of several workers against one next hop. */
#include "tests/unit/queue/queue_world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/test_tree.h"

static const char head[] =
	"hostname: relay.example.test\nspool: {path: /unused}\n"
	"listen:\n  - {address: \"127.0.0.77:25\"}\n"
	"retry: {schedule: [10s, 30s], expire: 100000s}\n"
	"timeouts: {idle: 10s}\n"
	"routes:\n  - {match: \"*\", next_hop: \"127.0.0.1:2560\", tls: none, "
	"connections: 20}\n";

/* --- the next hop --- */

static unsigned connections_now(const struct sim_server *s)
{
	unsigned n = 0;

	for (int i = 0; i < SIM_SERVER_CONNS; i++)
		n += s->conns[i].used;
	return n;
}

unsigned queue_world_connections(const struct queue_world *w)
{
	return connections_now(&w->server);
}

uint64_t queue_world_now(const struct queue_world *w)
{
	return uring_now(w->net.ring);
}

static const char *script(void *arg, const char *line)
{
	struct queue_world *w = arg;

	if (!line[0])
		w->opened[w->server.connections - 1] = queue_world_now(w);
	return w->script ? w->script(w, line) : NULL;
}

static void received(void *arg, const struct sim_mail *mail)
{
	struct queue_world *w = arg;
	struct world_mail *m = &w->mails[w->received++];

	assert(w->received < WORLD_MAILS);
	assert(sscanf(mail->from, "MAIL FROM:<w%u@", &m->from) == 1);
	m->rcpt_count = mail->rcpt_count;
	m->at = queue_world_now(w);
	snprintf(m->rcpt, sizeof(m->rcpt), "%.63s", mail->rcpts[0]);
}

/* --- the workers --- */

static void wake(void *arg)
{
	((struct world_worker *)arg)->woken = true;
}

static int bind_source(void *arg, int fd, const struct sockaddr *address,
		       socklen_t length)
{
	struct queue_world *w = (struct queue_world *)arg;

	memcpy(&w->bound, address, length);
	return 0;
}

static void open_worker(struct queue_world *w, unsigned i)
{
	struct world_worker *me = &w->workers[i];
	struct queue_config queue = {
		.config = w->config,
		.env = &w->net.env,
		.hops = &w->hop,
		.throttles = w->throttles,
		.worker = i,
		.wake = wake,
		.wake_arg = me,
		.socket = sim_net_socket,
		.socket_arg = &w->net, /* first in the world: bind's too */
		.bind = bind_source,
		.wall_clock = sim_net_wall_clock,
	};
	struct spool_config spool = {
		.path = me->dir, .segment_size = 1024 * 1024, .sync = false};
	struct spool_report report;
	char error[256] = "";
	int r;

	me->world = w;
	snprintf(me->dir, sizeof(me->dir), "/tmp/ringpost-world-XXXXXX");
	assert(mkdtemp(me->dir));
	r = queue_create(&queue, &me->queue);
	assert(r == 0);
	r = spool_open(&spool, w->net.ring, NULL, NULL, &report, error,
		       &me->spool);
	assert(r == 0);
}

struct queue_world *queue_world_start_with(unsigned workers,
					   const char *destinations,
					   const struct queue_world_luck *luck)
{
	struct queue_world *w = calloc(1, sizeof(*w));
	struct uring_fake_config fake = {
		.seed = luck->seed,
		.short_percent = luck->short_percent,
		.delay_percent = luck->delay_percent,
	};
	char text[4096];
	int r;

	assert(w && workers <= WORLD_WORKERS);
	snprintf(text, sizeof(text), "%sworkers: %u\ndestinations:\n%s", head,
		 workers, destinations);
	r = config_parse(text, strlen(text), "test.yaml", stderr, &w->config);
	assert(r == 0);
	sim_net_open(&w->net, &fake, 64);
	sim_net_hop(&w->hop, &w->config->routes[0]);
	r = throttles_create(workers, &w->throttles);
	assert(r == 0);
	w->worker_count = workers;
	for (unsigned i = 0; i < workers; i++)
		open_worker(w, i);
	struct sim_server_config server = {
		.ring = w->net.ring,
		.fake = w->net.fake,
		.port = WORLD_PORT,
		.seed = luck->seed,
		.refuse_percent = luck->refuse_percent,
		.drop_percent = luck->drop_percent,
		.script = script,
		.received = received,
		.arg = w,
	};
	sim_server_open(&w->server, &server);
	return w;
}

struct queue_world *queue_world_start(unsigned workers,
				      const char *destinations)
{
	const struct queue_world_luck luck = {.seed = 5};

	return queue_world_start_with(workers, destinations, &luck);
}

/* --- time --- */

bool queue_world_turn(struct queue_world *w)
{
	bool moved = uring_turn(w->net.ring, 0) > 0;
	unsigned now;

	for (unsigned i = 0; i < w->worker_count; i++) {
		if (!w->workers[i].woken)
			continue;
		w->workers[i].woken = false;
		queue_attend(w->workers[i].queue);
		moved = true;
	}
	moved |= sim_server_pump(&w->server);
	now = connections_now(&w->server);
	if (now > w->most_connections)
		w->most_connections = now;
	if (w->check)
		w->check(w);
	return moved;
}

void queue_world_settle(struct queue_world *w)
{
	for (int still = 0, i = 0; still < 8 && i < 1000000; i++)
		still = queue_world_turn(w) ? 0 : still + 1;
}

void queue_world_later(struct queue_world *w, uint64_t ns)
{
	uring_fake_advance(w->net.fake, ns);
	queue_world_settle(w);
}

static bool busy(const struct queue_world *w)
{
	for (unsigned i = 0; i < w->worker_count; i++)
		if (queue_sessions(w->workers[i].queue) > 0 ||
		    spool_inflight(w->workers[i].spool) > 0)
			return true;
	return false;
}

void queue_world_finish(struct queue_world *w)
{
	for (unsigned i = 0; i < w->worker_count; i++)
		queue_abort(w->workers[i].queue);
	for (int i = 0; i < 100 && busy(w); i++)
		queue_world_later(w, URING_SEC);
	assert(!busy(w));
	w->check = NULL;
	for (unsigned i = 0; i < w->worker_count; i++) {
		queue_destroy(&w->workers[i].queue);
		spool_close(&w->workers[i].spool);
		test_tree_remove(w->workers[i].dir);
	}
	sim_server_close(&w->server);
	queue_world_settle(w);
	throttles_destroy(&w->throttles);
	next_hop_deinit(&w->hop);
	sim_net_close(&w->net);
	config_unref(&w->config);
	free(w);
}

/* --- mail --- */

static void committed(void *owner, enum spool_status status,
		      struct spool_message *message)
{
	struct world_worker *me = owner;

	assert(status == SPOOL_OK);
	me->world->commits++;
	queue_add(me->queue, me->spool, message);
}

void queue_world_send(struct queue_world *w, unsigned worker,
		      const char *const *rcpts, size_t count)
{
	static const char body[] = "Subject: x\r\n\r\nhello\r\n";
	struct world_worker *me = &w->workers[worker];
	char from[32];
	struct spool_envelope envelope = {
		.reverse_path = from,
		.recipients = rcpts,
		.recipient_count = count,
		.client = "test",
		.arrival = sim_net_wall_clock(),
	};
	struct spool_writer *writer;
	unsigned char *room;
	enum spool_status status = spool_begin(me->spool, &writer);

	snprintf(from, sizeof(from), "w%u@example.test", worker);
	assert(status == SPOOL_OK);
	status = spool_reserve(writer, &room) >= sizeof(body) - 1;
	assert(status);
	memcpy(room, body, sizeof(body) - 1);
	spool_advance(writer, sizeof(body) - 1);
	spool_commit(writer, &envelope, "Received: x\r\n", 13, committed, me);
}

void queue_world_send_many(struct queue_world *w, unsigned worker,
			   unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char rcpt[64];
		const char *rcpts[] = {rcpt};

		snprintf(rcpt, sizeof(rcpt), "m%u@example.test", i);
		queue_world_send(w, worker, rcpts, 1);
	}
}

/* --- what came of it --- */

unsigned queue_world_received_from(const struct queue_world *w, unsigned worker)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->received; i++)
		n += w->mails[i].from == worker;
	return n;
}

unsigned queue_world_busiest(const struct queue_world *w, uint64_t ns)
{
	unsigned most = 0, first = 0;

	for (unsigned i = 0; i < w->received; i++) {
		while (w->mails[i].at - w->mails[first].at >= ns)
			first++;
		if (i - first + 1 > most)
			most = i - first + 1;
	}
	return most;
}

struct queue_stats queue_world_stats(const struct queue_world *w)
{
	struct queue_stats all = {0}, one;

	for (unsigned i = 0; i < w->worker_count; i++) {
		queue_stats(w->workers[i].queue, &one);
		all.added += one.added;
		all.delivered += one.delivered;
		all.deferred += one.deferred;
		all.failed += one.failed;
		all.ready += one.ready;
		all.waiting += one.waiting;
	}
	return all;
}
