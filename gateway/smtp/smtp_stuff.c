/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dot-stuffing in runs: the search is for dots, which base64 bodies don't
 * have at all, so most of a message passes in one call.
 */
#include <assert.h>
#include <string.h>

#include "gateway/smtp/smtp_stuff.h"

void smtp_stuff_start(struct smtp_stuff *stuff)
{
	stuff->line_start = true;
	stuff->cr = false;
}

/* Does a line begin at data[at], given what went before @data? */
static bool begins_line(const struct smtp_stuff *stuff,
			const unsigned char *data, size_t at)
{
	if (at == 0)
		return stuff->line_start;
	if (data[at - 1] != '\n')
		return false;
	return at == 1 ? stuff->cr : data[at - 2] == '\r';
}

static void pass(struct smtp_stuff *stuff, const unsigned char *data,
		 size_t len)
{
	if (len == 0)
		return;
	stuff->line_start = begins_line(stuff, data, len);
	stuff->cr = data[len - 1] == '\r';
}

size_t smtp_stuff_run(struct smtp_stuff *stuff, const unsigned char *data,
		      size_t len, bool *dot)
{
	size_t at = 0;

	assert(data || len == 0);
	*dot = false;
	while (at < len) {
		const unsigned char *found = memchr(data + at, '.', len - at);

		if (!found)
			break;
		at = (size_t)(found - data);
		if (begins_line(stuff, data, at)) {
			pass(stuff, data, at);
			/* The next call starts with this dot, as it is. */
			stuff->line_start = false;
			*dot = true;
			return at;
		}
		at++;
	}
	pass(stuff, data, len);
	return len;
}

const char *smtp_stuff_end(const struct smtp_stuff *stuff)
{
	return stuff->line_start ? ".\r\n" : "\r\n.\r\n";
}
