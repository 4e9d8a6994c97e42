/* SPDX-License-Identifier: BSD-3-Clause */

/* 65_host: what is ours leaves, what is others' does not pass. */

#include "65_host.c"
#include "toy_ours.h"

static void test_our_own_packets_leave_and_others_are_not_forwarded(void)
{
	struct weir_shard shard = {0};
	struct toy_mbuf t;
	struct rte_mbuf *m = toy_mbuf(&t, NULL, 60);
	void *self = NULL;

	CU_ASSERT_EQUAL_FATAL(weir_node_host.create(&shard, &self), 0);
	weir_meta(m)->flags = WEIR_META_OURS | WEIR_META_IP4;
	CU_ASSERT_EQUAL(toy_judge(&weir_node_host, self, m, 0), WEIR_OUT);
	weir_meta(m)->flags = WEIR_META_IP4;
	CU_ASSERT_EQUAL(toy_judge(&weir_node_host, self, m, 0), WEIR_DROP);
	CU_ASSERT_EQUAL(weir_meta(m)->drop, WEIR_DROP_NO_FORWARDING);
}

WEIR_TESTS("node/host", TEST(our_own_packets_leave_and_others_are_not_forwarded))
