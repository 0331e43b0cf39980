/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message that an application describes in JSON becomes one of MIME
 * (RFC 2045 to 2047).  Nothing in a value can end a header field.
 */
#ifndef GATEWAY_INJECT_INJECT_JSON_H
#define GATEWAY_INJECT_INJECT_JSON_H

#include "gateway/inject/inject_message.h"

/*
 * inject_json_make() - @text as octets of a message (line ends as they come,
 * From, Date and Message-ID perhaps missing) to @out, which was initialised;
 * its recipients are added to @to.
 * @boundary: a word that no message has in it.  @sender: the envelope's, as
 * inject_sender() makes it of "envelope_from" or "from".
 * NULL, or what is wrong (static).
 */
const char *inject_json_make(const char *text, size_t len, const char *boundary,
			     struct inject_recipients *to, char sender[512],
			     struct inject_buffer *out);

#endif
