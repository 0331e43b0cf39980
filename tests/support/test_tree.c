/* SPDX-License-Identifier: Apache-2.0 */
/* Folders that tests make and remove. */
#include "tests/support/test_tree.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool make_in(const char *place, const char *name, char *path,
		    size_t size)
{
	int len;

	if (!place || !*place)
		return false;
	len = snprintf(path, size, "%s/%s.XXXXXX", place, name);
	if (len < 0 || (size_t)len >= size)
		return false;
	if (mkdtemp(path))
		return true;
	fprintf(stderr, "no folder %s in %s: %s\n", name, place,
		strerror(errno));
	return false;
}

void test_tree_make(const char *name, bool in_memory, char *path, size_t size)
{
	if (in_memory && make_in("/dev/shm", name, path, size))
		return;
	if (make_in(getenv("TMPDIR"), name, path, size))
		return;
	if (make_in("/tmp", name, path, size))
		return;
	fprintf(stderr, "no place for a folder %s\n", name);
	abort();
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	return remove(path);
}

void test_tree_remove(const char *path)
{
	nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
