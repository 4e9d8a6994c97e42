/* SPDX-License-Identifier: BSD-3-Clause */

#include <weir/offload.h>

#include <netinet/in.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <weir/csum.h>
#include <weir/port.h>

/* Write the transport checksum. */
static void put_l4_csum(struct rte_mbuf *m, uint16_t l4_off, uint8_t proto, rte_be16_t csum)
{
	if (proto == IPPROTO_TCP)
		rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, l4_off)->cksum = csum;
	else
		rte_pktmbuf_mtod_offset(m, struct rte_udp_hdr *, l4_off)->dgram_cksum = csum;
}

uint32_t weir_offload_sum(const struct rte_mbuf *m, uint32_t off, uint32_t bytes)
{
	uint32_t sum = 0, done = 0;

	for (; m != NULL && done < bytes; m = m->next) {
		const uint32_t skip = RTE_MIN(off, (uint32_t)m->data_len);
		const uint32_t part = RTE_MIN(m->data_len - skip, bytes - done);
		const void *data = rte_pktmbuf_mtod_offset(m, const void *, skip);

		sum = weir_csum_add(sum, weir_csum_at(weir_csum_sum(data, part), done));
		done += part;
		off -= skip;
	}
	return sum;
}

/* The length is the IP header's: what follows it in a short frame is padding. */
static void finish_l4(struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *ip4 =
		rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, m->l2_len);
	const struct rte_ipv6_hdr *ip6 = (const struct rte_ipv6_hdr *)ip4;
	const uint16_t l4_off = (uint16_t)(m->l2_len + m->l3_len);
	const bool tcp = (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM;
	const uint8_t proto = tcp ? IPPROTO_TCP : IPPROTO_UDP;
	uint32_t bytes, sum;
	uint16_t csum;

	put_l4_csum(m, l4_off, proto, 0);
	if (m->ol_flags & RTE_MBUF_F_TX_IPV4) {
		bytes = rte_be_to_cpu_16(ip4->total_length) - m->l3_len;
		sum = weir_csum_pseudo4(ip4->src_addr, ip4->dst_addr, proto, bytes);
	} else {
		bytes = rte_be_to_cpu_16(ip6->payload_len) + sizeof(*ip6) - m->l3_len;
		sum = weir_csum_pseudo6(&ip6->src_addr, &ip6->dst_addr, proto, bytes);
	}
	csum = weir_csum_finish(weir_csum_add(sum, weir_offload_sum(m, l4_off, bytes)));
	put_l4_csum(m, l4_off, proto, csum == 0 && !tcp ? UINT16_MAX : csum); /* RFC 768 */
}

unsigned weir_offload_finish(struct rte_mbuf *m, uint32_t caps)
{
	const uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;
	unsigned made = 0;

	if ((m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) && !(caps & WEIR_PORT_TX_CSUM_IP4)) {
		struct rte_ipv4_hdr *ip =
			rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, m->l2_len);

		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		m->ol_flags &= ~RTE_MBUF_F_TX_IP_CKSUM;
		made++;
	}
	if ((l4 == RTE_MBUF_F_TX_TCP_CKSUM || l4 == RTE_MBUF_F_TX_UDP_CKSUM) &&
	    !(caps & WEIR_PORT_TX_CSUM_L4)) {
		finish_l4(m);
		m->ol_flags &= ~RTE_MBUF_F_TX_L4_MASK;
		made++;
	}
	return made;
}

void weir_offload_request(struct rte_mbuf *m, uint16_t l3_off, uint16_t l4_off)
{
	struct rte_ipv4_hdr *ip4 = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, l3_off);
	struct rte_ipv6_hdr *ip6 = rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, l3_off);
	const bool v4 = ip4->version_ihl >> 4 == 4;
	const uint8_t proto = v4 ? ip4->next_proto_id : ip6->proto;

	m->l2_len = l3_off;
	m->l3_len = l4_off - l3_off;
	m->ol_flags &= ~WEIR_OFFLOAD_TX;
	if (v4) {
		ip4->hdr_checksum = 0;
		m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
	} else {
		m->ol_flags |= RTE_MBUF_F_TX_IPV6;
	}
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return;
	m->ol_flags |= proto == IPPROTO_TCP ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
	put_l4_csum(m, l4_off, proto,
		    v4 ? rte_ipv4_phdr_cksum(ip4, m->ol_flags)
		       : rte_ipv6_phdr_cksum(ip6, m->ol_flags));
}
