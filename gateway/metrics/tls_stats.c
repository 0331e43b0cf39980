/* SPDX-License-Identifier: Apache-2.0 */
/* Counting connections and their bytes (tls_stats.h). */
#include "gateway/metrics/tls_stats.h"

#include "gateway/metrics/sum.h"

static enum tls_place place_of(const struct ktls_stream_info *info,
			       enum ktls_direction dir)
{
	if (!info->tls)
		return TLS_PLACE_NONE;
	return info->offload[dir] ? TLS_PLACE_KERNEL : TLS_PLACE_USER;
}

void tls_stats_secured(struct tls_stats *stats,
		       const struct ktls_stream_info *info)
{
	const struct ktls_info *agreed = &info->agreed;

	if (info->tls)
		stats->handshakes[agreed->version][agreed->cipher]
				 [agreed->resumed]++;
}

void tls_stats_failed(struct tls_stats *stats, enum tls_failed how)
{
	stats->failed[how]++;
}

enum tls_failed tls_stats_failure(enum ktls_failure failure)
{
	switch (failure) {
	case KTLS_FAILURE_NONE: /* it ended in order, but too early */
	case KTLS_FAILURE_CONNECT:
	case KTLS_FAILURE_IO:
	case KTLS_FAILURE_TRUNCATED:
		return TLS_FAILED_CLOSED;
	case KTLS_FAILURE_HANDSHAKE:
	case KTLS_FAILURE_RECORD:
	case KTLS_FAILURE_REKEY:
		return TLS_FAILED_PROTOCOL;
	case KTLS_FAILURE_VERIFY:
		return TLS_FAILED_VERIFY;
	case KTLS_FAILURE_ALERT:
		return TLS_FAILED_ALERT;
	case KTLS_FAILURE_INJECTION:
		return TLS_FAILED_INJECTION;
	case KTLS_FAILURE_INSTALL:
	case KTLS_FAILURE_INTERNAL:
		break;
	}
	return TLS_FAILED_OTHER;
}

static void add_bytes(struct tls_stats *stats,
		      const struct ktls_stream_info *info)
{
	stats->bytes[KTLS_TX][place_of(info, KTLS_TX)] += info->bytes_out;
	stats->bytes[KTLS_RX][place_of(info, KTLS_RX)] += info->bytes_in;
	for (unsigned dir = 0; dir < KTLS_DIRECTIONS; dir++)
		stats->rekeys[dir] += info->rekeys[dir];
}

void tls_stats_ended(struct tls_stats *stats,
		     const struct ktls_stream_info *info)
{
	add_bytes(stats, info);
	for (unsigned dir = 0; info->tls && dir < KTLS_DIRECTIONS; dir++)
		stats->offload[dir][info->offload[dir] ? KTLS_REASON_NONE
						       : info->reason[dir]]++;
}

void tls_stats_open(struct tls_stats *copy, const struct ktls_stream_info *info)
{
	add_bytes(copy, info);
	for (unsigned dir = 0; dir < KTLS_DIRECTIONS; dir++)
		copy->open[dir][place_of(info, dir)]++;
}

void tls_stats_add(struct tls_stats *to, const struct tls_stats *from)
{
	SUM_INTO(to, from);
}

uint64_t tls_stats_handshakes(const struct tls_stats *stats)
{
	uint64_t sum = 0;

	for (unsigned v = 0; v < KTLS_VERSIONS; v++)
		for (unsigned c = 0; c < KTLS_CIPHERS; c++)
			sum += stats->handshakes[v][c][false] +
			       stats->handshakes[v][c][true];
	return sum;
}

uint64_t tls_stats_failures(const struct tls_stats *stats)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < TLS_FAILED_KINDS; i++)
		sum += stats->failed[i];
	return sum;
}

uint64_t tls_stats_offloads(const struct tls_stats *stats,
			    enum ktls_direction dir, bool in_kernel)
{
	uint64_t sum = 0;

	if (in_kernel)
		return stats->offload[dir][KTLS_REASON_NONE];
	for (unsigned r = KTLS_REASON_NONE + 1; r < KTLS_REASONS; r++)
		sum += stats->offload[dir][r];
	return sum;
}

const char *tls_failed_name(enum tls_failed how)
{
	static const char *const names[TLS_FAILED_KINDS] = {
		[TLS_FAILED_CLOSED] = "closed",
		[TLS_FAILED_PROTOCOL] = "protocol",
		[TLS_FAILED_VERIFY] = "verify",
		[TLS_FAILED_ALERT] = "alert",
		[TLS_FAILED_TIMEOUT] = "timeout",
		[TLS_FAILED_INJECTION] = "injection",
		[TLS_FAILED_OTHER] = "other",
	};

	return names[how];
}

const char *tls_place_name(enum tls_place place)
{
	static const char *const names[TLS_PLACES] = {
		[TLS_PLACE_NONE] = "none",
		[TLS_PLACE_USER] = "user",
		[TLS_PLACE_KERNEL] = "kernel",
	};

	return names[place];
}
