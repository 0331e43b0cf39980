/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of `status` (admin_status_json.h). */
#include "gateway/admin/admin_status_json.h"

#define NS UINT64_C(1000000000)

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static void set(json_t *o, const char *key, uint64_t value)
{
	json_object_set_new(o, key, number(value));
}

static json_t *inbound_json(const struct inbound_stats *s)
{
	json_t *o = json_object();
	uint64_t turned = 0;

	for (unsigned i = 0; i < INBOUND_TURNED_KINDS; i++)
		turned += s->turned[i];
	set(o, "sessions", s->sessions);
	set(o, "connections", s->connections);
	set(o, "turned_away", turned);
	set(o, "messages", s->messages);
	set(o, "bytes", s->bytes);
	set(o, "rejected_recipients", s->rejected_recipients);
	return o;
}

static json_t *outbound_json(const struct metrics_view *v)
{
	const struct queue_stats *q = &v->stats.queue;
	json_t *o = json_object();

	set(o, "sessions",
	    v->stats.outbound.sessions + v->stats.cutthrough.sessions);
	set(o, "connections",
	    v->stats.outbound.connections + v->stats.cutthrough.connections);
	set(o, "transactions",
	    v->stats.outbound.messages + v->stats.cutthrough.messages);
	set(o, "delivered", q->delivered);
	set(o, "deferred", q->deferred);
	set(o, "bounced", q->failed - q->expired);
	set(o, "expired", q->expired);
	set(o, "passed_on", v->stats.relayed.messages);
	return o;
}

/* --- TLS --- */

static json_t *places_json(const uint64_t counts[TLS_PLACES])
{
	json_t *o = json_object();

	for (unsigned i = 0; i < TLS_PLACES; i++)
		set(o, tls_place_name(i), counts[i]);
	return o;
}

static json_t *directions_json(
	const uint64_t counts[KTLS_DIRECTIONS][TLS_PLACES])
{
	return json_pack("{s:o, s:o}", "sent", places_json(counts[KTLS_TX]),
			 "received", places_json(counts[KTLS_RX]));
}

static json_t *fallbacks_json(const struct tls_stats *s)
{
	json_t *o = json_object();

	for (unsigned r = KTLS_REASON_NONE + 1; r < KTLS_REASONS; r++) {
		uint64_t count =
			s->offload[KTLS_TX][r] + s->offload[KTLS_RX][r];

		if (count > 0)
			set(o, ktls_reason_name(r), count);
	}
	return o;
}

static json_t *side_json(const struct tls_stats *s)
{
	uint64_t resumed = 0;
	json_t *o = json_pack("{s:o, s:o, s:o}", "connections",
			      directions_json(s->open), "bytes",
			      directions_json(s->bytes), "fallbacks",
			      fallbacks_json(s));

	for (unsigned v = 0; v < KTLS_VERSIONS; v++)
		for (unsigned c = 0; c < KTLS_CIPHERS; c++)
			resumed += s->handshakes[v][c][true];
	set(o, "handshakes", tls_stats_handshakes(s));
	set(o, "resumed", resumed);
	set(o, "failed_handshakes", tls_stats_failures(s));
	return o;
}

static json_t *tls_json(const struct worker_stats *s)
{
	struct tls_stats out = s->outbound.tls;

	tls_stats_add(&out, &s->cutthrough.tls);
	return json_pack("{s:o, s:o}", "inbound", side_json(&s->inbound.tls),
			 "outbound", side_json(&out));
}

/* --- the rest --- */

static json_t *spool_json(const struct metrics_view *v)
{
	const struct spool_stats *s = &v->stats.spool;
	json_t *o = json_object();

	set(o, "accepted", s->accepted);
	set(o, "finished", s->finished);
	set(o, "commits", s->commits);
	set(o, "committed", s->batch_sum);
	set(o, "commit_us", s->commit_ns / 1000);
	set(o, "failures", s->failures);
	set(o, "bytes_written", s->bytes_written);
	set(o, "bytes_live", s->bytes_live);
	set(o, "segments", s->segments);
	set(o, "workers_refusing", v->stats.spool_full + v->stats.spool_failed);
	if (v->host.has_space) {
		set(o, "size", v->host.space);
		set(o, "free", v->host.space_free);
	}
	return o;
}

static json_t *process_json(const struct host_stats *h)
{
	json_t *o = json_object();

	set(o, "resident", h->resident);
	set(o, "open_fds", h->fds);
	set(o, "max_fds", h->fds_max);
	set(o, "cpu_ms", h->cpu / 1000000);
	return o;
}

static json_t *queue_json(const struct metrics_view *v)
{
	const struct metrics_destination *t = &v->total;
	json_t *o = json_object();
	uint64_t queued = 0;

	for (unsigned i = 0; i < QUEUE_STATES; i++) {
		set(o, queue_state_name(i), t->count[i]);
		queued += t->count[i];
	}
	set(o, "queued", queued);
	set(o, "oldest_age",
	    t->oldest && v->now > t->oldest ? (v->now - t->oldest) / NS : 0);
	set(o, "destinations", v->destinations);
	set(o, "unreachable", v->unreachable);
	set(o, "suspended", v->suspended);
	return o;
}

static json_t *rows_json(struct admin_row *const *rows, size_t count,
			 uint64_t now)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, admin_row_json(rows[i], now));
	return array;
}

static json_t *other_json(const struct metrics_view *v)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < QUEUE_STATES; i++)
		set(o, queue_state_name(i), v->other.count[i]);
	set(o, "connections", v->other.sessions);
	set(o, "destinations", v->destinations - v->top_count);
	return o;
}

json_t *admin_status_json(const struct metrics_view *v,
			  struct admin_row *const *rows,
			  struct admin_row *const *deferrals, size_t count)
{
	json_t *o = json_pack(
		"{s:s, s:s, s:o, s:o, s:b}", "type", "status", "version",
		RINGPOST_VERSION, "time", admin_json_time(v->now), "started",
		admin_json_time(v->host.started * NS), "ready", v->ready);

	/* For rates: the exact time between two answers. */
	set(o, "now_ms", v->now / 1000000);
	set(o, "uptime", v->now / NS - v->host.started);
	set(o, "workers", v->workers);
	set(o, "responding", v->responding);
	json_object_set_new(o, "inbound", inbound_json(&v->stats.inbound));
	json_object_set_new(o, "outbound", outbound_json(v));
	json_object_set_new(o, "queue", queue_json(v));
	json_object_set_new(o, "tls", tls_json(&v->stats));
	json_object_set_new(o, "spool", spool_json(v));
	json_object_set_new(o, "process", process_json(&v->host));
	json_object_set_new(o, "destinations",
			    rows_json(rows, v->top_count, v->now));
	json_object_set_new(o, "other", other_json(v));
	json_object_set_new(o, "deferrals",
			    rows_json(deferrals, count, v->now));
	return o;
}
