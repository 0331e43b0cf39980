/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replies that queued mail heard last, each text kept once: a thousand
 * messages deferred for one reason share it.  Servers that put something new
 * into every reply do not fill the memory: beyond REPLIES_MAX different ones
 * only the code and the status are kept.
 */
#ifndef GATEWAY_QUEUE_REPLIES_H
#define GATEWAY_QUEUE_REPLIES_H

#include <stddef.h>
#include <stdint.h>

#define REPLIES_MAX   4096 /* with their text */
#define REPLIES_SLOTS 8192
#define REPLIES_TEXT  256 /* octets kept of one, with its NUL */

struct reply;

struct replies {
	struct reply *all; /* owned, by number; [0] is no reply */
	uint32_t room;	   /* of all */
	uint32_t used;	   /* highest number ever given */
	uint32_t free;	   /* the first of those given back, or 0 */
	uint32_t count;	   /* in use */
	uint32_t *slots;   /* REPLIES_SLOTS by hash; owned; 0: nothing */
};

/* replies_keep() - the number of that reply, counted: give it back with
 * replies_drop(). 0: none (no memory). */
uint32_t replies_keep(struct replies *replies, unsigned code,
		      const char *enhanced, const char *text);
/* replies_again() - @number, counted once more. */
uint32_t replies_again(struct replies *replies, uint32_t number);
void replies_drop(struct replies *replies, uint32_t number); /* accepts 0 */

/* replies_get() - *code, and "4.7.1 text" or what of it is known; borrowed
 * until the number is dropped. NULL for 0. */
const char *replies_get(const struct replies *replies, uint32_t number,
			unsigned *code);
void replies_deinit(struct replies *replies);

#endif
