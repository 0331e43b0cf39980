/* SPDX-License-Identifier: Apache-2.0 */
/* What is read from a header while it streams by, in pieces of any size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/smtp/smtp_header.h"

static void feed(struct smtp_header *header, const char *text, size_t step)
{
	size_t len = strlen(text);

	smtp_header_start(header);
	for (size_t at = 0; at < len; at += step)
		smtp_header_feed(header, (const unsigned char *)text + at,
				 len - at < step ? len - at : step);
}

static const struct {
	const char *text, *id;
	unsigned received;
} cases[] = {
	{"Message-ID: <a@b>\r\n\r\n", "<a@b>", 0},
	{"message-id:<a@b>\r\n\r\n", "<a@b>", 0},
	{"Message-Id :\t <a@b> (comment)\r\n\r\n", "<a@b>", 0},
	{"Message-ID:\r\n <a@b>\r\n\r\n", "<a@b>", 0},
	{"Message-ID:\r\n\t\r\n <a@b>\r\nX: y\r\n\r\n", "<a@b>", 0},
	{"Message-ID:\r\nX: y\r\n z\r\n\r\n", "", 0},
	{"Message-ID: <a@b>\r\nMessage-ID: <c@d>\r\n\r\n", "<a@b>", 0},
	{"X-Message-ID: <a@b>\r\n\r\n", "", 0},
	{"Message-IDs: <a@b>\r\n\r\n", "", 0},
	{"Subject: x\r\n\r\nMessage-ID: <a@b>\r\n", "", 0},
	{"Subject: x\r\n Message-ID: <a@b>\r\n\r\n", "", 0},
	{"Received: x\r\nreceived : y\r\nReceivedx: z\r\n"
	 "Message-ID: <a@b>\r\nRECEIVED: w\r\n\r\nReceived: v\r\n",
	 "<a@b>", 3},
	{"Message-ID:\nX:\n <a@b>\n\n", "", 0},
};

static void test_ids_and_counts(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t step = 1; step < 40; step += 7) {
			struct smtp_header header;

			feed(&header, cases[i].text, step);
			assert_string_equal(header.message_id, cases[i].id);
			assert_int_equal(header.received, cases[i].received);
			assert_true(header.ended);
		}
}

static void test_a_long_id_is_cut(void **state)
{
	struct smtp_header header;
	char text[1024];

	memset(text, 'x', sizeof(text));
	memcpy(text, "Message-ID: ", 12);
	text[sizeof(text) - 1] = '\0';
	feed(&header, text, 1);
	assert_int_equal(strlen(header.message_id), SMTP_MESSAGE_ID_SIZE - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids_and_counts),
		cmocka_unit_test(test_a_long_id_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
