/* SPDX-License-Identifier: Apache-2.0 */
/* Which subcommand runs; help and version. */
#include "gateway/cli/cli.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "gateway/config/config.h"
#include "gateway/config/config_value.h"

/* clang-format off */
static const struct cli_command commands[] = {
	{
		.name = "serve", .run = cli_serve, .takes = CLI_NEEDS_CONFIG,
		.summary = "run the relay in the foreground",
		.usage = "--config FILE",
		.help = "Accepts mail, stores it, delivers it, until SIGTERM "
			"or SIGINT: then what is\n"
			"in flight is finished first.  SIGHUP reopens the log "
			"file and reads the\n"
			"configuration again, like 'ringpost reload'.\n",
	},
	{
		.name = "check-config", .run = cli_check_config,
		.takes = CLI_NEEDS_CONFIG,
		.summary = "say what is wrong with a configuration file",
		.usage = "--config FILE",
		.help = "Reads the file as serve does and loads its "
			"certificates and keys.  Every\n"
			"mistake is one line, FILE:LINE:COLUMN: what is "
			"wrong; what is expected.\n"
			"Returns 0 when there is none, 78 when there are, 66 "
			"when the file isn't there.\n",
	},
	{
		.name = "doctor", .run = cli_doctor,
		.takes = CLI_TAKES_CONFIG | CLI_TAKES_JSON,
		.summary = "say what this machine can do for ringpost",
		.usage = "[--json] [--config FILE]",
		.help = "Looks at the kernel, its io_uring and its TLS (by "
			"trying), at libraries and\n"
			"limits; says what each missing thing costs and how "
			"to get it, and which path\n"
			"connections will take.  With a configuration: what "
			"that asks for, too.\n"
			"Returns 0 when ringpost can run here, 69 when it "
			"can't, 78 for mistakes in the\n"
			"configuration.\n",
	},
	{
		.name = "spool", .run = cli_spool,
		.takes = CLI_TAKES_WORDS | CLI_TAKES_JSON,
		.summary = "look at a spool on disk, mend a damaged one",
		.usage = "check|recover [--json] DIR",
		.help = "DIR is the spool's folder (spool.path), or one "
			"worker's in it.\n\n"
			"check reads all records and checks their checksums, "
			"and changes nothing, also\n"
			"while a relay runs.  It says what is queued, and of "
			"each damage where it is.\n"
			"Torn ends are no damage: no client was promised "
			"them.\n\n"
			"recover makes a damaged spool usable: torn ends are "
			"cut, damaged segments are\n"
			"copied to DIR/worker-N/aside-TIME, with what is left "
			"of messages that lost a\n"
			"part, and are given up in the spool.  Messages that "
			"can be read stay queued.  It\n"
			"refuses while a relay runs.  A relay's start does "
			"all that is needed after a\n"
			"crash; recover is for broken disks.\n\n"
			"Returns 0 when all is well (recover: now), 65 when "
			"there is damage, 66 when no\n"
			"spool is there, 73 when nothing can be written, 74 "
			"for other errors, 75 while a\n"
			"relay runs (recover), 77 without permission.\n",
	},
	{
		.name = "queue", .main = cli_queue,
		.summary = "look at the queue of a running relay, act on it",
	},
	{
		.name = "inject", .main = cli_inject,
		.summary = "hand a message to a running relay",
	},
	{
		.name = "reload", .main = cli_reload,
		.summary = "make a running relay read its configuration again",
	},
	{
		.name = "restart", .main = cli_restart,
		.summary = "make a running relay the program installed now",
	},
	{
		.name = "top", .main = cli_top,
		.summary = "show how a running relay is doing",
	},
	{
		.name = "trace", .main = cli_trace,
		.summary = "show the dialogue of a running relay's sessions",
	},
};
/* clang-format on */

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_usage(FILE *out)
{
	fprintf(out, "Usage: ringpost COMMAND [OPTION...]\n"
		     "An SMTP relay whose TLS runs in the kernel.\n\n"
		     "Commands:\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-14s %s\n", commands[i].name,
			commands[i].summary);
	fprintf(out, "  %-14s %s\n\n", "help", "say more about a command");
	fprintf(out, "Options:\n"
		     "  --help         this text; after a command, about it\n"
		     "  --version      the version\n");
}

static int print_command_help(const struct cli_command *command)
{
	printf("Usage: ringpost %s %s\n%c%s.\n\n%s\nOptions:\n", command->name,
	       command->usage, command->summary[0] - 'a' + 'A',
	       command->summary + 1, command->help);
	cli_options_help(command, stdout);
	return EX_OK;
}

static int print_version(void)
{
	printf("ringpost %s\n", RINGPOST_VERSION);
	return EX_OK;
}

static const struct cli_command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static int unknown_command(const char *name)
{
	fprintf(stderr, "ringpost: unknown command '%.64s'", name);
	for (size_t i = 0; i < COMMANDS; i++) {
		if (config_value_distance(name, commands[i].name) <= 2)
			fprintf(stderr, "; did you mean '%s'?",
				commands[i].name);
	}
	fprintf(stderr, "\n\n");
	print_usage(stderr);
	return EX_USAGE;
}

static int run_help(int argc, char **argv)
{
	const struct cli_command *command;

	if (argc < 2) {
		print_usage(stdout);
		return EX_OK;
	}
	command = find_command(argv[1]);
	if (!command)
		return unknown_command(argv[1]);
	if (command->main) {
		char *args[] = {argv[1], (char[]){"--help"}, NULL};

		return command->main(2, args);
	}
	return print_command_help(command);
}

static int run_command(const struct cli_command *command, int argc, char **argv)
{
	struct cli_options options;
	int code;

	if (command->main)
		return command->main(argc, argv);
	code = cli_options_read(command, argc, argv, &options);
	if (code != EX_OK)
		return code;
	if (options.help)
		return print_command_help(command);
	return command->run(&options);
}

static bool is_any(const char *word, const char *a, const char *b,
		   const char *c)
{
	return strcmp(word, a) == 0 || strcmp(word, b) == 0 ||
	       strcmp(word, c) == 0;
}

static int dispatch(int argc, char **argv)
{
	const struct cli_command *command;

	if (argc < 2) {
		print_usage(stderr);
		return EX_USAGE;
	}
	if (is_any(argv[1], "help", "--help", "-h"))
		return run_help(argc - 1, argv + 1);
	if (is_any(argv[1], "version", "--version", "-V"))
		return print_version();
	command = find_command(argv[1]);
	if (!command)
		return unknown_command(argv[1]);
	return run_command(command, argc - 1, argv + 1);
}

int cli_main(int argc, char **argv)
{
	int code = dispatch(argc, argv);

	/* A report that nobody received is no success. */
	if (fflush(stdout) != 0 && code == EX_OK)
		code = EX_IOERR;
	return code;
}

int cli_load_config(const char *file, struct config **out)
{
	int error = config_load(file, stderr, out);

	switch (-error) {
	case 0:
		return EX_OK;
	case EINVAL:
		return EX_CONFIG;
	case ENOENT:
	case ENOTDIR:
		return EX_NOINPUT;
	case EACCES:
	case EPERM:
		return EX_NOPERM;
	case ENOMEM:
		return EX_OSERR;
	default:
		return EX_IOERR;
	}
}
