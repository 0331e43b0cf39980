/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables on getopt_long; see bench_opt.h. */
#include "bench/bench_opt.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "bench/bench_parse.h"

enum {
	OPT_MAX = 62,
	OPT_BASE = 1000, /* above every character getopt may return */
	OPT_HELP = OPT_BASE - 1,
	HELP_COLUMN = 28,
};

static void print_option(const struct bench_opt *o)
{
	int width = printf("  --%s%s%s", o->name, o->arg ? " " : "",
			   o->arg ? o->arg : "");
	const char *line = o->help;

	if (width >= HELP_COLUMN) {
		putchar('\n');
		width = 0;
	}
	for (;;) {
		const char *end = strchrnul(line, '\n');

		printf("%*s%.*s\n", HELP_COLUMN - width, "", (int)(end - line),
		       line);
		if (!*end)
			return;
		line = end + 1;
		width = 0;
	}
}

static void print_help(const struct bench_opt_set *set)
{
	printf("usage: ringpost-bench %s [options]\n\n%s\n\noptions:\n",
	       set->command, set->summary);
	for (size_t i = 0; i < set->count; i++)
		print_option(&set->opts[i]);
	printf("  --help%*sthis text\n", HELP_COLUMN - 8, "");
}

static int apply(const struct bench_opt_set *set, size_t i, const char *text,
		 void *config)
{
	const struct bench_opt *o = &set->opts[i];
	int err = o->parse(text, (char *)config + o->offset);

	if (!err)
		return BENCH_OPT_GO;
	fprintf(stderr, "ringpost-bench %s: --%s %s: %s, wanted %s\n",
		set->command, o->name, text ? text : "",
		err == -ERANGE ? "out of range" : "not understood",
		o->wants ? o->wants : o->arg);
	return EX_USAGE;
}

static void build_table(const struct bench_opt_set *set, struct option *table)
{
	assert(set->count <= OPT_MAX);
	for (size_t i = 0; i < set->count; i++)
		table[i] = (struct option){
			.name = set->opts[i].name,
			.has_arg = set->opts[i].arg ? required_argument
						    : no_argument,
			.val = OPT_BASE + (int)i,
		};
	table[set->count] = (struct option){.name = "help", .val = OPT_HELP};
	table[set->count + 1] = (struct option){.name = NULL};
}

static int usage_error(const struct bench_opt_set *set, const char *what,
		       const char *arg)
{
	fprintf(stderr,
		"ringpost-bench %s: %s %s; see ringpost-bench %s "
		"--help\n",
		set->command, what, arg, set->command);
	return EX_USAGE;
}

int bench_opt_parse(const struct bench_opt_set *set, void *config, int argc,
		    char **argv)
{
	struct option table[OPT_MAX + 2];
	int c, status;

	build_table(set, table);
	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", table, NULL)) != -1) {
		if (c == OPT_HELP) {
			print_help(set);
			return EX_OK;
		}
		if (c == ':')
			return usage_error(set, "no value for",
					   argv[optind - 1]);
		if (c < OPT_BASE)
			return usage_error(set, "unknown option",
					   argv[optind - 1]);
		status = apply(set, (size_t)(c - OPT_BASE), optarg, config);
		if (status != BENCH_OPT_GO)
			return status;
	}
	if (optind < argc)
		return usage_error(set, "unexpected argument", argv[optind]);
	return BENCH_OPT_GO;
}

int bench_opt_flag(const char *text, void *field)
{
	*(bool *)field = true;
	return 0;
}

int bench_opt_yes_no(const char *text, void *field)
{
	bool yes = !strcmp(text, "yes");

	if (!yes && strcmp(text, "no"))
		return -EINVAL;
	*(bool *)field = yes;
	return 0;
}

int bench_opt_string(const char *text, void *field)
{
	*(const char **)field = text;
	return 0;
}

int bench_opt_u64(const char *text, void *field)
{
	return bench_parse_u64(text, field);
}

int bench_opt_unsigned(const char *text, void *field)
{
	uint64_t value;
	int err = bench_parse_u64(text, &value);

	if (err)
		return err;
	if (value > INT_MAX)
		return -ERANGE;
	*(unsigned *)field = (unsigned)value;
	return 0;
}

int bench_opt_count(const char *text, void *field)
{
	unsigned value;
	int err = bench_opt_unsigned(text, &value);

	if (err)
		return err;
	if (!value)
		return -EINVAL;
	*(unsigned *)field = value;
	return 0;
}

int bench_opt_size(const char *text, void *field)
{
	return bench_parse_size(text, field);
}

int bench_opt_share(const char *text, void *field)
{
	return bench_parse_share(text, field);
}

int bench_opt_addr(const char *text, void *field)
{
	return bench_parse_addr(text, field);
}
