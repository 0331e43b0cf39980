/* SPDX-License-Identifier: Apache-2.0 */
/* Known limits of kernels (kernel_limits.h). */
#include "tests/kernel/kernel_limits.h"

#include <assert.h>
#include <stdio.h>
#include <sys/utsname.h>

/* Whether the running kernel is older than @major.@minor. */
static bool older_than(unsigned major, unsigned minor)
{
	struct utsname name;
	unsigned has_major, has_minor;
	int got;

	got = uname(&name);
	assert(got == 0);
	got = sscanf(name.release, "%u.%u", &has_major, &has_minor);
	assert(got == 2);
	return has_major < major || (has_major == major && has_minor < minor);
}

const char *kernel_lacks(enum kernel_limit limit)
{
	static const struct {
		const char *name, *what;
		unsigned major, minor; /* the first kernel without it */
	} limits[KERNEL_LIMITS] = {
		[KERNEL_NO_CHACHA20] = {"no_chacha20", "ChaCha20-Poly1305", 5,
					11},
		[KERNEL_NO_MULTISHOT] = {"no_multishot", "multishot receive", 6,
					 0},
	};
	static bool said[KERNEL_LIMITS];

	assert((unsigned)limit < KERNEL_LIMITS);
	if (!older_than(limits[limit].major, limits[limit].minor))
		return NULL;
	if (!said[limit])
		fprintf(stderr,
			"%s: not supported by this kernel (expected before "
			"%u.%u)\n",
			limits[limit].what, limits[limit].major,
			limits[limit].minor);
	said[limit] = true;
	return limits[limit].name;
}

bool kernel_takes(enum ktls_cipher cipher)
{
	return cipher != KTLS_CHACHA20_POLY1305 ||
	       !kernel_lacks(KERNEL_NO_CHACHA20);
}
