/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state COMMAND: bytes become lines, lines become commands. All complete
 * lines that are there are run, their replies go out in one write (RFC 2920),
 * as long as the client reads its replies.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/inbound/inbound_session.h"

enum line {
	LINE_NONE, /* no line end is there yet */
	LINE_WHOLE,
	LINE_LONG, /* dropped, up to its end */
	LINE_BARE, /* has an LF without CR; dropped, up to its end */
	LINE_NO_MEMORY,
};

static size_t line_limit(const struct inbound_session *s)
{
	return s->pool->config.config->limits.line_length;
}

static bool begin_line(struct inbound_session *s)
{
	if (s->line)
		return true;
	s->line = malloc(sizeof(*s->line) + line_limit(s));
	if (!s->line)
		return false;
	*s->line = (struct inbound_line){0};
	return true;
}

/* Keep the piece of a line whose end has not come. */
static bool keep(struct inbound_session *s, const unsigned char *data,
		 size_t len)
{
	size_t limit = line_limit(s);

	if (!begin_line(s))
		return false;
	if (len <= limit && s->line->len <= limit - len)
		memcpy(s->line->bytes + s->line->len, data, len);
	/* Beyond the limit only that it is too long matters. */
	s->line->len += len;
	s->line->cr = data[len - 1] == '\r';
	return true;
}

static void forget_line(struct inbound_session *s)
{
	free(s->line);
	s->line = NULL;
}

/* A line's last piece, with its LF: put it together. */
static enum line complete(struct inbound_session *s, const unsigned char *data,
			  size_t len, size_t *line_len)
{
	size_t kept = s->line ? s->line->len : 0, limit = line_limit(s);
	char *line = s->pool->line;

	if (kept > limit || len > limit - kept) {
		forget_line(s);
		return LINE_LONG;
	}
	if (s->line)
		memcpy(line, s->line->bytes, kept);
	memcpy(line + kept, data, len);
	forget_line(s);
	len += kept - 1;
	if (len > 0 && line[len - 1] == '\r')
		len--;
	line[len] = '\0';
	*line_len = len;
	return LINE_WHOLE;
}

/* Does this LF, @at of @data, end a command line? Only CRLF does (RFC 5321
 * section 2.3.8), so that nobody takes for a command what another one took for
 * a part of one; unless it was configured that any LF does. */
static bool ends_line(const struct inbound_session *s,
		      const unsigned char *data, size_t at)
{
	if (s->pool->config.config->bare_line_ends == CONFIG_NORMALISE)
		return true;
	return at > 0 ? data[at - 1] == '\r' : s->line && s->line->cr;
}

/* A bare LF is answered when it is seen, once for the whole line. */
static enum line refuse_bare(struct inbound_session *s)
{
	if (!begin_line(s))
		return LINE_NO_MEMORY;
	s->line->len = 0;
	s->line->cr = false;
	if (s->line->bare)
		return LINE_NONE;
	s->line->bare = true;
	return LINE_BARE;
}

/* What is there up to and with an LF, or all of it. */
static enum line take_piece(struct inbound_session *s,
			    const unsigned char *data, size_t len,
			    const unsigned char *lf, size_t *line_len)
{
	if (!lf)
		return keep(s, data, len) ? LINE_NONE : LINE_NO_MEMORY;
	if (!ends_line(s, data, len - 1))
		return refuse_bare(s);
	if (!s->line || !s->line->bare)
		return complete(s, data, len, line_len);
	forget_line(s);
	return LINE_NONE;
}

/* The next line into pool->line. */
static enum line next_line(struct inbound_session *s, size_t *line_len)
{
	enum line result = LINE_NONE;
	const unsigned char *data, *lf;
	size_t n;

	while (result == LINE_NONE &&
	       (n = ktls_stream_peek(&s->stream, &data)) > 0) {
		lf = memchr(data, '\n', n);
		if (lf)
			n = (size_t)(lf - data) + 1;
		result = take_piece(s, data, n, lf, line_len);
		ktls_stream_consume(&s->stream, n);
	}
	return result;
}

static enum inbound_state run_line(struct inbound_session *s, enum line line,
				   size_t len)
{
	if (line == LINE_LONG || line == LINE_BARE) {
		inbound_say(s, line == LINE_LONG ? REPLY_LINE_TOO_LONG
						 : REPLY_MALFORMED);
		return INBOUND_COMMAND;
	}
	return inbound_command_run(s, s->pool->line, len);
}

static enum inbound_state give_up(struct inbound_session *s,
				  enum inbound_reply_id reply,
				  enum inbound_end end)
{
	inbound_say(s, reply);
	s->end = end;
	return INBOUND_CLOSING;
}

/* A message that has begun is finished even when we are to stop. */
static bool must_stop(const struct inbound_session *s)
{
	return s->pool->stopping && !(s->tx && s->tx->phase == INBOUND_CHUNKS);
}

/* Keys that have done their share, or new ones that can't be followed. */
static bool needs_keys(const struct inbound_session *s)
{
	return !s->tx && (s->rekeyed || ktls_stream_worn(&s->stream));
}

/* After a command: may the session go on? */
static enum inbound_state judge(struct inbound_session *s,
				enum inbound_state next)
{
	const struct config *config = s->pool->config.config;

	if (next != INBOUND_COMMAND)
		return next;
	if (s->errors >= config->limits.errors)
		return give_up(s, REPLY_TOO_MANY_ERRORS, INBOUND_END_ERRORS);
	if (must_stop(s))
		return give_up(s, REPLY_SHUTDOWN, INBOUND_END_SHUTDOWN);
	if (needs_keys(s))
		return give_up(s, REPLY_NEW_KEYS, INBOUND_END_NEW_KEYS);
	inbound_timer_arm(s, config->timeouts.command);
	return INBOUND_COMMAND;
}

enum inbound_state inbound_command_on_input(struct inbound_session *s)
{
	enum inbound_state next = INBOUND_COMMAND;

	while (next == INBOUND_COMMAND && inbound_may_say(s)) {
		size_t len = 0;
		enum line line = next_line(s, &len);

		if (line == LINE_NO_MEMORY)
			return give_up(s, REPLY_NO_MEMORY,
				       INBOUND_END_NO_MEMORY);
		if (line == LINE_NONE)
			return s->ended ? INBOUND_CLOSING : INBOUND_COMMAND;
		next = judge(s, run_line(s, line, len));
	}
	return next;
}

enum inbound_state inbound_command_enter(struct inbound_session *s)
{
	/* Errors of a message count, too; the end may have been asked for. */
	enum inbound_state next = judge(s, INBOUND_COMMAND);

	return next == INBOUND_COMMAND ? inbound_command_on_input(s) : next;
}

enum inbound_state inbound_command_on_timeout(struct inbound_session *s)
{
	return give_up(s, REPLY_TIMEOUT, INBOUND_END_TIMEOUT);
}

enum inbound_state inbound_command_on_shutdown(struct inbound_session *s)
{
	if (!must_stop(s))
		return INBOUND_COMMAND;
	return give_up(s, REPLY_SHUTDOWN, INBOUND_END_SHUTDOWN);
}
