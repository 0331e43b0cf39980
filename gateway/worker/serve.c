/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control thread: makes what the workers share, starts them, waits for
 * signals, ends them.  All that may block happens here.
 */
#include "gateway/worker/serve.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "gateway/admin/admin_server.h"
#include "gateway/log/log.h"
#include "gateway/queue/suspended.h"
#include "gateway/queue/throttle.h"
#include "gateway/worker/listener.h"
#include "gateway/worker/worker.h"

/* Next hops whose names could not be resolved are tried again this often. */
#define RESOLVE_SECONDS 30

struct serve {
	struct worker_shared shared;
	struct worker **workers; /* config->workers of them */
	unsigned started;
	size_t hops_made;
	sigset_t signals;
	int signal_fd; /* readable when one of them is there */
	struct admin_server *admin;
};

/* --- what the workers share --- */

static int make_listener_ctx(const struct config_listener *l,
			     struct inbound_listener *out)
{
	struct ktls_cert_files certs[64];
	struct ktls_ctx_config tls = {
		.role = KTLS_SERVER,
		.min_version = l->min_version,
		.ciphers = l->ciphers,
		.ciphersuites = l->ciphersuites,
		.certs = certs,
		.tickets = l->tickets,
	};
	struct ktls_error error = {0};

	out->config = l;
	if (l->tls == CONFIG_LISTEN_NONE)
		return EX_OK;
	for (; tls.cert_count < l->certificate_count &&
	       tls.cert_count < sizeof(certs) / sizeof(certs[0]);
	     tls.cert_count++)
		certs[tls.cert_count] = (struct ktls_cert_files){
			.certificate =
				l->certificates[tls.cert_count].certificate,
			.key = l->certificates[tls.cert_count].key,
		};
	if (ktls_ctx_create(&tls, &out->ctx, &error) == 0)
		return EX_OK;
	log_error("serve.certificate", L_STR("address", l->address.text),
		  L_UINT("line", l->line), L_STR("error", error.text));
	return EX_CONFIG;
}

static int make_listener_ctxs(struct serve *s)
{
	const struct config *c = s->shared.config;
	int r = EX_OK;

	s->shared.listeners =
		calloc(c->listener_count, sizeof(s->shared.listeners[0]));
	if (!s->shared.listeners)
		return EX_OSERR;
	for (size_t i = 0; r == EX_OK && i < c->listener_count; i++) {
		s->shared.listeners[i].index = i;
		r = make_listener_ctx(&c->listeners[i],
				      &s->shared.listeners[i]);
	}
	return r;
}

/* Routes that are passed through find their addresses here; the queue asks DNS
 * itself. */
static void resolve(struct next_hop *hop)
{
	int r;

	if (hop->route->mode != CONFIG_MODE_CUT_THROUGH)
		return;
	r = next_hop_resolve(hop);
	if (r != 0)
		log_warning("serve.unresolved",
			    L_STR("next_hop", hop->route->next_hop.text),
			    L_STR("error", gai_strerror(r)));
}

static int make_hops(struct serve *s)
{
	const struct config *c = s->shared.config;
	struct ktls_error error = {0};

	s->shared.hops = calloc(c->route_count, sizeof(s->shared.hops[0]));
	if (!s->shared.hops)
		return EX_OSERR;
	for (; s->hops_made < c->route_count; s->hops_made++) {
		const struct config_route *route = &c->routes[s->hops_made];

		if (next_hop_init(&s->shared.hops[s->hops_made], route,
				  &error) < 0) {
			log_error("serve.route", L_STR("match", route->match),
				  L_UINT("line", route->line),
				  L_STR("error", error.text));
			next_hop_deinit(&s->shared.hops[s->hops_made]);
			return EX_CONFIG;
		}
		resolve(&s->shared.hops[s->hops_made]);
	}
	return EX_OK;
}

static int probe_kernel(struct serve *s)
{
	char why[512];

	s->shared.kernel = ktls_kernel_system();
	(void)ktls_caps_probe(s->shared.kernel, &s->shared.caps);
	if (s->shared.config->offload == KTLS_OFFLOAD_NEVER)
		log_info("serve.kernel_tls", L_STR("use", "never"),
			 L_STR("why", "offload: never"));
	else if (s->shared.caps.ulp)
		log_info("serve.kernel_tls", L_STR("use", "yes"));
	else
		log_warning("serve.kernel_tls", L_STR("use", "no"),
			    L_STR("why", ktls_caps_reason(&s->shared.caps, why,
							  sizeof(why))));
	return EX_OK;
}

static int open_suspended(struct serve *s)
{
	char *path = NULL;
	int r = asprintf(&path, "%s/suspended.json",
			 s->shared.config->spool.path);

	r = r < 0 ? -ENOMEM : suspended_open(path, &s->shared.suspended);
	if (r < 0)
		log_error("serve.suspended", L_STR("file", path),
			  L_STR("error", r == -EINVAL ? "damaged; mend or "
							"remove it"
						      : strerror(-r)));
	free(path);
	return r < 0 ? EX_CANTCREAT : EX_OK;
}

static int make_shared(struct serve *s)
{
	int r = probe_kernel(s);

	if (r == EX_OK)
		r = make_listener_ctxs(s);
	if (r == EX_OK)
		r = make_hops(s);
	if (r == EX_OK && inbound_admission_create(&s->shared.admission) < 0)
		r = EX_OSERR;
	if (r == EX_OK &&
	    throttles_create(s->shared.config->workers, &s->shared.throttles))
		r = EX_OSERR;
	if (r == EX_OK)
		r = open_suspended(s);
	return r;
}

static void unmake_shared(struct serve *s)
{
	const struct config *c = s->shared.config;

	inbound_admission_destroy(&s->shared.admission);
	throttles_destroy(&s->shared.throttles);
	suspended_close(&s->shared.suspended);
	for (size_t i = 0; i < s->hops_made; i++)
		next_hop_deinit(&s->shared.hops[i]);
	free(s->shared.hops);
	for (size_t i = 0; s->shared.listeners && i < c->listener_count; i++)
		ktls_ctx_unref(&s->shared.listeners[i].ctx);
	free(s->shared.listeners);
}

/* --- workers --- */

static int bind_listeners(const struct config *c, bool alone, int *fds)
{
	for (size_t i = 0; i < c->listener_count; i++) {
		const struct config_listener *l = &c->listeners[i];

		fds[i] = listener_bind(&l->address, alone);
		if (fds[i] >= 0)
			continue;
		log_error("serve.bind", L_STR("address", l->address.text),
			  L_UINT("line", l->line),
			  L_STR("error", strerror(-fds[i])));
		while (i-- > 0)
			close(fds[i]);
		return EX_UNAVAILABLE;
	}
	return EX_OK;
}

static int start_worker(struct serve *s, unsigned index)
{
	const struct config *c = s->shared.config;
	int *fds = calloc(c->listener_count, sizeof(*fds));
	int r = fds ? bind_listeners(c, index == 0, fds) : EX_OSERR;

	if (r == EX_OK &&
	    worker_start(&s->shared, index, fds, &s->workers[index]) < 0) {
		for (size_t i = 0; i < c->listener_count; i++)
			close(fds[i]);
		r = EX_OSERR;
	}
	free(fds);
	return r;
}

static int start_workers(struct serve *s)
{
	int r = EX_OK, result;

	s->workers = calloc(s->shared.config->workers, sizeof(s->workers[0]));
	if (!s->workers)
		return EX_OSERR;
	while (r == EX_OK && s->started < s->shared.config->workers) {
		r = start_worker(s, s->started);
		if (r == EX_OK)
			s->started++;
	}
	for (unsigned i = 0; i < s->started; i++) {
		result = worker_wait_ready(s->workers[i]);
		if (r == EX_OK)
			r = result;
	}
	return r;
}

static void order_all(struct serve *s, enum worker_order order)
{
	for (unsigned i = 0; i < s->started; i++)
		worker_order(s->workers[i], order);
}

static bool all_running(const struct serve *s)
{
	for (unsigned i = 0; i < s->started; i++)
		if (!worker_running(s->workers[i]))
			return false;
	return true;
}

static bool any_running(const struct serve *s)
{
	for (unsigned i = 0; i < s->started; i++)
		if (worker_running(s->workers[i]))
			return true;
	return false;
}

/* --- the control loop --- */

/* One signal of ours, or 0 after @ns. */
static int wait_signal(const struct serve *s, uint64_t ns)
{
	struct timespec limit = {.tv_sec = (time_t)(ns / 1000000000u),
				 .tv_nsec = (long)(ns % 1000000000u)};
	int signal;

	/* The admin interface is served while nothing else is to be done. */
	if (s->admin) {
		(void)admin_server_poll(s->admin, s->signal_fd, ns);
		limit = (struct timespec){0};
	}
	signal = sigtimedwait(&s->signals, NULL, &limit);
	return signal > 0 ? signal : 0;
}

static void resolve_missing(struct serve *s)
{
	struct sockaddr_storage unused;

	for (size_t i = 0; i < s->hops_made; i++)
		if (next_hop_address(&s->shared.hops[i], 0, &unused) == 0)
			resolve(&s->shared.hops[i]);
}

/* Until a signal asks for the end (it is returned) or a worker has died. */
static int serve_until_signal(struct serve *s)
{
	unsigned seconds = 0;

	while (all_running(s)) {
		int signal = wait_signal(s, 1000000000u);

		if (signal == SIGHUP)
			(void)log_reopen();
		else if (signal != 0)
			return signal;
		if (++seconds % RESOLVE_SECONDS == 0)
			resolve_missing(s);
	}
	log_error("serve.worker_lost");
	return 0;
}

static uint64_t monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Stop in order; abort what is left when time is over or at a second signal. */
static void finish(struct serve *s)
{
	uint64_t end = monotonic() + s->shared.config->timeouts.shutdown;
	bool aborted = false;

	order_all(s, WORKER_STOP);
	while (any_running(s)) {
		int signal = wait_signal(s, 20000000u);

		if (aborted || (monotonic() < end && signal != SIGTERM &&
				signal != SIGINT))
			continue;
		log_warning("serve.aborting");
		order_all(s, WORKER_ABORT);
		aborted = true;
	}
}

static int join_workers(struct serve *s, int result)
{
	for (unsigned i = 0; i < s->started; i++) {
		int r = worker_join(&s->workers[i]);

		if (result == EX_OK)
			result = r;
	}
	free(s->workers);
	return result;
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

/* Signals are taken by this thread alone, by sigtimedwait(). */
static void take_signals(struct serve *s)
{
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&s->signals);
	sigaddset(&s->signals, SIGTERM);
	sigaddset(&s->signals, SIGINT);
	sigaddset(&s->signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &s->signals, NULL);
	s->signal_fd = signalfd(-1, &s->signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void say_ready(const struct serve *s)
{
	const struct config *c = s->shared.config;
	struct utsname kernel = {0};

	uname(&kernel);
	for (size_t i = 0; i < c->listener_count; i++)
		log_info("serve.listening",
			 L_STR("address", c->listeners[i].address.text));
	log_info("serve.ready", L_STR("version", RINGPOST_VERSION),
		 L_STR("hostname", c->hostname), L_UINT("pid", getpid()),
		 L_UINT("workers", c->workers),
		 L_STR("kernel", kernel.release));
}

static int open_log(const struct config *config)
{
	int r = log_open(config->log.file, config->log.format,
			 config->log.level);

	if (r == 0)
		return EX_OK;
	/* Said on standard error, where the log is until it is opened. */
	log_error("serve.log", L_STR("file", config->log.file),
		  L_STR("error", strerror(-r)));
	return EX_CANTCREAT;
}

/* Requests of operators, from the first moment on. */
static int open_admin(struct serve *s)
{
	const struct config *c = s->shared.config;
	struct admin_worker *workers = calloc(s->started, sizeof(*workers));
	struct admin_server_config config = {
		.path = c->admin.socket,
		.group = c->admin.group,
		.suspended = s->shared.suspended,
		.workers = workers,
		.worker_count = s->started,
	};
	const char *what = "out of memory";
	int r = workers ? 0 : -ENOMEM;

	for (unsigned i = 0; r == 0 && i < s->started; i++)
		workers[i] = worker_admin(s->workers[i]);
	if (r == 0)
		r = admin_server_open(&config, &s->admin, &what);
	free(workers);
	if (r == 0)
		return EX_OK;
	log_error("serve.admin", L_STR("socket", c->admin.socket),
		  L_STR("group", c->admin.group), L_STR("part", what),
		  L_STR("error", strerror(-r)));
	return EX_CANTCREAT;
}

int gateway_serve(struct config *config)
{
	struct serve s = {.shared = {.config = config}};
	int result = open_log(config);

	if (result != EX_OK)
		return result;
	raise_limits();
	take_signals(&s);
	result = make_shared(&s);
	if (result == EX_OK)
		result = start_workers(&s);
	if (result == EX_OK)
		result = open_admin(&s);
	if (result == EX_OK) {
		int signal;

		say_ready(&s);
		signal = serve_until_signal(&s);
		log_info("serve.stopping",
			 L_STR("signal", signal ? strsignal(signal) : NULL));
		result = signal ? EX_OK : EX_SOFTWARE;
	}
	finish(&s);
	admin_server_close(&s.admin);
	result = join_workers(&s, result);
	unmake_shared(&s);
	close(s.signal_fd);
	log_info("serve.stopped", L_INT("status", result));
	return result;
}
