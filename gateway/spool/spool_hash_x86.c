/* SPDX-License-Identifier: Apache-2.0 */
/* XXH3-64 with the widest vectors that this CPU has (spool_hash.h). */
#include "gateway/spool/spool_hash.h"

#include <xxhash.h>
/* Behind xxhash.h, whose names it defines again. */
#include <xxh_x86dispatch.h>

uint64_t spool_hash(const void *data, size_t len, uint64_t seed)
{
	return XXH3_64bits_withSeed_dispatch(data, len, seed);
}
