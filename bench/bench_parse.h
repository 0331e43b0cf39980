/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values as people write them on a command line: 4K, 1K-5M, 30%, host:port.
 * All return 0, -EINVAL (not such a value) or -ERANGE (too large), and leave
 * *ret alone on error.
 */
#ifndef BENCH_PARSE_H
#define BENCH_PARSE_H

#include <stddef.h>
#include <stdint.h>

struct bench_addr {
	char host[256];
	char port[16];
};

/* Octets, lowest and highest of a log-uniform distribution; equal: fixed. */
struct bench_size_range {
	uint64_t min;
	uint64_t max;
};

int bench_parse_u64(const char *text, uint64_t *ret);

/* A number with decimals or without, such as 0.25; below 10^15. */
int bench_parse_decimal(const char *text, double *ret);

/* A number with an optional unit K, M or G (powers of 1024; "KiB" works too). */
int bench_parse_size(const char *text, uint64_t *ret);

/* "4K" or "1K-5M". 0 is refused. */
int bench_parse_size_range(const char *text, struct bench_size_range *ret);

/* "30%", "0.5%" or "30": parts of BENCH_SHARE_ALL. Over 100% is -ERANGE. */
int bench_parse_share(const char *text, uint32_t *ret);

/* "host:port" or "[v6]:port"; the port is a number from 0 to 65535. */
int bench_parse_addr(const char *text, struct bench_addr *ret);

#endif
