/* SPDX-License-Identifier: Apache-2.0 */
/* backoff: what is done about refusals and failures, and its end. */
#include <stdio.h>
#include <string.h>

#include "gateway/config/config_pattern.h"
#include "gateway/log/log.h"
#include "gateway/queue/queue_private.h"
#include "uring/uring.h"

static uint64_t now_of(const struct destination *d)
{
	return uring_now(d->queue->config.env->ring);
}

/* --- what is done --- */

static void slow_down(struct destination *d, const struct config_backoff *rule,
		      const struct outbound_answer *answer)
{
	struct throttle *t = d->claim.throttle;

	if (throttle_slow_down(t, rule->duration, now_of(d)))
		log_warning("queue.slowed", L_STR("next_hop", d->text),
			    L_UINT("rule", rule->line),
			    L_UINT("code", answer->code),
			    L_STR("reply", answer->text),
			    L_UINT("halvings", atomic_load(&t->halvings)),
			    L_UINT("connections", throttle_limit(t)),
			    L_SECONDS("for", rule->duration));
}

static void suspend(struct destination *d, const struct config_backoff *rule,
		    const struct outbound_answer *answer)
{
	struct throttle *t = d->claim.throttle;
	uint64_t now = now_of(d), before = throttle_suspended(t, now);

	throttle_suspend(t, now + rule->duration);
	/* Those that were under way hear the same: said once. */
	if (!before)
		log_warning("queue.suspended", L_STR("next_hop", d->text),
			    L_UINT("rule", rule->line),
			    L_UINT("code", answer->code),
			    L_STR("reply", answer->text),
			    L_SECONDS("for", rule->duration));
}

static void act(struct destination *d, const struct config_backoff *rule,
		const struct outbound_answer *answer)
{
	switch (rule->action) {
	case CONFIG_SLOW_DOWN:
		slow_down(d, rule, answer);
		return;
	case CONFIG_SUSPEND:
		suspend(d, rule, answer);
		return;
	case CONFIG_DEFER:
	case CONFIG_BOUNCE:
		return; /* concern the recipient alone */
	}
}

/* --- which rule --- */

static bool matches(const struct destination *d,
		    const struct config_backoff *rule, const char *text,
		    size_t len)
{
	enum config_pattern_result r =
		config_pattern_match(rule->pattern, text, len);

	if (r == CONFIG_PATTERN_LIMIT)
		log_warning("queue.pattern_limit", L_STR("next_hop", d->text),
			    L_UINT("rule", rule->line), L_STR("reply", text));
	return r == CONFIG_PATTERN_YES;
}

/* The first that matches "421 4.7.0 too many connections". */
static const struct config_backoff *rule_for(
	const struct destination *d, const struct outbound_answer *answer)
{
	const struct config_destination *entry = d->rule;
	char text[SMTP_REPLY_TEXT_MAX + 8];
	int len;

	if (entry->backoff_count == 0)
		return NULL;
	len = snprintf(text, sizeof(text), "%u %s", answer->code, answer->text);
	if ((size_t)len >= sizeof(text))
		len = sizeof(text) - 1;
	for (size_t i = 0; i < entry->backoff_count; i++)
		if (entry->backoff[i].pattern &&
		    matches(d, &entry->backoff[i], text, (size_t)len))
			return &entry->backoff[i];
	return NULL;
}

const struct config_backoff *destination_refused(
	struct destination *d, const struct outbound_answer *answer)
{
	const struct config_backoff *rule = rule_for(d, answer);

	if (rule)
		act(d, rule, answer);
	return rule;
}

/* --- sessions that came to nothing --- */

static void count_failure(struct destination *d,
			  const struct outbound_answer *failure)
{
	const struct config_destination *entry = d->rule;
	unsigned failures = throttle_failed(d->claim.throttle);

	for (size_t i = 0; i < entry->backoff_count; i++) {
		const struct config_backoff *rule = &entry->backoff[i];

		if (rule->pattern || failures < rule->failures)
			continue;
		act(d, rule, failure);
		throttle_reached(d->claim.throttle); /* counted from anew */
		return;
	}
}

void destination_session_failed(struct destination *d,
				const struct outbound_answer *failure)
{
	if (failure->said)
		(void)destination_refused(d, failure);
	count_failure(d, failure);
}

/* --- back up --- */

void destination_delivered(struct destination *d)
{
	struct throttle *t = d->claim.throttle;

	if (throttle_delivered(t, now_of(d)))
		log_info("queue.recovers", L_STR("next_hop", d->text),
			 L_UINT("halvings", atomic_load(&t->halvings)),
			 L_UINT("connections", throttle_limit(t)));
}
