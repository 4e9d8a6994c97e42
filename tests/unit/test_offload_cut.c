/* SPDX-License-Identifier: BSD-3-Clause */

/* Long TCP segments in pieces: what each says, that no byte is lost, and what cannot be cut. */

#include "toy_long.h"

#include <weir/port.h>

static struct rte_mbuf *piece[WEIR_OFFLOAD_PIECES];

/* The pieces of @m, whose checksums are made; all of it is checked but flags. */
static unsigned cut(struct rte_mbuf *m, bool v6)
{
	const unsigned n = weir_offload_cut(m, toy_only_pool(), piece);
	uint32_t at = 0;

	for (unsigned i = 0; i < n; i++) {
		CU_ASSERT_EQUAL(weir_offload_finish(piece[i], 0), v6 ? 1 : 2);
		at += long_check(piece[i], v6, at, m->tso_segsz);
	}
	CU_ASSERT(n == 0 || at == m->pkt_len - long_head(v6));
	return n;
}

static void end(struct rte_mbuf *m, unsigned n)
{
	rte_pktmbuf_free_bulk(piece, n);
	rte_pktmbuf_free(m);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

static void test_pieces_have_all_bytes_in_order_whatever_the_buffers(void)
{
	static const uint16_t buffers[] = {1, 7, 100, 1448, 2000};
	static const uint16_t sizes[] = {88, 536, 1447, 1448};
	static const uint32_t lengths[] = {89, 1449, 2896, 5001};

	for (unsigned b = 0; b < RTE_DIM(buffers); b++)
		for (unsigned z = 0; z < RTE_DIM(sizes); z++)
			for (unsigned l = 0; l < RTE_DIM(lengths); l++)
				for (int v6 = 0; v6 < 2; v6++) {
					const uint32_t bytes =
						RTE_MIN(lengths[l], buffers[b] * 200u);
					struct rte_mbuf *m =
						long_segment(v6, bytes, buffers[b], sizes[z], 0);
					const unsigned n = cut(m, v6);

					CU_ASSERT_EQUAL(n, (bytes + sizes[z] - 1) / sizes[z]);
					end(m, n);
				}
}

static void test_fin_and_push_are_the_last_ones_and_cwr_the_first_ones(void)
{
	const uint8_t flags = RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG | RTE_TCP_CWR_FLAG |
			      RTE_TCP_ACK_FLAG | RTE_TCP_ECE_FLAG;
	struct rte_mbuf *m = long_segment(false, 3000, 2000, 1000, flags);

	CU_ASSERT_EQUAL_FATAL(cut(m, false), 3);
	CU_ASSERT_EQUAL(long_tcp(piece[0], false)->tcp_flags,
			RTE_TCP_CWR_FLAG | RTE_TCP_ACK_FLAG | RTE_TCP_ECE_FLAG);
	CU_ASSERT_EQUAL(long_tcp(piece[1], false)->tcp_flags, RTE_TCP_ACK_FLAG | RTE_TCP_ECE_FLAG);
	CU_ASSERT_EQUAL(long_tcp(piece[2], false)->tcp_flags,
			RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG | RTE_TCP_ACK_FLAG | RTE_TCP_ECE_FLAG);
	end(m, 3);
}

static void test_a_piece_longer_than_a_buffer_is_a_chain(void)
{
	struct rte_mbuf *m = long_segment(true, 20000, 2000, 8948, 0);
	const unsigned n = cut(m, true);

	CU_ASSERT_EQUAL(n, 3);
	CU_ASSERT_EQUAL(piece[0]->nb_segs, 5);
	end(m, n);
}

static void test_checksums_are_left_to_a_port_that_makes_them(void)
{
	struct rte_mbuf *m = long_segment(false, 3000, 2000, 1448, 0);
	const unsigned n = weir_offload_cut(m, toy_only_pool(), piece);

	CU_ASSERT_EQUAL_FATAL(n, 3);
	CU_ASSERT_EQUAL(weir_offload_finish(piece[0], WEIR_PORT_TX_CSUM_IP4 | WEIR_PORT_TX_CSUM_L4),
			0);
	CU_ASSERT_EQUAL(piece[0]->ol_flags,
			RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_CKSUM);
	end(m, n);
}

static void test_what_cannot_be_cut_stays_as_it_is(void)
{
	struct rte_mbuf *m = long_segment(false, 64 * 100 + 1, 2000, 100, 0);

	CU_ASSERT_EQUAL(weir_offload_cut(m, toy_only_pool(), piece), 0); /* 65 pieces */
	m->tso_segsz = 0;
	CU_ASSERT_EQUAL(weir_offload_cut(m, toy_only_pool(), piece), 0);
	m->tso_segsz = 1448;
	m->l4_len = 40; /* not there */
	m->data_len = 60;
	CU_ASSERT_EQUAL(weir_offload_cut(m, toy_only_pool(), piece), 0);
	rte_pktmbuf_free(m);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

static void test_without_buffers_none_is_made_and_none_is_lost(void)
{
	static struct rte_mbuf *hoard[TOY_MBUFS];
	struct rte_mbuf *m = long_segment(false, 10000, 2000, 1448, 0);
	unsigned n = 0;

	while ((hoard[n] = rte_pktmbuf_alloc(toy_only_pool())) != NULL)
		n++;
	for (unsigned left = 0; left < 7; left++) {
		CU_ASSERT_EQUAL(weir_offload_cut(m, toy_only_pool(), piece), 0);
		rte_pktmbuf_free(hoard[--n]);
	}
	CU_ASSERT_EQUAL(cut(m, false), 7);
	rte_pktmbuf_free_bulk(hoard, n);
	end(m, 7);
}

WEIR_TESTS("offload_cut", TEST(pieces_have_all_bytes_in_order_whatever_the_buffers),
	   TEST(fin_and_push_are_the_last_ones_and_cwr_the_first_ones),
	   TEST(a_piece_longer_than_a_buffer_is_a_chain),
	   TEST(checksums_are_left_to_a_port_that_makes_them),
	   TEST(what_cannot_be_cut_stays_as_it_is),
	   TEST(without_buffers_none_is_made_and_none_is_lost))
