/* SPDX-License-Identifier: BSD-3-Clause */

/* 45_dpi: what becomes of packets in whose payload something is found, and of their flows. */

#include "toy_firewall.h"

#include "failalloc.h"
#include "sniff_captures.h"

#include <unistd.h>
#include <weir/policy.h>
#include <weir/records.h>

#include "origin_priv.h"

#define SIZES "  flows: 16\n  early_blocks: 16\n  early_flow: 8\n  messages: 4\n"
#define DPI   WORLD_PORTS "conntrack: {extended: 16}\ndpi:\n" SIZES
#define RULES "firewall:\n  rules:\n"
#define ALL   RULES "    - {name: all, action: accept, inspect: true}\n"
#define SETS                                                                        \
	"  domains:\n    no: {names: [example.com, blocked.test], action: reset}\n" \
	"    bad: {names: [bad.test], action: drop}\n"

/* Of no protocol that is known by its first bytes. */
#define ODD "220 smtp.example ESMTP\r\n"

#define CLIENT "10.0.0.2"
#define SERVER "8.8.8.8"
#define ISN    100
#define ISN2   500

static void begin(const char *text)
{
	toy_begin(text);
	world.shard.pool = toy_only_pool();
	CU_ASSERT_EQUAL_FATAL(origin_create(&world.shard, &world.shard.origin), 0);
}

static void end(void)
{
	toy_end();
	origin_free(world.shard.origin);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(toy_only_pool()), TOY_MBUFS);
}

/* The one frame that 45_dpi has sent meanwhile, to be freed; NULL: none. */
static struct rte_mbuf *sent(void)
{
	struct rte_mbuf *m[2];
	const uint16_t n = origin_take(world.shard.origin, m, 2);

	CU_ASSERT_FATAL(n < 2);
	return n == 1 ? m[0] : NULL;
}

static const struct weir_dpi_counters *counters(void)
{
	return weir_dpi_worker_counters(world.shard.tracker->dpi);
}

/* A segment of the connection from a port, with data at an offset of its stream. */
static struct toy_ip segment(uint16_t port, enum weir_dir dir, uint32_t at, const void *data,
			     size_t bytes)
{
	const bool orig = dir == WEIR_DIR_ORIG;
	struct toy_ip p = toy_tcp(orig ? CLIENT : SERVER, orig ? port : 443, orig ? SERVER : CLIENT,
				  orig ? 443 : port, ACK, (orig ? ISN : ISN2) + 1 + at,
				  (orig ? ISN2 : ISN) + 1);

	p.data = data;
	p.data_bytes = (uint16_t)bytes;
	return p;
}

static enum weir_verdict give(uint16_t port, enum weir_dir dir, uint32_t at, const void *data,
			      size_t bytes, enum weir_drop *why)
{
	const struct toy_ip p = segment(port, dir, at, data, bytes);

	return toy_judge(dir == WEIR_DIR_ORIG ? LAN : WAN, &p, why);
}

static void connect_from(uint16_t port)
{
	const struct toy_ip syn = toy_tcp(CLIENT, port, SERVER, 443, SYN, ISN, 0);
	const struct toy_ip synack = toy_tcp(SERVER, 443, CLIENT, port, SYN | ACK, ISN2, ISN + 1);
	const struct toy_ip ack = segment(port, WEIR_DIR_ORIG, 0, NULL, 0);

	toy_expect(LAN, &syn, WEIR_NEXT, WEIR_DROP_NONE);
	toy_expect(WAN, &synack, WEIR_NEXT, WEIR_DROP_NONE);
	toy_expect(LAN, &ack, WEIR_NEXT, WEIR_DROP_NONE);
}

/* The flow of a connection from a port. */
static struct weir_flow *flow_from(uint16_t port)
{
	const struct weir_addr src = toy_addr(CLIENT), dst = toy_addr(SERVER);
	struct weir_tuple t = {.family = 4,
			       .proto = IPPROTO_TCP,
			       .sport = rte_cpu_to_be_16(port),
			       .dport = RTE_BE16(443)};
	uint32_t ref = WEIR_NO_FLOW;

	memcpy(t.src, src.bytes, sizeof(t.src));
	memcpy(t.dst, dst.bytes, sizeof(t.dst));
	weir_flow_lookup(world.shard.tracker->flows, &t, 1, &ref);
	CU_ASSERT_NOT_EQUAL_FATAL(ref, WEIR_NO_FLOW);
	return weir_flow_at(world.shard.tracker->flows, ref >> 1);
}

#define EXPECT(port, dir, at, data, bytes, verdict, reason)                        \
	do {                                                                       \
		enum weir_drop why_ = WEIR_DROP_NONE;                              \
		CU_ASSERT_EQUAL(give(port, dir, at, data, bytes, &why_), verdict); \
		CU_ASSERT_EQUAL(why_, reason);                                     \
	} while (0)

/* A question of DNS for one label and "test". */
static uint16_t question(const char *label, uint8_t *at)
{
	const uint8_t n = (uint8_t)strlen(label);
	static const uint8_t head[12] = {0x12, 0x34, 1, 0, 0, 1},
			     end[] = {4, 't', 'e', 's', 't', 0, 0, 1, 0, 1};

	memcpy(at, head, sizeof(head));
	at[12] = n;
	memcpy(at + 13, label, n);
	memcpy(at + 13 + n, end, sizeof(end));
	return (uint16_t)(13 + n + sizeof(end));
}

static void ask_dns(const char *label, enum weir_verdict verdict, enum weir_drop why)
{
	struct toy_ip p = toy_udp(CLIENT, 5353, SERVER, 53);
	uint8_t data[64];

	p.data = data;
	p.data_bytes = question(label, data);
	toy_expect(LAN, &p, verdict, why);
}

static const char *pattern_file(const char *text)
{
	static char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/tmp/weir-dpi-node-%d", (int)getpid());
	f = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fputs(text, f);
	fclose(f);
	return path;
}

/* Begin with patterns from a file, and what stands behind them in the section and its file. */
static void begin_with(const char *patterns, const char *keys, const char *more)
{
	char text[2048];

	snprintf(text, sizeof(text), DPI "  patterns: {p: {file: %s%s}}\n%s",
		 pattern_file(patterns), keys, more);
	begin(text);
}

static void end_with(void)
{
	unlink(pattern_file(""));
	end();
}

static void test_a_flow_whose_rule_does_not_inspect_is_not_looked_at(void)
{
	struct toy_mbuf t;
	struct toy_ip p;

	begin(DPI SETS RULES "    - {name: all, action: accept}\n");
	connect_from(1000);
	p = segment(1000, WEIR_DIR_ORIG, 0, hello_curl, sizeof(hello_curl));
	CU_ASSERT_EQUAL(toy_walk(toy_come(&t, LAN, &p)), WEIR_NEXT);
	CU_ASSERT_EQUAL(t.meta.flags & (WEIR_META_INSPECT | WEIR_META_KNOWN), WEIR_META_KNOWN);
	CU_ASSERT_EQUAL(counters()->begun, 0);
	CU_ASSERT_EQUAL(toy_stats()->exts_used, 0);
	end();
}

static void test_segments_that_nobody_reads_do_not_stand_in_for_others(void)
{
	static const uint8_t harmless[sizeof(hello_curl)] = "GET / HTTP/1.1";
	struct toy_ip decoy;
	struct rte_mbuf *m;
	struct toy_mbuf t;

	begin(DPI SETS ALL);
	connect_from(1000);
	decoy = segment(1000, WEIR_DIR_ORIG, 0, harmless, sizeof(harmless));
	decoy.ttl = 1; /* 60_route answers it */
	toy_expect(LAN, &decoy, WEIR_NEXT, WEIR_DROP_NONE);
	decoy.ttl = 0;
	m = toy_come(&t, LAN, &decoy);
	t.buf[t.m.data_off + t.meta.l4_off + 16] ^= 1; /* its checksum */
	CU_ASSERT_EQUAL(toy_walk(m), WEIR_DROP);
	CU_ASSERT_EQUAL(t.meta.drop, WEIR_DROP_L4_CSUM);
	CU_ASSERT_EQUAL(counters()->bytes, 0);
	EXPECT(1000, WEIR_DIR_ORIG, 0, hello_curl, sizeof(hello_curl), WEIR_REJECT,
	       WEIR_DROP_INSPECT_RESET);
	rte_pktmbuf_free(sent());
	end();
}

static void test_a_name_in_a_hello_of_two_segments_resets_both_ends(void)
{
	const struct rte_ipv4_hdr *ip;
	const struct rte_tcp_hdr *tcp;
	struct rte_mbuf *m;
	struct toy_ip rst;

	begin(DPI SETS ALL);
	connect_from(1000);
	EXPECT(1000, WEIR_DIR_ORIG, 0, hello_curl, 60, WEIR_NEXT, WEIR_DROP_NONE);
	EXPECT(1000, WEIR_DIR_ORIG, 60, hello_curl + 60, sizeof(hello_curl) - 60, WEIR_REJECT,
	       WEIR_DROP_INSPECT_RESET);
	m = sent();
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	ip = rte_pktmbuf_mtod_offset(m, void *, 14);
	tcp = (const void *)(ip + 1);
	CU_ASSERT_EQUAL(m->pkt_len, 54);
	CU_ASSERT(weir_meta(m)->flags & WEIR_META_OURS);
	CU_ASSERT_EQUAL(ip->dst_addr, RTE_BE32(0x08080808));
	CU_ASSERT_EQUAL(ip->src_addr, RTE_BE32(0x0a000002));
	CU_ASSERT_EQUAL(rte_ipv4_cksum(ip), 0);
	CU_ASSERT_EQUAL(rte_ipv4_udptcp_cksum_verify(ip, tcp), 0);
	CU_ASSERT_EQUAL(tcp->dst_port, RTE_BE16(443));
	CU_ASSERT_EQUAL(tcp->sent_seq, rte_cpu_to_be_32(ISN + 61));
	CU_ASSERT_EQUAL(tcp->tcp_flags, RST | ACK);
	rte_pktmbuf_free(m);

	/* Whoever goes on is told again; the state is not held for that. */
	EXPECT(1000, WEIR_DIR_REPLY, 0, "x", 1, WEIR_REJECT, WEIR_DROP_INSPECT_RESET);
	EXPECT(1000, WEIR_DIR_ORIG, 60, "x", 1, WEIR_REJECT, WEIR_DROP_INSPECT_RESET);
	CU_ASSERT_PTR_NULL(sent());
	CU_ASSERT_EQUAL(counters()->used, 0);
	CU_ASSERT_EQUAL(flow_from(1000)->cls, WEIR_FLOW_CLOSED);
	rst = segment(1000, WEIR_DIR_REPLY, 0, NULL, 0);
	rst.tcp_flags = RST;
	toy_expect(WAN, &rst, WEIR_NEXT, WEIR_DROP_NONE);
	end();
}

static void test_what_cannot_be_read_is_dropped_if_so_configured(void)
{
	static const char two[] = "GET / HTTP/1.1\r\nHost: ok.test\r\nHost: bad.test\r\n\r\n",
			  second[] = "GET / HTTP/1.1\r\nHost: ok.test\r\n\r\n"
				     "GET / HTTP/1.1\r\nHost: bad.test\r\n\r\n";

	begin(DPI SETS ALL);
	connect_from(1000);
	EXPECT(1000, WEIR_DIR_ORIG, 0, two, sizeof(two) - 1, WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(counters()->unreadable, 1);
	connect_from(1001);
	EXPECT(1001, WEIR_DIR_ORIG, 0, second, sizeof(second) - 1, WEIR_DROP, WEIR_DROP_INSPECT);
	end();
	begin(DPI SETS "  unreadable: drop\n" ALL);
	connect_from(1000);
	EXPECT(1000, WEIR_DIR_ORIG, 0, two, sizeof(two) - 1, WEIR_DROP, WEIR_DROP_INSPECT);
	EXPECT(1000, WEIR_DIR_ORIG, sizeof(two) - 1, "x", 1, WEIR_DROP, WEIR_DROP_INSPECT);
	ask_dns("one two", WEIR_DROP, WEIR_DROP_INSPECT);
	ask_dns("ok", WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(counters()->bad_names, 1);
	end();
}

static void test_a_reset_goes_on_as_the_flow_leaves(void)
{
	const struct rte_ipv4_hdr *ip;
	struct rte_mbuf *m;

	begin(DPI SETS ALL "nat: {source: [{name: m, to: wan, action: masquerade}]}\n");
	{
		const struct toy_ip syn = toy_tcp(CLIENT, 2000, SERVER, 443, SYN, ISN, 0);
		const struct toy_ip answer =
			toy_tcp(SERVER, 443, "192.0.2.1", 2000, SYN | ACK, ISN2, ISN + 1);

		toy_expect(LAN, &syn, WEIR_NEXT, WEIR_DROP_NONE);
		toy_expect(WAN, &answer, WEIR_NEXT, WEIR_DROP_NONE);
	}
	EXPECT(2000, WEIR_DIR_ORIG, 0, hello_curl, sizeof(hello_curl), WEIR_REJECT,
	       WEIR_DROP_INSPECT_RESET);
	m = sent();
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	ip = rte_pktmbuf_mtod_offset(m, void *, 14);
	CU_ASSERT_EQUAL(ip->src_addr, RTE_BE32(0xc0000201));
	CU_ASSERT_EQUAL(rte_ipv4_cksum(ip), 0);
	CU_ASSERT_EQUAL(rte_ipv4_udptcp_cksum_verify(ip, ip + 1), 0);
	rte_pktmbuf_free(m);
	end();
}

static void test_without_a_buffer_the_sender_is_told_alone(void)
{
	struct rte_mbuf *all[TOY_MBUFS];

	begin(DPI SETS ALL);
	CU_ASSERT_EQUAL_FATAL(rte_pktmbuf_alloc_bulk(toy_only_pool(), all, TOY_MBUFS), 0);
	connect_from(1000);
	EXPECT(1000, WEIR_DIR_ORIG, 0, hello_curl, sizeof(hello_curl), WEIR_REJECT,
	       WEIR_DROP_INSPECT_RESET);
	CU_ASSERT_PTR_NULL(sent());
	CU_ASSERT_EQUAL(world.shard.counters.drops[WEIR_DROP_NO_MBUF], 1);
	rte_pktmbuf_free_bulk(all, TOY_MBUFS);
	end();
}

static void test_a_datagram_is_judged_by_itself(void)
{
	begin(DPI SETS ALL);
	ask_dns("good", WEIR_NEXT, WEIR_DROP_NONE);
	ask_dns("blocked", WEIR_REJECT, WEIR_DROP_INSPECT_RESET);
	ask_dns("bad", WEIR_DROP, WEIR_DROP_INSPECT);
	ask_dns("good", WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(toy_flows(), 1);
	CU_ASSERT_PTR_NULL(sent());
	end();
}

static void test_a_flow_whose_first_packet_may_not_pass_does_not_begin(void)
{
	struct toy_ip syn = toy_tcp(CLIENT, 1000, SERVER, 443, SYN, ISN, 0);

	begin(DPI SETS ALL);
	ask_dns("bad", WEIR_DROP, WEIR_DROP_INSPECT);
	ask_dns("blocked", WEIR_REJECT, WEIR_DROP_INSPECT_RESET);
	syn.data = hello_curl; /* fast open */
	syn.data_bytes = sizeof(hello_curl);
	toy_expect(LAN, &syn, WEIR_REJECT, WEIR_DROP_INSPECT_RESET);
	CU_ASSERT_EQUAL(toy_flows(), 0);
	CU_ASSERT_EQUAL(counters()->used, 0);
	CU_ASSERT_PTR_NULL(sent());
	end();
}

static void test_a_pattern_over_two_segments_drops_in_silence(void)
{
	begin_with("7:/at+ack/i\n", ", action: drop", ALL);
	connect_from(1000);
	EXPECT(1000, WEIR_DIR_ORIG, 0, "an ATT", 6, WEIR_NEXT, WEIR_DROP_NONE);
	EXPECT(1000, WEIR_DIR_REPLY, 0, "fine", 4, WEIR_NEXT, WEIR_DROP_NONE);
	EXPECT(1000, WEIR_DIR_ORIG, 6, "ack", 3, WEIR_DROP, WEIR_DROP_INSPECT);
	EXPECT(1000, WEIR_DIR_ORIG, 6, "ack", 3, WEIR_DROP, WEIR_DROP_INSPECT);
	EXPECT(1000, WEIR_DIR_REPLY, 4, "?", 1, WEIR_DROP, WEIR_DROP_INSPECT);
	CU_ASSERT_PTR_NULL(sent());
	CU_ASSERT_EQUAL(counters()->used, 0);
	CU_ASSERT_EQUAL(flow_from(1000)->cls, WEIR_FLOW_CLOSING);
	end_with();
}

static void test_states_end_with_their_flows(void)
{
	begin_with("7:/attack/\n", "", ALL);
	connect_from(1000);
	ask_dns("good", WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(counters()->used, 2);
	for (uint32_t i = 0; i < 64; i++)
		weir_flow_kill(world.shard.tracker->flows, i);
	CU_ASSERT_EQUAL(counters()->used, 0);
	CU_ASSERT_EQUAL(toy_stats()->exts_used, 0);
	end_with();
}

static void test_where_only_names_are_looked_for_a_state_ends_with_the_name(void)
{
	begin(DPI ALL);
	connect_from(1000);
	CU_ASSERT_EQUAL(counters()->used, 1);
	EXPECT(1000, WEIR_DIR_ORIG, 0, hello_curl, sizeof(hello_curl), WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(counters()->used, 0);
	CU_ASSERT_EQUAL(toy_stats()->exts_used, 0);
	CU_ASSERT_EQUAL(flow_from(1000)->app, WEIR_SNIFF_TLS);
	CU_ASSERT_FALSE(flow_from(1000)->flags & WEIR_FLOW_INSPECT);
	end();
}

static void test_flows_without_a_state_pass_uninspected(void)
{
	begin(DPI SETS ALL);
	for (uint16_t port = 1000; port <= 1016; port++)
		connect_from(port);
	CU_ASSERT_EQUAL(counters()->no_state, 1);
	EXPECT(1016, WEIR_DIR_ORIG, 0, hello_curl, sizeof(hello_curl), WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(flow_from(1016)->app, WEIR_APP_UNKNOWN);
	EXPECT(1000, WEIR_DIR_ORIG, 0, hello_curl, sizeof(hello_curl), WEIR_REJECT,
	       WEIR_DROP_INSPECT_RESET);
	rte_pktmbuf_free(sent());
	end();
}

static void test_a_rule_of_an_application_lets_in_what_may_be_it(void)
{
	begin(DPI RULES "    - {name: tls, application: tls, action: accept}\n"
			"    - {name: rest, application: http, action: reject}\n");
	connect_from(1000);
	connect_from(1001);
	connect_from(1002);
	EXPECT(1000, WEIR_DIR_ORIG, 0, hello_curl, sizeof(hello_curl), WEIR_NEXT, WEIR_DROP_NONE);
	EXPECT(1000, WEIR_DIR_ORIG, sizeof(hello_curl), "x", 1, WEIR_NEXT, WEIR_DROP_NONE);
	EXPECT(1001, WEIR_DIR_ORIG, 0, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27, WEIR_NEXT,
	       WEIR_DROP_NONE);
	EXPECT(1001, WEIR_DIR_REPLY, 0, "x", 1, WEIR_REJECT, WEIR_DROP_RULE_REJECT);
	EXPECT(1002, WEIR_DIR_ORIG, 0, ODD, 24, WEIR_NEXT, WEIR_DROP_NONE);
	EXPECT(1002, WEIR_DIR_ORIG, 24, "x", 1, WEIR_DROP, WEIR_DROP_RULE);
	CU_ASSERT_EQUAL(toy_flows(), 1);
	end();
}

static void test_what_is_none_can_be_named(void)
{
	begin(DPI RULES "    - {name: odd, application: unknown, action: reject}\n"
			"    - {name: all, action: accept, inspect: true}\n");
	connect_from(1000);
	EXPECT(1000, WEIR_DIR_ORIG, 0, ODD, 24, WEIR_NEXT, WEIR_DROP_NONE);
	EXPECT(1000, WEIR_DIR_ORIG, 24, "x", 1, WEIR_REJECT, WEIR_DROP_RULE_REJECT);
	end();
}

static void test_a_pattern_may_tell_the_application_later(void)
{
	begin_with("7:/magic/\n", ", action: tag, application: game",
		   RULES "    - {name: game, application: game, action: drop}\n"
			 "    - {name: all, action: accept, inspect: true}\n");
	connect_from(1000);
	EXPECT(1000, WEIR_DIR_ORIG, 0, ODD, 24, WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(flow_from(1000)->app, 0);
	EXPECT(1000, WEIR_DIR_REPLY, 0, "ma", 2, WEIR_NEXT, WEIR_DROP_NONE);
	EXPECT(1000, WEIR_DIR_REPLY, 2, "gic", 3, WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT(flow_from(1000)->app >= WEIR_APP_NAMED);
	EXPECT(1000, WEIR_DIR_ORIG, 24, "x", 1, WEIR_DROP, WEIR_DROP_RULE);
	end_with();
}

static void test_what_cannot_be_inspected_is_of_no_application(void)
{
	const struct toy_ip self = toy_tcp(CLIENT, 1000, "10.0.0.1", 22, SYN, ISN, 0);
	const struct toy_ip ping = {
		.proto = IPPROTO_ICMP, .src = CLIENT, .sport = 5, .dst = SERVER, .icmp_type = 8};

	begin(DPI RULES "    - {name: tls, application: tls, action: accept}\n");
	toy_expect(LAN, &self, WEIR_DROP, WEIR_DROP_RULE);
	toy_expect(LAN, &ping, WEIR_DROP, WEIR_DROP_RULE);
	end();
}

static void test_a_reload_without_a_change_goes_on_where_it_was(void)
{
	const struct weir_dpi *before;
	char text[1024];

	begin_with("7:/attack/\n", ", action: drop", ALL);
	before = world.gen.policy->dpi;
	connect_from(1000);
	EXPECT(1000, WEIR_DIR_ORIG, 0, "att", 3, WEIR_NEXT, WEIR_DROP_NONE);
	snprintf(text, sizeof(text),
		 DPI "  patterns: {p: {file: /tmp/weir-dpi-node-%d, action: drop}}\n" ALL
		     "    - {name: more, action: drop}\n",
		 (int)getpid());
	toy_change(text);
	CU_ASSERT_PTR_EQUAL(world.gen.policy->dpi, before);
	EXPECT(1000, WEIR_DIR_ORIG, 3, "ack", 3, WEIR_DROP, WEIR_DROP_INSPECT);
	CU_ASSERT_EQUAL(counters()->begun, 1);
	end_with();
}

static void test_a_reload_swaps_what_flows_are_inspected_for(void)
{
	begin(DPI SETS ALL);
	connect_from(1000);
	connect_from(1001);
	EXPECT(1000, WEIR_DIR_ORIG, 0, hello_curl, 60, WEIR_NEXT, WEIR_DROP_NONE);
	EXPECT(1001, WEIR_DIR_ORIG, 0, hello_curl, sizeof(hello_curl), WEIR_REJECT,
	       WEIR_DROP_INSPECT_RESET);
	toy_change(DPI "  domains: {only: {names: bad.test, action: drop}}\n" ALL);
	EXPECT(1000, WEIR_DIR_ORIG, 60, hello_curl + 60, sizeof(hello_curl) - 60, WEIR_NEXT,
	       WEIR_DROP_NONE);
	EXPECT(1001, WEIR_DIR_ORIG, 0, hello_curl, sizeof(hello_curl), WEIR_NEXT, WEIR_DROP_NONE);
	ask_dns("bad", WEIR_DROP, WEIR_DROP_INSPECT);
	toy_change(DPI RULES "    - {name: all, action: accept}\n");
	ask_dns("bad", WEIR_NEXT, WEIR_DROP_NONE);
	EXPECT(1000, WEIR_DIR_REPLY, 0, "x", 1, WEIR_NEXT, WEIR_DROP_NONE);
	EXPECT(1001, WEIR_DIR_REPLY, 0, "x", 1, WEIR_NEXT, WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(counters()->used, 0);
	end();
}

static void keep_record(void *ctx, const struct weir_record *r)
{
	struct weir_record *last = ctx;

	if (r->kind == WEIR_RECORD_ALERT)
		*last = *r;
}

static void last_alert(struct weir_record *r)
{
	memset(r, 0, sizeof(*r));
	weir_records_drain(&world.shard.tracker->records, 1, 0, 100, keep_record, r);
}

static void test_what_is_found_is_recorded(void)
{
	struct weir_record r;

	begin_with("7:/attack/\n", "", SETS ALL "records: {alerts: /dev/null}\n");
	connect_from(1000);
	EXPECT(1000, WEIR_DIR_ORIG, 0, "attack", 6, WEIR_NEXT, WEIR_DROP_NONE);
	last_alert(&r);
	CU_ASSERT(r.gid == WEIR_RECORD_GID_PATTERNS && r.signature == 7);
	CU_ASSERT(r.action == WEIR_RECORD_ACCEPT && r.text_kind == WEIR_RECORD_TEXT_NONE);
	CU_ASSERT_EQUAL(r.rule, flow_from(1000)->rule);
	CU_ASSERT(r.orig.proto == IPPROTO_TCP && r.orig.dport == RTE_BE16(443));
	connect_from(1001);
	EXPECT(1001, WEIR_DIR_ORIG, 0, hello_curl, sizeof(hello_curl), WEIR_REJECT,
	       WEIR_DROP_INSPECT_RESET);
	last_alert(&r);
	CU_ASSERT(r.gid == WEIR_RECORD_GID_DOMAINS && r.signature == 0);
	CU_ASSERT(r.action == WEIR_RECORD_REJECT && r.text_kind == WEIR_RECORD_TEXT_SNI);
	CU_ASSERT_EQUAL(r.text_bytes, strlen("www.example.com"));
	CU_ASSERT_EQUAL(memcmp(r.text, "www.example.com", r.text_bytes), 0);
	ask_dns("bad", WEIR_DROP, WEIR_DROP_INSPECT);
	last_alert(&r);
	CU_ASSERT(r.signature == 1 && r.action == WEIR_RECORD_DROP);
	CU_ASSERT_EQUAL(r.text_kind, WEIR_RECORD_TEXT_QNAME);
	end_with();
}

static void test_it_needs_flows_and_memory(void)
{
	struct weir_shard bare = {.tracker = NULL};
	void *self = NULL;

	begin(DPI ALL);
	CU_ASSERT_EQUAL(weir_node_dpi.create(&bare, &self), -EINVAL);
	failalloc_at(1);
	CU_ASSERT_EQUAL(weir_node_dpi.create(&world.shard, &self), -ENOMEM);
	CU_ASSERT_FALSE(failalloc_done());
	weir_node_dpi.free(NULL);
	end();
}

WEIR_TESTS("node/dpi", TEST(a_flow_whose_rule_does_not_inspect_is_not_looked_at),
	   TEST(a_name_in_a_hello_of_two_segments_resets_both_ends),
	   TEST(segments_that_nobody_reads_do_not_stand_in_for_others),
	   TEST(what_cannot_be_read_is_dropped_if_so_configured),
	   TEST(a_reset_goes_on_as_the_flow_leaves),
	   TEST(without_a_buffer_the_sender_is_told_alone), TEST(a_datagram_is_judged_by_itself),
	   TEST(a_flow_whose_first_packet_may_not_pass_does_not_begin),
	   TEST(a_pattern_over_two_segments_drops_in_silence), TEST(states_end_with_their_flows),
	   TEST(where_only_names_are_looked_for_a_state_ends_with_the_name),
	   TEST(flows_without_a_state_pass_uninspected),
	   TEST(a_rule_of_an_application_lets_in_what_may_be_it), TEST(what_is_none_can_be_named),
	   TEST(a_pattern_may_tell_the_application_later),
	   TEST(what_cannot_be_inspected_is_of_no_application),
	   TEST(a_reload_without_a_change_goes_on_where_it_was),
	   TEST(a_reload_swaps_what_flows_are_inspected_for), TEST(what_is_found_is_recorded),
	   TEST(it_needs_flows_and_memory))
