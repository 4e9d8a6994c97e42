/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * How many packet buffers, and how large. A pool must hold what can be everywhere at once: in every
 * descriptor of every queue, in each worker's cache and pass, and in the tables. One buffer short
 * and a port cannot refill its ring, so the sum is of the worst cases.
 */

#include <errno.h>
#include <inttypes.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <string.h>
#include <weir/meta.h>
#include <weir/node.h>
#include <weir/pool.h>

/* Buffers that a worker keeps to itself before it asks the pool's ring. */
#define CACHE 256
/* rte_mempool flushes a cache at one and a half times its size. */
#define CACHE_FULL (CACHE * 3 / 2)
/* The count is a multiple of this, so that bulk moves of the caches come out even. */
#define ROUND 512
/* Ethernet header, two VLAN tags, and the checksum that some devices leave behind. */
#define L2_BYTES (14 + 8 + 4)
/* What is mapped without hugepages. */
#define SMALL_PAGE_BYTES 4096
/* The kernel keeps this much of an AF_XDP frame for XDP programs. */
#define XDP_HEADROOM 256

static uint32_t round_up(uint32_t n, uint32_t to)
{
	return (n + to - 1) / to * to;
}

static uint16_t data_bytes(const struct weir_pool_need *need)
{
	const uint32_t frame = RTE_PKTMBUF_HEADROOM + XDP_HEADROOM + L2_BYTES + need->mtu;

	if (need->scatter || frame <= RTE_MBUF_DEFAULT_BUF_SIZE)
		return RTE_MBUF_DEFAULT_BUF_SIZE;
	return (uint16_t)RTE_MIN(round_up(frame, RTE_CACHE_LINE_SIZE),
				 (uint32_t)UINT16_MAX / RTE_CACHE_LINE_SIZE * RTE_CACHE_LINE_SIZE);
}

/* The control thread has a cache as a worker has. */
static uint32_t in_hands(const struct weir_pool_need *need)
{
	return (need->workers + 1) * (CACHE_FULL + WEIR_PASS_PKTS);
}

/* What a buffer takes where none crosses a page, or begins in one that another has begun. */
static uint64_t in_small_pages(uint32_t bytes)
{
	const uint32_t a_page = SMALL_PAGE_BYTES / bytes;

	return a_page == 0 ? round_up(bytes, SMALL_PAGE_BYTES) : SMALL_PAGE_BYTES / a_page;
}

void weir_pool_size(const struct weir_pool_need *need, struct weir_pool_plan *out)
{
	const uint32_t sum = need->rx_descs + need->tx_descs + in_hands(need) + need->held;
	/* one line before each mbuf is the mempool's, one behind spreads memory channels */
	const uint32_t each = (uint32_t)(sizeof(struct rte_mbuf) + sizeof(struct weir_meta)) +
			      2 * RTE_CACHE_LINE_SIZE + data_bytes(need);

	out->mbufs = round_up(sum, ROUND);
	out->data_bytes = data_bytes(need);
	out->cache = CACHE;
	out->bytes = (need->small_pages ? in_small_pages(each) : each) * out->mbufs +
		     sizeof(void *) * (uint64_t)rte_align32pow2(out->mbufs + 1);
}

int weir_pool_explain(const struct weir_pool_need *need, char *buf, size_t len)
{
	struct weir_pool_plan p;

	weir_pool_size(need, &p);
	return snprintf(
		buf, len,
		"%" PRIu32 " buffers = %" PRIu32 " rx + %" PRIu32 " tx descriptors + %" PRIu32
		" threads * (%d cached + %d in a pass) + %" PRIu32 " held, rounded to %d; "
		"of %u bytes each: %" PRIu64 " MiB",
		p.mbufs, need->rx_descs, need->tx_descs, need->workers + 1, CACHE_FULL,
		WEIR_PASS_PKTS, need->held, ROUND, p.data_bytes, (p.bytes + (1 << 20) - 1) >> 20);
}

int weir_pool_create(const char *name, const struct weir_pool_plan *plan, int numa,
		     struct rte_mempool **out, struct weir_why *why)
{
	struct rte_mempool *mp = rte_pktmbuf_pool_create(name, plan->mbufs, plan->cache,
							 sizeof(struct weir_meta), plan->data_bytes,
							 numa < 0 ? SOCKET_ID_ANY : numa);
	const uint64_t mib = (plan->bytes + (1 << 20) - 1) >> 20;

	if (mp != NULL) {
		*out = mp;
		return 0;
	}
	if (rte_errno == EEXIST)
		return weir_why(why, -EEXIST, "there is already a pool named %s", name);
	if (rte_errno != ENOMEM)
		return weir_why(why, -rte_errno,
				"cannot make the pool %s of %" PRIu32 " buffers: %s", name,
				plan->mbufs, rte_strerror(rte_errno));
	return weir_why(why, -ENOMEM,
			"the pool %s needs %" PRIu64 " MiB (%" PRIu64
			" hugepages of 2 MiB) on NUMA "
			"node %d, which are not free: raise /proc/sys/vm/nr_hugepages, or lower "
			"descriptors, workers or mtu",
			name, mib, (mib + 1) / 2, numa);
}
