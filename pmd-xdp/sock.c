/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The system calls of an AF_XDP socket. Our own and not libxdp's, because Debian 12's libxdp knows
 * neither scatter nor transmit metadata, and brings a program of its own.
 */

#include "sock_priv.h"

#include "abi_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Names of linux/socket.h that Debian 12's libc lacks in its own. */
#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#endif
#ifndef SO_BUSY_POLL_BUDGET
#define SO_BUSY_POLL_BUDGET 70
#endif

#define BIND_TRIES    500
#define BIND_PAUSE_NS 2000000

static int set(int fd, int level, int name, const void *value, socklen_t bytes)
{
	return setsockopt(fd, level, name, value, bytes) == 0 ? 0 : -errno;
}

int xdp_sock_open(void)
{
	const int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	return fd >= 0 ? fd : -errno;
}

int xdp_sock_umem(int fd, const struct xdp_umem_shape *shape)
{
	const struct xsk_umem_reg reg = {
		.addr = (uintptr_t)shape->base,
		.len = shape->bytes,
		.chunk_size = shape->chunk_bytes,
		.headroom = shape->headroom_bytes,
		.flags = XDP_UMEM_UNALIGNED_CHUNK_FLAG |
			 (shape->tx_meta_bytes ? XSK_UMEM_TX_METADATA_LEN : 0),
		.tx_metadata_len = shape->tx_meta_bytes,
	};

	/* A kernel that knows no metadata takes the shorter structure of Linux 5.4. */
	return set(fd, SOL_XDP, XDP_UMEM_REG, &reg,
		   shape->tx_meta_bytes ? sizeof(reg)
					: offsetof(struct xsk_umem_reg, tx_metadata_len));
}

static const struct {
	int option;
	uint64_t page;
	size_t entry_bytes;
} kinds[] = {
	[XDP_RING_RX] = {XDP_RX_RING, XDP_PGOFF_RX_RING, sizeof(struct xdp_desc)},
	[XDP_RING_TX] = {XDP_TX_RING, XDP_PGOFF_TX_RING, sizeof(struct xdp_desc)},
	[XDP_RING_FILL] = {XDP_UMEM_FILL_RING, XDP_UMEM_PGOFF_FILL_RING, sizeof(uint64_t)},
	[XDP_RING_COMPLETION] = {XDP_UMEM_COMPLETION_RING, XDP_UMEM_PGOFF_COMPLETION_RING,
				 sizeof(uint64_t)},
};

static int offsets(int fd, enum xdp_ring_kind kind, struct xdp_ring_offset *out)
{
	struct xdp_mmap_offsets all;
	socklen_t bytes = sizeof(all);

	if (getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &all, &bytes) != 0)
		return -errno;
	if (bytes != sizeof(all))
		return -EOPNOTSUPP; /* Linux before 5.4: no need-wakeup flags */
	*out = kind == XDP_RING_RX     ? all.rx
	       : kind == XDP_RING_TX   ? all.tx
	       : kind == XDP_RING_FILL ? all.fr
				       : all.cr;
	return 0;
}

int xdp_sock_ring(int fd, enum xdp_ring_kind kind, uint32_t size, struct xdp_ring *out)
{
	struct xdp_ring_offset off = {0};
	size_t bytes;
	char *map;
	int rc;

	rc = set(fd, SOL_XDP, kinds[kind].option, &size, sizeof(size));
	if (rc == 0)
		rc = offsets(fd, kind, &off);
	if (rc < 0)
		return rc;
	bytes = off.desc + size * kinds[kind].entry_bytes;
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
		   (off_t)kinds[kind].page);
	if (map == MAP_FAILED)
		return -errno;
	*out = (struct xdp_ring){
		.producer = (uint32_t *)(map + off.producer),
		.consumer = (uint32_t *)(map + off.consumer),
		.flags = (uint32_t *)(map + off.flags),
		.entries = map + off.desc,
		.mask = size - 1,
		.map = map,
		.map_bytes = bytes,
	};
	return 0;
}

int xdp_sock_ring_again(int fd, enum xdp_ring_kind kind, const struct xdp_ring *ring)
{
	void *map;

	map = mmap(ring->map, ring->map_bytes, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_POPULATE | MAP_FIXED_NOREPLACE, fd, (off_t)kinds[kind].page);
	if (map == MAP_FAILED)
		return -errno;
	if (map == ring->map)
		return 0;
	munmap(map, ring->map_bytes); /* Linux before 4.17 takes the address as a wish */
	return -EEXIST;
}

void xdp_sock_unmap(struct xdp_ring *ring)
{
	if (ring->map_bytes > 0)
		munmap(ring->map, ring->map_bytes);
	memset(ring, 0, sizeof(*ring));
}

int xdp_sock_bind(int fd, int ifindex, uint32_t hwq, uint16_t flags, int shared_fd,
		  uint64_t *retries)
{
	const struct timespec pause = {.tv_nsec = BIND_PAUSE_NS};
	const struct sockaddr_xdp addr = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = flags,
		.sxdp_ifindex = (uint32_t)ifindex,
		.sxdp_queue_id = hwq,
		.sxdp_shared_umem_fd = flags & XDP_SHARED_UMEM ? (uint32_t)shared_fd : 0,
	};

	for (unsigned tries = 1;; tries++) {
		if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
			return 0;
		if (errno != EBUSY || tries == BIND_TRIES)
			return -errno;
		(*retries)++;
		nanosleep(&pause, NULL);
	}
}

int xdp_sock_is_zero_copy(int fd, bool *zero_copy)
{
	struct xdp_options options;
	socklen_t bytes = sizeof(options);

	if (getsockopt(fd, SOL_XDP, XDP_OPTIONS, &options, &bytes) != 0)
		return -errno;
	*zero_copy = (options.flags & XDP_OPTIONS_ZEROCOPY) != 0;
	return 0;
}

int xdp_sock_stats(int fd, struct xdp_sock_stats *out)
{
	struct xdp_statistics stats = {0};
	socklen_t bytes = sizeof(stats);

	/* Linux before 5.9 fills the first three only; the others stay 0. */
	if (getsockopt(fd, SOL_XDP, XDP_STATISTICS, &stats, &bytes) != 0)
		return -errno;
	*out = (struct xdp_sock_stats){
		.rx_dropped = stats.rx_dropped,
		.rx_invalid_descs = stats.rx_invalid_descs,
		.tx_invalid_descs = stats.tx_invalid_descs,
		.rx_ring_full = stats.rx_ring_full,
		.rx_fill_empty = stats.rx_fill_ring_empty_descs,
		.tx_ring_empty = stats.tx_ring_empty_descs,
	};
	return 0;
}

int xdp_sock_busy_poll(int fd, int usecs, int budget)
{
	const int on = 1;
	int rc;

	rc = set(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &on, sizeof(on));
	if (rc == 0)
		rc = set(fd, SOL_SOCKET, SO_BUSY_POLL, &usecs, sizeof(usecs));
	if (rc == 0)
		rc = set(fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, &budget, sizeof(budget));
	return rc;
}

int xdp_sock_tx_budget(int fd, int n)
{
	return set(fd, SOL_XDP, XSK_MAX_TX_SKB_BUDGET, &n, sizeof(n));
}
