/* SPDX-License-Identifier: Apache-2.0 */
/* See tls_machine.h. */
#include "bench/tls/tls_machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "ktls/ktls_version.h"

/* "model name : ..." of the first processor. */
static void processor(char *buf, size_t cap)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char *line = NULL;
	size_t room = 0;

	snprintf(buf, cap, "?");
	while (f && getline(&line, &room, f) > 0) {
		char *value = strchr(line, ':');

		if (strncmp(line, "model name", 10) || !value)
			continue;
		value += 1 + strspn(value + 1, " ");
		snprintf(buf, cap, "%.*s", (int)strcspn(value, "\n"), value);
		break;
	}
	free(line);
	if (f)
		fclose(f);
}

json_t *tls_machine_pack(const struct tls_able *able,
			 const struct tls_meter *meter)
{
	struct utsname name = {.sysname = "?"};
	char cpu[128], kernel[256];

	uname(&name);
	processor(cpu, sizeof(cpu));
	snprintf(kernel, sizeof(kernel), "%.32s %.128s %.32s", name.sysname,
		 name.release, name.machine);
	return json_pack("{s:s,s:s,s:I,s:s,s:b,s:s,s:s,s:s,s:s}", "kernel",
			 kernel, "processor", cpu, "cpus",
			 (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "openssl",
			 ktls_openssl_version(), "kernel_tls", able->ktls.ulp,
			 "why_no_kernel_tls", able->no_ktls, "why_no_io_uring",
			 able->no_uring, "counter",
			 tls_counter_name(meter->counter), "why_not_counted",
			 meter->why);
}

const char *tls_machine_text(const json_t *machine, const char *key)
{
	const char *text = json_string_value(json_object_get(machine, key));

	return text ? text : "?";
}
