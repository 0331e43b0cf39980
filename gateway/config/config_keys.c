/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of ringpost.yaml: names, defaults, bounds. */
#include "gateway/config/config_events.h"
#include "gateway/config/config_inject.h"
#include "gateway/config/config_keys.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "gateway/admin/admin_address.h"
#include "gateway/inject/inject_client.h"
#include "gateway/config/config_address.h"
#include "gateway/config/config_value.h"
#include "gateway/config/config_webhook.h"
#include "gateway/spool/spool.h"

#define MS  UINT64_C(1000000)
#define S   (1000 * MS)
#define M   (60 * S)
#define H   (60 * M)
#define D   (24 * H)
#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define LISTENERS_MAX 256
#define NETWORKS_MAX  4096
#define ROUTES_MAX    10000
#define DESTINATIONS_MAX 10000
#define SCHEDULE_MAX  64
#define RESOLVERS_MAX 8
#define WORKERS_MAX   64 /* ids keep six bits for the worker */

const struct config_choice config_version_choices[] = {
	{"1.2", KTLS_TLS_1_2},
	{"1.3", KTLS_TLS_1_3},
	{NULL, 0},
};

const struct config_choice config_uring_choices[] = {
	{"best", URING_LEVEL_BEST},
	{"5.10", URING_LEVEL_5_10},
	{"5.19", URING_LEVEL_5_19},
	{"6.1", URING_LEVEL_6_1},
	{NULL, 0},
};

static const struct config_choice offload_choices[] = {
	{"auto", KTLS_OFFLOAD_AUTO},
	{"always", KTLS_OFFLOAD_ALWAYS},
	{"never", KTLS_OFFLOAD_NEVER},
	{NULL, 0},
};

static const struct config_choice body_path_choices[] = {
	{"auto", KTLS_PATH_AUTO},
	{"mapped", KTLS_PATH_MAPPED},
	{"splice", KTLS_PATH_SPLICE},
	{"read", KTLS_PATH_READ},
	{NULL, 0},
};

static const struct config_choice durability_choices[] = {
	{"sync", CONFIG_SYNC},
	{"async", CONFIG_ASYNC},
	{NULL, 0},
};

static const struct config_choice line_end_choices[] = {
	{"refuse", CONFIG_REFUSE},
	{"normalise", CONFIG_NORMALISE},
	{NULL, 0},
};

static const struct config_choice format_choices[] = {
	{"auto", CONFIG_LOG_AUTO},
	{"text", CONFIG_LOG_TEXT},
	{"json", CONFIG_LOG_JSON},
	{"journald", CONFIG_LOG_JOURNALD},
	{NULL, 0},
};

static const struct config_choice log_level_choices[] = {
	{"debug", CONFIG_LOG_DEBUG},
	{"info", CONFIG_LOG_INFO},
	{"warning", CONFIG_LOG_WARNING},
	{"error", CONFIG_LOG_ERROR},
	{NULL, 0},
};

/* --- readers of single values --- */

static void read_hostname(struct config_reader *reader,
			  const struct config_key *row,
			  const struct config_node *node, void *field)
{
	const char *wrong = NULL, *name = node->text;
	struct utsname system;

	if (node->kind == CONFIG_NODE_SCALAR && node->len) {
		if (strcmp(name, "auto") == 0 && uname(&system) == 0)
			name = system.nodename;
		wrong = config_address_domain(name);
	}
	if (wrong || node->kind != CONFIG_NODE_SCALAR || !node->len) {
		config_schema_refuse(reader, row, node, wrong);
		return;
	}
	*(char **)field = strdup(name);
	if (!*(char **)field)
		reader->errors->no_memory = true;
}

static void read_network(struct config_reader *reader,
			 const struct config_key *row,
			 const struct config_node *node, void *field)
{
	const char *wrong = NULL;

	if (node->kind == CONFIG_NODE_SCALAR && node->len)
		wrong = config_address_network(node->text, field);
	if (wrong || node->kind != CONFIG_NODE_SCALAR || !node->len)
		config_schema_refuse(reader, row, node, wrong);
}

static void read_server(struct config_reader *reader,
			const struct config_key *row,
			const struct config_node *node, void *field)
{
	const char *wrong = NULL;

	if (node->kind == CONFIG_NODE_SCALAR && node->len)
		wrong = config_address_endpoint(node->text, field);
	if (wrong || node->kind != CONFIG_NODE_SCALAR || !node->len)
		config_schema_refuse(reader, row, node, wrong);
}

/* One per core this process may use; cgroup quotas are not looked at. */
static unsigned usable_cores(void)
{
	cpu_set_t cores;
	int count;

	CPU_ZERO(&cores);
	if (sched_getaffinity(0, sizeof(cores), &cores) < 0)
		return 1;
	count = CPU_COUNT(&cores);
	if (count < 1)
		return 1;
	return count > WORKERS_MAX ? WORKERS_MAX : (unsigned)count;
}

static void read_workers(struct config_reader *reader,
			 const struct config_key *row,
			 const struct config_node *node, void *field)
{
	uint64_t value;

	if (node->kind == CONFIG_NODE_SCALAR && strcmp(node->text, "auto") == 0)
		return; /* root_finish() */
	if (node->kind != CONFIG_NODE_SCALAR ||
	    config_value_count(node->text, &value) || !value ||
	    value > WORKERS_MAX)
		config_schema_refuse(reader, row, node, NULL);
	else
		*(unsigned *)field = (unsigned)value;
}

/* --- the mappings --- */

/* clang-format off */
static const struct config_key spool_rows[] = {
	{.name = "path", .kind = CONFIG_PATH, .required = true,
	 .offset = offsetof(struct config, spool.path),
	 .expects = "the folder for queued messages"},
	{.name = "durability", .kind = CONFIG_CHOICE,
	 .offset = offsetof(struct config, spool.durability),
	 .fallback = CONFIG_SYNC, .choices = durability_choices},
	{.name = "segment_size", .kind = CONFIG_SIZE,
	 .offset = offsetof(struct config, spool.segment_size),
	 .fallback = 64 * MIB, .min = 1 * MIB, .max = 4 * GIB},
	{.name = "min_free", .kind = CONFIG_PERCENT,
	 .offset = offsetof(struct config, spool.min_free_percent),
	 .fallback = 10, .min = 0, .max = 90},
};

#define LIMIT(field, kind_, fallback_, min_, max_)                            \
	{.name = #field, .kind = kind_,                                       \
	 .offset = offsetof(struct config, limits.field),                     \
	 .fallback = (fallback_), .min = (min_), .max = (max_)}

static const struct config_key limit_rows[] = {
	LIMIT(message_size, CONFIG_SIZE, 50 * MIB, 64 * KIB, 2 * GIB),
	LIMIT(recipients, CONFIG_COUNT, 1000, 100, 100000),
	LIMIT(line_length, CONFIG_COUNT, 2048, 1024, 65536),
	LIMIT(text_line_length, CONFIG_COUNT, 65536, 1000, 16777216),
	LIMIT(errors, CONFIG_COUNT, 20, 1, 10000),
	LIMIT(connections, CONFIG_COUNT, 10000, 1, 1000000),
	LIMIT(connections_per_client, CONFIG_COUNT, 1000, 1, 1000000),
	LIMIT(messages_per_connection, CONFIG_COUNT, 0, 0, 1000000000),
	LIMIT(received, CONFIG_COUNT, 50, 1, 1000),
};

#define TIMEOUT(field, fallback_, min_)                                       \
	{.name = #field, .kind = CONFIG_DURATION,                             \
	 .offset = offsetof(struct config, timeouts.field),                   \
	 .fallback = (fallback_), .min = (min_), .max = 1 * D}

static const struct config_key timeout_rows[] = {
	TIMEOUT(command, 5 * M, 10 * MS),
	TIMEOUT(data, 5 * M, 10 * MS),
	TIMEOUT(tls, 30 * S, 10 * MS),
	TIMEOUT(shutdown, 30 * S, 0),
	TIMEOUT(connect, 30 * S, 10 * MS),
	TIMEOUT(reply, 5 * M, 10 * MS),
	TIMEOUT(transmit, 5 * M, 10 * MS),
	TIMEOUT(final, 10 * M, 10 * MS),
	TIMEOUT(idle, 10 * S, 0),
};

static const struct config_key schedule_row = {
	.name = "schedule", .kind = CONFIG_DURATION,
	.min = 10 * MS, .max = 30 * D,
};

static const struct config_elements schedule_elements = {
	.row = &schedule_row, .size = sizeof(uint64_t),
	.count_offset = offsetof(struct config, retry.count),
	.min = 1, .max = SCHEDULE_MAX,
};

/* RFC 5321 4.5.4.1 wants half an hour between attempts as a rule; the first
 * ones come sooner because most trouble (greylisting) passes in minutes. */
static const struct config_key retry_rows[] = {
	{.name = "first", .kind = CONFIG_DURATION,
	 .offset = offsetof(struct config, retry.first),
	 .fallback = 5 * M, .min = 10 * MS, .max = 30 * D},
	{.name = "factor", .kind = CONFIG_COUNT,
	 .offset = offsetof(struct config, retry.factor),
	 .fallback = 2, .min = 1, .max = 10},
	{.name = "max", .kind = CONFIG_DURATION,
	 .offset = offsetof(struct config, retry.max),
	 .fallback = 4 * H, .min = 10 * MS, .max = 30 * D},
	{.name = "schedule", .kind = CONFIG_LIST,
	 .offset = offsetof(struct config, retry.schedule),
	 .elements = &schedule_elements,
	 .expects = "a list of times such as [5m, 15m, 1h]"},
	{.name = "expire", .kind = CONFIG_DURATION,
	 .offset = offsetof(struct config, retry.expire),
	 .fallback = 5 * D, .min = 10 * MS, .max = 365 * D},
};

static const struct config_key server_row = {
	.name = "servers", .kind = CONFIG_OTHER, .read = read_server,
	.expects = "an address and port such as 127.0.0.1:53 or "
		   "\"[2001:db8::1]:53\"",
};

static const struct config_elements server_elements = {
	.row = &server_row, .size = sizeof(struct config_endpoint),
	.count_offset = offsetof(struct config, resolver.server_count),
	.min = 1, .max = RESOLVERS_MAX,
};

static const struct config_key resolver_rows[] = {
	{.name = "servers", .kind = CONFIG_LIST,
	 .offset = offsetof(struct config, resolver.servers),
	 .elements = &server_elements,
	 .expects = "a list of addresses such as [\"127.0.0.1:53\"]"},
	{.name = "timeout", .kind = CONFIG_DURATION,
	 .offset = offsetof(struct config, resolver.timeout),
	 .fallback = 10 * S, .min = 10 * MS, .max = 10 * M},
	{.name = "trust_anchor", .kind = CONFIG_FILE,
	 .offset = offsetof(struct config, resolver.trust_anchor),
	 .expects = "a file with DS or DNSKEY records"},
};

static const struct config_key delay_warning_row = {
	.name = "delay_warning", .kind = CONFIG_DURATION,
	.min = 10 * MS, .max = 30 * D,
	.expects = "a time such as 4h or 1d, from 10ms to 30d",
};

static const struct config_elements delay_warning_elements = {
	.row = &delay_warning_row, .size = sizeof(uint64_t),
	.count_offset = offsetof(struct config, bounce.delay_warning_count),
	.min = 0, .max = SPOOL_WARNED_MAX, .one = true,
};

static const struct config_key bounce_rows[] = {
	{.name = "delay_warning", .kind = CONFIG_LIST,
	 .offset = offsetof(struct config, bounce.delay_warning),
	 .elements = &delay_warning_elements,
	 .expects = "a time such as 4h, or a list such as [4h, 1d]; [] for "
		    "none"},
	{.name = "return_max", .kind = CONFIG_SIZE,
	 .offset = offsetof(struct config, bounce.return_max),
	 .fallback = 50 * KIB, .min = 0, .max = 10 * MIB},
};

static const struct config_key admin_rows[] = {
	{.name = "socket", .kind = CONFIG_PATH,
	 .offset = offsetof(struct config, admin.socket),
	 .expects = "where the socket for 'ringpost queue' shall be"},
	{.name = "group", .kind = CONFIG_WORD,
	 .offset = offsetof(struct config, admin.group),
	 .expects = "the group whose members may use it"},
	{.name = "http", .kind = CONFIG_MAPPING,
	 .offset = offsetof(struct config, admin.http),
	 .table = &config_http_table},
};

static const struct config_key inject_rows[] = {
	{.name = "socket", .kind = CONFIG_PATH,
	 .offset = offsetof(struct config, inject.socket),
	 .expects = "where the socket for 'ringpost inject' shall be"},
	{.name = "http", .kind = CONFIG_OTHER,
	 .offset = offsetof(struct config, inject.http),
	 .read = config_inject_read_http,
	 .expects = "a mapping {address: ..., token_file: ...}"},
};

static const struct config_key log_rows[] = {
	{.name = "format", .kind = CONFIG_CHOICE,
	 .offset = offsetof(struct config, log.format),
	 .fallback = CONFIG_LOG_AUTO, .choices = format_choices},
	{.name = "level", .kind = CONFIG_CHOICE,
	 .offset = offsetof(struct config, log.level),
	 .fallback = CONFIG_LOG_INFO, .choices = log_level_choices},
	{.name = "file", .kind = CONFIG_PATH,
	 .offset = offsetof(struct config, log.file),
	 .expects = "the file to append to (standard error: no file key)"},
	{.name = "delivery", .kind = CONFIG_LIST,
	 .offset = offsetof(struct config, log.delivery),
	 .elements = &config_events_elements,
	 .expects = "a list of {format: ..., file: ...}"},
};
/* clang-format on */

static void retry_finish(struct config_reader *reader,
			 const struct config_node *node, void *base)
{
	struct config_retry *retry = &((struct config *)base)->retry;
	uint64_t first = retry->count ? retry->schedule[0] : retry->first;
	const struct config_node *other = config_node_find(node, "first");

	if (!other)
		other = config_node_find(node, "factor");
	if (!other)
		other = config_node_find(node, "max");
	if (retry->count && other)
		config_errors_add(reader->errors, other->line, other->column,
				  "'first', 'factor' or 'max' beside "
				  "'schedule'; expected a schedule or these");
	if (first > retry->expire)
		config_errors_add(reader->errors, node->line, node->column,
				  "'expire' ends before the first retry; "
				  "expected a time beyond %s",
				  retry->count ? "the first of 'schedule'"
					       : "'first'");
	if (!retry->count && retry->max < retry->first)
		config_errors_add(reader->errors, node->line, node->column,
				  "'max' is less than 'first'; expected at "
				  "least as much");
}

static void bounce_finish(struct config_reader *reader,
			  const struct config_node *node, void *base)
{
	const struct config *config = base;
	const uint64_t *steps = config->bounce.delay_warning;

	for (size_t i = 1; i < config->bounce.delay_warning_count; i++)
		if (steps[i] <= steps[i - 1])
			config_errors_add(reader->errors, node->line,
					  node->column,
					  "'delay_warning' goes back; expected "
					  "each time to be longer than the one "
					  "before it");
}

static const struct config_table spool_table = {
	.rows = spool_rows,
	.count = CONFIG_COUNT_OF(spool_rows),
};
static const struct config_table limit_table = {
	.rows = limit_rows,
	.count = CONFIG_COUNT_OF(limit_rows),
};
static const struct config_table timeout_table = {
	.rows = timeout_rows,
	.count = CONFIG_COUNT_OF(timeout_rows),
};
static const struct config_table retry_table = {
	.rows = retry_rows,
	.count = CONFIG_COUNT_OF(retry_rows),
	.finish = retry_finish,
};
static const struct config_table resolver_table = {
	.rows = resolver_rows,
	.count = CONFIG_COUNT_OF(resolver_rows),
};
static const struct config_table bounce_table = {
	.rows = bounce_rows,
	.count = CONFIG_COUNT_OF(bounce_rows),
	.finish = bounce_finish,
};
static const struct config_table admin_table = {
	.rows = admin_rows,
	.count = CONFIG_COUNT_OF(admin_rows),
};
static const struct config_table inject_table = {
	.rows = inject_rows,
	.count = CONFIG_COUNT_OF(inject_rows),
};
static const struct config_table log_table = {
	.rows = log_rows,
	.count = CONFIG_COUNT_OF(log_rows),
};

/* --- the whole file --- */

static const struct config_elements listen_elements = {
	.row = &config_listen_row,
	.size = sizeof(struct config_listener),
	.count_offset = offsetof(struct config, listener_count),
	.min = 1,
	.max = LISTENERS_MAX,
};

static const struct config_key network_row = {
	.name = "relay_from",
	.kind = CONFIG_OTHER,
	.read = read_network,
	.expects = "a network such as 192.0.2.0/24 or \"2001:db8::/32\"",
};

static const struct config_elements network_elements = {
	.row = &network_row,
	.size = sizeof(struct config_network),
	.count_offset = offsetof(struct config, relay_from_count),
	.min = 0,
	.max = NETWORKS_MAX,
};

static const struct config_elements route_elements = {
	.row = &config_route_row,
	.size = sizeof(struct config_route),
	.count_offset = offsetof(struct config, route_count),
	.min = 1,
	.max = ROUTES_MAX,
};

static const struct config_elements destination_elements = {
	.row = &config_destination_row,
	.size = sizeof(struct config_destination),
	.count_offset = offsetof(struct config, destination_count),
	.min = 0,
	.max = DESTINATIONS_MAX,
};

/* clang-format off */
static const struct config_key root_rows[] = {
	{.name = "hostname", .kind = CONFIG_OTHER, .required = true,
	 .offset = offsetof(struct config, hostname), .read = read_hostname,
	 .expects = "this relay's name in DNS, such as relay.example.test, "
		    "or auto"},
	{.name = "spool", .kind = CONFIG_MAPPING, .required = true,
	 .table = &spool_table},
	{.name = "listen", .kind = CONFIG_LIST, .required = true,
	 .offset = offsetof(struct config, listeners),
	 .elements = &listen_elements,
	 .expects = "a list of {address: ..., tls: {...}}"},
	{.name = "relay_from", .kind = CONFIG_LIST,
	 .offset = offsetof(struct config, relay_from),
	 .elements = &network_elements,
	 .expects = "a list of networks, such as [127.0.0.0/8, \"::1/128\"]"},
	{.name = "offload", .kind = CONFIG_CHOICE,
	 .offset = offsetof(struct config, offload),
	 .fallback = KTLS_OFFLOAD_AUTO, .choices = offload_choices},
	{.name = "body_path", .kind = CONFIG_CHOICE,
	 .offset = offsetof(struct config, body_path),
	 .fallback = KTLS_PATH_AUTO, .choices = body_path_choices},
	{.name = "routes", .kind = CONFIG_LIST, .required = true,
	 .offset = offsetof(struct config, routes),
	 .elements = &route_elements,
	 .expects = "a list of {match: ..., next_hop: ..., tls: ...}"},
	{.name = "destinations", .kind = CONFIG_LIST,
	 .offset = offsetof(struct config, destinations),
	 .elements = &destination_elements,
	 .expects = "a list of {match: ..., connections: ..., ...}"},
	{.name = "limits", .kind = CONFIG_MAPPING, .table = &limit_table},
	{.name = "timeouts", .kind = CONFIG_MAPPING, .table = &timeout_table},
	{.name = "retry", .kind = CONFIG_MAPPING, .table = &retry_table},
	{.name = "resolver", .kind = CONFIG_MAPPING, .table = &resolver_table},
	{.name = "bounce", .kind = CONFIG_MAPPING, .table = &bounce_table},
	{.name = "admin", .kind = CONFIG_MAPPING, .table = &admin_table},
	{.name = "inject", .kind = CONFIG_MAPPING, .table = &inject_table},
	{.name = "webhooks", .kind = CONFIG_LIST,
	 .offset = offsetof(struct config, webhooks),
	 .elements = &config_webhook_elements,
	 .expects = "a list of {url: ..., secret_file: ..., ...}"},
	{.name = "bare_line_ends", .kind = CONFIG_CHOICE,
	 .offset = offsetof(struct config, bare_line_ends),
	 .fallback = CONFIG_REFUSE, .choices = line_end_choices},
	{.name = "log", .kind = CONFIG_MAPPING, .table = &log_table},
	{.name = "workers", .kind = CONFIG_OTHER,
	 .offset = offsetof(struct config, workers), .read = read_workers,
	 .expects = "auto (one per core), or a number from 1 to 64"},
	{.name = "uring", .kind = CONFIG_CHOICE,
	 .offset = offsetof(struct config, uring),
	 .fallback = URING_LEVEL_BEST, .choices = config_uring_choices},
};
/* clang-format on */

/* In the spool there is one per relay, and nobody else can be there. */
static void complete_socket(struct config_reader *reader,
			    const struct config *config, const char *name,
			    char **socket)
{
	if (*socket || !config->spool.path)
		return;
	if (asprintf(socket, "%s/%s", config->spool.path, name) < 0) {
		*socket = NULL;
		reader->errors->no_memory = true;
	}
}

/* The environment wins, so that tests and benchmarks can force an older
 * io_uring on a running configuration. */
static void read_environment(struct config_reader *reader,
			     struct config *config)
{
	const char *text = getenv("RINGPOST_URING");
	const struct config_choice *choice;

	if (!text || !*text)
		return;
	choice = config_schema_choice(config_uring_choices, text);
	if (choice)
		config->uring = choice->value;
	else
		config_errors_add(reader->errors, 0, 0,
				  "RINGPOST_URING in the environment is "
				  "'%.32s'; expected best, 5.10, 5.19 or 6.1",
				  text);
}

static void root_finish(struct config_reader *reader,
			const struct config_node *node, void *base)
{
	struct config *config = base;

	config_listen_check_all(reader, config_node_find(node, "listen"),
				config);
	config_route_check_all(reader, config_node_find(node, "routes"),
			       config);
	config_destination_check_all(reader, config);
	complete_socket(reader, config, ADMIN_SOCKET_NAME,
			&config->admin.socket);
	complete_socket(reader, config, INJECT_SOCKET_NAME,
			&config->inject.socket);
	if (!config->workers)
		config->workers = usable_cores();
	read_environment(reader, config);
}

const struct config_table config_keys = {
	.rows = root_rows,
	.count = CONFIG_COUNT_OF(root_rows),
	.finish = root_finish,
};
