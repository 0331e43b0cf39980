/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Installs keys on loopback TCP pairs to see what the kernel takes.
 */
#include "ktls/ktls_caps.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ktls/ktls_install.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
/* Newer than the headers of Debian 12. */
#define RX_EXPECT_NO_PAD   4
#define TX_MAX_PAYLOAD_LEN 5

struct pair {
	int fd[2];
};

static void pair_close(struct pair *pair)
{
	for (int i = 0; i < 2; i++) {
		if (pair->fd[i] >= 0)
			close(pair->fd[i]);
		pair->fd[i] = -1;
	}
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static int connect_through(int listener, union address *address, socklen_t len,
			   struct pair *pair)
{
	if (bind(listener, &address->any, len) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, &address->any, &len) < 0)
		return -errno;
	pair->fd[0] =
		socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (pair->fd[0] < 0 || connect(pair->fd[0], &address->any, len) < 0)
		return -errno;
	pair->fd[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	return pair->fd[1] < 0 ? -errno : 0;
}

static int pair_open_family(struct pair *pair, int family)
{
	union address address;
	socklen_t len = sizeof(address.v4);
	int listener, err;

	memset(&address, 0, sizeof(address));
	pair->fd[0] = pair->fd[1] = -1;
	if (family == AF_INET6) {
		address.v6.sin6_family = AF_INET6;
		address.v6.sin6_addr = in6addr_loopback;
		len = sizeof(address.v6);
	} else {
		address.v4.sin_family = AF_INET;
		address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	}
	listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0)
		return -errno;
	err = connect_through(listener, &address, len, pair);
	close(listener);
	if (err)
		pair_close(pair);
	return err;
}

static int pair_open(struct pair *pair)
{
	int err = pair_open_family(pair, AF_INET);

	return err ? pair_open_family(pair, AF_INET6) : 0;
}

/* Any key will do: nothing is ever sent under it. */
static void dummy_keys(struct ktls_keys *keys, enum ktls_version version,
		       enum ktls_cipher cipher)
{
	memset(keys, 0, sizeof(*keys));
	keys->version = version;
	keys->cipher = cipher;
	memset(keys->key, 0x5a, ktls_cipher_key_len(cipher));
	keys->seq = 1;
}

static void probe_rekey(const struct ktls_kernel *kernel, int fd,
			const struct ktls_keys *keys, struct ktls_caps *caps)
{
	caps->rekey_tx = ktls_install(kernel, fd, KTLS_TX, keys) == 0;
	caps->rekey_rx = ktls_install(kernel, fd, KTLS_RX, keys) == 0;
}

static void probe_options(const struct ktls_kernel *kernel, int fd,
			  struct ktls_caps *caps)
{
	int one = 1;
	uint16_t half = KTLS_RECORD_MAX / 2;

	caps->no_pad = kernel->setsockopt(kernel, fd, SOL_TLS, RX_EXPECT_NO_PAD,
					  &one, sizeof(one)) == 0;
	caps->max_payload =
		kernel->setsockopt(kernel, fd, SOL_TLS, TX_MAX_PAYLOAD_LEN,
				   &half, sizeof(half)) == 0;
}

static int probe_cipher(const struct ktls_kernel *kernel,
			enum ktls_version version, enum ktls_cipher cipher,
			struct ktls_caps *caps)
{
	struct ktls_keys keys;
	struct pair pair;
	int err = pair_open(&pair);

	if (err)
		return err;
	dummy_keys(&keys, version, cipher);
	err = ktls_attach(kernel, pair.fd[0]);
	for (int dir = 0; dir < KTLS_DIRECTIONS; dir++) {
		int got = err ? err
			      : ktls_install(kernel, pair.fd[0], dir, &keys);

		caps->cipher[cipher][version][dir] = got == 0;
		caps->cipher_error[cipher][version][dir] = -got;
	}
	if (version == KTLS_TLS_1_3 && cipher == KTLS_AES_128_GCM && !err) {
		probe_options(kernel, pair.fd[0], caps);
		probe_rekey(kernel, pair.fd[0], &keys, caps);
	}
	pair_close(&pair);
	return 0;
}

static int probe_ulp(const struct ktls_kernel *kernel, struct ktls_caps *caps)
{
	struct pair pair;
	int err = pair_open(&pair);

	if (err)
		return err;
	caps->ulp_error = -ktls_attach(kernel, pair.fd[0]);
	caps->ulp = caps->ulp_error == 0;
	pair_close(&pair);
	return 0;
}

static void deny_all(struct ktls_caps *caps, int error)
{
	memset(caps, 0, sizeof(*caps));
	caps->ulp_error = error;
	for (int c = KTLS_AES_128_GCM; c < KTLS_CIPHERS; c++)
		for (int v = KTLS_TLS_1_2; v < KTLS_VERSIONS; v++)
			for (int d = 0; d < KTLS_DIRECTIONS; d++)
				caps->cipher_error[c][v][d] = error;
}

int ktls_caps_probe(const struct ktls_kernel *kernel, struct ktls_caps *caps)
{
	int err;

	memset(caps, 0, sizeof(*caps));
	err = probe_ulp(kernel, caps);
	for (int c = KTLS_AES_128_GCM; !err && caps->ulp && c < KTLS_CIPHERS;
	     c++)
		for (int v = KTLS_TLS_1_2; !err && v < KTLS_VERSIONS; v++)
			err = probe_cipher(kernel, v, c, caps);
	if (err || !caps->ulp)
		deny_all(caps, err ? -err : caps->ulp_error);
	assert(caps->ulp == (caps->ulp_error == 0));
	return err;
}
