/* SPDX-License-Identifier: Apache-2.0 */
/* When to try again, and when to give up. */
#include "gateway/queue/retry.h"

uint64_t retry_delay(const struct config_retry *retry, unsigned attempts)
{
	uint64_t delay = retry->first;

	if (attempts == 0)
		return 0;
	if (retry->count == 0) {
		while (--attempts > 0 && delay < retry->max &&
		       retry->factor > 1)
			delay *= retry->factor;
		return delay < retry->max ? delay : retry->max;
	}
	if (attempts > retry->count)
		attempts = (unsigned)retry->count;
	return retry->schedule[attempts - 1];
}

bool retry_expired(const struct config_retry *retry, uint64_t arrival,
		   uint64_t now)
{
	return now > arrival && now - arrival >= retry->expire;
}
