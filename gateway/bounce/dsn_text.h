/* SPDX-License-Identifier: Apache-2.0 */
/* Putting a notification's text together. Not for other folders. */
#ifndef GATEWAY_BOUNCE_DSN_TEXT_H
#define GATEWAY_BOUNCE_DSN_TEXT_H

#include "gateway/bounce/dsn.h"

/* Without memory nothing more is added and @t->failed says so. */
void dsn_add_bytes(struct dsn_text *t, const void *data, size_t len);
void dsn_add(struct dsn_text *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * dsn_add_tame() - words of a peer's, on one line: no control characters, no
 * octets beyond ASCII but well-formed UTF-8, and that only with @utf8; '?'
 * stands for what is left out.  At most @len octets of @text.
 */
void dsn_add_tame(struct dsn_text *t, const char *text, size_t len, bool utf8);

/*
 * dsn_add_encoding() - "Content-Transfer-Encoding: 7bit"; what follows may yet
 * prove it wrong: dsn_end_part(), with the value returned here, makes it 8bit
 * then.
 */
size_t dsn_add_encoding(struct dsn_text *t);
void dsn_end_part(struct dsn_text *t, size_t encoding);

#endif
