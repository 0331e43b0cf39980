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
#include "bench/source_run.h"

#define AT(field) offsetof(struct source_config, field)

/* clang-format off */
static const struct bench_opt options[] = {
	{"to", "HOST:PORT", "the server; required",
	 bench_opt_addr, AT(to), "host:port or [v6]:port"},
	{"connections", "N", "connections at a time, a thread each (1)",
	 bench_opt_count, AT(connections), "a number above 0"},
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
	printf("seconds      %.3f\n", t->seconds);
	printf("messages/s   %.1f\n", (double)t->accepted / t->seconds);
	printf("MB/s         %.2f\n", (double)t->octets / t->seconds / 1e6);
}

static int print_json(const struct source_totals *t, uint64_t not_tried)
{
	json_t *root = json_pack(
		"{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,"
		"s:s,s:f,s:f,s:f}",
		"accepted", (json_int_t)t->accepted, "refused",
		(json_int_t)t->refused, "deferred", (json_int_t)t->deferred,
		"unfit", (json_int_t)t->unfit, "failed", (json_int_t)t->failed,
		"not_tried", (json_int_t)not_tried, "retried",
		(json_int_t)t->retried, "by_bdat", (json_int_t)t->by_bdat,
		"rcpts_accepted", (json_int_t)t->rcpts_accepted,
		"rcpts_refused", (json_int_t)t->rcpts_refused, "octets",
		(json_int_t)t->octets, "connections",
		(json_int_t)t->connections, "connect_failures",
		(json_int_t)t->connect_failures, "handshakes",
		(json_int_t)t->handshakes, "resumed", (json_int_t)t->resumed,
		"tls", t->tls, "seconds", t->seconds, "messages_per_second",
		(double)t->accepted / t->seconds, "mb_per_second",
		(double)t->octets / t->seconds / 1e6);

	if (!root || json_dumpf(root, stdout, JSON_PRESERVE_ORDER))
		return EX_IOERR;
	json_decref(root);
	putchar('\n');
	return EX_OK;
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
