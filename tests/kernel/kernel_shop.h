/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worlds for streams (tests/unit/ktls/test_ktls_stream_world.h) on a real ring,
 * real TCP and real kernel TLS.
 */
#ifndef TESTS_KERNEL_KERNEL_SHOP_H
#define TESTS_KERNEL_KERNEL_SHOP_H

#include "tests/unit/ktls/test_ktls_stream_world.h"

#define KERNEL_SKIPPED 77

/* kernel_usable() - 1, or the reason on stderr and 0; -1 when
 * RINGPOST_KTLS_EXPECTED=1 says that it must be. */
int kernel_usable(struct ktls_caps *caps);

/* A CMocka group's fixture, with shop_tear_down(): *state is a struct shop. */
int kernel_shop_set_up(void **state);

#endif
