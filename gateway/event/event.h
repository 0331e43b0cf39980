/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of messages, told to those who keep account: delivery logs and
 * webhooks.  One record per message accepted, per recipient and attempt, per
 * notification, per message that is done.
 *
 * Thread-safe; costs one load of an atomic while nobody listens.
 */
#ifndef GATEWAY_EVENT_EVENT_H
#define GATEWAY_EVENT_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/log/log.h"

enum event_kind {
	EVENT_RECEPTION,    /* a message is stored */
	EVENT_DELIVERY,	    /* a recipient: the next hop has said 2xx */
	EVENT_TRANSIENT,    /* not now */
	EVENT_BOUNCE,	    /* never */
	EVENT_EXPIRATION,   /* not in time */
	EVENT_ADMIN_BOUNCE, /* an operator has returned it */
	EVENT_NOTIFICATION, /* a report for the sender is stored */
	EVENT_REMOVAL,	    /* the last recipient has been settled */
	EVENT_REJECTION,    /* a client was refused */
	EVENT_CONNECTED,    /* a client; only in Postfix's format */
	EVENT_DISCONNECTED, /* likewise */
	EVENT_KINDS
};

/* Parts of a delay (ns): in the queue, connecting, sending. */
enum event_part {
	EVENT_IN_QUEUE,
	EVENT_CONNECT,
	EVENT_TRANSMIT,
	EVENT_PARTS
};

/* All strings are borrowed for the call; NULL and 0: not known. */
struct event {
	enum event_kind kind;
	uint64_t id;	    /* of the message */
	uint64_t about;	    /* NOTIFICATION: the message it is about */
	const char *sender; /* "": the null path */
	const char *recipient;
	uint64_t recipient_count;
	uint64_t size;		/* octets, as it was handed in */
	const char *message_id; /* RECEPTION: of its header */
	const char *client;	/* "[192.0.2.1]:4321", "local:uid=0" */
	const char *helo;
	const char *protocol; /* "ESMTPS" */
	/* the next hop's side */
	const char *queue;	   /* destination */
	const char *relay_host;	   /* its name */
	const char *relay_address; /* "[192.0.2.1]:25" */
	uint64_t connection_use;   /* messages on this connection, from 1 */
	/* the connection with the client or the next hop, in log_tls's words */
	const char *tls, *cipher, *offload, *why, *path;
	/* what was said */
	uint16_t code;
	const char *enhanced, *reply, *command;
	unsigned attempts;
	uint64_t created; /* wall clock, ns since 1970: accepted */
	uint64_t delay;	  /* ns since then */
	uint64_t parts[EVENT_PARTS];
	bool timed; /* parts are known */
};

/* event_wanted() - is there anybody who listens? */
bool event_wanted(void);
void event_publish(const struct event *event);

/* event_listen() - @fn hears of each event as a line of JSON (without its line
 * feed, borrowed for the call), from any thread, and may not block. By the
 * control thread, with no worker running; NULL: nobody. */
void event_listen(void (*fn)(void *arg, enum event_kind kind, const char *json,
			     size_t len),
		  void *arg);

/* event_type() - "Reception", "Delivery"...; static. */
const char *event_type(enum event_kind kind);

/* Most fields that an event has, with LOG_END. */
#define EVENT_FIELDS 40

/* Room for what event_fields() takes apart. */
struct event_words {
	char about[LOG_ID_SIZE];
	char client[64], relay[64]; /* addresses without port */
};

/* event_fields() - @event as fields of a line; they borrow from it and from
 * @words. */
void event_fields(const struct event *event, struct event_words *words,
		  struct log_field out[EVENT_FIELDS]);

/* event_split() - "[192.0.2.1]:25" into address and port; false, and all of it
 * copied: it is something else. */
bool event_split(const char *text, char address[64], unsigned *port);

#endif
