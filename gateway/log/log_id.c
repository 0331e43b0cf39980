/* SPDX-License-Identifier: Apache-2.0 */
/* Queue ids as text: Crockford's base32, which reads aloud and sorts. */
#include "gateway/log/log.h"

#include <string.h>

const char *log_id_text(uint64_t id, char buf[LOG_ID_SIZE])
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

	buf[LOG_ID_SIZE - 1] = '\0';
	for (int i = LOG_ID_SIZE - 2; i >= 0; i--) {
		buf[i] = digits[id & 31];
		id >>= 5;
	}
	return buf;
}

/* As people write it: any case, and 0 and 1 for letters that look like them. */
static int digit_of(char c)
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	const char *at;

	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	if (c == 'O')
		c = '0';
	if (c == 'I' || c == 'L')
		c = '1';
	at = c ? strchr(digits, c) : NULL;
	return at ? (int)(at - digits) : -1;
}

bool log_id_parse(const char *text, uint64_t *id)
{
	uint64_t value = 0;

	if (strlen(text) != LOG_ID_SIZE - 1)
		return false;
	for (size_t i = 0; i < LOG_ID_SIZE - 1; i++) {
		int digit = digit_of(text[i]);

		if (digit < 0 || value > UINT64_MAX >> 5)
			return false;
		value = value << 5 | (uint64_t)digit;
	}
	*id = value;
	return true;
}
