/* SPDX-License-Identifier: Apache-2.0 */
/* ringpost-bench: picks the subcommand. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>

#include "bench/bench_cmd.h"

/* clang-format off */
static const struct subcommand {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} subcommands[] = {
	{"source",  cmd_source,  "send mail as fast as the server takes it"},
	{"sink",    cmd_sink,    "accept mail, hash it, throw it away"},
	{"verify",  cmd_verify,  "compare what was accepted with what arrived"},
	{"hold",    cmd_hold,    "hold idle connections, tell what each costs"},
	{"tls",     cmd_tls,     "measure TLS in user space and in the kernel"},
	{"compare", cmd_compare, "pass the same mail through several relays"},
};
/* clang-format on */
enum {
	SUBCOMMANDS = sizeof(subcommands) / sizeof(subcommands[0])
};

static void print_help(FILE *to)
{
	fprintf(to, "usage: ringpost-bench COMMAND [options]\n\n"
		    "SMTP load and its black hole, with a TLS of their own; "
		    "what TLS costs.\n\n"
		    "commands:\n");
	for (size_t i = 0; i < SUBCOMMANDS; i++)
		fprintf(to, "  %-10s%s\n", subcommands[i].name,
			subcommands[i].help);
	fprintf(to, "\nringpost-bench COMMAND --help tells the options.\n");
}

/* A thousand connections are more than the usual soft limit of descriptors. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int flush_output(int status)
{
	if (fflush(stdout) || ferror(stdout)) {
		perror("ringpost-bench: standard output");
		return status ? status : EX_IOERR;
	}
	return status;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	raise_limits();
	signal(SIGPIPE, SIG_IGN); /* SSL_write has no MSG_NOSIGNAL */
	for (size_t i = 0; i < SUBCOMMANDS; i++) {
		if (!strcmp(name, subcommands[i].name))
			return flush_output(
				subcommands[i].run(argc - 1, argv + 1));
	}
	if (!strcmp(name, "--version")) {
		puts("ringpost-bench " RINGPOST_VERSION);
		return flush_output(EX_OK);
	}
	if (!strcmp(name, "--help") || !strcmp(name, "help")) {
		print_help(stdout);
		return flush_output(EX_OK);
	}
	if (*name)
		fprintf(stderr, "ringpost-bench: unknown command %s\n", name);
	print_help(stderr);
	return EX_USAGE;
}
