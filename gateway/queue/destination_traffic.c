/* SPDX-License-Identifier: Apache-2.0 */
/* What a destination's sessions carry, and what the next one probably will:
 * whether keys go into the kernel depends on it (ktls_traffic.h). */
#include "gateway/queue/queue_private.h"

uint64_t destination_expected(const struct destination *d)
{
	uint64_t before = ktls_traffic_guess(&d->traffic);
	uint64_t each = ktls_traffic_guess(&d->queue->sizes);
	uint64_t ready = d->ready_count / (d->session_count + 1) + 1, share;

	if (each == KTLS_TRAFFIC_UNKNOWN)
		return 0;
	share = each <= UINT64_MAX / ready ? each * ready : UINT64_MAX;
	if (before == KTLS_TRAFFIC_UNKNOWN || share > before)
		return share;
	return before;
}

void destination_carry(struct destination *d, struct destination_session *place,
		       const struct delivery *delivery)
{
	const struct spool_view *view = &delivery->run->view;
	uint64_t worth =
		ktls_traffic_worth(view->trace_len + view->body_size, 1);

	place->carried += worth;
	ktls_traffic_add(&d->queue->sizes, worth);
}

void destination_carried(struct destination *d,
			 const struct destination_session *ended)
{
	if (ended->carried > 0)
		ktls_traffic_add(&d->traffic, ended->carried);
}
