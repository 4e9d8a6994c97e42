/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules as the program finds them, against a plain list that is searched from end to end. */
#include "test.h"
#include "toy_steer.h"

#define N_RULES	  150
#define N_ROUNDS  40
#define N_PACKETS 60

/* The reference: a rule as it was asked for, and the order of its making. */
struct listed {
	struct steer_spec spec;
	unsigned age;
	uint32_t id;
};

static struct listed list[N_RULES];
static unsigned n_listed;
static unsigned age;

/* Of these a rule's fields are made, and a packet's: few values, so that many match. */
static uint32_t pick(uint32_t n)
{
	return (uint32_t)random() % n;
}

static void pick_ip(uint8_t ip[16])
{
	memset(ip, 0, 16);
	ip[0] = 10;
	ip[1] = (uint8_t)pick(2);
	ip[3] = (uint8_t)pick(2);
}

static const uint8_t prefixes[] = {0, 8, 16, 32};

static struct steer_spec random_spec(uint32_t mark)
{
	struct steer_spec s = toy_spec(STEER_SPREAD, 0, pick(3));
	uint8_t ip[16];
	unsigned bits = prefixes[pick(4)];

	s.rule.has_mark = 1;
	s.rule.mark = mark;
	if (pick(2)) {
		s.mask.has |= STEER_HAS_IPV4;
		s.key.has |= STEER_HAS_IPV4;
		pick_ip(ip);
		for (unsigned i = 0; i < bits / 8; i++) {
			s.mask.dst_ip[i] = 0xff;
			s.key.dst_ip[i] = ip[i];
		}
	}
	if (pick(2)) {
		const uint8_t has = pick(2) ? STEER_HAS_TCP : STEER_HAS_UDP;

		s.mask.has |= has;
		s.key.has |= has;
		if (pick(2)) {
			s.rule.dst_port_lo = (uint16_t)pick(8);
			s.rule.dst_port_hi = (uint16_t)(s.rule.dst_port_lo + pick(4));
		} else if (pick(2)) {
			s.mask.src_port = UINT16_MAX;
			s.key.src_port = htons((uint16_t)pick(8));
		}
	}
	return s;
}

static struct steer_key random_packet(struct frame *f)
{
	struct steer_key key = {.has = STEER_HAS_IPV4};
	const uint8_t proto = pick(2) ? 6 : 17;
	uint8_t src[16];

	pick_ip(src);
	pick_ip(key.dst_ip);
	key.src_port = htons((uint16_t)pick(8));
	key.dst_port = htons((uint16_t)pick(12));
	key.has |= proto == 6 ? STEER_HAS_TCP : STEER_HAS_UDP;
	*f = frame_flow(proto, "0.0.0.0", ntohs(key.src_port), "0.0.0.0", ntohs(key.dst_port));
	memcpy(f->bytes + 26, src, 4);
	memcpy(f->bytes + 30, key.dst_ip, 4);
	return key;
}

/* By the fields that random_spec() uses, one at a time. */
static bool is_match(const struct steer_spec *s, const struct steer_key *key)
{
	const uint16_t dst = ntohs(key->dst_port);

	if ((key->has & s->mask.has) != s->key.has)
		return false;
	for (unsigned i = 0; i < 4; i++)
		if (s->mask.dst_ip[i] != 0 && s->key.dst_ip[i] != key->dst_ip[i])
			return false;
	if (s->mask.src_port != 0 && s->key.src_port != key->src_port)
		return false;
	return dst >= s->rule.dst_port_lo && dst <= s->rule.dst_port_hi;
}

/* The mark of the rule that must win; 0: none. */
static uint32_t expected(const struct steer_key *key)
{
	const struct listed *best = NULL;

	for (unsigned i = 0; i < n_listed; i++) {
		const struct listed *l = &list[i];

		if (is_match(&l->spec, key) &&
		    (best == NULL || l->spec.priority < best->spec.priority ||
		     (l->spec.priority == best->spec.priority && l->age < best->age)))
			best = l;
	}
	return best == NULL ? 0 : best->spec.rule.mark;
}

static bool is_same_match(const struct steer_spec *a, const struct steer_spec *b)
{
	return memcmp(&a->key, &b->key, sizeof(a->key)) == 0 &&
	       memcmp(&a->mask, &b->mask, sizeof(a->mask)) == 0 && a->priority == b->priority &&
	       a->rule.dst_port_lo == b->rule.dst_port_lo &&
	       a->rule.dst_port_hi == b->rule.dst_port_hi;
}

static void add_one(void)
{
	const struct steer_spec spec = random_spec(age + 1);
	const char *why;
	bool twin = false;
	uint32_t id;
	int rc;

	for (unsigned i = 0; i < n_listed; i++)
		twin |= is_same_match(&list[i].spec, &spec);
	rc = steer_rule_add(toy, &spec, &id, &why);
	CU_ASSERT_EQUAL(rc, twin ? -EEXIST : 0);
	if (rc == 0)
		list[n_listed++] = (struct listed){.spec = spec, .age = age, .id = id};
	age++;
}

static void remove_one(void)
{
	const unsigned i = pick(n_listed);

	CU_ASSERT_EQUAL_FATAL(steer_rule_remove(toy, list[i].id), 0);
	list[i] = list[--n_listed];
}

static void test_random_rules_are_found_as_in_a_list(void)
{
	unsigned hits = 0;

	toy_config();
	srandom(4);
	n_listed = 0;
	for (unsigned round = 0; round < N_ROUNDS; round++) {
		const unsigned target = pick(N_RULES);

		while (n_listed > target)
			remove_one();
		for (unsigned tries = 0; n_listed < target && tries < N_RULES; tries++)
			add_one();
		for (unsigned i = 0; i < N_PACKETS; i++) {
			struct frame f;
			const struct steer_key key = random_packet(&f);
			const uint32_t mark = expected(&key);
			const struct toy_end end = toy_run(&f);

			CU_ASSERT_EQUAL(end.meta.mark, mark);
			CU_ASSERT_EQUAL(end.meta.flags & STEER_META_MARK,
					mark ? STEER_META_MARK : 0);
			hits += mark != 0;
		}
	}
	CU_ASSERT(hits > N_ROUNDS * N_PACKETS / 4);
	toy_flush();
}

/* The mark that a TCP packet to a port gets. */
static uint32_t mark_of(uint16_t port)
{
	const struct frame f = frame_flow(6, "192.0.2.1", 1, "192.0.2.2", port);

	return toy_run(&f).meta.mark;
}

static struct steer_spec tcp_range(uint16_t lo, uint16_t hi, uint32_t priority)
{
	struct steer_spec s = toy_spec(STEER_SPREAD, 0, priority);

	s.key.has = s.mask.has = STEER_HAS_TCP;
	s.rule.dst_port_lo = lo;
	s.rule.dst_port_hi = hi;
	s.rule.has_mark = 1;
	s.rule.mark = lo;
	return s;
}

static void test_a_chain_is_searched_to_its_end_and_refuses_one_more(void)
{
	const struct steer_spec one_more = tcp_range(1000, 1000, 0);
	const char *why;
	uint32_t id;

	toy_config();
	for (uint16_t i = 1; i <= STEER_CHAIN; i++) {
		const struct steer_spec s = tcp_range(i, i, i);

		CU_ASSERT_NOT_EQUAL(toy_add(&s), 0);
	}
	for (uint16_t i = 1; i <= STEER_CHAIN; i++)
		CU_ASSERT_EQUAL(mark_of(i), i);
	CU_ASSERT_EQUAL(mark_of(STEER_CHAIN + 1), 0);
	CU_ASSERT_EQUAL(steer_rule_add(toy, &one_more, &id, &why), -ENOSPC);
	CU_ASSERT_EQUAL(mark_of(1000), 0);
}

static void test_at_equal_priority_the_older_rule_wins(void)
{
	const struct steer_spec wide = tcp_range(10, 30, 5), narrow = tcp_range(20, 21, 5),
				better = tcp_range(21, 22, 4);
	struct steer_spec exact = tcp_range(0, 65535, 5); /* another mask */

	toy_config();
	exact.key.dst_port = htons(20);
	exact.mask.dst_port = UINT16_MAX;
	exact.rule.mark = 99;
	CU_ASSERT_NOT_EQUAL(toy_add(&wide), 0);
	CU_ASSERT_NOT_EQUAL(toy_add(&narrow), 0);
	CU_ASSERT_NOT_EQUAL(toy_add(&exact), 0);
	CU_ASSERT_EQUAL(mark_of(20), 10);
	CU_ASSERT_NOT_EQUAL(toy_add(&better), 0);
	CU_ASSERT_EQUAL(mark_of(21), 21);
	CU_ASSERT_EQUAL(mark_of(20), 10);
}

static void test_masks_are_used_again(void)
{
	toy_config();
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < STEER_MASKS + 1; i++) {
			struct steer_spec s = toy_spec(STEER_SPREAD, 0, 0);
			const char *why;
			uint32_t id;

			s.mask.dst_ip[i / 8] = (uint8_t)(1 << i % 8); /* a mask for each bit */
			CU_ASSERT_EQUAL(steer_rule_add(toy, &s, &id, &why),
					i < STEER_MASKS ? 0 : -ENOSPC);
		}
		toy_flush();
		CU_ASSERT_EQUAL(steer_config(toy)->n_masks, 0);
	}
}

static void test_a_rule_counts_what_it_decides_about(void)
{
	struct steer_spec s = tcp_range(5, 5, 0);
	struct steer_rule_stats stats;
	uint32_t id;

	toy_config();
	s.rule.count = 1;
	s.rule.verdict = STEER_DROP;
	id = toy_add(&s);
	for (unsigned i = 0; i < 10; i++)
		mark_of((uint16_t)(i % 2 ? 5 : 6));
	CU_ASSERT_EQUAL(steer_rule_stats(toy, id, &stats), 0);
	CU_ASSERT_EQUAL(stats.pkts, 5);
	CU_ASSERT_EQUAL(stats.bytes, 5 * 54);
}

static void test_rules_that_the_port_cannot_follow_are_objected_to(void)
{
	struct steer_config *config = toy_config();
	struct steer_spec s = toy_spec(STEER_SPREAD, TOY_QUEUES, 0);

	CU_ASSERT_PTR_NOT_NULL(steer_rule_objection(toy, &s.rule));
	CU_ASSERT_NOT_EQUAL(toy_add(&s), 0);
	CU_ASSERT_EQUAL(steer_rules_check(toy), -EINVAL);
	toy_flush();
	CU_ASSERT_EQUAL(steer_rules_check(toy), 0);
	s.rule.queues[0] = 0;
	CU_ASSERT_PTR_NULL(steer_rule_objection(toy, &s.rule));
	config->soft_rss = 0;
	CU_ASSERT_PTR_NOT_NULL(steer_rule_objection(toy, &s.rule));
	config->stride = 1; /* one hardware queue, one queue */
	CU_ASSERT_PTR_NULL(steer_rule_objection(toy, &s.rule));
	s.rule.has_mark = 1;
	CU_ASSERT_PTR_NULL(steer_rule_objection(toy, &s.rule));
	config->meta = 0; /* it is switched on for the rule */
	CU_ASSERT_PTR_NULL(steer_rule_objection(toy, &s.rule));
	CU_ASSERT_FALSE(steer_has_marks(toy));
	CU_ASSERT_NOT_EQUAL(toy_add(&s), 0);
	CU_ASSERT_TRUE(steer_has_marks(toy));
}

WEIR_TESTS("xdp/steer-find", TEST(random_rules_are_found_as_in_a_list),
	   TEST(a_chain_is_searched_to_its_end_and_refuses_one_more),
	   TEST(at_equal_priority_the_older_rule_wins), TEST(masks_are_used_again),
	   TEST(a_rule_counts_what_it_decides_about),
	   TEST(rules_that_the_port_cannot_follow_are_objected_to))
