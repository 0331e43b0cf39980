/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error sentences.
 */
#include "ktls/ktls_error.h"

#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int ktls_error_set(struct ktls_error *error, int err, const char *format, ...)
{
	va_list args;

	if (!error)
		return err;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return err;
}

const char *ktls_error_openssl(char *buf, size_t size)
{
	unsigned long code = ERR_get_error();
	const char *reason = ERR_reason_error_string(code);

	ERR_clear_error();
	if (!code)
		return "unknown error";
	if (reason) {
		snprintf(buf, size, "%s", reason);
		return buf;
	}
	ERR_error_string_n(code, buf, size);
	return buf;
}
