/* SPDX-License-Identifier: Apache-2.0 */
/* Envelope addresses from what people write. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/inject/inject_address.h"
#include "gateway/inject/inject_message.h"
#include "gateway/smtp/smtp_path.h"

void inject_recipients_free(struct inject_recipients *recipients)
{
	for (size_t i = 0; i < recipients->count; i++)
		free(recipients->list[i]);
	free(recipients->list);
	recipients->list = NULL;
	recipients->count = recipients->room = 0;
}

/* "root" to "root@hostname", and all checked as the relay will. */
static const char *complete(const char *address, const char *hostname,
			    enum smtp_path_kind kind, struct smtp_path *out)
{
	const char *at = strrchr(address, '@');
	char path[2 * INJECT_ADDRESS_SIZE];
	size_t used = 0;
	int len;

	if (at && strchr(at, '"')) /* within a quoted word */
		at = NULL;
	len = snprintf(path, sizeof(path), "<%s%s%s>", address, at ? "" : "@",
		       at ? "" : hostname);
	if (len < 0 || (size_t)len >= sizeof(path))
		return "an address is too long";
	switch (smtp_path_parse(path, (size_t)len, kind, out, &used)) {
	case SMTP_PATH_LENGTH:
		return "an address is too long";
	case SMTP_PATH_SYNTAX:
		return "an address is not well-formed";
	case SMTP_PATH_OK:
		break;
	}
	return used == (size_t)len ? NULL : "an address is not well-formed";
}

/* Local parts may differ by case, domains don't. */
static bool same(const char *a, const char *b)
{
	const char *at_a = strrchr(a, '@'), *at_b = strrchr(b, '@');

	return at_a && at_b && at_a - a == at_b - b &&
	       memcmp(a, b, (size_t)(at_a - a)) == 0 &&
	       strcasecmp(at_a, at_b) == 0;
}

static bool has(const struct inject_recipients *recipients, const char *address)
{
	for (size_t i = 0; i < recipients->count; i++)
		if (same(recipients->list[i], address))
			return true;
	return false;
}

static bool append(struct inject_recipients *r, const char *address)
{
	char *copy = strdup(address);
	char **list = r->list;

	if (copy && r->count == r->room) {
		size_t room = r->room ? r->room * 2 : 16;

		list = reallocarray(r->list, room, sizeof(*list));
		if (list) {
			r->list = list;
			r->room = room;
		}
	}
	if (!copy || !list) {
		free(copy);
		r->no_memory = true;
		return false;
	}
	r->list[r->count++] = copy;
	return true;
}

bool inject_recipients_add(struct inject_recipients *recipients,
			   const char *address)
{
	struct smtp_path path;

	recipients->wrong = complete(address, recipients->hostname,
				     SMTP_FORWARD_PATH, &path);
	if (!recipients->wrong && recipients->count >= INJECT_RECIPIENTS_MAX)
		recipients->wrong = "too many recipients";
	if (recipients->wrong)
		return false;
	return has(recipients, path.mailbox) ||
	       append(recipients, path.mailbox);
}

static bool add_one(void *arg, const char *address)
{
	return inject_recipients_add(arg, address);
}

bool inject_recipients_read(struct inject_recipients *recipients,
			    const char *text, size_t len)
{
	const char *wrong;

	recipients->wrong = NULL;
	wrong = inject_addresses(text, len, add_one, recipients);
	if (wrong && !recipients->wrong)
		recipients->wrong = wrong;
	return !wrong;
}

struct only {
	char *out;
	const char *hostname;
	size_t count;
};

static bool take_sender(void *arg, const char *address)
{
	struct only *only = arg;
	struct smtp_path path;

	if (only->count++ ||
	    complete(address, only->hostname, SMTP_REVERSE_PATH, &path))
		return false;
	snprintf(only->out, 512, "%s", path.mailbox);
	return true;
}

bool inject_sender(const char *address, const char *hostname, char out[512])
{
	struct only only = {.out = out, .hostname = hostname};

	out[0] = '\0';
	if (!*address || strcmp(address, "<>") == 0)
		return true;
	return !inject_addresses(address, strlen(address), take_sender,
				 &only) &&
	       only.count == 1;
}
