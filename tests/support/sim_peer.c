/* SPDX-License-Identifier: Apache-2.0 */
/* The test's end of a fake connection. */
#include "tests/support/sim_peer.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void sim_peer_open(struct sim_peer *p, struct uring_fake *fake, int fd)
{
	*p = (struct sim_peer){.fake = fake, .fd = fd};
}

/* Engine output to the wire. */
static void take_output(struct sim_peer *p)
{
	size_t len;
	const unsigned char *data = ktls_engine_output(p->engine, &len);

	sim_bytes_put(&p->wire_out, data, len);
	ktls_engine_output_drop(p->engine, len);
}

static void step(struct sim_peer *p, enum ktls_step result)
{
	take_output(p);
	if (result == KTLS_STEP_MORE)
		return;
	p->shaking = false;
	p->failed = result == KTLS_STEP_FAILED;
}

void sim_peer_tls(struct sim_peer *p, struct ktls_ctx *ctx, const char *key)
{
	struct ktls_engine_config config = {.server_name = "sim.example.test",
					    .session_key = key};
	int r;

	sim_bytes_put(&p->wire_out, p->out.len ? sim_bytes_at(&p->out) : NULL,
		      p->out.len);
	sim_bytes_drop(&p->out, p->out.len);
	r = ktls_engine_create(ctx, &config, &p->engine);
	assert(r == 0);
	p->shaking = true;
	step(p, ktls_engine_start(p->engine));
}

/* Feed whole records while the handshake runs. */
static void feed_records(struct sim_peer *p)
{
	while (p->shaking && p->wire_in.len >= KTLS_RECORD_HEADER) {
		const unsigned char *at = sim_bytes_at(&p->wire_in);
		size_t len = KTLS_RECORD_HEADER + (size_t)at[3] * 256 + at[4];

		if (p->wire_in.len < len)
			return;
		step(p, ktls_engine_feed(p->engine, at, len));
		sim_bytes_drop(&p->wire_in, len);
	}
}

static void decrypt(struct sim_peer *p)
{
	unsigned char block[4096];
	ssize_t n = 1;

	feed_records(p);
	if (p->shaking || p->failed)
		return;
	if (p->wire_in.len > 0) {
		(void)ktls_engine_put(p->engine, sim_bytes_at(&p->wire_in),
				      p->wire_in.len);
		sim_bytes_drop(&p->wire_in, p->wire_in.len);
	}
	while ((n = ktls_engine_read(p->engine, block, sizeof(block))) > 0)
		sim_bytes_put(&p->in, block, (size_t)n);
	if (n == 0)
		p->ended = true;
	else if (n != -EAGAIN)
		p->failed = true;
	take_output(p);
}

static bool receive(struct sim_peer *p)
{
	unsigned char block[4096];
	struct sim_bytes *to = p->engine ? &p->wire_in : &p->in;
	bool moved = false;
	ssize_t n;

	while ((n = uring_fake_peer_read(p->fake, p->fd, block,
					 sizeof(block))) > 0) {
		sim_bytes_put(to, block, (size_t)n);
		p->clear_in += p->engine ? 0 : (size_t)n;
		moved = true;
	}
	if (n != -EAGAIN && !p->ended) {
		p->ended = true;
		moved = true;
	}
	return moved;
}

static void encrypt(struct sim_peer *p)
{
	if (!p->engine) {
		if (p->out.len > 0)
			sim_bytes_put(&p->wire_out, sim_bytes_at(&p->out),
				      p->out.len);
		sim_bytes_drop(&p->out, p->out.len);
		return;
	}
	while (!p->shaking && !p->failed && p->out.len > 0) {
		ssize_t n = ktls_engine_write(p->engine, sim_bytes_at(&p->out),
					      p->out.len);

		if (n <= 0)
			break;
		sim_bytes_drop(&p->out, (size_t)n);
		take_output(p);
	}
}

void sim_peer_key_update(struct sim_peer *p, bool ask)
{
	int r;

	encrypt(p);
	r = ktls_engine_key_update(p->engine, ask);
	assert(r == 0);
	take_output(p);
}

static bool transmit(struct sim_peer *p)
{
	bool moved = false;
	ssize_t n;

	while (p->wire_out.len > 0 &&
	       (n = uring_fake_peer_write(p->fake, p->fd,
					  sim_bytes_at(&p->wire_out),
					  p->wire_out.len)) > 0) {
		sim_bytes_drop(&p->wire_out, (size_t)n);
		moved = true;
	}
	return moved;
}

bool sim_peer_pump(struct sim_peer *p)
{
	bool moved;

	if (p->fd < 0)
		return false;
	moved = receive(p);
	if (p->engine)
		decrypt(p);
	encrypt(p);
	moved |= transmit(p);
	return moved;
}

bool sim_peer_flushed(const struct sim_peer *p)
{
	return p->out.len == 0 && p->wire_out.len == 0;
}

static void forget(struct sim_peer *p)
{
	ktls_engine_free(&p->engine);
	sim_bytes_free(&p->in);
	sim_bytes_free(&p->out);
	sim_bytes_free(&p->wire_in);
	sim_bytes_free(&p->wire_out);
	p->fd = -1;
}

void sim_peer_close(struct sim_peer *p)
{
	if (p->fd < 0)
		return;
	if (p->engine && !p->shaking && !p->failed) {
		encrypt(p);
		ktls_engine_shutdown(p->engine);
		take_output(p);
	}
	(void)transmit(p);
	uring_fake_peer_close(p->fake, p->fd);
	forget(p);
}

void sim_peer_reset(struct sim_peer *p)
{
	if (p->fd < 0)
		return;
	uring_fake_peer_reset(p->fake, p->fd);
	uring_fake_peer_close(p->fake, p->fd);
	forget(p);
}
