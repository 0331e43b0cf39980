/* SPDX-License-Identifier: Apache-2.0 */
/* The sink's script: which rules make sense; see sink_script.h. */
#include "bench/sink/sink_script.h"

#include <errno.h>
#include <string.h>

#include "bench/bench_rng.h"
#include "bench/sink/sink_script_key.h"

enum {
	CONNECT = 1 << SINK_AT_CONNECT,
	EHLO = 1 << SINK_AT_EHLO,
	STARTTLS = 1 << SINK_AT_STARTTLS,
	HANDSHAKE = 1 << SINK_AT_HANDSHAKE,
	MAIL = 1 << SINK_AT_MAIL,
	RCPT = 1 << SINK_AT_RCPT,
	DATA = 1 << SINK_AT_DATA,
	BODY = 1 << SINK_AT_BODY,
	EOD = 1 << SINK_AT_EOD,
	ACK = 1 << SINK_AT_ACK,
	DONE = 1 << SINK_AT_DONE,
	ALL = (1 << SINK_PHASES) - 1,
	/* Where there is a transaction, and where it has recipients. */
	SENDER = MAIL | RCPT | DATA | BODY | EOD | ACK | DONE,
	RECIPIENT = SENDER & ~MAIL,
	REPLIES = ALL & ~(HANDSHAKE | BODY),
};

/* A key that the rule has though its phases don't go with it. */
static void check_phases(struct sink_script *script, struct fy_node *rule,
			 unsigned phases, const char *key, unsigned allowed,
			 const char *where)
{
	struct fy_node *at = sink_script_key(rule, key);

	if (at && (phases & ~allowed))
		bench_yaml_wrong(&script->yaml, at, rule,
				 "'%s' makes no sense at a phase of this rule; "
				 "expected %s",
				 key, where);
}

static void check_places(struct sink_script *script, struct fy_node *node,
			 unsigned phases)
{
	static const struct {
		const char *key;
		unsigned allowed;
		const char *where;
	} places[] = {
		{"helo", ALL & ~CONNECT, "a phase behind connect"},
		{"sender", SENDER, "mail, rcpt, data, body, eod, ack or done"},
		{"recipient", RECIPIENT, "rcpt, data, body, eod, ack or done"},
		{"greylist", RCPT, "rcpt"},
		{"hide", EHLO, "ehlo"},
		{"tls", HANDSHAKE, "handshake"},
		{"octets", BODY, "body"},
		{"reply", REPLIES, "a phase that is answered"},
		{"pieces", REPLIES, "a phase that is answered"},
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		check_phases(script, node, phases, places[i].key,
			     places[i].allowed, places[i].where);
}

/* Two keys of which one shuts the other out. */
static void check_pair(struct sink_script *script, struct fy_node *node,
		       const char *key, const char *other)
{
	struct fy_node *at = sink_script_key(node, other);

	if (at && sink_script_key(node, key))
		bench_yaml_wrong(&script->yaml, at, node,
				 "'%s' and '%s'; expected one of them", key,
				 other);
}

static bool does_something(const struct sink_rule *rule)
{
	return rule->accept || rule->code || rule->hang_up != SINK_STAY ||
	       rule->bad_tls != SINK_TLS_GOOD || rule->delay_ms.max ||
	       rule->pieces || rule->hide;
}

static void check_rule(struct sink_script *script, struct fy_node *node,
		       struct sink_rule *rule)
{
	struct bench_yaml *yaml = &script->yaml;

	if (!rule->phases)
		bench_yaml_wrong(yaml, node, NULL,
				 "a rule without 'at'; expected a phase");
	check_places(script, node, rule->phases);
	check_pair(script, node, "accept", "reply");
	check_pair(script, node, "accept", "hang_up");
	check_pair(script, node, "tls", "accept");
	check_pair(script, node, "tls", "hang_up");
	if (rule->pause_ms && !rule->pieces)
		bench_yaml_wrong(yaml, sink_script_key(node, "pause"), node,
				 "'pause' without 'pieces'; expected both");
	if (rule->grey && !rule->code && rule->hang_up == SINK_STAY &&
	    !rule->accept)
		rule->code = 451;
	if (!does_something(rule))
		bench_yaml_wrong(yaml, node, NULL,
				 "a rule that does nothing; expected reply, "
				 "hang_up, accept, tls, delay, pieces, hide or "
				 "greylist");
}

static bool read_rule(struct sink_script *script, struct fy_node *node,
		      struct fy_node *list, struct sink_rules *rules)
{
	unsigned before = script->yaml.mistakes;
	struct sink_rule *rule;

	if (!fy_node_is_mapping(node)) {
		bench_yaml_wrong(&script->yaml, node, list,
				 "not a rule; expected a mapping such as "
				 "{at: rcpt, reply: 450}");
		return true;
	}
	rule = sink_rules_add(rules);
	if (!rule) {
		bench_yaml_wrong(&script->yaml, node, list,
				 "too many rules; expected at most %d, options "
				 "included",
				 SINK_RULES_MAX);
		return false;
	}
	rule->line = bench_yaml_line(node);
	sink_script_read_keys(script, node, rule);
	if (script->yaml.mistakes == before)
		check_rule(script, node, rule);
	rules->grey |= rule->grey;
	return true;
}

static void read_rules(struct sink_script *script, struct fy_node *list,
		       struct fy_node *key, struct sink_rules *rules)
{
	struct fy_node *node;
	void *state = NULL;

	if (!fy_node_is_sequence(list)) {
		bench_yaml_wrong(&script->yaml, list, key,
				 "not a list; expected rules, '- at: ...'");
		return;
	}
	while ((node = fy_node_sequence_iterate(list, &state))) {
		if (!read_rule(script, node, key, rules))
			return;
	}
}

static void read_root(struct sink_script *script, struct fy_node *root,
		      struct sink_rules *rules)
{
	struct fy_node_pair *pair;
	void *state = NULL;

	if (!root || !fy_node_is_mapping(root)) {
		bench_yaml_wrong(&script->yaml, root, NULL,
				 "not a script; expected 'rules:' and a list");
		return;
	}
	while ((pair = fy_node_mapping_iterate(root, &state))) {
		struct fy_node *key = fy_node_pair_key(pair);
		char name[BENCH_YAML_TEXT];

		if (!bench_yaml_scalar(&script->yaml, key, NULL, name))
			continue;
		if (!strcmp(name, "rules"))
			read_rules(script, fy_node_pair_value(pair), key,
				   rules);
		else
			bench_yaml_wrong(&script->yaml, key, NULL,
					 "no key '%.40s'; expected 'rules'",
					 name);
	}
}

int sink_script_read(const char *path, struct sink_rules *rules,
		     FILE *complaints)
{
	struct sink_script script = {.no_memory = false};
	int err = bench_yaml_open(&script.yaml, path, complaints);

	if (!err) {
		read_root(&script, bench_yaml_root(&script.yaml), rules);
		if (script.yaml.mistakes)
			err = -EINVAL;
		if (script.no_memory)
			err = -ENOMEM;
	}
	bench_yaml_close(&script.yaml);
	return err;
}
