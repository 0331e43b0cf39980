/* SPDX-License-Identifier: Apache-2.0 */
/* Any octets as a message in JSON: what comes out has no header field that was
 * not asked for, and only addresses that fit into SMTP. */
#include <assert.h>
#include <string.h>

#include "gateway/inject/inject_header.h"
#include "gateway/inject/inject_json.h"
#include "tests/fuzz/fuzz.h"

static void check_header(const struct inject_buffer *out)
{
	struct inject_header header;
	struct inject_field field;
	unsigned from = 0, type = 0;

	inject_header_start(&header, out->bytes, out->len);
	while (inject_header_next(&header, &field)) {
		assert(!inject_field_is(&field, "bcc"));
		from += inject_field_is(&field, "from");
		type += inject_field_is(&field, "content-type");
	}
	assert(from == 1 && type == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct inject_recipients to = {.hostname = "relay.test"};
	struct inject_buffer out;
	char sender[512];

	inject_buffer_init(&out, 1 << 20);
	if (!inject_json_make((const char *)data, size, "0123", &to, sender,
			      &out)) {
		check_header(&out);
		assert(to.count > 0 && !strpbrk(sender, "\r\n<>"));
		for (size_t i = 0; i < to.count; i++)
			assert(!strpbrk(to.list[i], "\r\n"));
	}
	inject_buffer_free(&out);
	inject_recipients_free(&to);
	return 0;
}
