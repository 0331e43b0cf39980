/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A crash at every point of a log's writing: whenever what is on the disk may
 * have changed, the spool is recovered from
 *  - all that was written, synced or not;
 *  - only what was synced;
 *  - what was synced and each prefix, in sectors, of what was written since;
 *  - what was synced and sectors of the rest that the seed chooses, as a disk
 *    that writes in its own order leaves them;
 * and every time all promises of spool_model.h must hold.
 *
 * SPOOL_PREFIX_SEEDS=n runs n seeds.
 */
#include "tests/unit/spool/spool_model.h"

#include <stdlib.h>
#include <string.h>

enum {
	STEPS = 120,
	SEEDS = 4,
	SECTOR = 512,
	SUBSETS = 3,
	TORN_MAX = 64, /* of a longer write: the ends, and every nth between */
};

static unsigned long crashes;

static void peek(struct model *m, enum model_loss loss, uint64_t kept)
{
	model_peek(m, loss, kept);
	crashes++;
}

static void crash_in_all_ways(struct model *m, const struct model_log *log)
{
	uint64_t sectors =
		(log->end + SECTOR - 1) / SECTOR - log->synced / SECTOR;
	uint64_t stride = sectors / TORN_MAX + 1;

	peek(m, LOSS_NONE, 0);
	if (log->end == log->synced)
		return;
	peek(m, LOSS_ALL, 0);
	for (uint64_t kept = 1; kept < sectors; kept += stride)
		peek(m, LOSS_TORN, kept);
	for (unsigned i = 0; i < SUBSETS; i++)
		peek(m, LOSS_SOME, 0);
}

static void run_seed(uint64_t seed)
{
	struct model *m = model_start(seed);
	struct model_log last = model_log(m);

	for (unsigned i = 0; i < STEPS * (model_is_small(m) ? 3 : 1); i++) {
		struct model_log log;

		model_step(m);
		log = model_log(m);
		if (log.segment == last.segment && log.synced == last.synced &&
		    log.end == last.end && log.round == last.round &&
		    log.naming == last.naming)
			continue;
		last = log;
		crash_in_all_ways(m, &log);
	}
	model_end(m);
}

static void promises_hold_at_every_prefix(void **state)
{
	const char *many = getenv("SPOOL_PREFIX_SEEDS");
	uint64_t seeds = many ? strtoull(many, NULL, 10) : SEEDS;

	for (uint64_t seed = 1; seed <= seeds; seed++)
		run_seed(seed);
	print_message("# seeds %llu crashes %lu lost 0\n",
		      (unsigned long long)seeds, crashes);
	assert_true(crashes > 100 * seeds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(promises_hold_at_every_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
