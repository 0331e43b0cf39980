/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringpost-bench hold: opens many SMTP connections, greets, starts TLS, and
 * then says nothing; tells what each idle connection costs the server.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "bench/bench_cmd.h"
#include "bench/bench_memory.h"
#include "bench/bench_opt.h"
#include "bench/source/source_session.h"

struct hold_config {
	struct source_config source;
	unsigned pid;
	unsigned settle_ms;
	bool json;
};

/* A connection that is kept: the buffers of bench_conn are only borrowed
 * while it is made. */
struct held {
	int fd;
	SSL *ssl;
};

struct hold_result {
	unsigned connections;
	struct bench_memory before, after;
};

#define AT(field) offsetof(struct hold_config, field)

/* clang-format off */
static const struct bench_opt options[] = {
	{"to", "HOST:PORT", "the server; required",
	 bench_opt_addr, AT(source.to), "HOST:PORT"},
	{"pid", "PID", "the server's process, on this machine; required",
	 bench_opt_count, AT(pid), "a process id"},
	{"connections", "N", "connections to hold (10000)",
	 bench_opt_count, AT(source.connections), "a number"},
	{"tls", "MODE", "none, starttls or implicit (starttls)",
	 bench_tls_mode_opt, AT(source.tls), "none, starttls or implicit"},
	{"tls-version", "VERSION", "1.2, 1.3 or 1.2-1.3 (1.2-1.3)",
	 bench_tls_version_opt, AT(source.tls_config.min_version), "1.2 or 1.3"},
	{"settle-ms", "N", "pause before each look (1000)",
	 bench_opt_unsigned, AT(settle_ms), "milliseconds"},
	{"json", NULL, "print the result as JSON",
	 bench_opt_flag, AT(json), NULL},
};
/* clang-format on */

static const struct bench_opt_set option_set = {
	.command = "hold",
	.summary = "Opens connections, greets, starts TLS and stays silent; "
		   "prints the memory that\nthe server (the process and all "
		   "below it) and the kernel use for each.\nThe kernel's part "
		   "is the whole machine's and counts both ends of each\n"
		   "connection when both are here.",
	.opts = options,
	.count = sizeof(options) / sizeof(options[0]),
};

static int wrong(const char *what, const char *why)
{
	fprintf(stderr, "ringpost-bench hold: %s: %s\n", what, why);
	return EX_UNAVAILABLE;
}

static void pause_ms(unsigned ms)
{
	struct timespec ts = {.tv_sec = ms / 1000,
			      .tv_nsec = (long)(ms % 1000) * 1000000};

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

static int look(const struct hold_config *config, struct bench_memory *ret)
{
	int err;

	pause_ms(config->settle_ms);
	err = bench_memory_read((int)config->pid, ret);
	return err ? wrong("the server's memory", strerror(-err)) : EX_OK;
}

/* Opens one more; what it needs later is moved out of the session. */
static int open_one(struct source_session *s, struct held *held)
{
	if (source_session_open(s) < 0)
		return wrong("connection", s->why);
	held->fd = s->conn->fd;
	held->ssl = s->conn->ssl;
	s->conn->fd = -1;
	s->conn->ssl = NULL;
	return EX_OK;
}

static void release(struct held *held)
{
	SSL_free(held->ssl);
	if (held->fd >= 0)
		close(held->fd);
}

static void release_all(struct held *held, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		release(&held[i]);
	free(held);
}

static int hold(const struct hold_config *config, struct source_session *s,
		struct hold_result *result)
{
	struct held *held = calloc(config->source.connections, sizeof(*held));
	struct held first = {.fd = -1};
	int status = held ? EX_OK : EX_OSERR;

	/* The first connection pays for what the server makes once. */
	if (status == EX_OK)
		status = open_one(s, &first);
	if (status == EX_OK)
		status = look(config, &result->before);
	while (status == EX_OK &&
	       result->connections < config->source.connections) {
		status = open_one(s, &held[result->connections]);
		if (status == EX_OK)
			result->connections++;
	}
	if (status == EX_OK)
		status = look(config, &result->after);
	release(&first);
	if (held)
		release_all(held, result->connections);
	return status;
}

/* Octets per connection of a growth in KiB. */
static long long each(const struct hold_result *r, uint64_t before,
		      uint64_t after)
{
	return ((long long)after - (long long)before) * 1024 /
	       (long long)r->connections;
}

static int print(const struct hold_config *config, const struct hold_result *r)
{
	long long anon = each(r, r->before.anonymous, r->after.anonymous);
	long long all = each(r, r->before.resident, r->after.resident);
	long long kernel = each(r, r->before.kernel, r->after.kernel);
	json_t *root;

	if (!config->json) {
		printf("connections   %u\n"
		       "processes     %llu\n"
		       "anonymous     %lld octets a connection\n"
		       "resident      %lld octets a connection\n"
		       "kernel        %lld octets a connection (both ends)\n"
		       "server in all %llu KiB anonymous, %llu KiB resident\n",
		       r->connections, (unsigned long long)r->after.processes,
		       anon, all, kernel,
		       (unsigned long long)r->after.anonymous,
		       (unsigned long long)r->after.resident);
		return EX_OK;
	}
	root = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "connections",
			 (json_int_t)r->connections, "processes",
			 (json_int_t)r->after.processes, "anonymous",
			 (json_int_t)anon, "resident", (json_int_t)all,
			 "kernel", (json_int_t)kernel, "anonymous_kib",
			 (json_int_t)r->after.anonymous, "resident_kib",
			 (json_int_t)r->after.resident);
	if (!root || json_dumpf(root, stdout, JSON_PRESERVE_ORDER))
		return EX_IOERR;
	json_decref(root);
	putchar('\n');
	return EX_OK;
}

int cmd_hold(int argc, char **argv)
{
	struct hold_config config = {
		.source = {.tls = BENCH_TLS_STARTTLS,
			   .helo = "localhost",
			   .timeout_s = 300,
			   .connections = 10000},
		.settle_ms = 1000,
	};
	static struct bench_conn conn;
	struct source_session session = {.config = &config.source,
					 .conn = &conn};
	struct hold_result result = {0};
	char error[256];
	int status = bench_opt_parse(&option_set, &config, argc, argv);

	if (status != BENCH_OPT_GO)
		return status;
	if (!config.source.to.host[0] || !config.pid) {
		fprintf(stderr, "ringpost-bench hold: --to and --pid are "
				"required\n");
		return EX_USAGE;
	}
	if (config.source.tls != BENCH_TLS_NONE)
		session.ctx = bench_tls_client(&config.source.tls_config, error,
					       sizeof(error));
	if (config.source.tls != BENCH_TLS_NONE && !session.ctx)
		return wrong("TLS", error);
	conn.fd = -1;
	status = hold(&config, &session, &result);
	source_session_deinit(&session);
	SSL_CTX_free(session.ctx);
	return status == EX_OK ? print(&config, &result) : status;
}
