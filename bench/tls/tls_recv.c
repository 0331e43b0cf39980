/* SPDX-License-Identifier: Apache-2.0 */
/* A receiver and its blocking path, SSL_read; see tls_recv.h. */
#include "bench/tls/tls_recv.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>

#include "bench/tls/tls_recv_private.h"
#include "bench/tls/tls_relay.h"
#include "bench/tls/tls_source.h"

/* Files are written from the front again, so that they stay this small; room
 * for what one verification reads back. */
#define FILE_MAX ((uint64_t)2 * TLS_MESSAGE_MAX)

void tls_in_fail(struct tls_in *in, int err, const char *what)
{
	struct tls_receiver *r = in->receiver;

	if (!r->err)
		r->err = tls_conn_explain(r->error, r->cap, err, what);
}

bool tls_in_count(struct tls_in *in, const void *data, size_t len)
{
	if (len > in->left) {
		tls_in_fail(in, -EOVERFLOW, "more octets came than were sent");
		return false;
	}
	in->left -= len;
	if (in->receiver->hashing && in->file < 0)
		bench_hash_add(in->hash, data, len);
	return true;
}

uint64_t tls_in_place(struct tls_in *in, size_t len)
{
	uint64_t place = in->offset;

	if (place + len > FILE_MAX)
		place = 0;
	in->offset = place + len;
	return place;
}

/* --- the blocking path --- */

static int write_block(struct tls_in *in, size_t len)
{
	uint64_t place = tls_in_place(in, len);
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(in->file, in->block + done, len - done,
				   (off_t)(place + done));

		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

/* Fills the block, as far as this stretch of the stream goes. */
static int read_block(struct tls_in *in, uint64_t stretch, size_t *len)
{
	for (*len = 0; *len < TLS_BLOCK && *len < stretch;) {
		uint64_t most = stretch - *len;
		size_t room = TLS_BLOCK - *len;
		int n = SSL_read(in->conn->ssl, in->block + *len,
				 (int)(most < room ? most : room));

		if (n <= 0) {
			ERR_clear_error();
			return errno ? -errno : -ECONNRESET;
		}
		*len += (size_t)n;
	}
	return 0;
}

/* Without a file every read is a block: nothing is gathered. */
static int read_stretch(struct tls_in *in, uint64_t stretch)
{
	while (stretch) {
		size_t len = 0;
		int err = 0;

		if (in->file >= 0) {
			err = read_block(in, stretch, &len);
		} else {
			int n = SSL_read(in->conn->ssl, in->block,
					 stretch < TLS_BLOCK ? (int)stretch
							     : TLS_BLOCK);

			if (n <= 0)
				err = errno ? -errno : -ECONNRESET;
			else
				len = (size_t)n;
		}
		if (err)
			return err;
		if (!tls_in_count(in, in->block, len))
			return -EOVERFLOW;
		if (in->file >= 0 && (err = write_block(in, len)))
			return err;
		stretch -= len;
	}
	return 0;
}

/* In turns, as the sender writes: no connection waits for another's window. */
static int run_blocking(struct tls_receiver *r)
{
	bool all = false;

	while (!all && !r->err) {
		all = true;
		for (unsigned i = 0; i < r->count && !r->err; i++) {
			struct tls_in *in = &r->ins[i];
			uint64_t turn =
				in->left < TLS_BLOCK ? in->left : TLS_BLOCK;
			int err;

			errno = 0;
			err = read_stretch(in, turn);
			if (err)
				tls_in_fail(in, err, "SSL_read");
			all = all && !in->left;
		}
	}
	return r->err;
}

/* Message by message, each connection in turn, each answered. */
static int run_answering(struct tls_receiver *r, uint64_t stretch)
{
	static const char reply[TLS_RELAY_REPLY] = "250 2.0.0 Ok";
	bool all = false;

	while (!all && !r->err) {
		all = true;
		for (unsigned i = 0; i < r->count && !r->err; i++) {
			struct tls_in *in = &r->ins[i];
			int err;

			errno = 0;
			err = read_stretch(in, stretch);
			if (!err &&
			    SSL_write(in->conn->ssl, reply, sizeof(reply)) <= 0)
				err = errno ? -errno : -ECONNRESET;
			if (err)
				tls_in_fail(in, err, "answering");
			all = all && !in->left;
		}
	}
	return r->err;
}

/* --- runs --- */

static int hash_file(struct tls_in *in, uint64_t bytes)
{
	unsigned char *piece = malloc(TLS_BLOCK);
	uint64_t done = 0;
	int err = piece ? 0 : -ENOMEM;

	while (!err && done < bytes) {
		uint64_t left = bytes - done;
		ssize_t n =
			pread(in->file, piece,
			      left < TLS_BLOCK ? left : TLS_BLOCK, (off_t)done);

		if (n <= 0)
			err = n < 0 ? -errno : -ENODATA;
		else
			bench_hash_add(in->hash, piece, (size_t)n);
		done += n > 0 ? (size_t)n : 0;
	}
	free(piece);
	return err;
}

static int hash_start(struct tls_in *in)
{
	if (!in->hash)
		in->hash = bench_hash_new(BENCH_HASH_SHA256);
	if (!in->hash)
		return -ENOMEM;
	bench_hash_start(in->hash);
	in->offset = 0;
	return 0;
}

static int run_start(struct tls_receiver *r, uint64_t bytes)
{
	for (unsigned i = 0; i < r->count; i++) {
		struct tls_in *in = &r->ins[i];
		int err = r->hashing ? hash_start(in) : 0;

		in->left = bytes;
		if (!err && r->hashing && in->file >= 0 && bytes > FILE_MAX)
			err = -EFBIG;
		if (err) {
			tls_in_fail(in, err, "hashing");
			return err;
		}
	}
	return 0;
}

static int run_hashes(struct tls_receiver *r, uint64_t bytes,
		      char (*hashes)[BENCH_HASH_TEXT])
{
	for (unsigned i = 0; i < r->count; i++) {
		struct tls_in *in = &r->ins[i];
		int err = in->file >= 0 ? hash_file(in, bytes) : 0;

		if (err)
			tls_in_fail(in, err, "reading the file back");
		bench_hash_text(in->hash, hashes[i]);
	}
	return r->err;
}

static int run(struct tls_receiver *r, uint64_t stretch)
{
	if (r->ring)
		return tls_receiver_ring_run(r);
	return r->path->method == TLS_ANSWER ? run_answering(r, stretch)
					     : run_blocking(r);
}

int tls_receiver_run(struct tls_receiver *r, uint64_t messages, size_t size,
		     char (*hashes)[BENCH_HASH_TEXT], char *error, size_t cap)
{
	uint64_t stretch =
		size + (r->path->method == TLS_ANSWER ? TLS_RELAY_COMMANDS : 0);
	uint64_t bytes = messages * stretch;
	int err;

	r->error = error;
	r->cap = cap;
	r->hashing = hashes != NULL;
	err = run_start(r, bytes);
	if (!err)
		err = run(r, stretch);
	if (!err && hashes)
		err = run_hashes(r, bytes, hashes);
	return err;
}

/* --- life --- */

static int prepare(struct tls_in *in, const char *folder)
{
	const struct tls_path *path = in->receiver->path;

	if (path->method == TLS_RECV_FILE) {
		in->file = tls_file_unnamed(folder);
		if (in->file < 0)
			return in->file;
	}
	if (path->layer == TLS_LAYER_OPENSSL ||
	    path->layer == TLS_LAYER_ENGINE) {
		in->block = malloc(TLS_BLOCK);
		if (!in->block)
			return -ENOMEM;
	}
	return 0;
}

int tls_receiver_create(const struct tls_path *path, const char *folder,
			struct tls_conn *conns, unsigned count,
			struct tls_receiver **out, char *error, size_t cap)
{
	struct tls_receiver *r = calloc(1, sizeof(*r));
	int err = 0;

	*out = r;
	if (r)
		r->ins = calloc(count, sizeof(*r->ins));
	if (!r || !r->ins)
		return tls_conn_explain(error, cap, -ENOMEM, "receiver");
	r->path = path;
	r->count = count;
	for (unsigned i = 0; i < count; i++) {
		r->ins[i].receiver = r;
		r->ins[i].conn = &conns[i];
		r->ins[i].file = -1;
	}
	for (unsigned i = 0; i < count && !err; i++)
		err = prepare(&r->ins[i], folder);
	if (err)
		return tls_conn_explain(error, cap, err, folder);
	return path->layer == TLS_LAYER_OPENSSL
		       ? 0
		       : tls_receiver_ring_open(r, error, cap);
}

void tls_receiver_free(struct tls_receiver **receiver)
{
	struct tls_receiver *r = *receiver;

	*receiver = NULL;
	if (!r)
		return;
	tls_receiver_ring_close(r);
	for (unsigned i = 0; r->ins && i < r->count; i++) {
		if (r->ins[i].file >= 0)
			close(r->ins[i].file);
		bench_hash_free(r->ins[i].hash);
		free(r->ins[i].block);
	}
	free(r->ins);
	free(r);
}
