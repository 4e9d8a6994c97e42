/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The hash that says which worker owns a flow.
 *
 * It is symmetric: the lower address comes first and so does the lower port. It is keyed, so that
 * nobody outside can aim all flows at one worker. It is one of tuples, so that translation can ask
 * where replies will come to, and choose ports by it:
 * - ICMP queries have their identifier for a port; an ICMP error belongs where the packet that it
 *   quotes does.
 * - Other protocols have nothing that could be chosen. Where flows are tracked, and so may be
 *   translated, all flows of such a protocol are one worker's; of SCTP, whose ports stay as they
 *   are (its checksum is over all of the packet), all between the same two ports.
 * - Fragments do not show their ports: they go by their addresses, and the whole packet that
 *   20_defrag makes of them goes on to the owner of its flow. Those that the kernel sends are not
 *   put together: the first, which has the ports, goes to the owner of its flow.
 */

#include <rte_ether.h>
#include <weir/siphash.h>

#include "handoff_priv.h"
#include "tuple_priv.h"

/* IPv6 extension headers that are walked, as by 10_parse. */
#define EXT_HEADERS 8

/* A packet as far as it was looked at. Nothing of it is trusted; at may be beyond end. */
struct look {
	const uint8_t *at, *end;
	struct weir_tuple t;
	bool piece; /* a fragment: no ports */
};

static inline bool has(const struct look *k, uint32_t bytes)
{
	return k->end - k->at >= (ptrdiff_t)bytes;
}

/* A quoted first fragment has its ports; of a packet's own fragments none may differ. */
static inline bool look_ip4(struct look *k, bool quoted)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)k->at;

	if (!has(k, sizeof(*ip)))
		return false;
	tuple_set4(&k->t, ip, ip->next_proto_id);
	k->piece = ip->fragment_offset & (quoted ? RTE_BE16(0x1fff) : RTE_BE16(0x3fff));
	k->at += rte_ipv4_hdr_len(ip);
	return true;
}

/* One extension header; false: it is none, or the last that is walked. */
static bool look_extension(struct look *k, bool quoted)
{
	uint32_t bytes = 8;

	if (!has(k, 8))
		return false;
	switch (k->t.proto) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
		bytes = (k->at[1] + 1u) * 8;
		break;
	case IPPROTO_FRAGMENT:
		k->piece = k->at[2] != 0 || (k->at[3] & (quoted ? 0xf8 : 0xf9)) != 0;
		if (k->piece)
			return false;
		break;
	default:
		return false;
	}
	k->t.proto = k->at[0];
	k->at += bytes;
	return true;
}

static inline bool look_ip6(struct look *k, bool quoted)
{
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)k->at;

	if (!has(k, sizeof(*ip)))
		return false;
	tuple_set6(&k->t, ip, ip->proto);
	k->piece = false;
	k->at += sizeof(*ip);
	for (unsigned n = 0; n < EXT_HEADERS && look_extension(k, quoted); n++)
		;
	return true;
}

/* Ports, or what stands for them. True: an ICMP error, whose quoted packet is next. */
static inline bool look_l4(struct look *k)
{
	const bool v4 = k->t.family == 4;
	const bool icmp = k->t.proto == (v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	if (k->piece || !has(k, icmp ? sizeof(struct icmp_head) : 4))
		return false;
	if (icmp && (v4 ? is_icmp_error4(*k->at) : is_icmp_error6(*k->at))) {
		k->at += sizeof(struct icmp_head);
		return true;
	}
	if (!tuple_ports(&k->t, k->at)) /* of ICMP, and no query */
		k->t.sport = k->t.dport = 0;
	return false;
}

static inline bool look_ip(struct look *k, bool v4, bool quoted)
{
	return v4 ? look_ip4(k, quoted) : look_ip6(k, quoted);
}

/* Whether a port may be chosen. */
static bool has_ports(const struct weir_tuple *t)
{
	return t->proto == IPPROTO_TCP || t->proto == IPPROTO_UDP ||
	       (t->proto != IPPROTO_SCTP && (t->sport | t->dport) != 0);
}

static inline uint64_t hash_of(const struct weir_siphash_key *key, const struct weir_tuple *t,
			       bool by_protocol)
{
	const uint16_t lo = RTE_MIN(t->sport, t->dport), hi = RTE_MAX(t->sport, t->dport);
	const uint64_t rest = ((uint64_t)lo << 16 | hi) << 8 | t->proto;
	uint32_t a, b;
	uint64_t src[2], dst[2];

	if (by_protocol)
		return weir_siphash13_u64(key, rest);
	if (t->family == 4) {
		memcpy(&a, t->src, sizeof(a));
		memcpy(&b, t->dst, sizeof(b));
		return weir_siphash13_u64x2(key, (uint64_t)RTE_MIN(a, b) << 32 | RTE_MAX(a, b),
					    rest);
	}
	memcpy(src, t->src, sizeof(src));
	memcpy(dst, t->dst, sizeof(dst));
	/* Sums are the same both ways, and unlike XOR they tell a from b in (a, a) and (b, b). */
	return weir_siphash13_u64x3(key, src[0] + dst[0], src[1] + dst[1], rest);
}

static uint16_t owner_of(const struct weir_handoff *h, uint64_t hash)
{
	return (uint16_t)(((hash >> 32) * h->workers) >> 32);
}

uint16_t handoff_owner_of(const struct weir_handoff *h, const struct weir_tuple *t)
{
	return owner_of(h,
			hash_of(&h->shard->secret, t, h->shard->tracker != NULL && !has_ports(t)));
}

/* @sent: never to be put together here, so that of its fragments the first shows the ports. */
static __rte_always_inline uint16_t owner_of_frame(const struct weir_handoff *h, struct rte_mbuf *m,
						   bool sent)
{
	const uint8_t *at = rte_pktmbuf_mtod(m, const uint8_t *), *type;
	struct look k = {.end = at + rte_pktmbuf_data_len(m)}, quoted;
	uint64_t hash;
	bool v4;

	type = frame_type(at, k.end);
	if (type == NULL)
		return h->worker;
	v4 = type[0] == 0x08 && type[1] == 0x00;
	k.at = type + 2;
	if ((!v4 && (type[0] != 0x86 || type[1] != 0xdd)) || !look_ip(&k, v4, sent))
		return h->worker;
	if (unlikely(look_l4(&k))) {
		quoted = k;
		if (look_ip(&quoted, v4, true)) {
			look_l4(&quoted);
			k = quoted;
		}
	}
	hash = hash_of(&h->shard->secret, &k.t,
		       h->shard->tracker != NULL && !k.piece && !has_ports(&k.t));
	weir_meta(m)->hash = (uint32_t)hash | 1; /* 0 means unknown */
	return owner_of(h, hash);
}

uint16_t handoff_owner(const struct weir_handoff *h, struct rte_mbuf *m)
{
	return owner_of_frame(h, m, false);
}

uint16_t handoff_owner_sent(const struct weir_handoff *h, struct rte_mbuf *m)
{
	return owner_of_frame(h, m, true);
}
