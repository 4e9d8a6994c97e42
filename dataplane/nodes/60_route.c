/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 60_route: choose where a packet goes by its destination (RFC 1812 section 5, RFC 8200).
 *
 * Takes:  NEXT and KNOWN, IPv4 or IPv6 with meta.l3_off set.
 * Says:   LOCAL if it is for an address of ours, a group that is heard here, or by broadcast (then
 *         with WEIR_META_BROADCAST); OUT with meta.hop and meta.iface_out set
 *         and the TTL one lower (that of our own packets stays);
 *         REJECT if the TTL ran out, nothing leads there or it is too long;
 *         DROP if a route says so, or if it may not be forwarded;
 *         HELD for what was fragmented (IPv4, IPv6 of ours or made of IPv4): its fragments are
 *         02_origin's, for OUT.
 * Holds:  nothing. Reads the forwarding tables of the pass's generation.
 *
 * Our own packets to a group or a link-local address leave by meta.iface_in: who makes one says so
 * there. ICMP redirects are not sent (RFC 1812 section 5.2.7.2 allows it).
 */

#include <weir/nodes.h>
#include <weir/offload.h>
#include <weir/port.h>

#include <rte_branch_prediction.h>
#include <rte_ip_frag.h>
#include <rte_prefetch.h>
#include <weir/gen.h>
#include <weir/shard.h>

#include "group_priv.h"
#include "packet_priv.h"
#include "route_priv.h"

/* Packets ahead whose header is fetched, as in 10_parse. */
#define AHEAD	  4
#define IP6_BYTES sizeof(struct rte_ipv6_hdr)

/* RFC 8200 section 5. */
#define IP6_MTU_LEAST 1280

/* A packet of 64 KiB in fragments for an MTU of 576 (RFC 791: every host takes those). */
#define FRAGMENTS_MAX 128

/* What the headers say that a next hop is chosen by: equal for both directions and all packets. */
static uint32_t flow_hash(const struct weir_shard *s, struct rte_mbuf *m)
{
	const struct weir_meta *meta = weir_meta(m);
	uint64_t h = meta->hash;

	if (h == 0) {
		if (meta->flags & WEIR_META_IP4) {
			h = ip4(m)->src_addr ^ ip4(m)->dst_addr;
		} else {
			uint64_t a[4]; /* both addresses */

			memcpy(a, ip6_src(ip6(m)), sizeof(a));
			h = (a[0] ^ a[2]) + (a[1] ^ a[3]);
		}
		h = h * 31 + meta->proto;
		if ((meta->flags & (WEIR_META_L4 | WEIR_META_FRAG)) == WEIR_META_L4 &&
		    (meta->proto == IPPROTO_TCP || meta->proto == IPPROTO_UDP)) {
			uint16_t port[2];

			memcpy(port, l4(m), sizeof(port));
			h = h * 31 + (uint16_t)(port[0] ^ port[1]);
		}
	}
	return (uint32_t)(((h ^ s->secret.k0) * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

/* The member of a group that this packet's flow goes by. */
static uint16_t member_of(const struct weir_shard *s, const struct weir_l3 *l3, struct rte_mbuf *m,
			  uint16_t group)
{
	const uint64_t n = l3->hops[group].group_n;

	return l3->members[group][(flow_hash(s, m) * n) >> 32];
}

/* The next hop of this number, or if it is a group the member for this packet. */
static inline const struct weir_hop *choose_hop(const struct weir_shard *s,
						const struct weir_l3 *l3, struct rte_mbuf *m,
						uint16_t *number)
{
	if (l3->hops[*number].kind == WEIR_HOP_GROUP)
		*number = member_of(s, l3, m, *number);
	return &l3->hops[*number];
}

/* A packet of ours whose destination says nothing about the link. */
static enum weir_verdict say_out_on_link(const struct weir_l3 *l3, struct rte_mbuf *m)
{
	const uint16_t iface = weir_meta(m)->iface_in;

	if (iface >= l3->n_ifaces || l3->link_hop[iface] == 0)
		return weir_say_drop(m, WEIR_DROP_NO_ROUTE);
	return say_out(l3, m, l3->link_hop[iface]);
}

/* The interface that it came in by, or NULL. */
static const struct weir_iface *iface_in(const struct weir_l3 *l3, struct rte_mbuf *m)
{
	const uint16_t iface = weir_meta(m)->iface_in;

	return iface < l3->n_ifaces ? &l3->ifaces[iface] : NULL;
}

/* Groups that never leave a link: routing daemons in the kernel hear them (RFC 5771, RFC 4291). */
static bool is_link_group(struct rte_mbuf *m)
{
	if (weir_meta(m)->flags & WEIR_META_IP4)
		return (ip4(m)->dst_addr & RTE_BE32(0xffffff00)) == RTE_BE32(0xe0000000);
	return (ip6_dst(ip6(m))[1] & 0x0f) == 0x02;
}

static bool is_our_link_local(const struct weir_iface *f, const uint8_t *dst)
{
	if (memcmp(f->link_local.bytes, dst, 16) == 0)
		return true;
	for (uint8_t k = 0; k < f->n_addrs; k++)
		if (f->addr[k].addr.family == 6 && memcmp(f->addr[k].addr.bytes, dst, 16) == 0)
			return true;
	return false;
}

static enum weir_verdict route_group(const struct weir_shard *s, const struct weir_l3 *l3,
				     struct rte_mbuf *m)
{
	const struct weir_iface *f = iface_in(l3, m);

	if (weir_meta(m)->flags & WEIR_META_OURS)
		return say_out_on_link(l3, m);
	if ((f != NULL && f->kernel && is_link_group(m)) || stack_hears(s, m))
		return WEIR_LOCAL;
	return weir_say_drop(m, WEIR_DROP_MULTICAST);
}

/* A broadcast address, or a group that all hear. */
static enum weir_verdict route_broadcast(const struct weir_l3 *l3, struct rte_mbuf *m, uint16_t hop)
{
	const uint16_t iface = l3->hops[hop].iface;
	const bool v4 = weir_meta(m)->flags & WEIR_META_IP4;

	if (weir_meta(m)->flags & WEIR_META_OURS)
		return iface == WEIR_NO_IFACE ? say_out_on_link(l3, m) : say_out(l3, m, hop);
	if (iface == WEIR_NO_IFACE || iface == weir_meta(m)->iface_in) {
		if (v4 && *(const uint8_t *)&ip4(m)->dst_addr >> 4 != 0xe)
			weir_meta(m)->flags |= WEIR_META_BROADCAST;
		return WEIR_LOCAL;
	}
	return weir_say_drop(m, WEIR_DROP_MULTICAST); /* RFC 2644: not onto another link */
}

static enum weir_verdict route_link_local(const struct weir_l3 *l3, struct rte_mbuf *m)
{
	const struct weir_iface *f = iface_in(l3, m);

	if (f != NULL && is_our_link_local(f, ip6_dst(ip6(m))))
		return WEIR_LOCAL;
	if (weir_meta(m)->flags & WEIR_META_OURS)
		return say_out_on_link(l3, m);
	return weir_say_drop(m, WEIR_DROP_LINK_LOCAL);
}

/* All that is not simply passed on to a neighbour. */
static __rte_noinline enum weir_verdict route_other(struct weir_shard *s, const struct weir_l3 *l3,
						    struct rte_mbuf *m, uint16_t hop)
{
	const enum weir_hop_kind kind = l3->hops[hop].kind;
	const uint32_t flags = weir_meta(m)->flags;

	if (kind == WEIR_HOP_BROADCAST)
		return route_broadcast(l3, m, hop);
	if (kind == WEIR_HOP_MULTICAST)
		return route_group(s, l3, m);
	/* RFC 1812 5.3.4, RFC 1122 3.3.6: a frame to all with a packet to one. */
	if ((flags & WEIR_META_L2_GROUP) && !(flags & WEIR_META_OURS))
		return weir_say_drop(m, WEIR_DROP_L2_GROUP_FWD);
	switch (kind) {
	case WEIR_HOP_LOCAL:
		if (!(flags & WEIR_META_OURS) && is_to_itself(m))
			return weir_say_drop(m, WEIR_DROP_IP_SOURCE);
		return WEIR_LOCAL;
	case WEIR_HOP_LINK_LOCAL:
		return route_link_local(l3, m);
	case WEIR_HOP_BLACKHOLE:
		return weir_say_drop(m, WEIR_DROP_BLACKHOLE);
	case WEIR_HOP_PROHIBIT:
		return weir_say_reject(m, WEIR_DROP_PROHIBITED);
	default: /* NONE, UNREACHABLE */
		return weir_say_reject(m, WEIR_DROP_NO_ROUTE);
	}
}

/* A fragment's metadata; it begins with its IP header. */
static void dress_fragment(struct rte_mbuf *f, const struct weir_meta *of, uint16_t l4_off,
			   bool later)
{
	struct weir_meta *meta = weir_meta(f);

	*meta = *of;
	/* A new packet, which only goes forward: the whole may have been put together here. */
	meta->laps = 0;
	meta->l3_off = 0;
	meta->l4_off = l4_off;
	meta->flags = (meta->flags & ~(uint32_t)WEIR_META_L4) | WEIR_META_FRAG;
	if (later)
		meta->flags |= WEIR_META_FRAG_LATER;
	f->ol_flags &= ~(RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_L4_MASK);
}

static void dress_fragment4(struct rte_mbuf *f, const struct weir_meta *of)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(f, struct rte_ipv4_hdr *);

	dress_fragment(f, of, rte_ipv4_hdr_len(ip),
		       ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, rte_ipv4_hdr_len(ip));
}

/* rte_ipv6_fragment_packet() gives every packet the identification 0 (RFC 8200 4.5: unique). */
static void dress_fragment6(struct rte_mbuf *f, const struct weir_meta *of, uint32_t id)
{
	struct rte_ipv6_fragment_ext *ext =
		rte_pktmbuf_mtod_offset(f, struct rte_ipv6_fragment_ext *, IP6_BYTES);

	dress_fragment(f, of, IP6_BYTES + sizeof(*ext),
		       ext->frag_data & RTE_BE16(RTE_IPV6_EHDR_FO_MASK));
	ext->id = id;
}

/* Leave nothing but the IP packet, as rte_ip_frag wants it. */
static bool strip_to_ip(struct rte_mbuf *m, uint32_t ip_bytes)
{
	const uint16_t l3_off = weir_meta(m)->l3_off;

	if (rte_pktmbuf_adj(m, l3_off) == NULL || m->pkt_len < ip_bytes ||
	    rte_pktmbuf_trim(m, (uint16_t)(m->pkt_len - ip_bytes)) != 0)
		return false;
	weir_meta(m)->l3_off = 0;
	weir_meta(m)->l4_off -= l3_off;
	return true;
}

static enum weir_verdict sent_as_fragments(struct weir_shard *s, struct rte_mbuf *m,
					   struct rte_mbuf *const *out, int32_t n)
{
	if (n == -ENOMEM)
		return weir_say_drop(m, WEIR_DROP_NO_MBUF);
	if (n < 0)
		return weir_say_drop(m, WEIR_DROP_FRAG_NEEDED);
	for (int32_t i = 0; i < n; i++)
		weir_origin_push(s->origin, out[i], WEIR_OUT);
	weir_count(&s->counters.fragmented, 1);
	rte_pktmbuf_free(m); /* the fragments hold its data */
	return WEIR_HELD;
}

/* RFC 791 3.2, RFC 1812 5.3.3. The packet's meta.hop is set and its TTL is lowered. */
static enum weir_verdict fragment4(struct weir_shard *s, struct rte_mbuf *m, uint16_t mtu)
{
	struct rte_mbuf *out[FRAGMENTS_MAX];
	int32_t n;

	/* What the port was to finish cannot be finished in pieces; each has a header of its own.
	 */
	weir_offload_finish(m, WEIR_PORT_TX_CSUM_IP4);
	if (!strip_to_ip(m, rte_be_to_cpu_16(ip4(m)->total_length)))
		return weir_say_drop(m, WEIR_DROP_IP4_HEADER);
	n = rte_ipv4_fragment_packet(m, out, FRAGMENTS_MAX, mtu, s->pool, s->pool);
	for (int32_t i = 0; i < n; i++)
		dress_fragment4(out[i], weir_meta(m));
	return sent_as_fragments(s, m, out, n);
}

/*
 * RFC 8200 4.5: only who sends a packet may cut it, or who has put its fragments together. Those
 * have no extension headers but what stood in front of the fragment header.
 */
static enum weir_verdict fragment6(struct weir_shard *s, struct rte_mbuf *m, uint16_t mtu)
{
	/* Not to be guessed (RFC 7739), and not the same again for long. */
	const uint32_t id = (uint32_t)weir_siphash13_u64(&s->secret, s->counters.fragmented);
	struct rte_mbuf *out[FRAGMENTS_MAX];
	int32_t n;

	weir_offload_finish(m, 0);
	if (!strip_to_ip(m, rte_be_to_cpu_16(ip6(m)->payload_len) + IP6_BYTES))
		return weir_say_drop(m, WEIR_DROP_IP6_HEADER);
	n = rte_ipv6_fragment_packet(m, out, FRAGMENTS_MAX, mtu, s->pool, s->pool);
	for (int32_t i = 0; i < n; i++)
		dress_fragment6(out[i], weir_meta(m), id);
	return sent_as_fragments(s, m, out, n);
}

/* It is cut by its port, or before it, and its pieces are not too long. */
static inline bool fits_cut(const struct rte_mbuf *m, uint16_t mtu)
{
	return weir_offload_is_long(m) && (uint32_t)(m->l3_len + m->l4_len) + m->tso_segsz <= mtu;
}

/* Longer than the link. Judged last, for it changes the packet. */
static __rte_noinline enum weir_verdict route_long4(struct weir_shard *s, struct rte_mbuf *m,
						    uint16_t mtu)
{
	struct rte_ipv4_hdr *ip = ip4(m);

	if (!fits_cut(m, mtu) &&
	    (weir_offload_is_long(m) || (ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_DF_FLAG)))) {
		weir_meta(m)->reject_mtu = mtu; /* RFC 1191 */
		return weir_say_reject(m, WEIR_DROP_FRAG_NEEDED);
	}
	if (!(weir_meta(m)->flags & WEIR_META_OURS))
		lower_ttl(ip);
	return weir_offload_is_long(m) ? WEIR_OUT : fragment4(s, m, mtu);
}

/* Where nothing is a neighbour; what we send to many may be longer than their link. */
static __rte_noinline enum weir_verdict route_far4(struct weir_shard *s, const struct weir_l3 *l3,
						   struct rte_mbuf *m, uint16_t number)
{
	const enum weir_verdict verdict = route_other(s, l3, m, number);
	uint16_t mtu;

	if (verdict != WEIR_OUT)
		return verdict;
	mtu = l3->ifaces[weir_meta(m)->iface_out].mtu;
	return rte_be_to_cpu_16(ip4(m)->total_length) > mtu ? route_long4(s, m, mtu) : verdict;
}

/* What is not simply passed on. */
static __rte_noinline enum weir_verdict route_odd4(struct weir_shard *s, const struct weir_l3 *l3,
						   struct rte_mbuf *m, uint16_t number)
{
	const struct weir_hop *hop = &l3->hops[number];
	struct rte_ipv4_hdr *ip = ip4(m);
	const uint32_t flags = weir_meta(m)->flags;

	if (!is_neighbourly(hop->kind))
		return route_far4(s, l3, m, number);
	say_out(l3, m, number);
	if (!(flags & WEIR_META_OURS)) {
		if (flags & WEIR_META_L2_GROUP)
			return weir_say_drop(m, WEIR_DROP_L2_GROUP_FWD);
		if (is_this_network(ip) || is_to_itself(m))
			return weir_say_drop(m, WEIR_DROP_IP_SOURCE);
		if (ip->time_to_live <= 1)
			return weir_say_reject(m, WEIR_DROP_TTL);
	}
	if (rte_be_to_cpu_16(ip->total_length) > hop->mtu)
		return route_long4(s, m, hop->mtu);
	return WEIR_OUT; /* ours: its TTL stays */
}

static inline enum weir_verdict route_one4(struct weir_shard *s, const struct weir_l3 *l3,
					   struct rte_mbuf *m, uint16_t number)
{
	choose_hop(s, l3, m, &number);
	return likely(route_plain4(l3, m, number)) ? WEIR_OUT : route_odd4(s, l3, m, number);
}

/*
 * Longer than the link, or than what every path of IPv6 takes if its sender, who speaks IPv4,
 * cannot be told of a shorter one (RFC 7915 section 4). What came in fragments may leave so.
 */
static __rte_noinline enum weir_verdict route_long6(struct weir_shard *s, struct rte_mbuf *m,
						    uint16_t mtu)
{
	const uint32_t flags = weir_meta(m)->flags;

	if (!fits_cut(m, mtu) &&
	    (weir_offload_is_long(m) ||
	     !(flags & (WEIR_META_OURS | WEIR_META_DEFRAGGED | WEIR_META_MAY_CUT)))) {
		weir_meta(m)->reject_mtu = mtu; /* RFC 8201 */
		return weir_say_reject(m, WEIR_DROP_FRAG_NEEDED);
	}
	if (!(flags & WEIR_META_OURS))
		ip6(m)->hop_limits--;
	if (weir_offload_is_long(m))
		return WEIR_OUT;
	return fragment6(s, m, flags & WEIR_META_MAY_CUT ? RTE_MIN(mtu, IP6_MTU_LEAST) : mtu);
}

/* As route_far4(). */
static __rte_noinline enum weir_verdict route_far6(struct weir_shard *s, const struct weir_l3 *l3,
						   struct rte_mbuf *m, uint16_t number)
{
	const enum weir_verdict verdict = route_other(s, l3, m, number);
	uint16_t mtu;

	if (verdict != WEIR_OUT)
		return verdict;
	mtu = l3->ifaces[weir_meta(m)->iface_out].mtu;
	return rte_be_to_cpu_16(ip6(m)->payload_len) + IP6_BYTES > mtu ? route_long6(s, m, mtu)
								       : verdict;
}

static inline enum weir_verdict route_one6(struct weir_shard *s, const struct weir_l3 *l3,
					   struct rte_mbuf *m, uint16_t number)
{
	const struct weir_hop *hop = choose_hop(s, l3, m, &number);
	struct rte_ipv6_hdr *ip = ip6(m);
	const uint32_t flags = weir_meta(m)->flags;

	if (unlikely(!is_neighbourly(hop->kind)))
		return route_far6(s, l3, m, number);
	say_out(l3, m, number);
	if (likely(!(flags & WEIR_META_OURS))) {
		const enum weir_drop why = link_source6(ip);

		if (unlikely(flags & WEIR_META_L2_GROUP))
			return weir_say_drop(m, WEIR_DROP_L2_GROUP_FWD);
		if (unlikely(why != WEIR_DROP_NONE))
			return weir_say_drop(m, why);
		if (unlikely(ip->hop_limits <= 1))
			return weir_say_reject(m, WEIR_DROP_TTL);
	}
	if (unlikely(rte_be_to_cpu_16(ip->payload_len) + sizeof(*ip) >
		     (flags & WEIR_META_MAY_CUT ? IP6_MTU_LEAST : hop->mtu)))
		return route_long6(s, m, hop->mtu);
	if (likely(!(flags & WEIR_META_OURS)))
		ip->hop_limits--;
	return WEIR_OUT;
}

/* A burst with IPv6 in it: look up each family by itself. */
static __rte_noinline void route_mixed(struct weir_shard *s, struct weir_burst *b)
{
	const struct weir_l3 *l3 = b->pass->gen->l3;
	struct rte_mbuf *const *pkt = b->pkt;
	uint8_t *verdict = b->verdict;
	const uint16_t n = b->n;
	uint16_t at4[WEIR_PASS_PKTS], at6[WEIR_PASS_PKTS], n4 = 0, n6 = 0;
	uint64_t hop[WEIR_PASS_PKTS];
	uint32_t dst4[WEIR_PASS_PKTS];
	uint8_t dst6[WEIR_PASS_PKTS][16];

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkt[i];

		if (weir_meta(m)->flags & WEIR_META_IP4) {
			dst4[n4] = rte_be_to_cpu_32(ip4(m)->dst_addr);
			at4[n4++] = i;
		} else if (weir_meta(m)->flags & WEIR_META_IP6) {
			memcpy(dst6[n6], ip6_dst(ip6(m)), sizeof(dst6[0]));
			at6[n6++] = i;
		} else {
			verdict[i] = weir_say_drop(m, WEIR_DROP_NO_ROUTE);
		}
	}
	fetch_entries4(l3, dst4, n4);
	rte_fib_lookup_bulk(l3->fib4, dst4, hop, n4);
	for (uint16_t i = 0; i < n4; i++)
		verdict[at4[i]] = (uint8_t)route_one4(s, l3, pkt[at4[i]], (uint16_t)hop[i]);
	rte_fib6_lookup_bulk(l3->fib6, (void *)dst6, hop, n6);
	for (uint16_t i = 0; i < n6; i++)
		verdict[at6[i]] = (uint8_t)route_one6(s, l3, pkt[at6[i]], (uint16_t)hop[i]);
}

/* Gather, look up, judge. The common burst is all IPv4. In locals, for a verdict may alias b. */
static void route_process(void *self, struct weir_burst *b)
{
	struct weir_shard *s = self;
	const struct weir_l3 *l3 = b->pass->gen->l3;
	struct rte_mbuf *const *pkt = b->pkt;
	uint8_t *verdict = b->verdict;
	const uint16_t n = b->n;
	uint32_t dst[WEIR_PASS_PKTS], all = WEIR_META_IP4;
	uint64_t hop[WEIR_PASS_PKTS];

	for (unsigned i = 0; i < n; i++) {
		if (i + AHEAD < n)
			rte_prefetch0(ip4(pkt[i + AHEAD]));
		all &= weir_meta(pkt[i])->flags;
		dst[i] = rte_be_to_cpu_32(ip4(pkt[i])->dst_addr);
	}
	if (unlikely(all == 0)) {
		route_mixed(s, b);
		return;
	}
	fetch_entries4(l3, dst, n);
	rte_fib_lookup_bulk(l3->fib4, dst, hop, n);
	for (unsigned i = 0; i < n; i++)
		verdict[i] = (uint8_t)route_one4(s, l3, pkt[i], (uint16_t)hop[i]);
}

static int route_create(struct weir_shard *shard, void **self)
{
	*self = shard;
	return 0;
}

static void route_free(void *self)
{
	(void)self; /* the engine's */
}

const struct weir_node_ops weir_node_route = {
	.name = "route",
	.stage = 60,
	.takes = WEIR_NEXT,
	.also = WEIR_MAY(WEIR_KNOWN),
	.may = WEIR_MAY(WEIR_LOCAL) | WEIR_MAY(WEIR_OUT) | WEIR_MAY(WEIR_REJECT) |
	       WEIR_MAY(WEIR_DROP) | WEIR_MAY(WEIR_HELD),
	.create = route_create,
	.free = route_free,
	.process = route_process,
};
