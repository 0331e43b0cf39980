/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error sentences. Private to ktls/.
 */
#ifndef KTLS_KTLS_ERROR_H
#define KTLS_KTLS_ERROR_H

#include "ktls/ktls_ctx.h"

/* ktls_error_set() - write the sentence (@error may be NULL) and return @err,
 * so that a caller can return it. */
int ktls_error_set(struct ktls_error *error, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ktls_error_openssl() - the oldest reason in this thread's OpenSSL queue, in
 * words ("unknown error" when it is empty); clears the queue. Static or in
 * @buf. */
const char *ktls_error_openssl(char *buf, size_t size);

#endif
