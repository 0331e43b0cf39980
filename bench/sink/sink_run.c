/* SPDX-License-Identifier: Apache-2.0 */
/* A thread per connection; see sink_run.h. */
#include "bench/sink/sink_run.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench_ledger.h"

enum {
	STACK_BYTES = 256 * 1024,
	BACKLOG = 1024,
	SLOW_BUFFER = 16 * 1024, /* a slow reader must not hide in the kernel */
	PROGRESS_MS = 1000,
};

struct client {
	struct client *next;
	struct client *prev;
	struct run *run;
	pthread_t thread;
	/* The session closes it. drain() may still shut the number down: by
	 * then no socket is made any more that could have got it. */
	int fd;
	uint64_t number;
	struct bench_conn *conn; /* owned until the session ends */
};

struct run {
	struct sink_shared shared;
	const struct sink_config *config;
	int listener;
	int signals;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t empty;
	struct client *clients; /* being served */
	unsigned count;		/* of those */
	struct client *done; /* their threads are about to end: to be joined */
};

static int fail(char *error, size_t cap, const char *what, int err)
{
	snprintf(error, cap, "%s: %s", what, strerror(err));
	return -err;
}

static int bind_one(const struct addrinfo *ai, bool slow)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1, small = SLOW_BUFFER, err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (slow)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (!bind(fd, ai->ai_addr, ai->ai_addrlen) && !listen(fd, BACKLOG))
		return fd;
	err = errno;
	close(fd);
	return -err;
}

static int open_listener(struct run *run, char *error, size_t cap)
{
	const struct bench_addr *at = &run->config->listen;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_PASSIVE};
	struct addrinfo *list;
	int err = getaddrinfo(at->host, at->port, &hints, &list);
	int fd = -EADDRNOTAVAIL;

	if (err) {
		snprintf(error, cap, "%s: %s", at->host, gai_strerror(err));
		return -EADDRNOTAVAIL;
	}
	for (struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next)
		fd = bind_one(ai, run->config->slow_read);
	freeaddrinfo(list);
	if (fd < 0)
		return fail(error, cap, "listen", -fd);
	run->listener = fd;
	return 0;
}

/* The address as it is, with the port the kernel chose for 0. */
static int own_address(const struct run *run, char *text, size_t cap)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof(ss);
	char host[64], port[16];

	if (getsockname(run->listener, (struct sockaddr *)&ss, &len) ||
	    getnameinfo((struct sockaddr *)&ss, len, host, sizeof(host), port,
			sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		return -EADDRNOTAVAIL;
	snprintf(text, cap, strchr(host, ':') ? "[%s]:%s\n" : "%s:%s\n", host,
		 port);
	return 0;
}

static int write_ready_file(const char *path, const char *text)
{
	char temporary[4096];
	FILE *f;

	/* Renamed into place: whoever sees the file sees all of it. */
	if ((size_t)snprintf(temporary, sizeof(temporary), "%s.new", path) >=
	    sizeof(temporary))
		return -ENAMETOOLONG;
	f = fopen(temporary, "we");
	if (!f)
		return -errno;
	fputs(text, f);
	if (fclose(f) || rename(temporary, path))
		return -errno;
	return 0;
}

static int tell_ready(const struct run *run, char *error, size_t cap)
{
	const struct sink_config *config = run->config;
	char text[128];
	int err = own_address(run, text, sizeof(text));

	if (!err && config->ready_file)
		err = write_ready_file(config->ready_file, text);
	if (!err && config->ready_fd) {
		size_t len = strlen(text);

		if (write((int)config->ready_fd, text, len) != (ssize_t)len)
			err = -errno;
		close((int)config->ready_fd);
	}
	if (err)
		return fail(error, cap, "telling that the sink is ready", -err);
	fprintf(stderr, "ringpost-bench sink: listening on %s", text);
	return 0;
}

static void link_client(struct run *run, struct client *c)
{
	pthread_mutex_lock(&run->lock);
	c->next = run->clients;
	if (c->next)
		c->next->prev = c;
	run->clients = c;
	run->count++;
	pthread_mutex_unlock(&run->lock);
}

/* With the lock held. */
static void unlink_client(struct run *run, struct client *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		run->clients = c->next;
	if (c->next)
		c->next->prev = c->prev;
	run->count--;
	pthread_cond_signal(&run->empty);
}

static void *serve(void *arg)
{
	struct client *c = arg;
	struct run *run = c->run;

	sink_session_serve(&run->shared, c->conn, c->fd, c->number);
	free(c->conn);
	c->conn = NULL;
	pthread_mutex_lock(&run->lock);
	unlink_client(run, c);
	c->next = run->done;
	run->done = c;
	pthread_mutex_unlock(&run->lock);
	return NULL;
}

/* Joined, not detached: OpenSSL's clean-up at exit must not meet a thread that
 * is still taking down its own part. Returns how many are being served. */
static unsigned reap_clients(struct run *run)
{
	struct client *done;
	unsigned count;

	pthread_mutex_lock(&run->lock);
	done = run->done;
	run->done = NULL;
	count = run->count;
	pthread_mutex_unlock(&run->lock);
	while (done) {
		struct client *c = done;

		done = c->next;
		pthread_join(c->thread, NULL);
		free(c);
	}
	return count;
}

static bool start_thread(struct client *c)
{
	pthread_attr_t attr;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	err = pthread_create(&c->thread, &attr, serve, c);
	pthread_attr_destroy(&attr);
	return !err;
}

static void refuse_client(int fd)
{
	static const char text[] = "421 4.3.2 Too many connections\r\n";

	if (send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		perror("ringpost-bench sink: refusing a connection");
	close(fd);
}

static struct client *new_client(struct run *run, int fd)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->run = run;
	c->fd = fd;
	c->conn = malloc(sizeof(*c->conn));
	if (!c->conn) {
		free(c);
		return NULL;
	}
	return c;
}

static void accept_client(struct run *run)
{
	int fd = accept4(run->listener, NULL, NULL, SOCK_CLOEXEC);
	unsigned count = reap_clients(run);
	struct client *c;

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			usleep(10000); /* it would be accepted again at once */
		return;
	}
	c = count < run->config->max_connections ? new_client(run, fd) : NULL;
	if (!c) {
		refuse_client(fd);
		return;
	}
	pthread_mutex_lock(&run->shared.lock);
	c->number = run->shared.totals.connections++;
	pthread_mutex_unlock(&run->shared.lock);
	link_client(run, c);
	if (!start_thread(c)) {
		pthread_mutex_lock(&run->lock);
		unlink_client(run, c);
		pthread_mutex_unlock(&run->lock);
		refuse_client(fd);
		free(c->conn);
		free(c);
	}
}

static void show_progress(struct run *run)
{
	struct sink_totals t;

	pthread_mutex_lock(&run->shared.lock);
	t = run->shared.totals;
	pthread_mutex_unlock(&run->shared.lock);
	fprintf(stderr, "sink: %llu messages, %llu duplicates, %.1f MB\n",
		(unsigned long long)t.messages,
		(unsigned long long)t.duplicates, (double)t.octets / 1e6);
}

static void listen_until_signal(struct run *run)
{
	struct pollfd fds[2] = {{.fd = run->listener, .events = POLLIN},
				{.fd = run->signals, .events = POLLIN}};
	int timeout = run->config->progress ? PROGRESS_MS : -1;

	for (;;) {
		int n = poll(fds, 2, timeout);

		if (n == 0)
			show_progress(run);
		if (n <= 0)
			continue;
		if (fds[1].revents)
			return;
		accept_client(run);
	}
}

static struct timespec deadline(unsigned seconds)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += seconds;
	return ts;
}

/* Sessions between messages end at once, the others get the grace time. */
static void drain(struct run *run)
{
	struct timespec until = deadline(run->config->grace_s);
	int err = 0;

	eventfd_write(run->shared.wake_fd, 1);
	pthread_mutex_lock(&run->lock);
	while (run->count && err != ETIMEDOUT)
		err = pthread_cond_timedwait(&run->empty, &run->lock, &until);
	for (struct client *c = run->clients; c; c = c->next)
		shutdown(c->fd, SHUT_RDWR);
	while (run->count)
		pthread_cond_wait(&run->empty, &run->lock);
	pthread_mutex_unlock(&run->lock);
	reap_clients(run);
}

static int set_up(struct run *run, char *error, size_t cap)
{
	const struct sink_config *config = run->config;
	struct sink_shared *shared = &run->shared;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL); /* threads inherit it */
	run->signals = signalfd(-1, &set, SFD_CLOEXEC);
	shared->wake_fd = eventfd(0, EFD_CLOEXEC);
	shared->seen = bench_seen_new();
	if (config->rules.grey)
		shared->grey = sink_grey_new();
	if (run->signals < 0 || shared->wake_fd < 0 || !shared->seen ||
	    (config->rules.grey && !shared->grey))
		return fail(error, cap, "setting up", errno ? errno : ENOMEM);
	shared->ledger = bench_ledger_open(config->ledger);
	if (shared->ledger < -1)
		return fail(error, cap, config->ledger, -shared->ledger);
	if (config->tls != BENCH_TLS_NONE) {
		shared->ctx = bench_tls_server(&config->tls_config, error, cap);
		if (!shared->ctx)
			return -EINVAL;
		bench_tls_watch(shared->ctx, &shared->seen_tls);
	}
	return open_listener(run, error, cap);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

int sink_run(const struct sink_config *config, struct sink_totals *totals,
	     char *error, size_t cap)
{
	struct run run = {
		.shared = {.config = config, .ledger = -1, .wake_fd = -1},
		.config = config,
		.listener = -1,
		.signals = -1,
	};
	int err;

	pthread_mutex_init(&run.shared.lock, NULL);
	pthread_mutex_init(&run.lock, NULL);
	pthread_cond_init(&run.empty, NULL);
	err = set_up(&run, error, cap);
	if (!err)
		err = tell_ready(&run, error, cap);
	if (!err) {
		listen_until_signal(&run);
		close_fd(run.listener);
		run.listener = -1;
		drain(&run);
	}
	*totals = run.shared.totals;
	totals->key_updates_seen =
		atomic_load(&run.shared.seen_tls.key_updates);
	for (unsigned i = 0; i < config->rules.count; i++)
		totals->struck[i] = sink_rules_struck(&config->rules,
						      &run.shared.counts, i);
	close_fd(run.listener);
	close_fd(run.signals);
	close_fd(run.shared.wake_fd);
	close_fd(run.shared.ledger);
	SSL_CTX_free(run.shared.ctx);
	bench_seen_free(run.shared.seen);
	sink_grey_free(run.shared.grey);
	return err;
}
