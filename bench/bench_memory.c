/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of a process tree and of the kernel. */
#include "bench/bench_memory.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench_parse.h"

enum {
	TREE_MAX = 4096
};

/* Adds the KiB of a line "Key:  123 kB" in @path to *sum. */
static int add_key(const char *path, const char *key, uint64_t *sum)
{
	FILE *f = fopen(path, "re");
	size_t len = strlen(key);
	char line[256];

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, len) && line[len] == ':')
			*sum += strtoull(line + len + 1, NULL, 10);
	fclose(f);
	return 0;
}

static int add_process(int pid, struct bench_memory *m)
{
	char path[64];
	int err;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	err = add_key(path, "Pss", &m->resident);
	if (!err)
		err = add_key(path, "Pss_Anon", &m->anonymous);
	m->processes += !err;
	return err;
}

/* The parent of a process; 0: gone or not readable. */
static int parent_of(int pid)
{
	char path[64], line[512], *end;
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	/* The name may hold anything but ends with the last parenthesis. */
	if (fgets(line, sizeof(line), f) && (end = strrchr(line, ')')))
		sscanf(end + 1, " %*c %d", &parent);
	fclose(f);
	return parent;
}

/* Adds to tree[] whatever has a parent in it; true when something was added. */
static bool grow_tree(int *tree, unsigned *count)
{
	unsigned before = *count;
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	if (!proc)
		return false;
	while ((entry = readdir(proc)) && *count < TREE_MAX) {
		int pid = atoi(entry->d_name), parent;
		bool known = false, child = false;

		if (pid <= 0)
			continue;
		parent = parent_of(pid);
		for (unsigned i = 0; i < *count; i++) {
			known |= tree[i] == pid;
			child |= tree[i] == parent;
		}
		if (child && !known)
			tree[(*count)++] = pid;
	}
	closedir(proc);
	return *count > before;
}

static int add_kernel(struct bench_memory *m)
{
	static const char *const keys[] = {"Slab", "PageTables", "KernelStack",
					   "Percpu"};
	int err = 0;

	for (unsigned i = 0; !err && i < sizeof(keys) / sizeof(keys[0]); i++)
		err = add_key("/proc/meminfo", keys[i], &m->kernel);
	return err;
}

int bench_memory_read(int pid, struct bench_memory *ret)
{
	struct bench_memory m = {0};
	int tree[TREE_MAX] = {pid};
	unsigned count = 1;
	int err = add_process(pid, &m);

	if (err)
		return err;
	while (grow_tree(tree, &count))
		;
	for (unsigned i = 1; i < count; i++)
		(void)add_process(tree[i], &m); /* may be gone by now */
	err = add_kernel(&m);
	if (!err)
		*ret = m;
	return err;
}
