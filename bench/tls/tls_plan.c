/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of what to measure; see tls_plan.h. */
#include "bench/tls/tls_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench_parse.h"
#include "bench/tls/tls_end.h"

enum {
	WORD_MAX = 63,
	CONNECTIONS_DEFAULT = 1,
};

void tls_plan_default(struct tls_plan *plan)
{
	*plan = (struct tls_plan){
		.tests = {true, true, true, true},
		.versions = {1, {KTLS_TLS_1_3}},
		.ciphers = {1, {KTLS_AES_128_GCM}},
		.sizes = {4, {4096, 65536, 1 << 20, 16 << 20}},
		.connections = {1, {CONNECTIONS_DEFAULT}},
		.threads = 1,
		.repeats = 5,
		.total = 128 << 20,
		.warm_up = 8,
		.chunk = 1 << 20,
		.handshakes = 1000,
	};
}

/* --- names --- */

enum ktls_version tls_version_find(const char *name)
{
	if (!strcmp(name, "1.2") || !strcmp(name, "TLSv1.2"))
		return KTLS_TLS_1_2;
	if (!strcmp(name, "1.3") || !strcmp(name, "TLSv1.3"))
		return KTLS_TLS_1_3;
	return KTLS_VERSION_NONE;
}

enum ktls_cipher tls_cipher_find(const char *name)
{
	static const char *const short_names[KTLS_CIPHERS] = {
		[KTLS_AES_128_GCM] = "aes128",
		[KTLS_AES_256_GCM] = "aes256",
		[KTLS_CHACHA20_POLY1305] = "chacha20",
	};

	for (int c = KTLS_CIPHER_OTHER + 1; c < KTLS_CIPHERS; c++) {
		enum ktls_cipher cipher = (enum ktls_cipher)c;

		if (!strcmp(name, short_names[c]) ||
		    !strcmp(name, ktls_cipher_name(cipher)))
			return cipher;
	}
	return KTLS_CIPHER_OTHER;
}

/* --- lists --- */

/* Calls take() with each word of a comma-separated list; the first error. */
static int each_word(const char *text,
		     int (*take)(const char *word, void *field), void *field)
{
	for (;;) {
		char word[WORD_MAX + 1];
		size_t len = strcspn(text, ",");
		int err;

		if (!len || len > WORD_MAX)
			return -EINVAL;
		memcpy(word, text, len);
		word[len] = '\0';
		err = take(word, field);
		if (err || !text[len])
			return err;
		text += len + 1;
	}
}

static int add(struct tls_list *list, uint64_t item)
{
	if (list->count == TLS_LIST_MAX)
		return -ERANGE;
	for (unsigned i = 0; i < list->count; i++) {
		if (list->items[i] == item)
			return 0;
	}
	list->items[list->count++] = item;
	return 0;
}

static int take_version(const char *word, void *field)
{
	enum ktls_version version = tls_version_find(word);

	return version ? add(field, version) : -EINVAL;
}

static int take_cipher(const char *word, void *field)
{
	enum ktls_cipher cipher = tls_cipher_find(word);

	return cipher ? add(field, cipher) : -EINVAL;
}

static int take_size(const char *word, void *field)
{
	uint64_t size;
	int err = bench_parse_size(word, &size);

	if (err || !size)
		return err ? err : -EINVAL;
	return size > TLS_MESSAGE_MAX ? -ERANGE : add(field, size);
}

static int take_connections(const char *word, void *field)
{
	uint64_t n;
	int err = bench_parse_u64(word, &n);

	if (err || !n)
		return err ? err : -EINVAL;
	return n > TLS_CONNECTIONS_MAX ? -ERANGE : add(field, n);
}

static int take_test(const char *word, void *field)
{
	bool *tests = field;

	for (int t = 0; t < TLS_TESTS; t++) {
		if (strcmp(word, tls_test_name((enum tls_test)t)))
			continue;
		tests[t] = true;
		return 0;
	}
	return -EINVAL;
}

static int take_path(const char *word, void *field)
{
	size_t count;
	const struct tls_path *paths = tls_path_all(&count);

	for (size_t i = 0; i < count; i++) {
		if (tls_path_matches(&paths[i], word))
			return 0;
	}
	return -EINVAL;
}

/* The default goes when the option comes. */
static int list_opt(const char *text, void *field,
		    int (*take)(const char *word, void *field))
{
	struct tls_list list = {0};
	int err = each_word(text, take, &list);

	if (!err)
		*(struct tls_list *)field = list;
	return err;
}

int tls_plan_versions_opt(const char *text, void *field)
{
	return list_opt(text, field, take_version);
}

int tls_plan_ciphers_opt(const char *text, void *field)
{
	return list_opt(text, field, take_cipher);
}

int tls_plan_sizes_opt(const char *text, void *field)
{
	return list_opt(text, field, take_size);
}

int tls_plan_connections_opt(const char *text, void *field)
{
	return list_opt(text, field, take_connections);
}

int tls_plan_tests_opt(const char *text, void *field)
{
	bool tests[TLS_TESTS] = {false};
	int err = each_word(text, take_test, tests);

	if (!err)
		memcpy(field, tests, sizeof(tests));
	return err;
}

int tls_plan_paths_opt(const char *text, void *field)
{
	int err = each_word(text, take_path, NULL);

	if (!err)
		*(const char **)field = text;
	return err;
}

/* --- rows --- */

struct growing {
	const struct tls_plan *plan;
	struct tls_case *cases;
	size_t count, room;
	unsigned group;
};

static int push(struct growing *g, const struct tls_case *c)
{
	if (g->count == g->room) {
		size_t room = g->room ? 2 * g->room : 64;
		struct tls_case *more =
			reallocarray(g->cases, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		g->cases = more;
		g->room = room;
	}
	g->cases[g->count++] = *c;
	return 0;
}

/* All paths of a test with the same numbers. Plain ones stand beside the first
 * version and cipher alone: others change nothing for them. */
static int push_group(struct growing *g, enum tls_test test,
		      struct tls_case like, bool with_plain)
{
	size_t count, before = g->count;
	const struct tls_path *paths = tls_path_all(&count);
	int err = 0;

	like.group = g->group;
	for (size_t i = 0; i < count && !err; i++) {
		struct tls_case c = like;
		bool plain = paths[i].layer == TLS_LAYER_PLAIN;

		if (paths[i].test != test || (plain && !with_plain) ||
		    !tls_path_matches(&paths[i], g->plan->paths))
			continue;
		c.path = &paths[i];
		if (plain) {
			c.version = KTLS_VERSION_NONE;
			c.cipher = KTLS_CIPHER_OTHER;
		}
		err = push(g, &c);
	}
	g->group += g->count > before;
	return err;
}

static int push_sizes(struct growing *g, enum tls_test test, unsigned v,
		      unsigned c)
{
	const struct tls_plan *plan = g->plan;
	bool shakes = test == TLS_TEST_HANDSHAKE;
	unsigned sizes = shakes ? 1 : plan->sizes.count;
	int err = 0;

	for (unsigned n = 0; n < plan->connections.count; n++) {
		for (unsigned s = 0; s < sizes && !err; s++) {
			struct tls_case like = {
				.version = (enum ktls_version)
						   plan->versions.items[v],
				.cipher = (enum ktls_cipher)
						  plan->ciphers.items[c],
				.size = shakes ? 1 : plan->sizes.items[s],
				.connections =
					(unsigned)plan->connections.items[n],
			};

			err = push_group(g, test, like, !v && !c);
		}
	}
	return err;
}

long tls_plan_cases(const struct tls_plan *plan, struct tls_case **cases)
{
	struct growing g = {.plan = plan};
	int err = 0;

	for (int t = 0; t < TLS_TESTS; t++) {
		for (unsigned v = 0; v < plan->versions.count; v++) {
			for (unsigned c = 0; c < plan->ciphers.count; c++) {
				if (plan->tests[t] && !err)
					err = push_sizes(&g, (enum tls_test)t,
							 v, c);
			}
		}
	}
	if (err) {
		free(g.cases);
		return err;
	}
	*cases = g.cases;
	return (long)g.count;
}

uint64_t tls_plan_messages(const struct tls_plan *plan,
			   const struct tls_case *c)
{
	uint64_t messages = plan->total / c->size / c->connections;

	return messages ? messages : 1;
}
