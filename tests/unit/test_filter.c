/* SPDX-License-Identifier: BSD-3-Clause */

/* 40_filter: each packet is judged by itself, answers too. */

#include "toy_firewall.h"

#include "failalloc.h"

/* Of a random test: a multiple of its bursts. */
#define BURSTS_PKTS 1024

#define STATELESS(rest) WORLD_PORTS "firewall:\n  stateless: true\n" rest

/* What the filter alone says of a packet. */
static void expect(void *filter, unsigned iface, const struct toy_ip *p, enum weir_verdict verdict,
		   enum weir_drop why)
{
	const struct weir_pass pass = {.now_ns = world.now_ns, .gen = &world.gen};
	struct toy_mbuf t;
	struct rte_mbuf *m = toy_come(&t, iface, p);
	uint8_t said = WEIR_VERDICTS;
	struct weir_burst b = {.pkt = &m, .verdict = &said, .n = 1, .pass = &pass};

	weir_node_filter.process(filter, &b);
	CU_ASSERT_EQUAL(said, verdict);
	CU_ASSERT_EQUAL(t.meta.drop, why);
}

static void *begin(const char *text)
{
	void *filter = NULL;

	toy_begin(text);
	CU_ASSERT_TRUE(world.shard.tracker->stateless);
	CU_ASSERT_EQUAL_FATAL(weir_node_filter.create(&world.shard, &filter), 0);
	return filter;
}

static void end(void *filter)
{
	CU_ASSERT_EQUAL(toy_flows(), 0);
	weir_node_filter.free(filter);
	toy_end();
}

static const struct weir_rule_counter *counter(uint32_t slot)
{
	return &world.shard.tracker->counter[slot];
}

static void test_an_answer_needs_a_rule_as_the_question_does(void)
{
	const struct toy_ip go = toy_udp("10.0.0.2", 1000, "8.8.8.8", 53);
	const struct toy_ip back = toy_udp("8.8.8.8", 53, "10.0.0.2", 1000);
	const struct toy_ip six = toy_udp("2001:db8:1::2", 1000, "2001:db8:2::2", 53);
	void *filter = begin(STATELESS(
		"  rules: [{name: out, from: lan, to: wan, proto: udp, dport: 53, action: accept}]\n"));

	for (unsigned i = 0; i < 3; i++) {
		expect(filter, LAN, &go, WEIR_OUT, WEIR_DROP_NONE);
		expect(filter, WAN, &back, WEIR_DROP, WEIR_DROP_RULE);
	}
	expect(filter, LAN, &six, WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(counter(0)->pkts, 3);
	CU_ASSERT_EQUAL(counter(1)->pkts, 4);
	end(filter);
}

static void test_tcp_may_begin_in_its_middle(void)
{
	const struct toy_ip middle = toy_tcp("10.0.0.2", 1000, "8.8.8.8", 80, ACK, 5, 6);
	const struct toy_ip syn = toy_tcp("10.0.0.2", 1000, "8.8.8.8", 80, SYN, 5, 0);
	void *filter = begin(STATELESS("  default: accept\n"
				       "  rules: [{name: no-syn, from: lan, proto: tcp, tcp_flags: "
				       "'syn,!ack', action: reject}]\n"));

	expect(filter, LAN, &middle, WEIR_OUT, WEIR_DROP_NONE);
	expect(filter, LAN, &syn, WEIR_REJECT, WEIR_DROP_RULE_REJECT);
	end(filter);
}

static void test_sctp_has_ports(void)
{
	struct toy_ip go = toy_udp("10.0.0.2", 1000, "8.8.8.8", 9), other;
	void *filter =
		begin(STATELESS("  rules: [{name: s, proto: sctp, dport: 9, action: accept}]\n"));

	go.proto = IPPROTO_SCTP;
	other = go;
	other.dport = 10;
	expect(filter, LAN, &go, WEIR_NEXT, WEIR_DROP_NONE);
	expect(filter, LAN, &other, WEIR_DROP, WEIR_DROP_RULE);
	end(filter);
}

/* Judge a packet as the second half of a datagram. */
static void expect_later(void *filter, const struct toy_ip *p, enum weir_verdict verdict)
{
	const struct weir_pass pass = {.now_ns = world.now_ns, .gen = &world.gen};
	struct toy_mbuf t;
	struct rte_mbuf *m = toy_come(&t, LAN, p);
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14);
	uint8_t said = WEIR_VERDICTS;
	struct weir_burst b = {.pkt = &m, .verdict = &said, .n = 1, .pass = &pass};

	ip->fragment_offset = RTE_BE16(3);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	weir_node_parse.process(NULL, &b);
	CU_ASSERT_EQUAL(said, WEIR_NEXT);
	weir_node_filter.process(filter, &b);
	CU_ASSERT_EQUAL(said, verdict);
}

static void test_later_fragments_match_no_rule_on_headers_that_they_lack(void)
{
	const struct toy_ip tcp = toy_tcp("10.0.0.2", 0, "8.8.8.8", 0, 0, 0, 0);
	const struct toy_ip udp = toy_udp("10.0.0.2", 0, "8.8.8.8", 0);
	const struct toy_ip ping = {.proto = IPPROTO_ICMP, .src = "10.0.0.2", .dst = "8.8.8.8"};
	void *filter = begin(STATELESS(
		"  rules: [{name: flags, proto: tcp, tcp_flags: '!syn', action: accept}, {name: p, "
		"proto: udp, dport: 0, action: accept}, {name: i, "
		"proto: icmp, icmp: echo-reply, action: accept}]\n"));

	expect_later(filter, &tcp, WEIR_DROP);
	expect_later(filter, &udp, WEIR_DROP);
	expect_later(filter, &ping, WEIR_DROP);
	expect(filter, LAN, &tcp, WEIR_OUT, WEIR_DROP_NONE);
	end(filter);
	filter = begin(STATELESS("  rules: [{name: t, proto: tcp, action: accept}]\n"));
	expect_later(filter, &tcp, WEIR_NEXT);
	expect_later(filter, &udp, WEIR_DROP);
	end(filter);
}

static void test_ways_and_sources_are_checked_before_rules(void)
{
	const struct toy_ip hole = toy_udp("10.0.0.2", 1, "198.18.0.1", 2);
	const struct toy_ip never = toy_udp("10.0.0.2", 1, "203.0.113.1", 2);
	const struct toy_ip nowhere = toy_udp("2001:db8:1::2", 1, "2001:db8:7::1", 2);
	const struct toy_ip spoofed = toy_udp("8.8.8.8", 1, "8.8.4.4", 2);
	const struct toy_ip self = toy_udp("10.0.0.2", 1, "10.0.0.1", 2);
	const struct toy_ip bogon = toy_udp("172.20.0.9", 1, "10.0.0.2", 2);
	void *filter = begin(STATELESS("  rules: [{name: r, to: out, action: accept}]\n"
				       "zones: {inside: {interfaces: lan, antispoof: true}, "
				       "out: {interfaces: wan, bogons: true}}\n"));

	expect(filter, WAN, &bogon, WEIR_DROP, WEIR_DROP_BOGON);
	expect(filter, LAN, &hole, WEIR_DROP, WEIR_DROP_BLACKHOLE);
	expect(filter, LAN, &never, WEIR_REJECT, WEIR_DROP_PROHIBITED);
	expect(filter, LAN, &nowhere, WEIR_REJECT, WEIR_DROP_NO_ROUTE);
	expect(filter, LAN, &spoofed, WEIR_DROP, WEIR_DROP_SPOOFED);
	expect(filter, LAN, &self, WEIR_DROP, WEIR_DROP_RULE);
	CU_ASSERT_EQUAL(counter(0)->pkts, 1);
	end(filter);
}

static void test_a_burst_of_all_kinds_is_judged_one_by_one(void)
{
	static const enum weir_verdict want[] = {WEIR_NEXT, WEIR_DROP, WEIR_NEXT, WEIR_DROP,
						 WEIR_NEXT};
	const struct toy_ip packets[] = {
		toy_udp("10.0.0.2", 1, "8.8.8.8", 53), toy_udp("10.0.0.2", 1, "198.18.0.1", 53),
		toy_udp("10.0.0.3", 1, "8.8.8.8", 53), toy_udp("10.0.0.3", 1, "8.8.8.8", 54),
		toy_udp("2001:db8:1::2", 1, "2001:db8:2::2", 53)};
	struct toy_mbuf t[RTE_DIM(packets)];
	struct rte_mbuf *m[RTE_DIM(packets)];
	uint8_t said[RTE_DIM(packets)];
	const struct weir_pass pass = {.now_ns = 5 * SECOND, .gen = &world.gen};
	struct weir_burst b = {.pkt = m, .verdict = said, .n = RTE_DIM(packets), .pass = &pass};
	void *filter = begin(
		STATELESS("  rules: [{name: count, action: count}, {name: dns, from: lan, proto: "
			  "udp, dport: 53, action: accept}]\n"));

	for (unsigned i = 0; i < RTE_DIM(packets); i++)
		m[i] = toy_come(&t[i], LAN, &packets[i]);
	weir_node_filter.process(filter, &b);
	for (unsigned i = 0; i < RTE_DIM(packets); i++)
		CU_ASSERT_EQUAL(said[i], want[i]);
	CU_ASSERT_EQUAL(counter(1)->pkts, 4);
	CU_ASSERT_EQUAL(counter(2)->pkts, 3);
	end(filter);
}

/* Rules that differ for all pairs of zones, and look at all that headers have. */
#define RULES                                                                                               \
	"  - {name: net, from: lan, to: wan, source: 10.0.0.0/30, proto: udp, dport: 53, action: accept}\n" \
	"  - {name: no-syn, from: lan, tcp_flags: 'syn,!ack', proto: tcp, action: reject}\n"                \
	"  - {name: urgent, to: lan, dscp: ef, action: accept, log: true}\n"                                \
	"  - {name: back, from: wan, to: lan, proto: tcp, sport: 50-53, action: accept}\n"                  \
	"  - {name: ping, proto: icmp, action: accept}\n"                                                   \
	"  - {name: through, from: wan, to: wan, action: accept}\n"                                         \
	"  - {name: rest, from: lan, to: lan, action: reject}\n"

static uint32_t drawn;

static uint32_t draw(uint32_t below)
{
	drawn = drawn * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)drawn * below) >> 32);
}

/* Rules that name few destinations, or few sources. */
#define RULES_TO                                                                          \
	"  - {name: dns, to: wan, destination: 8.8.8.0/24, proto: udp, action: accept}\n" \
	"  - {name: host, to: lan, destination: 10.0.0.9, action: reject}\n"              \
	"  - {name: wide, to: wan, destination: 192.0.0.0/7, sport: 50, proto: tcp, action: accept}\n"
#define RULES_FROM                                                                          \
	"  - {name: dns, source: 8.8.4.0/22, proto: tcp, tcp_flags: ack, action: accept}\n" \
	"  - {name: host, source: 10.0.0.9, dscp: ef, action: reject}\n"                    \
	"  - {name: net, source: 10.0.0.0/8, dport: 443, proto: udp, action: accept}\n"

/* A packet of any kind, and the interface that it comes by. */
static struct toy_ip any_packet(unsigned *iface)
{
	static const char *const ends[] = {"10.0.0.2", "10.0.0.9",  "8.8.8.8",	  "8.8.4.4",
					   "10.0.0.1", "192.0.2.9", "198.18.0.1", "203.0.113.1"};
	static const char *const ends6[] = {"2001:db8:1::2", "2001:db8:2::2"};
	static const uint8_t protos[] = {IPPROTO_UDP, IPPROTO_TCP, IPPROTO_TCP, IPPROTO_ICMP};
	static const uint8_t flags[] = {SYN, SYN | ACK, ACK, RST};
	static const uint16_t ports[] = {50, 53, 54, 443};
	const bool six = draw(8) == 0;
	struct toy_ip p = {.proto = protos[draw(4)],
			   .src = six ? ends6[0] : ends[draw(6)],
			   .dst = six ? ends6[1] : ends[draw(8)],
			   .sport = ports[draw(4)],
			   .dport = ports[draw(4)],
			   .tcp_flags = flags[draw(4)],
			   .icmp_type = 8,
			   .ttl = (uint8_t)draw(4), /* 0: 64 */
			   .dscp = draw(4) == 0 ? 46 : 0};

	if (six && p.proto == IPPROTO_ICMP)
		p.proto = IPPROTO_UDP;
	*iface = draw(2);
	return p;
}

/* What becomes of a packet in the filter, and in 60_route if that comes next. */
struct fate {
	enum weir_verdict verdict;
	uint8_t hop; /* its kind, for numbers differ from world to world */
	uint16_t drop, iface_out;
	uint8_t frame[64];
};

static void find_fate(struct rte_mbuf *m, uint8_t said, const struct weir_pass *pass,
		      struct fate *fate)
{
	struct weir_burst b = {.pkt = &m, .verdict = &said, .n = 1, .pass = pass};
	const struct weir_l3 *l3 = pass->gen->l3;

	if (said == WEIR_NEXT)
		weir_node_route.process(&world.shard, &b);
	*fate = (struct fate){
		.verdict = said, .drop = weir_meta(m)->drop, .iface_out = weir_meta(m)->iface_out};
	if (weir_meta(m)->hop < l3->n_hops)
		fate->hop = l3->hops[weir_meta(m)->hop].kind;
	memcpy(fate->frame, rte_pktmbuf_mtod(m, void *), RTE_MIN(m->data_len, 64));
}

/* The same random packets in bursts; how many the filter itself has sent on. */
static unsigned judge_bursts(const char *text, uint16_t burst, struct fate *fates)
{
	static struct toy_mbuf t[BURSTS_PKTS];
	void *filter = begin(text);
	const struct weir_pass pass = {.now_ns = 5 * SECOND, .gen = &world.gen};
	unsigned sent = 0;

	drawn = 7;
	for (unsigned done = 0; done < BURSTS_PKTS; done += burst) {
		struct rte_mbuf *m[BURSTS_PKTS];
		uint8_t said[BURSTS_PKTS];
		struct weir_burst b = {.pkt = m, .verdict = said, .n = burst, .pass = &pass};

		for (uint16_t i = 0; i < burst; i++) {
			unsigned iface;
			const struct toy_ip p = any_packet(&iface);

			m[i] = toy_come(&t[done + i], iface, &p);
		}
		weir_node_filter.process(filter, &b);
		for (uint16_t i = 0; i < burst; i++) {
			sent += said[i] == WEIR_OUT;
			find_fate(m[i], said[i], &pass, &fates[done + i]);
		}
	}
	CU_ASSERT_TRUE(counter(0)->pkts > 0);
	end(filter);
	return sent;
}

#define COUNTING "  - {name: c, proto: tcp, dport: 9, action: count}\n"

static void test_plain_packets_are_judged_as_all_others_are(void)
{
	/* With a rule that counts, headers alone do not decide any more. */
	static const struct {
		const char *plain, *other;
	} texts[] = {
		{STATELESS("  rules:\n" RULES), STATELESS("  rules:\n" COUNTING RULES)},
		{STATELESS("  rules:\n" RULES_TO), STATELESS("  rules:\n" COUNTING RULES_TO)},
		{STATELESS("  rules:\n" RULES_FROM), STATELESS("  rules:\n" COUNTING RULES_FROM)},
	};
	static struct fate want[BURSTS_PKTS], is[BURSTS_PKTS];
	static const uint16_t bursts[] = {1, 16, 256};

	for (unsigned k = 0; k < RTE_DIM(texts) * RTE_DIM(bursts); k++) {
		unsigned kinds[WEIR_VERDICTS] = {0};

		if (k % RTE_DIM(bursts) == 0)
			CU_ASSERT_EQUAL(judge_bursts(texts[k / RTE_DIM(bursts)].other, 1, want), 0);
		CU_ASSERT_TRUE(judge_bursts(texts[k / RTE_DIM(bursts)].plain,
					    bursts[k % RTE_DIM(bursts)], is) > 20);
		for (unsigned i = 0; i < BURSTS_PKTS; i++) {
			CU_ASSERT_EQUAL(is[i].verdict, want[i].verdict);
			CU_ASSERT_EQUAL(is[i].drop, want[i].drop);
			CU_ASSERT_EQUAL(is[i].hop, want[i].hop);
			CU_ASSERT_EQUAL(is[i].iface_out, want[i].iface_out);
			CU_ASSERT_EQUAL(memcmp(is[i].frame, want[i].frame, 64), 0);
			kinds[is[i].verdict]++;
		}
		CU_ASSERT_TRUE(kinds[WEIR_OUT] > 0 && kinds[WEIR_DROP] > 0 &&
			       kinds[WEIR_REJECT] > 0);
	}
}

static void test_our_own_packets_are_not_judged(void)
{
	const struct toy_ip go = toy_udp("10.0.0.1", 1000, "8.8.8.8", 53);
	const struct weir_pass pass = {.now_ns = 5 * SECOND, .gen = &world.gen};
	struct toy_mbuf t;
	struct rte_mbuf *m;
	uint8_t said = WEIR_VERDICTS;
	struct weir_burst b = {.pkt = &m, .verdict = &said, .n = 1, .pass = &pass};
	void *filter = begin(STATELESS("  default: drop\n"));

	m = toy_come(&t, LAN, &go);
	t.meta.flags |= WEIR_META_OURS;
	weir_node_filter.process(filter, &b);
	CU_ASSERT_EQUAL(said, WEIR_NEXT);
	CU_ASSERT_EQUAL(counter(0)->pkts, 0);
	end(filter);
}

static void test_what_needs_flows_is_refused(void)
{
	static const char *const wrong[] = {
		STATELESS("nat: {source: [{name: m, to: wan, action: masquerade}]}\n"),
		STATELESS("nat: {destination: [{name: d, proto: tcp, dport: 80, action: dnat, "
			  "forward: 10.0.0.2}]}\n"),
		STATELESS("  rules: [{name: r, action: accept, mark: 1}]\n"),
		STATELESS("  rules: [{name: r, action: accept, set_dscp: ef}]\n"),
		STATELESS("  rules: [{name: r, proto: tcp, action: synproxy}]\n"),
		STATELESS("  rules: [{name: r, action: accept, inspect: true}]\n"),
		STATELESS("dpi: {flows: 100}\n"),
		STATELESS("  synproxy: {mss: 1000}\n"),
		STATELESS("conntrack: {loose: true}\n"),
		STATELESS("conntrack: {timeouts: {udp: 3s}}\n"),
		STATELESS("records: {flows: /tmp/f}\n"),
		STATELESS("records: {alerts: /tmp/f}\n"),
		STATELESS("zones: {inside: {interfaces: lan, flows: 5}}\n"),
		STATELESS("zones: {inside: {interfaces: lan, source_flows: 5}}\n"),
	};

	toy_begin(STATELESS("  default: accept\n"));
	for (unsigned i = 0; i < RTE_DIM(wrong); i++) {
		struct weir_why why = {""};

		CU_ASSERT_EQUAL(toy_fw_reload(&world.fw, wrong[i], &why), -EINVAL);
		CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "needs flows"));
	}
	toy_end();
}

static void test_without_a_tracker_or_memory_there_is_no_node(void)
{
	struct weir_shard bare = {.workers = 1};
	void *self = NULL;

	toy_begin(STATELESS("  default: accept\n"));
	CU_ASSERT_EQUAL(weir_node_filter.create(&bare, &self), -EINVAL);
	failalloc_at(1);
	CU_ASSERT_EQUAL(weir_node_filter.create(&world.shard, &self), -ENOMEM);
	failalloc_at(0);
	CU_ASSERT_PTR_NULL(self);
	weir_node_filter.free(NULL);
	toy_end();
}

WEIR_TESTS("node/filter", TEST(an_answer_needs_a_rule_as_the_question_does),
	   TEST(tcp_may_begin_in_its_middle), TEST(sctp_has_ports),
	   TEST(later_fragments_match_no_rule_on_headers_that_they_lack),
	   TEST(ways_and_sources_are_checked_before_rules),
	   TEST(a_burst_of_all_kinds_is_judged_one_by_one),
	   TEST(plain_packets_are_judged_as_all_others_are), TEST(our_own_packets_are_not_judged),
	   TEST(what_needs_flows_is_refused), TEST(without_a_tracker_or_memory_there_is_no_node))
