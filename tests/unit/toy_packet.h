/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Packets with right checksums, summed up as the RFCs say, byte by byte; and mbufs around them that
 * need no EAL.
 */

#include <netinet/in.h>
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define TOY_PACKET_BYTES 1600
#define TOY_SEGS	 8
#define TOY_SEG_HEAD	 128

/* What a packet is made of. */
struct toy_kind {
	bool ip6;
	uint8_t proto;		/* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t tags;		/* of VLAN */
	uint8_t option_bytes;	/* of IPv4: a multiple of 4; of IPv6: a multiple of 8, one header */
	uint16_t payload_bytes; /* behind TCP's or UDP's header */
	uint16_t trailer_bytes; /* behind all: padding of Ethernet */
};

struct toy_packet {
	uint8_t bytes[TOY_PACKET_BYTES];
	uint16_t n, l2, l3, l4_bytes;
	uint16_t sum_at; /* of TCP's or UDP's checksum */
	bool ip6;
	uint8_t proto;
};

/* RFC 1071, over bytes in network order; not complemented. */
static inline uint32_t toy_add(uint32_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static inline void toy_put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* The sum of header, payload and pseudo header: 0xffff if the checksum within is right. */
static inline uint32_t toy_l4_sum(const struct toy_packet *p)
{
	const uint8_t *ip = p->bytes + p->l2;
	const uint8_t tail[4] = {0, p->proto, (uint8_t)(p->l4_bytes >> 8), (uint8_t)p->l4_bytes};
	uint32_t sum = p->ip6 ? toy_add(0, ip + 8, 32) : toy_add(0, ip + 12, 8);

	sum = toy_add(sum, tail, 4);
	return toy_add(sum, ip + p->l3, p->l4_bytes);
}

static inline bool toy_ip_is_good(const struct toy_packet *p)
{
	return toy_add(0, p->bytes + p->l2, p->l3) == 0xffff;
}

static inline void toy_ip4(struct toy_packet *p, const struct toy_kind *k)
{
	uint8_t *ip = p->bytes + p->l2;

	p->l3 = 20 + k->option_bytes;
	ip[0] = (uint8_t)(0x40 | p->l3 / 4);
	toy_put16(ip + 2, p->l3 + p->l4_bytes);
	ip[8] = 64;
	ip[9] = k->proto;
	memcpy(ip + 12, "\x0a\x01\x02\x03\xc0\xa8\xff\xfe", 8);
	memset(ip + 20, 1, k->option_bytes); /* RFC 791: no operation */
	toy_put16(ip + 10, ~toy_add(0, ip, p->l3));
}

static inline void toy_ip6(struct toy_packet *p, const struct toy_kind *k)
{
	uint8_t *ip = p->bytes + p->l2;

	p->l3 = 40 + k->option_bytes;
	ip[0] = 0x60;
	toy_put16(ip + 4, (uint32_t)k->option_bytes + p->l4_bytes);
	ip[6] = k->option_bytes ? IPPROTO_DSTOPTS : k->proto;
	ip[7] = 64;
	for (unsigned i = 8; i < 40; i++)
		ip[i] = (uint8_t)(i * 29);
	if (k->option_bytes) {
		ip[40] = k->proto;
		ip[41] = k->option_bytes / 8 - 1;
		memset(ip + 42, 0, k->option_bytes - 2);
	}
}

static inline struct toy_packet toy_packet(const struct toy_kind *k)
{
	const uint16_t header = k->proto == IPPROTO_TCP ? 20 : 8;
	struct toy_packet p = {.ip6 = k->ip6, .proto = k->proto, .l2 = 14 + 4 * k->tags};
	uint8_t *l4;

	p.l4_bytes = header + k->payload_bytes;
	memset(p.bytes, 0x42, 12);
	for (unsigned i = 0; i < k->tags; i++)
		toy_put16(p.bytes + 12 + 4 * i, i + 1 < k->tags ? 0x88a8 : 0x8100);
	toy_put16(p.bytes + p.l2 - 2, k->ip6 ? 0x86dd : 0x0800);
	if (k->ip6)
		toy_ip6(&p, k);
	else
		toy_ip4(&p, k);
	l4 = p.bytes + p.l2 + p.l3;
	toy_put16(l4, 1024);
	toy_put16(l4 + 2, 4789);
	if (k->proto == IPPROTO_TCP)
		l4[12] = 0x50;
	else
		toy_put16(l4 + 4, p.l4_bytes);
	for (unsigned i = 0; i < k->payload_bytes; i++)
		l4[header + i] = (uint8_t)(i * 113 + 7);
	p.n = p.l2 + p.l3 + p.l4_bytes + k->trailer_bytes;
	memset(l4 + p.l4_bytes, 0xee, k->trailer_bytes);
	p.sum_at = p.l2 + p.l3 + (k->proto == IPPROTO_TCP ? 16 : 6);
	toy_put16(p.bytes + p.sum_at, ~toy_l4_sum(&p));
	return p;
}

/* Calls f for many kinds, with odd and even lengths. */
static inline void toy_each_kind(void (*f)(const struct toy_kind *k))
{
	static const uint16_t payloads[] = {0, 1, 2, 3, 17, 18, 63, 64, 255, 1024, 1399};

	for (unsigned i = 0; i < 2u * 2 * 3 * 3 * RTE_DIM(payloads); i++) {
		const struct toy_kind k = {
			.ip6 = i % 2,
			.proto = i / 2 % 2 ? IPPROTO_TCP : IPPROTO_UDP,
			.tags = i / 4 % 3,
			.option_bytes = i / 12 % 3 * 8,
			.payload_bytes = payloads[i / 36],
			.trailer_bytes = i % 5,
		};

		f(&k);
	}
}

/* Mbufs of their own, each with exactly the bytes it has at its buffer's end. */
struct toy_chain {
	struct rte_mbuf seg[TOY_SEGS];
	uint8_t room[TOY_SEGS][TOY_SEG_HEAD + TOY_PACKET_BYTES];
};

/* Bytes in segments: the first @first bytes, then pieces of @rest. */
static inline struct rte_mbuf *toy_chain(struct toy_chain *c, const uint8_t *bytes, uint16_t n,
					 uint16_t first, uint16_t rest)
{
	uint16_t at = 0, segs = 0;

	memset(c->seg, 0, sizeof(c->seg));
	do {
		const uint16_t want = segs == 0 ? first : rest;
		const uint16_t len = segs == TOY_SEGS - 1 || want > n - at ? n - at : want;
		struct rte_mbuf *m = &c->seg[segs];

		m->buf_addr = c->room[segs];
		m->buf_len = sizeof(c->room[segs]);
		m->data_off = m->buf_len - len;
		m->data_len = len;
		rte_mbuf_refcnt_set(m, 1);
		memcpy(rte_pktmbuf_mtod(m, void *), bytes + at, len);
		if (segs > 0)
			c->seg[segs - 1].next = m;
		at += len;
		segs++;
	} while (at < n);
	c->seg[0].nb_segs = segs;
	c->seg[0].pkt_len = n;
	return &c->seg[0];
}
