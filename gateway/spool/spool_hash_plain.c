/* SPDX-License-Identifier: Apache-2.0 */
/* XXH3-64 as the library was compiled (spool_hash.h). */
#include "gateway/spool/spool_hash.h"

#include <xxhash.h>

uint64_t spool_hash(const void *data, size_t len, uint64_t seed)
{
	return XXH3_64bits_withSeed(data, len, seed);
}
