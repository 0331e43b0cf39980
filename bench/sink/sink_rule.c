/* SPDX-License-Identifier: Apache-2.0 */
/* The sink's rules: which of them strike; see sink_rule.h. */
#include "bench/sink/sink_rule.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench_rng.h"

/* clang-format off */
static const struct {
	const char *name;
	unsigned success[2];
} phases[SINK_PHASES] = {
	[SINK_AT_CONNECT]   = {"connect", {220}},
	[SINK_AT_EHLO]      = {"ehlo", {250}},
	[SINK_AT_STARTTLS]  = {"starttls", {220}},
	[SINK_AT_HANDSHAKE] = {"handshake", {0}},
	[SINK_AT_MAIL]      = {"mail", {250}},
	[SINK_AT_RCPT]      = {"rcpt", {250, 251}},
	[SINK_AT_DATA]      = {"data", {354}},
	[SINK_AT_BODY]      = {"body", {0}},
	[SINK_AT_EOD]       = {"eod", {250}},
	[SINK_AT_ACK]       = {"ack", {250}},
	[SINK_AT_DONE]      = {"done", {0}},
	[SINK_AT_RSET]      = {"rset", {250}},
	[SINK_AT_QUIT]      = {"quit", {221}},
};
/* clang-format on */

int sink_phase_find(const char *name, size_t len)
{
	for (int p = 0; p < SINK_PHASES; p++) {
		if (strlen(phases[p].name) == len &&
		    !strncmp(phases[p].name, name, len))
			return p;
	}
	return -EINVAL;
}

bool sink_phase_succeeds(enum sink_phase phase, unsigned code)
{
	return code && (code == phases[phase].success[0] ||
			code == phases[phase].success[1]);
}

static int lower(char c)
{
	return tolower((unsigned char)c);
}

/* Only the last '*' is ever gone back to: at most pattern times text steps. */
bool sink_pattern_match(const char *pattern, const char *text)
{
	const char *star = NULL, *from = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			from = text;
		} else if (*pattern && (*pattern == '?' ||
					lower(*pattern) == lower(*text))) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

static bool match(const struct sink_patterns *patterns, const char *text)
{
	for (unsigned i = 0; text && i < patterns->count; i++) {
		if (sink_pattern_match(patterns->list[i], text))
			return true;
	}
	return !patterns->count;
}

static bool match_recipient(const struct sink_rule *rule, size_t i,
			    const struct sink_event *e)
{
	if (!rule->recipient.count)
		return true;
	if (e->recipient)
		return match(&rule->recipient, e->recipient);
	return e->hit && (e->hit[i / 64] >> (i % 64) & 1);
}

static bool conditions_hold(const struct sink_rule *rule, size_t i,
			    const struct sink_event *e)
{
	const char *sender = e->sender && !*e->sender ? "<>" : e->sender;

	return (rule->phases >> e->phase & 1) && e->messages >= rule->after &&
	       match(&rule->client, e->client) && match(&rule->helo, e->helo) &&
	       match(&rule->sender, sender) && match_recipient(rule, i, e);
}

static bool decides(const struct sink_rule *rule)
{
	return rule->accept || rule->code || rule->hang_up != SINK_STAY ||
	       rule->bad_tls != SINK_TLS_GOOD;
}

static bool still_grey(const struct sink_rule *rule, struct sink_grey *grey,
		       const struct sink_event *e)
{
	const char *const parts[] = {e->client, e->sender, e->recipient};

	return !rule->grey ||
	       sink_grey_early(grey, parts, 3, e->now_ms, rule->grey_ms);
}

/* Its turn, as skip and times say. */
static bool is_due(const struct sink_rule *rule,
		   struct sink_rule_counts *counts, size_t i)
{
	uint64_t before = atomic_fetch_add(&counts->met[i], 1);

	return before >= rule->skip &&
	       (!rule->times || before - rule->skip < rule->times);
}

static void add_up(struct sink_verdict *v, const struct sink_rule *rule,
		   uint64_t *rng)
{
	const struct sink_range *delay = &rule->delay_ms;

	v->delay_ms += delay->min;
	if (delay->max > delay->min)
		v->delay_ms +=
			bench_rng_below(rng, delay->max - delay->min + 1u);
	if (rule->pieces) {
		v->pieces = rule->pieces;
		v->pause_ms = rule->pause_ms;
	}
	v->hide |= rule->hide;
	v->octets = rule->octets;
}

struct sink_verdict sink_rules_ask(const struct sink_rules *rules,
				   struct sink_rule_counts *counts,
				   struct sink_grey *grey,
				   const struct sink_event *event,
				   uint64_t *rng)
{
	struct sink_verdict verdict = {.rule = NULL};
	uint32_t dice = bench_rng_share(rng);
	uint64_t sum = 0;

	for (size_t i = 0; i < rules->count; i++) {
		const struct sink_rule *rule = &rules->list[i];
		bool falls;

		if (!conditions_hold(rule, i, event) ||
		    !still_grey(rule, grey, event))
			continue;
		if (decides(rule))
			falls = dice < (sum += rule->share);
		else
			falls = bench_rng_share(rng) < rule->share;
		if (!falls || !is_due(rule, counts, i))
			continue;
		add_up(&verdict, rule, rng);
		if (!decides(rule))
			continue;
		verdict.rule = rule;
		break;
	}
	return verdict;
}

void sink_rules_hit(const struct sink_rules *rules, const char *recipient,
		    uint64_t hit[SINK_RULE_WORDS])
{
	for (size_t i = 0; i < rules->count; i++) {
		if (rules->list[i].recipient.count &&
		    match(&rules->list[i].recipient, recipient))
			hit[i / 64] |= 1ull << (i % 64);
	}
}

uint64_t sink_rules_struck(const struct sink_rules *rules,
			   const struct sink_rule_counts *counts, unsigned i)
{
	const struct sink_rule *rule = &rules->list[i];
	uint64_t met = atomic_load(&counts->met[i]);

	met = met > rule->skip ? met - rule->skip : 0;
	return rule->times && met > rule->times ? rule->times : met;
}

struct sink_rule *sink_rules_add(struct sink_rules *rules)
{
	struct sink_rule *rule;

	if (rules->count == SINK_RULES_MAX)
		return NULL;
	if (!rules->list)
		rules->list = calloc(SINK_RULES_MAX, sizeof(*rules->list));
	if (!rules->list)
		return NULL;
	rule = &rules->list[rules->count++];
	rule->share = BENCH_SHARE_ALL;
	return rule;
}

static void free_patterns(struct sink_patterns *patterns)
{
	for (unsigned i = 0; i < patterns->count; i++)
		free(patterns->list[i]);
	free(patterns->list);
}

void sink_rules_free(struct sink_rules *rules)
{
	for (unsigned i = 0; i < rules->count; i++) {
		struct sink_rule *rule = &rules->list[i];

		free_patterns(&rule->client);
		free_patterns(&rule->helo);
		free_patterns(&rule->sender);
		free_patterns(&rule->recipient);
		free(rule->reply);
	}
	free(rules->list);
	*rules = (struct sink_rules){.list = NULL};
}
