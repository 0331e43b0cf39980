/* SPDX-License-Identifier: Apache-2.0 */
/* See tls_pin.h. */
#include "bench/tls/tls_pin.h"

#include <errno.h>

int tls_pin_split(const cpu_set_t *all, cpu_set_t *client, cpu_set_t *server)
{
	int count = CPU_COUNT(all), seen = 0;

	CPU_ZERO(client);
	CPU_ZERO(server);
	if (count < 2)
		return -ENOTSUP;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, all))
			CPU_SET(cpu, seen++ < count / 2 ? client : server);
	}
	return 0;
}

int tls_pin_all(cpu_set_t *all)
{
	return sched_getaffinity(0, sizeof(*all), all) ? -errno : 0;
}

int tls_pin(const cpu_set_t *set)
{
	return sched_setaffinity(0, sizeof(*set), set) ? -errno : 0;
}
