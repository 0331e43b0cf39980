/* SPDX-License-Identifier: Apache-2.0 */
/* The screen of ringpost top. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/cli/cli_admin.h"
#include "gateway/cli/cli_top.h"
#include "gateway/log/log_utf8.h"

#define LINE_MAX_CELLS 512

/* --- getting at figures --- */

/* At "inbound.messages". */
static const json_t *at(const json_t *o, const char *path)
{
	char name[32];

	while (o && *path) {
		size_t len = strcspn(path, ".");

		if (len >= sizeof(name))
			return NULL;
		memcpy(name, path, len);
		name[len] = '\0';
		o = json_object_get(o, name);
		path += len + (path[len] == '.');
	}
	return o;
}

static double number(const json_t *o, const char *path)
{
	return json_number_value(at(o, path));
}

static const char *text(const json_t *o, const char *path)
{
	const char *value = json_string_value(at(o, path));

	return value ? value : "";
}

/* --- writing --- */

struct screen {
	FILE *out;
	const json_t *now, *before; /* before: NULL: no rates */
	unsigned rows, columns;	    /* rows: left */
};

/* As much of it as fits, and nothing that a terminal would obey. */
static void put_cells(FILE *out, const char *line, unsigned columns)
{
	size_t len = strlen(line), from = 0;

	for (unsigned cells = 0; from < len && cells < columns; cells++) {
		uint32_t code = 0;
		size_t n = log_utf8_decode(line + from, len - from, &code);

		if (n == 0 || log_utf8_is_control(code))
			fputc('?', out);
		else
			fwrite(line + from, 1, n, out);
		from += n ? n : 1;
	}
}

static void line(struct screen *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void line(struct screen *s, const char *format, ...)
{
	char buffer[LINE_MAX_CELLS * 4];
	va_list args;

	if (s->rows == 0)
		return;
	s->rows--;
	va_start(args, format);
	vsnprintf(buffer, sizeof(buffer), format, args);
	va_end(args);
	put_cells(s->out, buffer, s->columns);
	fputc('\n', s->out);
}

/* --- words --- */

#define WORD 24

static const char *rate(const struct screen *s, const char *path,
			char word[WORD])
{
	double seconds =
		(number(s->now, "now_ms") - number(s->before, "now_ms")) / 1000;
	double grown = number(s->now, path) - number(s->before, path);

	if (!s->before || seconds <= 0 || grown < 0 ||
	    strcmp(text(s->now, "started"), text(s->before, "started")) != 0)
		snprintf(word, WORD, "-");
	else
		snprintf(word, WORD, grown / seconds < 100 ? "%.1f" : "%.0f",
			 grown / seconds);
	return word;
}

static const char *bytes(double n, char word[WORD])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	unsigned i = 0;

	for (; n >= 1000 && i < 4; i++)
		n /= 1024;
	snprintf(word, WORD, i && n < 10 ? "%.1f %s" : "%.0f %s", n, units[i]);
	return word;
}

static const char *age(double seconds, char word[WORD])
{
	static const struct {
		double size;
		const char *name;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};
	unsigned i = 0;

	while (i < 3 && seconds < 2 * units[i].size)
		i++;
	snprintf(word, WORD, "%.0f%s", seconds / units[i].size, units[i].name);
	return word;
}

/* --- parts --- */

static void print_state(struct screen *s)
{
	double workers = number(s->now, "workers");
	double responding = number(s->now, "responding");
	char up[WORD];

	line(s, "ringpost %s  %s  up %s  %.0f worker%s%s  %.8s UTC",
	     text(s->now, "version"),
	     json_is_true(at(s->now, "ready")) ? "takes mail" : "TAKES NO MAIL",
	     age(number(s->now, "uptime"), up), workers,
	     workers == 1 ? "" : "s",
	     responding < workers ? " (SOME DO NOT RESPOND)" : "",
	     strlen(text(s->now, "time")) > 19 ? text(s->now, "time") + 11
					       : "");
}

static void print_flow(struct screen *s)
{
	char a[WORD], b[WORD], c[WORD], d[WORD];

	line(s, "in   %6s msg/s  %10s/s  %6.0f sessions  %.0f turned away",
	     rate(s, "inbound.messages", a),
	     s->before ? bytes(strtod(rate(s, "inbound.bytes", b), NULL), c)
		       : "-",
	     number(s->now, "inbound.sessions"),
	     number(s->now, "inbound.turned_away"));
	line(s,
	     "out  %6s rcpt/s  %6.0f sessions  deferred %s/s  bounced %s/s  "
	     "expired %s/s",
	     rate(s, "outbound.delivered", a),
	     number(s->now, "outbound.sessions"),
	     rate(s, "outbound.deferred", b), rate(s, "outbound.bounced", c),
	     rate(s, "outbound.expired", d));
}

/* Of all bytes so far. */
static double kernel_share(const json_t *now)
{
	static const char *const sides[] = {
		"tls.inbound.bytes.sent", "tls.inbound.bytes.received",
		"tls.outbound.bytes.sent", "tls.outbound.bytes.received"};
	double kernel = 0, all = 0;

	for (unsigned i = 0; i < 4; i++) {
		const json_t *o = at(now, sides[i]);

		kernel += number(o, "kernel");
		all += number(o, "kernel") + number(o, "user") +
		       number(o, "none");
	}
	return all > 0 ? 100 * kernel / all : 0;
}

static void print_tls(struct screen *s)
{
	char a[WORD], b[WORD];

	line(s,
	     "tls  %.1f%% of bytes by the kernel  handshakes %s/s in, %s/s out "
	     " failed %.0f",
	     kernel_share(s->now), rate(s, "tls.inbound.handshakes", a),
	     rate(s, "tls.outbound.handshakes", b),
	     number(s->now, "tls.inbound.failed_handshakes") +
		     number(s->now, "tls.outbound.failed_handshakes"));
}

static void print_disk(struct screen *s)
{
	double commits = number(s->now, "spool.commits");
	char a[WORD], b[WORD], c[WORD];

	line(s,
	     "disk %s commits/s  %.2f ms  %.1f records each  %s of mail  %s "
	     "free",
	     rate(s, "spool.commits", a),
	     commits > 0 ? number(s->now, "spool.commit_us") / commits / 1000
			 : 0,
	     commits > 0 ? number(s->now, "spool.committed") / commits : 0,
	     bytes(number(s->now, "spool.bytes_live"), b),
	     bytes(number(s->now, "spool.free"), c));
	line(s, "     memory %s  descriptors %.0f of %.0f",
	     bytes(number(s->now, "process.resident"), a),
	     number(s->now, "process.open_fds"),
	     number(s->now, "process.max_fds"));
}

static void print_queue(struct screen *s)
{
	const json_t *row, *rows = at(s->now, "destinations");
	char old[WORD];
	size_t i;

	line(s,
	     "queue %.0f  ready %.0f  active %.0f  deferred %.0f  held %.0f  "
	     "oldest %s",
	     number(s->now, "queue.queued"), number(s->now, "queue.ready"),
	     number(s->now, "queue.active"), number(s->now, "queue.deferred"),
	     number(s->now, "queue.held"),
	     age(number(s->now, "queue.oldest_age"), old));
	line(s, "%s", "");
	line(s, "%8s %6s %8s %5s %4s %6s  %s", "READY", "ACTIVE", "DEFERRED",
	     "HELD", "SESS", "OLDEST", "DESTINATION");
	json_array_foreach(rows, i, row)
	{
		line(s, "%8.0f %6.0f %8.0f %5.0f %4.0f %6s  %s%s%s",
		     number(row, "ready"), number(row, "active"),
		     number(row, "deferred"), number(row, "held"),
		     number(row, "connections"),
		     age(number(row, "oldest_age"), old),
		     text(row, "destination"),
		     json_is_true(at(row, "unreachable")) ? " UNREACHABLE" : "",
		     json_is_true(at(row, "suspended")) ? " SUSPENDED" : "");
	}
	if (number(s->now, "other.destinations") > 0)
		line(s, "%8.0f %6.0f %8.0f %5.0f %4.0f %6s  %.0f others",
		     number(s->now, "other.ready"),
		     number(s->now, "other.active"),
		     number(s->now, "other.deferred"),
		     number(s->now, "other.held"),
		     number(s->now, "other.connections"), "",
		     number(s->now, "other.destinations"));
}

static void print_deferrals(struct screen *s)
{
	const json_t *row, *rows = at(s->now, "deferrals");
	size_t i;

	if (json_array_size(rows) == 0)
		return;
	line(s, "%s", "");
	line(s, "%s", "LAST DEFERRALS");
	json_array_foreach(rows, i, row)
	{
		const char *time = text(row, "time");

		line(s, "%.8s %s: %s (%s)", strlen(time) > 19 ? time + 11 : "",
		     text(row, "domain"), text(row, "reply"), text(row, "at"));
	}
}

void cli_top_print(FILE *out, const json_t *now, const json_t *before,
		   unsigned rows, unsigned columns)
{
	struct screen s = {
		.out = out,
		.now = now,
		.before = before,
		.rows = rows,
		.columns = columns < LINE_MAX_CELLS ? columns : LINE_MAX_CELLS,
	};

	print_state(&s);
	print_flow(&s);
	print_tls(&s);
	print_disk(&s);
	print_queue(&s);
	print_deferrals(&s);
}
