/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One operation in flight.
 *
 * A struct uring_op is the handle of one submitted operation.  It lives in
 * the ring's slot pool (never in the caller), carries the memory that the
 * kernel reads while it works (msghdr, iovec, control area, timespec,
 * socket address), and has a generation: the CQE's user_data is
 * (generation, slot), so that a completion for a slot that was reused is
 * noticed, not delivered to a stranger.
 *
 * Contract with the owner (the one that submitted it):
 *  - every submission returns an op, or NULL when max_ops are in flight;
 *    then nothing was queued and no event will come;
 *  - the op ends in exactly one final event (event.more == false), delivered
 *    from uring_turn(), never from inside the submitting call; multishot
 *    operations deliver events with more == true before that;
 *  - after the final event's handler returned, the op is free: the owner
 *    forgets its pointer in the handler;
 *  - the owner, and memory it lends (buffers, file ranges), stay valid until
 *    the final event.  To go away early an owner cancels its operations and
 *    waits for their final events;
 *  - cancel may lose the race: the final event then carries the real result.
 *
 * Submission calls only queue; the kernel sees them at the next uring_turn()
 * (or earlier, when the SQ is full).
 */
#ifndef URING_URING_OP_H
#define URING_URING_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct uring;
struct uring_op;
struct uring_bufs;

enum uring_op_kind {
	URING_OP_NOP,
	URING_OP_ACCEPT,
	URING_OP_CONNECT,
	URING_OP_RECV,
	URING_OP_RECVMSG,
	URING_OP_SEND,
	URING_OP_SENDMSG,
	URING_OP_SPLICE,
	URING_OP_POLL,
	URING_OP_SHUTDOWN,
	URING_OP_CLOSE,
	URING_OP_READ,
	URING_OP_WRITEV,
	URING_OP_FDATASYNC,
	URING_OP_FALLOCATE,
	URING_OP_MADVISE,
	URING_OP_KINDS
};

/* A piece of received data in a buffer that the kernel chose from a group.
 * data == NULL: no buffer came with this event.  Owned by the receiver of
 * the event until given back with uring_buf_return(). */
struct uring_buf {
	struct uring_bufs *group;
	unsigned char *data; /* payload (behind a recvmsg header, if any) */
	uint32_t len;	     /* payload bytes */
	uint16_t id;
};

struct uring_event {
	struct uring_op *op;
	enum uring_op_kind kind;
	int res;   /* >= 0: result as of the system call; < 0: -errno */
	bool more; /* multishot: the op stays in flight */
	struct uring_buf buf;
	/* RECVMSG only: control area (aligned for struct cmsghdr) and MSG_*
	 * flags (MSG_CTRUNC, ...); valid during the handler only. */
	const void *control;
	size_t control_len;
	int msg_flags;
};

/* Handler of an op's events. @owner is what the submitter gave. */
typedef void (*uring_event_fn)(void *owner, const struct uring_event *event);

/* Who hears of an op's events; copied into the op. */
struct uring_target {
	uring_event_fn fn;
	void *owner; /* borrowed until the final event */
};

/* Accept connections (accept4(2) with SOCK_CLOEXEC); res = descriptor, owned
 * by the handler.  Multishot where the kernel can, else single: the owner
 * submits again whenever more == false. */
struct uring_op *uring_accept(struct uring *, struct uring_target, int fd);

/* connect(2); the address is copied. */
struct uring_op *uring_connect(struct uring *, struct uring_target, int fd,
			       const struct sockaddr *addr, socklen_t len);

/* recv(2) into the caller's memory; borrowed until the final event. Short
 * counts happen, before 5.19 with MSG_WAITALL too. */
struct uring_op *uring_recv(struct uring *, struct uring_target, int fd,
			    void *buf, size_t len, int flags);

/* recv(2) into a buffer of @group; multishot if @multishot and the kernel
 * can (else single-shot, said by more == false). -ENOBUFS: see
 * uring_bufs_wait(). At end of file res == 0 and there is no buffer. */
struct uring_op *uring_recv_group(struct uring *, struct uring_target, int fd,
				  struct uring_bufs *group, bool multishot);

/* recvmsg(2) into a buffer of @group with a control area of @control_len
 * (at most URING_CONTROL_MAX) bytes; otherwise like uring_recv_group(). */
#define URING_CONTROL_MAX 64
struct uring_op *uring_recvmsg_group(struct uring *, struct uring_target,
				     int fd, struct uring_bufs *group,
				     size_t control_len, bool multishot);

/* The same, single-shot and with MSG_DONTWAIT: -EAGAIN when there is nothing
 * now. For groups with a buffer ring (uring_caps.buf_ring). */
struct uring_op *uring_recvmsg_group_now(struct uring *, struct uring_target,
					 int fd, struct uring_bufs *group,
					 size_t control_len);

/* recvmsg(2) into the caller's memory with a control area (single-shot). */
struct uring_op *uring_recvmsg(struct uring *, struct uring_target, int fd,
			       void *buf, size_t len, size_t control_len);

/* send(2); MSG_NOSIGNAL is added; @buf is borrowed until the final event.
 * Short counts happen. */
struct uring_op *uring_send(struct uring *, struct uring_target, int fd,
			    const void *buf, size_t len, int flags);

/* sendmsg(2) of at most URING_IOV_MAX pieces, with at most URING_CONTROL_MAX
 * bytes of control data; the vector and the control data are copied, the
 * memory they point to is borrowed until the final event. */
#define URING_IOV_MAX 16
struct uring_op *uring_sendmsg(struct uring *, struct uring_target, int fd,
			       const struct iovec *iov, unsigned iovcnt,
			       const void *control, size_t control_len,
			       int flags);

/* splice(2); offset -1 for pipes and sockets. */
struct uring_op *uring_splice(struct uring *, struct uring_target, int fd_in,
			      int64_t off_in, int fd_out, int64_t off_out,
			      unsigned len, unsigned flags);

/* poll(2) once for @events. */
struct uring_op *uring_poll(struct uring *, struct uring_target, int fd,
			    unsigned events);

/* shutdown(2); before 5.11 it is done at once by the system call and the
 * event comes by a NOP. */
struct uring_op *uring_shutdown(struct uring *, struct uring_target, int fd,
				int how);

/* close(2); the descriptor is gone whatever the result, and a cancel does
 * nothing. */
struct uring_op *uring_close(struct uring *, struct uring_target, int fd);

/* pread(2) into the caller's memory. */
struct uring_op *uring_read(struct uring *, struct uring_target, int fd,
			    void *buf, size_t len, uint64_t offset);

/* pwritev(2); the VECTOR AND what it points to are borrowed until the final
 * event (up to IOV_MAX = 1024 pieces). Short counts happen. */
struct uring_op *uring_writev(struct uring *, struct uring_target, int fd,
			      const struct iovec *iov, unsigned iovcnt,
			      uint64_t offset);

/* fdatasync(2). */
struct uring_op *uring_fdatasync(struct uring *, struct uring_target, int fd);

/* fsync(2), for folders: after fdatasync(2) a new name may still be lost. The
 * event's kind is URING_OP_FDATASYNC. */
struct uring_op *uring_fsync(struct uring *, struct uring_target, int fd);

/* fallocate(2). */
struct uring_op *uring_fallocate(struct uring *, struct uring_target, int fd,
				 int mode, uint64_t offset, uint64_t len);

/* madvise(2). */
struct uring_op *uring_madvise(struct uring *, struct uring_target, void *addr,
			       size_t len, int advice);

/* A completion without work; delivers an event in a later turn. */
struct uring_op *uring_nop(struct uring *, struct uring_target);

/*
 * uring_op_cancel() - ask for an op's early end (IORING_OP_ASYNC_CANCEL).
 * The op's own final event still comes (-ECANCELED or its real result); the
 * cancel request's own completion is not seen by anyone.  Idempotent.
 */
void uring_op_cancel(struct uring *, struct uring_op *op);

/* uring_op_kind_name() - "recvmsg" and so on, static. */
const char *uring_op_kind_name(enum uring_op_kind kind);

#endif
