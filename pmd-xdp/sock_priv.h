/* SPDX-License-Identifier: BSD-3-Clause */

/* An AF_XDP socket: the system calls, and nothing of DPDK. Control path; all return 0 (or a
 * descriptor) or -errno. */

#pragma once

#include "ring_priv.h"

#include <stdbool.h>

enum xdp_ring_kind { XDP_RING_RX, XDP_RING_TX, XDP_RING_FILL, XDP_RING_COMPLETION };

/* What XDP_STATISTICS tells of a socket, since it was opened. */
struct xdp_sock_stats {
	uint64_t rx_dropped;	   /* no buffer, or the packet longer than one */
	uint64_t rx_invalid_descs; /* addresses in the fill ring that the kernel did not take */
	uint64_t tx_invalid_descs;
	uint64_t rx_ring_full;
	uint64_t rx_fill_empty; /* packets that found no buffer in the fill ring */
	uint64_t tx_ring_empty; /* sends that found nothing to send */
};

struct xdp_umem_shape {
	void *base;
	uint64_t bytes;
	uint32_t chunk_bytes;
	uint32_t headroom_bytes; /* in front of the kernel's own 256 */
	uint32_t tx_meta_bytes;	 /* 0: no transmit metadata */
};

int xdp_sock_open(void);
/* Register memory. -ENOBUFS over RLIMIT_MEMLOCK; -EINVAL also if the kernel has no transmit
 * metadata. */
int xdp_sock_umem(int fd, const struct xdp_umem_shape *shape);
/* Make a ring of @size (a power of two) and map it. */
int xdp_sock_ring(int fd, enum xdp_ring_kind kind, uint32_t size, struct xdp_ring *out);
/* Map a ring that exists, of a socket that came from another process, at the place where that one
 * has it. */
int xdp_sock_ring_again(int fd, enum xdp_ring_kind kind, const struct xdp_ring *ring);
void xdp_sock_unmap(struct xdp_ring *ring);
/*
 * Bind to a hardware queue. A queue whose last owner has just gone is busy for a moment: waits up
 * to a second and counts its tries in @retries.
 */
int xdp_sock_bind(int fd, int ifindex, uint32_t hwq, uint16_t flags, int shared_fd,
		  uint64_t *retries);
/* True if the kernel's device reads and writes the UMEM itself. */
int xdp_sock_is_zero_copy(int fd, bool *zero_copy);
int xdp_sock_stats(int fd, struct xdp_sock_stats *out);
/* Preferred busy polling: @usecs a call, @budget packets. */
int xdp_sock_busy_poll(int fd, int usecs, int budget);
/* Let one send move @n packets in copy mode. -ENOPROTOOPT before Linux 6.17. */
int xdp_sock_tx_budget(int fd, int n);
