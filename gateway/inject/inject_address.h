/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address lists of a message's header (RFC 5322 section 3.4, with the obsolete
 * forms of 4.4), as far as a sender needs them: the mailboxes in them.
 */
#ifndef GATEWAY_INJECT_INJECT_ADDRESS_H
#define GATEWAY_INJECT_INJECT_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

/* With its NUL; longer ones are no mailbox of SMTP's (RFC 5321 4.5.3.1). */
#define INJECT_ADDRESS_SIZE 512

/* A mailbox without comments and blanks around its parts: "a@b.test", or what
 * a local user writes, "root". Borrowed for the call; false: stop. */
typedef bool (*inject_address_fn)(void *arg, const char *address);

/*
 * inject_addresses() - call @fn for each mailbox in @text, which may be folded.
 * NULL, or what is wrong (static): nothing behind it was looked at.
 */
const char *inject_addresses(const char *text, size_t len, inject_address_fn fn,
			     void *arg);

#endif
