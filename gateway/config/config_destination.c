/* SPDX-License-Identifier: Apache-2.0 */
/* destinations: limits, rates and backoff, by domain, provider or next hop. */
#include "gateway/config/config_destination.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/config_address.h"
#include "gateway/config/config_keys.h"
#include "gateway/config/config_pattern.h"
#include "gateway/config/config_value.h"

#define MS UINT64_C(1000000)
#define S  (1000 * MS)
#define M  (60 * S)
#define H  (60 * M)
#define D  (24 * H)

#define WORDS_MAX   1000
#define BACKOFF_MAX 100
#define RATE_MAX    UINT64_C(1000000000)

static const struct config_choice action_choices[] = {
	{"slow_down", CONFIG_SLOW_DOWN},
	{"suspend", CONFIG_SUSPEND},
	{"defer", CONFIG_DEFER},
	{"bounce", CONFIG_BOUNCE},
	{NULL, 0},
};

const char *config_action_name(enum config_action action)
{
	return action_choices[action].name;
}

static char *copy(struct config_reader *reader, const char *text)
{
	char *mine = strdup(text);

	if (!mine)
		reader->errors->no_memory = true;
	return mine;
}

/* --- match and mx: a pattern, or several --- */

static const char *pattern_wrong(const char *text)
{
	if (strcmp(text, "*") == 0)
		return NULL;
	return config_address_domain(strncmp(text, "*.", 2) == 0 ? text + 2
								 : text);
}

static bool add_word(struct config_reader *reader, const struct config_key *row,
		     const struct config_node *node, struct config_words *words)
{
	const char *wrong = NULL;

	if (node->refused)
		return false;
	if (node->kind == CONFIG_NODE_SCALAR && node->len)
		wrong = pattern_wrong(node->text);
	if (wrong || node->kind != CONFIG_NODE_SCALAR || !node->len) {
		config_schema_refuse(reader, row, node, wrong);
		return false;
	}
	words->list[words->count] = copy(reader, node->text);
	words->count += words->list[words->count] != NULL;
	return true;
}

static void read_words(struct config_reader *reader,
		       const struct config_key *row,
		       const struct config_node *node, void *field)
{
	struct config_words *words = field;
	const struct config_node *at;
	size_t count = 1;

	if (node->kind == CONFIG_NODE_SEQUENCE) {
		count = 0;
		for (at = node->first; at; at = at->next)
			count++;
	}
	if (count == 0 || count > WORDS_MAX) {
		config_schema_refuse(reader, row, node, NULL);
		return;
	}
	words->list = calloc(count, sizeof(words->list[0]));
	if (!words->list) {
		reader->errors->no_memory = true;
		return;
	}
	if (node->kind != CONFIG_NODE_SEQUENCE) {
		(void)add_word(reader, row, node, words);
		return;
	}
	for (at = node->first; at; at = at->next)
		if (!add_word(reader, row, at, words))
			return;
}

/* As a route writes it, so that 192.0.2.1 and 192.0.2.1:25 are the same. */
static void read_hop(struct config_reader *reader, const struct config_key *row,
		     const struct config_node *node, void *field)
{
	struct config_next_hop hop = {0};
	const char *wrong = NULL;

	if (node->kind == CONFIG_NODE_SCALAR && node->len)
		wrong = config_address_next_hop(node->text, &hop);
	if (wrong || node->kind != CONFIG_NODE_SCALAR || !node->len)
		config_schema_refuse(reader, row, node, wrong);
	else if (!hop.text)
		reader->errors->no_memory = true;
	else
		*(char **)field = hop.text;
	free(hop.host);
}

/* --- rates and addresses --- */

/* "10/s", "1000/h", "5/10m". */
static bool parse_rate(const char *text, struct config_rate *out)
{
	const char *slash = strchr(text, '/');
	char count[16] = "", period[16];

	if (!slash || (size_t)(slash - text) >= sizeof(count) ||
	    strlen(slash + 1) + 2 > sizeof(period))
		return false;
	memcpy(count, text, (size_t)(slash - text));
	/* "/s" is "/1s" */
	snprintf(period, sizeof(period), "%s%.13s",
		 slash[1] >= '0' && slash[1] <= '9' ? "" : "1", slash + 1);
	if (config_value_count(count, &out->count) ||
	    config_value_duration(period, &out->period))
		return false;
	return out->count >= 1 && out->count <= RATE_MAX &&
	       out->period >= 10 * MS && out->period <= 30 * D &&
	       out->period >= out->count;
}

static void read_rate(struct config_reader *reader,
		      const struct config_key *row,
		      const struct config_node *node, void *field)
{
	struct config_rate rate;

	if (node->kind != CONFIG_NODE_SCALAR || !node->len ||
	    !parse_rate(node->text, &rate))
		config_schema_refuse(reader, row, node, NULL);
	else
		*(struct config_rate *)field = rate;
}

static bool take_source(const struct config_node *node,
			struct config_destination *d)
{
	if (node->kind != CONFIG_NODE_SCALAR)
		return false;
	if (!d->source4.sin_family &&
	    inet_pton(AF_INET, node->text, &d->source4.sin_addr) == 1) {
		d->source4.sin_family = AF_INET;
		return true;
	}
	if (!d->source6.sin6_family &&
	    inet_pton(AF_INET6, node->text, &d->source6.sin6_addr) == 1) {
		d->source6.sin6_family = AF_INET6;
		return true;
	}
	return false;
}

static void read_source(struct config_reader *reader,
			const struct config_key *row,
			const struct config_node *node, void *field)
{
	const struct config_node *at =
		node->kind == CONFIG_NODE_SEQUENCE ? node->first : node;
	bool good = at != NULL;

	for (; good && at; at = at == node ? NULL : at->next)
		good = at->refused || take_source(at, field);
	if (!good)
		config_schema_refuse(reader, row, node, NULL);
}

static void read_tls(struct config_reader *reader, const struct config_key *row,
		     const struct config_node *node, void *field)
{
	struct config_destination *d = field;
	const struct config_choice *choice =
		node->kind == CONFIG_NODE_SCALAR
			? config_schema_choice(config_level_choices, node->text)
			: NULL;

	if (!choice) {
		config_schema_refuse(reader, row, node, NULL);
		return;
	}
	d->tls = choice->value;
	d->tls_given = true;
}

/* --- backoff --- */

static void read_reply(struct config_reader *reader,
		       const struct config_key *row,
		       const struct config_node *node, void *field)
{
	struct config_backoff *rule = field;
	char why[CONFIG_PATTERN_WHY];

	if (node->kind != CONFIG_NODE_SCALAR || !node->len) {
		config_schema_refuse(reader, row, node, NULL);
		return;
	}
	rule->reply = copy(reader, node->text);
	rule->pattern = config_pattern_create(node->text, why);
	if (!rule->pattern)
		config_schema_refuse(reader, row, node, why);
}

static void backoff_finish(struct config_reader *reader,
			   const struct config_node *node, void *base)
{
	struct config_backoff *rule = base;
	bool reply = config_node_find(node, "reply") != NULL;
	bool failures = config_node_find(node, "failures") != NULL;

	rule->line = node->line;
	rule->column = node->column;
	if (reply == failures)
		config_errors_add(reader->errors, node->line, node->column,
				  "'backoff' has %s; expected 'reply' or "
				  "'failures'",
				  reply ? "both 'reply' and 'failures'"
					: "neither 'reply' nor 'failures'");
	if (failures && rule->action >= CONFIG_DEFER)
		config_errors_add(reader->errors, node->line, node->column,
				  "'action' is '%s' with 'failures'; expected "
				  "slow_down or suspend",
				  config_action_name(rule->action));
	if (rule->action == CONFIG_BOUNCE && config_node_find(node, "for"))
		config_errors_add(reader->errors, node->line, node->column,
				  "'for' with 'action: bounce', which takes no "
				  "time; expected none");
}

/* clang-format off */
static const struct config_key backoff_rows[] = {
	{.name = "reply", .kind = CONFIG_OTHER, .offset = 0,
	 .read = read_reply,
	 .expects = "a regular expression, such as \"^421\" or "
		    "\"too many (mails|connections)\""},
	{.name = "failures", .kind = CONFIG_COUNT,
	 .offset = offsetof(struct config_backoff, failures),
	 .fallback = 0, .min = 1, .max = 10000},
	{.name = "action", .kind = CONFIG_CHOICE, .required = true,
	 .offset = offsetof(struct config_backoff, action),
	 .fallback = CONFIG_SLOW_DOWN, .choices = action_choices},
	{.name = "for", .kind = CONFIG_DURATION,
	 .offset = offsetof(struct config_backoff, duration),
	 .fallback = 10 * M, .min = 10 * MS, .max = 7 * D},
};

static const struct config_table backoff_table = {
	.rows = backoff_rows,
	.count = CONFIG_COUNT_OF(backoff_rows),
	.finish = backoff_finish,
};

static const struct config_key backoff_row = {
	.name = "backoff", .kind = CONFIG_MAPPING, .table = &backoff_table,
	.expects = "a mapping {reply: ..., action: ..., for: ...}",
};

static const struct config_elements backoff_elements = {
	.row = &backoff_row, .size = sizeof(struct config_backoff),
	.count_offset = offsetof(struct config_destination, backoff_count),
	.min = 1, .max = BACKOFF_MAX,
};

#define TIMEOUT(field)                                                        \
	{.name = #field, .kind = CONFIG_DURATION,                             \
	 .offset = offsetof(struct config_destination, timeouts.field),       \
	 .fallback = 0, .min = 10 * MS, .max = 1 * D}

static const struct config_key timeout_rows[] = {
	TIMEOUT(connect), TIMEOUT(greeting), TIMEOUT(helo), TIMEOUT(tls),
	TIMEOUT(mail), TIMEOUT(rcpt), TIMEOUT(data), TIMEOUT(transmit),
	TIMEOUT(final), TIMEOUT(idle),
};

static const struct config_table timeout_table = {
	.rows = timeout_rows,
	.count = CONFIG_COUNT_OF(timeout_rows),
};

#define FIELD(name) offsetof(struct config_destination, name)
#define PATTERNS "\"*\", a domain, \"*.domain\" for all below it, or a list " \
		 "of these"
#define RATE "a number and a time, such as 10/s, 100/m, 1000/h or 5/10m"

static const struct config_key destination_rows[] = {
	{.name = "match", .kind = CONFIG_OTHER, .offset = FIELD(match),
	 .read = read_words, .expects = PATTERNS},
	{.name = "mx", .kind = CONFIG_OTHER, .offset = FIELD(mx),
	 .read = read_words, .expects = PATTERNS},
	{.name = "next_hop", .kind = CONFIG_OTHER, .offset = FIELD(next_hop),
	 .read = read_hop, .expects = "host:port, as in a route"},
	{.name = "connections", .kind = CONFIG_COUNT,
	 .offset = FIELD(connections), .fallback = 0, .min = 1, .max = 10000},
	{.name = "connection_rate", .kind = CONFIG_OTHER,
	 .offset = FIELD(connection_rate), .read = read_rate, .expects = RATE},
	{.name = "messages_per_connection", .kind = CONFIG_COUNT,
	 .offset = FIELD(messages_per_connection), .fallback = CONFIG_UNSET,
	 .min = 0, .max = 1000000000},
	{.name = "message_rate", .kind = CONFIG_OTHER,
	 .offset = FIELD(message_rate), .read = read_rate, .expects = RATE},
	{.name = "recipients_per_transaction", .kind = CONFIG_COUNT,
	 .offset = FIELD(recipients), .fallback = 100, .min = 1,
	 .max = 100000},
	{.name = "tls", .kind = CONFIG_OTHER, .offset = 0, .read = read_tls,
	 .expects = "none, may, encrypt or verify"},
	{.name = "remember_broken_tls", .kind = CONFIG_DURATION,
	 .offset = FIELD(remember_broken_tls), .fallback = 1 * H,
	 .min = 10 * MS, .max = 30 * D},
	{.name = "source_address", .kind = CONFIG_OTHER, .offset = 0,
	 .read = read_source,
	 .expects = "an address of this machine, or a list of an IPv4 and an "
		    "IPv6 one"},
	{.name = "timeouts", .kind = CONFIG_MAPPING, .table = &timeout_table},
	{.name = "backoff", .kind = CONFIG_LIST, .offset = FIELD(backoff),
	 .elements = &backoff_elements,
	 .expects = "a list of {reply: ..., action: ..., for: ...}"},
};
/* clang-format on */

static void destination_finish(struct config_reader *reader,
			       const struct config_node *node, void *base)
{
	struct config_destination *d = base;

	d->line = node->line;
	d->column = node->column;
	if (!config_node_find(node, "match") && !config_node_find(node, "mx") &&
	    !config_node_find(node, "next_hop"))
		config_errors_add(reader->errors, node->line, node->column,
				  "the entry says not what it is for; expected "
				  "'match', 'mx' or 'next_hop'");
	if (config_node_find(node, "mx") && config_node_find(node, "next_hop"))
		config_errors_add(reader->errors, node->line, node->column,
				  "'mx' and 'next_hop' in one entry; expected "
				  "one of them, mail goes to either");
}

static const struct config_table destination_table = {
	.rows = destination_rows,
	.count = CONFIG_COUNT_OF(destination_rows),
	.finish = destination_finish,
};

const struct config_key config_destination_row = {
	.name = "destinations",
	.kind = CONFIG_MAPPING,
	.table = &destination_table,
	.expects = "a mapping {match: ..., connections: ..., ...}",
};

void config_destination_defaults(struct config_destination *d)
{
	config_schema_defaults(&destination_table, d);
}

/* --- all of them --- */

static bool takes_all(const struct config_destination *d)
{
	return d->match.count > 0 && d->mx.count == 0 && !d->next_hop &&
	       strcmp(d->match.list[0], "*") == 0;
}

/* A route without TLS of its own needs a context when an entry wants TLS. */
static void note_tls(struct config *config)
{
	bool wanted = false;

	for (size_t i = 0; i < config->destination_count; i++)
		wanted |= config->destinations[i].tls_given &&
			  config->destinations[i].tls != CONFIG_TLS_NONE;
	for (size_t i = 0; i < config->route_count; i++)
		config->routes[i].may_need_tls =
			wanted || config->routes[i].tls != CONFIG_TLS_NONE;
}

void config_destination_check_all(struct config_reader *reader,
				  struct config *config)
{
	for (size_t i = 0; i + 1 < config->destination_count; i++) {
		const struct config_destination *d = &config->destinations[i];
		const struct config_destination *next = d + 1;

		if (!takes_all(d))
			continue;
		config_errors_add(reader->errors, next->line, next->column,
				  "this entry is never used, '*' on line %u "
				  "takes everything; expected '*' last",
				  d->line);
		break;
	}
	note_tls(config);
}

static void free_words(struct config_words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->list[i]);
	free(words->list);
}

void config_destination_free(struct config_destination *d)
{
	free_words(&d->match);
	free_words(&d->mx);
	free(d->next_hop);
	for (size_t i = 0; i < d->backoff_count; i++) {
		free(d->backoff[i].reply);
		config_pattern_free(&d->backoff[i].pattern);
	}
	free(d->backoff);
}

/* --- asking --- */

static bool any_matches(const struct config_words *words, const char *name)
{
	for (size_t i = 0; i < words->count; i++)
		if (config_match(words->list[i], name, strlen(name)))
			return true;
	return false;
}

static bool domain_matches(const struct config_destination *d,
			   const char *domain)
{
	if (d->match.count == 0)
		return true;
	/* Mail of many domains: only an entry for all of them. */
	return any_matches(&d->match, domain ? domain : "");
}

static bool hosts_match(const struct config_destination *d,
			const struct config_destination_query *query)
{
	if (d->mx.count == 0)
		return true;
	for (size_t i = 0; i < query->host_count; i++)
		if (!any_matches(&d->mx, query->hosts[i]))
			return false;
	return query->host_count > 0;
}

static bool hop_matches(const struct config_destination *d,
			const char *next_hop)
{
	return !d->next_hop || (next_hop && strcmp(d->next_hop, next_hop) == 0);
}

const struct config_destination *config_destination_for(
	const struct config *config,
	const struct config_destination_query *query)
{
	for (size_t i = 0; i < config->destination_count; i++) {
		const struct config_destination *d = &config->destinations[i];

		if (domain_matches(d, query->domain) && hosts_match(d, query) &&
		    hop_matches(d, query->next_hop))
			return d;
	}
	return &config->anywhere;
}

bool config_destination_is_provider(const struct config_destination *d)
{
	return d->mx.count > 0;
}
