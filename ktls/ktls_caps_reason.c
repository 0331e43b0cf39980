/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why this machine's kernel has no TLS, in words with a mend.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "ktls/ktls_caps.h"
#include "ktls/ktls_caps_private.h"

enum config_answer {
	CONFIG_UNKNOWN,
	CONFIG_NO,
	CONFIG_MODULE,
	CONFIG_BUILT_IN
};

/* Debian ships plain .ko, others compress them. */
static bool has_module_file(const char *root, const char *release)
{
	static const char *const suffixes[] = {"", ".xz", ".zst", ".gz"};
	char path[512];
	struct stat st;

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		snprintf(path, sizeof(path),
			 "%s/lib/modules/%s/kernel/net/tls/tls.ko%s", root,
			 release, suffixes[i]);
		if (stat(path, &st) == 0)
			return true;
	}
	return false;
}

/* Has a text file a line that begins so? */
static bool has_line(const char *path, const char *prefix)
{
	FILE *file = fopen(path, "re");
	char line[512];
	bool found = false;

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = strncmp(line, prefix, strlen(prefix)) == 0;
	fclose(file);
	return found;
}

static enum config_answer config_says(const char *root, const char *release)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/boot/config-%s", root, release);
	if (has_line(path, "CONFIG_TLS=y"))
		return CONFIG_BUILT_IN;
	if (has_line(path, "CONFIG_TLS=m"))
		return CONFIG_MODULE;
	if (has_line(path, "# CONFIG_TLS is not set"))
		return CONFIG_NO;
	return CONFIG_UNKNOWN;
}

static void say_no_ulp(const char *root, const char *release, char *buf,
		       size_t size)
{
	enum config_answer config = config_says(root, release);
	char modules[512];

	snprintf(modules, sizeof(modules), "%s/proc/modules", root);
	if (has_line(modules, "tls "))
		snprintf(buf, size,
			 "The tls module is loaded, yet this process does not "
			 "see it: kernel %s, perhaps a sandbox (gVisor) or "
			 "another network namespace's rules.",
			 release);
	else if (has_module_file(root, release) || config == CONFIG_MODULE)
		snprintf(buf, size,
			 "The kernel's tls module is not loaded. Load it with "
			 "'modprobe tls' as root, and at every boot with 'echo "
			 "tls > /etc/modules-load.d/tls.conf'.");
	else if (config == CONFIG_NO)
		snprintf(buf, size,
			 "Kernel %s is built without TLS (CONFIG_TLS is not "
			 "set). Use a kernel with CONFIG_TLS=m or y, as "
			 "distributions ship it.",
			 release);
	else
		snprintf(buf, size,
			 "Kernel %s has no TLS: no tls module is loaded, none "
			 "is under /lib/modules/%s. In a container, run "
			 "'modprobe tls' on the host; else use a kernel with "
			 "CONFIG_TLS=m or y.",
			 release, release);
}

const char *ktls_caps_reason_at(const struct ktls_caps *caps, const char *root,
				const char *release, char *buf, size_t size)
{
	buf[0] = '\0';
	if (caps->ulp)
		return buf;
	switch (caps->ulp_error) {
	case ENOENT:
		say_no_ulp(root, release, buf, size);
		break;
	case EPERM:
	case EACCES:
		snprintf(buf, size,
			 "setsockopt(TCP_ULP, \"tls\") is blocked (%s): a "
			 "seccomp or security module rule. Allow it for this "
			 "service.",
			 strerror(caps->ulp_error));
		break;
	case ENOPROTOOPT:
		snprintf(buf, size,
			 "Kernel %s does not know TCP_ULP: it is older than "
			 "4.13 or not Linux. Use a newer kernel.",
			 release);
		break;
	default:
		snprintf(buf, size,
			 "Kernel TLS could not be tried: %s. Loopback TCP "
			 "must work for the test.",
			 strerror(caps->ulp_error));
	}
	return buf;
}

const char *ktls_caps_reason(const struct ktls_caps *caps, char *buf,
			     size_t size)
{
	struct utsname uts;

	if (uname(&uts) < 0)
		strcpy(uts.release, "unknown");
	return ktls_caps_reason_at(caps, "", uts.release, buf, size);
}
