/* SPDX-License-Identifier: BSD-3-Clause */

/* The flow table: what is found, what is refused, and that nothing old shines through. */

#include "flow_priv.h"
#include "toy_flow.h"

#include <errno.h>

static void test_sizes_and_times_out_of_range_are_refused_with_a_sentence(void)
{
	const struct {
		uint32_t entries, exts, sources;
		uint64_t timeout_ns;
	} bad[] = {
		{0, 0, 0, S},	    {WEIR_FLOWS_MAX + 1, 0, 0, S},
		{16, 17, 0, S},	    {16, 0, WEIR_FLOWS_MAX + 1, S},
		{16, 0, 0, MS - 1}, {16, 0, 0, 25 * 24 * 3600 * S},
	};
	struct weir_flow_table *t = NULL;

	toy_eal();
	for (unsigned i = 0; i < RTE_DIM(bad); i++) {
		struct weir_flow_conf conf = toy_flow_conf(bad[i].entries);
		struct weir_why why = {0};

		conf.exts = bad[i].exts;
		conf.sources = bad[i].sources;
		conf.timeout_ns[WEIR_FLOW_UDP] = bad[i].timeout_ns;
		CU_ASSERT_EQUAL(weir_flow_table_create(&conf, &t, &why), -EINVAL);
		CU_ASSERT_PTR_NULL(t);
		CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "flow table"));
	}
}

static void test_without_memory_there_is_a_sentence_and_no_table(void)
{
	const struct weir_flow_conf conf = toy_flow_conf(4000000); /* of 64 MiB */
	struct weir_flow_table *t = NULL;
	struct weir_why why = {0};

	toy_eal();
	CU_ASSERT_EQUAL(weir_flow_table_create(&conf, &t, &why), -ENOMEM);
	CU_ASSERT_PTR_NULL(t);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "hugepages"));
	weir_flow_table_free(NULL);
}

static void test_the_size_is_what_the_parts_need(void)
{
	const struct weir_flow_conf conf = {.entries = 4000000, .exts = 1000, .sources = 5000};
	const uint64_t bytes = weir_flow_table_size(&conf);
	const struct weir_flow_conf small = toy_flow_conf(1000);
	struct weir_flow_table *t = toy_flows(1000);
	uintptr_t end = (uintptr_t)(t->sources + t->n_sources);

	CU_ASSERT_TRUE(bytes > 4000000 * UINT64_C(150));
	CU_ASSERT_TRUE(bytes < 4000000 * UINT64_C(160));
	CU_ASSERT_EQUAL(end - (uintptr_t)t, weir_flow_table_size(&small));
	weir_flow_table_free(t);
}

static void test_a_draft_is_not_found_and_a_known_flow_is_in_both_directions(void)
{
	struct weir_flow_table *t = toy_flows(16);
	const struct weir_tuple tuples[] = {
		toy_tuple4(UINT32_C(0x0a000001), 1000, UINT32_C(0xc0000201), 80, IPPROTO_TCP),
		toy_tuple6(1, 1000, 2, 80, IPPROTO_TCP),
		toy_tuple4(UINT32_C(0x0a000001), 77, UINT32_C(0xc0000201), 8, IPPROTO_ICMP),
		toy_tuple6(1, 0, 2, 0, 47),
	};

	for (unsigned i = 0; i < RTE_DIM(tuples); i++) {
		const struct weir_tuple reply = weir_tuple_reverse(&tuples[i]);
		const uint32_t flow = weir_flow_draft(t, &tuples[i]);
		uint32_t ref;

		CU_ASSERT_EQUAL(toy_find(t, &tuples[i]), WEIR_NO_FLOW);
		CU_ASSERT_EQUAL(weir_flow_commit(t, flow, &ref), 0);
		CU_ASSERT_EQUAL(toy_find(t, &tuples[i]), flow << 1 | WEIR_DIR_ORIG);
		CU_ASSERT_EQUAL(toy_find(t, &reply), flow << 1 | WEIR_DIR_REPLY);
		weir_flow_kill(t, flow);
		CU_ASSERT_EQUAL(toy_find(t, &tuples[i]), WEIR_NO_FLOW);
		CU_ASSERT_EQUAL(toy_find(t, &reply), WEIR_NO_FLOW);
	}
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->created, RTE_DIM(tuples));
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->killed, RTE_DIM(tuples));
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->used, 0);
	CU_ASSERT_EQUAL(toy_ends, RTE_DIM(tuples));
	weir_flow_table_free(t);
}

static void test_each_part_of_a_tuple_counts(void)
{
	struct weir_flow_table *t = toy_flows(16);

	for (unsigned family = 4; family <= 6; family += 2) {
		const struct weir_tuple known = family == 4 ? toy_tuple(1)
							    : toy_tuple6(1, 2, 3, 4, IPPROTO_UDP);

		(void)toy_enter(t, &known);
		for (unsigned byte = 0; byte < sizeof(known); byte++) {
			struct weir_tuple other = known;

			((uint8_t *)&other)[byte] ^= 1;
			if (family == 4 && ((byte >= 4 && byte < 16) || (byte >= 20 && byte < 32)))
				continue; /* unused */
			CU_ASSERT_EQUAL(toy_find(t, &other), WEIR_NO_FLOW);
		}
	}
	weir_flow_table_free(t);
}

static void test_a_draft_of_a_used_entry_is_as_new(void)
{
	const struct weir_tuple tuple = toy_tuple4(1, 2, 3, 4, IPPROTO_TCP);
	struct weir_flow_table *t = toy_flows(1);
	const uint32_t flow = weir_flow_draft(t, &tuple);
	struct weir_flow *f = weir_flow_at(t, flow);

	CU_ASSERT_PTR_NOT_NULL(weir_flow_extend(t, f));
	weir_flow_ext(t, f)->seq_delta = 7;
	memset(f, 0xff, offsetof(struct weir_flow, carried));
	f->family = 4;
	f->mark = f->rule = f->gen = 9;
	f->carried[0] = f->carried[1] = f->pkts[0] = f->pkts[1] = f->app = 9;
	weir_flow_abort(t, flow);
	weir_flow_table_tick(t, 6 * S);
	CU_ASSERT_EQUAL(weir_flow_draft(t, &tuple), flow);
	CU_ASSERT_EQUAL(f->v4.src, f->v4.xsrc);
	CU_ASSERT_EQUAL(f->v4.dst, rte_cpu_to_be_32(3));
	CU_ASSERT_EQUAL(f->v4.unused[11], 0);
	CU_ASSERT_EQUAL(f->sport, f->xsport);
	CU_ASSERT_EQUAL(f->xdport, rte_cpu_to_be_16(4));
	CU_ASSERT_EQUAL(f->peer[0].end | f->peer[1].acked | f->wscale | f->tcp_state, 0);
	CU_ASSERT_EQUAL(f->carried[0] | f->carried[1] | f->pkts[0] | f->pkts[1], 0);
	CU_ASSERT_EQUAL(f->gen | f->rule | f->app | f->mark | f->ext | f->vrf, 0);
	CU_ASSERT_EQUAL(f->flags, WEIR_FLOW_DRAFT);
	CU_ASSERT_EQUAL(f->cls, WEIR_FLOW_HALF_OPEN);
	CU_ASSERT_EQUAL(f->start_ms, 6000);
	CU_ASSERT_EQUAL(f->last_ms, 6000);
	CU_ASSERT_PTR_NOT_NULL(weir_flow_extend(t, f));
	CU_ASSERT_EQUAL(weir_flow_ext(t, f)->seq_delta, 0);
	weir_flow_table_free(t);
}

static void test_who_comes_second_gets_the_first_ones_reference(void)
{
	struct weir_flow_table *t = toy_flows(4);
	const struct weir_tuple tuple = toy_tuple(1), reply = weir_tuple_reverse(&tuple);
	const uint32_t a = weir_flow_draft(t, &tuple), b = weir_flow_draft(t, &tuple);
	const uint32_t c = weir_flow_draft(t, &reply);
	uint32_t ref;

	CU_ASSERT_EQUAL(weir_flow_commit(t, a, &ref), 0);
	CU_ASSERT_EQUAL(weir_flow_commit(t, b, &ref), -EEXIST);
	CU_ASSERT_EQUAL(ref, a << 1 | WEIR_DIR_ORIG);
	CU_ASSERT_EQUAL(weir_flow_commit(t, c, &ref), -EEXIST);
	CU_ASSERT_EQUAL(ref, a << 1 | WEIR_DIR_REPLY);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->raced, 2);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->used, 1);
	CU_ASSERT_EQUAL(toy_ends, 2);
	weir_flow_table_free(t);
}

static void test_a_translated_flow_is_found_by_what_comes_back(void)
{
	struct weir_flow_table *t = toy_flows(4);
	const struct weir_tuple tuple = toy_tuple(1);
	const struct weir_tuple to =
		toy_tuple4(UINT32_C(0xc6336401), 40000, UINT32_C(0x0a010101), 5353, IPPROTO_UDP);
	const struct weir_tuple back = weir_tuple_reverse(&to);
	const struct weir_tuple untranslated = weir_tuple_reverse(&tuple);
	const uint32_t flow = weir_flow_draft(t, &tuple);
	struct weir_flow *f = weir_flow_at(t, flow);
	struct weir_tuple seen;
	uint32_t ref;

	CU_ASSERT_EQUAL(weir_flow_translate(t, f, &to), 0);
	CU_ASSERT_EQUAL(f->flags, WEIR_FLOW_DRAFT | WEIR_FLOW_SNAT | WEIR_FLOW_DNAT);
	CU_ASSERT_EQUAL(weir_flow_commit(t, flow, &ref), 0);
	CU_ASSERT_EQUAL(toy_find(t, &tuple), flow << 1);
	CU_ASSERT_EQUAL(toy_find(t, &back), flow << 1 | 1);
	CU_ASSERT_EQUAL(toy_find(t, &untranslated), WEIR_NO_FLOW);
	weir_flow_tuple(t, f, WEIR_DIR_ORIG, &seen);
	CU_ASSERT_TRUE(toy_tuple_equal(&seen, &tuple));
	weir_flow_tuple(t, f, WEIR_DIR_REPLY, &seen);
	CU_ASSERT_TRUE(toy_tuple_equal(&seen, &back));
	weir_flow_kill(t, flow);
	CU_ASSERT_EQUAL(toy_find(t, &back), WEIR_NO_FLOW);
	weir_flow_table_free(t);
}

static void test_only_what_differs_is_marked_as_translated(void)
{
	struct weir_flow_table *t = toy_flows(4);
	const struct weir_tuple from = toy_tuple6(1, 2, 3, 4, IPPROTO_UDP);
	struct weir_flow *f = weir_flow_at(t, weir_flow_draft(t, &from));
	struct weir_tuple to = from;

	to.src[15] ^= 1;
	CU_ASSERT_EQUAL(weir_flow_translate(t, f, &to), 0);
	CU_ASSERT_EQUAL(f->flags, WEIR_FLOW_DRAFT | WEIR_FLOW_EXT | WEIR_FLOW_SNAT);
	to = from;
	to.dport ^= 1;
	CU_ASSERT_EQUAL(weir_flow_translate(t, f, &to), 0);
	CU_ASSERT_EQUAL(f->flags, WEIR_FLOW_DRAFT | WEIR_FLOW_EXT | WEIR_FLOW_DNAT);
	CU_ASSERT_EQUAL(f->xdport, to.dport);
	CU_ASSERT_EQUAL(weir_flow_translate(t, f, &from), 0);
	CU_ASSERT_EQUAL(f->flags, WEIR_FLOW_DRAFT);
	CU_ASSERT_EQUAL(f->xdport, from.dport);
	weir_flow_table_free(t);
}

static void test_ipv6_to_ipv4_keeps_the_way_out_in_the_extension(void)
{
	struct weir_flow_conf conf = toy_flow_conf(4);
	const struct weir_tuple six = toy_tuple6(1, 128, 3, 7, IPPROTO_ICMPV6);
	const struct weir_tuple four = toy_tuple4(1, 8, 3, 7, IPPROTO_ICMP);
	const struct weir_tuple back = weir_tuple_reverse(&four);
	struct weir_flow_table *t;
	uint32_t flow, other, ref;

	conf.exts = 1;
	t = toy_flows_of(&conf);
	flow = weir_flow_draft(t, &six);
	other = weir_flow_draft(t, &six);
	CU_ASSERT_EQUAL(weir_flow_translate(t, weir_flow_at(t, flow), &four), 0);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->exts_used, 1);
	CU_ASSERT_EQUAL(weir_flow_translate(t, weir_flow_at(t, other), &four), -ENOSPC);
	CU_ASSERT_PTR_NULL(weir_flow_extend(t, weir_flow_at(t, other)));
	CU_ASSERT_PTR_NULL(weir_flow_ext(t, weir_flow_at(t, other)));
	CU_ASSERT_EQUAL(weir_flow_at(t, other)->flags, WEIR_FLOW_DRAFT);
	CU_ASSERT_EQUAL(weir_flow_commit(t, flow, &ref), 0);
	CU_ASSERT_EQUAL(toy_find(t, &six), flow << 1);
	CU_ASSERT_EQUAL(toy_find(t, &back), flow << 1 | 1);
	weir_flow_kill(t, flow);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->exts_used, 0);
	CU_ASSERT_EQUAL(weir_flow_translate(t, weir_flow_at(t, other), &four), 0);
	weir_flow_table_free(t);
}

static void test_two_flows_cannot_share_what_comes_back(void)
{
	struct weir_flow_table *t = toy_flows(4);
	const struct weir_tuple one = toy_tuple(1), two = toy_tuple(2);
	struct weir_tuple to = toy_tuple(3);
	const uint32_t a = weir_flow_draft(t, &one), b = weir_flow_draft(t, &two);
	uint32_t ref = 77;

	CU_ASSERT_EQUAL(weir_flow_translate(t, weir_flow_at(t, a), &to), 0);
	CU_ASSERT_EQUAL(weir_flow_translate(t, weir_flow_at(t, b), &to), 0);
	CU_ASSERT_EQUAL(weir_flow_commit(t, a, &ref), 0);
	CU_ASSERT_EQUAL(weir_flow_commit(t, b, &ref), -EADDRINUSE);
	CU_ASSERT_EQUAL(toy_find(t, &two), WEIR_NO_FLOW);
	to.sport++;
	CU_ASSERT_EQUAL(weir_flow_translate(t, weir_flow_at(t, b), &to), 0);
	CU_ASSERT_EQUAL(weir_flow_commit(t, b, &ref), 0);
	CU_ASSERT_EQUAL(ref, b << 1);
	weir_flow_table_free(t);
}

static void test_a_flow_with_itself_is_one_flow(void)
{
	struct weir_flow_table *t = toy_flows(4);
	const struct weir_tuple self = toy_tuple4(9, 9, 9, 9, IPPROTO_UDP);
	const uint32_t ref = toy_enter(t, &self);

	CU_ASSERT_EQUAL(toy_find(t, &self) >> 1, ref >> 1);
	weir_flow_kill(t, ref >> 1);
	CU_ASSERT_EQUAL(toy_find(t, &self), WEIR_NO_FLOW);
	for (uint32_t i = 0; i < t->n_buckets; i++)
		CU_ASSERT_EQUAL(flow_slots(&t->buckets[i], 0), 0x3ff);
	weir_flow_table_free(t);
}

static void test_the_end_of_a_free_entry_or_of_a_draft_does_no_harm(void)
{
	struct weir_flow_table *t = toy_flows(4);
	const struct weir_tuple tuple = toy_tuple(1);
	const uint32_t flow = weir_flow_draft(t, &tuple);

	weir_flow_kill(t, flow);
	weir_flow_kill(t, flow);
	weir_flow_abort(t, flow);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->used, 0);
	CU_ASSERT_EQUAL(weir_flow_table_stats(t)->killed, 0);
	CU_ASSERT_EQUAL(toy_ends, 1);
	weir_flow_abort(t, toy_enter(t, &tuple) >> 1);
	CU_ASSERT_NOT_EQUAL(toy_find(t, &tuple), WEIR_NO_FLOW);
	weir_flow_table_free(t);
}

static void test_tags_are_found_alike_with_and_without_vectors(void)
{
	struct flow_bucket b = {0};
	uint32_t x = 1;

	for (unsigned round = 0; round < 20000; round++) {
		for (unsigned i = 0; i < FLOW_SLOTS; i++) {
			x = x * 1664525 + 1013904223;
			b.tag[i] = (uint16_t)(x >> 16 & 3); /* alike ones, and free slots */
			b.ref[i] = x % 7 == 0 ? 0x00010001 : x;
		}
		for (uint16_t tag = 0; tag < 4; tag++)
			CU_ASSERT_EQUAL(flow_slots(&b, tag), flow_slots_plain(&b, tag));
	}
}

/* Tuples that all have the same first and second bucket, as an attacker with the key would. */
static uint32_t alike(const struct weir_flow_table *t, struct weir_tuple *out, uint32_t n)
{
	uint32_t found = 0;

	for (uint32_t i = 0; found < n; i++) {
		const struct weir_tuple tuple = toy_tuple(i);
		const uint64_t hash = flow_hash(t, &tuple);

		if (flow_first(t, hash) == t->buckets && flow_second(t, hash) == t->buckets + 1)
			out[found++] = tuple;
	}
	return found;
}

static void test_full_buckets_overflow_and_then_refuse(void)
{
	struct weir_flow_table *t = toy_flows(64);
	struct weir_tuple tuples[60];
	uint32_t refs[60];
	unsigned entered = 0;
	int rc = 0;

	/* Replies lie elsewhere, or in the overflow too. */
	(void)alike(t, tuples, RTE_DIM(tuples));
	while (rc == 0 && entered < RTE_DIM(tuples)) {
		const uint32_t flow = weir_flow_draft(t, &tuples[entered]);

		rc = weir_flow_commit(t, flow, &refs[entered]);
		if (rc == 0)
			entered++;
		else
			weir_flow_abort(t, flow);
	}
	CU_ASSERT_EQUAL(rc, -ENOSPC);
	CU_ASSERT_TRUE(entered >= 2 * FLOW_SLOTS + FLOW_SLOTS);
	CU_ASSERT_NOT_EQUAL(t->buckets[0].over, 0);
	for (unsigned i = 0; i < entered; i++)
		CU_ASSERT_EQUAL(toy_find(t, &tuples[i]), refs[i]);
	CU_ASSERT_EQUAL(toy_find(t, &tuples[entered]), WEIR_NO_FLOW);
	for (unsigned i = 0; i < entered; i++) {
		weir_flow_kill(t, refs[i] >> 1);
		CU_ASSERT_EQUAL(toy_find(t, &tuples[i]), WEIR_NO_FLOW);
	}
	for (uint32_t i = 0; i < t->n_buckets; i++) {
		CU_ASSERT_EQUAL(t->buckets[i].spilled, 0);
		CU_ASSERT_EQUAL(t->buckets[i].over, 0);
	}
	weir_flow_table_free(t);
}

static void test_every_entry_of_a_full_table_is_found_in_one_bulk(void)
{
	enum { N = 16384, BULK = 512 };
	struct weir_flow_table *t = toy_flows(N);
	static struct weir_tuple tuples[N];
	static uint32_t refs[N];
	uint32_t got[BULK];

	for (uint32_t i = 0; i < N; i++) {
		tuples[i] = toy_tuple(i);
		refs[i] = toy_enter(t, &tuples[i]);
		if (i % 2 == 1) { /* half of them by their replies */
			tuples[i] = weir_tuple_reverse(&tuples[i]);
			refs[i] |= 1;
		}
	}
	for (uint32_t at = 0; at < N; at += BULK) {
		weir_flow_lookup(t, &tuples[at], BULK, got);
		for (uint32_t i = 0; i < BULK; i++)
			CU_ASSERT_EQUAL(got[i], refs[at + i]);
	}
	weir_flow_lookup(t, tuples, 3, got);
	CU_ASSERT_EQUAL(got[2], refs[2]);
	weir_flow_lookup(t, tuples, 0, got);
	CU_ASSERT_EQUAL(got[2], refs[2]);
	weir_flow_table_free(t);
}

static void test_flows_are_counted_by_the_zone_of_their_first_packet(void)
{
	struct weir_flow_table *t = toy_flows(8);
	uint32_t refs[3];

	for (unsigned i = 0; i < 3; i++) {
		const struct weir_tuple tuple = toy_tuple(i);
		const uint32_t flow = weir_flow_draft(t, &tuple);

		weir_flow_at(t, flow)->zone[WEIR_DIR_ORIG] = i == 2 ? 31 : 5;
		CU_ASSERT_EQUAL(weir_flow_commit(t, flow, &refs[i]), 0);
	}
	CU_ASSERT_EQUAL(weir_flow_zone_count(t, 5), 2);
	CU_ASSERT_EQUAL(weir_flow_zone_count(t, 31), 1);
	CU_ASSERT_EQUAL(weir_flow_zone_count(t, 0), 0);
	CU_ASSERT_EQUAL(weir_flow_zone_count(t, 32), 0);
	weir_flow_kill(t, refs[0] >> 1);
	CU_ASSERT_EQUAL(weir_flow_zone_count(t, 5), 1);
	weir_flow_table_free(t);
}

static void test_packets_stay_at_their_largest_number(void)
{
	struct weir_flow f = {.pkts = {UINT32_MAX - 1, 0}};

	weir_flow_count(&f, WEIR_DIR_ORIG, 100, 7);
	weir_flow_count(&f, WEIR_DIR_ORIG, 100, 8);
	CU_ASSERT_EQUAL(f.pkts[WEIR_DIR_ORIG], UINT32_MAX);
	CU_ASSERT_EQUAL(weir_flow_bytes(&f, WEIR_DIR_ORIG), 200);
	CU_ASSERT_EQUAL(f.last_ms, 8);
}

static void test_flags_of_tcp_gather_each_way_beside_the_bytes(void)
{
	struct weir_flow f = {.proto = 6};

	weir_flow_count(&f, WEIR_DIR_ORIG, 40, 1);
	weir_flow_saw(&f, WEIR_DIR_ORIG, 0x02);
	weir_flow_saw(&f, WEIR_DIR_REPLY, 0x12);
	weir_flow_count(&f, WEIR_DIR_REPLY, 44, 1);
	weir_flow_saw(&f, WEIR_DIR_ORIG, 0xd0);
	weir_flow_count(&f, WEIR_DIR_ORIG, UINT32_MAX, 2);
	CU_ASSERT_EQUAL(weir_flow_tcp_flags(&f, WEIR_DIR_ORIG), 0xd2);
	CU_ASSERT_EQUAL(weir_flow_tcp_flags(&f, WEIR_DIR_REPLY), 0x12);
	CU_ASSERT_EQUAL(weir_flow_bytes(&f, WEIR_DIR_ORIG), UINT64_C(40) + UINT32_MAX);
	CU_ASSERT_EQUAL(weir_flow_bytes(&f, WEIR_DIR_REPLY), 44);
}

WEIR_TESTS("dataplane/flow_table", TEST(sizes_and_times_out_of_range_are_refused_with_a_sentence),
	   TEST(without_memory_there_is_a_sentence_and_no_table),
	   TEST(the_size_is_what_the_parts_need),
	   TEST(a_draft_is_not_found_and_a_known_flow_is_in_both_directions),
	   TEST(each_part_of_a_tuple_counts), TEST(a_draft_of_a_used_entry_is_as_new),
	   TEST(who_comes_second_gets_the_first_ones_reference),
	   TEST(a_translated_flow_is_found_by_what_comes_back),
	   TEST(only_what_differs_is_marked_as_translated),
	   TEST(ipv6_to_ipv4_keeps_the_way_out_in_the_extension),
	   TEST(two_flows_cannot_share_what_comes_back), TEST(a_flow_with_itself_is_one_flow),
	   TEST(the_end_of_a_free_entry_or_of_a_draft_does_no_harm),
	   TEST(tags_are_found_alike_with_and_without_vectors),
	   TEST(full_buckets_overflow_and_then_refuse),
	   TEST(every_entry_of_a_full_table_is_found_in_one_bulk),
	   TEST(flows_are_counted_by_the_zone_of_their_first_packet),
	   TEST(packets_stay_at_their_largest_number),
	   TEST(flags_of_tcp_gather_each_way_beside_the_bytes))
