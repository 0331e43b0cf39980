/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A setsockopt(2) that records its calls and refuses what it is told to.
 */
#ifndef TESTS_UNIT_KTLS_FAKE_KERNEL_H
#define TESTS_UNIT_KTLS_FAKE_KERNEL_H

#include "ktls/ktls_install.h"

#define FAKE_CALLS_MAX 128
#define FAKE_VALUE_MAX 128

struct fake_call {
	int fd, level, name;
	unsigned char value[FAKE_VALUE_MAX];
	socklen_t len;
	const void *where; /* the caller's memory, gone by now */
};

struct fake_kernel {
	struct ktls_kernel ops; /* first: the fake is found from it */
	struct fake_call calls[FAKE_CALLS_MAX];
	size_t count;
	/* Decides a call's result; NULL: always 0. */
	int (*decide)(struct fake_kernel *fake, const struct fake_call *call);
	int result; /* for decide's use */
};

void fake_kernel_init(struct fake_kernel *fake);

#endif
