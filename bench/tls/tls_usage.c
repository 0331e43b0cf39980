/* SPDX-License-Identifier: Apache-2.0 */
/* Readings of clocks, rusage, counters and /proc; see tls_usage.h. */
#include "bench/tls/tls_usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	CALIBRATE_TRIES = 20,
	CALIBRATE_TURNS = 1000000, /* short: no timer tick inside */
	CALIBRATE_PER_TURN = 2,
	KTHREADD = 2, /* the parent of all kernel threads */
	TICKS = 7,    /* columns of /proc/stat; the last is softirq time */
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* --- counters --- */

static int perf_open(uint64_t event)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = event,
		.inherit = 1, /* threads and io_uring's workers */
		.exclude_hv = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1,
			    PERF_FLAG_FD_CLOEXEC);
}

static uint64_t perf_read(int fd)
{
	uint64_t value = 0;

	if (fd < 0 || read(fd, &value, sizeof(value)) != sizeof(value))
		return 0;
	return value;
}

static int open_perf(struct tls_meter *m)
{
	int err;

	m->instructions_fd = perf_open(PERF_COUNT_HW_INSTRUCTIONS);
	if (m->instructions_fd < 0) {
		err = errno;
		snprintf(m->why, sizeof(m->why),
			 "instructions are not counted: %s",
			 err == ENOENT	 ? "this machine has no hardware "
					   "counters"
			 : err == EACCES ? "the sysctl "
					   "kernel.perf_event_paranoid "
					   "forbids it"
					 : strerror(err));
		return -err;
	}
	m->cycles_fd = perf_open(PERF_COUNT_HW_CPU_CYCLES);
	m->counter = TLS_COUNTER_PERF;
	return 0;
}

/* Two instructions a turn. */
static void known_loop(void)
{
#if defined(__x86_64__)
	uint64_t turns = CALIBRATE_TURNS;

	__asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(turns) : : "cc");
#endif
}

double tls_meter_calibrate(void)
{
	uint64_t best = UINT64_MAX, empty = UINT64_MAX;

#if !defined(__x86_64__)
	return 0;
#endif
	for (int i = 0; i < CALIBRATE_TRIES; i++) {
		uint64_t start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
		uint64_t middle = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
		uint64_t end;

		known_loop();
		end = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
		if (middle - start < empty)
			empty = middle - start;
		if (end - middle < best)
			best = end - middle;
	}
	if (best <= empty)
		return 0;
	return (double)CALIBRATE_TURNS * CALIBRATE_PER_TURN /
	       (double)(best - empty);
}

static int open_icount(struct tls_meter *m)
{
	double per_ns = tls_meter_calibrate();

	if (fabs(per_ns - 1) > 0.02) {
		snprintf(m->why, sizeof(m->why),
			 "a nanosecond of CPU time is %.3f instructions here, "
			 "not 1: this is no machine that counts them "
			 "(QEMU -icount shift=0)",
			 per_ns);
		return -ENOTSUP;
	}
	m->per_ns = per_ns;
	m->counter = TLS_COUNTER_ICOUNT;
	return 0;
}

int tls_meter_open(struct tls_meter *m, enum tls_counter wanted)
{
	*m = (struct tls_meter){
		.counter = TLS_COUNTER_NONE,
		.instructions_fd = -1,
		.cycles_fd = -1,
	};
	switch (wanted) {
	case TLS_COUNTER_AUTO:
		open_perf(m);
		return 0;
	case TLS_COUNTER_PERF:
		return open_perf(m);
	case TLS_COUNTER_ICOUNT:
		return open_icount(m);
	case TLS_COUNTER_NONE:
		break;
	}
	snprintf(m->why, sizeof(m->why),
		 "instructions are not counted: --counter none");
	return 0;
}

void tls_meter_close(struct tls_meter *m)
{
	if (m->instructions_fd >= 0)
		close(m->instructions_fd);
	if (m->cycles_fd >= 0)
		close(m->cycles_fd);
	m->instructions_fd = m->cycles_fd = -1;
}

/* --- /proc --- */

/* The first line of a small file; false when it is gone. */
static bool read_small(const char *path, char *buf, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, buf, cap - 1);
	close(fd);
	if (n < 0)
		return false;
	buf[n] = '\0';
	return true;
}

/* Nanoseconds on a processor, of a process or thread. */
static uint64_t schedstat_ns(const char *folder, const char *id)
{
	char path[320], text[128];

	snprintf(path, sizeof(path), "%s/%s/schedstat", folder, id);
	return read_small(path, text, sizeof(text)) ? strtoull(text, NULL, 10)
						    : 0;
}

static bool is_worker(const char *id)
{
	char path[320], name[64];

	snprintf(path, sizeof(path), "/proc/self/task/%s/comm", id);
	return read_small(path, name, sizeof(name)) &&
	       !strncmp(name, "iou-", 4);
}

static bool is_kthread(const char *id)
{
	char path[320], text[512];
	char *after;

	snprintf(path, sizeof(path), "/proc/%s/stat", id);
	if (!read_small(path, text, sizeof(text)))
		return false;
	after = strrchr(text, ')'); /* ") S 2 0 0": state, parent */
	return after && strlen(after) > 4 && atoi(after + 4) == KTHREADD;
}

static void read_folder(const char *folder, bool (*wanted)(const char *id),
			uint64_t *ns, uint64_t *count)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	*ns = *count = 0;
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9' ||
		    !wanted(entry->d_name))
			continue;
		*ns += schedstat_ns(folder, entry->d_name);
		(*count)++;
	}
	closedir(dir);
}

/* "cpu0 user nice system idle iowait irq softirq", in clock ticks. */
static uint64_t softirq_ticks(const char *line, const cpu_set_t *ours)
{
	unsigned long long ticks[TICKS];
	unsigned cpu;

	if (sscanf(line, "cpu%u %llu %llu %llu %llu %llu %llu %llu", &cpu,
		   &ticks[0], &ticks[1], &ticks[2], &ticks[3], &ticks[4],
		   &ticks[5], &ticks[6]) != 1 + TICKS)
		return 0;
	return cpu < CPU_SETSIZE && CPU_ISSET(cpu, ours) ? ticks[TICKS - 1] : 0;
}

/* Of the processors this process may run on: on loopback that tells the ends
 * apart when they share none. */
static uint64_t softirq_ns(void)
{
	FILE *f = fopen("/proc/stat", "re");
	char line[512];
	cpu_set_t ours;
	uint64_t ticks = 0;

	if (!f || sched_getaffinity(0, sizeof(ours), &ours))
		CPU_ZERO(&ours);
	while (f && fgets(line, sizeof(line), f) && !strncmp(line, "cpu", 3))
		ticks += softirq_ticks(line, &ours);
	if (f)
		fclose(f);
	return ticks * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

static void read_threads(const struct tls_meter *m, struct tls_usage *u)
{
	uint64_t kthreads;

	read_folder("/proc/self/task", is_worker, &u->worker_ns, &u->workers);
	u->has_kthread = m->machine;
	u->has_softirq = m->softirq;
	if (m->machine)
		read_folder("/proc", is_kthread, &u->kthread_ns, &kthreads);
	if (m->softirq)
		u->softirq_ns = softirq_ns();
}

/* --- readings --- */

static uint64_t timeval_ns(struct timeval tv)
{
	return (uint64_t)tv.tv_sec * 1000000000u + (uint64_t)tv.tv_usec * 1000u;
}

static void read_process(const struct tls_meter *m, struct tls_usage *u)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	u->user_ns = timeval_ns(r.ru_utime);
	u->system_ns = timeval_ns(r.ru_stime);
	u->waits = (uint64_t)r.ru_nvcsw;
	u->preempted = (uint64_t)r.ru_nivcsw;
	u->instructions = perf_read(m->instructions_fd);
	u->cycles = perf_read(m->cycles_fd);
	u->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	u->wall_ns = clock_ns(CLOCK_MONOTONIC);
}

void tls_meter_prepare(const struct tls_meter *m, struct tls_usage *at)
{
	*at = (struct tls_usage){0};
	read_threads(m, at);
}

void tls_meter_start(const struct tls_meter *m, struct tls_usage *at)
{
	read_process(m, at);
}

static uint64_t since(uint64_t start, uint64_t end)
{
	return end > start ? end - start : 0; /* a worker may have left */
}

static void count_instructions(const struct tls_meter *m, struct tls_usage *u)
{
	u->has_instructions = m->counter == TLS_COUNTER_PERF ||
			      m->counter == TLS_COUNTER_ICOUNT;
	u->has_cycles = m->counter == TLS_COUNTER_PERF && m->cycles_fd >= 0;
	if (m->counter == TLS_COUNTER_ICOUNT)
		u->instructions = (uint64_t)((double)u->cpu_ns * m->per_ns);
}

void tls_meter_stop(const struct tls_meter *m, struct tls_usage *at)
{
	struct tls_usage start = *at, end = {0};

	read_process(m, &end);
	read_threads(m, &end);
	*at = (struct tls_usage){
		.wall_ns = since(start.wall_ns, end.wall_ns),
		.cpu_ns = since(start.cpu_ns, end.cpu_ns),
		.user_ns = since(start.user_ns, end.user_ns),
		.system_ns = since(start.system_ns, end.system_ns),
		.worker_ns = since(start.worker_ns, end.worker_ns),
		.kthread_ns = since(start.kthread_ns, end.kthread_ns),
		.softirq_ns = since(start.softirq_ns, end.softirq_ns),
		.waits = since(start.waits, end.waits),
		.preempted = since(start.preempted, end.preempted),
		.workers = end.workers,
		.instructions = since(start.instructions, end.instructions),
		.cycles = since(start.cycles, end.cycles),
		.has_kthread = end.has_kthread,
		.has_softirq = end.has_softirq,
	};
	count_instructions(m, at);
}

int tls_counter_opt(const char *text, void *field)
{
	enum tls_counter *counter = field;

	for (int c = TLS_COUNTER_AUTO; c <= TLS_COUNTER_NONE; c++) {
		if (!strcmp(text, tls_counter_name((enum tls_counter)c))) {
			*counter = (enum tls_counter)c;
			return 0;
		}
	}
	return -EINVAL;
}

const char *tls_counter_name(enum tls_counter counter)
{
	switch (counter) {
	case TLS_COUNTER_AUTO:
		return "auto";
	case TLS_COUNTER_PERF:
		return "perf";
	case TLS_COUNTER_ICOUNT:
		return "icount";
	case TLS_COUNTER_NONE:
		break;
	}
	return "none";
}
