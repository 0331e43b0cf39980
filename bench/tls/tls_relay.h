/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exchange test: message after message as a relay sends them, each one a
 * small record of commands, the message, and a wait for the reply.  The client
 * is ringpost's own stream (ktls_stream.h), with keys where its policy puts
 * them; the server is OpenSSL on the socket.
 */
#ifndef BENCH_TLS_RELAY_H
#define BENCH_TLS_RELAY_H

#include <stddef.h>
#include <stdint.h>

#include "bench/tls/tls_conn.h"
#include "bench/tls/tls_source.h"

/* Octets of the commands in front of a message and of the reply behind it: a
 * pipelined MAIL, RCPT, BDAT; three lines back. */
#define TLS_RELAY_COMMANDS 113
#define TLS_RELAY_REPLY	   90

/* The commands: the same always. */
extern const char tls_relay_commands[TLS_RELAY_COMMANDS];

struct tls_relay;

struct tls_relay_setup {
	const struct tls_path *path;
	const struct tls_source *source;   /* borrowed */
	const struct tls_context *context; /* borrowed */
	const struct ktls_caps *caps;	   /* borrowed */
	size_t size;			   /* of a message */
};

/*
 * tls_relay_create() - for `count` connected sockets, the first of which is
 * number `first` of all; takes their descriptors out of `conns` and shakes
 * hands. 0 or -errno with `error` filled.
 */
int tls_relay_create(const struct tls_relay_setup *setup,
		     struct tls_conn *conns, unsigned count, unsigned first,
		     struct tls_relay **out, char *error, size_t cap);

/* tls_relay_run() - the next `messages` messages on each connection, each
 * answered. 0 or -errno with `error` filled. */
int tls_relay_run(struct tls_relay *relay, uint64_t messages, char *error,
		  size_t cap);

void tls_relay_free(struct tls_relay **relay); /* accepts NULL */

#endif
