/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of a message that somebody hands in (RFC 5322 section 2.2), line
 * ends of any kind: its fields one after the other, and where the body starts.
 */
#ifndef GATEWAY_INJECT_INJECT_HEADER_H
#define GATEWAY_INJECT_INJECT_HEADER_H

#include <stdbool.h>
#include <stddef.h>

struct inject_header {
	const char *at, *end; /* of what was not read yet; the body at last */
};

struct inject_field {
	const char *whole; /* with its line ends */
	size_t whole_len;
	size_t name_len;   /* whole begins with the name */
	const char *value; /* behind the colon, folded as it was */
	size_t value_len;
};

/* inject_header_start() - an mbox's "From " line in front is passed over.
 * @text: borrowed as long as the header and its fields are used. */
void inject_header_start(struct inject_header *header, const char *text,
			 size_t len);

/* inject_header_next() - false: there is none, and header->at is the body: what
 * follows the empty line, or begins with a line that is no field. */
bool inject_header_next(struct inject_header *header, struct inject_field *out);

/* inject_field_is() - its name, in any case. */
bool inject_field_is(const struct inject_field *field, const char *name);

#endif
