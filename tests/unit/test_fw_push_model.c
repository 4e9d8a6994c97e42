/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Random policies and packets: whatever a driver would drop, the stages drop as well, in flows that
 * are known and in none.
 *
 * The stages are the model. Each packet goes through all of them; the plans of all drop rules are
 * made beforehand, and thrown away if a flow is known that they touch, as fw_push_run.c does it.
 */

#include "toy_firewall.h"

#include <stdarg.h>

#include "firewall/fw_push_priv.h"

#define POLICIES (getenv("WEIR_TEST_LONG") == NULL ? 150u : 2000u)
#define PACKETS	 160
#define RULES	 5
#define PLANS	 16

static uint64_t state = 4711;

static uint32_t lot(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 32) * below >> 32);
}

static bool one_in(uint32_t n)
{
	return lot(n) == 0;
}

#define PICK(words) ((words)[lot(RTE_DIM(words))])

/* ---- policies ---- */

static char text[16384];
static size_t at;

static void __attribute__((format(printf, 1, 2))) put(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	at += (size_t)vsnprintf(text + at, sizeof(text) - at, fmt, args);
	va_end(args);
	CU_ASSERT_FATAL(at < sizeof(text));
}

static void put_addrs(const char *key)
{
	static const char *const words[] = {"8.8.8.8",
					    "8.8.0.0/16",
					    "9.9.9.9",
					    "10.0.0.2",
					    "10.0.0.0/24",
					    "10.0.0.2/31",
					    "192.0.2.1",
					    "192.0.2.0/24",
					    "set1",
					    "set2",
					    "\"!10.0.0.0/24\"",
					    "\"!set1\"",
					    "\"2001:db8:1::/64\"",
					    "\"2001:db8:2::/64\"",
					    "\"2001:db8:2::8\"",
					    "[8.8.8.8, 10.0.0.3, set1]",
					    "[8.8.8.8, \"2001:db8:2::8\"]",
					    "198.18.0.0/16"};

	put(", %s: %s", key, PICK(words));
}

static void put_rule(unsigned i)
{
	static const char *const zones[] = {"lan", "wan", "self", "[lan, wan]"};
	static const char *const protos[] = {"udp", "udp", "tcp", "icmp", "icmp6", "[tcp, udp]"};
	static const char *const ports[] = {"2001", "2002", "2001-2002", "2003", "[2001, 2003]"};
	static const char *const actions[] = {"drop",	"drop",	  "drop", "accept",
					      "accept", "reject", "count"};
	const char *action = PICK(actions);
	const bool accepts = strcmp(action, "accept") == 0;
	const char *proto = one_in(accepts ? 8 : 3) ? NULL : PICK(protos);

	put("    - {name: r%u, action: %s", i, action);
	if (accepts || !one_in(6))
		put(", from: %s", zones[one_in(8) ? 3 : lot(2)]);
	if (accepts ? !one_in(8) : one_in(6))
		put(", to: %s", PICK(zones));
	if (one_in(2))
		put_addrs("source");
	if (one_in(3))
		put_addrs("destination");
	if (proto != NULL)
		put(", proto: %s", proto);
	if (proto != NULL && strncmp(proto, "icmp", 4) != 0 && one_in(3))
		put(", sport: %s", PICK(ports));
	if (proto != NULL && strncmp(proto, "icmp", 4) != 0 && one_in(2))
		put(", dport: %s", PICK(ports));
	if (proto != NULL && strcmp(proto, "tcp") == 0 && one_in(8))
		put(", tcp_flags: \"syn,!ack\"");
	put("}\n");
}

static void put_nat(void)
{
	static const char *const nats[] = {
		"source: [{name: m, from: lan, to: wan, action: masquerade}]",
		"source: [{name: s, from: lan, action: snat, pool: [192.0.2.16/30]}]",
		"source: [{name: e, from: lan, to: wan, action: masquerade, "
		"endpoint_independent: true}]",
		"destination: [{name: d, from: wan, destination: 192.0.2.1, proto: udp, "
		"dport: \"2001\", action: dnat, forward: \"10.0.0.3:2002\"}]",
		"destination: [{name: h, from: wan, destination: 192.0.2.1, action: dnat, "
		"forward: 10.0.0.2, hairpin: true}], "
		"source: [{name: m, from: lan, to: wan, action: masquerade}]",
	};

	if (!one_in(3))
		put("nat: {%s}\n", PICK(nats));
}

static void make_policy(void)
{
	static const char *const defaults[] = {"drop", "drop", "drop", "reject", "accept"};

	at = 0;
	put(WORLD_PORTS "sets: {set1: {addresses: [8.8.8.0/24, 10.0.0.3/32, 9.9.9.9/32]}, "
			"set2: {addresses: [8.8.4.0/24, \"2001:db8:2::/65\"]}}\n");
	put_nat();
	put("firewall:\n  default: %s\n  rules:\n", PICK(defaults));
	for (unsigned i = 0, n = 2 + lot(RULES); i < n; i++)
		put_rule(i);
}

/* ---- plans ---- */

static struct fw_push_plan plans[PLANS];
static unsigned n_plans, n_pushed, n_touching;

/* What fw_push_run.c asks each worker. */
static bool is_touching(const struct fw_push_plan *plan)
{
	struct weir_flow_view view;
	struct weir_flow_ask ask = {.filter = {.match = fw_push_touches, .match_ctx = plan},
				    .views = &view,
				    .room = 1,
				    .limit = 1};
	struct weir_flow_table *flows = world.shard.tracker->flows;

	weir_flow_ask_post(flows, &ask);
	while (!weir_flow_ask_done(&ask))
		weir_flow_ask_serve(flows);
	return ask.matched > 0;
}

static void end_flows(void)
{
	struct weir_flow_ask ask = {.kill = true, .limit = UINT32_MAX};
	struct weir_flow_table *flows = world.shard.tracker->flows;

	weir_flow_ask_post(flows, &ask);
	while (!weir_flow_ask_done(&ask))
		weir_flow_ask_serve(flows);
}

static void make_plans(void)
{
	const struct fw_push_ground g = {world.gen.policy, world.gen.l3, 1 << LAN | 1 << WAN,
					 false};
	const struct weir_rules *rules = world.gen.policy->rules;
	uint32_t last = 0;

	for (uint32_t i = 0; i < weir_rules_count(rules); i++) {
		const struct weir_rule *r = weir_rules_at(rules, i);
		struct weir_why why = {""};

		if (r->slot == last || n_plans == PLANS)
			continue;
		last = r->slot;
		if (fw_push_plan(&g, last, 64, &plans[n_plans], &why) < 0) {
			CU_ASSERT_NOT_EQUAL(why.text[0], 0);
			fw_push_plan_free(&plans[n_plans]);
		} else if (is_touching(&plans[n_plans])) {
			n_touching++;
			fw_push_plan_free(&plans[n_plans]);
		} else {
			n_plans++;
			n_pushed++;
		}
	}
}

static void free_plans(void)
{
	while (n_plans > 0)
		fw_push_plan_free(&plans[--n_plans]);
}

/* ---- packets ---- */

static struct toy_ip random_packet(unsigned iface)
{
	static const char *const in4[] = {"10.0.0.2", "10.0.0.3", "10.0.0.9"};
	static const char *const out4[] = {"8.8.8.8", "8.8.4.4", "9.9.9.9", "192.0.2.2"};
	static const char *const ours4[] = {"192.0.2.1", "192.0.2.17", "10.0.0.1"};
	static const char *const odd4[] = {"198.18.0.1", "203.0.113.1"};
	static const char *const in6[] = {"2001:db8:1::2", "2001:db8:1::3"};
	static const char *const out6[] = {"2001:db8:2::8", "2001:db8:2:0:8000::1"};
	static const uint8_t flags[] = {SYN, SYN, SYN, SYN | ACK, ACK, RST};
	const bool six = one_in(4), odd = one_in(6);
	const char *in = six ? PICK(in6) : odd ? PICK(ours4) : PICK(in4);
	const char *out = six ? PICK(out6) : one_in(12) ? PICK(odd4) : PICK(out4);
	const uint8_t protos[] = {IPPROTO_UDP, IPPROTO_UDP, IPPROTO_TCP,
				  six ? IPPROTO_ICMPV6 : IPPROTO_ICMP};
	struct toy_ip p = {.proto = PICK(protos),
			   .src = iface == LAN ? in : out,
			   .dst = iface == LAN ? out : in,
			   .sport = (uint16_t)(2001 + lot(3)),
			   .dport = (uint16_t)(2001 + lot(3)),
			   .tcp_flags = PICK(flags),
			   .seq = 1,
			   .ack = 1};

	if (one_in(10)) /* against its side */
		p.src = iface == LAN ? PICK(in4) : PICK(out4), p.dst = PICK(in4);
	if (strchr(p.src, ':') == NULL && p.proto == IPPROTO_ICMPV6)
		p.proto = IPPROTO_ICMP;
	if (strchr(p.src, ':') != NULL && strchr(p.dst, ':') == NULL)
		p.dst = PICK(in6);
	if (p.proto == IPPROTO_ICMP)
		p.icmp_type = one_in(3) ? 0 : 8;
	if (p.proto == IPPROTO_ICMPV6)
		p.icmp_type = one_in(3) ? 129 : 128;
	return p;
}

static bool is_dropped_by_driver(unsigned iface, const struct toy_ip *p)
{
	const struct weir_addr src = toy_addr(p->src), dst = toy_addr(p->dst);
	struct weir_tuple t = {.family = src.family,
			       .proto = p->proto,
			       .sport = htons(p->sport),
			       .dport = htons(p->dport)};

	memcpy(t.src, src.bytes, sizeof(t.src));
	memcpy(t.dst, dst.bytes, sizeof(t.dst));
	if ((p->proto == IPPROTO_ICMP && p->icmp_type != 8) ||
	    (p->proto == IPPROTO_ICMPV6 && p->icmp_type != 128))
		return false;
	for (unsigned i = 0; i < n_plans; i++)
		if (fw_push_matches(&plans[i], world.gen.policy->zone_of[iface], &t))
			return true;
	return false;
}

/* Answers to what has left lately, as it left: they are what a driver must not drop. */
static struct {
	unsigned iface;
	struct toy_ip p;
	char src[WEIR_ADDR_TEXT], dst[WEIR_ADDR_TEXT];
} answers[64];
static unsigned n_answers;

static void note_answer(unsigned iface, const struct toy_ip *p, uint32_t ref)
{
	struct weir_tuple reply;
	struct weir_addr a;
	const unsigned i = n_answers++ % RTE_DIM(answers);

	weir_flow_tuple(world.shard.tracker->flows,
			weir_flow_at(world.shard.tracker->flows, ref >> 1), WEIR_DIR_REPLY, &reply);
	answers[i].iface = iface == LAN ? WAN : LAN;
	answers[i].p = *p;
	a = (struct weir_addr){.family = reply.family};
	memcpy(a.bytes, reply.src, sizeof(a.bytes));
	weir_addr_format(&a, answers[i].src);
	memcpy(a.bytes, reply.dst, sizeof(a.bytes));
	weir_addr_format(&a, answers[i].dst);
	answers[i].p.src = answers[i].src;
	answers[i].p.dst = answers[i].dst;
	answers[i].p.sport = ntohs(reply.sport);
	answers[i].p.dport = ntohs(reply.dport);
	answers[i].p.tcp_flags = SYN | ACK;
	if (p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6)
		answers[i].p.icmp_type = one_in(2) ? p->icmp_type : p->icmp_type == 8 ? 0 : 129;
}

static unsigned hits, answered;

static void bring(unsigned iface, const struct toy_ip *p)
{
	const bool gone = is_dropped_by_driver(iface, p);
	struct toy_mbuf t;
	enum weir_verdict v;

	v = toy_walk(toy_come(&t, iface, p));
	hits += gone;
	if (gone && v != WEIR_DROP) {
		CU_FAIL("a driver would drop what is not dropped");
		printf("\n%s\n  %s: %s %u -> %s %u, proto %u: verdict %u\n", text,
		       iface == LAN ? "lan" : "wan", p->src, p->sport, p->dst, p->dport, p->proto,
		       v);
	}
	if (v == WEIR_NEXT && t.meta.flow != WEIR_NO_FLOW && (t.meta.flow & 1) == WEIR_DIR_ORIG)
		note_answer(iface, p, t.meta.flow);
	else if (v == WEIR_NEXT && t.meta.flow != WEIR_NO_FLOW)
		answered++;
}

static void test_what_a_driver_drops_the_stages_drop_as_well(void)
{
	make_policy();
	toy_begin(text);
	toy_reroute(false);
	for (unsigned i = 0; i < POLICIES; i++) {
		make_policy();
		toy_change(text);
		if (one_in(2))
			end_flows();
		if (i % 5 == 0)
			toy_reroute(one_in(4));
		make_plans();
		for (unsigned k = 0; k < PACKETS; k++) {
			const unsigned iface = one_in(2) ? LAN : WAN;
			const struct toy_ip p = random_packet(iface);

			world.now_ns += SECOND / 1000;
			bring(iface, &p);
			if (n_answers > 0 && one_in(2)) {
				const unsigned n = RTE_MIN(n_answers, RTE_DIM(answers));
				const unsigned a = lot(n);
				const struct toy_ip copy = answers[a].p;

				bring(answers[a].iface, &copy);
			}
		}
		free_plans();
	}
	toy_end();
	/* It was worth the while. */
	CU_ASSERT_TRUE(n_pushed > POLICIES / 4);
	CU_ASSERT_TRUE(n_touching > POLICIES / 50);
	CU_ASSERT_TRUE(hits > POLICIES);
	CU_ASSERT_TRUE(answered > POLICIES);
	if (getenv("WEIR_TEST_LONG") != NULL)
		printf("\n  %u pushed, %u touched a flow; %u packets hit, %u answers", n_pushed,
		       n_touching, hits, answered);
}

WEIR_TESTS("fw/push-model", TEST(what_a_driver_drops_the_stages_drop_as_well))
