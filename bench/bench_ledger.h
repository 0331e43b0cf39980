/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ledgers: who says to have sent or received what. One line per message:
 *
 *   source: id hash size recipients          (recipients: how many, a number)
 *   sink:   id hash size address,address,... (the recipients of this copy)
 *
 * A line is one write(2) in append mode: threads do not mix, and what was
 * written before a SIGKILL is there after it.
 */
#ifndef BENCH_LEDGER_H
#define BENCH_LEDGER_H

#include <stddef.h>
#include <stdint.h>

/* Opens or creates for appending; path NULL gives -1, a ledger that takes
 * everything and keeps nothing. Returns a descriptor, or -errno (< -1). */
int bench_ledger_open(const char *path);

/* 0 or -errno; `last` is the text of the last column. */
int bench_ledger_add(int fd, const char *id, const char *hash, uint64_t size,
		     const char *last);

/*
 * One address for the last column, NUL-terminated: blanks, commas, '%' and
 * controls become %XX. Returns the length; cap must be 3 * strlen + 1.
 */
size_t bench_ledger_quote(const char *address, char *buf, size_t cap);

/* A line read back. The strings point into the line and are NUL-terminated. */
struct bench_ledger_line {
	char *id;
	char *hash;
	uint64_t size;
	char *last; /* "" when the line has three columns */
};

/* Cuts the line (without its LF) in place; 0 or -EINVAL. */
int bench_ledger_parse(char *line, struct bench_ledger_line *ret);

#endif
