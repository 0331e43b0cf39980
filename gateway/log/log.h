/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: one line per event.  On a terminal for people
 * ("12:00:01.123 info  inbound.accepted id=... from=<...> size=..."),
 * otherwise JSON lines ({"time":"...","level":"info","event":"...",...}).
 *
 * Callable from every thread; a line is written with one write(2) and never
 * blocks on memory: lines longer than LOG_LINE_MAX are cut (said by a field).
 * Values from peers are escaped (no control characters, valid UTF-8).
 */
#ifndef GATEWAY_LOG_LOG_H
#define GATEWAY_LOG_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/config/config.h"

#define LOG_LINE_MAX 4096

/* log_open() - direct the log; @file NULL: standard error. AUTO: text on a
 * terminal, JSON otherwise. JOURNALD: @file is its socket, NULL: the usual one.
 * 0 or -errno. Before it: text on standard error. */
int log_open(const char *file, enum config_log_format format,
	     enum config_log_level level);
/* log_reopen() - after rotation. */
int log_reopen(void);
bool log_enabled(enum config_log_level level);

/* A field of a line. Make them with the macros; strings are borrowed for the
 * call. */
enum log_type { LOG_END, LOG_STR, LOG_STRN, LOG_INT, LOG_UINT, LOG_ID, LOG_BOOL, LOG_SECONDS };
struct log_field {
	enum log_type type;
	const char *key;
	const char *str; /* NULL: field is left out */
	uint64_t num;	 /* value, or length for STRN */
};

#define L_STR(k, s)    ((struct log_field){LOG_STR, (k), (s), 0})
#define L_STRN(k, s, n) ((struct log_field){LOG_STRN, (k), (s), (n)})
#define L_INT(k, v)    ((struct log_field){LOG_INT, (k), NULL, (uint64_t)(int64_t)(v)})
#define L_UINT(k, v)   ((struct log_field){LOG_UINT, (k), NULL, (uint64_t)(v)})
#define L_ID(v)	       ((struct log_field){LOG_ID, "id", NULL, (v)}) /* queue id */
#define L_BOOL(k, v)   ((struct log_field){LOG_BOOL, (k), NULL, (v)})
#define L_SECONDS(k, ns) ((struct log_field){LOG_SECONDS, (k), NULL, (ns)}) /* as s.mmm */

/*
 * log_event() - one line. @event: "area.what" ("inbound.accepted",
 * "outbound.sent", "spool.recovered"); @fields: ended by a LOG_END entry.
 */
void log_event_(enum config_log_level level, const char *event,
		const struct log_field *fields);
#define log_event(level, ...) log_event_fields(level, __VA_ARGS__, LOG_LAST)
#define log_event_fields(level, event, ...)                                    \
	log_event_((level), (event), (const struct log_field[]){__VA_ARGS__})
#define LOG_LAST ((struct log_field){LOG_END, NULL, NULL, 0})

/* log_info("area.what", L_STR("from", from), ...), with or without fields. */
#define log_debug(...)	 log_event(CONFIG_LOG_DEBUG, __VA_ARGS__)
#define log_info(...)	 log_event(CONFIG_LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_event(CONFIG_LOG_WARNING, __VA_ARGS__)
#define log_error(...)	 log_event(CONFIG_LOG_ERROR, __VA_ARGS__)

/* Queue ids as text: 13 characters of Crockford base32 and a NUL. */
#define LOG_ID_SIZE 14
const char *log_id_text(uint64_t id, char buf[LOG_ID_SIZE]);
/* log_id_parse() - and back, any case; false: @text is no queue id. */
bool log_id_parse(const char *text, uint64_t *id);

#endif
