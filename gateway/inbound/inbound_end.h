/* SPDX-License-Identifier: Apache-2.0 */
/* Why a session ended: in words for the log, and to be counted. */
#ifndef GATEWAY_INBOUND_INBOUND_END_H
#define GATEWAY_INBOUND_INBOUND_END_H

enum inbound_end {
	INBOUND_END_OK, /* QUIT, or the end of input between messages */
	INBOUND_END_CUT_OFF,
	INBOUND_END_INJECTION,
	INBOUND_END_TIMEOUT,
	INBOUND_END_CHUNK_SIZE,
	INBOUND_END_DISCARDED,
	INBOUND_END_ABORTED,
	INBOUND_END_TLS_START,
	INBOUND_END_TLS_CLOSED,
	INBOUND_END_TLS_TIMEOUT,
	INBOUND_END_SHUTDOWN,
	INBOUND_END_NEW_KEYS,
	INBOUND_END_FAILED,
	INBOUND_END_NO_CLOSE_NOTIFY,
	INBOUND_END_MESSAGES,
	INBOUND_END_ERRORS,
	INBOUND_END_NO_MEMORY,
	INBOUND_ENDS
};

/* inbound_end_text() - for the log; NULL for OK. inbound_end_name() - the same
 * as a label: lower case and underscores. */
const char *inbound_end_text(enum inbound_end end);
const char *inbound_end_name(enum inbound_end end);

#endif
