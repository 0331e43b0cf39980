/* SPDX-License-Identifier: Apache-2.0 */
/* Entries for journald. */
#include "gateway/log/log_journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "gateway/log/log_line.h"

#define NAME_MAX_ 64 /* journald's own limit of names */

static bool put(struct log_journal *entry, const char *bytes, size_t len)
{
	if (len > sizeof(entry->bytes) - entry->len)
		return false;
	memcpy(entry->bytes + entry->len, bytes, len);
	entry->len += len;
	return true;
}

/* With its length in front, so that nothing in @value can end it. */
static bool put_binary(struct log_journal *entry, const char *value, size_t len)
{
	unsigned char size[8];

	for (size_t i = 0; i < sizeof(size); i++)
		size[i] = (unsigned char)((uint64_t)len >> 8 * i);
	return put(entry, "\n", 1) && put(entry, (char *)size, sizeof(size)) &&
	       put(entry, value, len) && put(entry, "\n", 1);
}

static void put_entry(struct log_journal *entry, const char *name,
		      const char *value, size_t len)
{
	size_t before = entry->len;
	bool done = put(entry, name, strlen(name));

	if (done && memchr(value, '\n', len))
		done = put_binary(entry, value, len);
	else
		done = done && put(entry, "=", 1) && put(entry, value, len) &&
		       put(entry, "\n", 1);
	if (!done)
		entry->len = before;
}

/* "conn_use" to "RINGPOST_CONN_USE". */
static void name_of(const char *key, char out[NAME_MAX_])
{
	size_t n = (size_t)snprintf(out, NAME_MAX_, "RINGPOST_");

	for (; *key && n + 1 < NAME_MAX_; key++) {
		bool lower = *key >= 'a' && *key <= 'z';
		bool other = (*key >= 'A' && *key <= 'Z') ||
			     (*key >= '0' && *key <= '9');

		out[n++] = (char)(lower	  ? *key - 'a' + 'A'
				  : other ? *key
					  : '_');
	}
	out[n] = '\0';
}

static void put_number(struct log_journal *entry, const char *name,
		       const struct log_field *field)
{
	char text[48];
	int len;

	if (field->type == LOG_INT)
		len = snprintf(text, sizeof(text), "%" PRId64,
			       (int64_t)field->num);
	else if (field->type == LOG_SECONDS)
		len = snprintf(text, sizeof(text), "%" PRIu64 ".%03u",
			       field->num / 1000000000,
			       (unsigned)(field->num / 1000000 % 1000));
	else if (field->type == LOG_ID)
		len = snprintf(text, sizeof(text), "%s",
			       log_id_text(field->num, text + LOG_ID_SIZE));
	else
		len = snprintf(text, sizeof(text), "%" PRIu64, field->num);
	put_entry(entry, name, text, (size_t)len);
}

static void put_field(struct log_journal *entry, const struct log_field *field)
{
	char name[NAME_MAX_];

	name_of(field->key, name);
	if (field->type == LOG_STR || field->type == LOG_STRN) {
		if (field->str)
			put_entry(entry, name, field->str,
				  field->type == LOG_STR ? strlen(field->str)
							 : field->num);
	} else {
		put_number(entry, name, field);
	}
}

void log_journal_format(struct log_journal *entry, enum config_log_level level,
			const char *event, const struct log_field *fields)
{
	static const char priorities[] = {
		[CONFIG_LOG_DEBUG] = '0' + LOG_DEBUG,
		[CONFIG_LOG_INFO] = '0' + LOG_INFO,
		[CONFIG_LOG_WARNING] = '0' + LOG_WARNING,
		[CONFIG_LOG_ERROR] = '0' + LOG_ERR,
	};
	struct log_line line;

	entry->len = 0;
	put_entry(entry, "PRIORITY", &priorities[level], 1);
	put_entry(entry, "SYSLOG_IDENTIFIER", "ringpost", strlen("ringpost"));
	log_line_message(&line, event, fields);
	put_entry(entry, "MESSAGE", line.text, line.len);
	put_entry(entry, "RINGPOST_EVENT", event, strlen(event));
	for (; fields->type != LOG_END; fields++)
		put_field(entry, fields);
}
