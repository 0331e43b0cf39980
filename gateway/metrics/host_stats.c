/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what the kernel knows of the process (host_stats.h). */
#include "gateway/metrics/host_stats.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define NS UINT64_C(1000000000)

struct host_meter {
	char *spool;		  /* owned */
	int statm, tls, spool_fd; /* -1: not there */
	DIR *fds;		  /* NULL: not there */
	uint64_t started;
	pthread_mutex_t lock; /* of the descriptors' positions */
};

static int open_in(const char *proc, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", proc, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

struct host_meter *host_meter_open(const char *spool, const char *proc)
{
	struct host_meter *meter = calloc(1, sizeof(*meter));
	int fds;

	if (!meter)
		return NULL;
	meter->spool = strdup(spool);
	meter->started = (uint64_t)time(NULL);
	meter->statm = open_in(proc, "self/statm");
	meter->tls = open_in(proc, "self/net/tls_stat");
	meter->spool_fd = -1;
	fds = open_in(proc, "self/fd");
	meter->fds = fds >= 0 ? fdopendir(fds) : NULL;
	if (fds >= 0 && !meter->fds)
		close(fds);
	pthread_mutex_init(&meter->lock, NULL);
	if (!meter->spool)
		host_meter_close(&meter);
	return meter;
}

void host_meter_close(struct host_meter **pointer)
{
	struct host_meter *meter = *pointer;

	if (!meter)
		return;
	if (meter->statm >= 0)
		close(meter->statm);
	if (meter->tls >= 0)
		close(meter->tls);
	if (meter->spool_fd >= 0)
		close(meter->spool_fd);
	if (meter->fds)
		closedir(meter->fds);
	pthread_mutex_destroy(&meter->lock);
	free(meter->spool);
	free(meter);
	*pointer = NULL;
}

/* A small file from its beginning; "" when it can't be read. */
static void read_text(int fd, char *text, size_t size)
{
	ssize_t n = fd >= 0 ? pread(fd, text, size - 1, 0) : 0;

	text[n > 0 ? n : 0] = '\0';
}

static void read_memory(const struct host_meter *meter, struct host_stats *out)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	unsigned long long all, resident;
	char text[256];

	read_text(meter->statm, text, sizeof(text));
	if (sscanf(text, "%llu %llu", &all, &resident) != 2)
		return;
	out->virtual = all * page;
	out->resident = resident * page;
}

static void read_fds(struct host_meter *meter, struct host_stats *out)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		out->fds_max = limit.rlim_cur;
	if (!meter->fds)
		return;
	rewinddir(meter->fds);
	for (const struct dirent *d; (d = readdir(meter->fds));)
		out->fds += d->d_name[0] != '.';
}

static void read_cpu(struct host_stats *out)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) == 0)
		out->cpu = (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec;
}

static const char *const tls_names[HOST_TLS_COUNTERS] = {
	[HOST_TLS_NOW_TX_SOFTWARE] = "TlsCurrTxSw",
	[HOST_TLS_NOW_RX_SOFTWARE] = "TlsCurrRxSw",
	[HOST_TLS_NOW_TX_DEVICE] = "TlsCurrTxDevice",
	[HOST_TLS_NOW_RX_DEVICE] = "TlsCurrRxDevice",
	[HOST_TLS_TX_SOFTWARE] = "TlsTxSw",
	[HOST_TLS_RX_SOFTWARE] = "TlsRxSw",
	[HOST_TLS_TX_DEVICE] = "TlsTxDevice",
	[HOST_TLS_RX_DEVICE] = "TlsRxDevice",
	[HOST_TLS_DECRYPT_ERROR] = "TlsDecryptError",
	[HOST_TLS_DEVICE_RESYNC] = "TlsRxDeviceResync",
	[HOST_TLS_DECRYPT_RETRY] = "TlsDecryptRetry",
	[HOST_TLS_NO_PAD] = "TlsRxNoPadViolation",
	[HOST_TLS_REKEY_RX_OK] = "TlsRxRekeyOk",
	[HOST_TLS_REKEY_RX_ERROR] = "TlsRxRekeyError",
	[HOST_TLS_REKEY_TX_OK] = "TlsTxRekeyOk",
	[HOST_TLS_REKEY_TX_ERROR] = "TlsTxRekeyError",
	[HOST_TLS_REKEY_RECEIVED] = "TlsRxRekeyReceived",
};

void host_tls_parse(const char *text, uint64_t out[HOST_TLS_COUNTERS])
{
	unsigned long long value;
	char name[32];
	int used;

	while (sscanf(text, "%31s %llu%n", name, &value, &used) == 2) {
		for (unsigned i = 0; i < HOST_TLS_COUNTERS; i++)
			if (strcmp(name, tls_names[i]) == 0)
				out[i] = value;
		text += used;
	}
}

static void read_tls(struct host_meter *meter, struct host_stats *out)
{
	char text[2048];

	/* The module may be loaded later than we were. */
	if (meter->tls < 0)
		meter->tls = open_in("/proc", "self/net/tls_stat");
	read_text(meter->tls, text, sizeof(text));
	out->has_tls = text[0] != '\0';
	host_tls_parse(text, out->tls);
}

static void read_space(struct host_meter *meter, struct host_stats *out)
{
	struct statvfs fs;

	/* It may not be there before the first worker has made it. */
	if (meter->spool_fd < 0)
		meter->spool_fd =
			open(meter->spool, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (meter->spool_fd < 0 || fstatvfs(meter->spool_fd, &fs) < 0)
		return;
	out->has_space = true;
	out->space = (uint64_t)fs.f_blocks * fs.f_frsize;
	out->space_free = (uint64_t)fs.f_bavail * fs.f_frsize;
	out->files = fs.f_files;
	out->files_free = fs.f_favail;
}

void host_meter_read(struct host_meter *meter, struct host_stats *out)
{
	*out = (struct host_stats){.started = meter->started};
	pthread_mutex_lock(&meter->lock);
	read_memory(meter, out);
	read_fds(meter, out);
	read_cpu(out);
	read_tls(meter, out);
	read_space(meter, out);
	pthread_mutex_unlock(&meter->lock);
}
