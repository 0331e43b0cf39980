/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command line options as a table: one row per option gives the parser, the
 * place of the value and the help text, so that --help cannot fall behind.
 */
#ifndef BENCH_OPT_H
#define BENCH_OPT_H

#include <stddef.h>

/* bench_opt_parse() says: go on with the work. */
#define BENCH_OPT_GO (-1)

struct bench_opt {
	const char *name;
	const char *arg;  /* name of the value in --help; NULL: a flag */
	const char *help; /* lines after the first are indented by the caller */
	/* Stores the value of `text` in *field; 0 or -errno. Called each time
	 * the option appears, so that a parser may collect a list. */
	int (*parse)(const char *text, void *field);
	size_t offset;	   /* of the field in the configuration struct */
	const char *wants; /* "a size such as 4K", for the error message */
};

struct bench_opt_set {
	const char *command; /* "source" */
	const char *summary; /* one or more lines under the usage */
	const struct bench_opt *opts;
	size_t count;
};

/*
 * Reads argv (argv[0] is the subcommand) into *config. Strings in *config point
 * into argv. Returns BENCH_OPT_GO, or the exit status: 0 after --help, EX_USAGE
 * after an error, which has been explained on stderr.
 */
int bench_opt_parse(const struct bench_opt_set *set, void *config, int argc,
		    char **argv);

/* Parsers for the table. The comment names the type of the field. */
int bench_opt_flag(const char *text, void *field);     /* bool, set to true */
int bench_opt_yes_no(const char *text, void *field);   /* bool */
int bench_opt_string(const char *text, void *field);   /* const char * */
int bench_opt_u64(const char *text, void *field);      /* uint64_t */
int bench_opt_unsigned(const char *text, void *field); /* unsigned */
int bench_opt_count(const char *text, void *field);    /* unsigned, > 0 */
int bench_opt_size(const char *text, void *field);     /* uint64_t */
int bench_opt_share(const char *text, void *field);    /* uint32_t */
int bench_opt_addr(const char *text, void *field);     /* struct bench_addr */

#endif
