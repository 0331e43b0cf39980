/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `ringpost spool check` and `recover` found and did, for printing.
 */
#ifndef GATEWAY_CLI_CLI_SPOOL_H
#define GATEWAY_CLI_CLI_SPOOL_H

#include <stdbool.h>
#include <stdio.h>

#include "gateway/spool/spool_inspect.h"

enum {
	CLI_SPOOL_PROBLEMS = 1000, /* told one by one; the rest is counted */
};

struct cli_spool_problem {
	struct spool_damage damage; /* its message pointer is stale */
	uint64_t id;		    /* MESSAGE */
};

/* One log. */
struct cli_spool_log {
	char *path; /* owned */
	int error;  /* it couldn't be read, or recovered: why */
	char error_text[256];
	struct spool_inspection found;
	bool repaired; /* by recover: */
	struct spool_repaired repair;
	struct cli_spool_problem *problems; /* owned */
	size_t problem_count, problems_more;
};

struct cli_spool {
	const char *folder; /* as given */
	bool recover;	    /* else: check */
	bool good;	    /* nothing that a client was promised is lost */
	struct cli_spool_log *logs; /* owned */
	size_t log_count;
};

void cli_spool_print_text(const struct cli_spool *spool, FILE *out);
/* 0 or -errno. */
int cli_spool_print_json(const struct cli_spool *spool, FILE *out);

/* "torn", "damaged", ... */
const char *cli_spool_kind(enum spool_damage_kind kind);

#endif
