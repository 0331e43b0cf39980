/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: a table of subcommands, their options, sysexits codes.
 */
#ifndef GATEWAY_CLI_CLI_H
#define GATEWAY_CLI_CLI_H

#include <stdbool.h>
#include <stdio.h>

/* cli_main() - what main() does; returns a sysexits code. */
int cli_main(int argc, char **argv);

/* Which options a command knows. */
enum cli_takes {
	CLI_TAKES_NOTHING = 0,
	CLI_TAKES_CONFIG = 1,
	CLI_NEEDS_CONFIG = 2 | CLI_TAKES_CONFIG,
	CLI_TAKES_JSON = 4,
	CLI_TAKES_WORDS = 8, /* what isn't an option; else it is a mistake */
};

struct cli_command;

struct cli_options {
	const struct cli_command *command; /* whose they are */
	const char *config; /* NULL: not given; borrowed from argv */
	bool json;
	bool help;
	char *const *words; /* borrowed from argv */
	int word_count;
};

struct cli_command {
	const char *name;
	const char *summary; /* one line */
	const char *usage;   /* what follows the name */
	const char *help;    /* paragraphs: what it does, what it returns */
	unsigned takes;	     /* enum cli_takes */
	int (*run)(const struct cli_options *options);
	/* Instead of run: reads its arguments itself, --help too. */
	int (*main)(int argc, char **argv);
};

/* cli_options_read() - a command's arguments (argv[0] is its name).
 * EX_OK, or EX_USAGE when the mistake was said on standard error. */
int cli_options_read(const struct cli_command *command, int argc, char **argv,
		     struct cli_options *out);

/* cli_refuse() - say a mistake, @what and the @word it is about, and the usage;
 * EX_USAGE. */
int cli_refuse(const struct cli_command *command, const char *what,
	       const char *word);

/* cli_options_help() - the lines about @command's options. */
void cli_options_help(const struct cli_command *command, FILE *out);

/* The commands. */
int cli_queue(int argc, char **argv);
int cli_reload(int argc, char **argv);
int cli_restart(int argc, char **argv);
int cli_top(int argc, char **argv);
int cli_trace(int argc, char **argv);
int cli_inject(int argc, char **argv);
int cli_serve(const struct cli_options *options);
int cli_check_config(const struct cli_options *options);
int cli_doctor(const struct cli_options *options);
int cli_spool(const struct cli_options *options);

struct config;

/* cli_load_config() - config_load() with the mistakes on standard error, and
 * a sysexits code: EX_CONFIG for them, EX_NOINPUT when there's no such file,
 * EX_NOPERM, EX_IOERR, EX_OSERR. */
int cli_load_config(const char *file, struct config **out);

#endif
