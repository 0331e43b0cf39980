/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine is, for the head of a report: kernel, processor, libraries,
 * what it can't do. */
#ifndef BENCH_TLS_MACHINE_H
#define BENCH_TLS_MACHINE_H

#include <jansson.h>

#include "bench/tls/tls_end.h"
#include "bench/tls/tls_usage.h"

/* tls_machine_pack() - owned object of strings and numbers; NULL: no memory. */
json_t *tls_machine_pack(const struct tls_able *able,
			 const struct tls_meter *meter);

/* tls_machine_text() - a string of such an object, "?" when it is missing. */
const char *tls_machine_text(const json_t *machine, const char *key);

#endif
