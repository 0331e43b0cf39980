/* SPDX-License-Identifier: Apache-2.0 */
/* Structs of counters, and nothing else, added up. */
#ifndef GATEWAY_METRICS_SUM_H
#define GATEWAY_METRICS_SUM_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

static inline void sum_numbers(uint64_t *to, const uint64_t *from, size_t count)
{
	for (size_t i = 0; i < count; i++)
		to[i] += from[i];
}

/* SUM_INTO() - pointers to two structs of one type, all of uint64_t. */
#define SUM_INTO(to, from)                                                   \
	do {                                                                 \
		static_assert(sizeof(*(to)) == sizeof(*(from)) &&            \
				      sizeof(*(to)) % sizeof(uint64_t) == 0, \
			      "structs of 64-bit numbers");                  \
		sum_numbers((uint64_t *)(to), (const uint64_t *)(from),      \
			    sizeof(*(to)) / sizeof(uint64_t));               \
	} while (0)

#endif
