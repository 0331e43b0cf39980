/* SPDX-License-Identifier: Apache-2.0 */
/* Any octets as a message that is handed in, its recipients read from its
 * header: what comes out is bounded, has only CRLF line ends, no Bcc, and
 * recipients that fit into a command of SMTP. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/inject/inject_header.h"
#include "gateway/inject/inject_message.h"
#include "gateway/smtp/smtp_path.h"
#include "tests/fuzz/fuzz.h"

static void check_lines(const struct inject_buffer *out)
{
	for (size_t i = 0; i < out->len; i++) {
		if (out->bytes[i] == '\n')
			assert(i > 0 && out->bytes[i - 1] == '\r');
		if (out->bytes[i] == '\r')
			assert(i + 1 < out->len && out->bytes[i + 1] == '\n');
	}
}

static void check_header(const struct inject_buffer *out)
{
	struct inject_header header;
	struct inject_field field;
	unsigned ids = 0;

	inject_header_start(&header, out->bytes, out->len);
	while (inject_header_next(&header, &field)) {
		assert(!inject_field_is(&field, "bcc"));
		ids += inject_field_is(&field, "message-id");
	}
	assert(ids >= 1);
}

static void check_recipients(const struct inject_recipients *to)
{
	for (size_t i = 0; i < to->count; i++) {
		char path[1024];
		struct smtp_path parsed;
		size_t used = 0;
		int len = snprintf(path, sizeof(path), "<%s>", to->list[i]);

		assert(smtp_path_parse(path, (size_t)len, SMTP_FORWARD_PATH,
				       &parsed, &used) == SMTP_PATH_OK);
		assert(used == (size_t)len && !strpbrk(path, "\r\n"));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct inject_recipients to = {.hostname = "relay.test"};
	struct inject_job job = {
		.recipients = size && data[0] & 1,
		.raw = size && data[0] & 2,
		.sender = "me@relay.test",
		.hostname = "relay.test",
	};
	struct inject_buffer out;

	if (size > 0) {
		job.text = (const char *)data + 1;
		job.len = inject_message_dot(job.text, size - 1);
		if (data[0] & 4)
			job.len = size - 1;
	}
	inject_buffer_init(&out, 1 << 20);
	if (!inject_message_make(&job, &to, &out)) {
		check_lines(&out);
		check_recipients(&to);
		if (!job.raw)
			check_header(&out);
	}
	inject_buffer_free(&out);
	inject_recipients_free(&to);
	return 0;
}
