/* SPDX-License-Identifier: Apache-2.0 */
/* From what was found to what it means. */
#include <inttypes.h>
#include <string.h>

#include "gateway/cli/doctor.h"

/* Descriptors beside connections: ring, log, segments, ... per worker. */
#define FILES_PER_WORKER 64

const char *doctor_path_name(enum doctor_path path)
{
	static const char *const names[] = {
		[DOCTOR_PATH_NONE] = "none",
		[DOCTOR_PATH_USER] = "user",
		[DOCTOR_PATH_MIXED] = "mixed",
		[DOCTOR_PATH_KERNEL] = "kernel",
	};

	return names[path];
}

bool doctor_uring_has(const struct doctor_report *report,
		      const struct uring_cap_row *row)
{
	return *(const bool *)((const char *)&report->uring + row->offset);
}

const char *doctor_uring_instead(const struct doctor_report *report,
				 const struct uring_cap_row *row)
{
	if (strcmp(row->name, "coop_taskrun") == 0 &&
	    report->uring.defer_taskrun)
		return "defer_taskrun";
	return NULL;
}

/* Combinations of cipher, version and direction that the kernel takes. */
static void count_ciphers(const struct ktls_caps *caps, unsigned *have,
			  unsigned *all)
{
	*have = *all = 0;
	for (unsigned c = KTLS_AES_128_GCM; c < KTLS_CIPHERS; c++) {
		for (unsigned v = KTLS_TLS_1_2; v < KTLS_VERSIONS; v++) {
			for (unsigned d = 0; d < KTLS_DIRECTIONS; d++) {
				*have += caps->cipher[c][v][d];
				++*all;
			}
		}
	}
}

static enum doctor_path choose_path(const struct doctor_report *report)
{
	unsigned have, all;

	if (!report->uring_usable)
		return DOCTOR_PATH_NONE;
	if (report->config && report->config->offload == KTLS_OFFLOAD_NEVER)
		return DOCTOR_PATH_USER;
	count_ciphers(&report->ktls, &have, &all);
	if (!have)
		return DOCTOR_PATH_USER;
	return have < all ? DOCTOR_PATH_MIXED : DOCTOR_PATH_KERNEL;
}

static void conclude_path(struct doctor_report *report)
{
	struct doctor_notes *notes = &report->summary;

	switch (report->path) {
	case DOCTOR_PATH_NONE:
		doctor_note(notes, "ringpost can't run here: %s",
			    report->uring_reason);
		return;
	case DOCTOR_PATH_USER:
		doctor_note(notes,
			    "ringpost can run here. TLS stays in user space "
			    "(OpenSSL): every byte is encrypted and copied by "
			    "the worker instead of going from the page cache "
			    "into the kernel's cipher.");
		break;
	case DOCTOR_PATH_MIXED:
		doctor_note(notes,
			    "ringpost can run here. TLS runs in the kernel "
			    "for the ciphers marked above, in user space "
			    "(OpenSSL) for the others; the log says which on "
			    "every connection.");
		break;
	case DOCTOR_PATH_KERNEL:
		doctor_note(notes,
			    "ringpost can run here. TLS runs in the kernel, "
			    "both directions, for AES-128-GCM, AES-256-GCM "
			    "and ChaCha20-Poly1305 in TLS 1.2 and 1.3.");
		break;
	}
	if (!report->ktls.ulp)
		doctor_note(notes, "Why the kernel has no TLS, and how to get "
				   "it, stands under 'kernel TLS'.");
}

static void conclude_offload(struct doctor_report *report)
{
	struct doctor_notes *notes = &report->summary;

	if (!report->config)
		return;
	if (report->config->offload == KTLS_OFFLOAD_NEVER)
		doctor_note(notes, "'offload: never' keeps TLS in user space "
				   "whatever the kernel can do.");
	else if (report->config->offload == KTLS_OFFLOAD_ALWAYS &&
		 report->path != DOCTOR_PATH_KERNEL)
		doctor_note(notes,
			    "'offload: always' ends every TLS connection that "
			    "the kernel can't take: here that is %s of them. "
			    "Use auto, or mend the above.",
			    report->ktls.ulp ? "some" : "all");
}

static void conclude_files(struct doctor_report *report)
{
	uint64_t want = 0;

	if (!report->config || report->files.rlim_max == RLIM_INFINITY)
		return;
	want = report->config->limits.connections +
	       (uint64_t)report->config->workers * FILES_PER_WORKER;
	for (size_t i = 0; i < report->config->route_count; i++)
		want += report->config->routes[i].connections;
	if (want > report->files.rlim_max)
		doctor_note(&report->summary,
			    "The configuration may need %" PRIu64
			    " open files, the limit is %" PRIu64
			    ": raise it (LimitNOFILE= in the service, ulimit "
			    "-Hn) or lower limits.connections.",
			    want, (uint64_t)report->files.rlim_max);
}

static void conclude_crypto(struct doctor_report *report)
{
	if (report->ktls.ulp && report->crypto.found && report->crypto.async)
		doctor_note(&report->summary,
			    "gcm(aes) is done by %s, which works "
			    "asynchronously: most security bugs of kernel TLS "
			    "were on that way, keep the kernel up to date.",
			    report->crypto.driver);
}

void doctor_conclude(struct doctor_report *report)
{
	report->path = choose_path(report);
	conclude_path(report);
	conclude_offload(report);
	conclude_files(report);
	conclude_crypto(report);
	if (report->level != URING_LEVEL_BEST)
		doctor_note(&report->summary,
			    "An older io_uring is forced (RINGPOST_URING, or "
			    "uring: in the configuration): for tests, not for "
			    "mail.");
	doctor_find_ways(report);
}
