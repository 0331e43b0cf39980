/* SPDX-License-Identifier: Apache-2.0 */
/* Rules as options: --reply, --disconnect, --delay-ms; see sink_rule.h. */
#include <errno.h>
#include <string.h>

#include "bench/bench_parse.h"
#include "bench/bench_rng.h"
#include "bench/sink/sink_rule.h"

/* The phase's name at the start of text, ended by `stop` or the end. */
static int take_phase(const char **text, char stop, unsigned *phases)
{
	size_t len = (size_t)(strchrnul(*text, stop) - *text);
	int phase = sink_phase_find(*text, len);

	if (phase < 0)
		return phase;
	*phases = 1u << phase;
	*text += len;
	return 0;
}

/* ":30%" or nothing, which is always. */
static int take_share(const char *text, uint32_t *share)
{
	if (!*text)
		return 0;
	return *text == ':' ? bench_parse_share(text + 1, share) : -EINVAL;
}

static int add_rule(struct sink_rules *rules, const struct sink_rule *from)
{
	struct sink_rule *rule = sink_rules_add(rules);

	if (!rule)
		return -ERANGE;
	*rule = *from;
	return 0;
}

int sink_rule_reply_opt(const char *text, void *field)
{
	const unsigned no_replies =
		1u << SINK_AT_HANDSHAKE | 1u << SINK_AT_BODY;
	struct sink_rule rule = {.share = BENCH_SHARE_ALL};
	int err = take_phase(&text, '=', &rule.phases);

	if (err || (rule.phases & no_replies) || *text++ != '=')
		return -EINVAL;
	for (int i = 0; i < 3; i++, text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		rule.code = rule.code * 10 + (unsigned)(*text - '0');
	}
	if (rule.code < 400 || rule.code > 599)
		return -ERANGE;
	err = take_share(text, &rule.share);
	return err ? err : add_rule(field, &rule);
}

int sink_rule_disconnect_opt(const char *text, void *field)
{
	struct sink_rule rule = {.share = BENCH_SHARE_ALL,
				 .hang_up = SINK_DROP};
	int err = take_phase(&text, ':', &rule.phases);

	if (!err)
		err = take_share(text, &rule.share);
	return err ? err : add_rule(field, &rule);
}

int sink_rule_delay_opt(const char *text, void *field)
{
	struct sink_rule rule = {.share = BENCH_SHARE_ALL,
				 .phases = 1u << SINK_AT_EOD};
	uint64_t ms;
	int err = 0;

	if (strchr(text, '=')) {
		err = take_phase(&text, '=', &rule.phases);
		text++;
	}
	if (!err)
		err = bench_parse_u64(text, &ms);
	if (err)
		return err;
	if (ms > SINK_PAUSE_MAX)
		return -ERANGE;
	rule.delay_ms = (struct sink_range){(unsigned)ms, (unsigned)ms};
	return add_rule(field, &rule);
}
