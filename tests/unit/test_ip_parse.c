/* SPDX-License-Identifier: BSD-3-Clause */

/* Packets for a stack without a pipeline: those that a stack sends are whole, changed ones are not.
 */

#include "toy_stack.h"

#include <weir/csum.h>

/* A datagram as a stack sends it to another host: IPv4 or IPv6. */
static struct rte_mbuf *datagram(bool v6, uint32_t bytes)
{
	const struct weir_endpoint from = toy_end(v6 ? "2001:db8::1" : "192.0.2.1", 7);
	const struct weir_endpoint to = toy_end(v6 ? "2001:db8::2" : "192.0.2.2", 4000);
	struct weir_stack *s = toy_stack(1, 1);
	struct rte_mbuf *m;
	char data[64] = "payload";
	weir_sock sock;

	CU_ASSERT_EQUAL_FATAL(weir_udp_open(s, &from, NULL, &sock), 0);
	CU_ASSERT_EQUAL_FATAL(weir_udp_send(s, sock, toy_payload(data, bytes, 64), &to, NULL), 0);
	weir_stack_poll(s, 0);
	weir_stack_free(s);
	CU_ASSERT_EQUAL_FATAL(n_wire, 1);
	m = wire[--n_wire];
	CU_ASSERT_EQUAL_FATAL(rte_pktmbuf_linearize(m), 0);
	memset(weir_meta(m), 0xff, sizeof(struct weir_meta));
	return m;
}

static void test_a_whole_packet_has_its_metadata(void)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct rte_mbuf *m = datagram(v6, 11);
		const struct weir_meta *meta = weir_meta(m);
		const uint32_t bytes = m->pkt_len;

		memset(rte_pktmbuf_append(m, 9), 0x55, 9); /* behind it: padding */
		CU_ASSERT_TRUE(weir_stack_parse(m));
		CU_ASSERT_EQUAL(m->pkt_len, bytes);
		CU_ASSERT_EQUAL(meta->flags, WEIR_META_L4 | (v6 ? WEIR_META_IP6 : WEIR_META_IP4));
		CU_ASSERT_EQUAL(meta->l3_off, 0);
		CU_ASSERT_EQUAL(meta->l4_off, v6 ? 40 : 20);
		CU_ASSERT_EQUAL(meta->proto, IPPROTO_UDP);
		rte_pktmbuf_free(m);
	}
}

static void test_a_flipped_bit_is_noticed(void)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		const unsigned bits = (v6 ? 48u : 28u) * 8;

		for (unsigned bit = 0; bit < bits; bit++) {
			struct rte_mbuf *m = datagram(v6, 11);

			/* Class, label and hop limit of IPv6 are under no checksum. */
			if (!v6 || (bit >= 32 && bit / 8 != 7) || bit < 4) {
				rte_pktmbuf_mtod(m, uint8_t *)[bit / 8] ^=
					(uint8_t)(0x80 >> bit % 8);
				CU_ASSERT_FALSE(weir_stack_parse(m));
			}
			rte_pktmbuf_free(m);
		}
	}
}

static void test_what_is_cut_off_anywhere_is_refused(void)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		for (uint16_t cut = 1; cut <= (v6 ? 59 : 39); cut++) {
			struct rte_mbuf *m = datagram(v6, 11);

			CU_ASSERT_EQUAL_FATAL(rte_pktmbuf_trim(m, cut), 0);
			CU_ASSERT_FALSE(weir_stack_parse(m));
			rte_pktmbuf_free(m);
		}
	}
}

/* Change a field of an IPv4 header, with its checksum kept right. */
static bool parsed_with(size_t at, uint16_t value_be)
{
	struct rte_mbuf *m = datagram(false, 11);
	struct iphdr *ip = rte_pktmbuf_mtod(m, struct iphdr *);
	bool parsed;

	memcpy((uint8_t *)ip + at, &value_be, sizeof(value_be));
	ip->check = 0;
	ip->check = weir_csum(ip, sizeof(*ip));
	parsed = weir_stack_parse(m);
	rte_pktmbuf_free(m);
	return parsed;
}

static void test_fragments_groups_and_other_protocols_are_not_for_a_stack(void)
{
	CU_ASSERT_TRUE(parsed_with(4, 7)); /* an identification */
	CU_ASSERT_TRUE(parsed_with(6, htons(0x4000)));
	CU_ASSERT_FALSE(parsed_with(6, htons(0x2000)));
	CU_ASSERT_FALSE(parsed_with(6, htons(0x0001)));
	CU_ASSERT_FALSE(parsed_with(8, htons(64 << 8 | 132)));
	CU_ASSERT_FALSE(parsed_with(16, htons(0xe000)));
}

static void test_a_udp_checksum_may_be_left_out_of_ipv4_alone(void)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct rte_mbuf *m = datagram(v6, 11);

		memset(rte_pktmbuf_mtod_offset(m, uint8_t *, (v6 ? 40 : 20) + 6), 0, 2);
		CU_ASSERT_EQUAL(weir_stack_parse(m), v6 == 0);
		rte_pktmbuf_free(m);
	}
}

WEIR_TESTS("stack/ip_parse", TEST(a_whole_packet_has_its_metadata), TEST(a_flipped_bit_is_noticed),
	   TEST(what_is_cut_off_anywhere_is_refused),
	   TEST(fragments_groups_and_other_protocols_are_not_for_a_stack),
	   TEST(a_udp_checksum_may_be_left_out_of_ipv4_alone))
