/* SPDX-License-Identifier: Apache-2.0 */
/* The threads of the source, one per connection; see source_run.h. */
#include "bench/source/source_run.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench_clock.h"
#include "bench/bench_ledger.h"
#include "bench/source/source_pace.h"

enum {
	STACK_BYTES = 256 * 1024, /* 1,000 threads must not cost 8 GiB */
	COMPLAINTS_MAX = 50,	  /* lines on stderr before it gets boring */
	TICK_MS = 250,
};

/* Where all workers wait for each other, when they are to connect first. */
enum gate {
	GATE_CONNECTED,
	GATE_SENT,
	GATES
};

struct run {
	const struct source_config *config;
	const struct bench_text *text;
	SSL_CTX *ctx;
	struct bench_tls_seen seen;
	int ledger;
	pthread_t control;	  /* gets SIGUSR1 when a worker ends */
	_Atomic uint64_t next;	  /* index of the next message */
	_Atomic unsigned running; /* workers */
	_Atomic bool stop;
	_Atomic unsigned complaints;
	struct source_pace pace;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t moved;
	unsigned expected;	 /* workers that were started */
	unsigned arrived[GATES]; /* how many of them came so far */
	struct source_totals totals;
	struct source_latency *latency; /* borrowed */
	double started;
};

struct worker {
	struct run *run;
	pthread_t thread;
	struct source_session session;
	uint64_t due;	 /* the message at hand; bench_clock_ns() */
	uint64_t turned; /* when the worker turned to it */
	double progress; /* when this worker last got a 250 or began */
};

static double now(void)
{
	return (double)bench_clock_ns() * 1e-9;
}

static void pause_ms(unsigned ms)
{
	struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};

	nanosleep(&ts, NULL);
}

static void complain(struct run *run, const char *what, const char *why)
{
	unsigned n = atomic_fetch_add(&run->complaints, 1);

	if (n < COMPLAINTS_MAX)
		fprintf(stderr, "ringpost-bench source: %s: %s\n", what, why);
	else if (n == COMPLAINTS_MAX)
		fprintf(stderr, "ringpost-bench source: more of these are only "
				"counted\n");
}

static void note_tls(struct source_totals *totals, const SSL *ssl)
{
	char text[sizeof(totals->tls)];

	snprintf(text, sizeof(text), "%s %s", SSL_get_version(ssl),
		 SSL_get_cipher_name(ssl));
	if (!totals->tls[0])
		memcpy(totals->tls, text, sizeof(text));
	else if (strcmp(totals->tls, text))
		strcpy(totals->tls, "mixed");
}

/* An open connection with room for one more message. */
static int ensure_open(struct worker *w)
{
	struct source_session *s = &w->session;
	struct run *run = w->run;
	uint64_t most = run->config->per_connection;
	int err;

	if (s->conn->fd >= 0) {
		if (!s->closing && (!most || s->sent < most))
			return 0;
		source_session_quit(s);
	}
	err = source_session_open(s);
	pthread_mutex_lock(&run->lock);
	if (err) {
		run->totals.connect_failures++;
	} else {
		run->totals.connections++;
		source_latency_add_open(run->latency, &s->open_times);
		if (s->conn->ssl) {
			run->totals.handshakes++;
			run->totals.resumed += s->resumed;
			note_tls(&run->totals, s->conn->ssl);
		}
	}
	pthread_mutex_unlock(&run->lock);
	return err;
}

static void note_accepted(struct worker *w, const struct bench_message *m,
			  const struct source_result *r)
{
	struct run *run = w->run;
	char rcpts[16];
	int err;

	snprintf(rcpts, sizeof(rcpts), "%u", r->rcpts_accepted);
	err = bench_ledger_add(run->ledger, m->id, r->hash, m->size, rcpts);
	if (err)
		complain(run, "ledger", strerror(-err));
	w->progress = now();
	pthread_mutex_lock(&run->lock);
	run->totals.accepted++;
	run->totals.by_bdat += r->by_bdat;
	run->totals.rcpts_accepted += r->rcpts_accepted;
	run->totals.rcpts_refused += r->rcpts_refused;
	run->totals.octets += m->size;
	run->totals.ledger_errors += err != 0;
	source_latency_add_send(run->latency, &r->times, w->due, w->turned);
	pthread_mutex_unlock(&run->lock);
}

static void note_lost(struct worker *w, const struct bench_message *m,
		      enum source_outcome outcome)
{
	struct source_totals *totals = &w->run->totals;

	complain(w->run, m->id, w->session.why);
	pthread_mutex_lock(&w->run->lock);
	switch (outcome) {
	case SOURCE_DEFERRED:
		totals->deferred++;
		break;
	case SOURCE_REFUSED:
		totals->refused++;
		break;
	case SOURCE_UNFIT:
		totals->unfit++;
		break;
	case SOURCE_BROKEN:
	case SOURCE_ACCEPTED:
		totals->failed++;
		break;
	}
	pthread_mutex_unlock(&w->run->lock);
}

/* Is there a point in sending this message (or any) once more? */
static bool again(struct worker *w)
{
	const struct source_config *config = w->run->config;

	if (!config->retry || atomic_load(&w->run->stop) ||
	    now() - w->progress > config->give_up_s)
		return false;
	pause_ms(config->retry_delay_ms);
	pthread_mutex_lock(&w->run->lock);
	w->run->totals.retried++;
	pthread_mutex_unlock(&w->run->lock);
	return true;
}

/* False when the worker should end: the server can't be reached. */
static bool deliver(struct worker *w, struct bench_message *m)
{
	struct source_result r;

	do {
		r.outcome = SOURCE_BROKEN;
		if (ensure_open(w)) {
			if (w->run->config->retry)
				continue;
			note_lost(w, m, SOURCE_BROKEN);
			return false;
		}
		source_session_send(&w->session, m, &r);
		if (r.outcome == SOURCE_ACCEPTED) {
			note_accepted(w, m, &r);
			return true;
		}
		if (r.outcome == SOURCE_REFUSED || r.outcome == SOURCE_UNFIT)
			break;
	} while (again(w));
	note_lost(w, m, r.outcome);
	return !(w->run->config->retry && w->session.conn->fd < 0);
}

/* Messages flow, and time counts, from here on. */
static void start_clock(struct run *run)
{
	run->started = now();
	source_pace_start(&run->pace, bench_clock_ns());
}

static void pass_gate(struct run *run, enum gate gate)
{
	if (!run->config->connect_first)
		return;
	pthread_mutex_lock(&run->lock);
	if (++run->arrived[gate] >= run->expected) {
		pthread_cond_broadcast(&run->moved);
		if (gate == GATE_CONNECTED)
			start_clock(run);
	}
	while (run->arrived[gate] < run->expected)
		pthread_cond_wait(&run->moved, &run->lock);
	pthread_mutex_unlock(&run->lock);
}

/* Workers that could not be started are not waited for. */
static void expect_workers(struct run *run, unsigned count)
{
	pthread_mutex_lock(&run->lock);
	run->expected = count;
	pthread_cond_broadcast(&run->moved);
	pthread_mutex_unlock(&run->lock);
}

static void end_worker(struct worker *w)
{
	struct run *run = w->run;
	double end;

	if (!run->config->connect_first)
		source_session_quit(&w->session);
	end = now();
	pass_gate(run, GATE_SENT);
	source_session_quit(&w->session);
	pthread_mutex_lock(&run->lock);
	end -= run->started;
	if (end > run->totals.seconds)
		run->totals.seconds = end;
	run->totals.tls_clean_ends += w->session.tls_clean_ends;
	run->totals.tls_unclean_ends += w->session.tls_unclean_ends;
	run->totals.key_updates_sent += w->session.key_updates;
	run->totals.key_updates_final += w->session.key_updates_final;
	pthread_mutex_unlock(&run->lock);
	atomic_fetch_sub(&run->running, 1);
	pthread_kill(run->control, SIGUSR1);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct run *run = w->run;
	struct bench_message *m = malloc(sizeof(*m));
	bool go_on = m != NULL;

	w->progress = now();
	if (run->config->connect_first)
		ensure_open(w); /* what fails is tried again for a message */
	source_pace_join(&run->pace);
	pass_gate(run, GATE_CONNECTED);
	while (go_on && !atomic_load(&run->stop)) {
		uint64_t index = atomic_fetch_add(&run->next, 1);

		if (index >= run->config->messages ||
		    !source_pace_wait(&run->pace, index, &w->due, &w->turned))
			break;
		bench_message_init(m, &run->config->plan, run->text, index);
		go_on = deliver(w, m);
	}
	free(m);
	end_worker(w);
	return NULL;
}

static void show_progress(struct run *run, bool last)
{
	struct source_totals t;
	double seconds;

	pthread_mutex_lock(&run->lock);
	t = run->totals;
	seconds = now() - run->started;
	pthread_mutex_unlock(&run->lock);
	fprintf(stderr,
		"%ssource: %llu/%llu accepted, %llu not, %llu again, "
		"%.0f/s, %.1f MB/s%s",
		isatty(2) ? "\r\033[K" : "", (unsigned long long)t.accepted,
		(unsigned long long)run->config->messages,
		(unsigned long long)(t.refused + t.deferred + t.failed +
				     t.unfit),
		(unsigned long long)t.retried, (double)t.accepted / seconds,
		(double)t.octets / seconds / 1e6,
		isatty(2) && !last ? "" : "\n");
}

/* Waits for the workers; a signal asks them to stop after their message. */
static void attend(struct run *run, const sigset_t *signals)
{
	const struct timespec tick = {0, TICK_MS * 1000000L};
	unsigned ticks = 0;

	while (atomic_load(&run->running)) {
		int sig = sigtimedwait(signals, NULL, &tick);

		if (sig == SIGINT || sig == SIGTERM) {
			atomic_store(&run->stop, true);
			source_pace_stop(&run->pace);
		}
		/* A file gets a line now and then, a terminal a live one. */
		if (sig < 0 && run->config->progress &&
		    ++ticks % (isatty(2) ? 1 : 20) == 0)
			show_progress(run, false);
	}
	if (run->config->progress)
		show_progress(run, true);
}

static int init_worker(struct worker *w, struct run *run)
{
	struct source_session *s = &w->session;

	w->run = run;
	s->config = run->config;
	s->ctx = run->ctx;
	s->hash = bench_hash_new(run->config->hash);
	s->conn = calloc(1, sizeof(*s->conn));
	if (!s->hash || !s->conn)
		return -ENOMEM;
	s->conn->fd = -1;
	return 0;
}

static void deinit_worker(struct worker *w)
{
	source_session_deinit(&w->session);
	bench_hash_free(w->session.hash);
	free(w->session.conn);
}

static unsigned start_workers(struct run *run, struct worker *workers)
{
	unsigned count = run->config->connections, i;
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	atomic_store(&run->running, count);
	expect_workers(run, count);
	for (i = 0; i < count; i++) {
		if (init_worker(&workers[i], run) ||
		    pthread_create(&workers[i].thread, &attr, work,
				   &workers[i])) {
			complain(run, "threads", "not all could be started");
			deinit_worker(&workers[i]);
			atomic_fetch_sub(&run->running, count - i);
			break;
		}
	}
	pthread_attr_destroy(&attr);
	expect_workers(run, i);
	return i;
}

/* The last workers' signals may still be pending; unblocked they would kill. */
static void unblock(const sigset_t *old)
{
	const struct timespec at_once = {0, 0};
	sigset_t mine;

	sigemptyset(&mine);
	sigaddset(&mine, SIGUSR1);
	while (sigtimedwait(&mine, NULL, &at_once) > 0)
		;
	pthread_sigmask(SIG_SETMASK, old, NULL);
}

static int run_workers(struct run *run)
{
	struct worker *workers =
		calloc(run->config->connections, sizeof(*workers));
	sigset_t signals, old;
	unsigned started;

	if (!workers)
		return -ENOMEM;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &signals, &old);
	run->control = pthread_self();
	start_clock(run);
	started = start_workers(run, workers);
	attend(run, &signals);
	for (unsigned i = 0; i < started; i++) {
		pthread_join(workers[i].thread, NULL);
		deinit_worker(&workers[i]);
	}
	unblock(&old);
	free(workers);
	return started ? 0 : -EAGAIN;
}

static int set_up(struct run *run, struct bench_text **text, char *error,
		  size_t cap)
{
	*text = bench_text_new(run->config->plan.seed);
	run->text = *text;
	run->ledger = bench_ledger_open(run->config->ledger);
	if (run->ledger < -1) {
		snprintf(error, cap, "%s: %s", run->config->ledger,
			 strerror(-run->ledger));
		return run->ledger;
	}
	if (!run->text) {
		snprintf(error, cap, "out of memory");
		return -ENOMEM;
	}
	if (run->config->tls == BENCH_TLS_NONE)
		return 0;
	run->ctx = bench_tls_client(&run->config->tls_config, error, cap);
	if (!run->ctx)
		return -EINVAL;
	bench_tls_watch(run->ctx, &run->seen);
	return 0;
}

int source_run(const struct source_config *config, struct source_totals *totals,
	       struct source_latency *latency, char *error, size_t cap)
{
	struct run run = {.config = config, .ledger = -1, .latency = latency};
	struct bench_text *text = NULL;
	int err;

	pthread_mutex_init(&run.lock, NULL);
	pthread_cond_init(&run.moved, NULL);
	source_pace_init(&run.pace, config->rate);
	err = set_up(&run, &text, error, cap);
	if (!err) {
		err = run_workers(&run);
		if (err)
			snprintf(error, cap, "no thread could be started");
	}
	*totals = run.totals;
	totals->key_updates_seen = atomic_load(&run.seen.key_updates);
	totals->tickets = atomic_load(&run.seen.tickets);
	SSL_CTX_free(run.ctx);
	if (run.ledger >= 0)
		close(run.ledger);
	bench_text_free(text);
	source_pace_deinit(&run.pace);
	pthread_cond_destroy(&run.moved);
	pthread_mutex_destroy(&run.lock);
	return err;
}
