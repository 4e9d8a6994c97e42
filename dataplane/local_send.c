/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The way of a stack's packets into the pipeline: they are whole and ours, so that 60_route is the
 * first stage that has anything to say about them.
 */

#include <weir/local.h>

#include <rte_ip.h>
#include <weir/shard.h>

void weir_local_attach(struct weir_shard *s, struct weir_local *l)
{
	s->local = l;
}

static void dress(struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *ip4 = rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *);
	const struct rte_ipv6_hdr *ip6 = rte_pktmbuf_mtod(m, const struct rte_ipv6_hdr *);
	const bool v4 = ip4->version_ihl >> 4 == 4;

	*weir_meta(m) = (struct weir_meta){
		.port_in = WEIR_NO_PORT,
		.iface_in = WEIR_NO_IFACE,
		.hop = WEIR_NO_HOP,
		.flags = WEIR_META_OURS | WEIR_META_L4 | (v4 ? WEIR_META_IP4 : WEIR_META_IP6),
		.l4_off = v4 ? rte_ipv4_hdr_len(ip4) : sizeof(*ip6),
		.proto = v4 ? ip4->next_proto_id : ip6->proto,
	};
}

void weir_local_send(struct weir_shard *s, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		dress(pkts[i]);
		weir_origin_push(s->origin, pkts[i], WEIR_KNOWN);
	}
}
