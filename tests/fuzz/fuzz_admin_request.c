/* SPDX-License-Identifier: Apache-2.0 */
/* Any octets as a request of the admin interface: refused with a reason, or
 * sound. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "gateway/admin/admin_request.h"
#include "tests/fuzz/fuzz.h"

#define NOW UINT64_C(1700000000000000000)

static void check(const struct admin_request *r)
{
	const struct queue_filter *f = &r->filter;

	assert(r->command < ADMIN_COMMANDS);
	assert(f->id_count <= ADMIN_IDS_MAX);
	for (size_t i = 1; i < f->id_count; i++)
		assert(f->ids[i - 1] <= f->ids[i]);
	assert(f->before <= NOW && f->since <= NOW);
	assert(!f->domain ||
	       (*f->domain && strlen(f->domain) <= ADMIN_WORD_MAX));
	(void)queue_filter_reply(f, 451, "4.7.1 later");
	(void)queue_filter_sender(f, "a@example.test");
	(void)queue_filter_recipient(f, "b@example.test");
	if (f->destination)
		(void)queue_filter_destination(f->destination,
					       "mx1.test,mx2.test:25");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct admin_request *request;
	struct admin_error error = {0};
	int r = admin_request_parse((const char *)data, size, NOW, &request,
				    &error);

	assert(r == 0 || r == -EINVAL);
	assert((r == 0) == (request != NULL));
	if (r == 0)
		check(request);
	else
		assert(error.code && error.text[0]);
	admin_request_unref(&request);
	return 0;
}
