/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A certificate chain with its key, loaded and checked. Private to ktls/.
 */
#ifndef KTLS_KTLS_CERT_H
#define KTLS_KTLS_CERT_H

#include <openssl/ssl.h>

#include "ktls/ktls_ctx.h"

struct ktls_cert {
	X509 *leaf;		/* owned, as are the others */
	STACK_OF(X509) * chain; /* the intermediates, perhaps none */
	EVP_PKEY *key;
};

/* ktls_cert_load() - read both files and check that they fit together and that
 * today lies in the certificate's time. 0 or -errno with @error filled; @out
 * needs no free after an error. */
int ktls_cert_load(const struct ktls_cert_files *files, struct ktls_cert *out,
		   struct ktls_error *error);
void ktls_cert_free(struct ktls_cert *cert); /* accepts zeroed memory */

/* ktls_cert_names() - is @host one of the certificate's names (SAN; the common
 * name when there is none; wildcards as in RFC 6125)? */
bool ktls_cert_names(const struct ktls_cert *cert, const char *host);

#endif
