/* SPDX-License-Identifier: Apache-2.0 */
/* ringpost-bench sink: options in, report out. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include <jansson.h>

#include "bench/bench_cmd.h"
#include "bench/bench_opt.h"
#include "bench/sink/sink_run.h"
#include "bench/sink/sink_script.h"

#define AT(field) offsetof(struct sink_config, field)

/* clang-format off */
static const struct bench_opt options[] = {
	{"listen", "HOST:PORT", "where; port 0 takes a free one; required",
	 bench_opt_addr, AT(listen), "host:port or [v6]:port"},
	{"tls", "MODE", "none, starttls or implicit (starttls)",
	 bench_tls_mode_opt, AT(tls), "none, starttls or implicit"},
	{"certificate", "FILE", "PEM chain (a throw-away one is made)",
	 bench_opt_string, AT(tls_config.certificate), NULL},
	{"key", "FILE", "PEM key (in the certificate's file)",
	 bench_opt_string, AT(tls_config.key), NULL},
	{"tls-version", "VERSION", "1.2, 1.3 or 1.2-1.3 (1.2-1.3)",
	 bench_tls_version_opt, AT(tls_config.min_version), "1.2, 1.3 or 1.2-1.3"},
	{"cipher", "LIST", "TLS 1.2 ciphers as OpenSSL calls them",
	 bench_opt_string, AT(tls_config.cipher), NULL},
	{"ciphersuites", "LIST", "TLS 1.3 ciphers as OpenSSL calls them",
	 bench_opt_string, AT(tls_config.ciphersuites), NULL},
	{"tickets", "N", "TLS 1.3 session tickets; 0: none (2)",
	 bench_opt_unsigned, AT(tls_config.tickets), "a number"},
	{"key-update", "N", "send a TLS 1.3 KeyUpdate before every Nth\nfinal reply of a connection (0: never)",
	 bench_opt_unsigned, AT(key_update), "a number"},
	{"key-update-ask", NULL, "the client has to answer it with its own",
	 bench_opt_flag, AT(key_update_ask), NULL},
	{"key-update-wait", "MS", "then wait so long for the client to hang up: its\nmessage is not taken (0)",
	 bench_opt_unsigned, AT(key_update_wait), "a number"},
	{"require-tls", NULL, "refuse mail in clear",
	 bench_opt_flag, AT(require_tls), NULL},
	{"no-chunking", NULL, "don't offer BDAT",
	 bench_opt_flag, AT(no_chunking), NULL},
	{"no-pipelining", NULL, "don't offer PIPELINING, complain of its use",
	 bench_opt_flag, AT(no_pipelining), NULL},
	{"no-8bitmime", NULL, "don't offer 8BITMIME and SMTPUTF8",
	 bench_opt_flag, AT(no_eight_bit), NULL},
	{"hostname", "NAME", "in the greeting (sink.invalid)",
	 bench_opt_string, AT(hostname), NULL},
	{"hash", "KIND", "sha256, xxh3 or none (sha256)",
	 bench_hash_opt, AT(hash), "sha256, xxh3 or none"},
	{"ledger", "FILE", "append a line for each message before it is\nanswered 250: id hash size recipients",
	 bench_opt_string, AT(ledger), NULL},
	{"save", "DIR", "keep each message there (N.eml, N.env)",
	 bench_opt_string, AT(save), NULL},
	{"ready-file", "FILE", "write HOST:PORT there once it listens",
	 bench_opt_string, AT(ready_file), NULL},
	{"ready-fd", "FD", "write it to this descriptor and close it",
	 bench_opt_count, AT(ready_fd), "a descriptor above 0"},
	{"max-connections", "N", "at a time (4096)",
	 bench_opt_count, AT(max_connections), "a number above 0"},
	{"max-rcpts", "N", "recipients of a message (1000)",
	 bench_opt_count, AT(max_rcpts), "a number above 0"},
	{"max-size", "SIZE", "octets of a message (1G)",
	 bench_opt_size, AT(max_size), "a size such as 50M"},
	{"timeout", "SECONDS", "of each read and write (300)",
	 bench_opt_count, AT(timeout_s), "a number above 0"},
	{"grace", "SECONDS", "for messages under way at SIGTERM (10)",
	 bench_opt_unsigned, AT(grace_s), "a number"},
	{"script", "FILE", "rules for what to do wrong, in YAML; they stand\nbehind those of the options below",
	 bench_opt_string, AT(script), NULL},
	{"delay-ms", "[PHASE=]N", "pause before the reply of a phase (eod)",
	 sink_rule_delay_opt, AT(rules), "a number of ms or phase=ms"},
	{"reply", "PHASE=CODE[:SHARE]", "answer with 4xx or 5xx; may be repeated.\nPhases: connect ehlo starttls mail rcpt data\neod (whole message, not noted)\nack (noted, but no 250) done (answered)\nrset quit",
	 sink_rule_reply_opt, AT(rules), "a rule such as rcpt=450:30%"},
	{"disconnect", "PHASE[:SHARE]", "hang up instead of answering; also: handshake\nbody",
	 sink_rule_disconnect_opt, AT(rules), "a rule such as eod:10%"},
	{"close-after", "N", "421 after N messages of a connection",
	 bench_opt_unsigned, AT(close_after), "a number"},
	{"slow-read", "SIZE", "octets read per second and connection",
	 bench_opt_size, AT(slow_read), "a size such as 10K"},
	{"seed", "N", "of the script's dice (1)",
	 bench_opt_u64, AT(seed), "a number"},
	{"progress", NULL, "show how it goes on stderr",
	 bench_opt_flag, AT(progress), NULL},
	{"json", NULL, "print the totals as JSON",
	 bench_opt_flag, AT(json), NULL},
};
/* clang-format on */

static const struct bench_opt_set option_set = {
	.command = "sink",
	.summary = "Accepts mail, hashes it and throws it away; prints totals "
		   "after SIGTERM or\nSIGINT. It can be told to fail.",
	.opts = options,
	.count = sizeof(options) / sizeof(options[0]),
};

static double rate(uint64_t what, const struct sink_totals *t)
{
	return t->last > t->first ? (double)what / (t->last - t->first) : 0;
}

static void print_row(const char *name, uint64_t value)
{
	printf("%-18s %llu\n", name, (unsigned long long)value);
}

static void print_text(const struct sink_totals *t)
{
	print_row("messages", t->messages);
	print_row("duplicates", t->duplicates);
	print_row("without id", t->foreign);
	print_row("by BDAT", t->by_bdat);
	print_row("in clear", t->in_clear);
	print_row("recipients", t->rcpts);
	print_row("octets", t->octets);
	print_row("connections", t->connections);
	printf("%-18s %llu (%llu resumed, %llu failed) %s\n", "handshakes",
	       (unsigned long long)t->handshakes,
	       (unsigned long long)t->resumed,
	       (unsigned long long)t->handshake_failures, t->tls);
	printf("%-18s %llu in order, %llu not\n", "TLS ends",
	       (unsigned long long)t->tls_clean_ends,
	       (unsigned long long)t->tls_unclean_ends);
	printf("%-18s %llu sent, %llu seen\n", "key updates",
	       (unsigned long long)t->key_updates_sent,
	       (unsigned long long)t->key_updates_seen);
	print_row("scripted faults", t->faults);
	print_row("greylisted", t->greylisted);
	print_row("bare CR", t->bare_cr);
	print_row("bare LF", t->bare_lf);
	print_row("lines over 998", t->long_lines);
	print_row("client errors", t->protocol_errors);
	print_row("ledger errors", t->ledger_errors);
	printf("%-18s %.3f\n", "seconds", t->last - t->first);
	printf("%-18s %.1f\n", "messages/s", rate(t->messages, t));
	printf("%-18s %.2f\n", "MB/s", rate(t->octets, t) / 1e6);
}

static void put(json_t *root, const char *name, uint64_t value)
{
	json_object_set_new(root, name, json_integer((json_int_t)value));
}

/* How often each rule of the script struck, and in which line it stands. */
static json_t *rules_to_json(const struct sink_rules *rules,
			     const struct sink_totals *t)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < rules->count; i++) {
		json_t *row = json_object();

		put(row, "line", rules->list[i].line);
		put(row, "struck", t->struck[i]);
		json_array_append_new(list, row);
	}
	return list;
}

static void print_rules(const struct sink_rules *rules,
			const struct sink_totals *t)
{
	char name[32];

	for (unsigned i = 0; i < rules->count; i++) {
		if (!rules->list[i].line)
			continue;
		snprintf(name, sizeof(name), "rule in line %u",
			 rules->list[i].line);
		print_row(name, t->struck[i]);
	}
}

static json_t *to_json(const struct sink_rules *rules,
		       const struct sink_totals *t)
{
	json_t *root = json_object();

	put(root, "messages", t->messages);
	put(root, "duplicates", t->duplicates);
	put(root, "foreign", t->foreign);
	put(root, "by_bdat", t->by_bdat);
	put(root, "in_clear", t->in_clear);
	put(root, "rcpts", t->rcpts);
	put(root, "octets", t->octets);
	put(root, "connections", t->connections);
	put(root, "handshakes", t->handshakes);
	put(root, "handshake_failures", t->handshake_failures);
	put(root, "resumed", t->resumed);
	put(root, "tls_clean_ends", t->tls_clean_ends);
	put(root, "tls_unclean_ends", t->tls_unclean_ends);
	put(root, "key_updates_sent", t->key_updates_sent);
	put(root, "key_updates_seen", t->key_updates_seen);
	put(root, "key_updates_final", t->key_updates_final);
	put(root, "faults", t->faults);
	put(root, "greylisted", t->greylisted);
	json_object_set_new(root, "rules", rules_to_json(rules, t));
	put(root, "bare_cr", t->bare_cr);
	put(root, "bare_lf", t->bare_lf);
	put(root, "long_lines", t->long_lines);
	put(root, "protocol_errors", t->protocol_errors);
	put(root, "ledger_errors", t->ledger_errors);
	json_object_set_new(root, "tls", json_string(t->tls));
	json_object_set_new(root, "seconds", json_real(t->last - t->first));
	json_object_set_new(root, "messages_per_second",
			    json_real(rate(t->messages, t)));
	json_object_set_new(root, "mb_per_second",
			    json_real(rate(t->octets, t) / 1e6));
	return root;
}

static int print_json(const struct sink_rules *rules,
		      const struct sink_totals *t)
{
	json_t *root = to_json(rules, t);
	int err = !root || json_dumpf(root, stdout, JSON_PRESERVE_ORDER);

	json_decref(root);
	putchar('\n');
	return err ? EX_IOERR : EX_OK;
}

static int check(const struct sink_config *config)
{
	const char *wrong = NULL;

	if (!config->listen.host[0])
		wrong = "--listen HOST:PORT is required";
	else if (config->tls_config.key && !config->tls_config.certificate)
		wrong = "--key needs --certificate";
	else if (config->require_tls && config->tls == BENCH_TLS_NONE)
		wrong = "--require-tls and --tls none don't go together";
	else if (strlen(config->hostname) > 255)
		wrong = "--hostname is too long";
	if (!wrong)
		return EX_OK;
	fprintf(stderr, "ringpost-bench sink: %s\n", wrong);
	return EX_USAGE;
}

static int exit_status(int err)
{
	switch (-err) {
	case EADDRINUSE:
	case EADDRNOTAVAIL:
		return EX_UNAVAILABLE;
	case EACCES:
		return EX_NOPERM;
	case EINVAL:
		return EX_CONFIG;
	default:
		return EX_OSERR;
	}
}

static int run(struct sink_config *config)
{
	struct sink_totals totals;
	char error[256];
	int err;

	if (config->script &&
	    sink_script_read(config->script, &config->rules, stderr))
		return EX_CONFIG;
	err = sink_run(config, &totals, error, sizeof(error));
	if (err) {
		fprintf(stderr, "ringpost-bench sink: %s\n", error);
		return exit_status(err);
	}
	if (config->json)
		return print_json(&config->rules, &totals);
	print_text(&totals);
	print_rules(&config->rules, &totals);
	return EX_OK;
}

int cmd_sink(int argc, char **argv)
{
	struct sink_config config = {
		.tls = BENCH_TLS_STARTTLS,
		.tls_config = {.tickets = -1},
		.hostname = "sink.invalid",
		.max_connections = 4096,
		.max_rcpts = 1000,
		.max_size = 1ull << 30,
		.timeout_s = 300,
		.grace_s = 10,
		.seed = 1,
	};
	int status = bench_opt_parse(&option_set, &config, argc, argv);

	if (status == BENCH_OPT_GO) {
		status = check(&config);
		if (status == EX_OK)
			status = run(&config);
	}
	sink_rules_free(&config.rules);
	return status;
}
