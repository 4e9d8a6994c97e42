/* SPDX-License-Identifier: BSD-3-Clause */
/* Verdicts on received checksums, against packets that were summed up byte by byte. */
#include "rx_meta_priv.h"
#include "test.h"
#include "toy_packet.h"

#include <stdlib.h>

#define IP_MASK RTE_MBUF_F_RX_IP_CKSUM_MASK
#define L4_MASK RTE_MBUF_F_RX_L4_CKSUM_MASK

static struct toy_chain chain;
static struct xdp_rxq rxq;

/* The flags that a packet gets, in segments. */
static uint64_t verdict(const struct toy_packet *p, uint16_t first, uint16_t rest)
{
	struct rte_mbuf *m = toy_chain(&chain, p->bytes, p->n, first, rest);

	rxq = (struct xdp_rxq){0};
	xdp_rx_verify(&rxq, m);
	CU_ASSERT_EQUAL(rxq.stats.bad_cksum,
			(m->ol_flags & IP_MASK) == RTE_MBUF_F_RX_IP_CKSUM_BAD ||
				(m->ol_flags & L4_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD);
	return m->ol_flags;
}

static uint64_t good_ip(const struct toy_packet *p)
{
	return p->ip6 ? 0 : RTE_MBUF_F_RX_IP_CKSUM_GOOD;
}

static void expect_good(const struct toy_kind *k)
{
	const struct toy_packet p = toy_packet(k);
	const uint16_t headers = p.l2 + p.l3 + 20;

	CU_ASSERT_EQUAL(verdict(&p, p.n, 0), good_ip(&p) | RTE_MBUF_F_RX_L4_CKSUM_GOOD);
	CU_ASSERT_EQUAL(verdict(&p, headers, 301), good_ip(&p) | RTE_MBUF_F_RX_L4_CKSUM_GOOD);
	CU_ASSERT_EQUAL(verdict(&p, headers + 1, 300), good_ip(&p) | RTE_MBUF_F_RX_L4_CKSUM_GOOD);
}

static void test_right_checksums_are_good_in_every_kind_and_length(void)
{
	toy_each_kind(expect_good);
}

/* Not the last bytes of the port numbers alone: every bit of what the sum covers. */
static void test_any_bit_that_is_not_as_sent_is_bad(void)
{
	for (unsigned kind = 0; kind < 4; kind++) {
		struct toy_packet p =
			toy_packet(&(struct toy_kind){.ip6 = kind % 2,
						      .proto = kind / 2 ? IPPROTO_TCP : IPPROTO_UDP,
						      .payload_bytes = 11,
						      .trailer_bytes = 3});
		const unsigned begin = p.l2 + p.l3, end = begin + p.l4_bytes;

		for (unsigned bit = begin * 8; bit < end * 8; bit++) {
			p.bytes[bit / 8] ^= 1 << bit % 8;
			/* How long a UDP datagram says it is does not change what IP says. */
			CU_ASSERT_EQUAL(verdict(&p, p.n, 0),
					good_ip(&p) | RTE_MBUF_F_RX_L4_CKSUM_BAD);
			p.bytes[bit / 8] ^= 1 << bit % 8;
		}
		p.bytes[p.n - 1] ^= 1; /* Ethernet's padding is nobody's */
		CU_ASSERT_EQUAL(verdict(&p, p.n, 0), good_ip(&p) | RTE_MBUF_F_RX_L4_CKSUM_GOOD);
	}
}

static void test_a_header_of_ipv4_that_is_not_as_sent_is_bad(void)
{
	struct toy_packet p =
		toy_packet(&(struct toy_kind){.proto = IPPROTO_UDP, .payload_bytes = 9});

	p.bytes[p.l2 + 8]--; /* the TTL is not in the pseudo header */
	CU_ASSERT_EQUAL(verdict(&p, p.n, 0),
			RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_GOOD);
}

/* RFC 768: over IPv4 it was not computed; RFC 8200, 8.1: over IPv6 it must be. */
static void test_a_udp_checksum_of_zero_is_none_over_ipv4_and_bad_over_ipv6(void)
{
	struct toy_packet p =
		toy_packet(&(struct toy_kind){.proto = IPPROTO_UDP, .payload_bytes = 9});

	toy_put16(p.bytes + p.sum_at, 0);
	CU_ASSERT_EQUAL(verdict(&p, p.n, 0) & L4_MASK, RTE_MBUF_F_RX_L4_CKSUM_NONE);
	p = toy_packet(&(struct toy_kind){.ip6 = true, .proto = IPPROTO_UDP, .payload_bytes = 9});
	toy_put16(p.bytes + p.sum_at, 0);
	CU_ASSERT_EQUAL(verdict(&p, p.n, 0) & L4_MASK, RTE_MBUF_F_RX_L4_CKSUM_BAD);
}

static void test_fragments_and_other_protocols_are_not_told_of(void)
{
	struct toy_packet p =
		toy_packet(&(struct toy_kind){.proto = IPPROTO_UDP, .payload_bytes = 64});

	p.bytes[p.l2 + 6] = 0x20; /* more to come */
	CU_ASSERT_EQUAL(verdict(&p, p.n, 0) & L4_MASK, RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN);
	p.bytes[p.l2 + 6] = 0;
	p.bytes[p.l2 + 7] = 9; /* a later one */
	CU_ASSERT_EQUAL(verdict(&p, p.n, 0) & L4_MASK, RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN);
	p.bytes[p.l2 + 7] = 0;
	p.bytes[p.l2 + 9] = IPPROTO_GRE;
	CU_ASSERT_EQUAL(verdict(&p, p.n, 0) & L4_MASK, RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN);
	toy_put16(p.bytes + 12, 0x0806);
	CU_ASSERT_EQUAL(verdict(&p, p.n, 0), 0);
	CU_ASSERT_EQUAL(chain.seg[0].packet_type, RTE_PTYPE_L2_ETHER);
}

static void test_lengths_that_contradict_each_other_are_not_told_of(void)
{
	const struct toy_packet p =
		toy_packet(&(struct toy_kind){.proto = IPPROTO_TCP, .payload_bytes = 64});
	static const uint16_t totals[] = {0, 19, 20, 39, 105, 1500, 65535};

	for (unsigned i = 0; i < RTE_DIM(totals); i++) {
		struct toy_packet q = p;

		toy_put16(q.bytes + q.l2 + 2, totals[i]);
		CU_ASSERT_EQUAL(verdict(&q, q.n, 0) & L4_MASK, RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN);
	}
	for (uint16_t n = 1; n < p.n; n++) {
		struct toy_packet q = p;

		q.n = n;
		CU_ASSERT_EQUAL(verdict(&q, n, 0) & L4_MASK, RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN);
	}
}

static void test_headers_that_are_not_in_the_first_segment_are_not_told_of(void)
{
	const struct toy_packet p =
		toy_packet(&(struct toy_kind){.proto = IPPROTO_TCP, .payload_bytes = 64});

	for (uint16_t first = 1; first < p.l2 + p.l3 + 20; first++)
		CU_ASSERT_EQUAL(verdict(&p, first, 40) & L4_MASK, RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN);
}

/* Whatever comes, nothing outside the packet is read: each ends where its buffer ends. */
static void test_noise_is_judged_without_harm(void)
{
	uint64_t seed = 88172645463325252u;

	for (unsigned i = 0; i < 20000; i++) {
		struct toy_packet p = toy_packet(
			&(struct toy_kind){.ip6 = i % 2,
					   .proto = i / 2 % 2 ? IPPROTO_TCP : IPPROTO_UDP,
					   .tags = i / 4 % 3,
					   .option_bytes = i / 12 % 3 * 8,
					   .payload_bytes = i % 64});

		for (unsigned hits = 0; hits < 3; hits++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			p.bytes[12 + seed % (p.n - 12u)] = (uint8_t)(seed >> 32);
		}
		p.n = (uint16_t)(1 + seed % p.n);
		verdict(&p, (uint16_t)(1 + (seed >> 20) % p.n), (uint16_t)(1 + seed % 50));
	}
	CU_PASS("nothing was read that is not there");
}

WEIR_TESTS("xdp/rx_cksum", TEST(right_checksums_are_good_in_every_kind_and_length),
	   TEST(any_bit_that_is_not_as_sent_is_bad),
	   TEST(a_header_of_ipv4_that_is_not_as_sent_is_bad),
	   TEST(a_udp_checksum_of_zero_is_none_over_ipv4_and_bad_over_ipv6),
	   TEST(fragments_and_other_protocols_are_not_told_of),
	   TEST(lengths_that_contradict_each_other_are_not_told_of),
	   TEST(headers_that_are_not_in_the_first_segment_are_not_told_of),
	   TEST(noise_is_judged_without_harm))
