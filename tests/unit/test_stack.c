/* SPDX-License-Identifier: BSD-3-Clause */

/* A stack's beginning, its end, and its two doors. */

#include "failalloc.h"
#include "toy_stack.h"

#include <errno.h>

static void test_a_conf_that_cannot_be_is_refused(void)
{
	const struct weir_stack_conf good = {
		.pool = toy_only_pool(), .sockets = 1, .socket_pkts = 1, .output = keep_sent};
	struct weir_stack *s = NULL;

	for (unsigned i = 0; i < 6; i++) {
		struct weir_stack_conf bad = good;

		if (i == 0)
			bad.pool = NULL;
		if (i == 1)
			bad.output = NULL;
		if (i == 2)
			bad.sockets = 0;
		if (i == 3)
			bad.sockets = WEIR_STACK_SOCKETS_MAX + 1;
		if (i == 4)
			bad.socket_pkts = 0;
		if (i == 5)
			bad.groups = WEIR_STACK_GROUPS_MAX + 1;
		CU_ASSERT_EQUAL(weir_stack_create(&bad, &s), -EINVAL);
		CU_ASSERT_PTR_NULL(s);
	}
	weir_stack_free(NULL);
}

static void test_create_survives_failing_allocations(void)
{
	const struct weir_stack_conf conf = {
		.pool = toy_only_pool(), .sockets = 100, .socket_pkts = 1, .output = keep_sent};
	unsigned failed = 0;

	FAILALLOC_EACH(n)
	{
		struct weir_stack *s = NULL;
		const int rc = weir_stack_create(&conf, &s);
		const bool whole = failalloc_done();

		weir_stack_free(s);
		if (whole) {
			CU_ASSERT_EQUAL(rc, 0);
			break;
		}
		failed++;
		CU_ASSERT_EQUAL(rc, -ENOMEM);
	}
	CU_ASSERT_EQUAL(failed, 6);
}

static void test_what_is_for_no_socket_stays_the_callers_in_its_order(void)
{
	const struct weir_endpoint at = toy_end("192.0.2.1", 53), from = toy_end("192.0.2.9", 9);
	struct weir_stack *s = toy_stack(4, 8), *peer = toy_stack(4, 8);
	struct rte_mbuf *pkts[6];
	struct weir_dgram d;
	weir_sock mine, theirs;

	CU_ASSERT_EQUAL_FATAL(weir_udp_open(s, &at, NULL, &mine), 0);
	CU_ASSERT_EQUAL_FATAL(weir_udp_open(peer, &from, NULL, &theirs), 0);
	for (uint16_t i = 0; i < 6; i++) {
		const struct weir_endpoint to = toy_end("192.0.2.1", i % 2 == 0 ? 53 : 54);

		CU_ASSERT_EQUAL_FATAL(
			weir_udp_send(peer, theirs, toy_payload(&i, sizeof(i), 100), &to, NULL), 0);
	}
	CU_ASSERT_EQUAL(weir_stack_poll(peer, 0), UINT64_MAX);
	CU_ASSERT_EQUAL_FATAL(n_wire, 6);
	for (unsigned i = 0; i < 6; i++) {
		pkts[i] = wire[i];
		toy_parsed(pkts[i]);
	}
	weir_meta(pkts[4])->proto = IPPROTO_TCP; /* nobody's, whatever its port */
	CU_ASSERT_EQUAL(weir_stack_input(s, pkts, 6, 0), 4);
	CU_ASSERT_PTR_EQUAL(pkts[0], wire[1]);
	CU_ASSERT_PTR_EQUAL(pkts[1], wire[3]);
	CU_ASSERT_PTR_EQUAL(pkts[2], wire[4]);
	CU_ASSERT_PTR_EQUAL(pkts[3], wire[5]);
	rte_pktmbuf_free_bulk(pkts, 4);
	n_wire = 0;
	for (uint16_t i = 0; i < 4; i += 2) {
		CU_ASSERT_EQUAL_FATAL(weir_udp_recv(s, mine, &d), 0);
		CU_ASSERT_EQUAL(*rte_pktmbuf_mtod(d.payload, uint16_t *), i);
		rte_pktmbuf_free(d.payload);
	}
	CU_ASSERT_EQUAL(weir_udp_recv(s, mine, &d), -EAGAIN);
	weir_stack_free(s);
	weir_stack_free(peer);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

static void test_a_stack_that_ends_leaves_no_buffer_behind(void)
{
	const struct weir_endpoint at = toy_end("192.0.2.1", 53);
	struct weir_stack *s = toy_stack(4, 8);
	struct rte_mbuf *m;
	weir_sock sock;

	CU_ASSERT_EQUAL_FATAL(weir_udp_open(s, &at, NULL, &sock), 0);
	CU_ASSERT_EQUAL(weir_udp_send(s, sock, toy_payload("in", 2, 100), &at, NULL), 0);
	weir_stack_poll(s, 0);
	m = wire[--n_wire];
	toy_parsed(m);
	CU_ASSERT_EQUAL(weir_stack_input(s, &m, 1, 0), 0); /* waits */
	CU_ASSERT_EQUAL(weir_udp_send(s, sock, toy_payload("out", 3, 100), &at, NULL), 0); /* too */
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 2);
	weir_stack_free(s);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

WEIR_TESTS("stack", TEST(a_conf_that_cannot_be_is_refused),
	   TEST(create_survives_failing_allocations),
	   TEST(what_is_for_no_socket_stays_the_callers_in_its_order),
	   TEST(a_stack_that_ends_leaves_no_buffer_behind))
