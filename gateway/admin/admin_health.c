/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the relay takes mail (admin_health.h). */
#include "gateway/admin/admin_health.h"

#include <assert.h>
#include <string.h>

#include "gateway/metrics/metrics_view.h"

static const struct {
	const char *code, *text;
} words[] = {
	{"starting", "the spools are being read"},
	{"stopping", "the relay is finishing what is in flight"},
	{"spool_full", "the spool has no room: clients hear 452"},
	{"spool_failed", "the spool can't be written: clients hear 451"},
	{"low_space", "the spool's file system has less than spool.min_free"},
	{"worker_silent", "a worker does not answer"},
};

/* As the spool itself looks at it. */
static bool is_low(const struct host_stats *host, unsigned percent)
{
	return host->has_space && percent > 0 &&
	       (host->space_free < host->space / 100 * percent ||
		host->files_free * 100 < host->files * percent);
}

unsigned admin_health_reasons(const struct admin_health *health,
			      const struct metrics_view *view,
			      const char *reasons[ADMIN_HEALTH_REASONS])
{
	enum admin_phase phase = atomic_load(&health->phase);
	unsigned n = 0;

	if (phase == ADMIN_PHASE_STARTING)
		reasons[n++] = "starting";
	if (phase == ADMIN_PHASE_STOPPING)
		reasons[n++] = "stopping";
	if (view->stats.spool_full)
		reasons[n++] = "spool_full";
	if (view->stats.spool_failed)
		reasons[n++] = "spool_failed";
	if (is_low(&view->host, health->min_free_percent))
		reasons[n++] = "low_space";
	/* They stop one after the other. */
	if (view->responding < view->workers && phase == ADMIN_PHASE_SERVING)
		reasons[n++] = "worker_silent";
	assert(n <= ADMIN_HEALTH_REASONS);
	return n;
}

static const char *text_of(const char *code)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].code, code) == 0)
			return words[i].text;
	return code;
}

json_t *admin_health_json(const struct admin_health *health,
			  const struct metrics_view *view)
{
	const char *reasons[ADMIN_HEALTH_REASONS];
	unsigned count = admin_health_reasons(health, view, reasons);
	json_t *list = json_array();

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(list, json_pack("{s:s, s:s}", "code",
						      reasons[i], "text",
						      text_of(reasons[i])));
	return json_pack("{s:s, s:o}", "status", count ? "not_ready" : "ready",
			 "reasons", list);
}
