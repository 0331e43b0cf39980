/* SPDX-License-Identifier: Apache-2.0 */
/* Any octets as a server's replies: whole or byte by byte the same, bounded,
 * printable. The first octet chooses whether keywords are gathered. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/smtp/smtp_reply.h"
#include "tests/fuzz/fuzz.h"

/* Each line has its code, and nothing else that would end one. */
static void check_transcript(const struct smtp_reply *reply)
{
	char text[SMTP_TRANSCRIPT_SIZE];
	const char *at = smtp_reply_transcript(reply, text);

	for (; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
		assert(strtoul(at, NULL, 10) == reply->code);
	for (at = text; *at; at++)
		assert(*at == '\n' || (unsigned char)*at >= ' ');
}

static void check_reply(const struct smtp_reply *reply)
{
	assert(reply->code >= 200 && reply->code <= 599);
	assert(reply->text_len < sizeof(reply->text));
	assert(strlen(reply->text) == reply->text_len);
	for (size_t i = 0; i < reply->text_len; i++)
		assert((unsigned char)reply->text[i] >= ' ' &&
		       reply->text[i] != 0x7f);
	check_transcript(reply);
	assert(strlen(reply->enhanced) < sizeof(reply->enhanced));
	assert(!reply->enhanced[0] ||
	       reply->enhanced[0] == '0' + reply->code / 100);
}

/* The same reply again, byte by byte. */
static void check_bytewise(const struct smtp_reply_parser *whole,
			   enum smtp_reply_result expected, const uint8_t *data,
			   size_t len, bool ehlo)
{
	enum smtp_reply_result result = SMTP_REPLY_MORE;
	struct smtp_reply_parser parser;
	size_t used;

	smtp_reply_start(&parser, ehlo);
	for (size_t i = 0; i < len && result == SMTP_REPLY_MORE; i++) {
		result = smtp_reply_feed(&parser, data + i, 1, &used);
		assert(used == 1 || result == SMTP_REPLY_ERROR);
	}
	assert(result == expected);
	if (result != SMTP_REPLY_DONE)
		return;
	assert(parser.reply.code == whole->reply.code);
	assert(strcmp(parser.reply.text, whole->reply.text) == 0);
	assert(strcmp(parser.reply.enhanced, whole->reply.enhanced) == 0);
	assert(parser.reply.extensions == whole->reply.extensions);
	assert(parser.reply.size_limit == whole->reply.size_limit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool ehlo;
	enum smtp_reply_result result = SMTP_REPLY_DONE;
	size_t at = 1;

	if (size == 0)
		return 0;
	ehlo = data[0] & 1;

	while (at < size && result == SMTP_REPLY_DONE) {
		struct smtp_reply_parser parser;
		size_t used;

		smtp_reply_start(&parser, ehlo);
		result = smtp_reply_feed(&parser, data + at, size - at, &used);
		assert(used <= size - at);
		if (result == SMTP_REPLY_DONE) {
			assert(used > 0);
			check_reply(&parser.reply);
		}
		check_bytewise(&parser, result, data + at, size - at, ehlo);
		at += used;
	}
	return 0;
}
