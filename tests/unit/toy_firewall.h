/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A firewall of one worker without ports: a policy from YAML, the stages 30, 35, 40, 45 and 50, and
 * packets that are built, parsed and judged one at a time.
 *
 *	lan  port 0, 02:00:00:00:00:00, 10.0.0.1/24, 2001:db8:1::1/64
 *	wan  port 1, 02:00:00:00:00:01, 192.0.2.1/24; the way to all others
 *	     198.18.0.0/15 is a black hole, 203.0.113.0/24 prohibited; of IPv6 2001:db8:2::/32 alone
 */

#define TOY_EAL_MIB 768
#include "toy_eal.h"
#include "toy_fw.h"
#include "toy_mbuf.h"

#include <errno.h>
#include <netinet/in.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_sctp.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <stdlib.h>
#include <weir/dpi.h>
#include <weir/nodes.h>
#include <weir/rib.h>
#include <weir/shard.h>

enum { LAN, WAN };

#define SECOND UINT64_C(1000000000)
#define SYN    RTE_TCP_SYN_FLAG
#define ACK    RTE_TCP_ACK_FLAG
#define RST    RTE_TCP_RST_FLAG

#define WORLD_PORTS "ports: {lan: {device: a}, wan: {device: b}}\n"

static const struct weir_node_ops *const toy_stages[] = {
	&weir_node_conntrack, &weir_node_balance, &weir_node_acl, &weir_node_dpi, &weir_node_nat};
#define TOY_STAGES RTE_DIM(toy_stages)

static struct {
	struct toy_fw fw;
	struct weir_rib *rib;
	struct weir_gen gen;
	struct weir_shard shard;
	void *node[TOY_STAGES];
	uint64_t now_ns;
} world;

/* A packet. Of ICMP sport is the identifier. */
struct toy_ip {
	uint8_t proto;
	const char *src;
	uint16_t sport;
	const char *dst;
	uint16_t dport;
	uint8_t tcp_flags;
	uint32_t seq, ack;
	uint8_t icmp_type;
	uint8_t ttl; /* 0: 64 */
	uint8_t dscp;
	const void *data; /* behind the header: 20 bytes of TCP, 12 of SCTP, 8 of others */
	uint16_t data_bytes;
};

static inline struct weir_addr toy_addr(const char *text)
{
	struct weir_addr a = {0};

	CU_ASSERT_EQUAL_FATAL(weir_addr_parse(text, strlen(text), &a), 0);
	return a;
}

static inline struct weir_prefix toy_prefix(const char *text)
{
	struct weir_prefix p = {0};

	CU_ASSERT_EQUAL_FATAL(weir_prefix_parse(text, strlen(text), &p), 0);
	return p;
}

static inline void toy_routes(void)
{
	static const struct weir_rib_conf small = {
		.routes4 = 256, .routes6 = 256, .groups4 = 64, .groups6 = 256, .numa = -1};
	const struct weir_nexthop out = {.gateway = toy_addr("192.0.2.2"), .iface = WEIR_NO_IFACE};
	const struct weir_nexthop on_wan = {.iface = WAN};
	const struct weir_route routes[] = {
		{.to = toy_prefix("0.0.0.0/0"),
		 .kind = WEIR_HOP_GATEWAY,
		 .n_hops = 1,
		 .hops = &out,
		 .source = WEIR_ROUTE_STATIC},
		{.to = toy_prefix("2001:db8:2::/48"),
		 .kind = WEIR_HOP_GATEWAY,
		 .n_hops = 1,
		 .hops = &on_wan,
		 .source = WEIR_ROUTE_STATIC},
		{.to = toy_prefix("198.18.0.0/15"),
		 .kind = WEIR_HOP_BLACKHOLE,
		 .source = WEIR_ROUTE_STATIC},
		{.to = toy_prefix("203.0.113.0/24"),
		 .kind = WEIR_HOP_PROHIBIT,
		 .source = WEIR_ROUTE_STATIC},
	};
	struct weir_iface ifaces[2] = {
		{.name = "lan", .port = 0, .mtu = 1500, .mac = {2}},
		{.name = "wan", .port = 1, .mtu = 1500, .mac = {2, [5] = 1}}};
	struct weir_why why = {""};

	ifaces[LAN].addr[ifaces[LAN].n_addrs++] = toy_prefix("10.0.0.1/24");
	ifaces[LAN].addr[ifaces[LAN].n_addrs++] = toy_prefix("2001:db8:1::1/64");
	ifaces[WAN].addr[ifaces[WAN].n_addrs++] = toy_prefix("192.0.2.1/24");
	toy_eal();
	CU_ASSERT_EQUAL_FATAL(weir_rib_create(&small, &world.rib, &why), 0);
	CU_ASSERT_EQUAL_FATAL(weir_rib_begin(world.rib), 0);
	CU_ASSERT_EQUAL_FATAL(weir_rib_set_ifaces(world.rib, ifaces, 2, &why), 0);
	CU_ASSERT_EQUAL_FATAL(
		weir_rib_replace(world.rib, WEIR_ROUTE_STATIC, routes, RTE_DIM(routes), &why), 0);
	CU_ASSERT_EQUAL_FATAL(weir_rib_commit(world.rib, &world.gen.l3, &why), 0);
}

/* What the control side does for the workers of a system. */
static inline void toy_prepare(void)
{
	struct weir_dpi *dpi = world.gen.policy->dpi;

	if (dpi != NULL)
		CU_ASSERT_EQUAL_FATAL(weir_dpi_worker_prepare(world.shard.tracker->dpi, dpi, NULL),
				      0);
}

/* Begin with what stands behind the ports in a configuration. */
static inline void toy_begin(const char *text)
{
	struct weir_why why = {""};
	int rc;

	memset(&world, 0, sizeof(world));
	toy_routes();
	rc = toy_fw_open(&world.fw, text, world.rib, &why);
	if (rc < 0)
		printf("\n  %s\n", why.text);
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	world.gen.policy = world.fw.l3.policy;
	world.now_ns = 5 * SECOND;
	world.shard = (struct weir_shard){.workers = 1,
					  .numa = SOCKET_ID_ANY,
					  .limits = WEIR_LIMITS_DEFAULT,
					  .secret = {1, 2}};
	CU_ASSERT_EQUAL_FATAL(weir_wheel_create(1 << 17, 0, &world.shard.wheel), 0);
	CU_ASSERT_EQUAL_FATAL(weir_tracker_create(fw_sizes(world.fw.run.fw), &world.shard,
						  &world.shard.tracker, &why),
			      0);
	toy_prepare();
	for (unsigned i = 0; i < TOY_STAGES; i++)
		CU_ASSERT_EQUAL_FATAL(toy_stages[i]->create(&world.shard, &world.node[i]), 0);
}

/* Other routes: all is routed, also of IPv6; with @odd some of it is not. */
static inline void toy_reroute(bool odd)
{
	const struct weir_nexthop out = {.gateway = toy_addr("192.0.2.2"), .iface = WEIR_NO_IFACE};
	const struct weir_nexthop on_wan = {.iface = WAN};
	const struct weir_route routes[] = {{.to = toy_prefix("0.0.0.0/0"),
					     .kind = WEIR_HOP_GATEWAY,
					     .n_hops = 1,
					     .hops = &out,
					     .source = WEIR_ROUTE_STATIC},
					    {.to = toy_prefix("198.18.0.0/15"),
					     .kind = WEIR_HOP_BLACKHOLE,
					     .source = WEIR_ROUTE_STATIC},
					    {.to = toy_prefix(odd ? "2001:db8:2::/48" : "::/0"),
					     .kind = WEIR_HOP_GATEWAY,
					     .n_hops = 1,
					     .hops = &on_wan,
					     .source = WEIR_ROUTE_STATIC},
					    {.to = toy_prefix("203.0.113.0/24"),
					     .kind = WEIR_HOP_UNREACHABLE,
					     .source = WEIR_ROUTE_STATIC}};
	const struct weir_l3 *old = world.gen.l3;
	struct weir_why why;

	CU_ASSERT_EQUAL_FATAL(weir_rib_begin(world.rib), 0);
	CU_ASSERT_EQUAL_FATAL(weir_rib_replace(world.rib, WEIR_ROUTE_STATIC, routes,
					       RTE_DIM(routes) - !odd, &why),
			      0);
	CU_ASSERT_EQUAL_FATAL(weir_rib_commit(world.rib, &world.gen.l3, &why), 0);
	weir_rib_release(world.rib, old);
}

static inline void toy_change(const char *text)
{
	struct weir_policy *old = weir_policy_hold(world.fw.l3.policy);
	struct weir_why why = {""};
	const int rc = toy_fw_reload(&world.fw, text, &why);

	if (rc < 0)
		printf("\n  %s\n", why.text);
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	world.gen.policy = world.fw.l3.policy;
	toy_prepare();
	if (old->dpi != world.gen.policy->dpi)
		weir_dpi_worker_retire(world.shard.tracker->dpi, old->dpi);
	weir_policy_release(old);
}

static inline const struct weir_flow_stats *toy_stats(void)
{
	return weir_flow_table_stats(world.shard.tracker->flows);
}

/* Flows that are known; no draft may have been left behind. */
static inline uint64_t toy_flows(void)
{
	const struct weir_flow_stats *s = toy_stats();
	uint64_t known = s->created - s->killed;

	for (unsigned c = 0; c < WEIR_FLOW_CLASSES; c++)
		known -= s->expired[c] + s->evicted[c];
	CU_ASSERT_EQUAL(s->used, known);
	return known;
}

static inline void toy_end(void)
{
	toy_flows();
	for (unsigned i = 0; i < TOY_STAGES; i++)
		if (toy_stages[i]->free != NULL)
			toy_stages[i]->free(world.node[i]);
	weir_tracker_free(world.shard.tracker);
	weir_wheel_free(world.shard.wheel);
	toy_fw_close(&world.fw);
	weir_rib_release(world.rib, world.gen.l3);
	weir_rib_free(world.rib);
}

static inline uint16_t toy_l4_bytes(const struct toy_ip *p)
{
	return (uint16_t)((p->proto == IPPROTO_TCP    ? 20
			   : p->proto == IPPROTO_SCTP ? 12
						      : 8) +
			  p->data_bytes);
}

static inline void toy_l4(const struct toy_ip *p, uint8_t *at)
{
	memset(at, 0, toy_l4_bytes(p));
	if (p->proto == IPPROTO_TCP) {
		struct rte_tcp_hdr *tcp = (void *)at;

		*tcp = (struct rte_tcp_hdr){.src_port = rte_cpu_to_be_16(p->sport),
					    .dst_port = rte_cpu_to_be_16(p->dport),
					    .sent_seq = rte_cpu_to_be_32(p->seq),
					    .recv_ack = rte_cpu_to_be_32(p->ack),
					    .data_off = 5 << 4,
					    .tcp_flags = p->tcp_flags,
					    .rx_win = RTE_BE16(1000)};
	} else if (p->proto == IPPROTO_UDP) {
		struct rte_udp_hdr *udp = (void *)at;

		*udp = (struct rte_udp_hdr){.src_port = rte_cpu_to_be_16(p->sport),
					    .dst_port = rte_cpu_to_be_16(p->dport),
					    .dgram_len = rte_cpu_to_be_16(toy_l4_bytes(p))};
	} else if (p->proto == IPPROTO_SCTP) {
		*(struct rte_sctp_hdr *)at =
			(struct rte_sctp_hdr){.src_port = rte_cpu_to_be_16(p->sport),
					      .dst_port = rte_cpu_to_be_16(p->dport),
					      .tag = 1,
					      .cksum = 2};
	} else {
		at[0] = p->icmp_type;
		at[4] = (uint8_t)(p->sport >> 8);
		at[5] = (uint8_t)p->sport;
	}
	if (p->data_bytes > 0)
		memcpy(at + toy_l4_bytes(p) - p->data_bytes, p->data, p->data_bytes);
}

static inline uint16_t toy_l4_sum(const struct toy_ip *p, const void *ip, const void *at, bool six)
{
	const uint16_t n = toy_l4_bytes(p);

	if (p->proto == IPPROTO_ICMP)
		return (uint16_t)~rte_raw_cksum(at, n);
	return six ? rte_ipv6_udptcp_cksum(ip, at) : rte_ipv4_udptcp_cksum(ip, at);
}

/* Where its checksum lies in a header. */
static inline uint8_t *toy_sum_at(uint8_t proto, uint8_t *at)
{
	return at + (proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 2);
}

/* IP and what is in it, with right checksums; its bytes. */
static inline uint16_t toy_ip_bytes(const struct toy_ip *p, uint8_t *at)
{
	const struct weir_addr src = toy_addr(p->src), dst = toy_addr(p->dst);
	const uint16_t n = toy_l4_bytes(p);
	const bool six = src.family == 6;
	uint8_t *body = at + (six ? 40 : 20);
	uint16_t sum;

	if (six) {
		memset(at, 0, 40);
		at[0] = (uint8_t)(0x60 | p->dscp >> 2);
		at[1] = (uint8_t)(p->dscp << 6);
		at[4] = (uint8_t)(n >> 8);
		at[5] = (uint8_t)n;
		at[6] = p->proto;
		at[7] = p->ttl == 0 ? 64 : p->ttl;
		memcpy(at + 8, src.bytes, 16);
		memcpy(at + 24, dst.bytes, 16);
	} else {
		struct rte_ipv4_hdr *ip = (void *)at;

		*ip = (struct rte_ipv4_hdr){.version_ihl = RTE_IPV4_VHL_DEF,
					    .type_of_service = (uint8_t)(p->dscp << 2),
					    .total_length = rte_cpu_to_be_16((uint16_t)(20 + n)),
					    .time_to_live = p->ttl == 0 ? 64 : p->ttl,
					    .next_proto_id = p->proto};
		memcpy(&ip->src_addr, src.bytes, 4);
		memcpy(&ip->dst_addr, dst.bytes, 4);
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	toy_l4(p, body);
	if (p->proto == IPPROTO_SCTP)
		return (uint16_t)(body - at + n); /* no checksum that covers addresses */
	sum = toy_l4_sum(p, at, body, six);
	memcpy(toy_sum_at(p->proto, body), &sum, sizeof(sum));
	return (uint16_t)(body - at + n);
}

/* A packet that came in by an interface and was parsed. */
static inline struct rte_mbuf *toy_come(struct toy_mbuf *t, unsigned iface, const struct toy_ip *p)
{
	const struct weir_pass pass = {.now_ns = world.now_ns, .gen = &world.gen};
	uint8_t frame[1024] = {2, 0, 0, 0, 0, (uint8_t)iface, 2, 0, 0, 0, 0, 9}, verdict;
	const bool six = strchr(p->src, ':') != NULL;
	struct rte_mbuf *m;
	struct weir_burst b = {.pkt = &m, .verdict = &verdict, .n = 1, .pass = &pass};

	frame[12] = six ? 0x86 : 0x08;
	frame[13] = six ? 0xdd : 0x00;
	m = toy_mbuf(t, frame, 0);
	m->data_len = (uint16_t)(14 + toy_ip_bytes(p, frame + 14));
	m->pkt_len = m->data_len;
	memcpy(rte_pktmbuf_mtod(m, void *), frame, m->data_len);
	weir_meta(m)->port_in = (uint16_t)iface;
	weir_node_parse.process(NULL, &b);
	CU_ASSERT_EQUAL_FATAL(verdict, WEIR_NEXT);
	return m;
}

/* One stage's judgement. */
static inline enum weir_verdict toy_stage(unsigned i, struct rte_mbuf *m)
{
	const struct weir_pass pass = {.now_ns = world.now_ns, .gen = &world.gen};
	uint8_t verdict = WEIR_VERDICTS;
	struct weir_burst b = {.pkt = &m, .verdict = &verdict, .n = 1, .pass = &pass};

	toy_stages[i]->process(world.node[i], &b);
	return (enum weir_verdict)verdict;
}

/* Packets that come together, through one stage. */
static inline void toy_stage_together(unsigned i, struct rte_mbuf **m, uint8_t *said, uint16_t n)
{
	const struct weir_pass pass = {.now_ns = world.now_ns, .gen = &world.gen};
	struct weir_burst b = {.pkt = m, .verdict = said, .n = n, .pass = &pass};

	toy_stages[i]->process(world.node[i], &b);
}

/* From stage to stage as long as they say NEXT; the last word. */
static inline enum weir_verdict toy_walk(struct rte_mbuf *m)
{
	enum weir_verdict v = WEIR_NEXT;

	for (unsigned i = 0; i < TOY_STAGES && v == WEIR_NEXT; i++)
		v = toy_stage(i, m);
	return v == WEIR_KNOWN ? WEIR_NEXT : v; /* both go to 60_route */
}

/* What becomes of a packet, and why if it does not pass. */
static inline enum weir_verdict toy_judge(unsigned iface, const struct toy_ip *p,
					  enum weir_drop *why)
{
	struct toy_mbuf t;
	enum weir_verdict v;

	v = toy_walk(toy_come(&t, iface, p));
	*why = (enum weir_drop)t.meta.drop;
	return v;
}

static inline void toy_expect(unsigned iface, const struct toy_ip *p, enum weir_verdict verdict,
			      enum weir_drop why)
{
	enum weir_drop is;

	CU_ASSERT_EQUAL(toy_judge(iface, p, &is), verdict);
	CU_ASSERT_EQUAL(is, why);
	if (is != why)
		printf("\n  is %s, want %s\n", weir_drop_text(is)->label,
		       weir_drop_text(why)->label);
}

/* Of UDP; what most tests send. */
static inline struct toy_ip toy_udp(const char *src, uint16_t sport, const char *dst,
				    uint16_t dport)
{
	return (struct toy_ip){
		.proto = IPPROTO_UDP, .src = src, .sport = sport, .dst = dst, .dport = dport};
}

static inline struct toy_ip toy_tcp(const char *src, uint16_t sport, const char *dst,
				    uint16_t dport, uint8_t flags, uint32_t seq, uint32_t ack)
{
	return (struct toy_ip){.proto = IPPROTO_TCP,
			       .src = src,
			       .sport = sport,
			       .dst = dst,
			       .dport = dport,
			       .tcp_flags = flags,
			       .seq = seq,
			       .ack = ack};
}
