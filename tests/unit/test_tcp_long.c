/* SPDX-License-Identifier: BSD-3-Clause */

/* Segments longer than a packet, to who cuts them; and bursts, and long ones, that are received. */

#include "tcp_priv.h"
#include "toy_pair.h"

#include <errno.h>
#include <weir/csum.h>
#include <weir/offload.h>

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

#define BULK 150000

#define A pair.end[0].stack
#define B pair.end[1].stack

static unsigned n_long, n_packets; /* what A has sent, and as how many packets */
static uint32_t longest;
static uint64_t n_given, n_taken; /* bytes */

/* What a device that cuts wants to find. */
static void check_long(struct rte_mbuf *m)
{
	const bool v4 = *rte_pktmbuf_mtod(m, uint8_t *) >> 4 == 4;
	const struct iphdr *ip4 = rte_pktmbuf_mtod(m, const struct iphdr *);
	const struct ip6_hdr *ip6 = (const struct ip6_hdr *)ip4;
	const struct tcphdr *tcp = rte_pktmbuf_mtod_offset(m, const struct tcphdr *, m->l3_len);
	const uint32_t bytes = m->pkt_len - m->l3_len - m->l4_len;
	const uint32_t pseudo =
		v4 ? weir_csum_pseudo4(ip4->saddr, ip4->daddr, IPPROTO_TCP, 0)
		   : weir_csum_pseudo6(&ip6->ip6_src, &ip6->ip6_dst, IPPROTO_TCP, 0);

	n_long++;
	n_packets += (bytes + m->tso_segsz - 1) / m->tso_segsz;
	longest = RTE_MAX(longest, m->pkt_len);
	CU_ASSERT_EQUAL(m->l4_len, tcp->doff * 4u);
	CU_ASSERT_EQUAL(m->l3_len + m->l4_len + m->tso_segsz, 1500);
	CU_ASSERT(bytes > m->tso_segsz && bytes <= 64u * m->tso_segsz);
	CU_ASSERT(m->pkt_len <= UINT16_MAX);
	CU_ASSERT_EQUAL(tcp->check, (uint16_t)~weir_csum_finish(pseudo));
	CU_ASSERT(!v4 || ip4->check == 0);
	CU_ASSERT_EQUAL(m->ol_flags &
				(RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_IP_CKSUM),
			v4 ? RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM : RTE_MBUF_F_TX_IPV6);
}

static bool watch(struct pair *p, int who, struct rte_mbuf *m)
{
	(void)p;
	if (who == 0 && weir_offload_is_long(m))
		check_long(m);
	else if (who == 0)
		n_packets++;
	return true;
}

/* A connection from A, which is at rest, and what B has accepted. */
static weir_sock open_pair(const char *to, bool cuts, weir_sock *a)
{
	weir_sock l, c;

	pair_begin_with((struct weir_stack_conf){.sndbuf_bytes = 1 << 20, .unpaced = true});
	pair.cuts = cuts;
	pair.bursts = true;
	n_long = n_packets = 0;
	longest = 0;
	n_given = n_taken = 0;
	pair.passes = watch;
	l = pair_listen(80, 8);
	c = pair_connect(to, 80);
	pair_run(10 * MS);
	*a = pair_accept(l);
	return c;
}

/* Give @bytes; B reads and checks all that has come, for so long. @return how many have come. */
static uint64_t carry(weir_sock c, weir_sock a, uint32_t bytes, uint64_t ns)
{
	static uint8_t buf[BULK];
	const uint64_t until_ns = pair.now_ns + ns;
	const uint64_t before = n_taken;
	unsigned wrong = 0;
	int64_t n;
	bool more = true;

	for (uint32_t i = 0; i < bytes; i++)
		buf[i] = (uint8_t)((n_given + i) * 31 >> 3);
	n_given += bytes;
	CU_ASSERT_EQUAL(weir_send(A, c, buf, bytes), bytes);
	while (more) {
		more = pair_step(until_ns);
		while ((n = weir_recv(B, a, buf, sizeof(buf))) > 0) {
			for (int64_t i = 0; i < n; i++)
				wrong += buf[i] != (uint8_t)((n_taken + (uint64_t)i) * 31 >> 3);
			n_taken += (uint64_t)n;
		}
	}
	CU_ASSERT_EQUAL(wrong, 0);
	return n_taken - before;
}

static void check_bulk(const char *to)
{
	weir_sock a, c = open_pair(to, true, &a);

	CU_ASSERT_EQUAL(carry(c, a, BULK, S), BULK);
	CU_ASSERT(longest > 20000);
	CU_ASSERT_EQUAL(n_packets, A->stats.tcp_out);
	CU_ASSERT(pair.sent[0] < n_packets / 4);
	CU_ASSERT_EQUAL(A->stats.tcp_out_bytes, BULK);
	CU_ASSERT_EQUAL(A->stats.tcp_resent, 0);
	pair_end();
}

static void test_long_segments_leave_for_who_cuts_them_and_are_taken_as_they_are(void)
{
	check_bulk("192.0.2.2");
	check_bulk("2001:db8::2");
}

static void test_nothing_is_long_for_who_does_not_cut(void)
{
	weir_sock a, c = open_pair("192.0.2.2", false, &a);

	CU_ASSERT_EQUAL(carry(c, a, BULK, S), BULK);
	CU_ASSERT_EQUAL(n_long, 0);
	CU_ASSERT_EQUAL(pair.sent[0], n_packets);
	pair_end();
}

static void test_the_first_window_is_one_segment_of_ten_packets(void)
{
	weir_sock a, c = open_pair("192.0.2.2", true, &a);

	n_packets = 0;
	carry(c, a, 100000, MS / 2);
	CU_ASSERT_EQUAL(n_long, 1);
	CU_ASSERT_EQUAL(n_packets, 10);
	CU_ASSERT_EQUAL(longest, 52 + 10 * 1448);
	pair_end();
}

/* Nagle lets a last one that is short leave, if no short one is on its way; cork does not. */
static void test_a_short_end_leaves_with_the_rest_unless_it_is_corked(void)
{
	for (int corked = 0; corked < 2; corked++) {
		weir_sock a, c = open_pair("192.0.2.2", true, &a);

		CU_ASSERT_EQUAL(
			weir_setsockopt(A, c, IPPROTO_TCP, TCP_CORK, &corked, sizeof(corked)), 0);
		CU_ASSERT_EQUAL(carry(c, a, 5 * 1448 + 10, 100 * MS),
				5 * 1448 + (corked ? 0u : 10u));
		CU_ASSERT_EQUAL(n_long, 1);
		CU_ASSERT_EQUAL(longest, 52 + 5 * 1448 + (corked ? 0u : 10u));
		CU_ASSERT_EQUAL(carry(c, a, 1, 300 * MS), corked ? 11 : 1);
		pair_end();
	}
}

static void test_a_burst_is_acknowledged_at_once_and_counted_by_its_segments(void)
{
	weir_sock a, c = open_pair("192.0.2.2", false, &a);
	unsigned acks;

	CU_ASSERT_EQUAL(carry(c, a, 10 * 1448, S), 10 * 1448);
	acks = pair.sent[1];
	CU_ASSERT_EQUAL(carry(c, a, 10 * 1448, MS + MS / 2), 10 * 1448);
	CU_ASSERT_EQUAL(pair.sent[1] - acks, 1); /* not five */
	CU_ASSERT_EQUAL(count_of(conn_by(B, a))->in_segs, 20);
	CU_ASSERT_EQUAL(B->stats.tcp_in, 22); /* with SYN and its ACK */
	pair_end();
}

static void test_a_segment_that_came_merged_counts_by_its_size(void)
{
	weir_sock a, c = open_pair("192.0.2.2", true, &a);

	CU_ASSERT_EQUAL(carry(c, a, 10 * 1448, S), 10 * 1448);
	CU_ASSERT_EQUAL(n_long, 1);
	CU_ASSERT_EQUAL(count_of(conn_by(B, a))->in_segs, 10);
	pair_end();
}

WEIR_TESTS("stack/tcp_long", TEST(long_segments_leave_for_who_cuts_them_and_are_taken_as_they_are),
	   TEST(nothing_is_long_for_who_does_not_cut),
	   TEST(the_first_window_is_one_segment_of_ten_packets),
	   TEST(a_short_end_leaves_with_the_rest_unless_it_is_corked),
	   TEST(a_burst_is_acknowledged_at_once_and_counted_by_its_segments),
	   TEST(a_segment_that_came_merged_counts_by_its_size))
