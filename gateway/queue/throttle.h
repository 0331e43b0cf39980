/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all workers keep together of a destination: how many connections there
 * are to it, its rates, and what its replies have brought upon it.
 *
 * A struct throttle belongs to one destination, or to all destinations of a
 * provider.  Each struct destination (of one worker) has a claim on it.
 *
 * Connections are shared out fairly.  A claim that finds none free waits in
 * line; the next one that ends is given to the first in line, whose worker is
 * woken.  Claims that hold more than their share, and when there is less than
 * one for each, those that had theirs for a while, are asked to give one up
 * (throttle_yields()).  A lock is taken when a connection begins or ends, none
 * for a message: rates and the rest are atomic numbers.
 *
 * Functions with a claim are for the thread that owns it.
 */
#ifndef GATEWAY_QUEUE_THROTTLE_H
#define GATEWAY_QUEUE_THROTTLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/config/config_destination.h"
#include "gateway/queue/rate.h"
#include "gateway/queue/table.h"

struct throttle_claim;
struct throttles;

/* A worker's place in the table. */
struct throttle_seat {
	pthread_mutex_t lock; /* guards what follows */
	/* Called with claims to be looked at, by any thread, under the lock;
	 * NULL: nobody sits here. */
	void (*wake)(void *arg);
	void *arg;
	struct throttle_claim *posted; /* last one first */
};

/* Which place in the line a claim has. */
enum throttle_line {
	THROTTLE_NOT_WAITING,
	THROTTLE_HUNGRY, /* holds nothing */
	THROTTLE_MORE,	 /* holds something already */
	THROTTLE_LINES
};

struct throttle_claim {
	struct throttle *throttle; /* counted; NULL: none */
	struct throttle_seat *seat;
	void *owner;
	/* the owner's: places in the streams, not used yet; 0: none */
	uint64_t message_at, connection_at;
	unsigned idle; /* its sessions without work */
	atomic_bool has_idle;
	/* under throttle->lock */
	struct throttle_claim *next, *prev; /* of the throttle */
	unsigned held;			    /* connections */
	unsigned granted;		    /* of them: not opened yet */
	unsigned yielding;		    /* of them: about to end */
	enum throttle_line waiting;
	struct throttle_claim *next_waiting, *prev_waiting;
	/* under seat->lock */
	bool is_posted;
	struct throttle_claim *next_posted;
};

struct throttle {
	struct table_node node; /* first: the pointers are the same */
	struct throttles *all;
	struct config_rate message_rate, connection_rate; /* of its rule */
	/* under all->lock */
	unsigned users;
	struct throttle *older, *newer; /* users == 0 */

	struct rate messages, connections;
	_Atomic uint64_t suspended_until; /* 0: not */
	atomic_uint halvings;
	_Atomic uint64_t slowed; /* when halvings changed last */
	_Atomic uint64_t step;	 /* ns until one is taken back */
	atomic_uint failures;	 /* sessions in a row that came to nothing */
	atomic_uint wanting;	 /* claims in line, and connections too many */
	atomic_uint idle;	 /* connections without work */

	pthread_mutex_t lock; /* guards what follows */
	unsigned limit, open, yielding;
	unsigned active; /* claims that hold or wait */
	struct throttle_claim *claims;
	struct {
		struct throttle_claim *first, *last;
		unsigned count;
	} lines[THROTTLE_LINES];
	char key[];
};

/* throttles_create() - for @workers; @out returned owned. 0 or -errno. */
int throttles_create(unsigned workers, struct throttles **out);
/* throttles_destroy() - with no claim left; accepts NULL; clears. */
void throttles_destroy(struct throttles **all);

/* throttles_sit() - @wake(@arg) from now on when throttles_attend() is due for
 * worker @index, from any thread. _leave(): never again. */
void throttles_sit(struct throttles *all, unsigned index,
		   void (*wake)(void *arg), void *arg);
void throttles_leave(struct throttles *all, unsigned index);
/* throttles_attend() - the next owner whose claim wants to be looked at (it
 * was given a connection, or may be asked for one); NULL: no more. */
void *throttles_attend(struct throttles *all, unsigned index);

/*
 * throttle_claim() - @claim (zeroed) on the throttle called @key, which is made
 * with the rates of @rule (borrowed for the call) and @limit connections when there
 * is none. False: no memory.
 */
bool throttle_claim(struct throttles *all, unsigned index, const char *key,
		    const struct config_destination *rule, unsigned limit,
		    void *owner, struct throttle_claim *claim, uint64_t now);
/* throttle_disclaim() - with no connection left. */
void throttle_disclaim(struct throttle_claim *claim, uint64_t now);

/* throttle_open() - may a connection be opened? True: it counts, until
 * throttle_close(). False: the claim is in line. */
bool throttle_open(struct throttle_claim *claim);
/* @yielded: throttle_yields() was true for it. */
void throttle_close(struct throttle_claim *claim, bool yielded);
/* throttle_idle() - one more (@more: 1), or one less (-1), of its connections
 * has no work. */
void throttle_idle(struct throttle_claim *claim, int more);
/* throttle_settle() - what is not wanted: connections given and not opened, a
 * place in line unless @wants. */
void throttle_settle(struct throttle_claim *claim, bool wants);
/*
 * throttle_yields() - shall one of the claim's connections end for others?
 * True: it counts as about to end; close it soon.
 * @turn_over: that connection was of use for a while.  @idle: it has no work.
 */
bool throttle_yields(struct throttle_claim *claim, bool turn_over, bool idle);

/* throttle_message_at(), throttle_connection_at() - from when on the next
 * message may be sent, or connection opened; <= @now: it may. The same answer
 * until _used(). */
uint64_t throttle_message_at(struct throttle_claim *claim, uint64_t now);
uint64_t throttle_connection_at(struct throttle_claim *claim, uint64_t now);
void throttle_message_used(struct throttle_claim *claim);
void throttle_connection_used(struct throttle_claim *claim);

/* throttle_suspended() - nothing may be sent before that time; 0: it may. */
uint64_t throttle_suspended(const struct throttle *throttle, uint64_t now);
/* throttle_suspend() - until @until at least; 0: no more, and all workers go on
 * at once. Any thread. */
void throttle_suspend(struct throttle *throttle, uint64_t until);
/* throttle_slow_down() - half of everything; one step back after each @step
 * ns. False: it was done a moment ago, or no less is possible. */
bool throttle_slow_down(struct throttle *throttle, uint64_t step, uint64_t now);
/* throttle_delivered() - a message was taken. True: one step up again. */
bool throttle_delivered(struct throttle *throttle, uint64_t now);
/* throttle_failed() - a session came to nothing: how many in a row now.
 * throttle_reached() - one did not. */
unsigned throttle_failed(struct throttle *throttle);
void throttle_reached(struct throttle *throttle);
/* Of its connections, how many there may be now. Any thread. */
unsigned throttle_limit(const struct throttle *throttle);
unsigned throttle_count(struct throttle *throttle);

#endif
