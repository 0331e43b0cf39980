/* SPDX-License-Identifier: Apache-2.0 */
/* The admin socket's address (admin_address.h). */
#include "gateway/admin/admin_address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* sun_path holds 108 octets; folders may be deeper. */
static int long_address(const char *path, struct sockaddr_un *out, int *folder)
{
	const char *slash = strrchr(path, '/');
	char *name = slash ? strndup(path, (size_t)(slash - path) + 1) : NULL;
	int len;

	if (!slash)
		return -ENAMETOOLONG;
	if (!name)
		return -ENOMEM;
	*folder = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(name);
	if (*folder < 0)
		return -errno;
	len = snprintf(out->sun_path, sizeof(out->sun_path),
		       "/proc/self/fd/%d/%s", *folder, slash + 1);
	if (len > 0 && (size_t)len < sizeof(out->sun_path))
		return 0;
	close(*folder);
	*folder = -1;
	return -ENAMETOOLONG;
}

int admin_address(const char *path, struct sockaddr_un *out, int *folder)
{
	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	*folder = -1;
	if (strlen(path) >= sizeof(out->sun_path))
		return long_address(path, out, folder);
	strcpy(out->sun_path, path);
	return 0;
}

int admin_connect(const char *path)
{
	struct sockaddr_un address;
	int folder, fd, r = admin_address(path, &address, &folder);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		r = -errno;
	else if (connect(fd, (const struct sockaddr *)&address,
			 sizeof(address)) < 0)
		r = -errno;
	if (folder >= 0)
		close(folder);
	if (r == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return r;
}
