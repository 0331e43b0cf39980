/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control thread's part of the admin interface: a request goes to all
 * workers, their rows become lines of JSON.  What carries the lines (a socket
 * today) is somebody else's: struct admin_sink.
 *
 * The lines of an answer are objects with a "type"; the last is "done" or
 * "error".
 */
#ifndef GATEWAY_ADMIN_ADMIN_CORE_H
#define GATEWAY_ADMIN_ADMIN_CORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "gateway/admin/admin_port.h"
#include "gateway/admin/admin_request.h"

/* A worker, as seen from here. */
struct admin_worker {
	/* A reference to @port is taken; any thread. */
	void (*post)(void *worker, struct admin_port *port);
	/* Make it look at its requests again. */
	void (*poke)(void *worker);
	void *worker;
};

struct admin_core;
struct admin_health;
struct host_meter;

struct admin_core_config {
	const struct admin_worker *workers; /* copied */
	unsigned worker_count;
	struct suspended *suspended; /* borrowed; NULL: none can be */
	/* For `status`; borrowed; both may be NULL. */
	struct host_meter *meter;
	const struct admin_health *health;
	/* Some call has news: admin_call_pump() all of them, soon. Any thread. */
	void (*news)(void *arg);
	void *arg;
	uint64_t (*wall_clock)(void); /* NULL: CLOCK_REALTIME, ns */
	/* Commands about the relay itself, not its workers: does @command for
	 * @by and returns the last line, owned (NULL: no memory). Control
	 * thread. NULL: there are none. */
	json_t *(*control)(void *control_arg, enum admin_command command,
			   const char *by);
	void *control_arg;
};

struct admin_core *admin_core_create(const struct admin_core_config *config);
void admin_core_destroy(struct admin_core **core); /* with no call left */

/* Who asks; for the log. */
struct admin_who {
	uid_t uid;
	pid_t pid;
	const char *from; /* over HTTP: an address; borrowed as long as its
			   * calls; NULL: uid and pid say it */
};

/* Where lines go. */
struct admin_sink {
	/* A line with its line feed, borrowed. False: that one is still taken,
	 * but no more until admin_call_pump() is called again. */
	bool (*write)(void *arg, const char *line, size_t len);
	void *arg;
};

struct admin_call;

/*
 * admin_call_begin() - @text is a request (admin_request.h). Always gives a
 * call, which may be over with an error line; NULL: no memory.
 */
struct admin_call *admin_call_begin(struct admin_core *core, const char *text,
				    size_t len, const struct admin_who *who,
				    const struct admin_sink *sink);
/* admin_call_pump() - pass on what there is. Returns whether it is over. */
bool admin_call_pump(struct admin_call *call);
/* admin_call_end() - cancel what is not over; accepts NULL; clears. */
void admin_call_end(struct admin_call **call);

#endif
