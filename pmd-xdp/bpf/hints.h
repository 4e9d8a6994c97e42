/* SPDX-License-Identifier: (BSD-3-Clause OR GPL-2.0-only) */

/*
 * What the device knows of a packet, and how it reaches the driver: in front of the packet.
 *
 * The kernel's functions are there only for a program that is bound to a device, and a device may
 * still know nothing. A hash without a type is not one of the packet, a time of 0 is none.
 */

#pragma once

#include "maps.h"

enum xdp_rss_hash_type { XDP_RSS_TYPE_NONE };

extern int bpf_xdp_metadata_rx_timestamp(const struct xdp_md *ctx, __u64 *ns) __ksym __weak;
extern int bpf_xdp_metadata_rx_hash(const struct xdp_md *ctx, __u32 *hash,
				    enum xdp_rss_hash_type *type) __ksym __weak;
extern int bpf_xdp_metadata_rx_vlan_tag(const struct xdp_md *ctx, __be16 *proto,
					__u16 *tci) __ksym __weak;

/* Set before loading: whether this kernel has the function for VLAN tags, younger than the others.
 */
const volatile __u8 has_vlan_hint = 0;

static __always_inline void hint_vlan(struct xdp_md *ctx, struct steer_meta *meta)
{
	__be16 proto;
	__u16 tci;

	if (!has_vlan_hint || bpf_xdp_metadata_rx_vlan_tag(ctx, &proto, &tci) != 0)
		return;
	meta->vlan_tci = bpf_htons(tci);
	meta->flags |= STEER_META_VLAN;
}

static __always_inline void hint_hash(struct xdp_md *ctx, struct steer_meta *meta)
{
	enum xdp_rss_hash_type type = XDP_RSS_TYPE_NONE;
	__u32 hash;

	if (bpf_xdp_metadata_rx_hash(ctx, &hash, &type) != 0 || type == XDP_RSS_TYPE_NONE)
		return;
	meta->hash = hash;
	meta->flags |= STEER_META_HASH;
}

static __always_inline void hint_time(struct xdp_md *ctx, struct steer_meta *meta)
{
	__u64 ns = 0;

	if (bpf_xdp_metadata_rx_timestamp(ctx, &ns) != 0 || ns == 0)
		return;
	meta->time_ns = ns;
	meta->flags |= STEER_META_TIME;
}

static __always_inline bool put_meta(struct xdp_md *ctx, const struct steer_meta *meta)
{
	struct steer_meta *to;

	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*to)) != 0)
		return false;
	to = (void *)(long)ctx->data_meta;
	if ((void *)(to + 1) > (void *)(long)ctx->data)
		return false;
	*to = *meta;
	return true;
}
