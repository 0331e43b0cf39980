/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of a running relay: one JSON object, whoever carries it.
 *
 *   {"command": "list", "filter": {"domain": "example.test"}, "limit": 10}
 *
 * docs/queue-commands.md has all of them.  Nothing here does I/O; the text is
 * hostile until it has been through admin_request_parse().
 */
#ifndef GATEWAY_ADMIN_ADMIN_REQUEST_H
#define GATEWAY_ADMIN_ADMIN_REQUEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/config/config.h"
#include "gateway/queue/queue_filter.h"

#define ADMIN_REQUEST_MAX 65536 /* octets of a request */
#define ADMIN_IDS_MAX	  2000
#define ADMIN_WORD_MAX	  1024 /* octets of a value */

enum admin_command {
	ADMIN_SUMMARY,
	ADMIN_LIST,
	ADMIN_SHOW,
	ADMIN_RETRY,
	ADMIN_HOLD,
	ADMIN_RELEASE,
	ADMIN_BOUNCE,
	ADMIN_DELETE,
	ADMIN_MOVE,
	ADMIN_SUSPEND,
	ADMIN_RESUME,
	ADMIN_TRACE,
	ADMIN_RELOAD,	/* the relay's own: admin_core_config.control */
	ADMIN_RESTART,	/* likewise */
	ADMIN_INSTANCE, /* likewise: which program runs, since when */
	ADMIN_STATUS,
	ADMIN_COMMANDS
};

struct admin_request {
	atomic_uint users;
	enum admin_command command;
	struct queue_filter filter;
	uint64_t limit;	    /* rows; 0: all */
	uint64_t after;	    /* id: list what comes behind it */
	bool by_domain;	    /* summary: a row per domain, not per destination */
	bool content;	    /* show: the whole message */
	bool all;	    /* an action without a filter is meant */
	const char *reason; /* bounce; NULL: none */
	const char *destination;   /* suspend, resume, trace */
	struct config_next_hop to; /* move; owned */
	char by[48];		   /* who asks, for logs: set by the core */
	void *owned;		   /* what the strings are in */
	uint64_t *ids;		   /* filter.ids; owned */
};

struct admin_error {
	const char *code; /* "usage", "denied"...; static */
	char text[256];
};

/*
 * admin_request_parse() - @text (without a line end) to a request.
 * @now: wall clock, ns, for ages.  @out: returned owned.
 * 0, -EINVAL (*error says what is wrong and what is expected), -ENOMEM.
 */
int admin_request_parse(const char *text, size_t len, uint64_t now,
			struct admin_request **out, struct admin_error *error);
/* A request is shared by threads. _unref(): the last one frees it; accepts NULL;
 * clears. */
struct admin_request *admin_request_ref(struct admin_request *request);
void admin_request_unref(struct admin_request **request);

const char *admin_command_name(enum admin_command command);

#endif
