/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Takes RTE_ETH_RSS_... bits; the device hashes those fields (ETHTOOL_GRXFH and ETHTOOL_SRXFH, one
 * call a kind of flow). Holds what was there before.
 */

#include "netdev_in_priv.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <rte_common.h>
#include <rte_ethdev.h>
#include <stdio.h>

#define HASH_ADDRESSES (RXH_IP_SRC | RXH_IP_DST)
#define HASH_PORTS     (RXH_L4_B_0_1 | RXH_L4_B_2_3)
#define HASH_ALL       (HASH_ADDRESSES | HASH_PORTS)

/* A kind of flow, as the device has it and as DPDK does: with its ports, or by its addresses alone.
 */
static const struct flow {
	uint32_t kind;
	uint64_t ports, addresses;
	const char *name;
} flows[NETDEV_RSS_FLOWS] = {
	{TCP_V4_FLOW, RTE_ETH_RSS_NONFRAG_IPV4_TCP, RTE_ETH_RSS_IPV4, "TCP over IPv4"},
	{UDP_V4_FLOW, RTE_ETH_RSS_NONFRAG_IPV4_UDP, RTE_ETH_RSS_IPV4, "UDP over IPv4"},
	{SCTP_V4_FLOW, RTE_ETH_RSS_NONFRAG_IPV4_SCTP, RTE_ETH_RSS_IPV4, "SCTP over IPv4"},
	{TCP_V6_FLOW, RTE_ETH_RSS_NONFRAG_IPV6_TCP, RTE_ETH_RSS_IPV6, "TCP over IPv6"},
	{UDP_V6_FLOW, RTE_ETH_RSS_NONFRAG_IPV6_UDP, RTE_ETH_RSS_IPV6, "UDP over IPv6"},
	{SCTP_V6_FLOW, RTE_ETH_RSS_NONFRAG_IPV6_SCTP, RTE_ETH_RSS_IPV6, "SCTP over IPv6"},
};

static int fields_get(const struct netdev *n, const struct flow *f, uint32_t *fields)
{
	struct ethtool_rxnfc x = {.cmd = ETHTOOL_GRXFH, .flow_type = f->kind};
	const int rc = netdev_ethtool(n, &x);

	if (rc < 0)
		return rc;
	*fields = (uint32_t)x.data;
	return 0;
}

static int fields_set(const struct netdev *n, const struct flow *f, uint32_t fields)
{
	struct ethtool_rxnfc x = {.cmd = ETHTOOL_SRXFH, .flow_type = f->kind, .data = fields};

	return netdev_ethtool(n, &x);
}

static int types_failed(const struct netdev *n, const char *which, int rc)
{
	char what[64];

	snprintf(what, sizeof(what), "the fields hashed of %s cannot be set", which);
	return netdev_failed(n, what, rc);
}

static uint64_t types_of(const struct flow *f, uint32_t fields)
{
	uint64_t types = 0;

	if ((fields & HASH_ADDRESSES) == HASH_ADDRESSES)
		types |= f->addresses;
	if ((fields & HASH_ALL) == HASH_ALL)
		types |= f->ports;
	return types;
}

static uint32_t fields_of(const struct flow *f, uint64_t types)
{
	if (types & f->ports)
		return HASH_ALL;
	return types & f->addresses ? HASH_ADDRESSES : 0;
}

int netdev_rss_types_get(const struct netdev *n, uint64_t *types)
{
	bool told = false;

	*types = 0;
	for (unsigned i = 0; i < RTE_DIM(flows); i++) {
		uint32_t fields;
		const int rc = fields_get(n, &flows[i], &fields);

		if (rc == -ENODEV)
			return rc;
		if (rc < 0)
			continue; /* a kind that this device does not hash */
		told = true;
		*types |= types_of(&flows[i], fields);
	}
	return told ? 0 : -ENOTSUP;
}

/* One kind. Other fields than addresses and ports stay. */
static int set_one(const struct netdev *n, unsigned i, uint64_t types,
		   struct netdev_number_undo *did)
{
	const uint32_t want = fields_of(&flows[i], types);
	uint32_t fields;
	int rc = fields_get(n, &flows[i], &fields);

	if (rc == -ENODEV)
		return rc;
	if (rc < 0) /* what it cannot tell of it does not hash: SCTP on most */
		return types & flows[i].ports ? -ENOTSUP : 0;
	if ((fields & HASH_ALL) == want)
		return 0;
	did->was = fields;
	did->ours = (fields & ~(uint32_t)HASH_ALL) | want;
	rc = fields_set(n, &flows[i], did->ours);
	did->changed = rc == 0;
	return rc == -EINVAL || rc == -EOPNOTSUPP ? -ENOTSUP : rc;
}

static void remember(struct netdev *n, const struct netdev_number_undo did[NETDEV_RSS_FLOWS])
{
	for (unsigned i = 0; i < RTE_DIM(flows); i++) {
		if (!did[i].changed)
			continue;
		if (!n->types[i].changed)
			n->types[i].was = did[i].was;
		n->types[i].ours = did[i].ours;
		n->types[i].changed = true;
	}
}

static uint64_t types_known(void)
{
	uint64_t known = 0;

	for (unsigned i = 0; i < RTE_DIM(flows); i++)
		known |= flows[i].ports | flows[i].addresses;
	return known;
}

int netdev_rss_types_set(struct netdev *n, uint64_t types)
{
	struct netdev_number_undo did[NETDEV_RSS_FLOWS] = {{0}};
	int rc = types & ~types_known() ? -ENOTSUP : 0;
	const char *what = "other types";
	unsigned i;

	for (i = 0; i < RTE_DIM(flows) && rc == 0; i++) {
		rc = set_one(n, i, types, &did[i]);
		what = flows[i].name;
	}
	if (rc == 0) {
		remember(n, did);
		return 0;
	}
	while (i-- > 0)
		if (did[i].changed)
			fields_set(n, &flows[i], did[i].was);
	return types_failed(n, what, rc);
}

void netdev_types_end(struct netdev *n)
{
	for (unsigned i = 0; i < RTE_DIM(flows); i++) {
		const struct netdev_number_undo *u = &n->types[i];
		uint32_t fields;
		int rc;

		if (!u->changed || fields_get(n, &flows[i], &fields) < 0 || fields != u->ours)
			continue;
		rc = fields_set(n, &flows[i], u->was);
		if (rc < 0)
			types_failed(n, flows[i].name, rc);
	}
}
