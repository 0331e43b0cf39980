/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stream says of itself.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "ktls/ktls_stream_private.h"

const char *ktls_event_name(enum ktls_event event)
{
	static const char *const names[] = {
		[KTLS_EVENT_CONNECTED] = "connected",
		[KTLS_EVENT_SECURE] = "secure",
		[KTLS_EVENT_READABLE] = "readable",
		[KTLS_EVENT_WRITTEN] = "written",
		[KTLS_EVENT_EOF] = "eof",
		[KTLS_EVENT_FAILED] = "failed",
		[KTLS_EVENT_CLOSED] = "closed",
	};

	assert(event <= KTLS_EVENT_CLOSED);
	return names[event];
}

const char *kstream_failure_text(enum ktls_failure kind)
{
	static const char *const texts[] = {
		[KTLS_FAILURE_NONE] = "",
		[KTLS_FAILURE_CONNECT] = "connection refused or unreachable",
		[KTLS_FAILURE_IO] = "connection broken",
		[KTLS_FAILURE_TRUNCATED] =
			"connection closed without close_notify",
		[KTLS_FAILURE_HANDSHAKE] = "TLS handshake failed",
		[KTLS_FAILURE_VERIFY] = "certificate not accepted",
		[KTLS_FAILURE_INJECTION] =
			"clear text was sent behind STARTTLS",
		[KTLS_FAILURE_RECORD] = "bad TLS record",
		[KTLS_FAILURE_ALERT] = "peer sent a fatal alert",
		[KTLS_FAILURE_REKEY] =
			"peer changed its keys, which this kernel can't follow",
		[KTLS_FAILURE_INSTALL] = "keys not accepted by the kernel",
		[KTLS_FAILURE_INTERNAL] = "out of memory or operations",
	};

	assert(kind <= KTLS_FAILURE_INTERNAL);
	return texts[kind];
}

void ktls_stream_failure(const struct ktls_stream *stream,
			 struct ktls_failure_info *out)
{
	const struct ktls_stream_private *p = stream->p;

	*out = (struct ktls_failure_info){
		.kind = p->failure,
		.error = p->failure_error,
		.text = p->failure_text ? p->failure_text
					: kstream_failure_text(p->failure),
	};
	/* the sentence of the system says more than "broken" */
	if (!p->failure_text && p->failure_error &&
	    (p->failure == KTLS_FAILURE_CONNECT ||
	     p->failure == KTLS_FAILURE_IO))
		out->text = strerrordesc_np(p->failure_error);
	if (!out->text)
		out->text = kstream_failure_text(p->failure);
}

void ktls_stream_info(const struct ktls_stream *stream,
		      struct ktls_stream_info *out)
{
	const struct ktls_stream_private *p = stream->p;

	*out = (struct ktls_stream_info){
		.tls = p->path[KTLS_TX] != KSTREAM_RAW,
		.reason_error = p->reason_error,
		.bytes_in = p->bytes_in,
		.bytes_out = p->bytes_out,
	};
	memcpy(out->path_bytes, p->path_bytes, sizeof(out->path_bytes));
	if (out->tls)
		out->agreed = *p->agreed;
	for (unsigned dir = 0; dir < KTLS_DIRECTIONS; dir++) {
		out->offload[dir] = p->path[dir] == KSTREAM_KERNEL;
		out->reason[dir] = p->reason[dir];
		out->rekeys[dir] = p->use[dir].renewed;
	}
}

int ktls_stream_fd(const struct ktls_stream *stream)
{
	return stream->p->fd;
}

bool ktls_stream_worn(const struct ktls_stream *stream)
{
	return kstream_rekey_worn(stream->p);
}

size_t ktls_stream_unsent(const struct ktls_stream *stream)
{
	const struct ktls_stream_private *p = stream->p;

	return kstream_queue_bytes(p->queue) + (p->wire ? p->wire->plain : 0);
}

static const char *describe_offload(const struct ktls_stream_private *p)
{
	bool tx = p->path[KTLS_TX] == KSTREAM_KERNEL;
	bool rx = p->path[KTLS_RX] == KSTREAM_KERNEL;

	if (tx && rx)
		return "tx,rx";
	return tx ? "tx" : rx ? "rx" : "none";
}

const char *ktls_stream_describe(const struct ktls_stream *stream, char *buf,
				 size_t size)
{
	const struct ktls_stream_private *p = stream->p;
	const char *tx = ktls_reason_name(p->reason[KTLS_TX]);
	const char *rx = ktls_reason_name(p->reason[KTLS_RX]);
	const char *offload = describe_offload(p);
	int n;

	if (p->path[KTLS_TX] == KSTREAM_RAW) {
		snprintf(buf, size, "tls=none");
		return buf;
	}
	n = snprintf(buf, size, "tls=%s cipher=%s offload=%s",
		     ktls_version_name(p->agreed->version), p->agreed->suite,
		     offload);
	if (n < 0 || (size_t)n >= size || strcmp(offload, "tx,rx") == 0)
		return buf;
	if (p->reason[KTLS_TX] == p->reason[KTLS_RX] ||
	    p->reason[KTLS_RX] == KTLS_REASON_NONE)
		snprintf(buf + n, size - (size_t)n, " why=%s", tx);
	else if (p->reason[KTLS_TX] == KTLS_REASON_NONE)
		snprintf(buf + n, size - (size_t)n, " why=%s", rx);
	else
		snprintf(buf + n, size - (size_t)n, " why=tx:%s,rx:%s", tx, rx);
	return buf;
}
