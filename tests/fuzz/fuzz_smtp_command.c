/* SPDX-License-Identifier: Apache-2.0 */
/* Any octets as a command line: nothing unprintable gets through, and what is
 * taken once is taken again. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/smtp/smtp_command.h"
#include "gateway/smtp/smtp_params.h"
#include "gateway/smtp/smtp_path.h"
#include "gateway/smtp/smtp_trace.h"
#include "tests/fuzz/fuzz.h"

static void check_printable(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		assert((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
}

/* A mailbox is what "<mailbox>" says. */
static void check_again(const struct smtp_path *path, enum smtp_path_kind kind)
{
	char text[SMTP_PATH_MAX + 1];
	struct smtp_path again;
	size_t used;
	int n = snprintf(text, sizeof(text), "<%s>", path->mailbox);

	assert(n == (int)path->len + 2);
	assert(smtp_path_parse(text, (size_t)n, kind, &again, &used) ==
	       SMTP_PATH_OK);
	assert(used == (size_t)n && again.len == path->len);
	assert(memcmp(again.mailbox, path->mailbox, path->len) == 0);
	assert(again.utf8 == path->utf8);
	assert(!path->domain || strcmp(path->domain, again.domain) == 0);
}

/* What comes of it goes into a header field. */
static void check_decoded(const char *text, bool utf8)
{
	assert(text[0] != '\0');
	check_printable(text, strlen(text));
	for (; !utf8 && *text; text++)
		assert((unsigned char)*text < 0x7f);
}

/* What is kept is read again as the same. */
static void check_mail_dsn(const struct smtp_dsn_mail *dsn)
{
	char text[SMTP_DSN_MAIL_SIZE];
	struct smtp_mail_params again;
	char id[SMTP_ENVID_MAX + 1];

	smtp_dsn_mail_write(dsn, text);
	assert(smtp_params_mail(text, strlen(text), &again) == SMTP_PARAMS_OK);
	assert(again.dsn.ret == dsn->ret);
	assert(again.dsn.envid_len == dsn->envid_len);
	if (!dsn->envid)
		return;
	assert(memcmp(again.dsn.envid, dsn->envid, dsn->envid_len) == 0);
	smtp_xtext_decode(dsn->envid, dsn->envid_len, id);
	check_decoded(id, false);
}

static void check_rcpt_dsn(const char *params, size_t len)
{
	char text[SMTP_DSN_RCPT_SIZE];
	struct smtp_dsn_rcpt dsn, again;
	char address[SMTP_ORCPT_MAX + 1];
	size_t type_len;

	if (smtp_params_rcpt(params, len, &dsn) != SMTP_PARAMS_OK)
		return;
	smtp_dsn_rcpt_write(&dsn, text);
	assert(smtp_params_rcpt(text, strlen(text), &again) == SMTP_PARAMS_OK);
	assert(again.notify == dsn.notify && again.utf8 == dsn.utf8);
	assert(again.orcpt_len == dsn.orcpt_len);
	if (!dsn.orcpt)
		return;
	assert(memcmp(again.orcpt, dsn.orcpt, dsn.orcpt_len) == 0);
	smtp_dsn_original(&dsn, address, &type_len);
	check_decoded(address, dsn.utf8);
}

static void check_path(const struct smtp_command *command)
{
	enum smtp_path_kind kind = command->verb == SMTP_MAIL
					   ? SMTP_REVERSE_PATH
					   : SMTP_FORWARD_PATH;
	struct smtp_mail_params params;
	struct smtp_path path;
	size_t used;

	if (smtp_path_parse(command->args, command->args_len, kind, &path,
			    &used) != SMTP_PATH_OK)
		return;
	assert(used <= command->args_len && path.len <= SMTP_MAILBOX_MAX);
	assert(strlen(path.mailbox) == path.len);
	check_printable(path.mailbox, path.len);
	check_again(&path, kind);
	check_rcpt_dsn(command->args + used, command->args_len - used);
	if (smtp_params_mail(command->args + used, command->args_len - used,
			     &params) == SMTP_PARAMS_OK)
		check_mail_dsn(&params.dsn);
}

/* Whatever the client's name, the field is one field of short lines. */
static void check_trace(const char *helo)
{
	struct smtp_trace trace = {.helo = helo,
				   .client = "192.0.2.1",
				   .hostname = "relay.example.test",
				   .id = "0123456789ABC"};
	char buf[SMTP_TRACE_MAX];
	size_t len = smtp_trace_write(&trace, buf), line = 0;

	assert(len == strlen(buf));
	for (size_t i = 0; i < len; i++, line++) {
		if (buf[i] != '\r')
			continue;
		assert(buf[i + 1] == '\n' && line <= 998);
		assert(i + 2 == len || buf[i + 2] == '\t');
		line = 0;
		i++;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = malloc(size + 1);
	struct smtp_command command;
	uint64_t chunk;
	bool last;

	if (!line)
		return 0;
	if (size > 0)
		memcpy(line, data, size);
	line[size] = '\0';
	check_trace(line);
	if (smtp_command_parse(line, size, &command) == SMTP_COMMAND_OK) {
		assert(command.verb != SMTP_UNKNOWN);
		assert(command.args >= line &&
		       command.args + command.args_len <= line + size);
		if (command.verb == SMTP_MAIL || command.verb == SMTP_RCPT)
			check_path(&command);
		if (command.verb == SMTP_BDAT)
			smtp_command_bdat(command.args, command.args_len,
					  &chunk, &last);
	}
	free(line);
	return 0;
}
