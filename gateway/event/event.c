/* SPDX-License-Identifier: Apache-2.0 */
/* Events as fields. */
#include "gateway/event/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *event_type(enum event_kind kind)
{
	static const char *const types[EVENT_KINDS] = {
		[EVENT_RECEPTION] = "Reception",
		[EVENT_DELIVERY] = "Delivery",
		[EVENT_TRANSIENT] = "TransientFailure",
		[EVENT_BOUNCE] = "Bounce",
		[EVENT_EXPIRATION] = "Expiration",
		[EVENT_ADMIN_BOUNCE] = "AdminBounce",
		[EVENT_NOTIFICATION] = "Notification",
		[EVENT_REMOVAL] = "Removal",
		[EVENT_REJECTION] = "Rejection",
		[EVENT_CONNECTED] = "Connected",
		[EVENT_DISCONNECTED] = "Disconnected",
	};

	return types[kind];
}

bool event_split(const char *text, char address[64], unsigned *port)
{
	const char *close = strrchr(text, ']');
	size_t len = text[0] == '[' && close ? (size_t)(close - text) - 1 : 64;

	*port = 0;
	if (len >= 64) {
		snprintf(address, 64, "%s", text);
		return false;
	}
	memcpy(address, text + 1, len);
	address[len] = '\0';
	if (close[1] == ':')
		*port = (unsigned)strtoul(close + 2, NULL, 10);
	return true;
}

struct list {
	struct log_field *out;
	size_t n;
};

static void add(struct list *list, struct log_field field)
{
	if ((field.type == LOG_STR && !field.str) ||
	    list->n + 1 >= EVENT_FIELDS)
		return;
	list->out[list->n++] = field;
}

/* Numbers that say nothing when they are 0. */
static void add_number(struct list *list, struct log_field field)
{
	if (field.num)
		add(list, field);
}

static void add_peers(struct list *list, const struct event *e,
		      struct event_words *words)
{
	unsigned port = 0;

	add(list, L_STR("queue", e->queue));
	add(list, L_STR("peer_name", e->relay_host));
	if (e->relay_address) {
		event_split(e->relay_address, words->relay, &port);
		add(list, L_STR("peer_address", words->relay));
		add_number(list, L_UINT("peer_port", port));
	}
	add_number(list, L_UINT("conn_use", e->connection_use));
	if (e->client) {
		event_split(e->client, words->client, &port);
		add(list, L_STR("client_address", words->client));
		add_number(list, L_UINT("client_port", port));
	}
	add(list, L_STR("helo", e->helo));
	add(list, L_STR("protocol", e->protocol));
}

static void add_answer(struct list *list, const struct event *e)
{
	bool enhanced = e->enhanced && e->enhanced[0];

	add_number(list, L_UINT("code", e->code));
	add(list, L_STR("enhanced_code", enhanced ? e->enhanced : NULL));
	add(list, L_STR("reply", e->reply));
	add(list, L_STR("command", e->command));
	add_number(list, L_UINT("num_attempts", e->attempts));
}

static void add_times(struct list *list, const struct event *e)
{
	add_number(list, L_SECONDS("created", e->created));
	if (e->created)
		add(list, L_SECONDS("delay", e->delay));
	if (!e->timed)
		return;
	add(list, L_SECONDS("delay_queue", e->parts[EVENT_IN_QUEUE]));
	add(list, L_SECONDS("delay_connect", e->parts[EVENT_CONNECT]));
	add(list, L_SECONDS("delay_transmit", e->parts[EVENT_TRANSMIT]));
}

void event_fields(const struct event *e, struct event_words *words,
		  struct log_field out[EVENT_FIELDS])
{
	struct list list = {.out = out};

	if (e->id)
		add(&list, L_ID(e->id));
	if (e->about)
		add(&list, L_STR("about", log_id_text(e->about, words->about)));
	add(&list, L_STR("sender", e->sender));
	add(&list, L_STR("recipient", e->recipient));
	add_number(&list, L_UINT("num_recipients", e->recipient_count));
	add_number(&list, L_UINT("size", e->size));
	add_answer(&list, e);
	add_times(&list, e);
	add_peers(&list, e, words);
	add(&list, L_STR("tls_protocol_version", e->tls));
	add(&list, L_STR("tls_cipher", e->cipher));
	add(&list, L_STR("tls_offload", e->offload));
	add(&list, L_STR("tls_why", e->why));
	add(&list, L_STR("path", e->path));
	add(&list, L_STR("message_id", e->message_id));
	out[list.n] = LOG_LAST;
}
