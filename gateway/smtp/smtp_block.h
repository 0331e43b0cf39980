/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in 64 octets the ones are that a scanner of mail looks for, a bit for
 * each: with that, a line costs nothing by itself, however short. Only where
 * the CPU finds them with few instructions (AVX2); elsewhere there is no
 * SMTP_BLOCK_WIDE, and lines are looked for with memchr().
 */
#ifndef GATEWAY_SMTP_SMTP_BLOCK_H
#define GATEWAY_SMTP_SMTP_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define SMTP_BLOCK 64

/* Bit i is of octet i. */
struct smtp_block {
	uint64_t cr, lf;
	uint64_t dot;
	uint64_t high; /* 0x80 and above */
};

#ifdef __x86_64__

#include <immintrin.h>
#include <string.h>

/* In front of functions that may only be called with smtp_block_has_wide(). */
#define SMTP_BLOCK_WIDE __attribute__((target("avx2")))

static inline bool smtp_block_has_wide(void)
{
	return __builtin_cpu_supports("avx2");
}

SMTP_BLOCK_WIDE static inline uint64_t smtp_block_equal(__m256i low,
							__m256i high, char c)
{
	__m256i wanted = _mm256_set1_epi8(c);
	uint32_t a =
		(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted));
	uint32_t b =
		(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted));

	return (uint64_t)b << 32 | a;
}

/* smtp_block_look_wide() - @in has SMTP_BLOCK octets. */
SMTP_BLOCK_WIDE static inline struct smtp_block smtp_block_look_wide(
	const unsigned char *in)
{
	__m256i low, high;

	memcpy(&low, in, sizeof(low)); /* a load each, wherever it is */
	memcpy(&high, in + sizeof(low), sizeof(high));
	return (struct smtp_block){
		.cr = smtp_block_equal(low, high, '\r'),
		.lf = smtp_block_equal(low, high, '\n'),
		.dot = smtp_block_equal(low, high, '.'),
		.high = (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32 |
			(uint32_t)_mm256_movemask_epi8(low),
	};
}

#endif

#endif
