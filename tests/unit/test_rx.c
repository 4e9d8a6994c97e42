/* SPDX-License-Identifier: BSD-3-Clause */

/* 00_rx on queues that never run dry: what each gets, and what is left to the sources behind. */

#include "failalloc.h"
#include "test.h"
#include "toy_mbuf.h"

#include <errno.h>
#include <string.h>
#include <weir/nodes.h>
#include <weir/port.h>
#include <weir/shard.h>

#define QUEUES 12

static struct toy_mbuf toys[WEIR_PASS_PKTS];
static unsigned used, served[QUEUES];
static uint16_t most = UINT16_MAX; /* packets of a queue at once */
static uint64_t now_ns;

/* As many as are asked for. */
static uint16_t endless_rx(struct weir_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	n = RTE_MIN(n, most);
	for (uint16_t i = 0; i < n; i++)
		pkts[i] = toy_mbuf(&toys[used++], "frame", 5);
	served[queue] += n;
	return n;
}

static struct weir_port port = {.rx = endless_rx, .id = 3};

/* One pass of a worker with so many queues; returns how many packets came in. */
static uint16_t pass(void *self, uint16_t room)
{
	struct rte_mbuf *pkts[WEIR_PASS_PKTS];
	uint8_t verdict[WEIR_PASS_PKTS];
	const struct weir_pass p = {.now_ns = now_ns};
	struct weir_burst b = {.pkt = pkts, .verdict = verdict, .room = room, .pass = &p};

	used = 0;
	weir_node_rx.process(self, &b);
	for (uint16_t i = 0; i < b.n; i++) {
		CU_ASSERT_EQUAL(verdict[i], WEIR_NEXT);
		CU_ASSERT_EQUAL(weir_meta(pkts[i])->port_in, 3);
	}
	return b.n;
}

static struct weir_shard shard;

static void *node(uint16_t queues, uint16_t burst)
{
	static struct weir_queue rxqs[QUEUES];
	void *self = NULL;

	for (uint16_t q = 0; q < QUEUES; q++)
		rxqs[q] = (struct weir_queue){&port, q};
	memset(served, 0, sizeof(served));
	shard = (struct weir_shard){.rxqs = rxqs, .n_rxqs = queues, .burst = burst};
	CU_ASSERT_EQUAL_FATAL(weir_node_rx.create(&shard, &self), 0);
	return self;
}

static void test_each_queue_gives_a_burst_a_pass(void)
{
	void *self = node(3, 64);

	for (unsigned i = 1; i <= 5; i++) {
		CU_ASSERT_EQUAL(pass(self, WEIR_PASS_PKTS), 3 * 64);
		for (unsigned q = 0; q < 3; q++)
			CU_ASSERT_EQUAL(served[q], i * 64);
	}
	weir_node_rx.free(self);
}

static void test_half_of_a_pass_is_left_to_the_sources_behind(void)
{
	void *self = node(QUEUES, 256);

	CU_ASSERT_EQUAL(pass(self, WEIR_PASS_PKTS), WEIR_PASS_PKTS / 2);
	CU_ASSERT_EQUAL(pass(self, 10), 5);
	weir_node_rx.free(self);
}

static void test_no_queue_starves_for_those_before_it(void)
{
	void *self = node(QUEUES, 100);

	for (unsigned i = 0; i < 60; i++)
		pass(self, WEIR_PASS_PKTS);
	for (unsigned q = 1; q < QUEUES; q++) /* 100, 100, 56: whoever is last gets the rest */
		CU_ASSERT(served[q] * 2 >= served[0]);
	weir_node_rx.free(self);
}

static void test_behind_several_packets_others_gather(void)
{
	void *self = node(1, 64);

	shard.gather_ns = 50;
	now_ns = 1000;
	most = 2;
	CU_ASSERT_EQUAL(pass(self, WEIR_PASS_PKTS), 2);
	now_ns = 1049;
	CU_ASSERT_EQUAL(pass(self, WEIR_PASS_PKTS), 0);
	now_ns = 1050;
	CU_ASSERT_EQUAL(pass(self, WEIR_PASS_PKTS), 2);
	most = UINT16_MAX; /* a full burst: more are there already */
	now_ns = 1100;
	CU_ASSERT_EQUAL(pass(self, WEIR_PASS_PKTS), 64);
	CU_ASSERT_EQUAL(pass(self, WEIR_PASS_PKTS), 64);
	weir_node_rx.free(self);
}

static void test_behind_one_packet_nobody_waits(void)
{
	void *self = node(1, 64);

	shard.gather_ns = 50;
	most = 1;
	for (now_ns = 1000; now_ns < 1010; now_ns++)
		CU_ASSERT_EQUAL(pass(self, WEIR_PASS_PKTS), 1);
	most = UINT16_MAX;
	weir_node_rx.free(self);
}

static void test_without_memory_there_is_no_node(void)
{
	struct weir_shard none = {0};
	void *self = NULL;

	failalloc_at(1);
	CU_ASSERT_EQUAL(weir_node_rx.create(&none, &self), -ENOMEM);
	CU_ASSERT_FALSE(failalloc_done());
	CU_ASSERT_PTR_NULL(self);
}

WEIR_TESTS("nodes/rx", TEST(each_queue_gives_a_burst_a_pass),
	   TEST(half_of_a_pass_is_left_to_the_sources_behind),
	   TEST(no_queue_starves_for_those_before_it), TEST(behind_several_packets_others_gather),
	   TEST(behind_one_packet_nobody_waits), TEST(without_memory_there_is_no_node))
