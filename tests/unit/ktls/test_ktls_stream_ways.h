/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every way a stream can carry TLS, and what has to hold on each: scenarios
 * for the fake kernel (unit tests) and for a real one (tests/kernel).
 */
#ifndef TESTS_UNIT_KTLS_TEST_KTLS_STREAM_WAYS_H
#define TESTS_UNIT_KTLS_TEST_KTLS_STREAM_WAYS_H

#include "ktls/ktls_stream_private.h"
#include "tests/unit/ktls/test_ktls_stream_world.h"

struct way {
	enum ktls_role role;
	enum ktls_version version;
	const char *suite; /* OpenSSL's name */
	bool kernel;	   /* unless it lacks the cipher: way_reason() */
};
extern const struct way ways[];
extern const size_t way_count;

/* Some of them by index. */
enum {
	WAY_SERVER_13 = 0,
	WAY_SERVER_12 = 3,
	WAY_CLIENT_13 = 6,
	WAY_CLIENT_12 = 9,
	WAY_SERVER_13_USER = 12,
};

/* way_reason() - what both directions have to say in the end: NONE when they
 * are in the kernel. */
enum ktls_reason way_reason(const struct shop *shop, const struct way *way);
bool way_in_kernel(const struct shop *shop, const struct way *way);
struct world_config way_config(const struct shop *shop, const struct way *way,
			       uint64_t seed);
void way_open(struct world *w, struct shop *shop, const struct way *way,
	      uint64_t seed);
/* way_secure() - and the handshake. */
void way_secure(struct world *w, struct shop *shop, const struct way *way,
		uint64_t seed);
/* One line from the peer, read; the diary is clean again. */
void way_receive_one(struct world *w);
void way_assert_nothing_in_clear(struct world *w);

/* CMocka tests; *state is a struct shop. */
void a_large_range_goes_out_whole(void **state);
void the_kernel_takes_both_directions(void **state);
void a_client_receives_in_openssl_until_the_first_reply(void **state);
void an_idle_kernel_stream_is_small(void **state);
void tickets_reach_the_session_cache(void **state);
void unread_bytes_stop_the_receiving(void **state);
void unread_bytes_leave_buffers_for_others(void **state);
void a_slow_owner_gets_all_in_the_end(void **state);
void one_buffer_is_enough(void **state);
void pause_stops_and_resume_goes_on(void **state);
void aborts_at_any_time_leak_nothing(void **state);
void flushes_at_any_time_leak_nothing(void **state);
void resets_at_any_time_leak_nothing(void **state);
void close_notify_is_eof(void **state);
void fin_alone_is_truncation(void **state);
void a_truncated_stream_can_be_flushed(void **state);
void a_bad_record_is_a_failure(void **state);
void no_record_at_all_is_a_failure(void **state);
void a_fatal_alert_is_a_failure_with_a_name(void **state);
void reset_is_a_failure(void **state);
void late_tickets_do_no_harm(void **state);
void a_flood_of_tickets_ends(void **state);
void rekey_still_sends_the_queue(void **state);
void renegotiation_is_refused(void **state);
void bytes_in_are_bytes_out_on_every_way(void **state);

/* Changes of keys; the first group needs a kernel that can rekey. */
void the_peers_new_keys_are_followed(void **state);
void new_keys_come_before_what_waits(void **state);
void new_keys_at_any_time(void **state);
void keys_are_changed_at_their_limit(void **state);
void a_key_update_before_the_first_reply(void **state);
void each_half_changes_keys(void **state);
void a_flood_of_key_updates_ends(void **state);
void many_key_updates_with_data_are_no_flood(void **state);
void refused_new_keys_end(void **state);

void keys_that_stay_are_worn_at_their_limit(void **state);
void without_rekey_a_key_update_ends_in_order(void **state);

#endif
