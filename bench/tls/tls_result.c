/* SPDX-License-Identifier: Apache-2.0 */
/* Rows and their numbers; see tls_result.h. */
#include "bench/tls/tls_result.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NAN is a float. */
#define UNKNOWN	      ((double)NAN)
#define MIB	      1048576.0
#define NS_PER_US     1000.0
#define NS_PER_SECOND 1e9

const char *tls_metric_key(enum tls_metric metric)
{
	static const char *const keys[TLS_METRICS] = {
		[TLS_RATE] = "rate",
		[TLS_MESSAGE_RATE] = "messages_per_s",
		[TLS_CLIENT_CPU] = "client_cpu_us",
		[TLS_CLIENT_USER] = "client_user_us",
		[TLS_CLIENT_SYSTEM] = "client_system_us",
		[TLS_CLIENT_WORKER] = "client_io_wq_us",
		[TLS_CLIENT_INSTRUCTIONS] = "client_instructions",
		[TLS_CLIENT_CYCLES] = "client_cycles",
		[TLS_CLIENT_SWITCHES] = "client_switches",
		[TLS_CLIENT_WORKERS] = "client_io_wq_threads",
		[TLS_CLIENT_KTHREADS] = "client_kthreads_us",
		[TLS_CLIENT_SOFTIRQ] = "client_softirq_us",
		[TLS_CLIENT_INSTALL] = "client_install_us",
		[TLS_CLIENT_DERIVE] = "client_derive_us",
		[TLS_SERVER_CPU] = "server_cpu_us",
		[TLS_SERVER_USER] = "server_user_us",
		[TLS_SERVER_SYSTEM] = "server_system_us",
		[TLS_SERVER_WORKER] = "server_io_wq_us",
		[TLS_SERVER_INSTRUCTIONS] = "server_instructions",
		[TLS_SERVER_CYCLES] = "server_cycles",
		[TLS_SERVER_SWITCHES] = "server_switches",
		[TLS_SERVER_WORKERS] = "server_io_wq_threads",
		[TLS_SERVER_KTHREADS] = "server_kthreads_us",
		[TLS_SERVER_SOFTIRQ] = "server_softirq_us",
		[TLS_SERVER_INSTALL] = "server_install_us",
		[TLS_SERVER_DERIVE] = "server_derive_us",
	};

	return keys[metric];
}

int tls_row_init(struct tls_row *row, const struct tls_case *c,
		 unsigned repeats)
{
	*row = (struct tls_row){.c = *c};
	row->values =
		calloc((size_t)repeats * TLS_METRICS, sizeof(*row->values));
	return row->values ? 0 : -ENOMEM;
}

void tls_row_free(struct tls_row *row)
{
	free(row->values);
	row->values = NULL;
}

/* MiB, messages or handshakes in a run. */
static double units(const struct tls_row *row)
{
	double messages = (double)row->messages;

	if (row->c.path->test == TLS_TEST_HANDSHAKE)
		return messages;
	if (row->c.path->test == TLS_TEST_EXCHANGE)
		return messages * row->c.connections;
	return messages * row->c.connections * (double)row->c.size / MIB;
}

static void put_end(double *values, const struct tls_usage *u, double n)
{
	const enum tls_metric base = TLS_CLIENT_CPU;

	values[TLS_CLIENT_CPU - base] = (double)u->cpu_ns / NS_PER_US / n;
	values[TLS_CLIENT_USER - base] = (double)u->user_ns / NS_PER_US / n;
	values[TLS_CLIENT_SYSTEM - base] = (double)u->system_ns / NS_PER_US / n;
	values[TLS_CLIENT_WORKER - base] = (double)u->worker_ns / NS_PER_US / n;
	values[TLS_CLIENT_INSTRUCTIONS - base] =
		u->has_instructions ? (double)u->instructions / n : UNKNOWN;
	values[TLS_CLIENT_CYCLES - base] =
		u->has_cycles ? (double)u->cycles / n : UNKNOWN;
	values[TLS_CLIENT_SWITCHES - base] =
		(double)(u->waits + u->preempted) / n;
	values[TLS_CLIENT_WORKERS - base] = (double)u->workers;
	values[TLS_CLIENT_KTHREADS - base] =
		u->has_kthread ? (double)u->kthread_ns / NS_PER_US / n
			       : UNKNOWN;
	values[TLS_CLIENT_SOFTIRQ - base] =
		u->has_softirq ? (double)u->softirq_ns / NS_PER_US / n
			       : UNKNOWN;
}

static double install(uint64_t ns, uint64_t count)
{
	return count ? (double)ns / NS_PER_US / (double)count : UNKNOWN;
}

void tls_row_add(struct tls_row *row, const struct tls_sample *sample)
{
	double *v = row->values + (size_t)row->repeats * TLS_METRICS;
	double seconds = (double)sample->client.wall_ns / NS_PER_SECOND;
	double n = units(row);
	bool shakes = row->c.path->test == TLS_TEST_HANDSHAKE;

	for (int m = 0; m < TLS_METRICS; m++)
		v[m] = UNKNOWN;
	v[TLS_RATE] = n / seconds;
	if (!shakes)
		v[TLS_MESSAGE_RATE] =
			(double)row->messages * row->c.connections / seconds;
	put_end(v + TLS_CLIENT_CPU, &sample->client, n);
	put_end(v + TLS_SERVER_CPU, &sample->server, n);
	v[TLS_CLIENT_INSTALL] =
		install(sample->client_install_ns, sample->installs);
	v[TLS_SERVER_INSTALL] =
		install(sample->server_install_ns, sample->installs);
	v[TLS_CLIENT_DERIVE] =
		install(sample->client_derive_ns, sample->installs);
	v[TLS_SERVER_DERIVE] =
		install(sample->server_derive_ns, sample->installs);
	row->repeats++;
}

int tls_row_stats(const struct tls_row *row, enum tls_metric metric,
		  struct tls_stats *out)
{
	double *column = calloc(row->repeats + 1u, sizeof(*column));
	int err;

	if (!column)
		return -ENOMEM;
	for (unsigned i = 0; i < row->repeats; i++)
		column[i] = row->values[(size_t)i * TLS_METRICS + metric];
	err = tls_stats_of(column, row->repeats, out);
	free(column);
	return err;
}

const char *tls_row_tls(const struct tls_row *row)
{
	return row->c.path->layer == TLS_LAYER_PLAIN
		       ? "none"
		       : ktls_version_name(row->c.version);
}

const char *tls_row_cipher(const struct tls_row *row)
{
	return row->c.path->layer == TLS_LAYER_PLAIN
		       ? "none"
		       : ktls_cipher_name(row->c.cipher);
}

const char *tls_copies_text(const struct tls_row *row, char buf[16])
{
	int copies = row->c.path->copies;

	buf[0] = '\0';
	if (row->c.path->test != TLS_TEST_HANDSHAKE &&
	    copies != TLS_COPIES_UNKNOWN)
		snprintf(buf, 16, "%d", copies);
	return buf;
}

void tls_result_free(struct tls_result *result)
{
	json_decref(result->client);
	json_decref(result->server);
	for (size_t i = 0; i < result->count; i++)
		tls_row_free(&result->rows[i]);
	free(result->rows);
	*result = (struct tls_result){0};
}
