/* SPDX-License-Identifier: Apache-2.0 */
/* Putting a line together: time, level, event, fields. */
#include "gateway/log/log_line.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Kept free for the end of the line: a closing quote and ,"cut":true}\n */
#define TAIL 16

static const char *const level_names[] = {
	[CONFIG_LOG_DEBUG] = "debug",
	[CONFIG_LOG_INFO] = "info",
	[CONFIG_LOG_WARNING] = "warning",
	[CONFIG_LOG_ERROR] = "error",
};

bool log_line_put(struct log_line *line, const char *text, size_t len)
{
	if (line->len + len > sizeof(line->text) - TAIL)
		return false;
	memcpy(line->text + line->len, text, len);
	line->len += len;
	return true;
}

void log_line_close_quote(struct log_line *line)
{
	assert(line->len <= sizeof(line->text) - TAIL);
	line->text[line->len++] = '"';
}

static bool put_string(struct log_line *line, const char *text)
{
	return log_line_put(line, text, strlen(text));
}

/* --- time --- */

struct civil {
	unsigned year, month, day, hour, minute, second;
};

/* Days to year, month, day (proleptic Gregorian), counted from March 1st so
 * that the leap day comes last.  gmtime_r() would take a lock per line. */
static void civil_date(uint64_t days, struct civil *out)
{
	uint64_t shifted = days + 719468; /* from 0000-03-01 */
	uint64_t era = shifted / 146097, of_era = shifted % 146097;
	uint64_t year =
		(of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) /
		365;
	uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	uint64_t month = (5 * of_year + 2) / 153; /* 0: March */

	out->day = (unsigned)(of_year - (153 * month + 2) / 5 + 1);
	out->month = (unsigned)(month < 10 ? month + 3 : month - 9);
	out->year = (unsigned)(year + era * 400 + (out->month <= 2 ? 1 : 0));
}

static void civil_time(const struct timespec *now, struct civil *out)
{
	uint64_t seconds = now->tv_sec > 0 ? (uint64_t)now->tv_sec : 0;
	unsigned of_day = (unsigned)(seconds % 86400);

	civil_date(seconds / 86400, out);
	out->hour = of_day / 3600;
	out->minute = of_day / 60 % 60;
	out->second = of_day % 60;
}

static void put_time(struct log_line *line, const struct timespec *now)
{
	char buf[64];
	struct civil t;

	civil_time(now, &t);
	if (line->shape == LOG_SHAPE_TERMINAL)
		snprintf(buf, sizeof(buf), "%02u:%02u:%02u.%03u", t.hour,
			 t.minute, t.second,
			 (unsigned)(now->tv_nsec / 1000000));
	else
		snprintf(buf, sizeof(buf),
			 "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", t.year, t.month,
			 t.day, t.hour, t.minute, t.second,
			 (unsigned)(now->tv_nsec / 1000));
	put_string(line, buf);
}

/* --- fields --- */

static void put_number(struct log_line *line, const struct log_field *field)
{
	char buf[LOG_ID_SIZE + 24];

	switch (field->type) {
	case LOG_INT:
		snprintf(buf, sizeof(buf), "%" PRId64, (int64_t)field->num);
		break;
	case LOG_UINT:
		snprintf(buf, sizeof(buf), "%" PRIu64, field->num);
		break;
	case LOG_BOOL:
		snprintf(buf, sizeof(buf), "%s", field->num ? "true" : "false");
		break;
	case LOG_SECONDS:
		snprintf(buf, sizeof(buf), "%" PRIu64 ".%03u",
			 field->num / 1000000000,
			 (unsigned)(field->num / 1000000 % 1000));
		break;
	case LOG_END:
	case LOG_STR:
	case LOG_STRN:
	case LOG_ID:
		assert(false); /* put_value() has the others */
		return;
	}
	if (!put_string(line, buf))
		line->cut = true;
}

static void put_text(struct log_line *line, const char *text, size_t len)
{
	if (line->shape == LOG_SHAPE_JSON)
		log_line_add_json(line, text, len);
	else
		log_line_add_text(line, text, len);
}

static void put_value(struct log_line *line, const struct log_field *field)
{
	char id[LOG_ID_SIZE];

	if (field->type == LOG_STR)
		put_text(line, field->str, strlen(field->str));
	else if (field->type == LOG_STRN)
		put_text(line, field->str, field->num);
	else if (field->type == LOG_ID)
		put_text(line, log_id_text(field->num, id), LOG_ID_SIZE - 1);
	else
		put_number(line, field);
}

static bool put_key(struct log_line *line, const char *key)
{
	if (line->shape == LOG_SHAPE_JSON)
		return put_string(line, ",\"") && put_string(line, key) &&
		       put_string(line, "\":");
	return put_string(line, " ") && put_string(line, key) &&
	       put_string(line, "=");
}

/* Room that a value needs to be worth starting. */
#define VALUE_ROOM 64

static void put_field(struct log_line *line, const struct log_field *field)
{
	size_t before = line->len;
	bool text = field->type == LOG_STR || field->type == LOG_STRN;

	if (text && !field->str)
		return;
	if (!put_key(line, field->key) ||
	    line->len + VALUE_ROOM + TAIL > sizeof(line->text)) {
		line->len = before;
		line->cut = true;
		return;
	}
	put_value(line, field);
}

/* --- the line --- */

static void put_head(struct log_line *line, const struct timespec *now,
		     const char *level, const char *event)
{
	char buf[96];

	if (line->shape == LOG_SHAPE_JSON) {
		put_string(line, "{\"time\":\"");
		put_time(line, now);
		snprintf(buf, sizeof(buf),
			 "\",\"level\":\"%s\",\"event\":", level);
		put_string(line, buf);
		log_line_add_json(line, event, strlen(event));
	} else {
		put_time(line, now);
		snprintf(buf, sizeof(buf), " %-7s ", level);
		put_string(line, buf);
		put_string(line, event);
	}
}

/* The room for these was kept free: no value may take it. */
static void put_tail(struct log_line *line)
{
	const char *tail = "\n";
	size_t len;

	if (line->shape == LOG_SHAPE_JSON)
		tail = line->cut ? ",\"cut\":true}\n" : "}\n";
	else if (line->cut)
		tail = " cut=true\n";
	len = strlen(tail);
	assert(len < TAIL && line->len + len <= sizeof(line->text));
	memcpy(line->text + line->len, tail, len);
	line->len += len;
}

static void put_fields(struct log_line *line, const struct log_field *fields)
{
	for (; fields->type != LOG_END; fields++)
		put_field(line, fields);
	put_tail(line);
}

static void start(struct log_line *line, enum log_shape shape)
{
	line->shape = shape;
	line->cut = false;
	line->len = 0;
}

void log_line_format(struct log_line *line, enum log_shape shape,
		     const struct timespec *now, enum config_log_level level,
		     const char *event, const struct log_field *fields)
{
	start(line, shape);
	put_head(line, now, level_names[level], event);
	put_fields(line, fields);
}

void log_line_record(struct log_line *line, const struct timespec *now,
		     const char *type, const struct log_field *fields)
{
	start(line, LOG_SHAPE_JSON);
	put_string(line, "{\"time\":\"");
	put_time(line, now);
	put_string(line, "\",\"type\":");
	log_line_add_json(line, type, strlen(type));
	put_fields(line, fields);
}

void log_line_message(struct log_line *line, const char *event,
		      const struct log_field *fields)
{
	start(line, LOG_SHAPE_TEXT);
	put_string(line, event);
	put_fields(line, fields);
	line->len--; /* the line feed */
}
