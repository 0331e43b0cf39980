/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics of rings, the process, the disk and the kernel's TLS. */
#include <sys/utsname.h>

#include "gateway/metrics/metrics_text.h"

#define AT(member) .at = offsetof(struct worker_stats, member)

/* --- the program --- */

static void build_info(struct metrics_text *text,
		       const struct metrics_view *view)
{
	struct utsname kernel = {0};

	uname(&kernel);
	METRICS_PUT(text, 1, {"version", RINGPOST_VERSION},
		    {"kernel", kernel.release});
}

static void start_time(struct metrics_text *text,
		       const struct metrics_view *view)
{
	metrics_put_plain(text, METRICS_NUMBER, view->host.started);
}

static void ready(struct metrics_text *text, const struct metrics_view *view)
{
	metrics_put_plain(text, METRICS_NUMBER, view->ready);
}

static void workers(struct metrics_text *text, const struct metrics_view *view)
{
	metrics_put_plain(text, METRICS_NUMBER, view->workers);
}

static void responding(struct metrics_text *text,
		       const struct metrics_view *view)
{
	metrics_put_plain(text, METRICS_NUMBER, view->responding);
}

static void resident(struct metrics_text *text, const struct metrics_view *view)
{
	metrics_put_plain(text, METRICS_NUMBER, view->host.resident);
}

static void virtual(struct metrics_text *text, const struct metrics_view *view)
{
	metrics_put_plain(text, METRICS_NUMBER, view->host.virtual);
}

static void fds(struct metrics_text *text, const struct metrics_view *view)
{
	metrics_put_plain(text, METRICS_NUMBER, view->host.fds);
}

static void fds_max(struct metrics_text *text, const struct metrics_view *view)
{
	metrics_put_plain(text, METRICS_NUMBER, view->host.fds_max);
}

static void cpu(struct metrics_text *text, const struct metrics_view *view)
{
	metrics_put_plain(text, METRICS_NANOSECONDS, view->host.cpu);
}

/* --- the spool's file system --- */

static void space(struct metrics_text *text, const struct metrics_view *view)
{
	if (view->host.has_space)
		metrics_put_plain(text, METRICS_NUMBER, view->host.space);
}

static void space_free(struct metrics_text *text,
		       const struct metrics_view *view)
{
	if (view->host.has_space)
		metrics_put_plain(text, METRICS_NUMBER, view->host.space_free);
}

static void files_free(struct metrics_text *text,
		       const struct metrics_view *view)
{
	if (view->host.has_space)
		metrics_put_plain(text, METRICS_NUMBER, view->host.files_free);
}

/* --- TLS in the kernel: nothing is said when it does not count --- */

static void put_four(struct metrics_text *text, const struct host_stats *host,
		     enum host_tls first)
{
	static const struct {
		const char *direction, *offload;
	} names[] = {
		{"sent", "software"},
		{"received", "software"},
		{"sent", "device"},
		{"received", "device"},
	};

	for (unsigned i = 0; host->has_tls && i < 4; i++)
		METRICS_PUT(text, host->tls[first + i],
			    {"direction", names[i].direction},
			    {"offload", names[i].offload});
}

static void tls_now(struct metrics_text *text, const struct metrics_view *view)
{
	put_four(text, &view->host, HOST_TLS_NOW_TX_SOFTWARE);
}

static void tls_installed(struct metrics_text *text,
			  const struct metrics_view *view)
{
	put_four(text, &view->host, HOST_TLS_TX_SOFTWARE);
}

static void put_tls(struct metrics_text *text, const struct host_stats *host,
		    enum host_tls which)
{
	if (host->has_tls)
		metrics_put_plain(text, METRICS_NUMBER, host->tls[which]);
}

static void tls_errors(struct metrics_text *text,
		       const struct metrics_view *view)
{
	put_tls(text, &view->host, HOST_TLS_DECRYPT_ERROR);
}

static void tls_resyncs(struct metrics_text *text,
			const struct metrics_view *view)
{
	put_tls(text, &view->host, HOST_TLS_DEVICE_RESYNC);
}

static void tls_retries(struct metrics_text *text,
			const struct metrics_view *view)
{
	put_tls(text, &view->host, HOST_TLS_DECRYPT_RETRY);
}

static void tls_no_pad(struct metrics_text *text,
		       const struct metrics_view *view)
{
	put_tls(text, &view->host, HOST_TLS_NO_PAD);
}

static void tls_rekeys(struct metrics_text *text,
		       const struct metrics_view *view)
{
	static const struct {
		const char *direction, *result;
	} names[] = {
		{"received", "ok"},
		{"received", "error"},
		{"sent", "ok"},
		{"sent", "error"},
	};
	const struct host_stats *host = &view->host;

	for (unsigned i = 0; host->has_tls && i < 4; i++)
		METRICS_PUT(text, host->tls[HOST_TLS_REKEY_RX_OK + i],
			    {"direction", names[i].direction},
			    {"result", names[i].result});
}

static void tls_rekeys_received(struct metrics_text *text,
				const struct metrics_view *view)
{
	put_tls(text, &view->host, HOST_TLS_REKEY_RECEIVED);
}

/* clang-format off */
static const struct metrics_row rows[] = {
	{{"ringpost_ring_turns_total", "counter",
	  "Turns of the workers' rings."}, AT(ring.turns)},
	{{"ringpost_ring_submissions_total", "counter",
	  "Operations given to the kernel."}, AT(ring.submitted)},
	{{"ringpost_ring_completions_total", "counter",
	  "Completions taken from the kernel."}, AT(ring.completions)},
	{{"ringpost_ring_cancellations_total", "counter",
	  "Operations that ended cancelled."}, AT(ring.cancelled)},
	{{"ringpost_ring_submission_queue_full_total", "counter",
	  "Submissions forced because the submission queue was full."},
	 AT(ring.sq_full)},
	{{"ringpost_ring_completion_overflows_total", "counter",
	  "Turns in which the kernel held completions back for want of room."},
	 AT(ring.cq_overflow)},
	{{"ringpost_ring_stale_completions_total", "counter",
	  "Completions of operations that are gone: a bug."}, AT(ring.stale)},
	{{"ringpost_ring_operations", "gauge",
	  "Operations in flight."}, AT(ring_inflight)},
	{{"ringpost_receive_buffers", "gauge",
	  "Buffers for receiving."}, AT(buffers)},
	{{"ringpost_receive_buffers_used", "gauge",
	  "Buffers for receiving that hold bytes not dealt with yet."},
	 AT(buffers_out)},
	{{"ringpost_receive_buffer_shortages_total", "counter",
	  "Receives that found no buffer and had to wait."}, AT(ring.nobufs)},
	{{"ringpost_build_info", "gauge",
	  "1, with the version of the relay and of the kernel."},
	 .fn = build_info},
	{{"ringpost_start_time_seconds", "gauge",
	  "When the relay was started, since 1970."}, .fn = start_time},
	{{"ringpost_ready", "gauge",
	  "1 when the relay takes mail, as /readyz says."}, .fn = ready},
	{{"ringpost_workers", "gauge", "Worker threads."}, .fn = workers},
	{{"ringpost_workers_responding", "gauge",
	  "Workers that gave their figures in time; of others the last ones are shown."},
	 .fn = responding},
	{{"ringpost_process_resident_memory_bytes", "gauge",
	  "Memory of the process that is in RAM."}, .fn = resident},
	{{"ringpost_process_virtual_memory_bytes", "gauge",
	  "Address space of the process."}, .fn = virtual},
	{{"ringpost_process_open_fds", "gauge",
	  "Open descriptors."}, .fn = fds},
	{{"ringpost_process_max_fds", "gauge",
	  "How many descriptors may be open."}, .fn = fds_max},
	{{"ringpost_process_cpu_seconds_total", "counter",
	  "CPU time of the process, user and system."}, .fn = cpu},
	{{"ringpost_spool_filesystem_size_bytes", "gauge",
	  "Size of the file system that has the spool."}, .fn = space},
	{{"ringpost_spool_filesystem_free_bytes", "gauge",
	  "What of it the relay may still use."}, .fn = space_free},
	{{"ringpost_spool_filesystem_free_files", "gauge",
	  "Files that can still be made there."}, .fn = files_free},
	{{"ringpost_kernel_tls_connections", "gauge",
	  "Sockets with keys in the kernel, of all programs of this network namespace."},
	 .fn = tls_now},
	{{"ringpost_kernel_tls_installed_total", "counter",
	  "Keys put into the kernel, of all programs of this network namespace."},
	 .fn = tls_installed},
	{{"ringpost_kernel_tls_decrypt_errors_total", "counter",
	  "Records that the kernel could not decrypt."}, .fn = tls_errors},
	{{"ringpost_kernel_tls_decrypt_retries_total", "counter",
	  "Records decrypted twice, because they turned out to be no data or padded."},
	 .fn = tls_retries},
	{{"ringpost_kernel_tls_no_pad_violations_total", "counter",
	  "Records with padding on sockets that were said to get none."},
	 .fn = tls_no_pad},
	{{"ringpost_kernel_tls_device_resyncs_total", "counter",
	  "Resynchronisations of network cards that decrypt."},
	 .fn = tls_resyncs},
	{{"ringpost_kernel_tls_rekeys_total", "counter",
	  "Changes of keys in the kernel (Linux 6.14 and later)."},
	 .fn = tls_rekeys},
	{{"ringpost_kernel_tls_rekeys_received_total", "counter",
	  "KeyUpdate messages of peers (Linux 6.14 and later)."},
	 .fn = tls_rekeys_received},
};
/* clang-format on */

const struct metrics_rows metrics_host_rows = {
	.rows = rows,
	.count = sizeof(rows) / sizeof(rows[0]),
};
