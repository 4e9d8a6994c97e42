/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * icmpecho: answers ARP requests (RFC 826) and pings (RFC 792) for any address, out of the port
 * that they came in by; frees everything else.
 */

#include "bench_priv.h"

#include <netinet/in.h>
#include <rte_arp.h>
#include <rte_icmp.h>
#include <weir/csum.h>

#include "headers_priv.h"

/* Not an address that somebody has: 0.0.0.0, 127/8, 224/4 and above. */
static bool nobody(rte_be32_t addr)
{
	const uint32_t first = rte_be_to_cpu_32(addr) >> 24;

	return first == 0 || first == 127 || first >= 224;
}

static void answer_ether(struct rte_mbuf *m, const struct rte_ether_addr *ours)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);

	eth->dst_addr = eth->src_addr;
	eth->src_addr = *ours;
}

static bool answer_arp(struct rte_mbuf *m, uint16_t off, const struct rte_ether_addr *ours)
{
	struct rte_arp_hdr *arp = rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, off);
	rte_be32_t asked;

	if (rte_pktmbuf_data_len(m) < off + sizeof(*arp) ||
	    arp->arp_hardware != rte_cpu_to_be_16(RTE_ARP_HRD_ETHER) ||
	    arp->arp_protocol != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) ||
	    arp->arp_hlen != RTE_ETHER_ADDR_LEN || arp->arp_plen != sizeof(rte_be32_t) ||
	    arp->arp_opcode != rte_cpu_to_be_16(RTE_ARP_OP_REQUEST))
		return false;
	asked = arp->arp_data.arp_tip;
	/* Who announces an address asks for its own (RFC 5227): an answer would be a conflict. */
	if (nobody(asked) || asked == arp->arp_data.arp_sip)
		return false;
	arp->arp_opcode = rte_cpu_to_be_16(RTE_ARP_OP_REPLY);
	arp->arp_data.arp_tha = arp->arp_data.arp_sha;
	arp->arp_data.arp_tip = arp->arp_data.arp_sip;
	arp->arp_data.arp_sha = *ours;
	arp->arp_data.arp_sip = asked;
	answer_ether(m, ours);
	return true;
}

static bool answer_ping(struct rte_mbuf *m, const struct bench_headers *h,
			const struct rte_ether_addr *ours)
{
	struct rte_icmp_hdr *icmp = h->l4;
	const rte_be32_t asked = h->ip4->dst_addr;

	if (icmp->icmp_type != RTE_IP_ICMP_ECHO_REQUEST || icmp->icmp_code != 0 || nobody(asked) ||
	    nobody(h->ip4->src_addr))
		return false;
	icmp->icmp_type = RTE_IP_ICMP_ECHO_REPLY;
	icmp->icmp_cksum = weir_csum_update16(icmp->icmp_cksum,
					      rte_cpu_to_be_16(RTE_IP_ICMP_ECHO_REQUEST << 8),
					      rte_cpu_to_be_16(RTE_IP_ICMP_ECHO_REPLY << 8));
	h->ip4->dst_addr = h->ip4->src_addr;
	h->ip4->src_addr = asked;
	answer_ether(m, ours);
	return true;
}

static bool answer(struct rte_mbuf *m, const struct rte_ether_addr *ours)
{
	struct bench_headers h;

	bench_headers_find(m, &h);
	if (h.ether_type == RTE_ETHER_TYPE_ARP)
		return answer_arp(m, h.l3_off, ours);
	return h.ip4 != NULL && h.proto == IPPROTO_ICMP && answer_ping(m, &h, ours);
}

unsigned bench_run_icmpecho(struct bench_worker *w, struct bench_lane *l,
			    const struct bench_plan *plan, struct rte_mbuf **pkts, uint16_t n,
			    uint64_t now_ns)
{
	uint16_t answers = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (answer(pkts[i], &l->back.port->mac)) {
			pkts[answers++] = pkts[i];
		} else {
			rte_pktmbuf_free(pkts[i]);
			weir_count(&l->strange, 1);
		}
	}
	if (answers > 0)
		bench_send(l, &l->back, plan, pkts, answers);
	return 0;
}
