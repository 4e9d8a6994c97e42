/* SPDX-License-Identifier: BSD-3-Clause */

/* Checksums that software makes where a port cannot, checked by DPDK's verifiers. */

#include "test.h"
#include "toy_mbuf.h"

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <weir/offload.h>
#include <weir/port.h>

#define L3 sizeof(struct rte_ether_hdr)

static struct toy_mbuf toy;

/* An Ethernet frame with a payload of an odd length and wrong checksums. */
static struct rte_mbuf *frame4(uint8_t proto, uint16_t payload)
{
	const uint16_t l4 = proto == IPPROTO_TCP ? sizeof(struct rte_tcp_hdr)
						 : sizeof(struct rte_udp_hdr);
	const uint16_t total = (uint16_t)(sizeof(struct rte_ipv4_hdr) + l4 + payload);
	struct rte_mbuf *m = toy_mbuf(&toy, NULL, (uint16_t)(L3 + total));
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, L3);
	uint8_t *at = (uint8_t *)(ip + 1);

	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->total_length = rte_cpu_to_be_16(total);
	ip->time_to_live = 64;
	ip->next_proto_id = proto;
	ip->src_addr = RTE_BE32(0xc0000201);
	ip->dst_addr = RTE_BE32(0xc6336401);
	for (uint16_t i = l4; i < l4 + payload; i++)
		at[i] = (uint8_t)(i * 7);
	if (proto == IPPROTO_TCP)
		((struct rte_tcp_hdr *)at)->data_off = 5 << 4;
	else
		((struct rte_udp_hdr *)at)->dgram_len = rte_cpu_to_be_16(l4 + payload);
	return m;
}

static struct rte_mbuf *frame6(uint16_t payload)
{
	const uint16_t length = (uint16_t)(sizeof(struct rte_udp_hdr) + payload);
	struct rte_mbuf *m = toy_mbuf(&toy, NULL, (uint16_t)(L3 + 40 + length));
	struct rte_ipv6_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, L3);

	ip->vtc_flow = RTE_BE32(0x60000000);
	ip->payload_len = rte_cpu_to_be_16(length);
	ip->proto = IPPROTO_UDP;
	ip->src_addr[0] = 0x20;
	ip->dst_addr[0] = 0x21;
	((struct rte_udp_hdr *)(ip + 1))->dgram_len = rte_cpu_to_be_16(length);
	return m;
}

static bool good4(struct rte_mbuf *m)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, L3);

	return rte_ipv4_cksum(ip) == 0 && rte_ipv4_udptcp_cksum_mbuf_verify(m, ip, L3 + 20) == 0;
}

static void test_software_makes_what_the_port_cannot(void)
{
	for (uint16_t payload = 0; payload < 70; payload++) {
		struct rte_mbuf *m = frame4(payload % 2 ? IPPROTO_TCP : IPPROTO_UDP, payload);

		weir_offload_request(m, L3, L3 + 20);
		CU_ASSERT_FALSE(good4(m));
		CU_ASSERT_EQUAL(weir_offload_finish(m, 0), 2);
		CU_ASSERT_TRUE(good4(m));
		CU_ASSERT_EQUAL(m->ol_flags & WEIR_OFFLOAD_TX, 0);
	}
}

/* Cut the packet after @cut bytes; the second part lies in memory of its own. */
static struct rte_mbuf *cut_at(struct rte_mbuf *m, uint16_t cut)
{
	static struct toy_mbuf rest;
	struct rte_mbuf *tail = toy_mbuf(&rest, NULL, m->data_len - cut);

	memcpy(rte_pktmbuf_mtod(tail, void *), rte_pktmbuf_mtod_offset(m, void *, cut),
	       tail->data_len);
	m->data_len = cut;
	m->next = tail;
	m->nb_segs = 2;
	return m;
}

static void test_segments_of_odd_lengths_are_summed_right(void)
{
	for (uint16_t cut = L3 + 28; cut < L3 + 28 + 200; cut++) {
		struct rte_mbuf *m = frame4(IPPROTO_UDP, 250);
		rte_be16_t whole;

		memset(rte_pktmbuf_mtod_offset(m, void *, L3 + 28), 0xff, 250);
		weir_offload_request(m, L3, L3 + 20);
		weir_offload_finish(m, 0);
		CU_ASSERT_TRUE(good4(m));
		whole = rte_pktmbuf_mtod_offset(m, struct rte_udp_hdr *, L3 + 20)->dgram_cksum;
		weir_offload_request(m, L3, L3 + 20);
		weir_offload_finish(cut_at(m, cut), 0);
		CU_ASSERT_EQUAL(
			rte_pktmbuf_mtod_offset(m, struct rte_udp_hdr *, L3 + 20)->dgram_cksum,
			whole);
	}
}

static void test_padding_is_not_summed(void)
{
	struct rte_mbuf *m = frame4(IPPROTO_UDP, 5);

	memset(rte_pktmbuf_append(m, 13), 0xa5, 13);
	weir_offload_request(m, L3, L3 + 20);
	weir_offload_finish(m, 0);
	rte_pktmbuf_trim(m, 13);
	CU_ASSERT_TRUE(good4(m));
}

static void test_udp_over_ip6_is_summed_too(void)
{
	struct rte_mbuf *m = frame6(33);

	weir_offload_request(m, L3, L3 + 40);
	CU_ASSERT_EQUAL(weir_offload_finish(m, 0), 1);
	CU_ASSERT_EQUAL(rte_ipv6_udptcp_cksum_mbuf_verify(
				m, rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, L3), L3 + 40),
			0);
}

static void test_what_the_port_can_is_left_to_it(void)
{
	struct rte_mbuf *m = frame4(IPPROTO_TCP, 10);

	weir_offload_request(m, L3, L3 + 20);
	CU_ASSERT_EQUAL(weir_offload_finish(m, WEIR_PORT_TX_CSUM_IP4 | WEIR_PORT_TX_CSUM_L4), 0);
	CU_ASSERT((m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0);
	CU_ASSERT_EQUAL(m->ol_flags & RTE_MBUF_F_TX_L4_MASK, RTE_MBUF_F_TX_TCP_CKSUM);
	CU_ASSERT_EQUAL(m->l2_len, L3);
	CU_ASSERT_EQUAL(m->l3_len, 20);
	CU_ASSERT_EQUAL(weir_offload_finish(m, WEIR_PORT_TX_CSUM_IP4), 1);
	CU_ASSERT((m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0);
}

static void test_a_packet_that_asks_nothing_is_not_touched(void)
{
	struct rte_mbuf *m = frame4(IPPROTO_UDP, 5);
	uint8_t before[128];

	memcpy(before, rte_pktmbuf_mtod(m, void *), m->data_len);
	CU_ASSERT_EQUAL(weir_offload_finish(m, 0), 0);
	CU_ASSERT_EQUAL(memcmp(before, rte_pktmbuf_mtod(m, void *), m->data_len), 0);
}

WEIR_TESTS("dataplane/offload", TEST(software_makes_what_the_port_cannot),
	   TEST(segments_of_odd_lengths_are_summed_right), TEST(padding_is_not_summed),
	   TEST(udp_over_ip6_is_summed_too), TEST(what_the_port_can_is_left_to_it),
	   TEST(a_packet_that_asks_nothing_is_not_touched))
