/* SPDX-License-Identifier: Apache-2.0 */
/* ringpost-bench compare: hands over to the script of that name, which starts
 * relays and runs source and sink of this very program around them. */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "bench/bench_cmd.h"

enum {
	/* From a build directory's bench/ up to the tree that it lies in. */
	LEVELS_UP = 5,
};

/* The folder of this program; 0, or -errno. */
static int own_folder(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);

	if (n < 0)
		return -errno;
	path[n] = '\0';
	dirname(path); /* an absolute path is cut in place */
	return 0;
}

/* The script in the tree that holds folder; false when it holds none. */
static bool find_in_tree(const char *folder, char script[PATH_MAX])
{
	char up[PATH_MAX];

	snprintf(up, sizeof(up), "%s", folder);
	for (int level = 0; level < LEVELS_UP; level++) {
		int n = snprintf(script, PATH_MAX, "%s/bench/compare/compare",
				 up);

		if (n < PATH_MAX && !access(script, X_OK))
			return true;
		dirname(up);
	}
	return false;
}

int cmd_compare(int argc, char **argv)
{
	static const char installed[] = RINGPOST_LIBEXECDIR "/compare/compare";
	char folder[PATH_MAX] = "", script[PATH_MAX] = "";

	if (!own_folder(folder))
		setenv("RINGPOST_BENCH_FOLDER", folder, 1);
	if (!find_in_tree(folder, script))
		snprintf(script, sizeof(script), "%s", installed);
	argv[0] = script;
	execv(script, argv);
	fprintf(stderr, "ringpost-bench compare: %s: %s\n", script,
		strerror(errno));
	return EX_UNAVAILABLE;
}
