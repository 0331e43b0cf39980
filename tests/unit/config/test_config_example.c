/* SPDX-License-Identifier: Apache-2.0 */
/* docs/ringpost.yaml.example loads, shows every key, and says the defaults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/config/config_keys.h"
#include "tests/unit/config/fixture.h"

/* What the example gives although it has no default. */
#define GIVEN                                       \
	"hostname: relay.example.test\n"            \
	"spool: {path: /var/spool/ringpost}\n"      \
	"listen: [{address: \"127.0.0.1:2525\"}]\n" \
	"routes: [{match: \"*\", next_hop: \"127.0.0.1:2526\"}]\n"

static char *read_example(void)
{
	FILE *file = fopen(EXAMPLE, "re");
	char *text = calloc(1, 1 << 16);

	assert_non_null(file);
	assert_non_null(text);
	assert_true(fread(text, 1, (1 << 16) - 1, file) > 0);
	fclose(file);
	return text;
}

static void assert_same_route(const struct config_route *a,
			      const struct config_route *b)
{
	assert_string_equal(a->match, b->match);
	assert_string_equal(a->next_hop.text, b->next_hop.text);
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->tls, b->tls);
	assert_int_equal(a->min_version, b->min_version);
	assert_int_equal(a->connections, b->connections);
	assert_int_equal(a->messages_per_connection,
			 b->messages_per_connection);
}

static void test_values_are_the_defaults(void **state)
{
	char *text = read_example();
	struct parsed example = expect_good(text), least = expect_good(GIVEN);
	const struct config *a = example.config, *b = least.config;

	assert_string_equal(a->spool.path, b->spool.path);
	assert_int_equal(a->spool.durability, b->spool.durability);
	assert_int_equal(a->spool.segment_size, b->spool.segment_size);
	assert_int_equal(a->spool.min_free_percent, b->spool.min_free_percent);
	assert_memory_equal(&a->limits, &b->limits, sizeof(a->limits));
	assert_memory_equal(&a->timeouts, &b->timeouts, sizeof(a->timeouts));
	assert_int_equal(a->retry.expire, b->retry.expire);
	assert_int_equal(a->retry.count, b->retry.count);
	assert_int_equal(a->retry.first, b->retry.first);
	assert_int_equal(a->retry.factor, b->retry.factor);
	assert_int_equal(a->retry.max, b->retry.max);
	assert_int_equal(a->relay_from_count, b->relay_from_count);
	assert_int_equal(a->offload, b->offload);
	assert_int_equal(a->body_path, b->body_path);
	assert_int_equal(a->bare_line_ends, b->bare_line_ends);
	assert_int_equal(a->log.format, b->log.format);
	assert_int_equal(a->log.level, b->log.level);
	assert_int_equal(a->workers, b->workers);
	assert_int_equal(a->uring, b->uring);
	assert_same_route(&a->routes[0], &b->routes[0]);
	parsed_free(&example);
	parsed_free(&least);
	free(text);
}

static void expect_key(const char *text, const char *name)
{
	char key[64];

	snprintf(key, sizeof(key), " %s:", name);
	if (strstr(text, key))
		return;
	key[0] = '\n';
	if (!strstr(text, key))
		fail_msg("the example does not show '%s'", name);
}

static void expect_keys(const char *text, const struct config_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct config_key *row = &table->rows[i];

		expect_key(text, row->name);
		if (row->kind == CONFIG_MAPPING)
			expect_keys(text, row->table);
		else if (row->kind == CONFIG_LIST &&
			 row->elements->row->kind == CONFIG_MAPPING)
			expect_keys(text, row->elements->row->table);
	}
}

static void test_every_key_is_shown(void **state)
{
	/* Of the two tls mappings, which are read by functions. */
	static const char *const tls[] = {
		"certificate", "key",	  "certificates", "mode",
		"min_version", "ciphers", "ciphersuites", "tickets",
		"level",       "name",	  "ca_file"};
	char *text = read_example();

	expect_keys(text, &config_keys);
	for (size_t i = 0; i < sizeof(tls) / sizeof(tls[0]); i++)
		expect_key(text, tls[i]);
	free(text);
}

/* "  # - address: ..." and what follows it, as if it weren't commented. */
static void uncomment_block(char *text, const char *first)
{
	char *at = strstr(text, first);

	assert_non_null(at);
	at = strchr(at, '#');
	while (at && *at == '#') {
		at[0] = ' ';
		at[1] = ' ';
		memmove(at, at + 2, strlen(at + 2) + 1);
		at = strchr(at, '\n');
		if (at)
			at += 1 + strspn(at + 1, " ");
	}
}

static void test_commented_blocks_are_right_too(void **state)
{
	char *text = read_example(), *star;
	struct parsed p;

	uncomment_block(text, "  # - address: \"[::]:25\"");
	uncomment_block(text, "  # - match: \"*.example.test\"");
	uncomment_block(text, "  # - mx: [");
	memcpy(strstr(text, "destinations: []"), "destinations:   ", 16);
	/* "*" would come before it */
	star = strstr(text, "- match: \"*\"");
	memcpy(star, "- match: a.b", 12);
	p = parse(text);
	/* The only mistakes left: files that aren't there. */
	for (char *line = strtok(p.errors, "\n"); line;
	     line = strtok(NULL, "\n")) {
		if (!strstr(line, "': can't read "))
			fail_msg("%s", line);
	}
	assert_int_not_equal(p.result, 0);
	parsed_free(&p);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_are_the_defaults),
		cmocka_unit_test(test_every_key_is_shown),
		cmocka_unit_test(test_commented_blocks_are_right_too),
	};

	unsetenv("RINGPOST_URING");
	return cmocka_run_group_tests_name("config_example", tests, NULL, NULL);
}
