/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What differs between two configurations, for a relay that changes to another
 * one while it runs: each value by its path in the file.
 *
 * Elements of lists go by what they are about (a listener's address, a
 * route's match), not by their number, so that one more is one change.
 */
#ifndef GATEWAY_CONFIG_CONFIG_CHANGE_H
#define GATEWAY_CONFIG_CONFIG_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/config/config.h"
#include "gateway/config/config_yaml.h"

/* All values of a file, as they are written there. */
struct config_line {
	char *path;	/* "listen[127.0.0.1:25].tls.mode" */
	char *value;	/* "required" */
	uint32_t order; /* in the file */
};

struct config_lines {
	struct config_line *list; /* owned; by path */
	size_t count, room;
};

/* config_lines_create() - returned owned; NULL: no memory. @root: NULL for an
 * empty file. config_lines_free() accepts NULL; clears. */
struct config_lines *config_lines_create(const struct config_node *root);
void config_lines_free(struct config_lines **lines);

enum config_effect {
	CONFIG_LIVE,	/* a running relay takes it */
	CONFIG_RESTART, /* it keeps the old value until its next start */
};

struct config_difference {
	const char *path;
	const char *before, *after; /* NULL: not given */
	enum config_effect effect;
	/* It is about deliveries: what the queue and its sessions go by. */
	bool delivery;
};

typedef void (*config_difference_fn)(void *arg,
				     const struct config_difference *d);

/* config_compare() - @fn for each difference, by path; borrowed for the call.
 * Values that may be secrets are shown as "...". */
void config_compare(const struct config *before, const struct config *after,
		    config_difference_fn fn, void *arg);

/*
 * config_keep() - what @next can't change while the relay runs is as in
 * @running again, in its values and for the next config_compare().
 * @next: not shared yet. 0 or -ENOMEM, then @next is good for nothing.
 */
int config_keep(struct config *next, const struct config *running);

#endif
