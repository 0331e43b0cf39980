/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of MIME: encoded words, base64. */
#ifndef GATEWAY_INJECT_INJECT_MIME_H
#define GATEWAY_INJECT_INJECT_MIME_H

#include "gateway/inject/inject_buffer.h"

/* inject_mime_plain() - is there nothing in it but printable ASCII?
 * inject_mime_safe() - ... or octets beyond ASCII: nothing that ends a line. */
bool inject_mime_plain(const char *text);
bool inject_mime_safe(const char *text);

/* inject_mime_words() - UTF-8 as encoded words (RFC 2047), folded. */
void inject_mime_words(struct inject_buffer *out, const char *text);

/* inject_mime_base64() - lines of 76 (RFC 2045). */
void inject_mime_base64(struct inject_buffer *out, const char *bytes,
			size_t len);

/* inject_mime_wrap() - what is base64 already, in lines of 76; blanks and line
 * ends in it are left out. False: it is none. */
bool inject_mime_wrap(struct inject_buffer *out, const char *text, size_t len);

#endif
