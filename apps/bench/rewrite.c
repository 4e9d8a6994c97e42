/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * mac, macswap, 5tswap: headers rewritten in place, packets sent out of the port's pair. A frame
 * that is too short for a header keeps what it has there.
 */

#include "bench_priv.h"

#include <netinet/in.h>
#include <rte_tcp.h>

#include "headers_priv.h"

/* Packets ahead of the one being rewritten whose headers are fetched. */
#define AHEAD 4

typedef uint8_t bytes16 __attribute__((vector_size(16), aligned(1), may_alias));

/* Destination and source change places, in one load, one shuffle and one store of 16 bytes. */
static inline void swap_macs(struct rte_mbuf *m)
{
	bytes16 *const at = rte_pktmbuf_mtod(m, bytes16 *);

	*at = __builtin_shufflevector(*at, *at, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 12, 13, 14,
				      15);
}

static inline void fetch(struct rte_mbuf **pkts, uint16_t i, uint16_t n)
{
	if (i + AHEAD < n)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i + AHEAD], void *));
}

unsigned bench_run_mac(struct bench_worker *w, struct bench_lane *l, const struct bench_plan *plan,
		       struct rte_mbuf **pkts, uint16_t n, uint64_t now_ns)
{
	const struct rte_ether_addr *macs = plan->macs[l->out.port->id];

	for (uint16_t i = 0; i < n; i++) {
		fetch(pkts, i, n);
		memcpy(rte_pktmbuf_mtod(pkts[i], void *), macs, 2 * sizeof(macs[0]));
	}
	bench_send(l, &l->out, plan, pkts, n);
	return 0;
}

unsigned bench_run_macswap(struct bench_worker *w, struct bench_lane *l,
			   const struct bench_plan *plan, struct rte_mbuf **pkts, uint16_t n,
			   uint64_t now_ns)
{
	for (uint16_t i = 0; i < n; i++) {
		fetch(pkts, i, n);
		swap_macs(pkts[i]);
	}
	bench_send(l, &l->out, plan, pkts, n);
	return 0;
}

/* Checksums stay right: sums do not mind the order of addresses and ports. */
static inline void swap_5tuple(struct rte_mbuf *m)
{
	struct bench_headers h;

	if (rte_pktmbuf_data_len(m) >= sizeof(struct rte_ether_hdr))
		swap_macs(m);
	bench_headers_find(m, &h);
	if (h.ip4 != NULL) {
		const rte_be32_t src = h.ip4->src_addr;

		h.ip4->src_addr = h.ip4->dst_addr;
		h.ip4->dst_addr = src;
	} else if (h.ip6 != NULL) {
		uint8_t src[16];

		memcpy(src, h.ip6->src_addr, 16);
		memcpy(h.ip6->src_addr, h.ip6->dst_addr, 16);
		memcpy(h.ip6->dst_addr, src, 16);
	}
	if (h.proto == IPPROTO_TCP || h.proto == IPPROTO_UDP) {
		rte_be16_t *const ports = h.l4; /* both begin with source and destination */
		const rte_be16_t src = ports[0];

		ports[0] = ports[1];
		ports[1] = src;
	}
}

unsigned bench_run_5tswap(struct bench_worker *w, struct bench_lane *l,
			  const struct bench_plan *plan, struct rte_mbuf **pkts, uint16_t n,
			  uint64_t now_ns)
{
	for (uint16_t i = 0; i < n; i++) {
		fetch(pkts, i, n);
		swap_5tuple(pkts[i]);
	}
	bench_send(l, &l->out, plan, pkts, n);
	return 0;
}
