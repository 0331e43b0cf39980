/* SPDX-License-Identifier: Apache-2.0 */
/* A next hop in memory. */
#include "tests/support/sim_server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void accept_next(struct sim_server *s);

static void on_accept(void *owner, const struct uring_event *event)
{
	struct sim_server *s = owner;

	if (!event->more)
		s->accept = NULL;
	if (event->res >= 0) {
		struct sim_server_conn *c = s->conns;

		while (c->used && c < s->conns + SIM_SERVER_CONNS - 1)
			c++;
		assert(!c->used);
		*c = (struct sim_server_conn){.used = true};
		sim_peer_open(&c->peer, s->config.fake, event->res);
		c->start_tls = false;
		s->connections++;
		/* The greeting is due: an empty line of its own kind. */
		const char *said = s->config.script
					   ? s->config.script(s->config.arg, "")
					   : NULL;
		sim_bytes_text(&c->peer.out, said ? said : "220 sim ESMTP\r\n");
	}
	if (!s->accept && !s->closing)
		accept_next(s);
}

static void accept_next(struct sim_server *s)
{
	struct uring_target target = {on_accept, s};

	s->accept = uring_accept(s->config.ring, target, s->listener);
	assert(s->accept);
}

void sim_server_open(struct sim_server *s,
		     const struct sim_server_config *config)
{
	*s = (struct sim_server){.config = *config,
				 .random = {config->seed ^ 0x5e12}};
	s->listener = uring_fake_listen(config->fake, config->port);
	assert(s->listener >= 0);
	accept_next(s);
}

static void reset(struct sim_server_conn *c)
{
	c->mail = c->bad_chunk = c->last = false;
	c->rcpt_count = 0;
	sim_bytes_drop(&c->body, c->body.len);
}

static void gone(struct sim_server_conn *c, bool hard)
{
	if (hard)
		sim_peer_reset(&c->peer);
	else
		sim_peer_close(&c->peer);
	sim_bytes_free(&c->body);
	c->used = false;
}

static void say(struct sim_server_conn *c, const char *text)
{
	sim_bytes_text(&c->peer.out, text);
	c->hang_up |= strncmp(text, "421", 3) == 0;
}

/* New keys, under TLS 1.3. */
static const char *rekey(struct sim_server_conn *c, bool ask)
{
	if (c->peer.engine && !c->peer.shaking && !c->peer.failed) {
		sim_peer_key_update(&c->peer, ask);
		c->rekeyed = true;
	}
	return NULL;
}

/* What chance or the script says instead of the usual reply; NULL: nothing,
 * "!": drop the connection. */
static const char *other(struct sim_server *s, struct sim_server_conn *c,
			 const char *line)
{
	const struct sim_server_config *f = &s->config;
	const char *said = f->script ? f->script(f->arg, line) : NULL;

	if (said && said[0] == '^')
		return rekey(c, said[1] == '?');
	if (said)
		return said;
	if (f->rekey_percent &&
	    sim_random_percent(&s->random, f->rekey_percent))
		return rekey(c, sim_random_percent(&s->random, 50));
	if (sim_random_percent(&s->random, f->drop_percent))
		return "!";
	if (sim_random_percent(&s->random, f->refuse_percent))
		return sim_random_percent(&s->random, 10)
			       ? "421 4.3.2 not now\r\n"
			       : "450 4.2.0 later\r\n";
	if (sim_random_percent(&s->random, f->fail_percent))
		return "550-5.1.1 no\r\n550 5.1.1 never\r\n";
	return NULL;
}

/* True: something else than the usual reply was said (or done). */
static bool otherwise(struct sim_server *s, struct sim_server_conn *c,
		      const char *line)
{
	const char *said = other(s, c, line);

	if (!said)
		return false;
	if (said[0] == '!')
		gone(c, true);
	else
		say(c, said);
	return true;
}

static void ehlo(struct sim_server *s, struct sim_server_conn *c)
{
	reset(c);
	if (s->config.helo_only) {
		say(c, "502 5.5.1 what\r\n");
		return;
	}
	say(c, "250-sim.example.test hello\r\n");
	if (!s->config.no_pipelining)
		say(c, "250-PIPELINING\r\n");
	if (!s->config.no_chunking)
		say(c, "250-CHUNKING\r\n");
	if (s->config.dsn)
		say(c, "250-DSN\r\n");
	if (s->config.ctx && !c->tls)
		say(c, "250-STARTTLS\r\n");
	say(c, "250-SIZE 10000000\r\n250 8BITMIME\r\n");
}

/* The message is here. A connection that breaks now may leave it stored or
 * not: the relay can't know. */
static void message_done(struct sim_server *s, struct sim_server_conn *c)
{
	const char *said = other(s, c, ".");
	struct sim_mail mail = {
		.from = c->from,
		.rcpts = c->rcpts,
		.params = c->params,
		.rcpt_count = c->rcpt_count,
		.body = c->body.len ? sim_bytes_at(&c->body) : NULL,
		.len = c->body.len,
		.answered = !said,
		.code = said ? (unsigned)atoi(said) : 250,
		.rekeyed = c->rekeyed,
		.tls = c->tls,
	};
	bool dropped = said && said[0] == '!';

	if (!said || (dropped && sim_random_percent(&s->random, 50))) {
		s->messages++;
		if (s->config.received)
			s->config.received(s->config.arg, &mail);
	}
	if (s->config.finished)
		s->config.finished(s->config.arg, &mail);
	if (dropped) {
		gone(c, true);
		return;
	}
	say(c, said ? said : "250 2.0.0 Ok\r\n");
	reset(c);
}

static void add_rcpt(struct sim_server_conn *c, const char *line)
{
	const char *from = strchr(line, '<');
	const char *to = from ? strchr(from, '>') : NULL;

	assert(from && to && c->rcpt_count < SIM_SERVER_RCPTS);
	snprintf(c->params[c->rcpt_count], sizeof(c->params[0]), "%s", to + 1);
	snprintf(c->rcpts[c->rcpt_count++], sizeof(c->rcpts[0]), "%.*s",
		 (int)(to - from - 1), from + 1);
}

static void bdat(struct sim_server *s, struct sim_server_conn *c,
		 const char *line)
{
	char *end;

	c->chunk_left = strtoull(line + 5, &end, 10);
	c->last = strcasecmp(end, " LAST") == 0;
	c->bad_chunk = !c->mail || c->rcpt_count == 0;
	c->state = SIM_BDAT;
}

static void command(struct sim_server *s, struct sim_server_conn *c,
		    const char *line)
{
	if (strncasecmp(line, "EHLO ", 5) == 0) {
		if (!otherwise(s, c, line))
			ehlo(s, c);
	} else if (strncasecmp(line, "HELO ", 5) == 0) {
		reset(c);
		say(c, "250 sim\r\n");
	} else if (strcasecmp(line, "STARTTLS") == 0) {
		if (otherwise(s, c, line))
			return;
		say(c, "220 go\r\n");
		c->start_tls = true;
	} else if (strncasecmp(line, "MAIL ", 5) == 0) {
		if (otherwise(s, c, line))
			return;
		reset(c);
		snprintf(c->from, sizeof(c->from), "%.200s", line);
		c->mail = true;
		say(c, "250 2.1.0 Ok\r\n");
	} else if (strncasecmp(line, "RCPT ", 5) == 0) {
		if (!c->mail)
			say(c, "503 5.5.1 MAIL first\r\n");
		else if (!otherwise(s, c, line)) {
			add_rcpt(c, line);
			say(c, "250 2.1.5 Ok\r\n");
		}
	} else if (strcasecmp(line, "DATA") == 0) {
		if (!c->mail || c->rcpt_count == 0)
			say(c, "554 5.5.1 no valid recipients\r\n");
		else if (!otherwise(s, c, line)) {
			say(c, "354 go\r\n");
			c->state = SIM_DATA;
		}
	} else if (strncasecmp(line, "BDAT ", 5) == 0) {
		bdat(s, c, line);
	} else if (strcasecmp(line, "RSET") == 0) {
		reset(c);
		say(c, "250 2.0.0 Ok\r\n");
	} else if (strcasecmp(line, "QUIT") == 0) {
		say(c, "221 2.0.0 bye\r\n");
		(void)sim_peer_pump(&c->peer);
		gone(c, false);
	} else {
		say(c, "500 5.5.2 what\r\n");
	}
}

static bool take_chunk(struct sim_server *s, struct sim_server_conn *c)
{
	size_t n = c->peer.in.len < c->chunk_left ? c->peer.in.len
						  : (size_t)c->chunk_left;

	if (n > 0 && !c->bad_chunk)
		sim_bytes_put(&c->body, sim_bytes_at(&c->peer.in), n);
	sim_bytes_drop(&c->peer.in, n);
	c->chunk_left -= n;
	if (c->chunk_left > 0)
		return false;
	c->state = SIM_COMMAND;
	if (c->bad_chunk)
		say(c, "503 5.5.1 no transaction\r\n");
	else if (c->last)
		message_done(s, c);
	else
		say(c, "250 2.0.0 chunk\r\n");
	return true;
}

static bool take_line(struct sim_server *s, struct sim_server_conn *c)
{
	char line[4096];

	if (!sim_bytes_line(&c->peer.in, line, sizeof(line)))
		return false;
	if (c->state == SIM_COMMAND) {
		command(s, c, line);
	} else if (strcmp(line, ".") == 0) {
		c->state = SIM_COMMAND;
		message_done(s, c);
	} else {
		sim_bytes_text(&c->body, line[0] == '.' ? line + 1 : line);
		sim_bytes_text(&c->body, "\r\n");
	}
	return true;
}

static bool stalls(struct sim_server *s, struct sim_server_conn *c)
{
	if (c->state == SIM_BDAT && s->config.stall_chance &&
	    sim_random_below(&s->random, 1000) < s->config.stall_chance)
		c->stalled = true;
	return c->stalled;
}

static bool pump_conn(struct sim_server *s, struct sim_server_conn *c)
{
	if (stalls(s, c))
		return false;

	bool moved = sim_peer_pump(&c->peer);

	while (c->used && !c->start_tls && !c->hang_up &&
	       (c->state == SIM_BDAT ? take_chunk(s, c) : take_line(s, c)))
		moved = true;
	if (!c->used)
		return true;
	if (c->start_tls && sim_peer_flushed(&c->peer)) {
		c->start_tls = false;
		c->tls = true;
		sim_peer_tls(&c->peer, s->config.ctx, NULL);
		reset(c);
		moved = true;
	}
	moved |= sim_peer_pump(&c->peer);
	if (c->peer.ended || c->peer.failed ||
	    (c->hang_up && sim_peer_flushed(&c->peer))) {
		gone(c, false);
		moved = true;
	}
	return moved;
}

bool sim_server_pump(struct sim_server *s)
{
	bool moved = false;

	for (size_t i = 0; i < SIM_SERVER_CONNS; i++)
		if (s->conns[i].used)
			moved |= pump_conn(s, &s->conns[i]);
	return moved;
}

void sim_server_close(struct sim_server *s)
{
	s->closing = true;
	if (s->accept)
		uring_op_cancel(s->config.ring, s->accept);
	for (size_t i = 0; i < SIM_SERVER_CONNS; i++)
		if (s->conns[i].used)
			gone(&s->conns[i], false);
}

bool sim_server_closed(const struct sim_server *s)
{
	return s->closing && !s->accept;
}
