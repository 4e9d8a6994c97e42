/* SPDX-License-Identifier: BSD-3-Clause */
/* Checksums that packets ask for, computed here or left to the kernel, against byte by byte sums.
 */
#include "test.h"
#include "toy_packet.h"
#include "tx_priv.h"

static struct toy_chain chain;
static struct xdp_port port;
static struct xdp_txq txq;

static uint64_t asks(const struct toy_packet *p)
{
	return (p->ip6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM) |
	       (p->proto == IPPROTO_TCP ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM);
}

/* The packet, asking for its checksums, with rubbish in their place. */
static struct rte_mbuf *asking(struct toy_packet *p, uint16_t first, uint16_t rest)
{
	struct rte_mbuf *m;

	toy_put16(p->bytes + p->sum_at, 0x1234);
	if (!p->ip6)
		toy_put16(p->bytes + p->l2 + 10, 0x5678);
	m = toy_chain(&chain, p->bytes, p->n, first, rest);
	m->l2_len = p->l2;
	m->l3_len = p->l3;
	m->ol_flags = asks(p);
	port = (struct xdp_port){0};
	txq = (struct xdp_txq){.port = &port};
	return m;
}

/* What went out, back into the packet. */
static void read_back(struct toy_packet *p, const struct rte_mbuf *m)
{
	const uint8_t *bytes = rte_pktmbuf_read(m, 0, p->n, p->bytes);

	CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
	if (bytes != p->bytes)
		memcpy(p->bytes, bytes, p->n);
}

static void expect_right(const struct toy_kind *k)
{
	static const uint16_t pieces[][2] = {{1600, 0}, {110, 301}, {111, 300}};

	for (unsigned i = 0; i < RTE_DIM(pieces); i++) {
		struct toy_packet p = toy_packet(k);
		struct rte_mbuf *m = asking(&p, pieces[i][0], pieces[i][1]);

		CU_ASSERT_TRUE(xdp_tx_cksum(&txq, m));
		CU_ASSERT_EQUAL(m->ol_flags & XDP_TX_WORK, 0);
		CU_ASSERT_EQUAL(txq.stats.soft_cksum, 1);
		read_back(&p, m);
		CU_ASSERT_EQUAL(toy_l4_sum(&p), 0xffff);
		CU_ASSERT_TRUE(p.ip6 || toy_ip_is_good(&p));
	}
}

static void test_what_is_computed_here_is_right_in_every_kind_and_length(void)
{
	toy_each_kind(expect_right);
}

static void test_only_the_header_of_ipv4_may_be_asked_for(void)
{
	struct toy_packet p =
		toy_packet(&(struct toy_kind){.proto = IPPROTO_UDP, .payload_bytes = 5});
	struct rte_mbuf *m = asking(&p, p.n, 0);

	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
	CU_ASSERT_TRUE(xdp_tx_cksum(&txq, m));
	read_back(&p, m);
	CU_ASSERT_TRUE(toy_ip_is_good(&p));
	CU_ASSERT_EQUAL(p.bytes[p.sum_at], 0x12);
	CU_ASSERT_EQUAL(txq.stats.soft_cksum, 0);
}

/* RFC 768: a computed checksum of zero is sent as all ones. */
static void test_a_udp_checksum_that_comes_out_zero_is_sent_as_ones(void)
{
	struct toy_packet p =
		toy_packet(&(struct toy_kind){.proto = IPPROTO_UDP, .payload_bytes = 2});
	uint32_t sum;
	struct rte_mbuf *m;

	toy_put16(p.bytes + p.sum_at, 0);
	toy_put16(p.bytes + p.sum_at + 2, 0);
	sum = toy_l4_sum(&p);
	toy_put16(p.bytes + p.sum_at + 2, 0xffff - sum); /* the payload makes it all ones */
	CU_ASSERT_EQUAL(toy_l4_sum(&p), 0xffff);
	m = asking(&p, p.n, 0);
	CU_ASSERT_TRUE(xdp_tx_cksum(&txq, m));
	read_back(&p, m);
	CU_ASSERT_EQUAL(p.bytes[p.sum_at], 0xff);
	CU_ASSERT_EQUAL(p.bytes[p.sum_at + 1], 0xff);
}

/* Linux: the field holds the pseudo header's sum, the request says where to begin and to write. */
static void test_the_kernel_is_asked_where_it_can_be(void)
{
	for (unsigned kind = 0; kind < 4; kind++) {
		struct toy_packet p =
			toy_packet(&(struct toy_kind){.ip6 = kind % 2,
						      .proto = kind / 2 ? IPPROTO_TCP : IPPROTO_UDP,
						      .payload_bytes = 33});
		struct rte_mbuf *m = asking(&p, p.n, 0);
		struct xsk_tx_request request;
		uint32_t sum;

		port.modes.tx_meta = true;
		CU_ASSERT_TRUE(xdp_tx_cksum(&txq, m));
		CU_ASSERT_NOT_EQUAL(m->ol_flags & XDP_TX_REQUESTED, 0);
		CU_ASSERT_EQUAL(txq.stats.soft_cksum, 0);
		memcpy(&request, rte_pktmbuf_mtod_offset(m, char *, -(int)sizeof(request)),
		       sizeof(request));
		CU_ASSERT_EQUAL(request.flags, XSK_TX_REQUEST_CHECKSUM);
		CU_ASSERT_EQUAL(request.csum_start, p.l2 + p.l3);
		CU_ASSERT_EQUAL(request.csum_start + request.csum_offset, p.sum_at);
		read_back(&p, m);
		/* What the kernel does then. */
		sum = toy_add(0, p.bytes + request.csum_start, p.n - request.csum_start);
		toy_put16(p.bytes + p.sum_at, ~sum);
		CU_ASSERT_EQUAL(toy_l4_sum(&p), 0xffff);
		CU_ASSERT_TRUE(p.ip6 || toy_ip_is_good(&p));
		/* Offered again, because the ring was full. */
		CU_ASSERT_TRUE(xdp_tx_cksum(&txq, m));
	}
}

static void test_it_is_computed_here_where_no_request_fits_in_front(void)
{
	struct toy_packet p =
		toy_packet(&(struct toy_kind){.proto = IPPROTO_TCP, .payload_bytes = 1499});
	struct rte_mbuf *m = asking(&p, p.n, 0);

	port.modes.tx_meta = true;
	m->buf_addr = rte_pktmbuf_mtod_offset(m, char *, -(int)sizeof(struct xsk_tx_request) + 1);
	m->data_off = sizeof(struct xsk_tx_request) - 1;
	CU_ASSERT_TRUE(xdp_tx_cksum(&txq, m));
	CU_ASSERT_EQUAL(txq.stats.soft_cksum, 1);
	read_back(&p, m);
	CU_ASSERT_EQUAL(toy_l4_sum(&p), 0xffff);
}

/* The kernel would add what is behind the payload. */
static void test_it_is_computed_here_where_something_is_behind_the_payload(void)
{
	struct toy_packet p = toy_packet(
		&(struct toy_kind){.proto = IPPROTO_UDP, .payload_bytes = 3, .trailer_bytes = 15});
	struct rte_mbuf *m = asking(&p, p.n, 0);

	port.modes.tx_meta = true;
	CU_ASSERT_TRUE(xdp_tx_cksum(&txq, m));
	CU_ASSERT_EQUAL(txq.stats.soft_cksum, 1);
	read_back(&p, m);
	CU_ASSERT_EQUAL(toy_l4_sum(&p), 0xffff);
}

/* Each is a packet with right headers, of which one thing is said that is not so. */
static void test_requests_that_contradict_the_packet_are_refused(void)
{
	const struct toy_kind kind = {.proto = IPPROTO_TCP, .payload_bytes = 40};

	for (unsigned wrong = 0; wrong < 11; wrong++) {
		struct toy_packet p = toy_packet(&kind);
		struct rte_mbuf *m;

		if (wrong == 0)
			toy_put16(p.bytes + p.l2 + 2, 19); /* shorter than its header */
		if (wrong == 1)
			toy_put16(p.bytes + p.l2 + 2, p.n - p.l2 + 1); /* longer than it is */
		if (wrong == 2)
			toy_put16(p.bytes + p.l2 + 2, p.l3 + 19); /* no room for TCP's header */
		m = asking(&p, p.n, 0);
		if (wrong == 3)
			m->l3_len = 24; /* not what the header says */
		if (wrong == 4)
			m->l3_len = 16;
		if (wrong == 5)
			m->l2_len = 127, m->l3_len = 60; /* behind its end */
		if (wrong == 6)
			m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_SCTP_CKSUM;
		if (wrong == 7)
			m->ol_flags |= RTE_MBUF_F_TX_OUTER_IP_CKSUM;
		if (wrong == 8)
			m->ol_flags |= RTE_MBUF_F_TX_OUTER_UDP_CKSUM;
		if (wrong == 9) /* IPv6 has none */
			m->ol_flags ^= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6;
		if (wrong == 10)
			m->l2_len = m->l3_len = 0;
		CU_ASSERT_FALSE(xdp_tx_cksum(&txq, m));
		CU_ASSERT_EQUAL(txq.stats.soft_cksum, 0);
	}
}

/* The first segment ends within TCP's header, or before; and nothing behind a buffer is read. */
static void test_headers_must_be_in_the_first_segment(void)
{
	for (unsigned ip6 = 0; ip6 < 2; ip6++)
		for (uint16_t first = 1; first < 14 + 20 + 20; first++) {
			struct toy_packet p = toy_packet(&(struct toy_kind){
				.ip6 = ip6, .proto = IPPROTO_TCP, .payload_bytes = 64});

			CU_ASSERT_FALSE(xdp_tx_cksum(&txq, asking(&p, first, 40)));
		}
}

WEIR_TESTS("xdp/tx_cksum", TEST(what_is_computed_here_is_right_in_every_kind_and_length),
	   TEST(only_the_header_of_ipv4_may_be_asked_for),
	   TEST(a_udp_checksum_that_comes_out_zero_is_sent_as_ones),
	   TEST(the_kernel_is_asked_where_it_can_be),
	   TEST(it_is_computed_here_where_no_request_fits_in_front),
	   TEST(it_is_computed_here_where_something_is_behind_the_payload),
	   TEST(requests_that_contradict_the_packet_are_refused),
	   TEST(headers_must_be_in_the_first_segment))
