/* SPDX-License-Identifier: Apache-2.0 */
/* Where the admin socket is: for the relay, and for its commands, which must
 * find the same without reading anything else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/config/config.h"
#include "gateway/config/config_socket.h"

#define REST                                        \
	"hostname: relay.example.test\n"            \
	"listen: [{address: \"127.0.0.1:2525\"}]\n" \
	"routes: [{match: \"*\", next_hop: \"127.0.0.1:1\"}]\n"

static char path[] = "/tmp/ringpost-socket-XXXXXX";

/* Both ways to the same answer. */
static void expect(const char *text, const char *socket)
{
	FILE *file = fopen(path, "w"), *null = fopen("/dev/null", "w");
	struct config *config;
	char *found;

	assert_non_null(file);
	assert_non_null(null);
	fputs(text, file);
	fclose(file);
	assert_int_equal(config_socket(path, null, &found), 0);
	assert_string_equal(found, socket);
	assert_int_equal(config_load(path, stderr, &config), 0);
	assert_string_equal(config->admin.socket, socket);
	config_unref(&config);
	free(found);
	fclose(null);
}

static void it_is_in_the_spool_by_default(void **state)
{
	expect(REST "spool: {path: /var/spool/r}\n", "/var/spool/r/admin.sock");
	expect(REST "spool: {path: queue}\n", "/tmp/queue/admin.sock");
}

static void it_may_be_elsewhere(void **state)
{
	expect(REST "spool: {path: /s}\nadmin: {socket: /run/r.sock}\n",
	       "/run/r.sock");
	expect(REST "spool: {path: /s}\nadmin: {socket: r.sock}\n",
	       "/tmp/r.sock");
	expect(REST "spool: {path: /s}\nadmin: {group: mail}\n",
	       "/s/admin.sock");
}

static void expect_nothing(const char *text, int error)
{
	FILE *file = fopen(path, "w"), *null = fopen("/dev/null", "w");
	char *found = path;

	assert_non_null(file);
	assert_non_null(null);
	fputs(text, file);
	fclose(file);
	assert_int_equal(config_socket(path, null, &found), error);
	assert_null(found);
	fclose(null);
}

/* A certificate that only the relay may read is no hindrance. */
static void keys_need_not_be_readable(void **state)
{
	static const char text[] =
		"spool: {path: /s}\n"
		"listen: [{address: \"127.0.0.1:1\", tls: {certificate: "
		"/nowhere/c, key: /nowhere/k}}]\n";
	FILE *file = fopen(path, "w");
	char *found;

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(config_socket(path, stderr, &found), 0);
	assert_string_equal(found, "/s/admin.sock");
	free(found);
}

static void a_file_that_does_not_say_it_is_refused(void **state)
{
	expect_nothing("", -EINVAL);
	expect_nothing("hostname: a\n", -EINVAL);
	expect_nothing("spool: [a]\n", -EINVAL);
	expect_nothing("spool: {path: [a]}\n", -EINVAL);
	expect_nothing("- a\n", -EINVAL);
	expect_nothing("a: {b\n", -EINVAL);
}

static void no_file_is_said(void **state)
{
	FILE *null = fopen("/dev/null", "w");
	char *found;

	assert_non_null(null);
	assert_int_equal(config_socket("/nowhere/x.yaml", null, &found),
			 -ENOENT);
	assert_null(found);
	fclose(null);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_in_the_spool_by_default),
		cmocka_unit_test(it_may_be_elsewhere),
		cmocka_unit_test(keys_need_not_be_readable),
		cmocka_unit_test(a_file_that_does_not_say_it_is_refused),
		cmocka_unit_test(no_file_is_said),
	};
	int fd = mkstemp(path), failed;

	if (fd < 0)
		return 1;
	close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
