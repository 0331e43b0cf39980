/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue: messages become deliveries, answers become results in the spool,
 * deferred deliveries come back at their time.
 */
#include "gateway/queue/queue.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "gateway/log/log.h"
#include "gateway/metrics/sum.h"
#include "gateway/queue/notify.h"
#include "gateway/queue/queue_event.h"
#include "gateway/queue/queue_private.h"
#include "gateway/queue/retry.h"
#include "uring/uring.h"

static uint64_t system_wall_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t queue_wall(const struct queue *queue)
{
	return queue->config.wall_clock();
}

/* --- deferred deliveries --- */

/* (Re)arm the timer for the earliest deferred delivery. */
static void arm_due(struct queue *queue)
{
	const struct delivery *top = deferred_top(&queue->deferred);
	uint64_t now = queue_wall(queue);

	if (!top || queue->stopping)
		uring_timer_clear(queue->config.env->ring, &queue->due);
	else
		uring_timer_set(queue->config.env->ring, &queue->due,
				top->due > now ? top->due - now : 0);
}

static void on_due(void *owner)
{
	struct queue *queue = owner;
	uint64_t now = queue_wall(queue);
	const struct delivery *top;

	while ((top = deferred_top(&queue->deferred)) && top->due <= now) {
		struct delivery *delivery = deferred_pop(&queue->deferred);

		delivery_place(delivery, DELIVERY_AT_HAND);
		domain_push(delivery);
	}
	domains_pump(queue);
	arm_due(queue);
}

void queue_defer(struct queue *queue, struct delivery *delivery)
{
	/* When it is due its domain may have moved. */
	destination_put(delivery->destination);
	delivery->destination = NULL;
	if (!deferred_push(&queue->deferred, delivery)) {
		domain_push(delivery);
		return;
	}
	delivery_place(delivery, DELIVERY_DEFERRED);
	if (deferred_top(&queue->deferred) == delivery)
		arm_due(queue);
}

/* --- life --- */

static uint64_t seed(void)
{
	uint64_t number = 0;

	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) < 0)
		number = (uint64_t)getpid() ^ system_wall_clock();
	return number | 1;
}

/* xorshift64*: for spreading load, not for secrets. */
uint64_t queue_random(struct queue *queue, uint64_t below)
{
	uint64_t x = queue->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	queue->random = x;
	return (x * UINT64_C(0x2545f4914f6cdd1d) >> 32) % below;
}

static void on_attention(void *owner)
{
	queue_attend(owner);
}

void queue_attend(struct queue *queue)
{
	struct destination *d;

	/* It may be posted again at once: bounded by what there is now would
	 * need a count, and each visit changes what it was posted for. */
	while ((d = throttles_attend(queue->throttles, queue->config.worker)))
		destination_attend(d);
}

static void wake_by_timer(void *arg)
{
	struct queue *queue = arg;

	uring_timer_set(queue->config.env->ring, &queue->attention, 0);
}

static int join_throttles(struct queue *queue)
{
	const struct queue_config *config = &queue->config;
	int r = 0;

	queue->throttles = config->throttles;
	if (!queue->throttles) {
		r = throttles_create(1, &queue->own_throttles);
		queue->throttles = queue->own_throttles;
	}
	if (r == 0)
		throttles_sit(queue->throttles, config->worker,
			      config->wake ? config->wake : wake_by_timer,
			      config->wake ? config->wake_arg : queue);
	return r;
}

int queue_create(const struct queue_config *config, struct queue **out)
{
	struct outbound_config outbound = {
		.config = config->config,
		.env = config->env,
		.ops = &destination_ops,
		.socket = config->socket,
		.socket_arg = config->socket_arg,
		.bind = config->bind,
	};
	struct queue *queue = calloc(1, sizeof(*queue));
	int r;

	if (!queue)
		return -ENOMEM;
	queue->config = *config;
	if (!queue->config.wall_clock)
		queue->config.wall_clock = system_wall_clock;
	queue->due = (struct uring_timer){.fn = on_due, .owner = queue};
	queue->random = seed();
	queue->touched_tail = &queue->touched;
	order_init(&queue->mail, delivery_id);
	table_init(&queue->domains, seed());
	table_init(&queue->destinations, seed());
	reach_init(&queue->reach, &config->config->retry, seed());
	queue->attention =
		(struct uring_timer){.fn = on_attention, .owner = queue};
	queue->rerouting =
		(struct uring_timer){.fn = queue_on_rerouting, .owner = queue};
	r = join_throttles(queue);
	if (r == 0)
		r = outbound_create(&outbound, &queue->outbound);
	if (r < 0)
		queue_destroy(&queue);
	*out = queue;
	return r;
}

void queue_drop(struct delivery *delivery)
{
	struct queue *queue = delivery->domain->queue;

	destination_put(delivery->destination);
	replies_drop(&queue->replies, delivery->reply);
	domain_leave(delivery);
	delivery_free(&queue->pool, delivery);
}

/* They are in no list. */
static void drop_held(struct queue *queue)
{
	struct order_at at;
	uint64_t next = 0;
	struct delivery *d;

	while ((d = order_from(&queue->mail, next, &at))) {
		/* Several may have one id: from there again. */
		while (d && d->place != DELIVERY_HELD)
			d = order_next(&queue->mail, &at);
		if (!d)
			return;
		next = delivery_id(d);
		queue_drop(d);
	}
}

void queue_destroy(struct queue **pointer)
{
	struct queue *queue = *pointer;
	struct delivery *delivery;

	if (!queue)
		return;
	uring_timer_clear(queue->config.env->ring, &queue->due);
	while ((delivery = deferred_pop(&queue->deferred)))
		queue_drop(delivery);
	deferred_deinit(&queue->deferred);
	drop_held(queue);
	destinations_free(queue);
	domains_free(queue);
	table_deinit(&queue->destinations);
	if (queue->throttles)
		throttles_leave(queue->throttles, queue->config.worker);
	throttles_destroy(&queue->own_throttles);
	uring_timer_clear(queue->config.env->ring, &queue->attention);
	uring_timer_clear(queue->config.env->ring, &queue->rerouting);
	reach_deinit(&queue->reach);
	order_deinit(&queue->mail);
	delivery_pool_deinit(&queue->pool);
	replies_deinit(&queue->replies);
	outbound_destroy(&queue->outbound);
	free(queue);
	*pointer = NULL;
}

void queue_shutdown(struct queue *queue)
{
	queue->stopping = true;
	arm_due(queue);
	uring_timer_clear(queue->config.env->ring, &queue->rerouting);
	domains_stop(queue);
	destinations_stop(queue);
	outbound_shutdown(queue->outbound);
}

void queue_abort(struct queue *queue)
{
	queue_shutdown(queue);
	outbound_abort(queue->outbound);
}

unsigned queue_sessions(const struct queue *queue)
{
	return outbound_sessions(queue->outbound) + queue->bouncing;
}

void queue_stats(const struct queue *queue, struct queue_stats *out)
{
	*out = queue->stats;
	out->waiting = queue->deferred.count;
}

void queue_stats_add(struct queue_stats *to, const struct queue_stats *from)
{
	SUM_INTO(to, from);
}

const struct outbound *queue_outbound(const struct queue *queue)
{
	return queue->outbound;
}

const struct deferrals *queue_deferrals(const struct queue *queue)
{
	return &queue->deferrals;
}

/* --- a message becomes deliveries --- */

static void start(struct queue *queue, struct domain *domain,
		  struct spool_message *message, const struct spool_view *view,
		  const uint32_t *recipients, size_t count)
{
	struct delivery *delivery =
		delivery_create(&queue->pool, message, recipients, count);

	if (!delivery || !domain_enter(domain, delivery)) {
		/* It stays in the spool; the next start finds it. */
		log_error("queue.no_memory", L_ID(spool_message_id(message)));
		delivery_free(&queue->pool, delivery);
		return;
	}
	delivery->arrival = view->envelope.arrival;
	delivery->attempts =
		(uint16_t)spool_message_attempts(message, recipients[0]);
	delivery->due = spool_message_next_attempt(message, recipients[0]);
	delivery->warned =
		(uint8_t)spool_message_warned(message, recipients[0]);
	if (delivery->due == SPOOL_HELD)
		delivery_place(delivery, DELIVERY_HELD);
	else if (delivery->due > queue_wall(queue))
		queue_defer(queue, delivery);
	else
		domain_push(delivery);
}

/* The domain of each open recipient, counted; NULL for the others. */
static void find_domains(struct queue *queue,
			 const struct spool_message *message,
			 const struct spool_envelope *e,
			 struct domain **domains)
{
	for (size_t i = 0; i < e->recipient_count; i++) {
		bool no_route = false;

		if (spool_message_recipient_done(message, i))
			continue;
		domains[i] = domain_get(queue, e->recipients[i], &no_route);
		if (domains[i])
			continue;
		log_warning("queue.no_route", L_ID(spool_message_id(message)),
			    L_STR("to", e->recipients[i]),
			    L_STR("error",
				  no_route ? "no route matches the domain; the "
					     "recipient waits for one"
					   : "out of memory; the recipient "
					     "waits for the next start"));
	}
}

static bool is_held(const struct spool_message *message, size_t recipient)
{
	return spool_message_next_attempt(message, recipient) == SPOOL_HELD;
}

/* Gather the recipients from @from on that share its domain, and are held as
 * it is or not, into @group, taking them out of @domains. Returns their
 * number. */
static size_t gather(const struct spool_message *message,
		     struct domain **domains, size_t count, size_t from,
		     uint32_t *group)
{
	struct domain *domain = domains[from];
	bool held = is_held(message, from);
	size_t n = 0;

	for (size_t i = from; i < count; i++) {
		if (domains[i] != domain || is_held(message, i) != held)
			continue;
		if (n > 0) /* the first one's count is kept by the caller */
			domain_put(domain);
		domains[i] = NULL;
		group[n++] = (uint32_t)i;
	}
	return n;
}

static void split(struct queue *queue, struct spool_message *message,
		  const struct spool_view *view, struct domain **domains,
		  uint32_t *group)
{
	const struct spool_envelope *e = &view->envelope;

	find_domains(queue, message, e, domains);
	for (size_t i = 0; i < e->recipient_count; i++) {
		struct domain *domain = domains[i];
		size_t n;

		if (!domain)
			continue;
		n = gather(message, domains, e->recipient_count, i, group);
		start(queue, domain, message, view, group, n);
		domain_put(domain);
	}
}

struct delivery *queue_split(struct delivery *delivery, uint32_t keep)
{
	struct queue *queue = delivery->domain->queue;
	struct delivery *rest = delivery_create(
		&queue->pool, delivery->message, delivery->recipients + keep,
		delivery->recipient_count - keep);

	assert(keep > 0 && keep < delivery->recipient_count);
	if (!rest || !domain_enter(delivery->domain, rest)) {
		delivery_free(&queue->pool, rest);
		return NULL;
	}
	rest->arrival = delivery->arrival;
	rest->attempts = delivery->attempts;
	rest->due = delivery->due;
	rest->warned = delivery->warned;
	rest->reply = replies_again(&queue->replies, delivery->reply);
	delivery->recipient_count = keep;
	return rest;
}

void queue_add(struct queue *queue, struct spool *spool,
	       struct spool_message *message)
{
	size_t n = spool_message_recipient_count(message);
	struct domain **domains =
		calloc(n, sizeof(struct domain *) + sizeof(uint32_t));
	struct spool_view view;
	int r = domains ? spool_view_envelope(spool, message, &view) : -ENOMEM;

	if (r < 0) {
		log_error("queue.unreadable", L_ID(spool_message_id(message)),
			  L_STR("error", strerror(-r)));
		free(domains);
		return;
	}
	queue->stats.added++;
	split(queue, message, &view, domains, (uint32_t *)(domains + n));
	spool_release_view(spool, &view);
	free(domains);
	domains_pump(queue);
}

/* --- answers --- */

static const char *const result_events[] = {
	[SPOOL_DELIVERED] = "outbound.sent",
	[SPOOL_BOUNCED] = "outbound.failed",
	[SPOOL_DEFERRED] = "outbound.deferred",
};

static void log_result(const struct delivery *delivery, const char *to,
		       const char *from, enum spool_result result,
		       const struct outbound_answer *answer, uint64_t now)
{
	const struct destination *d = delivery->destination;
	const char *host = delivery->run->remote;

	log_info(result_events[result],
		 L_ID(spool_message_id(delivery->message)), L_STR("from", from),
		 L_STR("to", to),
		 L_STR("next_hop", d ? d->text : domain_name(delivery->domain)),
		 L_STR("host", !delivery->domain->hop && host[0] ? host : NULL),
		 L_UINT("code", answer->code),
		 L_STR("dsn", answer->enhanced[0] ? answer->enhanced : NULL),
		 L_STR("reply", answer->text), L_STR("at", answer->where),
		 L_UINT("attempts", delivery->attempts + 1),
		 L_SECONDS("delay", now > delivery->arrival
					    ? now - delivery->arrival
					    : 0));
}

/* What an answer means for a message of this age. */
static enum spool_result judge(struct queue *queue,
			       const struct delivery *delivery,
			       const struct outbound_answer *answer,
			       const struct config_backoff *rule, uint64_t now)
{
	if (answer->code / 100 == 2)
		return SPOOL_DELIVERED;
	if (rule && rule->action == CONFIG_BOUNCE)
		return SPOOL_BOUNCED;
	if (answer->code / 100 == 5 && !(rule && rule->action == CONFIG_DEFER))
		return SPOOL_BOUNCED;
	if (retry_expired(&queue->config.config->retry, delivery->arrival, now))
		return SPOOL_BOUNCED;
	return SPOOL_DEFERRED;
}

/* An answer that the rule asks to wait for longer than usual. */
static void note_wait(struct delivery *delivery,
		      const struct config_backoff *rule)
{
	if (rule && rule->action == CONFIG_DEFER &&
	    rule->duration > delivery->run->wait)
		delivery->run->wait = rule->duration;
}

static void note_deferral(struct delivery *delivery, const char *recipient,
			  const struct outbound_answer *answer, uint64_t now)
{
	const struct destination *d = delivery->destination;
	const char *at = strrchr(recipient, '@');

	deferrals_note(&delivery->domain->queue->deferrals, now,
		       at ? at + 1 : recipient, d ? d->text : NULL, answer);
}

static void count_result(const struct delivery *delivery,
			 const struct delivery_answer *kept, uint64_t now)
{
	struct queue *queue = delivery->domain->queue;
	uint64_t age = now > delivery->arrival ? now - delivery->arrival : 0;

	queue->stats.delivered += kept->result == SPOOL_DELIVERED;
	queue->stats.deferred += kept->result == SPOOL_DEFERRED;
	queue->stats.failed += kept->result == SPOOL_BOUNCED;
	queue->stats.expired += kept->expired;
	if (kept->result == SPOOL_DELIVERED)
		histogram_add(&queue->stats.time, &histogram_queue_time, age);
}

/* For those who look at the queue: what was said last. */
static void remember(struct delivery *delivery,
		     const struct outbound_answer *answer, uint64_t now)
{
	struct domain *domain = delivery->domain;
	struct replies *replies = &domain->queue->replies;
	uint32_t reply = replies_keep(replies, answer->code, answer->enhanced,
				      answer->text);

	replies_drop(replies, delivery->reply);
	replies_drop(replies, domain->reply);
	delivery->reply = reply;
	domain->reply = replies_again(replies, reply);
	domain->reply_at = now;
}

void queue_answered(struct delivery *delivery, size_t index,
		    const struct outbound_answer *answer,
		    const struct config_backoff *rule)
{
	struct queue *queue = delivery->domain->queue;
	struct delivery_answer *kept = &delivery->run->answers[index];
	const struct spool_envelope *e = &delivery->run->view.envelope;
	uint64_t now = queue_wall(queue);

	delivery_answered(delivery, index, answer,
			  judge(queue, delivery, answer, rule, now));
	kept->expired = kept->result == SPOOL_BOUNCED && answer->code < 500 &&
			!(rule && rule->action == CONFIG_BOUNCE);
	note_wait(delivery, rule);
	remember(delivery, answer, now);
	count_result(delivery, kept, now);
	if (kept->result == SPOOL_DEFERRED)
		note_deferral(delivery,
			      e->recipients[delivery->recipients[index]],
			      answer, now);
	log_result(delivery, e->recipients[delivery->recipients[index]],
		   e->reverse_path, kept->result, answer, now);
	queue_event_answered(delivery, index, answer, now);
}

static bool any_given(const struct delivery *delivery)
{
	for (size_t i = 0; i < delivery->recipient_count; i++)
		if (delivery->run->answers[i].given)
			return true;
	return false;
}

static bool any_deferred(const struct delivery *delivery)
{
	for (size_t i = 0; i < delivery->recipient_count; i++)
		if (delivery->run->answers[i].given &&
		    delivery->run->answers[i].result == SPOOL_DEFERRED)
			return true;
	return false;
}

/* Due now, and its destination is one of the configuration before. */
static void again(struct queue *queue, struct delivery *delivery)
{
	destination_put(delivery->destination);
	delivery->destination = NULL;
	domain_push(delivery);
	domains_pump(queue);
}

void queue_settle(struct delivery *delivery)
{
	struct queue *queue = delivery->domain->queue;
	size_t deferred;

	queue_event_settled(delivery);
	deferred = delivery_end(delivery);

	if (delivery->recipient_count == 0)
		queue_drop(delivery);
	else if (deferred > 0 || !delivery->destination)
		queue_defer(queue, delivery);
	else if (delivery->destination->retired)
		again(queue, delivery);
	else
		destination_push_front(delivery->destination, delivery);
}

static uint64_t longer(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void queue_finished(struct delivery *delivery)
{
	struct queue *queue = delivery->domain->queue;

	if (delivery->run->began)
		histogram_add(&queue->stats.attempt, &histogram_attempt_time,
			      uring_now(queue->config.env->ring) -
				      delivery->run->began);
	/* One that waits takes the others of its delivery along. */
	if (delivery->run->outbound.repeat && !any_deferred(delivery)) {
		delivery->repeats++;
	} else if (any_given(delivery)) {
		delivery->repeats = 0;
		if (delivery->attempts < UINT16_MAX)
			delivery->attempts++;
		delivery->due = queue_wall(queue) +
				longer(retry_delay(&queue->config.config->retry,
						   delivery->attempts),
				       delivery->run->wait);
	}
	/* What its sender hears is stored first. */
	if (!notify_start(delivery))
		queue_settle(delivery);
}

void queue_unreachable(struct delivery *delivery,
		       const struct outbound_answer *answer)
{
	struct queue *queue = delivery->domain->queue;

	if (delivery_begin(delivery) < 0) {
		/* Unreadable just now: it must not be lost for that. */
		delivery->due = queue_wall(queue) +
				retry_delay(&queue->config.config->retry, 1);
		queue_defer(queue, delivery);
		return;
	}
	for (size_t i = 0; i < delivery->recipient_count; i++)
		queue_answered(delivery, i, answer, NULL);
	queue_finished(delivery);
}
