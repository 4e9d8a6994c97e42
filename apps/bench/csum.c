/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * csum: checksums of IPv4 headers, TCP and UDP made anew, by the port where it can, and MAC
 * addresses as in mode mac. What has no such headers passes as it is.
 */

#include "bench_priv.h"

#include <netinet/in.h>
#include <weir/offload.h>

#include "headers_priv.h"

/* The IPv4 header alone: of a fragment, or of a protocol whose checksum is not ours to make. */
static void request_ip4(struct rte_mbuf *m, const struct bench_headers *h)
{
	h->ip4->hdr_checksum = 0;
	m->l2_len = h->l3_off;
	m->l3_len = h->l4_off - h->l3_off;
	m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
}

/* A UDP checksum over IPv4 may be left out (RFC 768), and then stays so. */
static bool wants_l4(const struct bench_headers *h)
{
	if (h->proto == IPPROTO_TCP)
		return true;
	if (h->proto != IPPROTO_UDP)
		return false;
	return h->ip6 != NULL || ((const struct rte_udp_hdr *)h->l4)->dgram_cksum != 0;
}

static inline void csum_one(struct rte_mbuf *m, uint32_t caps)
{
	struct bench_headers h;

	bench_headers_find(m, &h);
	m->ol_flags &= ~WEIR_OFFLOAD_TX;
	if (h.ip4 == NULL && h.ip6 == NULL)
		return;
	/* Sums run to the packet's end: padding must not be in it. */
	if (m->nb_segs == 1 && h.end < rte_pktmbuf_pkt_len(m))
		rte_pktmbuf_trim(m, (uint16_t)(rte_pktmbuf_pkt_len(m) - h.end));
	if (wants_l4(&h) && h.end == rte_pktmbuf_pkt_len(m))
		weir_offload_request(m, h.l3_off, h.l4_off);
	else if (h.ip4 != NULL)
		request_ip4(m, &h);
	weir_offload_finish(m, caps);
}

unsigned bench_run_csum(struct bench_worker *w, struct bench_lane *l, const struct bench_plan *plan,
			struct rte_mbuf **pkts, uint16_t n, uint64_t now_ns)
{
	const struct rte_ether_addr *macs = plan->macs[l->out.port->id];

	for (uint16_t i = 0; i < n; i++) {
		if (i + 1 < n)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + 1], void *));
		memcpy(rte_pktmbuf_mtod(pkts[i], void *), macs, 2 * sizeof(macs[0]));
		csum_one(pkts[i], l->out.port->caps);
	}
	bench_send(l, &l->out, plan, pkts, n);
	return 0;
}
