/* SPDX-License-Identifier: BSD-3-Clause */

/* What a worker sends itself: in order, bounded, and not for ever. */

#include "../../dataplane/origin.c"

#include "failalloc.h"
#include "test.h"
#include "toy_eal.h"

static struct weir_shard shard;

static struct weir_origin *fresh(void)
{
	struct weir_origin *o = NULL;

	shard = (struct weir_shard){.pool = toy_only_pool()};
	CU_ASSERT_EQUAL_FATAL(origin_create(&shard, &o), 0);
	return o;
}

static void test_packets_come_back_in_order_with_their_verdict(void)
{
	struct weir_origin *o = fresh();
	struct rte_mbuf *m[3], *got[8];

	for (unsigned i = 0; i < 3; i++) {
		m[i] = weir_shard_alloc(&shard);
		CU_ASSERT_EQUAL(weir_meta(m[i])->flags, WEIR_META_OURS);
		weir_origin_push(o, m[i], i == 1 ? WEIR_TX : WEIR_NEXT);
	}
	CU_ASSERT_TRUE(origin_waits(o));
	CU_ASSERT_EQUAL(origin_take(o, got, 2), 2);
	CU_ASSERT_EQUAL(origin_take(o, got + 2, 8), 1);
	CU_ASSERT_EQUAL(origin_take(o, got + 3, 8), 0);
	CU_ASSERT_FALSE(origin_waits(o));
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT_PTR_EQUAL(got[i], m[i]);
		CU_ASSERT_EQUAL(weir_meta(got[i])->origin_verdict, i == 1 ? WEIR_TX : WEIR_NEXT);
	}
	rte_pktmbuf_free_bulk(got, 3);
	origin_free(o);
}

static void test_a_packet_goes_round_twice_at_most(void)
{
	struct weir_origin *o = fresh();
	struct rte_mbuf *m = weir_shard_alloc(&shard), *got;

	for (unsigned lap = 0; lap < 2; lap++) {
		weir_origin_push(o, m, WEIR_NEXT);
		CU_ASSERT_EQUAL_FATAL(origin_take(o, &got, 1), 1);
	}
	weir_origin_push(o, m, WEIR_NEXT);
	CU_ASSERT_FALSE(origin_waits(o));
	CU_ASSERT_EQUAL(shard.counters.drops[WEIR_DROP_LOOP], 1);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
	origin_free(o);
}

static void test_a_full_queue_is_a_named_drop_and_a_stop_frees_the_rest(void)
{
	struct rte_mbuf *all[TOY_MBUFS];
	struct weir_origin *o = fresh();
	unsigned n;

	/* The pool is smaller than the queue: put one packet into it many times. */
	for (n = 0; n < WEIR_PASS_PKTS - 1; n++)
		o->pkt[n] = NULL;
	o->n = WEIR_PASS_PKTS - 1;
	weir_origin_push(o, weir_shard_alloc(&shard), WEIR_NEXT);
	CU_ASSERT_EQUAL(shard.counters.drops[WEIR_DROP_ORIGIN_FULL], 0);
	weir_origin_push(o, weir_shard_alloc(&shard), WEIR_NEXT);
	CU_ASSERT_EQUAL(shard.counters.drops[WEIR_DROP_ORIGIN_FULL], 1);
	CU_ASSERT_EQUAL(origin_take(o, all, WEIR_PASS_PKTS - 1), WEIR_PASS_PKTS - 1);
	origin_free(o);
	CU_ASSERT_EQUAL(shard.counters.drops[WEIR_DROP_STOPPING], 1);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

/* More than a pass takes: nothing is lost, all keeps its order, and a stop frees the rest. */
static void test_what_a_stack_sends_waits_behind_the_rest_until_there_is_room(void)
{
	struct weir_origin *o = fresh();
	struct rte_mbuf *m[6], *got[8];

	for (unsigned i = 0; i < 6; i++) {
		m[i] = weir_shard_alloc(&shard);
		weir_meta(m[i])->laps = 9; /* as it came in */
		if (i < 5)
			origin_push_local(o, m[i]);
	}
	weir_meta(m[5])->laps = 0;
	weir_origin_push(o, m[5], WEIR_NEXT);
	CU_ASSERT_EQUAL_FATAL(origin_take(o, got, 3), 3);
	CU_ASSERT_PTR_EQUAL(got[0], m[5]);
	CU_ASSERT_PTR_EQUAL(got[1], m[0]);
	CU_ASSERT_PTR_EQUAL(got[2], m[1]);
	CU_ASSERT_EQUAL(weir_meta(got[2])->origin_verdict, WEIR_KNOWN);
	CU_ASSERT_EQUAL(weir_meta(got[2])->laps, 1);
	CU_ASSERT_EQUAL(weir_meta(got[2])->user[0], 0);
	CU_ASSERT_TRUE(origin_waits(o));
	CU_ASSERT_EQUAL_FATAL(origin_take(o, got + 3, 2), 2);
	CU_ASSERT_PTR_EQUAL(got[4], m[3]);
	rte_pktmbuf_free_bulk(got, 5);
	o->n_local = WEIR_LOCAL_WAIT_PKTS;
	origin_push_local(o, weir_shard_alloc(&shard));
	CU_ASSERT_EQUAL(shard.counters.drops[WEIR_DROP_ORIGIN_FULL], 1);
	o->n_local = 1;
	origin_free(o);
	CU_ASSERT_EQUAL(shard.counters.drops[WEIR_DROP_STOPPING], 1);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

static void test_an_empty_pool_is_counted(void)
{
	struct rte_mbuf *all[TOY_MBUFS];
	struct weir_origin *o = fresh();

	CU_ASSERT_EQUAL_FATAL(rte_pktmbuf_alloc_bulk(toy_only_pool(), all, TOY_MBUFS), 0);
	CU_ASSERT_PTR_NULL(weir_shard_alloc(&shard));
	CU_ASSERT_EQUAL(shard.counters.drops[WEIR_DROP_NO_MBUF], 1);
	rte_pktmbuf_free_bulk(all, TOY_MBUFS);
	origin_free(o);
}

static void test_create_survives_failing_allocations(void)
{
	struct weir_origin *o = NULL;

	failalloc_at(1);
	CU_ASSERT_EQUAL(origin_create(&shard, &o), -ENOMEM);
	CU_ASSERT_FALSE(failalloc_done());
	CU_ASSERT_PTR_NULL(o);
	origin_free(o);
}

WEIR_TESTS("dataplane/origin", TEST(packets_come_back_in_order_with_their_verdict),
	   TEST(a_packet_goes_round_twice_at_most),
	   TEST(a_full_queue_is_a_named_drop_and_a_stop_frees_the_rest),
	   TEST(what_a_stack_sends_waits_behind_the_rest_until_there_is_room),
	   TEST(an_empty_pool_is_counted), TEST(create_survives_failing_allocations))
