/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a connection was protected, in the words that every log line about one
 * uses: tls=, cipher=, resumed=, offload=, why=; and which way message bodies
 * took: path=.
 */
#ifndef GATEWAY_LOG_LOG_TLS_H
#define GATEWAY_LOG_LOG_TLS_H

#include "ktls/ktls_stream.h"

/* Pointers are static, into the struct, or into the info it was made from;
 * NULL where the word does not apply. */
struct log_tls {
	const char *version; /* "TLSv1.3" or "none" */
	const char *cipher;  /* suite */
	const char *resumed; /* "yes", "no" */
	const char *offload; /* "tx,rx", "tx", "rx", "none" */
	const char *why;     /* reason of a direction not in the kernel */
	const char *path;    /* "mapped", "read,mapped"...: most bytes first */
	char path_text[KTLS_PATHS_TEXT];
};

/* log_tls_words() - @info is borrowed as long as @out is used. */
void log_tls_words(const struct ktls_stream_info *info, struct log_tls *out);

#endif
