/* SPDX-License-Identifier: Apache-2.0 */
/* webhooks: applications that hear of what becomes of messages. */
#ifndef GATEWAY_CONFIG_CONFIG_WEBHOOK_H
#define GATEWAY_CONFIG_CONFIG_WEBHOOK_H

#include "gateway/config/config.h"
#include "gateway/config/config_schema.h"

extern const struct config_elements config_webhook_elements;

void config_webhook_free(struct config_webhook *hook);

#endif
