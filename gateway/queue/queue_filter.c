/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the queued mail is meant (queue_filter.h). */
#include "gateway/queue/queue_filter.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/queue/replies.h"

const char *queue_state_name(enum queue_state state)
{
	static const char *const names[] = {
		[QUEUE_READY] = "ready",
		[QUEUE_ACTIVE] = "active",
		[QUEUE_DEFERRED] = "deferred",
		[QUEUE_HELD] = "held",
	};

	return names[state];
}

bool queue_filter_envelope(const struct queue_filter *f)
{
	return f->sender || f->recipient || f->domain;
}

/* "@b" is everybody in b. */
static bool address_fits(const char *wanted, const char *address)
{
	const char *at = strrchr(address, '@');

	if (wanted[0] == '@')
		return at && strcasecmp(wanted, at) == 0;
	return strcasecmp(wanted, address) == 0;
}

bool queue_filter_sender(const struct queue_filter *f, const char *sender)
{
	return !f->sender || address_fits(f->sender, sender);
}

bool queue_filter_recipient(const struct queue_filter *f, const char *recipient)
{
	const char *at = strrchr(recipient, '@');

	if (f->domain && (!at || strcasecmp(f->domain, at + 1) != 0))
		return false;
	return !f->recipient || address_fits(f->recipient, recipient);
}

bool queue_filter_reply(const struct queue_filter *f, unsigned code,
			const char *text)
{
	char line[REPLIES_TEXT + 16];

	if (!f->reply)
		return true;
	if (!text)
		return false;
	snprintf(line, sizeof(line), "%u %s", code, text);
	return strcasestr(line, f->reply) != NULL;
}

/* What ends a host in "mx1.example,mx2.example;mx3.example:25". */
static bool ends_host(char c)
{
	return c == ',' || c == ';' || c == ':' || c == ']' || c == '\0';
}

bool queue_filter_destination(const char *wanted, const char *text)
{
	size_t len = strlen(wanted);
	const char *at = text;

	if (strcasecmp(wanted, text) == 0)
		return true;
	while (len > 0 && (at = strcasestr(at, wanted))) {
		bool begins = at == text || strchr(",;[", at[-1]);

		if (begins && ends_host(at[len]))
			return true;
		at++;
	}
	return false;
}
