/* SPDX-License-Identifier: BSD-3-Clause */

/* A socket with two frames of its own, bound and closed: what the kernel, the device and our rights
 * allow. */

#include "port_priv.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define TRIAL_BYTES (2 * XDP_CHUNK_MAX)

int xdp_trial_bind(struct xdp_port *port, uint16_t hwq, uint16_t flags)
{
	struct xdp_umem_shape shape = {.bytes = TRIAL_BYTES, .chunk_bytes = XDP_CHUNK_MAX};
	struct xdp_ring fill = {0}, comp = {0}, rx = {0};
	int fd, rc;

	shape.base =
		mmap(NULL, TRIAL_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (shape.base == MAP_FAILED)
		return -errno;
	fd = xdp_sock_open();
	rc = fd < 0 ? fd : xdp_sock_umem(fd, &shape);
	rc = rc ? rc : xdp_sock_ring(fd, XDP_RING_FILL, XDP_DESC_MIN, &fill);
	rc = rc ? rc : xdp_sock_ring(fd, XDP_RING_COMPLETION, XDP_DESC_MIN, &comp);
	rc = rc ? rc : xdp_sock_ring(fd, XDP_RING_RX, XDP_DESC_MIN, &rx);
	rc = rc ? rc : xdp_sock_bind(fd, port->ifindex, hwq, flags, -1, &port->bind_retries);
	xdp_sock_unmap(&fill);
	xdp_sock_unmap(&comp);
	xdp_sock_unmap(&rx);
	if (fd >= 0)
		close(fd);
	munmap(shape.base, TRIAL_BYTES);
	return rc;
}
