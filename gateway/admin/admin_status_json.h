/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of `status` as JSON: docs/metrics.md has its fields. */
#ifndef GATEWAY_ADMIN_ADMIN_STATUS_JSON_H
#define GATEWAY_ADMIN_ADMIN_STATUS_JSON_H

#include <jansson.h>

#include "gateway/admin/admin_row.h"
#include "gateway/metrics/metrics_view.h"

#define ADMIN_STATUS_DEFERRALS 50

/* @rows: as many as view->top_count are shown. NULL without memory. */
json_t *admin_status_json(const struct metrics_view *view,
			  struct admin_row *const *rows,
			  struct admin_row *const *deferrals, size_t count);

#endif
