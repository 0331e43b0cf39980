/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeded lives of a spool (spool_model.h).
 * SPOOL_MODEL_SEEDS=n runs n seeds, SPOOL_MODEL_SEED=n one.
 */
#include "tests/unit/spool/spool_model.h"

#include <stdlib.h>

enum {
	STEPS = 400,
	SEEDS = 30,
};

static void run_seed(uint64_t seed)
{
	struct model *m = model_start(seed);
	unsigned steps = model_is_small(m) ? 10 * STEPS : STEPS;

	for (unsigned i = 0; i < steps; i++)
		model_step(m);
	model_end(m);
}

static void promises_hold_in_every_life(void **state)
{
	const char *one = getenv("SPOOL_MODEL_SEED");
	const char *many = getenv("SPOOL_MODEL_SEEDS");
	uint64_t seeds = many ? strtoull(many, NULL, 10) : SEEDS;

	if (one) {
		run_seed(strtoull(one, NULL, 10));
		return;
	}
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		print_message("# seed %llu\n", (unsigned long long)seed);
		run_seed(seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(promises_hold_in_every_life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
