/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Packets rewritten as their flow leaves: addresses, ports or identifiers of ICMP queries, and
 * every checksum that covers them (RFC 1624 equation 3).
 *
 * A checksum that was right stays right, and one that was wrong stays wrong, so that the end of the
 * path still sees what a bad link has done. Of a packet whose checksum the port is to finish
 * (RTE_MBUF_F_TX_*_CKSUM), the pseudo header's sum in its place is kept right.
 *
 * What is done for each protocol:
 * - TCP and UDP: ports and checksum. UDP over IPv4 without a checksum (0) stays without, and a
 *   computed 0 is sent as all ones (RFC 768).
 * - ICMP and ICMPv6 queries: the identifier and the checksum; it is a port of the side that asks.
 * - ICMP errors: rewrite_error().
 * - UDP-Lite and DCCP have no ports here; their checksum covers the addresses and is kept right.
 * - SCTP has no ports here; its CRC32c covers no addresses (RFC 9260 section 6.8), so it stays.
 * - All others: addresses alone. AH covers them, so it does not survive; ESP does.
 * - Fragments: the first one carries ports and checksum, later ones addresses alone.
 *
 * Headers lie in the first segment, as 10_parse promises. The worker's thread.
 */

#include <netinet/in.h>
#include <rte_branch_prediction.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <weir/csum.h>
#include <weir/drop.h>
#include <weir/offload.h>
#include <weir/tuple.h>

#include "icmp_priv.h"
#include "packet_priv.h"

/* A stage whose packets leave as their flow does: 45_dpi's RSTs, all of 50_nat's. */
struct rewrite_node {
	struct weir_shard *shard;
	struct weir_tracker *tracker;
	struct icmp_idents idents; /* of IPv4 packets made of IPv6 ones */
};

/* Make one, a weir_node_ops.create; free() frees it. */
int rewrite_node_create(struct weir_shard *shard, void **self);

/*
 * Rewrite a packet as @p to says, which may be of the other family (NAT64). Not for ICMP errors.
 * @param ids numbers the IPv4 packets that are made of IPv6 ones.
 * @return WEIR_DROP_NONE; NAT_UNTRANSLATABLE or HEADROOM: the packet is as it was.
 */
enum weir_drop rewrite(struct icmp_idents *ids, struct rte_mbuf *m, const struct weir_tuple *to);

/*
 * Rewrite an ICMP error, so that it is about the packet that its receiver has sent.
 * The quoted packet becomes as @p to says, the error goes to that one's source, and it comes from
 * that one's destination if that is translated: whoever is behind it stays unseen.
 * @param to the packet that is quoted, as it came; it may be of the other family.
 * @return WEIR_DROP_NONE; ICMP_QUOTE: what is quoted is cut too short or lies; L4_CSUM: an error
 *         that has to be made anew is wrong; NAT_UNTRANSLATABLE: RFC 7915 has nothing for it;
 *         HEADROOM. If not NONE the packet is good for nothing but to be dropped.
 */
enum weir_drop rewrite_error(struct icmp_idents *ids, struct rte_mbuf *m,
			     const struct weir_tuple *to);

/* IPv6 to IPv6. @return NAT_UNTRANSLATABLE: a routing header says that it goes elsewhere. */
enum weir_drop rewrite6(struct rte_mbuf *m, const uint8_t src[16], const uint8_t dst[16],
			uint16_t sport_be, uint16_t dport_be);

/* What rewrite4() leaves to a call: all but whole TCP and UDP. */
void rewrite4_other(struct rte_mbuf *m, uint32_t src_be, uint32_t dst_be, uint16_t sport_be,
		    uint16_t dport_be);

/* The change that both addresses make, which stand next to each other. */
static inline uint32_t addresses4_change(const struct rte_ipv4_hdr *ip, uint32_t src_be,
					 uint32_t dst_be)
{
	return weir_csum_add(weir_csum_change32(ip->src_addr, src_be),
			     weir_csum_change32(ip->dst_addr, dst_be));
}

/* IPv4 to IPv4, the fast one. Not for ICMP errors. */
static inline void rewrite4(struct rte_mbuf *m, uint32_t src_be, uint32_t dst_be, uint16_t sport_be,
			    uint16_t dport_be)
{
	const struct weir_meta *meta = weir_meta(m);
	const bool tcp = meta->proto == IPPROTO_TCP;
	struct rte_ipv4_hdr *ip = ip4(m);
	uint32_t change, ports;
	struct rte_udp_hdr *udp; /* TCP's ports lie at the same place */

	if (unlikely(!(meta->flags & WEIR_META_L4) || (m->ol_flags & WEIR_OFFLOAD_TX) ||
		     !(tcp || meta->proto == IPPROTO_UDP))) {
		rewrite4_other(m, src_be, dst_be, sport_be, dport_be);
		return;
	}
	udp = l4(m);
	change = addresses4_change(ip, src_be, dst_be);
	ip->src_addr = src_be;
	ip->dst_addr = dst_be;
	ip->hdr_checksum = weir_csum_apply(ip->hdr_checksum, change);
	memcpy(&ports, &udp->src_port, sizeof(ports));
	udp->src_port = sport_be;
	udp->dst_port = dport_be;
	change = weir_csum_add(change, (uint32_t)sport_be + dport_be);
	change = weir_csum_add(change, ~ports);
	if (tcp) {
		struct rte_tcp_hdr *t = (struct rte_tcp_hdr *)udp;

		t->cksum = weir_csum_apply(t->cksum, change);
	} else {
		udp->dgram_cksum = weir_csum_udp_apply(udp->dgram_cksum, change);
	}
}

/* The parts, for rewrite.c and rewrite64.c. */

/* A transport header, as far as it is there, and what becomes of it. */
struct l4_edit {
	uint8_t *at;	   /* the header */
	uint32_t there;	   /* so many bytes of it may be read and written */
	uint8_t proto;	   /* what it is; */
	uint8_t to_proto;  /* and becomes: ICMP and ICMPv6 may become each other */
	uint16_t sport_be; /* new ports, or identifier and type, as in a tuple */
	uint16_t dport_be;
	uint32_t pseudo; /* the change that the pseudo header makes */
	bool unfinished; /* the checksum is the pseudo header's sum alone */
};

/* Change it. False: ICMP of a type that is no query, or does not exist in the other family. */
bool l4_rewrite(const struct l4_edit *e);

/* The same for a packet's own transport header, if it has one that we know. */
bool transport_rewrite(struct rte_mbuf *m, uint8_t to_proto, uint16_t sport_be, uint16_t dport_be,
		       uint32_t pseudo);

/* The sum of a pseudo header; 0 for ICMP, which has none. */
uint32_t pseudo_sum(const struct weir_tuple *t, uint32_t l4_bytes);

/* The packet that an ICMP error quotes; offsets from the start of the error's data. */
struct quote {
	uint32_t ip_off;       /* its IP header */
	uint32_t l4_off;       /* its transport header */
	uint32_t end;	       /* the end of what lies in the first segment, and may be changed */
	uint32_t l4_bytes;     /* what it says that it has from its transport header on */
	struct weir_tuple was; /* addresses and protocol; no ports */
};

/* Find it; false: it is cut too short, or lies. Pulls its headers into the first segment. */
bool quote_find(struct rte_mbuf *m, struct quote *q);

/* Where an IPv6 packet's headers end, and what of them matters to a translator. */
struct ip6_walk {
	uint32_t bytes;	     /* from the IPv6 header to the transport header */
	uint8_t proto;	     /* of the transport */
	bool routed;	     /* a routing header says that it goes elsewhere */
	bool has_ah;	     /* an authentication header covers its addresses */
	bool was_cut;	     /* it came in fragments, and is whole by now; ip6_walk() says false */
	const uint8_t *frag; /* its fragment header; NULL: none */
};

/* Walk them (RFC 8200 section 4.1); false: they are too many or go beyond @p there bytes. */
bool ip6_walk(const uint8_t *ip, uint32_t there, struct ip6_walk *w);

/* NAT64 (RFC 7915): from IPv6 to IPv4 and back, as rewrite() and rewrite_error() say. */
enum weir_drop rewrite64(struct icmp_idents *ids, struct rte_mbuf *m, const struct weir_tuple *to);
enum weir_drop rewrite46(struct rte_mbuf *m, const struct weir_tuple *to);
enum weir_drop rewrite_error64(struct icmp_idents *ids, struct rte_mbuf *m, const struct quote *q,
			       const struct weir_tuple *to);
enum weir_drop rewrite_error46(struct rte_mbuf *m, const struct quote *q,
			       const struct weir_tuple *to);
