/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any octets as message bytes: however they are cut, the result is the same;
 * what is stored goes out and comes in again as it was; a normalised message
 * has no bare line end.
 *
 * The first octet chooses form, option, cuts and room.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/smtp/smtp_data.h"
#include "gateway/smtp/smtp_header.h"
#include "gateway/smtp/smtp_stuff.h"
#include "tests/fuzz/fuzz.h"

struct run {
	unsigned char *out;
	size_t len, used;
	enum smtp_data_result result;
	struct smtp_data data;
	struct smtp_header header;
};

/* In pieces of @piece with room for @room. A byte becomes two at most. */
static void scan(struct run *run, const uint8_t *in, size_t len,
		 enum smtp_data_form form, bool normalise, size_t piece,
		 size_t room)
{
	unsigned char owed;

	memset(run, 0, sizeof(*run));
	run->out = malloc(2 * len + 2);
	assert(run->out);
	smtp_data_start(&run->data, form, normalise, 64);
	smtp_header_start(&run->header);
	while (run->used < len && run->result == SMTP_DATA_MORE) {
		size_t left = len - run->used, used, made;

		run->result = smtp_data_run(&run->data, in + run->used,
					    left < piece ? left : piece, &used,
					    run->out + run->len, room, &made);
		assert(used + made > 0 && made <= room);
		smtp_header_feed(&run->header, run->out + run->len, made);
		run->used += used;
		run->len += made;
		assert(run->len <= 2 * len);
	}
	if (form == SMTP_DATA_CHUNKS && smtp_data_finish(&run->data, &owed)) {
		run->out[run->len++] = owed;
		smtp_header_feed(&run->header, &owed, 1);
	}
	assert(run->data.stored == run->len);
}

static void check_same(const struct run *a, const struct run *b)
{
	assert(a->used == b->used && a->result == b->result);
	assert(a->len == b->len && memcmp(a->out, b->out, a->len) == 0);
	assert(a->data.bare == b->data.bare);
	assert(a->data.dot_line == b->data.dot_line);
	assert(a->data.eight_bit == b->data.eight_bit);
	assert(a->data.long_line == b->data.long_line);
	assert(a->header.received == b->header.received);
	assert(a->header.ended == b->header.ended);
}

static void check_line_ends(const struct run *run)
{
	for (size_t i = 0; i < run->len; i++) {
		if (run->out[i] == '\n')
			assert(i > 0 && run->out[i - 1] == '\r');
		if (run->out[i] == '\r')
			assert(i + 1 < run->len && run->out[i + 1] == '\n');
	}
}

static void check_flags(const struct run *run)
{
	bool dot = false, eight = false;

	for (size_t i = 0; i < run->len; i++) {
		if (run->out[i] == '.' &&
		    (i == 0 || (i > 1 && run->out[i - 2] == '\r' &&
				run->out[i - 1] == '\n')))
			dot = true;
		if (run->out[i] >= 0x80)
			eight = true;
	}
	assert(!dot || run->data.dot_line);
	assert(eight == run->data.eight_bit);
}

/* Out by DATA and in again. */
static void check_round_trip(const struct run *run)
{
	unsigned char *wire = malloc(2 * run->len + 8);
	struct smtp_stuff stuff;
	struct run again;
	size_t n = 0, at = 0;

	assert(wire);
	smtp_stuff_start(&stuff);
	while (at < run->len) {
		bool dot;
		size_t piece = smtp_stuff_run(&stuff, run->out + at,
					      run->len - at, &dot);

		memcpy(wire + n, run->out + at, piece);
		n += piece;
		at += piece;
		if (dot)
			wire[n++] = '.';
	}
	memcpy(wire + n, smtp_stuff_end(&stuff),
	       strlen(smtp_stuff_end(&stuff)));
	n += strlen(smtp_stuff_end(&stuff));
	scan(&again, wire, n, SMTP_DATA_DOTTED, false, n, 2 * n);
	assert(again.result == SMTP_DATA_DONE && again.used == n);
	assert(again.len >= run->len && again.len <= run->len + 2);
	assert(memcmp(again.out, run->out, run->len) == 0);
	free(again.out);
	free(wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum smtp_data_form form;
	struct run whole, cut;
	bool normalise;

	if (size < 2)
		return 0;
	form = data[0] & 1 ? SMTP_DATA_CHUNKS : SMTP_DATA_DOTTED;
	normalise = data[0] & 2;
	scan(&whole, data + 1, size - 1, form, normalise, size, 2 * size);
	scan(&cut, data + 1, size - 1, form, normalise, 1 + (data[0] >> 2) % 7,
	     1 + (data[0] >> 5));
	check_same(&whole, &cut);
	check_flags(&whole);
	if (normalise &&
	    (form == SMTP_DATA_CHUNKS || whole.result == SMTP_DATA_DONE))
		check_line_ends(&whole);
	if (!whole.data.bare || normalise)
		check_round_trip(&whole);
	free(whole.out);
	free(cut.out);
	return 0;
}
