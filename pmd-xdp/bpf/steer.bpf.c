// SPDX-License-Identifier: (BSD-3-Clause OR GPL-2.0-only)

/*
 * The XDP program: each packet goes to a socket, to the kernel, or nowhere.
 *
 * Takes:  packets of the hardware queues that config names; others pass.
 * Says:   XDP_REDIRECT to a socket, XDP_PASS to the kernel, XDP_DROP; what became of a packet is
 *         counted once, so the counters add up.
 * Holds:  nothing between packets but counters.
 *
 * Three flavours: plain for every kernel and mode; frags for frames of several buffers; hints for
 * these too, with what the device knows of a packet, bound to one device.
 */

#include "hash.h"
#include "hints.h"
#include "host.h"
#include "maps.h"
#include "packet.h"
#include "rules.h"

#define FRAGS 1
#define HINTS 2

char licence[] SEC("license") = "Dual BSD/GPL";

static __always_inline __u64 bytes_of(struct xdp_md *ctx, const int flavour)
{
	if (flavour & FRAGS)
		return bpf_xdp_get_buff_len(ctx);
	return ctx->data_end - ctx->data;
}

static __always_inline int to_socket(struct steer_queue_stats *stats, __u32 slot)
{
	const int action = bpf_redirect_map(&socks, slot, XDP_PASS);

	if (action == XDP_REDIRECT)
		stats->redirected++;
	else
		stats->failed++;
	return action;
}

static __always_inline void count_rule(__u32 id, __u64 bytes)
{
	struct steer_rule_stats *stats = bpf_map_lookup_elem(&rule_stats, &id);

	if (stats == NULL)
		return;
	stats->pkts++;
	stats->bytes += bytes;
}

/* The rule that decides about a packet: a flow rule or one of steer=; 0: none, then verdict is set.
 */
static __always_inline __u32 rule_of(const struct packet *p, __u32 *verdict)
{
	__u32 id = config.n_masks == 0 ? 0 : steer_find_rule(&p->key);

	barrier_var(id); /* the verifier does not know what the compiler knows of the result */
	id &= STEER_RULES - 1;
	if (id != 0 && rules[id].rank < STEER_RANK_WORDS)
		return id;
	if (config.isolated || (config.keep_host && host_keeps(p))) {
		*verdict = STEER_KERNEL;
		return 0;
	}
	*verdict = config.others;
	if (config.others == STEER_KERNEL && rules[id].rank >= STEER_RANK_LAST)
		return 0; /* it is for what comes to user space */
	return id;
}

static __always_inline __u32 queue_of(const struct steer_rule *rule, __u32 verdict,
				      const struct steer_meta *meta)
{
	if (verdict == STEER_SPREAD) /* as many sixteen-bit values for each */
		return rule->queues[((meta->hash & 0xffff) * rule->n_queues >> 16) &
				    (STEER_QUEUES - 1)];
	if (config.soft_rss && (meta->flags & STEER_META_HASH))
		return reta[meta->hash & (STEER_RETA - 1)];
	return 0;
}

static __always_inline void fill_meta(struct xdp_md *ctx, const struct packet *p,
				      struct steer_meta *meta, const int flavour)
{
	if (config.soft_rss && what_is_hashed(&p->key) != HASHED_NOTHING) {
		meta->hash = steer_hash(&p->key);
		meta->flags |= STEER_META_HASH;
	}
	if ((flavour & HINTS) && config.hw_hints) {
		if (!config.soft_rss)
			hint_hash(ctx, meta);
		hint_time(ctx, meta);
	}
	if (config.sw_time && !(meta->flags & STEER_META_TIME)) {
		meta->time_ns = bpf_ktime_get_ns();
		meta->flags |= STEER_META_TIME | STEER_META_SW_TIME;
	}
	meta->cookie = config.cookie;
}

/* A packet for user space: find its queue, and say in front of it what is known. */
static __always_inline int hand_over(struct xdp_md *ctx, struct steer_queue_stats *stats,
				     __u32 first_slot, __u32 queue, const struct steer_meta *meta)
{
	const bool put = config.meta && put_meta(ctx, meta);
	const int action = to_socket(stats, first_slot + queue);

	if (action == XDP_PASS && put)
		bpf_xdp_adjust_meta(ctx, sizeof(*meta));
	return action;
}

static __always_inline int steer_read(struct xdp_md *ctx, struct steer_queue_stats *stats,
				      __u32 first_slot, __u64 bytes, const int flavour)
{
	struct steer_meta meta = {};
	struct packet p = {};
	const struct steer_rule *rule;
	__u32 verdict, id;

	if ((flavour & HINTS) && config.hw_hints) {
		hint_vlan(ctx, &meta);
		p.key.vlan_tci = meta.vlan_tci;
		p.key.has = meta.flags & STEER_META_VLAN ? STEER_HAS_VLAN : 0;
	}
	read_packet(ctx, &p);
	id = rule_of(&p, &verdict);
	rule = &rules[id];
	if (id != 0) {
		verdict = rule->verdict;
		if (rule->has_mark) {
			meta.mark = rule->mark;
			meta.flags |= STEER_META_MARK;
		}
		if (rule->count)
			count_rule(id, bytes);
	}
	if (verdict == STEER_DROP) {
		stats->dropped++;
		return XDP_DROP;
	}
	if (verdict == STEER_KERNEL) {
		stats->passed++;
		return XDP_PASS;
	}
	fill_meta(ctx, &p, &meta, flavour);
	return hand_over(ctx, stats, first_slot, queue_of(rule, verdict, &meta), &meta);
}

static __always_inline int steer_one(struct xdp_md *ctx, const int flavour)
{
	const __u32 hwq = ctx->rx_queue_index - config.first_hwq;
	struct steer_queue_stats *stats;
	__u64 bytes;

	if (hwq >= config.n_hwqs)
		return XDP_PASS;
	stats = bpf_map_lookup_elem(&queue_stats, &hwq);
	if (stats == NULL)
		return XDP_PASS;
	bytes = bytes_of(ctx, flavour);
	stats->bytes += bytes;
	if (bytes < ETH_HLEN)
		stats->too_short++;
	if (config.all)
		return to_socket(stats, hwq * config.stride);
	return steer_read(ctx, stats, hwq * config.stride, bytes, flavour);
}

SEC("xdp")
int weir_steer(struct xdp_md *ctx)
{
	return steer_one(ctx, 0);
}

SEC("xdp.frags")
int weir_steer_frags(struct xdp_md *ctx)
{
	return steer_one(ctx, FRAGS);
}

SEC("xdp.frags")
int weir_steer_hints(struct xdp_md *ctx)
{
	return steer_one(ctx, FRAGS | HINTS);
}
