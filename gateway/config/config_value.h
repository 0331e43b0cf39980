/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single values: numbers, sizes, durations, percentages, and words that are
 * nearly right.  Pure functions on NUL-terminated text.
 */
#ifndef GATEWAY_CONFIG_CONFIG_VALUE_H
#define GATEWAY_CONFIG_CONFIG_VALUE_H

#include <stddef.h>
#include <stdint.h>

/* All return 0, -EINVAL when it is no such value, -ERANGE when it doesn't fit
 * into 64 bits; *out is written on 0 alone. */

/* config_value_count() - "1000". */
int config_value_count(const char *text, uint64_t *out);
/*
 * config_value_size() - octets: "4096", "4K", "10MiB", "1 G".  K, M, G, T and
 * KiB... are powers of 1024; KB, MB, GB, TB powers of 1000.  Any case.
 */
int config_value_size(const char *text, uint64_t *out);
/* config_value_duration() - nanoseconds from "500ms", "30s", "5m", "2h", "5d",
 * "1w"; "0" is the only one without a unit. */
int config_value_duration(const char *text, uint64_t *out);
/* config_value_percent() - "10%", or "0". */
int config_value_percent(const char *text, uint64_t *out);

/* The shortest way to write a value back, for messages: "10MiB", "5m". */
#define CONFIG_VALUE_TEXT 32
const char *config_value_size_text(uint64_t octets,
				   char buf[CONFIG_VALUE_TEXT]);
const char *config_value_duration_text(uint64_t ns,
				       char buf[CONFIG_VALUE_TEXT]);

/*
 * config_value_distance() - edits (a letter more, less, changed, or two
 * swapped) that lead from @a to @b; words longer than 32 letters are far from
 * everything.
 */
unsigned config_value_distance(const char *a, const char *b);

#endif
