/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which way the bytes of each kind of connection will go: what the probes and
 * the configuration come to, by the rules of ktls/ (ktls_stream_offload.c,
 * ktls_policy.c, ktls_forward_splice.c).
 */
#include <stdarg.h>
#include <string.h>

#include "gateway/cli/doctor.h"
#include "ktls/ktls_paths.h"

static const char *const words[] = {
	[DOCTOR_WAY_CLEAR] = "clear",	[DOCTOR_WAY_USER] = "user",
	[DOCTOR_WAY_KERNEL] = "kernel", [DOCTOR_WAY_PART] = "part",
	[DOCTOR_WAY_COPY] = "copy",	[DOCTOR_WAY_REFUSED] = "refused",
};

const char *doctor_way_name(enum doctor_way_kind kind)
{
	return words[kind];
}

__attribute__((format(printf, 4, 5))) static void add(
	struct doctor_report *report, const char *connection,
	enum doctor_way_kind kind, const char *format, ...)
{
	struct doctor_way *way;
	va_list args;

	if (report->way_count == DOCTOR_WAYS)
		return;
	way = &report->ways[report->way_count++];
	*way = (struct doctor_way){.kind = kind};
	snprintf(way->connection, sizeof(way->connection), "%s", connection);
	va_start(args, format);
	vsnprintf(way->text, sizeof(way->text), format, args);
	va_end(args);
}

static enum ktls_offload offload_of(const struct doctor_report *report)
{
	return report->config ? report->config->offload : KTLS_OFFLOAD_AUTO;
}

static enum ktls_byte_path body_path_of(const struct doctor_report *report)
{
	return report->config ? report->config->body_path : KTLS_PATH_AUTO;
}

/* Keys in the kernel in some combination, in both directions? */
static bool kernel_both(const struct doctor_report *report)
{
	if (offload_of(report) == KTLS_OFFLOAD_NEVER)
		return false;
	for (unsigned c = KTLS_AES_128_GCM; c < KTLS_CIPHERS; c++)
		for (unsigned v = KTLS_TLS_1_2; v < KTLS_VERSIONS; v++)
			if (report->ktls.cipher[c][v][KTLS_TX] &&
			    report->ktls.cipher[c][v][KTLS_RX])
				return true;
	return false;
}

/* --- TLS, by version and cipher --- */

static void add_cipher(struct doctor_report *report, const char *who,
		       const char *how, unsigned version, unsigned cipher)
{
	const bool *has = report->ktls.cipher[cipher][version];
	enum ktls_offload offload = offload_of(report);
	const char *few = offload == KTLS_OFFLOAD_AUTO
				  ? ", on connections that carry enough"
				  : "";
	char name[48];

	snprintf(name, sizeof(name), "%s, %s %s", who,
		 ktls_version_name((enum ktls_version)version),
		 ktls_cipher_name((enum ktls_cipher)cipher));
	if (offload == KTLS_OFFLOAD_NEVER)
		add(report, name, DOCTOR_WAY_USER,
		    "user space (offload: never)");
	else if (has[KTLS_TX] && has[KTLS_RX])
		add(report, name, DOCTOR_WAY_KERNEL, "kernel, both ways%s%s",
		    how, few);
	else if (offload == KTLS_OFFLOAD_ALWAYS)
		add(report, name, DOCTOR_WAY_REFUSED,
		    "closed (offload: always)");
	else if (has[KTLS_TX] || has[KTLS_RX])
		add(report, name, DOCTOR_WAY_PART,
		    "%s in the kernel, %s in user space%s",
		    has[KTLS_TX] ? "sending" : "receiving",
		    has[KTLS_TX] ? "receiving" : "sending", few);
	else
		add(report, name, DOCTOR_WAY_USER, "user space");
}

static void add_ciphers(struct doctor_report *report, const char *who,
			const char *how[KTLS_VERSIONS])
{
	for (unsigned v = KTLS_VERSIONS; v-- > KTLS_TLS_1_2;)
		for (unsigned c = KTLS_AES_128_GCM; c < KTLS_CIPHERS; c++)
			add_cipher(report, who, how[v], v, c);
}

static void add_tls(struct doctor_report *report)
{
	const char *in[KTLS_VERSIONS] = {
		[KTLS_TLS_1_2] = "",
		[KTLS_TLS_1_3] = "",
	};
	const char *out[KTLS_VERSIONS] = {
		[KTLS_TLS_1_2] = "",
		[KTLS_TLS_1_3] = " (receiving from the first reply on)",
	};

	add_ciphers(report, "clients", in);
	add_ciphers(report, "next hops", out);
	add(report, "other ciphers",
	    offload_of(report) == KTLS_OFFLOAD_ALWAYS ? DOCTOR_WAY_REFUSED
						      : DOCTOR_WAY_USER,
	    offload_of(report) == KTLS_OFFLOAD_ALWAYS
		    ? "closed (offload: always)"
		    : "user space");
}

/* --- what goes over them --- */

/* How a body leaves the spool, by body_path. */
static const char *body_text(enum ktls_byte_path path)
{
	static const char *const texts[KTLS_PATHS] = {
		[KTLS_PATH_AUTO] = ("from the mapped log; read first when it "
				    "has left memory"),
		[KTLS_PATH_MAPPED] = "from the mapped log",
		[KTLS_PATH_SPLICE] = "spliced through a pipe",
		[KTLS_PATH_READ] = "read into a buffer first",
	};

	return texts[path];
}

static void add_bodies(struct doctor_report *report)
{
	enum ktls_byte_path path = body_path_of(report);
	enum ktls_byte_path user =
		path == KTLS_PATH_SPLICE ? KTLS_PATH_AUTO : path;

	if (kernel_both(report))
		add(report, "bodies, kernel TLS", DOCTOR_WAY_KERNEL,
		    "%s; encrypted by the kernel without a copy",
		    body_text(path));
	add(report, "bodies, user space TLS", DOCTOR_WAY_USER,
	    "%s; encrypted by OpenSSL, then copied into the socket",
	    body_text(user));
	add(report, "bodies, no TLS", DOCTOR_WAY_CLEAR,
	    "%s; copied into the socket", body_text(path));
}

static void add_receiving(struct doctor_report *report)
{
	bool multishot = report->uring.multishot_recv && report->uring.buf_ring;

	add(report, "receiving",
	    kernel_both(report) ? DOCTOR_WAY_KERNEL : DOCTOR_WAY_USER, "%s",
	    multishot ? "one request for many pieces, into shared buffers"
		      : "a poll and a receive for each piece");
}

static void add_new_keys(struct doctor_report *report)
{
	if (!kernel_both(report))
		add(report, "new keys (KeyUpdate)", DOCTOR_WAY_USER,
		    "followed by OpenSSL");
	else if (report->ktls.rekey_tx && report->ktls.rekey_rx)
		add(report, "new keys (KeyUpdate)", DOCTOR_WAY_KERNEL,
		    "followed in the kernel");
	else
		add(report, "new keys (KeyUpdate)", DOCTOR_WAY_REFUSED,
		    "kernel TLS can't follow them here: the connection ends in "
		    "order, the message is sent again");
}

/* --- cut-through --- */

static bool any_cut_through(const struct doctor_report *report)
{
	if (!report->config)
		return true; /* what it would be */
	for (size_t i = 0; i < report->config->route_count; i++)
		if (report->config->routes[i].mode == CONFIG_MODE_CUT_THROUGH)
			return true;
	return false;
}

static bool splices(const struct doctor_report *report)
{
	struct ktls_policy policy = ktls_policy_measured;

	policy.path = body_path_of(report);
	return report->uring.op_splice && report->uring.multishot_recv &&
	       report->uring.buf_ring &&
	       ktls_policy_forward(&policy, UINT64_MAX);
}

static void add_cut_through(struct doctor_report *report)
{
	if (!any_cut_through(report))
		return;
	if (splices(report) && kernel_both(report))
		add(report, "cut-through, BDAT", DOCTOR_WAY_KERNEL,
		    "large chunks from socket to socket inside the kernel, "
		    "where both connections are in the kernel or without TLS; "
		    "else copied");
	else if (splices(report))
		add(report, "cut-through, BDAT", DOCTOR_WAY_COPY,
		    "copied; inside the kernel only without TLS on both sides");
	else
		add(report, "cut-through, BDAT", DOCTOR_WAY_COPY, "copied");
	add(report, "cut-through, DATA", DOCTOR_WAY_COPY, "copied");
}

void doctor_find_ways(struct doctor_report *report)
{
	report->way_count = 0;
	if (!report->uring_usable)
		return;
	add_tls(report);
	add_bodies(report);
	add_receiving(report);
	add_new_keys(report);
	add_cut_through(report);
}
