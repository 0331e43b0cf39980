/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conversation between client and server: one JSON object a line.
 *
 * The client asks, {"do": "..."}; the server answers {"ok": true, ...} or
 * {"ok": false, "error": "..."}, with "unsupported": true when its machine
 * can't do what was asked. Orders that take time are answered twice: when the
 * server is ready, and when it is done.
 */
#ifndef BENCH_TLS_CONTROL_H
#define BENCH_TLS_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "bench/tls/tls_usage.h"

/* Raised when the words change. */
#define TLS_CONTROL_VERSION 2
#define TLS_CONTROL_LINE    8192

struct tls_control {
	int fd; /* owned; -1: none */
	size_t have;
	char line[TLS_CONTROL_LINE];
};

void tls_control_init(struct tls_control *c, int fd); /* takes fd */
void tls_control_close(struct tls_control *c);

/* tls_control_say() - send and release `object`. 0 or -errno. */
int tls_control_say(struct tls_control *c, json_t *object);

/* tls_control_hear() - the next object, owned; NULL with `error` filled (it is
 * empty when the other end has hung up between two lines). */
json_t *tls_control_hear(struct tls_control *c, char *error, size_t cap);

/* tls_usage_pack() - owned object; tls_usage_unpack() - 0 or -EINVAL. */
json_t *tls_usage_pack(const struct tls_usage *usage);
int tls_usage_unpack(const json_t *object, struct tls_usage *usage);

#endif
