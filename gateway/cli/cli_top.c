/* SPDX-License-Identifier: Apache-2.0 */
/* ringpost top: ask, show, wait, again. */
#include "gateway/cli/cli_top.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#include "gateway/cli/cli.h"
#include "gateway/cli/cli_admin.h"

static const char usage[] = "Usage: ringpost top [OPTION...]\n";

static const char help[] =
	"Show how a running relay is doing: throughput, TLS, the disk, the "
	"queue by\ndestination, what next hops said last.  Until q or "
	"Ctrl-C.  Rates are those since\nthe screen before.\n\n"
	"Options:\n"
	"  --once         one screen of all there is, and end; so it is when "
	"the output\n"
	"                 is no terminal\n"
	"  --json         one answer as JSON, for programs\n"
	"  --interval N   seconds between screens (2)\n"
	"  --limit N      destinations, at most 100 (20)\n"
	"  --socket PATH  the relay's admin socket\n"
	"  --config FILE  or its configuration (default: " CLI_CONFIG ")\n"
	"  --help         this text\n\n"
	"Returns 0; 64 for mistakes on the command line, 69 when no relay is "
	"there,\n75 when it has too many requests, 77 when you may not.\n";

struct top {
	struct cli_relay relay;
	long interval, limit;
	bool once, json, help;
	json_t *now, *before; /* owned */
};

static const struct option options[] = {
	{"once", no_argument, NULL, 'o'},
	{"json", no_argument, NULL, 'j'},
	{"interval", required_argument, NULL, 'i'},
	{"limit", required_argument, NULL, 'n'},
	{"socket", required_argument, NULL, 's'},
	{"config", required_argument, NULL, 'c'},
	{"help", no_argument, NULL, 'h'},
	{0},
};

/* --- options --- */

static int refuse(const char *what, const char *word)
{
	fprintf(stderr,
		"ringpost top: %s%.100s\n%s"
		"'ringpost top --help' says more.\n",
		what, word, usage);
	return EX_USAGE;
}

static int set_number(long *to, const char *text, long max)
{
	char *end;

	errno = 0;
	*to = strtol(text, &end, 10);
	if (errno || end == text || *end || *to < 1 || *to > max)
		return refuse("expected a number from 1, not too big, not ",
			      text);
	return EX_OK;
}

static int read_options(struct top *t, int argc, char **argv)
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
		if (option == 'i')
			code = set_number(&t->interval, optarg, 3600);
		else if (option == 'n')
			code = set_number(&t->limit, optarg, 100);
		else if (option == 's')
			t->relay.socket = optarg;
		else if (option == 'c')
			t->relay.config = optarg;
		else
			*(option == 'o'	  ? &t->once
			  : option == 'j' ? &t->json
					  : &t->help) = true;
	}
	if (code == EX_OK && optind < argc)
		return refuse("unexpected ", argv[optind]);
	return code;
}

/* --- asking --- */

static int on_line(void *arg, json_t *line, const char *text)
{
	struct top *t = arg;
	const char *type = json_string_value(json_object_get(line, "type"));

	if (!type || strcmp(type, "status") != 0)
		return EX_OK;
	if (t->json)
		fputs(text, stdout);
	json_decref(t->before);
	t->before = t->now;
	t->now = json_incref(line);
	return EX_OK;
}

static int ask(struct top *t)
{
	json_t *request = json_pack("{s:s, s:I}", "command", "status", "limit",
				    (json_int_t)t->limit);

	if (!request)
		return EX_OSERR;
	return cli_admin_ask("top", &t->relay, request, false, on_line, t);
}

/* --- the terminal --- */

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
	ended = 1;
}

static const char enter_text[] = "\033[?1049h\033[?25l";
static const char leave_text[] = "\033[?25h\033[?1049l";

static bool enter_terminal(struct termios *before)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, before) < 0)
		return false;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	raw = *before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	fputs(enter_text, stdout);
	return true;
}

static void leave_terminal(const struct termios *before)
{
	fputs(leave_text, stdout);
	fflush(stdout);
	(void)tcsetattr(STDIN_FILENO, TCSANOW, before);
}

static void draw(const struct top *t)
{
	struct winsize size = {.ws_row = 24, .ws_col = 80};

	(void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	fputs("\033[H\033[J", stdout);
	if (size.ws_row > 1)
		cli_top_print(stdout, t->now, t->before, size.ws_row - 1u,
			      size.ws_col);
	fflush(stdout);
}

/* True: somebody wants to leave. Other keys hurry it on. */
static bool wait_key(const struct top *t)
{
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
	char key = 0;

	if (poll(&fd, 1, (int)t->interval * 1000) <= 0 || !fd.revents)
		return ended;
	/* The terminal is gone, or Ctrl-D. */
	if (read(STDIN_FILENO, &key, 1) <= 0)
		return true;
	return ended || key == 'q' || key == 'Q' || key == 4;
}

static int watch(struct top *t)
{
	struct termios before;
	int code = ask(t);

	if (code != EX_OK)
		return code;
	if (!enter_terminal(&before))
		return EX_OSERR;
	do {
		draw(t);
		if (wait_key(t))
			break;
		code = ask(t);
	} while (code == EX_OK && !ended);
	leave_terminal(&before);
	return code;
}

/* Rates need two answers, a second apart. */
static int show_once(struct top *t)
{
	int code = ask(t);

	if (code != EX_OK || t->json)
		return code;
	(void)poll(NULL, 0, 1000);
	code = ask(t);
	if (code == EX_OK)
		cli_top_print(stdout, t->now, t->before, UINT32_MAX, 1000);
	return code;
}

int cli_top(int argc, char **argv)
{
	struct top t = {.interval = 2, .limit = 20};
	int code = read_options(&t, argc, argv);

	if (code != EX_OK)
		return code;
	if (t.help) {
		printf("%s%s", usage, help);
		return EX_OK;
	}
	if (t.once || t.json || !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		code = show_once(&t);
	else
		code = watch(&t);
	json_decref(t.now);
	json_decref(t.before);
	return code;
}
