/* SPDX-License-Identifier: Apache-2.0 */
/* The comparison of ledgers; see bench_verify.h. */
#include "bench/bench_verify.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <xxhash.h>

#include "bench/bench_ledger.h"
#include "bench/bench_parse.h"
#include "bench/bench_seen.h"

enum {
	DETAILS_MAX = 20
}; /* lines for each kind of trouble */

/* A message the source saw accepted. Strings point into the file's text. */
struct entry {
	const char *id;
	const char *hash;
	uint64_t size;
	uint64_t rcpts_wanted;
	uint64_t rcpts_got;
};

struct compare {
	struct bench_verify *ret;
	FILE *details;
	char *error;
	size_t cap;
	struct entry *entries;	 /* owned; open addressing, id NULL: free */
	size_t size;		 /* power of two */
	struct bench_seen *seen; /* owned */
};

static int complain(struct compare *c, const char *path, uint64_t line,
		    const char *what, int err)
{
	snprintf(c->error, c->cap, "%s:%llu: %s", path,
		 (unsigned long long)line, what);
	return err;
}

static void detail(struct compare *c, uint64_t count, const char *what,
		   const char *id)
{
	if (c->details && count <= DETAILS_MAX)
		fprintf(c->details, "%s %s\n", what, id);
}

/* The whole file, NUL-terminated, owned by the caller. */
static int load(struct compare *c, const char *path, char **ret)
{
	FILE *f = fopen(path, "re");
	struct stat st;
	size_t len;
	char *text;

	if (!f || fstat(fileno(f), &st)) {
		int err = errno;

		snprintf(c->error, c->cap, "%s: %s", path, strerror(err));
		if (f)
			fclose(f);
		return -err;
	}
	text = malloc((size_t)st.st_size + 1);
	len = text ? fread(text, 1, (size_t)st.st_size, f) : 0;
	fclose(f);
	if (!text)
		return complain(c, path, 0, "out of memory", -ENOMEM);
	text[len] = '\0';
	*ret = text;
	return 0;
}

/* Cuts the next line off; NULL at the end. A last line without LF was being
 * written when the program died: it was never promised to anybody. */
static char *next_line(struct compare *c, char **at)
{
	char *line = *at, *lf = strchr(line, '\n');

	if (!lf) {
		c->ret->torn += *line != '\0';
		return NULL;
	}
	*lf = '\0';
	*at = lf + 1;
	return line;
}

static struct entry *find(struct compare *c, const char *id)
{
	size_t i = XXH3_64bits(id, strlen(id)) & (c->size - 1);

	while (c->entries[i].id && strcmp(c->entries[i].id, id))
		i = (i + 1) & (c->size - 1);
	return &c->entries[i];
}

static int make_table(struct compare *c, const char *text)
{
	size_t lines = 1;

	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	c->size = 16;
	while (c->size < lines * 2)
		c->size *= 2;
	c->entries = calloc(c->size, sizeof(*c->entries));
	c->seen = bench_seen_new();
	if (!c->entries || !c->seen)
		return complain(c, "table", 0, "out of memory", -ENOMEM);
	return 0;
}

static int add_accepted(struct compare *c, const struct bench_ledger_line *l)
{
	struct entry *e = find(c, l->id);

	if (e->id)
		return -EEXIST;
	*e = (struct entry){.id = l->id, .hash = l->hash, .size = l->size};
	if (bench_parse_u64(l->last, &e->rcpts_wanted) || !e->rcpts_wanted)
		e->rcpts_wanted = 1;
	c->ret->accepted++;
	return 0;
}

static int read_accepted(struct compare *c, const char *path, char *text)
{
	struct bench_ledger_line l;
	uint64_t number = 0;
	char *line;

	while ((line = next_line(c, &text))) {
		number++;
		if (bench_ledger_parse(line, &l))
			return complain(c, path, number,
					"not \"id hash size recipients\"",
					-EINVAL);
		if (add_accepted(c, &l))
			return complain(c, path, number,
					"an id for the second time", -EINVAL);
	}
	return 0;
}

static void compare_body(struct compare *c, const struct entry *e,
			 const struct bench_ledger_line *l)
{
	bool hashed = strcmp(e->hash, "-") && strcmp(l->hash, "-");

	if (e->size != l->size || (hashed && strcmp(e->hash, l->hash)))
		detail(c, ++c->ret->different, "different", l->id);
	else if (!hashed)
		c->ret->unchecked++;
}

/* Counts the recipients of one copy; a repeated one makes it a duplicate. */
static int count_rcpts(struct compare *c, struct entry *e, const char *list)
{
	bool repeated = false;

	for (;;) {
		size_t len = strcspn(list, ",");
		int is_new = bench_seen_add(c->seen, e->id, list, len);

		if (is_new < 0)
			return is_new;
		e->rcpts_got += (uint64_t)is_new;
		repeated |= !is_new;
		if (!list[len])
			break;
		list += len + 1;
	}
	if (repeated)
		detail(c, ++c->ret->duplicated, "duplicated", e->id);
	return 0;
}

static int read_delivered(struct compare *c, const char *path, char *text)
{
	struct bench_ledger_line l;
	uint64_t number = 0;
	char *line;

	while ((line = next_line(c, &text))) {
		struct entry *e;

		number++;
		if (bench_ledger_parse(line, &l))
			return complain(c, path, number,
					"not \"id hash size recipients\"",
					-EINVAL);
		if (!strcmp(l.id, "-")) {
			c->ret->foreign++;
			continue;
		}
		e = find(c, l.id);
		if (!e->id) {
			detail(c, ++c->ret->extra, "extra", l.id);
			continue;
		}
		compare_body(c, e, &l);
		if (count_rcpts(c, e, l.last))
			return complain(c, path, number, "out of memory",
					-ENOMEM);
	}
	return 0;
}

static void count_lost(struct compare *c)
{
	for (size_t i = 0; i < c->size; i++) {
		const struct entry *e = &c->entries[i];

		if (!e->id)
			continue;
		if (e->rcpts_got >= e->rcpts_wanted) {
			c->ret->delivered++;
			continue;
		}
		c->ret->partial += e->rcpts_got > 0;
		detail(c, ++c->ret->lost, "lost", e->id);
	}
}

int bench_verify(const char *accepted_path, const char *delivered_path,
		 struct bench_verify *ret, FILE *details, char *error,
		 size_t cap)
{
	struct compare c = {
		.ret = ret, .details = details, .error = error, .cap = cap};
	char *accepted = NULL, *delivered = NULL;
	int err;

	memset(ret, 0, sizeof(*ret));
	err = load(&c, accepted_path, &accepted);
	if (!err)
		err = load(&c, delivered_path, &delivered);
	if (!err)
		err = make_table(&c, accepted);
	if (!err)
		err = read_accepted(&c, accepted_path, accepted);
	if (!err)
		err = read_delivered(&c, delivered_path, delivered);
	if (!err)
		count_lost(&c);
	free(c.entries);
	bench_seen_free(c.seen);
	free(accepted);
	free(delivered);
	return err;
}
