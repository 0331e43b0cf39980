/* SPDX-License-Identifier: Apache-2.0 */
/* The server's life and its thread (http_server.h). */
#include "gateway/http/http_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "gateway/config/config.h"
#include "gateway/http/http_private.h"
#include "gateway/log/log.h"
#include "gateway/worker/listener.h"

#define NS UINT64_C(1000000000)
/* Of a certificate chain, and of a key. */
#define PEM_MAX (256 * 1024)

uint64_t http_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec;
}

/* From any thread. */
static void on_news(void *arg)
{
	const struct http_server *server = arg;
	uint64_t one = 1;

	/* EAGAIN: the counter is full, so it knows. */
	if (write(server->news_fd, &one, sizeof(one)) < 0)
		return;
}

/* --- the thread --- */

static void take_attached(struct http_server *s)
{
	pthread_mutex_lock(&s->lock);
	if (!s->core && s->attached) {
		s->core = s->attached;
		s->attached = NULL;
	}
	pthread_mutex_unlock(&s->lock);
}

static int wait_ms(const struct http_server *s)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(s->daemon, &ms) != MHD_YES || ms > 1000)
		return 1000; /* limits are looked at once a second */
	return (int)ms;
}

static void wait_for_work(const struct http_server *s)
{
	struct pollfd fds[] = {
		{.fd = s->epoll_fd, .events = POLLIN},
		{.fd = s->news_fd, .events = POLLIN},
	};
	uint64_t unused;

	if (poll(fds, 2, wait_ms(s)) > 0 && fds[1].revents)
		if (read(s->news_fd, &unused, sizeof(unused)) < 0)
			return;
}

static void turn(struct http_server *s)
{
	uint64_t now = http_now();
	struct http_request *next;

	take_attached(s);
	http_poll_turn(s, now);
	for (struct http_request *r = s->requests; r; r = next) {
		next = r->next;
		if (r->waits == HTTP_WAITS_CALL)
			http_admin_turn(r, now);
	}
	http_limits_turn(s, now);
	(void)MHD_run(s->daemon);
}

/* Suspended connections can't be ended: they go on, and end. */
static void wake_all(struct http_server *s)
{
	for (struct http_request *r = s->requests; r; r = r->next)
		http_wake(r);
}

static void *run(void *arg)
{
	struct http_server *s = arg;

	while (!atomic_load(&s->stopping)) {
		turn(s);
		wait_for_work(s);
	}
	wake_all(s);
	MHD_stop_daemon(s->daemon);
	return NULL;
}

/* --- opening --- */

static char *read_file(const char *path)
{
	char *text = calloc(1, PEM_MAX + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (text && fd >= 0)
		n = read(fd, text, PEM_MAX);
	if (fd >= 0)
		close(fd);
	if (n > 0)
		return text;
	free(text);
	return NULL;
}

static int load(struct http_server *s, const struct config_http *http,
		const char **what)
{
	if (http->token_file) {
		*what = "token_file";
		s->token = calloc(1, CONFIG_HTTP_TOKEN_MAX + 1);
		if (!s->token || config_http_token(http->token_file, s->token))
			return -EACCES;
	}
	if (http->certificate) {
		*what = "certificate or key";
		s->certificate = read_file(http->certificate);
		s->key = read_file(http->key);
		if (!s->certificate || !s->key)
			return -EACCES;
	}
	return 0;
}

static int start_daemon(struct http_server *s)
{
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_KEY, 0, s->key},
		{MHD_OPTION_HTTPS_MEM_CERT, 0, s->certificate},
		{MHD_OPTION_END, 0, NULL},
	};
	struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
	const union MHD_DaemonInfo *info;

	if (s->certificate)
		flags |= MHD_USE_TLS;
	s->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, http_on_request, s,
		MHD_OPTION_LISTEN_SOCKET, s->fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)HTTP_PATIENCE, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)HTTP_MEMORY, MHD_OPTION_NOTIFY_COMPLETED,
		http_on_completed, s, MHD_OPTION_NOTIFY_CONNECTION,
		http_on_connection, s, MHD_OPTION_ARRAY,
		s->certificate ? tls : none, MHD_OPTION_END);
	if (!s->daemon)
		return -EINVAL;
	s->fd = -1; /* the daemon's now */
	info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	s->epoll_fd = info ? info->epoll_fd : -1;
	return s->epoll_fd >= 0 ? 0 : -EINVAL;
}

/* Signals are the control thread's. */
static int start_thread(struct http_server *s)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&s->thread, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	s->has_thread = r == 0;
	if (r == 0)
		pthread_setname_np(s->thread, "http");
	return r;
}

static int make(struct http_server *s, const struct config_http *http,
		const char **what)
{
	int r = load(s, http, what);

	if (r < 0)
		return r;
	*what = "its address";
	s->fd = listener_bind(http->address, true);
	if (s->fd < 0)
		return s->fd;
	r = listener_start(s->fd);
	if (r < 0)
		return r;
	*what = "eventfd";
	s->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->news_fd < 0)
		return -errno;
	*what = s->certificate ? "certificate and key" : "libmicrohttpd";
	r = start_daemon(s);
	if (r < 0)
		return r;
	*what = "its thread";
	return start_thread(s);
}

int http_server_open(const struct http_server_config *config,
		     struct http_server **out, const char **what)
{
	struct http_server *s = calloc(1, sizeof(*s));
	int r;

	*what = "out of memory";
	if (!s)
		return -ENOMEM;
	s->fd = s->news_fd = s->epoll_fd = -1;
	s->suspended = config->suspended;
	s->meter = config->meter;
	s->health = config->health;
	pthread_mutex_init(&s->lock, NULL);
	s->hostname = strdup(config->hostname);
	r = s->hostname ? make(s, config->http, what) : -ENOMEM;
	if (r < 0)
		http_server_close(&s);
	*out = s;
	return r;
}

int http_server_attach(struct http_server *s,
		       const struct admin_worker *workers, unsigned count)
{
	struct admin_core_config config = {
		.workers = workers,
		.worker_count = count,
		.suspended = s->suspended,
		.meter = s->meter,
		.health = s->health,
		.news = on_news,
		.arg = s,
	};
	struct admin_core *core = admin_core_create(&config);

	if (!core)
		return -ENOMEM;
	pthread_mutex_lock(&s->lock);
	s->attached = core;
	pthread_mutex_unlock(&s->lock);
	on_news(s);
	return 0;
}

static void wipe(char **secret, size_t len)
{
	if (*secret)
		explicit_bzero(*secret, len);
	free(*secret);
	*secret = NULL;
}

void http_server_close(struct http_server **pointer)
{
	struct http_server *s = *pointer;

	if (!s)
		return;
	atomic_store(&s->stopping, true);
	if (s->has_thread) {
		on_news(s);
		pthread_join(s->thread, NULL);
	} else if (s->daemon) {
		MHD_stop_daemon(s->daemon);
	}
	http_poll_end(s);
	admin_core_destroy(&s->core);
	admin_core_destroy(&s->attached);
	if (s->fd >= 0)
		close(s->fd);
	if (s->news_fd >= 0)
		close(s->news_fd);
	pthread_mutex_destroy(&s->lock);
	wipe(&s->token, CONFIG_HTTP_TOKEN_MAX);
	wipe(&s->key, PEM_MAX);
	free(s->certificate);
	free(s->hostname);
	free(s);
	*pointer = NULL;
}
