/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Frames under construction and a layer 3 to judge them by, for the tests of 10_parse.c, which is
 * included before this file.
 */

#include "test.h"
#include "toy_mbuf.h"

#define ETH  14
#define IP4  (ETH + 20)
#define IP6  (ETH + 40)
#define WAN  0
#define VLAN 1
#define QINQ 2

static const uint8_t our_mac[6] = {0x02, 0, 0, 0, 0, 1};

/* Three interfaces of port 0: untagged, VLAN 7, VLAN 9 in VLAN 8. */
static struct weir_iface ifaces[3];
static uint16_t tagged[WEIR_VLANS], inner8[WEIR_VLANS];
static const uint16_t *inner[WEIR_VLANS];

static inline const struct weir_l3 *toy_l3(void)
{
	static struct weir_l3 l3;

	memset(tagged, 0xff, sizeof(tagged));
	memset(inner8, 0xff, sizeof(inner8));
	for (unsigned i = 0; i < RTE_DIM(ifaces); i++)
		memcpy(ifaces[i].mac, our_mac, 6);
	tagged[7] = VLAN;
	inner8[9] = QINQ;
	inner[8] = inner8;
	l3.ifaces = ifaces;
	l3.n_ifaces = RTE_DIM(ifaces);
	l3.untagged[0] = WAN;
	l3.tagged[0] = tagged;
	l3.inner[0] = inner;
	return &l3;
}

/* A frame under construction; its checksum is put right before it is judged. */
struct frame {
	struct toy_mbuf t;
	uint8_t b[512];
	uint16_t len;
	uint16_t l3;
};

static inline void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static inline void frame_eth(struct frame *f, unsigned type)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->b, our_mac, 6);
	f->b[6] = 0x02;
	f->b[11] = 2;
	put16(f->b + 12, type);
	f->l3 = ETH;
	f->len = ETH;
}

/* UDP from 192.0.2.1 to 198.51.100.1 with 16 bytes. */
static inline uint8_t *frame_udp4(struct frame *f)
{
	static const uint8_t ip[20] = {0x45, 0, 0,   44, 0, 1, 0,   0,	64,  17,
				       0,    0, 192, 0,	 2, 1, 198, 51, 100, 1};

	frame_eth(f, 0x0800);
	memcpy(f->b + ETH, ip, sizeof(ip));
	put16(f->b + IP4 + 4, 24);
	f->len = ETH + 44;
	return f->b + ETH;
}

static inline uint8_t *frame_tcp4(struct frame *f)
{
	uint8_t *ip = frame_udp4(f);

	ip[9] = 6;
	memset(ip + 20, 0, 24);
	ip[20 + 12] = 5 << 4;
	return ip;
}

/* From 2001:db8::1 to 2001:db8::2, with a payload to be filled. */
static inline uint8_t *frame_ip6(struct frame *f, uint8_t next, uint16_t payload_bytes)
{
	static const uint8_t ip[40] = {
		0x60, [7] = 64, 0x20, 1, 0xd, 0xb8, [23] = 1, 0x20, 1, 0xd, 0xb8, [39] = 2};

	frame_eth(f, 0x86dd);
	memcpy(f->b + ETH, ip, sizeof(ip));
	f->b[ETH + 6] = next;
	put16(f->b + ETH + 4, payload_bytes);
	f->len = (uint16_t)(IP6 + payload_bytes);
	return f->b + ETH;
}

static inline uint8_t *frame_udp6(struct frame *f)
{
	uint8_t *ip = frame_ip6(f, 17, 16);

	put16(ip + 44, 16);
	return ip;
}

/* Put tags between the addresses and the type. */
static inline void frame_tag(struct frame *f, unsigned tpid, unsigned tci)
{
	memmove(f->b + 16, f->b + 12, f->len - 12u);
	put16(f->b + 12, tpid);
	put16(f->b + 14, tci);
	f->len += 4;
	f->l3 += 4;
}

static inline struct rte_mbuf *frame_mbuf(struct frame *f)
{
	uint8_t *ip = f->b + f->l3;

	if (ip[0] >> 4 == 4 && (ip[0] & 0xf) >= 5 && ip[10] == 0 && ip[11] == 0) {
		const uint16_t sum = weir_csum(ip, (ip[0] & 0xf) * 4u);

		memcpy(ip + 10, &sum, 2);
	}
	return toy_mbuf(&f->t, f->b, f->len);
}

/* As the first frame of a burst. */
static inline enum weir_verdict parse_first(struct rte_mbuf *m, const struct weir_l3 *l3)
{
	struct untagged none = {.port = UINT32_MAX};

	return parse_one(m, l3, &none);
}

/* The reason it is dropped for; NONE: it goes on. */
static inline unsigned judged(struct frame *f)
{
	struct rte_mbuf *m = frame_mbuf(f);
	const enum weir_verdict v = parse_first(m, toy_l3());

	if (v == WEIR_DROP)
		return weir_meta(m)->drop;
	return v == WEIR_NEXT ? WEIR_DROP_NONE : WEIR_DROPS;
}

#define GOES_ON(f)	CU_ASSERT_EQUAL(judged(f), WEIR_DROP_NONE)
#define DROPPED(f, why) CU_ASSERT_EQUAL(judged(f), WEIR_DROP_##why)
