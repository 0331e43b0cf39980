/* SPDX-License-Identifier: Apache-2.0 */
/* ringpost trace: the dialogue of live sessions. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "gateway/cli/cli.h"
#include "gateway/cli/cli_admin.h"
#include "gateway/log/log.h"

static const char usage[] = "Usage: ringpost trace DEST|ID [OPTION...]\n";

static const char help[] =
	"Show what a running relay and next hops say to each other, as it "
	"happens, until\ninterrupted.  DEST is a destination as 'ringpost "
	"queue summary' shows it, one of\nits hosts, or a recipient domain; "
	"ID is a message.  Of messages only the size is\nshown, of AUTH "
	"nothing.  When this reader is slow, lines are left out and "
	"counted.\n\n"
	"Options:\n"
	"  --limit N      end after N lines\n"
	"  --json         JSON lines, for programs\n"
	"  --socket PATH  the relay's admin socket\n"
	"  --config FILE  or its configuration (default: " CLI_CONFIG ")\n"
	"  --help         this text\n\n"
	"Returns 0; 64 for mistakes on the command line, 69 when no relay is "
	"there,\n75 when it is busy or stopping, 77 when you may not.\n";

struct tracing {
	struct cli_relay relay;
	long long limit;
	bool json, help;
};

static const struct option options[] = {
	{"limit", required_argument, NULL, 'n'},
	{"json", no_argument, NULL, 'j'},
	{"socket", required_argument, NULL, 's'},
	{"config", required_argument, NULL, 'c'},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static int refuse(const char *what, const char *word)
{
	fprintf(stderr,
		"ringpost trace: %s%.100s\n%s"
		"'ringpost trace --help' says more.\n",
		what, word, usage);
	return EX_USAGE;
}

static int set_limit(struct tracing *t, const char *text)
{
	char *end;

	errno = 0;
	t->limit = strtoll(text, &end, 10);
	if (errno || end == text || *end || t->limit < 1)
		return refuse("expected a number from 1, not ", text);
	return EX_OK;
}

static int read_options(struct tracing *t, int argc, char **argv)
{
	int option, code = EX_OK;

	opterr = 0;
	optind = 1;
	while (code == EX_OK &&
	       (option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == ':')
			return refuse("a value is missing after ",
				      argv[optind - 1]);
		if (option == '?')
			return refuse("unknown option ", argv[optind - 1]);
		if (option == 'n')
			code = set_limit(t, optarg);
		else if (option == 's')
			t->relay.socket = optarg;
		else if (option == 'c')
			t->relay.config = optarg;
		else
			*(option == 'j' ? &t->json : &t->help) = true;
	}
	return code;
}

static const char *text_at(const json_t *line, const char *key)
{
	const char *text = json_string_value(json_object_get(line, key));

	return text ? text : "";
}

static void print_dialogue(const json_t *line)
{
	const char *kind = text_at(line, "kind");
	const char *time = strchr(text_at(line, "time"), 'T');
	long long dropped =
		json_integer_value(json_object_get(line, "dropped"));

	if (dropped > 0)
		printf("... %lld lines left out\n", dropped);
	printf("%.12s %s #%lld ", time ? time + 1 : "", text_at(line, "relay"),
	       (long long)json_integer_value(json_object_get(line, "session")));
	printf("%s ", strcmp(kind, "sent") == 0	      ? ">"
		      : strcmp(kind, "received") == 0 ? "<"
						      : "*");
	cli_safe(stdout, text_at(line, "text"));
	putchar('\n');
}

static int on_line(void *arg, json_t *line, const char *text)
{
	const struct tracing *t = arg;

	if (t->json)
		fputs(text, stdout);
	else if (strcmp(text_at(line, "type"), "line") == 0)
		print_dialogue(line);
	/* It is watched while it happens. */
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static int ask(struct tracing *t, const char *what)
{
	json_t *request = json_pack("{s:s}", "command", "trace");
	uint64_t id;

	if (!request)
		return EX_OSERR;
	if (log_id_parse(what, &id))
		json_object_set_new(request, "filter",
				    json_pack("{s:[s]}", "ids", what));
	else if (json_object_set_new(request, "destination",
				     json_string(what)) < 0) {
		json_decref(request);
		return refuse("this is not UTF-8: ", what);
	}
	if (t->limit > 0)
		json_object_set_new(request, "limit", json_integer(t->limit));
	return cli_admin_ask("trace", &t->relay, request, t->json, on_line, t);
}

int cli_trace(int argc, char **argv)
{
	struct tracing t = {0};
	int code = read_options(&t, argc, argv);

	if (code != EX_OK)
		return code;
	if (t.help) {
		printf("%s%s", usage, help);
		return EX_OK;
	}
	if (optind + 1 != argc)
		return refuse("expected one destination or message id", "");
	return ask(&t, argv[optind]);
}
