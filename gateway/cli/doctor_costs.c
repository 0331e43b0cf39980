/* SPDX-License-Identifier: Apache-2.0 */
/* What goes worse when a feature isn't there. */
#include <string.h>

#include "gateway/cli/doctor.h"

/* clang-format off */
static const struct {
	const char *name, *cost;
} costs[] = {
	{"single_issuer", "more locking in the kernel per submission"},
	{"defer_taskrun", "completions interrupt the worker"},
	{"coop_taskrun", "completions interrupt the worker, across cores too"},
	{"ext_arg", "one more operation for every wait with a timer"},
	{"registered_ring", "one look-up of a descriptor per system call"},
	{"iowq_max", "the kernel may start many threads for a slow disk"},
	{"op_splice", "bytes can't move without user space; sends from the "
		      "mapped log don't need it"},
	{"op_shutdown", "a system call beside the ring per closed connection"},
	{"op_unlinkat", "a system call that waits, per deleted segment"},
	{"op_renameat", "a system call that waits, per renamed file"},
	{"op_msg_ring", "workers wake each other by eventfd"},
	{"op_socket", "a system call per outbound connection"},
	{"op_send_zc", "nothing under TLS"},
	{"provide_buffers", "every waiting connection holds a buffer"},
	{"buf_ring", "an operation per buffer given back"},
	{"multishot_accept", "an operation per accepted connection"},
	{"multishot_recv", "an operation per receive, and one more per TLS "
			   "control record"},
	{"cancel_fd", "operations are cancelled one by one"},
	{"sendmsg_control", "TLS alerts are sent by a plain system call"},
};

static const struct doctor_ktls_extra extras[] = {
	{"rekey_tx", "6.14", "ringpost can't change its sending key on such a "
			     "connection", offsetof(struct ktls_caps, rekey_tx)},
	{"rekey_rx", "6.14", "a peer that changes its key (KeyUpdate) loses "
			     "the connection, in order, and has to come again",
	 offsetof(struct ktls_caps, rekey_rx)},
	{"no_pad", "6.0", "received TLS 1.3 records are copied once more",
	 offsetof(struct ktls_caps, no_pad)},
	{"max_payload", "the newest kernels",
	 "peers that ask for small records stay in user space",
	 offsetof(struct ktls_caps, max_payload)},
};
/* clang-format on */

const char *doctor_uring_cost(const char *name)
{
	for (size_t i = 0; i < sizeof(costs) / sizeof(costs[0]); i++) {
		if (strcmp(costs[i].name, name) == 0)
			return costs[i].cost;
	}
	return "unknown";
}

const struct doctor_ktls_extra *doctor_ktls_extras(size_t *count)
{
	*count = sizeof(extras) / sizeof(extras[0]);
	return extras;
}
