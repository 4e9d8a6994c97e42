/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The rings of 01_ring, and the hash that says which worker owns a flow.
 *
 * The hash is symmetric: the lower address comes first and so does the lower port. It is keyed, so
 * that nobody outside can aim all flows at one worker.
 */

#include "handoff_priv.h"

#include <errno.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <weir/siphash.h>

/* Copies of ARP and ND a second: enough to learn, too few to be a weapon. */
#define COPIES_PER_S 2000

int handoff_create(uint16_t workers, int numa, struct weir_handoff **out)
{
	struct weir_handoff *ends = calloc(workers, sizeof(*ends));
	char name[RTE_RING_NAMESIZE];
	int rc = 0;

	if (ends == NULL)
		return -ENOMEM;
	for (uint16_t a = 0; rc == 0 && a < workers; a++) {
		ends[a].worker = a;
		ends[a].workers = workers;
		rc = weir_bucket_init(&ends[a].copies, COPIES_PER_S, COPIES_PER_S, 0);
	}
	if (rc < 0)
		goto err;
	rc = -ENOMEM;
	for (uint16_t a = 0; a < workers; a++) {
		for (uint16_t b = 0; b < workers; b++) {
			struct rte_ring *r;

			if (a == b)
				continue;
			snprintf(name, sizeof(name), "weir_%u_to_%u", a, b);
			r = rte_ring_create(name, HANDOFF_RING_PKTS, numa,
					    RING_F_SP_ENQ | RING_F_SC_DEQ);
			if (r == NULL)
				goto err;
			ends[a].to[b] = r;
			ends[b].from[a] = r;
		}
	}
	*out = ends;
	return 0;
err:
	handoff_free(ends);
	return rc;
}

void handoff_drop(struct weir_handoff *ends)
{
	const uint16_t workers = ends == NULL ? 0 : ends->workers;
	struct rte_mbuf *m;

	for (uint16_t to = 0; to < workers; to++)
		for (uint16_t w = 0; w < workers; w++)
			while (w != to && rte_ring_sc_dequeue(ends[to].from[w], (void **)&m) == 0)
				weir_drop(ends[to].shard, m, WEIR_DROP_STOPPING);
}

void handoff_free(struct weir_handoff *ends)
{
	const uint16_t workers = ends == NULL ? 0 : ends->workers;
	struct rte_mbuf *m;

	for (uint16_t a = 0; a < workers; a++) {
		for (uint16_t b = 0; b < workers; b++) {
			struct rte_ring *r = ends[a].to[b];

			while (r != NULL && rte_ring_sc_dequeue(r, (void **)&m) == 0)
				rte_pktmbuf_free(m);
			rte_ring_free(r);
		}
	}
	free(ends);
}

void handoff_give(struct weir_handoff *h, uint16_t to, struct rte_mbuf **pkts, uint16_t n)
{
	const uint16_t put =
		(uint16_t)rte_ring_sp_enqueue_burst(h->to[to], (void *const *)pkts, n, NULL);

	h->woken |= UINT64_C(1) << to;
	for (uint16_t i = put; i < n; i++)
		weir_drop(h->shard, pkts[i], WEIR_DROP_RING_FULL);
}

void handoff_copy(struct weir_handoff *h, struct rte_mbuf *m, uint64_t now_ns)
{
	if (h == NULL)
		return;
	for (uint16_t w = 0; w < h->workers; w++) {
		struct rte_mbuf *copy;

		if (w == h->worker || !weir_bucket_take(&h->copies, 1, now_ns))
			continue;
		copy = rte_pktmbuf_copy(m, h->shard->pool, 0, UINT32_MAX);
		if (copy == NULL) {
			weir_count(&h->shard->counters.drops[WEIR_DROP_NO_MBUF], 1);
			continue;
		}
		*weir_meta(copy) = *weir_meta(m);
		weir_meta(copy)->flags |= WEIR_META_LEARN;
		weir_meta(copy)->origin_verdict = WEIR_NEXT;
		handoff_give(h, w, &copy, 1);
	}
}

void handoff_wake(struct weir_handoff *h)
{
	/* What was put into a ring is seen before its owner is seen to be awake. */
	atomic_thread_fence(memory_order_seq_cst);
	for (; h->woken != 0; h->woken &= h->woken - 1)
		weir_engine_kick(h->engine[__builtin_ctzll(h->woken)]);
}

/* Both ports in one word, the lower first; 0 where there are none to see. */
static uint64_t ports_word(const uint8_t *l4, const uint8_t *end)
{
	uint16_t a, b;

	if (end - l4 < 4)
		return 0;
	memcpy(&a, l4, sizeof(a));
	memcpy(&b, l4 + 2, sizeof(b));
	return a < b ? (uint64_t)a << 16 | b : (uint64_t)b << 16 | a;
}

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP;
}

static uint64_t hash_ip4(const struct weir_siphash_key *key, const uint8_t *l3, const uint8_t *end)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)l3;
	const bool fragment = ip->fragment_offset & RTE_BE16(0x3fff);
	uint64_t addrs, ports = 0;

	if (end - l3 < (ptrdiff_t)sizeof(*ip))
		return 0;
	if (has_ports(ip->next_proto_id) && !fragment)
		ports = ports_word(l3 + rte_ipv4_hdr_len(ip), end);
	addrs = ip->src_addr < ip->dst_addr ? (uint64_t)ip->src_addr << 32 | ip->dst_addr
					    : (uint64_t)ip->dst_addr << 32 | ip->src_addr;
	return weir_siphash13_u64x2(key, addrs, ports << 8 | ip->next_proto_id);
}

static uint64_t hash_ip6(const struct weir_siphash_key *key, const uint8_t *l3, const uint8_t *end)
{
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)l3;
	uint64_t src[2], dst[2], ports = 0;

	if (end - l3 < (ptrdiff_t)sizeof(*ip))
		return 0;
	if (has_ports(ip->proto))
		ports = ports_word(l3 + sizeof(*ip), end);
	memcpy(src, ip->src_addr, sizeof(src));
	memcpy(dst, ip->dst_addr, sizeof(dst));
	/* Sums are the same both ways, and unlike XOR they tell a from b in (a, a) and (b, b). */
	return weir_siphash13_u64x3(key, src[0] + dst[0], src[1] + dst[1], ports << 8 | ip->proto);
}

uint16_t handoff_owner(const struct weir_handoff *h, struct rte_mbuf *m)
{
	const uint8_t *at = rte_pktmbuf_mtod(m, const uint8_t *);
	const uint8_t *end = at + rte_pktmbuf_data_len(m);
	const uint8_t *type = at + offsetof(struct rte_ether_hdr, ether_type);
	uint64_t hash = 0;

	for (unsigned tags = 0; end - type >= 6 && tags < 2; tags++, type += RTE_VLAN_HLEN) {
		const uint16_t t = (uint16_t)(type[0] << 8 | type[1]);

		if (t != RTE_ETHER_TYPE_VLAN && t != RTE_ETHER_TYPE_QINQ)
			break;
	}
	if (end - type < 2)
		return h->worker;
	if (type[0] == 0x08 && type[1] == 0x00)
		hash = hash_ip4(&h->shard->secret, type + 2, end);
	else if (type[0] == 0x86 && type[1] == 0xdd)
		hash = hash_ip6(&h->shard->secret, type + 2, end);
	if (hash == 0)
		return h->worker;
	weir_meta(m)->hash = (uint32_t)hash | 1; /* 0 means unknown */
	return (uint16_t)(((hash >> 32) * h->workers) >> 32);
}
