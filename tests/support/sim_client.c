/* SPDX-License-Identifier: Apache-2.0 */
/* A client in memory. */
#include "tests/support/sim_client.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sim_client_open(struct sim_client *c,
		     const struct sim_client_config *config)
{
	*c = (struct sim_client){.config = *config,
				 .random = {config->seed ^ 0xc11e}};
	sim_peer_open(&c->peer, config->fake, config->fd);
	c->state = SIM_GREETING;
}

static void end(struct sim_client *c, bool hard)
{
	if (hard)
		sim_peer_reset(&c->peer);
	else
		sim_peer_close(&c->peer);
	sim_bytes_free(&c->wait);
	c->state = SIM_DONE;
}

static void put(struct sim_client *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void put(struct sim_client *c, const char *format, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	sim_bytes_text(&c->wait, line);
}

/* --- a message --- */

static void put_stuffed(struct sim_client *c)
{
	const char *at = c->message->body, *stop = at + c->message->len;

	while (at < stop) {
		const char *lf = memchr(at, '\n', (size_t)(stop - at));
		const char *line_end = lf ? lf + 1 : stop;

		if (*at == '.')
			sim_bytes_text(&c->wait, ".");
		sim_bytes_put(&c->wait, at, (size_t)(line_end - at));
		at = line_end;
	}
	sim_bytes_text(&c->wait, ".\r\n");
}

static void put_chunks(struct sim_client *c)
{
	size_t at = 0;

	c->chunks_left = 0;
	while (at < c->message->len) {
		size_t left = c->message->len - at;
		size_t n = 1 + sim_random_below(&c->random, left);

		put(c, "BDAT %zu%s\r\n", n,
		    n == left && c->random.state % 2 ? " LAST" : "");
		sim_bytes_put(&c->wait, c->message->body + at, n);
		c->chunks_left++;
		at += n;
		if (at == c->message->len && !(c->random.state % 2)) {
			put(c, "BDAT 0 LAST\r\n");
			c->chunks_left++;
		}
	}
}

static void put_command(struct sim_client *c)
{
	if (c->sent == 0)
		put(c, "MAIL FROM:<m%u@sender.test>\r\n", c->message->number);
	else
		put(c, "RCPT TO:<%s>%s\r\n", c->message->rcpts[c->sent - 1],
		    c->message->params[c->sent - 1]);
	c->sent++;
}

static enum sim_client_state begin_message(struct sim_client *c)
{
	c->message = c->config.next(c->config.arg);
	if (!c->message) {
		put(c, "QUIT\r\n");
		return SIM_QUIT;
	}
	c->message->offered = true;
	c->pipelining = sim_random_percent(&c->random, 50);
	c->bdat = sim_random_percent(&c->random, 50);
	c->sent = c->got = 0;
	c->refused = false;
	do
		put_command(c);
	while (c->pipelining && c->sent <= c->message->rcpt_count);
	return SIM_ENVELOPE;
}

static enum sim_client_state between(struct sim_client *c)
{
	c->message = NULL;
	if (sim_random_percent(&c->random, c->config.junk_percent)) {
		put(c, "%s\r\n",
		    c->random.state % 2 ? "MAIL FRUM:<>" : "WHAT is this");
		return SIM_JUNK;
	}
	return begin_message(c);
}

static enum sim_client_state on_envelope(struct sim_client *c, int code)
{
	c->refused |= code / 100 != 2;
	c->got++;
	if (c->got <= c->message->rcpt_count) {
		if (c->sent <= c->message->rcpt_count)
			put_command(c);
		return SIM_ENVELOPE;
	}
	if (c->refused) {
		put(c, "RSET\r\n");
		return SIM_JUNK;
	}
	if (c->bdat) {
		put_chunks(c);
		return SIM_FINAL;
	}
	put(c, "DATA\r\n");
	return SIM_GO;
}

static enum sim_client_state on_final(struct sim_client *c, int code)
{
	c->refused |= code / 100 != 2;
	if (c->bdat && --c->chunks_left > 0)
		return SIM_FINAL;
	c->message->told = (unsigned)code;
	if (!c->refused)
		c->message->accepted = true;
	if (c->refused && c->bdat) {
		put(c, "RSET\r\n");
		return SIM_JUNK;
	}
	return between(c);
}

/* --- replies --- */

static enum sim_client_state on_reply(struct sim_client *c, int code)
{
	if (code == 421)
		return SIM_QUIT; /* the relay is about to close */
	switch (c->state) {
	case SIM_GREETING:
		put(c, "EHLO client.example.test\r\n");
		return SIM_EHLO;
	case SIM_EHLO:
		if (!c->config.ctx || c->tls)
			return between(c);
		put(c, "STARTTLS\r\n");
		return SIM_STARTTLS;
	case SIM_STARTTLS:
		if (code != 220)
			return between(c);
		sim_peer_tls(&c->peer, c->config.ctx, "relay");
		return SIM_SHAKING;
	case SIM_JUNK:
		return begin_message(c);
	case SIM_ENVELOPE:
		return on_envelope(c, code);
	case SIM_GO:
		if (code != 354)
			return between(c);
		put_stuffed(c);
		return SIM_FINAL;
	case SIM_FINAL:
		return on_final(c, code);
	case SIM_SHAKING:
	case SIM_QUIT:
	case SIM_DONE:
		break;
	}
	return SIM_QUIT;
}

/* --- moving --- */

/* Let some of what waits out: all, or a crumb. */
static bool let_out(struct sim_client *c)
{
	size_t n = c->wait.len;

	if (n == 0)
		return false;
	if (sim_random_percent(&c->random, 30))
		n = 1 + sim_random_below(&c->random, n);
	sim_bytes_put(&c->peer.out, sim_bytes_at(&c->wait), n);
	sim_bytes_drop(&c->wait, n);
	return true;
}

static bool take_replies(struct sim_client *c)
{
	char line[1024];
	bool moved = false;

	while (c->state != SIM_DONE && c->state != SIM_SHAKING &&
	       sim_bytes_line(&c->peer.in, line, sizeof(line))) {
		moved = true;
		if (strlen(line) > 3 && line[3] == '-')
			continue;
		c->state = on_reply(c, atoi(line));
	}
	return moved;
}

/* New keys, anywhere in what is said. */
static void maybe_rekey(struct sim_client *c)
{
	if (!c->tls || c->config.rekey_chance == 0 || c->peer.failed ||
	    sim_random_below(&c->random, 1000) >= c->config.rekey_chance)
		return;
	sim_peer_key_update(&c->peer, c->random.state % 2);
}

bool sim_client_pump(struct sim_client *c)
{
	bool moved;

	if (c->state == SIM_DONE)
		return false;
	if (sim_random_below(&c->random, 1000) < c->config.vanish_percent) {
		end(c, c->random.state % 2);
		return true;
	}
	moved = let_out(c);
	maybe_rekey(c);
	moved |= sim_peer_pump(&c->peer);
	if (c->state == SIM_SHAKING && !c->peer.shaking && !c->peer.failed) {
		c->tls = true;
		put(c, "EHLO client.example.test\r\n");
		c->state = SIM_EHLO;
		moved = true;
	}
	moved |= take_replies(c);
	if (c->peer.ended || c->peer.failed) {
		end(c, false);
		return true;
	}
	return moved;
}

bool sim_client_done(const struct sim_client *c)
{
	return c->state == SIM_DONE;
}
