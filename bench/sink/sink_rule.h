/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sink does wrong on purpose, to whom, when and how often.
 *
 * Rules come from a script (sink_script.h) and from options. They stand in one
 * list; at each phase of a connection the list is asked from its top. Decisions
 * come from a random stream per connection, so that a seed repeats them.
 */
#ifndef BENCH_SINK_RULE_H
#define BENCH_SINK_RULE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/sink/sink_grey.h"

enum sink_phase {
	SINK_AT_CONNECT, /* before the greeting */
	SINK_AT_EHLO,
	SINK_AT_STARTTLS,
	SINK_AT_HANDSHAKE, /* behind 220, or at once with implicit TLS */
	SINK_AT_MAIL,
	SINK_AT_RCPT,
	SINK_AT_DATA, /* DATA, or the first BDAT of a message */
	SINK_AT_BODY, /* somewhere in the message */
	SINK_AT_EOD,  /* the whole message is there, nothing noted yet */
	SINK_AT_ACK,  /* noted in the ledger, not yet answered */
	SINK_AT_DONE, /* the final reply is sent */
	SINK_AT_RSET,
	SINK_AT_QUIT,
	SINK_PHASES,
};

enum {
	SINK_RULES_MAX = 256,
	SINK_RULE_WORDS = SINK_RULES_MAX / 64,
	SINK_PATTERNS_MAX = 1000, /* of one condition */
	SINK_REPLY_LINES = 32,
	SINK_REPLY_LINE = 500,	      /* octets, RFC 5321 4.5.3.1.5 says 512 */
	SINK_PAUSE_MAX = 3600 * 1000, /* ms */
};

enum sink_hang_up {
	SINK_STAY,
	SINK_DROP,  /* close(2): unread input makes that a reset */
	SINK_CLOSE, /* what is buffered, close_notify, FIN */
	SINK_RESET, /* RST */
};

/* What a handshake meets instead of a server's. */
enum sink_bad_tls {
	SINK_TLS_GOOD,
	SINK_TLS_GARBAGE, /* octets that are no record */
	SINK_TLS_CLEAR,	  /* a reply in clear */
	SINK_TLS_SILENCE, /* nothing until the client gives up */
	SINK_TLS_ALERT,	  /* handshake_failure */
	SINK_TLS_HALF,	  /* half of ServerHello's flight, then the end */
};

/* What EHLO offers, as bits. */
enum sink_offer {
	SINK_OFFER_STARTTLS = 1,
	SINK_OFFER_PIPELINING = 2,
	SINK_OFFER_CHUNKING = 4,
	SINK_OFFER_8BITMIME = 8, /* and SMTPUTF8 */
	SINK_OFFER_SIZE = 16,
	SINK_OFFER_STATUS = 32, /* ENHANCEDSTATUSCODES */
};

/* Any of them will do; none: everything. Letters in any case, `*` is any
 * octets, `?` is one. */
struct sink_patterns {
	char **list; /* owned, as its strings */
	unsigned count;
};

struct sink_range {
	unsigned min;
	unsigned max;
};

struct sink_rule {
	unsigned line;	 /* in the script; 0: an option */
	unsigned phases; /* 1 << enum sink_phase */
	/* Conditions; all have to hold. */
	struct sink_patterns client; /* address */
	struct sink_patterns helo;
	struct sink_patterns sender;	/* "<>" is the null one */
	struct sink_patterns recipient; /* this one; later: any accepted one */
	unsigned after;			/* messages of this connection */
	bool grey;	  /* client, sender, recipient first came less than */
	unsigned grey_ms; /* so long ago */
	uint32_t share;
	uint64_t skip;	/* so many times first, over all connections */
	uint64_t times; /* then so often; 0: always */
	/* What happens. */
	struct sink_range delay_ms;
	unsigned pieces; /* octets of a reply at a time; 0: all */
	unsigned pause_ms;
	unsigned hide;	 /* enum sink_offer */
	uint64_t octets; /* of the body; 0: what comes with the first read */
	bool accept;	 /* decides, and nothing is wrong */
	unsigned code;	 /* of the reply; 0: none */
	char *reply;	 /* owned; with CRLFs; NULL: one is made of the code */
	enum sink_hang_up hang_up; /* behind the reply, if there is one */
	enum sink_bad_tls bad_tls;
};

struct sink_rules {
	struct sink_rule *list; /* owned */
	unsigned count;
	bool grey; /* one of them is */
};

/* How often each rule was met, dice and all; skip and times not yet taken
 * off. */
struct sink_rule_counts {
	_Atomic uint64_t met[SINK_RULES_MAX];
};

/* What is known of a client when the rules are asked. Strings are borrowed;
 * NULL: not known (yet). */
struct sink_event {
	enum sink_phase phase;
	const char *client;
	const char *helo;
	const char *sender;
	const char *recipient; /* at rcpt */
	const uint64_t *hit; /* behind rcpt: sink_rules_hit() of those before */
	unsigned messages;   /* that came on this connection */
	uint64_t now_ms;
};

struct sink_verdict {
	const struct sink_rule *rule; /* that decides; NULL: all is well */
	uint64_t delay_ms;	      /* of all that are met, as what follows */
	unsigned pieces;
	unsigned pause_ms;
	unsigned hide;
	uint64_t octets;
};

/*
 * Asks the rules of a phase from the top. One that decides (accept, reply,
 * hang_up, bad_tls) ends the search; the others add up. The shares of those
 * that decide add up too, on one throw of the dice: 30 % and then 20 % are half
 * of all. The others throw their own. `grey` may be NULL when no rule is grey.
 */
struct sink_verdict sink_rules_ask(const struct sink_rules *rules,
				   struct sink_rule_counts *counts,
				   struct sink_grey *grey,
				   const struct sink_event *event,
				   uint64_t *rng);

/* Sets a bit of `hit` for each rule whose recipients this one is among. */
void sink_rules_hit(const struct sink_rules *rules, const char *recipient,
		    uint64_t hit[SINK_RULE_WORDS]);

/* How often rule `i` struck. */
uint64_t sink_rules_struck(const struct sink_rules *rules,
			   const struct sink_rule_counts *counts, unsigned i);

/* A rule at the end, zeroed but for its share (all). NULL: there are too many,
 * or no memory. */
struct sink_rule *sink_rules_add(struct sink_rules *rules);
void sink_rules_free(struct sink_rules *rules);

/* Is this the code of success at that phase? */
bool sink_phase_succeeds(enum sink_phase phase, unsigned code);

/* The phase whose name these `len` octets are, or -EINVAL. */
int sink_phase_find(const char *name, size_t len);

bool sink_pattern_match(const char *pattern, const char *text);

/* Option parsers into a struct sink_rules: "rcpt=450:30%", "eod:10%" and "20"
 * (ms, of the final reply) or "rcpt=20". */
int sink_rule_reply_opt(const char *text, void *field);
int sink_rule_disconnect_opt(const char *text, void *field);
int sink_rule_delay_opt(const char *text, void *field);

#endif
