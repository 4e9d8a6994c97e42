/* SPDX-License-Identifier: BSD-3-Clause */

/* Files of patterns: what a line means, and which line is said to be wrong. */

#include "dpi_priv.h"
#include "toy_dpi.h"

#include <errno.h>

/* Read a source as weir_dpi_compile() does; the rules are the caller's to clear. */
static int read_text(const struct weir_dpi_source *source, struct dpi_rules *rules,
		     struct toy_findings *f, struct weir_why *why)
{
	const struct weir_dpi_conf conf = {.finding = toy_finding, .ctx = f};
	struct dpi_reader r = {
		.conf = &conf, .rules = rules, .source = source, .file = source->name, .why = why};
	const struct dpi_text text = {source->text, source->text_bytes};

	*rules = (struct dpi_rules){0};
	return source->format == WEIR_DPI_SNORT ? dpi_snort_read(&r, text)
						: dpi_patterns_read(&r, text);
}

static void test_a_line_is_a_number_an_expression_and_flags(void)
{
	const struct weir_dpi_source source =
		toy_patterns("# a comment\n\n  1:/abc/\r\n4294967295:/a\\/b:c/d/ismHV8W\n");
	struct toy_findings f = {.n = 0};
	struct dpi_rules rules;
	struct weir_why why;

	CU_ASSERT_EQUAL_FATAL(read_text(&source, &rules, &f, &why), 0);
	CU_ASSERT_EQUAL_FATAL(rules.n, 2);
	CU_ASSERT_EQUAL(rules.rule[0].id, 1);
	CU_ASSERT_EQUAL(rules.rule[0].line, 3);
	CU_ASSERT_STRING_EQUAL(rules.rule[0].part[0].regex, "abc");
	CU_ASSERT_STRING_EQUAL(rules.rule[0].message, "abc");
	CU_ASSERT_EQUAL(rules.rule[0].part[0].flags, 0);
	CU_ASSERT_EQUAL(rules.rule[0].action, WEIR_DPI_ALERT);
	CU_ASSERT_EQUAL(rules.rule[0].dirs, 3);
	CU_ASSERT_EQUAL(rules.rule[1].id, UINT32_MAX);
	CU_ASSERT_STRING_EQUAL(rules.rule[1].part[0].regex, "a\\/b:c/d");
	CU_ASSERT_EQUAL(rules.rule[1].part[0].flags,
			HS_FLAG_CASELESS | HS_FLAG_DOTALL | HS_FLAG_MULTILINE |
				HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY | HS_FLAG_UTF8 |
				HS_FLAG_UCP);
	dpi_rules_clear(&rules);
}

static void test_a_line_that_is_none_is_named(void)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"1:/a/\nabc\n", "toy.patterns:2: it does not begin with a number"},
		{"/a/i", "toy.patterns:1: it does not begin with a number"},
		{"-1:/a/", "toy.patterns:1: it does not begin with a number"},
		{"4294967296:/a/", "toy.patterns:1: it does not begin with a number"},
		{"1:abc", "toy.patterns:1: the regular expression is not between slashes"},
		{"1:/abc", "toy.patterns:1: the regular expression is not between slashes"},
		{"1://", "toy.patterns:1: the regular expression is empty"},
		{"1:/a/q", "toy.patterns:1: flag 113 ('q') is none of"},
		{"1:/a/L", "flag 76 ('L')"},
		{"1:/a/{min_offset=3}", "flag 123 ('{')"},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct weir_dpi_source source = toy_patterns(cases[i].text);
		struct toy_findings f = {.n = 0};
		struct weir_why why = {""};
		struct dpi_rules rules;

		CU_ASSERT_EQUAL(read_text(&source, &rules, &f, &why), -EINVAL);
		CU_ASSERT_PTR_NOT_NULL(strstr(why.text, cases[i].says));
		dpi_rules_clear(&rules);
	}
}

static void test_a_rule_of_snort_is_read(void)
{
	const struct weir_dpi_source source = toy_snort(
		"# comment\n"
		"drop tcp $HOME_NET any -> $EXTERNAL_NET [80, 8080:8090,60000:] ( \\\n"
		"  msg:\"a \\\"quoted\\\" name; with a semicolon\"; flow:to_server,established; \\\n"
		"  content:\"GET |20 2F|a\\|\"; nocase; offset:2; depth:20; rev:3; sid:1000001;)\n"
		"reject udp any 53 <> any any (msg:\"b\"; content:\"x\",nocase,offset 1; "
		"pcre:\"/y\\/z/iA\"; sid:7; metadata:a b;)\n"
		"alert ip any :99 -> any any (pcre:\"/q/smx\"; sid:8;)\n");
	struct toy_findings f = {.n = 0};
	const struct dpi_rule *rule;
	struct dpi_rules rules;
	struct weir_why why;

	CU_ASSERT_EQUAL_FATAL(read_text(&source, &rules, &f, &why), 0);
	CU_ASSERT_EQUAL(f.n, 0);
	CU_ASSERT_EQUAL_FATAL(rules.n, 3);
	rule = &rules.rule[0];
	CU_ASSERT_EQUAL(rule->line, 2);
	CU_ASSERT_EQUAL(rule->id, 1000001);
	CU_ASSERT_EQUAL(rule->action, WEIR_DPI_DROP);
	CU_ASSERT_EQUAL(rule->modes, 1 << DPI_STREAM);
	CU_ASSERT_EQUAL(rule->dirs, 1 << WEIR_DIR_ORIG);
	CU_ASSERT_STRING_EQUAL(rule->message, "a \"quoted\" name; with a semicolon");
	CU_ASSERT_EQUAL(rule->sport.n, 0);
	CU_ASSERT_EQUAL_FATAL(rule->dport.n, 3);
	CU_ASSERT_EQUAL(rule->dport.range[0].lo, 80);
	CU_ASSERT_EQUAL(rule->dport.range[0].hi, 80);
	CU_ASSERT_EQUAL(rule->dport.range[1].hi, 8090);
	CU_ASSERT_EQUAL(rule->dport.range[2].hi, 65535);
	CU_ASSERT_STRING_EQUAL(rule->part[0].regex, "\\x47\\x45\\x54\\x20\\x20\\x2f\\x61\\x7c");
	CU_ASSERT(rule->part[0].flags & HS_FLAG_CASELESS);
	CU_ASSERT_EQUAL(rule->part[0].min_end, 2 + 8);
	CU_ASSERT_EQUAL(rule->part[0].max_end, 2 + 20);
	rule = &rules.rule[1];
	CU_ASSERT_EQUAL(rule->action, WEIR_DPI_RESET);
	CU_ASSERT_EQUAL(rule->modes, 1 << DPI_BLOCK);
	CU_ASSERT(rule->either_way);
	CU_ASSERT_EQUAL_FATAL(rule->n_parts, 2);
	CU_ASSERT_EQUAL(rule->part[0].min_end, 2);
	CU_ASSERT_STRING_EQUAL(rule->part[1].regex, "\\A(?:y\\/z)");
	CU_ASSERT_EQUAL(rule->part[1].flags, HS_FLAG_CASELESS);
	rule = &rules.rule[2];
	CU_ASSERT_EQUAL(rule->modes, 1 << DPI_BLOCK | 1 << DPI_STREAM);
	CU_ASSERT_STRING_EQUAL(rule->part[0].regex, "(?x)q");
	CU_ASSERT_EQUAL(rule->part[0].flags, HS_FLAG_DOTALL | HS_FLAG_MULTILINE);
	dpi_rules_clear(&rules);
}

static void test_a_rule_that_says_more_than_we_can_is_left_out_and_named(void)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"alert tcp any any -> any any (content:\"a\"; distance:3; sid:1;)",
		 "toy.rules:2: rule 1 is left out: option 'distance' is not supported"},
		{"alert tcp any any -> any any (content:\"a\"; http_uri; sid:1;)", "'http_uri'"},
		{"alert tcp any any -> any any (nocase; content:\"a\"; sid:1;)", "'nocase'"},
		{"alert tcp any any -> any any (content:!\"a\"; sid:1;)", "must not be there"},
		{"alert tcp any any -> any any (content:\"a\",within 3; sid:1;)", "within '3'"},
		{"alert tcp any any -> any any (content:\"abc\"; depth:2; sid:1;)", "depth '2'"},
		{"alert tcp any any -> any any (content:\"|4|\"; sid:1;)", "content"},
		{"alert tcp any any -> any any (content:\"|41\"; sid:1;)", "content"},
		{"alert tcp any any -> any any (content:\"\"; sid:1;)", "content"},
		{"alert tcp any any -> any any (content:a; sid:1;)", "content"},
		{"alert tcp any any -> any any (pcre:\"/a/R\"; sid:1;)", "pcre flag 'R'"},
		{"alert tcp any any -> any any (pcre:\"/a/U\"; sid:1;)", "pcre flag 'U'"},
		{"alert tcp any any -> any any (pcre:!\"/a/\"; sid:1;)", "pcre"},
		{"alert tcp any any -> any any (pcre:\"a\"; sid:1;)", "pcre"},
		{"alert tcp any any -> any any (pcre:\"/abc\"; sid:1;)", "two slashes"},
		{"alert tcp any any -> any any (pcre:\"//i\"; sid:1;)", "two slashes"},
		{"alert tcp any any -> any any (flow:no_stream; content:\"a\"; sid:1;)",
		 "no_stream"},
		{"alert tcp 10.0.0.0/8 any -> any any (content:\"a\"; sid:1;)", "10.0.0.0/8"},
		{"alert tcp any $HTTP_PORTS -> any any (content:\"a\"; sid:1;)", "$HTTP_PORTS"},
		{"alert tcp any !80 -> any any (content:\"a\"; sid:1;)", "'!80'"},
		{"alert tcp any 90:80 -> any any (content:\"a\"; sid:1;)", "'90:80'"},
		{"alert tcp any 65536 -> any any (content:\"a\"; sid:1;)", "'65536'"},
		{"alert tcp any 1,2,3,4,5,6,7,8,9 -> any any (content:\"a\"; sid:1;)", "ports"},
		{"alert icmp any any -> any any (content:\"a\"; sid:1;)", "protocol 'icmp'"},
		{"pass tcp any any -> any any (content:\"a\"; sid:1;)", "action 'pass'"},
		{"alert tcp any any <- any any (content:\"a\"; sid:1;)", "direction '<-'"},
		{"alert tcp any any -> any any any (content:\"a\"; sid:1;)", "before the options"},
		{"alert http (content:\"a\"; sid:1;)", "rule 1 is left out"},
		{"alert tcp any any -> any any (content:\"a\";)",
		 "the rule is left out: it has no sid"},
		{"alert tcp any any -> any any (sid:1;)", "neither content nor pcre"},
		{"alert tcp any any -> any any (content:\"a\"; sid:1)", "semicolon"},
		{"alert tcp any any -> any any (content:\"a; sid:1;)", "semicolon"},
		{"alert tcp any any -> any any content:\"a\"; sid:1;", "HEADER (OPTIONS)"},
		{"alert tcp any any -> any any (msg:x; content:\"a\"; sid:1;)", "msg"},
		{"alert tcp any any -> any any (content:\"a\"; sid:x;)", "sid 'x'"},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct toy_findings f = {.n = 0};
		struct weir_why why;
		struct dpi_rules rules;
		char text[512];
		struct weir_dpi_source source;

		snprintf(text, sizeof(text),
			 "\n%s\nalert udp any any -> any any (content:\"b\"; sid:2;)",
			 cases[i].text);
		source = toy_snort(text);
		CU_ASSERT_EQUAL(read_text(&source, &rules, &f, &why), 0);
		CU_ASSERT_EQUAL(f.n, 1);
		CU_ASSERT(toy_found(&f, cases[i].says));
		CU_ASSERT_EQUAL(rules.left_out, 1);
		CU_ASSERT_EQUAL_FATAL(rules.n, 1); /* the rest loads */
		CU_ASSERT_EQUAL(rules.rule[0].id, 2);
		CU_ASSERT_EQUAL(rules.rule[0].line, 3);
		dpi_rules_clear(&rules);
	}
}

static void test_contents_and_parts_have_a_limit(void)
{
	static char text[8192];
	struct weir_dpi_source source;
	struct toy_findings f = {.n = 0};
	struct dpi_rules rules;
	struct weir_why why;
	int at;

	at = snprintf(text, sizeof(text), "alert tcp any any -> any any (sid:1;");
	for (unsigned i = 0; i < DPI_PARTS + 1; i++)
		at += snprintf(text + at, sizeof(text) - (size_t)at, "content:\"a\";");
	at += snprintf(text + at, sizeof(text) - (size_t)at,
		       ")\nalert tcp any any -> any any (sid:2;content:\"%01025d\";)", 0);
	source = toy_snort(text);
	CU_ASSERT_EQUAL(read_text(&source, &rules, &f, &why), 0);
	CU_ASSERT_EQUAL(f.n, 2);
	CU_ASSERT(toy_found(&f, "more than 32 contents"));
	CU_ASSERT_EQUAL(rules.n, 0);
	dpi_rules_clear(&rules);
}

WEIR_TESTS("tables/dpi_patterns", TEST(a_line_is_a_number_an_expression_and_flags),
	   TEST(a_line_that_is_none_is_named), TEST(a_rule_of_snort_is_read),
	   TEST(a_rule_that_says_more_than_we_can_is_left_out_and_named),
	   TEST(contents_and_parts_have_a_limit))
