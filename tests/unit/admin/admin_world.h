/* SPDX-License-Identifier: Apache-2.0 */
/* A queue on a real spool in a kernel in memory, whose next hops are dead, and
 * an agent that is asked about it as by the control thread. */
#ifndef TESTS_UNIT_ADMIN_ADMIN_WORLD_H
#define TESTS_UNIT_ADMIN_ADMIN_WORLD_H

#include "gateway/admin/admin_agent.h"
#include "gateway/admin/admin_core.h"
#include "gateway/queue/queue.h"
#include "gateway/queue/queue_look.h"
#include "tests/support/sim_net.h"

#define WORLD_HOPS 2

struct admin_world {
	char dir[64];
	struct sim_net net;
	struct config *config;
	struct next_hop hops[WORLD_HOPS];
	struct spool *spool;
	struct queue *queue;
	struct admin_agent *agent;
	struct admin_core *core;
	size_t commits;
	uint64_t last_id;
	bool news, poked;
};

/* one.test and *.one.test go to 127.0.0.1:2530, all else to :2531. */
struct admin_world *admin_world_open(void);
void admin_world_close(struct admin_world *w);
/* Destroy queue and spool, and open them again. */
void admin_world_restart(struct admin_world *w);

/* Queue a message; its id. */
uint64_t admin_world_send(struct admin_world *w, const char *sender,
			  const char *const *rcpts, size_t count);
uint64_t admin_world_send_one(struct admin_world *w, const char *sender,
			      const char *rcpt);
void admin_world_settle(struct admin_world *w);
void admin_world_later(struct admin_world *w, uint64_t seconds);

/* Ask and wait; the answer's lines as a JSON array, to be decref'd. */
json_t *admin_world_ask(struct admin_world *w, const char *request);
/* How many lines of @type the answer has, and one of them. */
size_t admin_world_count(const json_t *answer, const char *type);
const json_t *admin_world_line(const json_t *answer, const char *type,
			       size_t index);
const char *admin_world_text(const json_t *line, const char *key);
long long admin_world_number(const json_t *line, const char *key);

#endif
