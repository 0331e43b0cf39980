/* SPDX-License-Identifier: Apache-2.0 */
/* The table of paths; see tls_path.h. */
#include "bench/tls/tls_path.h"

#include <fnmatch.h>
#include <string.h>

enum {
	NAME_MAX_LEN = 63,
	KIB = 1024,
};

#define SENDING	   .test = TLS_TEST_SEND
#define RECEIVING  .test = TLS_TEST_RECEIVE
#define EXCHANGING .test = TLS_TEST_EXCHANGE
#define SHAKING	   .test = TLS_TEST_HANDSHAKE

/*
 * Copies, sending: kernel TLS encrypts out of the pages it is given, plain
 * sends copy them into socket buffers, OpenSSL's records are copied to the
 * socket (and, on memory, to the engine's output first).  Receiving: into the
 * buffer of the program; kernel TLS decrypts into it when it need not look for
 * padding, else one copy; OpenSSL reads the record and copies it out, and on
 * memory it is handed the record through two buffers more.  Exchanging: the
 * message, as for sending; what relay-auto does is its policy's choice.
 */
/* clang-format off */
static const struct tls_path paths[] = {
	{"plain-send",       SENDING, TLS_LAYER_PLAIN,   TLS_SEND,     .copies = 1},
	{"plain-sendmsg",    SENDING, TLS_LAYER_PLAIN,   TLS_SENDMSG,  .copies = 1},
	{"plain-splice-64K", SENDING, TLS_LAYER_PLAIN,   TLS_SPLICE,   .pipe = 64 * KIB},
	{"plain-splice-1M",  SENDING, TLS_LAYER_PLAIN,   TLS_SPLICE,   .pipe = 1024 * KIB},
	{"plain-sendfile",   SENDING, TLS_LAYER_PLAIN,   TLS_SENDFILE},
	{"plain-read",       SENDING, TLS_LAYER_PLAIN,   TLS_READ,     .copies = 2},
	{"openssl-write",    SENDING, TLS_LAYER_OPENSSL, TLS_WRITE,    .copies = 1},
	{"openssl-ring",     SENDING, TLS_LAYER_ENGINE,  TLS_WRITE,    .copies = 2},
	{"ktls-send",        SENDING, TLS_LAYER_KERNEL,  TLS_SEND},
	{"ktls-send-tail",   SENDING, TLS_LAYER_KERNEL,  TLS_SEND,     .tail = true},
	{"ktls-sendmsg",     SENDING, TLS_LAYER_KERNEL,  TLS_SENDMSG},
	{"ktls-splice-64K",  SENDING, TLS_LAYER_KERNEL,  TLS_SPLICE,   .pipe = 64 * KIB},
	{"ktls-splice-1M",   SENDING, TLS_LAYER_KERNEL,  TLS_SPLICE,   .pipe = 1024 * KIB},
	{"ktls-sendfile",    SENDING, TLS_LAYER_KERNEL,  TLS_SENDFILE},
	{"ktls-read",        SENDING, TLS_LAYER_KERNEL,  TLS_READ,     .copies = 1},

	{"plain-recv",        RECEIVING, TLS_LAYER_PLAIN,   TLS_RECV,      .copies = 1},
	{"plain-recv-file",   RECEIVING, TLS_LAYER_PLAIN,   TLS_RECV_FILE, .copies = 2},
	{"openssl-read",      RECEIVING, TLS_LAYER_OPENSSL, TLS_RECV,      .copies = 2},
	{"openssl-read-file", RECEIVING, TLS_LAYER_OPENSSL, TLS_RECV_FILE, .copies = 3},
	{"openssl-ring-recv", RECEIVING, TLS_LAYER_ENGINE,  TLS_RECV,      .copies = 4},
	{"openssl-ring-file", RECEIVING, TLS_LAYER_ENGINE,  TLS_RECV_FILE, .copies = 5},
	{"ktls-recv",         RECEIVING, TLS_LAYER_KERNEL,  TLS_RECV,      .copies = 1},
	{"ktls-recv-nopad",   RECEIVING, TLS_LAYER_KERNEL,  TLS_RECV,      .no_pad = true},
	{"ktls-recv-file",    RECEIVING, TLS_LAYER_KERNEL,  TLS_RECV_FILE, .copies = 2},
	{"ktls-recv-nopad-file", RECEIVING, TLS_LAYER_KERNEL, TLS_RECV_FILE, .no_pad = true, .copies = 1},

	{"relay-user",        EXCHANGING, TLS_LAYER_ENGINE, TLS_RELAY,  .offload = TLS_OFFLOAD_NEVER, .copies = 2},
	{"relay-user-read",   EXCHANGING, TLS_LAYER_ENGINE, TLS_READ,   .offload = TLS_OFFLOAD_NEVER, .copies = 3},
	{"relay-ktls",        EXCHANGING, TLS_LAYER_KERNEL, TLS_SEND,   .offload = TLS_OFFLOAD_BOTH},
	{"relay-ktls-tx",     EXCHANGING, TLS_LAYER_KERNEL, TLS_SEND,   .offload = TLS_OFFLOAD_TX},
	{"relay-ktls-splice", EXCHANGING, TLS_LAYER_KERNEL, TLS_SPLICE, .offload = TLS_OFFLOAD_BOTH},
	{"relay-ktls-read",   EXCHANGING, TLS_LAYER_KERNEL, TLS_READ,   .offload = TLS_OFFLOAD_BOTH, .copies = 1},
	{"relay-auto",        EXCHANGING, TLS_LAYER_ENGINE, TLS_RELAY,  .offload = TLS_OFFLOAD_AUTO, .copies = TLS_COPIES_UNKNOWN},
	{"openssl-answer",    .test = TLS_TEST_ANSWER, TLS_LAYER_OPENSSL, TLS_ANSWER},

	{"openssl-full",      SHAKING, TLS_LAYER_OPENSSL, TLS_SHAKE},
	{"openssl-resumed",   SHAKING, TLS_LAYER_OPENSSL, TLS_SHAKE, .resume = true},
	{"openssl-ring-full", SHAKING, TLS_LAYER_ENGINE, TLS_SHAKE},
	{"openssl-ring-resumed", SHAKING, TLS_LAYER_ENGINE, TLS_SHAKE, .resume = true},
	{"ktls-full",         SHAKING, TLS_LAYER_KERNEL, TLS_SHAKE},
	{"ktls-resumed",      SHAKING, TLS_LAYER_KERNEL, TLS_SHAKE, .resume = true},
};
/* clang-format on */
enum {
	PATHS = sizeof(paths) / sizeof(paths[0])
};

const struct tls_path *tls_path_all(size_t *count)
{
	*count = PATHS;
	return paths;
}

const struct tls_path *tls_path_find(const char *name)
{
	for (size_t i = 0; i < PATHS; i++) {
		if (!strcmp(paths[i].name, name))
			return &paths[i];
	}
	return NULL;
}

/* One pattern that ends at a comma or at the end of the list. */
static bool matches(const char *name, const char *pattern, size_t len)
{
	char text[NAME_MAX_LEN + 1];

	if (!len || len > NAME_MAX_LEN)
		return false;
	memcpy(text, pattern, len);
	text[len] = '\0';
	return fnmatch(text, name, 0) == 0;
}

bool tls_path_matches(const struct tls_path *path, const char *list)
{
	if (!list)
		return true;
	for (;;) {
		size_t len = strcspn(list, ",");

		if (matches(path->name, list, len))
			return true;
		if (!list[len])
			return false;
		list += len + 1;
	}
}

const struct tls_path *tls_path_peer(const struct tls_path *path)
{
	bool plain = path->layer == TLS_LAYER_PLAIN;

	switch (path->test) {
	case TLS_TEST_SEND:
		return tls_path_find(plain ? "plain-recv" : "openssl-read");
	case TLS_TEST_RECEIVE:
		return tls_path_find(plain ? "plain-send" : "openssl-write");
	case TLS_TEST_EXCHANGE:
		return tls_path_find("openssl-answer");
	case TLS_TEST_HANDSHAKE:
	case TLS_TEST_ANSWER:
		break;
	}
	return path;
}

const char *tls_test_name(enum tls_test test)
{
	switch (test) {
	case TLS_TEST_SEND:
		return "send";
	case TLS_TEST_RECEIVE:
		return "receive";
	case TLS_TEST_EXCHANGE:
		return "exchange";
	case TLS_TEST_HANDSHAKE:
		return "handshake";
	case TLS_TEST_ANSWER:
		break;
	}
	return "?";
}
