/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Packets of all kinds as bytes, with right checksums, and a judge of them that adds byte by byte
 * as the RFCs say. Their mbufs have one or more segments and need no EAL.
 */

#include "toy_mbuf.h"
#include "toy_packet.h"

#include <rte_mempool.h>
#include <stdlib.h>
#include <weir/tuple.h>

#define WIRE_BYTES 1536
#define WIRE_L2	   14

#ifndef IPPROTO_UDPLITE
#define IPPROTO_UDPLITE 136
#endif

/* What a packet is made of. */
struct wire_kind {
	uint8_t proto;		/* IPPROTO_; */
	uint8_t type;		/* of ICMP */
	uint8_t code;		/* of ICMP */
	uint8_t option_bytes;	/* IPv4: a multiple of 4; IPv6: of 8, destination options */
	bool no_csum;		/* UDP over IPv4 without a checksum */
	bool df;		/* IPv4 */
	uint16_t payload_bytes; /* behind the transport header */
	uint32_t rest;		/* of ICMP errors: the second word */
};

struct wire {
	uint8_t b[WIRE_BYTES];
	uint16_t n;  /* bytes */
	uint16_t l4; /* where the transport header is */
};

static uint64_t wire_rng = 1;

static inline uint32_t wire_random(uint32_t below)
{
	wire_rng = wire_rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(((wire_rng >> 32) * below) >> 32);
}

static inline bool wire_is_error(uint8_t family, uint8_t proto, uint8_t type)
{
	if (family == 6)
		return proto == IPPROTO_ICMPV6 && type < 128;
	return proto == IPPROTO_ICMP &&
	       (type == 3 || type == 4 || type == 5 || type == 11 || type == 12);
}

/* Where the checksum of a transport lies in its header; 0: it has none that we know. */
static inline unsigned wire_csum_at(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_DCCP:
		return 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 2;
	default:
		return 0;
	}
}

/* The sum of a transport header, its payload and the pseudo header, which ICMP has not. */
static inline uint32_t wire_l4_sum(const uint8_t *ip, const uint8_t *l4, uint32_t bytes,
				   uint8_t proto)
{
	const uint8_t tail[4] = {0, proto, (uint8_t)(bytes >> 8), (uint8_t)bytes};
	uint32_t sum = 0;

	if (ip[0] >> 4 == 6)
		sum = toy_add(toy_add(0, ip + 8, 32), tail, 4);
	else if (proto != IPPROTO_ICMP)
		sum = toy_add(toy_add(0, ip + 12, 8), tail, 4);
	return toy_add(sum, l4, bytes);
}

static inline uint32_t wire_header_bytes(uint8_t proto)
{
	if (proto == IPPROTO_TCP)
		return 20;
	return proto == IPPROTO_DCCP || proto == IPPROTO_SCTP ? 12 : 8;
}

/* The transport: header, and a payload that is random or, of an ICMP error, given. */
static inline void wire_l4(uint8_t *ip, uint8_t *l4, const struct wire_kind *k,
			   const struct weir_tuple *t, uint32_t bytes, const void *payload)
{
	const uint32_t header = wire_header_bytes(k->proto);
	const unsigned at = wire_csum_at(k->proto);
	uint32_t csum;

	for (uint32_t i = 0; i < bytes; i++)
		l4[i] = (uint8_t)wire_random(256);
	if (payload != NULL)
		memcpy(l4 + header, payload, bytes - header);
	if (k->proto == IPPROTO_TCP || k->proto == IPPROTO_UDP)
		memcpy(l4, &t->sport, 4);
	if (k->proto == IPPROTO_TCP)
		l4[12] = 5 << 4;
	if (k->proto == IPPROTO_UDP)
		toy_put16(l4 + 4, bytes);
	if (k->proto == IPPROTO_ICMP || k->proto == IPPROTO_ICMPV6) {
		const bool answer = k->type == 0 || k->type == 129 || k->type == 14;

		l4[0] = k->type;
		l4[1] = k->code;
		memcpy(l4 + 4, answer ? &t->dport : &t->sport, 2);
		if (wire_is_error(t->family, k->proto, k->type)) {
			toy_put16(l4 + 4, k->rest >> 16);
			toy_put16(l4 + 6, k->rest);
		}
	}
	if (at == 0)
		return;
	toy_put16(l4 + at, 0);
	if (k->proto == IPPROTO_UDP && k->no_csum)
		return;
	csum = (uint16_t)~wire_l4_sum(ip, l4, bytes, k->proto);
	if (csum == 0 && (k->proto == IPPROTO_UDP || k->proto == IPPROTO_UDPLITE))
		csum = 0xffff;
	toy_put16(l4 + at, csum);
}

/* An IP packet with its headers at @p ip. @return its bytes; *l4: those of its IP headers. */
static inline uint16_t wire_ip(uint8_t *ip, const struct wire_kind *k, const struct weir_tuple *t,
			       const void *payload, uint16_t *l4)
{
	const uint32_t bytes = wire_header_bytes(k->proto) + k->payload_bytes;
	const uint16_t head = (uint16_t)((t->family == 4 ? 20 : 40) + k->option_bytes);

	memset(ip, 0, head);
	if (t->family == 4) {
		ip[0] = (uint8_t)(0x40 | head / 4);
		ip[1] = (uint8_t)wire_random(256);
		toy_put16(ip + 2, head + bytes);
		toy_put16(ip + 4, wire_random(65536));
		ip[6] = k->df ? 0x40 : 0;
		ip[8] = (uint8_t)(2 + wire_random(250));
		ip[9] = k->proto;
		memcpy(ip + 12, t->src, 4);
		memcpy(ip + 16, t->dst, 4);
		memset(ip + 20, 1, k->option_bytes);
		toy_put16(ip + 10, ~toy_add(0, ip, head));
	} else {
		toy_put16(ip, 0x6000 | wire_random(0x1000));
		toy_put16(ip + 2, wire_random(65536));
		toy_put16(ip + 4, k->option_bytes + bytes);
		ip[6] = k->option_bytes ? IPPROTO_DSTOPTS : k->proto;
		ip[7] = (uint8_t)(2 + wire_random(250));
		memcpy(ip + 8, t->src, 16);
		memcpy(ip + 24, t->dst, 16);
		if (k->option_bytes) {
			ip[40] = k->proto;
			ip[41] = (uint8_t)(k->option_bytes / 8 - 1);
			ip[42] = 1; /* PadN */
			ip[43] = (uint8_t)(k->option_bytes - 4);
		}
	}
	wire_l4(ip, ip + head, k, t, bytes, payload);
	*l4 = head;
	return (uint16_t)(head + bytes);
}

/* A frame; of an ICMP error @p payload is what it quotes. */
static inline void wire_make(struct wire *w, const struct wire_kind *k, const struct weir_tuple *t,
			     const void *payload)
{
	memset(w->b, 2, 12);
	toy_put16(w->b + 12, t->family == 4 ? 0x0800 : 0x86dd);
	w->n = (uint16_t)(WIRE_L2 + wire_ip(w->b + WIRE_L2, k, t, payload, &w->l4));
	w->l4 = (uint16_t)(w->l4 + WIRE_L2);
}

/* A frame with an ICMP error about the first @p quoted_bytes of another frame's packet. */
static inline void wire_make_error(struct wire *w, struct wire_kind k, const struct weir_tuple *t,
				   const struct wire *about, uint16_t quoted_bytes)
{
	k.payload_bytes = quoted_bytes;
	k.proto = t->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	wire_make(w, &k, t, about->b + WIRE_L2);
}

static inline const char *wire_judge_l4(const uint8_t *ip, const uint8_t *l4, uint32_t bytes,
					uint8_t proto, bool quoted)
{
	const unsigned at = wire_csum_at(proto);

	if (proto == IPPROTO_UDP && l4[6] == 0 && l4[7] == 0)
		return ip[0] >> 4 == 4 || quoted ? NULL : "UDP over IPv6 without a checksum";
	if (at != 0 && wire_l4_sum(ip, l4, bytes, proto) != 0xffff)
		return quoted ? "transport checksum, quoted" : "transport checksum";
	return NULL;
}

/* NULL, or what is wrong with an IP packet of which there are @p n bytes. */
static inline const char *wire_judge_ip(const uint8_t *ip, uint32_t n, bool quoted)
{
	const bool v4 = ip[0] >> 4 == 4;
	const char *wrong = NULL;
	uint32_t head, total;
	uint8_t proto;

	if (n < (v4 ? 20 : 40))
		return "IP header cut short";
	head = v4 ? (ip[0] & 15) * 4u : 40;
	total = v4 ? (uint32_t)(ip[2] << 8 | ip[3]) : (ip[4] << 8 | ip[5]) + 40u;
	proto = v4 ? ip[9] : ip[6];
	if (v4 && toy_add(0, ip, head) != 0xffff)
		return quoted ? "IPv4 checksum, quoted" : "IPv4 checksum";
	if (!quoted && total != n)
		return "length of the packet";
	if (!v4 && proto == IPPROTO_DSTOPTS) {
		proto = ip[40];
		head += (ip[41] + 1u) * 8;
	}
	if (proto == IPPROTO_FRAGMENT || (v4 && ((ip[6] & 0x3f) | ip[7])))
		return NULL; /* nobody can tell by a piece */
	if (n >= total)
		wrong = wire_judge_l4(ip, ip + head, total - head, proto, quoted);
	if (wrong == NULL && !quoted && wire_is_error(v4 ? 4 : 6, proto, ip[head]))
		wrong = wire_judge_ip(ip + head + 8, n - head - 8, true);
	return wrong;
}

/* All bytes of a packet in a row. */
static inline uint16_t wire_flat(const struct rte_mbuf *m, uint8_t flat[WIRE_BYTES + 64])
{
	uint16_t n = 0;

	for (; m != NULL; m = m->next) {
		memcpy(flat + n, rte_pktmbuf_mtod(m, const void *), m->data_len);
		n = (uint16_t)(n + m->data_len);
	}
	return n;
}

/* NULL, or what is wrong with a packet that begins with @p l2 bytes of Ethernet. */
static inline const char *wire_judge(const struct rte_mbuf *m, uint16_t l2)
{
	uint8_t flat[WIRE_BYTES + 64];
	const uint16_t n = wire_flat(m, flat);
	const unsigned type = (unsigned)flat[l2 - 2] << 8 | flat[l2 - 1];

	if (n != m->pkt_len)
		return "length of the segments";
	if (type != (flat[l2] >> 4 == 4 ? 0x0800 : 0x86dd))
		return "Ethernet type";
	return wire_judge_ip(flat + l2, n - l2, false);
}

/* A pool that forgets what is put into it, so that segments on the stack can be freed. */
static inline int wire_forget(struct rte_mempool *pool, void *const *objects, unsigned n)
{
	return 0;
}

static inline struct rte_mempool *wire_pool(void)
{
	static const struct rte_mempool_ops ops = {.name = "forget",
						   .alloc = (rte_mempool_alloc_t)abort,
						   .enqueue = wire_forget,
						   .dequeue = (rte_mempool_dequeue_t)abort,
						   .get_count = (rte_mempool_get_count)abort};
	static struct rte_mempool pool = {.ops_index = -1};

	if (pool.ops_index < 0)
		pool.ops_index = rte_mempool_register_ops(&ops);
	return &pool;
}

#define WIRE_SEGS 3

/* Bytes in one, two or three segments, cut where @p cut says; 0: not cut. */
static inline struct rte_mbuf *wire_mbuf(struct toy_mbuf t[WIRE_SEGS], const struct wire *w,
					 uint16_t cut, uint16_t again)
{
	const uint16_t end[WIRE_SEGS] = {cut ? cut : w->n, again ? again : w->n, w->n};
	uint16_t from = 0;

	for (unsigned i = 0; i < WIRE_SEGS; i++) {
		toy_mbuf(&t[i], w->b + from, (uint16_t)(end[i] - from));
		t[i].m.pool = wire_pool();
		from = end[i];
		if (i > 0)
			t[i - 1].m.next = &t[i].m;
		if (from == w->n) {
			t[0].m.nb_segs = (uint16_t)(i + 1);
			break;
		}
	}
	t[0].m.pkt_len = w->n;
	return &t[0].m;
}

/* A random tuple: addresses that may stand in a packet, ports, or an identifier and a type. */
static inline struct weir_tuple wire_tuple(uint8_t family, const struct wire_kind *k)
{
	struct weir_tuple t = {.family = family, .proto = k->proto};
	const unsigned bytes = family == 4 ? 4 : 16;

	for (unsigned i = 0; i < bytes; i++) {
		t.src[i] = (uint8_t)wire_random(256);
		t.dst[i] = (uint8_t)wire_random(256);
	}
	t.src[0] = family == 4 ? (uint8_t)(1 + wire_random(126)) : 0x20;
	t.dst[0] = family == 4 ? (uint8_t)(1 + wire_random(126)) : 0x20;
	if (k->proto != IPPROTO_TCP && k->proto != IPPROTO_UDP && k->proto != IPPROTO_ICMP &&
	    k->proto != IPPROTO_ICMPV6)
		return t;
	t.sport = (uint16_t)wire_random(65536);
	t.dport = (uint16_t)wire_random(65536);
	if (k->proto == IPPROTO_ICMP || k->proto == IPPROTO_ICMPV6) {
		if (k->type == 0 || k->type == 129 || k->type == 14)
			t.sport = rte_cpu_to_be_16(k->type == 0 ? 8 : (uint16_t)(k->type - 1));
		else
			t.dport = rte_cpu_to_be_16(k->type);
	}
	return t;
}
