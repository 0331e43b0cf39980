/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's side of the conversation; see tls_serve.h and tls_control.h.
 *
 *   hello {version, counter}            -> what this machine is
 *   open {path, tls, cipher, connections, threads, size, token}
 *                                       -> {port}, then ok
 *   transfer {messages, hash}           -> ok, then {usage[, hash]}
 *   shake {count}                       -> ok, then {usage, resumed, ...}
 *   close {}                            -> ok
 */
#include "bench/tls/tls_serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/tls/tls_control.h"
#include "bench/tls/tls_end.h"
#include "bench/tls/tls_machine.h"
#include "bench/tls/tls_plan.h"

/* A client's numbers are bounded before anything is done with them. */
#define MESSAGES_MAX ((json_int_t)1 << 32)
#define SHAKES_MAX   ((json_int_t)1 << 32)

struct session {
	const struct tls_serve *serve;
	struct tls_control control;
	struct tls_end end;
	struct tls_able able;
	struct tls_meter meter;
	bool metered;
	bool open; /* a job is set up */
	char error[TLS_ERROR];
};

static int say_ok(struct session *s)
{
	return tls_control_say(&s->control, json_pack("{s:b}", "ok", 1));
}

static int say_error(struct session *s, const char *text, bool unsupported)
{
	return tls_control_say(&s->control,
			       json_pack("{s:b,s:s,s:b}", "ok", 0, "error",
					 text, "unsupported", unsupported));
}

/* What stands under `key`, from `min` to `max`; else -1. */
static json_int_t number(const json_t *order, const char *key, json_int_t min,
			 json_int_t max)
{
	const json_t *value = json_object_get(order, key);
	json_int_t n = json_integer_value(value);

	return json_is_integer(value) && n >= min && n <= max ? n : -1;
}

static const char *text(const json_t *order, const char *key)
{
	const char *value = json_string_value(json_object_get(order, key));

	return value ? value : "";
}

/* --- hello --- */

static int do_hello(struct session *s, const json_t *order)
{
	enum tls_counter counter = TLS_COUNTER_AUTO;

	if (number(order, "version", TLS_CONTROL_VERSION, TLS_CONTROL_VERSION) <
	    0)
		return say_error(s, "another version of ringpost-bench", false);
	if (tls_counter_opt(text(order, "counter"), &counter))
		return say_error(s, "no such counter", false);
	if (s->metered)
		tls_meter_close(&s->meter);
	s->metered = true;
	if (tls_meter_open(&s->meter, counter))
		return say_error(s, s->meter.why, false);
	s->meter.machine = s->serve->machine;
	s->meter.softirq = s->serve->softirq;
	return tls_control_say(
		&s->control, json_pack("{s:b,s:o}", "ok", 1, "machine",
				       tls_machine_pack(&s->able, &s->meter)));
}

/* --- open --- */

static bool read_job(const json_t *order, struct tls_job *job)
{
	json_int_t connections =
		number(order, "connections", 1, TLS_CONNECTIONS_MAX);
	json_int_t threads = number(order, "threads", 1, TLS_THREADS_MAX);
	json_int_t size = number(order, "size", 1, TLS_MESSAGE_MAX);

	job->path = tls_path_find(text(order, "path"));
	job->version = tls_version_find(text(order, "tls"));
	job->cipher = tls_cipher_find(text(order, "cipher"));
	if (connections < 0 || threads < 0 || threads > connections ||
	    size < 0 || !job->path ||
	    tls_token_parse(text(order, "token"), &job->token))
		return false;
	job->connections = (unsigned)connections;
	job->threads = (unsigned)threads;
	job->size = (size_t)size;
	return job->path->layer == TLS_LAYER_PLAIN ||
	       (job->version != KTLS_VERSION_NONE &&
		job->cipher != KTLS_CIPHER_OTHER);
}

static void close_job(struct session *s)
{
	tls_end_close(&s->end);
	if (s->end.listener >= 0)
		close(s->end.listener);
	s->end.listener = -1;
	s->open = false;
}

static int open_job(struct session *s, const struct tls_job *job)
{
	uint16_t port;
	int err;

	s->end.listener = tls_listen_beside(s->control.fd, &port);
	if (s->end.listener < 0) {
		tls_conn_explain(s->error, sizeof(s->error), s->end.listener,
				 "listen");
		return say_error(s, s->error, false);
	}
	err = tls_control_say(&s->control,
			      json_pack("{s:b,s:i}", "ok", 1, "port", port));
	if (err)
		return err;
	s->open = true;
	if (!tls_end_open(&s->end, job, s->error))
		return say_ok(s);
	close_job(s);
	return say_error(s, s->error, false);
}

static int do_open(struct session *s, const json_t *order)
{
	struct tls_job job = {0};

	if (s->open)
		return say_error(s, "a job is open already", false);
	if (!read_job(order, &job))
		return say_error(s, "no such job", false);
	if (tls_able_refusal(&s->able, &job, s->error, sizeof(s->error)))
		return say_error(s, s->error, true);
	return open_job(s, &job);
}

/* --- work --- */

static int do_transfer(struct session *s, const json_t *order)
{
	json_int_t messages = number(order, "messages", 1, MESSAGES_MAX);
	bool hashing = json_is_true(json_object_get(order, "hash"));
	char hash[BENCH_HASH_TEXT] = "";
	struct tls_usage usage;
	int err;

	if (!s->open || messages < 0 ||
	    s->end.job.path->test == TLS_TEST_HANDSHAKE)
		return say_error(s, "nothing to transfer", false);
	tls_meter_prepare(&s->meter, &usage);
	tls_meter_start(&s->meter, &usage);
	err = say_ok(s);
	if (err)
		return err;
	err = tls_end_transfer(&s->end, (uint64_t)messages,
			       hashing ? hash : NULL, s->error);
	tls_meter_stop(&s->meter, &usage);
	if (err)
		return say_error(s, s->error, false);
	return tls_control_say(&s->control,
			       json_pack("{s:b,s:o,s:s}", "ok", 1, "usage",
					 tls_usage_pack(&usage), "hash", hash));
}

static int do_shake(struct session *s, const json_t *order)
{
	json_int_t count = number(order, "count", 1, SHAKES_MAX);
	struct tls_usage usage;
	int err;

	if (!s->open || count < 0 ||
	    s->end.job.path->test != TLS_TEST_HANDSHAKE)
		return say_error(s, "no handshakes to make", false);
	tls_meter_prepare(&s->meter, &usage);
	tls_meter_start(&s->meter, &usage);
	err = say_ok(s);
	if (err)
		return err;
	err = tls_end_shake(&s->end, (uint64_t)count, s->error);
	tls_meter_stop(&s->meter, &usage);
	if (err)
		return say_error(s, s->error, false);
	return tls_control_say(
		&s->control,
		json_pack("{s:b,s:o,s:I,s:I,s:I}", "ok", 1, "usage",
			  tls_usage_pack(&usage), "install_ns",
			  (json_int_t)s->end.install_ns, "derive_ns",
			  (json_int_t)s->end.derive_ns, "installs",
			  (json_int_t)s->end.installs));
}

static int do_close(struct session *s, const json_t *order)
{
	close_job(s);
	return say_ok(s);
}

/* --- the conversation --- */

static const struct order {
	const char *name;
	int (*carry_out)(struct session *s, const json_t *order);
} orders[] = {
	{"hello", do_hello}, {"open", do_open},	  {"transfer", do_transfer},
	{"shake", do_shake}, {"close", do_close},
};

static int carry_out(struct session *s, const json_t *order)
{
	const char *name = text(order, "do");

	if (!s->metered && strcmp(name, "hello"))
		return say_error(s, "hello comes first", false);
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		if (!strcmp(orders[i].name, name))
			return orders[i].carry_out(s, order);
	}
	return say_error(s, "no such order", false);
}

static int converse(struct session *s)
{
	int err = 0;

	while (!err) {
		json_t *order = tls_control_hear(&s->control, s->error,
						 sizeof(s->error));

		if (!order)
			break;
		err = carry_out(s, order);
		json_decref(order);
	}
	if (!err && s->error[0] && !s->serve->quiet)
		fprintf(stderr, "ringpost-bench tls: %s\n", s->error);
	return err;
}

int tls_serve_client(const struct tls_serve *serve, int fd)
{
	struct session *s = calloc(1, sizeof(*s));
	int err;

	if (!s) {
		close(fd);
		return -ENOMEM;
	}
	s->serve = serve;
	s->end.server = true;
	s->end.able = &s->able;
	s->end.folder = serve->folder;
	s->end.listener = -1;
	s->end.contexts.server = true;
	tls_control_init(&s->control, fd);
	tls_able_probe(&s->able);
	err = converse(s);
	close_job(s);
	tls_end_free(&s->end);
	if (s->metered)
		tls_meter_close(&s->meter);
	tls_control_close(&s->control);
	free(s);
	return err;
}
