/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server: does what a client orders over its control connection, one
 * client at a time.
 */
#ifndef BENCH_TLS_SERVE_H
#define BENCH_TLS_SERVE_H

#include <stdbool.h>

/* What the server needs to know of itself. */
struct tls_serve {
	const char *folder; /* for received files; borrowed */
	bool quiet;	    /* no word about clients on stderr */
	/* What the client, on the same machine, does not count already. */
	bool machine; /* kernel threads */
	bool softirq; /* on the processors of this process */
};

/* tls_serve_client() - until it hangs up; takes the connection. 0, or -errno
 * after something that the client could not be told. */
int tls_serve_client(const struct tls_serve *serve, int fd);

#endif
