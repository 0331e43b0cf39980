/* SPDX-License-Identifier: Apache-2.0 */
/* Events to those who listen. */
#include "gateway/event/event_log.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "gateway/event/event.h"
#include "gateway/event/event_postfix.h"
#include "gateway/log/log_journal.h"
#include "gateway/log/log_line.h"
#include "gateway/log/log_target.h"

#define LOGS_MAX 4

struct event_log {
	enum config_event_format format;
	char name[40];
	struct log_target target;
};

/* Written before workers start, and read-only while they run. */
static struct {
	struct event_log logs[LOGS_MAX];
	size_t count;
	char hostname[256];
	void (*listener)(void *arg, enum event_kind kind, const char *json,
			 size_t len);
	void *listener_arg;
	atomic_bool wanted;
} the_events;

bool event_wanted(void)
{
	return atomic_load_explicit(&the_events.wanted, memory_order_relaxed);
}

static void want(void)
{
	atomic_store(&the_events.wanted,
		     the_events.count > 0 || the_events.listener);
}

static int open_one(struct event_log *log, const struct config_event_log *given)
{
	*log = (struct event_log){.format = given->format,
				  .target = LOG_TARGET_INIT};
	snprintf(log->name, sizeof(log->name), "%s", given->name);
	return log_target_open(&log->target,
			       given->format == CONFIG_EVENT_JOURNALD,
			       given->file);
}

int event_log_open(const struct config *config,
		   const struct config_event_log **failed)
{
	snprintf(the_events.hostname, sizeof(the_events.hostname), "%s",
		 config->hostname);
	for (size_t i = 0; i < config->log.delivery_count && i < LOGS_MAX;
	     i++) {
		int r = open_one(&the_events.logs[i], &config->log.delivery[i]);

		if (r < 0) {
			*failed = &config->log.delivery[i];
			event_log_close();
			return r;
		}
		the_events.count++;
	}
	want();
	return 0;
}

void event_listen(void (*fn)(void *arg, enum event_kind kind, const char *json,
			     size_t len),
		  void *arg)
{
	the_events.listener = fn;
	the_events.listener_arg = arg;
	want();
}

int event_log_reopen(void)
{
	int error = 0;

	for (size_t i = 0; i < the_events.count; i++) {
		int r = log_target_reopen(&the_events.logs[i].target);

		if (r < 0)
			error = r;
	}
	return error;
}

void event_log_close(void)
{
	while (the_events.count > 0)
		log_target_close(&the_events.logs[--the_events.count].target);
	want();
}

/* --- writing --- */

static void write_journal(struct event_log *log, const struct event *event,
			  const struct log_field *fields)
{
	struct log_journal entry;

	log_journal_format(&entry, CONFIG_LOG_INFO, event_type(event->kind),
			   fields);
	log_target_write(&log->target, entry.bytes, entry.len);
}

static void write_postfix(struct event_log *log, const struct event *event,
			  const struct timespec *now)
{
	struct event_postfix lines = {.name = log->name,
				      .hostname = the_events.hostname};

	event_postfix_format(&lines, now, event);
	if (lines.len > 0)
		log_target_write(&log->target, lines.text, lines.len);
}

static bool only_postfix(enum event_kind kind)
{
	return kind == EVENT_CONNECTED || kind == EVENT_DISCONNECTED;
}

/* The line is made once, for whoever wants it. */
static void write_json(const struct event *event, const struct timespec *now,
		       const struct log_field *fields)
{
	struct log_line line;

	log_line_record(&line, now, event_type(event->kind), fields);
	for (size_t i = 0; i < the_events.count; i++)
		if (the_events.logs[i].format == CONFIG_EVENT_JSON)
			log_target_write(&the_events.logs[i].target, line.text,
					 line.len);
	if (the_events.listener)
		the_events.listener(the_events.listener_arg, event->kind,
				    line.text, line.len - 1);
}

static bool json_wanted(void)
{
	bool wanted = the_events.listener;

	for (size_t i = 0; i < the_events.count; i++)
		wanted |= the_events.logs[i].format == CONFIG_EVENT_JSON;
	return wanted;
}

void event_publish(const struct event *event)
{
	struct log_field fields[EVENT_FIELDS];
	struct event_words words;
	struct timespec now;
	int saved = errno;

	clock_gettime(CLOCK_REALTIME, &now);
	event_fields(event, &words, fields);
	for (size_t i = 0; i < the_events.count; i++) {
		struct event_log *log = &the_events.logs[i];

		if (log->format == CONFIG_EVENT_POSTFIX)
			write_postfix(log, event, &now);
		else if (log->format == CONFIG_EVENT_JOURNALD &&
			 !only_postfix(event->kind))
			write_journal(log, event, fields);
	}
	if (!only_postfix(event->kind) && json_wanted())
		write_json(event, &now, fields);
	errno = saved;
}
