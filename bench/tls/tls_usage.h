/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stretch of work cost this process: time, processor, switches,
 * instructions, kernel threads that worked for it.
 */
#ifndef BENCH_TLS_USAGE_H
#define BENCH_TLS_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where instructions are counted. */
enum tls_counter {
	TLS_COUNTER_AUTO,   /* perf if it is there, else none */
	TLS_COUNTER_PERF,   /* perf_event_open(2), hardware counters */
	TLS_COUNTER_ICOUNT, /* an emulator whose clock counts instructions */
	TLS_COUNTER_NONE,
};

struct tls_meter {
	enum tls_counter counter; /* the one in use: PERF, ICOUNT or NONE */
	int instructions_fd;	  /* PERF; owned */
	int cycles_fd;		  /* PERF; owned; -1: none */
	double per_ns;		  /* ICOUNT: instructions in a nanosecond */
	char why[160];		  /* why instructions are not counted; or "" */
	bool machine; /* also what the machine's kernel threads did */
	bool softirq; /* also softirq time, of the processors we may use */
};

/*
 * tls_meter_open() - threads made later are counted, too: call it first.
 * 0; or -errno with m->why set when `wanted` can't be had. With AUTO it never
 * fails.
 */
int tls_meter_open(struct tls_meter *m, enum tls_counter wanted);
void tls_meter_close(struct tls_meter *m);

/* What was used between two readings, or since the process began. */
struct tls_usage {
	uint64_t wall_ns;
	uint64_t cpu_ns; /* all threads, workers of io_uring among them */
	uint64_t user_ns, system_ns; /* of it, by the kernel's sampling */
	uint64_t worker_ns;	     /* of it, in io_uring's workers */
	uint64_t kthread_ns;	     /* kernel threads of the whole machine */
	uint64_t softirq_ns;	     /* of the processors we may use */
	uint64_t waits;	    /* context switches: gave the processor up */
	uint64_t preempted; /* lost it */
	uint64_t workers;   /* threads of io_uring alive at the end */
	uint64_t instructions, cycles;
	bool has_instructions, has_cycles, has_kthread, has_softirq;
};

/*
 * tls_meter_prepare() - read what takes long to read, from /proc.
 * tls_meter_start() - then, when the work starts, the clocks.
 * tls_meter_stop() - turns both into what was used since, clocks first.
 */
void tls_meter_prepare(const struct tls_meter *m, struct tls_usage *at);
void tls_meter_start(const struct tls_meter *m, struct tls_usage *at);
void tls_meter_stop(const struct tls_meter *m, struct tls_usage *at);

/*
 * tls_meter_calibrate() - instructions in a nanosecond of CPU time, by running
 * a loop whose instructions are known. 0 where that is not known (not x86-64).
 */
double tls_meter_calibrate(void);

/* Option parser: auto, perf, icount or none into enum tls_counter. */
int tls_counter_opt(const char *text, void *field);
const char *tls_counter_name(enum tls_counter counter);

#endif
