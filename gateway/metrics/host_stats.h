/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process and its kernel say: memory, descriptors, the file system of
 * the spool, TLS in the kernel.  Files are opened once, before privileges go,
 * and read again and again.
 */
#ifndef GATEWAY_METRICS_HOST_STATS_H
#define GATEWAY_METRICS_HOST_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lines of /proc/net/tls_stat: Documentation/networking/tls.rst. */
enum host_tls {
	HOST_TLS_NOW_TX_SOFTWARE,
	HOST_TLS_NOW_RX_SOFTWARE,
	HOST_TLS_NOW_TX_DEVICE,
	HOST_TLS_NOW_RX_DEVICE,
	HOST_TLS_TX_SOFTWARE,
	HOST_TLS_RX_SOFTWARE,
	HOST_TLS_TX_DEVICE,
	HOST_TLS_RX_DEVICE,
	HOST_TLS_DECRYPT_ERROR,
	HOST_TLS_DEVICE_RESYNC,
	HOST_TLS_DECRYPT_RETRY,
	HOST_TLS_NO_PAD,
	HOST_TLS_REKEY_RX_OK,
	HOST_TLS_REKEY_RX_ERROR,
	HOST_TLS_REKEY_TX_OK,
	HOST_TLS_REKEY_TX_ERROR,
	HOST_TLS_REKEY_RECEIVED,
	HOST_TLS_COUNTERS
};

struct host_stats {
	uint64_t resident, virtual; /* bytes */
	uint64_t fds, fds_max;
	uint64_t cpu;	  /* ns, user and system */
	uint64_t started; /* seconds since 1970 */
	bool has_tls;	  /* the kernel counts TLS */
	uint64_t tls[HOST_TLS_COUNTERS];
	bool has_space;		    /* of the spool's file system: */
	uint64_t space, space_free; /* bytes; free: for us */
	uint64_t files, files_free;
};

struct host_meter;

/* host_meter_open() - @spool: its folder, copied. @proc: "/proc", or what
 * stands in for it. NULL: no memory. What is not there is not reported. */
struct host_meter *host_meter_open(const char *spool, const char *proc);
void host_meter_close(struct host_meter **meter); /* accepts NULL; clears */
/* host_meter_read() - any thread. */
void host_meter_read(struct host_meter *meter, struct host_stats *out);

/* host_tls_parse() - lines of tls_stat into @out. */
void host_tls_parse(const char *text, uint64_t out[HOST_TLS_COUNTERS]);

#endif
