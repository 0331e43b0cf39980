/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of two streams with a peer at each end, and what has to hold when
 * bytes are forwarded along it: scenarios for the fake kernel (unit tests) and
 * for a real one (tests/kernel).
 */
#ifndef TESTS_UNIT_KTLS_TEST_KTLS_FORWARD_H
#define TESTS_UNIT_KTLS_TEST_KTLS_FORWARD_H

#include "ktls/ktls_forward.h"
#include "ktls/ktls_paths_private.h"
#include "tests/unit/ktls/test_ktls_stream_ways.h"

/* Follows each chunk, as the next command would. */
#define LINE_COMMAND "NOOP\r\n"

struct line_config {
	uint64_t seed;
	const struct way *from, *to; /* NULL: in clear */
	enum ktls_byte_path path;
	bool rekey;	    /* on the fake kernel */
	bool clear_records; /* of struct world_config; then @to is NULL */
	bool spare;	    /* the source takes sparingly all the time */
	unsigned reset_percent;
};

struct line {
	struct line_config config;
	struct world from, to;
	struct ktls_paths *paths;
	struct ktls_forward forward;
	unsigned ended;
	enum ktls_forward_end end;
	unsigned char *body; /* all that the client sends */
	size_t body_len;
};

/* Ways that lines are made of: {from, to}. */
extern const struct line_ways {
	const struct way *from, *to;
} line_ways[];
extern const size_t line_way_count;

/* line_seeds() - how many of @seeds are run; on a real kernel each takes
 * long, and its accidents are its own. */
uint64_t line_seeds(void **state, uint64_t seeds);

/* line_splices() - are chunks that are large enough spliced there? */
bool line_splices(const struct line *l);

/* line_open() - both streams are up and nothing is unread. */
void line_open(struct line *l, struct shop *shop,
	       const struct line_config *config);
/* line_close() - ends what still runs; nothing is left, in no pipe either. */
void line_close(struct line *l);
void line_turn(struct line *l);

/* line_client_sends() - chunks of so many bytes, each with LINE_COMMAND behind
 * it, in records that fit to nothing. */
void line_client_sends(struct line *l, const size_t *sizes, size_t count);
/* line_start() - forward @len bytes; line_forward() - and wait for its end. */
void line_start(struct line *l, uint64_t len);
enum ktls_forward_end line_forward(struct line *l, uint64_t len);
/* line_skip() - the source's owner drops so many bytes itself. */
void line_skip(struct line *l, uint64_t len);
/* line_expect_command() - the next bytes of the source are LINE_COMMAND. */
void line_expect_command(struct line *l);
/* line_expect_arrived() - the next hop has got exactly these bytes of the body,
 * behind those it had. */
void line_expect_arrived(struct line *l, size_t at, size_t len);

/* CMocka tests; *state is a struct shop. */
void every_size_is_forwarded_exactly(void **state);
void sixty_four_mebibytes_are_forwarded(void **state);
void what_was_received_before_is_forwarded_too(void **state);
void a_slow_client_is_waited_for(void **state);
void a_slow_next_hop_is_waited_for(void **state);
void a_forward_that_is_stopped_is_exact(void **state);
void a_client_that_ends_is_the_sources_end(void **state);
void a_client_that_ends_behind_the_last_byte(void **state);
void a_client_that_resets(void **state);
void a_next_hop_that_ends_is_the_sinks_end(void **state);
void a_next_hop_that_resets(void **state);
void a_bad_record_in_a_chunk(void **state);
void streams_closed_at_any_time(void **state);
void replies_of_the_next_hop_wait(void **state);
void empty_records_in_a_chunk(void **state);
void a_key_update_in_a_chunk(void **state);
void a_key_update_of_the_next_hop(void **state);
void a_key_update_that_cant_be_followed(void **state);

#endif
