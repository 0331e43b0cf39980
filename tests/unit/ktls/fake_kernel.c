/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A setsockopt(2) that records its calls.
 */
#include "tests/unit/ktls/fake_kernel.h"

#include <assert.h>
#include <string.h>

static int fake_setsockopt(const struct ktls_kernel *kernel, int fd, int level,
			   int name, const void *value, socklen_t len)
{
	union {
		const struct ktls_kernel *in;
		struct fake_kernel *out;
	} fake = {.in = kernel};
	struct fake_call *call = &fake.out->calls[fake.out->count];

	assert(fake.out->count < FAKE_CALLS_MAX && len <= FAKE_VALUE_MAX);
	call->fd = fd;
	call->level = level;
	call->name = name;
	call->len = len;
	call->where = value;
	memcpy(call->value, value, len);
	fake.out->count++;
	return fake.out->decide ? fake.out->decide(fake.out, call) : 0;
}

void fake_kernel_init(struct fake_kernel *fake)
{
	memset(fake, 0, sizeof(*fake));
	fake->ops.setsockopt = fake_setsockopt;
}
