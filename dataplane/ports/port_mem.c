/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A port made of memory. Each queue has one ring of packets to be received and one of those sent;
 * a wire lets the sender's queue end in the receiver's ring instead. Every ring has one writer and
 * one reader, so two workers may be at the two ends.
 *
 * Faults happen on the way out, by a generator of the queue's own: one seed gives one history.
 */

#include <errno.h>
#include <rte_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/port.h>

#define DEPTH_MAX 32768

/* One direction of a queue. Only the queue's worker writes what is not a ring. */
struct lane {
	struct rte_ring *ring;
	struct rte_ring *to;   /* tx: where packets go: ring, or that of the wired port */
	struct rte_mbuf *held; /* tx: waits behind the next one */
	uint64_t random;
	uint64_t pkts, bytes; /* read by the control thread */
	uint64_t lost;
} __rte_cache_aligned;

struct port_mem {
	struct weir_port port; /* first: ops cast it back */
	struct weir_port_mem_faults faults;
	bool faulty;
	struct lane *rx; /* rxqs of them */
	struct lane *tx; /* txqs of them */
};

static struct port_mem *port_mem(struct weir_port *p)
{
	return (struct port_mem *)p;
}

static void bump(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* ---- faults ---- */

/* splitmix64 (Vigna, 2015). */
static uint64_t next_random(struct lane *l)
{
	uint64_t z = l->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static bool strikes(struct lane *l, uint16_t chance)
{
	return (uint16_t)next_random(l) < chance;
}

static struct rte_mbuf *copy_of(struct rte_mbuf *m)
{
	return m->pool ? rte_pktmbuf_copy(m, m->pool, 0, UINT32_MAX) : NULL;
}

static bool is_shared(const struct rte_mbuf *m)
{
	for (; m != NULL; m = m->next)
		if (rte_mbuf_refcnt_read(m) != 1 || !RTE_MBUF_DIRECT(m))
			return true;
	return false;
}

/* Flip one bit. Who else holds the packet's bytes must not see it, so those are copied first. */
static struct rte_mbuf *corrupted(struct lane *l, struct rte_mbuf *m)
{
	const uint64_t r = next_random(l);
	struct rte_mbuf *own = is_shared(m) ? copy_of(m) : m;
	struct rte_mbuf *seg = own;
	uint32_t at;

	if (own == NULL || m->pkt_len == 0)
		return m;
	if (own != m)
		rte_pktmbuf_free(m);
	at = (uint32_t)(((r >> 32) * own->pkt_len) >> 32);
	while (at >= seg->data_len) {
		at -= seg->data_len;
		seg = seg->next;
	}
	*rte_pktmbuf_mtod_offset(seg, uint8_t *, at) ^= (uint8_t)(1u << (r & 7));
	return own;
}

/* Room for it was checked. */
static void put(struct lane *l, struct rte_mbuf *m)
{
	if (rte_ring_enqueue(l->to, m) != 0) {
		bump(&l->lost, 1);
		rte_pktmbuf_free(m);
	}
}

static void put_faulty(struct lane *l, const struct weir_port_mem_faults *f, struct rte_mbuf *m)
{
	struct rte_mbuf *twin = NULL, *late = l->held;

	if (strikes(l, f->lose)) {
		bump(&l->lost, 1);
		rte_pktmbuf_free(m);
		return;
	}
	if (strikes(l, f->duplicate))
		twin = copy_of(m);
	if (strikes(l, f->corrupt))
		m = corrupted(l, m);
	if (late == NULL && strikes(l, f->reorder)) {
		l->held = m;
	} else {
		l->held = NULL;
		put(l, m);
		if (late != NULL)
			put(l, late);
	}
	if (twin != NULL)
		put(l, twin);
}

static uint16_t tx_faulty(struct port_mem *pm, struct lane *l, struct rte_mbuf **pkts, uint16_t n)
{
	const unsigned room = rte_ring_free_count(l->to);
	uint16_t taken = 0;

	if (strikes(l, pm->faults.tx_refuse))
		return 0;
	/* at most three come out for each that goes in: itself, its twin, the one held back */
	for (; taken < n && 3u * (taken + 1u) <= room; taken++) {
		bump(&l->bytes, pkts[taken]->pkt_len);
		put_faulty(l, &pm->faults, pkts[taken]);
	}
	bump(&l->pkts, taken);
	return taken;
}

/* ---- packets ---- */

static uint64_t bytes_of(struct rte_mbuf *const *pkts, uint16_t n)
{
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++)
		bytes += pkts[i]->pkt_len;
	return bytes;
}

static uint16_t rx(struct weir_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct lane *l = &port_mem(p)->rx[queue];
	const uint16_t got = (uint16_t)rte_ring_sc_dequeue_burst(l->ring, (void **)pkts, n, NULL);

	bump(&l->pkts, got);
	bump(&l->bytes, bytes_of(pkts, got));
	return got;
}

static uint16_t tx(struct weir_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct port_mem *pm = port_mem(p);
	struct lane *l = &pm->tx[queue];
	uint16_t sent;
	uint64_t bytes;

	if (unlikely(pm->faulty))
		return tx_faulty(pm, l, pkts, n);
	/* counted before: once sent, it may be freed at the other end already */
	n = (uint16_t)RTE_MIN(n, rte_ring_free_count(l->to));
	bytes = bytes_of(pkts, n);
	sent = (uint16_t)rte_ring_sp_enqueue_burst(l->to, (void *const *)pkts, n, NULL);
	bump(&l->pkts, sent);
	bump(&l->bytes, bytes);
	return sent;
}

uint16_t weir_port_mem_inject(struct weir_port *p, uint16_t queue, struct rte_mbuf **pkts,
			      uint16_t n)
{
	if (queue >= p->rxqs)
		return 0;
	return (uint16_t)rte_ring_sp_enqueue_burst(port_mem(p)->rx[queue].ring, (void *const *)pkts,
						   n, NULL);
}

uint16_t weir_port_mem_sent(struct weir_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	if (queue >= p->txqs)
		return 0;
	return (uint16_t)rte_ring_sc_dequeue_burst(port_mem(p)->tx[queue].ring, (void **)pkts, n,
						   NULL);
}

/* ---- the control thread's part ---- */

static int start(struct weir_port *p, struct weir_why *why)
{
	return 0;
}

static void stop(struct weir_port *p)
{
}

static void free_lanes(struct lane *lanes, uint16_t n)
{
	struct rte_mbuf *m;

	for (uint16_t q = 0; lanes != NULL && q < n; q++) {
		rte_pktmbuf_free(lanes[q].held);
		while (lanes[q].ring != NULL && rte_ring_dequeue(lanes[q].ring, (void **)&m) == 0)
			rte_pktmbuf_free(m);
		free(lanes[q].ring);
	}
	free(lanes);
}

static void close_mem(struct weir_port *p)
{
	free_lanes(port_mem(p)->rx, p->rxqs);
	free_lanes(port_mem(p)->tx, p->txqs);
	free(p);
}

static int stats(struct weir_port *p, struct weir_port_stats *out)
{
	const struct port_mem *pm = port_mem(p);

	*out = (struct weir_port_stats){0};
	for (uint16_t q = 0; q < p->rxqs; q++) {
		out->rx_pkts += __atomic_load_n(&pm->rx[q].pkts, __ATOMIC_RELAXED);
		out->rx_bytes += __atomic_load_n(&pm->rx[q].bytes, __ATOMIC_RELAXED);
	}
	for (uint16_t q = 0; q < p->txqs; q++) {
		out->tx_pkts += __atomic_load_n(&pm->tx[q].pkts, __ATOMIC_RELAXED);
		out->tx_bytes += __atomic_load_n(&pm->tx[q].bytes, __ATOMIC_RELAXED);
		out->tx_errors += __atomic_load_n(&pm->tx[q].lost, __ATOMIC_RELAXED);
	}
	return 0;
}

static bool link_up(struct weir_port *p)
{
	return true;
}

static int intr_add(struct weir_port *p, uint16_t queue)
{
	return -ENOTSUP;
}

static void intr_arm(struct weir_port *p, uint16_t queue, bool on)
{
}

static void intr_del(struct weir_port *p, uint16_t queue)
{
}

static const struct weir_port_ops ops = {
	.start = start,
	.stop = stop,
	.close = close_mem,
	.stats = stats,
	.link_up = link_up,
	.intr_add = intr_add,
	.intr_arm = intr_arm,
	.intr_del = intr_del,
};

static struct rte_ring *new_ring(uint16_t depth)
{
	/* a ring of n slots holds n - 1 */
	const ssize_t bytes = rte_ring_get_memsize(2u * depth);
	struct rte_ring *r = bytes < 0 ? NULL : aligned_alloc(RTE_CACHE_LINE_SIZE, (size_t)bytes);

	if (r != NULL && rte_ring_init(r, "port_mem", depth,
				       RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ) != 0) {
		free(r);
		return NULL;
	}
	return r;
}

static int new_lanes(uint16_t n, uint16_t depth, struct lane **out)
{
	const size_t bytes = RTE_MAX(n, 1) * sizeof(struct lane);
	struct lane *lanes = aligned_alloc(RTE_CACHE_LINE_SIZE, bytes);

	if (lanes == NULL)
		return -ENOMEM;
	memset(lanes, 0, bytes);
	*out = lanes;
	for (uint16_t q = 0; q < n; q++) {
		lanes[q].ring = new_ring(depth);
		if (lanes[q].ring == NULL)
			return -ENOMEM;
		lanes[q].to = lanes[q].ring;
	}
	return 0;
}

int weir_port_mem_create(const char *name, uint16_t id, uint16_t rxqs, uint16_t txqs,
			 uint16_t depth, struct weir_port **out)
{
	struct port_mem *pm;
	int rc;

	if (depth < 2 || depth > DEPTH_MAX || !rte_is_power_of_2(depth))
		return -EINVAL;
	pm = calloc(1, sizeof(*pm));
	if (pm == NULL)
		return -ENOMEM;
	pm->port = (struct weir_port){
		.rx = rx,
		.tx = tx,
		.id = id,
		.dpdk_id = UINT16_MAX,
		.rxqs = rxqs,
		.txqs = txqs,
		.mtu = 1500,
		.mac.addr_bytes = {0x02, 0, 0, 0, (uint8_t)(id >> 8), (uint8_t)id},
		.driver = "memory",
		.ops = &ops,
	};
	snprintf(pm->port.name, sizeof(pm->port.name), "%s", name);
	rc = new_lanes(rxqs, depth, &pm->rx);
	if (rc == 0)
		rc = new_lanes(txqs, depth, &pm->tx);
	if (rc < 0) {
		close_mem(&pm->port);
		return rc;
	}
	*out = &pm->port;
	return 0;
}

static void wire_one_way(struct port_mem *from, struct port_mem *to)
{
	for (uint16_t q = 0; q < from->port.txqs; q++)
		from->tx[q].to = to->rx[q].ring;
}

int weir_port_mem_wire(struct weir_port *a, struct weir_port *b)
{
	/* a queue with two writers would need a lock */
	if (a->ops != &ops || b->ops != &ops || a->txqs > b->rxqs || b->txqs > a->rxqs)
		return -EINVAL;
	wire_one_way(port_mem(a), port_mem(b));
	wire_one_way(port_mem(b), port_mem(a));
	return 0;
}

void weir_port_mem_faults(struct weir_port *p, const struct weir_port_mem_faults *f)
{
	struct port_mem *pm = port_mem(p);

	pm->faults = *f;
	pm->faulty = f->lose || f->duplicate || f->reorder || f->corrupt || f->tx_refuse;
	for (uint16_t q = 0; q < p->txqs; q++)
		pm->tx[q].random = f->seed ^ ((uint64_t)q << 48);
}
