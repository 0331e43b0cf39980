/* SPDX-License-Identifier: Apache-2.0 */
/* Which kernel this is, and what is known to be wrong with it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/cli/doctor.h"

struct version {
	unsigned major, minor, patch;
};

static bool read_version(const char *text, struct version *out)
{
	*out = (struct version){0};
	return sscanf(text, "%4u.%4u.%4u", &out->major, &out->minor,
		      &out->patch) >= 2;
}

/* Trouble that was mended in a stable release of a series. */
static const struct {
	struct version fixed; /* of this series, before this patch level */
	const char *what;
} known[] = {
	{{6, 1, 187},
	 "fixes that ringpost's connections need: end of stream lost by "
	 "multishot receive, kernel TLS sends cut short by signals, receiving "
	 "after a failed decryption, CVE-2025-38616"},
};

void doctor_note(struct doctor_notes *notes, const char *format, ...)
{
	va_list ap;

	if (notes->count >= DOCTOR_NOTES)
		return;
	va_start(ap, format);
	vsnprintf(notes->text[notes->count++], DOCTOR_TEXT, format, ap);
	va_end(ap);
}

/* Distributions keep their own release names; Debian says the stable release
 * in uname -v, Ubuntu in a file of its own. */
void doctor_kernel_upstream(const struct utsname *kernel, const char *signature,
			    char out[64])
{
	const char *debian = strstr(kernel->version, "Debian ");
	const char *from = debian ? debian + strlen("Debian ") : NULL;
	struct version version;

	if (!from && signature)
		from = strrchr(signature, ' ');
	if (!from || !read_version(from, &version))
		from = kernel->release;
	if (read_version(from, &version))
		snprintf(out, 64, "%u.%u.%u", version.major, version.minor,
			 version.patch);
	else
		out[0] = '\0';
}

void doctor_kernel_warn(const char *upstream, struct doctor_notes *warnings)
{
	struct version version;

	if (!read_version(upstream, &version)) {
		doctor_note(warnings, "The kernel's version is unknown: known "
				      "bugs could not be looked up.");
		return;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct version fixed = known[i].fixed;

		if (version.major != fixed.major ||
		    version.minor != fixed.minor ||
		    version.patch >= fixed.patch)
			continue;
		doctor_note(warnings,
			    "Linux %s lacks %s. Use %u.%u.%u or later of this "
			    "series.",
			    upstream, known[i].what, fixed.major, fixed.minor,
			    fixed.patch);
	}
}

/* --- /proc/crypto --- */

/* "key   : value" */
static bool split_line(char *line, char **key, char **value)
{
	char *colon = strchr(line, ':');
	char *end;

	if (!colon)
		return false;
	line[strcspn(line, " \t:")] = '\0';
	*key = line;
	*value = colon + 1 + strspn(colon + 1, " \t");
	end = *value + strlen(*value);
	while (end > *value && (end[-1] == '\n' || end[-1] == ' '))
		*--end = '\0';
	return true;
}

/* The entries seen so far; the current one counts once it is complete. */
struct crypto_entry {
	bool wanted;
	struct doctor_crypto crypto;
};

static void take_entry(struct crypto_entry *entry, struct doctor_crypto *best)
{
	if (entry->wanted &&
	    (!best->found || entry->crypto.priority > best->priority)) {
		*best = entry->crypto;
		best->found = true;
	}
	*entry = (struct crypto_entry){0};
}

static void take_field(struct crypto_entry *entry, const char *key,
		       const char *value)
{
	if (strcmp(key, "name") == 0)
		entry->wanted = strcmp(value, "gcm(aes)") == 0;
	else if (strcmp(key, "driver") == 0)
		snprintf(entry->crypto.driver, sizeof(entry->crypto.driver),
			 "%s", value);
	else if (strcmp(key, "priority") == 0)
		entry->crypto.priority = (unsigned)strtoul(value, NULL, 10);
	else if (strcmp(key, "async") == 0)
		entry->crypto.async = strcmp(value, "yes") == 0;
	else if (strcmp(key, "internal") == 0 && strcmp(value, "yes") == 0)
		entry->wanted = false; /* a part of another one */
}

void doctor_crypto_read(FILE *file, struct doctor_crypto *out)
{
	struct crypto_entry entry = {0};
	char line[512], *key, *value;

	*out = (struct doctor_crypto){0};
	while (fgets(line, sizeof(line), file)) {
		if (split_line(line, &key, &value))
			take_field(&entry, key, value);
		else
			take_entry(&entry, out);
	}
	take_entry(&entry, out);
}
