/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL's name of itself. */
#include "ktls/ktls_version.h"

#include <openssl/crypto.h>

const char *ktls_openssl_version(void)
{
	return OpenSSL_version(OPENSSL_VERSION);
}
