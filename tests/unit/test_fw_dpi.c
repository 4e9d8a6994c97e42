/* SPDX-License-Identifier: BSD-3-Clause */

/* From the section dpi to what is compiled: what is refused in which words, what a reload keeps,
 * numbers of applications. */

#define TOY_EAL_MIB 384
#include "toy_eal.h"
#include "toy_fw.h"
#include "toy_fw_fail.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <weir/sniff.h>

#define DPI   TOY_PORTS "dpi:\n"
#define RULES "firewall:\n  rules:\n"
#define FILE_ "/tmp/weir-fw-dpi"

static struct toy_fw fw;
static struct weir_why why;

static void write_file(const char *text)
{
	FILE *f = fopen(FILE_, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fputs(text, f);
	fclose(f);
}

static const struct weir_policy *open_good(const char *text)
{
	int rc;

	toy_eal();
	rc = toy_fw_open(&fw, text, NULL, &why);
	if (rc < 0)
		printf("\n  %s\n", why.text);
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	return fw.l3.policy;
}

static const struct weir_policy *reload_good(const char *text)
{
	const int rc = toy_fw_reload(&fw, text, &why);

	if (rc < 0)
		printf("\n  %s\n", why.text);
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	return fw.l3.policy;
}

static const struct {
	const char *text, *sentence;
} bad[] = {
	{TOY_PORTS RULES "    - {name: r, inspect: true, action: accept}",
	 "fw.yaml:4: rule r has inspect, but there is no section dpi"},
	{TOY_PORTS RULES "    - {name: r, application: tls, action: accept}",
	 "fw.yaml:4: rule r has application, but there is no section dpi"},
	{DPI "  flows: 64\n" RULES "    - {name: r, inspect: true, action: drop}",
	 "fw.yaml:6: rule r: inspect needs action: accept or synproxy"},
	{DPI "  flows: 64\n" RULES "    - {name: r, application: game, action: drop}",
	 "fw.yaml:6: application is game, must be tls, http, ssh, dns, quic, unknown or what dpi "
	 "names with action tag"},
	{DPI "  domains: {d: {names: a.example, action: tag}}",
	 "fw.yaml:3: dpi.domains.d: action tag needs an application"},
	{DPI "  domains: {d: {names: a.example, action: drop, application: x}}",
	 "fw.yaml:3: dpi.domains.d: application needs action tag"},
	{DPI "  domains: {d: {names: a.example, action: tag, application: unknown}}",
	 "fw.yaml:3: dpi.domains.d: application is unknown, which is what has none"},
	{DPI "  domains:\n    d: {names: 'a b', action: drop}",
	 "fw.yaml:4: dpi.domains.d: d: 'a b' is no name of a host, as example.com or =example.com"},
	{DPI "  domains:\n    d: {files: /nonexistent, action: drop}",
	 "fw.yaml:4: dpi.domains.d: /nonexistent: cannot be read: ENOENT: no such thing"},
	{DPI "  patterns:\n    p: {file: /nonexistent}",
	 "fw.yaml:4: dpi.patterns.p: /nonexistent: cannot be read: ENOENT: no such thing"},
	{DPI "  patterns: {p: {file: " FILE_ ", format: snort, action: drop}}",
	 "fw.yaml:3: dpi.patterns.p: rules of format snort have their own action and direction"},
	{DPI "  patterns: {p: {file: " FILE_ ", action: tag}}",
	 "fw.yaml:3: dpi.patterns.p: action tag needs an application"},
	{DPI "  patterns:\n    p: {file: " FILE_ "}", "fw.yaml:4: dpi.patterns.p: " FILE_ ":2: "},
};

static void test_what_is_wrong_is_one_sentence_with_file_line_and_key(void)
{
	toy_eal();
	write_file("1:/good/\n2:/(/\n");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT(toy_fw_open(&fw, bad[i].text, NULL, &why) < 0);
		CU_ASSERT_EQUAL(strncmp(why.text, bad[i].sentence, strlen(bad[i].sentence)), 0);
		if (strncmp(why.text, bad[i].sentence, strlen(bad[i].sentence)) != 0)
			printf("\n  is   %s\n  want %s\n", why.text, bad[i].sentence);
		toy_fw_close(&fw);
	}
	unlink(FILE_);
}

static void test_patterns_that_need_more_than_the_memory_of_a_stream_are_refused(void)
{
	toy_eal();
	write_file("1:/a.{100}b.{100}c.{100}d/s\n");
	CU_ASSERT_EQUAL(toy_fw_open(&fw,
				    DPI "  stream_bytes: 64\n  patterns: {p: {file: " FILE_ "}}",
				    NULL, &why),
			-EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "dpi.stream_bytes is 64, but the patterns need "));
	toy_fw_close(&fw);
	unlink(FILE_);
}

static void test_each_application_of_a_rule_is_a_rule_with_one_counter(void)
{
	const struct weir_rules *rules =
		open_good(DPI "  domains: {d: {names: a.example, action: tag, application: game}}\n"
			      "services: {web: {proto: [tcp, udp], dport: 443}}\n" RULES
			      "    - {name: r, service: web, application: [tls, game], action: "
			      "accept}\n")
			->rules;

	CU_ASSERT_EQUAL_FATAL(weir_rules_count(rules), 4);
	CU_ASSERT_STRING_EQUAL(weir_rules_at(rules, 3)->name, "r/4");
	CU_ASSERT_EQUAL(weir_rules_at(rules, 0)->app, WEIR_SNIFF_TLS);
	CU_ASSERT_EQUAL(weir_rules_at(rules, 1)->app, WEIR_APP_NAMED);
	CU_ASSERT_EQUAL(weir_rules_at(rules, 0)->slot, weir_rules_at(rules, 3)->slot);
	CU_ASSERT_TRUE(fw.l3.policy->by_app);
	CU_ASSERT_FALSE(fw.l3.policy->tags);
	toy_fw_close(&fw);
}

static void test_names_keep_their_numbers_over_reloads(void)
{
	open_good(DPI "  domains: {d: {names: a.example, action: tag, application: one}}\n");
	reload_good(DPI "  domains:\n    d: {names: a.example, action: tag, application: two}\n"
			"    e: {names: b.example, action: tag, application: tls}\n" RULES
			"    - {name: r, application: two, action: drop}\n");
	CU_ASSERT_EQUAL(fw_app_number(fw.run.fw, "one"), WEIR_APP_NAMED);
	CU_ASSERT_EQUAL(fw_app_number(fw.run.fw, "two"), WEIR_APP_NAMED + 1);
	CU_ASSERT_EQUAL(fw_app_number(fw.run.fw, "tls"), WEIR_SNIFF_TLS);
	CU_ASSERT_EQUAL(fw_app_number(fw.run.fw, "unknown"), WEIR_APP_UNKNOWN);
	CU_ASSERT_EQUAL(fw_app_number(fw.run.fw, "none"), 0);
	CU_ASSERT_PTR_NULL(fw_app_name(fw.run.fw, 0));
	CU_ASSERT_PTR_NULL(fw_app_name(fw.run.fw, WEIR_APP_NAMED + 2));
	CU_ASSERT(toy_fw_reload(&fw,
				DPI "  flows: 64\n" RULES
				    "    - {name: r, application: one, action: drop}\n",
				&why) < 0);
	toy_fw_close(&fw);
}

static void test_as_many_names_as_there_are_numbers(void)
{
	char text[256];
	int rc = 0;
	unsigned n = 0;

	open_good(DPI "  flows: 64\n");
	for (; rc == 0 && n < 300; n += rc == 0) {
		snprintf(text, sizeof(text),
			 DPI "  domains: {d: {names: a.example, action: tag, application: a%u}}\n",
			 n);
		rc = toy_fw_reload(&fw, text, &why);
	}
	CU_ASSERT_EQUAL(n, WEIR_APP_UNKNOWN - WEIR_APP_NAMED);
	CU_ASSERT_STRING_EQUAL(why.text,
			       "fw.yaml:3: dpi.domains.d: application a239 is one too "
			       "many since the program has begun, which had 239; restart it");
	toy_fw_close(&fw);
}

static void test_a_reload_compiles_only_what_has_changed(void)
{
	static const char one[] = DPI "  patterns: {p: {file: " FILE_ "}}\n";
	static const char more[] = DPI "  patterns: {p: {file: " FILE_ "}}\n" RULES
				       "    - {name: r, inspect: true, action: accept}\n";
	static const char other[] = DPI "  patterns: {p: {file: " FILE_ ", action: drop}}\n";
	const struct weir_dpi *first;

	write_file("1:/one/\n");
	first = open_good(one)->dpi;
	CU_ASSERT_PTR_EQUAL(reload_good(more)->dpi, first);
	CU_ASSERT_PTR_NOT_EQUAL(reload_good(other)->dpi, first);
	first = fw.l3.policy->dpi;
	write_file("1:/one/\n2:/two/\n");
	CU_ASSERT_PTR_NOT_EQUAL(reload_good(other)->dpi, first);
	first = fw.l3.policy->dpi;
	write_file("1:/(/\n");
	CU_ASSERT(toy_fw_reload(&fw, other, &why) < 0);
	CU_ASSERT_PTR_EQUAL(fw.l3.policy->dpi, first);
	CU_ASSERT_PTR_NULL(reload_good(TOY_PORTS)->dpi);
	toy_fw_close(&fw);
	unlink(FILE_);
}

static void test_a_rule_that_is_left_out_is_told_once(void)
{
	char *text = NULL;
	size_t bytes;

	write_file("alert tcp any any -> any any (msg:\"a\"; content:\"x\"; dsize:1; sid:5;)\n");
	open_good(DPI "  patterns: {p: {file: " FILE_ ", format: snort}}\n");
	CU_ASSERT_EQUAL(fw.run.fw->n_told, 1);
	reload_good(DPI "  budget: 1KiB\n  patterns: {p: {file: " FILE_ ", format: snort}}\n");
	CU_ASSERT_EQUAL(fw.run.fw->n_told, 1);
	fw.run.fw->findings = open_memstream(&text, &bytes);
	reload_good(DPI "  budget: 2KiB\n  patterns: {p: {file: " FILE_ ", format: snort}}\n");
	fclose(fw.run.fw->findings);
	CU_ASSERT_EQUAL(strncmp(text, "warning: " FILE_ ":1: rule 5 is left out: ", 40), 0);
	free(text);
	toy_fw_close(&fw);
	unlink(FILE_);
}

static void test_the_plan_has_the_memory_of_inspection(void)
{
	struct toy_fw_conf none, some;
	char *text = NULL;
	size_t bytes;
	FILE *to;

	toy_eal();
	CU_ASSERT_EQUAL_FATAL(toy_fw_load(TOY_PORTS, strlen(TOY_PORTS), &none, &why), 0);
	CU_ASSERT_EQUAL_FATAL(
		toy_fw_load(DPI "  flows: 16384\n", strlen(DPI "  flows: 16384\n"), &some, &why),
		0);
	CU_ASSERT(fw_bytes(&toy_fw_app, &some, 1) > fw_bytes(&toy_fw_app, &none, 1) + (32u << 20));
	CU_ASSERT(fw_may_follow(&none.fw, &some.fw, "fw.yaml", &why) < 0);
	to = open_memstream(&text, &bytes);
	fw_plan_print(&toy_fw_app, &none, 1, to);
	fflush(to);
	CU_ASSERT_EQUAL(bytes, 0);
	fw_plan_print(&toy_fw_app, &some, 2, to);
	fclose(to);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, " MiB to inspect 16384 flows at a time (32 MiB of it"));
	free(text);
	weir_conf_free(&toy_fw_schema, &none);
	weir_conf_free(&toy_fw_schema, &some);
}

static void test_a_worker_cannot_have_more_blocks_of_a_flow_than_blocks(void)
{
	const struct weir_dpi_section c = {
		.flows = 64, .early_blocks = 64, .early_flow = 32, .messages = 4};
	struct weir_dpi_worker_conf sizes;

	fw_dpi_sizes(&c, 4, &sizes);
	CU_ASSERT(sizes.states == 16 && sizes.held_blocks == 16 && sizes.flow_blocks == 16);
	CU_ASSERT_EQUAL(sizes.sniff_buffers, 1);
}

static void test_memory_may_run_out_at_any_time(void)
{
	static const char text[] = DPI
		"  domains: {d: {names: [a.example], action: tag, application: game}}\n" RULES
		"    - {name: r, application: [tls, game], inspect: true, action: accept}\n";

	toy_eal();
	expect_unwound(text);
}

WEIR_TESTS("firewall/dpi", TEST(what_is_wrong_is_one_sentence_with_file_line_and_key),
	   TEST(patterns_that_need_more_than_the_memory_of_a_stream_are_refused),
	   TEST(each_application_of_a_rule_is_a_rule_with_one_counter),
	   TEST(names_keep_their_numbers_over_reloads), TEST(as_many_names_as_there_are_numbers),
	   TEST(a_reload_compiles_only_what_has_changed),
	   TEST(a_rule_that_is_left_out_is_told_once), TEST(the_plan_has_the_memory_of_inspection),
	   TEST(a_worker_cannot_have_more_blocks_of_a_flow_than_blocks),
	   TEST(memory_may_run_out_at_any_time))
