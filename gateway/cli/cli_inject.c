/* SPDX-License-Identifier: Apache-2.0 */
/* ringpost inject: a message to the running relay. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "gateway/cli/cli.h"
#include "gateway/cli/cli_admin.h"
#include "gateway/cli/hand_in.h"

static const char usage[] = "Usage: ringpost inject [OPTION...] [FILE]\n";

static const char help[] =
	"Hand a message to the running relay, from FILE or standard input: a "
	"header, an\nempty line, a body.  From, Date and Message-ID are added "
	"where they are missing,\nBcc is taken out, each line end becomes "
	"CRLF.  It goes to all of its recipients\nor to none.\n\n"
	"Options:\n"
	"  --from ADDR    the sender, for bounces; <>: nobody.  Default: the\n"
	"                 user, at the relay's host name\n"
	"  --to ADDR      a recipient; again for more\n"
	"  --headers      recipients are those in To, Cc and Bcc, too\n"
	"  --raw          nothing is added or taken out but line ends\n"
	"  --verbose      show what is said to the relay\n"
	"  --json         say the queue id as JSON, for programs\n"
	"  --socket PATH  the relay's socket for mail\n"
	"  --config FILE  or its configuration (default: " CLI_CONFIG ",\n"
	"                 and without that " HAND_IN_SOCKET ")\n"
	"  --help         this text\n\n"
	"Returns 0 when the relay has stored the message, and only then; 64 "
	"for mistakes\non the command line, 65 when it refuses the message, 67 "
	"a recipient, 69 the\nsender, 66 when there is nothing to read or "
	"nobody to send it to, 75 when the\nmessage is to be tried again "
	"later (the relay is not there or is busy), 77 when\nyou may not.\n";

enum {
	FROM = 256,
	TO,
	HEADERS,
	RAW,
	VERBOSE,
	JSON,
	SOCKET,
	CONFIG,
	HELP
};

static const struct option options[] = {
	{"from", required_argument, NULL, FROM},
	{"to", required_argument, NULL, TO},
	{"headers", no_argument, NULL, HEADERS},
	{"raw", no_argument, NULL, RAW},
	{"verbose", no_argument, NULL, VERBOSE},
	{"json", no_argument, NULL, JSON},
	{"socket", required_argument, NULL, SOCKET},
	{"config", required_argument, NULL, CONFIG},
	{"help", no_argument, NULL, HELP},
	{0},
};

struct asked {
	struct hand_in mail;
	char **to; /* as many as there are arguments, at most */
	bool json, help;
};

static int refuse(const char *what, const char *word)
{
	fprintf(stderr,
		"ringpost inject: %s%.100s\n%s"
		"'ringpost inject --help' says more.\n",
		what, word, usage);
	return EX_USAGE;
}

static void set(struct asked *asked, int option)
{
	struct hand_in *mail = &asked->mail;

	switch (option) {
	case FROM:
		mail->sender = optarg;
		break;
	case TO:
		asked->to[mail->to_count++] = optarg;
		break;
	case HEADERS:
		mail->from_header = true;
		break;
	case RAW:
		mail->raw = true;
		break;
	case VERBOSE:
		mail->verbose = true;
		break;
	case JSON:
		asked->json = true;
		break;
	case SOCKET:
		mail->socket = optarg;
		break;
	case CONFIG:
		mail->config = optarg;
		break;
	default:
		asked->help = true;
	}
}

static int read_options(struct asked *asked, int argc, char **argv)
{
	int option;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (option == ':')
			return refuse("a value is missing after ",
				      argv[optind - 1]);
		if (option == '?')
			return refuse("unknown option ", argv[optind - 1]);
		set(asked, option);
	}
	if (asked->help)
		return EX_OK;
	if (optind + 1 < argc)
		return refuse("unexpected argument ", argv[optind + 1]);
	if (asked->mail.raw && asked->mail.from_header)
		return refuse("--raw and --headers exclude each other", "");
	if (asked->mail.to_count == 0 && !asked->mail.from_header)
		return refuse("nobody to send it to: --to or --headers is "
			      "missing",
			      "");
	return EX_OK;
}

static int open_input(struct asked *asked, const char *file)
{
	asked->mail.input = STDIN_FILENO;
	if (!file || strcmp(file, "-") == 0)
		return EX_OK;
	asked->mail.input = open(file, O_RDONLY | O_CLOEXEC);
	if (asked->mail.input >= 0)
		return EX_OK;
	fprintf(stderr, "ringpost inject: %s: %s\n", file, strerror(errno));
	return EX_NOINPUT;
}

static void say_json(const struct inject_result *r, int code)
{
	json_t *said = json_pack("{s:b, s:i, s:i, s:s, s:s}", "accepted",
				 code == EX_OK, "exit", code, "code", r->code,
				 "enhanced", r->enhanced, "reply", r->text);

	if (said && r->id[0])
		json_object_set_new(said, "id", json_string(r->id));
	if (said)
		json_dumpf(said, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(said);
}

static int run(struct asked *asked, const char *file)
{
	struct inject_result result = {0};
	int code = open_input(asked, file);

	if (code != EX_OK)
		return code;
	code = hand_in(&asked->mail, &result);
	if (asked->mail.input != STDIN_FILENO)
		close(asked->mail.input);
	if (asked->json)
		say_json(&result, code);
	else if (code == EX_OK)
		printf("%s\n", result.id[0] ? result.id : result.text);
	return code;
}

int cli_inject(int argc, char **argv)
{
	struct asked asked = {.mail = {.program = "ringpost inject"}};
	int code;

	asked.to = calloc((size_t)argc, sizeof(char *));
	if (!asked.to)
		return EX_OSERR;
	asked.mail.to = asked.to;
	code = read_options(&asked, argc, argv);
	if (asked.help)
		printf("%s%s", usage, help);
	else if (code == EX_OK)
		code = run(&asked, argv[optind]);
	free(asked.to);
	return code;
}
