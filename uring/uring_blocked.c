/* SPDX-License-Identifier: Apache-2.0 */
/* Why io_uring can't be used here, in words for an operator. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uring/uring_internal.h"

static int read_sysctl(void)
{
	FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "re");
	char line[16];
	int value = -1;

	if (!file)
		return -1; /* before 6.6 */
	if (fgets(line, sizeof(line), file))
		value = atoi(line);
	(void)fclose(file);
	return value;
}

static int read_seccomp(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	int value = -1;

	if (!file)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), file))
		if (strncmp(line, "Seccomp:", 8) == 0)
			value = atoi(line + 8);
	(void)fclose(file);
	return value;
}

static const char *eperm_text(int disabled, int seccomp)
{
	if (disabled == 2)
		return "io_uring is switched off (sysctl "
		       "kernel.io_uring_disabled=2): set it to 0, or to 1 and "
		       "run in the group of kernel.io_uring_group";
	if (disabled == 1)
		return "io_uring is switched off for ordinary users (sysctl "
		       "kernel.io_uring_disabled=1): set it to 0, or put this "
		       "user's group in kernel.io_uring_group";
	if (seccomp > 0)
		return "a seccomp filter refuses io_uring (containers do by "
		       "default): allow io_uring_setup, io_uring_enter and "
		       "io_uring_register in its profile, or run without it";
	return "the kernel refuses io_uring to this process: look for a "
	       "security module's denial (audit log)";
}

static const char *enosys_text(int seccomp)
{
	if (seccomp > 0)
		return "this kernel has no io_uring, or a seccomp filter hides "
		       "it: Linux 5.10 or later is needed, with "
		       "io_uring_setup, io_uring_enter and io_uring_register "
		       "allowed";
	return "this kernel has no io_uring that is new enough: Linux 5.10 or "
	       "later with CONFIG_IO_URING=y is needed";
}

static const char *known_text(int error, int disabled, int seccomp)
{
	switch (-error) {
	case EPERM:
	case EACCES:
		return eperm_text(disabled, seccomp);
	case ENOSYS:
		return enosys_text(seccomp);
	case ENOMEM:
		return "the kernel has no memory for a ring: before Linux 5.12 "
		       "rings count against RLIMIT_MEMLOCK; raise it "
		       "(LimitMEMLOCK=infinity in a systemd unit)";
	case EMFILE:
	case ENFILE:
		return "no file descriptor is left for a ring: raise "
		       "RLIMIT_NOFILE (LimitNOFILE= in a systemd unit)";
	default:
		return NULL;
	}
}

const char *uring_blocked_text(int error, int disabled, int seccomp, char *buf,
			       size_t size)
{
	const char *text = known_text(error, disabled, seccomp);

	if (text)
		(void)snprintf(buf, size, "%s", text);
	else
		(void)snprintf(buf, size, "io_uring can't be set up: %s",
			       strerror(-error));
	return buf;
}

const char *uring_blocked_reason(int error, char *buf, size_t size)
{
	return uring_blocked_text(error, read_sysctl(), read_seccomp(), buf,
				  size);
}
