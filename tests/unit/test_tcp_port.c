/* SPDX-License-Identifier: BSD-3-Clause */

/* Ports of TCP that are shared, or kept by connections: SO_REUSEADDR and SO_REUSEPORT. */

#include "toy_pair.h"

#include "tcp_priv.h"

#include <errno.h>

#define A  pair.end[0].stack
#define B  pair.end[1].stack
#define MS UINT64_C(1000000)

static weir_sock make(struct weir_stack *s, int name)
{
	const int on = 1;
	weir_sock sock;

	CU_ASSERT_EQUAL_FATAL(weir_socket(s, WEIR_TCP, NULL, &sock), 0);
	if (name != 0)
		CU_ASSERT_EQUAL(weir_setsockopt(s, sock, SOL_SOCKET, name, &on, sizeof(on)), 0);
	return sock;
}

/* Binds one and closes it again. */
static int may_bind(struct weir_stack *s, const char *addr, int name)
{
	const struct weir_endpoint at = addr == NULL ? (struct weir_endpoint){.port = 80}
						     : toy_end(addr, 80);
	const weir_sock sock = make(s, name);
	const int rc = weir_bind(s, sock, &at);

	CU_ASSERT_EQUAL(weir_sock_close(s, sock), 0);
	return rc;
}

static weir_sock listens(int name, int *rc)
{
	const struct weir_endpoint at = {.port = 80};
	const weir_sock l = make(B, name);

	*rc = weir_bind(B, l, &at);
	if (*rc == 0)
		*rc = weir_listen(B, l, 100);
	return l;
}

static void test_a_listener_shares_with_nobody_but_by_reuseport(void)
{
	const struct weir_endpoint at = {.port = 80};
	weir_sock l, other;
	int rc;

	pair_begin();
	l = listens(SO_REUSEADDR, &rc);
	CU_ASSERT_EQUAL(rc, 0);
	CU_ASSERT_EQUAL(may_bind(B, NULL, SO_REUSEADDR), -EADDRINUSE);
	CU_ASSERT_EQUAL(may_bind(B, "192.0.2.2", SO_REUSEADDR), -EADDRINUSE);
	CU_ASSERT_EQUAL(may_bind(B, NULL, SO_REUSEPORT), -EADDRINUSE);
	CU_ASSERT_EQUAL(weir_sock_close(B, l), 0);
	/* Both may be bound; who listens first has it. */
	l = make(B, SO_REUSEADDR);
	other = make(B, SO_REUSEADDR);
	CU_ASSERT_EQUAL(weir_bind(B, l, &at), 0);
	CU_ASSERT_EQUAL(weir_bind(B, other, &at), 0);
	CU_ASSERT_EQUAL(may_bind(B, NULL, 0), -EADDRINUSE);
	CU_ASSERT_EQUAL(weir_listen(B, other, 1), 0);
	CU_ASSERT_EQUAL(weir_listen(B, l, 1), -EADDRINUSE);
	CU_ASSERT_EQUAL(weir_listen(B, other, 2), 0); /* its own backlog */
	CU_ASSERT_EQUAL(weir_sock_close(B, other), 0);
	CU_ASSERT_EQUAL(weir_listen(B, l, 1), 0);
	pair_end();
}

static void test_ipv6_alone_leaves_the_port_to_ipv4(void)
{
	const struct weir_endpoint at = {.port = 80};
	const int on = 1;
	weir_sock l;

	pair_begin();
	l = make(B, 0);
	CU_ASSERT_EQUAL(weir_setsockopt(B, l, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), 0);
	CU_ASSERT_EQUAL(weir_bind(B, l, &at), 0);
	CU_ASSERT_EQUAL(may_bind(B, "192.0.2.2", 0), 0);
	CU_ASSERT_EQUAL(may_bind(B, "2001:db8::2", 0), -EADDRINUSE);
	CU_ASSERT_EQUAL(weir_listen(B, l, 1), 0);
	CU_ASSERT_EQUAL(may_bind(B, "192.0.2.2", 0), 0);
	pair_end();
}

/* One connection to a listener that is gone then; @name: the option of both. */
static weir_sock connected(int name)
{
	weir_sock l, c;
	int rc;

	l = listens(name, &rc);
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	pair_connect("192.0.2.2", 80);
	pair_run(10 * MS);
	c = pair_accept(l);
	CU_ASSERT_EQUAL(weir_sock_close(B, l), 0);
	return c;
}

static void test_connections_keep_their_port_but_for_who_shares_it(void)
{
	static const struct {
		int had, wants;
		const char *addr;
		int rc;
	} cases[] = {
		{0, 0, NULL, -EADDRINUSE},
		{0, SO_REUSEADDR, NULL, -EADDRINUSE},
		{SO_REUSEADDR, 0, NULL, -EADDRINUSE},
		{SO_REUSEADDR, 0, "192.0.2.2", -EADDRINUSE},
		{SO_REUSEADDR, 0, "192.0.2.3", 0},
		{SO_REUSEADDR, 0, "2001:db8::2", 0},
		{SO_REUSEADDR, SO_REUSEADDR, NULL, 0},
		{SO_REUSEPORT, SO_REUSEPORT, NULL, 0},
		{SO_REUSEPORT, SO_REUSEADDR, NULL, -EADDRINUSE},
	};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		weir_sock c;

		pair_begin();
		c = connected(cases[i].had);
		CU_ASSERT_EQUAL(may_bind(B, cases[i].addr, cases[i].wants), cases[i].rc);
		CU_ASSERT_EQUAL(weir_sock_close(B, c), 0);
		pair_run(10 * MS);
		for (uint32_t k = 0; k < A->tcp->conn_touched; k++)
			conn_close(&A->tcp->conns[k]);
		pair_run(10 * MS);
		CU_ASSERT_EQUAL_FATAL(B->stats.tcp_time_wait, 1);
		CU_ASSERT_EQUAL(may_bind(B, cases[i].addr, cases[i].wants), cases[i].rc);
		pair_run(70000 * MS);
		CU_ASSERT_EQUAL(B->stats.tcp_time_wait, 0);
		CU_ASSERT_EQUAL(may_bind(B, NULL, 0), 0);
		pair_end();
	}
}

static void test_a_port_that_is_chosen_has_no_connections(void)
{
	weir_sock c, sock;
	struct weir_endpoint at;

	pair_begin();
	listens(0, &(int){0});
	c = pair_connect("192.0.2.2", 80);
	pair_run(10 * MS);
	CU_ASSERT_EQUAL(weir_getsockname(A, c, &at), 0);
	A->tcp->port_next = 0; /* the same row of ports again */
	for (unsigned i = 0; i < 100; i++) {
		struct weir_endpoint any = {.port = 0};

		sock = make(A, 0);
		CU_ASSERT_EQUAL(weir_bind(A, sock, &any), 0);
		CU_ASSERT_EQUAL(weir_getsockname(A, sock, &any), 0);
		CU_ASSERT_NOT_EQUAL(any.port, at.port);
		CU_ASSERT_EQUAL(weir_sock_close(A, sock), 0);
	}
	pair_end();
}

static void test_listeners_that_share_a_port_are_chosen_by_hash(void)
{
	enum { LISTENERS = 4, CLIENTS = 120 };
	unsigned has[LISTENERS] = {0}, all = 0;
	weir_sock l[LISTENERS], got;
	int rc;

	pair_begin_with((struct weir_stack_conf){.sockets = 8, .connections = 256});
	for (unsigned i = 0; i < LISTENERS; i++) {
		l[i] = listens(SO_REUSEPORT, &rc);
		CU_ASSERT_EQUAL_FATAL(rc, 0);
	}
	for (unsigned i = 0; i < CLIENTS; i++)
		pair_connect("192.0.2.2", 80);
	pair_run(100 * MS);
	for (unsigned i = 0; i < LISTENERS; i++) {
		while (weir_accept(B, l[i], NULL, &got, NULL) == 0)
			has[i]++;
		CU_ASSERT(has[i] > CLIENTS / 10);
		all += has[i];
	}
	CU_ASSERT_EQUAL(all, CLIENTS);
	/* One leaves, and the others have all. */
	CU_ASSERT_EQUAL(weir_sock_close(B, l[1]), 0);
	l[1] = l[3];
	for (unsigned i = 0; i < 30; i++)
		pair_connect("192.0.2.2", 80);
	pair_run(100 * MS);
	for (unsigned i = 0; i < 3; i++)
		while (weir_accept(B, l[i], NULL, &got, NULL) == 0)
			all++;
	CU_ASSERT_EQUAL(all, CLIENTS + 30);
	pair_end();
}

static void test_as_many_listeners_share_a_port_as_may(void)
{
	weir_sock l;
	int rc;

	pair_begin_with((struct weir_stack_conf){.sockets = 100, .connections = 100});
	for (unsigned i = 0; i < WEIR_SHARED_MOST; i++) {
		l = listens(SO_REUSEPORT, &rc);
		CU_ASSERT_EQUAL(rc, 0);
	}
	CU_ASSERT_EQUAL(may_bind(B, NULL, SO_REUSEPORT), -EADDRINUSE);
	CU_ASSERT_EQUAL(weir_sock_close(B, l), 0);
	CU_ASSERT_EQUAL(may_bind(B, NULL, SO_REUSEPORT), 0);
	pair_end();
}

WEIR_TESTS("tcp/port", TEST(a_listener_shares_with_nobody_but_by_reuseport),
	   TEST(ipv6_alone_leaves_the_port_to_ipv4),
	   TEST(connections_keep_their_port_but_for_who_shares_it),
	   TEST(a_port_that_is_chosen_has_no_connections),
	   TEST(listeners_that_share_a_port_are_chosen_by_hash),
	   TEST(as_many_listeners_share_a_port_as_may))
