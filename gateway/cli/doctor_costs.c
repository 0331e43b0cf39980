/* SPDX-License-Identifier: Apache-2.0 */
/* What goes worse when a feature isn't there. */
#include <string.h>

#include "gateway/cli/doctor.h"

#define UNUSED "nothing: ringpost does without it"

/* clang-format off */
static const struct {
	const char *name, *cost;
} costs[] = {
	{"single_issuer", "more locking in the kernel per submission"},
	{"defer_taskrun", "completions interrupt the worker"},
	{"coop_taskrun", "interrupts between cores for completions"},
	{"ext_arg", "one more operation for a wait with a timer"},
	{"registered_ring", "a look-up of a descriptor per system call"},
	{"iowq_max", "the kernel may start many threads for a slow disk"},
	{"op_splice", "cut-through and body_path: splice copy instead"},
	{"op_shutdown", "a system call per closed connection"},
	{"op_unlinkat", UNUSED},
	{"op_renameat", UNUSED},
	{"op_msg_ring", UNUSED},
	{"op_socket", UNUSED},
	{"op_send_zc", UNUSED},
	{"buf_ring", "a poll before every receive"},
	{"multishot_accept", "an operation per accepted connection"},
	{"multishot_recv", "an operation per receive"},
	{"cancel_fd", UNUSED},
	{"sendmsg_control", "TLS alerts go by a plain system call"},
};

static const struct doctor_ktls_extra extras[] = {
	{"rekey_tx", "changing our own key (KeyUpdate)", "6.14",
	 "a new connection when a key is worn, or the peer asks",
	 offsetof(struct ktls_caps, rekey_tx)},
	{"rekey_rx", "following a peer's new key (KeyUpdate)", "6.14",
	 "a new connection, and the message in flight once more",
	 offsetof(struct ktls_caps, rekey_rx)},
	{"no_pad", "nothing: it damages padded TLS 1.3 records", "6.0",
	 UNUSED,
	 offsetof(struct ktls_caps, no_pad)},
	{"max_payload", "small records for peers that ask", "6.13 or later",
	 "nothing yet: ringpost serves such peers in user space",
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

const char *doctor_uring_mend(const struct doctor_report *report,
			      const struct uring_cap_row *row, char *buf,
			      size_t size)
{
	snprintf(buf, size, "comes with Linux %s%s", row->since,
		 report->level == URING_LEVEL_BEST
			 ? ""
			 : "; an older io_uring is forced");
	return buf;
}

#define AT_BOOT(module)                                                       \
	"'modprobe " module "' as root, and at every boot with 'echo " module \
	" > /etc/modules-load.d/" module ".conf'"

const char *doctor_cipher_mend(enum ktls_cipher cipher)
{
	if (cipher == KTLS_CHACHA20_POLY1305)
		return "Linux 5.11 or later; " AT_BOOT("chacha20poly1305");
	return AT_BOOT("gcm");
}

const struct doctor_ktls_extra *doctor_ktls_extras(size_t *count)
{
	*count = sizeof(extras) / sizeof(extras[0]);
	return extras;
}
