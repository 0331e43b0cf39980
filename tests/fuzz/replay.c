/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over the files of a folder, as an ordinary test: what
 * was found once stays found.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (1 << 20)

static int replay_file(const char *folder, const char *name, uint8_t *buf)
{
	char path[4096];
	FILE *file;
	size_t size;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "re");
	if (!file) {
		perror(path);
		return -1;
	}
	size = fread(buf, 1, INPUT_MAX, file);
	fclose(file);
	/* A heap block of just this size lets ASan see what lies beyond. */
	uint8_t *exact = malloc(size ? size : 1);

	if (!exact)
		return -1;
	for (size_t i = 0; i < size; i++)
		exact[i] = buf[i];
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	return 0;
}

static int replay_folder(const char *folder, uint8_t *buf)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	unsigned count = 0;
	int bad = 0;

	if (!dir) {
		perror(folder);
		return 1;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		bad |= replay_file(folder, entry->d_name, buf);
		count++;
	}
	closedir(dir);
	printf("%u inputs\n", count);
	return bad || !count; /* an empty corpus tests nothing */
}

int main(int argc, char **argv)
{
	uint8_t *buf = malloc(INPUT_MAX);
	int bad = argc < 2 || !buf;

	for (int i = 1; i < argc && !bad; i++)
		bad |= replay_folder(argv[i], buf);
	free(buf);
	return bad;
}
