/* SPDX-License-Identifier: Apache-2.0 */
/* ringpost queue: answers as tables for people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "gateway/cli/cli_admin.h"
#include "gateway/cli/cli_queue.h"

static const char *text_at(const json_t *line, const char *key)
{
	const char *text = json_string_value(json_object_get(line, key));

	return text ? text : "";
}

static long long number_at(const json_t *line, const char *key)
{
	return json_integer_value(json_object_get(line, key));
}

#define SHORT 24

/* 59s, 12m, 5h, 3d */
static const char *age_text(long long seconds, char out[SHORT])
{
	static const struct {
		long long seconds;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	size_t i = 0;

	/* Two digits at least, as long as a smaller unit has them. */
	while (i < 3 && seconds < 2 * units[i].seconds)
		i++;
	snprintf(out, SHORT, "%lld%c", seconds / units[i].seconds,
		 units[i].unit);
	return out;
}

static const char *size_text(long long octets, char out[SHORT])
{
	if (octets < 10000)
		snprintf(out, SHORT, "%lld", octets);
	else if (octets < 10000 * 1024)
		snprintf(out, SHORT, "%lldK", octets / 1024);
	else
		snprintf(out, SHORT, "%lldM", octets / 1048576);
	return out;
}

static void print_reply(const json_t *line, const char *before)
{
	if (!json_object_get(line, "code"))
		return;
	printf("%s%lld ", before, number_at(line, "code"));
	cli_safe(stdout, text_at(line, "reply"));
}

/* --- summary --- */

static const char *name_of(const json_t *row)
{
	const char *domain = text_at(row, "domain");

	return domain[0] ? domain : text_at(row, "destination");
}

static size_t name_width(const json_t *rows)
{
	size_t width = strlen("TOTAL"), i;
	const json_t *row;

	json_array_foreach(rows, i, row)
	{
		size_t len = strlen(name_of(row));

		width = len > width ? len : width;
	}
	return width < 50 ? width : 50;
}

static void print_counts(const json_t *row)
{
	long long queued = number_at(row, "ready") + number_at(row, "active") +
			   number_at(row, "deferred") + number_at(row, "held");

	printf(" %9lld %9lld %7lld %9lld %7lld %5lld", queued,
	       number_at(row, "ready"), number_at(row, "active"),
	       number_at(row, "deferred"), number_at(row, "held"),
	       number_at(row, "connections"));
}

static void print_padded(const char *name, size_t width)
{
	size_t len = strlen(name);

	cli_safe(stdout, name[0] ? name : "(not known yet)");
	for (len = name[0] ? len : 15; len < width; len++)
		putchar(' ');
}

static void summary_done(const json_t *rows, const json_t *done)
{
	size_t width = name_width(rows), i;
	long long all = number_at(done, "rows");
	char age[SHORT];
	const json_t *row;

	printf("%-*s %9s %9s %7s %9s %7s %5s %6s  %s\n", (int)width, "",
	       "QUEUED", "READY", "ACTIVE", "DEFERRED", "HELD", "CONNS",
	       "OLDEST", "LAST REPLY");
	json_array_foreach(rows, i, row)
	{
		print_padded(name_of(row), width);
		print_counts(row);
		printf(" %6s", age_text(number_at(row, "oldest_age"), age));
		print_reply(row, "  ");
		putchar('\n');
	}
	print_padded("TOTAL", width);
	print_counts(done);
	putchar('\n');
	json_array_foreach(json_object_get(done, "suspended"), i, row)
	{
		printf("suspended: ");
		cli_safe(stdout, json_string_value(row));
		putchar('\n');
	}
	if ((size_t)all > json_array_size(rows))
		printf("%lld more; --top 0 shows all\n",
		       all - (long long)json_array_size(rows));
}

/* --- list --- */

static void list_entry(struct cli_queue_text *t, const json_t *line)
{
	char age[SHORT], size[SHORT];
	long long more = number_at(line, "recipients") - 1;
	const char *next = text_at(line, "next_attempt");

	if (t->printed++ == 0)
		printf("%-13s %5s %6s %-8s %5s %-20s %s\n", "ID", "AGE", "SIZE",
		       "STATE", "TRIES", "NEXT ATTEMPT (UTC)",
		       "SENDER -> RECIPIENT");
	printf("%-13s %5s %6s %-8s %5lld %-20.19s <", text_at(line, "id"),
	       age_text(number_at(line, "age"), age),
	       size_text(number_at(line, "size"), size), text_at(line, "state"),
	       number_at(line, "attempts"), next);
	cli_safe(stdout, text_at(line, "sender"));
	printf("> -> <");
	cli_safe(stdout, text_at(line, "recipient"));
	printf(">");
	if (more > 0)
		printf(" +%lld", more);
	putchar('\n');
	if (json_object_get(line, "code")) {
		print_reply(line, "              ");
		putchar('\n');
	}
}

static void list_done(const struct cli_queue_text *t, const json_t *line)
{
	if (t->printed == 0)
		printf("nothing queued fits\n");
	if (json_is_true(json_object_get(line, "more")))
		printf("there is more: --after %s, or --limit 0 for all\n",
		       text_at(line, "after"));
}

/* --- show --- */

static void show_message(const json_t *line)
{
	char age[SHORT];

	printf("%-12s %s\n", "message", text_at(line, "id"));
	printf("%-12s %s (%s ago)\n", "accepted", text_at(line, "arrival"),
	       age_text(number_at(line, "age"), age));
	printf("%-12s ", "from client");
	cli_safe(stdout, text_at(line, "client"));
	printf("\n%-12s <", "sender");
	cli_safe(stdout, text_at(line, "sender"));
	printf(">\n%-12s %lld octets\n", "size", number_at(line, "size"));
}

static void show_recipient(const json_t *line)
{
	printf("%-12s <", "recipient");
	cli_safe(stdout, text_at(line, "recipient"));
	printf("> %s", text_at(line, "state"));
	if (number_at(line, "attempts") > 0)
		printf(", %lld attempt%s", number_at(line, "attempts"),
		       number_at(line, "attempts") == 1 ? "" : "s");
	if (text_at(line, "next_attempt")[0])
		printf(", next %s", text_at(line, "next_attempt"));
	if (text_at(line, "destination")[0]) {
		printf(", to ");
		cli_safe(stdout, text_at(line, "destination"));
	}
	putchar('\n');
	if (json_object_get(line, "code")) {
		print_reply(line, "             ");
		putchar('\n');
	}
}

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : 63;
}

/* A header for a terminal: lines stay lines. */
static void print_octet(bool raw, int octet)
{
	if (raw || octet == '\n' || octet == '\t' ||
	    (octet >= 0x20 && octet != 0x7f))
		putchar(octet);
	else if (octet != '\r')
		putchar('?');
}

static void show_bytes(struct cli_queue_text *t, const json_t *line)
{
	const char *at = text_at(line, "base64");
	size_t len = strlen(at);

	if (!t->content && !t->headers && len > 0)
		putchar('\n');
	t->headers = true;
	for (size_t i = 0; i + 4 <= len; i += 4) {
		int v = digit(at[i]) << 18 | digit(at[i + 1]) << 12 |
			digit(at[i + 2]) << 6 | digit(at[i + 3]);

		print_octet(t->content, v >> 16 & 255);
		if (at[i + 2] != '=')
			print_octet(t->content, v >> 8 & 255);
		if (at[i + 3] != '=')
			print_octet(t->content, v & 255);
	}
}

/* --- actions --- */

static void action_done(const struct cli_queue_text *t, const json_t *line)
{
	if (json_object_get(line, "listed")) {
		printf("%s: %s\n", t->action,
		       json_is_true(json_object_get(line, "listed"))
			       ? "done; it outlives a restart"
			       : "it was so already");
		return;
	}
	printf("%s: %lld changed", t->action, number_at(line, "changed"));
	if (number_at(line, "unchanged") > 0)
		printf(", %lld were so already", number_at(line, "unchanged"));
	if (number_at(line, "in_delivery") > 0)
		printf(", %lld left alone: being delivered",
		       number_at(line, "in_delivery"));
	if (number_at(line, "failed") > 0)
		printf(", %lld failed: see the log", number_at(line, "failed"));
	putchar('\n');
}

/* --- all of them --- */

int cli_queue_line(void *arg, json_t *line, const char *text)
{
	struct cli_queue_text *t = arg;
	const char *type = text_at(line, "type");

	if (strcmp(type, "domain") == 0 || strcmp(type, "destination") == 0)
		json_array_append(t->rows, line);
	else if (strcmp(type, "entry") == 0)
		list_entry(t, line);
	else if (strcmp(type, "message") == 0 && !t->content)
		show_message(line);
	else if (strcmp(type, "recipient") == 0 && !t->content)
		show_recipient(line);
	else if (strcmp(type, "bytes") == 0)
		show_bytes(t, line);
	else if (strcmp(type, "done") == 0 && strcmp(t->action, "list") == 0)
		list_done(t, line);
	else if (strcmp(type, "done") == 0 && strcmp(t->action, "summary") == 0)
		summary_done(t->rows, line);
	else if (strcmp(type, "done") == 0 && strcmp(t->action, "show") != 0)
		action_done(t, line);
	return ferror(stdout) ? EX_IOERR : EX_OK;
}
