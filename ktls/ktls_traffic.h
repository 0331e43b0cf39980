/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What connections of one kind (to a next hop, from a listener's clients)
 * carried: a guess at what the next one will, for ktls_stream_expect().
 */
#ifndef KTLS_KTLS_TRAFFIC_H
#define KTLS_KTLS_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

/* Nobody knows: counts as many. */
#define KTLS_TRAFFIC_UNKNOWN UINT64_MAX

/* What a turn (commands, a message, the reply) is worth beside its bytes: with
 * small records it is the calls that OpenSSL makes dearer, not the bytes. */
#define KTLS_TRAFFIC_TURN (UINT64_C(32) * 1024)

/* ktls_traffic_worth() - @turns with @bytes in all, as bytes. */
static inline uint64_t ktls_traffic_worth(uint64_t bytes, uint64_t turns)
{
	uint64_t calls;

	if (__builtin_mul_overflow(turns, KTLS_TRAFFIC_TURN, &calls) ||
	    __builtin_add_overflow(bytes, calls, &bytes))
		return UINT64_MAX / 4;
	return bytes;
}

/* Zeroed: nothing is known. Members private. */
struct ktls_traffic {
	uint64_t mean;
	bool known;
};

/* ktls_traffic_add() - one more has carried @bytes (ktls_traffic_worth()). The
 * last eight or so decide: each moves the mean by an eighth of the distance. */
void ktls_traffic_add(struct ktls_traffic *traffic, uint64_t bytes);

/* ktls_traffic_guess() - the mean, or KTLS_TRAFFIC_UNKNOWN. */
uint64_t ktls_traffic_guess(const struct ktls_traffic *traffic);

#endif
