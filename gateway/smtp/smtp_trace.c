/* SPDX-License-Identifier: Apache-2.0 */
/* The Received field, one clause a line. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "gateway/smtp/smtp_text.h"
#include "gateway/smtp/smtp_trace.h"

#define HELO_MAX 255

/* strftime() would follow the locale. */
static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
				 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

const char *smtp_date(uint64_t time, char buf[SMTP_DATE_SIZE])
{
	time_t seconds = (time_t)(time / UINT64_C(1000000000));
	struct tm tm;

	if (!gmtime_r(&seconds, &tm))
		memset(&tm, 0, sizeof(tm));
	/* The remainders tell the compiler how long each number gets. */
	snprintf(buf, SMTP_DATE_SIZE,
		 "%.3s, %02u %.3s %04u %02u:%02u:%02u +0000",
		 days[tm.tm_wday % 7], (unsigned)tm.tm_mday % 100u,
		 months[tm.tm_mon % 12], (unsigned)(tm.tm_year + 1900) % 10000u,
		 (unsigned)tm.tm_hour % 100u, (unsigned)tm.tm_min % 100u,
		 (unsigned)tm.tm_sec % 100u);
	return buf;
}

/* The client's name with what belongs into no domain or literal replaced. */
static void clean_helo(const char *helo, char out[HELO_MAX + 1])
{
	size_t n = 0;

	for (; helo[n] && n < HELO_MAX; n++) {
		bool plain =
			smtp_is_alnum(helo[n]) || strchr(".-_:[]", helo[n]);

		out[n] = plain ? helo[n] : '?';
	}
	if (n == 0)
		out[n++] = '?';
	out[n] = '\0';
}

const char *smtp_trace_protocol(const struct smtp_trace *trace)
{
	bool tls = trace->version != NULL;

	if (trace->protocol)
		return trace->protocol;
	if (trace->utf8)
		return tls ? "UTF8SMTPS" : "UTF8SMTP";
	if (!trace->extended)
		return "SMTP"; /* RFC 3848 has no name for HELO under TLS */
	return tls ? "ESMTPS" : "ESMTP";
}

struct text {
	char *buf;
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text,
						      const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->buf + text->len, SMTP_TRACE_MAX - text->len, format,
		      args);
	va_end(args);
	/* Every string has its limit where it comes in. */
	assert(n >= 0 && (size_t)n < SMTP_TRACE_MAX - text->len);
	text->len += (size_t)n;
}

size_t smtp_trace_write(const struct smtp_trace *trace,
			char buf[SMTP_TRACE_MAX])
{
	struct text text = {buf, 0};
	char helo[HELO_MAX + 1], date[SMTP_DATE_SIZE];
	const char *tag = strchr(trace->client, ':') ? "IPv6:" : "";

	clean_helo(trace->helo, helo);
	if (trace->local)
		add(&text, "Received: by %.255s (ringpost, from userid %u)\r\n",
		    trace->hostname, trace->uid);
	else
		add(&text,
		    "Received: from %s ([%s%s])\r\n"
		    "\tby %.255s with %.16s\r\n",
		    helo, tag, trace->client, trace->hostname,
		    smtp_trace_protocol(trace));
	if (trace->version)
		add(&text, "\t(version=%.16s cipher=%.64s bits=%u/%u)\r\n",
		    trace->version, trace->cipher, trace->cipher_bits,
		    trace->cipher_bits);
	add(&text, "\tid %.32s", trace->id);
	if (trace->recipient)
		add(&text, "\r\n\tfor <%.254s>", trace->recipient);
	add(&text, ";\r\n\t%s\r\n", smtp_date(trace->time, date));
	return text.len;
}
