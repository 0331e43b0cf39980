/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One entry in journald's native protocol: a datagram of fields
 * (systemd's JOURNAL_NATIVE_PROTOCOL).  MESSAGE has all of it as text; each
 * field stands beside it, RINGPOST_ in front of its name, so that
 * journalctl RINGPOST_ID=... finds it.
 */
#ifndef GATEWAY_LOG_LOG_JOURNAL_H
#define GATEWAY_LOG_LOG_JOURNAL_H

#include "gateway/log/log.h"

struct log_journal {
	size_t len;
	char bytes[16384];
};

/* log_journal_format() - a field that has no room is left out of the fields;
 * MESSAGE is always there. */
void log_journal_format(struct log_journal *entry, enum config_log_level level,
			const char *event, const struct log_field *fields);

#endif
