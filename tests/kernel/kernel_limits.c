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

bool kernel_takes(enum ktls_cipher cipher)
{
	static bool said;

	if (cipher != KTLS_CHACHA20_POLY1305 || !older_than(5, 11))
		return true;
	if (!said)
		fprintf(stderr, "ChaCha20-Poly1305: not supported by this "
				"kernel (expected before 5.11)\n");
	said = true;
	return false;
}
