/* SPDX-License-Identifier: Apache-2.0 */
/* A growing run of bytes, taken from the front. */
#ifndef TESTS_SUPPORT_SIM_BYTES_H
#define TESTS_SUPPORT_SIM_BYTES_H

#include <stdbool.h>
#include <stddef.h>

struct sim_bytes {
	unsigned char *data;
	size_t start, len, room; /* unread bytes: data + start, len of them */
};

void sim_bytes_put(struct sim_bytes *b, const void *data, size_t len);
void sim_bytes_text(struct sim_bytes *b, const char *text);
const unsigned char *sim_bytes_at(const struct sim_bytes *b);
void sim_bytes_drop(struct sim_bytes *b, size_t len);
void sim_bytes_free(struct sim_bytes *b);

/* Take one line ending in LF (any length) as a string without its line end
 * into @line (cut to fit). False: no whole line there. */
bool sim_bytes_line(struct sim_bytes *b, char *line, size_t size);

#endif
