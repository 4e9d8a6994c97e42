/* SPDX-License-Identifier: BSD-3-Clause */

/* The command line over the configuration, and the prompt's lines. */

#include "../../apps/bench/bench_priv.h"
#include "../../apps/bench/command_priv.h"
#include "test.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static int default_conf(struct bench_conf *c)
{
	return weir_conf_load_text("test", bench_default_conf, strlen(bench_default_conf),
				   &bench_schema, NULL, c, NULL);
}

/* An option by its long name, as getopt would find it. */
static int option(struct bench_conf *c, const char *long_name, const char *arg,
		  struct weir_why *why)
{
	for (const struct option *o = bench_options; o->name != NULL; o++)
		if (strcmp(o->name, long_name) == 0)
			return bench_option(c, o->val, arg, why);
	return -ENOENT;
}

static void test_the_default_is_as_testpmds(void)
{
	struct bench_conf c;

	CU_ASSERT_EQUAL_FATAL(default_conf(&c), 0);
	CU_ASSERT_EQUAL(c.app.runtime.burst, 32);
	CU_ASSERT_EQUAL(c.app.runtime.poll, WEIR_POLL_BUSY);
	CU_ASSERT_EQUAL(c.bench.mode, BENCH_IO);
	CU_ASSERT_EQUAL(c.bench.tx_retries, 0);
	CU_ASSERT_EQUAL(c.bench.rate_pps, 0);
	weir_conf_free(&bench_schema, &c);
}

static void test_options_go_over_the_configuration(void)
{
	static const char *const given[][2] = {
		{"port", "eth7"},      {"rxq", "2"},
		{"port", "net_null0"}, {"forward-mode", "txonly"},
		{"burst", "256"},      {"cores", "1,3-4"},
		{"txpkts", "64-1500"}, {"flows", "1000"},
		{"rate", "1.5Mpps"},   {"seed", "42"},
		{"time", "5"},	       {"stats-period", "500ms"},
		{"packets", "100"},    {"eth-peer", "1,02:00:00:00:00:99"},
		{"tx-udp", "7,8"},     {"tx-ip", "10.0.0.1,10.0.0.2"},
		{"poll", "adaptive"},  {"tx-retries", "3"},
		{"report", "/a"},      {"report", "/b"},
		{"rxd", "512"},	       {"auto-start", NULL},
	};
	const struct weir_app_port_conf *p;
	const struct bench_peer_conf *peer;
	struct weir_why why = {""};
	struct bench_conf c;

	CU_ASSERT_EQUAL_FATAL(default_conf(&c), 0);
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
		CU_ASSERT_EQUAL(option(&c, given[i][0], given[i][1], &why), 0);
	p = c.app.ports.items;
	CU_ASSERT_EQUAL_FATAL(c.app.ports.n, 2);
	CU_ASSERT_STRING_EQUAL(p[0].interface, "eth7");
	CU_ASSERT_PTR_NULL(p[0].device);
	CU_ASSERT_STRING_EQUAL(p[1].device, "net_null0");
	CU_ASSERT(p[0].queues == 2 && p[1].queues == 2 && p[0].rxd == 512 && p[1].rxd == 512);
	CU_ASSERT_EQUAL(c.app.runtime.workers.n, 3);
	CU_ASSERT_EQUAL(((uint64_t *)c.app.runtime.workers.items)[2], 4);
	CU_ASSERT_EQUAL(c.bench.mode, BENCH_TXONLY);
	CU_ASSERT_EQUAL(c.bench.rate_pps, 1500000);
	CU_ASSERT_EQUAL(c.bench.time_ns, 5 * WEIR_NS_PER_S);
	CU_ASSERT_EQUAL(c.bench.stats_period_ns, WEIR_NS_PER_S / 2);
	CU_ASSERT(c.bench.source_port == 7 && c.bench.destination_port == 8);
	CU_ASSERT_STRING_EQUAL(c.bench.report, "/b");
	CU_ASSERT_EQUAL_FATAL(c.bench.peers.n, 1);
	peer = c.bench.peers.items;
	CU_ASSERT(peer->port == 1 && peer->mac.bytes[5] == 0x99);
	weir_conf_free(&bench_schema, &c);
}

static void test_a_wrong_value_is_refused_with_its_option(void)
{
	static const char *const wrong[][2] = {
		{"port", ""},		{"rxq", "0"},	      {"rxq", "65"},
		{"forward-mode", "IO"}, {"burst", "257"},     {"burst", "0"},
		{"cores", ""},		{"cores", "2-1"},     {"cores", "1,"},
		{"cores", "1024"},	{"cores", "1-100"},   {"nb-cores", "0"},
		{"flows", "65537"},	{"rate", "fast"},     {"rate", "2Gpps"},
		{"seed", "-1"},		{"time", "soon"},     {"stats-period", ""},
		{"packets", "0"},	{"eth-peer", "0"},    {"eth-peer", "32,02:00:00:00:00:99"},
		{"tx-udp", "65536"},	{"tx-udp", "1,2,3"},  {"tx-ip", "10.0.0.1"},
		{"poll", "lazy"},	{"tx-retries", "-1"}, {"total-num-mbufs", "1"},
		{"txd", "x"},
	};
	struct bench_conf c;

	CU_ASSERT_EQUAL_FATAL(default_conf(&c), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct weir_why why = {""};

		CU_ASSERT(option(&c, wrong[i][0], wrong[i][1], &why) < 0);
		CU_ASSERT_PTR_NOT_NULL(strstr(why.text, wrong[i][0]));
	}
	weir_conf_free(&bench_schema, &c);
}

static void test_a_port_is_a_device_if_dpdk_would_know_it(void)
{
	CU_ASSERT_TRUE(bench_is_device("net_null0"));
	CU_ASSERT_TRUE(bench_is_device("net_memif0,role=server"));
	CU_ASSERT_TRUE(bench_is_device("0000:01:00.0"));
	CU_ASSERT_TRUE(bench_is_device("01:00.0"));
	CU_ASSERT_FALSE(bench_is_device("eth0"));
	CU_ASSERT_FALSE(bench_is_device("enp1s0"));
	CU_ASSERT_FALSE(bench_is_device("veth-a"));
}

/* What check says of a configuration with one more option; "" if it is good. */
static const char *checked(const char *name, const char *arg, struct weir_why *why)
{
	struct bench_conf c;
	int rc;

	*why = (struct weir_why){""};
	CU_ASSERT_EQUAL_FATAL(default_conf(&c), 0);
	rc = option(&c, "port", "eth7", why);
	if (rc == 0 && name != NULL)
		rc = option(&c, name, arg, why);
	if (rc == 0)
		rc = bench_check(&c, "test", why);
	CU_ASSERT_EQUAL(rc < 0, why->text[0] != '\0');
	weir_conf_free(&bench_schema, &c);
	return why->text;
}

static void test_check_refuses_what_does_not_fit_together(void)
{
	struct weir_why why;

	CU_ASSERT_STRING_EQUAL(checked(NULL, NULL, &why), "");
	CU_ASSERT_STRING_EQUAL(checked("tx-ip", "::1,::2", &why), "");
	CU_ASSERT_PTR_NOT_NULL(strstr(checked("txpkts", "9", &why), "imix"));
	CU_ASSERT_PTR_NOT_NULL(strstr(checked("tx-ip", "::1,192.0.2.1", &why), "IPv6"));
	CU_ASSERT_PTR_NOT_NULL(strstr(checked("cores", "1-2", &why), "queue for each worker"));
	CU_ASSERT_PTR_NOT_NULL(strstr(checked("txq", "2", &why), "--txq"));
}

static enum bench_verb verb(const char *line)
{
	struct bench_command c = {.verb = BENCH_CMD_HELP};

	CU_ASSERT_EQUAL(bench_command_parse(line, &c, NULL), 0);
	return c.verb;
}

static void test_check_refuses_to_let_packets_gather(void)
{
	struct weir_why why = {""};
	struct bench_conf c;

	CU_ASSERT_EQUAL_FATAL(default_conf(&c), 0);
	c.app.runtime.gather = 50000;
	CU_ASSERT_EQUAL(bench_check(&c, "test", &why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "runtime.gather must be 0"));
	weir_conf_free(&bench_schema, &c);
}

static void test_the_prompt_knows_testpmds_words(void)
{
	struct bench_command c;

	CU_ASSERT_EQUAL(verb("start"), BENCH_CMD_START);
	CU_ASSERT_EQUAL(verb("  stop  \r"), BENCH_CMD_STOP);
	CU_ASSERT_EQUAL(verb("show port stats all"), BENCH_CMD_SHOW_PORTS);
	CU_ASSERT_EQUAL(verb("show fwd stats all"), BENCH_CMD_SHOW_FWD);
	CU_ASSERT_EQUAL(verb("show config"), BENCH_CMD_SHOW_CONFIG);
	CU_ASSERT_EQUAL(verb("show config fwd"), BENCH_CMD_SHOW_CONFIG);
	CU_ASSERT_EQUAL(verb("clear port stats all"), BENCH_CMD_CLEAR);
	CU_ASSERT_EQUAL(verb(""), BENCH_NOTHING);
	CU_ASSERT_EQUAL(verb("# a comment"), BENCH_NOTHING);
	CU_ASSERT_EQUAL(bench_command_parse("set fwd 5tswap", &c, NULL), 0);
	CU_ASSERT(c.verb == BENCH_CMD_SET_FWD && c.number == BENCH_5TSWAP);
	CU_ASSERT_EQUAL(bench_command_parse("set burst 256", &c, NULL), 0);
	CU_ASSERT(c.verb == BENCH_CMD_SET_BURST && c.number == 256);
	CU_ASSERT_EQUAL(bench_command_parse("set rate 2kpps", &c, NULL), 0);
	CU_ASSERT(c.verb == BENCH_CMD_SET_RATE && c.number == 2000);
	CU_ASSERT_EQUAL(bench_command_parse("set txpkts 64-128", &c, NULL), 0);
	CU_ASSERT(c.verb == BENCH_CMD_SET_TXPKTS && c.sizes.max == 128);
}

static void test_a_wrong_line_is_refused_and_changes_nothing(void)
{
	static const char *const wrong[] = {
		"begin",
		"start now",
		"set",
		"set fwd",
		"set fwd xyz",
		"set burst 0",
		"set burst 257",
		"set rate quick",
		"set flows 0",
		"show",
		"show port",
		"show port stats 0 1 2",
		"set txpkts",
		"clear",
		"STOP",
		"set burst 1 2",
		"show port stats all and something that is much longer than any word can be",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct bench_command c = {.verb = BENCH_CMD_HELP, .number = 77};
		struct weir_why why = {""};

		CU_ASSERT_EQUAL(bench_command_parse(wrong[i], &c, &why), -EINVAL);
		CU_ASSERT_NOT_EQUAL(why.text[0], '\0');
		CU_ASSERT(c.verb == BENCH_CMD_HELP && c.number == 77);
	}
}

WEIR_TESTS("bench/options", TEST(the_default_is_as_testpmds),
	   TEST(options_go_over_the_configuration), TEST(a_wrong_value_is_refused_with_its_option),
	   TEST(a_port_is_a_device_if_dpdk_would_know_it),
	   TEST(check_refuses_what_does_not_fit_together),
	   TEST(check_refuses_to_let_packets_gather), TEST(the_prompt_knows_testpmds_words),
	   TEST(a_wrong_line_is_refused_and_changes_nothing))
