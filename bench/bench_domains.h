/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The domains that mail goes to, and which recipient is in which: one text on
 * a command line tells of a million.
 */
#ifndef BENCH_DOMAINS_H
#define BENCH_DOMAINS_H

#include <stddef.h>
#include <stdint.h>

/* All sets together. */
#define BENCH_DOMAINS_MAX 1000000u
/* Longest name with its NUL. */
#define BENCH_DOMAIN_SIZE 256

struct bench_domains;

/*
 * Items separated by commas, each NAME[*COUNT[~S]][:WEIGHT]:
 *
 *   a.test         a domain
 *   d#.test*1000   a set: d0.test to d999.test
 *   ...~1.1        within the set the nth gets 1/n^1.1 of what the first gets
 *   ...:50         the item's weight; 1 for a domain, COUNT for a set, unless
 *                  given
 *
 * Without any weight and S recipients take the domains in turn, otherwise at
 * random by seed. Borrows text. Returned owned; NULL with the reason in error.
 */
struct bench_domains *bench_domains_new(const char *text, char *error,
					size_t cap);
void bench_domains_free(struct bench_domains *d); /* accepts NULL */

/* How many there are, and the name of the ith, NUL-terminated. */
size_t bench_domains_count(const struct bench_domains *d);
void bench_domains_name(const struct bench_domains *d, size_t i,
			char name[BENCH_DOMAIN_SIZE]);

/* The domain of recipient `k` of message `index`. */
size_t bench_domains_pick(const struct bench_domains *d, uint64_t seed,
			  uint64_t index, unsigned k);

#endif
