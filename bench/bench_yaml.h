/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML files of the bench tool, on libfyaml: read whole, mistakes said as
 * "FILE:LINE:COLUMN: what is wrong; what is expected".
 *
 * One document of at most 256 KiB, UTF-8, nested no deeper than libfyaml allows
 * by default (64); no aliases, no tags, scalars of one line.
 */
#ifndef BENCH_YAML_H
#define BENCH_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <libfyaml.h>

enum {
	BENCH_YAML_MAX = 256 * 1024, /* octets of a file */
	BENCH_YAML_TEXT = 1000,	     /* octets of a scalar, its NUL included */
	BENCH_YAML_MISTAKES = 20,    /* said; the others are only counted */
};

struct bench_yaml {
	const char *name; /* of the file, borrowed */
	FILE *complaints; /* borrowed */
	unsigned mistakes;
	struct fy_diag *diag; /* owned, as what follows */
	struct fy_parser *parser;
	struct fy_document *document;
	char *text;
};

/*
 * Reads `path`. 0, or -errno of the file, -EINVAL when it is no YAML, -ENOMEM:
 * all of it has been told to `complaints`. bench_yaml_close() in any case.
 */
int bench_yaml_open(struct bench_yaml *yaml, const char *path,
		    FILE *complaints);
void bench_yaml_close(struct bench_yaml *yaml);

/* The root; NULL: nothing but comments. Valid until bench_yaml_close(). */
struct fy_node *bench_yaml_root(const struct bench_yaml *yaml);

/* The line of a node, from 1; 0 when it has no text at all. */
unsigned bench_yaml_line(struct fy_node *node);

/* Tells a mistake at `node`, or, when that is empty, at `key` (may be NULL). */
void bench_yaml_wrong(struct bench_yaml *yaml, struct fy_node *node,
		      struct fy_node *key, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * A scalar as a string. False, and a mistake told, when it is none, is empty,
 * has an alias, a tag or a control character, or is too long.
 */
bool bench_yaml_scalar(struct bench_yaml *yaml, struct fy_node *node,
		       struct fy_node *key, char text[BENCH_YAML_TEXT]);

/*
 * A scalar, or a sequence of them: next() after next, from *state NULL, until
 * it returns NULL. What is neither is told as a mistake by the next
 * bench_yaml_scalar().
 */
struct fy_node *bench_yaml_next(struct fy_node *one_or_more, void **state);

#endif
