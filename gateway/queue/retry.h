/* SPDX-License-Identifier: Apache-2.0 */
/* When to try again, and when to give up: pure arithmetic. */
#ifndef GATEWAY_QUEUE_RETRY_H
#define GATEWAY_QUEUE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/config/config.h"

/* retry_delay() - ns to wait after attempt number @attempts (1 = the first);
 * exponential, or by the schedule, whose last entry repeats. */
uint64_t retry_delay(const struct config_retry *retry, unsigned attempts);

/* retry_expired() - is a message accepted at @arrival too old at @now? Both
 * wall clock, ns; a clock set back never expires anything. */
bool retry_expired(const struct config_retry *retry, uint64_t arrival,
		   uint64_t now);

#endif
