/* SPDX-License-Identifier: (BSD-3-Clause OR GPL-2.0) */

/* Takes every frame away before the kernel makes a packet of it. */

#include <linux/bpf.h>

__attribute__((section("xdp"), used)) int drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}

char drop_license[] __attribute__((section("license"), used)) = "Dual BSD/GPL";
