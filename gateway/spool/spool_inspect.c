/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a log without changing it (spool_inspect.h). */
#include "gateway/spool/spool_inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "gateway/spool/spool_recover.h"

/* Asked for and given back at once: a relay that starts now isn't kept from
 * it. */
static enum spool_lock lock_state(int fd)
{
	if (fd < 0)
		return SPOOL_LOCK_MISSING;
	if (flock(fd, LOCK_SH | LOCK_NB))
		return SPOOL_LOCK_HELD;
	flock(fd, LOCK_UN);
	return SPOOL_LOCK_FREE;
}

static int folder_open(struct spool *spool, const char *path,
		       char error_text[256])
{
	spool->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (spool->dir_fd < 0)
		return spool_say(error_text, path, "opening the folder", errno);
	spool->lock_fd = openat(spool->dir_fd, SPOOL_LOCK_NAME,
				O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (spool->lock_fd < 0 && (errno == EACCES || errno == EPERM))
		return spool_say(error_text, path, "opening the lock", errno);
	return 0;
}

int spool_inspect(const char *path, spool_damage_fn damage, void *arg,
		  struct spool_inspection *out, char error_text[256])
{
	struct spool_config config = {.path = path,
				      .sync = true,
				      .damage = damage,
				      .damage_arg = arg};
	struct spool *spool = spool_new(&config, NULL);
	struct spool_recovery r = {.spool = spool,
				   .report = &out->report,
				   .error_text = error_text};
	int error;

	*out = (struct spool_inspection){0};
	*error_text = '\0';
	if (!spool)
		return spool_say(error_text, path, "reading", ENOMEM);
	spool->read_only = true;
	spool->recovering = true;
	spool->verify = true;
	error = folder_open(spool, path, error_text);
	if (!error) {
		out->lock = lock_state(spool->lock_fd);
		error = spool_recovery_read(&r);
	}
	if (!error)
		spool_recovery_count(&r);
	spool_recovery_free(&r);
	spool_close(&spool);
	return error;
}
