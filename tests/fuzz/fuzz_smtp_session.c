/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any octets as what a client says to an inbound session, on a kernel with
 * accidents and before a spool with moods: every reply is one, every message
 * that is accepted was promised and has CRLF line ends only, nothing is left.
 *
 * The first four octets choose accidents, listener, options and cuts.
 */
#include <assert.h>
#include <string.h>

#include "gateway/smtp/smtp_reply.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/inbound/inbound_world.h"

#define HEAD 4

static void check_line_ends(const struct spool_message *message)
{
	const unsigned char *body = message->body;

	for (size_t i = 0; i < message->len; i++) {
		if (body[i] == '\n')
			assert(i > 0 && body[i - 1] == '\r');
		if (body[i] == '\r')
			assert(i + 1 < message->len && body[i + 1] == '\n');
	}
	assert(message->recipient_count > 0);
}

/* All that was answered is SMTP; returns the promises among it. */
static unsigned check_replies(struct client *c)
{
	struct smtp_reply_parser parser;
	unsigned promises = 0;
	size_t used;

	while (c->peer.in.len > 0) {
		smtp_reply_start(&parser, false);
		assert(smtp_reply_feed(&parser, sim_bytes_at(&c->peer.in),
				       c->peer.in.len,
				       &used) == SMTP_REPLY_DONE);
		sim_bytes_drop(&c->peer.in, used);
		promises += strncmp(parser.reply.text, "2.0.0 Ok: queued as",
				    19) == 0;
	}
	return promises;
}

static struct world *make_world(const uint8_t head[HEAD])
{
	static const unsigned buffers[] = {0, 64, 1000, 5000};
	struct uring_fake_config fake = {
		.seed = head[0] + 1u,
		.level = (enum uring_level)(head[0] % 4),
		.short_percent = head[0] % 3 * 30u,
		.delay_percent = head[0] % 5 * 15u,
		.socket_buffer = buffers[head[0] / 4 % 4],
	};
	struct world *w = world_start(&fake);

	w->config->bare_line_ends =
		head[1] & 4 ? CONFIG_NORMALISE : CONFIG_REFUSE;
	w->config->limits.message_size = head[1] & 8 ? 64 : 65536;
	w->config->limits.text_line_length = head[1] & 16 ? 20 : 1000;
	w->config->limits.messages_per_connection = head[1] & 32 ? 1 : 0;
	w->config->limits.received = 1;
	w->spool.room = head[2] % 16 ? head[2] % 16u : 0;
	w->spool.capacity = head[2] & 64;
	w->spool.commit_status = head[2] & 128 ? SPOOL_FAILED : SPOOL_OK;
	return w;
}

static void end_client(struct client *c, unsigned how)
{
	struct world *w = c->world;

	if (how & 1)
		inbound_shutdown(w->inbound);
	if (how & 2) {
		client_reset(c);
		return;
	}
	client_half_close(c);
	world_settle(w);
	/* Whatever came, the end of input is the end of the session. */
	assert(c->peer.ended);
	assert(check_replies(c) == w->spool.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	struct client *c;
	struct world *w;
	size_t piece;

	if (size < HEAD)
		return 0;
	if (!ready)
		ready = world_set_up_group(NULL) == 0;
	assert(ready);
	w = make_world(data);
	c = client_open(w, data[1] & 1 ? CONFIG_LISTEN_REQUIRED
				       : CONFIG_LISTEN_NONE);
	piece = data[3] & 15 ? data[3] & 15 : size;
	for (size_t at = HEAD; at < size; at += piece)
		client_write(c, data + at,
			     size - at < piece ? size - at : piece);
	end_client(c, data[3] >> 6);
	assert(w->accepted == w->spool.count);
	for (unsigned i = 0; i < w->spool.count; i++)
		check_line_ends(w->spool.messages[i]);
	world_end(w);
	return 0;
}
