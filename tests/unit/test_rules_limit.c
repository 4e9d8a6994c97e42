/* SPDX-License-Identifier: BSD-3-Clause */

/* Limits of rules, at times that the test gives. */

#include "toy_rules.h"

#define MS UINT64_C(1000000)
#define S  (1000 * MS)

/* A rule that drops UDP within its limit, before one that drops the rest. */
static struct weir_rules *limited(enum weir_limit_per per, uint64_t pps, uint64_t burst,
				  uint32_t slot, uint16_t workers)
{
	struct weir_rule rules[] = {toy_rule("limited"), toy_rule("rest")};
	struct weir_rules_conf conf = toy_rules_conf(rules, 2);

	rules[0].limit = per;
	rules[0].limit_pps = pps;
	rules[0].limit_burst = burst;
	rules[0].slot = slot;
	conf.workers = workers;
	return toy_compile(&conf);
}

static uint32_t ask(const struct weir_rules *rs, struct weir_rules_worker *w,
		    const struct weir_rule_ask *a, uint64_t now_ns)
{
	uint32_t rule = 9;

	weir_rules_ask(rs, w, a, 1, 0, now_ns, &rule, NULL, NULL);
	return rule;
}

/* How many of n packets at one time the first rule takes. */
static unsigned taken(const struct weir_rules *rs, struct weir_rules_worker *w,
		      const struct weir_rule_ask *a, unsigned n, uint64_t now_ns)
{
	unsigned first = 0;

	for (unsigned i = 0; i < n; i++)
		first += ask(rs, w, a, now_ns) == 0;
	return first;
}

static struct weir_rule_ask from(const char *src)
{
	return toy_ask(src, strchr(src, ':') == NULL ? "192.0.2.1" : "2001:db8:1::1", IPPROTO_UDP,
		       1, 2);
}

static void test_a_limit_takes_its_burst_and_then_its_rate(void)
{
	struct weir_rules *rs = limited(WEIR_LIMIT_RULE, 10, 3, 1, 1);
	struct weir_rules_worker *w = toy_rules_worker(8);
	const struct weir_rule_ask a = toy_udp();

	CU_ASSERT_EQUAL(taken(rs, w, &a, 5, 1 * S), 3);
	CU_ASSERT_EQUAL(ask(rs, w, &a, 1 * S + 99 * MS), 1); /* goes on with the next rule */
	CU_ASSERT_EQUAL(ask(rs, w, &a, 1 * S + 100 * MS), 0);
	CU_ASSERT_EQUAL(ask(rs, w, &a, 1 * S + 100 * MS), 1);
	CU_ASSERT_EQUAL(taken(rs, w, &a, 9, 60 * S), 3);
	weir_rules_free(rs);
	weir_rules_worker_free(w);
}

static void test_packets_of_one_burst_count_one_by_one(void)
{
	struct weir_rules *rs = limited(WEIR_LIMIT_RULE, 10, 3, 1, 1);
	struct weir_rules_worker *w = toy_rules_worker(8);
	struct weir_rule_ask asks[6];
	uint32_t rule[6];

	for (unsigned i = 0; i < 6; i++)
		asks[i] = toy_udp();
	weir_rules_ask(rs, w, asks, 6, 0, S, rule, NULL, NULL);
	for (unsigned i = 0; i < 6; i++)
		CU_ASSERT_EQUAL(rule[i], i < 3 ? 0 : 1);
	weir_rules_free(rs);
	weir_rules_worker_free(w);
}

static void test_workers_share_a_limit_exactly(void)
{
	struct weir_rules *rs = limited(WEIR_LIMIT_RULE, 3, 8, 1, 4);
	struct weir_rules_worker *w[4];
	const struct weir_rule_ask a = toy_udp();
	unsigned burst = 0, later = 0;

	for (unsigned i = 0; i < 4; i++) {
		w[i] = toy_rules_worker(8);
		burst += taken(rs, w[i], &a, 9, S);
	}
	CU_ASSERT_EQUAL(burst, 8);
	for (unsigned second = 2; second <= 401; second++)
		for (unsigned i = 0; i < 4; i++)
			later += taken(rs, w[i], &a, 3, second * S);
	CU_ASSERT_EQUAL(later, 3 * 400);
	for (unsigned i = 0; i < 4; i++)
		weir_rules_worker_free(w[i]);
	weir_rules_free(rs);
}

static void test_every_worker_lets_one_packet_pass_of_the_smallest_burst(void)
{
	struct weir_rules *rs = limited(WEIR_LIMIT_RULE, 1, 1, 1, 16);
	struct weir_rules_worker *w = toy_rules_worker(8);
	const struct weir_rule_ask a = toy_udp();

	CU_ASSERT_EQUAL(taken(rs, w, &a, 3, S), 1);
	CU_ASSERT_EQUAL(taken(rs, w, &a, 3, 16 * S), 0);
	CU_ASSERT_EQUAL(taken(rs, w, &a, 3, 17 * S), 1);
	weir_rules_free(rs);
	weir_rules_worker_free(w);
}

static void test_each_source_has_its_own_limit(void)
{
	struct weir_rules *rs = limited(WEIR_LIMIT_SOURCE, 1, 2, 1, 1);
	struct weir_rules_worker *w = toy_rules_worker(64);
	const struct weir_rule_ask one = from("10.0.0.1"), two = from("10.0.0.2");

	CU_ASSERT_EQUAL(taken(rs, w, &one, 5, S), 2);
	CU_ASSERT_EQUAL(taken(rs, w, &two, 5, S), 2);
	CU_ASSERT_EQUAL(taken(rs, w, &one, 5, 2 * S), 1);
	weir_rules_free(rs);
	weir_rules_worker_free(w);
}

static void test_sources_of_ipv6_are_networks_of_64_bits(void)
{
	struct weir_rules *rs = limited(WEIR_LIMIT_SOURCE, 1, 2, 1, 1);
	struct weir_rules_worker *w = toy_rules_worker(64);
	const struct weir_rule_ask one = from("2001:db8::1"), other = from("2001:db8::2:0:0:1"),
				   next = from("2001:db8:0:1::1");

	CU_ASSERT_EQUAL(taken(rs, w, &one, 1, S), 1);
	CU_ASSERT_EQUAL(taken(rs, w, &other, 5, S), 1);
	CU_ASSERT_EQUAL(taken(rs, w, &next, 5, S), 2);
	weir_rules_free(rs);
	weir_rules_worker_free(w);
}

/* The rules of limited(), their sources being prefixes. */
static struct weir_rules *limited_prefixes(uint8_t bits4, uint8_t bits6, uint64_t burst)
{
	struct weir_rule rules[] = {toy_rule("limited"), toy_rule("rest")};
	struct weir_rules_conf conf = toy_rules_conf(rules, 2);

	rules[0].limit = WEIR_LIMIT_SOURCE;
	rules[0].limit_pps = 1;
	rules[0].limit_burst = burst;
	rules[0].limit_bits4 = bits4;
	rules[0].limit_bits6 = bits6;
	return toy_compile(&conf);
}

static void test_all_sources_of_a_prefix_share_its_limit(void)
{
	struct weir_rules *rs = limited_prefixes(24, 56, 4);
	struct weir_rules_worker *w = toy_rules_worker(64);
	char src[32];

	for (unsigned i = 0; i < 8; i++) {
		const char *const nets[] = {"10.0.0.%u", "10.0.1.%u", "2001:db8:0:%u::1",
					    "2001:db8:0:1%02u::1"};

		for (unsigned n = 0; n < 4; n++) {
			struct weir_rule_ask a;

			snprintf(src, sizeof(src), nets[n], i);
			a = from(src);
			CU_ASSERT_EQUAL(ask(rs, w, &a, S), i < 4 ? 0 : 1);
		}
	}
	weir_rules_free(rs);
	weir_rules_worker_free(w);
}

static void test_each_length_of_prefix_tells_apart_what_differs_in_it(void)
{
	for (unsigned bits = 1; bits <= 64; bits++) {
		struct weir_rules *rs =
			limited_prefixes((uint8_t)(bits <= 32 ? bits : 0), (uint8_t)bits, 2);

		for (unsigned six = bits > 32; six < 2; six++) {
			struct weir_rules_worker *w = toy_rules_worker(64);
			struct weir_rule_ask a = from(six ? "2001:db8::1" : "10.0.0.1");
			struct weir_rule_ask alike = a, other = a;

			if (bits < (six ? 64 : 32))
				alike.tuple.src[bits / 8] ^= (uint8_t)(0x80 >> bits % 8);
			other.tuple.src[(bits - 1) / 8] ^= (uint8_t)(0x80 >> (bits - 1) % 8);
			CU_ASSERT_EQUAL(ask(rs, w, &a, S), 0);
			CU_ASSERT_EQUAL(taken(rs, w, &alike, 5, S), 1);
			CU_ASSERT_EQUAL(taken(rs, w, &other, 5, S), 2);
			weir_rules_worker_free(w);
		}
		weir_rules_free(rs);
	}
}

static void test_over_a_limit_takes_only_the_rest(void)
{
	const enum weir_limit_per over[] = {WEIR_LIMIT_OVER_RULE, WEIR_LIMIT_OVER_SOURCE};

	for (unsigned i = 0; i < 2; i++) {
		struct weir_rules *rs = limited(over[i], 10, 3, 1, 1);
		struct weir_rules_worker *w = toy_rules_worker(8);
		const struct weir_rule_ask a = toy_udp();

		CU_ASSERT_EQUAL(taken(rs, w, &a, 3, S), 0);
		CU_ASSERT_EQUAL(taken(rs, w, &a, 4, S), 4);
		CU_ASSERT_EQUAL(ask(rs, w, &a, S + 100 * MS), 1);
		CU_ASSERT_EQUAL(ask(rs, w, &a, S + 100 * MS), 0);
		weir_rules_free(rs);
		weir_rules_worker_free(w);
	}
}

static void test_what_was_let_in_before_is_neither_charged_nor_over(void)
{
	const enum weir_limit_per kinds[] = {WEIR_LIMIT_RULE, WEIR_LIMIT_SOURCE,
					     WEIR_LIMIT_OVER_RULE, WEIR_LIMIT_OVER_SOURCE};

	for (unsigned i = 0; i < 4; i++) {
		struct weir_rules *rs = limited(kinds[i], 10, 3, 1, 1);
		struct weir_rules_worker *w = toy_rules_worker(8);
		const bool over = kinds[i] >= WEIR_LIMIT_OVER_RULE;
		struct weir_rule_ask a = toy_udp(), again = a;

		again.again = true;
		CU_ASSERT_EQUAL(taken(rs, w, &again, 9, S), over ? 0 : 9);
		CU_ASSERT_EQUAL(taken(rs, w, &a, 5, S), over ? 2 : 3); /* all was still there */
		CU_ASSERT_EQUAL(taken(rs, w, &again, 9, S), over ? 0 : 9);
		weir_rules_free(rs);
		weir_rules_worker_free(w);
	}
}

static void count(void *ctx, uint32_t number, uint32_t rule)
{
	CU_ASSERT_EQUAL(number, 0);
	CU_ASSERT_EQUAL(rule, 0);
	++*(unsigned *)ctx;
}

static void test_a_counting_rule_counts_within_its_limit_only(void)
{
	struct weir_rule rules[] = {toy_rule("counted"), toy_rule("rest")};
	struct weir_rules_worker *w = toy_rules_worker(8);
	const struct weir_rule_ask a = toy_udp();
	struct weir_rules *rs;
	unsigned counted = 0;

	rules[0].action = WEIR_ACTION_COUNT;
	rules[0].limit = WEIR_LIMIT_RULE;
	rules[0].limit_pps = 1;
	rules[0].limit_burst = 3;
	rs = toy_rules(rules, 2);
	for (unsigned i = 0; i < 5; i++) {
		uint32_t rule = 0;

		weir_rules_ask(rs, w, &a, 1, 0, S, &rule, count, &counted);
		CU_ASSERT_EQUAL(rule, 1);
	}
	CU_ASSERT_EQUAL(counted, 3);
	weir_rules_free(rs);
	weir_rules_worker_free(w);
}

static void test_a_reload_gives_a_rule_of_the_same_slot_no_new_burst(void)
{
	struct weir_rules *rs = limited(WEIR_LIMIT_RULE, 1, 3, 7, 1);
	struct weir_rules_worker *w = toy_rules_worker(8);
	const struct weir_rule_ask a = toy_udp();

	CU_ASSERT_EQUAL(taken(rs, w, &a, 5, S), 3);
	weir_rules_free(rs);
	rs = limited(WEIR_LIMIT_RULE, 1, 3, 7, 1);
	CU_ASSERT_EQUAL(taken(rs, w, &a, 5, S), 0);
	CU_ASSERT_EQUAL(taken(rs, w, &a, 5, 2 * S), 1);
	weir_rules_free(rs);
	rs = limited(WEIR_LIMIT_RULE, 1, 3, 8, 1); /* another rule */
	CU_ASSERT_EQUAL(taken(rs, w, &a, 5, 2 * S), 3);
	weir_rules_free(rs);
	weir_rules_worker_free(w);
}

static void test_a_smaller_burst_holds_from_the_reload_on(void)
{
	struct weir_rules *rs = limited(WEIR_LIMIT_SOURCE, 1, 100, 7, 1);
	struct weir_rules_worker *w = toy_rules_worker(8);
	const struct weir_rule_ask a = toy_udp();

	CU_ASSERT_EQUAL(taken(rs, w, &a, 1, S), 1);
	weir_rules_free(rs);
	rs = limited(WEIR_LIMIT_SOURCE, 1, 2, 7, 1);
	CU_ASSERT_EQUAL(taken(rs, w, &a, 9, S), 2);
	weir_rules_free(rs);
	weir_rules_worker_free(w);
}

static void test_limits_of_several_rules_are_told_apart(void)
{
	struct weir_rule rules[40];
	struct weir_rules_worker *w = toy_rules_worker(256);
	struct weir_rule_ask a = toy_udp();
	char names[40][8];
	struct weir_rules *rs;

	for (unsigned i = 0; i < 40; i++) {
		snprintf(names[i], sizeof(names[i]), "r%u", i);
		rules[i] = toy_rule(names[i]);
		rules[i].limit = i % 2 == 0 ? WEIR_LIMIT_RULE : WEIR_LIMIT_SOURCE;
		rules[i].limit_pps = 1;
		rules[i].limit_burst = i + 1;
		rules[i].slot = 1000 - i; /* the other way round than the rules */
	}
	rs = toy_rules(rules, 40);
	for (unsigned i = 0; i < 40; i++)
		for (unsigned k = 0; k <= i; k++)
			CU_ASSERT_EQUAL(ask(rs, w, &a, S), i);
	CU_ASSERT_EQUAL(ask(rs, w, &a, S), WEIR_RULE_DEFAULT);
	weir_rules_free(rs);
	weir_rules_worker_free(w);
}

/* One group of eight: nine sources do not fit. */
static void test_the_source_that_was_silent_longest_is_forgotten(void)
{
	struct weir_rules *rs = limited(WEIR_LIMIT_SOURCE, 1, 100, 1, 1);
	struct weir_rules_worker *w = toy_rules_worker(8);
	struct weir_rule_ask a = from("10.0.0.0");

	for (unsigned i = 0; i < 8; i++) {
		a.tuple.src[3] = (uint8_t)i;
		CU_ASSERT_EQUAL(taken(rs, w, &a, 200, S + i * MS), 100);
	}
	a.tuple.src[3] = 0;
	CU_ASSERT_EQUAL(taken(rs, w, &a, 200, S + 8 * MS), 0);
	a.tuple.src[3] = 8; /* takes the place of 1, for 0 was heard of again */
	CU_ASSERT_EQUAL(taken(rs, w, &a, 200, S + 9 * MS), 100);
	a.tuple.src[3] = 0;
	CU_ASSERT_EQUAL(taken(rs, w, &a, 200, S + 10 * MS), 0);
	a.tuple.src[3] = 1;
	CU_ASSERT_EQUAL(taken(rs, w, &a, 200, S + 11 * MS), 100);
	weir_rules_free(rs);
	weir_rules_worker_free(w);
}

static void test_a_clock_that_stands_or_goes_back_gives_nothing(void)
{
	struct weir_rules *rs = limited(WEIR_LIMIT_SOURCE, 1000, 2, 1, 1);
	struct weir_rules_worker *w = toy_rules_worker(8);
	const struct weir_rule_ask a = toy_udp();

	CU_ASSERT_EQUAL(taken(rs, w, &a, 9, 5 * S), 2);
	CU_ASSERT_EQUAL(taken(rs, w, &a, 9, 4 * S), 0);
	CU_ASSERT_EQUAL(taken(rs, w, &a, 9, 5 * S), 0);
	weir_rules_free(rs);
	weir_rules_worker_free(w);
}

static void test_a_worker_can_tell_only_so_many_sources_apart(void)
{
	const struct weir_siphash_key secret = {.k0 = 1};
	struct weir_rules_worker *w = NULL;

	CU_ASSERT_EQUAL(weir_rules_worker_create((1u << 24) + 1, -1, &secret, &w), -EINVAL);
	CU_ASSERT_PTR_NULL(w);
	weir_rules_worker_free(NULL);
}

WEIR_TESTS("rules/limit", TEST(a_limit_takes_its_burst_and_then_its_rate),
	   TEST(packets_of_one_burst_count_one_by_one), TEST(workers_share_a_limit_exactly),
	   TEST(every_worker_lets_one_packet_pass_of_the_smallest_burst),
	   TEST(each_source_has_its_own_limit), TEST(sources_of_ipv6_are_networks_of_64_bits),
	   TEST(all_sources_of_a_prefix_share_its_limit),
	   TEST(each_length_of_prefix_tells_apart_what_differs_in_it),
	   TEST(over_a_limit_takes_only_the_rest),
	   TEST(what_was_let_in_before_is_neither_charged_nor_over),
	   TEST(a_counting_rule_counts_within_its_limit_only),
	   TEST(a_reload_gives_a_rule_of_the_same_slot_no_new_burst),
	   TEST(a_smaller_burst_holds_from_the_reload_on),
	   TEST(limits_of_several_rules_are_told_apart),
	   TEST(the_source_that_was_silent_longest_is_forgotten),
	   TEST(a_clock_that_stands_or_goes_back_gives_nothing),
	   TEST(a_worker_can_tell_only_so_many_sources_apart))
