/* SPDX-License-Identifier: Apache-2.0 */
/* Does the relay take mail, and if not, why? */
#ifndef GATEWAY_ADMIN_ADMIN_HEALTH_H
#define GATEWAY_ADMIN_ADMIN_HEALTH_H

#include <jansson.h>
#include <stdatomic.h>

struct metrics_view;

enum admin_phase {
	ADMIN_PHASE_STARTING, /* spools are being read */
	ADMIN_PHASE_SERVING,
	ADMIN_PHASE_STOPPING,
};

/* Shared by threads; the control thread sets the phase. */
struct admin_health {
	_Atomic enum admin_phase phase;
	unsigned min_free_percent; /* of the spool's file system */
};

#define ADMIN_HEALTH_REASONS 5

/* admin_health_reasons() - codes (static) of what keeps the relay from taking
 * mail: "starting", "stopping", "spool_full", "spool_failed", "low_space",
 * "worker_silent". Returns their number; 0: it is ready. */
unsigned admin_health_reasons(const struct admin_health *health,
			      const struct metrics_view *view,
			      const char *reasons[ADMIN_HEALTH_REASONS]);

/* admin_health_json() - {"status": "ready"} or {"status": "not_ready",
 * "reasons": [{"code", "text"}]}; NULL without memory. */
json_t *admin_health_json(const struct admin_health *health,
			  const struct metrics_view *view);

#endif
