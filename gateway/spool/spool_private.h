/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this folder share and nobody else sees.
 *
 * Records travel as items: queued in order, taken into a round, which is one
 * WRITEV and (if something in it must be durable) one FDATASYNC; then each
 * item's effect and callback.  A record gets its position and its checksum
 * when its round is built, never before, so that a round that failed can be
 * built again elsewhere.
 */
#ifndef GATEWAY_SPOOL_SPOOL_PRIVATE_H
#define GATEWAY_SPOOL_SPOOL_PRIVATE_H

#include <assert.h>
#include <stdalign.h>

#include "gateway/spool/spool.h"
#include "gateway/spool/spool_format.h"
#include "uring/uring.h"
#include "uring/uring_op.h"
#include "uring/uring_timer.h"

enum {
	SPOOL_BLOCK = 4096,		 /* O_DIRECT: of which all is made */
	SPOOL_BLOCK_RECORD = 256 * 1024, /* a whole CHUNK record */
	/* body bytes in it */
	SPOOL_CHUNK = SPOOL_BLOCK_RECORD - SPOOL_RECORD_HEADER,
	SPOOL_CHUNK_TAIL = 4096, /* room for an envelope behind it */
	SPOOL_CLASSES = 4,	 /* sizes of buffers kept for reuse */
	SPOOL_SYNC_EVERY = 4 * 1024 * 1024, /* chunk bytes before a sync */
	SPOOL_ROUND_IOV = 1024,
	SPOOL_ROUND_BYTES = 16 * 1024 * 1024,
	SPOOL_PUNCH_MIN = 32 * 1024, /* smaller: not worth a journal entry */
	SPOOL_WORDS_INLINE = 1,
	SPOOL_SEGMENT_MIN = 64 * 1024,
	SPOOL_MOVES = 16,   /* messages being moved at a time */
	SPOOL_POOL_MAX = 4, /* files of deleted segments kept for reuse */
	SPOOL_YOUNG = 8,    /* segments in which no holes are made yet */
};

/* Of a file in the pool: NNNNNNNNNNNNNNNN.free. */
#define SPOOL_POOL_SUFFIX ".free"

#define SPOOL_UNWRITTEN_DEFAULT (UINT64_C(64) << 20)

/* --- memory --- */

/* A piece of memory that records are made in. */
struct spool_buffer {
	struct spool_buffer *next; /* in a free list */
	uint32_t size;		   /* bytes of data[] */
	uint32_t refs;		   /* items whose record is in it */
	uint8_t class;		   /* SPOOL_CLASSES: made to measure */
	/* In the class of chunks their records begin with a block. */
	alignas(16) unsigned char data[];
};

struct spool_memory {
	struct spool_buffer *free[SPOOL_CLASSES];
	unsigned kept[SPOOL_CLASSES];
	struct spool_item *items;
	struct spool_slab *slabs;
	struct spool_message *messages;
	struct spool_writer *writers;
};

/* --- segments --- */

/*
 * PREPARING  file made, FALLOCATE in flight       -> NAMING, gone
 * NAMING     waits for the folder's fsync         -> SPARE, gone
 * SPARE      ready to be written                  -> CURRENT, PREPARING
 * CURRENT    the append point                     -> SEALED
 * SEALED     never written again, only punched    -> DOOMED
 * DOOMED     without its name, waits for the folder's fsync
 *                                                 -> EMPTYING, POOLED
 * EMPTYING   its blocks are being given back      -> gone
 * POOLED     a file without a number              -> NAMING, gone
 */
enum spool_segment_state {
	SPOOL_SEGMENT_PREPARING,
	SPOOL_SEGMENT_NAMING,
	SPOOL_SEGMENT_SPARE,
	SPOOL_SEGMENT_CURRENT,
	SPOOL_SEGMENT_SEALED,
	SPOOL_SEGMENT_DOOMED,
	SPOOL_SEGMENT_EMPTYING,
	SPOOL_SEGMENT_POOLED,
};

/* Records about this segment's messages that stand in a later one. */
struct spool_pin {
	struct spool_segment *in;
	uint64_t count;
};

struct spool_segment {
	struct spool *spool;
	struct spool_segment *next, *prev; /* by number; spares are not in */
	struct spool_segment *next_naming; /* waits for the folder's fsync */
	enum spool_segment_state state;
	uint32_t number;
	int fd;
	int direct_fd;	     /* O_DIRECT; -1: none */
	uint32_t refs;	     /* items and operations that know it */
	uint64_t seed;	     /* of its records' checksums */
	uint64_t size;	     /* of the file */
	uint64_t write_off;  /* everything below is written */
	uint64_t sync_off;   /* everything below is on stable storage */
	uint64_t synced_end; /* recovered: nothing torn is below */
	uint64_t live;	     /* MESSAGE and CHUNK records in use */
	uint64_t live_bytes;
	uint64_t pins; /* sum of the pins that point here */
	struct spool_pin *later;
	unsigned later_count, later_room;
	const unsigned char *map;	/* NULL: not mapped yet */
	struct spool_message *messages; /* live ones, a list */
	bool damaged;			/* keep it aside when it is empty */
	bool allocating;		/* FALLOCATE is in flight */
	bool headless;			/* recovered: it has no header */
	bool stubborn;			/* something in it can't be moved */
	bool holed;			/* some blocks were given back */
	bool recycling;			/* DOOMED: to be POOLED */
	bool recycled; /* an earlier life's bytes are behind its end */
	struct spool_extent *dead; /* big, and not given back yet; owned */
	uint32_t dead_count, dead_room;
};

/* Where a live record is. */
struct spool_extent {
	struct spool_segment *segment; /* NULL: not placed, or missing */
	uint32_t offset8;
	uint32_t length; /* payload bytes */
};

/* --- messages --- */

enum spool_message_flag {
	SPOOL_MESSAGE_VERIFIED = 1, /* checksums were seen to be right */
	SPOOL_MESSAGE_FINISHED = 2, /* all results are on stable storage */
	SPOOL_MESSAGE_MOVING = 4,   /* one of spool->moves is about it */
	SPOOL_MESSAGE_PASSED = 8,   /* recovery: its body wasn't read */
};

/* A recipient in one word. */
#define SPOOL_WORD_DONE		  (UINT64_C(1) << 63)
#define SPOOL_WORD_ATTEMPTS_SHIFT 48
#define SPOOL_WORD_ATTEMPTS_MAX	  UINT64_C(0xfff)
#define SPOOL_WORD_WARNED_SHIFT	  60 /* SPOOL_WARNED_MAX: 3 bits */
#define SPOOL_WORD_TIME_MAX	  ((UINT64_C(1) << 48) - 1) /* ms */

struct spool_message {
	uint64_t id;
	struct spool_segment *segment;	   /* of the MESSAGE record */
	struct spool_message *next, *prev; /* in it */
	struct spool_extent *extents;	   /* the chunks; owned */
	uint32_t extent_count;
	uint32_t offset8; /* of the MESSAGE record */
	uint32_t length;  /* its payload */
	uint32_t recipients;
	uint32_t open;	  /* without a final result */
	uint32_t pending; /* results on their way */
	uint16_t views;
	uint8_t flags;
	union {
		uint64_t words[SPOOL_WORDS_INLINE];
		uint64_t *more; /* recipients > SPOOL_WORDS_INLINE; owned */
	};
};

static_assert(sizeof(struct spool_message) <= 80, "docs/spool.md");

/* --- records on their way --- */

enum spool_item_kind {
	SPOOL_ITEM_CHUNK,
	SPOOL_ITEM_MESSAGE,
	SPOOL_ITEM_RESULT,
	SPOOL_ITEM_FREE,
	SPOOL_ITEM_VOID,
	SPOOL_ITEM_MOVE_CHUNK, /* copies: see spool_clean.c */
	SPOOL_ITEM_MOVE,
};

struct spool_item {
	struct spool_item *next;
	unsigned char *record;
	struct spool_buffer *buffer; /* a reference */
	uint32_t size;		     /* of the record, padded */
	enum spool_item_kind kind;
	union {
		struct {
			struct spool_writer *writer; /* CHUNK, MESSAGE */
			uint32_t chunk;		     /* CHUNK: which one */
		};
		struct {
			struct spool_message *message; /* RESULT */
			bool final; /* RESULT: the message's last */
		};
		struct spool_segment *about; /* FREE, VOID; a reference */
		struct spool_move *move;     /* MOVE, MOVE_CHUNK */
	};
	/* VOID: commits to be answered when it is written; by answer_next */
	struct spool_writer *answers;
};

struct spool_queue {
	struct spool_item *head, *tail;
};

/*
 * GATHERING  between begin and commit        -> COMMITTING, ABORTED
 * COMMITTING its MESSAGE record is queued, in flight, or failed and waiting
 *            for its answer                  -> freed
 * ABORTED    dropped; some chunk is in flight -> freed
 */
enum spool_writer_state {
	SPOOL_WRITER_GATHERING,
	SPOOL_WRITER_COMMITTING,
	SPOOL_WRITER_ABORTED,
};

struct spool_writer {
	struct spool *spool;
	struct spool_writer *next, *prev; /* all that exist */
	struct spool_writer *answer_next;
	enum spool_writer_state state;
	enum spool_status status; /* not OK: dead, whatever else comes */
	uint64_t id;
	uint64_t size;		     /* body bytes so far */
	struct spool_buffer *buffer; /* NULL before the first byte */
	uint32_t used;		     /* body bytes in it */
	uint32_t items;		     /* queued or in flight */
	struct spool_extent *chunks;
	uint32_t chunk_count, chunk_room;
	size_t list_at; /* of the chunk list in the MESSAGE record */
	struct spool_message *message; /* made by commit */
	spool_committed_fn fn;
	void *owner;
};

/* READING, WRITING: a record is in flight; WAITING: the copy is durable, but
 * the old place is being looked at. */
enum spool_move_state {
	SPOOL_MOVE_FREE,
	SPOOL_MOVE_READING,
	SPOOL_MOVE_WRITING,
	SPOOL_MOVE_WAITING,
};

/* A message on its way from the oldest segment to the append point. */
struct spool_move {
	struct spool *spool;
	struct spool_message *message; /* NULL: gone, or given up */
	enum spool_move_state state;
	bool op, item;		      /* in flight */
	struct spool_segment *victim; /* a reference */
	struct spool_extent *extents; /* the chunks' new list; owned */
	bool *moved;		      /* which of them are new; owned */
	uint32_t count, next;	      /* next == count: the MESSAGE */
	struct spool_buffer *buffer;  /* what is being read */
	uint32_t have, want;
	size_t list_at;		       /* of the chunk list in the copy */
	struct spool_segment *segment; /* the copy's place, once it has one */
	uint32_t offset8, length;
};

/* IDLE: nothing in flight.  Only spool_round.c changes it. */
enum spool_round_state {
	SPOOL_ROUND_IDLE,
	SPOOL_ROUND_WRITING,
	SPOOL_ROUND_SYNCING,
};

struct spool_round {
	enum spool_round_state state;
	bool op;	  /* an operation of it is in flight */
	bool durable;	  /* something in it must be synced */
	bool direct;	  /* past the page cache: see spool_block.c */
	unsigned answers; /* messages and results in it */
	uint64_t began;	  /* uring_now() */
	struct spool_queue items;
	uint64_t start; /* offset of its first byte */
	uint64_t end;
	unsigned iov_count, iov_first;
	struct iovec iov[SPOOL_ROUND_IOV];
};

struct spool {
	struct uring *ring;
	uint64_t segment_size, max_unwritten;
	unsigned min_free_percent, worker;
	bool sync, recycle;
	bool direct;	    /* whole chunks go past the page cache */
	unsigned gathering; /* writers that have chunks */
	int dir_fd, lock_fd;
	uint64_t seed;
	bool seed_unknown; /* there were segments, but no seed to read them */
	uint64_t last_id;
	unsigned inflight;
	bool kicked;		/* a NOP is in flight */
	bool recovering;	/* no deleting yet */
	bool opened;		/* spool_open() succeeded */
	bool verify;		/* recovery reads bodies, too */
	bool doubted;		/* the next start was told to */
	bool read_only;		/* it is only looked at: see spool_inspect.h */
	spool_damage_fn damage; /* while recovering */
	void *damage_arg;

	struct spool_memory memory;
	struct spool_segment *first, *last; /* by number */
	struct spool_segment *current;
	struct spool_segment *spare; /* being prepared or ready */
	uint32_t next_number;
	uint64_t previous_end; /* position; for the next segment's header */
	struct spool_segment *naming;	  /* waiting for an fsync */
	struct spool_segment *naming_now; /* the fsync in flight is theirs */
	struct spool_segment *pool;	  /* POOLED; by next */
	unsigned pooled;		  /* in it, and on the way to it */
	enum spool_status prepare_status; /* of the last try for a spare */
	uint64_t retry_at;		  /* not before, by uring_now() */
	struct uring_timer retry;	  /* an operation was refused */
	struct uring_timer prepare_retry; /* at retry_at */

	struct spool_queue queue;
	uint64_t queued;    /* bytes in queue and round */
	uint64_t unsettled; /* messages and results in queue and round */
	struct spool_round round;
	unsigned char header[SPOOL_SEGMENT_HEADER]; /* on its way */
	struct spool_writer *answers, *answers_tail;
	struct spool_buffer *results; /* where the next RESULT is made */
	uint32_t results_used;
	struct spool_writer writers; /* head of a circular list */
	struct spool_waiter waiters; /* likewise */
	struct spool_waiter fence;   /* in it while they are called */

	struct spool_move moves[SPOOL_MOVES];
	uint64_t clean_walk_at;	 /* uring_now() of the next long search */
	unsigned clean_budget;	 /* moves that may still be started */
	uint64_t bytes_segments; /* sum of the segments' sizes */

	uint64_t space_checked; /* uring_now() of the last look; 0: never */
	bool space_low;
	struct spool_stats stats;
	unsigned char scratch[16 * 1024]; /* bodies of dead messages end here */
	unsigned char pad[2 * SPOOL_BLOCK]; /* the PAD on its way */
};

/* spool_memory.c */
/* A buffer with room for @size bytes or more, or NULL. refs == 1. */
struct spool_buffer *spool_buffer_get(struct spool_memory *memory, size_t size);
void spool_buffer_unref(struct spool_memory *memory,
			struct spool_buffer *buffer);
/* Body bytes that a buffer takes after @buffer (NULL: the first one). */
size_t spool_buffer_next_size(const struct spool_buffer *buffer);
struct spool_item *spool_item_get(struct spool_memory *memory);
/* Drops the item's buffer too. */
void spool_item_put(struct spool_memory *memory, struct spool_item *item);
struct spool_message *spool_message_get(struct spool_memory *memory,
					uint32_t recipients);
void spool_message_put(struct spool_memory *memory,
		       struct spool_message *message);
struct spool_writer *spool_writer_get(struct spool_memory *memory);
void spool_writer_put(struct spool_memory *memory, struct spool_writer *w);
void spool_memory_free(struct spool_memory *memory);

/* spool_queue.c */
void spool_queue_push(struct spool_queue *queue, struct spool_item *item);
struct spool_item *spool_queue_pop(struct spool_queue *queue);
/* Put @front before what is in @queue. */
void spool_queue_prepend(struct spool_queue *queue,
			 const struct spool_queue *front);
/* Drop the head as long as nobody wants it written. */
void spool_queue_drop_dead(struct spool *spool);
bool spool_item_is_mail(const struct spool_item *item);
bool spool_item_is_move(const struct spool_item *item);
/* Somebody waits for it (or will, after a crash). */
bool spool_item_is_owed(const struct spool_item *item);
/* Its message was aborted or has failed: writing it would be for nothing. */
bool spool_item_is_dead(const struct spool_item *item);
/* @item is in no queue any more. */
void spool_item_drop_dead(struct spool *spool, struct spool_item *item);
/* The item is done with, one way or the other. */
void spool_item_end(struct spool *spool, struct spool_item *item);
void spool_enqueue(struct spool *spool, struct spool_item *item);

/* spool_stats.c */
/* The round is safe: count it. */
void spool_stats_commit(struct spool_stats *stats, unsigned batch, uint64_t ns);

/* spool_outcome.c */
/* The round is written, and synced if it had to be. */
void spool_round_done(struct spool *spool);
/* A write or a sync failed. */
void spool_round_fail(struct spool *spool, int error);

/* spool_round.c */
/* Have spool_continue() called from the next turn. */
void spool_kick(struct spool *spool);
/* Start a round if one can be, answer who can be answered: the end of every
 * event of this folder. */
void spool_continue(struct spool *spool);
/* Have spool_continue() called in a while (operations were refused). */
void spool_retry_soon(struct spool *spool);

/* spool_writer.c */
/* A commit is to be answered from this or a later event. */
void spool_answer(struct spool *spool, struct spool_writer *writer);
/* Call the callbacks of spool_answer(). */
void spool_answer_all(struct spool *spool);
/* All its items are done: free it if nobody needs it. */
void spool_writer_settle(struct spool_writer *writer);
/* The writer's message will not be: nothing more of it is written. */
void spool_writer_fail(struct spool_writer *writer, enum spool_status status);
void spool_writer_free(struct spool_writer *writer);

/* spool_wait.c */
bool spool_behind(const struct spool *spool);
void spool_wake_waiters(struct spool *spool);
bool spool_space_low(struct spool *spool);

/* spool_segment.c */
enum spool_next {
	SPOOL_NEXT_NOW,	  /* it is the current one */
	SPOOL_NEXT_LATER, /* spool_continue() will be called */
	SPOOL_NEXT_NEVER, /* not to be had: spool->prepare_status */
};
/* Seal the current segment and take one with room for @size bytes. */
enum spool_next spool_segment_advance(struct spool *spool, uint64_t size);
/* Blocking, for spool_open(). Returns 0 or -errno. */
int spool_segment_first(struct spool *spool);
/* Start preparing the next one if it is time. */
void spool_segment_ahead(struct spool *spool);
/* The current one is never written again; it ends at @end. */
void spool_segment_seal(struct spool *spool, uint64_t end);
/* No new segment before a second has passed; until then the spool refuses
 * mail with @status. */
void spool_segment_give_up(struct spool *spool, enum spool_status status);
struct spool_segment *spool_segment_new(struct spool *spool, uint32_t number);
void spool_segment_link(struct spool *spool, struct spool_segment *segment);
struct spool_segment *spool_segment_find(const struct spool *spool,
					 uint32_t number);
const unsigned char *spool_segment_map(struct spool_segment *segment);
void spool_segment_unref(struct spool_segment *segment);
/* Free the struct, descriptor and map; nothing knows it any more. */
void spool_segment_free(struct spool_segment *segment);
void spool_segment_name(uint32_t number, const char *suffix, char out[32]);
/* Where chunks are, as MESSAGE records list it. */
void spool_put_chunk_list(unsigned char *at, const struct spool_extent *chunks,
			  uint32_t count);
/* Write a segment's header to @at. */
void spool_segment_stamp(struct spool *spool, struct spool_segment *segment,
			 unsigned char at[SPOOL_SEGMENT_HEADER]);

/* spool_clean.c */
void spool_clean_earn(struct spool *spool, unsigned activity);
/* Move what is worth moving. */
void spool_clean(struct spool *spool);
void spool_move_place(struct spool_item *item, struct spool_segment *segment,
		      uint64_t offset);
void spool_move_written(struct spool_item *item);
/* Its round failed, or there is no room: it will not be written. */
void spool_move_dropped(struct spool_item *item);
/* The last view of a message that may be moving was released. */
void spool_move_unviewed(struct spool_message *message);
void spool_move_message_ends(struct spool_message *message);
/* Where a durable copy is that isn't the message's home yet, or NULL. */
struct spool_segment *spool_move_new_home(const struct spool_message *message);

/* spool_retire.c: how segments and blocks are given back */
/* Delete the segment if nothing needs it any more. */
void spool_segment_settle(struct spool_segment *segment);
bool spool_segment_needed(const struct spool_segment *segment);
/* Blocking, for recovery: delete one that isn't needed. */
void spool_segment_remove_now(struct spool_segment *segment);
/* @later holds a record that is needed as long as @segment exists. */
void spool_segment_pin(struct spool_segment *segment,
		       struct spool_segment *later);
void spool_segment_unpin_all(struct spool_segment *segment);
/* Punch the whole blocks inside; no record is needed for it. */
void spool_segment_punch(struct spool_segment *segment, uint64_t from,
			 uint64_t to);
void spool_extent_use(struct spool_segment *segment, uint32_t length);
void spool_extent_drop(struct spool_segment *segment, uint32_t length);
/* Queue FREE records for what of the extents is worth it. */
void spool_give_back(struct spool *spool, const struct spool_extent *extents,
		     uint32_t count);
/* A FREE record was written. */
void spool_freed(struct spool *spool, struct spool_item *item);
/* Have the segment's state go on after an fsync of the folder. */
void spool_folder_sync(struct spool *spool, struct spool_segment *segment);
/* Start the fsync if somebody waits for one. */
void spool_folder_sync_start(struct spool *spool);
/* In spool_segment.c: a spare's name is (res == 0) on stable storage. */
void spool_segment_named(struct spool_segment *segment, int res);

/* Blocks of dead records in segments that are no longer young (or in all, when
 * space is wanted) are given back. */
void spool_give_back_due(struct spool *spool);

/* spool_block.c */
/* Another descriptor for the file of that name, if one is to be had. */
void spool_block_open(struct spool_segment *segment, const char *name);
/* The kernel doesn't take such writes after all. */
void spool_block_refused(struct spool *spool);
/* A record that is written past the page cache. */
bool spool_block_item(const struct spool *spool, const struct spool_item *item);
/* One that was, or may be taken as such. */
bool spool_block_place(const struct spool_segment *segment,
		       const struct spool_extent *extent);
/* Bytes of a PAD record at @at that ends with a block; 0: none is needed. */
uint64_t spool_pad_size(uint64_t at);
/* That record; valid until the next one is made. */
unsigned char *spool_pad_make(struct spool *spool, uint64_t at);

/* spool_pool.c */
/* Is the segment's file of use when nothing in it is needed any more? */
bool spool_pool_wants(const struct spool_segment *segment);
/* Take its name; 0, or -1 and errno. */
int spool_pool_rename(struct spool_segment *segment);
/* The rename is on stable storage, or (not @renamed) may come undone. False: the
 * file isn't kept. */
bool spool_pool_add(struct spool_segment *segment, bool renamed);
/* A segment that needs no room, with that number and name; or NULL. */
struct spool_segment *spool_pool_take(struct spool *spool, uint32_t number);
/* Delete the files: space is wanted, or the end has come. */
void spool_pool_empty(struct spool *spool);

/* spool_message.c */
uint64_t *spool_message_words(struct spool_message *message);
void spool_word_apply(struct spool_message *message, uint32_t recipient,
		      enum spool_result result, unsigned attempts,
		      uint64_t next_attempt);
/* A RESULT record at @record (spool_record_size() of SPOOL_RESULT_FIXED +
 * @reply_len), all but the message's place. */
void spool_result_put(unsigned char *record, uint64_t id, uint32_t recipient,
		      enum spool_result result, unsigned attempts,
		      unsigned warned, uint64_t next_attempt, const char *reply,
		      size_t reply_len);
void spool_message_link(struct spool_message *message,
			struct spool_segment *segment, uint64_t offset,
			uint32_t length);
void spool_message_unlink(struct spool_message *message);
/* Not in its segment any more; its records and itself are given up. */
void spool_message_drop(struct spool *spool, struct spool_message *message);
/* Its last result is on stable storage. */
void spool_message_finish(struct spool *spool, struct spool_message *message);

/* spool_recover.c */
/* Something is damaged that recovery hasn't seen: the next start reads it
 * all. */
void spool_doubt(struct spool *spool);
/* Read the log back. @error_text is written on failure; -errno. */
int spool_recover(struct spool *spool, spool_found_fn found, void *arg,
		  struct spool_report *report, char error_text[256]);

/* Free all segments and messages, for a second reading or for good. */
void spool_forget_segments(struct spool *spool);

/* spool_open.c */
#define SPOOL_LOCK_NAME "lock"
/* All of it but the folder: nothing is opened yet. NULL: no memory. */
struct spool *spool_new(const struct spool_config *config, struct uring *ring);
bool spool_segment_header_read(const struct spool *spool, uint32_t number,
			       struct spool_segment_header *header);
/* Read the folder's seed, from the lock file or one of the segments, or make
 * one. */
int spool_seed_load(struct spool *spool, const uint32_t *numbers, size_t count,
		    char error_text[256]);

/* The wall clock, ns since 1970. */
uint64_t spool_wall_clock(void);

/* Write "<folder or file>: <what>: <strerror(error)>"; returns -error. */
int spool_say(char error_text[256], const char *where, const char *what,
	      int error);

#endif
