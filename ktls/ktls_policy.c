/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which way bytes go: the policy and its words (ktls_paths.h).
 */
#include <assert.h>
#include <stdio.h>

#include "ktls/ktls_caps.h"
#include "ktls/ktls_paths.h"

/* docs/decisions/0011-when-keys-go-into-the-kernel.md. Splice is never cheaper
 * than the mapping. */
const struct ktls_policy ktls_policy_measured = {
	.path = KTLS_PATH_AUTO,
	.splice_min = SIZE_MAX,
	.forward_min = 65536,
	.offload_min = {[KTLS_TX] = 192 * 1024, [KTLS_RX] = 384 * 1024},
};

/* Where receiving in the kernel earns little: 6.1. It is the old ones that
 * can't change keys, and nothing else tells them apart. */
#define OLD_RECEIVE_MIN (1536 * 1024)

struct ktls_policy ktls_policy_for(const struct ktls_caps *caps)
{
	struct ktls_policy policy = ktls_policy_measured;

	if (!caps->rekey_rx)
		policy.offload_min[KTLS_RX] = OLD_RECEIVE_MIN;
	return policy;
}

const char *ktls_byte_path_name(enum ktls_byte_path path)
{
	static const char *const names[KTLS_PATHS] = {
		[KTLS_PATH_AUTO] = "auto",
		[KTLS_PATH_MAPPED] = "mapped",
		[KTLS_PATH_SPLICE] = "splice",
		[KTLS_PATH_READ] = "read",
	};

	assert((unsigned)path < KTLS_PATHS);
	return names[path];
}

static enum ktls_byte_path most_used(const uint64_t bytes[KTLS_PATHS],
				     unsigned said)
{
	enum ktls_byte_path most = KTLS_PATH_AUTO;
	uint64_t max = 0;

	for (unsigned i = KTLS_PATH_MAPPED; i < KTLS_PATHS; i++) {
		if (said & 1u << i || bytes[i] <= max)
			continue;
		max = bytes[i];
		most = (enum ktls_byte_path)i;
	}
	return most;
}

const char *ktls_byte_paths_text(const uint64_t bytes[KTLS_PATHS],
				 char buf[KTLS_PATHS_TEXT])
{
	enum ktls_byte_path path;
	unsigned said = 0;
	int len = 0;

	while ((path = most_used(bytes, said)) != KTLS_PATH_AUTO) {
		said |= 1u << path;
		len += snprintf(buf + len, KTLS_PATHS_TEXT - (size_t)len,
				"%s%s", len ? "," : "",
				ktls_byte_path_name(path));
		assert(len < KTLS_PATHS_TEXT);
	}
	return said ? buf : NULL;
}

enum ktls_byte_path ktls_policy_choose(const struct ktls_policy *policy,
				       const struct ktls_choice *choice)
{
	bool splice = choice->in_file && choice->can_splice;
	enum ktls_byte_path path = policy->path;

	assert(choice->mapped || choice->in_file);
	if (!choice->in_file)
		return KTLS_PATH_MAPPED;
	if (path == KTLS_PATH_AUTO && choice->len >= policy->splice_min)
		path = KTLS_PATH_SPLICE;
	if (path == KTLS_PATH_SPLICE && !splice)
		path = KTLS_PATH_AUTO;
	if (path == KTLS_PATH_AUTO && choice->len < policy->look_min)
		path = KTLS_PATH_MAPPED;
	if (path != KTLS_PATH_SPLICE && !choice->mapped)
		path = KTLS_PATH_READ;
	return path;
}

bool ktls_policy_offload(const struct ktls_policy *policy,
			 const uint64_t expected[KTLS_DIRECTIONS])
{
	double paid = 0; /* parts of the install */

	for (unsigned dir = 0; dir < KTLS_DIRECTIONS; dir++) {
		if (expected[dir] >= policy->offload_min[dir])
			return true;
		paid += (double)expected[dir] /
			(double)policy->offload_min[dir];
	}
	return paid >= 1;
}

bool ktls_policy_forward(const struct ktls_policy *policy, uint64_t len)
{
	if (policy->path == KTLS_PATH_AUTO)
		return len >= policy->forward_min;
	return policy->path == KTLS_PATH_SPLICE;
}
