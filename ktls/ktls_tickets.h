/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys for a server's session tickets, changed by time.  Private to ktls/.
 *
 * Who steals a ticket key can read every TLS 1.2 session that it protected
 * (and the early secrets of resumed TLS 1.3 ones), so a key seals tickets for
 * one lifetime and opens them for one more, then it is wiped: by the next
 * handshake, because nothing else runs here.  One lock, held for a few
 * hundred nanoseconds of a handshake.
 */
#ifndef KTLS_KTLS_TICKETS_H
#define KTLS_KTLS_TICKETS_H

#include <openssl/ssl.h>
#include <stdint.h>

struct ktls_tickets;

/* ktls_tickets_create() - @lifetime: seconds; @clock: seconds, never goes
 * back; NULL: the system's since boot. Returned owned, NULL: no memory. */
struct ktls_tickets *ktls_tickets_create(uint64_t lifetime,
					 uint64_t (*clock)(void));
/* Wipes the keys; accepts NULL; clears. */
void ktls_tickets_free(struct ktls_tickets **tickets);

/* ktls_tickets_use() - @ssl seals and opens its tickets with @tickets, which
 * must outlive it. 0 or -EINVAL. */
int ktls_tickets_use(SSL_CTX *ssl, struct ktls_tickets *tickets);

/* ktls_tickets_keys() - keys that exist just now, 0 to 2: for tests. */
unsigned ktls_tickets_keys(struct ktls_tickets *tickets);

#endif
