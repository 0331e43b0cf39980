/* SPDX-License-Identifier: Apache-2.0 */
/* ringpost-bench source: options in, report out. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "bench/bench_cmd.h"
#include "bench/bench_opt.h"
#include "bench/source/source_report.h"
#include "bench/source/source_run.h"

#define AT(field) offsetof(struct source_config, field)

/* RFC 5321 4.5.3.1.8 wants 100 of every server; some take many more. */
#define RCPTS_MAX 10000u

static int rcpts_opt(const char *text, void *field)
{
	struct bench_dist d;
	int err = bench_dist_parse(text, &d);

	if (err)
		return err;
	if (d.max > RCPTS_MAX)
		return -ERANGE;
	*(struct bench_dist *)field = d;
	return 0;
}

static int rate_opt(const char *text, void *field)
{
	double rate;
	int err = bench_parse_decimal(text, &rate);

	if (err)
		return err;
	if (rate <= 0 || rate > 1e9)
		return -ERANGE;
	*(double *)field = rate;
	return 0;
}

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
	{"rate", "N", "messages per second in all, each due at a moment\nof its own, from which its latency counts\n(as fast as the connections get them through)",
	 rate_opt, AT(rate), "a number above 0, such as 200 or 0.5"},
	{"size", "SIZES", "octets of a message: 4K; 1K-5M (log-uniform);\n4K:70,100K:25,1M-10M:5 (with weights);\nlognormal:MEDIAN,SIGMA[,MAX] (MAX 64M) (4K)",
	 bench_dist_opt, AT(plan.size), "4K, 1K-5M, 4K:70,100K:30 or lognormal:30K,1.5"},
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
	{"to-domain", "DOMAINS", "recipient domains: a.test,b.test (in turn);\na.test:10,b.test:1 (with weights); d#.test*1000\n(d0.test to d999.test); d#.test*1000~1.1 (the\nnth gets 1/n^1.1 of the first) (example.test)",
	 bench_opt_string, AT(domains), NULL},
	{"rcpts", "NUMBERS", "recipients of a message, written as sizes are (1)",
	 rcpts_opt, AT(plan.rcpts), "a number from 1 to 10000, such as 3, 1-50 or 1:90,20:10"},
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
	{"histogram", "FILE", "write all latencies as CSV: phase, from and to\n(nanoseconds), count, share up to there",
	 bench_opt_string, AT(histogram), NULL},
	{"json", NULL, "print the totals and latencies as JSON",
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

/* What a run needs beside its settings; all owned. */
struct source_needs {
	struct bench_domains *domains;
	struct source_latency *latency;
	FILE *histogram; /* NULL: not asked for */
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

/* Values that are not options' own: 0, or the exit status. */
static int prepare(struct source_needs *needs, struct source_config *config)
{
	char error[256];

	needs->domains =
		bench_domains_new(config->domains, error, sizeof(error));
	if (!needs->domains) {
		fprintf(stderr, "ringpost-bench source: --to-domain %s\n",
			error);
		return EX_USAGE;
	}
	config->plan.domains = needs->domains;
	needs->latency = calloc(1, sizeof(*needs->latency));
	if (!needs->latency)
		return EX_OSERR;
	if (!config->histogram)
		return EX_OK;
	needs->histogram = fopen(config->histogram, "we");
	if (needs->histogram)
		return EX_OK;
	fprintf(stderr, "ringpost-bench source: %s: %s\n", config->histogram,
		strerror(errno));
	return EX_CANTCREAT;
}

static void release(struct source_needs *needs)
{
	bench_domains_free(needs->domains);
	free(needs->latency);
	if (needs->histogram)
		fclose(needs->histogram);
}

static int write_histogram(const struct source_needs *needs)
{
	struct bench_latency rows[SOURCE_PHASES];

	if (!needs->histogram)
		return EX_OK;
	source_latency_rows(needs->latency, rows);
	if (!bench_latency_write(needs->histogram, rows, SOURCE_PHASES))
		return EX_OK;
	perror("ringpost-bench source: --histogram");
	return EX_IOERR;
}

static int run_and_report(const struct source_config *config,
			  const struct source_needs *needs)
{
	struct source_totals totals;
	char error[256];
	int status;

	if (source_run(config, &totals, needs->latency, error, sizeof(error))) {
		fprintf(stderr, "ringpost-bench source: %s\n", error);
		return EX_CONFIG;
	}
	status = source_report(config, &totals, needs->latency);
	return write_histogram(needs) ? EX_IOERR : status;
}

int cmd_source(int argc, char **argv)
{
	struct source_config config = {
		.connections = 1,
		.messages = 1,
		.plan = {.seed = 1,
			 .size = bench_dist_range(4096, 4096),
			 .rcpts = bench_dist_range(1, 1),
			 .dot_share = 100000,
			 .from = "sender@bench.invalid"},
		.domains = "example.test",
		.tls = BENCH_TLS_STARTTLS,
		.tls_config = {.tickets = -1},
		.helo = "localhost",
		.pipelining = true,
		.retry_delay_ms = 200,
		.give_up_s = 60,
		.timeout_s = 300,
	};
	struct source_needs needs = {0};
	char run[BENCH_RUN_SIZE];
	int status = bench_opt_parse(&option_set, &config, argc, argv);

	if (status != BENCH_OPT_GO)
		return status;
	status = check(&config, run, sizeof(run));
	if (!status)
		status = prepare(&needs, &config);
	if (!status)
		status = run_and_report(&config, &needs);
	release(&needs);
	return status;
}
