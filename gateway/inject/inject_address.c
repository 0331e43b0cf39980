/* SPDX-License-Identifier: Apache-2.0 */
/* Address lists: one walk over the text, a mailbox gathered on the way. */
#include "gateway/inject/inject_address.h"

#include <string.h>

/* Comments in comments. */
#define DEPTH_MAX 64

static const char unfinished[] = "a quote, comment or bracket does not end";

struct walk {
	const char *at, *end;
	char address[INJECT_ADDRESS_SIZE];
	size_t len;
	bool gap;   /* two words stand side by side: no mailbox, but a name */
	bool blank; /* a blank or comment has just been passed */
	bool cut;   /* too long for an address; a name may be */
	const char *wrong;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_comment(struct walk *w)
{
	size_t depth = 0;

	do {
		char c = *w->at++;

		if (c == '\\' && w->at < w->end)
			w->at++;
		else if (c == '(')
			depth++;
		else if (c == ')')
			depth--;
	} while (depth > 0 && depth <= DEPTH_MAX && w->at < w->end);
	if (depth > 0)
		w->wrong = unfinished;
}

static void skip_blanks(struct walk *w)
{
	while (!w->wrong && w->at < w->end) {
		if (*w->at == '(')
			skip_comment(w);
		else if (is_blank(*w->at))
			w->at++;
		else
			return;
		w->blank = true;
	}
}

static void keep(struct walk *w, char c)
{
	if ((unsigned char)c < ' ' || c == 0x7f)
		w->wrong = "an address has a control character in it";
	else if (w->len + 1 >= sizeof(w->address))
		w->cut = true;
	else
		w->address[w->len++] = c;
}

/* Two words that only a blank parts: "John Doe". */
static void note_gap(struct walk *w, char next)
{
	char last = w->len ? w->address[w->len - 1] : '.';

	if (w->blank && last != '.' && last != '@' && next != '.' &&
	    next != '@')
		w->gap = true;
	w->blank = false;
}

/* From its first character up to @close, both kept. */
static void take_enclosed(struct walk *w, char close)
{
	keep(w, *w->at++);
	while (!w->wrong && w->at < w->end && *w->at != close) {
		if (*w->at == '\r' || *w->at == '\n') {
			w->at++; /* folded */
			continue;
		}
		if (*w->at == '\\' && w->at + 1 < w->end)
			keep(w, *w->at++);
		keep(w, *w->at++);
	}
	if (w->wrong)
		return;
	if (w->at >= w->end)
		w->wrong = unfinished;
	else
		keep(w, *w->at++);
}

static void start_over(struct walk *w)
{
	w->len = 0;
	w->gap = w->blank = w->cut = false;
}

/* Words up to one of @stops or the end. */
static void take_words(struct walk *w, const char *stops)
{
	for (;;) {
		skip_blanks(w);
		if (w->wrong || w->at >= w->end || strchr(stops, *w->at))
			return;
		note_gap(w, *w->at);
		if (*w->at == '"')
			take_enclosed(w, '"');
		else if (*w->at == '[')
			take_enclosed(w, ']');
		else
			keep(w, *w->at++);
	}
}

static void hand_over(struct walk *w, inject_address_fn fn, void *arg)
{
	if (w->wrong)
		return;
	if (w->cut || w->gap || w->len == 0) {
		w->wrong = w->cut   ? "an address is too long"
			   : w->gap ? "words stand where an address is expected"
				    : "an address is empty";
		return;
	}
	w->address[w->len] = '\0';
	if (!fn(arg, w->address))
		w->wrong = "not accepted";
	start_over(w);
}

/* "<@a,@b:user@c>": the route is dropped (RFC 5321 appendix C). */
static void take_angle(struct walk *w, inject_address_fn fn, void *arg)
{
	w->at++;
	start_over(w);
	skip_blanks(w);
	if (!w->wrong && w->at < w->end && *w->at == '@') {
		while (w->at < w->end && *w->at != ':' && *w->at != '>')
			w->at++;
		if (w->at < w->end && *w->at == ':')
			w->at++;
	}
	take_words(w, ">,;<");
	if (!w->wrong && (w->at >= w->end || *w->at != '>'))
		w->wrong = unfinished;
	hand_over(w, fn, arg);
	if (w->wrong)
		return;
	w->at++;
	skip_blanks(w);
	if (!w->wrong && w->at < w->end && *w->at != ',' && *w->at != ';')
		w->wrong = "something follows an address in <>";
}

const char *inject_addresses(const char *text, size_t len, inject_address_fn fn,
			     void *arg)
{
	struct walk w = {.at = text, .end = text + len};
	bool in_group = false;

	while (!w.wrong) {
		start_over(&w);
		skip_blanks(&w);
		if (w.wrong || w.at >= w.end)
			break;
		if (*w.at == ',' || (*w.at == ';' && in_group)) {
			in_group = in_group && *w.at == ',';
			w.at++;
			continue;
		}
		w.blank = false;
		take_words(&w, "<,;:");
		if (w.wrong)
			break;
		if (w.at < w.end && *w.at == '<') {
			take_angle(&w, fn, arg);
		} else if (w.at < w.end && *w.at == ':') {
			if (in_group)
				w.wrong = "a group in a group";
			in_group = true;
			w.at++;
		} else {
			hand_over(&w, fn, arg);
		}
	}
	return w.wrong;
}
