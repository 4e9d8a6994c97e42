/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A simulated wire: queue, transmitter, and the way, in this order.
 */

#include "wire.h"

#include "packet.h"

/* ---- what is on its way: a heap by time, then by order ---- */

static bool is_before(const struct arrival *a, const struct arrival *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void put(struct wire *w, struct rte_mbuf *m, uint64_t at_ns, bool corrupted)
{
	const struct arrival a = {at_ns, w->order++, m, corrupted};
	uint32_t i = w->n_way;

	if (w->n_way == WIRE_MOST) {
		w->n.dropped++;
		rte_pktmbuf_free(m);
		return;
	}
	w->n_way++;
	for (; i > 0 && is_before(&a, &w->way[(i - 1) / 2]); i = (i - 1) / 2)
		w->way[i] = w->way[(i - 1) / 2];
	w->way[i] = a;
}

static struct arrival take(struct wire *w)
{
	const struct arrival first = w->way[0], last = w->way[--w->n_way];
	uint32_t i = 0;

	for (uint32_t next; (next = 2 * i + 1) < w->n_way; i = next) {
		if (next + 1 < w->n_way && is_before(&w->way[next + 1], &w->way[next]))
			next++;
		if (!is_before(&w->way[next], &last))
			break;
		w->way[i] = w->way[next];
	}
	w->way[i] = last;
	return first;
}

/* ---- what becomes of a packet ---- */

/* Bytes that wait for the transmitter. */
static uint64_t waiting_bytes(const struct wire *w, uint64_t now_ns)
{
	const uint64_t ns = w->free_ns > now_ns ? w->free_ns - now_ns : 0;

	return (uint64_t)((unsigned __int128)ns * w->conf.bytes_s / 1000000000);
}

static bool is_lost(struct wire *w)
{
	if (w->burst_left > 0) {
		w->burst_left--;
		return true;
	}
	if (rnd_ppm(&w->rnd, w->conf.burst_ppm)) {
		w->burst_left = (uint32_t)rnd_between(&w->rnd, 0, w->conf.burst_pkts - 1);
		return true;
	}
	return rnd_ppm(&w->rnd, w->conf.loss_ppm);
}

static void flip_a_bit(struct wire *w, struct rte_mbuf *m)
{
	uint32_t at = (uint32_t)rnd_between(&w->rnd, 0, m->pkt_len - 1);

	for (; at >= m->data_len; m = m->next)
		at -= m->data_len;
	*rte_pktmbuf_mtod_offset(m, uint8_t *, at) ^= (uint8_t)(1u << rnd_next(&w->rnd) % 8);
}

/* When it arrives that leaves the transmitter at @sent_ns. */
static uint64_t arrives_at(struct wire *w, uint64_t sent_ns)
{
	const uint64_t at_ns = sent_ns + w->conf.delay_ns;

	if (rnd_ppm(&w->rnd, w->conf.reorder_ppm)) {
		w->n.reordered++;
		return at_ns + rnd_between(&w->rnd, 1, w->conf.reorder_ns);
	}
	w->last_ns = RTE_MAX(w->last_ns, at_ns + rnd_between(&w->rnd, 0, w->conf.jitter_ns));
	return w->last_ns;
}

/* False: it is dropped. */
static bool enqueue(struct wire *w, struct rte_mbuf *m, uint64_t now_ns)
{
	const uint64_t waiting = w->conf.bytes_s == 0 ? 0 : waiting_bytes(w, now_ns);

	if (w->conf.bytes_s == 0) {
		w->free_ns = now_ns;
		return true;
	}
	if (w->conf.queue_bytes != 0 && waiting + m->pkt_len > w->conf.queue_bytes) {
		w->n.dropped++;
		return false;
	}
	if (w->conf.mark_bytes != 0 && waiting > w->conf.mark_bytes && packet_mark(m))
		w->n.marked++;
	w->free_ns =
		RTE_MAX(w->free_ns, now_ns) + m->pkt_len * UINT64_C(1000000000) / w->conf.bytes_s;
	return true;
}

static void travel(struct wire *w, struct rte_mbuf *m)
{
	const bool corrupted = rnd_ppm(&w->rnd, w->conf.corrupt_ppm);
	struct rte_mbuf *own = m;

	if (!w->conf.by_reference || corrupted) {
		own = rte_pktmbuf_copy(m, w->pool, 0, UINT32_MAX);
		rte_pktmbuf_free(m);
		if (own == NULL) {
			w->n.dropped++;
			return;
		}
	}
	if (corrupted) {
		flip_a_bit(w, own);
		w->n.corrupted++;
	}
	if (rnd_ppm(&w->rnd, w->conf.duplicate_ppm)) {
		struct rte_mbuf *twin = rte_pktmbuf_copy(own, w->pool, 0, UINT32_MAX);

		w->n.duplicated += twin != NULL;
		if (twin != NULL)
			put(w, twin, arrives_at(w, w->free_ns), corrupted);
	}
	put(w, own, arrives_at(w, w->free_ns), corrupted);
}

static bool is_too_big(const struct wire *w, const struct rte_mbuf *m, uint64_t now_ns)
{
	const bool is_wide = w->conf.mtu_turn_ns != 0 && now_ns / w->conf.mtu_turn_ns % 2 == 1;

	return w->conf.mtu_bytes != 0 && m->pkt_len > w->conf.mtu_bytes && !is_wide;
}

void wire_send(struct wire *w, struct rte_mbuf *m, uint64_t now_ns)
{
	w->n.sent++;
	w->n.bytes += m->pkt_len;
	if (is_too_big(w, m, now_ns)) {
		struct rte_mbuf *says =
			w->conf.says_too_big ? packet_too_big(w->pool, m, w->conf.mtu_bytes) : NULL;

		w->n.too_big++;
		if (says != NULL)
			put(w, says, now_ns + w->conf.delay_ns, false);
	} else if (is_lost(w)) {
		w->n.lost++;
	} else if (enqueue(w, m, now_ns)) {
		travel(w, m);
		return;
	}
	rte_pktmbuf_free(m);
}

uint64_t wire_next_ns(const struct wire *w)
{
	return w->n_way == 0 ? UINT64_MAX : w->way[0].at_ns;
}

struct rte_mbuf *wire_receive(struct wire *w, uint64_t now_ns, bool *corrupted)
{
	struct arrival a;

	if (wire_next_ns(w) > now_ns)
		return NULL;
	a = take(w);
	w->n.arrived++;
	*corrupted = a.corrupted;
	return a.m;
}

void wire_clean(struct wire *w)
{
	w->conf.loss_ppm = 0;
	w->conf.burst_ppm = 0;
	w->conf.reorder_ppm = 0;
	w->conf.duplicate_ppm = 0;
	w->conf.corrupt_ppm = 0;
	w->burst_left = 0;
}

void wire_empty(struct wire *w)
{
	while (w->n_way > 0)
		rte_pktmbuf_free(take(w).m);
}
