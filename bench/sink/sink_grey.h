/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Greylisting: who has knocked before, and when first.
 *
 * A table of fixed size; where it is crowded the oldest is forgotten, and has
 * to knock once more. Threads may share it.
 */
#ifndef BENCH_SINK_GREY_H
#define BENCH_SINK_GREY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sink_grey;

/* Returned owned; NULL: no memory. */
struct sink_grey *sink_grey_new(void);
/* Accepts NULL. */
void sink_grey_free(struct sink_grey *grey);

/*
 * Did these `count` strings (NULL is like "") first come less than wait_ms
 * before now_ms, or not at all? Then they are known from now on. Letters in any
 * case.
 */
bool sink_grey_early(struct sink_grey *grey, const char *const *parts,
		     size_t count, uint64_t now_ms, unsigned wait_ms);

#endif
