/* SPDX-License-Identifier: Apache-2.0 */
/* ringpost queue: options become a request. */
#include "gateway/cli/cli_queue.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "gateway/cli/cli.h"
#include "gateway/cli/cli_admin.h"

#define SUMMARY_ROWS 20

static const char usage[] =
	"Usage: ringpost queue ACTION [ID...] [OPTION...]\n";

static const char help[] =
	"Look at the queue of a running relay, and act on it.\n\n"
	"Actions:\n"
	"  summary        what is queued, by destination or domain\n"
	"  list           queued mail, the oldest first\n"
	"  show ID        one message: recipients, replies, headers\n"
	"  retry          try again now\n"
	"  hold           do not try again before it is released\n"
	"  release        let held mail go\n"
	"  bounce         return to the sender as failed\n"
	"  delete         remove; nobody hears of it\n"
	"  move           deliver by another next hop (--to), until the next "
	"start\n"
	"  suspend DEST   send nothing to a destination, one of its hosts, or a "
	"domain\n"
	"  resume DEST    go on\n\n"
	"Which mail (all that is given must fit):\n"
	"  ID...                these messages\n"
	"  --domain DOMAIN      to recipients of this domain\n"
	"  --destination DEST   for this next hop or set of mail hosts, or one "
	"of them\n"
	"  --sender ADDRESS     from a@b.example, @b.example, or '' (bounces)\n"
	"  --recipient ADDRESS  to a@b.example or @b.example\n"
	"  --reply TEXT         whose last reply has TEXT in it: 451, 4.7.1, "
	"words\n"
	"  --older-than TIME    accepted before that: 30m, 2h, 3d\n"
	"  --newer-than TIME    accepted since\n"
	"  --state STATE        ready, active, deferred or held\n\n"
	"Options:\n"
	"  --by WHAT            summary: destination (default) or domain\n"
	"  --limit N, --top N   rows; 0: all (list: 100, summary: 20)\n"
	"  --after ID           list: what comes behind that message\n"
	"  --content            show: the whole message and nothing else\n"
	"  --all                actions: all mail is meant\n"
	"  --reason TEXT        bounce: what the sender is told\n"
	"  --to HOST:PORT       move: the next hop\n"
	"  --json               JSON lines, for programs\n"
	"  --socket PATH        the relay's admin socket\n"
	"  --config FILE        or its configuration (default: " CLI_CONFIG
	")\n"
	"  --help               this text\n\n"
	"Returns 0; 64 for mistakes on the command line, 66 when there is no "
	"such\nmessage, 69 when no relay is there, 75 when it is busy or "
	"stopping, 77 when you\nmay not.\n";

/* Actions and whether they take ids. */
static const struct {
	const char *name;
	bool ids;
} actions[] = {
	{"summary", false}, {"list", true},    {"show", true},
	{"retry", true},    {"hold", true},    {"release", true},
	{"bounce", true},   {"delete", true},  {"move", true},
	{"suspend", false}, {"resume", false},
};

enum option_kind {
	OPTION_FILTER, /* into the request's filter */
	OPTION_TEXT,   /* into the request */
	OPTION_NUMBER, /* likewise */
	OPTION_FLAG,   /* likewise */
	OPTION_JSON,
	OPTION_SOCKET,
	OPTION_CONFIG,
	OPTION_HELP,
};

static const struct {
	const char *name;
	const char *key; /* in the request */
	enum option_kind kind;
} options[] = {
	{"domain", "domain", OPTION_FILTER},
	{"destination", "destination", OPTION_FILTER},
	{"sender", "sender", OPTION_FILTER},
	{"recipient", "recipient", OPTION_FILTER},
	{"reply", "reply", OPTION_FILTER},
	{"older-than", "older_than", OPTION_FILTER},
	{"newer-than", "newer_than", OPTION_FILTER},
	{"state", "state", OPTION_FILTER},
	{"by", "by", OPTION_TEXT},
	{"limit", "limit", OPTION_NUMBER},
	{"top", "limit", OPTION_NUMBER},
	{"after", "after", OPTION_TEXT},
	{"content", "content", OPTION_FLAG},
	{"all", "all", OPTION_FLAG},
	{"reason", "reason", OPTION_TEXT},
	{"to", "to", OPTION_TEXT},
	{"json", NULL, OPTION_JSON},
	{"socket", NULL, OPTION_SOCKET},
	{"config", NULL, OPTION_CONFIG},
	{"help", NULL, OPTION_HELP},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct asking {
	struct cli_relay relay;
	const char *action;
	json_t *request, *filter; /* filter: the request's */
	bool json, help;
};

static int refuse(const char *what, const char *word)
{
	fprintf(stderr,
		"ringpost queue: %s%.100s\n%s"
		"'ringpost queue --help' says more.\n",
		what, word, usage);
	return EX_USAGE;
}

static int set_number(struct asking *a, const char *key, const char *text)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno || end == text || *end || value < 0)
		return refuse("expected a number from 0, not ", text);
	json_object_set_new(a->request, key, json_integer(value));
	return EX_OK;
}

static int set_text(json_t *object, const char *key, const char *text)
{
	json_t *value = json_string(text);

	if (!value)
		return refuse("this is not UTF-8: ", text);
	json_object_set_new(object, key, value);
	return EX_OK;
}

static int set_option(struct asking *a, size_t i, const char *text)
{
	const char *key = options[i].key;

	switch (options[i].kind) {
	case OPTION_FILTER:
		return set_text(a->filter, key, text);
	case OPTION_TEXT:
		return set_text(a->request, key, text);
	case OPTION_NUMBER:
		return set_number(a, key, text);
	case OPTION_FLAG:
		json_object_set_new(a->request, key, json_true());
		break;
	case OPTION_JSON:
		a->json = true;
		break;
	case OPTION_SOCKET:
		a->relay.socket = text;
		break;
	case OPTION_CONFIG:
		a->relay.config = text;
		break;
	case OPTION_HELP:
		a->help = true;
		break;
	}
	return EX_OK;
}

static bool has_value(enum option_kind kind)
{
	return kind != OPTION_FLAG && kind != OPTION_JSON &&
	       kind != OPTION_HELP;
}

static int read_options(struct asking *a, int argc, char **argv)
{
	struct option table[COUNT(options) + 1] = {{0}};
	int option, index = 0, code = EX_OK;

	for (size_t i = 0; i < COUNT(options); i++)
		table[i] = (struct option){
			.name = options[i].name,
			.has_arg = has_value(options[i].kind)
					   ? required_argument
					   : no_argument,
		};
	opterr = 0;
	optind = 1;
	while (code == EX_OK &&
	       (option = getopt_long(argc, argv, ":", table, &index)) != -1) {
		if (option == ':')
			return refuse("a value is missing after ",
				      argv[optind - 1]);
		if (option == '?')
			return refuse("unknown option ", argv[optind - 1]);
		code = set_option(a, (size_t)index, optarg);
	}
	return code;
}

static int read_action(struct asking *a, const char *word)
{
	for (size_t i = 0; i < COUNT(actions); i++)
		if (strcmp(word, actions[i].name) == 0)
			a->action = actions[i].name;
	if (!a->action)
		return refuse("unknown action ", word);
	json_object_set_new(a->request, "command", json_string(a->action));
	return EX_OK;
}

static bool takes_ids(const char *action)
{
	for (size_t i = 0; i < COUNT(actions); i++)
		if (strcmp(action, actions[i].name) == 0)
			return actions[i].ids;
	return false;
}

static bool takes_destination(const char *action)
{
	return strcmp(action, "suspend") == 0 || strcmp(action, "resume") == 0;
}

static int read_words(struct asking *a, int count, char *const *words)
{
	json_t *ids;
	int code;

	if (count == 0)
		return refuse("which action? ", "");
	code = read_action(a, words[0]);
	if (code != EX_OK || count == 1)
		return code;
	if (count == 2 && takes_destination(a->action))
		return set_text(a->request, "destination", words[1]);
	if (!takes_ids(a->action))
		return refuse("unexpected argument ", words[1]);
	ids = json_array();
	json_object_set_new(a->filter, "ids", ids);
	for (int i = 1; i < count; i++)
		if (json_array_append_new(ids, json_string(words[i])) < 0)
			return refuse("no message id: ", words[i]);
	return EX_OK;
}

static int print_line(void *arg, json_t *line, const char *text)
{
	return fputs(text, stdout) < 0 ? EX_IOERR : EX_OK;
}

static int ask(struct asking *a)
{
	struct cli_queue_text text = {
		.action = a->action,
		.content = json_is_true(json_object_get(a->request, "content")),
		.rows = json_array(),
	};
	json_t *request = json_incref(a->request);
	int code;

	if (json_object_size(a->filter) > 0)
		json_object_set(request, "filter", a->filter);
	if (!a->json && strcmp(a->action, "summary") == 0 &&
	    !json_object_get(request, "limit"))
		json_object_set_new(request, "limit",
				    json_integer(SUMMARY_ROWS));
	code = cli_admin_ask("queue", &a->relay, request, a->json,
			     a->json ? print_line : cli_queue_line, &text);
	json_decref(text.rows);
	return code;
}

int cli_queue(int argc, char **argv)
{
	struct asking a = {.request = json_object(), .filter = json_object()};
	int code = EX_OSERR;

	if (a.request && a.filter)
		code = read_options(&a, argc, argv);
	if (code == EX_OK && a.help)
		printf("%s%s", usage, help);
	else if (code == EX_OK)
		code = read_words(&a, argc - optind, argv + optind);
	if (code == EX_OK && !a.help)
		code = ask(&a);
	json_decref(a.request);
	json_decref(a.filter);
	return code;
}
