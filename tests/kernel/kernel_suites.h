/* SPDX-License-Identifier: Apache-2.0 */
/* The cipher suites that kernels are tested with, by OpenSSL's names. */
#ifndef TESTS_KERNEL_KERNEL_SUITES_H
#define TESTS_KERNEL_KERNEL_SUITES_H

#include "ktls/ktls_types.h"

/* clang-format off */
static const struct kernel_suite {
	enum ktls_version version;
	enum ktls_cipher cipher;
	const char *name;
} kernel_suites[] = {
	{KTLS_TLS_1_2, KTLS_AES_128_GCM, "ECDHE-ECDSA-AES128-GCM-SHA256"},
	{KTLS_TLS_1_2, KTLS_AES_256_GCM, "ECDHE-ECDSA-AES256-GCM-SHA384"},
	{KTLS_TLS_1_2, KTLS_CHACHA20_POLY1305, "ECDHE-ECDSA-CHACHA20-POLY1305"},
	{KTLS_TLS_1_3, KTLS_AES_128_GCM, "TLS_AES_128_GCM_SHA256"},
	{KTLS_TLS_1_3, KTLS_AES_256_GCM, "TLS_AES_256_GCM_SHA384"},
	{KTLS_TLS_1_3, KTLS_CHACHA20_POLY1305, "TLS_CHACHA20_POLY1305_SHA256"},
};
/* clang-format on */
#define KERNEL_SUITES (sizeof(kernel_suites) / sizeof(kernel_suites[0]))

#endif
