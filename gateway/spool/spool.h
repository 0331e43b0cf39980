/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool: an append-only log of messages with group commit.
 *
 * One struct spool is one log in one folder, used by one thread through its
 * ring.  Many transactions write at once; one fdatasync commits all that were
 * finished before it began; each writer hears of it with one call, and only
 * then may a client see its 250.
 *
 * A folder holds segments (NNNNNNNNNNNNNNNN.log), preallocated; a segment
 * holds records: header (magic, type, length, id, segment number, checksum)
 * and payload.  A message is: CHUNK records (bodies beyond the inline size,
 * written while they arrive), then one MESSAGE record (envelope, trace header,
 * inline body or the list of chunks), which makes it exist.  RESULT records
 * say what became of recipients; a message whose recipients all have a final
 * result is finished, its blocks are given back (holes), and a segment with
 * nothing live in it is deleted.  docs/spool.md has the format to the byte.
 */
#ifndef GATEWAY_SPOOL_SPOOL_H
#define GATEWAY_SPOOL_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct uring;
struct spool;
struct spool_writer;
struct spool_message;

/* --- what is wrong with a log --- */

enum spool_damage_kind {
	SPOOL_DAMAGE_TORN,    /* never promised to a client: of no weight */
	SPOOL_DAMAGE_BAD,     /* had been safe, and isn't there any more */
	SPOOL_DAMAGE_MESSAGE, /* a queued message lost a part of its body */
	SPOOL_DAMAGE_HEADER,  /* a segment's header: costs nothing by itself */
	SPOOL_DAMAGE_FILE,    /* it has a segment's name, but can't be read */
	SPOOL_DAMAGE_SEED,    /* nothing says how to check the records */
};

struct spool_damage {
	enum spool_damage_kind kind;
	uint32_t segment;  /* file: NNNNNNNNNNNNNNNN.log */
	uint64_t from, to; /* bytes of it; MESSAGE: its record */
	uint64_t records; /* TORN, BAD: headers there whose checksum is wrong */
	struct spool_message *message; /* MESSAGE: for the call */
	int error;		       /* FILE: why; an errno */
};

typedef void (*spool_damage_fn)(void *arg, const struct spool_damage *damage);

struct spool_config {
	const char *path;      /* folder of this log; made if missing (0700) */
	uint64_t segment_size; /* bytes; a message may be larger than one */
	bool sync;	       /* false: no fdatasync ("async") */
	unsigned min_free_percent; /* of the file system; 0: no guard */
	uint64_t max_unwritten;	   /* bytes waiting for the disk before writers
				 * must wait; 0: 64 MiB */
	unsigned worker;	   /* lowest 6 bits of new ids */
	bool recycle;		   /* write over the files of deleted segments:
				    * not while bodies that were sent may still
				    * be in sockets as pages of the file (splice) */
	bool direct;		   /* large bodies past the page cache, where
				    * that can be; not with splice */
	spool_damage_fn damage;	   /* told by spool_open(); NULL: nobody */
	void *damage_arg;
};

/* --- opening and recovery (blocking, before the ring turns) --- */

/* Records by kind: unknown ones, then enum spool_record_type. */
enum {
	SPOOL_RECORD_KINDS = 7,
};

/* What recovery found; for the log and `doctor`. */
struct spool_report {
	uint64_t segments, messages, finished, results;
	uint64_t torn_bytes;	/* cut from the tail */
	uint64_t orphan_chunks; /* of messages never finished: given back */
	uint64_t bad_records;	/* lost that had been safe: kept as .bad */
	uint64_t live_bytes;
	uint64_t recipients; /* of messages, without a final result */
	uint64_t records[SPOOL_RECORD_KINDS];
	uint64_t record_bytes; /* theirs, headers and padding included */
	uint64_t file_bytes, disk_bytes; /* of the segments' files, as found */
	uint64_t damaged_messages;	 /* a part of the body is missing */
	uint64_t set_aside;		 /* files named .bad, from before */
	uint64_t bytes_read;
};

/* Called for each queued (unfinished) message, in order of acceptance.
 * @message is owned by the spool and stays valid until all its recipients
 * have final results. */
typedef void (*spool_found_fn)(void *arg, struct spool_message *message);

/*
 * spool_open() - open or make a log, read it back, cut a torn tail. Checksums
 * of what may be torn are checked, and of all results; those of bodies that
 * had been on stable storage when they are viewed.
 * @config: borrowed for the call.  @ring: borrowed until spool_close().
 * @out: returned owned.  Returns 0 or -errno: -EWOULDBLOCK (another process
 * has the folder locked), -EACCES, -ENOSPC, ...; @error_text says what and
 * where.
 */
int spool_open(const struct spool_config *config, struct uring *ring,
	       spool_found_fn found, void *arg, struct spool_report *report,
	       char error_text[256], struct spool **out);

/* spool_close() - nothing may be in flight (spool_inflight() == 0); accepts
 * NULL; clears. */
void spool_close(struct spool **spool);
unsigned spool_inflight(const struct spool *spool);
/* spool_config's worker. */
unsigned spool_worker(const struct spool *spool);

/* --- accepting a message --- */

enum spool_status {
	SPOOL_OK,
	SPOOL_FULL,   /* no space or below min_free: 452 4.3.1 */
	SPOOL_FAILED, /* write or fdatasync failed: 451 4.3.0 */
};

/*
 * spool_begin() - start a message. Its id is fixed here.
 * @out: returned owned until commit or abort.
 * Returns SPOOL_OK, SPOOL_FULL (nothing begun) or SPOOL_FAILED.
 */
enum spool_status spool_begin(struct spool *spool, struct spool_writer **out);
uint64_t spool_writer_id(const struct spool_writer *writer);
uint64_t spool_writer_size(const struct spool_writer *writer); /* body bytes */

/*
 * spool_reserve() - memory for the next body bytes: at least 1, returned in
 * *@data (borrowed until the next call on the writer); the caller fills a
 * prefix and calls spool_advance().  Returns the room, 0: the spool is behind
 * (see spool_wait()), then nothing is lost, try again later.
 */
size_t spool_reserve(struct spool_writer *writer, unsigned char **data);
void spool_advance(struct spool_writer *writer, size_t len);

/* Waiting for room: fn(owner) once, from a later turn. Embedded in the owner,
 * who removes it before going away. */
struct spool_waiter {
	struct spool_waiter *next, *prev; /* NULL when not waiting */
	void (*fn)(void *owner);
	void *owner;
};
void spool_wait(struct spool *spool, struct spool_waiter *waiter);
void spool_unwait(struct spool *spool, struct spool_waiter *waiter);

/* The envelope; strings are borrowed for the call to spool_commit(). */
struct spool_envelope {
	const char *reverse_path;   /* without <>; "" for the null path */
	const char *const *recipients; /* without <> */
	size_t recipient_count;
	/* Parameters of RFC 3461, as smtp_dsn.h writes them: of MAIL, and of
	 * each RCPT; both may be NULL: nothing was asked for. */
	const char *dsn;
	const char *const *recipients_dsn;
	const char *client;	    /* "[127.0.0.1]:40000", for logs and trace */
	uint64_t arrival;	    /* wall clock, ns since 1970 */
	uint32_t flags;		    /* SPOOL_8BITMIME | ... */
};
#define SPOOL_8BITMIME 1u  /* BODY=8BITMIME */
#define SPOOL_SMTPUTF8 2u  /* SMTPUTF8 */
#define SPOOL_DOT_LINES 4u /* some body line starts with a dot */
#define SPOOL_8BIT 8u	   /* body really has octets >= 0x80 */
#define SPOOL_DSN 16u	   /* the spool's own: the text has dsn */

/* Outcome of a commit, exactly once, from uring_turn(). On SPOOL_OK the
 * message exists on stable storage and is the queue's; otherwise it doesn't
 * and never will. @message is NULL unless SPOOL_OK. */
typedef void (*spool_committed_fn)(void *owner, enum spool_status status,
				   struct spool_message *message);

/*
 * spool_commit() - finish the message and wait for stable storage.
 * @writer: taken. @trace: the header lines that this relay prepends (Received),
 * copied. @fn(@owner) is called once; @owner stays valid until then.
 */
void spool_commit(struct spool_writer *writer,
		  const struct spool_envelope *envelope, const void *trace,
		  size_t trace_len, spool_committed_fn fn, void *owner);

/* spool_abort() - drop an unfinished message; accepts NULL; clears. */
void spool_abort(struct spool_writer **writer);

/* --- a queued message --- */

uint64_t spool_message_id(const struct spool_message *message);
/* Whose it is. */
struct spool *spool_message_spool(const struct spool_message *message);
size_t spool_message_recipient_count(const struct spool_message *message);
/* Final result already recorded for recipient @index? */
bool spool_message_recipient_done(const struct spool_message *message,
				  size_t index);
/* Attempts and next time recorded by the last SPOOL_DEFERRED result of a
 * still-open recipient (0 and 0 when never tried). */
unsigned spool_message_attempts(const struct spool_message *message, size_t index);
uint64_t spool_message_next_attempt(const struct spool_message *message, size_t index);
/* How often its sender was warned of a delay, up to SPOOL_WARNED_MAX: as the
 * last SPOOL_DEFERRED result says. spool_message_warn() sets it; it is stored
 * with the next result. */
unsigned spool_message_warned(const struct spool_message *message, size_t index);
void spool_message_warn(struct spool_message *message, size_t index,
			unsigned times);
#define SPOOL_WARNED_MAX 7u

/*
 * spool_read_envelope() - the envelope as it was committed, read from the log.
 * Strings live in the mapped log: valid until spool_release_view(). Touching
 * a body there waits for the disk when it has left the page cache.
 */
struct spool_place { /* in a segment */
	int fd;		 /* the spool's; open as long as the view */
	uint32_t block;	 /* not 0: of what reads by fd are made (O_DIRECT) */
	uint64_t offset;
};

struct spool_view {
	struct spool_envelope envelope; /* recipients: array owned by the view */
	const unsigned char *trace;
	size_t trace_len;
	uint64_t body_size;
	const struct iovec *body; /* pieces in the mapped log, in order */
	const struct spool_place *places; /* the same ones in their files */
	size_t body_count;
	void *private_data;
};

/*
 * spool_view() - map a message for reading (nested views are counted).
 * Checksums are verified on the first view after recovery. Returns 0,
 * -EBADMSG (damaged since; recovery itself sets damaged messages aside and
 * never hands them out; the next start will do so with this one), -errno.
 */
int spool_view(struct spool *spool, struct spool_message *message,
	       struct spool_view *out);
/* spool_view_envelope() - the same for who wants the envelope only: nothing is
 * verified, the body may not be sent. */
int spool_view_envelope(struct spool *spool, struct spool_message *message,
			struct spool_view *out);
void spool_release_view(struct spool *spool, struct spool_view *view);

/* --- results --- */

enum spool_result {
	SPOOL_DELIVERED, /* next hop answered 2xx */
	SPOOL_BOUNCED,	 /* 5xx or expired: final */
	SPOOL_DEFERRED,	 /* try again at @next_attempt */
};

/* A next attempt that never comes: the message is held. */
#define SPOOL_HELD UINT64_C(18446744073709000000)

/*
 * spool_record() - append a recipient's result; it goes out with the next
 * group commit. @next_attempt: ns since 1970, kept to the millisecond, rounded
 * up. When it was the last open recipient the message is finished:
 * @message is freed by the spool after the commit (views must be released by
 * then) and its space given back. @reply is the next hop's text (cut at 255).
 */
void spool_record(struct spool *spool, struct spool_message *message,
		  size_t recipient, enum spool_result result, unsigned attempts,
		  uint64_t next_attempt, const char *reply);

/* spool_sync_pending() - records appended and not yet on stable storage. */
uint64_t spool_sync_pending(const struct spool *spool);

enum {
	SPOOL_BUCKETS = 16,
	SPOOL_BUCKET_NS = 64000,
};

struct spool_stats {
	/* Of commits: what they committed (messages and results), and the time
	 * from the write's begin to the sync's end; ns. */
	uint64_t batch_sum, batch_max;
	uint64_t commit_ns, commit_ns_max;
	/* Commits of up to 2^i messages and results; in up to 2^i * SPOOL_BUCKET_NS. What
	 * is more is in the last one. Each commit is in one bucket. */
	uint64_t batch_buckets[SPOOL_BUCKETS];
	uint64_t time_buckets[SPOOL_BUCKETS];
	uint64_t accepted, finished;	/* messages */
	uint64_t commits;		/* fdatasync (or async write) rounds */
	uint64_t committed;		/* messages answered by them */
	uint64_t results;
	uint64_t bytes_written;
	uint64_t bytes_live, segments;
	uint64_t failures;		/* failed writes or syncs */
};
const struct spool_stats *spool_stats(const struct spool *spool);
/* spool_takes() - what spool_begin() would say now, as far as is known. */
enum spool_status spool_takes(const struct spool *spool);
/* spool_stats_add() - @to is of both logs now. */
void spool_stats_add(struct spool_stats *to, const struct spool_stats *from);

#endif
