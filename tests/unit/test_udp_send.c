/* SPDX-License-Identifier: BSD-3-Clause */

/* Many datagrams by one call, and what they carry in their IP header. */

#include "toy_stack.h"

#include <errno.h>
#include <weir/csum.h>

#define MOST 20000

static uint8_t bytes[MOST];

static void fill(void)
{
	for (unsigned i = 0; i < MOST; i++)
		bytes[i] = (uint8_t)(i * 31 + (i >> 8));
}

static struct weir_stack *begin(weir_sock *sock, const char *ours)
{
	const struct weir_endpoint at = toy_end(ours, 1000);
	struct weir_stack *s = toy_stack(2, 4);

	fill();
	n_wire = 0;
	CU_ASSERT_EQUAL_FATAL(weir_udp_open(s, &at, NULL, sock), 0);
	return s;
}

static void end(struct weir_stack *s)
{
	empty_wire();
	weir_stack_free(s);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

/* A packet of the wire is a datagram of these bytes to this port. */
static bool is_datagram(struct rte_mbuf *m, uint16_t port, const uint8_t *want, uint32_t n)
{
	static uint8_t flat[MOST];
	const uint8_t *p = rte_pktmbuf_read(m, 0, m->pkt_len, flat);
	const bool v6 = p[0] >> 4 == 6;
	const uint32_t head = v6 ? 40 : 20, l4_bytes = m->pkt_len - head;
	struct udphdr udp;
	uint32_t sum, src, dst;

	memcpy(&src, p + 12, 4);
	memcpy(&dst, p + 16, 4);
	memcpy(&udp, p + head, sizeof(udp));
	rte_mbuf_sanity_check(m, 1);
	sum = v6 ? weir_csum_pseudo6(p + 8, p + 24, IPPROTO_UDP, l4_bytes)
		 : weir_csum_pseudo4(src, dst, IPPROTO_UDP, l4_bytes);
	return l4_bytes == 8 + n && udp.dest == htons(port) &&
	       udp.len == htons((uint16_t)l4_bytes) &&
	       weir_csum_finish(weir_csum_add(sum, weir_csum_sum(p + head, l4_bytes))) == 0 &&
	       (v6 || weir_csum(p, 20) == 0) && memcmp(p + head + 8, want, n) == 0;
}

static void test_a_payload_is_cut_into_datagrams_without_a_copy(void)
{
	static const struct {
		uint32_t bytes;
		uint16_t seg_bytes, buffer_bytes;
		unsigned datagrams;
	} cases[] = {
		{3000, 1000, 2000, 3}, {3001, 1000, 2000, 4},	{2999, 1000, 777, 3},
		{1000, 1000, 300, 1},  {5, 1000, 2000, 1},	{64, 1, 2000, 64},
		{0, 10, 2000, 1},      {18000, 1472, 1999, 13},
	};
	static const char *const ours[] = {"192.0.2.1", "2001:db8::1"};
	static const char *const peers[] = {"192.0.2.2", "2001:db8::2"};

	for (unsigned i = 0; i < 2 * RTE_DIM(cases); i++) {
		const struct weir_endpoint to = toy_end(peers[i % 2], 53);
		const uint32_t n = cases[i / 2].bytes, seg = cases[i / 2].seg_bytes;
		struct weir_stack_stats stats;
		weir_sock sock;
		struct weir_stack *s = begin(&sock, ours[i % 2]);
		struct rte_mbuf *m = toy_payload(bytes, n, cases[i / 2].buffer_bytes);

		CU_ASSERT_EQUAL(weir_udp_send_gso(s, sock, m, (uint16_t)seg, &to, NULL), 0);
		weir_stack_poll(s, 0);
		CU_ASSERT_EQUAL_FATAL(n_wire, cases[i / 2].datagrams);
		for (unsigned k = 0; k < n_wire; k++)
			CU_ASSERT(is_datagram(wire[k], 53, bytes + k * seg,
					      RTE_MIN(seg, n - k * seg)));
		weir_stack_stats(s, &stats);
		CU_ASSERT_EQUAL(stats.udp_out, n_wire);
		CU_ASSERT_EQUAL(stats.udp_out_bytes, n);
		end(s);
	}
}

static void test_all_are_sent_or_none(void)
{
	const struct weir_endpoint to = toy_end("192.0.2.2", 53), no_port = toy_end("192.0.2.2", 0);
	struct rte_mbuf *all[TOY_MBUFS], *m;
	struct weir_stack_stats stats;
	weir_sock sock;
	struct weir_stack *s = begin(&sock, "192.0.2.1");
	unsigned n = 0;

	m = toy_payload(bytes, 1000, 2000);
	CU_ASSERT_EQUAL(weir_udp_send_gso(s, sock, m, 0, &to, NULL), -EINVAL);
	CU_ASSERT_EQUAL(weir_udp_send_gso(s, sock, m, 15, &to, NULL), -EINVAL); /* 67 */
	CU_ASSERT_EQUAL(weir_udp_send_gso(s, sock, m, 100, &no_port, NULL), -EINVAL);
	CU_ASSERT_EQUAL(weir_udp_send_gso(s, sock, m, 100, NULL, NULL), -EDESTADDRREQ);
	CU_ASSERT_EQUAL(weir_udp_send_gso(s, WEIR_NO_SOCK, m, 100, &to, NULL), -EBADF);
	while (n < TOY_MBUFS && (all[n] = rte_pktmbuf_alloc(toy_only_pool())) != NULL)
		n++;
	rte_pktmbuf_free_bulk(all, 7); /* three datagrams and a half */
	CU_ASSERT_EQUAL(weir_udp_send_gso(s, sock, m, 100, &to, NULL), -ENOBUFS);
	CU_ASSERT_EQUAL(rte_mbuf_refcnt_read(m), 1);
	CU_ASSERT_EQUAL(m->pkt_len, 1000);
	rte_pktmbuf_free_bulk(all + 7, n - 7);
	weir_stack_poll(s, 0);
	CU_ASSERT_EQUAL(n_wire, 0);
	weir_stack_stats(s, &stats);
	CU_ASSERT_EQUAL(stats.no_mbuf, 1);
	CU_ASSERT_EQUAL(stats.udp_out, 0);
	rte_pktmbuf_free(m);
	end(s);
}

static void test_many_are_sent_up_to_the_first_that_cannot_be(void)
{
	const struct weir_endpoint to = toy_end("192.0.2.2", 53), other = toy_end("192.0.2.3", 54),
				   six = toy_end("2001:db8::2", 55);
	struct weir_dgram d[4] = {{.to = to}, {.to = other}, {.to = six}, {.to = to}};
	weir_sock sock;
	struct weir_stack *s = begin(&sock, "192.0.2.1");

	for (unsigned i = 0; i < 4; i++)
		d[i].payload = toy_payload(bytes + i, 10, 100);
	d[1].from = toy_end("192.0.2.1", 0);
	CU_ASSERT_EQUAL(weir_udp_send_many(s, sock, d, 4), 2);
	CU_ASSERT_EQUAL(weir_udp_send_many(s, sock, d + 2, 2), -EINVAL);
	d[3].to = (struct weir_endpoint){0};
	CU_ASSERT_EQUAL(weir_udp_send_many(s, sock, d + 3, 1), -EDESTADDRREQ);
	CU_ASSERT_EQUAL(udp_connect(s, sock_of(s, sock), &to), 0);
	CU_ASSERT_EQUAL(weir_udp_send_many(s, sock, d + 3, 1), 1);
	CU_ASSERT_EQUAL(weir_udp_send_many(s, sock, d, 0), 0);
	weir_stack_poll(s, 0);
	CU_ASSERT_EQUAL_FATAL(n_wire, 3);
	CU_ASSERT(is_datagram(wire[0], 53, bytes, 10));
	CU_ASSERT(is_datagram(wire[1], 54, bytes + 1, 10));
	CU_ASSERT(is_datagram(wire[2], 53, bytes + 3, 10));
	rte_pktmbuf_free(d[2].payload);
	end(s);
}

static void test_a_sockets_tos_is_in_the_header_of_what_it_sends(void)
{
	static const char *const ends[][2] = {{"192.0.2.1", "192.0.2.2"},
					      {"2001:db8::1", "2001:db8::2"}};

	for (unsigned i = 0; i < 2; i++) {
		const struct weir_endpoint to = toy_end(ends[i][1], 53);
		weir_sock sock;
		struct weir_stack *s = begin(&sock, ends[i][0]);
		const uint8_t *p;

		sock_of(s, sock)->tos = 0xb9;
		CU_ASSERT_EQUAL(weir_udp_send(s, sock, toy_payload(bytes, 10, 100), &to, NULL), 0);
		weir_stack_poll(s, 0);
		CU_ASSERT_EQUAL_FATAL(n_wire, 1);
		CU_ASSERT(is_datagram(wire[0], 53, bytes, 10));
		p = rte_pktmbuf_mtod(wire[0], const uint8_t *);
		CU_ASSERT_EQUAL(i == 0 ? p[1] : (uint8_t)(p[0] << 4 | p[1] >> 4), 0xb9);
		end(s);
	}
}

WEIR_TESTS("udp/send", TEST(a_payload_is_cut_into_datagrams_without_a_copy),
	   TEST(all_are_sent_or_none), TEST(many_are_sent_up_to_the_first_that_cannot_be),
	   TEST(a_sockets_tos_is_in_the_header_of_what_it_sends))
