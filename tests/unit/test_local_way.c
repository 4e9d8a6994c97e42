/* SPDX-License-Identifier: BSD-3-Clause */

/* Which address of ours a connection begins at, and whether its answers come to this worker. */

#include "../../dataplane/local_way.c"
#include "toy_rib.h"

#include <rte_thash.h>

static struct weir_rib *rib;
static const struct weir_l3 *l3;
static struct weir_gens *gens;
static struct weir_gen gen;

/* To @to by one next hop; @hop lives as long as the route. */
static struct weir_route route(const char *to, const char *via, uint16_t iface, uint16_t mtu,
			       struct weir_nexthop *hop)
{
	*hop = (struct weir_nexthop){.gateway = toy_addr(via), .iface = iface};
	return (struct weir_route){.to = toy_prefix(to),
				   .kind = WEIR_HOP_GATEWAY,
				   .source = WEIR_ROUTE_STATIC,
				   .mtu = mtu,
				   .n_hops = 1,
				   .hops = hop};
}

static void set_up(const struct weir_iface *ifaces, uint16_t n, const struct weir_route *routes,
		   uint32_t n_routes)
{
	struct weir_why why = {""};

	toy_rib_eal();
	CU_ASSERT_EQUAL_FATAL(weir_rib_create(&toy_rib_conf, &rib, &why), 0);
	CU_ASSERT_EQUAL_FATAL(weir_rib_begin(rib), 0);
	CU_ASSERT_EQUAL_FATAL(weir_rib_set_ifaces(rib, ifaces, n, &why), 0);
	CU_ASSERT_EQUAL_FATAL(weir_rib_replace(rib, WEIR_ROUTE_STATIC, routes, n_routes, &why), 0);
	CU_ASSERT_EQUAL_FATAL(weir_rib_commit(rib, &l3, &why), 0);
	CU_ASSERT_EQUAL_FATAL(weir_gens_create(1, &gens), 0);
	gen = (struct weir_gen){.l3 = l3};
	weir_gens_publish(gens, &gen);
}

static void tear_down(void)
{
	weir_gens_free(gens);
	weir_rib_release(rib, l3);
	weir_rib_free(rib);
}

/* "address mtu" of the way to @to, or "none". */
static const char *way_to(const char *to)
{
	static char text[WEIR_ADDR_TEXT + 8];
	const struct weir_shard shard = {.gens = gens};
	const struct weir_addr addr = toy_addr(to);
	struct weir_local_way way;
	char from[WEIR_ADDR_TEXT];

	if (!weir_local_way(&shard, &addr, &way))
		return "none";
	snprintf(text, sizeof(text), "%s %u", weir_addr_format(&way.from, from), way.mtu_bytes);
	return text;
}

static void test_a_way_is_the_routes_with_a_source_of_its_interface(void)
{
	struct weir_iface ifaces[2] = {
		toy_iface("wan", 0, "192.0.2.1/24", "2001:db8:1::1/64"),
		toy_iface("lan", 1, "10.0.0.1/24", "fd00::1/64"),
	};
	struct weir_nexthop hop[3];
	const struct weir_route routes[] = {
		route("0.0.0.0/0", "192.0.2.254", 0, 0, &hop[0]),
		route("203.0.113.0/24", "10.0.0.254", 1, 1400, &hop[1]),
		route("2001:db8:7::/48", "fd00::2", 1, 1280, &hop[2]),
		{.to = toy_prefix("198.51.100.0/24"),
		 .kind = WEIR_HOP_PROHIBIT,
		 .source = WEIR_ROUTE_STATIC},
	};

	ifaces[1].mtu = 9000;
	set_up(ifaces, 2, routes, 4);
	CU_ASSERT_STRING_EQUAL(way_to("192.0.2.9"), "192.0.2.1 1500");
	CU_ASSERT_STRING_EQUAL(way_to("10.0.0.9"), "10.0.0.1 9000");
	CU_ASSERT_STRING_EQUAL(way_to("8.8.8.8"), "192.0.2.1 1500");
	CU_ASSERT_STRING_EQUAL(way_to("203.0.113.5"), "10.0.0.1 1400");
	CU_ASSERT_STRING_EQUAL(way_to("2001:db8:7::1"), "fd00::1 1280");
	CU_ASSERT_STRING_EQUAL(way_to("192.0.2.1"), "192.0.2.1 1500"); /* ourselves */
	CU_ASSERT_STRING_EQUAL(way_to("198.51.100.1"), "none");
	CU_ASSERT_STRING_EQUAL(way_to("2001:db8:9::1"), "none");
	CU_ASSERT_STRING_EQUAL(way_to("192.0.2.255"), "none");
	CU_ASSERT_STRING_EQUAL(way_to("224.0.0.1"), "none");
	CU_ASSERT_STRING_EQUAL(way_to("ff02::1"), "none");
	CU_ASSERT_STRING_EQUAL(way_to("fe80::1"), "none"); /* on which of the two? */
	tear_down();
}

static bool cuts_to(const struct weir_shard *s, const char *to)
{
	const struct weir_addr addr = toy_addr(to);
	struct weir_local_way way;

	CU_ASSERT_FATAL(weir_local_way(s, &addr, &way));
	return way.cuts;
}

static void test_a_way_cuts_if_the_ports_that_it_leaves_by_do(void)
{
	struct weir_iface ifaces[2] = {
		toy_iface("wan", 0, "192.0.2.1/24", "2001:db8:1::1/64"),
		toy_iface("lan", 1, "10.0.0.1/24", "fd00::1/64"),
	};
	struct weir_port port[2] = {{.caps = WEIR_PORT_TSO}, {.caps = 0}};
	struct weir_nexthop hops[2] = {{.gateway = toy_addr("192.0.2.254"), .iface = 0},
				       {.gateway = toy_addr("10.0.0.254"), .iface = 1}};
	const struct weir_route both = {.to = toy_prefix("0.0.0.0/0"),
					.kind = WEIR_HOP_GATEWAY,
					.source = WEIR_ROUTE_STATIC,
					.n_hops = 2,
					.hops = hops};
	struct weir_shard s;

	set_up(ifaces, 2, &both, 1);
	s = (struct weir_shard){.gens = gens, .txq = {{.port = &port[0]}, {.port = &port[1]}}};
	CU_ASSERT(cuts_to(&s, "192.0.2.9"));
	CU_ASSERT(cuts_to(&s, "2001:db8:1::9"));
	CU_ASSERT_FALSE(cuts_to(&s, "10.0.0.9"));
	CU_ASSERT_FALSE(cuts_to(&s, "8.8.8.8"));   /* by either */
	CU_ASSERT_FALSE(cuts_to(&s, "192.0.2.1")); /* by none */
	port[1].caps = WEIR_PORT_TSO;
	CU_ASSERT(cuts_to(&s, "8.8.8.8"));
	s.txq[0].port = NULL; /* another worker's */
	CU_ASSERT_FALSE(cuts_to(&s, "192.0.2.9"));
	tear_down();
}

/* RFC 6724 section 5, rules 1, 2 and 8. */
static void test_of_several_addresses_the_closest_one_of_the_scope_is_the_source(void)
{
	struct weir_iface f = toy_iface("wan", 0, "169.254.3.1/16", NULL);
	struct weir_nexthop hop[2];
	const struct weir_route routes[] = {route("0.0.0.0/0", "192.0.2.254", 0, 0, &hop[0]),
					    route("::/0", "2001:db8:1::2", 0, 0, &hop[1])};

	for (const char *const *a =
		     (const char *const[]){"192.0.2.1/24", "198.51.100.1/24", "fe80::5/64",
					   "fd00::1/64", "2001:db8:1::1/64", "2001:db8:2::1/64",
					   NULL};
	     *a != NULL; a++)
		f.addr[f.n_addrs++] = toy_prefix(*a);
	set_up(&f, 1, routes, 2);
	CU_ASSERT_STRING_EQUAL(way_to("192.0.2.7"), "192.0.2.1 1500");
	CU_ASSERT_STRING_EQUAL(way_to("198.51.100.7"), "198.51.100.1 1500");
	CU_ASSERT_STRING_EQUAL(way_to("169.254.9.9"), "169.254.3.1 1500");
	CU_ASSERT_STRING_EQUAL(way_to("170.1.1.1"),
			       "192.0.2.1 1500"); /* 169.254 shares more bits */
	CU_ASSERT_STRING_EQUAL(way_to("2001:db8:2::7"), "2001:db8:2::1 1500");
	CU_ASSERT_STRING_EQUAL(way_to("2001:db8:1::7"), "2001:db8:1::1 1500");
	CU_ASSERT_STRING_EQUAL(way_to("fd00:1::7"), "fd00::1 1500");
	CU_ASSERT_STRING_EQUAL(way_to("2a00::1"), "2001:db8:1::1 1500"); /* the first of equals */
	CU_ASSERT_STRING_EQUAL(way_to("2001:db8:2::1"), "2001:db8:2::1 1500");
	CU_ASSERT_STRING_EQUAL(way_to("fe80::9"), "fe80::ff:fe00:0 1500");
	tear_down();
}

/* RFC 6724 section 5, rule 3, which goes before rule 8 and behind rule 2. */
static void test_a_deprecated_or_probed_address_is_the_last_choice(void)
{
	struct weir_iface f = toy_iface("wan", 0, "192.0.2.1/24", "2001:db8:1::1/64");
	struct weir_nexthop hop;
	const struct weir_route r = route("::/0", "2001:db8:1::2", 0, 0, &hop);

	f.addr[f.n_addrs++] = toy_prefix("2001:db8:2::1/64");
	f.addr[f.n_addrs++] = toy_prefix("fe80::5/64");
	for (unsigned flag = WEIR_ADDR_OPTIMISTIC; flag <= WEIR_ADDR_DEPRECATED; flag <<= 1) {
		f.addr_flags[1] = (uint8_t)flag;
		set_up(&f, 1, &r, 1);
		CU_ASSERT_STRING_EQUAL(way_to("2001:db8:1::7"), "2001:db8:2::1 1500");
		CU_ASSERT_STRING_EQUAL(way_to("2a00::1"), "2001:db8:2::1 1500");
		tear_down();
		f.addr_flags[2] = f.addr_flags[1]; /* of equals the closest again */
		set_up(&f, 1, &r, 1);
		CU_ASSERT_STRING_EQUAL(way_to("2001:db8:1::7"), "2001:db8:1::1 1500");
		CU_ASSERT_STRING_EQUAL(way_to("2a00::1"), "2001:db8:1::1 1500");
		tear_down();
		f.addr_flags[2] = 0;
	}
}

static void test_an_interface_without_an_address_borrows_one(void)
{
	const struct weir_iface ifaces[2] = {toy_iface("wan", 0, NULL, "2001:db8:1::1/64"),
					     toy_iface("lan", 1, "10.0.0.1/24", NULL)};
	struct weir_nexthop hop;
	const struct weir_route r = route("0.0.0.0/0", "2001:db8:1::2", 0, 0, &hop); /* RFC 8950 */

	set_up(ifaces, 2, &r, 1);
	CU_ASSERT_STRING_EQUAL(way_to("203.0.113.1"), "10.0.0.1 1500");
	tear_down();
	set_up(ifaces, 1, &r, 1);
	CU_ASSERT_STRING_EQUAL(way_to("203.0.113.1"), "none");
	tear_down();
}

static void test_a_group_is_as_narrow_as_its_narrowest_member(void)
{
	struct weir_iface ifaces[2] = {toy_iface("wan", 0, "192.0.2.1/24", NULL),
				       toy_iface("lan", 1, "10.0.0.1/24", NULL)};
	struct weir_nexthop hop[2];
	struct weir_route r = route("0.0.0.0/0", "192.0.2.254", 0, 0, &hop[0]);

	ifaces[1].mtu = 1400;
	hop[1] = (struct weir_nexthop){.gateway = toy_addr("10.0.0.254"), .iface = 1};
	r.n_hops = 2;
	set_up(ifaces, 2, &r, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(way_to("203.0.113.1"), " 1400"));
	tear_down();
}

static void test_without_a_configuration_there_is_no_way(void)
{
	const struct weir_shard shard = {0};
	const struct weir_addr none = {0}, some = toy_addr("192.0.2.1");
	struct weir_local_way way;

	CU_ASSERT_FALSE(weir_local_way(&shard, &some, &way));
	CU_ASSERT_FALSE(weir_local_way(&shard, &none, &way));
}

#define WORKERS 3

static struct weir_tuple tuple(uint8_t family, uint8_t proto, uint16_t n)
{
	struct weir_tuple t = {.src = {10, 0, (uint8_t)n, 1},
			       .dst = {10, 1, 2, (uint8_t)n},
			       .proto = proto,
			       .family = family,
			       .sport = rte_cpu_to_be_16((uint16_t)(2000 + n)),
			       .dport = rte_cpu_to_be_16(443)};

	if (family == 6)
		t.src[15] = t.dst[9] = (uint8_t)(n * 7);
	return t;
}

static void test_a_lone_worker_owns_all(void)
{
	const struct weir_shard shard = {0};
	const struct weir_tuple t = tuple(4, 6, 1);

	CU_ASSERT_TRUE(weir_local_owns(&shard, &t));
}

static void test_each_tuple_has_one_owner_both_ways(void)
{
	struct weir_shard shard[WORKERS];
	struct weir_handoff ends[WORKERS] = {0};
	unsigned owned[WORKERS] = {0};

	for (unsigned way = 0; way < 2; way++) {
		for (uint16_t w = 0; w < WORKERS; w++) {
			shard[w] = (struct weir_shard){.handoff = &ends[w], .secret = {1, 2}};
			ends[w] = (struct weir_handoff){.worker = w,
							.workers = WORKERS,
							.shard = &shard[w],
							.spread = way ? UINT32_MAX : 0,
							.reta = 128,
							.reta_ports = true};
		}
		for (uint16_t n = 0; n < 400; n++) {
			const struct weir_tuple t = tuple(n % 2 ? 4 : 6, 6, n);
			const struct weir_tuple back = weir_tuple_reverse(&t);
			unsigned owners = 0;

			for (unsigned w = 0; w < WORKERS; w++) {
				owners += weir_local_owns(&shard[w], &t);
				owned[w] += weir_local_owns(&shard[w], &t);
				CU_ASSERT_EQUAL(weir_local_owns(&shard[w], &t),
						weir_local_owns(&shard[w], &back));
			}
			CU_ASSERT_EQUAL(owners, 1);
		}
	}
	CU_ASSERT(owned[0] > 150 && owned[1] > 150 && owned[2] > 150);
}

/* What a device makes of the key that all get, by DPDK's own Toeplitz hash. */
static uint32_t hash_by_device(const struct weir_tuple *t, bool ports)
{
	uint32_t words[9], n = 0;
	uint8_t key[40];

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = i % 2 ? 0x5a : 0x6d;
	for (unsigned i = 0; i < (t->family == 4 ? 4u : 16u); i += 4)
		memcpy(&words[n++], t->src + i, 4);
	for (unsigned i = 0; i < (t->family == 4 ? 4u : 16u); i += 4)
		memcpy(&words[n++], t->dst + i, 4);
	if (ports)
		memcpy(&words[n++], &t->sport, 4);
	for (unsigned i = 0; i < n; i++)
		words[i] = rte_be_to_cpu_32(words[i]);
	return rte_softrss(words, n, key);
}

static uint16_t by_device(const struct weir_tuple *t, bool ports)
{
	return hash_by_device(t, ports) % 128 % WORKERS;
}

static void test_where_devices_spread_their_hash_says_whose_a_tuple_is(void)
{
	struct weir_handoff h = {.workers = WORKERS, .reta = 128};

	for (unsigned i = 0; i < 2; i++) {
		h.reta_ports = i;
		for (uint16_t n = 0; n < 500; n++) {
			const struct weir_tuple tcp = tuple(n % 2 ? 4 : 6, IPPROTO_TCP, n);
			const struct weir_tuple udp = tuple(n % 2 ? 4 : 6, IPPROTO_UDP, n);
			const struct weir_tuple icmp = tuple(4, IPPROTO_ICMP, n);

			CU_ASSERT_EQUAL(handoff_owner_by_device(&h, &tcp), by_device(&tcp, i));
			CU_ASSERT_EQUAL(handoff_owner_by_device(&h, &udp), by_device(&udp, i));
			CU_ASSERT_EQUAL(handoff_owner_by_device(&h, &icmp),
					by_device(&icmp, false));
		}
	}
}

/*
 * For @w of @workers: each port brings what comes in to @w's queue by DPDK's own hash, and none
 * comes twice before all have come.
 */
static void check_ports(uint16_t workers, uint16_t w, uint16_t reta)
{
	struct weir_handoff h = {.workers = workers, .worker = w, .reta = reta, .reta_ports = true};
	struct weir_shard shard = {.worker = w, .handoff = &h};
	static uint8_t seen[UINT16_MAX + 1];
	unsigned wrong = 0, again = 0;

	handoff_ports_init(&h);
	for (uint16_t n = 0; n < 4; n++) {
		struct weir_tuple t = tuple(n % 2 ? 4 : 6, n < 2 ? IPPROTO_TCP : IPPROTO_UDP, n);

		memset(seen, 0, sizeof(seen));
		for (uint32_t i = 0; i < 256; i++) {
			const uint16_t port =
				weir_local_port(&shard, &t, 32768, 28232, 1000u * n + i);

			t.dport = rte_cpu_to_be_16(port);
			wrong += port < 32768 || port >= 32768 + 28232 ||
				 hash_by_device(&t, true) % reta % workers != w ||
				 !weir_local_owns(&shard, &t);
			again += seen[port]++;
		}
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(again, 0);
}

static void test_ports_are_computed_where_devices_spread(void)
{
	for (uint16_t workers = 2; workers <= 16; workers++)
		for (uint16_t reta = 64; reta <= 512; reta *= 2)
			for (uint16_t w = 0; w < workers; w++)
				check_ports(workers, w, reta);
}

static void test_each_port_of_ours_comes_once(void)
{
	struct weir_handoff h = {.workers = 3, .worker = 1, .reta = 128, .reta_ports = true};
	const struct weir_tuple t = tuple(4, IPPROTO_TCP, 1);
	static uint8_t seen[UINT16_MAX + 1];
	unsigned n = 0;

	handoff_ports_init(&h);
	memset(seen, 0, sizeof(seen));
	while (seen[handoff_port(&h, &t, 32768, 28232, n)]++ == 0)
		n++;
	/* 110 blocks of 256 ports, of which 43 of 128 are worker 1's. */
	CU_ASSERT_EQUAL(n, 110 * 256 * 43 / 128);
	CU_ASSERT_EQUAL(handoff_port(&h, &t, 32768, 28232, n),
			handoff_port(&h, &t, 32768, 28232, 0));
}

static void test_what_cannot_be_computed_is_said(void)
{
	struct weir_handoff h = {.workers = 3, .reta = 128};
	struct weir_shard shard = {.handoff = &h}, lone = {0};
	const struct weir_tuple t = tuple(4, IPPROTO_TCP, 1);

	handoff_ports_init(&h); /* by addresses alone */
	CU_ASSERT_EQUAL(weir_local_port(&shard, &t, 32768, 28232, 5), 0);
	h.reta_ports = true;
	h.reta = 0; /* nobody says how large the table is */
	handoff_ports_init(&h);
	CU_ASSERT_EQUAL(weir_local_port(&shard, &t, 32768, 28232, 5), 0);
	h.reta = 2048;
	handoff_ports_init(&h);
	CU_ASSERT(weir_local_port(&shard, &t, 32768, 28232, 5) != 0);
	CU_ASSERT_EQUAL(weir_local_port(&shard, &t, 32768, 1, 5), 0); /* no whole block */
	h.reta = 4096;
	handoff_ports_init(&h);
	CU_ASSERT_EQUAL(weir_local_port(&shard, &t, 32768, 28232, 5), 0);
	h.reta = 128;
	handoff_ports_init(&h);
	h.spread = UINT32_MAX; /* by our own hash */
	CU_ASSERT_EQUAL(weir_local_port(&shard, &t, 32768, 28232, 5), 0);
	CU_ASSERT_EQUAL(weir_local_port(&lone, &t, 32768, 28232, 28232 + 5), 32768 + 5);
}

/* "number address" of the interface by which @to is reached, or "none". */
static const char *link_to(const char *to, uint16_t iface, const char *by)
{
	static char text[WEIR_ADDR_TEXT + 8];
	const struct weir_shard shard = {.gens = gens};
	const struct weir_addr addr = toy_addr(to);
	struct weir_local_link want = {.iface = iface}, link;
	char from[WEIR_ADDR_TEXT];

	if (by != NULL)
		want.from = toy_addr(by);
	if (!weir_local_link(&shard, &addr, &want, &link))
		return "none";
	snprintf(text, sizeof(text), "%u %s", link.iface, weir_addr_format(&link.from, from));
	return text;
}

static void test_groups_and_broadcasts_have_interfaces_in_place_of_ways(void)
{
	const uint16_t any = WEIR_NO_IFACE;
	struct weir_iface ifaces[2] = {
		toy_iface("wan", 0, "192.0.2.1/24", "2001:db8:1::1/64"),
		toy_iface("lan", 1, "10.0.0.1/24", "fd00::1/64"),
	};
	char local[2][WEIR_ADDR_TEXT + 8], text[WEIR_ADDR_TEXT];

	set_up(ifaces, 2, NULL, 0);
	for (unsigned i = 0; i < 2; i++)
		snprintf(local[i], sizeof(local[i]), "%u %s", i,
			 weir_addr_format(&l3->ifaces[i].link_local, text));
	CU_ASSERT_STRING_EQUAL(link_to("239.1.2.3", any, NULL), "0 192.0.2.1");
	CU_ASSERT_STRING_EQUAL(link_to("239.1.2.3", 1, NULL), "1 10.0.0.1");
	CU_ASSERT_STRING_EQUAL(link_to("239.1.2.3", 2, NULL), "none");
	CU_ASSERT_STRING_EQUAL(link_to("239.1.2.3", any, "10.0.0.1"), "1 10.0.0.1");
	CU_ASSERT_STRING_EQUAL(link_to("239.1.2.3", any, "10.0.0.2"), "none");
	CU_ASSERT_STRING_EQUAL(link_to("ff15::1", any, NULL), "0 2001:db8:1::1");
	CU_ASSERT_STRING_EQUAL(link_to("ff15::1", any, "fd00::1"), "1 fd00::1");
	CU_ASSERT_STRING_EQUAL(link_to("ff02::16", any, NULL), local[0]);
	CU_ASSERT_STRING_EQUAL(link_to("ff02::16", 1, NULL), local[1]);
	CU_ASSERT_STRING_EQUAL(link_to("255.255.255.255", any, NULL), "0 192.0.2.1");
	CU_ASSERT_STRING_EQUAL(link_to("255.255.255.255", 1, NULL), "1 10.0.0.1");
	CU_ASSERT_STRING_EQUAL(link_to("10.0.0.255", any, NULL), "1 10.0.0.1");
	CU_ASSERT_STRING_EQUAL(link_to("10.0.0.7", any, NULL), "none");
	CU_ASSERT_STRING_EQUAL(link_to("203.0.113.255", any, NULL), "none");
	tear_down();
	/* One that has no address yet is better than none. */
	ifaces[0] = toy_iface("wan", 0, NULL, "2001:db8:1::1/64");
	ifaces[1].n_addrs = 0;
	set_up(ifaces, 2, NULL, 0);
	CU_ASSERT_STRING_EQUAL(link_to("239.1.2.3", any, NULL), "0 none");
	CU_ASSERT_STRING_EQUAL(link_to("239.1.2.3", 1, NULL), "1 none");
	tear_down();
}

WEIR_TESTS("dataplane/local_way", TEST(a_way_cuts_if_the_ports_that_it_leaves_by_do),
	   TEST(groups_and_broadcasts_have_interfaces_in_place_of_ways),
	   TEST(a_way_is_the_routes_with_a_source_of_its_interface),
	   TEST(of_several_addresses_the_closest_one_of_the_scope_is_the_source),
	   TEST(a_deprecated_or_probed_address_is_the_last_choice),
	   TEST(an_interface_without_an_address_borrows_one),
	   TEST(a_group_is_as_narrow_as_its_narrowest_member),
	   TEST(without_a_configuration_there_is_no_way), TEST(a_lone_worker_owns_all),
	   TEST(each_tuple_has_one_owner_both_ways),
	   TEST(where_devices_spread_their_hash_says_whose_a_tuple_is),
	   TEST(ports_are_computed_where_devices_spread), TEST(each_port_of_ours_comes_once),
	   TEST(what_cannot_be_computed_is_said))
