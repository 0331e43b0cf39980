/* SPDX-License-Identifier: Apache-2.0 */
/* A result for people, for programs, for spreadsheets, as a picture. */
#ifndef BENCH_TLS_REPORT_H
#define BENCH_TLS_REPORT_H

#include <stdio.h>

#include "bench/tls/tls_result.h"

/* All return 0 or -errno. */
int tls_report_text(const struct tls_result *result, FILE *to);
int tls_report_json(const struct tls_result *result, FILE *to);
int tls_report_csv(const struct tls_result *result, FILE *to);

/*
 * tls_plot_check() - is gnuplot installed? 0, or -ENOENT with `error` filled:
 * asked before the work.
 * tls_plot() - cost by message size, a line for each sending path, as SVG into
 * the file. 0 or -errno with `error` filled.
 */
int tls_plot_check(char *error, size_t cap);
int tls_plot(const struct tls_result *result, const char *file, char *error,
	     size_t cap);

/* tls_size_text() - "64 KiB"; in `buf`, which is returned. */
const char *tls_size_text(uint64_t size, char buf[24]);

#endif
