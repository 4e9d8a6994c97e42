/* SPDX-License-Identifier: BSD-3-Clause */

/* Which memory the kernel is told of, and which mbufs it still had at the end. */

#include "umem_priv.h"

#include "log_priv.h"

#include <rte_eal_memconfig.h>
#include <rte_errno.h>
#include <rte_fbarray.h>
#include <rte_memory.h>
#include <rte_mempool.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

struct span {
	uintptr_t lo;
	uintptr_t hi;
};

static void widen(struct rte_mempool *mp, void *arg, struct rte_mempool_memhdr *chunk,
		  unsigned index)
{
	struct span *s = arg;
	const uintptr_t lo = (uintptr_t)chunk->addr;

	s->lo = RTE_MIN(s->lo, lo);
	s->hi = RTE_MAX(s->hi, lo + chunk->len);
}

/* The run of pages that DPDK has mapped around an address; false if the memory is not DPDK's. */
static bool mapped_around(uintptr_t addr, struct span *out)
{
	struct rte_memseg_list *list;
	int first, last, at;
	bool found = false;

	rte_mcfg_mem_read_lock();
	list = rte_mem_virt2memseg_list((const void *)addr);
	if (list != NULL) {
		const uintptr_t begin = (uintptr_t)list->base_va;

		at = (int)((addr - begin) / list->page_sz);
		first = at;
		last = at;
		while (first > 0 &&
		       rte_fbarray_is_used(&list->memseg_arr, (unsigned)first - 1) == 1)
			first--;
		while (rte_fbarray_is_used(&list->memseg_arr, (unsigned)last + 1) == 1)
			last++;
		out->lo = begin + (uintptr_t)first * list->page_sz;
		out->hi = begin + ((uintptr_t)last + 1) * list->page_sz;
		found = true;
	}
	rte_mcfg_mem_read_unlock();
	return found;
}

static int no(const char *ifname, const struct rte_mempool *mp, const char *why)
{
	XDP_LOG(ERR, "%s: pool %s %s", ifname, mp->name, why);
	return -EINVAL;
}

/* One pool alone: its chunks must follow each other. */
static bool is_one_piece(struct rte_mempool *mp, const struct span *s)
{
	size_t bytes = 0;
	struct rte_mempool_memhdr *chunk;

	STAILQ_FOREACH(chunk, &mp->mem_list, next)
	bytes += chunk->len;
	return bytes + (size_t)getpagesize() > s->hi - s->lo;
}

static int check_alike(const char *ifname, struct rte_mempool *const pools[], unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (rte_pktmbuf_data_room_size(pools[i]) < XDP_CHUNK_MIN)
			return no(ifname, pools[i],
				  "has buffers of less than 2048 bytes, which AF_XDP needs");
		if (rte_pktmbuf_priv_size(pools[i]) != rte_pktmbuf_priv_size(pools[0]) ||
		    rte_pktmbuf_data_room_size(pools[i]) != rte_pktmbuf_data_room_size(pools[0]))
			return no(ifname, pools[i],
				  "has other buffer or private sizes than the port's first pool");
		if (rte_pktmbuf_priv_flags(pools[i]) & RTE_PKTMBUF_POOL_F_PINNED_EXT_BUF)
			return no(ifname, pools[i], "has its buffers outside its mbufs");
	}
	return 0;
}

int xdp_umem_plan(const char *ifname, struct rte_mempool *const pools[], unsigned n,
		  struct xdp_umem *out)
{
	const uintptr_t page = (uintptr_t)getpagesize();
	struct span need = {.lo = UINTPTR_MAX}, run;
	uint32_t room, head;
	int rc;

	rc = check_alike(ifname, pools, n);
	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < n; i++)
		rte_mempool_mem_iter(pools[i], widen, &need);
	if (!mapped_around(need.lo, &run)) {
		if (n > 1 || !is_one_piece(pools[0], &need))
			return no(ifname, pools[0],
				  "is in several pieces of memory that is not DPDK's");
		run.lo = RTE_ALIGN_FLOOR(need.lo, page);
		run.hi = RTE_ALIGN_CEIL(need.hi, page);
	}
	if (need.lo < run.lo || need.hi > run.hi)
		return no(
			ifname, pools[0],
			"and the port's other pools are not in one run of mapped memory: reserve it "
			"at start (-m or --socket-mem), or use one pool");
	room = rte_pktmbuf_data_room_size(pools[0]);
	head = sizeof(struct rte_mbuf) + rte_pktmbuf_priv_size(pools[0]);
	if (head > XDP_CHUNK_MAX / 2)
		return no(ifname, pools[0], "has private areas of more than 1.9 KiB");
	*out = (struct xdp_umem){
		.base = (char *)run.lo,
		.bytes = run.hi - run.lo,
		.lo = run.lo,
		.hi = run.hi,
		.pools_lo = need.lo,
		.pools_hi = need.hi,
		.chunk_bytes = RTE_MIN(head + room, (uint32_t)XDP_CHUNK_MAX),
		.head_bytes = (uint16_t)head,
	};
	out->frame_bytes = (uint16_t)(out->chunk_bytes - head - XDP_KERNEL_HEADROOM);
	return 0;
}

/* The kernel keeps the old pages when DPDK maps new ones at their place: what lies there is copied
 * from now on. */
static void shrink(enum rte_mem_event event, const void *addr, size_t bytes, void *arg)
{
	struct xdp_umem *u = arg;
	const uintptr_t lo = (uintptr_t)addr, hi = lo + bytes;

	if (event != RTE_MEM_EVENT_FREE || hi <= u->lo || lo >= u->hi)
		return;
	if (lo >= u->pools_hi)
		__atomic_store_n(&u->hi, lo, __ATOMIC_RELEASE);
	else
		__atomic_store_n(&u->lo, hi, __ATOMIC_RELEASE);
}

static void watch_name(const struct xdp_umem *umem, char *name, size_t bytes)
{
	snprintf(name, bytes, "net_weir_xdp_%" PRIxPTR, (uintptr_t)umem);
}

int xdp_umem_watch(struct xdp_umem *umem)
{
	char name[32];
	int rc;

	watch_name(umem, name, sizeof(name));
	rc = rte_mem_event_callback_register(name, shrink, umem);
	/* Without dynamic memory (--legacy-mem, --no-huge) nothing is ever unmapped. */
	return rc == 0 || rte_errno == ENOTSUP ? 0 : -rte_errno;
}

void xdp_umem_forget(struct xdp_umem *umem)
{
	char name[32];

	watch_name(umem, name, sizeof(name));
	rte_mem_event_callback_unregister(name, umem);
}

struct sweep {
	const struct xdp_umem *umem;
	uint16_t port_id;
	unsigned freed;
};

static void sweep_one(struct rte_mempool *mp, void *arg, void *object, unsigned index)
{
	struct rte_mbuf *m = object;
	struct sweep *s = arg;

	if (m->pool != mp || m->data_off != XDP_MARK || m->port != s->port_id)
		return;
	m->data_off = RTE_PKTMBUF_HEADROOM;
	rte_pktmbuf_free_seg(m);
	s->freed++;
}

static void sweep_pool(struct rte_mempool *mp, void *arg)
{
	struct span span = {.lo = UINTPTR_MAX};
	const struct sweep *s = arg;

	if (mp->elt_size < sizeof(struct rte_mbuf))
		return;
	rte_mempool_mem_iter(mp, widen, &span);
	if (span.lo < (uintptr_t)s->umem->base + s->umem->bytes &&
	    span.hi > (uintptr_t)s->umem->base)
		rte_mempool_obj_iter(mp, sweep_one, arg);
}

unsigned xdp_umem_sweep(const struct xdp_umem *umem, uint16_t port_id)
{
	struct sweep s = {.umem = umem, .port_id = port_id};

	rte_mempool_walk(sweep_pool, &s);
	return s.freed;
}
