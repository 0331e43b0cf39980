/* SPDX-License-Identifier: Apache-2.0 */
/* webhooks: their keys. */
#include "gateway/config/config_webhook.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/config/config_keys.h"
#include "gateway/event/event.h"

#define HOOKS_MAX 8
#define SECOND	  UINT64_C(1000000000)
#define KIB	  UINT64_C(1024)
#define MIB	  (1024 * KIB)

/* event_type()'s words. */
static const struct config_choice kind_choices[] = {
	{"Reception", EVENT_RECEPTION},
	{"Delivery", EVENT_DELIVERY},
	{"TransientFailure", EVENT_TRANSIENT},
	{"Bounce", EVENT_BOUNCE},
	{"Expiration", EVENT_EXPIRATION},
	{"AdminBounce", EVENT_ADMIN_BOUNCE},
	{"Notification", EVENT_NOTIFICATION},
	{"Removal", EVENT_REMOVAL},
	{"Rejection", EVENT_REJECTION},
	{NULL, 0},
};

static void read_url(struct config_reader *reader, const struct config_key *row,
		     const struct config_node *node, void *field)
{
	const char *text = node->kind == CONFIG_NODE_SCALAR ? node->text : "";
	bool good = strncmp(text, "https://", 8) == 0 ||
		    strncmp(text, "http://", 7) == 0;

	for (const char *at = text; *at; at++)
		good = good && *at > ' ' && *at < 0x7f;
	if (!good) {
		config_schema_refuse(reader, row, node, NULL);
		return;
	}
	*(char **)field = strdup(text);
	if (!*(char **)field)
		reader->errors->no_memory = true;
}

static const struct config_key event_row = {
	.name = "events",
	.kind = CONFIG_CHOICE,
	.choices = kind_choices,
};

static const struct config_elements event_elements = {
	.row = &event_row,
	.size = sizeof(unsigned),
	.count_offset = offsetof(struct config_webhook, event_count),
	.min = 1,
	.max = EVENT_KINDS,
	.one = true,
};

/* clang-format off */
static const struct config_key rows[] = {
	{.name = "url", .kind = CONFIG_OTHER, .required = true,
	 .offset = offsetof(struct config_webhook, url), .read = read_url,
	 .expects = "a URL such as https://app.example.test/mail-events"},
	{.name = "secret_file", .kind = CONFIG_FILE,
	 .offset = offsetof(struct config_webhook, secret_file),
	 .expects = "a file with the secret that requests are signed with"},
	{.name = "ca_file", .kind = CONFIG_FILE,
	 .offset = offsetof(struct config_webhook, ca_file),
	 .expects = "a file of certificates, PEM"},
	{.name = "events", .kind = CONFIG_LIST,
	 .offset = offsetof(struct config_webhook, events),
	 .elements = &event_elements,
	 .expects = "a list of types, such as [Delivery, Bounce]"},
	{.name = "batch", .kind = CONFIG_COUNT,
	 .offset = offsetof(struct config_webhook, batch),
	 .fallback = 100, .min = 1, .max = 10000},
	{.name = "delay", .kind = CONFIG_DURATION,
	 .offset = offsetof(struct config_webhook, delay),
	 .fallback = SECOND, .min = 0, .max = 60 * SECOND},
	{.name = "timeout", .kind = CONFIG_DURATION,
	 .offset = offsetof(struct config_webhook, timeout),
	 .fallback = 30 * SECOND, .min = SECOND, .max = 300 * SECOND},
	{.name = "expire", .kind = CONFIG_DURATION,
	 .offset = offsetof(struct config_webhook, expire),
	 .fallback = 3600 * SECOND, .min = 0, .max = 7 * 86400 * SECOND},
	{.name = "memory", .kind = CONFIG_SIZE,
	 .offset = offsetof(struct config_webhook, memory),
	 .fallback = 16 * MIB, .min = 64 * KIB, .max = 4096 * MIB},
};
/* clang-format on */

static void finish(struct config_reader *reader, const struct config_node *node,
		   void *base)
{
	struct config_webhook *hook = base;

	(void)reader;
	hook->line = node->line;
	hook->column = node->column;
	for (size_t i = 0; i < hook->event_count; i++)
		hook->kinds |= 1u << hook->events[i];
	if (!hook->kinds)
		hook->kinds = (1u << EVENT_KINDS) - 1;
}

static const struct config_table table = {
	.rows = rows,
	.count = CONFIG_COUNT_OF(rows),
	.finish = finish,
};

static const struct config_key row = {
	.name = "webhooks",
	.kind = CONFIG_MAPPING,
	.table = &table,
	.expects = "a mapping {url: ..., secret_file: ..., ...}",
};

const struct config_elements config_webhook_elements = {
	.row = &row,
	.size = sizeof(struct config_webhook),
	.count_offset = offsetof(struct config, webhook_count),
	.min = 0,
	.max = HOOKS_MAX,
};

void config_webhook_free(struct config_webhook *hook)
{
	free(hook->url);
	free(hook->secret_file);
	free(hook->ca_file);
	free(hook->events);
}
