/* SPDX-License-Identifier: Apache-2.0 */
/* ringpost-bench verify: compares a source's and a sink's ledger. */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sysexits.h>

#include <jansson.h>

#include "bench/bench_cmd.h"
#include "bench/bench_opt.h"
#include "bench/bench_verify.h"

/* Something was lost, repeated or changed. */
enum {
	EXIT_DIFFERENT = 1
};

struct verify_config {
	const char *accepted;
	const char *delivered;
	uint64_t allow_duplicates;
	bool allow_unchecked;
	bool json;
};

#define AT(field) offsetof(struct verify_config, field)

/* clang-format off */
static const struct bench_opt options[] = {
	{"accepted", "FILE", "the source's ledger; required",
	 bench_opt_string, AT(accepted), NULL},
	{"delivered", "FILE", "the sink's ledger; required",
	 bench_opt_string, AT(delivered), NULL},
	{"allow-duplicates", "N", "duplicates that are no failure (0): a crash\nbetween a delivery and its record may make some",
	 bench_opt_u64, AT(allow_duplicates), "a number"},
	{"allow-unchecked", NULL, "sizes are enough where a hash is missing\n(--hash none)",
	 bench_opt_flag, AT(allow_unchecked), NULL},
	{"json", NULL, "print the result as JSON",
	 bench_opt_flag, AT(json), NULL},
};
/* clang-format on */

static const struct bench_opt_set option_set = {
	.command = "verify",
	.summary =
		"Compares what was answered 250 with what arrived. Exit status "
		"0: nothing lost,\nduplicated or changed; 1: something was. "
		"The last line is for scripts.",
	.opts = options,
	.count = sizeof(options) / sizeof(options[0]),
};

static const char *bodies(const struct verify_config *config,
			  const struct bench_verify *v)
{
	if (v->different)
		return "different";
	return v->unchecked && !config->allow_unchecked ? "unchecked" : "equal";
}

static void print_text(const struct verify_config *config,
		       const struct bench_verify *v)
{
	if (v->partial)
		printf("lost for some recipients only: %llu\n",
		       (unsigned long long)v->partial);
	if (v->different)
		printf("copies with another body: %llu\n",
		       (unsigned long long)v->different);
	if (v->unchecked)
		printf("copies without a hash to compare: %llu\n",
		       (unsigned long long)v->unchecked);
	if (v->extra)
		printf("copies of what was never seen accepted: %llu\n",
		       (unsigned long long)v->extra);
	if (v->foreign)
		printf("copies without an id: %llu\n",
		       (unsigned long long)v->foreign);
	if (v->torn)
		printf("ledgers with a torn last line: %llu\n",
		       (unsigned long long)v->torn);
	printf("accepted=%llu delivered=%llu lost=%llu duplicated=%llu "
	       "bodies=%s\n",
	       (unsigned long long)v->accepted,
	       (unsigned long long)v->delivered, (unsigned long long)v->lost,
	       (unsigned long long)v->duplicated, bodies(config, v));
}

static int print_json(const struct verify_config *config,
		      const struct bench_verify *v)
{
	json_t *root = json_pack(
		"{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:s}", "accepted",
		(json_int_t)v->accepted, "delivered", (json_int_t)v->delivered,
		"lost", (json_int_t)v->lost, "partial", (json_int_t)v->partial,
		"duplicated", (json_int_t)v->duplicated, "different",
		(json_int_t)v->different, "unchecked", (json_int_t)v->unchecked,
		"extra", (json_int_t)v->extra, "foreign",
		(json_int_t)v->foreign, "torn", (json_int_t)v->torn, "bodies",
		bodies(config, v));

	if (!root || json_dumpf(root, stdout, JSON_PRESERVE_ORDER))
		return EX_IOERR;
	json_decref(root);
	putchar('\n');
	return EX_OK;
}

static bool good(const struct verify_config *config,
		 const struct bench_verify *v)
{
	return !v->lost && v->duplicated <= config->allow_duplicates &&
	       !v->different && (!v->unchecked || config->allow_unchecked);
}

int cmd_verify(int argc, char **argv)
{
	struct verify_config config = {0};
	struct bench_verify v;
	char error[512];
	int status = bench_opt_parse(&option_set, &config, argc, argv);
	int err;

	if (status != BENCH_OPT_GO)
		return status;
	if (!config.accepted || !config.delivered) {
		fprintf(stderr, "ringpost-bench verify: --accepted and "
				"--delivered are required\n");
		return EX_USAGE;
	}
	err = bench_verify(config.accepted, config.delivered, &v,
			   config.json ? stderr : stdout, error, sizeof(error));
	if (err) {
		fprintf(stderr, "ringpost-bench verify: %s\n", error);
		return err == -EINVAL ? EX_DATAERR : EX_NOINPUT;
	}
	status = EX_OK;
	if (config.json)
		status = print_json(&config, &v);
	else
		print_text(&config, &v);
	if (status)
		return status;
	return good(&config, &v) ? EX_OK : EXIT_DIFFERENT;
}
