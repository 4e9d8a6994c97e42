/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* ICMP errors for tests: about a packet from 192.0.2.1 or 2001:db8::1 to .2 or ::2. */

#include "toy_stack.h"

#include <string.h>

/* What an error says; what is 0 is as it should be. */
struct toy_error {
	uint8_t family, type, code, proto;
	uint16_t our_port, peer_port;
	uint32_t mtu;	      /* the field's value */
	uint32_t seq;	      /* the four bytes behind the ports */
	uint16_t quoted;      /* bytes of the packet that are quoted; 0: all of 28 or 48 */
	uint16_t says;	      /* the length that the quoted header has; 0: 1,000 */
	uint16_t frag;	      /* the quoted word of fragments */
	uint8_t first;	      /* the first byte of the quoted packet; 0: 0x45 or 0x60 */
	uint8_t options;      /* bytes of IPv4 options that are quoted */
	bool fragment_header; /* of IPv6, of the first fragment unless frag */
	bool other_source;
};

#define TOY_MORE 64

static inline size_t toy_quote4(uint8_t *p, const struct toy_error *e)
{
	struct iphdr ip = {.tot_len = htons(e->says ? e->says : 1000),
			   .frag_off = htons(e->frag),
			   .protocol = e->proto,
			   .saddr = htonl(e->other_source ? 0xc0000203 : 0xc0000201),
			   .daddr = htonl(0xc0000202)};

	memcpy(p, &ip, sizeof(ip));
	p[0] = e->first ? e->first : (uint8_t)(0x45 + e->options / 4);
	return sizeof(ip) + e->options;
}

static inline size_t toy_quote6(uint8_t *p, const struct toy_error *e)
{
	struct ip6_hdr ip = {0};
	size_t n = sizeof(ip);

	ip.ip6_plen = htons(e->says ? e->says : 1400);
	ip.ip6_nxt = e->fragment_header ? IPPROTO_FRAGMENT : e->proto;
	ip.ip6_src.s6_addr[0] = ip.ip6_dst.s6_addr[0] = 0x20;
	ip.ip6_src.s6_addr[1] = ip.ip6_dst.s6_addr[1] = 0x01;
	ip.ip6_src.s6_addr[2] = ip.ip6_dst.s6_addr[2] = 0x0d;
	ip.ip6_src.s6_addr[3] = ip.ip6_dst.s6_addr[3] = 0xb8;
	ip.ip6_src.s6_addr[15] = e->other_source ? 3 : 1;
	ip.ip6_dst.s6_addr[15] = 2;
	memcpy(p, &ip, sizeof(ip));
	p[0] = e->first ? e->first : 0x60;
	if (e->fragment_header) {
		p[n] = e->proto;
		p[n + 2] = (uint8_t)(e->frag >> 8);
		p[n + 3] = (uint8_t)e->frag;
		n += 8;
	}
	return n;
}

/* As 10_parse leaves it; from a router that nobody knows. */
static inline struct rte_mbuf *toy_icmp(const struct toy_error *e, uint16_t seg_bytes)
{
	const uint16_t outer = e->family == 4 ? sizeof(struct iphdr) : sizeof(struct ip6_hdr);
	const uint16_t ours = htons(e->our_port), peer = htons(e->peer_port);
	const uint32_t mtu = htonl(e->mtu), seq = htonl(e->seq);
	uint8_t p[256] = {0}, *icmp = p + outer, *quote = icmp + 8;
	struct rte_mbuf *m;
	size_t n;

	if (e->family == 4) {
		memcpy(p + 16, (const uint8_t[]){192, 0, 2, 1}, 4);
	} else {
		memcpy(p + 24, (const uint8_t[]){0x20, 0x01, 0x0d, 0xb8}, 4);
		p[39] = 1;
	}
	icmp[0] = e->type;
	icmp[1] = e->code;
	memcpy(icmp + 4, &mtu, 4);
	n = e->family == 4 ? toy_quote4(quote, e) : toy_quote6(quote, e);
	memcpy(quote + n, &ours, 2);
	memcpy(quote + n + 2, &peer, 2);
	memcpy(quote + n + 4, &seq, 4);
	n = e->quoted ? e->quoted : n + 8;
	m = toy_payload(p, (uint32_t)(outer + 8 + n), seg_bytes);
	*weir_meta(m) = (struct weir_meta){
		.flags = WEIR_META_L4 | (e->family == 4 ? WEIR_META_IP4 : WEIR_META_IP6),
		.l4_off = outer,
		.proto = e->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6};
	return m;
}
