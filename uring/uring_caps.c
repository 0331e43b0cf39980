/* SPDX-License-Identifier: Apache-2.0 */
/* The table of features, and forced older sets of them. */
#include "uring/uring_caps.h"

#include <errno.h>
#include <string.h>

#include "uring/uring_internal.h"

/* clang-format off */
#define ROW(member, version, use) \
	{#member, use, version, offsetof(struct uring_caps, member)}

static const struct uring_cap_row rows[] = {
	ROW(single_issuer, "6.0", "ring set-up: one thread submits, cheaper locking"),
	ROW(defer_taskrun, "6.1", "ring set-up: completions run when the worker asks"),
	ROW(coop_taskrun, "5.19", "ring set-up: completions without an interrupt"),
	ROW(ext_arg, "5.11", "waiting with a timeout in one call"),
	ROW(registered_ring, "5.18", "cheaper system calls on the ring"),
	ROW(iowq_max, "5.15", "limit on the kernel's worker threads"),
	ROW(op_splice, "5.7", "moving bytes between sockets, pipes and files"),
	ROW(op_shutdown, "5.11", "shutdown without a system call"),
	ROW(op_unlinkat, "5.11", "removing spool segments"),
	ROW(op_renameat, "5.11", "renaming spool segments"),
	ROW(op_msg_ring, "5.18", "messages between workers"),
	ROW(op_socket, "5.19", "opening sockets through the ring"),
	ROW(op_send_zc, "6.0", "zero-copy send (never on kernel TLS)"),
	ROW(buf_ring, "5.19", "receive buffers lent in a shared ring"),
	ROW(multishot_accept, "5.19", "one request accepts many connections"),
	ROW(multishot_recv, "6.0", "one request receives many times"),
	ROW(cancel_fd, "5.19", "cancelling all requests of a descriptor"),
	ROW(sendmsg_control, "5.11", "TLS alerts sent through the ring"),
};
/* clang-format on */

enum {
	ROWS = sizeof(rows) / sizeof(rows[0])
};

const struct uring_cap_row *uring_cap_rows(size_t *count)
{
	*count = ROWS;
	return rows;
}

static const struct {
	enum uring_level level;
	const char *name;
} levels[] = {
	{URING_LEVEL_BEST, "best"},
	{URING_LEVEL_5_10, "5.10"},
	{URING_LEVEL_5_19, "5.19"},
	{URING_LEVEL_6_1, "6.1"},
};

enum {
	LEVELS = sizeof(levels) / sizeof(levels[0])
};

int uring_level_parse(const char *text, enum uring_level *out)
{
	for (unsigned i = 0; i < LEVELS; i++) {
		if (strcmp(text, levels[i].name) == 0) {
			*out = levels[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

static unsigned digits(const char **text)
{
	unsigned n = 0;

	for (; **text >= '0' && **text <= '9'; (*text)++)
		n = n * 10 + (unsigned)(**text - '0');
	return n;
}

/* "5.19" to 5019. */
static unsigned version_number(const char *text)
{
	unsigned major = digits(&text);

	assert(*text == '.');
	text++;
	return major * 1000 + digits(&text);
}

void uring_caps_limit(struct uring_caps *caps, enum uring_level level)
{
	unsigned limit;
	bool *cap;

	assert((unsigned)level < LEVELS);
	if (level == URING_LEVEL_BEST)
		return;
	limit = version_number(levels[level].name);
	for (unsigned i = 0; i < ROWS; i++) {
		cap = (bool *)((char *)caps + rows[i].offset);
		if (version_number(rows[i].since) > limit)
			*cap = false;
	}
}
