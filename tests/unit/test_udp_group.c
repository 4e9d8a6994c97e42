/* SPDX-License-Identifier: BSD-3-Clause */

/* Datagrams to groups and by broadcast: who gets them, how they leave, and the options about them.
 */

#include "toy_stack.h"

#include <errno.h>
#include <sys/socket.h>

static bool has_way(void *ctx, const struct weir_addr *to, struct weir_way *out)
{
	(void)ctx;
	*out = (struct weir_way){
		.from = toy_end(to->family == 4 ? "192.0.2.1" : "2001:db8::1", 0).addr,
		.mtu_bytes = 1500};
	return true;
}

/* Interfaces 0 (192.0.2.1/24) and 1 (198.51.100.1/24), each with IPv6. */
static bool has_link(void *ctx, const struct weir_addr *to, const struct weir_link *want,
		     struct weir_link *out)
{
	const struct weir_addr one = toy_end("192.0.2.1", 0).addr,
			       two = toy_end("198.51.100.1", 0).addr,
			       subnet = toy_end("192.0.2.255", 0).addr,
			       subnet2 = toy_end("198.51.100.255", 0).addr,
			       all = toy_end("255.255.255.255", 0).addr;
	uint16_t i = want->iface == WEIR_NO_IFACE ? 0 : want->iface;

	(void)ctx;
	if (!addr_is_group(to) && !weir_addr_equal(to, &all)) {
		if (!weir_addr_equal(to, &subnet) && !weir_addr_equal(to, &subnet2))
			return false;
		i = weir_addr_equal(to, &subnet2);
	} else if (want->iface == WEIR_NO_IFACE && want->from.family != 0) {
		if (!weir_addr_equal(&want->from, &one) && !weir_addr_equal(&want->from, &two))
			return false;
		i = weir_addr_equal(&want->from, &two);
	}
	if (i > 1)
		return false;
	*out = (struct weir_link){.iface = i, .mtu_bytes = 1500, .from = i == 0 ? one : two};
	if (to->family == 6)
		out->from = toy_end(i == 0 ? "2001:db8::1" : "2001:db8:1::1", 0).addr;
	return true;
}

static struct weir_stack *begin(void)
{
	struct weir_stack *s = toy_stack(8, 4);

	s->conf.way = has_way;
	s->conf.link = has_link;
	return s;
}

static void end(struct weir_stack *s)
{
	empty_wire();
	weir_stack_free(s);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

static weir_sock bound(struct weir_stack *s, const char *addr, uint16_t port)
{
	const struct weir_endpoint at = addr == NULL ? (struct weir_endpoint){.port = port}
						     : toy_end(addr, port);
	const int on = 1;
	weir_sock sock;

	CU_ASSERT_EQUAL_FATAL(weir_socket(s, WEIR_UDP, NULL, &sock), 0);
	CU_ASSERT_EQUAL(weir_setsockopt(s, sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	CU_ASSERT_EQUAL_FATAL(weir_bind(s, sock, &at), 0);
	return sock;
}

static int set(struct weir_stack *s, weir_sock sock, int level, int name, int value)
{
	return weir_setsockopt(s, sock, level, name, &value, sizeof(value));
}

static int get(struct weir_stack *s, weir_sock sock, int level, int name)
{
	uint32_t bytes = sizeof(int);
	int value = -100;

	CU_ASSERT_EQUAL(weir_getsockopt(s, sock, level, name, &value, &bytes), 0);
	return value;
}

/* Joins or leaves (IP_DROP_MEMBERSHIP) by the address of an interface; NULL: any. */
static int join4(struct weir_stack *s, weir_sock sock, int name, const char *group, const char *by)
{
	struct ip_mreq r = {0};

	memcpy(&r.imr_multiaddr, toy_end(group, 0).addr.bytes, 4);
	if (by != NULL)
		memcpy(&r.imr_interface, toy_end(by, 0).addr.bytes, 4);
	return weir_setsockopt(s, sock, IPPROTO_IP, name, &r, sizeof(r));
}

static int join6(struct weir_stack *s, weir_sock sock, int name, const char *group, unsigned index)
{
	struct ipv6_mreq r = {.ipv6mr_interface = index};

	memcpy(&r.ipv6mr_multiaddr, toy_end(group, 0).addr.bytes, 16);
	return weir_setsockopt(s, sock, IPPROTO_IPV6, name, &r, sizeof(r));
}

/* A datagram from 192.0.2.9 as 60_route gives it. @return 0: somebody has taken it. */
static uint16_t receive(struct weir_stack *s, const char *to, uint16_t port, uint16_t iface)
{
	const struct weir_endpoint dst = toy_end(to, port);
	struct rte_mbuf *m = toy_payload("hello", 5, 2);
	struct udphdr *udp = (struct udphdr *)rte_pktmbuf_prepend(m, sizeof(*udp));
	struct iphdr *ip = (struct iphdr *)rte_pktmbuf_prepend(m, sizeof(*ip));
	uint16_t left;

	*udp = (struct udphdr){.source = htons(9), .dest = htons(port), .len = htons(8 + 5)};
	*ip = (struct iphdr){.version = 4,
			     .ihl = 5,
			     .tot_len = htons((uint16_t)m->pkt_len),
			     .protocol = IPPROTO_UDP,
			     .saddr = htonl(0xc0000209)};
	memcpy(&ip->daddr, dst.addr.bytes, 4);
	toy_parsed(m);
	weir_meta(m)->iface_in = iface;
	if (!addr_is_group(&dst.addr))
		weir_meta(m)->flags |= WEIR_META_BROADCAST;
	left = weir_stack_input(s, &m, 1, 0);
	if (left == 1)
		rte_pktmbuf_free(m);
	return left;
}

/* Datagrams that wait in a socket: taken, looked at, and freed. */
static unsigned taken(struct weir_stack *s, weir_sock sock)
{
	struct weir_dgram d;
	unsigned n = 0;

	for (; weir_udp_recv(s, sock, &d) == 0; n++) {
		CU_ASSERT(d.to_many);
		CU_ASSERT_EQUAL(d.payload->pkt_len, 5);
		CU_ASSERT_EQUAL(memcmp(rte_pktmbuf_mtod(d.payload, char *), "he", 2), 0);
		rte_pktmbuf_free(d.payload);
	}
	return n;
}

static void test_all_who_hear_a_group_get_its_datagrams(void)
{
	struct weir_stack *s = begin();
	const weir_sock any = bound(s, NULL, 53), own = bound(s, NULL, 53),
			group = bound(s, "239.1.2.3", 53), one = bound(s, "192.0.2.1", 53),
			port = bound(s, NULL, 54);

	CU_ASSERT_EQUAL(set(s, own, IPPROTO_IP, IP_MULTICAST_ALL, 0), 0);
	CU_ASSERT_EQUAL(receive(s, "239.1.2.3", 53, 0), 1); /* nobody has joined */
	CU_ASSERT_EQUAL(join4(s, port, IP_ADD_MEMBERSHIP, "239.1.2.3", NULL), 0);
	CU_ASSERT_EQUAL(receive(s, "239.1.2.3", 53, 0), 0);
	CU_ASSERT_EQUAL(taken(s, any), 1); /* as in Linux: another has joined */
	CU_ASSERT_EQUAL(taken(s, own), 0);
	CU_ASSERT_EQUAL(taken(s, group), 1);
	CU_ASSERT_EQUAL(taken(s, one), 0);
	CU_ASSERT_EQUAL(taken(s, port), 0);
	CU_ASSERT_EQUAL(receive(s, "239.1.2.3", 53, 1), 1); /* not on that interface */
	CU_ASSERT_EQUAL(join4(s, own, IP_ADD_MEMBERSHIP, "239.1.2.3", "192.0.2.1"), 0);
	CU_ASSERT_EQUAL(receive(s, "239.1.2.3", 53, 0), 0);
	CU_ASSERT_EQUAL(taken(s, any) + taken(s, own) + taken(s, group), 3);
	CU_ASSERT_EQUAL(receive(s, "239.1.2.3", 55, 0), 1);
	CU_ASSERT_EQUAL(join4(s, port, IP_DROP_MEMBERSHIP, "239.1.2.3", NULL), 0);
	CU_ASSERT_EQUAL(receive(s, "239.1.2.3", 53, 0), 0);
	CU_ASSERT_EQUAL(weir_sock_close(s, own), 0); /* who goes leaves */
	CU_ASSERT_EQUAL(receive(s, "239.1.2.3", 53, 0), 1);
	for (unsigned i = 0; i < 6; i++)
		CU_ASSERT_EQUAL(receive(s, "192.0.2.255", 53, 0), 0);
	CU_ASSERT_EQUAL(taken(s, any), 4); /* and no more wait than may */
	CU_ASSERT_EQUAL(s->stats.udp_full, 3);
	end(s);
}

static void test_broadcasts_reach_those_at_any_or_at_that_address(void)
{
	struct weir_stack *s = begin();
	const weir_sock any = bound(s, NULL, 53), subnet = bound(s, "192.0.2.255", 53),
			one = bound(s, "192.0.2.1", 53);

	CU_ASSERT_EQUAL(receive(s, "192.0.2.255", 53, 0), 0);
	CU_ASSERT_EQUAL(receive(s, "255.255.255.255", 53, 0), 0);
	CU_ASSERT_EQUAL(taken(s, any), 2);
	CU_ASSERT_EQUAL(taken(s, subnet), 1);
	CU_ASSERT_EQUAL(taken(s, one), 0);
	end(s);
}

static int send_to(struct weir_stack *s, weir_sock sock, const char *to)
{
	const struct weir_endpoint e = toy_end(to, 77);
	struct rte_mbuf *m = toy_payload("hello", 5, 100);
	const int rc = weir_udp_send(s, sock, m, &e, NULL);

	if (rc < 0)
		rte_pktmbuf_free(m);
	else
		weir_stack_poll(s, s->now_ns);
	return rc;
}

static uint8_t sent_byte(unsigned at)
{
	CU_ASSERT_FATAL(n_wire > 0);
	return rte_pktmbuf_mtod(wire[n_wire - 1], uint8_t *)[at];
}

static void test_a_broadcast_needs_its_option_and_leaves_by_its_interface(void)
{
	struct weir_stack *s = begin();
	const weir_sock sock = bound(s, NULL, 53), two = bound(s, "198.51.100.1", 53);
	const struct weir_endpoint all = toy_end("255.255.255.255", 77);

	CU_ASSERT_EQUAL(send_to(s, sock, "255.255.255.255"), -EACCES);
	CU_ASSERT_EQUAL(send_to(s, sock, "198.51.100.255"), -EACCES);
	CU_ASSERT_EQUAL(weir_connect(s, sock, &all), -EACCES);
	CU_ASSERT_EQUAL(send_to(s, sock, "198.51.100.7"), 0);
	CU_ASSERT_EQUAL(get(s, sock, SOL_SOCKET, SO_BROADCAST), 0);
	CU_ASSERT_EQUAL(set(s, sock, SOL_SOCKET, SO_BROADCAST, 1), 0);
	CU_ASSERT_EQUAL(set(s, two, SOL_SOCKET, SO_BROADCAST, 1), 0);
	CU_ASSERT_EQUAL(send_to(s, sock, "198.51.100.255"), 0);
	CU_ASSERT_EQUAL(sent_byte(8), 64); /* TTL */
	CU_ASSERT_EQUAL(sent_byte(12), 198);
	CU_ASSERT_EQUAL(send_to(s, sock, "255.255.255.255"), 0);
	CU_ASSERT_EQUAL(weir_meta(wire[n_wire - 1])->iface_in, 0);
	CU_ASSERT_EQUAL(sent_byte(12), 192);
	CU_ASSERT_EQUAL(send_to(s, two, "255.255.255.255"), 0);
	CU_ASSERT_EQUAL(weir_meta(wire[n_wire - 1])->iface_in, 1);
	CU_ASSERT_EQUAL(sent_byte(12), 198);
	CU_ASSERT_EQUAL(weir_connect(s, sock, &all), 0);
	end(s);
}

static void test_a_group_is_sent_to_with_its_ttl_and_by_its_interface(void)
{
	const struct in_addr second = {htonl(0xc6336401)}, nobodys = {htonl(0x0a000001)};
	const struct weir_addr group = toy_end("239.1.2.3", 0).addr;
	const struct weir_endpoint to = toy_end("239.1.2.3", 77);
	struct weir_stack *s = begin();
	const weir_sock sock = bound(s, "239.1.2.3", 53);
	struct rte_mbuf *m = toy_payload("x", 1, 100);

	CU_ASSERT_EQUAL(send_to(s, sock, "239.1.2.3"), 0);
	CU_ASSERT_EQUAL(sent_byte(8), 1);
	CU_ASSERT_EQUAL(sent_byte(12), 192); /* not from the group */
	CU_ASSERT_EQUAL(weir_udp_send(s, sock, m, &to, &group), -EINVAL);
	rte_pktmbuf_free(m);
	CU_ASSERT_EQUAL(set(s, sock, IPPROTO_IP, IP_MULTICAST_TTL, 9), 0);
	CU_ASSERT_EQUAL(
		weir_setsockopt(s, sock, IPPROTO_IP, IP_MULTICAST_IF, &second, sizeof(second)), 0);
	CU_ASSERT_EQUAL(get(s, sock, IPPROTO_IP, IP_MULTICAST_IF), 2);
	CU_ASSERT_EQUAL(send_to(s, sock, "239.1.2.3"), 0);
	CU_ASSERT_EQUAL(sent_byte(8), 9);
	CU_ASSERT_EQUAL(sent_byte(12), 198);
	CU_ASSERT_EQUAL(weir_meta(wire[n_wire - 1])->iface_in, 1);
	CU_ASSERT_EQUAL(
		weir_setsockopt(s, sock, IPPROTO_IP, IP_MULTICAST_IF, &nobodys, sizeof(nobodys)),
		-EADDRNOTAVAIL);
	CU_ASSERT_EQUAL(set(s, sock, IPPROTO_IP, IP_MULTICAST_TTL, 0), 0);
	empty_wire();
	CU_ASSERT_EQUAL(send_to(s, sock, "239.1.2.3"), 0);
	CU_ASSERT_EQUAL(n_wire, 0); /* not beyond ourselves */
	end(s);
}

static void test_our_own_sockets_hear_what_we_send_to_a_group(void)
{
	const char *groups[] = {"239.1.2.3", "ff15::1"};
	struct weir_stack *s = begin();
	const weir_sock sock = bound(s, NULL, 53), hears = bound(s, NULL, 77);

	CU_ASSERT_EQUAL(send_to(s, sock, "239.1.2.3"), 0);
	CU_ASSERT_EQUAL(taken(s, hears), 0);
	CU_ASSERT_EQUAL(join4(s, hears, IP_ADD_MEMBERSHIP, "239.1.2.3", NULL), 0);
	CU_ASSERT_EQUAL(join6(s, hears, IPV6_JOIN_GROUP, "ff15::1", 1), 0);
	for (unsigned i = 0; i < 2; i++) {
		empty_wire();
		CU_ASSERT_EQUAL(send_to(s, sock, groups[i]), 0);
		CU_ASSERT_EQUAL(taken(s, hears), 1);
	}
	CU_ASSERT_EQUAL(set(s, sock, IPPROTO_IP, IP_MULTICAST_LOOP, 0), 0);
	CU_ASSERT_EQUAL(get(s, sock, IPPROTO_IPV6, IPV6_MULTICAST_LOOP), 0);
	CU_ASSERT_EQUAL(send_to(s, sock, "239.1.2.3"), 0);
	CU_ASSERT_EQUAL(taken(s, hears), 0);
	CU_ASSERT_EQUAL(set(s, sock, SOL_SOCKET, SO_BROADCAST, 1), 0);
	CU_ASSERT_EQUAL(send_to(s, sock, "192.0.2.255"), 0);
	CU_ASSERT_EQUAL(taken(s, hears), 1);
	end(s);
}

static void test_options_that_cannot_be_are_refused_as_linux_does(void)
{
	struct weir_stack *s = begin();
	const weir_sock sock = bound(s, NULL, 53);
	const struct ip_mreqn by_index = {.imr_multiaddr = {htonl(0xef010203)}, .imr_ifindex = 2},
			      no_index = {.imr_multiaddr = {htonl(0xef010203)}, .imr_ifindex = 9};
	const uint8_t byte = 5;

	CU_ASSERT_EQUAL(join4(s, sock, IP_ADD_MEMBERSHIP, "192.0.2.1", NULL), -EINVAL);
	CU_ASSERT_EQUAL(join4(s, sock, IP_ADD_MEMBERSHIP, "239.1.2.3", "10.0.0.1"), -ENODEV);
	CU_ASSERT_EQUAL(join4(s, sock, IP_DROP_MEMBERSHIP, "239.1.2.3", NULL), -EADDRNOTAVAIL);
	CU_ASSERT_EQUAL(weir_setsockopt(s, sock, IPPROTO_IP, IP_ADD_MEMBERSHIP, &by_index, 4),
			-EINVAL);
	CU_ASSERT_EQUAL(weir_setsockopt(s, sock, IPPROTO_IP, IP_ADD_MEMBERSHIP, &no_index,
					sizeof(no_index)),
			-ENODEV);
	CU_ASSERT_EQUAL(weir_setsockopt(s, sock, IPPROTO_IP, IP_ADD_MEMBERSHIP, &by_index,
					sizeof(by_index)),
			0);
	CU_ASSERT(weir_stack_hears(s, 1, &(struct weir_addr){4, {239, 1, 2, 3}}));
	CU_ASSERT_EQUAL(join4(s, sock, IP_ADD_MEMBERSHIP, "239.1.2.3", "198.51.100.1"),
			-EADDRINUSE);
	CU_ASSERT_EQUAL(join6(s, sock, IPV6_JOIN_GROUP, "2001:db8::1", 0), -EINVAL);
	CU_ASSERT_EQUAL(join6(s, sock, IPV6_JOIN_GROUP, "ff15::1", 7), -ENODEV);
	CU_ASSERT_EQUAL(join6(s, sock, IPV6_LEAVE_GROUP, "ff15::1", 0), -EADDRNOTAVAIL);
	CU_ASSERT_EQUAL(get(s, sock, IPPROTO_IP, IP_MULTICAST_TTL), 1);
	CU_ASSERT_EQUAL(set(s, sock, IPPROTO_IP, IP_MULTICAST_TTL, 256), -EINVAL);
	CU_ASSERT_EQUAL(weir_setsockopt(s, sock, IPPROTO_IP, IP_MULTICAST_TTL, &byte, 1), 0);
	CU_ASSERT_EQUAL(get(s, sock, IPPROTO_IPV6, IPV6_MULTICAST_HOPS), 5);
	CU_ASSERT_EQUAL(weir_setsockopt(s, sock, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &byte, 1),
			-EINVAL);
	CU_ASSERT_EQUAL(set(s, sock, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, -1), 0);
	CU_ASSERT_EQUAL(get(s, sock, IPPROTO_IP, IP_MULTICAST_TTL), 1);
	CU_ASSERT_EQUAL(set(s, sock, IPPROTO_IPV6, IPV6_MULTICAST_IF, 2), 0);
	CU_ASSERT_EQUAL(set(s, sock, IPPROTO_IPV6, IPV6_MULTICAST_IF, 3), -EADDRNOTAVAIL);
	CU_ASSERT_EQUAL(set(s, sock, IPPROTO_IPV6, IPV6_MULTICAST_IF, 0), 0);
	CU_ASSERT_EQUAL(get(s, sock, IPPROTO_IPV6, IPV6_MULTICAST_IF), 0);
	CU_ASSERT_EQUAL(set(s, sock, IPPROTO_IP, IP_MULTICAST_LOOP, 2), -EINVAL);
	CU_ASSERT_EQUAL(get(s, sock, IPPROTO_IP, IP_MULTICAST_ALL), 1);
	s->conf.link = NULL; /* for who has no pipeline */
	CU_ASSERT_EQUAL(join4(s, sock, IP_ADD_MEMBERSHIP, "239.1.2.4", NULL), -ENODEV);
	CU_ASSERT_EQUAL(send_to(s, sock, "239.1.2.4"), -ENETUNREACH);
	end(s);
}

WEIR_TESTS("udp/group", TEST(all_who_hear_a_group_get_its_datagrams),
	   TEST(broadcasts_reach_those_at_any_or_at_that_address),
	   TEST(a_broadcast_needs_its_option_and_leaves_by_its_interface),
	   TEST(a_group_is_sent_to_with_its_ttl_and_by_its_interface),
	   TEST(our_own_sockets_hear_what_we_send_to_a_group),
	   TEST(options_that_cannot_be_are_refused_as_linux_does))
