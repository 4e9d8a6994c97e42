/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * One packet in one line. Its bytes are hostile: each header is read only if all of it was
 * captured and its first field says what it should.
 */

#include "app_trace_priv.h"

#include <netinet/in.h>
#include <rte_ether.h>
#include <stdio.h>
#include <string.h>

#define IP4_BYTES    20u
#define IP6_BYTES    40u
#define ARP_BYTES    28
#define ARP_REQUEST  1
#define FLAGS_AT_TCP 13

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void protocol_text(const struct watch_record *r, char *text, size_t len)
{
	const struct weir_meta *m = &r->meta;
	const uint8_t *l4 = watch_bytes(r) + m->l4_off;
	const bool whole = (m->flags & WEIR_META_L4) && m->l4_off + 14u <= r->captured_bytes;

	if (m->flags & WEIR_META_FRAG_LATER)
		snprintf(text, len, "fragment of protocol %u", m->proto);
	else if (whole && m->proto == IPPROTO_TCP)
		snprintf(text, len, "TCP %u > %u%s%s%s%s", be16(l4), be16(l4 + 2),
			 l4[FLAGS_AT_TCP] & 2 ? " SYN" : "", l4[FLAGS_AT_TCP] & 16 ? " ACK" : "",
			 l4[FLAGS_AT_TCP] & 1 ? " FIN" : "", l4[FLAGS_AT_TCP] & 4 ? " RST" : "");
	else if ((m->flags & WEIR_META_L4) && m->l4_off + 4u <= r->captured_bytes &&
		 m->proto == IPPROTO_UDP)
		snprintf(text, len, "UDP %u > %u", be16(l4), be16(l4 + 2));
	else if ((m->flags & WEIR_META_L4) && m->l4_off + 2u <= r->captured_bytes &&
		 (m->proto == IPPROTO_ICMP || m->proto == IPPROTO_ICMPV6))
		snprintf(text, len, "ICMP%s type %u code %u",
			 m->proto == IPPROTO_ICMPV6 ? "v6" : "", l4[0], l4[1]);
	else
		snprintf(text, len, "protocol %u", m->proto);
}

/* False: there is no IP header to be read. */
static bool ip_text(const struct watch_record *r, char text[APP_PACKET_TEXT])
{
	const struct weir_meta *m = &r->meta;
	const uint8_t *ip = watch_bytes(r) + m->l3_off;
	struct weir_addr src = {0}, dst = {0};
	char from[WEIR_ADDR_TEXT], to[WEIR_ADDR_TEXT], proto[64];
	unsigned ttl;

	if ((m->flags & WEIR_META_IP4) && m->l3_off + IP4_BYTES <= r->captured_bytes &&
	    ip[0] >> 4 == 4) {
		src.family = dst.family = 4;
		memcpy(src.bytes, ip + 12, 4);
		memcpy(dst.bytes, ip + 16, 4);
		ttl = ip[8];
	} else if ((m->flags & WEIR_META_IP6) && m->l3_off + IP6_BYTES <= r->captured_bytes &&
		   ip[0] >> 4 == 6) {
		src.family = dst.family = 6;
		memcpy(src.bytes, ip + 8, 16);
		memcpy(dst.bytes, ip + 24, 16);
		ttl = ip[7];
	} else {
		return false;
	}
	protocol_text(r, proto, sizeof(proto));
	snprintf(text, APP_PACKET_TEXT, "%s > %s %s ttl %u, %u bytes", weir_addr_format(&src, from),
		 weir_addr_format(&dst, to), proto, ttl, r->wire_bytes);
	return true;
}

static void arp_text(const struct watch_record *r, const uint8_t *arp, char text[APP_PACKET_TEXT])
{
	struct weir_addr asks = {.family = 4}, wanted = {.family = 4};
	char from[WEIR_ADDR_TEXT], to[WEIR_ADDR_TEXT];

	memcpy(asks.bytes, arp + 14, 4);
	memcpy(wanted.bytes, arp + 24, 4);
	snprintf(text, APP_PACKET_TEXT, "ARP %s from %s for %s, %u bytes",
		 be16(arp + 6) == ARP_REQUEST ? "request" : "answer", weir_addr_format(&asks, from),
		 weir_addr_format(&wanted, to), r->wire_bytes);
}

const char *app_packet_text(const struct watch_record *r, char text[APP_PACKET_TEXT])
{
	const uint8_t *frame = watch_bytes(r);
	struct weir_mac src, dst;
	char from[WEIR_MAC_TEXT], to[WEIR_MAC_TEXT];

	text[0] = '\0';
	if (!r->known || ip_text(r, text))
		return text;
	if (r->captured_bytes < RTE_ETHER_HDR_LEN) {
		snprintf(text, APP_PACKET_TEXT, "%u bytes", r->wire_bytes);
		return text;
	}
	if (be16(frame + 12) == RTE_ETHER_TYPE_ARP &&
	    r->captured_bytes >= RTE_ETHER_HDR_LEN + ARP_BYTES) {
		arp_text(r, frame + RTE_ETHER_HDR_LEN, text);
		return text;
	}
	memcpy(dst.bytes, frame, sizeof(dst.bytes));
	memcpy(src.bytes, frame + 6, sizeof(src.bytes));
	snprintf(text, APP_PACKET_TEXT, "%s > %s type 0x%04x, %u bytes",
		 weir_mac_format(&src, from), weir_mac_format(&dst, to), be16(frame + 12),
		 r->wire_bytes);
	return text;
}
