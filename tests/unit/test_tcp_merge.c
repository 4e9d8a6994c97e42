/* SPDX-License-Identifier: BSD-3-Clause */

/* Which segments of a burst are one, and what that one is. */

#include "tcp_priv.h"
#include "toy_stack.h"

#define HEAD 52 /* an IPv4 header, TCP's, and timestamps */

/* The segment of @bytes at @seq, in buffers of @each, with @padding behind it as in a short frame.
 */
static struct segment segment(uint32_t seq, uint16_t bytes, uint16_t each, uint16_t padding)
{
	static uint8_t text[4096];
	struct segment g = {.seq = seq,
			    .ack = 5,
			    .bytes = bytes,
			    .wnd = 100,
			    .off = HEAD,
			    .flags = TCP_ACK,
			    .segs = 1,
			    .each_bytes = bytes,
			    .hash = 9,
			    .l4_bytes = 32u + bytes,
			    .opts = {.flags = OPT_STAMP, .stamp = 3, .echo = 4}};
	const uint16_t first = RTE_MAX(each, (uint16_t)HEAD);

	for (uint16_t i = 0; i < bytes; i++)
		text[HEAD + i] = (uint8_t)((seq + i) * 7);
	memset(text + HEAD + bytes, 0xee, padding);
	g.m = toy_payload(text, HEAD + bytes + padding, first);
	return g;
}

static void check(const struct segment *g, uint16_t segs, uint32_t bytes)
{
	uint32_t at = 0;
	uint16_t n = 0;
	unsigned wrong = 0;

	CU_ASSERT_EQUAL(g->segs, segs);
	CU_ASSERT_EQUAL(g->bytes, bytes);
	CU_ASSERT_EQUAL(g->m->pkt_len, HEAD + bytes);
	for (const struct rte_mbuf *m = g->m; m != NULL; m = m->next, n++)
		for (uint16_t i = 0; i < m->data_len; i++, at++)
			wrong += at >= HEAD && rte_pktmbuf_mtod(m, uint8_t *)[i] !=
						       (uint8_t)((g->seq + at - HEAD) * 7);
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(at, HEAD + bytes);
	CU_ASSERT_EQUAL(n, g->m->nb_segs);
	rte_pktmbuf_free(g->m);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

static void test_segments_that_follow_each_other_are_one(void)
{
	static const uint16_t buffers[] = {10, 60, 100, 2000};

	for (unsigned b = 0; b < RTE_DIM(buffers); b++) {
		struct segment to = segment(UINT32_MAX - 200, 100, buffers[b], 3);

		for (uint32_t i = 1; i < 20; i++) {
			struct segment g = segment(UINT32_MAX - 200 + i * 100, 100, buffers[b], 5);

			CU_ASSERT(segment_merge(&to, &g));
		}
		check(&to, 20, 2000);
	}
}

static void test_a_short_one_push_and_fin_are_the_last(void)
{
	for (unsigned what = 0; what < 3; what++) {
		static const uint8_t flags[] = {0, TCP_PSH, TCP_FIN};
		struct segment to = segment(1000, 100, 2000, 0);
		struct segment last = segment(1100, what == 0 ? 99 : 100, 2000, 0);
		struct segment g = segment(1100 + last.bytes, 99, 2000, 0);
		const uint32_t bytes = to.bytes + last.bytes;

		last.flags |= flags[what];
		CU_ASSERT(segment_merge(&to, &last));
		CU_ASSERT_EQUAL(to.flags, TCP_ACK | flags[what]);
		CU_ASSERT_FALSE(segment_merge(&to, &g));
		rte_pktmbuf_free(g.m);
		check(&to, 2, bytes);
	}
}

/* What makes the second of two another kind of segment. */
static void differ(unsigned what, struct segment *g)
{
	switch (what) {
	case 0:
		g->seq++;
		break;
	case 1:
		g->seq--;
		break;
	case 2:
		g->ack++;
		break;
	case 3:
		g->wnd++;
		break;
	case 4:
		g->ce = true;
		break;
	case 5:
		g->flags |= TCP_URG;
		break;
	case 6:
		g->flags |= TCP_ECE;
		break;
	case 7:
		g->flags |= TCP_RST;
		break;
	case 8:
		g->flags |= TCP_SYN;
		break;
	case 9:
		g->flags |= TCP_CWR;
		break;
	case 10:
		g->opts.stamp++;
		break;
	case 11:
		g->opts.echo++;
		break;
	case 12:
		g->opts.flags = 0;
		break;
	case 13:
		g->opts.sacks = 1;
		break;
	case 14:
		g->opts.flags |= OPT_USER_TIMEOUT;
		break;
	case 15:
		g->hash++;
		break;
	case 16:
		g->ends.peer_port++;
		break; /* the same hash by chance */
	case 17:
		g->ends.peer[3]++;
		break;
	case 18:
		g->bytes = 0;
		break;
	default:
		g->bytes++; /* longer than the first */
	}
}

static void test_what_says_anything_else_is_not_merged(void)
{
	for (unsigned what = 0; what < 20; what++) {
		struct segment to = segment(1000, 100, 2000, 0), g = segment(1100, 100, 2000, 1);

		differ(what, &g);
		CU_ASSERT_FALSE(segment_merge(&to, &g));
		CU_ASSERT_PTR_NOT_NULL(g.m);
		rte_pktmbuf_free(g.m);
		check(&to, 1, 100);
	}
}

static void test_flags_of_the_first_that_it_shares_with_the_second_keep_it_alone(void)
{
	static const uint8_t flags[] = {TCP_URG, TCP_RST, TCP_SYN, TCP_CWR, TCP_PSH, TCP_FIN};

	for (unsigned i = 0; i < RTE_DIM(flags); i++) {
		struct segment to = segment(1000, 100, 2000, 0), g = segment(1100, 100, 2000, 0);

		to.flags |= flags[i];
		g.flags |= flags[i];
		CU_ASSERT_FALSE(segment_merge(&to, &g));
		rte_pktmbuf_free(g.m);
		check(&to, 1, 100);
	}
}

static void test_one_is_no_longer_than_a_packet_can_be(void)
{
	struct segment to = segment(0, 1900, 2000, 0);
	uint32_t n = 1;

	for (;; n++) {
		struct segment g = segment(n * 1900, 1900, 2000, 0);

		if (!segment_merge(&to, &g)) {
			rte_pktmbuf_free(g.m);
			break;
		}
	}
	CU_ASSERT_EQUAL(n, (UINT16_MAX - 32) / 1900);
	check(&to, (uint16_t)n, n * 1900);
}

WEIR_TESTS("stack/tcp_merge", TEST(segments_that_follow_each_other_are_one),
	   TEST(a_short_one_push_and_fin_are_the_last), TEST(what_says_anything_else_is_not_merged),
	   TEST(flags_of_the_first_that_it_shares_with_the_second_keep_it_alone),
	   TEST(one_is_no_longer_than_a_packet_can_be))
