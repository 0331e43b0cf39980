/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sendmail command: options as Sendmail and Postfix know them.  What has no
 * meaning for a relay without local mailboxes is taken and does nothing, so
 * that programs which say it go on working.
 */
#include "gateway/cli/sendmail.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "gateway/cli/cli.h"
#include "gateway/cli/cli_admin.h"
#include "gateway/cli/hand_in.h"
#include "gateway/cli/sendmail_bs.h"

enum mode {
	MODE_DELIVER,
	MODE_SMTP,
	MODE_LIST,
	MODE_NOTHING,
	MODE_FLUSH,
	MODE_HELP,
	MODE_VERSION,
};

struct sendmail {
	enum mode mode;
	struct hand_in mail;
	char ret[8];
};

static const char help[] =
	"Usage: ringpost-sendmail [OPTION...] [ADDR...]\n"
	"Hand the message on standard input to the running ringpost, or look "
	"at its queue.\n\n"
	"  -t             recipients are those in To, Cc and Bcc, too\n"
	"  -i, -oi        a line that is just a dot does not end the message\n"
	"  -f ADDR        the sender, for bounces (also -r)\n"
	"  -F NAME        the full name, for a missing From\n"
	"  -N, -R, -V     what the sender wants to hear, how much of the "
	"message comes\n                 back, an envelope id (RFC 3461)\n"
	"  -v             show what is said to the relay\n"
	"  -C FILE        the relay's configuration (default: " CLI_CONFIG ")\n"
	"  -bm            deliver (this is the default)\n"
	"  -bs            speak SMTP on standard input and output\n"
	"  -bp            list the queue, as mailq does\n"
	"  -bi            there are no aliases: does nothing, as newaliases\n"
	"  -q             try all deferred mail now\n\n"
	"Other options of Sendmail are taken and do nothing.  Returns 0 when "
	"the relay has\nstored the message, else a number of sysexits(3): 75 "
	"means try again later.\n";

static const struct {
	const char *name;
	enum mode mode;
} names[] = {
	{"mailq", MODE_LIST},
	{"newaliases", MODE_NOTHING},
};

/* By the name that it was called: "mailq", "ringpost-mailq". */
static enum mode mode_of(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t n = strlen(names[i].name);

		if (len >= n && strcmp(name + len - n, names[i].name) == 0)
			return names[i].mode;
	}
	return MODE_DELIVER;
}

static int refuse(const char *what, const char *word)
{
	fprintf(stderr, "ringpost-sendmail: %s%.100s\n", what, word);
	return EX_USAGE;
}

static int set_mode(struct sendmail *s, const char *mode)
{
	switch (mode[0]) {
	case 'm':
		s->mode = MODE_DELIVER;
		return EX_OK;
	case 's':
		s->mode = MODE_SMTP;
		return EX_OK;
	case 'p':
		s->mode = MODE_LIST;
		return EX_OK;
	case 'i':
		s->mode = MODE_NOTHING;
		return EX_OK;
	default:
		return refuse("this relay has no mode -b", mode);
	}
}

/* -q: now.  -q30m asks for a daemon, which there is. */
static int set_flush(struct sendmail *s, const char *what)
{
	if (!what || !*what)
		s->mode = MODE_FLUSH;
	else if (isdigit((unsigned char)*what))
		s->mode = MODE_NOTHING;
	else if (strchr("ISR", *what))
		return refuse(
			"'ringpost queue retry' selects what is tried: -q",
			what);
	return EX_OK;
}

static int set(struct sendmail *s, int option, const char *value)
{
	switch (option) {
	case 'b':
		return set_mode(s, value);
	case 'q':
		return set_flush(s, value);
	case 't':
		s->mail.from_header = true;
		break;
	case 'i':
		s->mail.dot_ends = false;
		break;
	case 'o': /* -oi is -i; other letters set what isn't there to set */
		s->mail.dot_ends &= value[0] != 'i';
		break;
	case 'f':
	case 'r':
		s->mail.sender = value;
		break;
	case 'F':
		s->mail.full_name = value;
		break;
	case 'C':
		s->mail.config = value;
		break;
	case 'N':
		s->mail.notify = value;
		break;
	case 'R':
		snprintf(s->ret, sizeof(s->ret), "%s", value);
		s->mail.ret = s->ret;
		break;
	case 'V':
		s->mail.envid = value;
		break;
	case 'v':
		s->mail.verbose = true;
		break;
	default:
		break; /* taken, does nothing */
	}
	return EX_OK;
}

/* What stands in a command line of SMTP must not end it. */
static bool is_word(const char *text)
{
	for (; text && *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

static int read_options(struct sendmail *s, int argc, char **argv)
{
	int option, code = EX_OK;

	if (argc > 1 && strcmp(argv[1], "--help") == 0)
		s->mode = MODE_HELP;
	if (argc > 1 && strcmp(argv[1], "--version") == 0)
		s->mode = MODE_VERSION;
	if (s->mode == MODE_HELP || s->mode == MODE_VERSION)
		return EX_OK;
	opterr = 0;
	while (code == EX_OK &&
	       (option = getopt(argc, argv,
				":A:B:b:C:cd:e:F:f:Gh:IiL:M:mN:nO:o:p:q::R:r:"
				"sTtUV:vX:x")) != -1) {
		if (option == ':')
			return refuse("a value is missing after ",
				      argv[optind - 1]);
		if (option == '?')
			return refuse("unknown option ", argv[optind - 1]);
		code = set(s, option, optarg);
	}
	if (code == EX_OK && (!is_word(s->mail.notify) ||
			      !is_word(s->mail.ret) || !is_word(s->mail.envid)))
		code = refuse("-N, -R or -V has a blank in it", "");
	s->mail.to = argv + optind;
	s->mail.to_count = (size_t)(argc - optind);
	return code;
}

/* A subcommand of ringpost, about the same relay. */
static int ask_queue(const struct sendmail *s, const char *verb,
		     const char *all)
{
	char *args[6] = {strdup("queue"), strdup(verb)};
	size_t n = 2;
	int code = EX_OSERR;

	if (all)
		args[n++] = strdup(all);
	if (s->mail.config) {
		args[n++] = strdup("--config");
		args[n++] = strdup(s->mail.config);
	}
	for (size_t i = 0; i < n; i++)
		if (!args[i])
			goto out;
	code = cli_queue((int)n, args);
out:
	for (size_t i = 0; i < n; i++)
		free(args[i]);
	return code;
}

static int deliver(const struct sendmail *s)
{
	struct inject_result result;

	if (s->mail.to_count == 0 && !s->mail.from_header)
		return refuse("nobody to send it to; -t or an address is "
			      "missing",
			      "");
	return hand_in(&s->mail, &result);
}

static int run(const struct sendmail *s)
{
	switch (s->mode) {
	case MODE_DELIVER:
		return deliver(s);
	case MODE_SMTP:
		return sendmail_bs(&s->mail);
	case MODE_LIST:
		return ask_queue(s, "list", NULL);
	case MODE_FLUSH:
		return ask_queue(s, "retry", "--all");
	case MODE_HELP:
		fputs(help, stdout);
		return EX_OK;
	case MODE_VERSION:
		printf("ringpost-sendmail %s\n", RINGPOST_VERSION);
		return EX_OK;
	case MODE_NOTHING:
		break;
	}
	return EX_OK;
}

int sendmail_main(int argc, char **argv)
{
	struct sendmail s = {
		.mode = mode_of(argc ? argv[0] : ""),
		.mail = {.program = "ringpost-sendmail",
			 .input = STDIN_FILENO,
			 .dot_ends = true},
	};
	int code = read_options(&s, argc, argv);

	if (code == EX_OK)
		code = run(&s);
	if (fflush(stdout) != 0 && code == EX_OK)
		code = EX_IOERR;
	return code;
}
