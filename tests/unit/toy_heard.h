/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Messages about neighbours for 15_neigh_in: ARP and ND as a peer sends them. */

#include "15_neigh_in.c"

#include "toy_neigh.h"

static struct rte_mbuf *copied;

void handoff_copy(struct weir_handoff *h, struct rte_mbuf *m, uint64_t now_ns)
{
	CU_ASSERT_EQUAL(now_ns, now);
	n_copies++;
	copied = m;
}

static inline enum weir_verdict judged(struct rte_mbuf *m)
{
	uint8_t verdict[1];
	struct weir_burst b = {.pkt = &m, .verdict = verdict, .n = 1, .pass = &toy_pass};

	neigh_in_process(&toy_shard, &b);
	return verdict[0];
}

#define SAYS(m, v)	CU_ASSERT_EQUAL(judged(m), v)
#define DROPPED(m, why) CU_ASSERT_EQUAL(reason(m), WEIR_DROP_##why)

/* Why it is dropped; WEIR_DROPS: it is not. */
static inline unsigned reason(struct rte_mbuf *m)
{
	return judged(m) == WEIR_DROP ? weir_meta(m)->drop : WEIR_DROPS;
}

/* ARP from the peer; padded to 60 bytes. */
static inline struct rte_mbuf *arp(struct toy_mbuf *t, uint16_t op, unsigned sender,
				   unsigned target)
{
	struct rte_mbuf *m = toy_mbuf(t, NULL, 60);
	uint8_t *b = rte_pktmbuf_mtod(m, uint8_t *);
	struct rte_arp_hdr *a = (struct rte_arp_hdr *)(b + 14);

	memset(b, op == RTE_ARP_OP_REQUEST ? 0xff : 0, 6);
	if (op != RTE_ARP_OP_REQUEST)
		memcpy(b, toy_mac, 6);
	memcpy(b + 6, peer_mac, 6);
	b[12] = 8;
	b[13] = 6;
	a->arp_hardware = RTE_BE16(1);
	a->arp_protocol = RTE_BE16(0x0800);
	a->arp_hlen = 6;
	a->arp_plen = 4;
	a->arp_opcode = rte_cpu_to_be_16(op);
	memcpy(&a->arp_data.arp_sha, peer_mac, 6);
	a->arp_data.arp_sip = sender == 0 ? 0 : toy_ip4(sender);
	a->arp_data.arp_tip = toy_ip4(target);
	t->meta.l3_off = 14;
	if (op == RTE_ARP_OP_REQUEST)
		t->meta.flags = WEIR_META_L2_GROUP;
	return m;
}

static inline struct rte_arp_hdr *arp_of(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, weir_meta(m)->l3_off);
}

static inline struct rte_mbuf *request(struct toy_mbuf *t, unsigned sender, unsigned target)
{
	return arp(t, RTE_ARP_OP_REQUEST, sender, target);
}

static inline struct rte_mbuf *reply(struct toy_mbuf *t, unsigned sender, unsigned target)
{
	return arp(t, RTE_ARP_OP_REPLY, sender, target);
}

/* ND: from 2001:db8::2 (or ::) about 2001:db8::target. */
struct nd_frame {
	struct toy_mbuf t;
	struct rte_ipv6_hdr *ip;
	struct nd_msg *nd;
};

static inline void nd_finish(struct nd_frame *f)
{
	const uint32_t bytes = l4_there(&f->t.m);
	uint32_t sum;

	f->ip->payload_len = rte_cpu_to_be_16((uint16_t)bytes);
	f->nd->csum = 0;
	sum = weir_csum_pseudo6(&f->ip->src_addr, &f->ip->dst_addr, 58, bytes);
	f->nd->csum = weir_csum_finish(weir_csum_add(sum, weir_csum_sum(f->nd, bytes)));
}

static inline struct rte_mbuf *nd(struct nd_frame *f, uint8_t type, uint8_t target, const char *dst)
{
	static const uint8_t prefix[15] = {0x20, 1, 0xd, 0xb8};
	struct rte_mbuf *m = toy_mbuf(&f->t, NULL, 14 + 40 + 32);
	uint8_t *b = rte_pktmbuf_mtod(m, uint8_t *);
	struct weir_prefix p;

	toy_addr(&p, dst);
	memcpy(b + 6, peer_mac, 6);
	b[12] = 0x86;
	b[13] = 0xdd;
	f->ip = (struct rte_ipv6_hdr *)(b + 14);
	f->nd = (struct nd_msg *)(f->ip + 1);
	f->ip->vtc_flow = RTE_BE32(UINT32_C(6) << 28);
	f->ip->proto = 58;
	f->ip->hop_limits = 255;
	memcpy(ip6_src(f->ip), prefix, 15);
	ip6_src(f->ip)[15] = 2;
	memcpy(ip6_dst(f->ip), p.addr.bytes, 16);
	f->nd->type = type;
	memcpy(f->nd->target, prefix, 15);
	f->nd->target[15] = target;
	f->nd->option = type == ND_SOLICIT ? ND_OPTION_SOURCE : ND_OPTION_TARGET;
	f->nd->option_words = 1;
	memcpy(f->nd->mac, peer_mac, 6);
	f->t.meta.flags = WEIR_META_IP6 | WEIR_META_L4;
	f->t.meta.proto = 58;
	f->t.meta.l3_off = 14;
	f->t.meta.l4_off = 54;
	nd_finish(f);
	return m;
}

static inline struct rte_mbuf *solicit(struct nd_frame *f)
{
	return nd(f, ND_SOLICIT, 1, "ff02::1:ff00:1/128");
}

static inline struct rte_mbuf *advert(struct nd_frame *f, uint32_t flags)
{
	struct rte_mbuf *m = nd(f, ND_ADVERT, 2, "2001:db8::1/128");

	f->nd->flags_be = rte_cpu_to_be_32(flags);
	nd_finish(f);
	return m;
}

/* Duplicate address detection: from nobody, without an option. */
static inline struct rte_mbuf *dad(struct nd_frame *f)
{
	struct rte_mbuf *m = solicit(f);

	memset(ip6_src(f->ip), 0, 16);
	m->data_len -= 8;
	m->pkt_len -= 8;
	nd_finish(f);
	return m;
}

static inline struct neigh_key key6(uint8_t last)
{
	const uint8_t addr[16] = {0x20, 1, 0xd, 0xb8, [15] = last};

	return neigh_key6(0, addr);
}

static inline void check_advert(struct nd_frame *f, const char *dst, uint32_t flags)
{
	const uint32_t bytes = sizeof(struct nd_msg);
	struct weir_prefix p;
	uint32_t sum;

	toy_addr(&p, dst);
	CU_ASSERT_EQUAL(f->t.m.pkt_len, 14 + 40 + 32);
	CU_ASSERT_EQUAL(f->t.m.data_len, 14 + 40 + 32);
	CU_ASSERT_EQUAL(f->nd->type, ND_ADVERT);
	CU_ASSERT_EQUAL(f->nd->flags_be, rte_cpu_to_be_32(flags));
	CU_ASSERT_EQUAL(f->nd->option, ND_OPTION_TARGET);
	CU_ASSERT_EQUAL(f->ip->hop_limits, 255);
	CU_ASSERT_EQUAL(memcmp(f->nd->mac, toy_mac, 6), 0);
	CU_ASSERT_EQUAL(memcmp(ip6_src(f->ip), f->nd->target, 16), 0);
	CU_ASSERT_EQUAL(memcmp(ip6_dst(f->ip), p.addr.bytes, 16), 0);
	sum = weir_csum_pseudo6(&f->ip->src_addr, &f->ip->dst_addr, 58, bytes);
	CU_ASSERT_EQUAL(weir_csum_finish(weir_csum_add(sum, weir_csum_sum(f->nd, bytes))), 0);
}
