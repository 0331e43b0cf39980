/* SPDX-License-Identifier: Apache-2.0 */
/* Unix-domain sockets that a relay listens at. */
#include "gateway/admin/admin_listen.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/admin/admin_address.h"

/* Bound, and open to those who may ask, before anybody can connect. */
static int bind_to(int fd, const struct sockaddr_un *address, mode_t mode,
		   const gid_t *group)
{
	/* Who may connect is said by chmod(); until then nobody. */
	if (fchmod(fd, 0) < 0 ||
	    bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	if (group && chown(address->sun_path, (uid_t)-1, *group) < 0)
		return -errno;
	return chmod(address->sun_path, mode) < 0 ? -errno : 0;
}

/* What an ended relay has left behind; never a socket in use, or a file. */
static void remove_stale(const char *path)
{
	struct stat st;
	int fd;

	if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	fd = admin_connect(path);
	if (fd >= 0)
		close(fd);
	else if (fd == -ECONNREFUSED)
		(void)unlink(path);
}

static int bind_path(int fd, const char *path, mode_t mode, const gid_t *group)
{
	struct sockaddr_un address;
	int folder, r = admin_address(path, &address, &folder);

	if (r < 0)
		return r;
	r = bind_to(fd, &address, mode, group);
	if (folder >= 0)
		close(folder);
	return r;
}

int admin_listen(const char *path, mode_t mode, const gid_t *group, int backlog)
{
	int fd, r;

	remove_stale(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = bind_path(fd, path, mode, group);
	if (r == 0 && listen(fd, backlog) < 0)
		r = -errno;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}
