/* SPDX-License-Identifier: Apache-2.0 */
/* The text of bounces: what hostile mail and replies must not do to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/bounce/bounce.h"

static const char trace[] = "Received: from a\r\n\tby b\r\n";

/* Compose for one recipient; the text, NUL-terminated, owned by the caller. */
static char *compose(const char *body, const char *reply, size_t return_max)
{
	struct iovec piece = {(void *)(uintptr_t)body, strlen(body)};
	struct spool_view view = {
		.envelope = {.reverse_path = "sender@example.test"},
		.trace = (const unsigned char *)trace,
		.trace_len = sizeof(trace) - 1,
		.body_size = strlen(body),
		.body = &piece,
		.body_count = 1,
	};
	struct dsn_recipient recipient = {.address = "gone@example.test",
					  .code = 550,
					  .status = "5.1.1",
					  .reply = reply,
					  .remote = "mx.example.test"};
	struct dsn dsn = {.hostname = "relay.example.test",
			  .now = UINT64_C(1700000000000000000),
			  .queue_id = 77,
			  .view = &view,
			  .recipients = &recipient,
			  .recipient_count = 1,
			  .return_max = return_max};
	struct dsn_text text;
	char *out;

	assert_int_equal(dsn_compose(&dsn, &text), 0);
	out = strndup(text.data, text.len);
	assert_int_equal(strlen(out), text.len);
	dsn_text_free(&text);
	return out;
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

/* The boundary line, as the header gives it. */
static void boundary_of(const char *text, char line[80])
{
	const char *at = strstr(text, "boundary=\"");

	assert_non_null(at);
	strcpy(line, "\r\n--");
	strncat(line, at + 10, strcspn(at + 10, "\""));
}

static void replies_can_not_make_lines(void **state)
{
	char *text = compose("Subject: x\r\n\r\nbody\r\n",
			     "no\r\nAction: delivered\r\n\r\n--x", 1 << 20);

	assert_int_equal(count(text, "\r\nAction: "), 1);
	assert_non_null(strstr(text, "\r\nAction: failed\r\n"));
	free(text);
}

static void a_message_can_not_end_its_part(void **state)
{
	char body[256], line[80];
	char *first = compose("Subject: x\r\n\r\nbody\r\n", "no", 1 << 20);
	char *second;

	/* The same time and id: the boundary is known beforehand. */
	boundary_of(first, line);
	snprintf(body, sizeof(body), "Subject: x\r\n\r\nbody%s--\r\n", line);
	second = compose(body, "no", 1 << 20);
	boundary_of(second, line);
	assert_int_equal(count(second, line), 4); /* three parts and the end */
	free(first);
	free(second);
}

static void large_mail_comes_back_as_headers(void **state)
{
	char *text = compose("Subject: x\r\nX-Y: z\r\n\r\nsecret body\r\n",
			     "no", 10);

	assert_non_null(strstr(text, "text/rfc822-headers"));
	assert_non_null(strstr(text, "X-Y: z\r\n"));
	assert_non_null(strstr(text, trace));
	assert_null(strstr(text, "secret body"));
	free(text);
}

static void a_header_without_an_end_is_cut(void **state)
{
	size_t len = 300000;
	char *body = malloc(len + 1), *text;

	memset(body, 'h', len);
	body[len] = '\0';
	text = compose(body, "no", 10);
	assert_in_range(strlen(text), 65536, 80000);
	free(text);
	free(body);
}

static void all_lines_end_with_crlf(void **state)
{
	char *text = compose("Subject: x\r\n\r\nbody\r\n", "no", 1 << 20);

	for (const char *lf = text; (lf = strchr(lf, '\n')); lf++)
		assert_int_equal(lf[-1], '\r');
	free(text);
}

static void the_null_sender_gets_none(void **state)
{
	struct spool_envelope bounce = {.reverse_path = ""};
	struct spool_envelope mail = {.reverse_path = "a@example.test"};

	assert_false(bounce_due(&bounce));
	assert_true(bounce_due(&mail));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_can_not_make_lines),
		cmocka_unit_test(a_message_can_not_end_its_part),
		cmocka_unit_test(large_mail_comes_back_as_headers),
		cmocka_unit_test(a_header_without_an_end_is_cut),
		cmocka_unit_test(all_lines_end_with_crlf),
		cmocka_unit_test(the_null_sender_gets_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
