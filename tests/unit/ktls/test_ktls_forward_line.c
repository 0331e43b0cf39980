/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of two streams (test_ktls_forward.h).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <cmocka.h>

#include "tests/unit/ktls/test_ktls_forward.h"

enum {
	WAY_SERVER_CHACHA = WAY_SERVER_13 + 2,
	WAY_CLIENT_13_USER = 14,
};

const struct line_ways line_ways[] = {
	{&ways[WAY_SERVER_13], &ways[WAY_CLIENT_13]},
	{&ways[WAY_SERVER_12], &ways[WAY_CLIENT_12]},
	{&ways[WAY_SERVER_CHACHA], &ways[WAY_CLIENT_13]},
	{NULL, NULL},
	{&ways[WAY_SERVER_13], NULL},
	{NULL, &ways[WAY_CLIENT_13]},
	{&ways[WAY_SERVER_13_USER], &ways[WAY_CLIENT_13]},
	{&ways[WAY_SERVER_13], &ways[WAY_CLIENT_13_USER]},
};
const size_t line_way_count = sizeof(line_ways) / sizeof(line_ways[0]);

static bool in_kernel(const struct line *l, const struct way *way)
{
	return !way || (way->kernel && way_in_kernel(l->from.shop, way));
}

uint64_t line_seeds(void **state, uint64_t seeds)
{
	const struct shop *shop = *state;
	uint64_t few = seeds / 12;

	if (!shop->real)
		return seeds;
	/* all of the first ways, at least */
	return few < 4 ? 4 : few;
}

bool line_splices(const struct line *l)
{
	const struct uring_caps *caps = uring_caps(l->from.ring);

	return l->config.path != KTLS_PATH_MAPPED && caps->op_splice &&
	       in_kernel(l, l->config.from) && in_kernel(l, l->config.to) &&
	       (!l->config.from || (caps->multishot_recv && caps->buf_ring));
}

static struct world_config end_config(const struct line_config *config,
				      const struct way *way)
{
	struct world_config end = world_seeded(config->seed);

	/* close_notify is a system call there, which the fake has not got */
	if (end.level == URING_LEVEL_5_10)
		end.level = URING_LEVEL_5_19;
	if (config->rekey)
		end.level = URING_LEVEL_BEST;
	end.kernel_tls = true;
	end.rekey = config->rekey;
	end.clear_records = config->clear_records;
	end.reset_percent = config->reset_percent;
	if (way) {
		end.version = way->version;
		end.suite = way->suite;
	}
	return end;
}

static void secure(struct world *w, const struct way *way)
{
	if (way)
		world_secure(w, way->role,
			     way->kernel ? KTLS_OFFLOAD_AUTO
					 : KTLS_OFFLOAD_NEVER);
	if (way)
		world_while(w, !w->peer.done);
	/* a client receives in the kernel from its first reply on */
	if (way && way->role == KTLS_CLIENT)
		way_receive_one(w);
	w->side.hold = true;
}

void line_open(struct line *l, struct shop *shop,
	       const struct line_config *config)
{
	struct world_config from = end_config(config, config->from);
	struct world_config to = end_config(config, config->to);
	struct ktls_paths_config paths = {.policy = ktls_policy_measured};

	*l = (struct line){.config = *config};
	paths.policy.path = config->path;
	world_open(&l->from, shop, &from);
	if (!config->rekey && !shop->real)
		l->from.caps.rekey_tx = l->from.caps.rekey_rx = false;
	assert_int_equal(ktls_paths_create(&paths, &l->paths), 0);
	l->from.env.paths = l->paths;
	world_open_beside(&l->to, &l->from, &to);
	world_start(&l->from);
	world_start(&l->to);
	secure(&l->from, config->from);
	secure(&l->to, config->to);
	if (config->spare)
		assert_int_equal(ktls_stream_spare(&l->from.side.stream, true),
				 0);
}

/* The next forward would send what was left in them. */
static void assert_kept_pipes_are_empty(struct line *l)
{
	struct ktls_pipe *pipe, *all = NULL;
	struct ktls_paths_stats stats;

	ktls_paths_stats(l->paths, &stats);
	assert_int_equal(stats.pipes_out, 0);
	for (unsigned i = 0; i < stats.pipes; i++) {
		int bytes = 0;

		pipe = ktls_paths_pipe_get(l->paths);
		assert_non_null(pipe);
		assert_int_equal(ioctl(pipe->read_fd, FIONREAD, &bytes), 0);
		assert_int_equal(bytes, 0);
		pipe->next = all;
		all = pipe;
	}
	while ((pipe = all)) {
		all = pipe->next;
		ktls_paths_pipe_put(l->paths, pipe, true);
	}
}

void line_close(struct line *l)
{
	world_close(&l->to);
	world_close(&l->from);
	assert_false(ktls_forward_running(&l->forward));
	assert_kept_pipes_are_empty(l);
	ktls_paths_destroy(&l->paths);
	free(l->body);
}

void line_turn(struct line *l)
{
	world_turn(&l->from);
}

void line_client_sends(struct line *l, const size_t *sizes, size_t count)
{
	size_t len = 0, at = 0;

	for (size_t i = 0; i < count; i++)
		len += sizes[i] + sizeof(LINE_COMMAND) - 1;
	l->body = world_bytes(&l->from, len);
	l->body_len = len;
	for (size_t i = 0; i < count; i++) {
		at += sizes[i];
		memcpy(l->body + at, LINE_COMMAND, sizeof(LINE_COMMAND) - 1);
		at += sizeof(LINE_COMMAND) - 1;
	}
	peer_send(&l->from.peer, l->body, len);
}

static void on_end(void *owner, enum ktls_forward_end end)
{
	struct line *l = owner;

	assert_false(ktls_forward_running(&l->forward));
	l->ended++;
	l->end = end;
}

void line_start(struct line *l, uint64_t len)
{
	l->ended = 0;
	assert_int_equal(ktls_forward_start(&l->forward, &l->from.side.stream,
					    &l->to.side.stream, len, on_end, l),
			 0);
}

enum ktls_forward_end line_forward(struct line *l, uint64_t len)
{
	line_start(l, len);
	world_while(&l->from, !l->ended);
	assert_int_equal(l->ended, 1);
	assert_true(l->forward.taken <= len &&
		    l->forward.spliced <= l->forward.taken);
	if (l->end == KTLS_FORWARD_DONE)
		assert_int_equal(l->forward.taken, len);
	return l->end;
}

/* At most @len of what is unread; 0: nothing is there. */
static size_t take(struct line *l, unsigned char *to, size_t len)
{
	const unsigned char *data;
	size_t n = ktls_stream_peek(&l->from.side.stream, &data);

	if (n > len)
		n = len;
	if (to && n > 0)
		memcpy(to, data, n);
	ktls_stream_consume(&l->from.side.stream, n);
	return n;
}

void line_skip(struct line *l, uint64_t len)
{
	while (len > 0) {
		world_while(&l->from, (len -= take(l, NULL, len)) > 0);
	}
}

void line_expect_command(struct line *l)
{
	unsigned char command[sizeof(LINE_COMMAND)] = "";
	size_t at = 0, want = sizeof(LINE_COMMAND) - 1;

	world_while(&l->from, (at += take(l, command + at, want - at)) < want);
	assert_string_equal((char *)command, LINE_COMMAND);
}

void line_expect_arrived(struct line *l, size_t at, size_t len)
{
	struct peer *peer = &l->to.peer;

	world_while(&l->from, peer->in_len < len);
	assert_int_equal(peer->in_len, len);
	assert_memory_equal(peer->in, l->body + at, len);
	peer->in_len = 0;
}
