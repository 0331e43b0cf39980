/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What old kernels are known not to do, by name, so that a test of a real
 * kernel expects the refusal instead of passing over it.
 */
#ifndef TESTS_KERNEL_KERNEL_LIMITS_H
#define TESTS_KERNEL_KERNEL_LIMITS_H

#include "ktls/ktls_types.h"

/* kernel_takes() - false: keys of this cipher are refused by the running
 * kernel in every version and direction; it says so on stderr, once. */
bool kernel_takes(enum ktls_cipher cipher);

#endif
