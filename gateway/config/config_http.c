/* SPDX-License-Identifier: Apache-2.0 */
/* admin.http (config_http.h). */
#include "gateway/config/config_http.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/config/config_address.h"
#include "gateway/config/config_keys.h"

bool config_http_is_loopback(const struct config_endpoint *address)
{
	const struct sockaddr_in *v4 = (const void *)&address->addr;
	const struct sockaddr_in6 *v6 = (const void *)&address->addr;

	if (address->addr.ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
	       (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) &&
		v6->sin6_addr.s6_addr[12] == 127);
}

void config_http_free(struct config_http *http)
{
	free(http->address);
	free(http->token_file);
	free(http->certificate);
	free(http->key);
}

/* --- the token --- */

static const char *judge_token(char *token, size_t len)
{
	while (len > 0 && (token[len - 1] == '\n' || token[len - 1] == '\r'))
		token[--len] = '\0';
	if (len < CONFIG_HTTP_TOKEN_MIN)
		return "its token is shorter than 16 octets";
	if (len > CONFIG_HTTP_TOKEN_MAX)
		return "its token is longer than 512 octets";
	for (size_t i = 0; i < len; i++)
		if (token[i] <= ' ' || token[i] >= 0x7f)
			return "its token is not one line of visible ASCII";
	return NULL;
}

static const char *read_token(int fd, char out[CONFIG_HTTP_TOKEN_MAX + 1])
{
	char text[CONFIG_HTTP_TOKEN_MAX + 4] = ""; /* with CR LF */
	const char *wrong;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return "not a regular file";
	if (st.st_mode & 077)
		return "others may read or write it; chmod 600 it";
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return "it can't be read";
	wrong = judge_token(text, (size_t)n);
	if (!wrong)
		memcpy(out, text, CONFIG_HTTP_TOKEN_MAX + 1);
	explicit_bzero(text, sizeof(text));
	return wrong;
}

const char *config_http_token(const char *file,
			      char out[CONFIG_HTTP_TOKEN_MAX + 1])
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *wrong;

	if (fd < 0)
		return strerrordesc_np(errno);
	wrong = read_token(fd, out);
	close(fd);
	return wrong;
}

/* --- the settings --- */

static void read_address(struct config_reader *reader,
			 const struct config_key *row,
			 const struct config_node *node, void *field)
{
	struct config_endpoint **address = field;
	const char *wrong = "";

	*address = calloc(1, sizeof(**address));
	if (!*address) {
		reader->errors->no_memory = true;
		return;
	}
	if (node->kind == CONFIG_NODE_SCALAR && node->len)
		wrong = config_address_endpoint(node->text, *address);
	if (!wrong)
		return;
	config_schema_refuse(reader, row, node, *wrong ? wrong : NULL);
	free(*address);
	*address = NULL;
}

/* clang-format off */
static const struct config_choice clear_choices[] = {
	{"loopback", CONFIG_HTTP_CLEAR_LOOPBACK},
	{"anywhere", CONFIG_HTTP_CLEAR_ANYWHERE},
	{NULL, 0},
};

static const struct config_key rows[] = {
	{.name = "address", .kind = CONFIG_OTHER, .required = true,
	 .offset = offsetof(struct config_http, address),
	 .read = read_address,
	 .expects = "an address and port such as \"127.0.0.1:9125\""},
	{.name = "token_file", .kind = CONFIG_FILE,
	 .offset = offsetof(struct config_http, token_file),
	 .expects = "a file with the token that clients must show"},
	{.name = "certificate", .kind = CONFIG_FILE,
	 .offset = offsetof(struct config_http, certificate),
	 .expects = CONFIG_EXPECTS_CERTIFICATE},
	{.name = "key", .kind = CONFIG_FILE,
	 .offset = offsetof(struct config_http, key),
	 .expects = CONFIG_EXPECTS_KEY},
	{.name = "clear_text", .kind = CONFIG_CHOICE,
	 .offset = offsetof(struct config_http, clear_text),
	 .fallback = CONFIG_HTTP_CLEAR_LOOPBACK, .choices = clear_choices},
};
/* clang-format on */

static void check_token(struct config_reader *reader,
			const struct config_node *node,
			const struct config_http *http)
{
	char token[CONFIG_HTTP_TOKEN_MAX + 1] = "";
	const char *wrong = config_http_token(http->token_file, token);

	explicit_bzero(token, sizeof(token));
	if (wrong)
		config_errors_add(reader->errors, node->line, node->column,
				  "'token_file': %.200s: %s; expected one line "
				  "of 16 to 512 octets that only its owner can "
				  "read",
				  http->token_file, wrong);
}

/* Whoever listens on the way must not get at the token, and the world must not
 * get at the relay without one. */
static void check_reach(struct config_reader *reader,
			const struct config_node *node,
			const struct config_http *http)
{
	if (config_http_is_loopback(http->address))
		return;
	if (!http->certificate &&
	    http->clear_text != CONFIG_HTTP_CLEAR_ANYWHERE)
		config_errors_add(reader->errors, node->line, node->column,
				  "'address' %s can be reached from outside, "
				  "and would speak in clear; expected "
				  "certificate and key, or a loopback address, "
				  "or 'clear_text: anywhere'",
				  http->address->text);
	if (!http->token_file)
		config_errors_add(reader->errors, node->line, node->column,
				  "'address' %s can be reached from outside by "
				  "anybody; expected a token_file",
				  http->address->text);
}

static void finish(struct config_reader *reader, const struct config_node *node,
		   void *base)
{
	struct config_http *http = base;

	http->line = node->line;
	http->column = node->column;
	if (!http->certificate != !http->key)
		config_errors_add(reader->errors, node->line, node->column,
				  "'%s' is given without '%s'; expected both "
				  "or neither",
				  http->key ? "key" : "certificate",
				  http->key ? "certificate" : "key");
	if (http->token_file)
		check_token(reader, node, http);
	if (http->address)
		check_reach(reader, node, http);
}

const struct config_table config_http_table = {
	.rows = rows,
	.count = CONFIG_COUNT_OF(rows),
	.finish = finish,
};
