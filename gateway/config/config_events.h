/* SPDX-License-Identifier: Apache-2.0 */
/* Where the configuration says what becomes of messages is to be told. */
#ifndef GATEWAY_CONFIG_CONFIG_EVENTS_H
#define GATEWAY_CONFIG_CONFIG_EVENTS_H

#include "gateway/config/config.h"
#include "gateway/config/config_schema.h"

/* log.delivery */
extern const struct config_elements config_events_elements;

void config_events_free(struct config_event_log *log);

#endif
