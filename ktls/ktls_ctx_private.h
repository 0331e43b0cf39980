/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a context holds. Private to ktls/.
 */
#ifndef KTLS_KTLS_CTX_PRIVATE_H
#define KTLS_KTLS_CTX_PRIVATE_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "ktls/ktls_cert.h"
#include "ktls/ktls_ctx.h"
#include "ktls/ktls_sessions.h"
#include "ktls/ktls_tickets.h"

struct ktls_ctx {
	atomic_uint refs;
	enum ktls_role role;
	SSL_CTX *ssl;		 /* owned */
	BIO_METHOD *bio;	 /* owned; the engines' wire */
	struct ktls_cert *certs; /* owned array; [0] is the default */
	size_t cert_count;
	struct ktls_sessions *sessions; /* owned; NULL: no resumption */
	struct ktls_tickets *tickets;	/* owned; NULL: none are given */
};

#endif
