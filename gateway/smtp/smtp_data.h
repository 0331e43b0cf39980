/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message bytes coming in: wire form to stored form.
 *
 * Every body byte passes here, so whole runs are searched and copied, never
 * single bytes where nothing is to be done.
 *
 * DATA (RFC 5321 section 4.5.2): the message ends at CRLF "." CRLF and nowhere
 * else; leading dots are undoubled.  BDAT (RFC 3030): bytes are taken as they
 * are, the caller counts the chunks.  In both a CR without LF or an LF without
 * CR is noticed, because the next hop may see a line end, and so another
 * message, where we saw none (SMTP smuggling): the caller refuses the message,
 * or has each of them made a CRLF.
 */
#ifndef GATEWAY_SMTP_SMTP_DATA_H
#define GATEWAY_SMTP_SMTP_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum smtp_data_form {
	SMTP_DATA_DOTTED,
	SMTP_DATA_CHUNKS
};

/* Where the next byte stands. Private. */
enum smtp_data_state {
	SMTP_DATA_LINE_START, /* behind a CRLF of the wire, or at the start */
	SMTP_DATA_LINE,	      /* within a line */
	SMTP_DATA_CR,	      /* behind a CR, which is stored already */
	SMTP_DATA_DOT,	      /* behind a line's first '.', not stored */
	SMTP_DATA_DOT_CR,     /* behind a line's ".\r", not stored */
	SMTP_DATA_OWES_LF, /* normalising: the LF of a CRLF is to be stored */
	SMTP_DATA_AFTER_BARE, /* a line begins, but not behind CRLF */
	SMTP_DATA_ENDED,
};

struct smtp_data {
	/* Private. */
	enum smtp_data_state state;
	enum smtp_data_form form;
	bool normalise;
	uint64_t line_max; /* octets with CRLF, 0: any */
	uint64_t line_len; /* of the stored line so far */

	/* What was seen; read-only. */
	uint64_t stored; /* octets in stored form, kept or not */
	bool bare;	 /* a CR or LF alone */
	bool long_line;	 /* beyond line_max */
	bool dot_line;	 /* a stored line begins with '.' */
	bool eight_bit;	 /* octets >= 0x80 */
};

/* smtp_data_start() - @normalise: a CR or LF alone is stored as CRLF. */
void smtp_data_start(struct smtp_data *data, enum smtp_data_form form,
		     bool normalise, uint64_t line_max);

enum smtp_data_result {
	SMTP_DATA_MORE, /* all of @in is taken, or @out is full */
	SMTP_DATA_DONE, /* the end was found; the rest of @in are commands */
};

/*
 * smtp_data_run() - take wire bytes, make stored bytes.
 * @out: room for @out_len >= 1 bytes, or NULL: nothing is kept, for a message
 *       that is refused anyway.
 * @used: bytes taken of @in.  @made: bytes put into @out (0 without it).
 * At least one of them grows, unless @in is empty.
 */
enum smtp_data_result smtp_data_run(struct smtp_data *data,
				    const unsigned char *in, size_t in_len,
				    size_t *used, unsigned char *out,
				    size_t out_len, size_t *made);

/*
 * smtp_data_finish() - the last chunk is over (SMTP_DATA_CHUNKS).
 * Returns how many bytes (0 or 1) of *@owed are still to be stored.
 */
size_t smtp_data_finish(struct smtp_data *data, unsigned char *owed);

#endif
