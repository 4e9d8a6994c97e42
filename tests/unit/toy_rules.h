/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Rules and packets for tests: short to write, compiled in one call, asked one at a time. */

#include "test.h"

#include <stdlib.h>

/* Tries take much more than rules. */
#define TOY_EAL_MIB (getenv("WEIR_TEST_LONG") == NULL ? 512 : 4096)
#include "toy_eal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <weir/rules.h>

/* A rule that drops everything. */
static inline struct weir_rule toy_rule(const char *name)
{
	return (struct weir_rule){.name = name,
				  .action = WEIR_ACTION_DROP,
				  .icmp_type = -1,
				  .icmp_code = -1,
				  .dscp = -1};
}

static inline struct weir_prefix toy_prefix(const char *text)
{
	struct weir_prefix p = {0};

	CU_ASSERT_EQUAL_FATAL(weir_prefix_parse(text, strlen(text), &p), 0);
	return p;
}

/* All rules, between 4 zones, one worker; the default drops nothing. */
static inline struct weir_rules_conf toy_rules_conf(const struct weir_rule *rules, uint32_t n)
{
	return (struct weir_rules_conf){.rules = rules,
					.n = n,
					.zones = 4,
					.default_action = WEIR_ACTION_ACCEPT,
					.workers = 1,
					.numa = -1};
}

static inline struct weir_rules *toy_compile(const struct weir_rules_conf *conf)
{
	struct weir_rules *rs = NULL;
	struct weir_why why = {0};

	toy_eal();
	if (weir_rules_compile(conf, &rs, &why) < 0) {
		fprintf(stderr, "%s\n", why.text);
		CU_FAIL_FATAL("the rules do not compile");
	}
	return rs;
}

static inline struct weir_rules *toy_rules(const struct weir_rule *rules, uint32_t n)
{
	const struct weir_rules_conf conf = toy_rules_conf(rules, n);

	return toy_compile(&conf);
}

static inline struct weir_rules_worker *toy_rules_worker(uint32_t sources)
{
	const struct weir_siphash_key secret = {.k0 = 1, .k1 = 2};
	struct weir_rules_worker *w = NULL;

	toy_eal();
	CU_ASSERT_EQUAL_FATAL(weir_rules_worker_create(sources, -1, &secret, &w), 0);
	return w;
}

/* The worker of tests that need no state of it. */
static inline struct weir_rules_worker *toy_only_worker(void)
{
	static struct weir_rules_worker *w;

	if (w == NULL)
		w = toy_rules_worker(64);
	return w;
}

/* A packet from zone 1 to zone 2. */
static inline struct weir_rule_ask toy_ask(const char *src, const char *dst, uint8_t proto,
					   uint16_t sport, uint16_t dport)
{
	struct weir_rule_ask a = {.from = 1, .to = 2};
	struct weir_addr addr = {0};

	CU_ASSERT_EQUAL_FATAL(weir_addr_parse(src, strlen(src), &addr), 0);
	memcpy(a.tuple.src, addr.bytes, 16);
	CU_ASSERT_EQUAL_FATAL(weir_addr_parse(dst, strlen(dst), &addr), 0);
	memcpy(a.tuple.dst, addr.bytes, 16);
	a.tuple.family = addr.family;
	a.tuple.proto = proto;
	a.tuple.sport = htons(sport);
	a.tuple.dport = htons(dport);
	return a;
}

static inline struct weir_rule_ask toy_udp(void)
{
	return toy_ask("10.0.0.1", "192.0.2.1", IPPROTO_UDP, 1000, 53);
}

/* What the compiled rules say, which must be what the slow matcher says. */
static inline uint32_t toy_decide(const struct weir_rules *rs, const struct weir_rule_ask *a)
{
	uint32_t rule = 0;

	weir_rules_ask(rs, toy_only_worker(), a, 1, 0, 0, &rule, NULL, NULL);
	CU_ASSERT_EQUAL(rule, weir_rules_explain(rs, a, 0, NULL, NULL));
	return rule;
}

/* Whether a rule alone takes a packet. */
static inline bool toy_takes(const struct weir_rule *r, const struct weir_rule_ask *a)
{
	struct weir_rules *rs = toy_rules(r, 1);
	const uint32_t rule = toy_decide(rs, a);

	CU_ASSERT(rule == 0 || rule == WEIR_RULE_DEFAULT);
	weir_rules_free(rs);
	return rule == 0;
}
