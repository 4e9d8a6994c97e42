/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * rtnetlink(7) messages read strictly: each length is checked before the bytes are.
 */

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "kernel_priv.h"

struct attrs {
	const struct nlattr *at[RTA_MAX + 1];
};

static int keep_attr(const struct nlattr *a, void *data)
{
	struct attrs *attrs = data;
	const uint16_t type = mnl_attr_get_type(a);

	if (type <= RTA_MAX)
		attrs->at[type] = a;
	return MNL_CB_OK;
}

/*
 * The fixed header, then the attributes behind it. Not by mnl_attr_parse(): that one rounds the
 * message's length up and would read past its end.
 */
static bool take(const struct nlmsghdr *nlh, void *header, size_t bytes, struct attrs *attrs)
{
	const size_t there = mnl_nlmsg_get_payload_len(nlh);
	const uint8_t *p = mnl_nlmsg_get_payload(nlh);

	if (there < bytes)
		return false;
	memcpy(header, p, bytes);
	return mnl_attr_parse_payload(p + bytes, there - bytes, keep_attr, attrs) >= 0;
}

/* An attribute of exactly this size, or NULL. Sets bad if it is there with another size. */
static const void *fixed(const struct nlattr *a, uint16_t bytes, bool *bad)
{
	if (a == NULL)
		return NULL;
	if (mnl_attr_get_payload_len(a) == bytes)
		return mnl_attr_get_payload(a);
	*bad = true;
	return NULL;
}

static uint32_t number(const struct nlattr *a, uint32_t other, bool *bad)
{
	const void *p = fixed(a, sizeof(uint32_t), bad);

	if (p != NULL)
		memcpy(&other, p, sizeof(other));
	return other;
}

static uint16_t bytes_of(int family)
{
	return family == AF_INET ? 4 : 16;
}

static struct weir_addr addr_of(const struct nlattr *a, int family, bool *bad)
{
	struct weir_addr addr = {.family = 0};
	const void *p = fixed(a, bytes_of(family), bad);

	if (p != NULL) {
		addr.family = family == AF_INET ? 4 : 6;
		memcpy(addr.bytes, p, bytes_of(family));
	}
	return addr;
}

/* RTA_GATEWAY, or RTA_VIA: a gateway of the other family (RFC 8950). */
static struct weir_addr gateway_of(const struct attrs *a, int family, bool *bad)
{
	struct weir_addr addr = addr_of(a->at[RTA_GATEWAY], family, bad);
	const struct nlattr *via = a->at[RTA_VIA];
	uint16_t via_family;

	if (addr.family != 0 || via == NULL)
		return addr;
	if (mnl_attr_get_payload_len(via) < sizeof(via_family)) {
		*bad = true;
		return addr;
	}
	memcpy(&via_family, mnl_attr_get_payload(via), sizeof(via_family));
	if ((via_family != AF_INET && via_family != AF_INET6) ||
	    mnl_attr_get_payload_len(via) != sizeof(via_family) + bytes_of(via_family)) {
		*bad = true;
		return addr;
	}
	addr.family = via_family == AF_INET ? 4 : 6;
	memcpy(addr.bytes, (const uint8_t *)mnl_attr_get_payload(via) + sizeof(via_family),
	       bytes_of(via_family));
	return addr;
}

static uint16_t iface_of(const struct weir_kernel_map *map, uint32_t ifindex)
{
	for (uint16_t i = 0; i < map->n; i++)
		if (map->link[i].ifindex == ifindex)
			return map->link[i].iface;
	return WEIR_NO_IFACE;
}

/* The kernel has judged that the gateway is on the link. Those of other devices are left out. */
static void add_hop(struct weir_kernel_route *out, const struct weir_kernel_map *map,
		    uint32_t ifindex, unsigned flags, const struct weir_addr *gateway)
{
	const uint16_t iface = iface_of(map, ifindex);

	if (iface == WEIR_NO_IFACE || (flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) ||
	    out->route.n_hops == WEIR_GROUP_MAX)
		return;
	out->hop[out->route.n_hops++] = (struct weir_nexthop){
		.gateway = *gateway, .iface = iface, .onlink = gateway->family != 0};
}

static void read_multipath(const struct nlattr *a, int family, const struct weir_kernel_map *map,
			   struct weir_kernel_route *out, bool *bad)
{
	const uint8_t *at = mnl_attr_get_payload(a);
	size_t left = mnl_attr_get_payload_len(a);

	while (left > 0 && !*bad) {
		struct attrs attrs = {{NULL}};
		struct rtnexthop nh;
		struct weir_addr gateway;
		size_t step;

		if (left < sizeof(nh)) {
			*bad = true;
			return;
		}
		memcpy(&nh, at, sizeof(nh));
		if (nh.rtnh_len < sizeof(nh) || nh.rtnh_len > left ||
		    mnl_attr_parse_payload(at + sizeof(nh), nh.rtnh_len - sizeof(nh), keep_attr,
					   &attrs) < 0) {
			*bad = true;
			return;
		}
		gateway = gateway_of(&attrs, family, bad);
		add_hop(out, map, (uint32_t)nh.rtnh_ifindex, nh.rtnh_flags, &gateway);
		step = RTNH_ALIGN((size_t)nh.rtnh_len);
		step = step < left ? step : left;
		at += step;
		left -= step;
	}
}

static uint16_t mtu_of(const struct nlattr *metrics, bool *bad)
{
	struct attrs attrs = {{NULL}};
	uint32_t mtu;

	if (metrics == NULL)
		return 0;
	if (mnl_attr_parse_nested(metrics, keep_attr, &attrs) < 0)
		*bad = true;
	mtu = number(attrs.at[RTAX_MTU], 0, bad);
	return mtu > UINT16_MAX ? 0 : (uint16_t)mtu;
}

static bool kind_of(uint8_t type, enum weir_hop_kind *kind)
{
	switch (type) {
	case RTN_UNICAST:
		*kind = WEIR_HOP_GATEWAY;
		return true;
	case RTN_BLACKHOLE:
		*kind = WEIR_HOP_BLACKHOLE;
		return true;
	case RTN_UNREACHABLE:
		*kind = WEIR_HOP_UNREACHABLE;
		return true;
	case RTN_PROHIBIT:
		*kind = WEIR_HOP_PROHIBIT;
		return true;
	default:
		return false;
	}
}

/* Groups and link-local addresses follow from weir's interfaces alone. */
static bool is_special(const struct weir_prefix *p)
{
	if (p->addr.family == 4)
		return p->length >= 4 && (p->addr.bytes[0] & 0xf0) == 0xe0;
	return (p->length >= 8 && p->addr.bytes[0] == 0xff) ||
	       (p->length >= 10 && p->addr.bytes[0] == 0xfe && (p->addr.bytes[1] & 0xc0) == 0x80);
}

/* What weir mirrors: whole destinations in the main table, not the kernel's own subnets. */
static bool is_for_us(const struct rtmsg *rtm, const struct attrs *a, bool *bad)
{
	return (rtm->rtm_family == AF_INET || rtm->rtm_family == AF_INET6) &&
	       number(a->at[RTA_TABLE], rtm->rtm_table, bad) == RT_TABLE_MAIN &&
	       rtm->rtm_protocol != RTPROT_KERNEL && rtm->rtm_src_len == 0 && rtm->rtm_tos == 0 &&
	       !(rtm->rtm_flags & RTM_F_CLONED);
}

int kernel_read_route(const struct nlmsghdr *nlh, const struct weir_kernel_map *map,
		      struct weir_kernel_route *out)
{
	struct attrs a = {{NULL}};
	struct rtmsg rtm;
	bool bad = false;

	if (!take(nlh, &rtm, sizeof(rtm), &a))
		return -EBADMSG;
	memset(out, 0, sizeof(*out));
	if (!is_for_us(&rtm, &a, &bad) || !kind_of(rtm.rtm_type, &out->route.kind))
		return bad ? -EBADMSG : 0;
	if (rtm.rtm_dst_len > 8 * bytes_of(rtm.rtm_family) ||
	    (rtm.rtm_dst_len > 0 && a.at[RTA_DST] == NULL))
		return -EBADMSG;
	out->route.source = WEIR_ROUTE_KERNEL;
	out->route.to.addr = addr_of(a.at[RTA_DST], rtm.rtm_family, &bad);
	out->route.to.addr.family = rtm.rtm_family == AF_INET ? 4
							      : 6; /* a default has no RTA_DST */
	out->route.to.length = rtm.rtm_dst_len;
	out->route.to = weir_prefix_network(&out->route.to);
	out->route.metric = number(a.at[RTA_PRIORITY], 0, &bad);
	out->route.mtu = mtu_of(a.at[RTA_METRICS], &bad);
	out->route.hops = out->hop;
	if (out->route.kind == WEIR_HOP_GATEWAY && a.at[RTA_MULTIPATH] != NULL) {
		read_multipath(a.at[RTA_MULTIPATH], rtm.rtm_family, map, out, &bad);
	} else if (out->route.kind == WEIR_HOP_GATEWAY) {
		const struct weir_addr gateway = gateway_of(&a, rtm.rtm_family, &bad);

		add_hop(out, map, number(a.at[RTA_OIF], 0, &bad), rtm.rtm_flags, &gateway);
	}
	if (bad)
		return -EBADMSG;
	return !is_special(&out->route.to);
}

int kernel_read_neigh(const struct nlmsghdr *nlh, const struct weir_kernel_map *map,
		      struct weir_kernel_neigh *out)
{
	const uint16_t useful = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;
	struct attrs a = {{NULL}};
	struct ndmsg ndm;
	bool bad = false;
	const void *mac;

	if (!take(nlh, &ndm, sizeof(ndm), &a))
		return -EBADMSG;
	memset(out, 0, sizeof(*out));
	if ((ndm.ndm_family != AF_INET && ndm.ndm_family != AF_INET6) ||
	    (ndm.ndm_flags & NTF_PROXY) || (ndm.ndm_state & (NUD_NOARP | NUD_INCOMPLETE)))
		return 0;
	out->iface = iface_of(map, (uint32_t)ndm.ndm_ifindex);
	out->addr = addr_of(a.at[NDA_DST], ndm.ndm_family, &bad);
	if (bad)
		return -EBADMSG;
	if (out->iface == WEIR_NO_IFACE || out->addr.family == 0)
		return 0;
	if (nlh->nlmsg_type == RTM_DELNEIGH || !(ndm.ndm_state & useful))
		return 1;
	mac = fixed(a.at[NDA_LLADDR], sizeof(out->mac.bytes), &bad);
	if (mac == NULL)
		return 0; /* a link without Ethernet addresses */
	memcpy(out->mac.bytes, mac, sizeof(out->mac.bytes));
	out->known = true;
	return 1;
}

int kernel_read_ifindex(const struct nlmsghdr *nlh, uint32_t *ifindex, uint32_t *flags)
{
	struct ifinfomsg ifi;
	struct ifaddrmsg ifa;

	*flags = 0;
	if (nlh->nlmsg_type == RTM_NEWLINK || nlh->nlmsg_type == RTM_DELLINK) {
		if (mnl_nlmsg_get_payload_len(nlh) < sizeof(ifi))
			return -EBADMSG;
		memcpy(&ifi, mnl_nlmsg_get_payload(nlh), sizeof(ifi));
		*ifindex = (uint32_t)ifi.ifi_index;
		*flags = ifi.ifi_flags;
		return 1;
	}
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(ifa))
		return -EBADMSG;
	memcpy(&ifa, mnl_nlmsg_get_payload(nlh), sizeof(ifa));
	*ifindex = ifa.ifa_index;
	return 1;
}
