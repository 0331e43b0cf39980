/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at this machine. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/cli/doctor.h"
#include "ktls/ktls_install.h"
#include "ktls/ktls_version.h"
#include "uring/uring.h"

static void gather_kernel(struct doctor_report *report)
{
	char signature[256];
	FILE *file = fopen("/proc/version_signature", "re");
	bool read = file && fgets(signature, sizeof(signature), file);

	if (file)
		fclose(file);
	if (uname(&report->kernel) < 0)
		report->kernel = (struct utsname){.release = "unknown"};
	doctor_kernel_upstream(&report->kernel, read ? signature : NULL,
			       report->upstream);
	doctor_kernel_warn(report->upstream, &report->warnings);
}

static void gather_uring(struct doctor_report *report)
{
	struct uring_config config = {.entries = 64, .max_ops = 64};
	struct uring *ring = NULL;
	int error;

	if (report->config)
		report->level = report->config->uring;
	else if (getenv("RINGPOST_URING"))
		uring_level_parse(getenv("RINGPOST_URING"), &report->level);
	config.level = report->level;
	error = uring_create(&config, &ring);
	if (error) {
		uring_blocked_reason(error, report->uring_reason,
				     sizeof(report->uring_reason));
		return;
	}
	report->uring_usable = true;
	report->uring = *uring_caps(ring);
	uring_destroy(&ring);
}

static void gather_ktls(struct doctor_report *report)
{
	ktls_caps_probe(ktls_kernel_system(), &report->ktls);
	ktls_caps_reason(&report->ktls, report->ktls_reason,
			 sizeof(report->ktls_reason));
}

/* After the probe of kernel TLS: that makes the kernel choose a driver. */
static void gather_crypto(struct doctor_report *report)
{
	FILE *file = fopen("/proc/crypto", "re");

	if (!file)
		return;
	doctor_crypto_read(file, &report->crypto);
	fclose(file);
}

static unsigned count_cores(void)
{
	cpu_set_t cores;

	CPU_ZERO(&cores);
	if (sched_getaffinity(0, sizeof(cores), &cores) < 0)
		return 1;
	return (unsigned)CPU_COUNT(&cores);
}

void doctor_gather(const struct config *config, struct doctor_report *report)
{
	*report = (struct doctor_report){.config = config};
	gather_kernel(report);
	gather_uring(report);
	gather_ktls(report);
	gather_crypto(report);
	report->openssl = ktls_openssl_version();
	getrlimit(RLIMIT_NOFILE, &report->files);
	getrlimit(RLIMIT_MEMLOCK, &report->memlock);
	report->cores = count_cores();
	doctor_conclude(report);
}
