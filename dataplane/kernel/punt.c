/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The kernel path: a ring from each worker to one thread, and a ring from it to worker 0.
 *
 * The thread sleeps in poll(2) on the TAPs and an eventfd. It says so (asleep) before it looks at
 * the rings a last time, and a worker looks at asleep after it has put something, so one of the two
 * sees the other (a store, a full fence, a load on both sides).
 */

#include "punt_priv.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <rte_ring.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>
#include <weir/error.h>
#include <weir/shard.h>

#include "tap_priv.h"

#define RING_PKTS 1024
/* Packets taken from a ring, or frames from a TAP, before the others have their turn. */
#define TURN_PKTS 64
/* Ethernet header and two VLAN tags beyond the MTU. */
#define L2_MAX 22
/* Segments of a frame: 9000 bytes in buffers of 2 KiB. */
#define SEGS_MAX 8

/* Segments of a packet for the kernel: more than any port or 20_defrag chains. */
#define SEGS_OUT_MAX 64

#define NO_TAP UINT8_MAX

/* A worker's ends. Each in cache lines of its own. */
struct punt_worker {
	struct rte_ring *to_kernel; /* the worker puts, the thread takes */
	bool put;		    /* in this pass; the worker's own */
} __rte_cache_aligned;

struct tap {
	int fd;
	uint16_t port;
	uint16_t frame_bytes; /* longest that the kernel may send */
};

struct weir_punt {
	struct rte_mempool *pool;
	struct rte_ring *from_kernel; /* the thread puts, worker 0 takes */
	uint8_t tap_of[WEIR_PORTS_MAX];
	uint16_t n_taps, workers;
	int wake_fd;
	pthread_t thread;
	bool running; /* control thread's */
	void (*kick)(struct weir_engine *e);
	struct weir_engine *kicked;
	_Atomic bool stop;			 /* control thread writes */
	_Atomic bool asleep __rte_cache_aligned; /* the thread writes */
	struct weir_punt_stats stats;		 /* the thread writes */
	struct tap tap[WEIR_PORTS_MAX];
	struct punt_worker worker[];
};

/* The workers' side. */

bool punt_has(const struct weir_punt *p, uint16_t port)
{
	return port < WEIR_PORTS_MAX && p->tap_of[port] != NO_TAP;
}

bool punt_put(struct weir_punt *p, unsigned worker, struct rte_mbuf *m)
{
	if (rte_ring_sp_enqueue(p->worker[worker].to_kernel, m) != 0)
		return false;
	p->worker[worker].put = true;
	return true;
}

static void wake(struct weir_punt *p)
{
	const uint64_t one = 1;

	/* A full counter (EAGAIN) wakes as well. */
	if (write(p->wake_fd, &one, sizeof(one)) < 0)
		return;
}

void punt_flush(struct weir_punt *p, unsigned worker)
{
	if (!p->worker[worker].put)
		return;
	p->worker[worker].put = false;
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&p->asleep, memory_order_relaxed))
		wake(p);
}

uint16_t punt_take(struct weir_punt *p, unsigned worker, struct rte_mbuf **pkts, uint16_t room)
{
	if (worker != 0)
		return 0;
	return (uint16_t)rte_ring_sc_dequeue_burst(p->from_kernel, (void **)pkts, room, NULL);
}

void punt_wakes(struct weir_punt *p, unsigned worker, void (*kick)(struct weir_engine *e),
		struct weir_engine *e)
{
	if (worker != 0)
		return; /* nothing ever comes for it */
	p->kick = kick;
	p->kicked = e;
}

/* The thread: to the kernel. */

static void write_frame(struct weir_punt *p, struct rte_mbuf *m)
{
	const struct tap *t = &p->tap[p->tap_of[weir_meta(m)->port_in]];
	struct iovec part[SEGS_OUT_MAX];
	int n = 0;

	for (struct rte_mbuf *s = m; m->nb_segs <= SEGS_OUT_MAX && s != NULL; s = s->next)
		part[n++] = (struct iovec){rte_pktmbuf_mtod(s, void *), s->data_len};
	if (n > 0 && writev(t->fd, part, n) == (ssize_t)m->pkt_len)
		weir_count(&p->stats.to_kernel_pkts, 1);
	else
		weir_count(&p->stats.to_kernel_errors, 1);
	rte_pktmbuf_free(m);
}

/* Every worker's ring once, in turn. Whether there was anything. */
static bool write_rings(struct weir_punt *p)
{
	struct rte_mbuf *pkts[TURN_PKTS];
	bool any = false;

	for (uint16_t w = 0; w < p->workers; w++) {
		const unsigned n = rte_ring_sc_dequeue_burst(p->worker[w].to_kernel, (void **)pkts,
							     TURN_PKTS, NULL);

		for (unsigned i = 0; i < n; i++)
			write_frame(p, pkts[i]);
		any |= n > 0;
	}
	return any;
}

/* The thread: from the kernel. */

/* Buffers for a frame of that many bytes, chained, all their room; NULL if there are none. */
static struct rte_mbuf *alloc_chain(struct weir_punt *p, uint32_t bytes, struct iovec *part, int *n)
{
	struct rte_mbuf *head = NULL, **at = &head;
	uint32_t room = 0;

	for (*n = 0; room < bytes && *n < SEGS_MAX; (*n)++) {
		*at = rte_pktmbuf_alloc(p->pool);
		if (*at == NULL) {
			rte_pktmbuf_free(head);
			return NULL;
		}
		part[*n] = (struct iovec){rte_pktmbuf_mtod(*at, void *), rte_pktmbuf_tailroom(*at)};
		room += rte_pktmbuf_tailroom(*at);
		head->nb_segs = (uint16_t)(*n + 1);
		at = &(*at)->next;
	}
	return head;
}

/* A chain with a frame's bytes: say how long it is, and give back what was not needed. */
static void fill_chain(struct rte_mbuf *head, uint32_t bytes)
{
	struct rte_mbuf *last = head;
	uint32_t left = bytes;

	head->pkt_len = bytes;
	head->nb_segs = 1;
	for (;; last = last->next) {
		last->data_len = (uint16_t)RTE_MIN(left, (uint32_t)rte_pktmbuf_tailroom(last));
		left -= last->data_len;
		if (left == 0)
			break;
		head->nb_segs++;
	}
	rte_pktmbuf_free(last->next);
	last->next = NULL;
}

/* A frame of a TAP, or NULL if it has no more. Without a buffer the frame is taken and lost. */
static struct rte_mbuf *read_frame(struct weir_punt *p, const struct tap *t, bool *more)
{
	struct iovec part[SEGS_MAX];
	struct rte_mbuf *m;
	uint8_t lost;
	ssize_t got;
	int n;

	m = alloc_chain(p, t->frame_bytes, part, &n);
	got = m != NULL ? readv(t->fd, part, n) : read(t->fd, &lost, sizeof(lost));
	*more = got > 0;
	if (got <= 0) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	if (m == NULL) {
		weir_count(&p->stats.from_kernel_drops, 1);
		return NULL;
	}
	fill_chain(m, (uint32_t)got);
	*weir_meta(m) = (struct weir_meta){
		.flags = WEIR_META_OURS | WEIR_META_KERNEL,
		.port_in = WEIR_NO_PORT,
		.iface_in = WEIR_NO_IFACE,
		.hop = WEIR_NO_HOP,
		.port_out = t->port,
	};
	return m;
}

/* A turn of frames from one TAP to worker 0. */
static void read_tap(struct weir_punt *p, const struct tap *t)
{
	struct rte_mbuf *pkts[TURN_PKTS];
	unsigned n = 0, put;
	bool more = true;

	for (unsigned i = 0; i < TURN_PKTS && more; i++) {
		struct rte_mbuf *m = read_frame(p, t, &more);

		if (m != NULL)
			pkts[n++] = m;
	}
	put = rte_ring_sp_enqueue_burst(p->from_kernel, (void *const *)pkts, n, NULL);
	weir_count(&p->stats.from_kernel_pkts, put);
	weir_count(&p->stats.from_kernel_drops, n - put);
	rte_pktmbuf_free_bulk(&pkts[put], n - put);
	if (put > 0 && p->kick != NULL) {
		atomic_thread_fence(memory_order_seq_cst);
		p->kick(p->kicked);
	}
}

static void sleep_until_something(struct weir_punt *p, struct pollfd *fds)
{
	uint64_t wakes;
	bool work;

	atomic_store_explicit(&p->asleep, true, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	work = write_rings(p) || atomic_load(&p->stop);
	poll(fds, p->n_taps + 1u, work ? 0 : -1);
	atomic_store_explicit(&p->asleep, false, memory_order_relaxed);
	/* EAGAIN: it was a TAP. */
	if ((fds[p->n_taps].revents & POLLIN) && read(p->wake_fd, &wakes, sizeof(wakes)) < 0)
		return;
}

static void *punt_main(void *arg)
{
	struct weir_punt *p = arg;
	struct pollfd fds[WEIR_PORTS_MAX + 1];

	for (uint16_t i = 0; i < p->n_taps; i++)
		fds[i] = (struct pollfd){.fd = p->tap[i].fd, .events = POLLIN};
	fds[p->n_taps] = (struct pollfd){.fd = p->wake_fd, .events = POLLIN};
	while (!atomic_load(&p->stop)) {
		sleep_until_something(p, fds);
		for (uint16_t i = 0; i < p->n_taps; i++) {
			if (fds[i].revents & POLLIN)
				read_tap(p, &p->tap[i]);
			if (fds[i].revents & (POLLERR | POLLNVAL))
				fds[i].fd = -1; /* somebody removed it: do not look again */
		}
	}
	while (write_rings(p))
		continue;
	return NULL;
}

/* The control thread's side. */

int weir_punt_start(struct weir_punt *p, struct weir_why *why)
{
	sigset_t all, before;
	int rc;

	atomic_store(&p->stop, false);
	sigfillset(&all); /* signals are the control thread's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&p->thread, NULL, punt_main, p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0)
		return weir_why(why, -rc, "kernel path: cannot start a thread: %s",
				weir_error_text(-rc));
	pthread_setname_np(p->thread, "weir-punt");
	p->running = true;
	return 0;
}

void weir_punt_stop(struct weir_punt *p)
{
	if (!p->running)
		return;
	p->running = false;
	atomic_store(&p->stop, true);
	wake(p);
	pthread_join(p->thread, NULL);
}

void weir_punt_stats(const struct weir_punt *p, struct weir_punt_stats *out)
{
	out->to_kernel_pkts = weir_counted(&p->stats.to_kernel_pkts);
	out->to_kernel_errors = weir_counted(&p->stats.to_kernel_errors);
	out->from_kernel_pkts = weir_counted(&p->stats.from_kernel_pkts);
	out->from_kernel_drops = weir_counted(&p->stats.from_kernel_drops);
}

/* A ring in plain memory: it needs no name. */
static struct rte_ring *make_ring(void)
{
	struct rte_ring *r = aligned_alloc(
		RTE_CACHE_LINE_SIZE,
		RTE_ALIGN_CEIL((size_t)rte_ring_get_memsize(RING_PKTS), RTE_CACHE_LINE_SIZE));

	if (r != NULL && rte_ring_init(r, "punt", RING_PKTS, RING_F_SP_ENQ | RING_F_SC_DEQ) < 0) {
		free(r);
		return NULL;
	}
	return r;
}

static void free_ring(struct rte_ring *r)
{
	struct rte_mbuf *m;

	while (r != NULL && rte_ring_sc_dequeue(r, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	free(r);
}

static int make_rings(struct weir_punt *p, struct weir_why *why)
{
	p->from_kernel = make_ring();
	if (p->from_kernel == NULL)
		return weir_why(why, -ENOMEM, "kernel path: out of memory");
	for (uint16_t w = 0; w < p->workers; w++) {
		p->worker[w].to_kernel = make_ring();
		if (p->worker[w].to_kernel == NULL)
			return weir_why(why, -ENOMEM, "kernel path: out of memory");
	}
	p->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (p->wake_fd < 0)
		return weir_why(why, -errno, "kernel path: no eventfd: %s",
				weir_error_text(-errno));
	return 0;
}

static int make_taps(struct weir_punt *p, const struct weir_punt_port *ports, uint16_t n,
		     struct weir_why *why)
{
	for (uint16_t i = 0; i < n; i++) {
		const struct weir_port *port = ports[i].port;
		const int fd = tap_open(ports[i].tap, port->mac.addr_bytes, port->mtu, why);

		if (fd < 0)
			return fd;
		p->tap[i] = (struct tap){fd, port->id, (uint16_t)(port->mtu + L2_MAX)};
		p->n_taps++;
		p->tap_of[port->id] = (uint8_t)i;
	}
	return 0;
}

int weir_punt_create(const struct weir_punt_port *ports, uint16_t n, uint16_t workers,
		     struct rte_mempool *pool, struct weir_punt **out, struct weir_why *why)
{
	struct weir_punt *p;
	size_t size;
	int rc;

	if (n == 0 || n > WEIR_PORTS_MAX || workers == 0 || workers > WEIR_WORKERS_MAX)
		return weir_why(why, -EINVAL, "kernel path: %u ports and %u workers", n, workers);
	size = RTE_ALIGN_CEIL(sizeof(*p) + workers * sizeof(p->worker[0]), RTE_CACHE_LINE_SIZE);
	p = aligned_alloc(RTE_CACHE_LINE_SIZE, size);
	if (p == NULL)
		return weir_why(why, -ENOMEM, "kernel path: out of memory");
	memset(p, 0, size);
	memset(p->tap_of, NO_TAP, sizeof(p->tap_of));
	p->pool = pool;
	p->workers = workers;
	p->wake_fd = -1;
	rc = make_rings(p, why);
	if (rc == 0)
		rc = make_taps(p, ports, n, why);
	if (rc < 0) {
		weir_punt_free(p);
		return rc;
	}
	*out = p;
	return 0;
}

void weir_punt_free(struct weir_punt *p)
{
	if (p == NULL)
		return;
	weir_punt_stop(p);
	for (uint16_t i = 0; i < p->n_taps; i++)
		close(p->tap[i].fd);
	for (uint16_t w = 0; w < p->workers; w++)
		free_ring(p->worker[w].to_kernel);
	free_ring(p->from_kernel);
	if (p->wake_fd >= 0)
		close(p->wake_fd);
	free(p);
}
