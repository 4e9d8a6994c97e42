/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The pattern of a flow rule: items from Ethernet to the ports, into a key and a mask.
 *
 * An item takes the fields it knows out of its mask; what is left there is asked for and not
 * supported.
 */

#include "flow_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/* An item with its default mask filled in, spec and last already masked. */
union fields {
	struct rte_flow_item_eth eth;
	struct rte_flow_item_vlan vlan;
	struct rte_flow_item_ipv4 ipv4;
	struct rte_flow_item_ipv6 ipv6;
	struct rte_flow_item_tcp tcp;
	struct rte_flow_item_udp udp;
	struct rte_flow_item_icmp icmp;
	struct rte_flow_item_icmp6 icmp6;
	rte_be16_t ports[2]; /* TCP and UDP begin with source and destination */
	uint8_t bytes[64];
};

struct item {
	const struct rte_flow_item *from;
	union fields spec, mask, last;
	struct rte_flow_error *error;
};

static int refuse(const struct item *it, int code, enum rte_flow_error_type type, const char *why)
{
	return rte_flow_error_set(it->error, code, type, it->from, why);
}

static void must_have(struct steer_spec *out, uint8_t has)
{
	out->key.has |= has;
	out->mask.has |= has;
}

/* Move a field of an item into the rule. */
static void move(void *key, void *key_mask, const void *spec, void *mask, size_t bytes)
{
	memcpy(key, spec, bytes);
	memcpy(key_mask, mask, bytes);
	memset(mask, 0, bytes);
}

#define MOVE(out, field, it, from)                                                      \
	move(&(out)->key.field, &(out)->mask.field, &(it)->spec.from, &(it)->mask.from, \
	     sizeof((out)->key.field))

static bool is_tag(rte_be16_t type)
{
	return type == htons(RTE_ETHER_TYPE_VLAN) || type == htons(RTE_ETHER_TYPE_QINQ);
}

/* A type that is no tag's is that of an untagged packet, as the wire has it. */
static int take_eth(struct item *it, struct steer_spec *out)
{
	const rte_be16_t type = it->spec.eth.hdr.ether_type, mask = it->mask.eth.hdr.ether_type;

	MOVE(out, dst_mac, it, eth.hdr.dst_addr);
	MOVE(out, src_mac, it, eth.hdr.src_addr);
	if (mask != 0 && is_tag(type)) {
		if (mask != UINT16_MAX)
			return refuse(it, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_MASK,
				      "the type of a VLAN tag is matched whole or not at all");
		must_have(out, STEER_HAS_VLAN);
		it->mask.eth.hdr.ether_type = 0;
	} else if (mask != 0) {
		MOVE(out, ethertype, it, eth.hdr.ether_type);
		out->mask.has |= STEER_HAS_VLAN;
	}
	if (it->mask.eth.has_vlan) {
		if (it->spec.eth.has_vlan)
			out->key.has |= STEER_HAS_VLAN;
		else if (out->key.has & STEER_HAS_VLAN)
			return refuse(it, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM_SPEC,
				      "a VLAN type, and no VLAN");
		out->mask.has |= STEER_HAS_VLAN;
		it->mask.eth.has_vlan = 0;
	}
	return 0;
}

static int take_vlan(struct item *it, struct steer_spec *out)
{
	if ((out->mask.has & STEER_HAS_VLAN) && !(out->key.has & STEER_HAS_VLAN))
		return refuse(it, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM,
			      "VLAN behind an Ethernet type that is not that of a tag");
	must_have(out, STEER_HAS_VLAN);
	MOVE(out, vlan_tci, it, vlan.hdr.vlan_tci);
	if (it->mask.vlan.hdr.eth_proto != 0 && is_tag(it->spec.vlan.hdr.eth_proto))
		return refuse(it, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_SPEC,
			      "only the outermost VLAN tag is matched");
	MOVE(out, ethertype, it, vlan.hdr.eth_proto);
	return 0;
}

/* Offset and more-fragments of IPv4. */
#define FRAGMENT_BITS RTE_BE16(0x3fff)

/* That it is no piece of a datagram; what piece it is cannot be asked. */
static void must_be_whole(struct steer_spec *out)
{
	out->mask.has |= STEER_HAS_FRAGMENT;
}

static int take_ipv4(struct item *it, struct steer_spec *out)
{
	struct rte_ipv4_hdr *mask = &it->mask.ipv4.hdr;

	must_have(out, STEER_HAS_IPV4);
	if (mask->fragment_offset == FRAGMENT_BITS && it->spec.ipv4.hdr.fragment_offset == 0) {
		must_be_whole(out);
		mask->fragment_offset = 0;
	}
	move(out->key.src_ip, out->mask.src_ip, &it->spec.ipv4.hdr.src_addr,
	     &it->mask.ipv4.hdr.src_addr, 4);
	move(out->key.dst_ip, out->mask.dst_ip, &it->spec.ipv4.hdr.dst_addr,
	     &it->mask.ipv4.hdr.dst_addr, 4);
	MOVE(out, proto, it, ipv4.hdr.next_proto_id);
	return 0;
}

static int take_ipv6(struct item *it, struct steer_spec *out)
{
	must_have(out, STEER_HAS_IPV6);
	if (it->mask.ipv6.has_frag_ext && !it->spec.ipv6.has_frag_ext) {
		must_be_whole(out);
		it->mask.ipv6.has_frag_ext = 0;
	}
	MOVE(out, src_ip, it, ipv6.hdr.src_addr);
	MOVE(out, dst_ip, it, ipv6.hdr.dst_addr);
	MOVE(out, proto, it, ipv6.hdr.proto);
	return 0;
}

/* A port, or from one to another. */
static int take_port(struct item *it, unsigned i, __be16 *key, __be16 *key_mask, __u16 *lo,
		     __u16 *hi)
{
	const uint16_t from = ntohs(it->spec.ports[i]), to = ntohs(it->last.ports[i]);

	it->last.ports[i] = 0;
	/* As rte_flow has it: a last that is not above spec makes no range. */
	if (to <= from) {
		move(key, key_mask, &it->spec.ports[i], &it->mask.ports[i], sizeof(*key));
		return 0;
	}
	if (it->mask.ports[i] != UINT16_MAX)
		return refuse(it, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_MASK,
			      "a range of ports has no mask, or all bits");
	*lo = from;
	*hi = to;
	it->mask.ports[i] = 0;
	return 0;
}

static int take_ports(struct item *it, struct steer_spec *out)
{
	int rc = take_port(it, 0, &out->key.src_port, &out->mask.src_port, &out->rule.src_port_lo,
			   &out->rule.src_port_hi);

	if (rc < 0)
		return rc;
	return take_port(it, 1, &out->key.dst_port, &out->mask.dst_port, &out->rule.dst_port_lo,
			 &out->rule.dst_port_hi);
}

static int take_tcp(struct item *it, struct steer_spec *out)
{
	must_have(out, STEER_HAS_TCP);
	return take_ports(it, out);
}

static int take_udp(struct item *it, struct steer_spec *out)
{
	must_have(out, STEER_HAS_UDP);
	return take_ports(it, out);
}

/* Type and code are the first two bytes of both kinds. */
static int take_icmp(struct item *it, struct steer_spec *out)
{
	if (out->key.has & STEER_HAS_IPV6)
		return refuse(it, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM, "ICMP over IPv6 is ICMP6");
	must_have(out, STEER_HAS_ICMP | STEER_HAS_IPV4);
	MOVE(out, src_port, it, bytes);
	return 0;
}

static int take_icmp6(struct item *it, struct steer_spec *out)
{
	if (out->key.has & STEER_HAS_IPV4)
		return refuse(it, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM, "ICMP6 over IPv4 is ICMP");
	must_have(out, STEER_HAS_ICMP | STEER_HAS_IPV6);
	MOVE(out, src_port, it, bytes);
	return 0;
}

enum layer { NONE, LINK, TAG, NETWORK, TRANSPORT };

static const struct kind {
	enum rte_flow_item_type type;
	enum layer layer;
	size_t bytes;
	const void *mask;
	int (*take)(struct item *it, struct steer_spec *out);
} kinds[] = {
	{RTE_FLOW_ITEM_TYPE_ETH, LINK, sizeof(struct rte_flow_item_eth), &rte_flow_item_eth_mask,
	 take_eth},
	{RTE_FLOW_ITEM_TYPE_VLAN, TAG, sizeof(struct rte_flow_item_vlan), &rte_flow_item_vlan_mask,
	 take_vlan},
	{RTE_FLOW_ITEM_TYPE_IPV4, NETWORK, sizeof(struct rte_flow_item_ipv4),
	 &rte_flow_item_ipv4_mask, take_ipv4},
	{RTE_FLOW_ITEM_TYPE_IPV6, NETWORK, sizeof(struct rte_flow_item_ipv6),
	 &rte_flow_item_ipv6_mask, take_ipv6},
	{RTE_FLOW_ITEM_TYPE_TCP, TRANSPORT, sizeof(struct rte_flow_item_tcp),
	 &rte_flow_item_tcp_mask, take_tcp},
	{RTE_FLOW_ITEM_TYPE_UDP, TRANSPORT, sizeof(struct rte_flow_item_udp),
	 &rte_flow_item_udp_mask, take_udp},
	{RTE_FLOW_ITEM_TYPE_ICMP, TRANSPORT, sizeof(struct rte_flow_item_icmp),
	 &rte_flow_item_icmp_mask, take_icmp},
	{RTE_FLOW_ITEM_TYPE_ICMP6, TRANSPORT, sizeof(struct rte_flow_item_icmp6),
	 &rte_flow_item_icmp6_mask, take_icmp6},
};

static const struct kind *kind_of(enum rte_flow_item_type type)
{
	for (size_t i = 0; i < RTE_DIM(kinds); i++)
		if (kinds[i].type == type)
			return &kinds[i];
	return NULL;
}

/* Fill in the default mask, and mask. */
static int read_fields(struct item *it, const struct kind *kind)
{
	const struct rte_flow_item *from = it->from;

	if (from->spec == NULL) {
		if (from->mask != NULL || from->last != NULL)
			return refuse(it, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM_SPEC,
				      "a mask or a last without a spec");
		return 0;
	}
	memcpy(&it->mask, from->mask != NULL ? from->mask : kind->mask, kind->bytes);
	memcpy(&it->spec, from->spec, kind->bytes);
	memcpy(&it->last, from->last != NULL ? from->last : from->spec, kind->bytes);
	for (size_t i = 0; i < kind->bytes; i++) {
		it->spec.bytes[i] &= it->mask.bytes[i];
		it->last.bytes[i] &= it->mask.bytes[i];
	}
	return 0;
}

static int take_item(const struct rte_flow_item *from, const struct kind *kind,
		     struct steer_spec *out, struct rte_flow_error *error)
{
	struct item it = {.from = from, .error = error};
	int rc = read_fields(&it, kind);

	if (rc == 0)
		rc = kind->take(&it, out);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < sizeof(it.mask); i++) {
		if (it.mask.bytes[i] != 0)
			return refuse(&it, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_MASK,
				      "a field that is not matched here: MAC, type, VLAN, "
				      "addresses, protocol, no fragment, ports, ICMP type and code "
				      "are");
		if (it.last.bytes[i] != 0 && it.last.bytes[i] != it.spec.bytes[i])
			return refuse(&it, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_LAST,
				      "only ports have ranges");
	}
	return 0;
}

/* Layers go up, none in the middle is left out; below the first one anything goes. */
static const char *wrong_layer(enum layer before, enum layer now)
{
	if (now <= before)
		return "items go from Ethernet upwards, one of each layer";
	if (now == TRANSPORT && before != NONE && before != NETWORK)
		return "IPV4 or IPV6 is missing before TCP, UDP or ICMP";
	return NULL;
}

/* What no packet can be. */
static const char *contradiction(const struct steer_spec *s)
{
	const uint8_t has = s->key.has, proto = s->key.proto;
	const uint16_t type = ntohs(s->key.ethertype);

	if (s->mask.ethertype == UINT16_MAX && (has & STEER_HAS_IPV4) &&
	    type != RTE_ETHER_TYPE_IPV4)
		return "IPV4 with the Ethernet type of something else";
	if (s->mask.ethertype == UINT16_MAX && (has & STEER_HAS_IPV6) &&
	    type != RTE_ETHER_TYPE_IPV6)
		return "IPV6 with the Ethernet type of something else";
	if (s->mask.proto != UINT8_MAX)
		return NULL;
	if (((has & STEER_HAS_TCP) && proto != IPPROTO_TCP) ||
	    ((has & STEER_HAS_UDP) && proto != IPPROTO_UDP) ||
	    ((has & STEER_HAS_ICMP) &&
	     proto != (has & STEER_HAS_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)))
		return "TCP, UDP or ICMP with the IP protocol of something else";
	return NULL;
}

int flow_pattern(const struct rte_flow_item pattern[], struct steer_spec *out,
		 struct rte_flow_error *error)
{
	enum layer layer = NONE;
	const struct kind *kind;
	const char *why;
	int rc;

	for (; pattern->type != RTE_FLOW_ITEM_TYPE_END; pattern++) {
		if (pattern->type == RTE_FLOW_ITEM_TYPE_VOID)
			continue;
		kind = kind_of(pattern->type);
		if (kind == NULL)
			return rte_flow_error_set(error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM, pattern,
						  "only ETH, VLAN, IPV4, IPV6, TCP, UDP, ICMP and "
						  "ICMP6 are matched");
		why = wrong_layer(layer, kind->layer);
		if (why != NULL)
			return rte_flow_error_set(error, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM, pattern,
						  why);
		rc = take_item(pattern, kind, out, error);
		if (rc < 0)
			return rc;
		layer = kind->layer;
	}
	why = contradiction(out);
	if (why != NULL)
		return rte_flow_error_set(error, EINVAL, RTE_FLOW_ERROR_TYPE_ITEM_SPEC, NULL, why);
	return 0;
}
