/* SPDX-License-Identifier: Apache-2.0 */
/* The command `status`: what all workers have counted, in one answer. */
#ifndef GATEWAY_ADMIN_ADMIN_STATUS_H
#define GATEWAY_ADMIN_ADMIN_STATUS_H

#include "gateway/admin/admin_core.h"

struct metrics_view;
struct admin_status;

/* What the command gathers; a part of its call. */
struct admin_status *admin_status_create(void);	      /* NULL: no memory */
void admin_status_free(struct admin_status **status); /* accepts NULL */

/* admin_call_view() - of a call of `status` that is over; valid until
 * admin_call_end(). NULL: it failed, or is another command. */
const struct metrics_view *admin_call_view(const struct admin_call *call);
/* admin_call_hurry() - do without the workers that have not answered: their
 * last figures must do. Afterwards it is over. */
void admin_call_hurry(struct admin_call *call);

#endif
