/* SPDX-License-Identifier: Apache-2.0 */
/* Queue ids as text: Crockford's base32, which reads aloud and sorts. */
#include "gateway/log/log.h"

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
