/* SPDX-License-Identifier: Apache-2.0 */
/* JSON to MIME. */
#include "gateway/inject/inject_json.h"

#include <jansson.h>
#include <string.h>

#include "gateway/inject/inject_mime.h"
#include "gateway/smtp/smtp_text.h"

static const char bad_value[] = "a header has a control character in it";

struct making {
	json_t *root;
	const char *boundary;
	struct inject_recipients *to;
	struct inject_buffer *out;
	const char *wrong; /* the first mistake */
};

static void mistake(struct making *m, const char *wrong)
{
	if (!m->wrong)
		m->wrong = wrong;
}

static const char *text_of(struct making *m, const json_t *object,
			   const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (value && !json_is_string(value))
		mistake(m, "a text is expected where something else is");
	return json_string_value(value);
}

/* --- headers --- */

static void add_text(struct making *m, const char *name, const char *value)
{
	if (!inject_mime_safe(value))
		mistake(m, bad_value);
	inject_buffer_format(m->out, "%s: ", name);
	if (inject_mime_plain(value))
		inject_buffer_text(m->out, value);
	else
		inject_mime_words(m->out, value);
	inject_buffer_text(m->out, "\n");
}

/* "Name <address>": only the name may need words. */
static void add_mailbox(struct making *m, const char *value)
{
	const char *angle = strrchr(value, '<');
	size_t len = angle ? (size_t)(angle - value) : 0;
	char name[512];

	if (!inject_mime_safe(value))
		mistake(m, bad_value);
	if (inject_mime_plain(value) || !angle || len >= sizeof(name)) {
		inject_buffer_text(m->out, value);
		return;
	}
	memcpy(name, value, len);
	while (len > 0 && (name[len - 1] == ' ' || name[len - 1] == '"'))
		len--;
	name[len] = '\0';
	inject_mime_words(m->out, name[0] == '"' ? name + 1 : name);
	inject_buffer_text(m->out, " ");
	inject_buffer_text(m->out, angle);
}

/* One address or a list of them; to be a header, or only recipients. */
static void add_list(struct making *m, const char *key, const char *header)
{
	const json_t *value = json_object_get(m->root, key);
	size_t count = json_is_array(value) ? json_array_size(value)
		       : value		    ? 1
					    : 0;

	for (size_t i = 0; i < count; i++) {
		const json_t *one =
			json_is_array(value) ? json_array_get(value, i) : value;
		const char *text = json_string_value(one);

		if (!text) {
			mistake(m, "addresses are expected to be texts");
			return;
		}
		if (!inject_recipients_read(m->to, text, strlen(text)))
			mistake(m,
				m->to->wrong ? m->to->wrong : "out of memory");
		if (!header)
			continue;
		if (i == 0)
			inject_buffer_format(m->out, "%s: ", header);
		else
			inject_buffer_text(m->out, ",\n ");
		add_mailbox(m, text);
	}
	if (header && count > 0)
		inject_buffer_text(m->out, "\n");
}

/* Fields that are made here must not come twice. */
static bool is_ours(const char *name)
{
	static const char *const ours[] = {
		"from",		"to",
		"cc",		"bcc",
		"mime-version", "content-type",
		"subject",	"content-transfer-encoding",
		"resent-bcc",	"received",
		"return-path"};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (smtp_equal(name, strlen(name), ours[i]))
			return true;
	return false;
}

static bool is_name(const char *name)
{
	if (!*name || strlen(name) > 256)
		return false;
	for (; *name; name++)
		if (*name <= ' ' || *name > '~' || *name == ':')
			return false;
	return true;
}

static void add_headers(struct making *m)
{
	json_t *headers = json_object_get(m->root, "headers");
	const char *name;
	json_t *value;

	if (headers && !json_is_object(headers))
		mistake(m, "\"headers\" is expected to be an object");
	json_object_foreach(headers, name, value)
	{
		if (!is_name(name) || is_ours(name))
			mistake(m, "a name in \"headers\" is none, or belongs "
				   "to another key");
		else if (!json_is_string(value))
			mistake(m, "values in \"headers\" are expected to be "
				   "texts");
		else
			add_text(m, name, json_string_value(value));
	}
}

/* --- bodies --- */

static void add_part(struct making *m, const char *type, const char *text)
{
	inject_buffer_format(m->out,
			     "Content-Type: %s; charset=utf-8\n"
			     "Content-Transfer-Encoding: base64\n\n",
			     type);
	inject_mime_base64(m->out, text, strlen(text));
}

/* RFC 2231. */
static void add_parameter(struct making *m, const char *name, const char *value)
{
	inject_buffer_format(m->out, ";\n %s*=utf-8''", name);
	for (; *value; value++) {
		if (smtp_is_alnum(*value) || strchr(".-_", *value))
			inject_buffer_add(m->out, value, 1);
		else
			inject_buffer_format(m->out, "%%%02X",
					     (unsigned char)*value);
	}
}

static void add_attachment(struct making *m, const json_t *attachment)
{
	const char *name = text_of(m, attachment, "name");
	const char *type = text_of(m, attachment, "type");
	const char *content = text_of(m, attachment, "content");

	if (!type)
		type = "application/octet-stream";
	if (!json_is_object(attachment) || !content) {
		mistake(m, "an attachment needs \"content\", in base64");
		return;
	}
	if (!inject_mime_plain(type) || !strchr(type, '/') ||
	    strpbrk(type, "\"\\()<>") ||
	    (name && (!inject_mime_safe(name) || strpbrk(name, "\"\\")))) {
		mistake(m, "an attachment's \"type\" or \"name\" is none");
		return;
	}
	inject_buffer_format(m->out,
			     "Content-Type: %s\n"
			     "Content-Transfer-Encoding: base64\n",
			     type);
	inject_buffer_text(m->out, "Content-Disposition: attachment");
	if (name && inject_mime_plain(name))
		inject_buffer_format(m->out, ";\n filename=\"%s\"", name);
	else if (name)
		add_parameter(m, "filename", name);
	inject_buffer_text(m->out, "\n\n");
	if (!inject_mime_wrap(m->out, content, strlen(content)))
		mistake(m, "an attachment's \"content\" is no base64");
}

static void boundary(struct making *m, char level, const char *end)
{
	inject_buffer_format(m->out, "\n--%c%s%s\n", level, m->boundary, end);
}

static void add_texts(struct making *m)
{
	const char *text = text_of(m, m->root, "text");
	const char *html = text_of(m, m->root, "html");

	if (!text && !html)
		mistake(m, "\"text\" or \"html\" is missing");
	if (!text || !html) {
		add_part(m, html ? "text/html" : "text/plain",
			 html	? html
			 : text ? text
				: "");
		return;
	}
	inject_buffer_format(m->out,
			     "Content-Type: multipart/alternative;\n"
			     " boundary=\"a%s\"\n",
			     m->boundary);
	boundary(m, 'a', "");
	add_part(m, "text/plain", text);
	boundary(m, 'a', "");
	add_part(m, "text/html", html);
	boundary(m, 'a', "--");
}

static void add_body(struct making *m)
{
	const json_t *attachments = json_object_get(m->root, "attachments");

	inject_buffer_text(m->out, "MIME-Version: 1.0\n");
	if (attachments && !json_is_array(attachments))
		mistake(m, "\"attachments\" is expected to be a list");
	if (json_array_size(attachments) == 0) {
		add_texts(m);
		return;
	}
	inject_buffer_format(m->out,
			     "Content-Type: multipart/mixed;\n"
			     " boundary=\"m%s\"\n",
			     m->boundary);
	boundary(m, 'm', "");
	add_texts(m);
	for (size_t i = 0; i < json_array_size(attachments); i++) {
		boundary(m, 'm', "");
		add_attachment(m, json_array_get(attachments, i));
	}
	boundary(m, 'm', "--");
}

/* --- the whole --- */

static void check_keys(struct making *m)
{
	static const char *const known[] = {
		"from",	   "envelope_from", "to",   "cc",   "bcc",
		"subject", "headers",	    "text", "html", "attachments"};
	const char *key;
	json_t *unused;

	json_object_foreach(m->root, key, unused)
	{
		bool is_known = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			is_known |= strcmp(key, known[i]) == 0;
		if (!is_known)
			mistake(m, "a key is not known");
	}
}

static void make(struct making *m, char sender[512])
{
	const char *from = text_of(m, m->root, "from");
	const char *envelope = text_of(m, m->root, "envelope_from");
	const char *subject = text_of(m, m->root, "subject");

	check_keys(m);
	if (!from)
		mistake(m, "\"from\" is missing");
	if (m->wrong)
		return;
	if (!inject_sender(envelope ? envelope : from, m->to->hostname, sender))
		mistake(m, "the sender is no address");
	inject_buffer_text(m->out, "From: ");
	add_mailbox(m, from);
	inject_buffer_text(m->out, "\n");
	add_list(m, "to", "To");
	add_list(m, "cc", "Cc");
	add_list(m, "bcc", NULL);
	if (subject)
		add_text(m, "Subject", subject);
	add_headers(m);
	add_body(m);
	if (m->to->count == 0)
		mistake(m, "nobody to send it to");
}

const char *inject_json_make(const char *text, size_t len, const char *boundary,
			     struct inject_recipients *to, char sender[512],
			     struct inject_buffer *out)
{
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	struct making m = {
		.root = root, .boundary = boundary, .to = to, .out = out};

	sender[0] = '\0';
	if (!json_is_object(root))
		mistake(&m, "this is no JSON object");
	else
		make(&m, sender);
	if (!m.wrong && inject_buffer_failed(out))
		m.wrong = out->too_long ? "the message is too large"
					: "out of memory";
	json_decref(root);
	return m.wrong;
}
