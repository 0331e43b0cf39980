/* SPDX-License-Identifier: Apache-2.0 */
/* When to try again, and when to give up. */
#include "gateway/queue/retry.h"

#include <assert.h>

uint64_t retry_delay(const struct config_retry *retry, unsigned attempts)
{
	assert(retry->count > 0);
	if (attempts == 0)
		return 0;
	if (attempts > retry->count)
		attempts = (unsigned)retry->count;
	return retry->schedule[attempts - 1];
}

bool retry_expired(const struct config_retry *retry, uint64_t arrival,
		   uint64_t now)
{
	return now > arrival && now - arrival >= retry->expire;
}
