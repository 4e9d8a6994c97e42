/* SPDX-License-Identifier: (BSD-3-Clause OR GPL-2.0) */

/*
 * Makes each frame a UDP packet of another flow, and sends it out of the interface.
 *
 * The frame says how: its payload is a struct plan. Buffers come back from where they were
 * forwarded, with other addresses and a smaller TTL, so all headers are written for each frame.
 * Flow n is that of address 198.18.0.0 + n and port 1024 (of the next port, when the 131,072
 * addresses have had their turn); which end is that one, the plan says. A frame before its batch's
 * time is dropped here. A batch that is late by more than the gap is not made up for.
 */

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>

#define HEADS	   (sizeof(struct ethhdr) + sizeof(struct iphdr) + sizeof(struct udphdr))
#define FLOW_NET   0xc6120000u
#define FLOW_MASK  0x1ffffu
#define FLOW_BITS  17
#define FIRST_PORT 1024
#define BATCH	   128 /* half of what the ring of a veth has room for */

#define be16(x) __builtin_bswap16((__u16)(x))
#define be32(x) __builtin_bswap32((__u32)(x))

struct plan {
	__u8 macs[12];
	__u32 flows;  /* how many take turns; 0: each frame is of a new one */
	__u32 gap_ns; /* from batch to batch; 0: none */
	__u8 back;    /* the flow's address is the destination: the packets are answers */
	__u8 port;    /* of the other end */
} __attribute__((packed));

static __u64 (*const now_ns)(void) = (void *)BPF_FUNC_ktime_get_ns;

static __u32 next_flow, batch_left;
static __u64 next_batch_ns;

/* Whether it is a frame's turn. */
static int is_due(__u32 gap_ns)
{
	if (batch_left == 0) {
		const __u64 now = now_ns();

		if (now < next_batch_ns)
			return 0;
		next_batch_ns = next_batch_ns + gap_ns > now ? next_batch_ns + gap_ns
							     : now + gap_ns;
		batch_left = BATCH;
	}
	batch_left--;
	return 1;
}

static __u16 checksum(const struct iphdr *ip)
{
	const __u16 *word = (const __u16 *)ip;
	__u32 sum = 0;

#pragma unroll
	for (unsigned i = 0; i < sizeof(*ip) / 2; i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16) ~(sum + (sum >> 16));
}

static void write_heads(void *data, const struct plan *plan, __u32 flow)
{
	struct ethhdr *eth = data;
	struct iphdr *ip = (struct iphdr *)(eth + 1);
	struct udphdr *udp = (struct udphdr *)(ip + 1);
	const __u32 end = be32(FLOW_NET | (flow & FLOW_MASK));
	const __u16 port = be16(FIRST_PORT + (flow >> FLOW_BITS));

	__builtin_memcpy(eth, plan->macs, sizeof(plan->macs));
	ip->ttl = 64;
	if (plan->back) {
		ip->daddr = end;
		udp->dest = port;
		udp->source = be16(plan->port);
	} else {
		ip->saddr = end;
		udp->source = port;
		udp->dest = be16(plan->port);
	}
	udp->check = 0;
	ip->check = 0;
	ip->check = checksum(ip);
}

__attribute__((section("xdp"), used)) int flows(struct xdp_md *ctx)
{
	void *data = (void *)(unsigned long)ctx->data;
	const struct plan *plan = data + HEADS;
	__u32 flow;

	if ((const void *)(plan + 1) > (void *)(unsigned long)ctx->data_end)
		return XDP_ABORTED;
	if (plan->gap_ns != 0 && !is_due(plan->gap_ns))
		return XDP_DROP;
	flow = next_flow++;
	write_heads(data, plan, plan->flows != 0 ? flow % plan->flows : flow);
	return XDP_TX;
}

char flows_license[] __attribute__((section("license"), used)) = "Dual BSD/GPL";
