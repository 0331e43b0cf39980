/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics of the spool, the queue and deliveries. */
#include "gateway/metrics/metrics_text.h"

#define AT(member) .at = offsetof(struct worker_stats, member)

/* --- spool --- */

static void put_doubling(struct metrics_text *text, enum metrics_unit unit,
			 const uint64_t counts[SPOOL_BUCKETS], uint64_t first,
			 uint64_t sum)
{
	uint64_t bounds[SPOOL_BUCKETS];

	for (unsigned i = 0; i < SPOOL_BUCKETS; i++)
		bounds[i] = first << i;
	metrics_put_histogram(text, &(struct metrics_histogram){
					    .unit = unit,
					    .counts = counts,
					    .bounds = bounds,
					    .count = SPOOL_BUCKETS,
					    .sum = sum,
				    });
}

static void batches(struct metrics_text *text, const struct metrics_view *view)
{
	const struct spool_stats *s = &view->stats.spool;

	put_doubling(text, METRICS_NUMBER, s->batch_buckets, 1, s->batch_sum);
}

static void commit_time(struct metrics_text *text,
			const struct metrics_view *view)
{
	const struct spool_stats *s = &view->stats.spool;

	put_doubling(text, METRICS_NANOSECONDS, s->time_buckets,
		     SPOOL_BUCKET_NS, s->commit_ns);
}

static void refusing(struct metrics_text *text, const struct metrics_view *view)
{
	METRICS_PUT(text, view->stats.spool_full, {"reason", "full"});
	METRICS_PUT(text, view->stats.spool_failed, {"reason", "failed"});
}

/* --- queue --- */

static void deliveries(struct metrics_text *text,
		       const struct metrics_view *view)
{
	for (unsigned i = 0; i < QUEUE_STATES; i++)
		METRICS_PUT(text, view->total.count[i],
			    {"state", queue_state_name(i)});
}

static void oldest(struct metrics_text *text, const struct metrics_view *view)
{
	uint64_t then = view->total.oldest;

	metrics_put_plain(text, METRICS_NANOSECONDS,
			  then && view->now > then ? view->now - then : 0);
}

static const char *name_of(const struct metrics_destination *d)
{
	return d->name ? d->name : "unresolved";
}

static void put_states(struct metrics_text *text,
		       const struct metrics_destination *d, const char *name)
{
	for (unsigned i = 0; i < QUEUE_STATES; i++)
		METRICS_PUT(text, d->count[i], {"destination", name},
			    {"state", queue_state_name(i)});
}

static void by_destination(struct metrics_text *text,
			   const struct metrics_view *view)
{
	for (size_t i = 0; i < view->top_count; i++)
		put_states(text, &view->top[i], name_of(&view->top[i]));
	put_states(text, &view->other, "other");
}

static void sessions(struct metrics_text *text, const struct metrics_view *view)
{
	for (size_t i = 0; i < view->top_count; i++)
		METRICS_PUT(text, view->top[i].sessions,
			    {"destination", name_of(&view->top[i])});
	METRICS_PUT(text, view->other.sessions, {"destination", "other"});
}

static void destinations(struct metrics_text *text,
			 const struct metrics_view *view)
{
	METRICS_PUT(text, view->destinations, {"condition", "any"});
	METRICS_PUT(text, view->unreachable, {"condition", "unreachable"});
	METRICS_PUT(text, view->suspended, {"condition", "suspended"});
}

/* --- deliveries --- */

static void results(struct metrics_text *text, const struct metrics_view *view)
{
	const struct queue_stats *s = &view->stats.queue;

	METRICS_PUT(text, s->delivered, {"result", "delivered"});
	METRICS_PUT(text, s->deferred, {"result", "deferred"});
	METRICS_PUT(text, s->failed - s->expired, {"result", "bounced"});
	METRICS_PUT(text, s->expired, {"result", "expired"});
}

static void put_times(struct metrics_text *text, const struct histogram *h,
		      const struct histogram_scale *scale)
{
	uint64_t bounds[HISTOGRAM_BUCKETS];

	for (unsigned i = 0; i < scale->buckets; i++)
		bounds[i] = histogram_bound(scale, i);
	metrics_put_histogram(text, &(struct metrics_histogram){
					    .unit = METRICS_NANOSECONDS,
					    .counts = h->count,
					    .bounds = bounds,
					    .count = scale->buckets,
					    .sum = h->sum,
				    });
}

static void queue_time(struct metrics_text *text,
		       const struct metrics_view *view)
{
	put_times(text, &view->stats.queue.time, &histogram_queue_time);
}

static void attempt_time(struct metrics_text *text,
			 const struct metrics_view *view)
{
	put_times(text, &view->stats.queue.attempt, &histogram_attempt_time);
}

/* clang-format off */
static const struct metrics_row rows[] = {
	{{"ringpost_spool_accepted_messages_total", "counter",
	  "Messages that the spool has stored."}, AT(spool.accepted)},
	{{"ringpost_spool_finished_messages_total", "counter",
	  "Messages whose recipients all have a final result."},
	 AT(spool.finished)},
	{{"ringpost_spool_results_total", "counter",
	  "Results of recipients that the spool has stored."},
	 AT(spool.results)},
	{{"ringpost_spool_batch_records", "histogram",
	  "Messages and results that share one commit; its count is the number of commits."},
	 .fn = batches},
	{{"ringpost_spool_commit_duration_seconds", "histogram",
	  "Time of a commit, from the beginning of its write to the end of its sync."},
	 .fn = commit_time},
	{{"ringpost_spool_failures_total", "counter",
	  "Writes and syncs that failed."}, AT(spool.failures)},
	{{"ringpost_spool_written_bytes_total", "counter",
	  "Bytes written to the spool."}, AT(spool.bytes_written)},
	{{"ringpost_spool_live_bytes", "gauge",
	  "Bytes in the spool that are still needed."}, AT(spool.bytes_live)},
	{{"ringpost_spool_segments", "gauge",
	  "Files of the spool's logs."}, AT(spool.segments)},
	{{"ringpost_spool_workers_refusing", "gauge",
	  "Workers whose spool takes no mail at present, by reason."},
	 .fn = refusing},
	{{"ringpost_queue_messages_total", "counter",
	  "Messages that came into the queue: accepted, or found at the start."},
	 AT(queue.added)},
	{{"ringpost_queue_deliveries", "gauge",
	  "Deliveries (a message for one domain or next hop) in the queue, by state."},
	 .fn = deliveries},
	{{"ringpost_queue_oldest_seconds", "gauge",
	  "Age of the oldest message in the queue."}, .fn = oldest},
	{{"ringpost_queue_destination_deliveries", "gauge",
	  "Deliveries in the queue of the destinations that have most; other has the rest."},
	 .fn = by_destination},
	{{"ringpost_queue_destination_sessions", "gauge",
	  "Sessions to the destinations that have most mail; other has the rest."},
	 .fn = sessions},
	{{"ringpost_queue_destinations", "gauge",
	  "Destinations that have mail: any, unreachable, suspended."},
	 .fn = destinations},
	{{"ringpost_queue_damaged_deliveries_total", "counter",
	  "Deliveries set aside because the spool's checksum was wrong."},
	 AT(queue.damaged)},
	{{"ringpost_delivery_results_total", "counter",
	  "Answers for recipients: delivered, deferred, bounced (refused for good), expired."},
	 .fn = results},
	{{"ringpost_delivery_queue_time_seconds", "histogram",
	  "Time of delivered recipients from acceptance to the next hop's answer."},
	 .fn = queue_time},
	{{"ringpost_delivery_attempt_duration_seconds", "histogram",
	  "Time of a transaction from giving it to a session to its end."},
	 .fn = attempt_time},
};
/* clang-format on */

const struct metrics_rows metrics_mail_rows = {
	.rows = rows,
	.count = sizeof(rows) / sizeof(rows[0]),
};
