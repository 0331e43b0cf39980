/* SPDX-License-Identifier: Apache-2.0 */
/* Names of a session's ends (inbound_end.h). */
#include "gateway/inbound/inbound_end.h"

#include <stddef.h>

/* clang-format off */
static const struct {
	const char *text, *name;
} ends[INBOUND_ENDS] = {
	[INBOUND_END_OK] = {NULL, "ok"},
	[INBOUND_END_CUT_OFF] = {"end of input within a message", "cut_off"},
	[INBOUND_END_INJECTION] = {"clear text behind STARTTLS", "injection"},
	[INBOUND_END_TIMEOUT] = {"timeout", "timeout"},
	[INBOUND_END_CHUNK_SIZE] = {"wrong chunk size", "chunk_size"},
	[INBOUND_END_DISCARDED] = {"too much to discard", "too_much_discarded"},
	[INBOUND_END_ABORTED] = {"aborted", "aborted"},
	[INBOUND_END_TLS_START] = {"TLS could not start", "tls_not_started"},
	[INBOUND_END_TLS_CLOSED] = {"closed in the handshake", "tls_closed"},
	[INBOUND_END_TLS_TIMEOUT] = {"TLS timeout", "tls_timeout"},
	[INBOUND_END_SHUTDOWN] = {"shutdown", "shutdown"},
	[INBOUND_END_NEW_KEYS] = {"new keys", "new_keys"},
	[INBOUND_END_FAILED] = {"failed", "failed"},
	[INBOUND_END_NO_CLOSE_NOTIFY] = {"no close_notify", "no_close_notify"},
	[INBOUND_END_MESSAGES] = {"too many messages", "too_many_messages"},
	[INBOUND_END_ERRORS] = {"too many errors", "too_many_errors"},
	[INBOUND_END_NO_MEMORY] = {"no memory", "no_memory"},
};
/* clang-format on */

const char *inbound_end_text(enum inbound_end end)
{
	return ends[end].text;
}

const char *inbound_end_name(enum inbound_end end)
{
	return ends[end].name;
}
