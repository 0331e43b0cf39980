/* SPDX-License-Identifier: Apache-2.0 */
/* Where the log goes: files, levels, rotation, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/log/log.h"

static char folder[] = "/tmp/ringpost-log-XXXXXX";
static char path[64], rotated[64];

static int make_folder(void **state)
{
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/relay.log", folder);
	snprintf(rotated, sizeof(rotated), "%s/relay.log.1", folder);
	return 0;
}

static int remove_folder(void **state)
{
	unlink(path);
	unlink(rotated);
	return rmdir(folder);
}

static int remove_files(void **state)
{
	unlink(path);
	unlink(rotated);
	return 0;
}

static char *read_file(const char *name)
{
	FILE *file = fopen(name, "re");
	char *text = NULL;
	size_t size = 0;

	assert_non_null(file);
	if (getdelim(&text, &size, '\0', file) < 0) {
		free(text);
		text = strdup("");
	}
	fclose(file);
	return text;
}

static unsigned count_lines(const char *text, const char *part)
{
	unsigned count = 0;

	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		const char *found = strstr(line, part);

		count += found && found < strchr(line, '\n');
	}
	return count;
}

static void test_json_in_a_file(void **state)
{
	char *text;
	json_t *json;

	assert_int_equal(log_open(path, CONFIG_LOG_AUTO, CONFIG_LOG_INFO), 0);
	log_info("test.event", L_STR("a", "b"));
	text = read_file(path);
	json = json_loads(text, 0, NULL);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "event")),
			    "test.event");
	json_decref(json);
	free(text);
}

static void test_text_in_a_file_has_the_date(void **state)
{
	char *text;

	assert_int_equal(log_open(path, CONFIG_LOG_TEXT, CONFIG_LOG_INFO), 0);
	log_warning("test.event");
	text = read_file(path);
	assert_string_equal(text + strlen("2024-02-29T12:34:56.007008Z"),
			    " warning test.event\n");
	free(text);
}

static void test_levels(void **state)
{
	char *text;

	assert_int_equal(log_open(path, CONFIG_LOG_TEXT, CONFIG_LOG_WARNING),
			 0);
	assert_false(log_enabled(CONFIG_LOG_DEBUG));
	assert_false(log_enabled(CONFIG_LOG_INFO));
	assert_true(log_enabled(CONFIG_LOG_WARNING));
	assert_true(log_enabled(CONFIG_LOG_ERROR));
	log_debug("test.debug");
	log_info("test.info");
	log_warning("test.warning");
	log_error("test.error");
	text = read_file(path);
	assert_int_equal(count_lines(text, "test."), 2);
	assert_int_equal(count_lines(text, "warning test.warning"), 1);
	assert_int_equal(count_lines(text, "error   test.error"), 1);
	free(text);
}

static void test_appends(void **state)
{
	char *text;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			log_open(path, CONFIG_LOG_TEXT, CONFIG_LOG_INFO), 0);
		log_info("test.event");
	}
	text = read_file(path);
	assert_int_equal(count_lines(text, "test.event"), 2);
	free(text);
}

static void test_reopen_after_rotation(void **state)
{
	char *before, *after;

	assert_int_equal(log_open(path, CONFIG_LOG_TEXT, CONFIG_LOG_INFO), 0);
	log_info("test.one");
	assert_int_equal(rename(path, rotated), 0);
	log_info("test.two");
	assert_int_equal(log_reopen(), 0);
	log_info("test.three");
	before = read_file(rotated);
	after = read_file(path);
	assert_int_equal(count_lines(before, "test."), 2);
	assert_int_equal(count_lines(after, "test.three"), 1);
	free(before);
	free(after);
}

static void test_failed_open_keeps_the_old_file(void **state)
{
	char *text;

	assert_int_equal(log_open(path, CONFIG_LOG_TEXT, CONFIG_LOG_INFO), 0);
	assert_int_equal(log_open("/nowhere/relay.log", CONFIG_LOG_JSON,
				  CONFIG_LOG_ERROR),
			 -ENOENT);
	log_info("test.event");
	text = read_file(path);
	assert_int_equal(count_lines(text, "info    test.event"), 1);
	free(text);
}

static void test_errno_is_kept(void **state)
{
	assert_int_equal(
		log_open("/dev/full", CONFIG_LOG_TEXT, CONFIG_LOG_INFO), 0);
	errno = ENOTTY;
	log_info("test.event"); /* write fails: ENOSPC */
	assert_int_equal(errno, ENOTTY);
}

static void test_standard_error(void **state)
{
	int saved = dup(STDERR_FILENO), fd;
	char *text;

	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_true(dup2(fd, STDERR_FILENO) >= 0);
	assert_int_equal(log_open(NULL, CONFIG_LOG_AUTO, CONFIG_LOG_INFO), 0);
	log_info("test.event");
	assert_int_equal(log_reopen(), 0); /* nothing to do */
	log_info("test.event");
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fd);
	text = read_file(path);
	assert_int_equal(count_lines(text, "{\"time\":\""), 2);
	free(text);
}

/* --- threads --- */

#define THREADS 4
#define LINES	2000

static void *write_lines(void *arg)
{
	for (unsigned i = 0; i < LINES; i++)
		log_info("test.line", L_UINT("n", i),
			 L_STR("text", "some words to make it longer"));
	return NULL;
}

static void test_lines_of_threads_stay_whole(void **state)
{
	pthread_t threads[THREADS];
	unsigned lines = 0;
	char *text;

	assert_int_equal(log_open(path, CONFIG_LOG_JSON, CONFIG_LOG_INFO), 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, write_lines, NULL),
			0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(log_reopen(), 0);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	text = read_file(path);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		json_t *json = json_loads(line, 0, NULL);

		assert_non_null(json);
		json_decref(json);
		lines++;
	}
	assert_int_equal(lines, THREADS * LINES);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_json_in_a_file, remove_files),
		cmocka_unit_test_teardown(test_text_in_a_file_has_the_date,
					  remove_files),
		cmocka_unit_test_teardown(test_levels, remove_files),
		cmocka_unit_test_teardown(test_appends, remove_files),
		cmocka_unit_test_teardown(test_reopen_after_rotation,
					  remove_files),
		cmocka_unit_test_teardown(test_failed_open_keeps_the_old_file,
					  remove_files),
		cmocka_unit_test_teardown(test_errno_is_kept, remove_files),
		cmocka_unit_test_teardown(test_standard_error, remove_files),
		cmocka_unit_test_teardown(test_lines_of_threads_stay_whole,
					  remove_files),
	};

	return cmocka_run_group_tests_name("log", tests, make_folder,
					   remove_folder);
}
