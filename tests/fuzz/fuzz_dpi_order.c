/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * fuzz_dpi_order: any segments of a stream, four bytes of input each: where it begins, how long it
 * is, what is in it, how it lies in buffers. What is inspected must be what an array of bytes says
 * of which the first copy of each counts, all of it that lies together, and each byte once.
 */

#include "dpi_order.c"

#include <stdlib.h>

#include "toy_mbuf.h"

#define BYTES  4096
#define BLOCKS 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct weir_dpi patterns = {.budget_bytes = WEIR_DPI_UNLIMITED};
static struct weir_dpi_worker worker;
static struct dpi_block blocks[BLOCKS + 1];
static struct dpi_state states[2];

static struct {
	uint8_t byte[BYTES];
	bool have[BYTES];
	uint32_t base;	    /* number of the first byte */
	uint32_t inspected; /* how many were */
} model;

/* What dpi_order.c needs of the other files. */
void dpi_begin_anew(const struct dpi_look *look)
{
	abort(); /* there is one set of patterns */
}

void dpi_way_end(struct weir_dpi_worker *w, struct dpi_state *st, enum weir_dir dir)
{
	dpi_held_free(w, &st->way[dir]);
	st->way[dir].stream = NULL;
	st->way[dir].done = true;
}

void dpi_sniff_end(const struct dpi_look *look)
{
	abort(); /* nothing is sniffed */
}

static void inspect(const uint8_t *p, uint32_t bytes)
{
	if (bytes > BYTES - model.inspected || memcmp(p, model.byte + model.inspected, bytes) != 0)
		abort();
	for (uint32_t i = 0; i < bytes; i++)
		if (!model.have[model.inspected++])
			abort();
}

void dpi_scan(const struct dpi_look *look, const uint8_t *p, uint32_t bytes)
{
	look->way->stream = (hs_stream_t *)&model;
	inspect(p, bytes);
}

void dpi_scan_plain(const struct dpi_look *look, const uint8_t *p, uint32_t bytes)
{
	if (look->way->stream == NULL || look->way->held != 0)
		abort();
	inspect(p, bytes);
}

static void begin(uint8_t base)
{
	memset(&model, 0, sizeof(model));
	memset(states, 0, sizeof(states));
	memset(&worker, 0, sizeof(worker));
	worker.side[0].d = &patterns;
	worker.state = states;
	worker.block = blocks;
	worker.conf.flow_blocks = BLOCKS - 2;
	for (uint32_t i = 1; i <= BLOCKS; i++)
		blocks[i].next = i < BLOCKS ? i + 1 : 0;
	worker.free_block = 1;
	model.base = (uint32_t)0 - base; /* numbers wrap */
	weir_dpi_syn(&worker, 1, WEIR_DIR_ORIG, model.base - 1);
}

/* Blocks lie in order, apart, behind what was inspected; none is lost. */
static void check(void)
{
	const struct dpi_way *way = &states[1].way[WEIR_DIR_ORIG];
	uint32_t end = way->pos - model.base, n = 0;

	for (uint32_t i = way->held; i != 0; i = blocks[i].next) {
		const uint32_t at = blocks[i].seq - model.base;

		if (at < end || (n == 0 && at == end) || blocks[i].bytes == 0 ||
		    blocks[i].bytes > sizeof(blocks[i].data))
			abort();
		end = at + blocks[i].bytes;
		n++;
	}
	if (n != way->n_held || n != worker.counters.held || n > worker.conf.flow_blocks)
		abort();
	for (uint32_t i = worker.free_block; i != 0; i = blocks[i].next)
		n++;
	if (n != BLOCKS)
		abort();
	if (!way->done && model.inspected < BYTES && model.have[model.inspected])
		abort(); /* it should have been inspected */
}

static void give(const uint8_t in[4])
{
	const uint32_t at = in[0] * 12u, n = 1 + in[1] * 4u, front = in[3] & 31;
	struct toy_mbuf t[2];
	struct rte_mbuf *m = toy_mbuf(&t[0], NULL, (uint16_t)(front + n));
	uint8_t *p = rte_pktmbuf_mtod_offset(m, uint8_t *, front);
	const uint32_t cut = (in[3] >> 5) * (front + n) / 8;
	struct weir_dpi_verdict v;

	for (uint32_t i = 0; i < n; i++) {
		p[i] = (uint8_t)(in[2] + i * 7);
		if (at + i < BYTES && !model.have[at + i] && !states[1].way[0].done) {
			model.have[at + i] = true;
			model.byte[at + i] = p[i];
		}
	}
	if (cut > 0) { /* the rest of it lies in another buffer */
		m->next = toy_mbuf(&t[1], p - front + cut, (uint16_t)(front + n - cut));
		m->nb_segs = 2;
		m->data_len = (uint16_t)cut;
	}
	v = weir_dpi_segment(&worker, &patterns, 1, WEIR_DIR_ORIG, model.base + at, m, front, n);
	if (v.action != WEIR_DPI_PASS)
		abort();
	check();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 5)
		return 0;
	begin(data[0]);
	for (size_t at = 1; at + 4 <= size && at < 4000; at += 4)
		give(data + at);
	return 0;
}
