/* SPDX-License-Identifier: Apache-2.0 */
/* What was found in a spool, for programs (see doctor_json.c about NULL). */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "gateway/cli/cli_spool.h"
#include "gateway/log/log.h"
#include "gateway/spool/spool_format.h"

#define I(v) ((json_int_t)(v))

const char *cli_spool_kind(enum spool_damage_kind kind)
{
	static const char *const names[] = {
		[SPOOL_DAMAGE_TORN] = "torn",
		[SPOOL_DAMAGE_BAD] = "damaged",
		[SPOOL_DAMAGE_MESSAGE] = "message",
		[SPOOL_DAMAGE_HEADER] = "header",
		[SPOOL_DAMAGE_FILE] = "file",
		[SPOOL_DAMAGE_SEED] = "seed",
	};

	return names[kind];
}

static json_t *records_json(const struct spool_report *r)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "message",
			 I(r->records[SPOOL_RECORD_MESSAGE]), "chunk",
			 I(r->records[SPOOL_RECORD_CHUNK]), "result",
			 I(r->records[SPOOL_RECORD_RESULT]), "free",
			 I(r->records[SPOOL_RECORD_FREE]), "void",
			 I(r->records[SPOOL_RECORD_VOID]), "pad",
			 I(r->records[SPOOL_RECORD_PAD]), "unknown",
			 I(r->records[0]));
}

static json_t *report_json(const struct spool_report *r)
{
	uint64_t dead = r->record_bytes > r->live_bytes
				? r->record_bytes - r->live_bytes
				: 0;

	return json_pack("{s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I, "
			 "s:I, s:I, s:I}",
			 "segments", I(r->segments), "file_bytes",
			 I(r->file_bytes), "disk_bytes", I(r->disk_bytes),
			 "records", records_json(r), "messages", I(r->messages),
			 "recipients", I(r->recipients), "live_bytes",
			 I(r->live_bytes), "dead_bytes", I(dead), "torn_bytes",
			 I(r->torn_bytes), "bad_records", I(r->bad_records),
			 "damaged_messages", I(r->damaged_messages),
			 "orphan_chunks", I(r->orphan_chunks), "set_aside",
			 I(r->set_aside));
}

static json_t *problem_json(const struct cli_spool_problem *p)
{
	const struct spool_damage *d = &p->damage;
	char id[LOG_ID_SIZE], file[32] = "lock";

	if (d->kind != SPOOL_DAMAGE_SEED)
		snprintf(file, sizeof(file), "%016" PRIu32 ".log", d->segment);
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:s?, s:s?}", "kind",
			 cli_spool_kind(d->kind), "file", file, "from",
			 I(d->from), "to", I(d->to), "bad_checksums",
			 I(d->records), "id",
			 p->id ? log_id_text(p->id, id) : NULL, "error",
			 d->error ? strerror(d->error) : NULL);
}

static json_t *problems_json(const struct cli_spool_log *log)
{
	json_t *array = json_array();

	for (size_t i = 0; i < log->problem_count; i++)
		json_array_append_new(array, problem_json(&log->problems[i]));
	return array;
}

static json_t *repair_json(const struct cli_spool_log *log)
{
	const struct spool_repaired *r = &log->repair;

	if (!log->repaired)
		return json_null();
	return json_pack("{s:s?, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",
			 "set_aside_in", r->folder[0] ? r->folder : NULL,
			 "files_copied", I(r->files_copied), "files_moved",
			 I(r->files_moved), "messages_cut", I(r->messages_cut),
			 "headers_made", I(r->headers_made), "ranges_given_up",
			 I(r->ranges_given_up), "torn_bytes_cut",
			 I(r->before.torn_bytes), "after",
			 report_json(&r->after));
}

static json_t *log_json(const struct cli_spool_log *log)
{
	static const char *const locks[] = {
		[SPOOL_LOCK_FREE] = "free",
		[SPOOL_LOCK_HELD] = "held",
		[SPOOL_LOCK_MISSING] = "missing",
	};

	return json_pack("{s:s, s:s?, s:s, s:o, s:o, s:I, s:o}", "path",
			 log->path, "error",
			 log->error ? log->error_text : NULL, "lock",
			 log->repaired ? "taken" : locks[log->found.lock],
			 "found", report_json(&log->found.report), "problems",
			 problems_json(log), "problems_untold",
			 I(log->problems_more), "recovered", repair_json(log));
}

int cli_spool_print_json(const struct cli_spool *spool, FILE *out)
{
	json_t *logs = json_array(), *json;
	int error;

	for (size_t i = 0; i < spool->log_count; i++)
		json_array_append_new(logs, log_json(&spool->logs[i]));
	json = json_pack("{s:s, s:b, s:o}", "path", spool->folder, "ok",
			 spool->good, "logs", logs);
	if (!json)
		return -ENOMEM;
	error = json_dumpf(json, out, JSON_INDENT(2)) < 0 ? -EIO : 0;
	json_decref(json);
	fputc('\n', out);
	return error;
}
