/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 70_local: packets for an address of ours.
 *
 * Takes:  LOCAL; parsed packets whose destination is ours.
 * Says:   DROP if the transport checksum is wrong (L4_CSUM) or the packet asks for an echo that
 *         must not be answered (LOCAL_DONE); HELD for an echo request, which leaves as its own
 *         reply, and for what the worker's stack takes (local.h); PUNT where the interface has a
 *         kernel path, to which the stack's is but a copy of what is for many; else REJECT
 *         (NO_SERVICE).
 * Holds:  nothing.
 */

#include <weir/nodes.h>

#include <errno.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <stdlib.h>
#include <weir/local.h>

#include "icmp_priv.h"
#include "l4_csum_priv.h"

#define DSCP_MASK 0xfc

struct local_node {
	struct weir_shard *shard;
	struct icmp_idents idents;
};

/* Drop what stands between two headers: the bytes before it move up to what follows it. */
static void close_gap(struct rte_mbuf *m, uint16_t head_bytes, uint16_t gap_bytes)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

	if (gap_bytes == 0)
		return;
	memmove(p + gap_bytes, p, head_bytes);
	rte_pktmbuf_adj(m, gap_bytes);
	weir_meta(m)->l4_off = head_bytes;
}

/*
 * RFC 792, RFC 1122 section 3.2.2.6: the data come back as they went, from the address that was
 * asked. Options are not echoed (a source route would have to be turned round), congestion marks
 * neither. DF stays clear, so that a reply longer than a link can be cut.
 */
static enum weir_verdict echo4(struct local_node *n, struct rte_mbuf *m, const struct weir_iface *f)
{
	const struct weir_meta *meta = weir_meta(m);
	const struct rte_ipv4_hdr asked = *ip4(m);
	const uint16_t gap_bytes = (uint16_t)(meta->l4_off - meta->l3_off - sizeof(asked));
	struct rte_ipv4_hdr *ip;
	struct icmp_head *icmp;

	if ((meta->flags & WEIR_META_L2_GROUP) || !icmp_is_host4(f, asked.dst_addr) ||
	    !icmp_is_host4(f, asked.src_addr))
		return weir_say_drop(m, WEIR_DROP_LOCAL_DONE);
	close_gap(m, (uint16_t)(meta->l3_off + sizeof(asked)), gap_bytes);
	ip = ip4(m);
	icmp_fill_ip4(ip, asked.type_of_service & DSCP_MASK,
		      (uint16_t)(rte_be_to_cpu_16(asked.total_length) - gap_bytes), IPPROTO_ICMP,
		      asked.dst_addr, asked.src_addr);
	ip->packet_id = icmp_ident_be(&n->idents, ip->src_addr, ip->dst_addr);
	ip->hdr_checksum = weir_csum(ip, sizeof(*ip));
	icmp = l4(m);
	icmp->type = RTE_IP_ICMP_ECHO_REPLY;
	icmp->csum = weir_csum_update16(icmp->csum, RTE_BE16(RTE_IP_ICMP_ECHO_REQUEST << 8),
					RTE_BE16(RTE_IP_ICMP_ECHO_REPLY << 8));
	icmp_send(n->shard, f, m, m);
	return WEIR_HELD;
}

/* RFC 4443 section 4.2: also if asked by a group's address, then from one of the interface's. */
static enum weir_verdict echo6(struct local_node *n, struct rte_mbuf *m, const struct weir_iface *f)
{
	const struct weir_meta *meta = weir_meta(m);
	const struct rte_ipv6_hdr asked = *ip6(m);
	const uint16_t gap_bytes = (uint16_t)(meta->l4_off - meta->l3_off - sizeof(asked));
	const void *from = ip6_dst(&asked);
	const struct weir_addr *ours;
	struct rte_ipv6_hdr *ip;
	struct icmp_head *icmp;
	uint32_t change = weir_csum_change16(RTE_BE16(ICMP6_ECHO_REQUEST << 8),
					     RTE_BE16(ICMP6_ECHO_REPLY << 8));

	if (!icmp_is_host6(from)) {
		ours = icmp_source6(f, ip6_src(&asked));
		from = ours == NULL ? NULL : ours->bytes;
	}
	if (from == NULL || !icmp_is_host6(ip6_src(&asked)))
		return weir_say_drop(m, WEIR_DROP_LOCAL_DONE);
	close_gap(m, (uint16_t)(meta->l3_off + sizeof(asked)), gap_bytes);
	ip = ip6(m);
	icmp_fill_ip6(ip, (uint16_t)(rte_be_to_cpu_16(asked.payload_len) - gap_bytes),
		      IPPROTO_ICMPV6, from, ip6_src(&asked));
	ip->vtc_flow |= asked.vtc_flow & rte_cpu_to_be_32((uint32_t)DSCP_MASK << 20);
	icmp = l4(m);
	icmp->type = ICMP6_ECHO_REPLY;
	/* Source and destination change places in the pseudo header, unless a group was asked. */
	change = weir_csum_add(change, weir_csum_change128(ip6_dst(&asked), from));
	icmp->csum = weir_csum_apply(icmp->csum, change);
	icmp_send(n->shard, f, m, m);
	return WEIR_HELD;
}

static bool is_echo_request(struct rte_mbuf *m)
{
	const struct weir_meta *meta = weir_meta(m);
	const struct icmp_head *icmp = l4(m);

	if ((meta->flags & (WEIR_META_L4 | WEIR_META_FRAG)) != WEIR_META_L4)
		return false;
	if (meta->flags & WEIR_META_IP4)
		return meta->proto == IPPROTO_ICMP && icmp->type == RTE_IP_ICMP_ECHO_REQUEST;
	return meta->proto == IPPROTO_ICMPV6 && icmp->type == ICMP6_ECHO_REQUEST;
}

/* Where a packet goes that nobody here takes. */
static enum weir_verdict not_ours(struct rte_mbuf *m, const struct weir_l3 *l3)
{
	const struct weir_iface *f = icmp_iface(l3, m);

	return f != NULL && f->kernel ? WEIR_PUNT : weir_say_reject(m, WEIR_DROP_NO_SERVICE);
}

static bool is_to_many(struct rte_mbuf *m)
{
	return weir_meta(m)->flags & (WEIR_META_L2_GROUP | WEIR_META_BROADCAST);
}

/* To many, and by an interface where the kernel hears it too. */
static bool is_shared(struct rte_mbuf *m, const struct weir_l3 *l3)
{
	const struct weir_iface *f = icmp_iface(l3, m);

	return is_to_many(m) && f != NULL && f->kernel;
}

/* To many: datagrams and what routers ask about groups, IGMP among it, which 10_parse passes by. */
static bool is_for_stack(const struct local_node *n, struct rte_mbuf *m)
{
	const struct weir_meta *meta = weir_meta(m);

	if (n->shard->local == NULL)
		return false;
	if (meta->proto == IPPROTO_IGMP && meta->flags & WEIR_META_IP4)
		return !(meta->flags & WEIR_META_FRAG);
	if (!(meta->flags & WEIR_META_L4))
		return false;
	return is_to_many(m) ? meta->proto == IPPROTO_UDP || meta->proto == IPPROTO_ICMPV6
			     : meta->proto != IPPROTO_SCTP;
}

/* To many who hear, and the kernel is one of them: the stack gets a copy, which it may not want. */
static void offer_copy(const struct local_node *n, struct rte_mbuf *m, uint64_t now_ns)
{
	struct rte_mbuf *copy = rte_pktmbuf_copy(m, n->shard->pool, 0, UINT32_MAX);

	if (copy == NULL) {
		weir_count(&n->shard->counters.drops[WEIR_DROP_NO_MBUF], 1);
		return;
	}
	*weir_meta(copy) = *weir_meta(m);
	if (n->shard->local->input(n->shard->local, &copy, 1, now_ns) == 1)
		rte_pktmbuf_free(copy);
}

/* LOCAL: for the stack, which is to be asked. */
static enum weir_verdict local_one(struct local_node *n, struct rte_mbuf *m,
				   const struct weir_l3 *l3)
{
	const struct weir_iface *f = icmp_iface(l3, m);

	if (unlikely(!l4_csum_is_right(m)))
		return weir_say_drop(m, WEIR_DROP_L4_CSUM);
	if (f != NULL && is_echo_request(m))
		return weir_meta(m)->flags & WEIR_META_IP4 ? echo4(n, m, f) : echo6(n, m, f);
	if (is_for_stack(n, m))
		return WEIR_LOCAL;
	return not_ours(m, l3);
}

/* What the stack does not take goes the other ways. */
static void offer(struct local_node *n, struct weir_burst *b, const uint16_t *at, uint16_t n_at)
{
	struct rte_mbuf *pkt[WEIR_PASS_PKTS];
	uint16_t left, i = 0;

	for (uint16_t k = 0; k < n_at; k++)
		pkt[k] = b->pkt[at[k]];
	left = n->shard->local->input(n->shard->local, pkt, n_at, b->pass->now_ns);
	for (uint16_t k = 0; k < n_at; k++) {
		const bool taken = i == left || pkt[i] != b->pkt[at[k]];

		b->verdict[at[k]] =
			(uint8_t)(taken ? WEIR_HELD : not_ours(pkt[i++], b->pass->gen->l3));
	}
}

static void local_process(void *self, struct weir_burst *b)
{
	uint16_t at[WEIR_PASS_PKTS], n_at = 0;

	for (uint16_t i = 0; i < b->n; i++) {
		b->verdict[i] = (uint8_t)local_one(self, b->pkt[i], b->pass->gen->l3);
		if (b->verdict[i] != WEIR_LOCAL)
			continue;
		if (is_shared(b->pkt[i], b->pass->gen->l3)) {
			offer_copy(self, b->pkt[i], b->pass->now_ns);
			b->verdict[i] = WEIR_PUNT;
		} else {
			at[n_at++] = i;
		}
	}
	if (n_at > 0)
		offer(self, b, at, n_at);
}

static int local_create(struct weir_shard *shard, void **self)
{
	struct local_node *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return -ENOMEM;
	n->shard = shard;
	n->idents.key = shard->secret;
	*self = n;
	return 0;
}

const struct weir_node_ops weir_node_local = {
	.name = "local",
	.stage = 70,
	.takes = WEIR_LOCAL,
	.may = WEIR_MAY(WEIR_PUNT) | WEIR_MAY(WEIR_REJECT) | WEIR_MAY(WEIR_DROP) |
	       WEIR_MAY(WEIR_HELD),
	.create = local_create,
	.free = free,
	.process = local_process,
};
