/* SPDX-License-Identifier: Apache-2.0 */
/* The sink's script: what is read, and where mistakes are said to be. */
#include "tests/unit/bench/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench_rng.h"
#include "bench/bench_yaml.h"
#include "bench/sink/sink_script.h"

struct script {
	char path[32];
	struct sink_rules rules;
	char *said; /* owned */
};

static int set_up(void **state)
{
	struct script *s = calloc(1, sizeof(*s));
	int fd;

	strcpy(s->path, "/tmp/script.XXXXXX");
	fd = mkstemp(s->path);
	assert_true(fd >= 0);
	close(fd);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct script *s = *state;

	unlink(s->path);
	sink_rules_free(&s->rules);
	free(s->said);
	free(s);
	return 0;
}

static int read_octets(struct script *s, const char *text, size_t len)
{
	size_t size;
	FILE *f = fopen(s->path, "w");
	int err;

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
	free(s->said);
	s->said = NULL;
	sink_rules_free(&s->rules);
	f = open_memstream(&s->said, &size);
	err = sink_script_read(s->path, &s->rules, f);
	fclose(f);
	return err;
}

static struct sink_rule *read_rule(struct script *s, const char *text)
{
	char all[4000];
	int len = snprintf(all, sizeof(all), "rules:\n%s\n", text);

	if (read_octets(s, all, (size_t)len)) {
		fail_msg("%s", s->said);
		return NULL;
	}
	assert_string_equal(s->said, "");
	assert_int_equal(s->rules.count, 1);
	return &s->rules.list[0];
}

/* The text without its '|' is refused, and only with this, said of the place
 * where the '|' stood. */
static void refused(struct script *s, const char *marked, const char *what)
{
	const char *mark = strchr(marked, '|');
	char *text = strdup(marked), *line;
	unsigned row = 1, column = 1;
	char want[1000];

	if (mark) {
		memmove(text + (mark - marked), mark + 1, strlen(mark));
		for (const char *p = marked; p < mark; p++) {
			column = *p == '\n' ? 1 : column + 1;
			row += *p == '\n';
		}
		snprintf(want, sizeof(want), "%s:%u:%u: %s", s->path, row,
			 column, what);
	} else {
		snprintf(want, sizeof(want), "%s:%s", s->path, what);
	}
	assert_int_equal(read_octets(s, text, strlen(text)), -EINVAL);
	free(text);
	if (strncmp(s->said, want, strlen(want)))
		fail_msg("'%s' is not said, but: %s", want, s->said);
	line = strchr(s->said, '\n');
	assert_string_equal(line, "\n");
}

/* --- what is read --- */

static void a_rule_with_everything(void **state)
{
	struct sink_rule *r = read_rule(*state, "- at: [rcpt, eod]\n"
						"  client: 192.0.2.*\n"
						"  helo: '*.example'\n"
						"  sender: <>\n"
						"  recipient: ['*@a', '*@b']\n"
						"  after: 7\n"
						"  skip: 2\n"
						"  times: 3\n"
						"  share: 12.5%\n"
						"  delay: 20ms-2s\n"
						"  pieces: 5\n"
						"  pause: 1m\n"
						"  reply: 452 4.2.2 Full\n"
						"  hang_up: close\n");

	assert_int_equal(r->line, 2);
	assert_int_equal(r->phases, 1 << SINK_AT_RCPT | 1 << SINK_AT_EOD);
	assert_string_equal(r->client.list[0], "192.0.2.*");
	assert_string_equal(r->helo.list[0], "*.example");
	assert_string_equal(r->sender.list[0], "<>");
	assert_int_equal(r->recipient.count, 2);
	assert_string_equal(r->recipient.list[1], "*@b");
	assert_int_equal(r->after, 7);
	assert_int_equal(r->skip, 2);
	assert_int_equal(r->times, 3);
	assert_int_equal(r->share, BENCH_SHARE_ALL / 8);
	assert_int_equal(r->delay_ms.min, 20);
	assert_int_equal(r->delay_ms.max, 2000);
	assert_int_equal(r->pieces, 5);
	assert_int_equal(r->pause_ms, 60000);
	assert_int_equal(r->code, 452);
	assert_string_equal(r->reply, "452 4.2.2 Full\r\n");
	assert_int_equal(r->hang_up, SINK_CLOSE);
}

static void a_share_not_given_is_all(void **state)
{
	struct sink_rule *r = read_rule(*state, "- {at: mail, reply: 450}");

	assert_int_equal(r->share, BENCH_SHARE_ALL);
	assert_int_equal(r->times, 0);
}

static void a_code_alone_gets_a_text(void **state)
{
	struct sink_rule *r = read_rule(*state, "- {at: mail, reply: 450}");

	assert_string_equal(r->reply, "450 As the script says\r\n");
}

static void replies_may_have_many_lines(void **state)
{
	struct sink_rule *r = read_rule(
		*state, "- {at: connect, reply: [220 one, two, 'three 3']}");

	assert_string_equal(r->reply, "220-one\r\n220-two\r\n220 three 3\r\n");
}

static void a_greylist_has_a_reply(void **state)
{
	struct script *s = *state;
	struct sink_rule *r = read_rule(s, "- {at: rcpt, greylist: 3s}");

	assert_true(r->grey);
	assert_true(s->rules.grey);
	assert_int_equal(r->grey_ms, 3000);
	assert_int_equal(r->code, 451);
}

static void ehlo_may_hide_what_it_offers(void **state)
{
	struct sink_rule *r = read_rule(
		*state, "- {at: ehlo, hide: [CHUNKING, STARTTLS, 8BITMIME]}");

	assert_int_equal(r->hide, SINK_OFFER_CHUNKING | SINK_OFFER_STARTTLS |
					  SINK_OFFER_8BITMIME);
}

static void handshakes_break_in_five_ways(void **state)
{
	static const char *const ways[] = {"garbage", "clear", "silence",
					   "alert", "half"};
	char text[64];

	for (int i = 0; i < 5; i++) {
		snprintf(text, sizeof(text), "- {at: handshake, tls: %s}",
			 ways[i]);
		assert_int_equal(read_rule(*state, text)->bad_tls,
				 SINK_TLS_GARBAGE + i);
	}
}

static void a_place_in_the_body(void **state)
{
	struct sink_rule *r =
		read_rule(*state, "- {at: body, octets: 100K, hang_up: reset}");

	assert_int_equal(r->octets, 102400);
	assert_int_equal(r->hang_up, SINK_RESET);
}

static void rules_follow_those_of_options(void **state)
{
	struct sink_rules rules = {.list = NULL};
	struct script *s = *state;
	FILE *f = fopen(s->path, "w");

	fputs("# two\nrules:\n- {at: mail, reply: 450}\n- {at: rcpt, reply: "
	      "450}\n",
	      f);
	fclose(f);
	assert_int_equal(sink_rule_reply_opt("rcpt=550", &rules), 0);
	assert_int_equal(sink_script_read(s->path, &rules, stderr), 0);
	assert_int_equal(rules.count, 3);
	assert_int_equal(rules.list[0].line, 0);
	assert_int_equal(rules.list[1].line, 3);
	assert_int_equal(rules.list[2].line, 4);
	sink_rules_free(&rules);
}

/* --- mistakes --- */

static void unknown_words(void **state)
{
	refused(*state, "|rule: []\n", "no key 'rule'");
	refused(*state, "rules:\n- {at: rcpt, reply: 450, |ta: x}\n",
		"no key 'ta' in a rule");
	refused(*state, "rules:\n- {at: |somewhere, reply: 450}\n",
		"'somewhere' for 'at' is not understood; expected "
		"connect,");
	refused(*state, "rules:\n- at: [rcpt,\n   |nowhere]\n  reply: 450\n",
		"'nowhere' for 'at' is not understood");
}

static void bad_values(void **state)
{
	static const struct {
		const char *rule, *what;
	} rows[] = {
		{"share: |101%", "'101%' for 'share' is out of range"},
		{"share: |x", "'x' for 'share' is not understood"},
		{"delay: |20", "'20' for 'delay' is not understood"},
		{"delay: |2h", "'2h' for 'delay' is out of range"},
		{"delay: |2s-1s", "'2s-1s' for 'delay' is not"},
		{"delay: |1s-", "'1s-' for 'delay' is not"},
		{"delay: |99999999999s", "'99999999999s' for 'delay' is"},
		{"times: |0", "'0' for 'times' is out of range"},
		{"after: |-1", "'-1' for 'after' is not understood"},
		{"reply: |199", "'199' for 'reply' is not understood"},
		{"reply: |4500 x", "'4500 x' for 'reply' is not"},
		{"reply: |450-x", "'450-x' for 'reply' is not understood"},
		{"reply: |\"450 x\\r\\n250 y\"", "a control character"},
		{"|reply: []", "'reply' with nothing in it"},
		{"|reply:", "nothing; expected text"},
		{"reply: {|a: b}", "not a single value"},
		{"reply: |*a", "a YAML alias; expected text"},
		{"reply: !!int |450", "a YAML tag"},
		{"hang_up: |yes", "'yes' for 'hang_up' is not understood"},
		{"hide: |VRFY", "'VRFY' for 'hide' is not understood"},
		{"accept: |no", "'no' for 'accept' is not understood"},
	};
	char text[200];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "rules:\n- {at: rcpt, %s}\n",
			 rows[i].rule);
		refused(*state, text, rows[i].what);
	}
}

static void keys_in_the_wrong_place(void **state)
{
	static const struct {
		const char *rule, *what;
	} rows[] = {
		{"at: mail, recipient: |x, reply: 450", "'recipient' "},
		{"at: ehlo, sender: |x, reply: 450", "'sender' makes no"},
		{"at: connect, helo: |x, reply: 450", "'helo' makes no"},
		{"at: eod, greylist: |1s", "'greylist' makes no sense"},
		{"at: mail, hide: |SIZE", "'hide' makes no sense"},
		{"at: starttls, tls: |alert", "'tls' makes no sense"},
		{"at: data, octets: |5, reply: 450", "'octets' makes no"},
		{"at: body, reply: |450", "'reply' makes no sense"},
		{"at: [eod, handshake], reply: |450", "'reply' makes no"},
		{"at: handshake, pieces: |1", "'pieces' makes no sense"},
	};
	char text[200];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "rules:\n- {%s}\n", rows[i].rule);
		refused(*state, text, rows[i].what);
	}
}

static void keys_that_shut_out_each_other(void **state)
{
	refused(*state, "rules:\n- {at: rcpt, reply: |450, accept: yes}\n",
		"'accept' and 'reply'; expected one");
	refused(*state,
		"rules:\n- {at: handshake, tls: alert, hang_up: |drop}\n",
		"'tls' and 'hang_up'");
	refused(*state, "rules:\n- {at: rcpt, reply: 450, pause: |5ms}\n",
		"'pause' without 'pieces'");
}

static void incomplete_rules(void **state)
{
	refused(*state, "rules:\n- |reply: 450\n", "a rule without 'at'");
	refused(*state, "rules:\n- |at: rcpt\n  share: 5%\n",
		"a rule that does nothing");
	refused(*state, "rules:\n- |rcpt\n", "not a rule");
	refused(*state, "rules: |5\n", "not a list");
	refused(*state, "- |at: rcpt\n", "not a script");
	refused(*state, "# nothing\n", " not a script");
}

static void a_key_twice(void **state)
{
	assert_int_equal(read_octets(*state, "rules: []\nrules: []\n", 20),
			 -EINVAL);
}

static void no_yaml(void **state)
{
	refused(*state, "rules:\n- {at: rcpt\n", "");
	refused(*state, "rules: [\n  {at: 'rcpt}\n", "");
	refused(*state, "---\nrules: []\n---\n|rules: []\n",
		"a second YAML document");
}

static void no_text(void **state)
{
	struct script *s = *state;

	refused(s, "rules:\n- {at: rcpt, reply: 450 |\xff}\n",
		"octet 0xff; expected UTF-8");
	assert_int_equal(read_octets(s, "rules: []\0\n", 11), -EINVAL);
	refused(s, "a: |\xc0\x80\n", "octet 0xc0");
	refused(s, "a: |\xed\xa0\x80\n", "octet 0xed");
	refused(s, "a: |\x1b[0m\n", "octet 0x1b");
}

static void all_mistakes_are_told_at_once(void **state)
{
	struct script *s = *state;
	static const char text[] = "rules:\n"
				   "- {at: rcpt, share: x}\n"
				   "- {at: rcpt, times: x}\n";

	assert_int_equal(read_octets(s, text, strlen(text)), -EINVAL);
	assert_non_null(strstr(s->said, ":2:21: "));
	assert_non_null(strstr(s->said, ":3:21: "));
}

static void many_mistakes_are_counted(void **state)
{
	char text[6 + 100 * 8 + 1] = "rules:";
	struct script *s = *state;
	unsigned lines = 0;

	for (int i = 0; i < 100; i++)
		strcat(text, "\n- {x: }");
	assert_int_equal(read_octets(s, text, strlen(text)), -EINVAL);
	for (char *p = s->said; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, BENCH_YAML_MISTAKES + 1);
	assert_non_null(strstr(s->said, ": 80 more mistakes\n"));
}

static void too_much(void **state)
{
	size_t big = BENCH_YAML_MAX + 10, deep = 20000;
	struct script *s = *state;
	char *text = malloc(big);

	memset(text, '#', big);
	assert_int_equal(read_octets(s, text, big), -EFBIG);
	memset(text, '[', deep);
	assert_int_equal(read_octets(s, text, deep), -EINVAL);
	text[0] = '\0';
	strcpy(text, "rules:");
	for (int i = 0; i <= SINK_RULES_MAX; i++)
		strcat(text, i < SINK_RULES_MAX
				     ? "\n- {at: rcpt, reply: 450}"
				     : "\n- {|at: rcpt, reply: 450}");
	refused(s, text, "too many rules; expected at most 256");
	strcpy(text, "rules:\n- {at: rcpt, reply: [450 x");
	for (int i = 0; i < SINK_REPLY_LINES; i++)
		strcat(text, i < SINK_REPLY_LINES - 1 ? ", y" : ", |y");
	strcat(text, "]}\n");
	refused(s, text, "'y' for 'reply' is out of range");
	memset(text, 'x', 2000);
	strcpy(text, "rules:\n- {at: rcpt, reply: |450 ");
	memset(text + strlen(text), 'x', 900);
	strcpy(text + 1500, "}\n");
	refused(s, text, "too long a value");
	free(text);
}

static void no_file(void **state)
{
	struct script *s = *state;
	size_t size;
	FILE *f = open_memstream(&s->said, &size);

	assert_int_equal(sink_script_read("/nonexistent", &s->rules, f),
			 -ENOENT);
	fclose(f);
	assert_string_equal(s->said,
			    "/nonexistent: No such file or directory\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_rule_with_everything),
		TEST(a_share_not_given_is_all),
		TEST(a_code_alone_gets_a_text),
		TEST(replies_may_have_many_lines),
		TEST(a_greylist_has_a_reply),
		TEST(ehlo_may_hide_what_it_offers),
		TEST(handshakes_break_in_five_ways),
		TEST(a_place_in_the_body),
		TEST(rules_follow_those_of_options),
		TEST(unknown_words),
		TEST(bad_values),
		TEST(keys_in_the_wrong_place),
		TEST(keys_that_shut_out_each_other),
		TEST(incomplete_rules),
		TEST(a_key_twice),
		TEST(no_yaml),
		TEST(no_text),
		TEST(all_mistakes_are_told_at_once),
		TEST(many_mistakes_are_counted),
		TEST(too_much),
		TEST(no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
