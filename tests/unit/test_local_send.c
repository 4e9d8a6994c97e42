/* SPDX-License-Identifier: BSD-3-Clause */

/* What a stack sends enters the pipeline as if all stages before 60_route had seen it. */

#include "test.h"
#include "toy_mbuf.h"

#include <rte_ip.h>
#include <weir/local.h>
#include <weir/shard.h>

static struct rte_mbuf *pushed[4];
static unsigned n_pushed;

void weir_origin_push(struct weir_origin *o, struct rte_mbuf *m, enum weir_verdict verdict)
{
	CU_ASSERT_EQUAL(verdict, WEIR_KNOWN);
	CU_ASSERT_FATAL(n_pushed < RTE_DIM(pushed));
	pushed[n_pushed++] = m;
}

static void test_both_families_are_routed_as_ours_with_clean_metadata(void)
{
	const struct rte_ipv4_hdr ip4 = {.version_ihl = 0x46, .next_proto_id = IPPROTO_UDP};
	const struct rte_ipv6_hdr ip6 = {.vtc_flow = RTE_BE32(0x60000000), .proto = IPPROTO_TCP};
	struct weir_shard shard = {0};
	struct toy_mbuf four, six;
	struct rte_mbuf *pkts[] = {toy_mbuf(&four, &ip4, sizeof(ip4)),
				   toy_mbuf(&six, &ip6, sizeof(ip6))};

	memset(&four.meta, 0xff, sizeof(four.meta)); /* as it came in */
	memset(&six.meta, 0xff, sizeof(six.meta));
	weir_local_send(&shard, pkts, 2);
	CU_ASSERT_EQUAL_FATAL(n_pushed, 2);
	CU_ASSERT_PTR_EQUAL(pushed[0], pkts[0]);
	CU_ASSERT_EQUAL(four.meta.flags, WEIR_META_OURS | WEIR_META_L4 | WEIR_META_IP4);
	CU_ASSERT_EQUAL(four.meta.l3_off, 0);
	CU_ASSERT_EQUAL(four.meta.l4_off, 24);
	CU_ASSERT_EQUAL(four.meta.proto, IPPROTO_UDP);
	CU_ASSERT_EQUAL(six.meta.flags, WEIR_META_OURS | WEIR_META_L4 | WEIR_META_IP6);
	CU_ASSERT_EQUAL(six.meta.l4_off, 40);
	CU_ASSERT_EQUAL(six.meta.proto, IPPROTO_TCP);
	CU_ASSERT_EQUAL(six.meta.hop, WEIR_NO_HOP);
	CU_ASSERT_EQUAL(six.meta.iface_in, WEIR_NO_IFACE);
	CU_ASSERT_EQUAL(six.meta.laps, 0);
	CU_ASSERT_EQUAL(six.meta.hash, 0);
}

WEIR_TESTS("dataplane/local_send", TEST(both_families_are_routed_as_ours_with_clean_metadata))
