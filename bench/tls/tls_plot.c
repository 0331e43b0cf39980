/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A picture by gnuplot: what a MiB costs the sender by size of message, a line
 * for each path. Instructions where they are counted, else CPU time. It shows
 * the first version, cipher and number of connections; gnuplot is a program
 * that has to be installed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/tls/tls_machine.h"
#include "bench/tls/tls_report.h"

int tls_plot_check(char *error, size_t cap)
{
	const char *path = getenv("PATH");
	char file[4096];

	while (path && *path) {
		size_t len = strcspn(path, ":");

		snprintf(file, sizeof(file), "%.*s/gnuplot", (int)len, path);
		if (!access(file, X_OK))
			return 0;
		path += len + (path[len] == ':');
	}
	snprintf(error, cap,
		 "--plot needs gnuplot: install it (Debian: "
		 "gnuplot-nox)");
	return -ENOENT;
}

struct plot {
	const struct tls_result *result;
	enum tls_metric metric;
	const struct tls_row *like; /* the first TLS row */
};

static bool in_plot(const struct plot *p, const struct tls_row *row)
{
	if (row->c.path->test != TLS_TEST_SEND || row->reason[0] ||
	    row->c.connections != p->like->c.connections)
		return false;
	return row->c.path->layer == TLS_LAYER_PLAIN ||
	       (row->c.version == p->like->c.version &&
		row->c.cipher == p->like->c.cipher);
}

static const struct tls_row *first_row(const struct tls_result *result)
{
	const struct tls_row *plain = NULL;

	for (size_t i = 0; i < result->count; i++) {
		const struct tls_row *row = &result->rows[i];

		if (row->c.path->test != TLS_TEST_SEND || row->reason[0])
			continue;
		if (row->c.path->layer != TLS_LAYER_PLAIN)
			return row;
		plain = plain ? plain : row;
	}
	return plain;
}

/* The points of a path; their number. With `to` they are written. */
static unsigned put_points(const struct plot *p, const struct tls_path *path,
			   FILE *to)
{
	unsigned count = 0;

	for (size_t i = 0; i < p->result->count; i++) {
		const struct tls_row *row = &p->result->rows[i];
		struct tls_stats s;

		if (row->c.path != path || !in_plot(p, row) ||
		    tls_row_stats(row, p->metric, &s) || !s.count)
			continue;
		if (to)
			fprintf(to, "%zu %g %g %g\n", row->c.size, s.median,
				s.low, s.high);
		count++;
	}
	return count;
}

static void put_data(const struct plot *p, FILE *to)
{
	size_t count;
	const struct tls_path *paths = tls_path_all(&count);

	for (size_t i = 0; i < count; i++) {
		if (!put_points(p, &paths[i], NULL))
			continue;
		fprintf(to, "$p%zu << END\n", i);
		put_points(p, &paths[i], to);
		fputs("END\n", to);
	}
}

/* Inside double quotes gnuplot knows backslashes and its own marks. */
static void put_quoted(const char *text, FILE *to)
{
	fputc('"', to);
	for (; *text; text++)
		fputc(strchr("\"\\`\n", *text) ? '_' : *text, to);
	fputc('"', to);
}

static void put_head(const struct plot *p, const char *file, FILE *to)
{
	char title[256];

	snprintf(title, sizeof(title), "%s %s, %u connection(s), %s",
		 tls_row_tls(p->like), tls_row_cipher(p->like),
		 p->like->c.connections,
		 tls_machine_text(p->result->client, "kernel"));
	fputs("set terminal svg size 900,560 noenhanced background '#ffffff'\n"
	      "set output ",
	      to);
	put_quoted(file, to);
	fputs("\nset title ", to);
	put_quoted(title, to);
	fprintf(to,
		"\nset logscale x 2\nset logscale y\nset grid\n"
		"set key outside right noenhanced\n"
		"set format x '%%.0b %%BB'\n"
		"set xlabel 'size of a message'\nset ylabel '%s'\n",
		p->metric == TLS_CLIENT_CPU ? "sender: us of CPU for a MiB"
					    : "sender: instructions for a MiB");
}

static void put_lines(const struct plot *p, FILE *to)
{
	size_t count;
	const struct tls_path *paths = tls_path_all(&count);
	const char *before = "plot ";

	for (size_t i = 0; i < count; i++) {
		if (!put_points(p, &paths[i], NULL))
			continue;
		fprintf(to,
			"%s$p%zu with yerrorlines pointtype 7 pointsize 0.4 "
			"title '%s'",
			before, i, paths[i].name);
		before = ", ";
	}
	fputc('\n', to);
}

int tls_plot(const struct tls_result *result, const char *file, char *error,
	     size_t cap)
{
	bool counted = strcmp(tls_machine_text(result->client, "counter"),
			      "none") != 0;
	struct plot p = {
		.result = result,
		.metric = counted ? TLS_CLIENT_INSTRUCTIONS : TLS_CLIENT_CPU,
		.like = first_row(result),
	};
	FILE *to;
	int status;

	if (!p.like) {
		snprintf(error, cap, "nothing was sent: there is no plot");
		return -ENODATA;
	}
	to = popen("exec gnuplot", "we");
	if (!to) {
		snprintf(error, cap, "gnuplot: %s", strerror(errno));
		return -EIO;
	}
	put_head(&p, file, to);
	put_data(&p, to);
	put_lines(&p, to);
	status = pclose(to);
	if (status == 0)
		return 0;
	snprintf(error, cap, "gnuplot did not write %s", file);
	return -EIO;
}
