/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scanner of message bytes. clean_run() finds the longest piece that is
 * stored as it is, 64 octets at a time as long as nothing is odd in them, then
 * line by line; step() is the byte state machine for what stands between such
 * pieces.
 */
#include <assert.h>
#include <string.h>

#include "gateway/smtp/smtp_block.h"
#include "gateway/smtp/smtp_data.h"

void smtp_data_start(struct smtp_data *data, enum smtp_data_form form,
		     bool normalise, uint64_t line_max)
{
	memset(data, 0, sizeof(*data));
	data->state = SMTP_DATA_LINE_START;
	data->form = form;
	data->normalise = normalise;
	data->line_max = line_max;
}

static void line_grows(struct smtp_data *data, size_t by)
{
	data->line_len += by;
	if (data->line_max > 0 && data->line_len > data->line_max)
		data->long_line = true;
}

static bool has_eight_bit(const unsigned char *in, size_t len)
{
	const uint64_t high = UINT64_C(0x8080808080808080);
	uint64_t seen = 0, word[4];
	size_t at = 0;

	/* Words, four at a time: the compiler makes vectors of them. */
	for (; at + sizeof(word) <= len; at += sizeof(word)) {
		memcpy(word, in + at, sizeof(word));
		seen |= word[0] | word[1] | word[2] | word[3];
	}
	for (; at < len; at++)
		seen |= in[at];
	return (seen & high) != 0;
}

/* Does the line that begins with in[at] need a look at its dot? */
static bool stops_at_dot(struct smtp_data *data, unsigned char c)
{
	if (c != '.')
		return false;
	if (data->form == SMTP_DATA_DOTTED &&
	    data->state == SMTP_DATA_LINE_START)
		return true;
	data->dot_line = true;
	return false;
}

/* What blocks change, where the compiler can keep it in registers. */
struct run {
	uint64_t line_len;
	uint64_t longest; /* of the lines that began in an earlier block */
	uint64_t dots, high;
	bool at_start; /* of a line */
};

/*
 * One block, if there is nothing in it to be looked at more closely: each LF
 * behind a CR, each CR in front of an LF, no dot to be taken away. Returns the
 * octets taken: all, all but a CR at the end, or none.
 */
static inline __attribute__((always_inline)) unsigned block_take(
	struct run *run, struct smtp_block block, bool dotted)
{
	unsigned len = SMTP_BLOCK - (unsigned)(block.cr >> 63);
	uint64_t dots = block.dot & (block.lf << 1 | run->at_start);
	uint64_t line = run->line_len;

	if (block.lf != block.cr << 1 || (dots && dotted))
		return 0;
	run->dots |= dots;
	run->high |= block.high;
	if (block.lf) {
		unsigned behind = (unsigned)__builtin_clzll(block.lf);

		line += (unsigned)__builtin_ctzll(block.lf) + 1;
		run->line_len = behind - (SMTP_BLOCK - len);
		run->at_start = run->line_len == 0;
	} else {
		line += len;
		run->line_len = line;
		run->at_start = false;
	}
	if (line > run->longest)
		run->longest = line;
	return len;
}

/* Whole blocks at the front of @in; @look finds what is in one. */
static inline __attribute__((always_inline)) size_t blocks_take(
	struct run *run, const unsigned char *in, size_t len, bool dotted,
	struct smtp_block (*look)(const unsigned char *in))
{
	size_t at = 0;

	while (len - at >= SMTP_BLOCK) {
		unsigned took = block_take(run, look(in + at), dotted);

		if (took == 0)
			break;
		at += took;
	}
	return at;
}

#ifdef SMTP_BLOCK_WIDE
SMTP_BLOCK_WIDE static size_t blocks_take_wide(struct run *run,
					       const unsigned char *in,
					       size_t len, bool dotted)
{
	return blocks_take(run, in, len, dotted, smtp_block_look_wide);
}
#endif

/* Without vectors that are wide enough memchr() is quicker. */
static size_t blocks_take_best(struct run *run, const unsigned char *in,
			       size_t len, bool dotted)
{
#ifdef SMTP_BLOCK_WIDE
	if (smtp_block_has_wide())
		return blocks_take_wide(run, in, len, dotted);
#endif
	return 0;
}

/* Is the state one that blocks keep? Shorter lines than a block would have to
 * be measured one by one. */
static bool blocks_apply(const struct smtp_data *data)
{
	return (data->state == SMTP_DATA_LINE_START ||
		data->state == SMTP_DATA_LINE) &&
	       (data->line_max == 0 || data->line_max >= SMTP_BLOCK);
}

static size_t clean_blocks(struct smtp_data *data, const unsigned char *in,
			   size_t len)
{
	struct run run = {
		.line_len = data->line_len,
		.at_start = data->state == SMTP_DATA_LINE_START,
	};
	size_t taken = 0;

	if (blocks_apply(data))
		taken = blocks_take_best(&run, in, len,
					 data->form == SMTP_DATA_DOTTED);
	if (taken == 0)
		return 0;
	data->line_len = run.line_len;
	data->long_line |= data->line_max && run.longest > data->line_max;
	data->dot_line |= run.dots != 0;
	data->eight_bit |= run.high != 0;
	data->state = run.at_start ? SMTP_DATA_LINE_START : SMTP_DATA_LINE;
	return taken;
}

/* The same as clean_run(), line by line. */
static size_t clean_lines(struct smtp_data *data, const unsigned char *in,
			  size_t len)
{
	size_t at = 0;

	while (at < len) {
		const unsigned char *lf, *cr;
		size_t piece;

		if (data->state != SMTP_DATA_LINE && stops_at_dot(data, in[at]))
			break;
		lf = memchr(in + at, '\n', len - at);
		piece = (lf ? (size_t)(lf - in) : len) - at;
		cr = memchr(in + at, '\r', piece);
		if (lf && cr && cr + 1 == lf) {
			line_grows(data, piece + 1);
			data->line_len = 0;
			data->state = SMTP_DATA_LINE_START;
			at += piece + 1;
			continue;
		}
		/* Up to the odd CR or LF, or to the end of what is here. */
		if (cr)
			piece = (size_t)(cr - in) - at;
		if (piece > 0) {
			line_grows(data, piece);
			data->state = SMTP_DATA_LINE;
		}
		at += piece;
		break;
	}
	if (!data->eight_bit)
		data->eight_bit = has_eight_bit(in, at);
	return at;
}

/*
 * The prefix of @in that is stored as it is, from a line's start or middle;
 * keeps state, line length and flags.
 */
static size_t clean_run(struct smtp_data *data, const unsigned char *in,
			size_t len)
{
	size_t at = clean_blocks(data, in, len);

	return at + clean_lines(data, in + at, len - at);
}

/* What one byte did in the state machine. */
struct step {
	bool take; /* the byte is used up */
	int store; /* a byte to store, or -1 */
};

static struct step step_line(struct smtp_data *data, unsigned char c)
{
	if (c == '.') {
		/* clean_run() lets only a dot at a line's start through. */
		data->state = SMTP_DATA_DOT;
		return (struct step){true, -1};
	}
	if (c == '\r') {
		data->state = SMTP_DATA_CR;
		return (struct step){true, '\r'};
	}
	assert(c == '\n');
	data->bare = true;
	if (data->normalise) {
		data->state = SMTP_DATA_OWES_LF;
		return (struct step){true, '\r'};
	}
	data->state = SMTP_DATA_AFTER_BARE;
	return (struct step){true, '\n'};
}

static struct step step_cr(struct smtp_data *data, unsigned char c)
{
	if (c == '\n') {
		data->state = SMTP_DATA_LINE_START;
		return (struct step){true, '\n'};
	}
	data->bare = true;
	data->state =
		data->normalise ? SMTP_DATA_OWES_LF : SMTP_DATA_AFTER_BARE;
	return (struct step){false, -1};
}

static struct step step_dot(struct smtp_data *data, unsigned char c)
{
	if (c == '\r') {
		data->state = SMTP_DATA_DOT_CR;
		return (struct step){true, -1};
	}
	/* Transparency: the dot was added by the client, c is the text. */
	if (c == '.')
		data->dot_line = true;
	data->state = SMTP_DATA_LINE;
	return (struct step){false, -1};
}

static struct step step_dot_cr(struct smtp_data *data, unsigned char c)
{
	if (c == '\n') {
		data->state = SMTP_DATA_ENDED;
		return (struct step){true, -1};
	}
	data->state = SMTP_DATA_CR;
	return (struct step){false, '\r'};
}

static struct step step(struct smtp_data *data, unsigned char c)
{
	switch (data->state) {
	case SMTP_DATA_LINE_START:
	case SMTP_DATA_LINE:
	case SMTP_DATA_AFTER_BARE:
		return step_line(data, c);
	case SMTP_DATA_CR:
		return step_cr(data, c);
	case SMTP_DATA_DOT:
		return step_dot(data, c);
	case SMTP_DATA_DOT_CR:
		return step_dot_cr(data, c);
	case SMTP_DATA_OWES_LF:
		data->state = SMTP_DATA_AFTER_BARE;
		return (struct step){false, '\n'};
	case SMTP_DATA_ENDED:
		break;
	}
	assert(false && "the message has ended");
	return (struct step){true, -1};
}

static bool in_line(const struct smtp_data *data)
{
	return data->state == SMTP_DATA_LINE_START ||
	       data->state == SMTP_DATA_LINE ||
	       data->state == SMTP_DATA_AFTER_BARE;
}

static void store_byte(struct smtp_data *data, int c)
{
	data->stored++;
	line_grows(data, 1);
	if (c == '\n')
		data->line_len = 0;
}

/* Runs and steps until @in is used up, @out is full, or the message ends. */
enum smtp_data_result smtp_data_run(struct smtp_data *data,
				    const unsigned char *in, size_t in_len,
				    size_t *used, unsigned char *out,
				    size_t out_len, size_t *made)
{
	size_t at = 0, put = 0;

	while (at < in_len && (!out || put < out_len) &&
	       data->state != SMTP_DATA_ENDED) {
		struct step done;

		if (in_line(data)) {
			size_t room = out ? out_len - put : in_len - at;
			size_t len = in_len - at < room ? in_len - at : room;
			size_t run = clean_run(data, in + at, len);

			if (out)
				memcpy(out + put, in + at, run);
			data->stored += run;
			at += run;
			put += run;
			if (run == len)
				continue;
		}
		done = step(data, in[at]);
		if (done.take)
			at++;
		if (done.store < 0)
			continue;
		store_byte(data, done.store);
		if (out)
			out[put] = (unsigned char)done.store;
		put++;
	}
	*used = at;
	*made = out ? put : 0;
	return data->state == SMTP_DATA_ENDED ? SMTP_DATA_DONE : SMTP_DATA_MORE;
}

size_t smtp_data_finish(struct smtp_data *data, unsigned char *owed)
{
	bool owes = data->state == SMTP_DATA_OWES_LF;

	assert(data->form == SMTP_DATA_CHUNKS);
	if (data->state == SMTP_DATA_CR) {
		data->bare = true;
		owes = data->normalise;
	}
	data->state = SMTP_DATA_ENDED;
	if (!owes)
		return 0;
	store_byte(data, '\n');
	*owed = '\n';
	return 1;
}
