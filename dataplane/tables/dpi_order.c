/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpi_order: TCP segments as one stream of bytes, each byte once.
 *
 * Takes: segments in any order. Says: each direction's bytes in the order of their numbers.
 * Holds: copies of what came early, in blocks: the packets themselves go on, and are not kept from
 *        the port's pool.
 *
 * Of bytes that come twice the first copy counts, inspected or held, as Linux keeps it too. A
 * direction that would need more blocks than it may have, or than there are, is inspected no more.
 */
#include "dpi_worker_priv.h"

#include <string.h>

#include "seq_priv.h"

void dpi_held_free(struct weir_dpi_worker *w, struct dpi_way *way)
{
	while (way->held != 0) {
		const uint32_t number = way->held;

		way->held = w->block[number].next;
		w->block[number].next = w->free_block;
		w->free_block = number;
	}
	weir_count(&w->counters.held, (uint64_t)0 - way->n_held);
	way->n_held = 0;
}

/* The first block is of no more use. */
static void drop_first(struct weir_dpi_worker *w, struct dpi_way *way)
{
	const uint32_t number = way->held;

	way->held = w->block[number].next;
	way->n_held--;
	w->block[number].next = w->free_block;
	w->free_block = number;
	weir_count(&w->counters.held, (uint64_t)-1);
}

static void copy(const struct rte_mbuf *m, uint32_t off, uint32_t bytes, uint8_t *to)
{
	const void *p = rte_pktmbuf_read(m, off, bytes, to);

	if (p != to && p != NULL)
		memcpy(to, p, bytes);
}

/* A free block in front of *link; NULL: there is none for this way. */
static struct dpi_block *insert_block(const struct dpi_look *look, uint32_t *link)
{
	struct weir_dpi_worker *w = look->w;
	struct dpi_block *b = &w->block[w->free_block];
	const uint32_t number = w->free_block;

	if (look->way->n_held == w->conf.flow_blocks) {
		weir_count(&w->counters.held_flow, 1);
		return NULL;
	}
	if (number == 0) {
		weir_count(&w->counters.held_full, 1);
		return NULL;
	}
	w->free_block = b->next;
	b->next = *link;
	b->bytes = 0;
	*link = number;
	look->way->n_held++;
	weir_count(&w->counters.held, 1);
	return b;
}

/*
 * Keep of early bytes those that are not there yet. Blocks are in order and do not overlap; what
 * goes on where a block ends goes into that block, if it has room.
 */
static bool hold(const struct dpi_look *look, uint32_t seq, const struct rte_mbuf *m, uint32_t off,
		 uint32_t bytes)
{
	struct weir_dpi_worker *w = look->w;
	uint32_t *link = &look->way->held;
	struct dpi_block *last = NULL; /* the one before *link */

	while (bytes > 0) {
		struct dpi_block *next = *link != 0 ? &w->block[*link] : NULL;
		uint32_t n = bytes;

		if (next != NULL && !seq_is_before(seq, next->seq)) {
			const uint32_t covered = next->seq + next->bytes - seq;

			if (seq_is_before(seq, next->seq + next->bytes)) {
				n = RTE_MIN(n, covered);
				weir_count(&w->counters.again_bytes, n);
				seq += n;
				off += n;
				bytes -= n;
			}
			last = next;
			link = &next->next;
			continue;
		}
		if (next != NULL)
			n = RTE_MIN(n, next->seq - seq);
		if (last == NULL || last->seq + last->bytes != seq ||
		    last->bytes == sizeof(last->data)) {
			last = insert_block(look, link);
			if (last == NULL)
				return false;
			last->seq = seq;
			link = &last->next;
		}
		n = RTE_MIN(n, (uint32_t)sizeof(last->data) - last->bytes);
		copy(m, off, n, last->data + last->bytes);
		last->bytes += n;
		seq += n;
		off += n;
		bytes -= n;
	}
	return true;
}

/* Whether there is nothing more to do for this way. */
static bool is_over(const struct dpi_look *look)
{
	return look->way->done || look->verdict->action != WEIR_DPI_PASS;
}

static void scan_mbuf(const struct dpi_look *look, const struct rte_mbuf *m, uint32_t off,
		      uint32_t bytes)
{
	look->way->pos += bytes;
	while (off >= m->data_len && m->next != NULL) {
		off -= m->data_len;
		m = m->next;
	}
	while (bytes > 0 && m != NULL && !is_over(look)) {
		const uint32_t n = RTE_MIN(bytes, m->data_len - off);

		dpi_scan(look, rte_pktmbuf_mtod_offset(m, const uint8_t *, off), n);
		bytes -= n;
		off = 0;
		m = m->next;
	}
}

/* Inspect what comes next: of the segment, and of what was held since it came before that. */
static void deliver(const struct dpi_look *look, const struct rte_mbuf *m, uint32_t off,
		    uint32_t bytes)
{
	struct dpi_way *way = look->way;

	while (!is_over(look)) {
		const struct dpi_block *b = way->held != 0 ? &look->w->block[way->held] : NULL;
		uint32_t n = bytes;

		if (b != NULL && b->seq == way->pos) {
			n = RTE_MIN(bytes, b->bytes);
			weir_count(&look->w->counters.again_bytes, n);
			way->pos += b->bytes;
			dpi_scan(look, b->data, b->bytes);
			if (!is_over(look))
				drop_first(look->w, way);
		} else if (bytes == 0) {
			return;
		} else {
			if (b != NULL)
				n = RTE_MIN(n, b->seq - way->pos);
			scan_mbuf(look, m, off, n);
		}
		off += n;
		bytes -= n;
	}
}

static void take_segment(const struct dpi_look *look, uint32_t seq, const struct rte_mbuf *m,
			 uint32_t off, uint32_t bytes)
{
	struct dpi_way *way = look->way;

	if (unlikely(!way->known)) {
		dpi_held_free(look->w, way);
		way->pos = seq;
		way->known = true;
	}
	way->seen = true;
	if (unlikely(seq_is_before(seq, way->pos))) {
		const uint32_t late = RTE_MIN(way->pos - seq, bytes);

		weir_count(&look->w->counters.again_bytes, late);
		seq += late;
		off += late;
		bytes -= late;
	}
	if (unlikely(bytes == 0))
		return;
	if (likely(seq == way->pos)) {
		deliver(look, m, off, bytes);
		return;
	}
	weir_count(&look->w->counters.early, 1);
	if (!hold(look, seq, m, off, bytes)) {
		if (look->st->sniffing && look->dir == WEIR_DIR_ORIG)
			dpi_sniff_end(look);
		dpi_way_end(look->w, look->st, look->dir);
	}
}

void weir_dpi_syn(struct weir_dpi_worker *w, uint32_t state, enum weir_dir dir, uint32_t seq)
{
	struct dpi_way *way = &w->state[state].way[dir];

	if (way->known && way->seen)
		return;
	way->pos = seq + 1;
	way->known = true;
}

/* What most segments are: the next ones, in one buffer, of a stream that is under way. */
static inline bool is_plain(const struct dpi_look *look, uint32_t seq, const struct rte_mbuf *m,
			    uint32_t off, uint32_t bytes)
{
	const struct dpi_way *way = look->way;

	return way->stream != NULL && seq == way->pos && way->held == 0 && bytes > 0 &&
	       (uint64_t)off + bytes <= m->data_len &&
	       bytes <= look->d->budget_bytes - way->seen_bytes &&
	       (look->dir != WEIR_DIR_ORIG || !look->st->sniffing);
}

static __attribute__((noinline)) void take_any(const struct dpi_look *look, uint32_t seq,
					       const struct rte_mbuf *m, uint32_t off,
					       uint32_t bytes)
{
	if (bytes > 0 && off <= m->pkt_len && bytes <= m->pkt_len - off && !is_over(look))
		take_segment(look, seq, m, off, bytes);
}

static __attribute__((noinline)) void end_both(const struct dpi_look *look)
{
	for (unsigned dir = 0; dir < WEIR_DIRS; dir++)
		dpi_way_end(look->w, look->st, dir);
}

struct weir_dpi_verdict weir_dpi_segment(struct weir_dpi_worker *w, const struct weir_dpi *d,
					 uint32_t state, enum weir_dir dir, uint32_t seq,
					 const struct rte_mbuf *m, uint32_t off, uint32_t bytes)
{
	struct dpi_look look;

	if (unlikely(!dpi_look_begin(&look, w, d, state, dir))) {
		weir_count(&w->counters.failed, 1);
		return (struct weir_dpi_verdict){.action = WEIR_DPI_PASS};
	}
	weir_count(&w->counters.segments, 1);
	if (likely(is_plain(&look, seq, m, off, bytes))) {
		look.way->pos += bytes;
		dpi_scan_plain(&look, rte_pktmbuf_mtod_offset(m, const uint8_t *, off), bytes);
	} else {
		take_any(&look, seq, m, off, bytes);
	}
	if (unlikely(look.st->verdict.action != WEIR_DPI_PASS))
		end_both(&look);
	return look.st->verdict;
}
