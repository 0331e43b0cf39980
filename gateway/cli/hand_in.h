/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message from this process to the running relay: read, completed, sent.
 * `ringpost inject` and the sendmail command are two ways to ask for it.
 */
#ifndef GATEWAY_CLI_HAND_IN_H
#define GATEWAY_CLI_HAND_IN_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/inject/inject_client.h"

/* Where the socket is when no configuration can be read. */
#define HAND_IN_SOCKET "/run/ringpost/inject.sock"

struct hand_in {
	const char *program;   /* in front of what is said on standard error */
	const char *socket;    /* NULL: as @config says */
	const char *config;    /* NULL: CLI_CONFIG, or HAND_IN_SOCKET */
	int input;	       /* descriptor of the message */
	bool dot_ends;	       /* a line that is just "." ends it */
	bool raw;	       /* nothing is added, nothing taken out */
	bool from_header;      /* recipients are in To, Cc, Bcc */
	bool verbose;	       /* the dialogue on standard output */
	const char *sender;    /* NULL: the user, at the relay's host name */
	const char *full_name; /* for a missing From; NULL: the user's */
	char *const *to;
	size_t to_count;
	const char *notify, *ret, *envid; /* RFC 3461; NULL: not said */
};

/* hand_in() - EX_OK only when the relay has stored it; what went wrong was said
 * on standard error. @result: filled when the relay was spoken to. */
int hand_in(const struct hand_in *what, struct inject_result *result);

/* hand_in_connect() - to the relay's socket. The descriptor, or -1 with *code
 * set, after saying why. */
int hand_in_connect(const struct hand_in *what, int *code);

#endif
