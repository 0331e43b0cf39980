/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks: a thread each, which gathers, sends, and tries again. */
#include "gateway/webhook/webhook.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <curl/curl.h>

#include "gateway/event/event.h"
#include "gateway/inject/inject_buffer.h"
#include "gateway/log/log.h"
#include "gateway/webhook/webhook_post.h"
#include "gateway/webhook/webhook_queue.h"
#include "ktls/ktls_hmac.h"

#define SECOND	    UINT64_C(1000000000)
#define RETRY_FIRST SECOND
#define RETRY_MOST  (300 * SECOND)
#define LAST_TRY    (3 * SECOND) /* at the end */
#define SECRET_MAX  1024
#define BODY_MAX    ((size_t)64 << 20)

struct webhook {
	char *url;	/* owned; for the log */
	uint32_t kinds; /* 1 << enum event_kind */
	struct webhook_batch_terms terms;
	uint64_t timeout, expire;
	struct webhook_queue queue;
	struct webhook_post *post;
	pthread_t thread;
	bool made, runs;
	uint64_t random;	      /* for names of batches, and spreading */
	uint64_t dropped;	      /* last said */
	atomic_uint_fast64_t over_at; /* monotonic; 0: not before it stops */
	atomic_uint_fast64_t sent, given_up, batches, failures;
};

struct webhooks {
	size_t count;
	struct webhook hooks[];
};

/* --- one batch --- */

static uint64_t monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

/* xorshift64*: for spreading load, not for secrets. */
static uint64_t next_random(struct webhook *hook)
{
	uint64_t x = hook->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	hook->random = x;
	return x * UINT64_C(0x2545f4914f6cdd1d);
}

static size_t write_body(const struct webhook_event *list,
			 struct inject_buffer *body)
{
	size_t n = 0;

	inject_buffer_text(body, "{\"events\":[");
	for (; list; list = list->next) {
		if (n++)
			inject_buffer_text(body, ",");
		inject_buffer_add(body, list->json, list->len);
	}
	inject_buffer_text(body, "]}");
	return n;
}

/* The time for last tries is over. */
static bool is_over(void *arg)
{
	struct webhook *hook = arg;
	uint64_t at = atomic_load(&hook->over_at);

	return at && monotonic() > at;
}

/* From a half to all of it. */
static uint64_t pause_of(struct webhook *hook, unsigned tries, uint64_t after)
{
	uint64_t most = tries < 9 ? RETRY_FIRST << tries : RETRY_MOST;

	if (most > RETRY_MOST)
		most = RETRY_MOST;
	if (after > most)
		return after < RETRY_MOST ? after : RETRY_MOST;
	return most / 2 + next_random(hook) % (most / 2);
}

static void say_failure(const struct webhook *hook, unsigned tries,
			const struct webhook_answer *answer, size_t events)
{
	/* Each power of two: a hook that is dead for a day is no flood. */
	if ((tries & (tries + 1)) == 0)
		log_warning("webhook.failed", L_STR("url", hook->url),
			    L_STR("error", answer->error),
			    L_UINT("tries", tries + 1),
			    L_UINT("events", events));
}

static void say_dropped(struct webhook *hook)
{
	uint64_t dropped = webhook_queue_dropped(&hook->queue);

	if (dropped == hook->dropped)
		return;
	log_error("webhook.dropped", L_STR("url", hook->url),
		  L_UINT("events", dropped - hook->dropped),
		  L_STR("error", "the queue was full"));
	hook->dropped = dropped;
}

/* True: it was taken. */
static bool try_until(struct webhook *hook, const struct inject_buffer *body,
		      size_t events)
{
	uint64_t begun = monotonic();
	char batch[24];
	bool stopping = false;

	snprintf(batch, sizeof(batch), "%016" PRIx64, next_random(hook));
	for (unsigned tries = 0;; tries++) {
		struct webhook_answer answer;

		webhook_post_send(hook->post, body->bytes, body->len, batch,
				  stopping ? LAST_TRY : hook->timeout, &answer);
		if (answer.good)
			return true;
		atomic_fetch_add(&hook->failures, 1);
		say_failure(hook, tries, &answer, events);
		say_dropped(hook);
		if (stopping || monotonic() - begun > hook->expire)
			return false;
		stopping = webhook_queue_sleep(
			&hook->queue, pause_of(hook, tries, answer.after));
	}
}

static void give_up(struct webhook *hook, size_t events)
{
	atomic_fetch_add(&hook->given_up, events);
	log_error("webhook.given_up", L_STR("url", hook->url),
		  L_UINT("events", events));
}

static void send_batch(struct webhook *hook, struct webhook_event *list)
{
	struct inject_buffer body;
	size_t events;
	bool good;

	inject_buffer_init(&body, BODY_MAX);
	events = write_body(list, &body);
	good = !inject_buffer_failed(&body) && !is_over(hook) &&
	       try_until(hook, &body, events);
	if (good) {
		atomic_fetch_add(&hook->sent, events);
		atomic_fetch_add(&hook->batches, 1);
	} else {
		give_up(hook, events);
	}
	inject_buffer_free(&body);
}

static void *run(void *arg)
{
	struct webhook *hook = arg;
	struct webhook_event *list;

	while ((list = webhook_queue_take(&hook->queue, &hook->terms))) {
		send_batch(hook, list);
		webhook_queue_free(&hook->queue, list);
		say_dropped(hook);
	}
	return NULL;
}

/* --- making --- */

/* The first line of a file. */
static int read_secret(const char *file, char out[SECRET_MAX])
{
	FILE *in = fopen(file, "re");
	int r = 0;

	if (!in)
		return -errno;
	if (!fgets(out, SECRET_MAX, in))
		r = -ENODATA;
	fclose(in);
	out[r ? 0 : strcspn(out, "\r\n")] = '\0';
	return r == 0 && out[0] == '\0' ? -ENODATA : r;
}

static int make(struct webhook *hook, const struct config_webhook *config)
{
	char secret[SECRET_MAX] = "";
	int r = webhook_queue_init(&hook->queue, config->memory);

	hook->made = true;
	hook->kinds = config->kinds;
	hook->terms =
		(struct webhook_batch_terms){config->batch, config->delay};
	hook->timeout = config->timeout;
	hook->expire = config->expire;
	hook->url = strdup(config->url);
	if (r == 0 && !hook->url)
		r = -ENOMEM;
	if (r == 0 && getrandom(&hook->random, sizeof(hook->random), 0) < 0)
		r = -errno;
	hook->random |= 1;
	if (r == 0 && config->secret_file)
		r = read_secret(config->secret_file, secret);
	if (r == 0)
		r = webhook_post_create(config,
					config->secret_file ? secret : NULL,
					is_over, hook, &hook->post);
	ktls_wipe(secret, sizeof(secret));
	if (r == 0)
		r = -pthread_create(&hook->thread, NULL, run, hook);
	hook->runs = r == 0;
	if (hook->runs)
		pthread_setname_np(hook->thread, "webhook");
	return r;
}

static void stop(struct webhook *hook)
{
	if (!atomic_load(&hook->over_at))
		atomic_store(&hook->over_at, monotonic() + LAST_TRY);
	webhook_queue_stop(&hook->queue);
}

static void unmake(struct webhook *hook)
{
	if (!hook->made)
		return;
	if (hook->runs) {
		stop(hook);
		pthread_join(hook->thread, NULL);
	}
	webhook_post_destroy(&hook->post);
	webhook_queue_deinit(&hook->queue);
	free(hook->url);
}

/* From any thread. */
static void on_event(void *arg, enum event_kind kind, const char *json,
		     size_t len)
{
	struct webhooks *hooks = arg;

	for (size_t i = 0; i < hooks->count; i++)
		if (hooks->hooks[i].kinds & 1u << kind)
			(void)webhook_queue_put(&hooks->hooks[i].queue, json,
						len);
}

int webhooks_open(const struct config *config, struct webhooks **out,
		  const struct config_webhook **failed)
{
	size_t n = config->webhook_count;
	struct webhooks *hooks;
	int r = 0;

	*out = NULL;
	if (n == 0)
		return 0;
	*failed = &config->webhooks[0];
	hooks = calloc(1, sizeof(*hooks) + n * sizeof(hooks->hooks[0]));
	if (!hooks || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(hooks);
		return -ENOMEM;
	}
	hooks->count = n;
	for (size_t i = 0; r == 0 && i < n; i++) {
		*failed = &config->webhooks[i];
		r = make(&hooks->hooks[i], *failed);
	}
	if (r < 0)
		webhooks_close(&hooks);
	else
		event_listen(on_event, hooks);
	*out = hooks;
	return r;
}

void webhooks_close(struct webhooks **pointer)
{
	struct webhooks *hooks = *pointer;

	if (!hooks)
		return;
	event_listen(NULL, NULL);
	/* Their last tries at the same time. */
	for (size_t i = 0; i < hooks->count; i++)
		if (hooks->hooks[i].runs)
			stop(&hooks->hooks[i]);
	for (size_t i = 0; i < hooks->count; i++)
		unmake(&hooks->hooks[i]);
	curl_global_cleanup();
	free(hooks);
	*pointer = NULL;
}

void webhooks_stats(const struct webhooks *hooks, struct webhook_stats *out)
{
	*out = (struct webhook_stats){0};
	for (size_t i = 0; hooks && i < hooks->count; i++) {
		const struct webhook *hook = &hooks->hooks[i];
		struct webhook_queue *queue =
			(struct webhook_queue *)(uintptr_t)&hook->queue;

		out->sent += atomic_load(&hook->sent);
		out->batches += atomic_load(&hook->batches);
		out->failures += atomic_load(&hook->failures);
		out->dropped += atomic_load(&hook->given_up) +
				webhook_queue_dropped(queue);
		out->queued += webhook_queue_count(queue);
	}
}
