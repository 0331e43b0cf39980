/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message as applications hand it in becomes one that may travel: recipients
 * from its header, Bcc taken out, From, Date and Message-ID added where they
 * are missing, line ends mended (RFC 5322; RFC 6409 section 8).
 */
#ifndef GATEWAY_INJECT_INJECT_MESSAGE_H
#define GATEWAY_INJECT_INJECT_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/inject/inject_buffer.h"

/* Largest message that is read into memory here; the relay's own limit
 * (limits.message_size) is usually far below. */
#define INJECT_MESSAGE_MAX ((size_t)1 << 30)

/* Of one message; the relay's limit is what counts. */
#define INJECT_RECIPIENTS_MAX 10000

/* Addresses, owned; each once, whatever the case of its domain. */
struct inject_recipients {
	char **list;
	size_t count, room;
	const char *hostname; /* borrowed: for addresses without a domain */
	const char *wrong;    /* why the last one was not added; static */
	bool no_memory;
};

void inject_recipients_free(struct inject_recipients *recipients);

/* inject_recipients_add() - one mailbox, completed by "@hostname" when it has
 * no domain. False: ->wrong says why. */
bool inject_recipients_add(struct inject_recipients *recipients,
			   const char *address);

/* inject_recipients_read() - all of a list as it stands in a header. */
bool inject_recipients_read(struct inject_recipients *recipients,
			    const char *text, size_t len);

/* inject_sender() - a reverse-path, completed likewise; "" and "<>" are the
 * null path. False: it is none. */
bool inject_sender(const char *address, const char *hostname, char out[512]);

struct inject_job {
	const char *text; /* as it was handed in; borrowed */
	size_t len;
	bool raw;	       /* only line ends are mended */
	bool recipients;       /* take To, Cc and Bcc (or their Resent- ones) */
	const char *sender;    /* for a missing From; "" : the null path */
	const char *full_name; /* with it; NULL: none */
	const char *hostname;  /* for a missing Message-ID */
	uint64_t now;	       /* ns since 1970 */
	uint64_t unique;       /* a number that no other message has */
};

/*
 * inject_message_make() - @job as octets with CRLF to @out, which was
 * initialised; recipients found are added to @recipients (may be NULL without
 * job->recipients). NULL, or what is wrong with it (static); out of memory is
 * said by @out or @recipients.
 */
const char *inject_message_make(const struct inject_job *job,
				struct inject_recipients *recipients,
				struct inject_buffer *out);

/* inject_message_dot() - octets in front of a line that is just ".", which ends
 * what a terminal hands in; all of them when there is none. */
size_t inject_message_dot(const char *text, size_t len);

#endif
