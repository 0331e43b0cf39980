/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics of sessions, their TLS and their bytes. */
#include "gateway/metrics/metrics_text.h"

#define AT(member) .at = offsetof(struct worker_stats, member)

/* --- in --- */

static void turned(struct metrics_text *text, const struct metrics_view *view)
{
	static const char *const names[INBOUND_TURNED_KINDS] = {
		[INBOUND_TURNED_MANY] = "connections",
		[INBOUND_TURNED_OF_CLIENT] = "connections_per_client",
		[INBOUND_TURNED_SHUTDOWN] = "shutdown",
	};

	for (unsigned i = 0; i < INBOUND_TURNED_KINDS; i++)
		METRICS_PUT(text, view->stats.inbound.turned[i],
			    {"reason", names[i]});
}

static void inbound_ended(struct metrics_text *text,
			  const struct metrics_view *view)
{
	for (unsigned i = 0; i < INBOUND_ENDS; i++)
		METRICS_PUT(text, view->stats.inbound.ended[i],
			    {"result", inbound_end_name(i)});
}

/* Only those that were said: there are two hundred codes. */
static void refusals(struct metrics_text *text, const struct metrics_view *view)
{
	char code[16];

	for (unsigned i = 0; i < INBOUND_CODES; i++) {
		if (!view->stats.inbound.refusals[i])
			continue;
		snprintf(code, sizeof(code), "%u", INBOUND_CODE_FIRST + i);
		METRICS_PUT(text, view->stats.inbound.refusals[i],
			    {"code", code});
	}
}

/* --- out --- */

struct way {
	const char *name;
	const struct outbound_stats *stats;
};

static void ways_of(const struct metrics_view *view, struct way ways[2])
{
	ways[0] = (struct way){"spool", &view->stats.outbound};
	ways[1] = (struct way){"cut_through", &view->stats.cutthrough};
}

static void outbound_put(struct metrics_text *text,
			 const struct metrics_view *view, size_t at)
{
	struct way ways[2];

	ways_of(view, ways);
	for (unsigned i = 0; i < 2; i++) {
		const char *base = (const char *)ways[i].stats;

		METRICS_PUT(text, *(const uint64_t *)(const void *)(base + at),
			    {"way", ways[i].name});
	}
}

static void outbound_open_now(struct metrics_text *text,
			      const struct metrics_view *view)
{
	outbound_put(text, view, offsetof(struct outbound_stats, sessions));
}

static void outbound_begun(struct metrics_text *text,
			   const struct metrics_view *view)
{
	outbound_put(text, view, offsetof(struct outbound_stats, connections));
}

static void outbound_carried(struct metrics_text *text,
			     const struct metrics_view *view)
{
	outbound_put(text, view, offsetof(struct outbound_stats, messages));
}

static void outbound_repeats(struct metrics_text *text,
			     const struct metrics_view *view)
{
	outbound_put(text, view, offsetof(struct outbound_stats, repeats));
}

static void outbound_ended(struct metrics_text *text,
			   const struct metrics_view *view)
{
	static const char *const names[OUTBOUND_FAILED_KINDS] = {
		[OUTBOUND_FAILED_CONNECT] = "connect",
		[OUTBOUND_FAILED_GREETING] = "greeting",
		[OUTBOUND_FAILED_EHLO] = "ehlo",
		[OUTBOUND_FAILED_STARTTLS] = "starttls",
		[OUTBOUND_FAILED_TLS] = "tls",
	};
	struct way ways[2];

	ways_of(view, ways);
	for (unsigned i = 0; i < 2; i++) {
		METRICS_PUT(text, ways[i].stats->ended, {"way", ways[i].name},
			    {"result", "ok"});
		for (unsigned k = 0; k < OUTBOUND_FAILED_KINDS; k++)
			METRICS_PUT(text, ways[i].stats->failed[k],
				    {"way", ways[i].name},
				    {"result", names[k]});
	}
}

static void relayed_messages(struct metrics_text *text,
			     const struct metrics_view *view)
{
	const struct cutthrough_stats *s = &view->stats.relayed;

	METRICS_PUT(text, s->messages, {"result", "accepted"});
	METRICS_PUT(text, s->refused, {"result", "refused"});
	METRICS_PUT(text, s->lost, {"result", "lost"});
}

static void relayed_bytes(struct metrics_text *text,
			  const struct metrics_view *view)
{
	METRICS_PUT(text, view->stats.relayed.spliced, {"path", "spliced"});
	METRICS_PUT(text, view->stats.relayed.copied, {"path", "copied"});
}

/* --- both: TLS --- */

typedef void (*side_fn)(struct metrics_text *text, const char *side,
			const struct tls_stats *stats);

static void each_side(struct metrics_text *text,
		      const struct metrics_view *view, side_fn fn)
{
	struct tls_stats out = view->stats.outbound.tls;

	tls_stats_add(&out, &view->stats.cutthrough.tls);
	fn(text, "inbound", &view->stats.inbound.tls);
	fn(text, "outbound", &out);
}

static const char *direction_name(unsigned dir)
{
	return dir == KTLS_TX ? "sent" : "received";
}

static void put_handshakes(struct metrics_text *text, const char *side,
			   const struct tls_stats *s)
{
	for (unsigned v = KTLS_TLS_1_2; v < KTLS_VERSIONS; v++)
		for (unsigned c = 0; c < KTLS_CIPHERS; c++)
			for (unsigned r = 0; r < 2; r++)
				METRICS_PUT(text, s->handshakes[v][c][r],
					    {"side", side},
					    {"version", ktls_version_name(v)},
					    {"cipher", ktls_cipher_name(c)},
					    {"resumed", r ? "yes" : "no"});
}

static void handshakes(struct metrics_text *text,
		       const struct metrics_view *view)
{
	each_side(text, view, put_handshakes);
}

static void put_failures(struct metrics_text *text, const char *side,
			 const struct tls_stats *s)
{
	for (unsigned i = 0; i < TLS_FAILED_KINDS; i++)
		METRICS_PUT(text, s->failed[i], {"side", side},
			    {"reason", tls_failed_name(i)});
}

static void handshake_failures(struct metrics_text *text,
			       const struct metrics_view *view)
{
	each_side(text, view, put_failures);
}

static void put_offloaded(struct metrics_text *text, const char *side,
			  const struct tls_stats *s)
{
	for (unsigned d = 0; d < KTLS_DIRECTIONS; d++)
		METRICS_PUT(text, s->offload[d][KTLS_REASON_NONE],
			    {"side", side}, {"direction", direction_name(d)});
}

static void offloaded(struct metrics_text *text,
		      const struct metrics_view *view)
{
	each_side(text, view, put_offloaded);
}

static void put_fallbacks(struct metrics_text *text, const char *side,
			  const struct tls_stats *s)
{
	for (unsigned d = 0; d < KTLS_DIRECTIONS; d++)
		for (unsigned r = KTLS_REASON_NONE + 1; r < KTLS_REASONS; r++)
			METRICS_PUT(text, s->offload[d][r], {"side", side},
				    {"direction", direction_name(d)},
				    {"reason", ktls_reason_name(r)});
}

static void fallbacks(struct metrics_text *text,
		      const struct metrics_view *view)
{
	each_side(text, view, put_fallbacks);
}

static void put_rekeys(struct metrics_text *text, const char *side,
		       const struct tls_stats *s)
{
	for (unsigned d = 0; d < KTLS_DIRECTIONS; d++)
		METRICS_PUT(text, s->rekeys[d], {"side", side},
			    {"direction", direction_name(d)});
}

static void rekeys(struct metrics_text *text, const struct metrics_view *view)
{
	each_side(text, view, put_rekeys);
}

static void put_places(struct metrics_text *text, const char *side,
		       const uint64_t counts[KTLS_DIRECTIONS][TLS_PLACES])
{
	for (unsigned d = 0; d < KTLS_DIRECTIONS; d++)
		for (unsigned p = 0; p < TLS_PLACES; p++)
			METRICS_PUT(text, counts[d][p], {"side", side},
				    {"direction", direction_name(d)},
				    {"tls", tls_place_name(p)});
}

static void put_open(struct metrics_text *text, const char *side,
		     const struct tls_stats *s)
{
	put_places(text, side, s->open);
}

static void open_now(struct metrics_text *text, const struct metrics_view *view)
{
	each_side(text, view, put_open);
}

static void put_bytes(struct metrics_text *text, const char *side,
		      const struct tls_stats *s)
{
	put_places(text, side, s->bytes);
}

static void bytes(struct metrics_text *text, const struct metrics_view *view)
{
	each_side(text, view, put_bytes);
}

static void body_bytes(struct metrics_text *text,
		       const struct metrics_view *view)
{
	for (unsigned i = KTLS_PATH_AUTO + 1; i < KTLS_PATHS; i++)
		METRICS_PUT(text, view->stats.paths.bytes[i],
			    {"path", ktls_byte_path_name(i)});
}

static void body_shortages(struct metrics_text *text,
			   const struct metrics_view *view)
{
	METRICS_PUT(text, view->stats.paths.no_pipe, {"resource", "pipe"});
	METRICS_PUT(text, view->stats.paths.no_buffer, {"resource", "buffer"});
}

/* clang-format off */
static const struct metrics_row rows[] = {
	{{"ringpost_inbound_sessions", "gauge",
	  "Sessions of clients, now."}, AT(inbound.sessions)},
	{{"ringpost_inbound_connections_total", "counter",
	  "Connections of clients that became sessions."},
	 AT(inbound.connections)},
	{{"ringpost_inbound_connections_refused_total", "counter",
	  "Connections of clients that were turned away, by the limit that was reached."},
	 .fn = turned},
	{{"ringpost_inbound_sessions_ended_total", "counter",
	  "Sessions of clients that ended, by how."}, .fn = inbound_ended},
	{{"ringpost_inbound_messages_total", "counter",
	  "Messages that clients were told are accepted."},
	 AT(inbound.messages)},
	{{"ringpost_inbound_message_bytes_total", "counter",
	  "Bytes of the bodies of accepted messages."}, AT(inbound.bytes)},
	{{"ringpost_inbound_refusals_total", "counter",
	  "Replies to clients that refuse something, by SMTP code."},
	 .fn = refusals},
	{{"ringpost_inbound_rejected_recipients_total", "counter",
	  "RCPT commands that were refused."},
	 AT(inbound.rejected_recipients)},
	{{"ringpost_inbound_protocol_errors_total", "counter",
	  "Commands of clients that were wrong."},
	 AT(inbound.protocol_errors)},
	{{"ringpost_outbound_sessions", "gauge",
	  "Sessions with next hops, now."}, .fn = outbound_open_now},
	{{"ringpost_outbound_connections_total", "counter",
	  "Connections to next hops that were begun."}, .fn = outbound_begun},
	{{"ringpost_outbound_sessions_ended_total", "counter",
	  "Sessions with next hops that ended: ok, or where they failed before they took mail."},
	 .fn = outbound_ended},
	{{"ringpost_outbound_transactions_total", "counter",
	  "Messages that were given to a session with a next hop."},
	 .fn = outbound_carried},
	{{"ringpost_outbound_repeats_total", "counter",
	  "Transactions begun anew because the next hop changed its keys."},
	 .fn = outbound_repeats},
	{{"ringpost_cut_through_transactions_total", "counter",
	  "Transactions that were passed on as they came."},
	 AT(relayed.transactions)},
	{{"ringpost_cut_through_messages_total", "counter",
	  "What became of messages passed on as they came."},
	 .fn = relayed_messages},
	{{"ringpost_cut_through_body_bytes_total", "counter",
	  "Bytes of bodies passed on as they came: spliced inside the kernel, or copied."},
	 .fn = relayed_bytes},
	{{"ringpost_tls_handshakes_total", "counter",
	  "TLS handshakes that succeeded."}, .fn = handshakes},
	{{"ringpost_tls_handshake_failures_total", "counter",
	  "TLS handshakes that failed, by reason."},
	 .fn = handshake_failures},
	{{"ringpost_tls_offloaded_connections_total", "counter",
	  "TLS connections that ended with this direction's keys in the kernel."},
	 .fn = offloaded},
	{{"ringpost_tls_fallbacks_total", "counter",
	  "TLS connections that ended with this direction in user space, by reason."},
	 .fn = fallbacks},
	{{"ringpost_tls_rekeys_total", "counter",
	  "Changes of keys in the kernel."}, .fn = rekeys},
	{{"ringpost_connections", "gauge",
	  "Connections now, by who encrypts the direction: none, user, kernel."},
	 .fn = open_now},
	{{"ringpost_connection_bytes_total", "counter",
	  "Bytes before encryption, by who encrypts the direction: none, user, kernel."},
	 .fn = bytes},
	{{"ringpost_body_sent_bytes_total", "counter",
	  "Bytes of bodies sent from the spool, by path: mapped, splice, read."},
	 .fn = body_bytes},
	{{"ringpost_body_path_shortages_total", "counter",
	  "Times that a path for bodies wanted a pipe or buffer and none was free."},
	 .fn = body_shortages},
};
/* clang-format on */

const struct metrics_rows metrics_smtp_rows = {
	.rows = rows,
	.count = sizeof(rows) / sizeof(rows[0]),
};
