/* SPDX-License-Identifier: BSD-3-Clause */

/* The routing table: what follows from interfaces, who wins, and that failures change nothing. */

#include "failalloc.h"
#include "toy_rib.h"

#include <errno.h>
#include <stdlib.h>

static struct weir_rib *rib;
static const struct weir_l3 *l3; /* the published one */

static void begin(void)
{
	CU_ASSERT_EQUAL_FATAL(weir_rib_begin(rib), 0);
}

/* Commit, "publish", release the former. */
static int commit(struct weir_why *why)
{
	const struct weir_l3 *fresh;
	const int rc = weir_rib_commit(rib, &fresh, why);

	if (rc == 0) {
		weir_rib_release(rib, l3);
		l3 = fresh;
	}
	return rc;
}

static bool same_stats(const struct weir_rib_stats *a, const struct weir_rib_stats *b)
{
	bool same = a->routes4 == b->routes4 && a->routes6 == b->routes6 &&
		    a->max_routes4 == b->max_routes4 && a->max_routes6 == b->max_routes6 &&
		    a->inactive == b->inactive && a->hops == b->hops && a->bytes == b->bytes;

	for (unsigned i = 0; i < WEIR_ROUTE_SOURCES; i++)
		same = same && a->by_source[i] == b->by_source[i];
	return same;
}

static void open_rib(void)
{
	const struct weir_iface ifaces[] = {
		toy_iface("wan", 0, "192.0.2.1/24", "2001:db8::1/64"),
		toy_iface("lan", 1, "10.0.0.1/8", "2001:db8:1::1/64"),
	};

	toy_rib_eal();
	CU_ASSERT_EQUAL_FATAL(weir_rib_create(&toy_rib_conf, &rib, NULL), 0);
	begin();
	CU_ASSERT_EQUAL(weir_rib_set_ifaces(rib, ifaces, 2, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(commit(NULL), 0);
}

static void close_rib(void)
{
	weir_rib_release(rib, l3);
	weir_rib_free(rib);
	l3 = NULL;
	rib = NULL;
}

static int add(const char *to, enum weir_route_source source, uint32_t metric, const char *via,
	       struct weir_why *why)
{
	const struct weir_nexthop hop = {.gateway = toy_addr(via), .iface = WEIR_NO_IFACE};
	const struct weir_route r = {.to = toy_prefix(to),
				     .kind = WEIR_HOP_GATEWAY,
				     .source = source,
				     .metric = metric,
				     .n_hops = 1,
				     .hops = &hop};

	return weir_rib_route_add(rib, &r, why);
}

static int del(const char *to, enum weir_route_source source, uint32_t metric)
{
	const struct weir_prefix p = toy_prefix(to);

	return weir_rib_route_del(rib, &p, source, metric, NULL);
}

static bool goes_via(const char *to, const char *gateway)
{
	const struct weir_hop *hop = &l3->hops[toy_lookup(l3, to)];
	const struct weir_addr a = toy_addr(gateway);

	return hop->kind == WEIR_HOP_GATEWAY && weir_addr_equal(&hop->gateway, &a);
}

static void test_addresses_subnets_and_broadcasts_follow_from_interfaces(void)
{
	open_rib();
	CU_ASSERT_EQUAL(toy_kind(l3, "192.0.2.1"), WEIR_HOP_LOCAL);
	CU_ASSERT_EQUAL(toy_kind(l3, "192.0.2.2"), WEIR_HOP_LINK);
	CU_ASSERT_EQUAL(toy_kind(l3, "192.0.2.255"), WEIR_HOP_BROADCAST);
	CU_ASSERT_EQUAL(toy_kind(l3, "10.255.255.255"), WEIR_HOP_BROADCAST);
	CU_ASSERT_EQUAL(toy_kind(l3, "255.255.255.255"), WEIR_HOP_BROADCAST);
	CU_ASSERT_EQUAL(toy_kind(l3, "224.0.0.1"), WEIR_HOP_BROADCAST);
	CU_ASSERT_EQUAL(toy_kind(l3, "224.0.0.5"), WEIR_HOP_MULTICAST);
	CU_ASSERT_EQUAL(toy_kind(l3, "198.51.100.1"), WEIR_HOP_NONE);
	CU_ASSERT_EQUAL(toy_kind(l3, "2001:db8::1"), WEIR_HOP_LOCAL);
	CU_ASSERT_EQUAL(toy_kind(l3, "2001:db8::"), WEIR_HOP_LOCAL);
	CU_ASSERT_EQUAL(toy_kind(l3, "2001:db8::2"), WEIR_HOP_LINK);
	CU_ASSERT_EQUAL(toy_kind(l3, "fe80::1"), WEIR_HOP_LINK_LOCAL);
	CU_ASSERT_EQUAL(toy_kind(l3, "ff02::1"), WEIR_HOP_BROADCAST);
	CU_ASSERT_EQUAL(toy_kind(l3, "ff02::1:ff00:1"), WEIR_HOP_BROADCAST);
	CU_ASSERT_EQUAL(toy_kind(l3, "ff02::1:ff00:2"), WEIR_HOP_MULTICAST);
	CU_ASSERT_EQUAL(l3->hops[toy_lookup(l3, "10.1.2.3")].iface, 1);
	CU_ASSERT_EQUAL(l3->hops[l3->link_hop[1]].iface, 1);
	CU_ASSERT_EQUAL(weir_l3_iface(l3, 1, 0, 0), 1);
	CU_ASSERT_EQUAL(weir_l3_iface(l3, 1, 5, 0), WEIR_NO_IFACE);
	close_rib();
}

static void test_the_better_source_and_the_lower_metric_win(void)
{
	open_rib();
	begin();
	CU_ASSERT_EQUAL(add("203.0.113.0/24", WEIR_ROUTE_KERNEL, 0, "192.0.2.9", NULL), 0);
	CU_ASSERT_EQUAL(add("203.0.113.0/24", WEIR_ROUTE_STATIC, 20, "192.0.2.8", NULL), 0);
	CU_ASSERT_EQUAL(add("203.0.113.0/24", WEIR_ROUTE_STATIC, 10, "192.0.2.7", NULL), 0);
	CU_ASSERT_EQUAL(commit(NULL), 0);
	CU_ASSERT(goes_via("203.0.113.5", "192.0.2.7"));
	begin();
	CU_ASSERT_EQUAL(del("203.0.113.0/24", WEIR_ROUTE_STATIC, 10), 0);
	CU_ASSERT_EQUAL(commit(NULL), 0);
	CU_ASSERT(goes_via("203.0.113.5", "192.0.2.8"));
	begin();
	CU_ASSERT_EQUAL(weir_rib_replace(rib, WEIR_ROUTE_STATIC, NULL, 0, NULL), 0);
	CU_ASSERT_EQUAL(commit(NULL), 0);
	CU_ASSERT(goes_via("203.0.113.5", "192.0.2.9"));
	begin();
	CU_ASSERT_EQUAL(del("203.0.113.0/24", WEIR_ROUTE_STATIC, 20), -ENOENT);
	CU_ASSERT_EQUAL(del("203.0.113.0/24", WEIR_ROUTE_KERNEL, 0), 0);
	CU_ASSERT_EQUAL(commit(NULL), 0);
	CU_ASSERT_EQUAL(toy_kind(l3, "203.0.113.5"), WEIR_HOP_NONE);
	close_rib();
}

static void test_a_static_gateway_off_every_subnet_is_refused_by_name(void)
{
	struct weir_why why = {""};

	open_rib();
	begin();
	CU_ASSERT_EQUAL(add("203.0.113.0/24", WEIR_ROUTE_STATIC, 0, "198.51.100.1", NULL), 0);
	CU_ASSERT_EQUAL(add("203.0.114.0/24", WEIR_ROUTE_STATIC, 0, "192.0.2.2", NULL), 0);
	CU_ASSERT_EQUAL(commit(&why), -ENETUNREACH);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "203.0.113.0/24"));
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "198.51.100.1"));
	CU_ASSERT_EQUAL(toy_kind(l3, "203.0.114.1"), WEIR_HOP_NONE);
	begin(); /* the next change is not harmed */
	CU_ASSERT_EQUAL(add("203.0.114.0/24", WEIR_ROUTE_STATIC, 0, "192.0.2.2", NULL), 0);
	CU_ASSERT_EQUAL(commit(NULL), 0);
	CU_ASSERT(goes_via("203.0.114.1", "192.0.2.2"));
	close_rib();
}

static void test_malformed_routes_and_interfaces_are_refused(void)
{
	struct weir_nexthop hop = {.gateway = toy_addr("192.0.2.2"), .iface = WEIR_NO_IFACE};
	struct weir_route r = {.to = toy_prefix("10.0.0.1/8"),
			       .kind = WEIR_HOP_GATEWAY,
			       .source = WEIR_ROUTE_STATIC,
			       .n_hops = 1,
			       .hops = &hop};
	struct weir_iface twice[2] = {toy_iface("a", 0, "10.0.0.1/24", NULL),
				      toy_iface("b", 1, "10.0.0.2/24", NULL)};

	open_rib();
	begin();
	CU_ASSERT_EQUAL(weir_rib_route_add(rib, &r, NULL), -EINVAL); /* host bits */
	r.to = toy_prefix("2001:db8:5::/48");
	CU_ASSERT_EQUAL(weir_rib_route_add(rib, &r, NULL), -EINVAL); /* IPv6 through IPv4 */
	r.to = toy_prefix("11.0.0.0/8");
	r.n_hops = 0;
	CU_ASSERT_EQUAL(weir_rib_route_add(rib, &r, NULL), -EINVAL);
	r.n_hops = WEIR_GROUP_MAX + 1;
	CU_ASSERT_EQUAL(weir_rib_route_add(rib, &r, NULL), -EINVAL);
	r.n_hops = 1;
	r.source = WEIR_ROUTE_CONNECTED;
	CU_ASSERT_EQUAL(weir_rib_route_add(rib, &r, NULL), -EINVAL);
	CU_ASSERT_EQUAL(weir_rib_set_ifaces(rib, twice, 2, NULL), -EEXIST); /* subnet */
	twice[1] = toy_iface("a", 1, NULL, NULL);
	CU_ASSERT_EQUAL(weir_rib_set_ifaces(rib, twice, 2, NULL), -EEXIST); /* name */
	twice[1] = toy_iface("b", 0, NULL, NULL);
	CU_ASSERT_EQUAL(weir_rib_set_ifaces(rib, twice, 2, NULL), -EEXIST); /* port */
	twice[1].vlan[0] = 4095;
	CU_ASSERT_EQUAL(weir_rib_set_ifaces(rib, twice, 2, NULL), -EINVAL);
	weir_rib_abort(rib);
	CU_ASSERT_EQUAL(toy_kind(l3, "192.0.2.1"), WEIR_HOP_LOCAL);
	close_rib();
}

static void add_group(const char *to, unsigned n, enum weir_route_source source)
{
	struct weir_nexthop hops[WEIR_GROUP_MAX];
	struct weir_route r = {.to = toy_prefix(to),
			       .kind = WEIR_HOP_GATEWAY,
			       .source = source,
			       .n_hops = (uint16_t)n,
			       .hops = hops};

	for (unsigned i = 0; i < n; i++) {
		hops[i] = (struct weir_nexthop){.gateway = toy_addr("10.0.0.0"),
						.iface = WEIR_NO_IFACE};
		hops[i].gateway.bytes[3] = (uint8_t)(n + 1 - i);
	}
	CU_ASSERT_EQUAL(weir_rib_route_add(rib, &r, NULL), 0);
}

static void test_equal_groups_are_one_and_go_with_their_last_route(void)
{
	struct weir_rib_stats before, s;
	uint16_t a, b;

	open_rib();
	weir_rib_stats(rib, &before);
	begin();
	add_group("203.0.113.0/24", 4, WEIR_ROUTE_STATIC);
	add_group("203.0.114.0/24", 4, WEIR_ROUTE_KERNEL);
	add_group("203.0.115.0/24", 64, WEIR_ROUTE_STATIC);
	CU_ASSERT_EQUAL(commit(NULL), 0);
	a = toy_lookup(l3, "203.0.113.1");
	b = toy_lookup(l3, "203.0.114.1");
	CU_ASSERT_EQUAL(a, b);
	CU_ASSERT_EQUAL(l3->hops[a].kind, WEIR_HOP_GROUP);
	CU_ASSERT_EQUAL(l3->hops[a].group_n, 4);
	CU_ASSERT_EQUAL(l3->hops[toy_lookup(l3, "203.0.115.1")].group_n, 64);
	for (unsigned i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(l3->hops[l3->members[a][i]].kind, WEIR_HOP_GATEWAY);
	begin();
	CU_ASSERT_EQUAL(del("203.0.113.0/24", WEIR_ROUTE_STATIC, 0), 0);
	CU_ASSERT_EQUAL(del("203.0.114.0/24", WEIR_ROUTE_KERNEL, 0), 0);
	CU_ASSERT_EQUAL(del("203.0.115.0/24", WEIR_ROUTE_STATIC, 0), 0);
	CU_ASSERT_EQUAL(commit(NULL), 0);
	weir_rib_stats(rib, &s);
	CU_ASSERT_EQUAL(s.hops, before.hops);
	CU_ASSERT_EQUAL(s.bytes, before.bytes);
	close_rib();
}

static void test_a_hop_stays_until_its_last_reader_has_gone(void)
{
	const struct weir_l3 *fresh;
	uint16_t old;

	open_rib();
	begin();
	CU_ASSERT_EQUAL(add("203.0.113.0/24", WEIR_ROUTE_STATIC, 0, "192.0.2.2", NULL), 0);
	CU_ASSERT_EQUAL(commit(NULL), 0);
	old = toy_lookup(l3, "203.0.113.1");
	begin();
	CU_ASSERT_EQUAL(add("203.0.113.0/24", WEIR_ROUTE_STATIC, 0, "192.0.2.3", NULL), 0);
	CU_ASSERT_EQUAL(weir_rib_commit(rib, &fresh, NULL), 0);
	/* a worker still reads the former one: nothing there has changed */
	CU_ASSERT(goes_via("203.0.113.1", "192.0.2.2"));
	CU_ASSERT_NOT_EQUAL(toy_lookup(fresh, "203.0.113.1"), old);
	CU_ASSERT_EQUAL(weir_rib_begin(rib), -EBUSY);
	CU_ASSERT(goes_via("203.0.113.1", "192.0.2.2"));
	weir_rib_release(rib, l3);
	l3 = fresh;
	CU_ASSERT_EQUAL(l3->hops[old].kind, WEIR_HOP_NONE);
	CU_ASSERT(goes_via("203.0.113.1", "192.0.2.3"));
	close_rib();
}

static void test_a_reverted_commit_leaves_the_former_state(void)
{
	const struct weir_iface one = toy_iface("lan", 1, "10.0.0.1/8", NULL);
	struct weir_rib_stats before, after;
	const struct weir_l3 *fresh;

	open_rib();
	begin();
	CU_ASSERT_EQUAL(add("203.0.113.0/24", WEIR_ROUTE_KERNEL, 0, "192.0.2.2", NULL), 0);
	CU_ASSERT_EQUAL(commit(NULL), 0);
	weir_rib_stats(rib, &before);
	begin();
	CU_ASSERT_EQUAL(weir_rib_set_ifaces(rib, &one, 1, NULL), 0);
	add_group("203.0.115.0/24", 3, WEIR_ROUTE_STATIC);
	CU_ASSERT_EQUAL(weir_rib_commit(rib, &fresh, NULL), 0);
	CU_ASSERT_EQUAL(toy_kind(fresh, "203.0.113.1"), WEIR_HOP_NONE);
	weir_rib_revert(rib, fresh);
	CU_ASSERT(goes_via("203.0.113.1", "192.0.2.2"));
	weir_rib_stats(rib, &after);
	CU_ASSERT(same_stats(&before, &after));
	begin();
	CU_ASSERT_EQUAL(add("203.0.116.0/24", WEIR_ROUTE_STATIC, 0, "192.0.2.3", NULL), 0);
	CU_ASSERT_EQUAL(commit(NULL), 0);
	CU_ASSERT(goes_via("203.0.113.1", "192.0.2.2"));
	CU_ASSERT(goes_via("203.0.116.1", "192.0.2.3"));
	CU_ASSERT_EQUAL(toy_kind(l3, "203.0.115.1"), WEIR_HOP_NONE);
	close_rib();
}

static void test_interfaces_keep_their_numbers_and_lost_kernel_routes_sleep(void)
{
	const struct weir_iface now[] = {toy_iface("dmz", 2, "172.16.0.1/16", NULL),
					 toy_iface("lan", 1, "10.0.0.1/8", NULL)};
	const struct weir_iface back[] = {now[0], now[1],
					  toy_iface("wan", 0, "192.0.2.1/24", NULL)};
	struct weir_rib_stats s;

	open_rib();
	begin();
	CU_ASSERT_EQUAL(add("203.0.113.0/24", WEIR_ROUTE_KERNEL, 0, "192.0.2.2", NULL), 0);
	CU_ASSERT_EQUAL(commit(NULL), 0);
	begin();
	CU_ASSERT_EQUAL(weir_rib_set_ifaces(rib, now, 2, NULL), 0);
	CU_ASSERT_EQUAL(commit(NULL), 0);
	CU_ASSERT_EQUAL(weir_rib_iface(rib, "lan"), 1);
	CU_ASSERT_EQUAL(weir_rib_iface(rib, "dmz"), 2); /* not that of wan, which just went */
	CU_ASSERT_EQUAL(weir_rib_iface(rib, "wan"), WEIR_NO_IFACE);
	CU_ASSERT_EQUAL(l3->ifaces[0].port, WEIR_NO_PORT);
	CU_ASSERT_EQUAL(toy_kind(l3, "203.0.113.1"), WEIR_HOP_NONE);
	CU_ASSERT_EQUAL(toy_kind(l3, "192.0.2.1"), WEIR_HOP_NONE);
	weir_rib_stats(rib, &s);
	CU_ASSERT_EQUAL(s.inactive, 1);
	begin();
	CU_ASSERT_EQUAL(weir_rib_set_ifaces(rib, back, 3, NULL), 0);
	CU_ASSERT_EQUAL(commit(NULL), 0);
	CU_ASSERT(goes_via("203.0.113.1", "192.0.2.2"));
	close_rib();
}

static void test_a_full_table_says_which_limit_and_changes_nothing(void)
{
	struct weir_rib_stats before, after;
	struct weir_why why = {""};
	char to[32];

	open_rib();
	weir_rib_stats(rib, &before);
	begin();
	for (unsigned i = 0; i < 3001; i++) {
		snprintf(to, sizeof(to), "100.%u.%u.0/24", i / 256, i % 256);
		CU_ASSERT_EQUAL(add(to, WEIR_ROUTE_STATIC, 0, "192.0.2.2", NULL), 0);
	}
	CU_ASSERT_EQUAL(commit(&why), -ENOSPC);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "routes4"));
	begin();
	for (unsigned i = 0; i < 501; i++) {
		snprintf(to, sizeof(to), "100.%u.%u.1/32", i / 256, i % 256);
		CU_ASSERT_EQUAL(add(to, WEIR_ROUTE_STATIC, 0, "192.0.2.2", NULL), 0);
	}
	CU_ASSERT_EQUAL(commit(&why), -ENOSPC);
	CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "groups4"));
	weir_rib_stats(rib, &after);
	CU_ASSERT(same_stats(&before, &after));
	begin();
	CU_ASSERT_EQUAL(add("100.0.0.1/32", WEIR_ROUTE_STATIC, 0, "192.0.2.2", NULL), 0);
	CU_ASSERT_EQUAL(commit(NULL), 0);
	CU_ASSERT(goes_via("100.0.0.1", "192.0.2.2"));
	CU_ASSERT_EQUAL(toy_kind(l3, "100.0.1.1"), WEIR_HOP_NONE);
	close_rib();
}

static void test_ipv6_host_routes_come_and_go_for_ever(void)
{
	char to[64];

	open_rib();
	for (unsigned i = 0; i < 6000; i++) { /* rte_fib6's own estimate would be used up */
		snprintf(to, sizeof(to), "2001:db8:%x::%x/128", 16 + i % 7, i % 1000);
		begin();
		CU_ASSERT_EQUAL(add(to, WEIR_ROUTE_KERNEL, 0, "2001:db8::2", NULL), 0);
		CU_ASSERT_EQUAL_FATAL(commit(NULL), 0);
		begin();
		CU_ASSERT_EQUAL(del(to, WEIR_ROUTE_KERNEL, 0), 0);
		CU_ASSERT_EQUAL_FATAL(commit(NULL), 0);
	}
	CU_ASSERT_EQUAL(toy_kind(l3, "2001:db8:10::1"), WEIR_HOP_NONE);
	close_rib();
}

struct shown {
	unsigned n, active, sorted;
	struct weir_prefix last;
};

static int show(void *ctx, const struct weir_route_view *v)
{
	struct shown *s = ctx;

	s->n++;
	s->active += v->active;
	s->sorted += v->route.to.addr.family > s->last.addr.family ||
		     memcmp(v->route.to.addr.bytes, s->last.addr.bytes, 16) >= 0;
	s->last = v->route.to;
	return s->n == 1000 ? -1 : 0;
}

static void test_it_explains_an_address_and_lists_all_routes_in_order(void)
{
	struct weir_rib_answer a;
	struct weir_addr to = toy_addr("203.0.113.77");
	struct shown s = {0};
	struct weir_rib_stats stats;

	open_rib();
	begin();
	CU_ASSERT_EQUAL(add("203.0.113.0/24", WEIR_ROUTE_STATIC, 5, "192.0.2.2", NULL), 0);
	CU_ASSERT_EQUAL(add("203.0.113.0/24", WEIR_ROUTE_KERNEL, 1, "192.0.2.3", NULL), 0);
	CU_ASSERT_EQUAL(commit(NULL), 0);
	weir_rib_explain(rib, &to, &a);
	CU_ASSERT_STRING_EQUAL(a.text, "203.0.113.77: static route 203.0.113.0/24, metric 5: via "
				       "192.0.2.2 on wan, MTU 1500");
	CU_ASSERT_EQUAL(a.hop_number, toy_lookup(l3, "203.0.113.77"));
	to = toy_addr("198.51.100.1");
	weir_rib_explain(rib, &to, &a);
	CU_ASSERT_STRING_EQUAL(a.text, "198.51.100.1: no route");
	CU_ASSERT_EQUAL(weir_rib_each(rib, show, &s), 0);
	weir_rib_stats(rib, &stats);
	CU_ASSERT_EQUAL(s.n, stats.routes4 + stats.routes6 + 1);
	CU_ASSERT_EQUAL(s.active, s.n - 1);
	CU_ASSERT_EQUAL(s.sorted, s.n);
	close_rib();
}

/* Everything a change can do, any allocation of which may fail. */
static int change_all(void)
{
	const struct weir_iface now[] = {toy_iface("wan", 0, "192.0.2.1/24", NULL),
					 toy_iface("new", 3, "172.16.0.1/16", "2001:db8:9::1/64")};
	const struct weir_nexthop hops[2] = {{toy_addr("192.0.2.4"), WEIR_NO_IFACE, false},
					     {toy_addr("192.0.2.5"), WEIR_NO_IFACE, false}};
	const struct weir_route routes[2] = {
		{.to = toy_prefix("203.0.115.0/24"), WEIR_HOP_GATEWAY, .n_hops = 2, .hops = hops},
		{.to = toy_prefix("203.0.116.0/24"), WEIR_HOP_BLACKHOLE}};
	int rc = weir_rib_begin(rib);

	if (rc == 0)
		rc = weir_rib_set_ifaces(rib, now, 2, NULL);
	if (rc == 0)
		rc = weir_rib_replace(rib, WEIR_ROUTE_STATIC, routes, 2, NULL);
	if (rc == 0)
		rc = commit(NULL);
	weir_rib_abort(rib);
	return rc;
}

static void test_a_change_that_runs_out_of_memory_changes_nothing(void)
{
	struct weir_rib_stats before, after;

	open_rib();
	begin();
	CU_ASSERT_EQUAL(add("203.0.113.0/24", WEIR_ROUTE_STATIC, 0, "10.0.0.2", NULL), 0);
	CU_ASSERT_EQUAL(add("203.0.114.0/24", WEIR_ROUTE_KERNEL, 0, "10.0.0.2", NULL), 0);
	CU_ASSERT_EQUAL(commit(NULL), 0);
	weir_rib_stats(rib, &before);
	FAILALLOC_EACH(n)
	{
		const int rc = change_all();

		if (failalloc_done())
			break;
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		weir_rib_stats(rib, &after);
		CU_ASSERT(same_stats(&before, &after));
		CU_ASSERT(goes_via("203.0.113.1", "10.0.0.2"));
		CU_ASSERT(goes_via("203.0.114.1", "10.0.0.2"));
	}
	CU_ASSERT_EQUAL(toy_kind(l3, "203.0.115.1"), WEIR_HOP_GROUP);
	CU_ASSERT_EQUAL(toy_kind(l3, "203.0.116.1"), WEIR_HOP_BLACKHOLE);
	CU_ASSERT_EQUAL(toy_kind(l3, "203.0.113.1"), WEIR_HOP_NONE);
	close_rib();
}

static void test_create_survives_failing_allocations(void)
{
	struct weir_rib *r = NULL;

	toy_rib_eal();
	FAILALLOC_EACH(n)
	{
		const int rc = weir_rib_create(&toy_rib_conf, &r, NULL);

		if (failalloc_done())
			break;
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(r);
	}
	CU_ASSERT_PTR_NOT_NULL(r);
	weir_rib_free(r);
}

WEIR_TESTS("tables/rib", TEST(addresses_subnets_and_broadcasts_follow_from_interfaces),
	   TEST(the_better_source_and_the_lower_metric_win),
	   TEST(a_static_gateway_off_every_subnet_is_refused_by_name),
	   TEST(malformed_routes_and_interfaces_are_refused),
	   TEST(equal_groups_are_one_and_go_with_their_last_route),
	   TEST(a_hop_stays_until_its_last_reader_has_gone),
	   TEST(a_reverted_commit_leaves_the_former_state),
	   TEST(interfaces_keep_their_numbers_and_lost_kernel_routes_sleep),
	   TEST(a_full_table_says_which_limit_and_changes_nothing),
	   TEST(ipv6_host_routes_come_and_go_for_ever),
	   TEST(it_explains_an_address_and_lists_all_routes_in_order),
	   TEST(a_change_that_runs_out_of_memory_changes_nothing),
	   TEST(create_survives_failing_allocations))
