/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 10_parse: what is it, and is it whole?
 *
 * Takes:  frames from 00 to 02, with meta.port_in and cleared flags.
 * Says:   NEXT for IPv4, IPv6 and ARP with meta filled in; DROP for what lies about its length, has
 *         addresses that cannot be, is routed by its source, or is for somebody else; PUNT for
 *         other protocols.
 * Holds:  nothing. Reads the interfaces of the generation; without a layer 3 it checks no MAC.
 *
 * TCP and UDP without tags, options and fragments take the straight way through parse_one() and,
 * for IPv6, parse_plain6(); all else goes by parse_any(). Behind this stage all headers up to the
 * end of the transport header lie in the first segment (headers that lie in later ones are pulled
 * forward), lengths can be trusted, and padding of the frame is gone.
 */

#include <rte_branch_prediction.h>
#include <rte_icmp.h>
#include <rte_prefetch.h>
#include <rte_sctp.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <weir/csum.h>
#include <weir/gen.h>
#include <weir/l3.h>
#include <weir/nodes.h>

#include "packet_priv.h"

/* Packets that are prefetched ahead: two to eight cost the same here, none costs more. */
#define AHEAD 4

/* Bounds for IPv6 extension headers (RFC 8504 section 5.3 lets a node choose). */
#define EXT_HEADERS 8
#define EXT_BYTES   512

/* Extension headers (RFC 8200 section 4) and how we tell that a packet ends without transport. */
#define EXT_HOP_BY_HOP	0
#define EXT_ROUTING	43
#define EXT_FRAGMENT	44
#define EXT_DESTINATION 60

#define ETHER_TYPE_QINQ_OLD 0x9100

/* All that an earlier lap may have said. */
#define FOUND                                                                    \
	(WEIR_META_IP4 | WEIR_META_IP6 | WEIR_META_FRAG | WEIR_META_FRAG_LATER | \
	 WEIR_META_OPTIONS | WEIR_META_L2_GROUP | WEIR_META_L4)

/* Options of IPv4 (RFC 791 section 3.1). */
#define IP4_OPTION_END	0
#define IP4_OPTION_NOP	1
#define IP4_OPTION_LSRR 131
#define IP4_OPTION_SSRR 137

#define IP4_FRAGMENT RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)

/* The six bytes of a MAC address in a word, as they lie there. Reads two bytes more. */
static inline uint64_t mac_word(const void *mac)
{
	uint64_t word;

	memcpy(&word, mac, sizeof(word));
	return word & RTE_BE64(UINT64_C(0xffffffffffff0000));
}

static inline bool is_group(uint64_t mac)
{
	return mac & RTE_BE64(UINT64_C(0x0100000000000000));
}

/* Where untagged frames of the port belong that the packet before came by: many come in a row. */
struct untagged {
	uint32_t port; /* UINT32_MAX: none yet */
	uint16_t iface;
	uint64_t mac; /* mac_word() of the interface */
};
static_assert(offsetof(struct weir_iface, mac) + sizeof(uint64_t) <= sizeof(struct weir_iface),
	      "mac_word() of an interface stays inside");

/*
 * The interface that a frame belongs to, and whether the frame is for us. Begins the flags, with
 * what is @found already. Inlined, as check_ip4(), so that constants of the straight way fold.
 */
static __rte_always_inline enum weir_drop check_l2(struct rte_mbuf *m, const struct weir_l3 *l3,
						   uint16_t outer, uint16_t inner, uint32_t found)
{
	struct weir_meta *meta = weir_meta(m);
	const uint64_t dst = mac_word(rte_pktmbuf_mtod(m, void *));
	const bool group = is_group(dst);

	meta->vlan[0] = outer;
	meta->vlan[1] = inner;
	meta->flags = (meta->flags & ~(uint32_t)FOUND) | (group ? WEIR_META_L2_GROUP : 0) | found;
	if (meta->flags & WEIR_META_OURS)
		return WEIR_DROP_NONE; /* its maker said where it belongs */
	if (unlikely(l3 == NULL)) {
		meta->iface_in = WEIR_NO_IFACE;
		return WEIR_DROP_NONE;
	}
	meta->iface_in = weir_l3_iface(l3, meta->port_in, outer, inner);
	if (unlikely(meta->iface_in == WEIR_NO_IFACE))
		return WEIR_DROP_VLAN_UNKNOWN;
	if (unlikely(!group && dst != mac_word(l3->ifaces[meta->iface_in].mac)))
		return WEIR_DROP_NOT_OURS;
	return WEIR_DROP_NONE;
}

/* The same of a frame without tags; what it is for is looked up once for many. */
static __rte_always_inline enum weir_drop
check_untagged(struct rte_mbuf *m, const struct weir_l3 *l3, struct untagged *known, uint32_t found)
{
	struct weir_meta *meta = weir_meta(m);
	const uint64_t dst = mac_word(rte_pktmbuf_mtod(m, void *));

	if (unlikely(meta->port_in != known->port || (meta->flags & WEIR_META_OURS) ||
		     dst != known->mac)) {
		const enum weir_drop bad = check_l2(m, l3, 0, 0, found);

		if (bad != WEIR_DROP_NONE || is_group(dst) || l3 == NULL ||
		    (meta->flags & WEIR_META_OURS))
			return bad;
		*known = (struct untagged){meta->port_in, meta->iface_in, dst};
		return WEIR_DROP_NONE;
	}
	meta->vlan[0] = 0;
	meta->vlan[1] = 0;
	meta->flags = (meta->flags & ~(uint32_t)FOUND) | found;
	meta->iface_in = known->iface;
	return WEIR_DROP_NONE;
}

/* Cut what the frame has behind the packet. */
static void trim_segments(struct rte_mbuf *m, uint32_t bytes)
{
	struct rte_mbuf *last = m;
	uint32_t before = 0;

	while (last->next != NULL && before + last->data_len < bytes) {
		before += last->data_len;
		last = last->next;
	}
	if (last->data_len > bytes - before)
		last->data_len = (uint16_t)(bytes - before);
	m->pkt_len = bytes;
	while (last->next != NULL) {
		struct rte_mbuf *cut = last->next;

		last->next = cut->next;
		cut->next = NULL;
		m->nb_segs--;
		rte_pktmbuf_free_seg(cut);
	}
}

static inline void trim(struct rte_mbuf *m, uint32_t bytes)
{
	if (likely(m->nb_segs == 1)) {
		m->pkt_len = bytes;
		m->data_len = (uint16_t)bytes;
	} else {
		trim_segments(m, bytes);
	}
}

/* RFC 1812 section 5.3.7: not from network 0, 127, a group or class E; not to 0 or 127. */
static inline enum weir_drop check_addresses4(const struct rte_ipv4_hdr *ip)
{
	const uint8_t src = *(const uint8_t *)&ip->src_addr;
	const uint8_t dst = *(const uint8_t *)&ip->dst_addr;

	if (unlikely(dst == 0 || dst == 127))
		return WEIR_DROP_IP_MARTIAN;
	if (likely((uint8_t)(src - 1) < 223 && src != 127))
		return WEIR_DROP_NONE;
	/* Who has no address yet may speak to all (RFC 1122 section 3.2.1.3). */
	return ip->src_addr == 0 && dst >= 224 ? WEIR_DROP_NONE : WEIR_DROP_IP_SOURCE;
}

/* Whether the 20 bytes that every header has sum up, with @options' sum: whole words, then folded.
 */
static inline bool csum4_good(const struct rte_ipv4_hdr *ip, uint32_t options)
{
	uint64_t first, second, sum;
	uint32_t last;

	memcpy(&first, ip, sizeof(first));
	memcpy(&second, (const uint8_t *)ip + 8, sizeof(second));
	memcpy(&last, (const uint8_t *)ip + 16, sizeof(last));
	sum = first + second;
	sum += sum < second;
	sum = (sum & UINT32_MAX) + (sum >> 32) + last + options;
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return sum == UINT16_MAX || sum == 2 * UINT16_MAX; /* it could be folded once more */
}

/* An IPv4 header of known length: its lengths, checksum and addresses. Trims the frame. */
static __rte_always_inline enum weir_drop
check_ip4(struct rte_mbuf *m, const struct rte_ipv4_hdr *ip, uint16_t l3_off, uint16_t header_bytes)
{
	const uint16_t total_bytes = rte_be_to_cpu_16(ip->total_length);
	const uint64_t vouched = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;

	if (unlikely(total_bytes < header_bytes || total_bytes > m->pkt_len - l3_off))
		return WEIR_DROP_IP4_HEADER;
	if (unlikely(vouched == RTE_MBUF_F_RX_IP_CKSUM_BAD))
		return WEIR_DROP_IP4_CSUM;
	if (vouched != RTE_MBUF_F_RX_IP_CKSUM_GOOD) {
		uint32_t options = 0;

		if (header_bytes > sizeof(*ip))
			options = weir_csum_sum(ip + 1, header_bytes - sizeof(*ip));
		if (unlikely(!csum4_good(ip, options)))
			return WEIR_DROP_IP4_CSUM;
	}
	trim(m, (uint32_t)l3_off + total_bytes);
	return check_addresses4(ip);
}

/* A TCP or UDP header, its first bytes being there (sizeof of either). */
static inline enum weir_drop check_tcp(const struct rte_tcp_hdr *tcp, uint32_t bytes)
{
	const unsigned header_bytes = (tcp->data_off >> 4) * 4u;

	return unlikely(header_bytes < sizeof(*tcp) || header_bytes > bytes) ? WEIR_DROP_L4_HEADER
									     : WEIR_DROP_NONE;
}

static inline enum weir_drop check_udp(const struct rte_udp_hdr *udp, uint32_t bytes, bool whole)
{
	const unsigned dgram_bytes = rte_be_to_cpu_16(udp->dgram_len);

	return unlikely(dgram_bytes < sizeof(*udp) || (whole && dgram_bytes > bytes))
		       ? WEIR_DROP_L4_HEADER
		       : WEIR_DROP_NONE;
}

/* RFC 1858, RFC 3128: it would overwrite flags of the TCP header that the first fragment showed. */
static enum weir_drop check_later(struct rte_mbuf *m)
{
	const struct weir_meta *meta = weir_meta(m);
	uint16_t offset;

	if (meta->proto != IPPROTO_TCP)
		return WEIR_DROP_NONE;
	if (meta->flags & WEIR_META_IP4)
		offset = rte_be_to_cpu_16(ip4(m)->fragment_offset) & RTE_IPV4_HDR_OFFSET_MASK;
	else /* its fragment header is the last */
		offset = ((const uint8_t *)l4(m))[-6] << 5 | ((const uint8_t *)l4(m))[-5] >> 3;
	return offset == 1 ? WEIR_DROP_FRAG_BAD : WEIR_DROP_NONE;
}

/*
 * The transport header of all but the plainest: how much of it there must be. Its first fragment
 * has to hold all of it (RFC 1858, RFC 7112), so that rules can be asked.
 */
static enum weir_drop check_l4(struct rte_mbuf *m)
{
	struct weir_meta *meta = weir_meta(m);
	const bool v6 = meta->flags & WEIR_META_IP6;
	const uint32_t there = l4_there(m);
	uint32_t need;

	if (meta->flags & WEIR_META_FRAG_LATER)
		return check_later(m);
	if (meta->proto == IPPROTO_TCP)
		need = sizeof(struct rte_tcp_hdr);
	else if (meta->proto == IPPROTO_UDP)
		need = sizeof(struct rte_udp_hdr);
	else if (meta->proto == IPPROTO_SCTP)
		need = sizeof(struct rte_sctp_hdr);
	else if (meta->proto == (v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		need = sizeof(struct rte_icmp_hdr);
	else
		return WEIR_DROP_NONE;
	if (there < need || !packet_pull(m, meta->l4_off + need))
		return WEIR_DROP_L4_HEADER;
	meta->flags |= WEIR_META_L4;
	if (meta->proto == IPPROTO_UDP)
		return check_udp(l4(m), there, !(meta->flags & WEIR_META_FRAG));
	if (meta->proto != IPPROTO_TCP)
		return WEIR_DROP_NONE;
	if (check_tcp(l4(m), there) != WEIR_DROP_NONE)
		return WEIR_DROP_L4_HEADER;
	need = (((const struct rte_tcp_hdr *)l4(m))->data_off >> 4) * 4u;
	return packet_pull(m, meta->l4_off + need) ? WEIR_DROP_NONE : WEIR_DROP_L4_HEADER;
}

/* Note a fragment; false if the datagram would be longer than any can be. */
static bool note_fragment(struct weir_meta *meta, uint32_t offset_bytes, bool more, uint32_t bytes)
{
	if (offset_bytes != 0)
		meta->flags |= WEIR_META_FRAG_LATER;
	if (offset_bytes != 0 || more)
		meta->flags |= WEIR_META_FRAG;
	return offset_bytes + bytes <= UINT16_MAX;
}

/* RFC 791 section 3.1; source routes are refused, as RFC 7126 section 4.3 has it. */
static enum weir_drop check_options(const uint8_t *at, const uint8_t *end)
{
	while (at < end && *at != IP4_OPTION_END) {
		if (*at == IP4_OPTION_NOP) {
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || at[1] > end - at)
			return WEIR_DROP_IP_OPTION;
		if (*at == IP4_OPTION_LSRR || *at == IP4_OPTION_SSRR)
			return WEIR_DROP_SOURCE_ROUTE;
		at += at[1];
	}
	return WEIR_DROP_NONE;
}

static enum weir_drop parse_ip4(struct rte_mbuf *m)
{
	struct weir_meta *meta = weir_meta(m);
	const struct rte_ipv4_hdr *ip;
	enum weir_drop bad;
	uint16_t header_bytes, frag;

	if (!packet_pull(m, meta->l3_off + sizeof(*ip)))
		return WEIR_DROP_IP4_HEADER;
	ip = ip4(m);
	header_bytes = (ip->version_ihl & RTE_IPV4_HDR_IHL_MASK) * RTE_IPV4_IHL_MULTIPLIER;
	if (ip->version_ihl >> 4 != 4 || header_bytes < sizeof(*ip) ||
	    !packet_pull(m, (uint32_t)meta->l3_off + header_bytes))
		return WEIR_DROP_IP4_HEADER;
	bad = check_ip4(m, ip, meta->l3_off, header_bytes);
	if (bad == WEIR_DROP_NONE)
		bad = check_options((const uint8_t *)(ip + 1), (const uint8_t *)ip + header_bytes);
	if (bad != WEIR_DROP_NONE)
		return bad;
	meta->flags |= WEIR_META_IP4;
	if (header_bytes > sizeof(*ip))
		meta->flags |= WEIR_META_OPTIONS;
	meta->l4_off = (uint16_t)(meta->l3_off + header_bytes);
	meta->proto = ip->next_proto_id;
	frag = rte_be_to_cpu_16(ip->fragment_offset);
	if (!note_fragment(meta, (frag & RTE_IPV4_HDR_OFFSET_MASK) * 8u,
			   frag & RTE_IPV4_HDR_MF_FLAG, m->pkt_len - meta->l3_off))
		return WEIR_DROP_IP4_HEADER;
	return check_l4(m);
}

/* RFC 4291 sections 2.5.2, 2.5.3 and 2.7, with erratum 3480 about scope 1. */
static inline enum weir_drop check_addresses6(const struct rte_ipv6_hdr *ip)
{
	const uint64_t one = RTE_BE64(1);
	uint64_t src[2], dst[2];
	const uint8_t *s = ip6_src(ip), *d = ip6_dst(ip);
	const bool to_group = d[0] == 0xff;

	memcpy(src, s, sizeof(src));
	memcpy(dst, d, sizeof(dst));
	if (unlikely(to_group && (d[1] & 0xf) <= 1))
		return WEIR_DROP_IP_MARTIAN;
	if (unlikely(dst[0] == 0 && (dst[1] | one) == one)) /* :: or ::1 */
		return WEIR_DROP_IP_MARTIAN;
	if (unlikely(s[0] == 0xff || (src[0] == 0 && src[1] == one)))
		return WEIR_DROP_IP_SOURCE;
	if (unlikely(!to_group && (src[0] | src[1]) == 0))
		return WEIR_DROP_IP_SOURCE;
	return WEIR_DROP_NONE;
}

/* A routing header of type 0 that is not used up (RFC 5095). */
static bool is_source_route(const uint8_t *routing)
{
	return routing[2] == 0 && routing[3] != 0;
}

/* One extension header at l4_off: its length in bytes; 0: it may not stand here; proto moves on. */
static uint32_t take_extension(struct rte_mbuf *m, bool first)
{
	struct weir_meta *meta = weir_meta(m);
	const uint8_t kind = meta->proto;
	const uint8_t *ext;
	uint32_t bytes = 8;

	if (l4_there(m) < bytes || !packet_pull(m, meta->l4_off + bytes))
		return 0;
	ext = l4(m);
	if (kind == EXT_HOP_BY_HOP)
		meta->flags |= WEIR_META_OPTIONS;
	if (kind != EXT_FRAGMENT)
		bytes = (ext[1] + 1u) * 8;
	if (bytes > l4_there(m) || (kind == EXT_HOP_BY_HOP && !first))
		return 0;
	meta->proto = ext[0];
	if (kind == EXT_FRAGMENT) {
		const uint32_t at = (uint32_t)ext[2] << 8 | ext[3];

		if (!note_fragment(meta, at & 0xfff8, at & 1, l4_there(m) - bytes))
			return 0;
	}
	return bytes;
}

/* Walk the extension headers (RFC 8200 section 4.1); a later fragment ends the walk. */
static enum weir_drop walk_extensions(struct rte_mbuf *m)
{
	struct weir_meta *meta = weir_meta(m);
	const uint16_t begin = meta->l4_off;
	bool fragmented = false;

	for (unsigned n = 0; n <= EXT_HEADERS; n++) {
		const uint8_t kind = meta->proto;
		uint32_t bytes;

		switch (kind) {
		case EXT_FRAGMENT:
			if (fragmented)
				return WEIR_DROP_IP6_EXT;
			fragmented = true;
			break;
		case EXT_HOP_BY_HOP:
		case EXT_ROUTING:
		case EXT_DESTINATION:
			break;
		default: /* transport, AH as in IPv4, ESP, no next header, or what we do not know */
			return WEIR_DROP_NONE;
		}
		bytes = take_extension(m, n == 0);
		if (bytes == 0 || meta->l4_off + bytes - begin > EXT_BYTES ||
		    !packet_pull(m, meta->l4_off + bytes))
			return WEIR_DROP_IP6_EXT;
		if (kind == EXT_ROUTING && is_source_route(l4(m)))
			return WEIR_DROP_SOURCE_ROUTE;
		meta->l4_off = (uint16_t)(meta->l4_off + bytes);
		if (meta->flags & WEIR_META_FRAG_LATER)
			return WEIR_DROP_NONE;
	}
	return WEIR_DROP_IP6_EXT;
}

static enum weir_drop parse_ip6(struct rte_mbuf *m)
{
	struct weir_meta *meta = weir_meta(m);
	const struct rte_ipv6_hdr *ip;
	enum weir_drop bad;
	uint32_t packet_bytes;

	if (!packet_pull(m, meta->l3_off + sizeof(*ip)))
		return WEIR_DROP_IP6_HEADER;
	ip = ip6(m);
	packet_bytes = sizeof(*ip) + rte_be_to_cpu_16(ip->payload_len);
	if (*(const uint8_t *)ip >> 4 != 6 || packet_bytes > m->pkt_len - meta->l3_off)
		return WEIR_DROP_IP6_HEADER;
	/* A jumbogram says 0 and the length in an option (RFC 2675): no link here is that large. */
	if (ip->payload_len == 0 && ip->proto == EXT_HOP_BY_HOP)
		return WEIR_DROP_IP6_HEADER;
	trim(m, meta->l3_off + packet_bytes);
	bad = check_addresses6(ip);
	if (bad != WEIR_DROP_NONE)
		return bad;
	meta->flags |= WEIR_META_IP6;
	meta->l4_off = (uint16_t)(meta->l3_off + sizeof(*ip));
	meta->proto = ip->proto;
	bad = walk_extensions(m);
	return bad != WEIR_DROP_NONE ? bad : check_l4(m);
}

/* Take the tags off the type: l3_off behind them, the ids in vlan. False: cut short. */
static bool parse_tags(struct rte_mbuf *m, uint16_t *type, uint16_t vlan[2])
{
	struct weir_meta *meta = weir_meta(m);
	unsigned n = 0;

	meta->l3_off = RTE_ETHER_HDR_LEN;
	if (!packet_pull(m, RTE_ETHER_HDR_LEN))
		return false;
	*type = rte_be_to_cpu_16(eth_hdr(m)->ether_type);
	for (unsigned tags = 0; tags < 2; tags++) {
		const struct rte_vlan_hdr *tag;
		uint16_t id;

		if (*type != RTE_ETHER_TYPE_VLAN && *type != RTE_ETHER_TYPE_QINQ &&
		    (*type != ETHER_TYPE_QINQ_OLD || tags > 0))
			return true;
		if (!packet_pull(m, meta->l3_off + sizeof(*tag)))
			return false;
		tag = rte_pktmbuf_mtod_offset(m, const struct rte_vlan_hdr *, meta->l3_off);
		*type = rte_be_to_cpu_16(tag->eth_proto);
		meta->l3_off += sizeof(*tag);
		id = rte_be_to_cpu_16(tag->vlan_tci) & (WEIR_VLANS - 1);
		if (id != 0) /* 0 carries a priority only (IEEE 802.1Q section 9.6) */
			vlan[n++] = id;
	}
	return true;
}

/* Anything. */
static enum weir_verdict parse_any(struct rte_mbuf *m, const struct weir_l3 *l3)
{
	struct weir_meta *meta = weir_meta(m);
	enum weir_drop bad;
	uint16_t vlan[2] = {0, 0};
	uint16_t type;

	meta->l4_off = 0;
	meta->proto = 0;
	if (!parse_tags(m, &type, vlan))
		return weir_say_drop(m, WEIR_DROP_L2_SHORT);
	bad = check_l2(m, l3, vlan[0], vlan[1], 0);
	if (bad != WEIR_DROP_NONE)
		return weir_say_drop(m, bad);
	switch (type) {
	case RTE_ETHER_TYPE_IPV4:
		bad = parse_ip4(m);
		break;
	case RTE_ETHER_TYPE_IPV6:
		bad = parse_ip6(m);
		break;
	case RTE_ETHER_TYPE_ARP:
		return WEIR_NEXT;
	case RTE_ETHER_TYPE_VLAN: /* a third tag */
	case RTE_ETHER_TYPE_QINQ:
		return weir_say_drop(m, WEIR_DROP_VLAN_UNKNOWN);
	default:
		return WEIR_PUNT;
	}
	return bad == WEIR_DROP_NONE ? WEIR_NEXT : weir_say_drop(m, bad);
}

/* Whether it is IPv6 in one piece with TCP or UDP next to it, without tags. */
static inline bool is_plain6(struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = eth_hdr(m);
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)(eth + 1);
	const uint16_t headers = sizeof(*eth) + sizeof(*ip);

	return m->nb_segs == 1 && m->data_len >= headers + sizeof(struct rte_udp_hdr) &&
	       eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6) && *(const uint8_t *)ip >> 4 == 6 &&
	       (ip->proto == IPPROTO_UDP ||
		(ip->proto == IPPROTO_TCP && m->data_len >= headers + sizeof(struct rte_tcp_hdr)));
}

static inline enum weir_drop parse_plain6(struct rte_mbuf *m, const struct weir_l3 *l3)
{
	const uint16_t l3_off = sizeof(struct rte_ether_hdr);
	const uint16_t l4_off = l3_off + sizeof(struct rte_ipv6_hdr);
	const struct rte_ipv6_hdr *ip =
		rte_pktmbuf_mtod_offset(m, const struct rte_ipv6_hdr *, l3_off);
	const uint32_t l4_bytes = rte_be_to_cpu_16(ip->payload_len);
	struct weir_meta *meta = weir_meta(m);
	enum weir_drop bad;

	meta->l3_off = l3_off;
	meta->l4_off = l4_off;
	meta->proto = ip->proto;
	bad = check_l2(m, l3, 0, 0, WEIR_META_IP6 | WEIR_META_L4);
	if (unlikely(bad != WEIR_DROP_NONE))
		return bad;
	if (unlikely(l4_bytes > m->pkt_len - l4_off))
		return WEIR_DROP_IP6_HEADER;
	trim(m, l4_off + l4_bytes);
	bad = check_addresses6(ip);
	if (unlikely(bad != WEIR_DROP_NONE))
		return bad;
	if (ip->proto == IPPROTO_UDP)
		return l4_bytes < sizeof(struct rte_udp_hdr)
			       ? WEIR_DROP_L4_HEADER
			       : check_udp((const void *)(ip + 1), l4_bytes, true);
	return l4_bytes < sizeof(struct rte_tcp_hdr) ? WEIR_DROP_L4_HEADER
						     : check_tcp((const void *)(ip + 1), l4_bytes);
}

/* All but plain IPv4: plain IPv6 goes straight too. */
static __rte_noinline enum weir_verdict parse_other(struct rte_mbuf *m, const struct weir_l3 *l3)
{
	enum weir_drop bad;

	if (!is_plain6(m))
		return parse_any(m, l3);
	bad = parse_plain6(m, l3);
	return likely(bad == WEIR_DROP_NONE) ? WEIR_NEXT : weir_say_drop(m, bad);
}

/* Whether it is IPv4 in one piece with TCP or UDP, without tags and options. */
static inline bool is_plain(struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = eth_hdr(m);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(eth + 1);

	return m->nb_segs == 1 &&
	       m->data_len >= sizeof(*eth) + sizeof(*ip) + sizeof(struct rte_tcp_hdr) &&
	       eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
	       ip->version_ihl == RTE_IPV4_VHL_DEF && !(ip->fragment_offset & IP4_FRAGMENT) &&
	       (ip->next_proto_id == IPPROTO_UDP || ip->next_proto_id == IPPROTO_TCP) &&
	       rte_be_to_cpu_16(ip->total_length) >= sizeof(*ip) + sizeof(struct rte_udp_hdr);
}

static __rte_always_inline enum weir_verdict parse_one(struct rte_mbuf *m, const struct weir_l3 *l3,
						       struct untagged *known)
{
	const uint16_t l3_off = sizeof(struct rte_ether_hdr);
	const uint16_t l4_off = l3_off + sizeof(struct rte_ipv4_hdr);
	struct weir_meta *meta = weir_meta(m);
	const struct rte_ipv4_hdr *ip;
	enum weir_drop bad;

	if (!is_plain(m))
		return parse_other(m, l3);
	ip = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, l3_off);
	meta->l3_off = l3_off;
	meta->l4_off = l4_off;
	meta->proto = ip->next_proto_id;
	bad = check_untagged(m, l3, known, WEIR_META_IP4 | WEIR_META_L4);
	if (unlikely(bad != WEIR_DROP_NONE))
		return weir_say_drop(m, bad);
	bad = check_ip4(m, ip, l3_off, sizeof(*ip));
	if (unlikely(bad != WEIR_DROP_NONE))
		return weir_say_drop(m, bad);
	if (ip->next_proto_id == IPPROTO_UDP)
		bad = check_udp((const void *)(ip + 1), m->pkt_len - l4_off, true);
	else
		bad = check_tcp((const void *)(ip + 1), m->pkt_len - l4_off);
	return likely(bad == WEIR_DROP_NONE) ? WEIR_NEXT : weir_say_drop(m, bad);
}

static void parse_process(void *self, struct weir_burst *b)
{
	const struct weir_l3 *l3 = b->pass->gen == NULL ? NULL : b->pass->gen->l3;
	struct rte_mbuf *const *pkt = b->pkt;
	uint8_t *verdict = b->verdict;
	const unsigned n = b->n;
	struct untagged known = {.port = UINT32_MAX};

	for (unsigned i = 0; i < n; i++) {
		if (i + AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(pkt[i + AHEAD], void *));
		verdict[i] = (uint8_t)parse_one(pkt[i], l3, &known);
	}
}

const struct weir_node_ops weir_node_parse = {
	.name = "parse",
	.stage = 10,
	.takes = WEIR_NEXT,
	.may = WEIR_MAY(WEIR_NEXT) | WEIR_MAY(WEIR_PUNT) | WEIR_MAY(WEIR_DROP),
	.process = parse_process,
};
