/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What old kernels are known not to do, by name, so that a test of a real
 * kernel expects the refusal instead of passing over it.
 */
#ifndef TESTS_KERNEL_KERNEL_LIMITS_H
#define TESTS_KERNEL_KERNEL_LIMITS_H

#include "ktls/ktls_types.h"

enum kernel_limit {
	KERNEL_NO_CHACHA20,  /* keys of this cipher are refused, EINVAL */
	KERNEL_NO_MULTISHOT, /* no multishot receive */
	KERNEL_LIMITS
};

/* kernel_lacks() - the limit's name when the running kernel is known to have
 * it, else NULL; it says so on stderr, once. */
const char *kernel_lacks(enum kernel_limit limit);

/* kernel_takes() - false: keys of this cipher are refused by the running
 * kernel in every version and direction. */
bool kernel_takes(enum ktls_cipher cipher);

#endif
