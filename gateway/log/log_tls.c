/* SPDX-License-Identifier: Apache-2.0 */
/* The words for a connection's protection. */
#include "gateway/log/log_tls.h"

void log_tls_words(const struct ktls_stream_info *info, struct log_tls *out)
{
	static const char *const both[2][2] = {{"none", "rx"}, {"tx", "tx,rx"}};
	bool tx = info->offload[KTLS_TX], rx = info->offload[KTLS_RX];

	*out = (struct log_tls){.version = "none", .offload = both[tx][rx]};
	if (!tx)
		out->why = ktls_reason_name(info->reason[KTLS_TX]);
	else if (!rx)
		out->why = ktls_reason_name(info->reason[KTLS_RX]);
	out->path = ktls_byte_paths_text(info->path_bytes, out->path_text);
	if (!info->tls)
		return;
	out->version = ktls_version_name(info->agreed.version);
	out->cipher = info->agreed.suite;
	out->resumed = info->agreed.resumed ? "yes" : "no";
}
