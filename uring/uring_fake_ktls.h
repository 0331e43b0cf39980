/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel TLS on the fake's sockets: what setsockopt(SOL_TLS, TLS_TX) and
 * TLS_RX do to a real one (Documentation/networking/tls.rst).  The fake cuts
 * and joins records and keeps their types; the cipher is the test's.
 *
 * Sending: bytes become records of at most 16 KiB of application data; MSG_MORE
 * keeps the last one open; SENDMSG with TLS_SET_RECORD_TYPE makes a record of
 * that type.  Receiving: RECV gives application data and -EIO in front of
 * anything else; RECVMSG puts the type into the control area.  A record that
 * can't be opened is an error for good.  The end of the stream, even in the
 * middle of a record, reads as 0.  A kernel that can rekey gives -EKEYEXPIRED
 * behind a handshake record that begins as a KeyUpdate, until new keys are set.
 */
#ifndef URING_URING_FAKE_KTLS_H
#define URING_URING_FAKE_KTLS_H

#include "uring/uring_fake.h"

/* One direction's cipher and keys; the first member of the test's struct. */
struct uring_fake_ktls {
	bool rekeys; /* the kernel can rekey (mainline 6.14) */
	/* One record around @text (at most 16 KiB); returns its length. @out
	 * holds len + 64 bytes. */
	size_t (*seal)(struct uring_fake_ktls *, uint8_t type, const void *text,
		       size_t len, unsigned char *out);
	/* The text of one whole record into @out (@len bytes); returns its
	 * length or -EBADMSG, -EMSGSIZE, -EINVAL. */
	ssize_t (*open)(struct uring_fake_ktls *, const unsigned char *record,
			size_t len, unsigned char *out, uint8_t *type);
	void (*free)(struct uring_fake_ktls *);
};

/* From now on @fd sends (receives) records, or does so under other keys. @tls
 * is taken on success. Returns 0, -EBUSY (keys are set already, and can't be
 * changed) or -ENOTCONN. */
int uring_fake_ktls_tx(struct uring_fake *, int fd, struct uring_fake_ktls *);
int uring_fake_ktls_rx(struct uring_fake *, int fd, struct uring_fake_ktls *);

#endif
