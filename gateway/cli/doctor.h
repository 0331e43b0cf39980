/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringpost doctor: what was found (struct doctor_report) is apart from how it
 * is said (text, JSON).
 */
#ifndef GATEWAY_CLI_DOCTOR_H
#define GATEWAY_CLI_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include "gateway/config/config.h"
#include "ktls/ktls_caps.h"
#include "uring/uring_caps.h"

#define DOCTOR_TEXT  512
#define DOCTOR_NOTES 16

/* Sentences for the operator, in the order of finding. */
struct doctor_notes {
	char text[DOCTOR_NOTES][DOCTOR_TEXT];
	size_t count;
};

/* The implementation of gcm(aes) that the kernel prefers. */
struct doctor_crypto {
	bool found; /* false: no template instance yet, or no /proc/crypto */
	char driver[128];
	unsigned priority;
	bool async;
};

/* Which way TLS connections will go. */
enum doctor_path {
	DOCTOR_PATH_NONE,   /* ringpost can't run */
	DOCTOR_PATH_USER,   /* OpenSSL */
	DOCTOR_PATH_MIXED,  /* the kernel for some ciphers or directions */
	DOCTOR_PATH_KERNEL, /* the kernel for all it can have */
};

enum doctor_way_kind {
	DOCTOR_WAY_CLEAR,   /* no TLS */
	DOCTOR_WAY_USER,    /* OpenSSL */
	DOCTOR_WAY_KERNEL,  /* kernel TLS, or inside the kernel */
	DOCTOR_WAY_PART,    /* one direction in the kernel */
	DOCTOR_WAY_COPY,    /* through the worker's memory */
	DOCTOR_WAY_REFUSED, /* the connection ends */
};

/* A kind of connection, or what goes over one, and the way it takes. */
struct doctor_way {
	char connection[48]; /* "clients, TLSv1.3 AES-128-GCM" */
	enum doctor_way_kind kind;
	char text[192];
};

#define DOCTOR_WAYS 24

struct doctor_report {
	struct utsname kernel;
	char upstream[64]; /* the stable release it was made from; "" unknown */
	struct doctor_notes warnings; /* known trouble of this kernel */

	enum uring_level level;
	bool uring_usable;
	struct uring_caps uring;
	char uring_reason[DOCTOR_TEXT];

	struct ktls_caps ktls;
	char ktls_reason[DOCTOR_TEXT];

	const char *openssl;
	struct doctor_crypto crypto;
	struct rlimit files, memlock;
	unsigned cores;

	const struct config *config; /* NULL: none given; borrowed */
	enum doctor_path path;
	struct doctor_notes summary;
	struct doctor_way ways[DOCTOR_WAYS];
	size_t way_count;
};

/* doctor_gather() - look at everything; takes some milliseconds. */
void doctor_gather(const struct config *config, struct doctor_report *report);

/* doctor_conclude() - path, summary and ways from the rest of @report. */
void doctor_conclude(struct doctor_report *report);
/* doctor_find_ways() - its last part. */
void doctor_find_ways(struct doctor_report *report);
const char *doctor_way_name(enum doctor_way_kind kind); /* "kernel" */

void doctor_print_text(const struct doctor_report *report, FILE *out);
/* Returns 0 or -ENOMEM, -EIO. */
int doctor_print_json(const struct doctor_report *report, FILE *out);

void doctor_note(struct doctor_notes *notes, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* --- the kernel --- */

/*
 * doctor_kernel_upstream() - the stable release a distribution's kernel was
 * made from: "6.1.187" from Debian's uname -v, Ubuntu's version_signature, or
 * the release itself.
 * @signature: text of /proc/version_signature, NULL: not there.
 */
void doctor_kernel_upstream(const struct utsname *kernel, const char *signature,
			    char out[64]);
/* doctor_kernel_warn() - known trouble of @upstream. */
void doctor_kernel_warn(const char *upstream, struct doctor_notes *warnings);

/* doctor_crypto_read() - text of /proc/crypto. */
void doctor_crypto_read(FILE *file, struct doctor_crypto *out);

bool doctor_uring_has(const struct doctor_report *report,
		      const struct uring_cap_row *row);
/* doctor_uring_instead() - the better feature that is used in the place of a
 * missing one; NULL: none. */
const char *doctor_uring_instead(const struct doctor_report *report,
				 const struct uring_cap_row *row);
/* doctor_uring_cost() - what goes worse without the feature called so. */
const char *doctor_uring_cost(const char *name);
/* doctor_uring_mend() - how to get it; written to @buf. */
const char *doctor_uring_mend(const struct doctor_report *report,
			      const struct uring_cap_row *row, char *buf,
			      size_t size);
/* doctor_cipher_mend() - how the kernel comes to take @cipher. */
const char *doctor_cipher_mend(enum ktls_cipher cipher);

/* One more thing that kernel TLS can have. */
struct doctor_ktls_extra {
	const char *name, *used_for, *since, *cost;
	size_t offset; /* of the bool in struct ktls_caps */
};
const struct doctor_ktls_extra *doctor_ktls_extras(size_t *count);

const char *doctor_path_name(enum doctor_path path);

#endif
