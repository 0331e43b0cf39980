/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues of several workers in one thread: each with its own spool, all on one
 * fake ring, sharing throttles, and one next hop in memory that they send to.
 */
#ifndef TESTS_UNIT_QUEUE_QUEUE_WORLD_H
#define TESTS_UNIT_QUEUE_QUEUE_WORLD_H

#include "gateway/queue/queue.h"
#include "gateway/queue/throttle.h"
#include "tests/support/sim_net.h"
#include "tests/support/sim_server.h"

#define WORLD_PORT    2560
#define WORLD_WORKERS 3
#define WORLD_MAILS   4000

struct queue_world {
	struct sim_net net;
	struct config *config;
	struct next_hop hop;
	struct throttles *throttles;
	struct world_worker {
		struct queue_world *world;
		char dir[64];
		struct spool *spool;
		struct queue *queue;
		bool woken;
	} workers[WORLD_WORKERS];
	unsigned worker_count;
	struct sim_server server;
	/* After each turn; may be NULL. */
	void (*check)(struct queue_world *world);
	void *check_arg;
	/* What the next hop saw. */
	unsigned received, most_connections;
	struct world_mail {
		unsigned from; /* number of the worker that sent it */
		size_t rcpt_count;
		uint64_t at; /* fake time */
		char rcpt[64];
	} mails[WORLD_MAILS];
	uint64_t opened[WORLD_MAILS]; /* connections, fake times */
	/* The test's: a reply to a line, as sim_server_config.script. */
	const char *(*script)(struct queue_world *world, const char *line);
	const void *arg;
	struct sockaddr_storage bound; /* the last source address */
	size_t commits;
};

/* What may go wrong, by chance. */
struct queue_world_luck {
	uint64_t seed;
	unsigned short_percent, delay_percent; /* of the fake ring */
	unsigned refuse_percent, drop_percent; /* of the next hop */
};

/* queue_world_start() - @destinations: the list below destinations:, in YAML.
 * The route "*" leads to the next hop; retry after 10 s, then 30 s. */
struct queue_world *queue_world_start(unsigned workers,
				      const char *destinations);
struct queue_world *queue_world_start_with(unsigned workers,
					   const char *destinations,
					   const struct queue_world_luck *luck);
void queue_world_finish(struct queue_world *world);

/* Until nothing moves; and some time later. */
/* queue_world_turn() - false: nothing moved. */
bool queue_world_turn(struct queue_world *world);
void queue_world_settle(struct queue_world *world);
void queue_world_later(struct queue_world *world, uint64_t ns);
uint64_t queue_world_now(const struct queue_world *world);

/* Accept a message for @rcpts at a worker. The sender is "w<worker>@...".
 * Nothing is sent before the next turn. */
void queue_world_send(struct queue_world *world, unsigned worker,
		      const char *const *rcpts, size_t count);
/* @count messages for "m<n>@example.test". */
void queue_world_send_many(struct queue_world *world, unsigned worker,
			   unsigned count);

unsigned queue_world_received_from(const struct queue_world *world,
				   unsigned worker);
/* The most that were received in any window of @ns. */
unsigned queue_world_busiest(const struct queue_world *world, uint64_t ns);
unsigned queue_world_connections(const struct queue_world *world);
struct queue_stats queue_world_stats(const struct queue_world *world);

#endif
