/* SPDX-License-Identifier: BSD-3-Clause */

/* Mappings that are the same for all peers (RFC 4787): made, shared, found from outside, given
 * back. */

#include "toy_nat.h"

#include "failalloc.h"

static const struct weir_nat_rule out = {.name = "out",
					 .kind = WEIR_NAT_MASQUERADE,
					 .from_zones = ZONE(LAN),
					 .to_zones = ZONE(WAN),
					 .endpoint_independent = true};

static void begin(struct toy_nat *g, const struct weir_nat_rule *source, uint32_t maps)
{
	toy_nat_begin(g, toy_nat_rules(NULL, 0, source, 1), 4096, maps);
	toy_nat_own(g, "203.0.113.1");
}

static void end(struct toy_nat *g, const uint32_t *flows, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		weir_flow_kill(g->asker.flows, flows[i]);
	CU_ASSERT_EQUAL(weir_nat_maps_used(g->asker.maps), 0);
	toy_nat_end(g);
}

static void test_a_port_inside_has_one_port_outside_for_all_peers(void)
{
	struct weir_tuple t = toy_flow_of(IPPROTO_UDP, "10.0.0.1", 99, "192.0.2.1", 53);
	struct weir_tuple one, other;
	uint32_t flow[3];
	struct toy_nat g;

	begin(&g, &out, 8); /* port 99 cannot be kept */
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &t, &one, &flow[0]), 0);
	CU_ASSERT_TRUE(g.asker.mapped);
	t.dst[3] = 2;
	t.dport = RTE_BE16(123);
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &t, &other, &flow[1]), 0);
	CU_ASSERT_TRUE(g.asker.mapped);
	CU_ASSERT_EQUAL(one.sport, other.sport);
	CU_ASSERT_EQUAL(weir_nat_maps_used(g.asker.maps), 1);
	t.proto = IPPROTO_TCP; /* is another mapping */
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &t, &other, &flow[2]), 0);
	CU_ASSERT_EQUAL(weir_nat_maps_used(g.asker.maps), 2);
	end(&g, flow, 3);
}

static void test_a_mapping_lives_as_long_as_its_flows(void)
{
	struct weir_tuple t = toy_flow_of(IPPROTO_UDP, "10.0.0.1", 99, "192.0.2.1", 53);
	struct weir_tuple other = toy_flow_of(IPPROTO_UDP, "10.0.0.2", 4000, "192.0.2.9", 1);
	struct weir_tuple one, leaves;
	uint32_t flow[3], rule;
	struct toy_nat g;

	begin(&g, &out, 8);
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &t, &one, &flow[0]), 0);
	t.dst[3] = 2;
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &t, &leaves, &flow[1]), 0);
	weir_flow_kill(g.asker.flows, flow[0]);
	CU_ASSERT_EQUAL(weir_nat_maps_used(g.asker.maps), 1);
	/* Nobody else gets the port in the meantime, not even towards other peers. */
	other.sport = one.sport;
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &other, &leaves, &flow[2]), 0);
	CU_ASSERT_NOT_EQUAL(leaves.sport, one.sport);
	weir_flow_kill(g.asker.flows, flow[1]);
	weir_flow_kill(g.asker.flows, flow[2]);
	CU_ASSERT_EQUAL(weir_nat_maps_used(g.asker.maps), 0);
	/* What did not come about gives back what it held. */
	CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, WAN, &t, &leaves, &rule), 0);
	CU_ASSERT_TRUE(g.asker.mapped);
	CU_ASSERT_EQUAL(weir_nat_maps_used(g.asker.maps), 1);
	weir_nat_release(g.asker.maps, &t, &leaves);
	end(&g, NULL, 0);
}

static void test_packets_from_outside_find_the_port_inside(void)
{
	const struct weir_tuple t = toy_flow_of(IPPROTO_UDP, "10.0.0.1", 4000, "192.0.2.1", 53);
	struct weir_tuple in = toy_flow_of(IPPROTO_UDP, "198.51.100.3", 77, "203.0.113.1", 4000);
	struct weir_tuple leaves;
	uint32_t flow[2], rule;
	struct toy_nat g;

	begin(&g, &out, 8);
	CU_ASSERT_EQUAL(toy_nat_choose(&g, WAN, LAN, &in, &leaves, &rule), 0);
	CU_ASSERT_TRUE(toy_tuple_equal(&leaves, &in)); /* there is no mapping yet */
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &t, &leaves, &flow[0]), 0);
	CU_ASSERT_EQUAL(leaves.sport, RTE_BE16(4000));
	CU_ASSERT_EQUAL(toy_nat_enter(&g, WAN, LAN, &in, &leaves, &flow[1]), 0);
	CU_ASSERT_TRUE(g.asker.mapped);
	CU_ASSERT_TRUE(toy_has_addr(leaves.dst, "10.0.0.1"));
	CU_ASSERT_EQUAL(leaves.dport, RTE_BE16(4000));
	CU_ASSERT_TRUE(toy_has_addr(leaves.src, "198.51.100.3"));
	CU_ASSERT_EQUAL(leaves.sport, in.sport);
	/* It holds the mapping when the first flow is gone. */
	weir_flow_kill(g.asker.flows, flow[0]);
	CU_ASSERT_EQUAL(weir_nat_maps_used(g.asker.maps), 1);
	in.proto = IPPROTO_TCP;
	CU_ASSERT_EQUAL(toy_nat_choose(&g, WAN, LAN, &in, &leaves, &rule), 0);
	CU_ASSERT_TRUE(toy_tuple_equal(&leaves, &in));
	end(&g, &flow[1], 1);
}

/* RFC 4787 REQ-9: both see the other's address outside. */
static void test_neighbours_speak_by_their_addresses_outside(void)
{
	const struct weir_tuple b = toy_flow_of(IPPROTO_UDP, "10.0.0.2", 5000, "192.0.2.1", 53);
	const struct weir_tuple a = toy_flow_of(IPPROTO_UDP, "10.0.0.1", 4000, "192.0.2.1", 53);
	const struct weir_tuple hairpin =
		toy_flow_of(IPPROTO_UDP, "10.0.0.1", 4000, "203.0.113.1", 5000);
	struct weir_tuple leaves;
	uint32_t flow[3];
	struct toy_nat g;

	begin(&g, &out, 8);
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &b, &leaves, &flow[0]), 0);
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &a, &leaves, &flow[1]), 0);
	g.where.own[0] = toy_addr("10.0.0.254"); /* it leaves by the inside */
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, LAN, &hairpin, &leaves, &flow[2]), 0);
	CU_ASSERT_TRUE(toy_has_addr(leaves.src, "203.0.113.1"));
	CU_ASSERT_EQUAL(leaves.sport, RTE_BE16(4000));
	CU_ASSERT_TRUE(toy_has_addr(leaves.dst, "10.0.0.2"));
	CU_ASSERT_EQUAL(leaves.dport, RTE_BE16(5000));
	CU_ASSERT_EQUAL(weir_nat_maps_used(g.asker.maps), 2);
	weir_flow_kill(g.asker.flows, flow[0]);
	weir_flow_kill(g.asker.flows, flow[1]);
	CU_ASSERT_EQUAL(weir_nat_maps_used(g.asker.maps), 2); /* the third holds both */
	end(&g, &flow[2], 1);
}

static const struct weir_nat_rule *nat64_rule(void)
{
	static struct weir_prefix pool;
	static struct weir_nat_rule rule;

	pool = toy_prefix("203.0.113.9/32");
	rule = (struct weir_nat_rule){.name = "six-four",
				      .kind = WEIR_NAT_NAT64,
				      .from_zones = ZONE(LAN),
				      .inside = toy_prefix("64:ff9b::/96"),
				      .pool = &pool,
				      .n_pool = 1,
				      .endpoint_independent = true};
	return &rule;
}

static void test_nat64_is_found_from_ipv4_and_by_neighbours(void)
{
	const struct weir_tuple a =
		toy_flow_of(IPPROTO_TCP, "2001:db8::a", 4000, "64:ff9b::192.0.2.1", 80);
	const struct weir_tuple b =
		toy_flow_of(IPPROTO_TCP, "2001:db8::b", 5000, "64:ff9b::192.0.2.1", 80);
	const struct weir_tuple in =
		toy_flow_of(IPPROTO_TCP, "198.51.100.3", 77, "203.0.113.9", 4000);
	const struct weir_tuple hairpin =
		toy_flow_of(IPPROTO_TCP, "2001:db8::b", 5000, "64:ff9b::203.0.113.9", 4000);
	struct weir_tuple leaves;
	uint32_t flow[4], rule;
	struct toy_nat g;

	toy_nat_begin(&g, toy_nat_rules(nat64_rule(), 1, NULL, 0), 64, 8);
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &a, &leaves, &flow[0]), 0);
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &b, &leaves, &flow[1]), 0);
	CU_ASSERT_EQUAL(weir_nat_maps_used(g.asker.maps), 2);
	CU_ASSERT_EQUAL(toy_nat_enter(&g, WAN, LAN, &in, &leaves, &flow[2]), 0);
	CU_ASSERT_TRUE(g.asker.mapped);
	CU_ASSERT_EQUAL(leaves.family, 6);
	CU_ASSERT_TRUE(toy_has_addr(leaves.src, "64:ff9b::198.51.100.3"));
	CU_ASSERT_EQUAL(leaves.sport, in.sport);
	CU_ASSERT_TRUE(toy_has_addr(leaves.dst, "2001:db8::a"));
	CU_ASSERT_EQUAL(leaves.dport, RTE_BE16(4000));
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, LAN, &hairpin, &leaves, &flow[3]), 0);
	CU_ASSERT_EQUAL(leaves.family, 6);
	CU_ASSERT_TRUE(toy_has_addr(leaves.src, "64:ff9b::203.0.113.9"));
	CU_ASSERT_EQUAL(leaves.sport, RTE_BE16(5000));
	CU_ASSERT_TRUE(toy_has_addr(leaves.dst, "2001:db8::a"));
	CU_ASSERT_EQUAL(weir_nat_maps_used(g.asker.maps), 2);
	/* The same again is taken, and nothing is held for what is refused. */
	CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, LAN, &hairpin, &leaves, &rule), -ENOSPC);
	CU_ASSERT_FALSE(g.asker.mapped);
	end(&g, flow, 4);
}

static void test_without_room_for_a_mapping_a_flow_is_refused(void)
{
	struct weir_tuple t = toy_flow_of(IPPROTO_UDP, "10.0.0.1", 4000, "192.0.2.1", 53);
	struct weir_tuple leaves;
	uint32_t flow[3];
	struct toy_nat g;

	begin(&g, &out, 2);
	for (unsigned i = 0; i < 3; i++) {
		t.src[3] = (uint8_t)i;
		CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &t, &leaves, &flow[i]),
				i < 2 ? 0 : -ENOSPC);
	}
	CU_ASSERT_EQUAL(g.asker.full, 1);
	t.src[3] = 1;
	t.dst[3] = 77;
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &t, &leaves, &flow[2]), 0); /* it has one */
	end(&g, flow, 3);
}

static void test_another_interface_has_a_port_of_its_own(void)
{
	struct weir_tuple t = toy_flow_of(IPPROTO_UDP, "10.0.0.1", 4000, "192.0.2.1", 53);
	struct weir_tuple leaves;
	uint32_t flow[2];
	struct toy_nat g;

	begin(&g, &out, 8);
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &t, &leaves, &flow[0]), 0);
	g.where.own[0] = toy_addr("198.51.100.1"); /* of the same zone */
	t.dst[3] = 2;
	CU_ASSERT_EQUAL(toy_nat_enter(&g, LAN, WAN, &t, &leaves, &flow[1]), 0);
	CU_ASSERT_TRUE(toy_has_addr(leaves.src, "198.51.100.1"));
	CU_ASSERT_FALSE(g.asker.mapped);
	CU_ASSERT_EQUAL(weir_nat_maps_used(g.asker.maps), 1);
	end(&g, flow, 2);
}

static void test_sizes_out_of_range_and_failed_allocations_make_no_table(void)
{
	const struct weir_siphash_key secret = TOY_SECRET;
	struct weir_nat_maps *maps = NULL;

	toy_eal();
	CU_ASSERT_EQUAL(weir_nat_maps_create(0, -1, &secret, &maps), -EINVAL);
	CU_ASSERT_EQUAL(weir_nat_maps_create((1 << 24) + 1, -1, &secret, &maps), -EINVAL);
	CU_ASSERT_EQUAL(weir_nat_maps_create(1 << 24, -1, &secret, &maps), -ENOMEM);
	failalloc_at(1);
	CU_ASSERT_EQUAL(weir_nat_maps_create(16, -1, &secret, &maps), -ENOMEM);
	CU_ASSERT_FALSE(failalloc_done());
	CU_ASSERT_PTR_NULL(maps);
	CU_ASSERT_TRUE(weir_nat_maps_size(1 << 20) > UINT64_C(64) << 20);
	weir_nat_maps_free(NULL);
}

/* The model: mappings in an array, looked through from its start. */
#define MAPS_MAX  24
#define FLOWS_MAX 200

static struct {
	uint16_t inside, outside; /* ports; host order */
	unsigned refs;
} model[MAPS_MAX];

static struct {
	bool used;
	uint32_t flow;
	unsigned map;
} flows[FLOWS_MAX];

static unsigned model_find(bool by_inside, uint16_t port)
{
	unsigned i = 0;

	while (i < MAPS_MAX &&
	       (model[i].refs == 0 || (by_inside ? model[i].inside : model[i].outside) != port))
		i++;
	return i;
}

static unsigned model_free(void)
{
	unsigned i = 0;

	while (i < MAPS_MAX && model[i].refs != 0)
		i++;
	return i;
}

static uint32_t random_below(uint32_t n)
{
	static uint64_t rng = 5;

	rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(((rng >> 33) * n) >> 31);
}

/* A flow of one of 30 ports inside to one of 250 peers. @return what is wrong. */
static unsigned model_outwards(struct toy_nat *g, unsigned slot)
{
	const uint16_t port = (uint16_t)(2000 + random_below(30));
	struct weir_tuple t = toy_flow_of(IPPROTO_UDP, "10.0.0.1", port, "192.0.2.1", 53);
	unsigned at = model_find(true, port);
	struct weir_tuple leaves;
	int rc;

	t.dst[3] = (uint8_t)(1 + random_below(250));
	if (weir_flow_has(g->asker.flows, &t))
		return 0;
	rc = toy_nat_enter(g, LAN, WAN, &t, &leaves, &flows[slot].flow);
	if (at == MAPS_MAX && model_free() == MAPS_MAX)
		return rc != -ENOSPC;
	if (rc != 0)
		return 1;
	if (at == MAPS_MAX) {
		at = model_free();
		model[at].inside = port;
		model[at].outside = rte_be_to_cpu_16(leaves.sport);
		if (model_find(false, model[at].outside) != MAPS_MAX)
			return 1; /* another one has it */
	}
	model[at].refs++;
	flows[slot].used = true;
	flows[slot].map = at;
	return rte_be_to_cpu_16(leaves.sport) != model[at].outside;
}

/* A flow from outside to one of the ports that may be mapped. */
static unsigned model_inwards(struct toy_nat *g, unsigned slot)
{
	const uint16_t port = (uint16_t)(2000 + random_below(30));
	struct weir_tuple t = toy_flow_of(IPPROTO_UDP, "198.51.100.1", 99, "203.0.113.1", port);
	const unsigned at = model_find(false, port);
	struct weir_tuple leaves;
	uint32_t rule;

	t.src[3] = (uint8_t)random_below(256);
	if (weir_flow_has(g->asker.flows, &t))
		return 0;
	if (at == MAPS_MAX)
		return toy_nat_choose(g, WAN, LAN, &t, &leaves, &rule) != 0 ||
		       !toy_tuple_equal(&leaves, &t);
	if (toy_nat_enter(g, WAN, LAN, &t, &leaves, &flows[slot].flow) != 0)
		return 1;
	model[at].refs++;
	flows[slot].used = true;
	flows[slot].map = at;
	return rte_be_to_cpu_16(leaves.dport) != model[at].inside;
}

static void test_random_traffic_is_mapped_as_an_array_would(void)
{
	unsigned wrong = 0, most = 0;
	struct toy_nat g;

	begin(&g, &out, MAPS_MAX);
	for (unsigned step = 0; step < 50000; step++) {
		const unsigned slot = random_below(FLOWS_MAX);
		unsigned used = 0;

		if (flows[slot].used) {
			weir_flow_kill(g.asker.flows, flows[slot].flow);
			flows[slot].used = false;
			model[flows[slot].map].refs--;
		} else if (random_below(3) > 0) {
			wrong += model_outwards(&g, slot);
		} else {
			wrong += model_inwards(&g, slot);
		}
		for (unsigned i = 0; i < MAPS_MAX; i++)
			used += model[i].refs > 0;
		wrong += used != weir_nat_maps_used(g.asker.maps);
		most = used > most ? used : most;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(most, MAPS_MAX);
	CU_ASSERT_TRUE(g.asker.full > 0);
	for (unsigned i = 0; i < FLOWS_MAX; i++)
		if (flows[i].used)
			weir_flow_kill(g.asker.flows, flows[i].flow);
	end(&g, NULL, 0);
}

WEIR_TESTS("tables/nat_maps", TEST(a_port_inside_has_one_port_outside_for_all_peers),
	   TEST(a_mapping_lives_as_long_as_its_flows),
	   TEST(packets_from_outside_find_the_port_inside),
	   TEST(neighbours_speak_by_their_addresses_outside),
	   TEST(nat64_is_found_from_ipv4_and_by_neighbours),
	   TEST(without_room_for_a_mapping_a_flow_is_refused),
	   TEST(another_interface_has_a_port_of_its_own),
	   TEST(sizes_out_of_range_and_failed_allocations_make_no_table),
	   TEST(random_traffic_is_mapped_as_an_array_would))
