/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of domains from all workers, added up by domain or by destination. */
#ifndef GATEWAY_ADMIN_ADMIN_SUMMARY_H
#define GATEWAY_ADMIN_ADMIN_SUMMARY_H

#include "gateway/admin/admin_row.h"

struct admin_summary;

/* admin_summary_create() - NULL: no memory. */
struct admin_summary *admin_summary_create(bool by_domain);
void admin_summary_free(struct admin_summary **summary); /* accepts NULL */

/* admin_summary_add() - @row is taken. False: no memory. */
bool admin_summary_add(struct admin_summary *summary, struct admin_row *row);
/* admin_summary_sort() - most mail first; the rows, still the summary's, and
 * their number. */
struct admin_row **admin_summary_sort(struct admin_summary *summary,
				      size_t *count);
/* admin_summary_total() - everything; valid as long as the summary. */
const struct admin_row *admin_summary_total(const struct admin_summary *s);

#endif
