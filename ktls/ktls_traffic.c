/* SPDX-License-Identifier: Apache-2.0 */
/* A running mean. */
#include "ktls/ktls_traffic.h"

#define SHARE 8

/* So that no sum of these overflows, and none is UNKNOWN. */
#define MOST (UINT64_MAX / 4)

void ktls_traffic_add(struct ktls_traffic *traffic, uint64_t bytes)
{
	if (bytes > MOST)
		bytes = MOST;
	if (!traffic->known)
		traffic->mean = bytes;
	else if (bytes >= traffic->mean)
		traffic->mean += (bytes - traffic->mean + SHARE - 1) / SHARE;
	else
		traffic->mean -= (traffic->mean - bytes + SHARE - 1) / SHARE;
	traffic->known = true;
}

uint64_t ktls_traffic_guess(const struct ktls_traffic *traffic)
{
	return traffic->known ? traffic->mean : KTLS_TRAFFIC_UNKNOWN;
}
