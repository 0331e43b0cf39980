/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our half of an errand (paths_errand.h): a ktls_stream on a real ring that
 * sends or receives all parcels on one byte path.
 */
#ifndef TESTS_KERNEL_PATHS_DESK_H
#define TESTS_KERNEL_PATHS_DESK_H

#include "ktls/ktls_stream.h"
#include "tests/kernel/paths_errand.h"
#include "tests/unit/ktls/test_ktls_stream_world.h"

/* A way of bytes through a stream. */
struct byte_path {
	const char *name;
	enum ktls_direction direction;
	bool user;		  /* TLS stays in OpenSSL */
	enum ktls_byte_path file; /* when sending */
	enum uring_level level;	  /* when receiving: what the ring may use */
};

struct desk_config {
	const struct byte_path *path;
	enum ktls_version version;
	const char *suite; /* OpenSSL's name */
	int buffer;	   /* bytes in the sockets' buffers; 0: the system's */
	int file;	   /* descriptor of the errand's file */
};

struct desk {
	struct desk_config config;
	struct shop *shop; /* borrowed */
	struct uring *ring;
	struct uring_bufs *bufs;
	struct ktls_paths *paths;
	struct ktls_env env;
	struct ktls_stream stream;
	struct tcp_peer peer;
	bool peer_runs;
	struct errand errand;
	unsigned events[KTLS_EVENT_CLOSED + 1];
	struct ktls_stream_info info; /* when last secure */
	bool hold;		      /* leaves everything unread */
	size_t parcel, at;	      /* the next one to send; the next byte */
	uint64_t bytes;		      /* of parcels, so far */
	size_t reply;		      /* bytes of ERRAND_OK so far */
	char complaint[256];	      /* "" while content */
};

/*
 * desk_open() - connect, shake hands, no byte of a parcel yet. @errand is
 * copied. We are the client when sending, the server when receiving, as a
 * relay is.
 */
void desk_open(struct desk *desk, struct shop *shop,
	       const struct desk_config *config, const struct errand *errand);
/* desk_begin() - what is to be sent is sent from now on. */
void desk_begin(struct desk *desk);
/* One turn; fails the test when something was wrong. */
void desk_turn(struct desk *desk);
/* desk_while() - turns while @condition holds, which must end. */
#define desk_while(desk, condition)                                          \
	do {                                                                 \
		for (time_t since_ = time(NULL); condition; desk_turn(desk)) \
			desk_patience(desk, since_, #condition);             \
	} while (0)
void desk_patience(const struct desk *desk, time_t since, const char *what);
/* desk_release() - what was held back is read. */
void desk_release(struct desk *desk);
/* desk_run() - until all has arrived and been confirmed. */
void desk_run(struct desk *desk);
/* desk_close() - in order; nothing may be left, the peer must be content. */
void desk_close(struct desk *desk, enum ktls_close how);
/* desk_drop() - ends what a failed test left; harmless afterwards. */
void desk_drop(struct desk *desk);

#endif
