/* SPDX-License-Identifier: Apache-2.0 */
/* How commands speak with a running relay (cli_admin.h). */
#include "gateway/cli/cli_admin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "gateway/admin/admin_address.h"
#include "gateway/config/config_socket.h"
#include "gateway/log/log_utf8.h"

void cli_safe(FILE *out, const char *text)
{
	size_t len = strlen(text), at = 0;

	while (at < len) {
		uint32_t code = 0;
		size_t n = log_utf8_decode(text + at, len - at, &code);

		if (n == 0 || log_utf8_is_control(code))
			fputc('?', out);
		else
			fwrite(text + at, 1, n, out);
		at += n ? n : 1;
	}
}

/* --- which socket --- */

/* Returned owned, or NULL after saying why. */
static char *socket_of(const char *command, const struct cli_relay *relay,
		       int *code)
{
	const char *file = relay->config ? relay->config : CLI_CONFIG;
	char *path = NULL;
	int r;

	if (relay->socket)
		return strdup(relay->socket);
	r = config_socket(file, stderr, &path);
	if (r == 0)
		return path;
	fprintf(stderr,
		"ringpost %s: the configuration does not say where the relay's "
		"socket is; give --socket PATH%s\n",
		command, relay->config ? "" : " or --config FILE");
	*code = r == -ENOENT   ? EX_NOINPUT
		: r == -EACCES ? EX_NOPERM
			       : EX_CONFIG;
	return NULL;
}

static int no_relay(const char *command, const char *path, int error)
{
	const char *mend = "is the relay running?";
	int code = EX_UNAVAILABLE;

	if (error == EACCES || error == EPERM) {
		mend = "root, the relay's user and members of admin.group may";
		code = EX_NOPERM;
	}
	fprintf(stderr, "ringpost %s: can't connect to %s: %s; %s\n", command,
		path, strerror(error), mend);
	return code;
}

static int open_socket(const char *command, const struct cli_relay *relay,
		       int *fd)
{
	int code = EX_OSERR;
	char *path = socket_of(command, relay, &code);

	if (!path)
		return code;
	*fd = admin_connect(path);
	code = *fd < 0 ? no_relay(command, path, -*fd) : EX_OK;
	free(path);
	return code;
}

/* --- speaking --- */

/* The line feed goes along: the relay waits for it. */
static bool say(int fd, json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0, sent = 0;

	json_decref(request);
	if (!text)
		return false;
	text[len++] = '\n';
	while (sent < len) {
		ssize_t n = send(fd, text + sent, len - sent, MSG_NOSIGNAL);

		if (n < 0)
			break;
		sent += (size_t)n;
	}
	free(text);
	/* If the relay has refused us, its words can be read all the same. */
	return true;
}

static const struct {
	const char *code;
	int exit;
} exits[] = {
	{"usage", EX_USAGE},	   {"denied", EX_NOPERM},
	{"not_found", EX_NOINPUT}, {"unavailable", EX_TEMPFAIL},
	{"failed", EX_OSERR},	   {"config", EX_CONFIG},
};

static int error_code(const json_t *line)
{
	const char *code = json_string_value(json_object_get(line, "code"));

	for (size_t i = 0; code && i < sizeof(exits) / sizeof(exits[0]); i++)
		if (strcmp(code, exits[i].code) == 0)
			return exits[i].exit;
	return EX_SOFTWARE;
}

static int say_error(const char *command, const json_t *line)
{
	const char *text = json_string_value(json_object_get(line, "error"));

	fprintf(stderr, "ringpost %s: ", command);
	cli_safe(stderr, text ? text : "the relay says that it failed");
	fputc('\n', stderr);
	return error_code(line);
}

static int lost(const char *command, const char *why)
{
	fprintf(stderr, "ringpost %s: the relay's answer was cut: %s\n",
		command, why);
	return EX_IOERR;
}

static int read_lines(const char *command, FILE *in, bool raw, cli_line_fn fn,
		      void *arg)
{
	char *text = NULL;
	size_t room = 0;
	int code = EX_OK;
	bool over = false;

	while (code == EX_OK && !over && getline(&text, &room, in) > 0) {
		json_t *line = json_loads(text, 0, NULL);
		const char *type =
			json_string_value(json_object_get(line, "type"));
		bool error = type && strcmp(type, "error") == 0;

		over = error || (type && strcmp(type, "done") == 0);
		if (!type)
			code = lost(command, "this is no line of it");
		else if (!error || raw)
			code = fn(arg, line, text);
		if (error)
			code = say_error(command, line);
		json_decref(line);
	}
	if (code == EX_OK && !over)
		code = lost(command, ferror(in) ? strerror(errno)
						: "it closed the connection");
	free(text);
	return code;
}

int cli_admin_ask(const char *command, const struct cli_relay *relay,
		  json_t *request, bool raw, cli_line_fn fn, void *arg)
{
	int fd = -1, code = open_socket(command, relay, &fd);
	FILE *in;

	if (code != EX_OK) {
		json_decref(request);
		return code;
	}
	in = fdopen(fd, "r");
	if (!in) {
		json_decref(request);
		close(fd);
		return EX_OSERR;
	}
	code = say(fd, request) ? read_lines(command, in, raw, fn, arg)
				: EX_OSERR;
	fclose(in);
	return code;
}

json_t *cli_admin_peek(const struct cli_relay *relay, json_t *request)
{
	int code, fd = -1;
	char *path = socket_of("", relay, &code);
	FILE *in;
	json_t *line = NULL;

	if (path)
		fd = admin_connect(path);
	free(path);
	in = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (!in) {
		if (fd >= 0)
			close(fd);
		json_decref(request);
		return NULL;
	}
	if (say(fd, request))
		line = json_loadf(in, JSON_DISABLE_EOF_CHECK, NULL);
	fclose(in);
	return line;
}
