/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing text for tests, and a folder with files to refer to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/config/fixture.h"

struct parsed parse_named(const char *text, size_t len, const char *name)
{
	struct parsed parsed = {0};
	size_t size;
	FILE *errors = open_memstream(&parsed.errors, &size);

	assert_non_null(errors);
	parsed.result = config_parse(text, len, name, errors, &parsed.config);
	fclose(errors);
	assert_int_equal(!parsed.config, parsed.result != 0);
	return parsed;
}

struct parsed parse(const char *text)
{
	return parse_named(text, strlen(text), "test.yaml");
}

void parsed_free(struct parsed *parsed)
{
	config_unref(&parsed->config);
	free(parsed->errors);
	*parsed = (struct parsed){0};
}

static void check_good(const char *text, struct parsed *parsed)
{
	if (parsed->result != 0)
		fail_msg("refused (%d): %s\nin: %s", parsed->result,
			 parsed->errors, text);
	assert_string_equal(parsed->errors, "");
}

struct parsed expect_good(const char *text)
{
	struct parsed parsed = parse(text);

	check_good(text, &parsed);
	return parsed;
}

void expect_errors(const char *text, const char *lines)
{
	struct parsed parsed = parse(text);

	assert_string_equal(parsed.errors, lines);
	assert_int_not_equal(parsed.result, 0);
	parsed_free(&parsed);
}

void expect_error_has(const char *text, const char *part)
{
	struct parsed parsed = parse(text);

	if (parsed.result == 0 || !strstr(parsed.errors, part))
		fail_msg("result %d, said '%s', expected '%s', in: %s",
			 parsed.result, parsed.errors, part, text);
	parsed_free(&parsed);
}

static char folder[] = "/tmp/ringpost-config-XXXXXX";
static bool folder_made;

static const char *const files[] = {"cert.pem", "key.pem", "ca.pem"};

static void remove_folder(void)
{
	char path[64];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		unlink(path);
	}
	rmdir(folder);
}

const char *scratch_folder(void)
{
	char path[64];

	if (folder_made)
		return folder;
	assert_non_null(mkdtemp(folder));
	folder_made = true;
	atexit(remove_folder);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		close(fd);
	}
	return folder;
}

struct parsed parse_in_folder(const char *text)
{
	char name[80];
	struct parsed parsed;

	snprintf(name, sizeof(name), "%s/test.yaml", scratch_folder());
	parsed = parse_named(text, strlen(text), name);
	check_good(text, &parsed);
	return parsed;
}
