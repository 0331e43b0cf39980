/* SPDX-License-Identifier: Apache-2.0 */
/* Options of subcommands. */
#include <getopt.h>
#include <string.h>
#include <sysexits.h>

#include "gateway/cli/cli.h"

static const struct {
	unsigned takes;
	struct option option;
	const char *help;
} known[] = {
	{CLI_TAKES_CONFIG,
	 {"config", required_argument, NULL, 'c'},
	 "--config FILE  the configuration, YAML"},
	{CLI_TAKES_JSON,
	 {"json", no_argument, NULL, 'j'},
	 "--json         for programs"},
	{CLI_TAKES_NOTHING,
	 {"help", no_argument, NULL, 'h'},
	 "--help         this text"},
};

#define KNOWN (sizeof(known) / sizeof(known[0]))

static bool is_taken(const struct cli_command *command, size_t i)
{
	return (command->takes & known[i].takes) == known[i].takes;
}

void cli_options_help(const struct cli_command *command, FILE *out)
{
	for (size_t i = 0; i < KNOWN; i++) {
		if (is_taken(command, i))
			fprintf(out, "  %s\n", known[i].help);
	}
}

int cli_refuse(const struct cli_command *command, const char *what,
	       const char *word)
{
	fprintf(stderr,
		"ringpost %s: %s%.100s\nUsage: ringpost %s %s\n"
		"'ringpost %s --help' says more.\n",
		command->name, what, word, command->name, command->usage,
		command->name);
	return EX_USAGE;
}

static void set_option(struct cli_options *out, int option)
{
	if (option == 'c')
		out->config = optarg;
	else if (option == 'j')
		out->json = true;
	else
		out->help = true;
}

int cli_options_read(const struct cli_command *command, int argc, char **argv,
		     struct cli_options *out)
{
	struct option options[KNOWN + 1] = {{0}};
	size_t count = 0;
	int option;

	*out = (struct cli_options){.command = command};
	for (size_t i = 0; i < KNOWN; i++) {
		if (is_taken(command, i))
			options[count++] = known[i].option;
	}
	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == ':')
			return cli_refuse(command, "a value is missing after ",
					  argv[optind - 1]);
		if (option == '?')
			return cli_refuse(command, "unknown option ",
					  argv[optind - 1]);
		set_option(out, option);
	}
	if (out->help)
		return EX_OK;
	out->words = argv + optind;
	out->word_count = argc - optind;
	if (out->word_count && !(command->takes & CLI_TAKES_WORDS))
		return cli_refuse(command, "unexpected argument ",
				  argv[optind]);
	if ((command->takes & CLI_NEEDS_CONFIG) == CLI_NEEDS_CONFIG &&
	    !out->config)
		return cli_refuse(command, "--config FILE is missing", "");
	return EX_OK;
}
