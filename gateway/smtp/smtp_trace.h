/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Received field that a relay puts in front of a message (RFC 5321
 * section 4.4; protocol names of RFC 3848 and RFC 6531 section 4.3).
 */
#ifndef GATEWAY_SMTP_SMTP_TRACE_H
#define GATEWAY_SMTP_SMTP_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All strings are borrowed for the call. */
struct smtp_trace {
	const char *helo;     /* what the client called itself: hostile */
	const char *client;   /* its address as text: "192.0.2.1", "::1" */
	const char *hostname; /* ours */
	bool extended;	      /* EHLO, not HELO */
	bool utf8;	      /* SMTPUTF8 was used */
	const char *version;  /* "TLSv1.3"; NULL: no TLS */
	const char *cipher;   /* suite; with version */
	unsigned cipher_bits;
	const char *id;
	const char *recipient; /* without <>; NULL unless there is just one:
				* others must not learn of each other */
	uint64_t time;	       /* ns since 1970, UTC */
	const char *protocol;  /* instead of SMTP's names; NULL: those */
	bool local; /* a process here: its user, not helo and client */
	unsigned uid;
};

/* Longest field that smtp_trace_write() makes, with its NUL. */
#define SMTP_TRACE_MAX 1536

/*
 * smtp_trace_write() - the field, folded, lines ended by CRLF, into @buf (with
 * a NUL). Returns its length. Nothing of the peer's can end a line or a
 * comment in it.
 */
size_t smtp_trace_write(const struct smtp_trace *trace,
			char buf[SMTP_TRACE_MAX]);

/* smtp_trace_protocol() - "ESMTPS"...; borrows from @trace at most. */
const char *smtp_trace_protocol(const struct smtp_trace *trace);

/* smtp_date() - "Mon, 23 Nov 2026 18:40:00 +0000" (RFC 5322 section 3.3). */
#define SMTP_DATE_SIZE 40
const char *smtp_date(uint64_t time, char buf[SMTP_DATE_SIZE]);

#endif
