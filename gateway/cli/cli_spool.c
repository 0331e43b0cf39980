/* SPDX-License-Identifier: Apache-2.0 */
/* ringpost spool check | recover */
#include "gateway/cli/cli_spool.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "gateway/cli/cli.h"

/* --- which logs --- */

static int add_log(struct cli_spool *spool, const char *path)
{
	struct cli_spool_log *more = reallocarray(
		spool->logs, spool->log_count + 1, sizeof(*spool->logs));

	if (!more)
		return -ENOMEM;
	spool->logs = more;
	more += spool->log_count;
	*more = (struct cli_spool_log){.path = strdup(path)};
	if (!more->path)
		return -ENOMEM;
	spool->log_count++;
	return 0;
}

static bool is_worker(const char *name)
{
	static const char prefix[] = "worker-";
	const char *number = name + sizeof(prefix) - 1;

	return strncmp(name, prefix, sizeof(prefix) - 1) == 0 && *number &&
	       strspn(number, "0123456789") == strlen(number);
}

/* A log itself has a lock or segments in it. */
static bool is_log_file(const char *name)
{
	return strcmp(name, "lock") == 0 ||
	       (strspn(name, "0123456789") == 16 &&
		strcmp(name + 16, ".log") == 0);
}

static int compare_logs(const void *a, const void *b)
{
	const char *x = ((const struct cli_spool_log *)a)->path;
	const char *y = ((const struct cli_spool_log *)b)->path;
	size_t m = strlen(x), n = strlen(y);

	return m == n ? strcmp(x, y) : m < n ? -1 : 1;
}

static int find_logs(struct cli_spool *spool)
{
	DIR *dir = opendir(spool->folder);
	struct dirent *entry;
	bool itself = false;
	int error = 0;

	if (!dir)
		return -errno;
	while (!error && (entry = readdir(dir))) {
		char path[PATH_MAX];

		itself |= is_log_file(entry->d_name);
		if (!is_worker(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/%.100s", spool->folder,
			 entry->d_name);
		error = add_log(spool, path);
	}
	closedir(dir);
	if (!error && itself)
		error = add_log(spool, spool->folder);
	if (spool->log_count)
		qsort(spool->logs, spool->log_count, sizeof(*spool->logs),
		      compare_logs);
	return error || spool->log_count ? error : -ENOENT;
}

/* --- looking and mending --- */

static void on_damage(void *arg, const struct spool_damage *damage)
{
	struct cli_spool_log *log = arg;
	struct cli_spool_problem *more;

	more = log->problem_count < CLI_SPOOL_PROBLEMS
		       ? reallocarray(log->problems, log->problem_count + 1,
				      sizeof(*more))
		       : NULL;
	if (!more) {
		log->problems_more++;
		return;
	}
	log->problems = more;
	more += log->problem_count++;
	*more = (struct cli_spool_problem){.damage = *damage};
	if (damage->message)
		more->id = spool_message_id(damage->message);
	more->damage.message = NULL;
}

static bool is_damage(const struct cli_spool_problem *problem)
{
	return problem->damage.kind == SPOOL_DAMAGE_FILE ||
	       problem->damage.kind == SPOOL_DAMAGE_SEED;
}

static bool log_is_good(const struct cli_spool_log *log)
{
	const struct spool_report *report =
		log->repaired ? &log->repair.after : &log->found.report;

	if (log->error || report->bad_records || report->damaged_messages)
		return false;
	for (size_t i = 0; !log->repaired && i < log->problem_count; i++)
		if (is_damage(&log->problems[i]))
			return false;
	return true;
}

static void check_log(struct cli_spool_log *log)
{
	log->error = spool_inspect(log->path, on_damage, log, &log->found,
				   log->error_text);
}

static void recover_log(struct cli_spool_log *log)
{
	log->error = spool_repair(log->path, on_damage, log, &log->repair,
				  log->error_text);
	log->repaired = !log->error;
	log->found.report = log->repair.before;
}

static int exit_code(int error)
{
	switch (-error) {
	case 0:
		return EX_OK;
	case ENOENT:
	case ENOTDIR:
		return EX_NOINPUT;
	case EACCES:
	case EPERM:
		return EX_NOPERM;
	case EWOULDBLOCK:
		return EX_TEMPFAIL;
	case ENOSPC:
	case EDQUOT:
	case EROFS:
		return EX_CANTCREAT;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return EX_OSERR;
	default:
		return EX_IOERR;
	}
}

static int print(const struct cli_spool *spool, bool json)
{
	if (json)
		return cli_spool_print_json(spool, stdout) ? EX_OSERR : EX_OK;
	cli_spool_print_text(spool, stdout);
	return EX_OK;
}

static int run(struct cli_spool *spool, bool json)
{
	int code = EX_OK, printed;

	spool->good = true;
	for (size_t i = 0; i < spool->log_count; i++) {
		struct cli_spool_log *log = &spool->logs[i];

		if (spool->recover)
			recover_log(log);
		else
			check_log(log);
		if (code == EX_OK)
			code = exit_code(log->error);
		spool->good &= log_is_good(log);
	}
	if (code == EX_OK && !spool->good)
		code = EX_DATAERR;
	printed = print(spool, json);
	return code == EX_OK ? printed : code;
}

/* A log has a descriptor open for each segment. */
static void raise_file_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static int find_and_run(struct cli_spool *spool, bool json)
{
	int error = find_logs(spool);
	int code;

	if (error == -ENOENT)
		fprintf(stderr, "ringpost spool: %s: no spool there\n",
			spool->folder);
	else if (error)
		fprintf(stderr, "ringpost spool: %s: %s\n", spool->folder,
			strerror(-error));
	code = error ? exit_code(error) : run(spool, json);
	for (size_t i = 0; i < spool->log_count; i++) {
		free(spool->logs[i].path);
		free(spool->logs[i].problems);
	}
	free(spool->logs);
	return code;
}

int cli_spool(const struct cli_options *options)
{
	struct cli_spool spool = {0};
	const char *verb;

	if (options->word_count < 1)
		return cli_refuse(options->command, "check or recover?", "");
	verb = options->words[0];
	spool.recover = strcmp(verb, "recover") == 0;
	if (!spool.recover && strcmp(verb, "check") != 0)
		return cli_refuse(options->command,
				  "check or recover, but not ", verb);
	if (options->word_count < 2)
		return cli_refuse(options->command, "DIR is missing", "");
	if (options->word_count > 2)
		return cli_refuse(options->command, "unexpected argument ",
				  options->words[2]);
	spool.folder = options->words[1];
	raise_file_limit();
	return find_and_run(&spool, options->json);
}
