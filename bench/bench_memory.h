/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory a server and its kernel use: /proc, read from outside. */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <stdint.h>

struct bench_memory {
	uint64_t processes; /* the process and all below it */
	uint64_t anonymous; /* KiB of their own, shared pages by share (PSS) */
	uint64_t resident;  /* KiB, files and all, shared pages by share */
	uint64_t kernel; /* KiB of slab, page tables, stacks: the machine's */
};

/* bench_memory_read() - of @pid and its descendants. 0 or -errno. */
int bench_memory_read(int pid, struct bench_memory *ret);

#endif
