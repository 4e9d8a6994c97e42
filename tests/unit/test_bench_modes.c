/* SPDX-License-Identifier: BSD-3-Clause */

/* What each mode makes of a packet, on mbufs of the stack and a port that only remembers. */

#include "../../apps/bench/bench_priv.h"
#include "test.h"
#include "toy_mbuf.h"

#include <netinet/in.h>
#include <rte_arp.h>
#include <rte_icmp.h>
#include <rte_tcp.h>
#include <weir/csum.h>

static uint16_t sent;

static uint16_t remember(struct weir_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	sent = (uint16_t)(sent + n);
	return n;
}

/* Send one packet through a mode. @return whether it came out. */
static bool run(bench_burst_fn *mode, struct toy_mbuf *t, uint32_t caps)
{
	static struct bench_plan plan;
	static struct bench_worker w;
	struct weir_port port = {.tx = remember, .caps = caps, .mac = {{2, 9, 9, 9, 9, 9}}};
	struct bench_lane l = {.out = {&port, 0}, .back = {&port, 0}};
	struct rte_mbuf *pkts[1] = {&t->m};

	plan.macs[0][0] = (struct rte_ether_addr){{2, 0, 0, 0, 0, 7}};
	plan.macs[0][1] = (struct rte_ether_addr){{2, 0, 0, 0, 0, 8}};
	sent = 0;
	/* A second reference: a mode that frees it leaves it to us. */
	t->m.refcnt = 2;
	mode(&w, &l, &plan, pkts, 1, 0);
	return sent == 1;
}

struct udp4 {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
	uint8_t data[6];
} __attribute__((packed, aligned(2)));

static struct udp4 *udp4(struct toy_mbuf *t)
{
	const struct udp4 f = {
		.eth = {.dst_addr = {{2, 0, 0, 0, 0, 1}},
			.src_addr = {{2, 0, 0, 0, 0, 2}},
			.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4)},
		.ip = {.version_ihl = RTE_IPV4_VHL_DEF,
		       .total_length = rte_cpu_to_be_16(34),
		       .time_to_live = 64,
		       .next_proto_id = IPPROTO_UDP,
		       .src_addr = rte_cpu_to_be_32(0x0a000001),
		       .dst_addr = rte_cpu_to_be_32(0x0a000002)},
		.udp = {.src_port = rte_cpu_to_be_16(1000),
			.dst_port = rte_cpu_to_be_16(2000),
			.dgram_len = rte_cpu_to_be_16(14),
			.dgram_cksum = 0x1234},
		.data = {1, 2, 3, 4, 5, 6},
	};

	return rte_pktmbuf_mtod(toy_mbuf(t, &f, sizeof(f)), struct udp4 *);
}

static void test_macswap_swaps_the_addresses_and_nothing_else(void)
{
	struct toy_mbuf t;
	struct udp4 *f = udp4(&t), before = *f;

	CU_ASSERT_TRUE(run(bench_run_macswap, &t, 0));
	CU_ASSERT_TRUE(rte_is_same_ether_addr(&f->eth.src_addr, &before.eth.dst_addr));
	CU_ASSERT_TRUE(rte_is_same_ether_addr(&f->eth.dst_addr, &before.eth.src_addr));
	CU_ASSERT_EQUAL(memcmp(&f->eth.ether_type, &before.eth.ether_type,
			       sizeof(*f) - offsetof(struct udp4, eth.ether_type)),
			0);
}

static void test_mac_sets_the_peer_and_the_port(void)
{
	struct toy_mbuf t;
	struct udp4 *f = udp4(&t);

	CU_ASSERT_TRUE(run(bench_run_mac, &t, 0));
	CU_ASSERT_EQUAL(f->eth.dst_addr.addr_bytes[5], 7);
	CU_ASSERT_EQUAL(f->eth.src_addr.addr_bytes[5], 8);
}

static void test_5tswap_turns_a_packet_around(void)
{
	struct toy_mbuf t;
	struct udp4 *f = udp4(&t), before = *f;

	CU_ASSERT_TRUE(run(bench_run_5tswap, &t, 0));
	CU_ASSERT_TRUE(rte_is_same_ether_addr(&f->eth.src_addr, &before.eth.dst_addr));
	CU_ASSERT_EQUAL(f->ip.src_addr, before.ip.dst_addr);
	CU_ASSERT_EQUAL(f->ip.dst_addr, before.ip.src_addr);
	CU_ASSERT_EQUAL(f->udp.src_port, before.udp.dst_port);
	CU_ASSERT_EQUAL(f->udp.dst_port, before.udp.src_port);
	CU_ASSERT_EQUAL(f->udp.dgram_cksum, before.udp.dgram_cksum);
}

static void test_5tswap_leaves_the_bytes_of_fragments_alone(void)
{
	struct toy_mbuf t;
	struct udp4 *f = udp4(&t), before;

	f->ip.fragment_offset = rte_cpu_to_be_16(100);
	before = *f;
	CU_ASSERT_TRUE(run(bench_run_5tswap, &t, 0));
	CU_ASSERT_EQUAL(f->ip.src_addr, before.ip.dst_addr);
	CU_ASSERT_EQUAL(f->udp.src_port, before.udp.src_port);
}

static void test_csum_makes_checksums_anew(void)
{
	struct toy_mbuf t;
	struct udp4 *f = udp4(&t);
	uint32_t sum;

	f->ip.hdr_checksum = 0x5555;
	CU_ASSERT_TRUE(run(bench_run_csum, &t, 0));
	CU_ASSERT_EQUAL(weir_csum(&f->ip, sizeof(f->ip)), 0);
	sum = weir_csum_pseudo4(f->ip.src_addr, f->ip.dst_addr, IPPROTO_UDP, 14);
	sum = weir_csum_add(sum, weir_csum_sum(&f->udp, 14));
	CU_ASSERT_EQUAL(weir_csum_finish(sum), 0);
	CU_ASSERT_EQUAL(t.m.ol_flags & RTE_MBUF_F_TX_L4_MASK, 0);
}

static void test_csum_leaves_the_work_to_a_port_that_can(void)
{
	struct toy_mbuf t;

	udp4(&t);
	CU_ASSERT_TRUE(run(bench_run_csum, &t, WEIR_PORT_TX_CSUM_IP4 | WEIR_PORT_TX_CSUM_L4));
	CU_ASSERT_EQUAL(t.m.ol_flags & RTE_MBUF_F_TX_L4_MASK, RTE_MBUF_F_TX_UDP_CKSUM);
	CU_ASSERT_NOT_EQUAL(t.m.ol_flags & RTE_MBUF_F_TX_IP_CKSUM, 0);
}

static void test_a_udp_checksum_that_was_left_out_stays_out(void)
{
	struct toy_mbuf t;
	struct udp4 *f = udp4(&t);

	f->udp.dgram_cksum = 0;
	CU_ASSERT_TRUE(run(bench_run_csum, &t, 0));
	CU_ASSERT_EQUAL(f->udp.dgram_cksum, 0);
	CU_ASSERT_EQUAL(weir_csum(&f->ip, sizeof(f->ip)), 0);
}

static void test_padding_is_not_summed(void)
{
	struct toy_mbuf t;
	struct udp4 *f = udp4(&t);
	uint32_t sum;

	memset(rte_pktmbuf_mtod_offset(&t.m, void *, sizeof(*f)), 0xee, 12);
	t.m.data_len = (uint16_t)(t.m.data_len + 12);
	t.m.pkt_len += 12;
	CU_ASSERT_TRUE(run(bench_run_csum, &t, 0));
	sum = weir_csum_pseudo4(f->ip.src_addr, f->ip.dst_addr, IPPROTO_UDP, 14);
	sum = weir_csum_add(sum, weir_csum_sum(&f->udp, 14));
	CU_ASSERT_EQUAL(weir_csum_finish(sum), 0);
}

/* Every cut and every value of the bytes that say lengths: nothing outside is touched (ASan). */
static void test_frames_that_lie_pass_unharmed(void)
{
	static bench_burst_fn *const modes[] = {bench_run_macswap, bench_run_5tswap, bench_run_csum,
						bench_run_icmpecho, bench_run_mac};

	for (size_t m = 0; m < RTE_DIM(modes); m++) {
		for (unsigned value = 0; value < 256; value++) {
			for (uint16_t at = 12; at < sizeof(struct udp4); at++) {
				struct toy_mbuf t;

				((uint8_t *)udp4(&t))[at] = (uint8_t)value;
				run(modes[m], &t, 0);
				udp4(&t);
				t.m.data_len = at;
				t.m.pkt_len = at;
				run(modes[m], &t, 0);
				CU_ASSERT(t.m.data_len <= sizeof(struct udp4));
			}
		}
	}
}

static void test_arp_is_answered_with_the_ports_address(void)
{
	struct {
		struct rte_ether_hdr eth;
		struct rte_arp_hdr arp;
	} __attribute__((packed, aligned(2)))
	f = {.eth = {.src_addr = {{2, 0, 0, 0, 0, 2}},
		     .ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP)},
	     .arp = {.arp_hardware = rte_cpu_to_be_16(RTE_ARP_HRD_ETHER),
		     .arp_protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4),
		     .arp_hlen = 6,
		     .arp_plen = 4,
		     .arp_opcode = rte_cpu_to_be_16(RTE_ARP_OP_REQUEST),
		     .arp_data = {.arp_sha = {{2, 0, 0, 0, 0, 2}},
				  .arp_sip = rte_cpu_to_be_32(0x0a000001),
				  .arp_tip = rte_cpu_to_be_32(0x0a000002)}}};
	struct rte_arp_hdr *arp;
	struct toy_mbuf t;

	toy_mbuf(&t, &f, sizeof(f));
	arp = rte_pktmbuf_mtod_offset(&t.m, struct rte_arp_hdr *, 14);
	CU_ASSERT_TRUE(run(bench_run_icmpecho, &t, 0));
	CU_ASSERT_EQUAL(arp->arp_opcode, rte_cpu_to_be_16(RTE_ARP_OP_REPLY));
	CU_ASSERT_EQUAL(arp->arp_data.arp_sha.addr_bytes[1], 9);
	CU_ASSERT_EQUAL(arp->arp_data.arp_sip, rte_cpu_to_be_32(0x0a000002));
	CU_ASSERT_EQUAL(arp->arp_data.arp_tip, rte_cpu_to_be_32(0x0a000001));
	CU_ASSERT_FALSE(run(bench_run_icmpecho, &t, 0)); /* an answer is not answered */
}

static void test_ping_is_answered_with_a_good_checksum(void)
{
	struct toy_mbuf t;
	struct udp4 *f = udp4(&t), before = *f;
	struct rte_icmp_hdr *icmp = (void *)&f->udp;

	f->ip.next_proto_id = IPPROTO_ICMP;
	*icmp = (struct rte_icmp_hdr){.icmp_type = RTE_IP_ICMP_ECHO_REQUEST, .icmp_ident = 5};
	icmp->icmp_cksum = weir_csum(icmp, 14);
	CU_ASSERT_TRUE(run(bench_run_icmpecho, &t, 0));
	CU_ASSERT_EQUAL(icmp->icmp_type, RTE_IP_ICMP_ECHO_REPLY);
	CU_ASSERT_EQUAL(weir_csum(icmp, 14), 0);
	CU_ASSERT_EQUAL(f->ip.src_addr, before.ip.dst_addr);
	CU_ASSERT_TRUE(rte_is_same_ether_addr(&f->eth.dst_addr, &before.eth.src_addr));
	CU_ASSERT_FALSE(run(bench_run_icmpecho, &t, 0));
}

WEIR_TESTS("bench/modes", TEST(macswap_swaps_the_addresses_and_nothing_else),
	   TEST(mac_sets_the_peer_and_the_port), TEST(5tswap_turns_a_packet_around),
	   TEST(5tswap_leaves_the_bytes_of_fragments_alone), TEST(csum_makes_checksums_anew),
	   TEST(csum_leaves_the_work_to_a_port_that_can),
	   TEST(a_udp_checksum_that_was_left_out_stays_out), TEST(padding_is_not_summed),
	   TEST(frames_that_lie_pass_unharmed), TEST(arp_is_answered_with_the_ports_address),
	   TEST(ping_is_answered_with_a_good_checksum))
