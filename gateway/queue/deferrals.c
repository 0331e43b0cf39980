/* SPDX-License-Identifier: Apache-2.0 */
/* The last deferrals (deferrals.h). */
#include "gateway/queue/deferrals.h"

#include <string.h>

#include "gateway/outbound/outbound.h"

/* Without a format: a next hop that is away defers many. */
static void copy(char *to, size_t room, const char *from)
{
	size_t len = from ? strnlen(from, room - 1) : 0;

	if (len > 0)
		memcpy(to, from, len);
	to[len] = '\0';
}

void deferrals_note(struct deferrals *deferrals, uint64_t now,
		    const char *domain, const char *destination,
		    const struct outbound_answer *answer)
{
	struct deferral *row = &deferrals->rows[deferrals->next];

	deferrals->next = (deferrals->next + 1) % DEFERRALS_MAX;
	row->at = now;
	row->code = answer->code;
	copy(row->enhanced, sizeof(row->enhanced), answer->enhanced);
	copy(row->domain, sizeof(row->domain), domain);
	copy(row->destination, sizeof(row->destination), destination);
	copy(row->reply, sizeof(row->reply), answer->text);
	copy(row->where, sizeof(row->where), answer->where);
}
