/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways of a file's bytes into a socket: which there are, who chooses, and
 * what the streams of one thread share for them (pipes and buffers).
 *
 *   mapped  sent from a mapping of the file: kernel TLS encrypts straight from
 *           the page cache, OpenSSL encrypts from there, plain TCP copies
 *   splice  file -> pipe -> socket (splice(2)), for plain TCP and kernel TLS:
 *           a worker thread of the kernel per step, no mapping needed; the
 *           program has to ignore SIGPIPE, there is no MSG_NOSIGNAL for it
 *   read    read into a buffer first: for bytes that have left the page cache,
 *           so that no page fault ever stalls the thread's ring
 *
 * What `auto` takes stands in struct ktls_policy, as numbers that were
 * measured (docs/benchmarks.md).
 */
#ifndef KTLS_KTLS_PATHS_H
#define KTLS_KTLS_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ktls/ktls_types.h"

struct uring;

enum ktls_byte_path {
	KTLS_PATH_AUTO,
	KTLS_PATH_MAPPED,
	KTLS_PATH_SPLICE,
	KTLS_PATH_READ,
	KTLS_PATHS
};
/* ktls_byte_path_name() - "auto", "mapped", "splice", "read"; static. */
const char *ktls_byte_path_name(enum ktls_byte_path path);

/*
 * ktls_byte_paths_text() - the paths that carried bytes, most first:
 * "mapped", "read,mapped"; NULL when @bytes (by enum ktls_byte_path) is all
 * zero. Returns @buf.
 */
#define KTLS_PATHS_TEXT 32
const char *ktls_byte_paths_text(const uint64_t bytes[KTLS_PATHS],
				 char buf[KTLS_PATHS_TEXT]);

/* A range of a file, whose bytes must not change or go away. */
struct ktls_file_range {
	int fd;		/* borrowed; -1: only in memory */
	uint32_t block; /* not 0: with O_DIRECT, which reads whole blocks of so
			 * many bytes (a power of two, KTLS_PATHS_BLOCK_MAX at
			 * most); the file has whole ones */
	uint64_t offset;
	size_t len;	  /* bytes; 0: nothing */
	const void *base; /* the same bytes mapped, or NULL */
};

/* What is chosen by; read-only while in use. */
struct ktls_policy {
	/* Not AUTO: this one, wherever it is possible. A path that isn't
	 * (splice under OpenSSL, a range without a mapping, no pipe left) gives
	 * way to the next best, never to a failure. */
	enum ktls_byte_path path;
	/* AUTO, plain or kernel TLS: a piece of at least so many bytes goes by
	 * splice. SIZE_MAX: never. */
	size_t splice_min;
	/* AUTO: what is forwarded from socket to socket (ktls_forward.h) goes by
	 * splice when at least so many bytes of it are still to come. */
	size_t forward_min;
	/* AUTO: pieces of at least so many bytes are asked after (mincore(2));
	 * shorter ones are taken to be in the page cache. */
	size_t look_min;
	/* KTLS_OFFLOAD_AUTO: so many bytes in a direction are worth the install
	 * (of both directions: one alone would save less and keep OpenSSL's
	 * memory); 0: any number is. */
	uint64_t offload_min[KTLS_DIRECTIONS];
};
extern const struct ktls_policy ktls_policy_measured;

struct ktls_caps;
/* ktls_policy_for() - ktls_policy_measured as it is for a kernel. */
struct ktls_policy ktls_policy_for(const struct ktls_caps *caps);

/* What a choice is about. */
struct ktls_choice {
	size_t len;
	bool mapped;	 /* there is a mapping */
	bool in_file;	 /* there is a descriptor */
	bool can_splice; /* the connection and the kernel can */
};

/* ktls_policy_choose() - SPLICE, READ, MAPPED, or AUTO: MAPPED as far as the
 * bytes are in the page cache, READ where they aren't. */
enum ktls_byte_path ktls_policy_choose(const struct ktls_policy *policy,
				       const struct ktls_choice *choice);

/* ktls_policy_forward() - shall @len bytes be spliced from socket to socket,
 * if they can be? */
bool ktls_policy_forward(const struct ktls_policy *policy, uint64_t len);

/* ktls_policy_offload() - does KTLS_OFFLOAD_AUTO put a connection's keys into
 * the kernel? It does when what is expected, by direction, pays together. */
bool ktls_policy_offload(const struct ktls_policy *policy,
			 const uint64_t expected[KTLS_DIRECTIONS]);

struct ktls_paths_config {
	struct ktls_policy policy;
	unsigned pipes;	  /* at most; 0: 16, KTLS_PATHS_NONE: none */
	unsigned buffers; /* at most, KTLS_PATHS_BUFFER bytes each; 0: 32 */
	/* How many bytes from @addr on are in the page cache; NULL: mincore(2)
	 * says. Injected by tests. */
	size_t (*resident)(void *arg, const void *addr, size_t len);
	void *arg;
};
#define KTLS_PATHS_NONE	     UINT32_MAX
#define KTLS_PATHS_BUFFER    ((size_t)256 * 1024)
#define KTLS_PATHS_BLOCK_MAX 4096

/* What streams of one thread share. */
struct ktls_paths;

/* ktls_paths_create() - @config is copied, @out returned owned. 0, -ENOMEM. */
int ktls_paths_create(const struct ktls_paths_config *config,
		      struct ktls_paths **out);
/* ktls_paths_destroy() - no stream may use it any more; accepts NULL; clears. */
void ktls_paths_destroy(struct ktls_paths **paths);
const struct ktls_policy *ktls_paths_policy(const struct ktls_paths *paths);

struct ktls_paths_stats {
	uint64_t bytes[KTLS_PATHS];	 /* of file ranges, sent */
	uint64_t no_pipe, no_buffer;	 /* asked for in vain */
	unsigned pipes, buffers;	 /* that exist */
	unsigned pipes_out, buffers_out; /* in use */
};
void ktls_paths_stats(const struct ktls_paths *paths,
		      struct ktls_paths_stats *out);

#endif
