/* SPDX-License-Identifier: Apache-2.0 */
/* ringpost reload, ringpost restart: another configuration, or another program,
 * for a running relay. */
#include <getopt.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "gateway/cli/cli.h"
#include "gateway/cli/cli_admin.h"

struct asking {
	const char *name;
	struct cli_relay relay;
	bool json, help;
	json_int_t begun; /* of the relay that was asked to restart */
};

static const char reload_help[] =
	"Usage: ringpost reload [OPTION...]\n"
	"Make a running relay read its configuration again: listeners, "
	"certificates, routes,\nlimits. It is checked first; a mistake "
	"anywhere changes nothing. Open connections go\non as they began. "
	"Says what has changed, and what has to wait for a restart.\n\n"
	"Options:\n"
	"  --json         for programs\n"
	"  --socket PATH  the relay's admin socket\n"
	"  --config FILE  or its configuration (default: " CLI_CONFIG ")\n"
	"  --help         this text\n\n"
	"Returns 0; 64 for mistakes on the command line, 69 when no relay is "
	"there,\n75 when it is stopping, 77 when you may not, 78 for mistakes "
	"in the configuration.\n";

static const char restart_help[] =
	"Usage: ringpost restart [OPTION...]\n"
	"Make a running relay the program that is installed now, with its "
	"configuration as it\nis now. That program checks it first; a mistake "
	"changes nothing. What is in flight is\nfinished, new clients wait "
	"meanwhile: nobody is refused. Returns when it serves again.\n\n"
	"Options:\n"
	"  --json         for programs\n"
	"  --socket PATH  the relay's admin socket\n"
	"  --config FILE  or its configuration (default: " CLI_CONFIG ")\n"
	"  --help         this text\n\n"
	"Returns 0; 64 for mistakes on the command line, 69 when no relay is "
	"there,\n75 when it is stopping or does not come back, 77 when you may "
	"not, 78 for mistakes\nin the configuration.\n";

static const struct option options[] = {
	{"json", no_argument, NULL, 'j'},
	{"socket", required_argument, NULL, 's'},
	{"config", required_argument, NULL, 'c'},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static int refuse(const struct asking *a, const char *what, const char *word)
{
	fprintf(stderr,
		"ringpost %s: %s%.100s\nUsage: ringpost %s [OPTION...]\n"
		"'ringpost %s --help' says more.\n",
		a->name, what, word, a->name, a->name);
	return EX_USAGE;
}

static int read_options(struct asking *a, int argc, char **argv)
{
	int option;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == ':')
			return refuse(a, "a value is missing after ",
				      argv[optind - 1]);
		if (option == '?')
			return refuse(a, "unknown option ", argv[optind - 1]);
		if (option == 's')
			a->relay.socket = optarg;
		else if (option == 'c')
			a->relay.config = optarg;
		else
			*(option == 'j' ? &a->json : &a->help) = true;
	}
	if (optind < argc)
		return refuse(a, "unexpected argument ", argv[optind]);
	return EX_OK;
}

/* --- what the relay says --- */

static const char *text_at(const json_t *line, const char *key)
{
	return json_string_value(json_object_get(line, key));
}

static void print_value(const char *text)
{
	if (text)
		cli_safe(stdout, text);
	else
		fputs("(not given)", stdout);
}

static void print_change(const json_t *change)
{
	const char *file = text_at(change, "file");

	if (file) {
		fputs("changed         ", stdout);
		cli_safe(stdout, file);
		putchar('\n');
		return;
	}
	fputs(json_is_true(json_object_get(change, "needs_restart"))
		      ? "needs a restart "
		      : "changed         ",
	      stdout);
	print_value(text_at(change, "key"));
	fputs(": ", stdout);
	print_value(text_at(change, "before"));
	fputs(" -> ", stdout);
	print_value(text_at(change, "after"));
	putchar('\n');
}

static int print_mistakes(const json_t *line)
{
	const json_t *mistake;
	size_t i;

	json_array_foreach(json_object_get(line, "mistakes"), i, mistake)
	{
		cli_safe(stderr, json_string_value(mistake));
		fputc('\n', stderr);
	}
	return EX_OK;
}

static int on_line(void *arg, json_t *line, const char *text)
{
	const struct asking *a = arg;
	const json_t *changes = json_object_get(line, "changes"), *change;
	size_t i;

	if (a->json) {
		fputs(text, stdout);
		return EX_OK;
	}
	if (strcmp(text_at(line, "type"), "error") == 0)
		return print_mistakes(line);
	json_array_foreach(changes, i, change) print_change(change);
	if (json_array_size(changes) == 0)
		puts("nothing has changed");
	return EX_OK;
}

/* EX_OK: ask; -1: help was wanted. */
static int begin(struct asking *a, const char *help, int argc, char **argv)
{
	int code = read_options(a, argc, argv);

	if (code != EX_OK || !a->help)
		return code;
	fputs(help, stdout);
	return -1;
}

static int ask(struct asking *a, cli_line_fn fn)
{
	return cli_admin_ask(a->name, &a->relay,
			     json_pack("{s:s}", "command", a->name), true, fn,
			     a);
}

int cli_reload(int argc, char **argv)
{
	struct asking a = {.name = "reload"};
	int code = begin(&a, reload_help, argc, argv);

	return code == EX_OK ? ask(&a, on_line) : code < 0 ? EX_OK : code;
}

/* --- restart --- */

/* A relay may take its timeouts.shutdown to finish, and then to read a spool
 * of many messages. */
#define RESTART_SECONDS 900
#define LOOK_MS		50

static int on_restarting(void *arg, json_t *line, const char *text)
{
	struct asking *a = arg;

	a->begun = json_integer_value(json_object_get(line, "begun"));
	if (strcmp(text_at(line, "type"), "error") != 0)
		return EX_OK;
	if (a->json) {
		fputs(text, stdout);
		return EX_OK;
	}
	return print_mistakes(line);
}

/* The next one's answer, owned, or NULL: it has not come (yet). */
static json_t *look(const struct asking *a)
{
	json_t *line = cli_admin_peek(
		&a->relay, json_pack("{s:s}", "command", "instance"));
	const json_t *begun = json_object_get(line, "begun");

	if (begun && json_integer_value(begun) != a->begun)
		return line;
	json_decref(line);
	return NULL;
}

static int wait_for_next(const struct asking *a)
{
	const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
	json_t *line = NULL;

	for (int i = 0; !line && i < RESTART_SECONDS * 1000 / LOOK_MS; i++) {
		nanosleep(&pause, NULL);
		line = look(a);
	}
	if (!line) {
		fprintf(stderr, "ringpost restart: the relay has not come "
				"back; its log says why\n");
		return EX_TEMPFAIL;
	}
	if (a->json) {
		json_dumpf(line, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		fputs("ringpost ", stdout);
		print_value(text_at(line, "version"));
		printf(" serves, pid %lld\n",
		       (long long)json_integer_value(
			       json_object_get(line, "pid")));
	}
	json_decref(line);
	return EX_OK;
}

int cli_restart(int argc, char **argv)
{
	struct asking a = {.name = "restart"};
	int code = begin(&a, restart_help, argc, argv);

	if (code != EX_OK)
		return code < 0 ? EX_OK : code;
	code = ask(&a, on_restarting);
	return code == EX_OK ? wait_for_next(&a) : code;
}
