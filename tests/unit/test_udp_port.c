/* SPDX-License-Identifier: BSD-3-Clause */

/* Sockets that share a port, and which of them a datagram is for. */

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

static struct weir_stack *begin(uint32_t sockets)
{
	struct weir_stack *s = toy_stack(sockets, 8);

	s->conf.way = has_way;
	return s;
}

/* A socket with these options at an address (NULL: any), and what binding it has said. */
static int try_bind(struct weir_stack *s, const char *addr, uint16_t port, int name, weir_sock *out)
{
	const struct weir_endpoint at = addr == NULL ? (struct weir_endpoint){.port = port}
						     : toy_end(addr, port);
	const int on = 1;
	int rc;

	CU_ASSERT_EQUAL_FATAL(weir_socket(s, WEIR_UDP, NULL, out), 0);
	if (name != 0)
		CU_ASSERT_EQUAL(weir_setsockopt(s, *out, SOL_SOCKET, name, &on, sizeof(on)), 0);
	rc = weir_bind(s, *out, &at);
	if (rc < 0)
		CU_ASSERT_EQUAL(weir_sock_close(s, *out), 0);
	return rc;
}

static weir_sock bound(struct weir_stack *s, const char *addr, uint16_t port, int name)
{
	weir_sock sock;

	CU_ASSERT_EQUAL_FATAL(try_bind(s, addr, port, name, &sock), 0);
	return sock;
}

/* Who gets a datagram; WEIR_NO_SOCK: nobody. */
static weir_sock finds(struct weir_stack *s, const char *to, uint16_t port, const char *from,
		       uint16_t from_port, const weir_sock *socks, unsigned n)
{
	const struct weir_endpoint at = toy_end(to, port), peer = toy_end(from, from_port);
	const struct sock *k = sock_find(s, &at, &peer);

	for (unsigned i = 0; i < n; i++)
		if (k != NULL && sock_of(s, socks[i]) == k)
			return socks[i];
	CU_ASSERT_PTR_NULL(k);
	return WEIR_NO_SOCK;
}

static void test_addresses_that_overlap_are_one_sockets_as_in_linux(void)
{
	static const struct {
		const char *has, *wants;
		int has_opt, wants_opt, rc;
	} cases[] = {
		{"192.0.2.1", "192.0.2.1", 0, 0, -EADDRINUSE},
		{"192.0.2.1", "192.0.2.2", 0, 0, 0},
		{"192.0.2.1", NULL, 0, 0, -EADDRINUSE},
		{NULL, "2001:db8::1", 0, 0, -EADDRINUSE},
		{"192.0.2.1", "2001:db8::1", 0, 0, 0},
		{"192.0.2.1", NULL, SO_REUSEADDR, 0, -EADDRINUSE},
		{"192.0.2.1", NULL, 0, SO_REUSEADDR, -EADDRINUSE},
		{"192.0.2.1", NULL, SO_REUSEADDR, SO_REUSEADDR, 0},
		{NULL, NULL, SO_REUSEADDR, SO_REUSEADDR, 0},
		{NULL, NULL, SO_REUSEPORT, SO_REUSEPORT, 0},
		{NULL, NULL, SO_REUSEPORT, SO_REUSEADDR, -EADDRINUSE},
		{NULL, "192.0.2.1", SO_REUSEPORT, 0, -EADDRINUSE},
	};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct weir_stack *s = begin(2);
		weir_sock sock;

		bound(s, cases[i].has, 53, cases[i].has_opt);
		CU_ASSERT_EQUAL(try_bind(s, cases[i].wants, 53, cases[i].wants_opt, &sock),
				cases[i].rc);
		weir_stack_free(s);
	}
}

static void test_the_most_specific_socket_has_the_datagram(void)
{
	const struct weir_endpoint peer = toy_end("192.0.2.9", 9), other = toy_end("192.0.2.8", 9);
	struct weir_stack *s = begin(5);
	weir_sock k[5];

	k[0] = bound(s, NULL, 53, SO_REUSEADDR);
	k[1] = bound(s, "192.0.2.1", 53, SO_REUSEADDR);
	k[2] = bound(s, NULL, 53, SO_REUSEADDR);
	k[3] = bound(s, "192.0.2.1", 53, SO_REUSEADDR);
	CU_ASSERT_EQUAL(weir_connect(s, k[2], &peer), 0);
	CU_ASSERT_EQUAL(weir_connect(s, k[3], &other), 0);
	CU_ASSERT_EQUAL(finds(s, "192.0.2.1", 53, "192.0.2.9", 9, k, 4), k[2]);
	CU_ASSERT_EQUAL(finds(s, "192.0.2.1", 53, "192.0.2.8", 9, k, 4), k[3]);
	CU_ASSERT_EQUAL(finds(s, "192.0.2.1", 53, "192.0.2.8", 8, k, 4), k[1]);
	CU_ASSERT_EQUAL(finds(s, "192.0.2.2", 53, "192.0.2.9", 9, k, 4), k[0]);
	CU_ASSERT_EQUAL(finds(s, "2001:db8::1", 53, "2001:db8::9", 9, k, 4), k[0]);
	CU_ASSERT_EQUAL(finds(s, "192.0.2.1", 54, "192.0.2.9", 9, k, 4), WEIR_NO_SOCK);
	/* Its peer is nobody again: it is at any address, and the youngest there. */
	CU_ASSERT_EQUAL(weir_connect(s, k[2], &(struct weir_endpoint){0}), 0);
	CU_ASSERT_EQUAL(sock_of(s, k[2])->at.addr.family, 0);
	CU_ASSERT_EQUAL(finds(s, "192.0.2.1", 53, "192.0.2.9", 9, k, 4), k[1]);
	CU_ASSERT_EQUAL(finds(s, "192.0.2.2", 53, "192.0.2.9", 9, k, 4), k[2]);
	CU_ASSERT_EQUAL(weir_sock_close(s, k[2]), 0);
	CU_ASSERT_EQUAL(finds(s, "192.0.2.2", 53, "192.0.2.9", 9, k, 4), k[0]);
	CU_ASSERT_EQUAL(weir_sock_close(s, k[3]), 0);
	CU_ASSERT_EQUAL(s->connected, 0);
	CU_ASSERT_EQUAL(finds(s, "192.0.2.1", 53, "192.0.2.8", 9, k, 2), k[1]);
	weir_stack_free(s);
}

/* How many of 1000 peers each of the sockets has, and which one each peer. */
static void spread(struct weir_stack *s, const weir_sock *k, unsigned n, unsigned *has,
		   weir_sock *was)
{
	memset(has, 0, n * sizeof(*has));
	for (uint16_t port = 1; port <= 1000; port++) {
		const weir_sock got = finds(s, "192.0.2.1", 53, "192.0.2.9", port, k, n);

		for (unsigned i = 0; i < n; i++)
			has[i] += got == k[i];
		was[port - 1] = got;
	}
}

static void test_the_hash_of_both_ends_chooses_among_those_that_share(void)
{
	static weir_sock was[1000], again[1000];
	struct weir_stack *s = begin(WEIR_SHARED_MOST + 1);
	weir_sock k[WEIR_SHARED_MOST], one_more;
	unsigned has[WEIR_SHARED_MOST];

	for (unsigned i = 0; i < 4; i++)
		k[i] = bound(s, NULL, 53, SO_REUSEPORT);
	spread(s, k, 4, has, was);
	for (unsigned i = 0; i < 4; i++)
		CU_ASSERT(has[i] > 180 && has[i] < 320);
	spread(s, k, 4, has, again);
	CU_ASSERT_EQUAL(memcmp(was, again, sizeof(was)), 0);
	CU_ASSERT_EQUAL(weir_sock_close(s, k[3]), 0); /* one leaves */
	spread(s, k, 3, has, again);
	CU_ASSERT_EQUAL(has[0] + has[1] + has[2], 1000);
	for (unsigned i = 3; i < WEIR_SHARED_MOST; i++) /* and many join */
		k[i] = bound(s, NULL, 53, SO_REUSEPORT);
	CU_ASSERT_EQUAL(try_bind(s, NULL, 53, SO_REUSEPORT, &one_more), -EADDRINUSE);
	spread(s, k, WEIR_SHARED_MOST, has, again);
	for (unsigned i = 0; i < WEIR_SHARED_MOST; i++)
		CU_ASSERT(has[i] > 0);
	weir_stack_free(s);
}

static void test_a_port_takes_any_number_of_sockets_that_have_peers(void)
{
	enum { N = 3 * WEIR_SHARED_MOST };
	struct weir_stack *s = begin(N);
	weir_sock k[N];

	for (uint16_t i = 0; i < N; i++) {
		const struct weir_endpoint peer = toy_end("192.0.2.9", (uint16_t)(i + 1));

		k[i] = bound(s, "192.0.2.1", 53, SO_REUSEADDR);
		CU_ASSERT_EQUAL(weir_connect(s, k[i], &peer), 0);
	}
	for (uint16_t i = 0; i < N; i++)
		CU_ASSERT_EQUAL(finds(s, "192.0.2.1", 53, "192.0.2.9", (uint16_t)(i + 1), k, N),
				k[i]);
	for (uint16_t i = 0; i < N; i++)
		CU_ASSERT_EQUAL(weir_sock_close(s, k[i]), 0);
	CU_ASSERT_EQUAL(s->connected, 0);
	weir_stack_free(s);
}

static void test_sharing_is_an_option_that_is_off(void)
{
	const int names[] = {SO_REUSEADDR, SO_REUSEPORT};
	struct weir_stack *s = begin(1);
	weir_sock sock = bound(s, NULL, 53, 0);

	for (unsigned i = 0; i < RTE_DIM(names); i++) {
		int value = 7;
		uint32_t bytes = sizeof(value);

		CU_ASSERT_EQUAL(weir_getsockopt(s, sock, SOL_SOCKET, names[i], &value, &bytes), 0);
		CU_ASSERT_EQUAL(value, 0);
		value = 5;
		CU_ASSERT_EQUAL(weir_setsockopt(s, sock, SOL_SOCKET, names[i], &value, 4), 0);
		CU_ASSERT_EQUAL(weir_getsockopt(s, sock, SOL_SOCKET, names[i], &value, &bytes), 0);
		CU_ASSERT_EQUAL(value, 1);
	}
	weir_stack_free(s);
}

WEIR_TESTS("udp/port", TEST(addresses_that_overlap_are_one_sockets_as_in_linux),
	   TEST(the_most_specific_socket_has_the_datagram),
	   TEST(the_hash_of_both_ends_chooses_among_those_that_share),
	   TEST(a_port_takes_any_number_of_sockets_that_have_peers),
	   TEST(sharing_is_an_option_that_is_off))
