/* SPDX-License-Identifier: BSD-3-Clause */

/* 50_nat: packets leave as their flow has it, with right checksums, in both directions. */

#include "toy_firewall.h"

#include "failalloc.h"

#include <weir/records.h>

#define NAT(nat)                                    \
	WORLD_PORTS "firewall: {default: accept}\n" \
		    "conntrack: {flows: 1024}\n"    \
		    "nat:\n" nat
#define MASQUERADE NAT("  source: [{name: m, from: lan, to: wan, action: masquerade}]\n")

/* Whether an IPv4 packet is from and to these, and its checksums are right. */
static void expect_ip4(const struct toy_mbuf *t, const char *src, uint16_t sport, const char *dst,
		       uint16_t dport)
{
	const uint8_t *at = t->buf + t->m.data_off + t->meta.l3_off;
	const struct rte_ipv4_hdr *ip = (const void *)at;
	const struct rte_udp_hdr *udp = (const void *)(at + 20);

	CU_ASSERT_EQUAL(memcmp(&ip->src_addr, toy_addr(src).bytes, 4), 0);
	CU_ASSERT_EQUAL(memcmp(&ip->dst_addr, toy_addr(dst).bytes, 4), 0);
	CU_ASSERT_EQUAL(rte_ipv4_cksum(ip), 0);
	if (ip->next_proto_id == IPPROTO_ICMP)
		return;
	if (sport != 0)
		CU_ASSERT_EQUAL(rte_be_to_cpu_16(udp->src_port), sport);
	CU_ASSERT_EQUAL(rte_be_to_cpu_16(udp->dst_port), dport);
	CU_ASSERT_EQUAL(rte_ipv4_udptcp_cksum_verify(ip, udp), 0);
}

static uint16_t source_port(const struct toy_mbuf *t)
{
	const uint8_t *l4 = t->buf + t->m.data_off + t->meta.l4_off;

	return (uint16_t)(l4[0] << 8 | l4[1]);
}

static void test_a_masqueraded_flow_leaves_and_comes_back_right(void)
{
	static const uint8_t protos[] = {IPPROTO_UDP, IPPROTO_TCP};
	struct toy_mbuf t;

	toy_begin(MASQUERADE);
	for (unsigned i = 0; i < 2; i++) {
		struct toy_ip go = toy_tcp("10.0.0.2", 1000, "8.8.8.8", 53, SYN, 1, 0);
		struct toy_ip back = toy_tcp("8.8.8.8", 53, "192.0.2.1", 0, SYN | ACK, 8, 2);

		go.proto = back.proto = protos[i];
		CU_ASSERT_EQUAL(toy_walk(toy_come(&t, LAN, &go)), WEIR_NEXT);
		expect_ip4(&t, "192.0.2.1", 0, "8.8.8.8", 53);
		CU_ASSERT_TRUE(t.meta.flags & WEIR_META_REWRITTEN);
		back.dport = source_port(&t);
		CU_ASSERT_TRUE(back.dport >= 1024);
		CU_ASSERT_EQUAL(toy_walk(toy_come(&t, WAN, &back)), WEIR_NEXT);
		expect_ip4(&t, "8.8.8.8", 53, "10.0.0.2", 1000);
	}
	CU_ASSERT_EQUAL(toy_flows(), 2);
	toy_end();
}

static void test_a_forwarded_port_answers_as_who_was_asked(void)
{
	const struct toy_ip go = toy_udp("8.8.8.8", 9, "192.0.2.1", 80);
	const struct toy_ip back = toy_udp("10.0.0.2", 8080, "8.8.8.8", 9);
	struct toy_mbuf t;

	toy_begin(NAT("  destination: [{name: f, from: wan, destination: 192.0.2.1, proto: udp, "
		      "dport: 80, action: dnat, forward: '10.0.0.2:8080'}]\n"));
	CU_ASSERT_EQUAL(toy_walk(toy_come(&t, WAN, &go)), WEIR_NEXT);
	expect_ip4(&t, "8.8.8.8", 9, "10.0.0.2", 8080);
	CU_ASSERT_EQUAL(toy_walk(toy_come(&t, LAN, &back)), WEIR_NEXT);
	expect_ip4(&t, "192.0.2.1", 80, "8.8.8.8", 9);
	toy_end();
}

/* Its checksum is over all of the packet and no address: its ports may not change. */
static void test_sctp_is_translated_by_its_addresses_alone(void)
{
	struct toy_ip go = toy_udp("10.0.0.2", 1000, "8.8.8.8", 9), back, other;
	static const uint8_t head[12] = {1000 >> 8, 1000 & 255, 0, 9, 1, 0, 0, 0, 2, 0, 0, 0};
	struct toy_mbuf t;

	go.proto = IPPROTO_SCTP;
	back = other = go;
	back.src = go.dst;
	back.dst = "192.0.2.1";
	back.sport = 9;
	back.dport = 1000;
	other.src = "10.0.0.3";
	toy_begin(MASQUERADE);
	CU_ASSERT_EQUAL(toy_walk(toy_come(&t, LAN, &go)), WEIR_NEXT);
	CU_ASSERT_EQUAL(memcmp(t.buf + t.m.data_off + 26, toy_addr("192.0.2.1").bytes, 4), 0);
	CU_ASSERT_EQUAL(memcmp(t.buf + t.m.data_off + 34, head, sizeof(head)), 0);
	toy_expect(LAN, &other, WEIR_DROP, WEIR_DROP_NAT_FULL);
	other.sport = 1001;
	toy_expect(LAN, &other, WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(toy_walk(toy_come(&t, WAN, &back)), WEIR_NEXT);
	CU_ASSERT_EQUAL(memcmp(t.buf + t.m.data_off + 30, toy_addr("10.0.0.2").bytes, 4), 0);
	CU_ASSERT_EQUAL(toy_flows(), 2);
	toy_end();
}

static void test_what_is_not_translated_passes_untouched(void)
{
	const struct toy_ip go = toy_udp("8.8.8.8", 9, "10.0.0.2", 80);
	struct toy_mbuf t;

	toy_begin(MASQUERADE);
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(toy_walk(toy_come(&t, WAN, &go)), WEIR_NEXT);
		expect_ip4(&t, "8.8.8.8", 9, "10.0.0.2", 80);
		CU_ASSERT_FALSE(t.meta.flags & WEIR_META_REWRITTEN);
	}
	toy_end();
}

static void test_a_dscp_is_set_on_each_packet_in_both_families(void)
{
	const struct toy_ip go[] = {toy_udp("10.0.0.2", 1, "8.8.8.8", 2),
				    toy_udp("2001:db8:1::2", 1, "2001:db8:2::2", 2)};
	struct toy_mbuf t;

	toy_begin(WORLD_PORTS "firewall: {rules: [{name: r, action: accept, set_dscp: af21}]}\n");
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *at;

		CU_ASSERT_EQUAL(toy_walk(toy_come(&t, LAN, &go[i % 2])), WEIR_NEXT);
		at = t.buf + t.m.data_off + t.meta.l3_off;
		if (i % 2) {
			CU_ASSERT_EQUAL((at[0] & 15) << 2 | at[1] >> 6, 18);
			CU_ASSERT_EQUAL(at[0] >> 4, 6);
		} else {
			CU_ASSERT_EQUAL(at[1] >> 2, 18);
			CU_ASSERT_EQUAL(rte_ipv4_cksum((const void *)at), 0);
		}
	}
	CU_ASSERT_EQUAL(toy_flows(), 2);
	toy_end();
}

static void test_a_ttl_that_runs_out_is_rejected_before_translation(void)
{
	struct toy_ip go = toy_udp("10.0.0.2", 1000, "8.8.8.8", 53);
	struct toy_mbuf t;

	toy_begin(MASQUERADE);
	go.ttl = 1;
	CU_ASSERT_EQUAL(toy_walk(toy_come(&t, LAN, &go)), WEIR_REJECT);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_TTL);
	expect_ip4(&t, "10.0.0.2", 1000, "8.8.8.8", 53);
	CU_ASSERT_EQUAL(toy_flows(), 0);
	go.ttl = 2;
	toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	go.ttl = 1; /* of a flow that there is */
	CU_ASSERT_EQUAL(toy_walk(toy_come(&t, LAN, &go)), WEIR_REJECT);
	expect_ip4(&t, "10.0.0.2", 1000, "8.8.8.8", 53);
	toy_end();
}

static void test_an_interface_without_an_address_of_the_family_is_named(void)
{
	const struct toy_ip go = toy_udp("2001:db8:1::2", 1, "2001:db8:2::2", 2);

	toy_begin(MASQUERADE);
	toy_expect(LAN, &go, WEIR_DROP, WEIR_DROP_NAT_ADDRESS);
	CU_ASSERT_EQUAL(toy_flows(), 0);
	toy_end();
}

static void test_a_pool_without_a_free_port_is_named(void)
{
	struct toy_ip go = toy_udp("10.0.0.2", 1, "8.8.8.8", 2);
	struct toy_mbuf t;

	toy_begin(NAT("  source: [{name: s, from: lan, action: snat, pool: 192.0.2.9/32, ports: "
		      "5000-5001}]\n"));
	for (; go.sport <= 2; go.sport++)
		toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(toy_walk(toy_come(&t, LAN, &go)), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_NAT_FULL);
	CU_ASSERT_EQUAL(t.meta.flow, WEIR_NO_FLOW); /* its draft was given back */
	go.dst = "8.8.4.4"; /* another peer: the same ports are free towards it */
	toy_expect(LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(toy_flows(), 3);
	toy_end();
}

/* An ICMP error about a packet as it left, of which so many bytes are quoted. */
static struct toy_ip error_about(const struct toy_mbuf *left, uint16_t bytes)
{
	return (struct toy_ip){.proto = IPPROTO_ICMP,
			       .src = "8.8.4.4",
			       .dst = "192.0.2.1",
			       .icmp_type = 3,
			       .data = left->buf + left->m.data_off + left->meta.l3_off,
			       .data_bytes = bytes};
}

static void test_an_error_about_a_translated_packet_quotes_it_as_it_came(void)
{
	const struct toy_ip go = toy_udp("10.0.0.2", 1000, "8.8.8.8", 53);
	struct toy_mbuf left, t;
	struct toy_ip error;
	const struct rte_ipv4_hdr *quoted;

	toy_begin(MASQUERADE);
	CU_ASSERT_EQUAL(toy_walk(toy_come(&left, LAN, &go)), WEIR_NEXT);
	error = error_about(&left, 28);
	CU_ASSERT_EQUAL(toy_walk(toy_come(&t, WAN, &error)), WEIR_NEXT);
	expect_ip4(&t, "8.8.4.4", 0, "10.0.0.2", 0);
	quoted = (const void *)(t.buf + t.m.data_off + t.meta.l4_off + 8);
	CU_ASSERT_EQUAL(memcmp(&quoted->src_addr, toy_addr("10.0.0.2").bytes, 4), 0);
	CU_ASSERT_EQUAL(rte_ipv4_cksum(quoted), 0);
	CU_ASSERT_EQUAL(((const struct rte_udp_hdr *)(quoted + 1))->src_port, RTE_BE16(1000));
	toy_end();
}

static void test_an_error_that_lies_about_what_it_quotes_is_named(void)
{
	const struct toy_ip go = toy_udp("10.0.0.2", 1000, "8.8.8.8", 53);
	struct toy_mbuf left;
	struct toy_ip error;

	toy_begin(MASQUERADE);
	CU_ASSERT_EQUAL(toy_walk(toy_come(&left, LAN, &go)), WEIR_NEXT);
	left.buf[left.m.data_off + left.meta.l3_off + 3] =
		19; /* total length: less than the header */
	error = error_about(&left, 28);
	toy_expect(WAN, &error, WEIR_DROP, WEIR_DROP_ICMP_QUOTE);
	toy_end();
}

#define NAT64                                                                    \
	NAT("  destination: [{name: sixfour, from: lan, action: nat64, inside: " \
	    "'64:ff9b::/96', destination: '64:ff9b::/96', pool: 192.0.2.9/32}]\n")

static void test_ipv6_becomes_ipv4_and_back_if_there_is_room_in_front(void)
{
	const struct toy_ip go = toy_udp("2001:db8:1::2", 1000, "64:ff9b::808:808", 53);
	struct toy_ip back = toy_udp("8.8.8.8", 53, "192.0.2.9", 0);
	struct toy_mbuf t;
	struct rte_mbuf *m;

	toy_begin(NAT64);
	CU_ASSERT_EQUAL(toy_walk(toy_come(&t, LAN, &go)), WEIR_NEXT);
	CU_ASSERT_TRUE(t.meta.flags & WEIR_META_IP4);
	expect_ip4(&t, "192.0.2.9", 0, "8.8.8.8", 53);
	back.dport = source_port(&t);
	CU_ASSERT_EQUAL(toy_walk(toy_come(&t, WAN, &back)), WEIR_NEXT);
	CU_ASSERT_TRUE(t.meta.flags & WEIR_META_IP6);
	m = toy_come(&t, WAN, &back);
	memmove(t.buf, t.buf + m->data_off, m->data_len);
	m->data_off = 0;
	CU_ASSERT_EQUAL(toy_walk(m), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_HEADROOM);
	toy_end();
}

/* Put a loose source route that has not come to its end behind an IPv4 header (RFC 791). */
static void add_source_route(struct toy_mbuf *t)
{
	uint8_t *frame;
	struct rte_ipv4_hdr *ip;

	t->m.data_off -= 8;
	t->m.data_len += 8;
	t->m.pkt_len += 8;
	frame = t->buf + t->m.data_off;
	memmove(frame, frame + 8, 14 + 20);
	memcpy(frame + 14 + 20, (const uint8_t[8]){131, 7, 4, 8, 8, 4, 4, 0}, 8);
	t->meta.l4_off += 8;
	ip = (void *)(frame + 14);
	ip->version_ihl = 0x47;
	ip->total_length = rte_cpu_to_be_16((uint16_t)(t->m.pkt_len - 14));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static void test_a_source_route_cannot_be_translated(void)
{
	const struct toy_ip go = toy_udp("2001:db8:1::2", 1000, "64:ff9b::808:808", 53);
	struct toy_ip back = toy_udp("8.8.8.8", 53, "192.0.2.9", 0);
	struct toy_mbuf t;

	toy_begin(NAT64);
	CU_ASSERT_EQUAL(toy_walk(toy_come(&t, LAN, &go)), WEIR_NEXT);
	back.dport = source_port(&t);
	toy_come(&t, WAN, &back);
	add_source_route(&t);
	CU_ASSERT_EQUAL(toy_walk(&t.m), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_NAT_UNTRANSLATABLE);
	toy_end();
}

#define BLOCKS_OF(ports)                                                                   \
	WORLD_PORTS "firewall: {default: accept}\n"                                        \
		    "conntrack: {flows: 1024, sources: 16}\n"                              \
		    "records: {flows: /dev/null}\n"                                        \
		    "nat:\n"                                                               \
		    "  source: [{name: c, from: lan, action: cgnat, inside: 10.0.0.0/24, " \
		    "pool: 192.0.2.16/28, block: " ports "}]\n"

/* Of blocks in the worker's ring: so many began and ended, and the last one. */
struct blocks {
	unsigned begun, ended;
	struct weir_record last;
};

static void note_block(void *ctx, const struct weir_record *r)
{
	struct blocks *b = ctx;

	b->begun += r->kind == WEIR_RECORD_NAT && r->nat_event == WEIR_NAT_EVENT_BLOCK;
	b->ended += r->kind == WEIR_RECORD_NAT && r->nat_event == WEIR_NAT_EVENT_UNBLOCK;
	if (r->block_hi != 0)
		b->last = *r;
}

static struct blocks blocks_told(void)
{
	struct blocks b = {0};

	weir_records_drain(&world.shard.tracker->records, 1, 0, 1000, note_block, &b);
	return b;
}

static void test_a_subscribers_block_is_told_of_with_its_first_and_its_last_flow(void)
{
	struct toy_ip go = toy_udp("10.0.0.2", 1000, "8.8.8.8", 53);
	struct weir_flow_table *flows;
	struct blocks b;
	struct toy_mbuf t;
	uint32_t first;

	toy_begin(BLOCKS_OF("100"));
	flows = world.shard.tracker->flows;
	CU_ASSERT_EQUAL(toy_walk(toy_come(&t, LAN, &go)), WEIR_NEXT);
	first = t.meta.flow >> 1;
	b = blocks_told();
	CU_ASSERT_EQUAL(b.begun, 1);
	CU_ASSERT_EQUAL(memcmp(b.last.orig.src, toy_addr("10.0.0.2").bytes, 4), 0);
	CU_ASSERT_EQUAL(memcmp(b.last.to.src, toy_addr("192.0.2.16").bytes, 4), 0);
	CU_ASSERT_EQUAL(b.last.block_lo, 1024 + 2 * 100);
	CU_ASSERT_EQUAL(b.last.block_hi, 1024 + 2 * 100 + 99);
	CU_ASSERT_TRUE(source_port(&t) >= b.last.block_lo && source_port(&t) <= b.last.block_hi);
	go.sport++;
	CU_ASSERT_EQUAL(toy_walk(toy_come(&t, LAN, &go)), WEIR_NEXT);
	weir_flow_kill(flows, first);
	b = blocks_told();
	CU_ASSERT_EQUAL(b.begun + b.ended, 0);
	weir_flow_kill(flows, t.meta.flow >> 1);
	b = blocks_told();
	CU_ASSERT_EQUAL(b.begun, 0);
	CU_ASSERT_EQUAL(b.ended, 1);
	CU_ASSERT_EQUAL(b.last.block_lo, 1024 + 2 * 100);
	CU_ASSERT_EQUAL(weir_tracker_blocks(world.shard.tracker), 0);
	toy_end();
}

/* A reload makes a subscriber's block smaller, and both begin at the same port. */
static void test_a_block_ends_with_its_own_flows_beside_a_larger_one(void)
{
	struct toy_ip go = toy_udp("10.0.0.0", 1000, "8.8.8.8", 53);
	uint32_t large[3], small[3];
	struct blocks b;
	struct toy_mbuf t;

	toy_begin(BLOCKS_OF("1000"));
	for (unsigned i = 0; i < 6; i++, go.sport++) {
		if (i == 3)
			toy_change(BLOCKS_OF("100"));
		CU_ASSERT_EQUAL(toy_walk(toy_come(&t, LAN, &go)), WEIR_NEXT);
		*(i < 3 ? &large[i] : &small[i - 3]) = t.meta.flow >> 1;
	}
	CU_ASSERT_EQUAL(blocks_told().begun, 2);
	for (unsigned i = 0; i < 3; i++)
		weir_flow_kill(world.shard.tracker->flows, small[i]);
	b = blocks_told();
	CU_ASSERT_EQUAL(b.ended, 1);
	CU_ASSERT_EQUAL(b.last.block_hi, 1023 + 100);
	for (unsigned i = 0; i < 3; i++)
		weir_flow_kill(world.shard.tracker->flows, large[i]);
	b = blocks_told();
	CU_ASSERT_EQUAL(b.ended, 1);
	CU_ASSERT_EQUAL(b.last.block_hi, 1023 + 1000);
	CU_ASSERT_EQUAL(weir_tracker_blocks(world.shard.tracker), 0);
	toy_end();
}

static void test_a_flow_with_a_mapping_and_a_block_gives_both_back(void)
{
	static const char *const text = WORLD_PORTS
		"firewall: {default: accept}\n"
		"conntrack: {flows: 1024, sources: 16}\n"
		"records: {flows: /dev/null}\n"
		"nat:\n"
		"  source: [{name: c, from: lan, action: cgnat, inside: 10.0.0.0/24, "
		"pool: 192.0.2.16/28, block: 100, endpoint_independent: true}]\n";
	struct toy_ip go = toy_udp("10.0.0.2", 1000, "8.8.8.8", 53);
	struct toy_mbuf t;

	toy_begin(text);
	CU_ASSERT_EQUAL(toy_walk(toy_come(&t, LAN, &go)), WEIR_NEXT);
	CU_ASSERT_EQUAL(weir_nat_maps_used(world.shard.tracker->nat.maps), 1);
	CU_ASSERT_EQUAL(weir_tracker_blocks(world.shard.tracker), 1);
	weir_flow_kill(world.shard.tracker->flows, t.meta.flow >> 1);
	CU_ASSERT_EQUAL(weir_nat_maps_used(world.shard.tracker->nat.maps), 0);
	CU_ASSERT_EQUAL(weir_tracker_blocks(world.shard.tracker), 0);
	toy_end();
}

static void test_without_a_tracker_or_memory_there_is_no_node(void)
{
	struct weir_shard bare = {.workers = 1};
	void *self = NULL;

	toy_begin(WORLD_PORTS);
	CU_ASSERT_EQUAL(weir_node_nat.create(&bare, &self), -EINVAL);
	failalloc_at(1);
	CU_ASSERT_EQUAL(weir_node_nat.create(&world.shard, &self), -ENOMEM);
	failalloc_at(0);
	CU_ASSERT_PTR_NULL(self);
	weir_node_nat.free(NULL);
	toy_end();
}

WEIR_TESTS("node/nat", TEST(a_masqueraded_flow_leaves_and_comes_back_right),
	   TEST(a_forwarded_port_answers_as_who_was_asked),
	   TEST(sctp_is_translated_by_its_addresses_alone),
	   TEST(what_is_not_translated_passes_untouched),
	   TEST(a_dscp_is_set_on_each_packet_in_both_families),
	   TEST(a_ttl_that_runs_out_is_rejected_before_translation),
	   TEST(an_interface_without_an_address_of_the_family_is_named),
	   TEST(a_pool_without_a_free_port_is_named),
	   TEST(an_error_about_a_translated_packet_quotes_it_as_it_came),
	   TEST(an_error_that_lies_about_what_it_quotes_is_named),
	   TEST(ipv6_becomes_ipv4_and_back_if_there_is_room_in_front),
	   TEST(a_source_route_cannot_be_translated),
	   TEST(a_subscribers_block_is_told_of_with_its_first_and_its_last_flow),
	   TEST(a_block_ends_with_its_own_flows_beside_a_larger_one),
	   TEST(a_flow_with_a_mapping_and_a_block_gives_both_back),
	   TEST(without_a_tracker_or_memory_there_is_no_node))
