/* SPDX-License-Identifier: Apache-2.0 */
/* Deterministic mail; see bench_message.h. */
#include "bench/bench_message.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/bench_rng.h"

enum {
	LINE_MAX_OCTETS = 998, /* RFC 5322 2.1.1, without CRLF */
	TEXT_BYTES = 64 * 1024,
	TEXT_LINES = TEXT_BYTES / 3 + 2, /* the shortest line is ".CRLF" */
	DOT_TAIL = 3,			 /* a dotted message ends in ".CRLF" */
};

/* Three texts: plain, with leading dots, with UTF-8. */
enum text_kind {
	TEXT_PLAIN,
	TEXT_DOTTED,
	TEXT_EIGHT_BIT,
	TEXT_KINDS
};

struct text {
	size_t lines;
	uint32_t start[TEXT_LINES + 1]; /* [lines] is the end of the text */
	char bytes[TEXT_BYTES + LINE_MAX_OCTETS + 2];
};

struct bench_text {
	struct text kind[TEXT_KINDS];
};

static const char words[][12] = {
	"relay",   "queue",  "record", "socket", "kernel",    "message",
	"ring",	   "buffer", "cipher", "spool",	 "recipient", "header",
	"segment", "commit", "page",   "cache",	 "session",   "ticket",
	"mail",	   "bounce", "next",   "hop",	 "envelope",  "the",
	"a",	   "of",     "to",     "and",	 "in",	      "is",
};
static const char utf8_word[] = "Stra\xc3\x9f"
				"e \xe2\x82\xac";

static size_t put_word(char *at, enum text_kind kind, uint64_t *rng)
{
	const char *word =
		words[bench_rng_below(rng, sizeof(words) / sizeof(words[0]))];

	if (kind == TEXT_EIGHT_BIT && bench_rng_below(rng, 4) == 0)
		word = utf8_word;
	return (size_t)(stpcpy(at, word) - at);
}

/* Mostly lines as people write them, now and then one of full length. */
static size_t line_length(uint64_t *rng)
{
	uint64_t dice = bench_rng_below(rng, 64);

	if (dice == 0)
		return LINE_MAX_OCTETS;
	if (dice < 4)
		return 0;
	return 20 + bench_rng_below(rng, 58);
}

static size_t put_line(char *at, enum text_kind kind, uint64_t *rng)
{
	size_t want = line_length(rng), len = 0;

	if (kind == TEXT_DOTTED && bench_rng_below(rng, 6) == 0) {
		at[len++] = '.';
		if (bench_rng_below(rng, 3) == 0)
			want = len; /* a lone dot: the end of DATA if sent raw */
		else if (bench_rng_below(rng, 2) == 0)
			at[len++] = '.';
	}
	/* No word is longer than 12 octets: never beyond the line's limit. */
	while (len + 13 < want) {
		len += put_word(at + len, kind, rng);
		at[len++] = ' ';
	}
	while (len < want)
		at[len++] = 'x';
	at[len] = '\r';
	at[len + 1] = '\n';
	return len + 2;
}

static void fill_text(struct text *t, enum text_kind kind, uint64_t seed)
{
	uint64_t rng = bench_rng_stream(seed, UINT64_MAX - kind);
	size_t at = 0;

	while (at < TEXT_BYTES && t->lines < TEXT_LINES) {
		t->start[t->lines++] = (uint32_t)at;
		at += put_line(t->bytes + at, kind, &rng);
	}
	t->start[t->lines] = (uint32_t)at;
}

struct bench_text *bench_text_new(uint64_t seed)
{
	struct bench_text *text = calloc(1, sizeof(*text));

	if (!text)
		return NULL;
	for (enum text_kind k = TEXT_PLAIN; k < TEXT_KINDS; k++)
		fill_text(&text->kind[k], k, seed);
	return text;
}

void bench_text_free(struct bench_text *text)
{
	free(text);
}

bool bench_run_valid(const char *run)
{
	size_t len = strlen(run);

	for (const char *p = run; *p; p++) {
		if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
			return false;
	}
	return len > 0 && len < BENCH_RUN_SIZE;
}

static const struct text *message_text(const struct bench_message *m)
{
	if (m->dotted)
		return &m->text->kind[TEXT_DOTTED];
	return &m->text->kind[m->eight_bit ? TEXT_EIGHT_BIT : TEXT_PLAIN];
}

void bench_message_rcpt(const struct bench_plan *plan, uint64_t index,
			unsigned k, char rcpt[BENCH_RCPT_SIZE])
{
	size_t domain = bench_domains_pick(plan->domains, plan->seed, index, k);
	int len = snprintf(rcpt, BENCH_RCPT_SIZE - BENCH_DOMAIN_SIZE,
			   "r%llu-%u@", (unsigned long long)index, k);

	bench_domains_name(plan->domains, domain, rcpt + len);
}

static void put_head(struct bench_message *m, const struct bench_plan *plan)
{
	/* A second per message from a fixed day: the same on every run. */
	time_t when = 1735689600 + (time_t)(m->index % 31536000);
	char date[64], rcpt[BENCH_RCPT_SIZE];
	struct tm tm;
	int len;

	gmtime_r(&when, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	bench_message_rcpt(plan, m->index, 0, rcpt);
	len = snprintf(m->head, sizeof(m->head),
		       "X-Bench-Id: %s\r\n"
		       "Date: %s\r\n"
		       "From: <%.320s>\r\n"
		       "To: <%s>\r\n"
		       "Subject: ringpost-bench %s\r\n"
		       "Message-ID: <%s@bench.invalid>\r\n"
		       "MIME-Version: 1.0\r\n"
		       "Content-Type: text/plain; charset=%s\r\n"
		       "Content-Transfer-Encoding: %s\r\n"
		       "\r\n",
		       m->id, date, plan->from, rcpt, m->id, m->id,
		       m->eight_bit ? "utf-8" : "us-ascii",
		       m->eight_bit ? "8bit" : "7bit");
	assert(len > 0 && (size_t)len < sizeof(m->head));
	m->head_len = (size_t)len;
}

void bench_message_init(struct bench_message *m, const struct bench_plan *plan,
			const struct bench_text *text, uint64_t index)
{
	uint64_t rng = bench_rng_stream(plan->seed, index);
	size_t least;

	m->text = text;
	m->index = index;
	snprintf(m->id, sizeof(m->id), "%.63s-%llu", plan->run,
		 (unsigned long long)index);
	m->size = bench_dist_draw(&plan->size, &rng);
	m->dotted = bench_rng_share(&rng) < plan->dot_share;
	m->eight_bit = bench_rng_share(&rng) < plan->eight_share && !m->dotted;
	m->bdat = bench_rng_share(&rng) < plan->bdat_share;
	m->first_line = bench_rng_below(&rng, message_text(m)->lines);
	m->rcpts = (unsigned)bench_dist_draw(&plan->rcpts, &rng);
	put_head(m, plan);
	/* A line takes its CRLF; a dotted message also its last dot. */
	least = m->head_len + 2 + (m->dotted ? DOT_TAIL : 0);
	if (m->size < least)
		m->size = least;
	bench_message_rewind(m);
}

void bench_message_rewind(struct bench_message *m)
{
	m->left = m->size;
	m->line = m->first_line;
	m->block = 0;
}

static size_t put_filler(char *at, size_t len)
{
	assert(len >= 2);
	memset(at, 'z', len - 2);
	at[len - 2] = '\r';
	at[len - 1] = '\n';
	return len;
}

/*
 * The last octets, up to the exact size: one or two lines of filler, and for a
 * dotted message a lone dot as its very last line.
 */
static struct bench_slice message_tail(struct bench_message *m)
{
	size_t want = (size_t)m->left, len = 0;
	size_t dot = m->dotted ? DOT_TAIL : 0;

	assert(want + 2 <= sizeof(m->tail) && want >= dot);
	want -= dot;
	if (want > LINE_MAX_OCTETS + 2) {
		len = put_filler(m->tail, want / 2);
		want -= len;
	}
	if (want)
		len += put_filler(m->tail + len, want);
	if (dot) {
		memcpy(m->tail + len, ".\r\n", DOT_TAIL);
		len += DOT_TAIL;
	}
	m->left = 0;
	return (struct bench_slice){m->tail, len};
}

/* Number of whole lines from `first` that fit in `room` octets. */
static size_t lines_that_fit(const struct text *t, size_t first, uint64_t room)
{
	size_t low = first, high = t->lines;

	while (low < high) {
		size_t mid = low + (high - low + 1) / 2;

		if (t->start[mid] - t->start[first] <= room)
			low = mid;
		else
			high = mid - 1;
	}
	return low - first;
}

/* Each pass over the text is stamped: a lost or doubled block is seen. */
static struct bench_slice message_stamp(struct bench_message *m)
{
	int len = snprintf(m->tail, sizeof(m->tail), "-- %s block %u\r\n",
			   m->id, m->block++);

	m->line = 0;
	m->left -= (uint64_t)len;
	return (struct bench_slice){m->tail, (size_t)len};
}

bool bench_message_next(struct bench_message *m, struct bench_slice *ret)
{
	const struct text *t = message_text(m);
	/* Kept back for the tail: never 1 octet, never less than its dot. */
	const uint64_t reserve = DOT_TAIL + 2;
	uint64_t room;
	size_t count;

	if (!m->left)
		return false;
	if (m->left == m->size) {
		*ret = (struct bench_slice){m->head, m->head_len};
		m->left -= m->head_len;
		return true;
	}
	room = m->left > reserve ? m->left - reserve : 0;
	if (m->line == t->lines && room > BENCH_ID_SIZE + 32) {
		*ret = message_stamp(m);
		return true;
	}
	count = lines_that_fit(t, m->line, room);
	if (!count) {
		*ret = message_tail(m);
		return true;
	}
	*ret = (struct bench_slice){
		t->bytes + t->start[m->line],
		t->start[m->line + count] - t->start[m->line],
	};
	m->line += count;
	m->left -= ret->len;
	return true;
}
