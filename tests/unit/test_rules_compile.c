/* SPDX-License-Identifier: BSD-3-Clause */

/* What is compiled and what is refused: limits, memory, copies, shared lists. */

#include "toy_rules.h"

#include "failalloc.h"
#include "toy_mmdb.h"

#include <unistd.h>
#include <weir/geo.h>
#include <weir/set.h>

static int compile(const struct weir_rules_conf *conf, struct weir_why *why)
{
	struct weir_rules *rs = NULL;
	int rc;

	toy_eal();
	rc = weir_rules_compile(conf, &rs, why);
	CU_ASSERT_EQUAL(rc == 0, rs != NULL);
	weir_rules_free(rs);
	return rc;
}

/* One bad rule behind a good one: what is said. */
static const char *refused(const struct weir_rule *r, int want)
{
	const struct weir_rule rules[] = {toy_rule("good"), *r};
	const struct weir_rules_conf conf = toy_rules_conf(rules, 2);
	static struct weir_why why;

	CU_ASSERT_EQUAL(compile(&conf, &why), want);
	return why.text;
}

static void test_bad_rules_are_refused_in_a_sentence_with_their_name(void)
{
	const struct weir_range backwards = {90, 80};
	const struct weir_prefix none = {.length = 8},
				 long4 = {.addr = {.family = 4}, .length = 33};
	const struct weir_set *const no_set = NULL;
	const uint16_t country = 1;
	struct weir_rule r;

#define REFUSED(set_up, sentence)                                         \
	do {                                                              \
		r = toy_rule("bad");                                      \
		set_up;                                                   \
		CU_ASSERT_STRING_EQUAL(refused(&r, -EINVAL), (sentence)); \
	} while (0)
	REFUSED(r.family = 5, "rule bad: family is 5, must be 4, 6 or 0");
	REFUSED(r.icmp_type = 256, "rule bad: ICMP type and code must be 0 to 255");
	REFUSED(r.icmp_code = -2, "rule bad: ICMP type and code must be 0 to 255");
	REFUSED(r.tcp_flags = 2,
		"rule bad wants TCP flags that it does not look at: nothing matches");
	REFUSED(r.vlan = 4095, "rule bad: VLAN is 4095, must be at most 4094");
	REFUSED(r.dscp = 64, "rule bad: DSCP must be 0 to 63");
	REFUSED(r.set_dscp = 64, "rule bad: DSCP must be 0 to 63");
	REFUSED(r.action = WEIR_ACTIONS, "rule bad has no such action or limit");
	REFUSED(r.limit = WEIR_LIMITS, "rule bad has no such action or limit");
	REFUSED(r.limit = WEIR_LIMIT_RULE,
		"rule bad: limit is 0 packets a second, must be 1 to 1000000000");
	REFUSED((r.limit = WEIR_LIMIT_SOURCE, r.limit_pps = r.limit_burst = 1, r.limit_bits4 = 33),
		"rule bad: prefixes of a limit have at most 32 bits of IPv4 and 64 of IPv6");
	REFUSED((r.limit = WEIR_LIMIT_SOURCE, r.limit_pps = r.limit_burst = 1, r.limit_bits6 = 65),
		"rule bad: prefixes of a limit have at most 32 bits of IPv4 and 64 of IPv6");
	REFUSED((r.limit = WEIR_LIMIT_RULE, r.limit_pps = 1),
		"rule bad: burst of the limit is 0 packets, must be 1 to 4294967295");
	REFUSED((r.dports = &backwards, r.n_dports = 1),
		"rule bad: ports 90-80: the first is above the last");
	REFUSED((r.src.prefixes = &none, r.src.n_prefixes = 1),
		"rule bad: source 1 is not a prefix");
	REFUSED((r.dst.prefixes = &long4, r.dst.n_prefixes = 1),
		"rule bad: destination 1 is not a prefix");
	REFUSED((r.src.sets = &no_set, r.src.n_sets = 1),
		"rule bad: set 1 of its source is not there");
	REFUSED((r.src.countries = &country, r.src.n_countries = 1),
		"rule bad names countries, but there is no database of them");
	REFUSED(r.name = NULL, "rule 2 has no name");
#undef REFUSED
}

static void test_a_bad_frame_of_rules_is_refused(void)
{
	struct weir_rules_conf conf = toy_rules_conf(NULL, 0);
	struct weir_why why;

	conf.zones = 33;
	CU_ASSERT_EQUAL(compile(&conf, &why), -EINVAL);
	CU_ASSERT_STRING_EQUAL(why.text, "33 zones, must be 1 to 32");
	conf.zones = 0;
	CU_ASSERT_EQUAL(compile(&conf, NULL), -EINVAL);
	conf.zones = 1;
	conf.workers = 0;
	CU_ASSERT_EQUAL(compile(&conf, &why), -EINVAL);
	conf.workers = 1;
	conf.default_action = WEIR_ACTION_COUNT;
	CU_ASSERT_EQUAL(compile(&conf, &why), -EINVAL);
	conf.default_action = WEIR_ACTION_DROP;
	conf.n = WEIR_RULES_MAX + 1;
	CU_ASSERT_EQUAL(compile(&conf, &why), -ENOSPC);
	CU_ASSERT_STRING_EQUAL(why.text, "65535 rules are too many, at most 65534");
}

static void test_too_many_counting_rules_between_two_zones_are_refused(void)
{
	static struct weir_rule rules[WEIR_RULE_PASSES_MAX + 1];
	struct weir_rules_conf conf = toy_rules_conf(rules, WEIR_RULE_PASSES_MAX);
	struct weir_why why;

	for (unsigned i = 0; i <= WEIR_RULE_PASSES_MAX; i++) {
		rules[i] = toy_rule("count");
		rules[i].action = WEIR_ACTION_COUNT;
	}
	CU_ASSERT_EQUAL(compile(&conf, &why), 0);
	conf.n++;
	CU_ASSERT_EQUAL(compile(&conf, &why), -ENOSPC);
	CU_ASSERT_STRING_EQUAL(why.text, "rule count: more than 1024 rules between two zones "
					 "that count or have a limit");
	rules[0].to_zones = 1 << 1;
	rules[1].to_zones = 1 << 2;
	CU_ASSERT_EQUAL(compile(&conf, &why), 0); /* no packet meets them all */
}

static void test_too_many_limits_are_refused(void)
{
	static struct weir_rule rules[WEIR_RULE_LIMITS_MAX + 1];
	const struct weir_rules_conf conf = toy_rules_conf(rules, WEIR_RULE_LIMITS_MAX + 1);
	struct weir_why why;

	for (unsigned i = 0; i <= WEIR_RULE_LIMITS_MAX; i++) {
		rules[i] = toy_rule("limited");
		rules[i].limit = WEIR_LIMIT_RULE;
		rules[i].limit_pps = rules[i].limit_burst = 1;
	}
	CU_ASSERT_EQUAL(compile(&conf, &why), -ENOSPC);
	CU_ASSERT_STRING_EQUAL(why.text, "rule limited: more than 1024 rules have a limit");
}

/* Rule i is for hosts that only its set has. */
static void each_set_decides(const struct weir_rule *rules, uint32_t n)
{
	struct weir_rules *rs = toy_rules(rules, n);
	struct weir_rule_ask asks[64];
	uint32_t rule[64];

	for (uint32_t i = 0; i <= n; i += 64) {
		for (uint32_t k = 0; k < 64; k++) {
			const uint32_t addr_be = htonl(UINT32_C(0x0a000000) + i + k);

			asks[k] = toy_udp();
			memcpy(asks[k].tuple.src, &addr_be, sizeof(addr_be));
		}
		weir_rules_ask(rs, toy_only_worker(), asks, 64, 0, 0, rule, NULL, NULL);
		for (uint32_t k = 0; k < 64; k++)
			CU_ASSERT_EQUAL(rule[k], i + k < n ? i + k : WEIR_RULE_DEFAULT);
	}
	weir_rules_free(rs);
}

static void test_too_many_sets_between_two_zones_are_refused(void)
{
	const struct weir_set_conf of_set = {.name = "s", .entries = 1, .numa = -1};
	static struct weir_rule rules[WEIR_RULE_SETS_MAX + 1];
	static const struct weir_set *sets[WEIR_RULE_SETS_MAX + 1];
	struct weir_rules_conf conf = toy_rules_conf(rules, WEIR_RULE_SETS_MAX);
	struct weir_why why;

	toy_eal();
	for (unsigned i = 0; i <= WEIR_RULE_SETS_MAX; i++) {
		const uint32_t addr_be = htonl(UINT32_C(0x0a000000) + i);
		struct weir_prefix host = toy_prefix("10.0.0.0/32");
		struct weir_set *set = NULL;

		memcpy(host.addr.bytes, &addr_be, sizeof(addr_be));
		CU_ASSERT_EQUAL_FATAL(weir_set_create(&of_set, &set, NULL), 0);
		CU_ASSERT_EQUAL(weir_set_add(set, &host, WEIR_SET_FOREVER), 0);
		sets[i] = set;
		rules[i] = toy_rule("set");
		rules[i].src = (struct weir_rule_addrs){.sets = &sets[i], .n_sets = 1};
	}
	each_set_decides(rules, 65);
	each_set_decides(rules, WEIR_RULE_SETS_MAX);
	conf.n++;
	CU_ASSERT_EQUAL(compile(&conf, &why), -ENOSPC);
	CU_ASSERT_STRING_EQUAL(why.text,
			       "rule set: more than 1024 sets or lists of addresses on one "
			       "side between two zones; put them together in fewer sets");
	for (unsigned i = 0; i <= WEIR_RULE_SETS_MAX; i++)
		weir_set_free((struct weir_set *)(uintptr_t)sets[i]);
}

static void test_more_long_lists_than_can_be_looked_up_become_entries(void)
{
	static struct weir_prefix prefixes[100][20];
	struct weir_rule rules[100];
	struct weir_rules_stats stats;
	struct weir_rules *rs;

	for (unsigned i = 0; i < 100; i++) {
		for (unsigned k = 0; k < 20; k++) {
			prefixes[i][k] = toy_prefix("10.0.0.0/24");
			prefixes[i][k].addr.bytes[1] = (uint8_t)i;
			prefixes[i][k].addr.bytes[2] = (uint8_t)(7 * k);
		}
		rules[i] = toy_rule("list");
		rules[i].src = (struct weir_rule_addrs){.prefixes = prefixes[i], .n_prefixes = 20};
	}
	rs = toy_rules(rules, 100);
	weir_rules_stats(rs, &stats);
	CU_ASSERT_EQUAL(stats.entries, 2000);
	for (unsigned i = 0; i < 100; i++) {
		struct weir_rule_ask a = toy_ask("10.0.7.1", "192.0.2.1", IPPROTO_TCP, 1, 2);

		a.tuple.src[1] = (uint8_t)i;
		CU_ASSERT_EQUAL(toy_decide(rs, &a), i);
		a.tuple.src[2] = 8;
		CU_ASSERT_EQUAL(toy_decide(rs, &a), WEIR_RULE_DEFAULT);
	}
	weir_rules_free(rs);
}

static void test_combinations_of_ports_have_an_end(void)
{
	static struct weir_range odd[2000];
	struct weir_rule r = toy_rule("odd");
	const struct weir_rules_conf conf = toy_rules_conf(&r, 1);
	struct weir_why why;

	for (unsigned i = 0; i < 2000; i++)
		odd[i].lo = odd[i].hi = (uint16_t)(2 * i + 1);
	r.sports = r.dports = odd;
	r.n_sports = r.n_dports = 2000;
	CU_ASSERT_EQUAL(compile(&conf, &why), -ENOSPC);
	CU_ASSERT_STRING_EQUAL(why.text, "rule odd: with it the rules have more than 1048576 "
					 "combinations of addresses, ports and zones");
}

static void test_pairs_of_zones_with_the_same_rules_share_their_contexts(void)
{
	struct weir_rule rules[] = {toy_rule("all"), toy_rule("self")};
	struct weir_rules_conf conf = toy_rules_conf(rules, 1);
	struct weir_rules_stats stats;
	struct weir_rules *rs;

	rules[0].proto = rules[1].proto = IPPROTO_TCP;
	conf.zones = 32;
	rs = toy_compile(&conf);
	weir_rules_stats(rs, &stats);
	CU_ASSERT_EQUAL(stats.contexts, 2);    /* IPv4 and IPv6 */
	CU_ASSERT_EQUAL(stats.entries, 2 * 2); /* of whole packets and of later fragments */
	CU_ASSERT(stats.bytes > 0 && stats.build_ns > 0);
	weir_rules_free(rs);
	conf.n = 2;
	rules[1].to_zones = 1 << WEIR_ZONE_SELF;
	rs = toy_compile(&conf);
	weir_rules_stats(rs, &stats);
	CU_ASSERT_EQUAL(stats.contexts, 4);
	CU_ASSERT_EQUAL(stats.entries, 2 * 6);
	weir_rules_free(rs);
}

static void test_a_rule_that_takes_everything_is_no_entry(void)
{
	const struct weir_prefix net = toy_prefix("10.0.0.0/8");
	struct weir_rule rules[] = {toy_rule("net"), toy_rule("limited"), toy_rule("count"),
				    toy_rule("tcp"), toy_rule("rest"),	  toy_rule("never")};
	struct weir_rules_conf conf = toy_rules_conf(rules, 6);
	struct weir_rule_ask a = toy_udp();
	struct weir_rules_stats stats;
	struct weir_rules *rs;

	rules[0].src = (struct weir_rule_addrs){.prefixes = &net, .n_prefixes = 1};
	rules[0].family = 4;
	rules[1].limit = WEIR_LIMIT_RULE;
	rules[1].limit_pps = rules[1].limit_burst = 1;
	rules[2].action = WEIR_ACTION_COUNT;
	rules[3].proto = rules[5].proto = IPPROTO_TCP;
	rs = toy_compile(&conf);
	weir_rules_stats(rs, &stats);
	CU_ASSERT_EQUAL(stats.entries, 1 + 2 * 2); /* net; tcp of both families */
	CU_ASSERT_EQUAL(stats.contexts, 2);	   /* one of each family */
	CU_ASSERT_EQUAL(toy_decide(rs, &a), 0);
	a.tuple.src[0] = 11;
	CU_ASSERT_EQUAL(toy_decide(rs, &a), 1);
	/* The limit is over: the worker's bucket is empty, and the clock stands. */
	for (unsigned i = 0; i < 2; i++) {
		uint32_t rule;

		a.tuple.proto = i == 0 ? IPPROTO_TCP : IPPROTO_UDP;
		weir_rules_ask(rs, toy_only_worker(), &a, 1, 0, 0, &rule, NULL, NULL);
		CU_ASSERT_EQUAL(rule, i == 0 ? 3 : 4);
	}
	weir_rules_free(rs);
}

static void test_rules_are_copied_with_all_they_point_to(void)
{
	char name[] = "web";
	struct weir_prefix net = toy_prefix("10.0.0.0/8");
	struct weir_range http = {80, 80};
	const uint32_t sources_max[4] = {0, 7};
	struct weir_rule r = toy_rule(name);
	struct weir_rules_conf conf = toy_rules_conf(&r, 1);
	const struct weir_rule *copy;
	struct weir_rules *rs;

	r.src = (struct weir_rule_addrs){.prefixes = &net, .n_prefixes = 1};
	r.dports = &http;
	r.n_dports = 1;
	r.set_mark = 99;
	conf.sources_max = sources_max;
	rs = toy_compile(&conf);
	memset(name, 'x', 3);
	memset(&net, 0, sizeof(net));
	http = (struct weir_range){1, 2};
	r = toy_rule("gone");
	copy = weir_rules_at(rs, 0);
	CU_ASSERT_STRING_EQUAL(copy->name, "web");
	CU_ASSERT_EQUAL(copy->src.prefixes->length, 8);
	CU_ASSERT_EQUAL(copy->src.prefixes->addr.bytes[0], 10);
	CU_ASSERT_EQUAL(copy->dports->lo, 80);
	CU_ASSERT_EQUAL(copy->set_mark, 99);
	CU_ASSERT_EQUAL(weir_rules_count(rs), 1);
	CU_ASSERT_EQUAL(weir_rules_sources_max(rs, 1), 7);
	CU_ASSERT_EQUAL(weir_rules_sources_max(rs, 2), 0);
	CU_ASSERT_EQUAL(weir_rules_sources_max(rs, 200), 0);
	weir_rules_free(rs);
}

static void test_each_allocation_may_fail(void)
{
	struct weir_prefix many[40];
	const struct weir_range http = {80, 80};
	struct weir_rule rules[] = {toy_rule("many"), toy_rule("limited"), toy_rule("rest")};
	struct weir_rules_conf conf = toy_rules_conf(rules, 3);
	struct weir_rules_finding f[3];
	uint32_t unsure;
	struct weir_rules *rs = NULL;
	struct weir_why why;
	bool done = false;

	toy_eal();
	for (unsigned i = 0; i < 40; i++) {
		many[i] = toy_prefix("10.0.0.0/24");
		many[i].addr.bytes[2] = (uint8_t)i;
	}
	rules[0].src = (struct weir_rule_addrs){.prefixes = many, .n_prefixes = 40};
	rules[1].limit = WEIR_LIMIT_SOURCE;
	rules[1].limit_pps = rules[1].limit_burst = 5;
	rules[2].dports = &http;
	rules[2].n_dports = 1;
	rules[2].to_zones = 1 << 2;
	FAILALLOC_EACH(n)
	{
		const int rc = weir_rules_compile(&conf, &rs, &why);

		done = failalloc_done();
		if (done) {
			CU_ASSERT_EQUAL(rc, 0);
			break;
		}
		CU_ASSERT_EQUAL_FATAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(rs);
		CU_ASSERT_NOT_EQUAL(why.text[0], '\0');
	}
	CU_ASSERT_FATAL(done);
	FAILALLOC_EACH(n)
	{
		const int rc = weir_rules_check(rs, f, 3, &unsure);

		if (failalloc_done()) {
			CU_ASSERT_EQUAL(rc, 0);
			break;
		}
		CU_ASSERT_EQUAL(rc, -ENOMEM);
	}
	weir_rules_free(rs);
}

/* Rules of all shapes: more than fit one context. */
static void test_thousands_of_rules_are_built_in_parts(void)
{
	const uint32_t n = 9000;
	struct weir_prefix(*p)[2] = calloc(n, sizeof(*p));
	struct weir_rule *rules = calloc(n, sizeof(*rules));
	struct weir_rules_conf conf = toy_rules_conf(rules, n);
	struct weir_rules_stats stats;
	struct weir_rules *rs;

	CU_ASSERT_FATAL(p != NULL && rules != NULL);
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t addr[] = {10, (uint8_t)(i >> 12), (uint8_t)(i >> 4),
					(uint8_t)(i << 4)};

		rules[i] = toy_rule("r");
		p[i][0] = p[i][1] = toy_prefix("10.0.0.0/32");
		memcpy(p[i][i & 1].addr.bytes, addr, 4);
		if (i % 3 > 0)
			p[i][i & 1 ? 0 : 1].length = 0;
		rules[i].src = (struct weir_rule_addrs){.prefixes = &p[i][0], .n_prefixes = 1};
		rules[i].dst = (struct weir_rule_addrs){.prefixes = &p[i][1], .n_prefixes = 1};
		rules[i].proto = i % 500 == 0 ? 0 : IPPROTO_TCP;
	}
	rs = toy_compile(&conf);
	weir_rules_stats(rs, &stats);
	CU_ASSERT(stats.contexts > 1);
	for (uint32_t i = 0; i < n; i += 29) {
		struct weir_rule_ask a = toy_ask("10.0.0.0", "10.0.0.0", IPPROTO_TCP, 1, 2);
		uint32_t rule;

		memcpy(a.tuple.src, p[i][0].addr.bytes, 4);
		memcpy(a.tuple.dst, p[i][1].addr.bytes, 4);
		rule = toy_decide(rs, &a);
		CU_ASSERT(rule <= i);
		a.tuple.src[3] ^= 1;
		a.tuple.proto = IPPROTO_UDP;
		(void)toy_decide(rs, &a);
	}
	weir_rules_free(rs);
	free(rules);
	free(p);
}

static void test_countries_are_matched_by_lists_of_any_length(void)
{
	static struct toy_mmdb db;
	char path[] = "/tmp/weir-rules-XXXXXX";
	struct weir_rule rules[] = {toy_rule("de, fr"), toy_rule("not us"), toy_rule("rest")};
	struct weir_rules_conf conf = toy_rules_conf(rules, 3);
	uint16_t country[3];
	struct weir_geo *geo = NULL;
	struct weir_rules *rs;
	struct weir_rule_ask a = toy_udp();
	const int fd = mkstemp(path);

	CU_ASSERT_FATAL(fd >= 0);
	close(fd);
	toy_eal();
	toy_mmdb_begin(&db, 6, 28);
	toy_mmdb_add(&db, "192.0.2.0/24", toy_mmdb_country(&db, "country", "DE"));
	toy_mmdb_add(&db, "198.51.100.0/24", toy_mmdb_country(&db, "country", "FR"));
	toy_mmdb_add(&db, "203.0.113.0/24", toy_mmdb_country(&db, "country", "US"));
	toy_mmdb_write(&db, path);
	toy_mmdb_end(&db);
	CU_ASSERT_EQUAL_FATAL(weir_geo_create(path, -1, &geo, NULL), 0);
	unlink(path);
	country[0] = weir_geo_country(geo, "DE");
	country[1] = weir_geo_country(geo, "FR");
	country[2] = weir_geo_country(geo, "US");
	rules[0].src = (struct weir_rule_addrs){.countries = country, .n_countries = 2};
	rules[1].src = (struct weir_rule_addrs){
		.countries = &country[2], .n_countries = 1, .negate = true};
	conf.geo = geo;
	rs = toy_compile(&conf);
	CU_ASSERT_EQUAL(toy_decide(rs, &a), 1); /* of no country */
	memcpy(a.tuple.src, (uint8_t[]){192, 0, 2, 9}, 4);
	CU_ASSERT_EQUAL(toy_decide(rs, &a), 0);
	memcpy(a.tuple.src, (uint8_t[]){198, 51, 100, 9}, 4);
	CU_ASSERT_EQUAL(toy_decide(rs, &a), 0);
	memcpy(a.tuple.src, (uint8_t[]){203, 0, 113, 9}, 4);
	CU_ASSERT_EQUAL(toy_decide(rs, &a), 2);
	weir_rules_free(rs);
	weir_geo_free(geo);
}

WEIR_TESTS("rules/compile", TEST(bad_rules_are_refused_in_a_sentence_with_their_name),
	   TEST(a_bad_frame_of_rules_is_refused),
	   TEST(too_many_counting_rules_between_two_zones_are_refused),
	   TEST(too_many_limits_are_refused), TEST(too_many_sets_between_two_zones_are_refused),
	   TEST(more_long_lists_than_can_be_looked_up_become_entries),
	   TEST(combinations_of_ports_have_an_end),
	   TEST(pairs_of_zones_with_the_same_rules_share_their_contexts),
	   TEST(a_rule_that_takes_everything_is_no_entry),
	   TEST(rules_are_copied_with_all_they_point_to), TEST(each_allocation_may_fail),
	   TEST(thousands_of_rules_are_built_in_parts),
	   TEST(countries_are_matched_by_lists_of_any_length))
