/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * 20_defrag: put fragments together (RFC 791 section 3.2, RFC 8200 4.5): those for an address of
 * ours or a group that a stack hears, and all of them where flows are tracked, for their ports are
 * in the first one only.
 *
 * Takes:  NEXT; parsed packets.
 * Says:   NEXT for whole packets and for fragments that are only passing through; HELD for others:
 *         the whole packet goes round by 02_origin and is parsed as if it had come so; DROP for a
 *         fragment that cannot be one (FRAG_BAD).
 * Holds:  fragments, until the last comes, limits.fragment_timeout_ns is over (FRAG_TIMEOUT), or
 *         one of them is wrong (FRAG_BAD). More than limits.fragments datagrams: FRAG_FULL.
 *         Of one source (IPv6: /64) a quarter as many fragments wait at most: FRAG_SOURCE. Sources
 *         are told apart by a keyed hash; the few that share a number share their part.
 *
 * rte_ip_frag keeps them. What it does, and what is added here:
 * - Fragments must meet end to end and add up to the length that the last one says, so a datagram
 *   with an overlap or a fragment that came twice is never completed: all of it is FRAG_BAD, as
 *   RFC 5722 wants it. One of more than RTE_LIBRTE_IP_FRAG_MAX_FRAG (8 in Debian) fragments, which
 *   is 11,840 bytes over Ethernet, is FRAG_MANY.
 * - It does not tell why it gave a packet up; see fate_of().
 * - It deletes what is too old only when it needs the room: the timer does it in time.
 * - It checks neither that all but the last are multiples of 8 bytes, nor where an IPv6 fragment
 *   header stands, nor that the whole fits 65,535 bytes: all FRAG_BAD here. 10_parse looks for the
 *   attack of RFC 1858.
 * - Its hash has no secret: who chooses addresses and identifications can fill one bucket, and
 *   what is lost then is FRAG_FULL. Nothing else suffers.
 *
 * No "time exceeded" is sent for a datagram that stays incomplete: RFC 1122 section 3.3.2 wants it
 * of hosts, but it helps only an attacker to find our timeout; RFC 8200 does not need it to work.
 */

#include <weir/nodes.h>

#include <errno.h>
#include <rte_branch_prediction.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_ip_frag.h>
#include <stdlib.h>
#include <weir/csum.h>
#include <weir/gen.h>
#include <weir/shard.h>
#include <weir/tracker.h>

#include "group_priv.h"
#include "handoff_priv.h"
#include "packet_priv.h"

/* Datagrams that share a place in the table's hash. */
#define BUCKET_ENTRIES 8

/* The table is looked through four times in a timeout. */
#define LOOKS_SHIFT 2

/* What one source may have of limits.fragments, in fragments; one datagram at least. */
#define SOURCE_SHIFT 2
#define SOURCE_MIN   RTE_LIBRTE_IP_FRAG_MAX_FRAG
/* Numbers of sources for each datagram, or more. */
#define SOURCES_EACH 4

struct defrag_node {
	struct weir_shard *shard;
	struct rte_ip_frag_tbl *table;
	struct weir_timer timer;
	uint64_t last_ns;		   /* when a fragment was last taken */
	struct rte_ip_frag_death_row dead; /* what the table gave up; emptied at once */
	uint32_t *held;			   /* segments of fragments that wait, by source's number */
	uint32_t source_mask;
	uint32_t source_most; /* of them, of one source */
};

static bool is_ours4(const struct weir_shard *s, const struct weir_l3 *l3, struct rte_mbuf *m)
{
	uint32_t dst = rte_be_to_cpu_32(ip4(m)->dst_addr);
	uint64_t hop = 0;

	rte_fib_lookup_bulk(l3->fib4, &dst, &hop, 1);
	return l3->hops[hop].kind == WEIR_HOP_LOCAL ||
	       (l3->hops[hop].kind == WEIR_HOP_BROADCAST && s->local != NULL) || stack_hears(s, m);
}

static bool is_ours6(const struct weir_shard *s, const struct weir_l3 *l3, struct rte_mbuf *m)
{
	const uint16_t iface = weir_meta(m)->iface_in;
	uint8_t dst[1][16];
	uint64_t hop = 0;

	memcpy(dst[0], ip6_dst(ip6(m)), sizeof(dst[0]));
	rte_fib6_lookup_bulk(l3->fib6, (void *)dst, &hop, 1);
	if (l3->hops[hop].kind == WEIR_HOP_LINK_LOCAL && iface < l3->n_ifaces)
		return memcmp(dst[0], l3->ifaces[iface].link_local.bytes, sizeof(dst[0])) == 0;
	return l3->hops[hop].kind == WEIR_HOP_LOCAL || stack_hears(s, m);
}

/* RFC 791: what no sender's IP makes. */
static bool is_sane4(struct rte_mbuf *m)
{
	const uint16_t frag = rte_be_to_cpu_16(ip4(m)->fragment_offset);
	const uint32_t bytes = l4_there(m);

	return bytes != 0 && (!(frag & RTE_IPV4_HDR_MF_FLAG) || bytes % 8 == 0);
}

static struct rte_ipv6_fragment_ext *fragment_header(struct rte_mbuf *m)
{
	return (struct rte_ipv6_fragment_ext *)(ip6(m) + 1);
}

/* The table can only take an IPv6 fragment header out that stands right behind the fixed one. */
static bool is_sane6(struct rte_mbuf *m)
{
	const uint32_t head_bytes = sizeof(struct rte_ipv6_hdr) + sizeof(*fragment_header(m));
	const uint32_t there = m->pkt_len - weir_meta(m)->l3_off;

	if (ip6(m)->proto != IPPROTO_FRAGMENT || there <= head_bytes)
		return false;
	return !(rte_be_to_cpu_16(fragment_header(m)->frag_data) & RTE_IPV6_EHDR_MF_MASK) ||
	       (there - head_bytes) % 8 == 0;
}

static bool is_in_chain(const struct rte_mbuf *chain, const struct rte_mbuf *m)
{
	while (chain != NULL && chain != m)
		chain = chain->next;
	return chain != NULL;
}

/* Whether it is neither the first nor the last fragment of its datagram. */
static bool is_inner(struct rte_mbuf *m)
{
	uint16_t frag;

	if (weir_meta(m)->flags & WEIR_META_IP4) {
		frag = rte_be_to_cpu_16(ip4(m)->fragment_offset);
		return (frag & RTE_IPV4_HDR_MF_FLAG) && (frag & RTE_IPV4_HDR_OFFSET_MASK);
	}
	frag = rte_be_to_cpu_16(fragment_header(m)->frag_data);
	return (frag & RTE_IPV6_EHDR_MF_MASK) && (frag & RTE_IPV6_EHDR_FO_MASK);
}

static uint32_t id_of(struct rte_mbuf *m)
{
	return weir_meta(m)->flags & WEIR_META_IP4 ? ip4(m)->packet_id : fragment_header(m)->id;
}

/* Whether the table had no place for one more of m's datagram: two are for the first and last. */
static bool is_one_too_many(const struct defrag_node *n, struct rte_mbuf *m)
{
	uint32_t inner = 0;

	if (!is_inner(m))
		return false;
	for (uint32_t i = 0; i < n->dead.cnt; i++)
		inner += is_inner(n->dead.row[i]) && id_of(n->dead.row[i]) == id_of(m);
	return inner > RTE_LIBRTE_IP_FRAG_MAX_FRAG - 2;
}

/*
 * Why the table gave packets up while it was given @p m. If m is not among them they were too old
 * and made room. If m is all there is, it found no room. Else m's datagram was wrong, or too many.
 */
static enum weir_drop fate_of(const struct defrag_node *n, struct rte_mbuf *m)
{
	for (uint32_t i = 0; i < n->dead.cnt; i++)
		if (is_in_chain(n->dead.row[i], m))
			return n->dead.cnt == 1	       ? WEIR_DROP_FRAG_FULL
			       : is_one_too_many(n, m) ? WEIR_DROP_FRAG_MANY
						       : WEIR_DROP_FRAG_BAD;
	return WEIR_DROP_FRAG_TIMEOUT;
}

/* What its source has waiting. */
static uint32_t *held_by(const struct defrag_node *n, struct rte_mbuf *m)
{
	const bool v4 = weir_meta(m)->flags & WEIR_META_IP4;
	uint64_t source = 0;

	if (v4)
		memcpy(&source, &ip4(m)->src_addr, sizeof(ip4(m)->src_addr));
	else
		memcpy(&source, ip6_src(ip6(m)), sizeof(source));
	return &n->held[weir_siphash13_u64x2(&n->shard->secret, source, v4) & n->source_mask];
}

static void bury(struct defrag_node *n, enum weir_drop why)
{
	for (uint32_t i = 0; i < n->dead.cnt; i++) {
		*held_by(n, n->dead.row[i]) -= n->dead.row[i]->nb_segs;
		weir_drop(n->shard, n->dead.row[i], why);
	}
	n->dead.cnt = 0;
}

/* Whether fragments on their way to others are put together, since their flow needs the ports. */
static bool tracks(const struct weir_shard *s)
{
	return s->tracker != NULL && !s->tracker->stateless;
}

/* Send the whole packet round: here, or at the worker that owns its flow. */
static void send_round(struct weir_shard *s, struct rte_mbuf *m)
{
	const bool shared = s->handoff != NULL && tracks(s);
	const uint16_t owner = shared ? handoff_owner(s->handoff, m) : s->worker;

	if (owner == s->worker) {
		weir_origin_push(s->origin, m, WEIR_NEXT);
		return;
	}
	weir_meta(m)->origin_verdict = WEIR_NEXT;
	handoff_give(s->handoff, owner, &m, 1);
}

static void deliver(struct defrag_node *n, struct rte_mbuf *m)
{
	struct weir_meta *meta = weir_meta(m);

	if (unlikely(m->pkt_len - meta->l3_off > UINT16_MAX)) {
		weir_drop(n->shard, m, WEIR_DROP_FRAG_BAD);
		return;
	}
	if (meta->flags & WEIR_META_IP4)
		ip4(m)->hdr_checksum =
			weir_csum_finish(weir_csum_sum(ip4(m), rte_ipv4_hdr_len(ip4(m))));
	rte_pktmbuf_linearize(m); /* if there is room; else it stays a chain */
	/* What a port said of the first fragment's checksum is not true of the whole. */
	m->ol_flags &= ~RTE_MBUF_F_RX_L4_CKSUM_MASK;
	m->l2_len = 0;
	m->l3_len = 0;
	meta->flags = WEIR_META_DEFRAGGED | (meta->flags & WEIR_META_TRACED);
	weir_count(&n->shard->counters.reassembled, 1);
	send_round(n->shard, m);
}

static struct rte_mbuf *insert(struct defrag_node *n, struct rte_mbuf *m, uint64_t now_ns)
{
	const struct weir_meta *meta = weir_meta(m);

	m->l2_len = meta->l3_off;
	if (meta->flags & WEIR_META_IP4) {
		m->l3_len = rte_ipv4_hdr_len(ip4(m));
		return rte_ipv4_frag_reassemble_packet(n->table, &n->dead, m, now_ns, ip4(m));
	}
	m->l3_len = sizeof(struct rte_ipv6_hdr) + sizeof(*fragment_header(m));
	return rte_ipv6_frag_reassemble_packet(n->table, &n->dead, m, now_ns, ip6(m),
					       fragment_header(m));
}

static __rte_noinline enum weir_verdict fragment_one(struct defrag_node *n, struct rte_mbuf *m,
						     const struct weir_pass *pass)
{
	const struct weir_l3 *l3 = pass->gen == NULL ? NULL : pass->gen->l3;
	const uint64_t timeout_ns = n->shard->limits.fragment_timeout_ns;
	const bool v4 = weir_meta(m)->flags & WEIR_META_IP4;
	struct rte_mbuf *whole;
	uint32_t *held;

	if (l3 == NULL || (weir_meta(m)->flags & WEIR_META_OURS))
		return WEIR_NEXT;
	if (!tracks(n->shard) && !(v4 ? is_ours4(n->shard, l3, m) : is_ours6(n->shard, l3, m)))
		return WEIR_NEXT;
	if (unlikely(!(v4 ? is_sane4(m) : is_sane6(m))))
		return weir_say_drop(m, WEIR_DROP_FRAG_BAD);
	held = held_by(n, m);
	if (unlikely(*held + m->nb_segs > n->source_most))
		return weir_say_drop(m, WEIR_DROP_FRAG_SOURCE);
	*held += m->nb_segs;
	whole = insert(n, m, pass->now_ns);
	if (whole != NULL)
		*held -= whole->nb_segs;
	bury(n, fate_of(n, m));
	n->last_ns = pass->now_ns;
	if (!weir_timer_is_armed(&n->timer))
		weir_wheel_arm(n->shard->wheel, &n->timer,
			       weir_deadline_after(pass->now_ns, timeout_ns));
	if (whole != NULL)
		deliver(n, whole);
	return WEIR_HELD;
}

static void defrag_process(void *self, struct weir_burst *b)
{
	for (uint16_t i = 0; i < b->n; i++) {
		if (likely(!(weir_meta(b->pkt[i])->flags & WEIR_META_FRAG)))
			b->verdict[i] = WEIR_NEXT;
		else
			b->verdict[i] = (uint8_t)fragment_one(self, b->pkt[i], b->pass);
	}
}

/* Give up what is too old, a death row at a time, also if no packet comes. */
static void defrag_look(struct weir_timer *t, uint64_t now_ns)
{
	struct defrag_node *n = container_of(t, struct defrag_node, timer);
	const uint64_t timeout_ns = n->shard->limits.fragment_timeout_ns;

	rte_ip_frag_table_del_expired_entries(n->table, &n->dead, now_ns);
	if (n->dead.cnt > 0) /* there may be more */
		weir_wheel_arm(n->shard->wheel, t, now_ns);
	else if (now_ns <= weir_deadline_after(n->last_ns, timeout_ns))
		weir_wheel_arm(n->shard->wheel, t,
			       weir_deadline_after(now_ns, timeout_ns >> LOOKS_SHIFT));
	bury(n, WEIR_DROP_FRAG_TIMEOUT);
}

static void defrag_free(void *self)
{
	struct defrag_node *n = self;

	if (n == NULL)
		return;
	weir_wheel_cancel(n->shard->wheel, &n->timer);
	do { /* at the end of time all are too old */
		bury(n, WEIR_DROP_STOPPING);
		rte_ip_frag_table_del_expired_entries(n->table, &n->dead, UINT64_MAX);
	} while (n->dead.cnt > 0);
	rte_ip_frag_table_destroy(n->table);
	free(n->held);
	free(n);
}

static int defrag_create(struct weir_shard *shard, void **self)
{
	const uint32_t entries = shard->limits.fragments;
	struct defrag_node *n;

	if (entries == 0 || entries > UINT32_MAX / 4 || shard->limits.fragment_timeout_ns == 0)
		return -ERANGE;
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return -ENOMEM;
	n->shard = shard;
	n->timer.fire = defrag_look;
	n->source_most = RTE_MAX(entries >> SOURCE_SHIFT, (uint32_t)SOURCE_MIN);
	n->source_mask = rte_align32pow2(entries) * SOURCES_EACH - 1;
	n->held = calloc((size_t)n->source_mask + 1, sizeof(*n->held));
	/* It makes twice as many places, so that the limit is reached before its buckets are full.
	 */
	n->table = rte_ip_frag_table_create((entries + BUCKET_ENTRIES - 1) / BUCKET_ENTRIES,
					    BUCKET_ENTRIES, entries,
					    shard->limits.fragment_timeout_ns, shard->numa);
	if (n->table == NULL || n->held == NULL) {
		if (n->table != NULL)
			rte_ip_frag_table_destroy(n->table);
		free(n->held);
		free(n);
		return -ENOMEM;
	}
	*self = n;
	return 0;
}

const struct weir_node_ops weir_node_defrag = {
	.name = "defrag",
	.stage = 20,
	.takes = WEIR_NEXT,
	.may = WEIR_MAY(WEIR_NEXT) | WEIR_MAY(WEIR_DROP) | WEIR_MAY(WEIR_HELD),
	.create = defrag_create,
	.free = defrag_free,
	.process = defrag_process,
};
