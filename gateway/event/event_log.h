/* SPDX-License-Identifier: Apache-2.0 */
/* Delivery logs: files and journald, as log.delivery says. */
#ifndef GATEWAY_EVENT_EVENT_LOG_H
#define GATEWAY_EVENT_EVENT_LOG_H

#include "gateway/config/config.h"

/* event_log_open() - by the control thread before workers start. 0, or -errno
 * with *failed (a line of the configuration). */
int event_log_open(const struct config *config,
		   const struct config_event_log **failed);
/* event_log_reopen() - after rotation. 0, or -errno of the last that could not
 * be opened; it goes on with the file it had. */
int event_log_reopen(void);
/* event_log_close() - with no worker running. */
void event_log_close(void);

#endif
