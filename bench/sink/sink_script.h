/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sink's script: a YAML file with a list of rules. Its keys are described
 * in docs/man/ringpost-bench-sink.1.
 */
#ifndef BENCH_SINK_SCRIPT_H
#define BENCH_SINK_SCRIPT_H

#include <stdio.h>

#include "bench/sink/sink_rule.h"

/*
 * Appends the rules of `path` to *rules. 0, or -EINVAL, -ENOMEM or -errno of
 * the file: what is wrong has been told to `complaints` as
 * FILE:LINE:COLUMN, all mistakes at once.
 */
int sink_script_read(const char *path, struct sink_rules *rules,
		     FILE *complaints);

#endif
