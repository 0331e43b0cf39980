/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside a stream.
 *
 * A stream has a life (enum kstream_state) and, for each direction, a path
 * (enum kstream_path) that bytes take.  ktls_stream_states.c has the table of
 * states and inputs and is the one place that writes the state; the handlers
 * of the other files return the next state.
 *
 *   ktls_stream.c            calls of the owner
 *   ktls_stream_states.c     the table, the driver
 *   ktls_stream_handshake.c  records read one by one, fed to the engine
 *   ktls_stream_offload.c    what goes to the kernel and what doesn't
 *   ktls_stream_recv.c       receiving on every path
 *   ktls_stream_decrypt.c    receiving through OpenSSL
 *   ktls_stream_control.c    alerts and handshake records of kernel TLS
 *   ktls_stream_rekey.c      new keys, asked for or wanted
 *   ktls_stream_send.c       the output queue on every path
 *   ktls_stream_file.c       file ranges that are read or spliced
 *   ktls_stream_alert.c      alerts through kernel TLS
 *   ktls_stream_close.c      farewell, lingering, tearing down
 *   ktls_stream_sparing.c    taking no more than is asked for
 *   ktls_forward.c           bytes to another stream
 *   ktls_forward_splice.c    the same inside the kernel
 *   ktls_stream_info.c       what a stream says of itself
 *
 * The driver's loop: an input's handler runs; states advance as far as they
 * can without an input; sends go out; then one event goes to the owner, and
 * all again, until there is nothing to say; only then a receive is armed, so
 * that a handler which calls ktls_stream_start_tls() finds none in flight.
 */
#ifndef KTLS_KTLS_STREAM_PRIVATE_H
#define KTLS_KTLS_STREAM_PRIVATE_H

#include "ktls/ktls_forward.h"
#include "ktls/ktls_paths_private.h"
#include "ktls/ktls_stream.h"
#include "ktls/ktls_stream_inbox.h"
#include "ktls/ktls_stream_queue.h"
#include "ktls/ktls_stream_rekey.h"
#include "uring/uring.h"

/* More than this many unread buffers stop a multishot receive. */
#define KSTREAM_UNREAD_BUFS 4
/* One send takes at most this much of the queue. */
#define KSTREAM_SEND_MAX (1024 * 1024)
/* In user space so much is encrypted before it is sent. */
#define KSTREAM_SLICE_MAX (128 * 1024)
/* Records that are not data, in the kernel: so many in a row, and one more for
 * each of these: bytes of data that went by in either direction, or time. */
#define KSTREAM_CONTROL_RECORDS 64
#define KSTREAM_CONTROL_BYTES	256
#define KSTREAM_CONTROL_NS	URING_SEC
/* Closing: longest wait without progress while the queue is sent; bounds for
 * reading to the peer's end. */
#define KSTREAM_STALL_NS     (30 * URING_SEC)
#define KSTREAM_LINGER_NS    (2 * URING_SEC)
#define KSTREAM_LINGER_BYTES (64 * 1024)
#define KSTREAM_RETRY_NS     (10 * URING_MSEC)

enum kstream_state {
	/* connect(2) is in flight. In: connect. Out: PLAIN, FAILED, TEARDOWN */
	KSTREAM_CONNECTING,
	/* Raw bytes both ways. In: open, CONNECTING. Out: FLUSHING, FAILED,
	 * DRAINING, TEARDOWN */
	KSTREAM_PLAIN,
	/* start_tls was called: what was queued before goes out in clear, a
	 * receive in flight is being reaped. Out: HANDSHAKE, FAILED, ... */
	KSTREAM_FLUSHING,
	/* The engine is fed record by record. Out: FINISHING, FAILED, ... */
	KSTREAM_HANDSHAKE,
	/* Handshake done, its last output still on the way; nothing is
	 * received. Out: SECURE, FAILED, ... */
	KSTREAM_FINISHING,
	/* TLS on whatever paths. Out: FAILED, DRAINING, TEARDOWN */
	KSTREAM_SECURE,
	/* The owner is told; perhaps an alert is going out. Waits for the
	 * owner's close. Out: DRAINING, TEARDOWN */
	KSTREAM_FAILED,
	/* Closing in order: the queue goes out. From here on the owner hears
	 * nothing but CLOSED. Out: FAREWELL, TEARDOWN */
	KSTREAM_DRAINING,
	/* close_notify goes out. Out: LINGERING, TEARDOWN */
	KSTREAM_FAREWELL,
	/* FIN is sent; the peer's last bytes are read and dropped, because
	 * close(2) with unread input would reset and lose what we sent.
	 * Out: TEARDOWN */
	KSTREAM_LINGERING,
	/* All operations are cancelled and reaped. Out: CLOSING */
	KSTREAM_TEARDOWN,
	/* close(2) is in flight. Out: CLOSED */
	KSTREAM_CLOSING,
	/* Nothing is in flight, the descriptor is gone; freed at once. */
	KSTREAM_CLOSED,
	KSTREAM_STATES
};

enum kstream_input {
	KSTREAM_IN_CONNECT,  /* the connect operation ended */
	KSTREAM_IN_RECV,     /* an event of the receive operation */
	KSTREAM_IN_SEND,     /* the send operation ended */
	KSTREAM_IN_SHUTDOWN, /* the shutdown operation ended */
	KSTREAM_IN_CLOSE,    /* the close operation ended */
	KSTREAM_IN_BUFFER,   /* a receive buffer is free again */
	KSTREAM_IN_DEADLINE, /* the closing timer fired */
	KSTREAM_INPUTS
};

enum kstream_path {
	KSTREAM_RAW,	/* bytes as they are */
	KSTREAM_RECORD, /* receiving only: record by record into the engine, so
			 * that the kernel can still take over */
	KSTREAM_ENGINE, /* OpenSSL */
	KSTREAM_KERNEL, /* kernel TLS */
};

/* What may still be sent, in growing order. */
enum kstream_sends {
	KSTREAM_SENDS_NOTHING,
	KSTREAM_SENDS_OUTPUT, /* what the engine says: handshake, alerts */
	KSTREAM_SENDS_ALL,    /* and the queue */
};

/* Whose bytes the send in flight carries. */
enum kstream_sending {
	KSTREAM_SENDING_NONE,
	KSTREAM_SENDING_QUEUE,
	KSTREAM_SENDING_WIRE,
	KSTREAM_SENDING_ALERT,
	/* Of the carrier, in this order: */
	KSTREAM_SENDING_FILL,	 /* out of the file */
	KSTREAM_SENDING_CARRIER, /* into the socket */
	KSTREAM_SENDING_ROOM,	 /* nothing: the socket is full */
	KSTREAM_SENDING_KEY_UPDATE,
	/* Of the forward's pipe: */
	KSTREAM_SENDING_PIPE,	   /* into the socket */
	KSTREAM_SENDING_PIPE_ROOM, /* nothing: the socket is full */
};

/* What the receive in flight is. */
enum kstream_taking {
	KSTREAM_TAKING_BYTES,  /* a receive */
	KSTREAM_TAKING_SPLICE, /* into the forward's pipe */
	KSTREAM_TAKING_POLL,   /* nothing: there was nothing */
};

/* Reading by operations that do not wait. */
enum kstream_patience {
	KSTREAM_TRIES,	/* there may be something */
	KSTREAM_POLLS,	/* there was nothing */
	KSTREAM_POLLED, /* there is something, says poll(2) */
	KSTREAM_NAPS,	/* there was not: a part of a record, perhaps */
};

/* Exists while a stream takes sparingly. */
struct kstream_sparing {
	enum kstream_patience patience;
	uint64_t nap_ns;
	struct uring_timer nap;
	bool asked; /* by the owner; otherwise by a forward */
};

/* How the peer's bytes ended. */
enum kstream_end {
	KSTREAM_END_OPEN,
	KSTREAM_END_NOTIFY, /* close_notify */
	KSTREAM_END_FIN,
	KSTREAM_END_DEAF, /* lingering: nothing can be decrypted any more,
			   * only the FIN can be waited for */
};

/* Reads exactly one record. Exists while the path is KSTREAM_RECORD. */
struct kstream_reader {
	size_t have, need; /* of record[] */
	unsigned char record[KTLS_RECORD_HEADER + KTLS_RECORD_WIRE_MAX];
};

/* Decrypted bytes that the owner has not read. */
struct kstream_block {
	size_t start, end;
	unsigned char data[KTLS_RECORD_MAX];
};

/* Bytes for the wire, taken out of the engine: its own output may move with
 * every call, but a send needs it to stay. */
struct kstream_wire {
	void *memory; /* owned; that data is in */
	const unsigned char *data;
	size_t len, sent;
	size_t plain; /* application bytes inside */
};

/* Takes the queue's first bytes out of their file: the first `have` bytes of
 * the first piece are in it. Exists while a part of a piece goes this way. */
struct kstream_carrier {
	struct ktls_pipe *pipe;	    /* or */
	struct ktls_buffer *buffer; /* neither: waits for a buffer */
	size_t at, have;	    /* of buffer->data; in the pipe */
	size_t want;		    /* at most, of what is being read */
	unsigned vain;		    /* reads that did not reach it */
	bool used; /* there is, or may be, something in the pipe */
	bool full; /* the socket was, when it was last asked */
	struct ktls_paths_waiter waiter;
};

/* Walks through the handshake messages of kernel TLS's control records. */
struct kstream_messages {
	unsigned char header[4];
	uint8_t have;  /* bytes of header[]; 0 while the body passes */
	uint8_t spent; /* of KSTREAM_CONTROL_RECORDS */
	uint32_t left; /* bytes of the message's body still to come */
	uint64_t seen; /* what had been earned at the last record */
};

/* An alert for kernel TLS. The first two members are the record. */
struct kstream_alert {
	uint8_t level, description;
	bool due; /* still to be sent */
};

struct kstream_op_set {
	struct uring_op *recv, *send;
	struct uring_op *life; /* connect, shutdown, close: one at a time */
};

struct ktls_stream_private {
	struct ktls_stream *stream; /* the owner's; p is set back at CLOSED */
	const struct ktls_env *env; /* borrowed */
	ktls_stream_fn fn;
	void *owner;
	int fd; /* owned until KSTREAM_CLOSING */
	enum kstream_state state;
	enum kstream_path path[KTLS_DIRECTIONS];
	enum kstream_end end;
	unsigned pending; /* 1 << enum ktls_event, for the owner */
	unsigned held;	  /* the same, for when the forward has ended */
	struct ktls_forward *forward;	 /* borrowed; NULL: in none */
	struct kstream_sparing *sparing; /* owned; NULL: takes freely */
	struct ktls_pipe *pipe; /* owned: of a forward that was cancelled while
				 * its splice was in flight here */
	bool running;		/* the driver is on the stack */
	bool paused;
	bool recv_cancelled; /* ops.recv is being cancelled */
	bool written_due;    /* WRITTEN has to follow */
	bool no_splice;	     /* file or socket have refused it */
	bool no_blocks;	     /* a file has refused O_DIRECT */
	bool nonblocking;    /* O_NONBLOCK is set */
	struct kstream_op_set ops;
	enum kstream_sending sending;
	enum kstream_taking taking;
	enum kstream_sends may_send;
	struct kstream_alert alert;
	enum ktls_offload offload;
	enum ktls_role role;
	enum ktls_reason reason[KTLS_DIRECTIONS];
	int reason_error;
	/* Bytes at the queue's head that may go out in clear; SIZE_MAX before
	 * start_tls. This is what keeps the rest from ever doing so. */
	size_t clear_left;
	size_t lingered;	      /* bytes dropped since the close */
	uint64_t bytes_in, bytes_out; /* of the application */
	uint64_t path_bytes[KTLS_PATHS];
	uint64_t expected[KTLS_DIRECTIONS]; /* ktls_stream_expect() */
	struct kstream_queue *queue;	    /* owned; NULL when empty */
	struct kstream_carrier *carrier;    /* owned; NULL when unused */
	struct kstream_wire *wire;	    /* owned; NULL when empty */
	struct kstream_inbox inbox;  /* raw bytes, or the kernel's plain ones */
	struct kstream_block *block; /* owned; NULL when nothing is unread */
	struct kstream_reader *reader; /* owned */
	struct ktls_engine *engine;    /* owned; NULL when plain or in kernel */
	struct ktls_info *agreed;      /* owned; after the handshake */
	struct kstream_messages messages;
	struct kstream_use use[KTLS_DIRECTIONS]; /* of the kernel's keys */
	struct kstream_rekey *rekey; /* owned; NULL: keys can't be changed */
	enum ktls_failure failure;
	int failure_error;
	char *failure_text; /* owned; NULL: the kind's own text */
	struct uring_bufs_waiter waiter;
	struct uring_timer kick;     /* runs the driver in the next turn */
	struct uring_timer deadline; /* of closing */
};

/* ktls_stream.c */

/* kstream_write() - queue, as ktls_stream_write() and _send() do. */
int kstream_write(struct ktls_stream_private *p, const void *data, size_t len,
		  bool copy);

/* ktls_stream_states.c */

/* kstream_fail() - note the first failure; returns the state that follows.
 * @text is copied; NULL: the kind's own text. */
enum kstream_state kstream_fail(struct ktls_stream_private *p,
				enum ktls_failure kind, int error,
				const char *text);
/* kstream_allowed() - what may be sent in this state, after what happened. */
enum kstream_sends kstream_allowed(const struct ktls_stream_private *p);
/* kstream_say() - an event is due to the owner. */
void kstream_say(struct ktls_stream_private *p, enum ktls_event event);
/* kstream_set_state() - a call of the owner's leads to @next, which has to be
 * one that may follow. */
void kstream_set_state(struct ktls_stream_private *p, enum kstream_state next);
/* kstream_drive() - timers and waits of a new stream lead to the driver. */
void kstream_drive(struct ktls_stream_private *p);
/* kstream_kick() - something is to do: the driver runs in the next turn, or
 * goes on when it is on the stack. */
void kstream_kick(struct ktls_stream_private *p);
/* kstream_target() - where an operation's events go. */
struct uring_target kstream_target(struct ktls_stream_private *p,
				   enum kstream_input input);

/* ktls_stream_handshake.c: handlers and steps return the next state. */
enum kstream_state kstream_flushing_recv(struct ktls_stream_private *p,
					 const struct uring_event *ev);
enum kstream_state kstream_flushing_advance(struct ktls_stream_private *p);
enum kstream_state kstream_handshake_advance(struct ktls_stream_private *p);
enum kstream_state kstream_handshake_recv(struct ktls_stream_private *p,
					  const struct uring_event *ev);
/* kstream_reader_arm() - receive what the record still lacks. */
struct uring_op *kstream_reader_arm(struct ktls_stream_private *p);
/* kstream_reader_take() - whole record there? 1 yes, 0 not yet, -EBADMSG no
 * record at all. Takes from the inbox first. */
int kstream_reader_take(struct ktls_stream_private *p);
/* kstream_reader_next() - the record is used; the next header follows. */
void kstream_reader_next(struct ktls_stream_private *p);

/* ktls_stream_offload.c */
enum kstream_state kstream_finishing_advance(struct ktls_stream_private *p);
/* kstream_offload_receive() - a client's first reply is read. */
enum kstream_state kstream_offload_receive(struct ktls_stream_private *p);

/* ktls_stream_recv.c */
enum kstream_state kstream_plain_recv(struct ktls_stream_private *p,
				      const struct uring_event *ev);
enum kstream_state kstream_secure_recv(struct ktls_stream_private *p,
				       const struct uring_event *ev);
enum kstream_state kstream_discard_recv(struct ktls_stream_private *p,
					const struct uring_event *ev);
/* kstream_recv_arm() - arm a receive if the state wants one; the next state. */
enum kstream_state kstream_recv_arm(struct ktls_stream_private *p);
void kstream_recv_cancel(struct ktls_stream_private *p);
void kstream_recv_unwait(struct ktls_stream_private *p);
/* kstream_recv_error() - a receive ended with @error (positive). */
enum kstream_state kstream_recv_error(struct ktls_stream_private *p, int error);
/* kstream_recv_one() - a single-shot receive, as the path wants it; in kernel
 * TLS one that doesn't wait, of a stream that takes sparingly. */
struct uring_op *kstream_recv_one(struct ktls_stream_private *p);
/* kstream_recv_fin() - the peer's FIN was received. */
enum kstream_state kstream_recv_fin(struct ktls_stream_private *p);
/* kstream_recv_ended() - the peer has ended in order. */
void kstream_recv_ended(struct ktls_stream_private *p, enum kstream_end end);
bool kstream_unread(const struct ktls_stream_private *p);
size_t kstream_recv_peek(struct ktls_stream_private *p,
			 const unsigned char **data);
/* kstream_recv_consume() - kstream_recv_refill() has to follow when secure. */
void kstream_recv_consume(struct ktls_stream_private *p, size_t len);
/* kstream_recv_keep() - the event's buffer goes into the inbox. */
enum kstream_state kstream_recv_keep(struct ktls_stream_private *p,
				     const struct uring_event *ev);
/* kstream_recv_drop() - forget all that is unread. */
void kstream_recv_drop(struct ktls_stream_private *p);
void kstream_event_drop(const struct uring_event *ev);

/* ktls_stream_decrypt.c */
enum kstream_state kstream_engine_recv(struct ktls_stream_private *p,
				       const struct uring_event *ev);
enum kstream_state kstream_record_recv(struct ktls_stream_private *p,
				       const struct uring_event *ev);
/* kstream_recv_refill() - decrypt more into an empty block. */
enum kstream_state kstream_recv_refill(struct ktls_stream_private *p);

/* ktls_stream_alert.c: alerts, said before the connection ends.
 * Descriptions of RFC 8446 section 6. */
enum {
	KSTREAM_ALERT_CLOSE_NOTIFY = 0,
	KSTREAM_ALERT_UNEXPECTED_MESSAGE = 10,
	KSTREAM_ALERT_BAD_RECORD_MAC = 20,
	KSTREAM_ALERT_RECORD_OVERFLOW = 22,
	KSTREAM_ALERT_ILLEGAL_PARAMETER = 47,
	KSTREAM_ALERT_USER_CANCELED = 90,
};
void kstream_alert_fatal(struct ktls_stream_private *p, uint8_t description);
void kstream_alert_close_notify(struct ktls_stream_private *p);
/* kstream_alert_send() - the one that is due, through kernel TLS. */
void kstream_alert_send(struct ktls_stream_private *p);
void kstream_alert_sent(struct ktls_stream_private *p,
			const struct uring_event *ev);
/* kstream_record_send() - one record of @type through kernel TLS; @data is
 * borrowed until it is sent. ops.send stays NULL when there is no room. */
void kstream_record_send(struct ktls_stream_private *p, uint8_t type,
			 void *data, size_t len);

/* ktls_stream_control.c: one piece of a record of kernel TLS that is not
 * application data. */
enum kstream_state kstream_control(struct ktls_stream_private *p, uint8_t type,
				   const unsigned char *data, size_t len);

/* ktls_stream_rekey.c: what the states need of ktls_stream_rekey.h */

/* kstream_rekey_received() - the peer's KeyUpdate has come through the kernel.
 * @asked: it wants ours. */
enum kstream_state kstream_rekey_received(struct ktls_stream_private *p,
					  bool asked);
/* kstream_rekey_answer() - OpenSSL receives and has answered a KeyUpdate, but
 * the kernel sends. */
enum kstream_state kstream_rekey_answer(struct ktls_stream_private *p);
/* kstream_rekey_due() - a KeyUpdate goes out before anything else may. */
bool kstream_rekey_due(const struct ktls_stream_private *p);
enum kstream_state kstream_rekey_send(struct ktls_stream_private *p);
enum kstream_state kstream_rekey_sent(struct ktls_stream_private *p, int res);

/* ktls_stream_send.c */
enum kstream_state kstream_sent(struct ktls_stream_private *p,
				const struct uring_event *ev);
/* kstream_send_pump() - start the next send if one is due. */
enum kstream_state kstream_send_pump(struct ktls_stream_private *p);
/* kstream_send_idle() - nothing that may be sent is left or in flight. */
bool kstream_send_idle(const struct ktls_stream_private *p);
/* kstream_wire_free() - forget p->wire; harmless without one. */
void kstream_wire_free(struct ktls_stream_private *p);
/* kstream_output_pending() - the engine has something to say. */
bool kstream_output_pending(const struct ktls_stream_private *p);

/* ktls_stream_file.c: file ranges and what carries them */

/* kstream_file_path() - how the first *len bytes of a piece go: MAPPED (then
 * *len says how many of them), SPLICE or READ. */
enum ktls_byte_path kstream_file_path(const struct ktls_stream_private *p,
				      const struct kstream_piece *piece,
				      size_t *len);
/* kstream_carrier_make() - a carrier for @path, or for READ; false: there is
 * none to be had. @must: wait for one (until it has a pipe or a buffer). */
bool kstream_carrier_make(struct ktls_stream_private *p,
			  enum ktls_byte_path path, bool must);
/* kstream_carrier_drop() - with nothing of it in flight; NULL is fine. */
void kstream_carrier_drop(struct ktls_stream_private *p);
/* kstream_carrier_waits() - is there one that has neither pipe nor buffer? */
bool kstream_carrier_waits(const struct ktls_stream_private *p);
enum ktls_byte_path kstream_carrier_path(const struct kstream_carrier *carrier);
/* kstream_carrier_gone() - its first @len bytes are; empty, it is dropped. */
void kstream_carrier_gone(struct ktls_stream_private *p, size_t len);
/* kstream_carrier_fill() - at most @limit bytes out of the file; NULL: no
 * carrier, it waits, or too many operations. _filled() is for its result. */
struct uring_op *kstream_carrier_fill(struct ktls_stream_private *p,
				      size_t limit);
enum kstream_state kstream_carrier_filled(struct ktls_stream_private *p,
					  int res);
/* kstream_carrier_send() - into the socket; @more bytes follow. _refused():
 * is that @error (positive) one to go on after? */
struct uring_op *kstream_carrier_send(struct ktls_stream_private *p, bool more);
bool kstream_carrier_refused(struct ktls_stream_private *p, int error);
/* kstream_set_nonblocking() - before a splice into the socket. */
void kstream_set_nonblocking(struct ktls_stream_private *p);

/* ktls_stream_close.c */
void kstream_draining_enter(struct ktls_stream_private *p);
enum kstream_state kstream_draining_advance(struct ktls_stream_private *p);
enum kstream_state kstream_farewell_advance(struct ktls_stream_private *p);
void kstream_lingering_enter(struct ktls_stream_private *p);
enum kstream_state kstream_lingering_advance(struct ktls_stream_private *p);
enum kstream_state kstream_lingering_recv(struct ktls_stream_private *p,
					  const struct uring_event *ev);
enum kstream_state kstream_shutdown_done(struct ktls_stream_private *p,
					 const struct uring_event *ev);
void kstream_teardown_enter(struct ktls_stream_private *p);
enum kstream_state kstream_teardown_advance(struct ktls_stream_private *p);
enum kstream_state kstream_closed(struct ktls_stream_private *p,
				  const struct uring_event *ev);
enum kstream_state kstream_give_up(struct ktls_stream_private *p,
				   const struct uring_event *ev);

/* ktls_stream_sparing.c */

/* kstream_sparing_on() - from now on; false: no memory. _off() ends it unless
 * the owner asked for it (or @all). */
bool kstream_sparing_on(struct ktls_stream_private *p);
void kstream_sparing_off(struct ktls_stream_private *p, bool all);
/* kstream_sparing_possible() - kernel TLS's bytes can be tried for. */
bool kstream_sparing_possible(const struct ktls_stream_private *p);
/* kstream_sparing_rests() - nothing is to be tried for a while. */
bool kstream_sparing_rests(const struct ktls_stream_private *p);
/* kstream_sparing_poll() - the poll that is due instead of a try, or NULL:
 * p->taking says which it is. */
struct uring_op *kstream_sparing_poll(struct ktls_stream_private *p);
/* How the operation ended. */
void kstream_sparing_polled(struct ktls_stream_private *p);
void kstream_sparing_nothing(struct ktls_stream_private *p);
void kstream_sparing_something(struct ktls_stream_private *p);

/* ktls_forward.c */

/* kstream_forward_work() - as a forward's source: move what can be moved. True:
 * the driver has to look again. */
bool kstream_forward_work(struct ktls_stream_private *p);
/* kstream_forward_keep() - an event is due: does a forward keep it? */
bool kstream_forward_keep(struct ktls_stream_private *p, enum ktls_event event);
/* kstream_forward_leave() - the stream closes. */
void kstream_forward_leave(struct ktls_stream_private *p);

/* ktls_forward_splice.c: ops.recv of the source and ops.send of the sink are
 * then the forward's, and end as their own. */

/* kstream_splice_begin() - go over to splicing if that is better from here on.
 * True: just now. */
bool kstream_splice_begin(struct ktls_forward *f);
/* kstream_splice_refused() - what was in the way of a splice is data after all:
 * these sockets can't. */
bool kstream_splice_refused(const struct ktls_forward *f);
/* kstream_splice_stop() - the source's splice shall end. False: it has. */
bool kstream_splice_stop(struct ktls_forward *f);
/* kstream_splice_end() - the forward is over; the pipe stays with an operation
 * in flight. */
void kstream_splice_end(struct ktls_forward *f);
/* kstream_pipe_drop() - it ended, or the stream does; NULL is fine. */
void kstream_pipe_drop(struct ktls_stream_private *p);
/* kstream_splice_takes() - does a forward take the place of receiving? Then
 * _take() arms what is to be armed, and _took() is for its result. */
bool kstream_splice_takes(const struct ktls_stream_private *p);
enum kstream_state kstream_splice_take(struct ktls_stream_private *p);
enum kstream_state kstream_splice_took(struct ktls_stream_private *p,
				       const struct uring_event *ev);
/* kstream_splice_left() - the same when the stream is over: all that matters
 * is what the pipe holds. */
void kstream_splice_left(struct ktls_stream_private *p,
			 const struct uring_event *ev);
/* kstream_splice_gives() - is there something in the pipe for this stream? Then
 * _give() arms the send of it, and _gave() is for its result: false when it is
 * a failure of the stream. */
bool kstream_splice_gives(const struct ktls_stream_private *p);
struct uring_op *kstream_splice_give(struct ktls_stream_private *p);
bool kstream_splice_gave(struct ktls_stream_private *p,
			 enum kstream_sending sending, int res);

/* ktls_stream_info.c */
const char *kstream_failure_text(enum ktls_failure kind);

#endif
