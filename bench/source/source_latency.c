/* SPDX-License-Identifier: Apache-2.0 */
/* Steps into histograms; see source_latency.h. */
#include "bench/source/source_latency.h"

static const char *const names[SOURCE_PHASES] = {
	[SOURCE_PHASE_CONNECT] = "connect",
	[SOURCE_PHASE_GREETING] = "greeting",
	[SOURCE_PHASE_HANDSHAKE] = "handshake",
	[SOURCE_PHASE_EHLO] = "ehlo",
	[SOURCE_PHASE_WAIT] = "wait",
	[SOURCE_PHASE_ENVELOPE] = "envelope",
	[SOURCE_PHASE_BODY] = "body",
	[SOURCE_PHASE_REPLY] = "reply",
	[SOURCE_PHASE_TRANSACTION] = "transaction",
	[SOURCE_PHASE_MESSAGE] = "message",
};

void source_latency_add_open(struct source_latency *l,
			     const struct source_open_times *t)
{
	for (unsigned i = 0; i <= SOURCE_PHASE_EHLO; i++) {
		if (t->took[i])
			bench_histogram_add(&l->phases[i], t->took[i]);
	}
}

void source_latency_add_send(struct source_latency *l,
			     const struct source_send_times *t, uint64_t due,
			     uint64_t turned)
{
	struct bench_histogram *to = l->phases;
	uint64_t body = t->go ? t->go : t->begun;

	if (turned != due)
		bench_histogram_add(&to[SOURCE_PHASE_WAIT], turned - due);
	if (t->go)
		bench_histogram_add(&to[SOURCE_PHASE_ENVELOPE],
				    t->go - t->begun);
	bench_histogram_add(&to[SOURCE_PHASE_BODY], t->sent - body);
	bench_histogram_add(&to[SOURCE_PHASE_REPLY], t->answered - t->sent);
	bench_histogram_add(&to[SOURCE_PHASE_TRANSACTION],
			    t->answered - t->begun);
	bench_histogram_add(&to[SOURCE_PHASE_MESSAGE], t->answered - due);
}

void source_latency_rows(const struct source_latency *l,
			 struct bench_latency rows[SOURCE_PHASES])
{
	for (unsigned i = 0; i < SOURCE_PHASES; i++)
		rows[i] = (struct bench_latency){names[i], &l->phases[i]};
}
