/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The envelope goes out in pieces whose replies are read before the next, so
 * that neither side's socket fills up; the message with BDAT, as it is.
 */
#include "gateway/inject/inject_client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

/* For a reply, and for room in the socket: longer than a relay's disk may be
 * slow, shorter than anybody waits. */
#define PATIENCE_SECONDS 300

/* Recipients whose commands are out at once. */
#define AT_ONCE 32

static enum inject_status lose(struct inject_result *r, const char *at,
			       const char *why)
{
	r->status = INJECT_LOST;
	r->at = at;
	r->code = 0;
	r->enhanced[0] = '\0';
	snprintf(r->text, sizeof(r->text), "%s", why);
	return r->status;
}

static const char *errno_text(int error)
{
	return error == EAGAIN ? "the relay does not answer" : strerror(error);
}

static bool put(struct inject_client *c, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = send(c->fd, bytes, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

__attribute__((format(printf, 2, 3))) static bool say(struct inject_client *c,
						      const char *format, ...)
{
	char line[2048];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line) - 2, format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(line) - 2) {
		errno = EMSGSIZE;
		return false;
	}
	if (c->verbose)
		fprintf(c->verbose, "> %s\n", line);
	memcpy(line + len, "\r\n", 2);
	return put(c, line, (size_t)len + 2);
}

static bool fill(struct inject_client *c, struct inject_result *r,
		 const char *at)
{
	ssize_t n;

	do {
		n = recv(c->fd, c->in, sizeof(c->in), 0);
	} while (n < 0 && errno == EINTR);
	c->in_at = 0;
	c->in_len = n > 0 ? (size_t)n : 0;
	if (n <= 0)
		lose(r, at,
		     n ? errno_text(errno) : "the relay closed the connection");
	return n > 0;
}

static enum inject_status judge(struct inject_client *c,
				struct inject_result *r, const char *at)
{
	const struct smtp_reply *reply = &c->parser.reply;

	r->code = reply->code;
	r->at = at;
	memcpy(r->enhanced, reply->enhanced, sizeof(r->enhanced));
	memcpy(r->text, reply->text, sizeof(r->text));
	r->status = reply->code < 400	? INJECT_DONE
		    : reply->code < 500 ? INJECT_TEMPORARY
					: INJECT_REFUSED;
	if (c->verbose)
		fprintf(c->verbose, "< %u %s\n", reply->code, reply->text);
	return r->status;
}

static enum inject_status hear(struct inject_client *c, const char *at,
			       bool ehlo, struct inject_result *r)
{
	smtp_reply_start(&c->parser, ehlo);
	for (;;) {
		size_t used = 0;

		if (c->in_at == c->in_len && !fill(c, r, at))
			return r->status;
		switch (smtp_reply_feed(&c->parser, c->in + c->in_at,
					c->in_len - c->in_at, &used)) {
		case SMTP_REPLY_DONE:
			c->in_at += used;
			return judge(c, r, at);
		case SMTP_REPLY_ERROR:
			return lose(r, at, "what answers is no SMTP server");
		case SMTP_REPLY_MORE:
			c->in_at = c->in_len;
			break;
		}
	}
}

/* A command that could not be sent: the relay may have said why. */
static enum inject_status unsent(struct inject_client *c, const char *at,
				 struct inject_result *r)
{
	int error = errno;

	if (hear(c, at, false, r) == INJECT_DONE || r->status == INJECT_LOST)
		return lose(r, at, errno_text(error));
	return r->status;
}

static void be_patient(int fd)
{
	const struct timeval limit = {.tv_sec = PATIENCE_SECONDS};

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

enum inject_status inject_client_start(struct inject_client *c, int fd,
				       FILE *verbose, struct inject_result *r)
{
	memset(r, 0, sizeof(*r));
	c->fd = fd;
	c->verbose = verbose;
	c->in_at = c->in_len = 0;
	be_patient(fd);
	if (hear(c, "greeting", false, r) != INJECT_DONE)
		return r->status;
	snprintf(c->hostname, sizeof(c->hostname), "%.*s",
		 (int)strcspn(r->text, " "), r->text);
	if (!say(c, "EHLO localhost"))
		return unsent(c, "EHLO", r);
	if (hear(c, "EHLO", true, r) != INJECT_DONE)
		return r->status;
	c->size_limit = c->parser.reply.size_limit;
	if (!(c->parser.reply.extensions & SMTP_EXT_CHUNKING))
		return lose(r, "EHLO", "what answers is no ringpost");
	return INJECT_DONE;
}

static bool has_eight_bit(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)bytes[i] >= 0x80)
			return true;
	return false;
}

static bool needs_utf8(const struct inject_mail *mail)
{
	if (has_eight_bit(mail->sender, strlen(mail->sender)))
		return true;
	for (size_t i = 0; i < mail->recipient_count; i++)
		if (has_eight_bit(mail->recipients[i],
				  strlen(mail->recipients[i])))
			return true;
	return false;
}

static bool say_mail(struct inject_client *c, const struct inject_mail *mail)
{
	bool eight = has_eight_bit(mail->bytes, mail->len);

	return say(c, "MAIL FROM:<%s> SIZE=%zu%s%s%s%s%s%s", mail->sender,
		   mail->len, eight ? " BODY=8BITMIME" : "",
		   needs_utf8(mail) ? " SMTPUTF8" : "",
		   mail->ret ? " RET=" : "", mail->ret ? mail->ret : "",
		   mail->envid ? " ENVID=" : "",
		   mail->envid ? mail->envid : "");
}

static enum inject_status send_recipients(struct inject_client *c,
					  const struct inject_mail *mail,
					  struct inject_result *r)
{
	size_t sent = 0, heard = 0;

	while (heard < mail->recipient_count) {
		for (; sent < mail->recipient_count && sent - heard < AT_ONCE;
		     sent++)
			if (!say(c, "RCPT TO:<%s>%s%s", mail->recipients[sent],
				 mail->notify ? " NOTIFY=" : "",
				 mail->notify ? mail->notify : ""))
				return unsent(c, "RCPT", r);
		for (; heard < sent; heard++) {
			if (hear(c, "RCPT", false, r) == INJECT_DONE)
				continue;
			r->recipient = mail->recipients[heard];
			return r->status;
		}
	}
	return INJECT_DONE;
}

static void note_id(struct inject_result *r)
{
	const char *said = strstr(r->text, "queued as ");
	uint64_t id;

	r->id[0] = '\0';
	if (!said)
		return;
	snprintf(r->id, sizeof(r->id), "%.*s", LOG_ID_SIZE - 1, said + 10);
	if (!log_id_parse(r->id, &id))
		r->id[0] = '\0';
}

static enum inject_status send_message(struct inject_client *c,
				       const struct inject_mail *mail,
				       struct inject_result *r)
{
	if (!say(c, "BDAT %zu LAST", mail->len) ||
	    !put(c, mail->bytes, mail->len))
		return unsent(c, "message", r);
	if (hear(c, "message", false, r) == INJECT_DONE)
		note_id(r);
	return r->status;
}

static enum inject_status refuse_size(struct inject_client *c,
				      struct inject_result *r)
{
	r->status = INJECT_REFUSED;
	r->code = 552;
	r->at = "message";
	snprintf(r->enhanced, sizeof(r->enhanced), "5.3.4");
	snprintf(r->text, sizeof(r->text),
		 "the message is larger than this relay's limit of %" PRIu64
		 " octets",
		 c->size_limit);
	return r->status;
}

enum inject_status inject_client_send(struct inject_client *c,
				      const struct inject_mail *mail,
				      struct inject_result *r)
{
	memset(r, 0, sizeof(*r));
	if (c->size_limit && mail->len > c->size_limit)
		return refuse_size(c, r);
	if (!say_mail(c, mail))
		return unsent(c, "MAIL", r);
	if (hear(c, "MAIL", false, r) != INJECT_DONE ||
	    send_recipients(c, mail, r) != INJECT_DONE)
		return r->status;
	return send_message(c, mail, r);
}

void inject_client_end(struct inject_client *c)
{
	if (c->fd < 0)
		return;
	/* Its answer is of no use to anybody. */
	(void)say(c, "QUIT");
	close(c->fd);
	c->fd = -1;
}

int inject_exit(const struct inject_result *r)
{
	if (r->status == INJECT_DONE)
		return EX_OK;
	if (r->status != INJECT_REFUSED)
		return EX_TEMPFAIL;
	if (r->at && strcmp(r->at, "RCPT") == 0)
		return EX_NOUSER;
	return r->at && strcmp(r->at, "message") == 0 ? EX_DATAERR
						      : EX_UNAVAILABLE;
}
