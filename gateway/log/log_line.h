/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of the log in a fixed buffer: JSON or text.  No memory is
 * allocated, nothing is written anywhere.
 */
#ifndef GATEWAY_LOG_LOG_LINE_H
#define GATEWAY_LOG_LOG_LINE_H

#include <time.h>

#include "gateway/log/log.h"

enum log_shape {
	LOG_SHAPE_JSON,
	LOG_SHAPE_TEXT,	    /* full time stamps: for a file */
	LOG_SHAPE_TERMINAL, /* time of day alone */
};

struct log_line {
	enum log_shape shape;
	bool cut;
	size_t len;
	char text[LOG_LINE_MAX];
};

/*
 * log_line_format() - @event with its @fields (ended by LOG_END) to @line,
 * with the line feed at its end, without a NUL.
 * A field that has no room is left out whole, a long value is shortened; both
 * are said by "cut".  @now: CLOCK_REALTIME.
 */
void log_line_format(struct log_line *line, enum log_shape shape,
		     const struct timespec *now, enum config_log_level level,
		     const char *event, const struct log_field *fields);

/* log_line_record() - a JSON line of a stream whose lines are all of one level:
 * {"time":...,"type":@type, and the fields. */
void log_line_record(struct log_line *line, const struct timespec *now,
		     const char *type, const struct log_field *fields);

/* log_line_message() - as text without time and level, and without the line
 * feed: for those who have them elsewhere. */
void log_line_message(struct log_line *line, const char *event,
		      const struct log_field *fields);

/* Used by log_line_format(); octets of @value, escaped for the shape. */
void log_line_add_json(struct log_line *line, const char *value, size_t len);
void log_line_add_text(struct log_line *line, const char *value, size_t len);
/* Raw octets; false, and nothing added, when there's no room. */
bool log_line_put(struct log_line *line, const char *text, size_t len);
/* Ends a quoted value: there is always room for that, once behind each
 * log_line_put(). */
void log_line_close_quote(struct log_line *line);

#endif
