/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a rule in the sink's script, and how their values are written.
 * Private to sink_script*.c. */
#ifndef BENCH_SINK_SCRIPT_KEY_H
#define BENCH_SINK_SCRIPT_KEY_H

#include "bench/bench_yaml.h"
#include "bench/sink/sink_rule.h"

struct sink_script {
	struct bench_yaml yaml;
	bool no_memory;
};

/* The value of a key of a mapping; NULL: it has none such. */
struct fy_node *sink_script_key(struct fy_node *mapping, const char *key);

/* All keys of `node`, a mapping, into *rule; mistakes are told. */
void sink_script_read_keys(struct sink_script *script, struct fy_node *node,
			   struct sink_rule *rule);

#endif
