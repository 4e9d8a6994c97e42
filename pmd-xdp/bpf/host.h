/* SPDX-License-Identifier: (BSD-3-Clause OR GPL-2.0-only) */

/* What the host needs to stay reachable: its ARP and ND, and ssh and BGP to its addresses. */

#pragma once

#include "maps.h"
#include "packet.h"

#define PORT_SSH 22
#define PORT_BGP 179

static __always_inline bool is_kept_port(__be16 port)
{
	return port == bpf_htons(PORT_SSH) || port == bpf_htons(PORT_BGP);
}

static __always_inline __u32 host_kind(const __u8 *ip, __u32 version)
{
	struct steer_host host = {.version = version};
	const __u32 *kind;

	__builtin_memcpy(host.ip, ip, sizeof(host.ip));
	kind = bpf_map_lookup_elem(&hosts, &host);
	return kind == NULL ? 0 : *kind;
}

static __always_inline bool host_keeps_nd(const struct packet *p, __u8 type)
{
	const __u32 kind = host_kind(p->key.dst_ip, 6);

	if (kind == STEER_HOST_OWN)
		return true;
	if (type == NDISC_ROUTER_ADVERT)
		return kind == STEER_HOST_ROUTERS;
	return type != NDISC_ROUTER_SOLICIT && host_kind(p->nd_target, 6) == STEER_HOST_OWN;
}

static __always_inline bool host_keeps(const struct packet *p)
{
	const struct steer_key *key = &p->key;
	const __u8 type = bpf_ntohs(key->src_port) >> 8;

	if (key->ethertype == bpf_htons(ETH_P_ARP))
		return host_kind(key->dst_ip, 4) == STEER_HOST_OWN;
	if (key->has & STEER_HAS_TCP)
		return (is_kept_port(key->src_port) || is_kept_port(key->dst_port)) &&
		       host_kind(key->dst_ip, key->has & STEER_HAS_IPV4 ? 4 : 6) == STEER_HOST_OWN;
	if ((key->has & STEER_HAS_IPV6) && (key->has & STEER_HAS_ICMP) &&
	    type >= NDISC_ROUTER_SOLICIT && type <= NDISC_REDIRECT)
		return host_keeps_nd(p, type);
	return false;
}
