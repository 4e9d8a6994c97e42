/* SPDX-License-Identifier: BSD-3-Clause */
/* YAML into structs: what is set, what is refused in which words, and what is written. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/conf.h>

#include "conf_sample.h"
#include "failalloc.h"
#include "test.h"

static struct weir_why why;

static int load(const char *text, struct sample_conf *out)
{
	const struct weir_conf_options options = {.env_prefix = WEIR_CONF_ENV_PREFIX};

	memset(&why, 0, sizeof(why));
	return weir_conf_load_text("weir.yaml", text, strlen(text), &sample_schema, &options, out,
				   &why);
}

/* The text is refused with exactly this sentence, and nothing is touched. */
static void refuses(const char *text, const char *sentence)
{
	struct sample_conf out, before;

	memset(&out, 0xa5, sizeof(out));
	before = out;
	CU_ASSERT_EQUAL(load(text, &out), -EINVAL);
	CU_ASSERT_STRING_EQUAL(why.text, sentence);
	if (strcmp(why.text, sentence) != 0)
		printf("\n  got:  %s\n  want: %s\n", why.text, sentence);
	CU_ASSERT_EQUAL(memcmp(&out, &before, sizeof(out)), 0);
}

static const char full[] =
	"runtime:\n"
	"  workers: [3, 0x04]\n"
	"  poll: busy\n"
	"  burst: 32\n"
	"  hugepages: 1GiB\n"
	"  nap: 0.5ms\n"
	"  limit: 1Mpps\n"
	"  share: 0.25\n"
	"  pin: false\n"
	"ports:\n"
	"  wan: {interface: eth0, addresses: [192.0.2.1/24, \"2001:db8::1/64\"]}\n"
	"  lan:\n"
	"    interface: eth1\n"
	"    mac: 02:00:00:00:00:01\n"
	"    mtu: 9000\n"
	"routes:\n"
	"  - {to: 0.0.0.0/0, via: 192.0.2.254}\n"
	"  - to: ::/0\n"
	"rules: [{words: one, rules: [{words: [two, three]}, {}]}]\n"
	"tls: {key: \"a\\tb\\u2028 \\\"q\\\" \\\\\"}\n"
	"motd: \"\xc3\xa9\xc3\xa8\"\n";

static void test_every_type_lands_in_its_member(void)
{
	struct sample_conf c;
	char text[WEIR_PREFIX_TEXT];
	const struct port_conf *ports;
	const struct route_conf *route;
	unsigned lines = 0;

	CU_ASSERT_EQUAL_FATAL(load(full, &c), 0);
	CU_ASSERT_EQUAL(c.runtime.workers.n, 2);
	CU_ASSERT_EQUAL(((uint64_t *)c.runtime.workers.items)[1], 4);
	CU_ASSERT_EQUAL(c.runtime.poll, 0);
	CU_ASSERT_EQUAL(c.runtime.burst, 32);
	CU_ASSERT_EQUAL(c.runtime.hugepages_bytes, UINT64_C(1) << 30);
	CU_ASSERT_EQUAL(c.runtime.nap_ns, 500000);
	CU_ASSERT_EQUAL(c.runtime.limit_pps, 1000000);
	CU_ASSERT_EQUAL(c.runtime.share, 0.25);
	CU_ASSERT_FALSE(c.runtime.pin);
	ports = c.ports.items;
	CU_ASSERT_EQUAL_FATAL(c.ports.n, 2);
	CU_ASSERT_STRING_EQUAL(ports[0].name, "wan");
	CU_ASSERT_EQUAL(ports[0].mtu, 1500);
	CU_ASSERT_EQUAL_FATAL(ports[0].addresses.n, 2);
	CU_ASSERT_STRING_EQUAL(
		weir_prefix_format((struct weir_prefix *)ports[0].addresses.items + 1, text),
		"2001:db8::1/64");
	CU_ASSERT_STRING_EQUAL(ports[1].interface, "eth1");
	CU_ASSERT_EQUAL(ports[1].mac.bytes[5], 1);
	CU_ASSERT_STRING_EQUAL(c.tls.cert, "cert.pem");
	CU_ASSERT_STRING_EQUAL(c.tls.key, "a\tb\xe2\x80\xa8 \"q\" \\");
	CU_ASSERT_EQUAL(ports[1].at.line, 13);
	weir_conf_each (route, &c.routes)
		lines = lines * 100 + route->at.line;
	CU_ASSERT_EQUAL(lines, 1718);
	weir_conf_free(&sample_schema, &c);
	CU_ASSERT_PTR_NULL(c.ports.items);
}

static void test_a_file_with_nothing_in_it_is_all_defaults(void)
{
	static const char *const texts[] = {"",	  "# nothing\n",  "---\n",
					    "{}", "\xef\xbb\xbf", "~\n"};

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct sample_conf c;

		CU_ASSERT_EQUAL_FATAL(load(texts[i], &c), 0);
		CU_ASSERT_EQUAL(c.runtime.burst, 64);
		CU_ASSERT_EQUAL(c.runtime.poll, 1);
		CU_ASSERT_EQUAL(c.runtime.workers.n, 2);
		CU_ASSERT_EQUAL(c.runtime.at.line, 0);
		CU_ASSERT_PTR_NULL(c.tls.key);
		CU_ASSERT_PTR_NULL(c.motd);
		CU_ASSERT_EQUAL(c.ports.n, 0);
		weir_conf_free(&sample_schema, &c);
	}
}

static void test_a_list_of_one_may_stand_alone_where_the_key_says_so(void)
{
	struct sample_conf c;

	CU_ASSERT_EQUAL_FATAL(load("runtime: {workers: 7}", &c), 0);
	CU_ASSERT_EQUAL_FATAL(c.runtime.workers.n, 1);
	CU_ASSERT_EQUAL(*(uint64_t *)c.runtime.workers.items, 7);
	weir_conf_free(&sample_schema, &c);
	refuses("ports: {wan: {interface: a, addresses: 10.0.0.1/8}}",
		"weir.yaml:1: ports.wan.addresses is a single value, must be a list");
}

static void test_a_wrong_value_is_named_with_line_and_key_and_what_is_allowed(void)
{
	refuses("runtime:\n  burst: 0\n", "weir.yaml:2: runtime.burst is 0, must be 1 to 512");
	refuses("runtime: {burst: 513}", "weir.yaml:1: runtime.burst is 513, must be 1 to 512");
	refuses("runtime: {burst: 99999999999999999999}",
		"weir.yaml:1: runtime.burst is 99999999999999999999, must be 1 to 512");
	refuses("runtime: {burst: many}",
		"weir.yaml:1: runtime.burst is many, must be a whole number, 1 to 512");
	refuses("runtime: {hugepages: 2GiB}",
		"weir.yaml:1: runtime.hugepages is 2GiB, must be 4KiB to 1GiB");
	refuses("runtime: {hugepages: 2MB}",
		"weir.yaml:1: runtime.hugepages is 2MB, must be a size such as 64KiB, 4KiB to 1GiB");
	refuses("runtime: {nap: 2ms}", "weir.yaml:1: runtime.nap is 2ms, must be 0s to 1ms");
	refuses("runtime: {limit: fast}",
		"weir.yaml:1: runtime.limit is fast, must be a rate such as 100kpps or 5/s");
	refuses("runtime: {limit: 99999999999Gpps}",
		"weir.yaml:1: runtime.limit is 99999999999Gpps, must be a rate such as 100kpps or "
		"5/s below 2^64");
	refuses("runtime: {share: 1.5}", "weir.yaml:1: runtime.share is 1.5, must be 0 to 1");
	refuses("runtime: {pin: yes}", "weir.yaml:1: runtime.pin is yes, must be true or false");
	refuses("runtime: {poll: lazy}",
		"weir.yaml:1: runtime.poll is lazy, must be busy, adaptive or interrupt");
	refuses("ports:\n  wan:\n    interface: eth0\n    mtu: 67\n",
		"weir.yaml:4: ports.wan.mtu is 67, must be 68 to 9000");
	refuses("ports: {wan: {interface: 0123456789abcdef}}",
		"weir.yaml:1: ports.wan.interface is 0123456789abcdef, must be 1 to 15 bytes");
	refuses("ports: {wan: {interface: \"\"}}",
		"weir.yaml:1: ports.wan.interface is \"\", must be 1 to 15 bytes");
	refuses("ports: {wan: {mac: 1}}", "weir.yaml:1: ports.wan.mac is 1, must be a MAC address "
					  "such as 02:00:00:00:00:01");
	refuses("routes:\n- to: 0.0.0.0/0\n- to: 10.0.0.0/33\n",
		"weir.yaml:3: routes[1].to is 10.0.0.0/33, must be an address with a prefix "
		"length, such as 192.0.2.0/24");
	refuses("routes: [{via: here}]",
		"weir.yaml:1: routes[0].via is here, must be an IPv4 or IPv6 address");
	refuses("runtime: {workers: [1, 1024]}",
		"weir.yaml:1: runtime.workers[1] is 1024, must be 0 to 1023");
}

static void test_an_unknown_key_is_refused_and_the_nearest_is_offered(void)
{
	refuses("runtime:\n  brust: 64\n",
		"weir.yaml:2: runtime.brust is not a key, did you mean burst?");
	refuses("prots: {}", "weir.yaml:1: prots is not a key, did you mean ports?");
	refuses("tls: {certificate: x}",
		"weir.yaml:1: tls.certificate is not a key, must be key or cert");
	refuses("\"a\\nb\": 1", "weir.yaml:1: \"a\\u000ab\" is not a key, must be runtime, ports, "
				"routes, rules, tls or motd");
	refuses("<<: {}",
		"weir.yaml:1: \"<<\" is not a key, must be runtime, ports, routes, rules, "
		"tls or motd");
}

static void test_what_is_given_twice_is_refused_with_both_lines(void)
{
	refuses("runtime:\n  burst: 1\n  pin: true\n  burst: 2\n",
		"weir.yaml:4: runtime.burst is given twice, first in line 2");
	refuses("motd: a\nmotd: b\n", "weir.yaml:2: motd is given twice, first in line 1");
	refuses("ports:\n  b: {interface: x}\n  a: {interface: x}\n  b: {interface: x}\n",
		"weir.yaml:4: ports.b is given twice, first in line 2");
}

static void test_a_missing_key_is_named_with_the_line_of_its_section(void)
{
	refuses("motd: x\nports:\n  wan:\n    mtu: 1500\n",
		"weir.yaml:4: ports.wan.interface is missing, must be a text, 1 to 15 bytes");
	refuses("routes: [{}]", "weir.yaml:1: routes[0].to is missing, must be an address with a "
				"prefix length, such as 192.0.2.0/24");
	refuses("tls: {}", "weir.yaml:1: tls.key is missing, must be a text");
}

static void test_a_value_of_the_wrong_kind_is_refused(void)
{
	refuses("[]", "weir.yaml:1: the file is a list, must be a section");
	refuses("hello", "weir.yaml:1: the file is a single value, must be a section");
	refuses("runtime: []", "weir.yaml:1: runtime is a list, must be a section");
	refuses("runtime: fast", "weir.yaml:1: runtime is a single value, must be a section");
	refuses("runtime:\n", "weir.yaml:1: runtime has no value, must be a section");
	refuses("runtime:\n  burst:\n",
		"weir.yaml:2: runtime.burst has no value, must be a whole number, 1 to 512");
	refuses("motd: ~", "weir.yaml:1: motd has no value, must be a text");
	refuses("motd: [a]", "weir.yaml:1: motd is a list, must be a text");
	refuses("motd: {a: b}", "weir.yaml:1: motd is a section, must be a text");
	refuses("routes: {}", "weir.yaml:1: routes is a section, must be a list");
	refuses("routes: [a]", "weir.yaml:1: routes[0] is a single value, must be a section");
	refuses("ports: [a]", "weir.yaml:1: ports is a list, must be a section of names");
	refuses("runtime: {workers: [[1]]}",
		"weir.yaml:1: runtime.workers[0] is a list, must be a whole number, 0 to 1023");
	refuses("{[a]: b}", "weir.yaml:1: the file has a list for a key, must be a name");
	refuses("ports: {{a: b}: c}",
		"weir.yaml:1: ports has a section for a name, must be a text");
	refuses("ports: {a b: {}}",
		"weir.yaml:1: ports has the name \"a b\", must be 1 to 255 bytes without blanks");
}

static void test_the_length_of_a_list_has_bounds(void)
{
	refuses("runtime: {workers: []}",
		"weir.yaml:1: runtime.workers has 0 items, must have 1 or more");
	refuses("runtime: {workers: [1,1,1,1,1,1,1,1,\n1]}",
		"weir.yaml:2: runtime.workers has more than 8 items, must have at most 8");
}

static void test_what_hides_meaning_in_yaml_is_refused(void)
{
	refuses("motd: &a x", "weir.yaml:1: an anchor (&name) is here, must be written out");
	refuses("runtime: &a {}", "weir.yaml:1: an anchor (&name) is here, must be written out");
	refuses("routes: &a []", "weir.yaml:1: an anchor (&name) is here, must be written out");
	refuses("motd: *a", "weir.yaml:1: an alias (*name) is here, must be written out");
	refuses("\nmotd: !!str x", "weir.yaml:2: a tag (!name) is here, must be written out");
	refuses("%TAG ! tag:x,2000:\n---\nmotd: x",
		"weir.yaml:1: a tag directive (%TAG) is here, must be without");
	refuses("motd: x\n---\nmotd: y\n",
		"weir.yaml:2: a second document begins here, must be one in a file");
}

static void test_what_is_not_yaml_is_refused_with_its_line(void)
{
	refuses("motd: x\nruntime: {burst: 1\n",
		"weir.yaml:3: the text is not YAML: did not find expected ',' or '}', while "
		"parsing a flow mapping");
	refuses("motd: \"x\n", "weir.yaml:2: the text is not YAML: found unexpected end of stream, "
			       "while scanning a quoted scalar");
	refuses("motd: x\n\tburst: 1\n",
		"weir.yaml:2: the text is not YAML: found a tab character that violates "
		"indentation, while scanning a plain scalar");
}

static void test_what_is_not_text_is_refused_with_its_line(void)
{
	struct sample_conf c;
	static const char nul[] = "motd: a\nx\0y";

	refuses("motd: a\nx\xff", "weir.yaml:2: byte 0xff is not UTF-8, must be UTF-8 text");
	refuses("motd: \xed\xa0\x80", "weir.yaml:1: byte 0xed is not UTF-8, must be UTF-8 text");
	refuses("motd: \xc0\x80", "weir.yaml:1: byte 0xc0 is not UTF-8, must be UTF-8 text");
	refuses("motd: \x01", "weir.yaml:1: the control character U+0001 is in the text, must be "
			      "without");
	refuses("motd: \"a\\0b\"", "weir.yaml:1: a NUL (\\0) is in the text, must be without");
	CU_ASSERT_EQUAL(weir_conf_load_text("weir.yaml", nul, sizeof(nul) - 1, &sample_schema, NULL,
					    &c, &why),
			-EINVAL);
	CU_ASSERT_STRING_EQUAL(why.text,
			       "weir.yaml:2: a NUL byte is in the text, must be UTF-8 text");
}

static void test_records_inside_records_end_at_sixteen(void)
{
	static char text[4096];
	struct sample_conf c;
	size_t n = 0;

	n += (size_t)sprintf(text, "{");
	for (int i = 0; i < 15; i++)
		n += (size_t)sprintf(text + n, "rules: [{");
	for (int i = 0; i < 15; i++)
		n += (size_t)sprintf(text + n, "}]");
	sprintf(text + n, "}");
	CU_ASSERT_EQUAL(load(text, &c), 0);
	weir_conf_free(&sample_schema, &c);
	text[0] = '{';
	for (n = 1; n < 4000;)
		n += (size_t)sprintf(text + n, "rules: [{");
	CU_ASSERT_EQUAL(load(text, &c), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "is nested too deep, must be at most 16 deep"));
	memset(text, '[', sizeof(text) - 1);
	CU_ASSERT_EQUAL(load(text, &c), -EINVAL);
}

static void test_a_long_or_strange_value_is_shown_short_and_quoted(void)
{
	refuses("runtime: {burst: \"01234567890123456789012345678901234567890123456789\"}",
		"weir.yaml:1: runtime.burst is 0123456789012345678901234567890123456789..., must "
		"be a whole number, 1 to 512");
	refuses("runtime: {burst: \"a\\n\\e\\\"\"}",
		"weir.yaml:1: runtime.burst is \"a\\u000a\\u001b\\\"\", must be a whole number, 1 "
		"to 512");
}

static void test_the_environment_overrides_single_values(void)
{
	struct sample_conf c;
	const struct port_conf *port;

	setenv("WEIR_RUNTIME__BURST", "16", 1);
	setenv("WEIR_MOTD", "from outside", 1);
	setenv("WEIR_PORTS__WAN_0__MTU", "9000", 1);
	CU_ASSERT_EQUAL_FATAL(
		load("motd: x\nports: {wan-0: {interface: a}, lan: {interface: b}}", &c), 0);
	CU_ASSERT_EQUAL(c.runtime.burst, 16);
	CU_ASSERT_STRING_EQUAL(c.motd, "from outside");
	port = c.ports.items;
	CU_ASSERT_EQUAL(port[0].mtu, 9000);
	CU_ASSERT_EQUAL(port[1].mtu, 1500);
	weir_conf_free(&sample_schema, &c);
	CU_ASSERT_EQUAL_FATAL(
		weir_conf_load_text("x", "motd: x", 7, &sample_schema, NULL, &c, &why), 0);
	CU_ASSERT_STRING_EQUAL(c.motd, "x"); /* nobody asked for the environment */
	weir_conf_free(&sample_schema, &c);
	unsetenv("WEIR_PORTS__WAN_0__MTU");
	unsetenv("WEIR_MOTD");
	unsetenv("WEIR_RUNTIME__BURST");
}

static void test_an_error_from_the_environment_names_the_variable(void)
{
	setenv("WEIR_RUNTIME__BURST", "0", 1);
	refuses("runtime:\n  burst: 2\n",
		"WEIR_RUNTIME__BURST: runtime.burst is 0, must be 1 to 512");
	unsetenv("WEIR_RUNTIME__BURST");
	setenv("WEIR_RUNTIME__BRUST", "1", 1);
	refuses("", "environment: WEIR_RUNTIME__BRUST sets nothing, must name a single value of "
		    "the configuration");
	unsetenv("WEIR_RUNTIME__BRUST");
	setenv("WEIR_TLS__CERT", "x.pem", 1);
	refuses("", "weir.yaml:1: tls.key is missing, must be a text");
	unsetenv("WEIR_TLS__CERT");
	setenv("WEIR_MOTD", "\xff", 1);
	refuses("", "WEIR_MOTD:1: byte 0xff is not UTF-8, must be UTF-8 text");
	unsetenv("WEIR_MOTD");
}

static void test_a_file_is_loaded_like_a_text_and_named_in_errors(void)
{
	char path[] = "test_conf.XXXXXX", want[128];
	struct sample_conf c;
	const int fd = mkstemp(path);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL_FATAL(write(fd, full, sizeof(full) - 1), (ssize_t)sizeof(full) - 1);
	CU_ASSERT_EQUAL_FATAL(weir_conf_load_file(path, &sample_schema, NULL, &c, &why), 0);
	CU_ASSERT_EQUAL(c.runtime.burst, 32);
	weir_conf_free(&sample_schema, &c);
	CU_ASSERT_EQUAL_FATAL(ftruncate(fd, (off_t)WEIR_CONF_FILE_MAX + 1), 0);
	CU_ASSERT_EQUAL(weir_conf_load_file(path, &sample_schema, NULL, &c, &why), -EFBIG);
	snprintf(want, sizeof(want), "%s: the file is too large, must be at most 64MiB", path);
	CU_ASSERT_STRING_EQUAL(why.text, want);
	close(fd);
	unlink(path);
	CU_ASSERT_EQUAL(weir_conf_load_file(path, &sample_schema, NULL, &c, &why), -ENOENT);
	snprintf(want, sizeof(want), "%s: the file cannot be read: No such file or directory",
		 path);
	CU_ASSERT_STRING_EQUAL(why.text, want);
	CU_ASSERT_EQUAL(weir_conf_load_file(".", &sample_schema, NULL, &c, &why), -EISDIR);
	CU_ASSERT_STRING_EQUAL(why.text, ".: the file cannot be read: Is a directory");
}

static void test_a_hundred_thousand_routes_load_and_free(void)
{
	const size_t room = 8 << 20, n = 100000;
	char *text = malloc(room);
	struct sample_conf c;
	size_t len = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	len += (size_t)snprintf(text, room, "routes:\n");
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, room - len,
					"- {to: 10.%zu.%zu.0/24, via: 192.0.2.%zu}\n", i >> 8 & 255,
					i & 255, i % 254 + 1);
	CU_ASSERT_EQUAL_FATAL(weir_conf_load_text("big", text, len, &sample_schema, NULL, &c, &why),
			      0);
	CU_ASSERT_EQUAL(c.routes.n, n);
	CU_ASSERT_EQUAL(((struct route_conf *)c.routes.items)[n - 1].at.line, n + 1);
	weir_conf_free(&sample_schema, &c);
	free(text);
}

static void test_a_file_cannot_ask_for_more_items_than_there_may_be(void)
{
	const size_t n = WEIR_CONF_ITEMS_MAX + 1;
	char *text = malloc(2 * n + 64);
	struct sample_conf c;
	size_t len;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	len = (size_t)sprintf(text, "rules: [{words: [");
	for (size_t i = 0; i < n; i++, len += 2)
		memcpy(text + len, "a,", 2);
	len += (size_t)sprintf(text + len, "]}]");
	CU_ASSERT_EQUAL(weir_conf_load_text("big", text, len, &sample_schema, NULL, &c, &why),
			-EINVAL);
	CU_ASSERT_STRING_EQUAL(why.text, "big:1: rules[0].words has one item too many, must be at "
					 "most 2097152 in the whole file");
	free(text);
}

static void test_a_load_that_runs_out_of_memory_leaves_nothing(void)
{
	setenv("WEIR_RUNTIME__BURST", "16", 1);
	FAILALLOC_EACH(n)
	{
		struct sample_conf c, before;
		int rc;

		memset(&c, 0xa5, sizeof(c));
		before = c;
		rc = load(full, &c);
		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			CU_ASSERT_TRUE(n > 20);
			weir_conf_free(&sample_schema, &c);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NOT_NULL(strstr(why.text, ": out of memory"));
		CU_ASSERT_EQUAL(memcmp(&c, &before, sizeof(c)), 0);
	}
	unsetenv("WEIR_RUNTIME__BURST");
}

static char *dump(const struct sample_conf *c)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(to);
	CU_ASSERT_EQUAL(weir_conf_dump(&sample_schema, c, to), 0);
	fclose(to);
	return text;
}

static void test_what_is_dumped_loads_to_the_same(void)
{
	const char *const texts[] = {full, "", "rules: [{}, {rules: []}]",
				     "ports: {\"a:b\": "
				     "{interface: \"\\x85\"}}"};

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct sample_conf c, again;
		char *first, *second;

		CU_ASSERT_EQUAL_FATAL(load(texts[i], &c), 0);
		first = dump(&c);
		CU_ASSERT_EQUAL_FATAL(load(first, &again), 0);
		second = dump(&again);
		CU_ASSERT_STRING_EQUAL(first, second);
		weir_conf_free(&sample_schema, &c);
		weir_conf_free(&sample_schema, &again);
		free(first);
		free(second);
	}
}

static void test_the_dump_shows_defaults_and_leaves_out_what_is_off(void)
{
	struct sample_conf c;
	char *text;

	CU_ASSERT_EQUAL_FATAL(load("routes: [{to: \"::/0\"}]", &c), 0);
	text = dump(&c);
	CU_ASSERT_STRING_EQUAL(text, "runtime:\n"
				     "  workers: [1, 2]\n"
				     "  poll: adaptive\n"
				     "  burst: 64\n"
				     "  hugepages: 2MiB\n"
				     "  nap: 50us\n"
				     "  limit: 0/s\n"
				     "  share: 0.5\n"
				     "  pin: true\n"
				     "routes:\n"
				     "  - to: \"::/0\"\n");
	free(text);
	weir_conf_free(&sample_schema, &c);
}

static void test_the_manual_has_a_row_for_every_key(void)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(to);
	CU_ASSERT_EQUAL(weir_conf_manual(&sample_schema, to), 0);
	fclose(to);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "# Sample\n\nEverything there is.\n\n| Key | Type |"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "| `burst` | number | `64` | 1 to 512 | Packets taken "
					    "at once. |\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "| `workers` | list of number, or one | `[1, 2]` | 0 "
					    "to 1023; 1 to 8 items | The cores to run on. |\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "| `poll` | word | `adaptive` | `busy` `adaptive` "
					    "`interrupt` | How to wait: never \\| a little \\| "));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n## `ports.NAME`\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "| `interface` | text | required | 1 to 15 bytes |"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n## `routes[]`\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n## `rules[]`\n"));
	CU_ASSERT_PTR_NULL(strstr(text, "`rules[].rules[]`"));
	free(text);
}

static void test_a_later_check_speaks_like_the_loader(void)
{
	CU_ASSERT_EQUAL(weir_conf_fail(&why, "weir.yaml", 3, "route %u names no port", 7U),
			-EINVAL);
	CU_ASSERT_STRING_EQUAL(why.text, "weir.yaml:3: route 7 names no port");
	CU_ASSERT_EQUAL(weir_conf_fail(NULL, "weir.yaml", 3, "x"), -EINVAL);
}

static void test_freeing_nothing_and_telling_nobody_is_allowed(void)
{
	struct sample_conf c;

	weir_conf_free(&sample_schema, NULL);
	CU_ASSERT_EQUAL(weir_conf_load_text("x", "a: b", 4, &sample_schema, NULL, &c, NULL),
			-EINVAL);
	CU_ASSERT_EQUAL(weir_conf_load_file("/nonexistent", &sample_schema, NULL, &c, NULL),
			-ENOENT);
}

WEIR_TESTS("base/conf", TEST(every_type_lands_in_its_member),
	   TEST(a_file_with_nothing_in_it_is_all_defaults),
	   TEST(a_list_of_one_may_stand_alone_where_the_key_says_so),
	   TEST(a_wrong_value_is_named_with_line_and_key_and_what_is_allowed),
	   TEST(an_unknown_key_is_refused_and_the_nearest_is_offered),
	   TEST(what_is_given_twice_is_refused_with_both_lines),
	   TEST(a_missing_key_is_named_with_the_line_of_its_section),
	   TEST(a_value_of_the_wrong_kind_is_refused), TEST(the_length_of_a_list_has_bounds),
	   TEST(what_hides_meaning_in_yaml_is_refused),
	   TEST(what_is_not_yaml_is_refused_with_its_line),
	   TEST(what_is_not_text_is_refused_with_its_line),
	   TEST(records_inside_records_end_at_sixteen),
	   TEST(a_long_or_strange_value_is_shown_short_and_quoted),
	   TEST(the_environment_overrides_single_values),
	   TEST(an_error_from_the_environment_names_the_variable),
	   TEST(a_file_is_loaded_like_a_text_and_named_in_errors),
	   TEST(a_hundred_thousand_routes_load_and_free),
	   TEST(a_file_cannot_ask_for_more_items_than_there_may_be),
	   TEST(a_load_that_runs_out_of_memory_leaves_nothing),
	   TEST(what_is_dumped_loads_to_the_same),
	   TEST(the_dump_shows_defaults_and_leaves_out_what_is_off),
	   TEST(the_manual_has_a_row_for_every_key), TEST(a_later_check_speaks_like_the_loader),
	   TEST(freeing_nothing_and_telling_nobody_is_allowed))
