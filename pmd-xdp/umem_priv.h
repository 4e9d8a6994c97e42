/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The memory that the kernel knows: the run of mapped hugepages around the receive pool.
 *
 * An mbuf is a frame. Its address in a ring is that of the mbuf itself, relative to the window's
 * begin; the upper 16 bits are the offset from there to the data. So a descriptor of any pool in
 * the window leads back to its mbuf by one mask, whatever private area the pool has.
 *
 *   mbuf | private | buffer:  256 of the kernel | data ...
 *   ^ address                                   ^ address + offset
 */

#pragma once

#include "sock_priv.h"

#include <rte_mbuf.h>

#define XDP_ADDR_BITS 48
#define XDP_ADDR_MASK ((1ull << XDP_ADDR_BITS) - 1)
/* Linux: XDP_PACKET_HEADROOM. */
#define XDP_KERNEL_HEADROOM 256
#define XDP_CHUNK_MIN	    2048
#define XDP_CHUNK_MAX	    4096

struct xdp_umem {
	char *base; /* what was registered */
	uint64_t bytes;
	/* What may be sent without a copy. Shrinks when DPDK unmaps memory that the kernel still
	 * pins. */
	uintptr_t lo;
	uintptr_t hi;
	/* The receive pools, within. */
	uintptr_t pools_lo;
	uintptr_t pools_hi;
	uint32_t chunk_bytes;
	uint16_t head_bytes;  /* mbuf and private area, in front of the buffer */
	uint16_t frame_bytes; /* the longest data that a received frame holds */
};

/*
 * Work out the window around receive pools, which must be alike (buffer and private size) and in
 * one run of mapped memory. Returns 0, or -EINVAL after a log line that says what does not fit.
 */
int xdp_umem_plan(const char *ifname, struct rte_mempool *const pools[], unsigned n,
		  struct xdp_umem *out);
/* Keep the window true while DPDK unmaps memory. One call a port, undone by _forget. */
int xdp_umem_watch(struct xdp_umem *umem);
void xdp_umem_forget(struct xdp_umem *umem);
/*
 * Free every mbuf that carries the mark of a port's fill rings or transmit rings: what the kernel
 * held when its sockets were closed. Returns their number.
 */
unsigned xdp_umem_sweep(const struct xdp_umem *umem, uint16_t port_id);

/* mbuf.data_off while the kernel has the buffer; impossible otherwise. mbuf.port says whose. */
#define XDP_MARK UINT16_MAX

static inline uint64_t xdp_umem_addr(const struct xdp_umem *u, const struct rte_mbuf *m)
{
	return (uint64_t)((const char *)m - u->base);
}

static inline struct rte_mbuf *xdp_umem_mbuf(const struct xdp_umem *u, uint64_t addr)
{
	return (struct rte_mbuf *)(u->base + (addr & XDP_ADDR_MASK));
}
