/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 as RFC 3629 defines it: what may be passed on as text.
 */
#ifndef GATEWAY_LOG_LOG_UTF8_H
#define GATEWAY_LOG_LOG_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * log_utf8_decode() - the character at @text, which has @len octets.
 * @code: set to the code point.  Returns the octets it takes (1 to 4), 0 when
 * they are no UTF-8: overlong, a surrogate, beyond U+10FFFF, cut, or none.
 */
size_t log_utf8_decode(const char *text, size_t len, uint32_t *code);

/* log_utf8_is_control() - C0, DEL, C1, and the characters that turn the
 * direction of writing: what must not reach a terminal as it is. */
bool log_utf8_is_control(uint32_t code);

#endif
