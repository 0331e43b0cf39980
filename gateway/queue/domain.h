/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A domain that mail is queued for, and which destination takes it.
 *
 * With `next_hop: mx` that is found in DNS: deliveries wait here while a
 * lookup is under way, and its answer is kept for its time to live.  Routes to
 * one next hop have one such "domain" for all their mail, and one for their
 * fallback.  Inside of the queue; not for other folders.
 */
#ifndef GATEWAY_QUEUE_DOMAIN_H
#define GATEWAY_QUEUE_DOMAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/config/config.h"
#include "gateway/dns/dns.h"
#include "gateway/queue/delivery.h"
#include "gateway/queue/delivery_list.h"
#include "gateway/queue/order.h"
#include "gateway/queue/table.h"

struct queue;
struct destination;

/* Domains in a row; a domain is in queue->busy or in queue->idle. */
struct domain_list {
	struct domain *first, *last;
	unsigned count;
};

/* A walk through queue->busy that lives while the list changes. */
struct domain_walk {
	struct domain *at; /* the next one, or NULL: the end */
	struct domain_walk *next;
};

struct domain {
	struct table_node node; /* first: the pointers are the same */
	struct queue *queue;
	const struct config_route *route;
	const struct config_next_hop *hop; /* NULL: MX hosts of name */
	bool fallback;			   /* hop is the route's fallback */
	struct config_next_hop *moved;	   /* hop is this one; owned */
	unsigned users;	   /* deliveries, and callers of domain_get() */
	struct order mail; /* all its deliveries */
	size_t places[DELIVERY_PLACES];	 /* of them, how many are there */
	uint32_t reply;			 /* the last one; counted */
	uint64_t reply_at;		 /* wall clock, ns */
	struct delivery_list waiting;	 /* for DNS, or for a pump */
	struct dns_lookup *lookup;	 /* under way, or NULL */
	struct destination *destination; /* last answer's; counted, or NULL */
	uint64_t valid_until;		 /* ring time */
	/* Of a configuration before, whose routes this one does not have: its
	 * deliveries are given their new domains when they are due. */
	bool stale;
	bool touched; /* in queue->touched or ->later, by next_touched */
	struct domain *next_touched;
	struct domain *before, *behind; /* in queue->busy; or in queue->idle,
					 * when users == 0 */
	uint64_t idle_since;
	uint32_t shown; /* number of the last walk that did */
	char name[];	/* lower case where ASCII; with a hop "", or
			 * ">host:port" where mail was moved to */
};

/* domain_get() - where @recipient's mail goes; counted: give it back with
 * domain_put(). NULL: no route, or no memory (*no_route says which). */
struct domain *domain_get(struct queue *queue, const char *recipient,
			  bool *no_route);
struct domain *domain_ref(struct domain *domain);
void domain_put(struct domain *domain);
/* domain_name() - for logs: the domain, or the next hop's "host:port". */
const char *domain_name(const struct domain *domain);

/* domain_enter() - @delivery, which has no domain, belongs to @domain from now
 * on. False: no memory. domain_leave() - it belongs to none any more. */
bool domain_enter(struct domain *domain, struct delivery *delivery);
void domain_leave(struct delivery *delivery);
/* domain_remove() - @delivery, which is waiting in its domain, no longer is. */
void domain_remove(struct delivery *delivery);

/* domain_list.c: for domain.c. From one row to the other. */
void domain_list_append(struct domain_list *list, struct domain *domain);
void domain_list_remove(struct domain_list *list, struct domain *domain);
void domain_make_idle(struct domain *domain);
void domain_make_busy(struct domain *domain);

/* domain_walk_begin() - put @walk before the first busy domain; it is borrowed
 * until domain_walk_end(). domain_walk_next() - the next one, or NULL. */
void domain_walk_begin(struct queue *queue, struct domain_walk *walk);
struct domain *domain_walk_next(struct domain_walk *walk);
void domain_walk_end(struct queue *queue, struct domain_walk *walk);

/* domain_push() - @delivery, which has its domain, is due; nothing happens
 * before domains_pump(). With too many attempts behind it the delivery changes
 * to the route's fallback. */
void domain_push(struct delivery *delivery);
/* domain_fall_back() - @delivery shall take the route's fallback. False: there
 * is none, or it does already. */
bool domain_fall_back(struct delivery *delivery);
/* domain_find() - the one of that route, its fallback, or a domain (name ""
 * where there is a next hop); NULL: there is none. Not counted. */
struct domain *domain_find(const struct queue *queue,
			   const struct config_route *route, bool fallback,
			   const char *name);
/* domain_move() - @delivery, which is at hand, shall take @hop (copied) instead
 * of its route's. False: no memory. */
bool domain_move(struct delivery *delivery, const struct config_next_hop *hop);
/* For domain_reload.c. domain_forget() - an idle one. domain_touch() - it is
 * pumped next time. domain_change() - @to is counted already; false: no
 * memory, nothing changed. */
uint64_t domain_hash(const struct queue *queue,
		     const struct config_route *route, bool fallback,
		     const char *name);
void domain_forget(struct domain *domain);
void domain_touch(struct domain *domain);
bool domain_change(struct delivery *delivery, struct domain *to);
struct delivery *domain_pop(struct domain *domain);

/* domains_reload() - queue->config has changed from @before: each domain takes
 * its counterpart's route or becomes stale, and forgets its destination.
 * domain_reroute() - some of what waits in a stale one goes where it goes now;
 * the rest follows. */
void domains_reload(struct queue *queue, const struct config *before);
void domain_reroute(struct domain *domain);

/* domains_pump() - what was pushed goes to its destination or asks DNS. */
void domains_pump(struct queue *queue);
/* domains_stop() - end all lookups. domains_free() - with no delivery running:
 * frees all domains and the deliveries waiting in them. */
void domains_stop(struct queue *queue);
void domains_free(struct queue *queue);

#endif
