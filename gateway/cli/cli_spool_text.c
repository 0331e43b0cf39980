/* SPDX-License-Identifier: Apache-2.0 */
/* What was found in a spool, for people. */
#include <inttypes.h>
#include <string.h>

#include "gateway/cli/cli_spool.h"
#include "gateway/log/log.h"
#include "gateway/spool/spool_format.h"

#define U PRIu64

static const char *lock_text(enum spool_lock lock)
{
	switch (lock) {
	case SPOOL_LOCK_HELD:
		return "held: a relay runs on this log, what it is just "
		       "writing may show as torn";
	case SPOOL_LOCK_MISSING:
		return "no lock file; it will be made";
	case SPOOL_LOCK_FREE:
		break;
	}
	return "free";
}

static void print_counts(const struct spool_report *r, FILE *out)
{
	fprintf(out,
		"  segments    %" U ", %" U " bytes, %" U " on disk\n"
		"  records     %" U " messages, %" U " chunks, %" U
		" results, %" U " given back, %" U " void\n",
		r->segments, r->file_bytes, r->disk_bytes,
		r->records[SPOOL_RECORD_MESSAGE],
		r->records[SPOOL_RECORD_CHUNK], r->records[SPOOL_RECORD_RESULT],
		r->records[SPOOL_RECORD_FREE], r->records[SPOOL_RECORD_VOID]);
	if (r->records[0])
		fprintf(out,
			"              %" U
			" of kinds that this version doesn't "
			"know\n",
			r->records[0]);
	fprintf(out,
		"  queued      %" U " messages, %" U " recipients\n"
		"  bytes       %" U " live, %" U " dead\n",
		r->messages, r->recipients, r->live_bytes,
		r->record_bytes > r->live_bytes
			? r->record_bytes - r->live_bytes
			: 0);
}

static void print_where(const struct spool_damage *d, const char *path,
			FILE *out)
{
	fprintf(out, "  %s/%016" PRIu32 ".log", path, d->segment);
	if (d->kind != SPOOL_DAMAGE_FILE)
		fprintf(out, ":%" U, d->from);
	fprintf(out, ": ");
}

static void print_problem(const struct cli_spool_problem *p, const char *path,
			  FILE *out)
{
	const struct spool_damage *d = &p->damage;
	char id[LOG_ID_SIZE];

	if (d->kind != SPOOL_DAMAGE_SEED)
		print_where(d, path, out);
	switch (d->kind) {
	case SPOOL_DAMAGE_TORN:
		fprintf(out,
			"torn, %" U " bytes; no client was promised them, the "
			"next start cuts them\n",
			d->to - d->from);
		break;
	case SPOOL_DAMAGE_BAD:
		fprintf(out,
			"damaged, %" U " bytes that had been safe, %" U
			" bad checksums\n",
			d->to - d->from, d->records);
		break;
	case SPOOL_DAMAGE_MESSAGE:
		fprintf(out,
			"message %s lost a part of its body: it is not sent\n",
			log_id_text(p->id, id));
		break;
	case SPOOL_DAMAGE_HEADER:
		fprintf(out, "the segment's header is damaged; its records "
			     "are not\n");
		break;
	case SPOOL_DAMAGE_FILE:
		fprintf(out, "can't be opened: %s\n", strerror(d->error));
		break;
	case SPOOL_DAMAGE_SEED:
		fprintf(out,
			"  %s: no lock file and no segment header can be read: "
			"no checksum can be checked\n",
			path);
		break;
	}
}

static void print_repair(const struct spool_repaired *r, FILE *out)
{
	if (!r->folder[0]) {
		fprintf(out, "  recovered   nothing had to be set aside\n");
	} else {
		fprintf(out, "  set aside   in %s:\n", r->folder);
		fprintf(out,
			"              %" U " segments copied, %" U
			" files moved, %" U " messages in parts\n",
			r->files_copied, r->files_moved, r->messages_cut);
	}
	fprintf(out,
		"  cut         %" U " torn bytes\n"
		"  given up    %" U " damaged stretches, %" U " messages\n"
		"  now queued  %" U " messages, %" U " recipients\n",
		r->before.torn_bytes, r->ranges_given_up, r->messages_cut,
		r->after.messages, r->after.recipients);
}

static void print_log(const struct cli_spool_log *log, bool recover, FILE *out)
{
	fprintf(out, "%s:\n", log->path);
	if (!log->error || log->found.report.segments)
		print_counts(&log->found.report, out);
	if (log->found.report.set_aside)
		fprintf(out, "  set aside   %" U " files named .bad before\n",
			log->found.report.set_aside);
	if (!recover && !log->error)
		fprintf(out, "  lock        %s\n", lock_text(log->found.lock));
	for (size_t i = 0; i < log->problem_count; i++)
		print_problem(&log->problems[i], log->path, out);
	if (log->problems_more)
		fprintf(out, "  and %zu more\n", log->problems_more);
	if (log->repaired)
		print_repair(&log->repair, out);
	if (log->error)
		fprintf(out, "  failed      %s\n", log->error_text);
}

void cli_spool_print_text(const struct cli_spool *spool, FILE *out)
{
	for (size_t i = 0; i < spool->log_count; i++)
		print_log(&spool->logs[i], spool->recover, out);
	if (spool->good)
		fprintf(out, "%s: ok\n", spool->folder);
	else if (spool->recover)
		fprintf(out, "%s: not recovered\n", spool->folder);
	else
		fprintf(out,
			"%s: not all is well; 'ringpost spool recover' makes "
			"it usable\n",
			spool->folder);
}
