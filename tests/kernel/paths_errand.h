/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes over one connection of kernel_paths: ranges of a file, each with a
 * line behind it, and OpenSSL's half of bringing them (tcp_peer.h).
 */
#ifndef TESTS_KERNEL_PATHS_ERRAND_H
#define TESTS_KERNEL_PATHS_ERRAND_H

#include <semaphore.h>

#include "tests/kernel/tcp_peer.h"

#define PARCEL_END     "END\n"
#define PARCEL_END_LEN 4
#define ERRAND_OK      "OK\n" /* from who received to who sent */
#define ERRAND_OK_LEN  3
#define ERRAND_MAX     8

struct parcel {
	size_t at, len; /* of the file */
};

struct errand {
	const unsigned char *file; /* borrowed */
	struct parcel parcels[ERRAND_MAX];
	size_t count;
	bool slow;  /* who reads waits for @go, then begins in small steps */
	size_t cut; /* who reads closes after so many bytes; 0: reads all */
	sem_t go;
};

/* errand_read(), errand_write() - tcp_peer_fn of the peer that gets, or sends,
 * all parcels; arg is the errand. What comes is compared, the end must be a
 * close_notify. */
void errand_read(struct tcp_peer *peer, SSL *ssl);
void errand_write(struct tcp_peer *peer, SSL *ssl);

#endif
