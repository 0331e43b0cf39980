/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cut-through: mail is passed to the next hop while the client sends it, and
 * the client hears the next hop's own answers. Nothing is stored.
 *
 * A leg is the next hop's half of one transaction: from its first recipient to
 * the answer to the message. Its owner (the inbound session) asks for one thing
 * at a time; the answer comes as an event. Connections are made and greeted by
 * outbound sessions, and kept for the next transaction of the same route.
 *
 * Events come from uring_turn(), never from inside a call of the owner; a
 * handler may call anything here, cutthrough_drop() too.
 */
#ifndef GATEWAY_CUTTHROUGH_CUTTHROUGH_H
#define GATEWAY_CUTTHROUGH_CUTTHROUGH_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/config/config.h"
#include "gateway/outbound/outbound.h"
#include "gateway/smtp/smtp_reply.h"
#include "ktls/ktls_stream.h"

struct cutthrough;     /* of one worker */
struct cutthrough_leg; /* of one transaction */

struct cutthrough_config {
	const struct config *config; /* borrowed, outlives it */
	const struct ktls_env *env;  /* borrowed */
	struct next_hop *hops;	     /* one per route; borrowed, shared */
	/* socket(2); NULL: the system's */
	int (*socket)(void *arg, int family);
	void *socket_arg;
};

/* cutthrough_create() - @out returned owned. 0 or -errno. */
int cutthrough_create(const struct cutthrough_config *config,
		      struct cutthrough **out);
/* cutthrough_destroy() - with no session left; accepts NULL; clears. */
void cutthrough_destroy(struct cutthrough **cutthrough);

/* cutthrough_shutdown() - no new transaction; open ones finish.
 * cutthrough_abort() - all connections are closed now. */
void cutthrough_shutdown(struct cutthrough *cutthrough);
void cutthrough_abort(struct cutthrough *cutthrough);
/* Connections to next hops that are still there; 0: may be destroyed. */
unsigned cutthrough_sessions(const struct cutthrough *cutthrough);

struct cutthrough_stats {
	uint64_t transactions; /* legs begun */
	uint64_t messages;     /* accepted by the next hop */
	uint64_t refused;      /* messages that it refused */
	uint64_t lost;	       /* legs whose connection was lost */
	uint64_t spliced;      /* body bytes that stayed in the kernel */
	uint64_t copied;       /* body bytes that did not */
};
const struct cutthrough_stats *cutthrough_stats(const struct cutthrough *);
/* Its sessions with next hops; borrowed, for their statistics. */
const struct outbound *cutthrough_outbound(const struct cutthrough *cutthrough);

enum cutthrough_event {
	/* What was asked for has its answer: cutthrough_answer(). */
	CUTTHROUGH_ANSWER,
	/* There is room for more of the body again. */
	CUTTHROUGH_ROOM,
	/* cutthrough_forward() is done: the chunk is passed on whole, its
	 * ANSWER follows. */
	CUTTHROUGH_FORWARDED,
	/* In the middle of the body the next hop is gone; cutthrough_answer()
	 * is what the client is to hear. No ANSWER follows. */
	CUTTHROUGH_LOST,
};

typedef void (*cutthrough_fn)(void *owner, enum cutthrough_event event);

/* What MAIL says; copied. */
struct cutthrough_mail {
	const char *reverse_path;
	const char *dsn; /* as smtp_dsn_mail_write() writes it */
	bool has_size;
	uint64_t size; /* as the client declared it */
	bool body_8bitmime;
	bool smtputf8;
	uint64_t id; /* for the log */
};

/*
 * cutthrough_begin() - a transaction towards @route, with its first recipient
 * (@dsn: its parameters, as smtp_dsn_rcpt_write() writes them; copied): ANSWER
 * is the one to that. Returns it owned (cutthrough_drop()) or NULL: no
 * memory.
 */
struct cutthrough_leg *cutthrough_begin(struct cutthrough *cutthrough,
					const struct config_route *route,
					const struct cutthrough_mail *mail,
					const char *recipient, const char *dsn,
					cutthrough_fn fn, void *owner);

const struct config_route *cutthrough_route(const struct cutthrough_leg *leg);

/* cutthrough_over() - is its connection gone? Then cutthrough_answer() is what
 * any further request gets. */
bool cutthrough_over(struct cutthrough_leg *leg);

/* cutthrough_recipient() - a further one. ANSWER. False: no memory. */
bool cutthrough_recipient(struct cutthrough_leg *leg, const char *recipient,
			  const char *dsn);

/* The next hop's words, or ours when there are none. */
struct cutthrough_answer {
	uint16_t code;
	char text[SMTP_REPLY_TEXT_MAX]; /* with its enhanced code, if the code
					 * has one; printable ASCII */
};
/* The last answer; valid until the next request, or the drop. */
const struct cutthrough_answer *cutthrough_answer(
	const struct cutthrough_leg *leg);

/* cutthrough_chunking() - does the next hop take chunks (RFC 3030)? Valid once
 * a recipient was answered. */
bool cutthrough_chunking(const struct cutthrough_leg *leg);

/* cutthrough_tells() - was the next hop told what the sender wants to hear of
 * (RFC 3461)? Valid once a recipient was answered. */
bool cutthrough_tells(const struct cutthrough_leg *leg);

/* --- a message by DATA --- */

/* cutthrough_data() - ANSWER 354: the text may come. */
void cutthrough_data(struct cutthrough_leg *leg);
/* cutthrough_text() - the text begins, with this trace field in front. */
void cutthrough_text(struct cutthrough_leg *leg, const char *trace, size_t len);
/* cutthrough_reserve() - memory for stored text (lines as they are, dots
 * undoubled), up to 64 KiB; 0: the next hop is behind, ROOM will come.
 * cutthrough_advance() - @len bytes are in it now. */
size_t cutthrough_reserve(struct cutthrough_leg *leg, unsigned char **out);
void cutthrough_advance(struct cutthrough_leg *leg, size_t len);
/* cutthrough_end() - all of it. ANSWER is the message's. */
void cutthrough_end(struct cutthrough_leg *leg);

/* --- a message in chunks, to a next hop with CHUNKING --- */

/* cutthrough_chunk() - a chunk of @size bytes begins; @trace (may be NULL) goes
 * in front and makes the next hop's chunk longer. */
void cutthrough_chunk(struct cutthrough_leg *leg, uint64_t size, bool last,
		      const char *trace, size_t trace_len);
/* cutthrough_put() - some of its bytes, copied. Returns how many were taken;
 * less than @len: ROOM will come. */
size_t cutthrough_put(struct cutthrough_leg *leg, const void *data, size_t len);
/* cutthrough_forward() - all the rest of it from @from (0 bytes too), which is
 * the leg's until FORWARDED, LOST or the drop; or until it fails. */
void cutthrough_forward(struct cutthrough_leg *leg, struct ktls_stream *from);
/* cutthrough_left() - bytes of the chunk that have not been taken yet. */
uint64_t cutthrough_left(const struct cutthrough_leg *leg);

/* cutthrough_behind() - does the body wait for the next hop, not for more? */
bool cutthrough_behind(const struct cutthrough_leg *leg);

/*
 * cutthrough_drop() - the owner goes: no event will come. A transaction that is
 * open is reset, a message that is under way is cut off (the connection is
 * dropped, so that it can't be accepted), one that is complete waits for its
 * answer by itself. Accepts NULL; clears.
 */
void cutthrough_drop(struct cutthrough_leg **leg);

#endif
