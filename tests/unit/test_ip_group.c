/* SPDX-License-Identifier: BSD-3-Clause */

/* Groups: who hears what, and what routers are told of it and when. */

#include "ip_group_priv.h"
#include "toy_stack.h"

#include <errno.h>
#include <sys/socket.h>
#include <weir/csum.h>

#define MS UINT64_C(1000000)
#define S  (1000 * MS)

static bool has_link(void *ctx, const struct weir_addr *to, const struct weir_link *want,
		     struct weir_link *out)
{
	(void)ctx;
	if (want->iface != WEIR_NO_IFACE && want->iface > 3)
		return false;
	*out = (struct weir_link){
		.iface = want->iface == WEIR_NO_IFACE ? 1 : want->iface,
		.mtu_bytes = 1500,
		.from = toy_end(to->family == 4 ? "192.0.2.1" : "fe80::1", 0).addr};
	return true;
}

static struct weir_stack *begin(uint32_t groups)
{
	const struct weir_stack_conf conf = {.pool = toy_only_pool(),
					     .sockets = 30,
					     .socket_pkts = 1,
					     .groups = groups,
					     .secret = {1, 2},
					     .output = keep_sent,
					     .link = has_link,
					     .now_ns = S};
	struct weir_stack *s = NULL;

	CU_ASSERT_EQUAL_FATAL(weir_stack_create(&conf, &s), 0);
	s->now_ns = S;
	return s;
}

static void end(struct weir_stack *s)
{
	empty_wire();
	weir_stack_free(s);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

static struct sock *sock_new_one(struct weir_stack *s)
{
	weir_sock sock;

	CU_ASSERT_EQUAL_FATAL(weir_socket(s, WEIR_UDP, NULL, &sock), 0);
	return sock_of(s, sock);
}

static struct weir_addr addr(const char *text)
{
	return toy_end(text, 0).addr;
}

/* Poll whenever something is due, until then. */
static void run_until(struct weir_stack *s, uint64_t until_ns)
{
	uint64_t due_ns = weir_stack_poll(s, s->now_ns);

	while (due_ns <= until_ns)
		due_ns = weir_stack_poll(s, due_ns);
	CU_ASSERT_EQUAL(weir_stack_poll(s, until_ns), due_ns);
}

/* The only message on the wire, behind its IP header; checks that header. */
static const uint8_t *only_message(const char *to, uint32_t bytes)
{
	const struct weir_addr dst = addr(to);
	const uint8_t *p;

	CU_ASSERT_EQUAL_FATAL(n_wire, 1);
	p = rte_pktmbuf_mtod(wire[0], const uint8_t *);
	if (dst.family == 4) {
		CU_ASSERT_EQUAL(wire[0]->pkt_len, 24 + bytes);
		CU_ASSERT_EQUAL(p[0], 0x46);
		CU_ASSERT_EQUAL(p[8], 1); /* TTL */
		CU_ASSERT_EQUAL(memcmp(p + 16, dst.bytes, 4), 0);
		CU_ASSERT_EQUAL(memcmp(p + 20, (uint8_t[]){0x94, 4, 0, 0}, 4), 0);
		CU_ASSERT_EQUAL(weir_csum(p, 24), 0);
		CU_ASSERT_EQUAL(weir_csum(p + 24, bytes), 0);
		return p + 24;
	}
	CU_ASSERT_EQUAL(wire[0]->pkt_len, 48 + bytes);
	CU_ASSERT_EQUAL(p[6], 0); /* hop by hop */
	CU_ASSERT_EQUAL(p[7], 1);
	CU_ASSERT_EQUAL(memcmp(p + 24, dst.bytes, 16), 0);
	CU_ASSERT_EQUAL(memcmp(p + 40, (uint8_t[]){58, 0, 5, 2, 0, 0, 1, 0}, 8), 0);
	CU_ASSERT_EQUAL(weir_csum_finish(weir_csum_add(
				weir_csum_pseudo6(p + 8, p + 24, IPPROTO_ICMPV6, bytes),
				weir_csum_sum(p + 48, bytes))),
			0);
	return p + 48;
}

static void test_joining_and_leaving_are_told_twice(void)
{
	static const struct {
		const char *group, *to;
		uint8_t type, bytes, addr_bytes;
	} cases[] = {{"239.1.2.3", "224.0.0.22", 0x22, 16, 4},
		     {"ff15::1", "ff02::16", 143, 28, 16}};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		const struct weir_addr group = addr(cases[i].group);
		struct weir_stack *s = begin(0);
		struct sock *k = sock_new_one(s), *other = sock_new_one(s);

		for (unsigned leaves = 0; leaves < 2; leaves++) {
			const uint64_t at_ns = s->now_ns;
			const uint8_t *p;

			CU_ASSERT_EQUAL(leaves ? group_leave(s, k, 2, &group)
					       : group_join(s, k, 2, &group),
					0);
			CU_ASSERT(weir_stack_poll(s, at_ns) <= at_ns + S);
			p = only_message(cases[i].to, cases[i].bytes);
			CU_ASSERT_EQUAL(weir_meta(wire[0])->iface_in, 2);
			CU_ASSERT_EQUAL(p[0], cases[i].type);
			CU_ASSERT_EQUAL(p[7], 1); /* one record */
			CU_ASSERT_EQUAL(p[8], leaves ? 3 : 4);
			CU_ASSERT_EQUAL(memcmp(p + 12, group.bytes, cases[i].addr_bytes), 0);
			empty_wire();
			run_until(s, at_ns + S);
			only_message(cases[i].to, cases[i].bytes);
			empty_wire();
			run_until(s, at_ns + 1000 * S);
			CU_ASSERT_EQUAL(n_wire, 0);
			CU_ASSERT_EQUAL(weir_stack_hears(s, 2, &group), leaves == 0);
			/* A second socket changes nothing. */
			if (!leaves) {
				CU_ASSERT_EQUAL(group_join(s, other, 2, &group), 0);
				CU_ASSERT_EQUAL(group_leave(s, other, 2, &group), 0);
				CU_ASSERT_EQUAL(weir_stack_poll(s, s->now_ns), UINT64_MAX);
			}
		}
		CU_ASSERT_EQUAL(s->groups->links[0].family, 0);
		CU_ASSERT_EQUAL(s->stats.group_reports, 4);
		end(s);
	}
}

static void query(struct weir_stack *s, const char *group, uint8_t version, uint64_t wait_ns)
{
	const struct group_query q = {.group = group == NULL ? (struct weir_addr){0} : addr(group),
				      .wait_ns = wait_ns,
				      .version = version};

	group_query(s, 1, 4, &q);
}

/* A stack that has joined 239.1.2.3 to .5 on interface 1 and said so. */
static struct weir_stack *joined(void)
{
	struct weir_stack *s = begin(0);
	struct sock *k = sock_new_one(s);
	struct weir_addr group = addr("239.1.2.3");

	for (unsigned i = 0; i < 3; i++, group.bytes[3]++)
		CU_ASSERT_EQUAL(group_join(s, k, 1, &group), 0);
	run_until(s, s->now_ns + 10 * S);
	CU_ASSERT_EQUAL(n_wire, 6);
	empty_wire();
	return s;
}

static void test_a_question_for_all_has_one_answer_in_its_time(void)
{
	struct weir_stack *s = joined();
	uint64_t first_ns = UINT64_MAX, last_ns = 0;

	for (unsigned i = 0; i < 50; i++) {
		const uint64_t at_ns = s->now_ns;
		uint64_t due_ns;

		query(s, NULL, GROUP_V3, 10 * S);
		due_ns = weir_stack_poll(s, at_ns);
		CU_ASSERT(due_ns >= at_ns && due_ns <= at_ns + 10 * S);
		query(s, NULL, GROUP_V3, 10000 * S); /* a later one is answered by the first */
		CU_ASSERT_EQUAL(weir_stack_poll(s, at_ns), due_ns);
		first_ns = RTE_MIN(first_ns, due_ns - at_ns);
		last_ns = RTE_MAX(last_ns, due_ns - at_ns);
		weir_stack_poll(s, due_ns);
		CU_ASSERT_EQUAL(only_message("224.0.0.22", 8 + 3 * 8)[7], 3);
		empty_wire();
		CU_ASSERT_EQUAL(weir_stack_poll(s, due_ns), UINT64_MAX);
	}
	CU_ASSERT(first_ns < S && last_ns > 9 * S);
	end(s);
}

static void test_a_question_for_a_group_is_answered_by_who_hears_it(void)
{
	struct weir_stack *s = joined();

	query(s, "239.1.2.4", GROUP_V3, S);
	query(s, "239.9.9.9", GROUP_V3, S);
	run_until(s, s->now_ns + S);
	CU_ASSERT_EQUAL(only_message("224.0.0.22", 16)[15], 4);
	end(s);
}

static void test_an_older_querier_is_answered_in_its_version_until_it_is_gone(void)
{
	const struct weir_addr first = addr("239.1.2.3");
	struct weir_stack *s = joined();
	const uint64_t from_ns = s->now_ns;

	query(s, NULL, GROUP_V3, 10 * S);
	query(s, NULL, GROUP_V2, S);  /* what was to be said in v3 is not said */
	group_reported(s, 1, &first); /* another host has it: ours is not needed */
	run_until(s, s->now_ns + 20 * S);
	CU_ASSERT_EQUAL(n_wire, 2);
	for (unsigned i = 0; i < n_wire; i++)
		CU_ASSERT_EQUAL(rte_pktmbuf_mtod(wire[i], uint8_t *)[24], 0x16);
	empty_wire();
	/* Leaving: to all routers, once. */
	CU_ASSERT_EQUAL(group_leave(s, &s->socks[0], 1, &first), 0);
	run_until(s, s->now_ns + 30 * S);
	CU_ASSERT_EQUAL(only_message("224.0.0.2", 8)[0], 0x17);
	empty_wire();
	CU_ASSERT_EQUAL(group_join(s, &s->socks[0], 1, &first), 0);
	run_until(s, s->now_ns + 30 * S);
	CU_ASSERT_EQUAL(n_wire, 2);
	CU_ASSERT_EQUAL(rte_pktmbuf_mtod(wire[0], uint8_t *)[19], 3); /* to the group itself */
	empty_wire();
	query(s, NULL, GROUP_V1, S);
	run_until(s, s->now_ns + S);
	CU_ASSERT_EQUAL(n_wire, 3);
	CU_ASSERT_EQUAL(rte_pktmbuf_mtod(wire[0], uint8_t *)[24], 0x12);
	empty_wire();
	CU_ASSERT_EQUAL(group_leave(s, &s->socks[0], 1, &first), 0); /* v1 says nothing */
	run_until(s, s->now_ns + 30 * S);
	CU_ASSERT_EQUAL(n_wire, 0);
	run_until(s, from_ns + 600 * S);
	query(s, NULL, GROUP_V3, S);
	run_until(s, s->now_ns + S);
	CU_ASSERT_EQUAL(only_message("224.0.0.22", 24)[0], 0x22);
	end(s);
}

static void test_all_hosts_of_a_link_are_not_reported(void)
{
	const char *groups[] = {"224.0.0.1", "ff02::1", "ff01::5"};
	struct weir_stack *s = begin(0);
	struct sock *k = sock_new_one(s);

	for (unsigned i = 0; i < RTE_DIM(groups); i++) {
		const struct weir_addr group = addr(groups[i]);

		CU_ASSERT_EQUAL(group_join(s, k, 1, &group), 0);
		CU_ASSERT(weir_stack_hears(s, 1, &group));
	}
	query(s, NULL, GROUP_V3, S);
	query(s, "224.0.0.1", GROUP_V2, S);
	run_until(s, s->now_ns + 100 * S);
	group_leave_all(s, k);
	run_until(s, s->now_ns + 100 * S);
	CU_ASSERT_EQUAL(n_wire, 0);
	CU_ASSERT_EQUAL(s->groups->links[0].family, 0);
	end(s);
}

static void test_tables_are_full_some_time_and_places_come_back(void)
{
	struct weir_addr group = addr("239.1.0.0");
	struct weir_stack *s = begin(30);
	struct sock *k[3] = {sock_new_one(s), sock_new_one(s), sock_new_one(s)};

	for (uint8_t i = 0; i < MEMBERSHIPS_A_SOCKET; i++) {
		group.bytes[3] = i;
		CU_ASSERT_EQUAL(group_join(s, k[0], 1, &group), 0);
	}
	CU_ASSERT_EQUAL(group_join(s, k[0], 1, &group), -EADDRINUSE);
	group.bytes[3] = 100;
	CU_ASSERT_EQUAL(group_join(s, k[0], 1, &group), -ENOBUFS); /* a socket's */
	for (uint8_t i = 0; i < 10; i++) {
		group.bytes[3] = (uint8_t)(100 + i);
		CU_ASSERT_EQUAL(group_join(s, k[1], 1, &group), 0);
	}
	group.bytes[3] = 200;
	CU_ASSERT_EQUAL(group_join(s, k[1], 1, &group), -ENOBUFS); /* a stack's */
	CU_ASSERT_EQUAL(group_leave(s, k[1], 1, &group), -EADDRNOTAVAIL);
	group.bytes[3] = 100;
	CU_ASSERT_EQUAL(group_leave(s, k[1], 1, &group), 0);
	group.bytes[3] = 200;
	CU_ASSERT_EQUAL(group_join(s, k[2], 1, &group), 0); /* of one that has left just now */
	for (unsigned i = 0; i < 3; i++)
		group_leave_all(s, k[i]);
	run_until(s, s->now_ns + 100 * S);
	empty_wire();
	for (uint16_t i = 0; i < GROUP_LINKS; i++)
		CU_ASSERT_EQUAL(s->groups->links[i].family, 0);
	group.bytes[3] = 1;
	CU_ASSERT_EQUAL(group_join(s, k[0], 1, &group), 0);
	end(s);
}

static void test_without_buffers_nothing_is_told_and_all_goes_on(void)
{
	const struct weir_addr group = addr("239.1.2.3");
	struct weir_stack *s = begin(0);
	struct rte_mbuf *all[TOY_MBUFS];
	unsigned n = 0;

	while (n < TOY_MBUFS && (all[n] = rte_pktmbuf_alloc(toy_only_pool())) != NULL)
		n++;
	CU_ASSERT_EQUAL(group_join(s, sock_new_one(s), 1, &group), 0);
	weir_stack_poll(s, s->now_ns);
	CU_ASSERT_EQUAL(s->stats.no_mbuf, 1);
	rte_pktmbuf_free_bulk(all, n);
	run_until(s, s->now_ns + S);
	CU_ASSERT_EQUAL(n_wire, 1);
	end(s);
}

WEIR_TESTS("ip/group", TEST(joining_and_leaving_are_told_twice),
	   TEST(a_question_for_all_has_one_answer_in_its_time),
	   TEST(a_question_for_a_group_is_answered_by_who_hears_it),
	   TEST(an_older_querier_is_answered_in_its_version_until_it_is_gone),
	   TEST(all_hosts_of_a_link_are_not_reported),
	   TEST(tables_are_full_some_time_and_places_come_back),
	   TEST(without_buffers_nothing_is_told_and_all_goes_on))
