/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The running kernel for tests of streams (kernel_shop.h).
 */
#include "tests/kernel/kernel_shop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernel/kernel_limits.h"

int kernel_shop_set_up(void **state)
{
	struct shop *shop = calloc(1, sizeof(*shop));

	shop_open(shop);
	shop->real = true;
	shop->lacks_chacha = !kernel_takes(KTLS_CHACHA20_POLY1305);
	ktls_caps_probe(ktls_kernel_system(), &shop->caps);
	*state = shop;
	return 0;
}

int kernel_usable(struct ktls_caps *caps)
{
	const char *expected = getenv("RINGPOST_KTLS_EXPECTED");
	char why[512];

	if (ktls_caps_probe(ktls_kernel_system(), caps) == 0 && caps->ulp)
		return 1;
	fprintf(stderr, "no kernel TLS: %s\n",
		ktls_caps_reason(caps, why, sizeof(why)));
	return expected && strcmp(expected, "1") == 0 ? -1 : 0;
}
