/* SPDX-License-Identifier: (BSD-3-Clause OR GPL-2.0-only) */

/*
 * Read a packet's headers: Ethernet, up to two VLAN tags, ARP, IPv4, IPv6, and the ports.
 *
 * A header that is cut short, or is not what it says it is, ends the reading; what stood before it
 * stays read. Only the first buffer of a packet of several is looked at.
 */

#pragma once

#include "steer.h"

#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define EXT_HEADERS 6 /* of IPv6, followed before giving up */

/* RFC 4861, 4: types of Neighbour Discovery. */
#define NDISC_ROUTER_SOLICIT 133
#define NDISC_ROUTER_ADVERT  134
#define NDISC_REDIRECT	     137

struct packet {
	struct steer_key key;
	__u8 nd_target[16]; /* of ICMPv6 135 to 137 */
};

/* What is left of a packet. */
struct cursor {
	const void *at;
	const void *end;
};

struct vlan_tag {
	__be16 tci;
	__be16 ethertype; /* of what follows */
};

/* RFC 826, for IPv4 over Ethernet. */
struct arp_ipv4 {
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_bytes;
	__u8 protocol_bytes;
	__be16 operation;
	__u8 sender_mac[6];
	__u8 sender_ip[4];
	__u8 target_mac[6];
	__u8 target_ip[4];
};

/* RFC 4861, 4.3 to 4.5. */
struct nd_msg {
	struct icmp6hdr head;
	__u8 target[16];
};

/* A header at the cursor, which steps over it; NULL if it is not all there. */
#define TAKE(c, type)                                     \
	({                                                \
		const type *taken = (c)->at;              \
                                                          \
		if ((const void *)(taken + 1) > (c)->end) \
			taken = NULL;                     \
		else                                      \
			(c)->at = taken + 1;              \
		taken;                                    \
	})

static __always_inline void read_ports(struct cursor *c, struct packet *p)
{
	struct steer_key *key = &p->key;
	const struct {
		__be16 src, dst;
	} * ports;
	const struct nd_msg *nd = c->at;

	ports = TAKE(c, typeof(*ports));
	if (ports == NULL)
		return;
	key->src_port = ports->src;
	if (key->proto == IPPROTO_TCP || key->proto == IPPROTO_UDP) {
		key->has |= key->proto == IPPROTO_TCP ? STEER_HAS_TCP : STEER_HAS_UDP;
		key->dst_port = ports->dst;
		return;
	}
	key->has |= STEER_HAS_ICMP;
	if (key->proto == IPPROTO_ICMPV6 && (const void *)(nd + 1) <= c->end)
		__builtin_memcpy(p->nd_target, nd->target, sizeof(p->nd_target));
}

static __always_inline void read_ipv4(struct cursor *c, struct packet *p)
{
	const struct iphdr *ip = TAKE(c, struct iphdr);
	struct steer_key *key = &p->key;
	__u16 frag;

	if (ip == NULL || ip->version != 4 || ip->ihl < 5)
		return;
	key->has |= STEER_HAS_IPV4;
	key->proto = ip->protocol;
	__builtin_memcpy(key->src_ip, &ip->saddr, 4);
	__builtin_memcpy(key->dst_ip, &ip->daddr, 4);
	frag = bpf_ntohs(ip->frag_off) & 0x3fff; /* more to come, and the offset */
	if (frag)
		key->has |= STEER_HAS_FRAGMENT;
	if (frag & 0x1fff)
		return;
	c->at += (ip->ihl - 5) * 4;
	if (ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP ||
	    ip->protocol == IPPROTO_ICMP)
		read_ports(c, p);
}

/* Step over one extension header. Returns false if there is nothing to read behind it. */
static __always_inline bool skip_extension(struct cursor *c, struct steer_key *key)
{
	const struct ipv6_opt_hdr *ext = TAKE(c, struct ipv6_opt_hdr);
	const struct {
		__be16 offset_more;
		__be32 id;
	} __attribute__((packed)) * fragment;
	const __u8 proto = key->proto;

	if (ext == NULL)
		return false;
	key->proto = ext->nexthdr;
	if (proto == IPPROTO_FRAGMENT) {
		fragment = TAKE(c, typeof(*fragment));
		if (fragment == NULL)
			return false;
		/* RFC 6946: one that is alone (no offset, no more) is a whole packet. */
		if (fragment->offset_more & bpf_htons(0xfff9))
			key->has |= STEER_HAS_FRAGMENT;
		return (fragment->offset_more & bpf_htons(0xfff8)) == 0;
	}
	if (proto == IPPROTO_AH) /* RFC 4302, 2.2: in words of 4, less 2; two bytes are read */
		c->at += ((__u32)ext->hdrlen + 2) * 4 - sizeof(*ext);
	else
		c->at += ((__u32)ext->hdrlen + 1) * 8 - sizeof(*ext);
	return true;
}

static __always_inline bool is_extension(__u8 proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_FRAGMENT ||
	       proto == IPPROTO_DSTOPTS || proto == IPPROTO_AH;
}

static __always_inline void read_ipv6(struct cursor *c, struct packet *p)
{
	const struct ipv6hdr *ip = TAKE(c, struct ipv6hdr);
	struct steer_key *key = &p->key;

	if (ip == NULL || ip->version != 6)
		return;
	key->has |= STEER_HAS_IPV6;
	key->proto = ip->nexthdr;
	__builtin_memcpy(key->src_ip, &ip->saddr, 16);
	__builtin_memcpy(key->dst_ip, &ip->daddr, 16);
	for (int i = 0; i < EXT_HEADERS && is_extension(key->proto); i++)
		if (!skip_extension(c, key))
			return;
	if (key->proto == IPPROTO_TCP || key->proto == IPPROTO_UDP || key->proto == IPPROTO_ICMPV6)
		read_ports(c, p);
}

/* The addresses of an ARP message are found as those of IPv4, without its bit. */
static __always_inline void read_arp(struct cursor *c, struct packet *p)
{
	const struct arp_ipv4 *arp = TAKE(c, struct arp_ipv4);

	if (arp == NULL || arp->protocol != bpf_htons(ETH_P_IP) || arp->protocol_bytes != 4 ||
	    arp->hardware_bytes != ETH_ALEN)
		return;
	__builtin_memcpy(p->key.src_ip, arp->sender_ip, 4);
	__builtin_memcpy(p->key.dst_ip, arp->target_ip, 4);
}

static __always_inline bool is_tag(__be16 ethertype)
{
	return ethertype == bpf_htons(ETH_P_8021Q) || ethertype == bpf_htons(ETH_P_8021AD);
}

/* Fill a key that is all zero, or has a VLAN tag already that the device took off. */
static __always_inline void read_packet(struct xdp_md *ctx, struct packet *p)
{
	struct cursor c = {.at = (void *)(long)ctx->data, .end = (void *)(long)ctx->data_end};
	const struct ethhdr *eth = TAKE(&c, struct ethhdr);
	struct steer_key *key = &p->key;
	const struct vlan_tag *tag;

	if (eth == NULL)
		return;
	__builtin_memcpy(key->dst_mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(key->src_mac, eth->h_source, ETH_ALEN);
	key->ethertype = eth->h_proto;
	for (int i = 0; i < 2 && is_tag(key->ethertype); i++) {
		tag = TAKE(&c, struct vlan_tag);
		if (tag == NULL)
			return;
		if (!(key->has & STEER_HAS_VLAN))
			key->vlan_tci = tag->tci;
		key->has |= STEER_HAS_VLAN;
		key->ethertype = tag->ethertype;
	}
	if (key->ethertype == bpf_htons(ETH_P_IP))
		read_ipv4(&c, p);
	else if (key->ethertype == bpf_htons(ETH_P_IPV6))
		read_ipv6(&c, p);
	else if (key->ethertype == bpf_htons(ETH_P_ARP))
		read_arp(&c, p);
}
