/* SPDX-License-Identifier: (BSD-3-Clause OR GPL-2.0) */

/* Sends every frame back by the interface that it came in by, before the kernel makes a packet of
 * it. */

#include <linux/bpf.h>

__attribute__((section("xdp"), used)) int reflect(struct xdp_md *ctx)
{
	return XDP_TX;
}

char reflect_license[] __attribute__((section("license"), used)) = "Dual BSD/GPL";
