/* SPDX-License-Identifier: Apache-2.0 */
/* Fault rules of the sink; see bench_fault.h. */
#include "bench/bench_fault.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "bench/bench_parse.h"
#include "bench/bench_rng.h"

static const char *const phase_names[BENCH_PHASES] = {
	[BENCH_PHASE_CONNECT] = "connect",   [BENCH_PHASE_EHLO] = "ehlo",
	[BENCH_PHASE_STARTTLS] = "starttls", [BENCH_PHASE_MAIL] = "mail",
	[BENCH_PHASE_RCPT] = "rcpt",	     [BENCH_PHASE_DATA] = "data",
	[BENCH_PHASE_BODY] = "body",	     [BENCH_PHASE_EOD] = "eod",
	[BENCH_PHASE_ACK] = "ack",
};

struct bench_fault bench_faults_roll(const struct bench_faults *faults,
				     enum bench_phase phase, uint64_t *rng)
{
	struct bench_fault fault = {.delay_ms = faults->delay_ms[phase]};
	uint32_t dice = bench_rng_share(rng), sum = 0;

	for (unsigned i = 0; i < faults->count; i++) {
		const struct bench_fault_rule *rule = &faults->rules[i];

		if (rule->phase != phase)
			continue;
		sum += rule->share;
		if (dice >= sum)
			continue;
		fault.kind =
			rule->code ? BENCH_FAULT_REPLY : BENCH_FAULT_HANG_UP;
		fault.code = rule->code;
		break;
	}
	return fault;
}

/* The phase's name at the start of text, ended by `stop` or the end. */
static int take_phase(const char **text, char stop, enum bench_phase *ret)
{
	size_t len = (size_t)(strchrnul(*text, stop) - *text);

	for (enum bench_phase p = 0; p < BENCH_PHASES; p++) {
		if (strlen(phase_names[p]) != len ||
		    strncmp(phase_names[p], *text, len))
			continue;
		*ret = p;
		*text += len;
		return 0;
	}
	return -EINVAL;
}

/* ":30%" or nothing, which is always. */
static int take_share(const char *text, uint32_t *share)
{
	*share = BENCH_SHARE_ALL;
	if (!*text)
		return 0;
	return *text == ':' ? bench_parse_share(text + 1, share) : -EINVAL;
}

static int add_rule(struct bench_faults *faults, struct bench_fault_rule rule)
{
	if (faults->count == BENCH_FAULT_RULES)
		return -ERANGE;
	faults->rules[faults->count++] = rule;
	return 0;
}

int bench_fault_reply_opt(const char *text, void *field)
{
	struct bench_fault_rule rule = {0};
	int err = take_phase(&text, '=', &rule.phase);

	if (err || rule.phase == BENCH_PHASE_BODY || *text++ != '=')
		return -EINVAL;
	for (int i = 0; i < 3; i++, text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		rule.code = rule.code * 10 + (unsigned)(*text - '0');
	}
	if (rule.code < 400 || rule.code > 599)
		return -ERANGE;
	err = take_share(text, &rule.share);
	return err ? err : add_rule(field, rule);
}

int bench_fault_disconnect_opt(const char *text, void *field)
{
	struct bench_fault_rule rule = {0};
	int err = take_phase(&text, ':', &rule.phase);

	if (!err)
		err = take_share(text, &rule.share);
	return err ? err : add_rule(field, rule);
}

int bench_fault_delay_opt(const char *text, void *field)
{
	struct bench_faults *faults = field;
	enum bench_phase phase = BENCH_PHASE_EOD;
	uint64_t ms;
	int err = 0;

	if (strchr(text, '=')) {
		err = take_phase(&text, '=', &phase);
		text++;
	}
	if (!err)
		err = bench_parse_u64(text, &ms);
	if (err)
		return err;
	if (ms > INT_MAX)
		return -ERANGE;
	faults->delay_ms[phase] = (unsigned)ms;
	return 0;
}
