/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control thread: makes what the workers share, starts them, waits for
 * signals, ends them.  All that may block happens here.
 */
#include "gateway/serve/serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "gateway/event/event_log.h"
#include "gateway/log/log.h"
#include "gateway/serve/notify.h"
#include "gateway/serve/serve_private.h"

/* Next hops whose names could not be resolved are tried again this often. */
#define RESOLVE_SECONDS 30

uint64_t serve_monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int make_snapshot(struct serve *s, struct config *config)
{
	struct snapshot_error error = {0};
	int r;

	s->watch = watch_create(config);
	if (!s->watch)
		return EX_OSERR;
	r = snapshot_create(config, &s->snapshot, &error);
	if (r == -EINVAL)
		log_error(
			error.route ? "serve.route" : "serve.certificate",
			L_STR(error.route ? "match" : "address", error.subject),
			L_UINT("line", error.line),
			L_STR("error", error.tls.text));
	if (r == 0)
		snapshot_resolve(s->snapshot, true);
	return r == 0 ? EX_OK : r == -EINVAL ? EX_CONFIG : EX_OSERR;
}

/* A second, or less where signs of life are wanted more often. */
static uint64_t tick(const struct serve *s)
{
	uint64_t most = 1000000000u;

	return s->watchdog && s->watchdog / 4 < most ? s->watchdog / 4 : most;
}

/* Until a signal asks for the end (it is returned) or a worker has died. */
static int serve_until_signal(struct serve *s)
{
	unsigned seconds = 0;

	while (serve_all_running(s)) {
		int signal = serve_wait_signal(s, tick(s));

		if (signal == SIGHUP)
			json_decref(serve_reload(s, "SIGHUP"));
		else if (signal == SIGUSR2 && !s->restarting)
			json_decref(serve_restart(s, "SIGUSR2"));
		else if (signal != 0)
			return signal; /* or SIGUSR2, as asked for */
		if (s->restarting)
			return SIGUSR2;
		serve_watchdog(s);
		serve_watch_files(s);
		if (++seconds % RESOLVE_SECONDS == 0)
			snapshot_resolve(s->snapshot, false);
	}
	log_error("serve.worker_lost");
	return 0;
}

static void say_finishing(const struct serve *s)
{
	uint64_t limit = s->snapshot->config->timeouts.shutdown / 1000;

	if (s->restarting)
		notify_reloading();
	(void)notify("%sSTATUS=Finishing what is in flight\n"
		     "EXTEND_TIMEOUT_USEC=%llu",
		     s->restarting ? "" : "STOPPING=1\n",
		     (unsigned long long)limit + 10000000u);
}

static bool asks_for_the_end(int signal)
{
	return signal == SIGTERM || signal == SIGINT;
}

/* Stop in order; abort what is left when time is over or at a second signal. */
static void finish(struct serve *s)
{
	uint64_t limit = s->snapshot->config->timeouts.shutdown;
	uint64_t end = serve_monotonic() + limit;
	bool aborted = false;

	s->finishing = true;
	say_finishing(s);
	/* New clients wait for the next program, or are refused at once. */
	if (!s->restarting)
		serve_sockets_keep(s, NULL);
	serve_order_all(s, WORKER_STOP);
	while (serve_any_running(s)) {
		int signal = serve_wait_signal(s, 20000000u);

		serve_watchdog(s);
		if (s->restarting && asks_for_the_end(signal)) {
			s->restarting = false;
			say_finishing(s);
			serve_sockets_keep(s, NULL);
			continue;
		}
		if (aborted ||
		    (serve_monotonic() < end && !asks_for_the_end(signal)))
			continue;
		log_warning("serve.aborting");
		serve_order_all(s, WORKER_ABORT);
		aborted = true;
	}
	/* One that came as the last worker ended: no next program, either. */
	if (s->restarting && asks_for_the_end(serve_wait_signal(s, 0)))
		s->restarting = false;
}

/* Each connection is a descriptor: take all that may be had. */
static void raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

static void say_ready(const struct serve *s)
{
	const struct config *c = s->snapshot->config;
	struct utsname kernel = {0};

	uname(&kernel);
	for (size_t i = 0; i < c->listener_count; i++)
		log_info("serve.listening",
			 L_STR("address", c->listeners[i].address.text));
	log_info("serve.ready", L_STR("version", RINGPOST_VERSION),
		 L_STR("hostname", c->hostname), L_UINT("pid", getpid()),
		 L_UINT("workers", c->workers),
		 L_STR("kernel", kernel.release));
	(void)notify("READY=1\nSTATUS=Serving; %u worker%s, %zu listener%s",
		     c->workers, c->workers == 1 ? "" : "s", c->listener_count,
		     c->listener_count == 1 ? "" : "s");
}

static int open_delivery_log(const struct config *config)
{
	const struct config_event_log *failed = NULL;
	int r = event_log_open(config, &failed);

	if (r == 0)
		return EX_OK;
	log_error("serve.log", L_STR("file", failed->file),
		  L_UINT("line", failed->line), L_STR("error", strerror(-r)));
	return EX_CANTCREAT;
}

static int open_log(const struct config *config)
{
	int r = log_open(config->log.file, config->log.format,
			 config->log.level);

	if (r == 0)
		return open_delivery_log(config);
	/* Said on standard error, where the log is until it is opened. */
	log_error("serve.log", L_STR("file", config->log.file),
		  L_STR("error", strerror(-r)));
	return EX_CANTCREAT;
}

static int start(struct serve *s, struct config *config)
{
	int result = make_snapshot(s, config);

	if (result == EX_OK)
		result = serve_make_shared(s);
	if (result == EX_OK)
		result = serve_open_webhooks(s);
	if (result == EX_OK)
		result = serve_open_http(s);
	if (result == EX_OK)
		result = serve_start_workers(s);
	if (result == EX_OK)
		result = serve_open_admin(s);
	if (result == EX_OK)
		result = serve_attach_http(s);
	if (result == EX_OK)
		result = serve_open_inject(s);
	return result;
}

static int run(struct serve *s)
{
	int signal;

	serve_phase(s, ADMIN_PHASE_SERVING);
	say_ready(s);
	signal = serve_until_signal(s);
	log_info("serve.stopping",
		 L_STR("signal", signal ? strsignal(signal) : NULL));
	return signal ? EX_OK : EX_SOFTWARE;
}

/* After an orderly end; with the old program's sockets. */
static int become(struct serve *s, const struct config *config, int result)
{
	if (s->restarting && result == EX_OK) {
		log_info("restart.become", L_STR("program", s->program),
			 L_UINT("sockets", s->socket_count));
		/* The log's descriptor may have gone to a socket. */
		dprintf(STDERR_FILENO, "ringpost: %s: %s\n", s->program,
			strerror(-serve_become(s, config->file)));
		result = EX_OSERR;
	}
	serve_sockets_keep(s, NULL);
	free(s->sockets);
	free(s->program);
	return result;
}

int gateway_serve(struct config *config)
{
	struct serve s = {.program = serve_program(),
			  .begun = serve_monotonic()};
	int result = open_log(config);

	if (result != EX_OK) {
		free(s.program);
		return result;
	}
	raise_limits();
	s.watchdog = notify_watchdog();
	serve_take_signals(&s);
	result = start(&s, config);
	if (result == EX_OK)
		result = run(&s);
	serve_phase(&s, ADMIN_PHASE_STOPPING);
	inject_http_close(&s.inject_http);
	inject_door_close(&s.door);
	if (s.started > 0)
		finish(&s);
	http_server_close(&s.http);
	admin_server_close(&s.admin);
	result = serve_join_workers(&s, result);
	serve_unmake_shared(&s);
	watch_free(&s.watch);
	watch_free(&s.seen);
	watch_free(&s.tried);
	free(s.turns);
	host_meter_close(&s.meter);
	snapshot_unref(&s.snapshot);
	webhooks_close(&s.webhooks);
	event_log_close();
	close(s.signal_fd);
	log_info("serve.stopped", L_INT("status", result));
	return become(&s, config, result);
}
