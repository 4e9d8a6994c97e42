/* SPDX-License-Identifier: BSD-3-Clause */

/* Datagrams between two stacks, and what is refused. */

#include "toy_stack.h"

#include <errno.h>
#include <weir/csum.h>

#define MOST 65535

static const char *const ends[][2] = {{"192.0.2.1", "192.0.2.2"}, {"2001:db8::1", "2001:db8::2"}};

/* The transport checksum as a receiver makes it: 0 if it is right. */
static uint16_t checked(const struct rte_mbuf *m, uint16_t l4_off)
{
	static uint8_t flat[MOST];
	const uint8_t *p = rte_pktmbuf_read(m, 0, m->pkt_len, flat);
	const uint32_t bytes = m->pkt_len - l4_off;
	uint32_t sum, src, dst;

	memcpy(&src, p + 12, sizeof(src));
	memcpy(&dst, p + 16, sizeof(dst));
	sum = p[0] >> 4 == 4 ? weir_csum_pseudo4(src, dst, IPPROTO_UDP, bytes)
			     : weir_csum_pseudo6(p + 8, p + 24, IPPROTO_UDP, bytes);
	return weir_csum_finish(weir_csum_add(sum, weir_csum_sum(p + l4_off, bytes)));
}

/* One datagram through both stacks: what arrives must be what was sent. */
static void pass(struct weir_stack *a, struct weir_stack *b, const char *const end[2],
		 struct rte_mbuf *payload, const uint8_t *bytes, uint32_t n)
{
	const struct weir_endpoint from = toy_end(end[0], 1000), to = toy_end(end[1], 53);
	static uint8_t flat[MOST];
	struct weir_dgram d;
	weir_sock one, two;

	CU_ASSERT_EQUAL_FATAL(weir_udp_open(a, &from, NULL, &one), 0);
	CU_ASSERT_EQUAL_FATAL(weir_udp_open(b, &to, NULL, &two), 0);
	CU_ASSERT_EQUAL_FATAL(weir_udp_send(a, one, payload, &to, NULL), 0);
	weir_stack_poll(a, 0);
	CU_ASSERT_EQUAL_FATAL(n_wire, 1);
	n_wire = 0;
	toy_parsed(wire[0]);
	CU_ASSERT(rte_pktmbuf_headroom(wire[0]) >= WEIR_STACK_HEADROOM);
	CU_ASSERT_EQUAL(checked(wire[0], weir_meta(wire[0])->l4_off), 0);
	if (end[0][3] == '.')
		CU_ASSERT_EQUAL(weir_csum(rte_pktmbuf_mtod(wire[0], void *), 20), 0);
	CU_ASSERT_EQUAL_FATAL(weir_stack_input(b, wire, 1, 0), 0);
	CU_ASSERT_EQUAL_FATAL(weir_udp_recv(b, two, &d), 0);
	CU_ASSERT_EQUAL(d.from.port, from.port);
	CU_ASSERT_EQUAL(memcmp(d.from.addr.bytes, from.addr.bytes, 16), 0);
	CU_ASSERT_EQUAL(memcmp(d.to.addr.bytes, to.addr.bytes, 16), 0);
	CU_ASSERT_EQUAL_FATAL(d.payload->pkt_len, n);
	if (n > 0)
		CU_ASSERT_EQUAL(memcmp(rte_pktmbuf_read(d.payload, 0, n, flat), bytes, n), 0);
	rte_pktmbuf_free(d.payload);
	CU_ASSERT_EQUAL(weir_sock_close(a, one), 0);
	CU_ASSERT_EQUAL(weir_sock_close(b, two), 0);
}

static void test_datagrams_of_all_sizes_and_segments_arrive_as_they_were(void)
{
	static const uint32_t sizes[] = {0, 1, 2, 3, 1471, 1472, 1473, 4097, 30001};
	static const uint16_t segments[] = {1, 7, 1000, 1999};
	struct weir_stack *a = toy_stack(2, 4), *b = toy_stack(2, 4);
	static uint8_t bytes[MOST];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 31 + (i >> 8));
	for (unsigned e = 0; e < RTE_DIM(ends); e++)
		for (unsigned i = 0; i < RTE_DIM(sizes); i++)
			for (unsigned k = 0; k < RTE_DIM(segments); k++)
				if (sizes[i] / segments[k] < 200)
					pass(a, b, ends[e],
					     toy_payload(bytes, sizes[i], segments[k]), bytes,
					     sizes[i]);
	weir_stack_free(a);
	weir_stack_free(b);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

static void test_a_buffer_that_others_hold_or_without_room_is_left_as_it_is(void)
{
	struct weir_stack *a = toy_stack(2, 4), *b = toy_stack(2, 4);
	struct rte_mbuf *shared = toy_payload("shared", 6, 100),
			*full = toy_payload("full", 4, 100);
	struct rte_mbuf *clone;

	rte_mbuf_refcnt_update(shared, 1);
	pass(a, b, ends[0], shared, (const uint8_t *)"shared", 6);
	CU_ASSERT_EQUAL(shared->pkt_len, 6);
	CU_ASSERT_EQUAL(memcmp(rte_pktmbuf_mtod(shared, char *), "shared", 6), 0);
	clone = rte_pktmbuf_clone(shared, toy_only_pool());
	CU_ASSERT_PTR_NOT_NULL_FATAL(clone);
	pass(a, b, ends[1], clone, (const uint8_t *)"shared", 6);
	rte_pktmbuf_free(shared);
	CU_ASSERT_PTR_NOT_NULL(rte_pktmbuf_prepend(full, rte_pktmbuf_headroom(full)));
	pass(a, b, ends[1], full, rte_pktmbuf_mtod(full, uint8_t *), full->pkt_len);
	weir_stack_free(a);
	weir_stack_free(b);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

static void test_a_payload_that_is_refused_stays_the_callers(void)
{
	const struct weir_endpoint at = toy_end("192.0.2.1", 53), to = toy_end("192.0.2.2", 1),
				   six = toy_end("2001:db8::2", 1),
				   no_port = toy_end("192.0.2.2", 0), any = {.port = 54};
	struct weir_stack *s = toy_stack(2, 4);
	struct rte_mbuf *m = toy_payload("x", 1, 100), *all[TOY_MBUFS];
	struct weir_stack_stats stats;
	weir_sock sock, unbound;
	unsigned n = 0;

	CU_ASSERT_EQUAL_FATAL(weir_udp_open(s, &at, NULL, &sock), 0);
	CU_ASSERT_EQUAL_FATAL(weir_udp_open(s, &any, NULL, &unbound), 0);
	CU_ASSERT_EQUAL(weir_udp_send(s, WEIR_NO_SOCK, m, &to, NULL), -EBADF);
	CU_ASSERT_EQUAL(weir_udp_send(s, sock, m, &no_port, NULL), -EINVAL);
	CU_ASSERT_EQUAL(weir_udp_send(s, sock, m, &any, NULL), -EINVAL);
	CU_ASSERT_EQUAL(weir_udp_send(s, sock, m, &six, NULL), -EINVAL);
	CU_ASSERT_EQUAL(weir_udp_send(s, unbound, m, &to, NULL), -EADDRNOTAVAIL);
	m->pkt_len = 65508;
	CU_ASSERT_EQUAL(weir_udp_send(s, sock, m, &to, NULL), -EMSGSIZE);
	m->pkt_len = 65528;
	CU_ASSERT_EQUAL(weir_udp_send(s, unbound, m, &six, &six.addr), -EMSGSIZE);
	m->pkt_len = 1;
	while (n < TOY_MBUFS && (all[n] = rte_pktmbuf_alloc(toy_only_pool())) != NULL)
		n++;
	rte_mbuf_refcnt_update(m, 1); /* its headers need a buffer, and there is none */
	CU_ASSERT_EQUAL(weir_udp_send(s, sock, m, &to, NULL), -ENOBUFS);
	rte_mbuf_refcnt_update(m, -1);
	rte_pktmbuf_free_bulk(all, n);
	weir_stack_stats(s, &stats);
	CU_ASSERT_EQUAL(stats.no_mbuf, 1);
	CU_ASSERT_EQUAL(stats.udp_out, 0);
	CU_ASSERT_EQUAL(weir_stack_poll(s, 0), UINT64_MAX);
	CU_ASSERT_EQUAL(n_wire, 0);
	rte_pktmbuf_free(m);
	weir_stack_free(s);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

/* A datagram for 192.0.2.1:53 whose UDP header says so many bytes, with so many behind it. */
static struct rte_mbuf *lying(uint16_t says, uint16_t behind, uint16_t seg_bytes)
{
	static uint8_t bytes[256];
	struct rte_mbuf *m = toy_payload(bytes, behind, seg_bytes);
	struct udphdr *udp = (struct udphdr *)rte_pktmbuf_prepend(m, sizeof(*udp));
	struct iphdr *ip = (struct iphdr *)rte_pktmbuf_prepend(m, sizeof(*ip));

	*udp = (struct udphdr){.source = htons(9), .dest = htons(53), .len = htons(says)};
	*ip = (struct iphdr){.version = 4,
			     .ihl = 5,
			     .tot_len = htons((uint16_t)m->pkt_len),
			     .protocol = IPPROTO_UDP,
			     .saddr = htonl(0xc0000209),
			     .daddr = htonl(0xc0000201)};
	toy_parsed(m);
	return m;
}

static void test_a_length_that_lies_is_dropped_and_padding_cut(void)
{
	static const struct {
		uint16_t says, behind, seg_bytes;
		int payload; /* -1: dropped */
	} cases[] = {
		{7, 10, 100, -1}, {0, 10, 100, -1}, {19, 10, 100, -1}, {18, 10, 100, 10},
		{8, 10, 100, 0},  {9, 10, 3, 1},    {8, 9, 3, 0},      {12, 200, 7, 4},
	};
	const struct weir_endpoint at = toy_end("192.0.2.1", 53);
	struct weir_stack *s = toy_stack(1, 4);
	struct weir_stack_stats stats;
	struct weir_dgram d;
	uint64_t bad = 0;
	weir_sock sock;

	CU_ASSERT_EQUAL_FATAL(weir_udp_open(s, &at, NULL, &sock), 0);
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct rte_mbuf *m = lying(cases[i].says, cases[i].behind, cases[i].seg_bytes);

		CU_ASSERT_EQUAL(weir_stack_input(s, &m, 1, 0), 0);
		if (cases[i].payload < 0) {
			CU_ASSERT_EQUAL(weir_udp_recv(s, sock, &d), -EAGAIN);
			bad++;
			continue;
		}
		CU_ASSERT_EQUAL_FATAL(weir_udp_recv(s, sock, &d), 0);
		CU_ASSERT_EQUAL(d.payload->pkt_len, (uint32_t)cases[i].payload);
		rte_mbuf_sanity_check(d.payload, 1);
		rte_pktmbuf_free(d.payload);
	}
	weir_stack_stats(s, &stats);
	CU_ASSERT_EQUAL(stats.udp_bad, bad);
	weir_stack_free(s);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

static void test_a_full_socket_drops_what_comes_and_keeps_what_waits(void)
{
	const struct weir_endpoint at = toy_end("192.0.2.1", 53);
	struct weir_stack *s = toy_stack(1, 2);
	struct weir_stack_stats stats;
	struct weir_event ev[2];
	struct weir_dgram d;
	weir_sock sock;

	CU_ASSERT_EQUAL_FATAL(weir_udp_open(s, &at, NULL, &sock), 0);
	for (uint16_t i = 1; i <= 3; i++) {
		struct rte_mbuf *m = lying((uint16_t)(8 + i), i, 100);

		CU_ASSERT_EQUAL(weir_stack_input(s, &m, 1, 0), 0);
	}
	weir_stack_stats(s, &stats);
	CU_ASSERT_EQUAL(stats.udp_full, 1);
	CU_ASSERT_EQUAL(stats.udp_in, 2);
	CU_ASSERT_EQUAL(stats.udp_in_bytes, 3);
	CU_ASSERT_EQUAL(weir_stack_events(s, ev, 2), 1);
	for (uint32_t i = 1; i <= 2; i++) {
		CU_ASSERT_EQUAL_FATAL(weir_udp_recv(s, sock, &d), 0);
		CU_ASSERT_EQUAL(d.payload->pkt_len, i);
		rte_pktmbuf_free(d.payload);
	}
	weir_stack_free(s);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

WEIR_TESTS("stack/udp", TEST(datagrams_of_all_sizes_and_segments_arrive_as_they_were),
	   TEST(a_buffer_that_others_hold_or_without_room_is_left_as_it_is),
	   TEST(a_payload_that_is_refused_stays_the_callers),
	   TEST(a_length_that_lies_is_dropped_and_padding_cut),
	   TEST(a_full_socket_drops_what_comes_and_keeps_what_waits))
