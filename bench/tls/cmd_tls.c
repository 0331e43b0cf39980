/* SPDX-License-Identifier: Apache-2.0 */
/* ringpost-bench tls: options in, both ends started, report out. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "bench/bench_cmd.h"
#include "bench/bench_opt.h"
#include "bench/tls/tls_dial.h"
#include "bench/tls/tls_end.h"
#include "bench/tls/tls_pin.h"
#include "bench/tls/tls_plan.h"
#include "bench/tls/tls_report.h"
#include "bench/tls/tls_run.h"
#include "bench/tls/tls_serve.h"

/* A run failed: wrong octets, a broken connection. */
enum {
	EXIT_FAILED = 1
};

struct tls_config {
	struct tls_plan plan;
	struct bench_addr client; /* the server to go to; "" none */
	struct bench_addr server; /* where to listen; "" no server */
	enum tls_counter counter;
	const char *folder;
	const char *plot;
	bool json, csv, progress, list, pin;
};

#define AT(field) offsetof(struct tls_config, field)

/* clang-format off */
static const struct bench_opt options[] = {
	{"tests", "LIST", "send, receive, exchange, handshake (all)",
	 tls_plan_tests_opt, AT(plan.tests), "some of send,receive,exchange,handshake"},
	{"paths", "LIST", "names with wild cards, as 'ktls-*,openssl-write'\n(all)",
	 tls_plan_paths_opt, AT(plan.paths), "names that --list knows"},
	{"list", NULL, "name the paths",
	 bench_opt_flag, AT(list), NULL},
	{"tls", "LIST", "versions: 1.2,1.3 (1.3)",
	 tls_plan_versions_opt, AT(plan.versions), "1.2,1.3"},
	{"ciphers", "LIST", "aes128,aes256,chacha20 (aes128)",
	 tls_plan_ciphers_opt, AT(plan.ciphers), "aes128,aes256,chacha20"},
	{"sizes", "LIST", "of messages, up to 64M (4K,64K,1M,16M)",
	 tls_plan_sizes_opt, AT(plan.sizes), "sizes up to 64M"},
	{"connections", "LIST", "at a time, up to 1024 (1)",
	 tls_plan_connections_opt, AT(plan.connections), "numbers from 1 to 1024"},
	{"threads", "N", "at each end, at most; connections share them (1)",
	 bench_opt_count, AT(plan.threads), "a number above 0"},
	{"repeats", "N", "runs of each row (5)",
	 bench_opt_count, AT(plan.repeats), "a number above 0"},
	{"total", "SIZE", "octets in a run (128M)",
	 bench_opt_size, AT(plan.total), "a size such as 256M"},
	{"warm-up", "N", "before each run a Nth of it, not counted (8; 0: none)",
	 bench_opt_u64, AT(plan.warm_up), "a number"},
	{"chunk", "SIZE", "most octets in one call; below 16K it is the size\nof TLS records (1M)",
	 bench_opt_size, AT(plan.chunk), "a size such as 256K"},
	{"handshakes", "N", "in a run (1000)",
	 bench_opt_u64, AT(plan.handshakes), "a number"},
	{"offset", "OCTETS", "of the first message in its page (0)",
	 bench_opt_size, AT(plan.offset), "a number below 4096"},
	{"client", "HOST:PORT", "against that server (default: one of our own,\non loopback)",
	 bench_opt_addr, AT(client), "host:port or [v6]:port"},
	{"server", "HOST:PORT", "be a server there, until stopped",
	 bench_opt_addr, AT(server), "host:port or [v6]:port"},
	{"counter", "KIND", "of instructions: auto, perf, icount (an emulator\nthat counts them as time) or none (auto)",
	 tls_counter_opt, AT(counter), "auto, perf, icount or none"},
	{"pin", NULL, "both ends on processors of their own, so that\nsoftirq time is told for each (loopback only)",
	 bench_opt_flag, AT(pin), NULL},
	{"dir", "FOLDER", "for the files sent and received (TMPDIR or /tmp)",
	 bench_opt_string, AT(folder), NULL},
	{"json", NULL, "print the result as JSON",
	 bench_opt_flag, AT(json), NULL},
	{"csv", NULL, "print the result as CSV",
	 bench_opt_flag, AT(csv), NULL},
	{"plot", "FILE.svg", "draw the cost of sending by size (needs gnuplot)",
	 bench_opt_string, AT(plot), NULL},
	{"progress", NULL, "show how it goes, even when stderr is no terminal",
	 bench_opt_flag, AT(progress), NULL},
};
/* clang-format on */

static const struct bench_opt_set option_set = {
	.command = "tls",
	.summary =
		"Sends and receives over plain TCP, user-space and kernel TLS, "
		"side by side. Exit\nstatus 0: all that this machine can do "
		"was measured and every octet arrived;\n1: something failed; "
		"69: the server could not be reached.",
	.opts = options,
	.count = sizeof(options) / sizeof(options[0]),
};

static int refuse(const char *what)
{
	fprintf(stderr, "ringpost-bench tls: %s\n", what);
	return EX_USAGE;
}

static int check(const struct tls_config *config)
{
	const struct tls_plan *plan = &config->plan;

	if (config->client.host[0] && config->server.host[0])
		return refuse("--client or --server, not both");
	if (config->pin && (config->client.host[0] || config->server.host[0]))
		return refuse("--pin is for both ends on this machine");
	if (config->json && config->csv)
		return refuse("--json or --csv, not both");
	if (plan->threads > TLS_THREADS_MAX)
		return refuse("--threads: 64 are the most");
	if (plan->repeats > TLS_REPEATS_MAX)
		return refuse("--repeats: 1000 are the most");
	if (!plan->chunk || plan->chunk > TLS_MESSAGE_MAX)
		return refuse("--chunk: from 1 octet to 64M");
	if (!plan->total || plan->total > (uint64_t)1 << 40)
		return refuse("--total: from 1 octet to 1024G");
	if (!plan->handshakes || plan->handshakes > 100000000)
		return refuse("--handshakes: from 1 to 100,000,000");
	if (plan->offset >= 4096)
		return refuse("--offset: less than a page of 4096");
	return EX_OK;
}

static int print_paths(void)
{
	size_t count;
	const struct tls_path *paths = tls_path_all(&count);

	for (size_t i = 0; i < count; i++)
		if (paths[i].test < TLS_TESTS)
			printf("%-10s %s\n", tls_test_name(paths[i].test),
			       paths[i].name);
	return EX_OK;
}

/* --- the server --- */

static int serve_forever(const struct tls_config *config)
{
	struct tls_serve serve = {
		.folder = config->folder, .machine = true, .softirq = true};
	char error[TLS_ERROR];
	int listener = tls_listen(&config->server, error, sizeof(error));

	if (listener < 0) {
		fprintf(stderr, "ringpost-bench tls: %s\n", error);
		return EX_UNAVAILABLE;
	}
	printf("listening on port %u\n", tls_address_port(listener));
	fflush(stdout);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			tls_serve_client(&serve, fd);
		else if (errno != EINTR && errno != ECONNABORTED)
			break;
	}
	perror("ringpost-bench tls: accept");
	close(listener);
	return EX_OSERR;
}

/* The server of a run on loopback, as a process of its own so that its costs
 * are, too. Never returns. */
static void serve_child(const struct tls_config *config, int listener)
{
	struct tls_serve serve = {.folder = config->folder,
				  .quiet = true,
				  .softirq = config->pin};
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	if (fd >= 0)
		tls_serve_client(&serve, fd);
	_exit(fd < 0);
}

/* --- the client --- */

static void show_progress(void *arg, const struct tls_row *row, unsigned repeat,
			  size_t done, size_t all)
{
	bool terminal = *(const bool *)arg;
	char size[24] = "";

	if (row->c.path->test != TLS_TEST_HANDSHAKE)
		tls_size_text(row->c.size, size);
	fprintf(stderr, "%s[%zu/%zu] %s %s %s %s %s x %u, run %u%s",
		terminal ? "\r\033[K" : "", done + 1, all,
		tls_test_name(row->c.path->test), row->c.path->name,
		tls_row_tls(row), tls_row_cipher(row), size, row->c.connections,
		repeat + 1, terminal ? "" : "\n");
}

static int report(const struct tls_config *config,
		  const struct tls_result *result)
{
	char error[TLS_ERROR];
	int err;

	if (config->json)
		err = tls_report_json(result, stdout);
	else if (config->csv)
		err = tls_report_csv(result, stdout);
	else
		err = tls_report_text(result, stdout);
	if (err)
		return EX_IOERR;
	if (config->plot &&
	    tls_plot(result, config->plot, error, sizeof(error))) {
		fprintf(stderr, "ringpost-bench tls: %s\n", error);
		return EX_CANTCREAT;
	}
	for (size_t i = 0; i < result->count; i++) {
		if (result->rows[i].failed)
			return EXIT_FAILED;
	}
	return EX_OK;
}

static int run_client(const struct tls_config *config, int control)
{
	bool terminal = isatty(STDERR_FILENO);
	struct tls_run run = {
		.plan = &config->plan,
		.folder = config->folder,
		.counter = config->counter,
		.loopback = !config->client.host[0],
		.progress = terminal || config->progress ? show_progress : NULL,
		.progress_arg = &terminal,
	};
	struct tls_result result;
	char error[TLS_ERROR];
	int status = EX_OK;
	int err = tls_run(&run, control, &result, error);

	if (terminal)
		fputs("\r\033[K", stderr);
	if (err) {
		fprintf(stderr, "ringpost-bench tls: %s\n", error);
		status = err == -ENOTSUP ? EX_UNAVAILABLE : EX_SOFTWARE;
	}
	if (result.count && result.client)
		status = status ? (report(config, &result), status)
				: report(config, &result);
	tls_result_free(&result);
	return status;
}

static int run_remote(const struct tls_config *config)
{
	char error[TLS_ERROR];
	int control = tls_connect(&config->client, error, sizeof(error));

	if (control >= 0)
		return run_client(config, control);
	fprintf(stderr, "ringpost-bench tls: %s\n", error);
	return EX_UNAVAILABLE;
}

/* The first half of the processors for the client, the others for the server,
 * which is to take *server. 0 or an exit status. */
static int pin_client(cpu_set_t *server)
{
	cpu_set_t all, client;
	int err = tls_pin_all(&all);

	if (!err)
		err = tls_pin_split(&all, &client, server);
	if (err == -ENOTSUP)
		return refuse("--pin needs two processors");
	if (!err)
		err = tls_pin(&client);
	if (!err)
		return EX_OK;
	fprintf(stderr, "ringpost-bench tls: --pin: %s\n", strerror(-err));
	return EX_OSERR;
}

static int run_loopback(struct tls_config *config)
{
	struct bench_addr at = {"127.0.0.1", "0"};
	char error[TLS_ERROR];
	int listener = tls_listen(&at, error, sizeof(error));
	int control, status;
	cpu_set_t server;
	pid_t child;

	if (listener < 0) {
		fprintf(stderr, "ringpost-bench tls: %s\n", error);
		return EX_UNAVAILABLE;
	}
	snprintf(at.port, sizeof(at.port), "%u", tls_address_port(listener));
	if (config->pin && (status = pin_client(&server)))
		return status;
	fflush(NULL);
	child = fork();
	if (child == 0) {
		if (config->pin && tls_pin(&server))
			_exit(EX_OSERR);
		serve_child(config, listener);
	}
	close(listener);
	if (child < 0) {
		perror("ringpost-bench tls: fork");
		return EX_OSERR;
	}
	control = tls_connect(&at, error, sizeof(error));
	if (control < 0)
		fprintf(stderr, "ringpost-bench tls: %s\n", error);
	status = control < 0 ? EX_UNAVAILABLE : run_client(config, control);
	if (control < 0)
		kill(child, SIGKILL);
	waitpid(child, NULL, 0); /* it ends when its client hangs up */
	return status;
}

int cmd_tls(int argc, char **argv)
{
	struct tls_config config = {.folder = getenv("TMPDIR")};
	char error[TLS_ERROR];
	int status;

	if (!config.folder || !*config.folder)
		config.folder = "/tmp";
	tls_plan_default(&config.plan);
	status = bench_opt_parse(&option_set, &config, argc, argv);
	if (status != BENCH_OPT_GO)
		return status;
	status = check(&config);
	if (status != EX_OK)
		return status;
	if (config.list)
		return print_paths();
	if (config.plot && tls_plot_check(error, sizeof(error)))
		return refuse(error);
	if (config.server.host[0])
		return serve_forever(&config);
	return config.client.host[0] ? run_remote(&config)
				     : run_loopback(&config);
}
