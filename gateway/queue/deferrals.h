/* SPDX-License-Identifier: Apache-2.0 */
/* The last deferrals of a queue and what was said, for people who look. */
#ifndef GATEWAY_QUEUE_DEFERRALS_H
#define GATEWAY_QUEUE_DEFERRALS_H

#include <stdint.h>

struct outbound_answer;

#define DEFERRALS_MAX 32

struct deferral {
	uint64_t at; /* wall clock, ns; 0: none */
	uint16_t code;
	char enhanced[12];
	char domain[64]; /* cut where longer, as all of them */
	char destination[96];
	char reply[160];
	char where[20];
};

struct deferrals {
	struct deferral rows[DEFERRALS_MAX]; /* written in circles */
	unsigned next;
};

/* deferrals_note() - @destination may be NULL. */
void deferrals_note(struct deferrals *deferrals, uint64_t now,
		    const char *domain, const char *destination,
		    const struct outbound_answer *answer);

#endif
