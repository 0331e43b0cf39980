/* SPDX-License-Identifier: Apache-2.0 */
/* ringpost-bench source: options in, report out. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <jansson.h>

#include "bench/bench_cmd.h"
#include "bench/bench_opt.h"
#include "bench/source/source_run.h"

#define AT(field) offsetof(struct source_config, field)

/* clang-format off */
static const struct bench_opt options[] = {
	{"to", "HOST:PORT", "the server; required",
	 bench_opt_addr, AT(to), "host:port or [v6]:port"},
	{"connections", "N", "connections at a time, a thread each (1)",
	 bench_opt_count, AT(connections), "a number above 0"},
	{"connect-first", NULL, "open all connections before sending, keep them\nto the end; the time of both is not counted",
	 bench_opt_flag, AT(connect_first), NULL},
	{"messages", "N", "messages in all (1)",
	 bench_opt_u64, AT(messages), "a number"},
	{"per-connection", "N", "messages before QUIT and a new connection\n(0: no limit)",
	 bench_opt_u64, AT(per_connection), "a number"},
	{"size", "SIZE[-SIZE]", "octets of a message, as 4K or 1K-5M\n(log-uniform) (4K)",
	 bench_opt_sizes, AT(plan.size), "a size such as 4K or 1K-5M"},
	{"seed", "N", "same seed, same mail (1)",
	 bench_opt_u64, AT(plan.seed), "a number"},
	{"run", "NAME", "front part of the ids (s<seed>)",
	 bench_opt_string, AT(plan.run), NULL},
	{"tls", "MODE", "none, starttls or implicit (starttls)",
	 bench_tls_mode_opt, AT(tls), "none, starttls or implicit"},
	{"tls-version", "VERSION", "1.2, 1.3 or 1.2-1.3 (1.2-1.3)",
	 bench_tls_version_opt, AT(tls_config.min_version), "1.2, 1.3 or 1.2-1.3"},
	{"cipher", "NAME", "as OpenSSL calls it; sets the version, too",
	 bench_opt_string, AT(cipher), NULL},
	{"ca", "FILE", "verify the server against this PEM file\n(not verified)",
	 bench_opt_string, AT(tls_config.ca), NULL},
	{"sni", "NAME", "server name to ask for",
	 bench_opt_string, AT(sni), NULL},
	{"resume", "yes|no", "resume TLS sessions (no)",
	 bench_opt_yes_no, AT(resume), "yes or no"},
	{"key-update", "N", "send a TLS 1.3 KeyUpdate before every Nth\nmessage of a connection (0: never)",
	 bench_opt_unsigned, AT(key_update), "a number"},
	{"key-update-ask", NULL, "the server has to answer it with its own",
	 bench_opt_flag, AT(key_update_ask), NULL},
	{"key-update-wait", "MS", "then wait so long for the server to hang up (0)",
	 bench_opt_unsigned, AT(key_update_wait), "a number"},
	{"key-update-behind", NULL, "send it behind the message, before its reply",
	 bench_opt_flag, AT(key_update_behind), NULL},
	{"bdat", "SHARE", "messages sent by BDAT where offered (0%)",
	 bench_opt_share, AT(plan.bdat_share), "a share such as 30%"},
	{"bdat-chunk", "SIZE", "octets per BDAT (whole message)",
	 bench_opt_size, AT(bdat_chunk), "a size such as 64K"},
	{"dot-lines", "SHARE", "messages with lines that start with a dot (10%)",
	 bench_opt_share, AT(plan.dot_share), "a share such as 30%"},
	{"eight-bit", "SHARE", "messages with UTF-8 text (0%)",
	 bench_opt_share, AT(plan.eight_share), "a share such as 30%"},
	{"pipelining", "yes|no", "use PIPELINING where offered (yes)",
	 bench_opt_yes_no, AT(pipelining), "yes or no"},
	{"from", "ADDRESS", "sender (sender@bench.invalid)",
	 bench_opt_string, AT(plan.from), NULL},
	{"to-domain", "DOMAIN[,...]", "recipient domains, in turn (example.test)",
	 bench_opt_string, AT(plan.domains), NULL},
	{"rcpts", "N", "recipients of each message (1)",
	 bench_opt_count, AT(plan.rcpts), "a number above 0"},
	{"helo", "NAME", "name to greet with (localhost)",
	 bench_opt_string, AT(helo), NULL},
	{"hash", "KIND", "sha256, xxh3 or none (sha256)",
	 bench_hash_opt, AT(hash), "sha256, xxh3 or none"},
	{"ledger", "FILE", "append a line for each message answered 250:\nid hash size recipients",
	 bench_opt_string, AT(ledger), NULL},
	{"retry", NULL, "send what was not answered, or 4xx, again\nunder the same id, and reconnect as needed",
	 bench_opt_flag, AT(retry), NULL},
	{"retry-delay-ms", "N", "pause before that (200)",
	 bench_opt_unsigned, AT(retry_delay_ms), "a number"},
	{"give-up", "SECONDS", "without a single 250 on a connection (60)",
	 bench_opt_unsigned, AT(give_up_s), "a number"},
	{"timeout", "SECONDS", "of each read and write (300)",
	 bench_opt_count, AT(timeout_s), "a number above 0"},
	{"progress", NULL, "show how it goes on stderr",
	 bench_opt_flag, AT(progress), NULL},
	{"json", NULL, "print the totals as JSON",
	 bench_opt_flag, AT(json), NULL},
};
/* clang-format on */

static const struct bench_opt_set option_set = {
	.command = "source",
	.summary =
		"Sends deterministic mail over SMTP. Exit status 0: every "
		"message was answered\n250; 75: some were not; 69: the server "
		"could not be reached.",
	.opts = options,
	.count = sizeof(options) / sizeof(options[0]),
};

static int refuse(const char *what)
{
	fprintf(stderr, "ringpost-bench source: %s\n", what);
	return EX_USAGE;
}

/* A cipher belongs to one TLS version; with the other it would not be used. */
static void apply_cipher(struct source_config *config)
{
	struct bench_tls_config *tls = &config->tls_config;

	if (!config->cipher)
		return;
	if (!strncmp(config->cipher, "TLS_", 4)) {
		tls->ciphersuites = config->cipher;
		tls->min_version = TLS1_3_VERSION;
	} else {
		tls->cipher = config->cipher;
		tls->max_version = TLS1_2_VERSION;
	}
}

static int check(struct source_config *config, char *run, size_t cap)
{
	const struct bench_tls_config *tls = &config->tls_config;

	if (!config->to.host[0])
		return refuse("--to HOST:PORT is required");
	if (!config->plan.run) {
		snprintf(run, cap, "s%llu",
			 (unsigned long long)config->plan.seed);
		config->plan.run = run;
	}
	if (!bench_run_valid(config->plan.run))
		return refuse("--run takes letters, digits, '.', '_' and '-'");
	apply_cipher(config);
	if (tls->max_version && tls->min_version > tls->max_version)
		return refuse("--cipher and --tls-version don't go together");
	if (strlen(config->plan.from) > 320 || strlen(config->helo) > 255)
		return refuse("an address or name is too long");
	return EX_OK;
}

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

static int print_json(const struct source_totals *t, uint64_t not_tried)
{
	json_t *root = to_json(t, not_tried);
	int err = !root || json_dumpf(root, stdout, JSON_PRESERVE_ORDER);

	json_decref(root);
	putchar('\n');
	return err ? EX_IOERR : EX_OK;
}

static int report(const struct source_config *config,
		  const struct source_totals *t)
{
	uint64_t not_tried = config->messages - t->accepted - not_accepted(t);
	int status = EX_OK;

	if (config->json)
		status = print_json(t, not_tried);
	else
		print_text(t, not_tried);
	if (status || t->ledger_errors)
		return EX_IOERR;
	if (config->messages && !t->connections)
		return EX_UNAVAILABLE;
	return t->accepted == config->messages ? EX_OK : EX_TEMPFAIL;
}

int cmd_source(int argc, char **argv)
{
	struct source_config config = {
		.connections = 1,
		.messages = 1,
		.plan = {.seed = 1,
			 .size = {4096, 4096},
			 .dot_share = 100000,
			 .from = "sender@bench.invalid",
			 .domains = "example.test",
			 .rcpts = 1},
		.tls = BENCH_TLS_STARTTLS,
		.tls_config = {.tickets = -1},
		.helo = "localhost",
		.pipelining = true,
		.retry_delay_ms = 200,
		.give_up_s = 60,
		.timeout_s = 300,
	};
	struct source_totals totals;
	char run[BENCH_RUN_SIZE], error[256];
	int status = bench_opt_parse(&option_set, &config, argc, argv);

	if (status != BENCH_OPT_GO)
		return status;
	status = check(&config, run, sizeof(run));
	if (status)
		return status;
	if (source_run(&config, &totals, error, sizeof(error))) {
		fprintf(stderr, "ringpost-bench source: %s\n", error);
		return EX_CONFIG;
	}
	return report(&config, &totals);
}
