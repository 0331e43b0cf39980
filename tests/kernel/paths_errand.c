/* SPDX-License-Identifier: Apache-2.0 */
/* The peer's half of an errand (paths_errand.h). */
#include "tests/kernel/paths_errand.h"

#include <stdio.h>
#include <string.h>

#define SMALL_STEPS 100000 /* bytes that a slow reader takes in small steps */

static void differs(struct tcp_peer *peer, const char *what, size_t nth,
		    size_t near)
{
	if (tcp_peer_content(peer))
		snprintf(peer->complaint, sizeof(peer->complaint),
			 "%s %zu differs near byte %zu", what, nth, near);
}

static void read_bytes(struct tcp_peer *peer, SSL *ssl,
		       const struct errand *errand, size_t nth, size_t len)
{
	const unsigned char *expect = errand->file + errand->parcels[nth].at;
	unsigned char buf[16384];
	size_t at = 0;

	while (at < len && tcp_peer_content(peer)) {
		size_t n = errand->slow && at < SMALL_STEPS ? 500 : sizeof(buf);

		n = n < len - at ? n : len - at;
		tcp_peer_read(peer, ssl, buf, n);
		if (memcmp(buf, expect + at, n) != 0)
			differs(peer, "body", nth, at);
		at += n;
	}
}

static void read_words(struct tcp_peer *peer, SSL *ssl, const char *words,
		       size_t nth)
{
	char buf[16];
	size_t len = strlen(words);

	if (!tcp_peer_content(peer))
		return;
	tcp_peer_read(peer, ssl, buf, len);
	if (memcmp(buf, words, len) != 0)
		differs(peer, "line", nth, 0);
}

static void read_close_notify(struct tcp_peer *peer, SSL *ssl)
{
	char byte;
	int n;

	if (!tcp_peer_content(peer))
		return;
	n = SSL_read(ssl, &byte, 1);
	if (n > 0 || SSL_get_error(ssl, n) != SSL_ERROR_ZERO_RETURN)
		tcp_peer_complain(peer, ssl, "close_notify expected", n);
}

void errand_read(struct tcp_peer *peer, SSL *ssl)
{
	struct errand *errand = peer->config.arg;

	if (errand->slow)
		sem_wait(&errand->go);
	if (errand->cut) {
		read_bytes(peer, ssl, errand, 0, errand->cut);
		peer->abrupt = true;
		return;
	}
	for (size_t i = 0; i < errand->count; i++) {
		read_bytes(peer, ssl, errand, i, errand->parcels[i].len);
		read_words(peer, ssl, PARCEL_END, i);
	}
	tcp_peer_write(peer, ssl, ERRAND_OK, ERRAND_OK_LEN);
	read_close_notify(peer, ssl);
}

/* Uneven pieces: records of all sizes. */
static void write_bytes(struct tcp_peer *peer, SSL *ssl,
			const unsigned char *data, size_t len)
{
	static const size_t steps[] = {1, 100, 16384, 5000, 70000};
	size_t at = 0, turn = 0;

	while (at < len && tcp_peer_content(peer)) {
		size_t n = steps[turn++ % 5];

		n = n < len - at ? n : len - at;
		tcp_peer_write(peer, ssl, data + at, n);
		at += n;
	}
}

void errand_write(struct tcp_peer *peer, SSL *ssl)
{
	struct errand *errand = peer->config.arg;

	for (size_t i = 0; i < errand->count; i++) {
		const struct parcel *parcel = &errand->parcels[i];

		write_bytes(peer, ssl, errand->file + parcel->at, parcel->len);
		write_bytes(peer, ssl, (const unsigned char *)PARCEL_END,
			    PARCEL_END_LEN);
	}
	if (errand->cut) {
		/* who reads has gone: that this end saw it is right */
		*peer->complaint = '\0';
		peer->abrupt = true;
		return;
	}
	read_words(peer, ssl, ERRAND_OK, errand->count);
	read_close_notify(peer, ssl);
}
