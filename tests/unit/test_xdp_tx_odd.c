/* SPDX-License-Identifier: BSD-3-Clause */
/* Which packets are sent as they lie, which are copied first, and which cannot be sent. */
#include "test.h"
#include "toy_packet.h"
#include "tx_priv.h"

#include <rte_eal.h>

#define MBUFS 127

static struct rte_mempool *ours, *other, *heads;
static struct xdp_port port;
static struct xdp_txq txq;

/* A port whose memory is the pool @ours alone. */
static void begin(bool scatter)
{
	port = (struct xdp_port){.pool = ours, .modes.scatter = scatter};
	txq = (struct xdp_txq){.port = &port};
	CU_ASSERT_EQUAL_FATAL(xdp_umem_plan("v0", &ours, 1, &port.umem), 0);
	port.umem.lo = port.umem.pools_lo;
	port.umem.hi = port.umem.pools_hi;
}

/* Everything is back where it came from. */
static void end(struct rte_mbuf *m)
{
	rte_pktmbuf_free(m);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(ours), MBUFS);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(other), MBUFS);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(heads), MBUFS);
}

static struct rte_mbuf *fresh(struct rte_mempool *mp, uint16_t bytes)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(mp);

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	for (uint16_t i = 0; i < bytes; i++)
		rte_pktmbuf_mtod(m, uint8_t *)[i] = (uint8_t)(i * 7);
	m->pkt_len = m->data_len = bytes;
	return m;
}

static bool is_fresh(struct rte_mbuf *m, uint32_t bytes, uint32_t each)
{
	for (uint32_t i = 0; i < bytes; i++) {
		uint8_t byte;
		const uint8_t *at = rte_pktmbuf_read(m, i, 1, &byte);

		if (at == NULL || *at != (uint8_t)(i % each * 7))
			return false;
	}
	return m->pkt_len == bytes;
}

static struct rte_mbuf *fresh_chain(struct rte_mempool *mp, unsigned segs, uint16_t bytes)
{
	struct rte_mbuf *m = fresh(mp, bytes);

	for (unsigned i = 1; i < segs; i++)
		CU_ASSERT_EQUAL(rte_pktmbuf_chain(m, fresh(mp, bytes)), 0);
	return m;
}

static void test_segments_of_our_memory_are_sent_as_they_lie(void)
{
	struct rte_mbuf *m, *was;
	uint32_t descs = 0;

	begin(true);
	was = m = fresh_chain(ours, XDP_MAX_SEGS, 100);
	CU_ASSERT_TRUE(xdp_tx_prepare(&txq, &m, &descs));
	CU_ASSERT_PTR_EQUAL(m, was);
	CU_ASSERT_EQUAL(descs, XDP_MAX_SEGS);
	CU_ASSERT_EQUAL(txq.stats.copied, 0);
	end(m);
}

static void test_more_segments_than_the_kernel_takes_are_copied_into_fewer(void)
{
	static const unsigned segs[] = {2, XDP_MAX_SEGS + 1};

	for (unsigned i = 0; i < 2; i++) {
		struct rte_mbuf *m;
		uint32_t descs = 0;

		begin(i == 1);
		m = fresh_chain(ours, segs[i], 50);
		CU_ASSERT_TRUE(xdp_tx_prepare(&txq, &m, &descs));
		CU_ASSERT_EQUAL(descs, 1);
		CU_ASSERT_TRUE(is_fresh(m, segs[i] * 50, 50));
		CU_ASSERT_EQUAL(txq.stats.copied, 1);
		CU_ASSERT_EQUAL(txq.stats.copied_bytes, segs[i] * 50);
		end(m);
	}
}

/* A pool may have buffers for another device's jumbo frames. */
static void test_a_frame_longer_than_a_chunk_is_copied_into_several(void)
{
	struct rte_mempool *large = rte_pktmbuf_pool_create("large", 15, 0, 0, 9600, SOCKET_ID_ANY);
	struct rte_mbuf *m;
	uint32_t descs = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(large);
	port = (struct xdp_port){.pool = large, .modes.scatter = true};
	txq = (struct xdp_txq){.port = &port};
	CU_ASSERT_EQUAL_FATAL(xdp_umem_plan("v0", &large, 1, &port.umem), 0);
	m = fresh(large, 9014);
	CU_ASSERT_TRUE(xdp_tx_prepare(&txq, &m, &descs));
	CU_ASSERT_EQUAL(descs, 3);
	CU_ASSERT_TRUE(is_fresh(m, 9014, 9014));
	for (const struct rte_mbuf *piece = m; piece != NULL; piece = piece->next)
		CU_ASSERT(piece->data_len + sizeof(struct xsk_tx_request) <= port.umem.chunk_bytes);
	CU_ASSERT_EQUAL(txq.stats.copied, 1);
	CU_ASSERT_EQUAL(txq.stats.copied_bytes, 9014);
	rte_pktmbuf_free(m);
	/* no buffer for the last piece */
	m = fresh(large, 9014);
	for (unsigned i = 0; i < 12; i++)
		CU_ASSERT_PTR_NOT_NULL_FATAL(rte_pktmbuf_alloc(large));
	CU_ASSERT_FALSE(xdp_tx_prepare(&txq, &m, &descs));
	CU_ASSERT_EQUAL(txq.stats.no_mbuf, 1);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(large), 3);
	rte_mempool_free(large);
}

static void test_foreign_memory_is_copied_and_counted(void)
{
	struct rte_mbuf *m;
	uint32_t descs = 0;

	begin(false);
	m = fresh(other, 700);
	CU_ASSERT_TRUE(xdp_tx_prepare(&txq, &m, &descs));
	CU_ASSERT_PTR_EQUAL(m->pool, ours);
	CU_ASSERT_TRUE(is_fresh(m, 700, 700));
	CU_ASSERT_EQUAL(txq.stats.copied, 1);
	end(m);
}

static void test_an_indirect_mbuf_is_sent_from_where_its_bytes_are(void)
{
	struct rte_mbuf *direct, *m, *was;
	uint32_t descs = 0;

	begin(false);
	direct = fresh(ours, 300);
	was = m = rte_pktmbuf_clone(direct, heads);
	CU_ASSERT_TRUE(xdp_tx_prepare(&txq, &m, &descs));
	CU_ASSERT_PTR_EQUAL(m, was);
	CU_ASSERT_PTR_EQUAL(xdp_tx_home(m), direct);
	CU_ASSERT_PTR_EQUAL(xdp_umem_mbuf(&port.umem, xdp_tx_addr(&port.umem, direct, m)), direct);
	rte_pktmbuf_free(direct);
	end(m);
	/* and copied if its bytes are elsewhere, though it is in our memory itself */
	begin(false);
	direct = fresh(other, 300);
	m = rte_pktmbuf_alloc(ours);
	rte_pktmbuf_attach(m, direct);
	CU_ASSERT_TRUE(xdp_tx_prepare(&txq, &m, &descs));
	CU_ASSERT_EQUAL(txq.stats.copied, 1);
	CU_ASSERT_TRUE(is_fresh(m, 300, 300));
	rte_pktmbuf_free(direct);
	end(m);
}

static void free_nothing(void *addr, void *arg)
{
	(*(unsigned *)arg)++;
}

static void test_an_external_buffer_is_copied_and_let_go(void)
{
	static struct {
		uint8_t bytes[512];
		struct rte_mbuf_ext_shared_info info;
	} outside;
	unsigned freed = 0;
	struct rte_mbuf *m;
	uint32_t descs = 0;

	begin(false);
	m = rte_pktmbuf_alloc(ours);
	outside.info.free_cb = free_nothing;
	outside.info.fcb_opaque = &freed;
	rte_mbuf_ext_refcnt_set(&outside.info, 1);
	rte_pktmbuf_attach_extbuf(m, outside.bytes, 0, sizeof(outside.bytes), &outside.info);
	CU_ASSERT_PTR_NOT_NULL(rte_pktmbuf_append(m, 200));
	CU_ASSERT_TRUE(xdp_tx_prepare(&txq, &m, &descs));
	CU_ASSERT_TRUE(RTE_MBUF_DIRECT(m));
	CU_ASSERT_EQUAL(m->pkt_len, 200);
	CU_ASSERT_EQUAL(freed, 1);
	end(m);
}

/* Whoever else holds the bytes must not see them change. */
static void test_what_others_hold_is_copied_before_a_checksum_is_written(void)
{
	const struct toy_packet p = toy_packet(
		&(struct toy_kind){.proto = IPPROTO_UDP, .payload_bytes = 33, .tags = 1});
	struct rte_mbuf *m, *held;
	struct toy_packet sent = p;
	uint32_t descs = 0;

	begin(false);
	held = m = fresh(ours, p.n);
	memcpy(rte_pktmbuf_mtod(m, void *), p.bytes, p.n);
	memset(rte_pktmbuf_mtod_offset(m, char *, p.sum_at), 0x55, 2);
	m->l2_len = p.l2;
	m->l3_len = p.l3;
	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_UDP_CKSUM;
	rte_pktmbuf_refcnt_update(m, 1);
	CU_ASSERT_TRUE(xdp_tx_prepare(&txq, &m, &descs));
	CU_ASSERT_PTR_NOT_EQUAL(m, held);
	CU_ASSERT_EQUAL(txq.stats.copied, 1);
	memcpy(sent.bytes, rte_pktmbuf_mtod(m, void *), p.n);
	CU_ASSERT_EQUAL(toy_l4_sum(&sent), 0xffff);
	CU_ASSERT_EQUAL(*rte_pktmbuf_mtod_offset(held, uint8_t *, p.sum_at), 0x55);
	rte_pktmbuf_free(held);
	end(m);
}

static void expect_refused(struct rte_mbuf *m, const uint64_t *counter)
{
	uint32_t descs = 0;

	CU_ASSERT_FALSE(xdp_tx_prepare(&txq, &m, &descs));
	CU_ASSERT_EQUAL(*counter, 1);
	end(NULL);
}

static void test_what_cannot_be_sent_is_freed_and_counted(void)
{
	struct rte_mbuf *m;

	begin(true);
	expect_refused(fresh(ours, RTE_ETHER_HDR_LEN - 1), &txq.stats.bad);
	begin(true);
	expect_refused(fresh(ours, 0), &txq.stats.bad);
	begin(true);
	m = fresh(ours, 100);
	m->ol_flags = RTE_MBUF_F_TX_TCP_SEG;
	expect_refused(m, &txq.stats.bad);
	begin(true);
	m = fresh(ours, 100);
	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_SCTP_CKSUM;
	expect_refused(m, &txq.stats.bad);
	/* One descriptor a packet, and no buffer of ours holds it. */
	begin(false);
	expect_refused(fresh_chain(ours, 3, 2000), &txq.stats.bad);
}

static void test_a_copy_that_finds_no_buffer_is_counted(void)
{
	struct rte_mbuf *all[MBUFS], *m;
	uint32_t descs = 0;

	begin(false);
	m = fresh(other, 100);
	CU_ASSERT_EQUAL(rte_pktmbuf_alloc_bulk(ours, all, MBUFS), 0);
	CU_ASSERT_FALSE(xdp_tx_prepare(&txq, &m, &descs));
	CU_ASSERT_EQUAL(txq.stats.no_mbuf, 1);
	CU_ASSERT_EQUAL(txq.stats.copied, 0);
	rte_pktmbuf_free_bulk(all, MBUFS);
	end(NULL);
}

static void test_an_empty_segment_in_the_middle_is_copied_away(void)
{
	struct rte_mbuf *m;
	uint32_t descs = 0;

	begin(true);
	m = fresh_chain(ours, 2, 50);
	CU_ASSERT_EQUAL(rte_pktmbuf_chain(m, rte_pktmbuf_alloc(ours)), 0);
	CU_ASSERT_EQUAL(rte_pktmbuf_chain(m, fresh(ours, 50)), 0);
	CU_ASSERT_TRUE(xdp_tx_prepare(&txq, &m, &descs));
	CU_ASSERT_EQUAL(descs, 1);
	CU_ASSERT_TRUE(is_fresh(m, 150, 50));
	end(m);
}

static const struct weir_test tests[] = {
	TEST(segments_of_our_memory_are_sent_as_they_lie),
	TEST(more_segments_than_the_kernel_takes_are_copied_into_fewer),
	TEST(a_frame_longer_than_a_chunk_is_copied_into_several),
	TEST(foreign_memory_is_copied_and_counted),
	TEST(an_indirect_mbuf_is_sent_from_where_its_bytes_are),
	TEST(an_external_buffer_is_copied_and_let_go),
	TEST(what_others_hold_is_copied_before_a_checksum_is_written),
	TEST(what_cannot_be_sent_is_freed_and_counted),
	TEST(a_copy_that_finds_no_buffer_is_counted),
	TEST(an_empty_segment_in_the_middle_is_copied_away),
};

int main(void)
{
	char args[][16] = {"test",	     "--no-huge", "--no-shconf", "--no-pci",
			   "--no-telemetry", "-m",	  "32",		 "--lcores=0"};
	char *argv[RTE_DIM(args)];

	for (unsigned i = 0; i < RTE_DIM(args); i++)
		argv[i] = args[i];
	if (rte_eal_init(RTE_DIM(args), argv) < 0)
		return 1;
	ours = rte_pktmbuf_pool_create("ours", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	other = rte_pktmbuf_pool_create("other", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	heads = rte_pktmbuf_pool_create("heads", MBUFS, 0, 0, 0, 0);
	if (ours == NULL || other == NULL || heads == NULL)
		return 1;
	return weir_tests_run("xdp/tx_odd", tests, sizeof(tests) / sizeof(tests[0]));
}
