/* SPDX-License-Identifier: Apache-2.0 */
/* A message from this process to the running relay. */
#include "gateway/cli/hand_in.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "gateway/admin/admin_address.h"
#include "gateway/cli/cli_admin.h"
#include "gateway/config/config_socket.h"
#include "gateway/inject/inject_message.h"

/* What is made on the way, and freed at the end. */
struct handing {
	const struct hand_in *what;
	struct inject_buffer input, message;
	struct inject_recipients recipients;
	struct inject_client client;
	char sender[512];
	char user[64], name[128]; /* who runs this */
};

static int complain(const struct hand_in *what, int code, const char *text,
		    const char *about)
{
	fprintf(stderr, "%s: %s", what->program, text);
	if (about) {
		fputs(": ", stderr);
		cli_safe(stderr, about);
	}
	fputc('\n', stderr);
	return code;
}

/* --- the socket --- */

/* Returned owned, or NULL with *code after saying why. */
static char *socket_of(const struct hand_in *what, int *code)
{
	const char *file = what->config ? what->config : CLI_CONFIG;
	char *path = NULL;
	int r;

	*code = EX_OSERR;
	if (what->socket)
		return strdup(what->socket);
	if (!what->config && access(file, R_OK) < 0)
		return strdup(HAND_IN_SOCKET);
	r = config_inject_socket(file, stderr, &path);
	*code = r == -ENOENT   ? EX_NOINPUT
		: r == -EACCES ? EX_NOPERM
			       : EX_CONFIG;
	return path;
}

int hand_in_connect(const struct hand_in *what, int *code)
{
	char *path = socket_of(what, code);
	int fd;

	if (!path)
		return -1;
	fd = admin_connect(path);
	if (fd < 0) {
		bool denied = fd == -EACCES || fd == -EPERM;

		fprintf(stderr,
			"%s: can't hand mail to the relay at %s: %s%s\n",
			what->program, path, strerror(-fd),
			denied ? "" : "; is it running? Try again later");
		*code = denied ? EX_NOPERM : EX_TEMPFAIL;
		fd = -1;
	}
	free(path);
	return fd;
}

/* --- who runs this --- */

/* The name in the password file: up to a comma, "&" for the user's own. */
static void full_name(const struct passwd *who, char *out, size_t room)
{
	size_t n = 0;

	for (const char *at = who->pw_gecos; at && *at && *at != ','; at++) {
		if (*at == '&')
			n += (size_t)snprintf(out + n, room - n, "%s",
					      who->pw_name);
		else if (n + 1 < room)
			out[n++] = *at;
		if (n + 1 >= room)
			n = room - 1;
	}
	out[n] = '\0';
}

static void know_user(struct handing *h)
{
	const struct passwd *who = getpwuid(getuid());

	if (!who) {
		snprintf(h->user, sizeof(h->user), "uid%u", getuid());
		return;
	}
	snprintf(h->user, sizeof(h->user), "%s", who->pw_name);
	full_name(who, h->name, sizeof(h->name));
}

/* --- the message --- */

static int read_input(struct handing *h)
{
	const struct hand_in *what = h->what;
	int r = inject_buffer_read(&h->input, what->input);

	if (r == -EFBIG)
		return complain(what, EX_DATAERR, "the message is too large",
				NULL);
	if (r < 0)
		return complain(what, EX_NOINPUT, "the message can't be read",
				strerror(-r));
	if (what->dot_ends)
		h->input.len = inject_message_dot(h->input.bytes, h->input.len);
	return EX_OK;
}

static int read_envelope(struct handing *h)
{
	const struct hand_in *what = h->what;
	const char *sender = what->sender ? what->sender : h->user;

	h->recipients.hostname = h->client.hostname;
	if (!inject_sender(sender, h->client.hostname, h->sender))
		return complain(what, EX_USAGE, "this is no sender's address",
				sender);
	for (size_t i = 0; i < what->to_count; i++)
		if (!inject_recipients_read(&h->recipients, what->to[i],
					    strlen(what->to[i])))
			return complain(what, EX_USAGE, h->recipients.wrong,
					what->to[i]);
	return EX_OK;
}

static int make_message(struct handing *h)
{
	const struct hand_in *what = h->what;
	struct timespec now;
	struct inject_job job = {
		.text = h->input.bytes ? h->input.bytes : "",
		.len = h->input.len,
		.raw = what->raw,
		.recipients = what->from_header,
		.sender = h->sender,
		.full_name = what->full_name ? what->full_name : h->name,
		.hostname = h->client.hostname,
	};
	const char *wrong;

	clock_gettime(CLOCK_REALTIME, &now);
	job.now = (uint64_t)now.tv_sec * UINT64_C(1000000000);
	if (getrandom(&job.unique, sizeof(job.unique), 0) < 0)
		return complain(what, EX_OSERR, "no random numbers",
				strerror(errno));
	wrong = inject_message_make(&job, &h->recipients, &h->message);
	if (wrong)
		return complain(what, EX_DATAERR, wrong, NULL);
	if (h->recipients.no_memory)
		return complain(what, EX_OSERR, "out of memory", NULL);
	if (h->recipients.count == 0)
		return complain(
			what, EX_NOINPUT,
			what->from_header
				? "nobody to send it to: neither in To, "
				  "Cc, Bcc nor on the command line"
				: "nobody to send it to",
			NULL);
	return EX_OK;
}

/* --- the relay --- */

static int say_refusal(const struct hand_in *what,
		       const struct inject_result *r)
{
	fprintf(stderr, "%s: the relay did not take the message",
		what->program);
	if (r->recipient) {
		fputs(" for ", stderr);
		cli_safe(stderr, r->recipient);
	}
	fputs(": ", stderr);
	if (r->code)
		fprintf(stderr, "%u ", r->code);
	cli_safe(stderr, r->text);
	fprintf(stderr, " (%s)\n", r->at);
	return inject_exit(r);
}

static int send_it(struct handing *h, struct inject_result *result)
{
	struct inject_mail mail = {
		.sender = h->sender,
		.recipients = h->recipients.list,
		.recipient_count = h->recipients.count,
		.bytes = h->message.bytes,
		.len = h->message.len,
		.notify = h->what->notify,
		.ret = h->what->ret,
		.envid = h->what->envid,
	};

	if (inject_client_send(&h->client, &mail, result) == INJECT_DONE)
		return EX_OK;
	return say_refusal(h->what, result);
}

static int speak(struct handing *h, int fd, struct inject_result *result)
{
	FILE *verbose = h->what->verbose ? stdout : NULL;
	int code;

	if (inject_client_start(&h->client, fd, verbose, result) != INJECT_DONE)
		code = say_refusal(h->what, result);
	else
		code = read_envelope(h);
	if (code == EX_OK)
		code = make_message(h);
	if (code == EX_OK)
		code = send_it(h, result);
	inject_client_end(&h->client);
	return code;
}

int hand_in(const struct hand_in *what, struct inject_result *result)
{
	struct handing h = {.what = what};
	int code, fd;

	memset(result, 0, sizeof(*result));
	inject_buffer_init(&h.input, INJECT_MESSAGE_MAX);
	inject_buffer_init(&h.message, INJECT_MESSAGE_MAX + (1 << 20));
	know_user(&h);
	/* The relay waits for nobody: it is asked when all is there. */
	code = read_input(&h);
	if (code == EX_OK) {
		fd = hand_in_connect(what, &code);
		if (fd >= 0)
			code = speak(&h, fd, result);
	}
	inject_buffer_free(&h.input);
	inject_buffer_free(&h.message);
	inject_recipients_free(&h.recipients);
	return code;
}
