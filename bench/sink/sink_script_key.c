/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a rule; see sink_script_key.h. */
#include "bench/sink/sink_script_key.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench_parse.h"

/* A value on its way into a field of a rule. */
struct value {
	struct sink_script *script;
	struct fy_node *node;
	struct fy_node *key;
	const char *text; /* of a scalar */
	struct sink_rule *rule;
	void *field;
};

/* --- scalars: 0 or -EINVAL, -ERANGE --- */

static int take_phase(struct value *v)
{
	int phase = sink_phase_find(v->text, strlen(v->text));

	if (phase < 0)
		return phase;
	v->rule->phases |= 1u << phase;
	return 0;
}

static int take_number(struct value *v)
{
	uint64_t n;
	int err = bench_parse_u64(v->text, &n);

	if (!err && (n > INT_MAX || !n))
		err = -ERANGE;
	if (!err)
		*(unsigned *)v->field = (unsigned)n;
	return err;
}

static int take_count(struct value *v)
{
	uint64_t n;
	int err = bench_parse_u64(v->text, &n);

	if (!err && !n)
		err = -ERANGE;
	if (!err)
		*(uint64_t *)v->field = n;
	return err;
}

static int take_size(struct value *v)
{
	return bench_parse_size(v->text, v->field);
}

static int take_share(struct value *v)
{
	return bench_parse_share(v->text, v->field);
}

/* "250ms", "2s" or "1m", ended by `stop` or the end. */
static int duration(const char *text, char stop, unsigned *ms)
{
	static const struct {
		const char *name;
		unsigned ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	size_t len = (size_t)(strchrnul(text, stop) - text);
	size_t digits = strspn(text, "0123456789");
	uint64_t n = 0;

	if (!digits || digits > 9 || digits >= len)
		return -EINVAL;
	for (size_t i = 0; i < digits; i++)
		n = n * 10 + (uint64_t)(text[i] - '0');
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strlen(units[i].name) != len - digits ||
		    strncmp(units[i].name, text + digits, len - digits))
			continue;
		if (n * units[i].ms > SINK_PAUSE_MAX)
			return -ERANGE;
		*ms = (unsigned)n * units[i].ms;
		return 0;
	}
	return -EINVAL;
}

static int take_duration(struct value *v)
{
	return duration(v->text, '\0', v->field);
}

static int take_greylist(struct value *v)
{
	v->rule->grey = true;
	return duration(v->text, '\0', &v->rule->grey_ms);
}

static int take_delay(struct value *v)
{
	struct sink_range *range = v->field;
	const char *dash = strchr(v->text, '-');
	int err = duration(v->text, dash ? '-' : '\0', &range->min);

	if (err || !dash) {
		range->max = range->min;
		return err;
	}
	err = duration(dash + 1, '\0', &range->max);
	return !err && range->max < range->min ? -EINVAL : err;
}

static int take_yes(struct value *v)
{
	if (strcmp(v->text, "yes") && strcmp(v->text, "true"))
		return -EINVAL;
	*(bool *)v->field = true;
	return 0;
}

/* One of some names: its place, or -EINVAL. */
static int choose(const char *text, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (names[i] && !strcmp(text, names[i]))
			return (int)i;
	}
	return -EINVAL;
}

static int take_hang_up(struct value *v)
{
	static const char *const names[] = {[SINK_DROP] = "drop",
					    [SINK_CLOSE] = "close",
					    [SINK_RESET] = "reset"};
	int n = choose(v->text, names, sizeof(names) / sizeof(names[0]));

	if (n >= 0)
		v->rule->hang_up = (enum sink_hang_up)n;
	return n < 0 ? n : 0;
}

static int take_tls(struct value *v)
{
	static const char *const names[] = {[SINK_TLS_GARBAGE] = "garbage",
					    [SINK_TLS_CLEAR] = "clear",
					    [SINK_TLS_SILENCE] = "silence",
					    [SINK_TLS_ALERT] = "alert",
					    [SINK_TLS_HALF] = "half"};
	int n = choose(v->text, names, sizeof(names) / sizeof(names[0]));

	if (n >= 0)
		v->rule->bad_tls = (enum sink_bad_tls)n;
	return n < 0 ? n : 0;
}

static int take_hide(struct value *v)
{
	/* In the order of enum sink_offer. */
	static const char *const names[] = {"STARTTLS", "PIPELINING",
					    "CHUNKING", "8BITMIME",
					    "SIZE",	"ENHANCEDSTATUSCODES"};
	int n = choose(v->text, names, sizeof(names) / sizeof(names[0]));

	if (n >= 0)
		v->rule->hide |= 1u << n;
	return n < 0 ? n : 0;
}

static int take_pattern(struct value *v)
{
	struct sink_patterns *patterns = v->field;
	char **grown;

	if (patterns->count == SINK_PATTERNS_MAX)
		return -ERANGE;
	grown = realloc(patterns->list, (patterns->count + 1) * sizeof(*grown));
	if (grown)
		patterns->list = grown;
	if (!grown || !(grown[patterns->count] = strdup(v->text))) {
		v->script->no_memory = true;
		return 0;
	}
	patterns->count++;
	return 0;
}

/* --- replies --- */

/* The first line: "450 4.2.1 text" or "450". */
static int take_code(const char **text, unsigned *code)
{
	const char *p = *text;

	if (p[0] < '2' || p[0] > '5' || strspn(p, "0123456789") != 3 ||
	    (p[3] && p[3] != ' '))
		return -EINVAL;
	*code = (unsigned)(p[0] - '0') * 100 + (unsigned)(p[1] - '0') * 10 +
		(unsigned)(p[2] - '0');
	*text = p[3] ? p + 4 : "";
	return 0;
}

/* Lines as they come: the one before gets its '-' when there is another. */
static int take_reply(struct value *v)
{
	struct sink_rule *rule = v->rule;
	size_t len = rule->reply ? strlen(rule->reply) : 0;
	const char *text = v->text;
	unsigned lines = 0;
	size_t last = 0;
	char *grown;

	if (!len && take_code(&text, &rule->code))
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (rule->reply[i] != '\n')
			continue;
		lines++;
		if (i + 1 < len)
			last = i + 1;
	}
	if (lines == SINK_REPLY_LINES || strlen(text) > SINK_REPLY_LINE - 6)
		return -ERANGE;
	grown = realloc(rule->reply, len + SINK_REPLY_LINE + 1);
	if (!grown) {
		v->script->no_memory = true;
		return 0;
	}
	rule->reply = grown;
	if (len)
		grown[last + 3] = '-';
	snprintf(grown + len, SINK_REPLY_LINE + 1, "%u %s\r\n", rule->code,
		 *text || len ? text : "As the script says");
	return 0;
}

/* --- the table --- */

#define AT(field) offsetof(struct sink_rule, field)

/* clang-format off */
static const struct key {
	const char *name;
	int (*take)(struct value *v);
	size_t field;
	bool list; /* or a single one */
	const char *wants;
} keys[] = {
	{"at", take_phase, AT(phases), true,
	 "connect, ehlo, starttls, handshake, mail, rcpt, data, body, eod, "
	 "ack, done, rset or quit"},
	{"client", take_pattern, AT(client), true, "at most 1000 patterns"},
	{"helo", take_pattern, AT(helo), true, "at most 1000 patterns"},
	{"sender", take_pattern, AT(sender), true, "at most 1000 patterns"},
	{"recipient", take_pattern, AT(recipient), true, "at most 1000 patterns"},
	{"after", take_number, AT(after), false, "a number of messages above 0"},
	{"skip", take_count, AT(skip), false, "a number above 0"},
	{"times", take_count, AT(times), false, "a number above 0"},
	{"share", take_share, AT(share), false, "a share such as 30%"},
	{"greylist", take_greylist, AT(grey_ms), false,
	 "a time such as 5s, at most 1h"},
	{"delay", take_delay, AT(delay_ms), false,
	 "a time such as 20ms, or a range such as 100ms-2s, at most 1h"},
	{"pieces", take_number, AT(pieces), false, "a number of octets above 0"},
	{"pause", take_duration, AT(pause_ms), false,
	 "a time such as 20ms, at most 1h"},
	{"hide", take_hide, AT(hide), true,
	 "STARTTLS, PIPELINING, CHUNKING, 8BITMIME, SIZE or "
	 "ENHANCEDSTATUSCODES"},
	{"octets", take_size, AT(octets), false, "a size such as 100K"},
	{"accept", take_yes, AT(accept), false, "yes"},
	{"reply", take_reply, AT(reply), true,
	 "a code from 200 to 599 and a text, at most 32 lines of 494 octets"},
	{"hang_up", take_hang_up, AT(hang_up), false, "drop, close or reset"},
	{"tls", take_tls, AT(bad_tls), false,
	 "garbage, clear, silence, alert or half"},
};
/* clang-format on */

static const struct key *find_key(const char *name)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!strcmp(keys[i].name, name))
			return &keys[i];
	}
	return NULL;
}

static void read_scalar(const struct key *key, struct value *v)
{
	char text[BENCH_YAML_TEXT];
	int err;

	if (!bench_yaml_scalar(&v->script->yaml, v->node, v->key, text))
		return;
	v->text = text;
	err = key->take(v);
	if (err)
		bench_yaml_wrong(
			&v->script->yaml, v->node, v->key,
			"'%.60s' for '%s' is %s; expected %s", text, key->name,
			err == -ERANGE ? "out of range" : "not understood",
			key->wants);
}

static void read_value(struct sink_script *script, const struct key *key,
		       struct fy_node *key_node, struct fy_node *node,
		       struct sink_rule *rule)
{
	struct value v = {.script = script,
			  .key = key_node,
			  .rule = rule,
			  .field = (char *)rule + key->field};
	void *state = NULL;
	unsigned count = 0;

	if (!key->list) {
		v.node = node;
		read_scalar(key, &v);
		return;
	}
	while ((v.node = bench_yaml_next(node, &state))) {
		read_scalar(key, &v);
		count++;
	}
	if (!count)
		bench_yaml_wrong(&script->yaml, node, key_node,
				 "'%s' with nothing in it; expected %s",
				 key->name, key->wants);
}

void sink_script_read_keys(struct sink_script *script, struct fy_node *node,
			   struct sink_rule *rule)
{
	struct fy_node_pair *pair;
	void *state = NULL;

	while ((pair = fy_node_mapping_iterate(node, &state))) {
		struct fy_node *name_node = fy_node_pair_key(pair);
		char name[BENCH_YAML_TEXT];
		const struct key *key;

		if (!bench_yaml_scalar(&script->yaml, name_node, node, name))
			continue;
		key = find_key(name);
		if (key)
			read_value(script, key, name_node,
				   fy_node_pair_value(pair), rule);
		else
			bench_yaml_wrong(&script->yaml, name_node, node,
					 "no key '%.40s' in a rule", name);
	}
}

struct fy_node *sink_script_key(struct fy_node *mapping, const char *key)
{
	struct fy_node_pair *pair;
	void *state = NULL;

	while ((pair = fy_node_mapping_iterate(mapping, &state))) {
		size_t len = 0;
		const char *name =
			fy_node_get_scalar(fy_node_pair_key(pair), &len);

		if (name && strlen(key) == len && !memcmp(name, key, len))
			return fy_node_pair_value(pair);
	}
	return NULL;
}
