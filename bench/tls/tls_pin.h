/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of a run on loopback, on processors of their own. */
#ifndef BENCH_TLS_PIN_H
#define BENCH_TLS_PIN_H

#include <sched.h>

/*
 * tls_pin_split() - the processors that this process may use, shared out: the
 * client gets the first half. 0, or -ENOTSUP: there is only one.
 */
int tls_pin_split(const cpu_set_t *all, cpu_set_t *client, cpu_set_t *server);

/* tls_pin_all() - the processors of this process. 0 or -errno. */
int tls_pin_all(cpu_set_t *all);

/* tls_pin() - this thread, and those it makes. 0 or -errno. */
int tls_pin(const cpu_set_t *set);

#endif
