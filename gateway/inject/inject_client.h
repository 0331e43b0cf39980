/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMTP to the relay's own socket, blocking: what `ringpost inject`, the
 * sendmail command and the HTTP interface hand messages in with.  A message is
 * the relay's when this says INJECT_DONE, and not before.
 */
#ifndef GATEWAY_INJECT_INJECT_CLIENT_H
#define GATEWAY_INJECT_INJECT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "gateway/log/log.h"
#include "gateway/smtp/smtp_reply.h"

/* The socket's name in the spool folder, where the configuration names none. */
#define INJECT_SOCKET_NAME "inject.sock"

enum inject_status {
	INJECT_DONE,	  /* 250: stored */
	INJECT_TEMPORARY, /* 4xx: later */
	INJECT_REFUSED,	  /* 5xx: never */
	INJECT_LOST,	  /* the connection: later */
};

struct inject_client {
	int fd;
	FILE *verbose;	     /* the dialogue is printed there; NULL: not */
	char hostname[256];  /* the relay's, of its greeting */
	uint64_t size_limit; /* its SIZE; 0: none */
	struct smtp_reply_parser parser;
	unsigned char in[4096];
	size_t in_len, in_at;
};

struct inject_mail {
	const char *sender; /* "": the null path */
	char *const *recipients;
	size_t recipient_count;
	const char *bytes; /* the message, lines ended by CRLF */
	size_t len;
	/* RFC 3461; NULL: not said. Checked by the relay, but for blanks. */
	const char *notify, *ret, *envid;
};

struct inject_result {
	enum inject_status status;
	uint16_t code; /* of the reply; 0: there was none */
	char enhanced[12];
	char text[SMTP_REPLY_TEXT_MAX]; /* of it, or what happened */
	const char *at;	       /* "MAIL", "RCPT", "message"...; static */
	const char *recipient; /* the refused one, borrowed; or NULL */
	char id[LOG_ID_SIZE];  /* INJECT_DONE: the queue id; "": not said */
};

/* inject_client_start() - greeting and EHLO on @fd, a connected stream socket,
 * taken.  @result: filled unless DONE. Ended by inject_client_end(), always. */
enum inject_status inject_client_start(struct inject_client *client, int fd,
				       FILE *verbose,
				       struct inject_result *result);
/* inject_client_send() - one message, for all of its recipients or none. */
enum inject_status inject_client_send(struct inject_client *client,
				      const struct inject_mail *mail,
				      struct inject_result *result);
/* inject_client_end() - QUIT, and close. */
void inject_client_end(struct inject_client *client);

/* inject_exit() - what a command ends with (sysexits). */
int inject_exit(const struct inject_result *result);

#endif
