/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this kernel's io_uring can do: found by probing (IORING_REGISTER_PROBE
 * and by trying), never by the kernel's version number, because stable
 * kernels carry newer io_urings (5.10.2xx has 5.15's).
 */
#ifndef URING_URING_CAPS_H
#define URING_URING_CAPS_H

#include <stdbool.h>
#include <stddef.h>

/* A forced older feature set, so that a newer kernel runs the fallbacks.
 * Each level offers what the named mainline kernel's io_uring offered. */
enum uring_level {
	URING_LEVEL_BEST = 0, /* all that the probe finds */
	URING_LEVEL_5_10,     /* no multishot, no buffer rings */
	URING_LEVEL_5_19, /* buffer rings, multishot accept; no multishot recv */
	URING_LEVEL_6_1,
};

struct uring_caps {
	/* ring set-up */
	bool single_issuer;   /* 6.0 IORING_SETUP_SINGLE_ISSUER */
	bool defer_taskrun;   /* 6.1 IORING_SETUP_DEFER_TASKRUN */
	bool coop_taskrun;    /* 5.19 IORING_SETUP_COOP_TASKRUN */
	bool ext_arg;	      /* 5.11 wait with a timeout */
	bool registered_ring; /* 5.18 registered ring descriptor */
	bool iowq_max;	      /* 5.15 IORING_REGISTER_IOWQ_MAX_WORKERS */
	/* operations */
	bool op_splice;	  /* 5.7 */
	bool op_shutdown; /* 5.11 */
	bool op_unlinkat; /* 5.11 */
	bool op_renameat; /* 5.11 */
	bool op_msg_ring; /* 5.18 */
	bool op_socket;	  /* 5.19 */
	bool op_send_zc;  /* 6.0 (refused on kernel TLS: never used there) */
	bool buf_ring;	  /* 5.19 IORING_REGISTER_PBUF_RING */
	bool multishot_accept; /* 5.19 */
	bool multishot_recv;   /* 6.0, recv and recvmsg */
	bool cancel_fd;	       /* 5.19 */
	/* the original 5.10 ring refuses control data on SENDMSG (-EINVAL) */
	bool sendmsg_control;
};

/* One row of uring_caps for a report: name, what it is used for, the
 * mainline kernel that brought it. */
struct uring_cap_row {
	const char *name;
	const char *used_for;
	const char *since;
	size_t offset; /* of the bool in struct uring_caps */
};

/* uring_cap_rows() - the table behind `doctor`; static; *count is set. */
const struct uring_cap_row *uring_cap_rows(size_t *count);

/*
 * uring_level_parse() - "5.10", "5.19", "6.1" or "best" to a level.
 * Returns 0 or -EINVAL.
 */
int uring_level_parse(const char *text, enum uring_level *out);

/*
 * uring_blocked_reason() - why io_uring can't be used here, and the mend.
 * @error: the -errno that uring_create() returned
 * @buf:   written; a full sentence for an operator, e.g. "io_uring is
 *         switched off (sysctl kernel.io_uring_disabled=2): ..."
 * Reads /proc/sys/kernel/io_uring_disabled and /proc/self/status
 * (Seccomp:).  Returns @buf.
 */
const char *uring_blocked_reason(int error, char *buf, size_t size);

#endif
