/* SPDX-License-Identifier: Apache-2.0 */
/* YAML files of the bench tool; see bench_yaml.h. */
#include "bench/bench_yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void tell(struct bench_yaml *yaml, int line, int column,
		 const char *format, ...) __attribute__((format(printf, 4, 5)));

static void tell_list(struct bench_yaml *yaml, int line, int column,
		      const char *format, va_list args)
	__attribute__((format(printf, 4, 0)));

static void tell_list(struct bench_yaml *yaml, int line, int column,
		      const char *format, va_list args)
{
	if (++yaml->mistakes > BENCH_YAML_MISTAKES)
		return;
	fprintf(yaml->complaints, "%s:", yaml->name);
	if (line > 0)
		fprintf(yaml->complaints, "%d:%d:", line, column);
	fputc(' ', yaml->complaints);
	vfprintf(yaml->complaints, format, args);
	fputc('\n', yaml->complaints);
}

static void tell(struct bench_yaml *yaml, int line, int column,
		 const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tell_list(yaml, line, column, format, args);
	va_end(args);
}

/* --- the file --- */

static int read_file(struct bench_yaml *yaml, const char *path, size_t *len)
{
	FILE *f = fopen(path, "re");
	int err = 0;

	if (!f)
		return -errno;
	yaml->text = malloc(BENCH_YAML_MAX + 1);
	if (yaml->text) {
		*len = fread(yaml->text, 1, BENCH_YAML_MAX + 1, f);
		if (ferror(f))
			err = errno ? -errno : -EIO;
		else if (*len > BENCH_YAML_MAX)
			err = -EFBIG;
	} else {
		err = -ENOMEM;
	}
	fclose(f);
	return err;
}

/* Octets of the UTF-8 character at `text`, 0: it is none (RFC 3629). */
static size_t character(const unsigned char *text, size_t len, uint32_t *code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = *text < 0x80	  ? 1
		   : *text < 0xc2 ? 0
		   : *text < 0xe0 ? 2
		   : *text < 0xf0 ? 3
		   : *text < 0xf5 ? 4
				  : 0;

	if (!n || n > len)
		return 0;
	*code = n == 1 ? *text : *text & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (text[i] & 0x3f);
	}
	if (*code < least[n] || *code > 0x10ffff ||
	    (*code >= 0xd800 && *code < 0xe000))
		return 0;
	return n;
}

/* libfyaml takes an octet that is no UTF-8 for the end of the file, without a
 * word: so look first. */
static int check_text(struct bench_yaml *yaml, size_t len)
{
	int line = 1, column = 1;

	for (size_t i = 0; i < len;) {
		const unsigned char *at = (unsigned char *)yaml->text + i;
		uint32_t code = 0;
		size_t n = character(at, len - i, &code);

		if (!n || (code < 0x20 && !strchr("\t\r\n", (int)code)) ||
		    code == 0 || code == 0x7f) {
			tell(yaml, line, column,
			     "octet 0x%02x; expected UTF-8 text", *at);
			return -EINVAL;
		}
		i += n;
		column = code == '\n' ? 1 : column + 1;
		line += code == '\n';
	}
	return 0;
}

static int syntax_errors(struct bench_yaml *yaml)
{
	struct fy_diag_error *error;
	void *state = NULL;
	unsigned before = yaml->mistakes;

	while ((error = fy_diag_errors_iterate(yaml->diag, &state)))
		tell(yaml, error->line, error->column,
		     "not YAML: %s; expected 'key: value' lines", error->msg);
	if (yaml->mistakes == before)
		tell(yaml, 0, 0, "not YAML; expected 'key: value' lines");
	return -EINVAL;
}

static int parse(struct bench_yaml *yaml, size_t len)
{
	struct fy_parse_cfg config = {
		.flags = FYPCF_DISABLE_MMAP_OPT | FYPCF_JSON_NONE,
		.diag = yaml->diag,
	};
	struct fy_document *second;

	yaml->parser = fy_parser_create(&config);
	if (!yaml->parser ||
	    fy_parser_set_string(yaml->parser, yaml->text, len))
		return -ENOMEM;
	yaml->document = fy_parse_load_document(yaml->parser);
	if (fy_parser_get_stream_error(yaml->parser))
		return syntax_errors(yaml);
	if (!yaml->document)
		return 0;
	second = fy_parse_load_document(yaml->parser);
	if (fy_parser_get_stream_error(yaml->parser))
		return syntax_errors(yaml);
	if (!second)
		return 0;
	bench_yaml_wrong(yaml, fy_document_root(second), NULL,
			 "a second YAML document; expected one");
	fy_parse_document_destroy(yaml->parser, second);
	return -EINVAL;
}

static struct fy_diag *new_diag(void)
{
	struct fy_diag_cfg config;
	struct fy_diag *diag;

	fy_diag_cfg_default(&config);
	config.fp = NULL;
	config.level = FYET_ERROR;
	diag = fy_diag_create(&config);
	if (diag)
		fy_diag_set_collect_errors(diag, true);
	return diag;
}

int bench_yaml_open(struct bench_yaml *yaml, const char *path, FILE *complaints)
{
	size_t len = 0;
	int err;

	*yaml = (struct bench_yaml){.name = path, .complaints = complaints};
	err = read_file(yaml, path, &len);
	if (!err)
		err = check_text(yaml, len);
	if (!err) {
		yaml->diag = new_diag();
		err = yaml->diag ? parse(yaml, len) : -ENOMEM;
	}
	if (err && !yaml->mistakes)
		tell(yaml, 0, 0, "%s", strerror(-err));
	return err;
}

void bench_yaml_close(struct bench_yaml *yaml)
{
	if (yaml->mistakes > BENCH_YAML_MISTAKES)
		fprintf(yaml->complaints, "%s: %u more mistakes\n", yaml->name,
			yaml->mistakes - BENCH_YAML_MISTAKES);
	if (yaml->document)
		fy_parse_document_destroy(yaml->parser, yaml->document);
	if (yaml->parser)
		fy_parser_destroy(yaml->parser);
	fy_diag_destroy(yaml->diag);
	free(yaml->text);
	*yaml = (struct bench_yaml){.name = NULL};
}

struct fy_node *bench_yaml_root(const struct bench_yaml *yaml)
{
	return yaml->document ? fy_document_root(yaml->document) : NULL;
}

/* --- nodes --- */

static bool quoted(struct fy_token *token)
{
	enum fy_scalar_style style = fy_token_scalar_style(token);

	return style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
}

/* Where a scalar starts; only those have a place of their own. */
static bool scalar_place(struct fy_node *node, int *line, int *column)
{
	struct fy_token *token = fy_node_get_scalar_token(node);
	const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;

	if (!mark)
		return false;
	*line = mark->line + 1;
	/* The mark is behind the quote, and behind an alias's '*'. */
	*column = mark->column + 1 - quoted(token) - fy_node_is_alias(node);
	return true;
}

/* Where a node starts: at its first scalar. The depth is libfyaml's. */
static bool place(struct fy_node *node, int *line, int *column)
{
	void *state = NULL;
	struct fy_node *first = node;

	while (first && !fy_node_is_scalar(first)) {
		state = NULL;
		if (fy_node_is_sequence(first)) {
			first = fy_node_sequence_iterate(first, &state);
		} else {
			struct fy_node_pair *pair =
				fy_node_mapping_iterate(first, &state);

			first = pair ? fy_node_pair_key(pair) : NULL;
		}
	}
	return first && scalar_place(first, line, column);
}

unsigned bench_yaml_line(struct fy_node *node)
{
	int line = 0, column;

	return place(node, &line, &column) ? (unsigned)line : 0;
}

void bench_yaml_wrong(struct bench_yaml *yaml, struct fy_node *node,
		      struct fy_node *key, const char *format, ...)
{
	int line = 0, column = 0;
	va_list args;

	if (!place(node, &line, &column))
		place(key, &line, &column);
	va_start(args, format);
	tell_list(yaml, line, column, format, args);
	va_end(args);
}

static const char *why_no_text(struct fy_node *node, const char *text,
			       size_t len)
{
	if (!node || !fy_node_is_scalar(node))
		return "not a single value";
	if (fy_node_is_alias(node))
		return "a YAML alias";
	if (fy_node_get_tag_token(node))
		return "a YAML tag";
	if (!text || !len)
		return "nothing";
	if (len >= BENCH_YAML_TEXT)
		return "too long a value";
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return "a control character or a second line";
	}
	return NULL;
}

bool bench_yaml_scalar(struct bench_yaml *yaml, struct fy_node *node,
		       struct fy_node *key, char text[BENCH_YAML_TEXT])
{
	size_t len = 0;
	const char *from = node && fy_node_is_scalar(node)
				   ? fy_node_get_scalar(node, &len)
				   : NULL;
	const char *why = why_no_text(node, from, len);

	if (why) {
		bench_yaml_wrong(yaml, node, key,
				 "%s; expected text of one line, at most %d "
				 "octets",
				 why, BENCH_YAML_TEXT - 1);
		return false;
	}
	memcpy(text, from, len);
	text[len] = '\0';
	return true;
}

struct fy_node *bench_yaml_next(struct fy_node *one_or_more, void **state)
{
	if (one_or_more && fy_node_is_sequence(one_or_more))
		return fy_node_sequence_iterate(one_or_more, state);
	if (*state)
		return NULL;
	*state = one_or_more;
	return one_or_more;
}
