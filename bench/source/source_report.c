/* SPDX-License-Identifier: Apache-2.0 */
/* The source's totals and latencies; see source_report.h. */
#include "bench/source/source_report.h"

#include <stdio.h>
#include <sysexits.h>

#include <jansson.h>

#include "bench/bench_latency.h"

static uint64_t not_accepted(const struct source_totals *t)
{
	return t->refused + t->deferred + t->unfit + t->failed;
}

static void print_text(const struct source_totals *t, uint64_t not_tried)
{
	printf("accepted     %llu (%llu by BDAT)\n",
	       (unsigned long long)t->accepted, (unsigned long long)t->by_bdat);
	printf("refused      %llu\n", (unsigned long long)t->refused);
	printf("deferred     %llu\n", (unsigned long long)t->deferred);
	printf("failed       %llu\n",
	       (unsigned long long)(t->failed + t->unfit));
	if (not_tried)
		printf("not tried    %llu\n", (unsigned long long)not_tried);
	printf("sent again   %llu\n", (unsigned long long)t->retried);
	printf("recipients   %llu accepted, %llu refused\n",
	       (unsigned long long)t->rcpts_accepted,
	       (unsigned long long)t->rcpts_refused);
	printf("connections  %llu (%llu could not be made)\n",
	       (unsigned long long)t->connections,
	       (unsigned long long)t->connect_failures);
	printf("handshakes   %llu (%llu resumed) %s\n",
	       (unsigned long long)t->handshakes,
	       (unsigned long long)t->resumed, t->tls);
	printf("TLS ends     %llu in order, %llu not\n",
	       (unsigned long long)t->tls_clean_ends,
	       (unsigned long long)t->tls_unclean_ends);
	printf("seconds      %.3f\n", t->seconds);
	printf("messages/s   %.1f\n", (double)t->accepted / t->seconds);
	printf("MB/s         %.2f\n", (double)t->octets / t->seconds / 1e6);
}

static void print_latency(const struct source_config *config,
			  const struct source_latency *latency)
{
	struct bench_latency rows[SOURCE_PHASES];

	source_latency_rows(latency, rows);
	putchar('\n');
	bench_latency_print(stdout, rows, SOURCE_PHASES);
	if (config->rate > 0)
		printf("message: from the moment it was due, at %g a second, "
		       "to its reply\n",
		       config->rate);
}

static void put(json_t *root, const char *name, uint64_t value)
{
	json_object_set_new(root, name, json_integer((json_int_t)value));
}

static json_t *to_json(const struct source_totals *t, uint64_t not_tried)
{
	json_t *root = json_object();

	put(root, "accepted", t->accepted);
	put(root, "refused", t->refused);
	put(root, "deferred", t->deferred);
	put(root, "unfit", t->unfit);
	put(root, "failed", t->failed);
	put(root, "not_tried", not_tried);
	put(root, "retried", t->retried);
	put(root, "by_bdat", t->by_bdat);
	put(root, "rcpts_accepted", t->rcpts_accepted);
	put(root, "rcpts_refused", t->rcpts_refused);
	put(root, "octets", t->octets);
	put(root, "connections", t->connections);
	put(root, "connect_failures", t->connect_failures);
	put(root, "handshakes", t->handshakes);
	put(root, "resumed", t->resumed);
	put(root, "tickets", t->tickets);
	put(root, "key_updates_sent", t->key_updates_sent);
	put(root, "key_updates_seen", t->key_updates_seen);
	put(root, "key_updates_final", t->key_updates_final);
	put(root, "tls_clean_ends", t->tls_clean_ends);
	put(root, "tls_unclean_ends", t->tls_unclean_ends);
	put(root, "ledger_errors", t->ledger_errors);
	json_object_set_new(root, "tls", json_string(t->tls));
	json_object_set_new(root, "seconds", json_real(t->seconds));
	json_object_set_new(root, "messages_per_second",
			    json_real((double)t->accepted / t->seconds));
	json_object_set_new(root, "mb_per_second",
			    json_real((double)t->octets / t->seconds / 1e6));
	return root;
}

static int print_json(const struct source_config *config,
		      const struct source_totals *t, uint64_t not_tried,
		      const struct source_latency *latency)
{
	struct bench_latency rows[SOURCE_PHASES];
	json_t *root = to_json(t, not_tried);
	int err;

	source_latency_rows(latency, rows);
	json_object_set_new(root, "rate",
			    config->rate > 0 ? json_real(config->rate)
					     : json_null());
	json_object_set_new(root, "latency",
			    bench_latency_json(rows, SOURCE_PHASES));
	err = !root || json_dumpf(root, stdout, JSON_PRESERVE_ORDER);
	json_decref(root);
	putchar('\n');
	return err ? EX_IOERR : EX_OK;
}

int source_report(const struct source_config *config,
		  const struct source_totals *t,
		  const struct source_latency *latency)
{
	uint64_t not_tried = config->messages - t->accepted - not_accepted(t);
	int status = EX_OK;

	if (config->json) {
		status = print_json(config, t, not_tried, latency);
	} else {
		print_text(t, not_tried);
		print_latency(config, latency);
	}
	if (status || t->ledger_errors)
		return EX_IOERR;
	if (config->messages && !t->connections)
		return EX_UNAVAILABLE;
	return t->accepted == config->messages ? EX_OK : EX_TEMPFAIL;
}
