/* SPDX-License-Identifier: Apache-2.0 */
/* inject.http: mail of applications. */
#ifndef GATEWAY_CONFIG_CONFIG_INJECT_H
#define GATEWAY_CONFIG_CONFIG_INJECT_H

#include "gateway/config/config.h"
#include "gateway/config/config_schema.h"

/* @field: a struct config_inject_http. */
void config_inject_read_http(struct config_reader *reader,
			     const struct config_key *row,
			     const struct config_node *node, void *field);

void config_inject_free(struct config_inject_http *http);

#endif
