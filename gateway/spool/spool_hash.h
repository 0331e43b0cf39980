/* SPDX-License-Identifier: Apache-2.0 */
/* XXH3-64 of a record: half of what a message costs in this folder. */
#ifndef GATEWAY_SPOOL_SPOOL_HASH_H
#define GATEWAY_SPOOL_SPOOL_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Files choose: spool_hash_x86.c (vector unit found at run time) or
 * spool_hash_plain.c. The same result. */
uint64_t spool_hash(const void *data, size_t len, uint64_t seed);

#endif
