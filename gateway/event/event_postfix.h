/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events as the lines that Postfix's programs log, so that tools which read
 * those go on working.
 */
#ifndef GATEWAY_EVENT_EVENT_POSTFIX_H
#define GATEWAY_EVENT_EVENT_POSTFIX_H

#include <stddef.h>
#include <time.h>

#include "gateway/event/event.h"

#define EVENT_POSTFIX_MAX 8192

struct event_postfix {
	const char *name;     /* "postfix" */
	const char *hostname; /* this relay's, up to the first dot */
	size_t len;
	char text[EVENT_POSTFIX_MAX];
};

/* event_postfix_format() - the lines of @event, none or several, to out->text;
 * @out has its name and hostname. Values are cut, and what could end a line or
 * make another one of it is replaced by '?'. @now: CLOCK_REALTIME. */
void event_postfix_format(struct event_postfix *out, const struct timespec *now,
			  const struct event *event);

#endif
