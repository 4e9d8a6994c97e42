/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Checksums that a packet asks for (mbuf.h, RTE_MBUF_F_TX_...): the kernel completes TCP's and
 * UDP's where it takes requests in front of a packet (Linux 6.8), the rest is computed here.
 */

#include "cksum_priv.h"
#include "tx_priv.h"

#include <rte_tcp.h>
#include <rte_udp.h>

#include <string.h>

struct l4 {
	uint32_t off;
	uint32_t bytes;	 /* header and payload */
	uint16_t field;	 /* of the checksum, from off */
	uint16_t pseudo; /* the pseudo header's sum, not complemented */
	bool udp;
};

static bool read_l4(const struct rte_mbuf *m, struct l4 *out)
{
	const uint64_t kind = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;
	uint32_t least;

	if (kind != RTE_MBUF_F_TX_TCP_CKSUM && kind != RTE_MBUF_F_TX_UDP_CKSUM)
		return false; /* SCTP: not offered */
	out->udp = kind == RTE_MBUF_F_TX_UDP_CKSUM;
	out->off = m->l2_len + m->l3_len;
	out->field = out->udp ? offsetof(struct rte_udp_hdr, dgram_cksum)
			      : offsetof(struct rte_tcp_hdr, cksum);
	least = out->udp ? sizeof(struct rte_udp_hdr) : sizeof(struct rte_tcp_hdr);
	return out->bytes >= least && out->off + least <= m->data_len &&
	       out->off + out->bytes <= m->pkt_len;
}

static bool read_ip4(struct rte_mbuf *m, struct l4 *l4)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, m->l2_len);
	uint16_t total;

	if (m->l3_len < sizeof(*ip) || m->l2_len + m->l3_len > m->data_len)
		return false;
	total = rte_be_to_cpu_16(ip->total_length);
	if (rte_ipv4_hdr_len(ip) != m->l3_len || total < m->l3_len)
		return false;
	l4->bytes = total - m->l3_len;
	l4->pseudo = rte_ipv4_phdr_cksum(ip, 0);
	if (m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) {
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	return true;
}

static bool read_ip6(const struct rte_mbuf *m, struct l4 *l4)
{
	const struct rte_ipv6_hdr *ip =
		rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, m->l2_len);
	struct rte_ipv6_hdr upper;
	uint32_t bytes;

	if (m->l3_len < sizeof(*ip) || m->l2_len + m->l3_len > m->data_len ||
	    (m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM))
		return false;
	bytes = rte_be_to_cpu_16(ip->payload_len) + (uint32_t)sizeof(*ip);
	if (bytes < m->l3_len)
		return false;
	l4->bytes = bytes - m->l3_len;
	/* RFC 8200, 8.1: the sum is of the upper layer's length and protocol, whatever headers lie
	 * between. */
	upper = *ip;
	upper.proto = (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM
			      ? IPPROTO_UDP
			      : IPPROTO_TCP;
	upper.payload_len = rte_cpu_to_be_16((uint16_t)l4->bytes);
	l4->pseudo = rte_ipv6_phdr_cksum(&upper, 0);
	return true;
}

/*
 * Leave it to the kernel: the field holds the pseudo header's sum, a request lies in front of the
 * packet. The kernel sums up to the packet's end, so padding behind the payload is a case for us.
 */
static bool ask_kernel(const struct xdp_txq *txq, struct rte_mbuf *m, const struct l4 *l4)
{
	const struct xsk_tx_request request = {
		.flags = XSK_TX_REQUEST_CHECKSUM,
		.csum_start = (uint16_t)l4->off,
		.csum_offset = l4->field,
	};

	if (!txq->port->modes.tx_meta || rte_pktmbuf_headroom(m) < sizeof(request) ||
	    l4->off + l4->bytes != m->pkt_len)
		return false;
	memcpy(rte_pktmbuf_mtod_offset(m, char *, -(int)sizeof(request)), &request,
	       sizeof(request));
	return true;
}

/* An application may put a packet at an odd address. */
static void write_sum(struct rte_mbuf *m, const struct l4 *l4, uint16_t sum)
{
	memcpy(rte_pktmbuf_mtod_offset(m, char *, l4->off + l4->field), &sum, sizeof(sum));
}

bool xdp_tx_cksum(struct xdp_txq *txq, struct rte_mbuf *m)
{
	struct l4 l4 = {0};
	uint16_t sum;

	if (m->ol_flags & (RTE_MBUF_F_TX_OUTER_IP_CKSUM | RTE_MBUF_F_TX_OUTER_UDP_CKSUM))
		return false; /* not offered */
	if (!(m->ol_flags & RTE_MBUF_F_TX_IPV6 ? read_ip6(m, &l4) : read_ip4(m, &l4)))
		return false;
	m->ol_flags &= ~RTE_MBUF_F_TX_IP_CKSUM;
	if ((m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == 0)
		return true;
	if (!read_l4(m, &l4))
		return false;
	write_sum(m, &l4, l4.pseudo);
	if (ask_kernel(txq, m, &l4))
		return true;
	if (!xdp_raw_cksum(m, l4.off, l4.bytes, &sum))
		return false;
	sum = (uint16_t)~sum;
	write_sum(m, &l4, sum == 0 && l4.udp ? UINT16_MAX : sum); /* RFC 768: 0 would mean none */
	m->ol_flags &= ~RTE_MBUF_F_TX_L4_MASK;
	txq->stats.soft_cksum++;
	return true;
}
