/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ICMP errors of any bytes at a stack with sockets.
 *
 * Input: a byte of choices (bit 0: IPv6, the others: bytes of a segment), then the packet from its
 * IP header on, as long as there are bytes. Whatever comes: nothing outside of the packet is read,
 * what is believed quotes one of our addresses and a protocol that we speak, an MTU is one that a
 * path can have, and of the path nothing is learnt that is below the least.
 */

#include "stack_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip6.h>

#include "fuzz_eal.h"

static struct rte_mempool *pool;

static void output(void *ctx, struct rte_mbuf **pkts, uint16_t n)
{
	rte_pktmbuf_free_bulk(pkts, n);
}

/* The IP header is in one piece, as the parser promises; what follows in segments. */
static struct rte_mbuf *packet(const uint8_t *p, size_t n, uint16_t head, uint16_t seg_bytes)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *seg = m;

	must(m != NULL, "there is a buffer");
	memcpy(rte_pktmbuf_append(m, head), p, head);
	for (size_t at = head; at < n;) {
		const uint16_t part = (uint16_t)RTE_MIN(n - at, (size_t)seg_bytes);

		seg = rte_pktmbuf_alloc(pool);
		must(seg != NULL, "there is a buffer");
		memcpy(rte_pktmbuf_append(seg, part), p + at, part);
		must(rte_pktmbuf_chain(m, seg) == 0, "it is not too long");
		at += part;
	}
	return m;
}

static void check(struct weir_stack *s, const struct ip_error *e, const uint8_t *to)
{
	const struct weir_addr peer = weir_addr_of(e->ends.dst, e->ends.family);
	const bool v6 = e->ends.family == 6;

	must(memcmp(e->ends.src, to, v6 ? 16 : 4) == 0, "it quotes what we have sent");
	must(e->ends.proto == IPPROTO_UDP || e->ends.proto == IPPROTO_TCP, "of what we speak");
	must(e->error != 0, "an error is one");
	must((e->error == EMSGSIZE) == (e->mtu_bytes != 0), "an MTU is with its error");
	must(e->error != EMSGSIZE || e->mtu_bytes >= (v6 ? IP_MTU_LEAST6 : 68), "and can be");
	if (e->ends.proto == IPPROTO_UDP)
		(void)udp_icmp(s, e);
	else if (e->error == EMSGSIZE)
		(void)ip_mtu_lower(s, &peer, e->mtu_bytes);
	must(ip_mtu(s, &peer) >= (v6 ? IP_MTU_LEAST6 : IP_MTU_LEAST4), "no path is narrower");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct weir_stack_conf conf = {
		.sockets = 2, .socket_pkts = 1, .secret = {1, 2}, .output = output};
	const bool v6 = size > 0 && data[0] & 1;
	const uint16_t head = v6 ? 40 : 20;
	struct weir_stack_conf whole = conf;
	struct weir_stack *s;
	struct ip_error e;
	struct rte_mbuf *m;
	weir_sock sock;

	if (size < 1u + head || size > 600)
		return 0;
	if (pool == NULL) {
		fuzz_eal("64");
		pool = fuzz_pool(511);
	}
	whole.pool = pool;
	must(weir_stack_create(&whole, &s) == 0, "a stack is made");
	must(weir_udp_open(s, &(struct weir_endpoint){.port = 1000}, NULL, &sock) == 0, "it opens");
	m = packet(data + 1, size - 1, head, (uint16_t)(1 + (data[0] >> 1)) * 4);
	*weir_meta(m) =
		(struct weir_meta){.flags = WEIR_META_L4 | (v6 ? WEIR_META_IP6 : WEIR_META_IP4),
				   .l4_off = head,
				   .proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP};
	if (ip_error_read(m, &e))
		check(s, &e, data + 1 + (v6 ? 24 : 16));
	rte_pktmbuf_free(m);
	weir_stack_free(s);
	must(rte_mempool_in_use_count(pool) == 0, "every buffer is home");
	return 0;
}
