/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configurations from text, with what was said about them.
 */
#ifndef TESTS_UNIT_CONFIG_FIXTURE_H
#define TESTS_UNIT_CONFIG_FIXTURE_H

#include "gateway/config/config.h"

/* The least that a configuration needs, four lines; more keys can follow. */
#define LEAST                                       \
	"hostname: relay.example.test\n"            \
	"spool: {path: spool}\n"                    \
	"listen: [{address: \"127.0.0.1:2525\"}]\n" \
	"routes: [{match: \"*\", next_hop: \"127.0.0.1:2526\"}]\n"

struct parsed {
	int result;
	struct config *config; /* NULL unless result is 0 */
	char *errors;	       /* what was said; "" when nothing */
};

/* parse() - @text as the file "test.yaml". */
struct parsed parse(const char *text);
/* parse_named() - @len octets of @text as the file @name. */
struct parsed parse_named(const char *text, size_t len, const char *name);
void parsed_free(struct parsed *parsed);

/* expect_good() - parse; fail the test, with what was said, if it's wrong. */
struct parsed expect_good(const char *text);

/* expect_errors() - parse; the errors must be exactly @lines. */
void expect_errors(const char *text, const char *lines);

/* expect_error_has() - parse; it must be refused, with @part said. */
void expect_error_has(const char *text, const char *part);

/* A folder of its own with empty, readable cert.pem, key.pem and ca.pem;
 * removed at exit. */
const char *scratch_folder(void);
/* scratch_text() - @text as a file in the folder: parse with its name. */
struct parsed parse_in_folder(const char *text);

#endif
