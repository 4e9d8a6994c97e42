/* SPDX-License-Identifier: BSD-3-Clause */

/* Sockets that choose a port, that have a peer, and that ICMP tells something. */

#include "toy_icmp.h"

#include <errno.h>
#include <sys/socket.h>

static const struct weir_addr any;

static bool has_way(void *ctx, const struct weir_addr *to, struct weir_way *out)
{
	*out = (struct weir_way){
		.from = toy_end(to->family == 4 ? "192.0.2.1" : "2001:db8::1", 0).addr,
		.mtu_bytes = 1500};
	return to->bytes[to->family == 4 ? 3 : 15] != 99;
}

/* A datagram from an end to one of ours, as it is received. @return 0: a socket has taken it. */
static uint16_t receive(struct weir_stack *s, const char *from, uint16_t from_port, uint16_t port)
{
	const struct weir_endpoint src = toy_end(from, from_port);
	struct rte_mbuf *m = toy_payload("hello", 5, 100);
	struct udphdr *udp = (struct udphdr *)rte_pktmbuf_prepend(m, sizeof(*udp));
	struct iphdr *ip;
	uint16_t left;

	*udp = (struct udphdr){
		.source = htons(from_port), .dest = htons(port), .len = htons(8 + 5)};
	ip = (struct iphdr *)rte_pktmbuf_prepend(m, sizeof(*ip));
	*ip = (struct iphdr){.version = 4,
			     .ihl = 5,
			     .tos = 0xb9,
			     .tot_len = htons((uint16_t)m->pkt_len),
			     .protocol = IPPROTO_UDP,
			     .daddr = htonl(0xc0000201)};
	memcpy(&ip->saddr, src.addr.bytes, 4);
	toy_parsed(m);
	left = weir_stack_input(s, &m, 1, 0);
	if (left == 1)
		rte_pktmbuf_free(m);
	return left;
}

static bool tell(struct weir_stack *s, struct toy_error e)
{
	struct rte_mbuf *m;
	struct ip_error got;
	bool is;

	e.proto = IPPROTO_UDP;
	m = toy_icmp(&e, 2000);
	is = ip_error_read(m, &got) && udp_icmp(s, &got);
	rte_pktmbuf_free(m);
	return is;
}

static weir_sock open_at(struct weir_stack *s, const char *addr, uint16_t port)
{
	const struct weir_endpoint at = toy_end(addr, port);
	weir_sock sock;

	CU_ASSERT_EQUAL_FATAL(weir_udp_open(s, &at, NULL, &sock), 0);
	return sock;
}

static void test_ports_are_chosen_that_nobody_has_and_nobody_guesses(void)
{
	const struct weir_addr ours = toy_end("192.0.2.1", 0).addr;
	struct weir_stack *s = toy_stack(1000, 1);
	struct weir_endpoint at, before = {0};
	unsigned near = 0;
	weir_sock sock;

	for (unsigned i = 0; i < 1000; i++) {
		CU_ASSERT_EQUAL_FATAL(udp_choose(s, i % 2 ? &ours : &any, NULL, &at), 0);
		CU_ASSERT(at.port >= 32768 && at.port <= 60999);
		CU_ASSERT(weir_addr_equal(&at.addr, i % 2 ? &ours : &any));
		CU_ASSERT_EQUAL(weir_udp_open(s, &at, NULL, &sock), 0); /* it is free */
		near += (uint16_t)(at.port - before.port) < 100;
		before = at;
	}
	CU_ASSERT(near < 30);
	weir_stack_free(s);
}

static uint16_t only_port;

static bool owns(void *ctx, const struct weir_tuple *in)
{
	CU_ASSERT_EQUAL(in->proto, IPPROTO_UDP);
	CU_ASSERT_EQUAL(in->sport, htons(53));
	CU_ASSERT_EQUAL(in->src[3], 2);
	CU_ASSERT_EQUAL(in->dst[3], 1);
	return only_port != 0 && ntohs(in->dport) % 8 == 3;
}

static void test_a_port_is_chosen_whose_answers_come_to_this_worker(void)
{
	const struct weir_endpoint peer = toy_end("192.0.2.2", 53);
	const struct weir_addr ours = toy_end("192.0.2.1", 0).addr;
	struct weir_stack *s = toy_stack(1, 1);
	struct weir_endpoint at;

	s->conf.owns = owns;
	only_port = 1;
	for (unsigned i = 0; i < 50; i++) {
		CU_ASSERT_EQUAL_FATAL(udp_choose(s, &ours, &peer, &at), 0);
		CU_ASSERT_EQUAL(at.port % 8, 3);
	}
	only_port = 0;
	CU_ASSERT_EQUAL(udp_choose(s, &ours, &peer, &at), -EADDRNOTAVAIL);
	CU_ASSERT_EQUAL(udp_choose(s, &ours, NULL, &at), 0);
	weir_stack_free(s);
}

static void test_one_that_is_connected_hears_its_peer_alone(void)
{
	const struct weir_endpoint peer = toy_end("192.0.2.2", 53), nobody = {0};
	struct weir_stack *s = toy_stack(2, 8);
	struct weir_dgram d[8];
	weir_sock sock = open_at(s, "192.0.2.1", 1000);

	CU_ASSERT_EQUAL(udp_connect(s, sock_of(s, sock), &peer), 0);
	CU_ASSERT_EQUAL(receive(s, "192.0.2.2", 53, 1000), 0);
	CU_ASSERT_EQUAL(receive(s, "192.0.2.2", 54, 1000), 1);
	CU_ASSERT_EQUAL(receive(s, "192.0.2.3", 53, 1000), 1);
	CU_ASSERT_EQUAL(udp_connect(s, sock_of(s, sock), &nobody), 0);
	CU_ASSERT_EQUAL(receive(s, "192.0.2.3", 53, 1000), 0);
	CU_ASSERT_EQUAL_FATAL(weir_udp_recv_many(s, sock, d, 8), 2);
	CU_ASSERT_EQUAL(d[0].from.addr.bytes[3], 2);
	CU_ASSERT_EQUAL(d[1].from.addr.bytes[3], 3);
	CU_ASSERT_EQUAL(d[1].tos, 0xb9);
	CU_ASSERT_EQUAL(d[1].payload->pkt_len, 5);
	CU_ASSERT_EQUAL(weir_udp_recv_many(s, sock, d + 2, 6), -EAGAIN);
	CU_ASSERT_EQUAL(weir_udp_recv_many(s, WEIR_NO_SOCK, d + 2, 6), -EBADF);
	CU_ASSERT_EQUAL(weir_udp_recv_many(s, sock, d, 0), 0);
	rte_pktmbuf_free(d[0].payload);
	rte_pktmbuf_free(d[1].payload);
	weir_stack_free(s);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

static void test_connecting_needs_a_port_and_a_way_of_the_right_family(void)
{
	const struct weir_endpoint four = toy_end("192.0.2.2", 53),
				   six = toy_end("2001:db8::2", 53),
				   no_port = toy_end("192.0.2.2", 0),
				   far = toy_end("192.0.2.99", 53), at = {.port = 1001};
	struct weir_stack *s = toy_stack(3, 1);
	struct sock *bound = sock_of(s, open_at(s, "192.0.2.1", 1000)), *k;
	struct weir_addr from;
	uint16_t iface;
	weir_sock sock;

	CU_ASSERT_EQUAL_FATAL(weir_udp_open(s, &at, NULL, &sock), 0);
	k = sock_of(s, sock);
	CU_ASSERT_EQUAL(udp_connect(s, bound, &no_port), -EINVAL);
	CU_ASSERT_EQUAL(udp_connect(s, bound, &six), -EINVAL);
	CU_ASSERT_EQUAL(udp_connect(s, bound, &four), 0);
	CU_ASSERT_EQUAL(udp_connect(s, k, &four), -EADDRNOTAVAIL); /* nobody knows ways */
	s->conf.way = has_way;
	CU_ASSERT_EQUAL(udp_connect(s, k, &far), -ENETUNREACH);
	CU_ASSERT_EQUAL(udp_connect(s, k, &six), 0);
	CU_ASSERT_EQUAL(udp_source(s, k, &six.addr, &from, &iface), 0);
	CU_ASSERT_EQUAL(from.family, 6);
	CU_ASSERT_EQUAL(udp_connect(s, k, &four), 0);
	CU_ASSERT_EQUAL(udp_source(s, k, &four.addr, &from, &iface), 0);
	CU_ASSERT_EQUAL(from.bytes[3], 1);
	CU_ASSERT_EQUAL(udp_source(s, NULL, &far.addr, &from, &iface), -ENETUNREACH);
	weir_stack_free(s);
}

static void test_a_socket_that_is_not_bound_is_by_what_it_does_first(void)
{
	const struct weir_endpoint four = toy_end("192.0.2.2", 53), any_port = {.port = 0};
	struct weir_stack *s = toy_stack(3, 1);
	struct rte_mbuf *m = toy_payload("x", 1, 100);
	weir_sock sock[3];
	struct sock *k[3];

	s->conf.way = has_way;
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL_FATAL(weir_socket(s, WEIR_UDP, NULL, &sock[i]), 0);
		k[i] = sock_of(s, sock[i]);
		CU_ASSERT_EQUAL(weir_udp_send(s, sock[i], m, NULL, NULL), -EDESTADDRREQ);
		CU_ASSERT_EQUAL(k[i]->at.port, 0);
	}
	CU_ASSERT_EQUAL(udp_connect(s, k[0], &four), 0);
	CU_ASSERT(k[0]->at.port >= 32768);
	CU_ASSERT_EQUAL(k[0]->at.addr.bytes[3], 1);
	CU_ASSERT_EQUAL(weir_udp_send(s, sock[1], m, &four, NULL), 0);
	CU_ASSERT(k[1]->at.port >= 32768);
	CU_ASSERT_EQUAL(k[1]->at.addr.family, 0);
	CU_ASSERT_EQUAL(udp_bind(s, k[2], &any_port), 0);
	CU_ASSERT(k[2]->at.port >= 32768);
	CU_ASSERT_EQUAL(udp_bind(s, k[2], &any_port), -EINVAL);
	CU_ASSERT_PTR_EQUAL(sock_find(s, &k[1]->at, &four), k[1]);
	weir_stack_poll(s, 0);
	CU_ASSERT_EQUAL_FATAL(n_wire, 1);
	CU_ASSERT_EQUAL(rte_pktmbuf_mtod(wire[0], uint8_t *)[15], 1);
	empty_wire();
	weir_stack_free(s);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

static void test_options_are_a_sockets_own(void)
{
	struct weir_stack *s = toy_stack(1, 1);
	struct sock *k = sock_of(s, open_at(s, "192.0.2.1", 1000));
	int number = 0xb8;

	CU_ASSERT_EQUAL(udp_setsockopt(s, k, IPPROTO_IP, IP_TOS, &number, 3), -EINVAL);
	CU_ASSERT_EQUAL(udp_setsockopt(s, k, IPPROTO_IP, IP_TTL, &number, 4), -ENOPROTOOPT);
	CU_ASSERT_EQUAL(udp_setsockopt(s, k, IPPROTO_IP, IP_TOS, &number, 4), 0);
	CU_ASSERT_EQUAL(k->tos, 0xb8);
	number = 256;
	CU_ASSERT_EQUAL(udp_setsockopt(s, k, IPPROTO_IPV6, IPV6_TCLASS, &number, 4), -EINVAL);
	number = -1;
	CU_ASSERT_EQUAL(udp_setsockopt(s, k, IPPROTO_IP, IP_TOS, &number, 4), -EINVAL);
	CU_ASSERT_EQUAL(udp_getsockopt(k, IPPROTO_IPV6, IPV6_TCLASS, &number), 0);
	CU_ASSERT_EQUAL(number, 0xb8);
	number = -1;
	CU_ASSERT_EQUAL(udp_setsockopt(s, k, IPPROTO_IPV6, IPV6_TCLASS, &number, 4), 0);
	CU_ASSERT_EQUAL(k->tos, 0);
	k->error = ECONNREFUSED;
	CU_ASSERT_EQUAL(udp_getsockopt(k, SOL_SOCKET, SO_ERROR, &number), 0);
	CU_ASSERT_EQUAL(number, ECONNREFUSED);
	CU_ASSERT_EQUAL(udp_getsockopt(k, SOL_SOCKET, SO_ERROR, &number), 0);
	CU_ASSERT_EQUAL(number, 0);
	CU_ASSERT_EQUAL(udp_getsockopt(k, SOL_SOCKET, SO_TYPE, &number), 0);
	CU_ASSERT_EQUAL(number, SOCK_DGRAM);
	CU_ASSERT_EQUAL(udp_getsockopt(k, SOL_SOCKET, SO_LINGER, &number), -ENOPROTOOPT);
	weir_stack_free(s);
}

static void test_errors_reach_the_socket_that_is_connected_once(void)
{
	const struct weir_endpoint peer = toy_end("192.0.2.2", 53);
	const struct toy_error refused = {
		.family = 4, .type = 3, .code = 3, .our_port = 1000, .peer_port = 53};
	struct weir_stack *s = toy_stack(2, 8);
	weir_sock sock = open_at(s, "192.0.2.1", 1000);
	struct rte_mbuf *m = toy_payload("x", 1, 100);
	struct weir_event ev[2];
	struct weir_dgram d;

	CU_ASSERT(tell(s, refused)); /* it is the socket's, and it is not told */
	CU_ASSERT_EQUAL(weir_stack_events(s, ev, 2), 0);
	CU_ASSERT_EQUAL(udp_connect(s, sock_of(s, sock), &peer), 0);
	CU_ASSERT_EQUAL(receive(s, "192.0.2.2", 53, 1000), 0);
	CU_ASSERT_EQUAL(weir_stack_events(s, ev, 2), 1);
	CU_ASSERT(tell(s, refused));
	CU_ASSERT_EQUAL(weir_stack_events(s, ev, 2), 1);
	CU_ASSERT_EQUAL(ev[0].sock, sock);
	CU_ASSERT_EQUAL(weir_udp_recv(s, sock, &d), -ECONNREFUSED); /* before what waits */
	CU_ASSERT_EQUAL_FATAL(weir_udp_recv(s, sock, &d), 0);
	rte_pktmbuf_free(d.payload);
	CU_ASSERT(tell(s, refused));
	CU_ASSERT_EQUAL(weir_udp_send(s, sock, m, NULL, NULL), -ECONNREFUSED);
	CU_ASSERT_EQUAL(weir_udp_send(s, sock, m, NULL, NULL), 0);
	weir_stack_free(s);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

static void test_errors_for_others_and_soft_ones_are_not_told(void)
{
	static const struct {
		struct toy_error e;
		bool is;
		int error;
	} cases[] = {
		{{4, 3, 1, .our_port = 1000, .peer_port = 53}, true, 0},
		{{4, 11, 0, .our_port = 1000, .peer_port = 53}, true, 0},
		{{4, 3, 13, .our_port = 1000, .peer_port = 53}, true, EHOSTUNREACH},
		{{4, 3, 3, .our_port = 1001, .peer_port = 53}, false, 0},
		{{4, 3, 3, .our_port = 1000, .peer_port = 54}, false, 0},
		{{6, 1, 4, .our_port = 1000, .peer_port = 53}, false, 0},
		/* It may be cut, so it cannot be too big: somebody lies. */
		{{4, 3, 4, .our_port = 1000, .peer_port = 53, .mtu = 600, .frag = 0x4000}, true, 0},
	};
	const struct weir_endpoint peer = toy_end("192.0.2.2", 53);
	struct weir_stack *s = toy_stack(2, 8);
	weir_sock sock = open_at(s, "192.0.2.1", 1000);

	CU_ASSERT_EQUAL(udp_connect(s, sock_of(s, sock), &peer), 0);
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct weir_dgram d;

		CU_ASSERT_EQUAL(tell(s, cases[i].e), cases[i].is);
		CU_ASSERT_EQUAL(weir_udp_recv(s, sock, &d),
				cases[i].error != 0 ? -cases[i].error : -EAGAIN);
	}
	CU_ASSERT_EQUAL(ip_mtu(s, &peer.addr), 1500);
	weir_stack_free(s);
}

static void test_a_path_of_ipv6_is_learnt_and_told_if_connected(void)
{
	const struct toy_error big = {
		.family = 6, .type = 2, .our_port = 1000, .peer_port = 53, .mtu = 1300};
	struct toy_error other = big;
	const struct weir_endpoint peer = toy_end("2001:db8::2", 53);
	struct weir_stack *s = toy_stack(2, 8);
	weir_sock sock = open_at(s, "2001:db8::1", 1000);
	struct weir_dgram d;

	other.our_port = 1001;
	CU_ASSERT(!tell(s, other));
	CU_ASSERT_EQUAL(ip_mtu(s, &peer.addr), 1500);
	CU_ASSERT_EQUAL(udp_connect(s, sock_of(s, sock), &peer), 0);
	CU_ASSERT(tell(s, big));
	CU_ASSERT_EQUAL(ip_mtu(s, &peer.addr), 1300);
	CU_ASSERT_EQUAL(weir_udp_recv(s, sock, &d), -EMSGSIZE);
	CU_ASSERT(tell(s, big)); /* nothing new */
	CU_ASSERT_EQUAL(weir_udp_recv(s, sock, &d), -EAGAIN);
	weir_stack_free(s);
}

WEIR_TESTS("udp/sock", TEST(ports_are_chosen_that_nobody_has_and_nobody_guesses),
	   TEST(a_port_is_chosen_whose_answers_come_to_this_worker),
	   TEST(one_that_is_connected_hears_its_peer_alone),
	   TEST(connecting_needs_a_port_and_a_way_of_the_right_family),
	   TEST(a_socket_that_is_not_bound_is_by_what_it_does_first),
	   TEST(options_are_a_sockets_own), TEST(errors_reach_the_socket_that_is_connected_once),
	   TEST(errors_for_others_and_soft_ones_are_not_told),
	   TEST(a_path_of_ipv6_is_learnt_and_told_if_connected))
