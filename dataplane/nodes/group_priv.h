/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What 20_defrag and 60_route ask a worker's stack: does it hear this group? */

#include <weir/local.h>
#include <weir/shard.h>

#include "packet_priv.h"

static inline bool stack_hears(const struct weir_shard *s, struct rte_mbuf *m)
{
	const struct weir_meta *meta = weir_meta(m);
	struct weir_addr group;

	if (s->local == NULL || s->local->hears == NULL || (meta->flags & WEIR_META_OURS))
		return false;
	if (meta->flags & WEIR_META_IP4)
		group = weir_addr_of((const uint8_t *)&ip4(m)->dst_addr, 4);
	else
		group = weir_addr_of(ip6_dst(ip6(m)), 6);
	return s->local->hears(s->local, meta->iface_in, &group);
}
