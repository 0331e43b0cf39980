/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many connections that share few buffers, with receives cancelled at random:
 * every byte must arrive, in order, in every world.
 */
#include <errno.h>
#include <sys/socket.h>

#include "tests/unit/uring/world.h"

enum {
	PAIRS = 16,
	ENDS = 2 * PAIRS,
	BYTES = 20000, /* each way */
	CHUNK = 1500,
	BUFFERS = 8,
	BUFFER_SIZE = 512,
};

struct end {
	struct soak *soak;
	struct end *peer;
	struct uring_bufs_waiter waiter;
	struct uring_op *receive;
	unsigned char chunk[CHUNK];
	unsigned number;
	int fd;
	size_t sent, got;
	bool message; /* receives by recvmsg */
	bool ended;
};

struct soak {
	struct world *world;
	struct uring_bufs *bufs;
	struct end ends[ENDS];
	uint64_t random;
	unsigned cancels, wrong, failed, live;
};

static unsigned below(struct soak *soak, unsigned limit)
{
	soak->random = soak->random * UINT64_C(6364136223846793005) + 1;
	return (unsigned)(soak->random >> 33) % limit;
}

static unsigned char byte_at(const struct end *end, size_t at)
{
	return (unsigned char)(at * 31 + at / 251 + end->number);
}

static void receive(void *owner);
static void send_more(struct end *end);

static void on_received(void *owner, const struct uring_event *event)
{
	struct end *end = owner;
	struct uring_buf buf = event->buf;

	for (size_t i = 0; i < buf.len; i++)
		end->soak->wrong +=
			buf.data[i] != byte_at(end->peer, end->got + i);
	end->got += buf.len;
	uring_buf_return(&buf);
	if (event->more)
		return;
	end->receive = NULL;
	if (event->res == 0) {
		end->ended = true;
		end->soak->live--;
	} else if (event->res == -ENOBUFS) {
		uring_bufs_wait(end->soak->bufs, &end->waiter);
	} else if (event->res > 0 || event->res == -ECANCELED) {
		receive(end);
	} else {
		end->soak->failed++;
	}
}

static void receive(void *owner)
{
	struct end *end = owner;
	struct uring_target target = {on_received, end};
	struct uring *ring = end->soak->world->ring;

	if (end->message)
		end->receive = uring_recvmsg_group(ring, target, end->fd,
						   end->soak->bufs, 24, true);
	else
		end->receive = uring_recv_group(ring, target, end->fd,
						end->soak->bufs, true);
}

static void on_shut(void *owner, const struct uring_event *event)
{
	struct end *end = owner;

	end->soak->failed += event->res != 0;
	end->soak->live--;
}

static void on_sent(void *owner, const struct uring_event *event)
{
	struct end *end = owner;

	if (event->res <= 0) {
		end->soak->failed++;
		return;
	}
	end->sent += (size_t)event->res;
	send_more(end);
}

static void send_more(struct end *end)
{
	struct uring *ring = end->soak->world->ring;
	size_t n = BYTES - end->sent;

	if (n == 0) {
		uring_shutdown(ring, (struct uring_target){on_shut, end},
			       end->fd, SHUT_WR);
		return;
	}
	if (n > CHUNK)
		n = 1 + below(end->soak, CHUNK);
	for (size_t i = 0; i < n; i++)
		end->chunk[i] = byte_at(end, end->sent + i);
	uring_send(ring, (struct uring_target){on_sent, end}, end->fd,
		   end->chunk, n, 0);
}

static void start(struct soak *soak, struct world *world)
{
	int fds[2];

	soak->world = world;
	soak->random = 99;
	assert_int_equal(uring_bufs_create(world->ring, BUFFERS, BUFFER_SIZE,
					   &soak->bufs),
			 0);
	for (unsigned i = 0; i < ENDS; i++) {
		struct end *end = &soak->ends[i];

		if (i % 2 == 0)
			world_tcp_pair(world, fds);
		end->soak = soak;
		end->peer = &soak->ends[i ^ 1];
		end->number = i;
		end->fd = fds[i % 2];
		end->message = i % 4 < 2;
		end->waiter.fn = receive;
		end->waiter.owner = end;
		soak->live += 2; /* its receiving, its sending */
	}
	for (unsigned i = 0; i < ENDS; i++) {
		receive(&soak->ends[i]);
		send_more(&soak->ends[i]);
	}
}

static void every_byte_arrives_whatever_is_cancelled(void **state)
{
	struct world *w = *state;
	struct soak *soak = calloc(1, sizeof(*soak));
	struct end *end;

	start(soak, w);
	while (soak->live > 0 && soak->failed == 0) {
		world_turn(w, UINT64_MAX);
		end = &soak->ends[below(soak, ENDS)];
		if (end->receive && below(soak, 3) == 0) {
			uring_op_cancel(w->ring, end->receive);
			soak->cancels++;
		}
	}
	assert_int_equal(soak->failed, 0);
	assert_int_equal(soak->wrong, 0);
	assert_true(soak->cancels > 0);
	world_settle(w);
	for (unsigned i = 0; i < ENDS; i++) {
		assert_int_equal(soak->ends[i].got, BYTES);
		assert_true(soak->ends[i].ended);
		world_close(w, soak->ends[i].fd);
	}
	assert_int_equal(uring_bufs_out(soak->bufs), 0);
	uring_bufs_destroy(&soak->bufs);
	free(soak);
}

int main(void)
{
	static const struct world_test tests[] = {
		WORLD_TEST(every_byte_arrives_whatever_is_cancelled),
	};

	return run_worlds("uring_soak", tests,
			  sizeof(tests) / sizeof(tests[0]));
}
