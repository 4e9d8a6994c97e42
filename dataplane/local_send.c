/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The way of a stack's packets into the pipeline: they are whole and ours, so that 60_route is the
 * first stage that has anything to say about them.
 */

#include <weir/local.h>

#include <rte_branch_prediction.h>
#include <rte_ip.h>
#include <weir/gen.h>
#include <weir/shard.h>

#include "local_priv.h"
#include "origin_priv.h"

void weir_local_attach(struct weir_shard *s, struct weir_local *l)
{
	s->local = l;
}

/* To many: who sends has said by which interface. */
static bool is_to_many(const struct rte_ipv4_hdr *ip4, const struct rte_ipv6_hdr *ip6, bool v4)
{
	return v4 ? *(const uint8_t *)&ip4->dst_addr >= 0xe0 : *ip6_dst(ip6) == 0xff;
}

static void dress(struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *ip4 = rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *);
	const struct rte_ipv6_hdr *ip6 = rte_pktmbuf_mtod(m, const struct rte_ipv6_hdr *);
	const bool v4 = ip4->version_ihl >> 4 == 4;
	const uint32_t may_cut = m->ol_flags & WEIR_LOCAL_MAY_CUT ? WEIR_META_MAY_CUT : 0;

	m->ol_flags &= ~WEIR_LOCAL_MAY_CUT;
	*weir_meta(m) = (struct weir_meta){
		.port_in = WEIR_NO_PORT,
		.iface_in = is_to_many(ip4, ip6, v4) ? weir_meta(m)->iface_in : WEIR_NO_IFACE,
		.hop = WEIR_NO_HOP,
		.flags = WEIR_META_OURS | WEIR_META_L4 | may_cut |
			 (v4 ? WEIR_META_IP4 : WEIR_META_IP6),
		.l4_off = v4 ? rte_ipv4_hdr_len(ip4) : sizeof(*ip6),
		.proto = v4 ? ip4->next_proto_id : ip6->proto,
	};
}

static bool has_address(const struct weir_iface *f, const uint8_t *addr)
{
	if (memcmp(f->link_local.bytes, addr, 16) == 0)
		return true;
	for (uint8_t k = 0; k < f->n_addrs; k++)
		if (f->addr[k].addr.family == 6 && memcmp(f->addr[k].addr.bytes, addr, 16) == 0)
			return true;
	return false;
}

/* The destination does not say on which link it is, but the source does (RFC 4007 section 9). */
static void choose_link(const struct weir_shard *s, struct rte_mbuf *m)
{
	const struct weir_l3 *l3 = local_l3(s);
	const struct rte_ipv6_hdr *ip = rte_pktmbuf_mtod(m, const struct rte_ipv6_hdr *);

	for (uint16_t i = 0; l3 != NULL && i < l3->n_ifaces; i++)
		if (has_address(&l3->ifaces[i], ip6_src(ip))) {
			weir_meta(m)->iface_in = i;
			return;
		}
}

void weir_local_send(struct weir_shard *s, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		dress(m);
		if (unlikely((weir_meta(m)->flags & WEIR_META_IP6) &&
			     local_is_link_local(
				     ip6_dst(rte_pktmbuf_mtod(m, struct rte_ipv6_hdr *)))))
			choose_link(s, m);
		origin_push_local(s->origin, m);
	}
}
