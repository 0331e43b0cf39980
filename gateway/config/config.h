/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: one immutable snapshot of ringpost.yaml.
 *
 * Every value is there (defaults filled in, units resolved: bytes, and
 * nanoseconds for durations); a snapshot is counted and shared by threads.
 * Mistakes are reported as "file:line:column: what is wrong; what is
 * expected", all of them, not just the first.
 */
#ifndef GATEWAY_CONFIG_CONFIG_H
#define GATEWAY_CONFIG_CONFIG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "gateway/config/config_destination.h"
#include "gateway/config/config_http.h"
#include "ktls/ktls_paths.h"
#include "ktls/ktls_types.h"
#include "uring/uring_caps.h"

struct config_lines;

/* A numeric address with a port. */
struct config_endpoint {
	struct sockaddr_storage addr;
	socklen_t len;
	char text[64]; /* "127.0.0.1:2525", "[::1]:2525" */
};

struct config_network { /* CIDR */
	int family;
	uint8_t bytes[16];
	uint8_t prefix;
};

enum config_listen_tls {
	CONFIG_LISTEN_STARTTLS, /* offered (RFC 3207) */
	CONFIG_LISTEN_IMPLICIT, /* TLS from the first byte (RFC 8314) */
	CONFIG_LISTEN_REQUIRED, /* STARTTLS before MAIL (530 else) */
	CONFIG_LISTEN_NONE,	/* no tls: key given */
};

struct config_certificate {
	char *certificate; /* paths, resolved against the file's folder */
	char *key;
};

struct config_listener {
	struct config_endpoint address;
	enum config_listen_tls tls;
	struct config_certificate *certificates; /* first = default, SNI */
	size_t certificate_count;
	enum ktls_version min_version;
	char *ciphers;	    /* NULL: ktls_ctx's default */
	char *ciphersuites; /* NULL: ktls_ctx's default */
	unsigned tickets;
	uint32_t line, column; /* where it stands in the file */
};

/* Postfix's names for levels of outbound TLS. */
enum config_tls_level {
	CONFIG_TLS_NONE,
	CONFIG_TLS_MAY,
	CONFIG_TLS_ENCRYPT,
	CONFIG_TLS_VERIFY,
};

/* next_hop: a host name or address, and a port; or the MX hosts of whatever
 * domain a recipient is in (RFC 5321 section 5). */
struct config_next_hop {
	bool mx;
	char *host; /* "127.0.0.1", "::1", "smtp.example.test"; mx: "" */
	uint16_t port;
	char *text; /* as "host:port"; mx: "mx" */
};

/* What becomes of a route's mail. */
enum config_route_mode {
	CONFIG_MODE_SPOOL, /* stored, answered, delivered */
	CONFIG_MODE_CUT_THROUGH, /* passed on as it comes; nothing is stored */
};

struct config_route {
	char *match; /* "*", "example.test", "*.example.test" */
	struct config_next_hop next_hop;
	enum config_route_mode mode;
	struct config_next_hop fallback; /* host NULL: none */
	unsigned fallback_after;	 /* attempts in vain before it */
	enum config_tls_level tls;
	bool may_need_tls; /* or an entry of destinations: has another level */
	char *tls_name; /* name to verify and for SNI; NULL: the host */
	char *ca_file;	/* NULL: the system's trust anchors */
	enum ktls_version min_version;
	char *ciphers, *ciphersuites;
	unsigned connections;		/* at once, per worker group */
	unsigned messages_per_connection;
	uint32_t line, column;
};

enum config_durability { CONFIG_SYNC, CONFIG_ASYNC };
enum config_line_ends { CONFIG_REFUSE, CONFIG_NORMALISE };
enum config_log_format { CONFIG_LOG_AUTO, CONFIG_LOG_TEXT, CONFIG_LOG_JSON, CONFIG_LOG_JOURNALD };
enum config_event_format { CONFIG_EVENT_JSON, CONFIG_EVENT_POSTFIX, CONFIG_EVENT_JOURNALD };

/* One log of what becomes of messages. */
struct config_event_log {
	enum config_event_format format;
	char *file; /* journald: its socket, NULL: the usual one */
	char *name; /* postfix: in front of the programs' names */
	uint32_t line;
};
enum config_log_level { CONFIG_LOG_DEBUG, CONFIG_LOG_INFO, CONFIG_LOG_WARNING, CONFIG_LOG_ERROR };

struct config_limits {
	uint64_t message_size;	     /* bytes; SIZE keyword (RFC 1870) */
	unsigned recipients;	     /* per message, >= 100 (RFC 5321 4.5.3.1.8) */
	unsigned line_length;	     /* command line, octets with CRLF */
	unsigned text_line_length;   /* message line, octets with CRLF */
	unsigned errors;	     /* bad commands before 421 */
	unsigned connections;	     /* inbound, all workers */
	unsigned connections_per_client; /* per client address */
	unsigned messages_per_connection; /* inbound; 0: no limit */
	unsigned received;	     /* Received headers: loop (RFC 5321 6.3) */
};

struct config_timeouts { /* nanoseconds; RFC 5321 4.5.3.2 */
	uint64_t command;    /* inbound: next command */
	uint64_t data;	     /* inbound: next block of a message */
	uint64_t tls;	     /* handshake, both sides */
	uint64_t shutdown;   /* SIGTERM: finish what is in flight */
	uint64_t connect;    /* outbound */
	uint64_t reply;	     /* outbound: greeting, EHLO, MAIL, RCPT */
	uint64_t transmit;   /* outbound: next block goes out */
	uint64_t final;	     /* outbound: reply after the message */
	uint64_t idle;	     /* outbound: keep a connection without work */
};

/* DNS for next hops. */
struct config_resolver {
	struct config_endpoint *servers; /* none: the system's resolv.conf */
	size_t server_count;
	uint64_t timeout;   /* ns, for all that a domain needs */
	char *trust_anchor; /* file with DS or DNSKEY; NULL: no DNSSEC */
};

struct config_retry {
	/* ns between attempts: first, then each time factor times as long, up
	 * to max; or a list, whose last repeats. */
	uint64_t first, max;
	unsigned factor;
	uint64_t *schedule; /* NULL: no list */
	size_t count;
	uint64_t expire; /* ns after acceptance: give up */
};

/* Mail of applications over HTTP. */
struct config_inject_http {
	bool wanted;
	struct config_endpoint address;
	char *token_file;
	char *certificate, *key; /* NULL: no TLS */
	uint32_t line;
};

/* An application that hears of what becomes of messages. */
struct config_webhook {
	char *url;
	char *secret_file; /* NULL: not signed */
	char *ca_file;	   /* NULL: the system's trust anchors */
	unsigned *events;  /* enum event_kind; NULL: all */
	size_t event_count;
	uint32_t kinds;	  /* 1 << enum event_kind of them */
	unsigned batch;	  /* events, at most */
	uint64_t delay;	  /* ns: for more of them */
	uint64_t timeout; /* ns: of a request */
	uint64_t expire;  /* ns: then a batch is given up */
	uint64_t memory;  /* octets of events that wait */
	uint32_t line, column;
};

struct config {
	char *file;
	char *hostname;
	struct {
		char *path;
		enum config_durability durability;
		uint64_t segment_size; /* bytes of a log segment */
		unsigned min_free_percent; /* below: 452 */
	} spool;
	struct config_listener *listeners;
	size_t listener_count;
	struct config_network *relay_from;
	size_t relay_from_count;
	enum ktls_offload offload;
	enum ktls_byte_path body_path;
	struct config_route *routes; /* first match wins */
	size_t route_count;
	struct config_destination *destinations; /* first match wins */
	size_t destination_count;
	struct config_destination anywhere; /* when none matches */
	struct config_limits limits;
	struct config_timeouts timeouts;
	struct config_retry retry;
	struct config_resolver resolver;
	struct {
		uint64_t return_max; /* bytes; larger mail comes back as its
				      * headers only */
		uint64_t *delay_warning; /* ns after acceptance; ascending */
		size_t delay_warning_count;
	} bounce;
	struct {
		char *socket; /* of the admin interface; never NULL */
		char *group;  /* whose members may use it; NULL: none */
		struct config_http http;
	} admin;
	struct {
		char *socket; /* for local mail; never NULL */
		struct config_inject_http http;
	} inject;
	struct config_webhook *webhooks;
	size_t webhook_count;
	enum config_line_ends bare_line_ends; /* bare CR or LF in DATA */
	struct {
		enum config_log_format format;
		enum config_log_level level;
		char *file; /* NULL: standard error */
		struct config_event_log *delivery;
		size_t delivery_count;
	} log;
	unsigned workers;	  /* resolved: one per usable core */
	enum uring_level uring;	  /* RINGPOST_URING overrides */
	struct config_lines *lines; /* owned: config_change.h */
};

/*
 * config_load() - read, check and complete @file.
 * @out: returned owned (one reference).  Every mistake is one line on
 * @errors (borrowed).  Returns 0; -ENOENT and others when the file can't be
 * read (said on @errors); -EINVAL for mistakes in it.
 * Certificates and keys are checked for existence and readability here;
 * that they fit together is ktls_ctx_create()'s to say.
 */
int config_load(const char *file, FILE *errors, struct config **out);
/* config_parse() - the same from memory; @name stands for the file. */
int config_parse(const char *text, size_t len, const char *name, FILE *errors,
		 struct config **out);
struct config *config_ref(struct config *config);
void config_unref(struct config **config); /* accepts NULL; clears */

/* config_relay_allowed() - is @addr in relay_from? IPv4-mapped IPv6 counts as
 * IPv4. */
bool config_relay_allowed(const struct config *config,
			  const struct sockaddr *addr);

/* config_route_for() - first route matching @domain (ASCII, any case);
 * NULL: none. Borrowed from @config. */
const struct config_route *config_route_for(const struct config *config,
					    const char *domain);

const char *config_tls_level_name(enum config_tls_level level);
const char *config_route_mode_name(enum config_route_mode mode);

#endif
