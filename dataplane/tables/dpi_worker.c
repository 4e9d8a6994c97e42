/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpi_worker: the memory of a worker's inspection, all of it taken on the control thread.
 *
 * Takes: sizes. Holds: states, blocks for early segments, buffers for first messages, each with a
 * list of free ones; and for the current and the next generation's patterns a scratch and streams.
 */
#include "dpi_worker_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <rte_malloc.h>

#define HELD_BLOCKS_MAX	  (1u << 22)
#define SNIFF_BUFFERS_MAX (1u << 16)
#define SNIFF_BYTES_MAX	  (1u << 18)

static int with_default(uint32_t *n, uint32_t value, uint32_t max, const char *what,
			struct weir_why *why)
{
	if (*n == 0)
		*n = value;
	return *n <= max ? 0 : weir_why(why, -EINVAL, "%s: %u, at most %u", what, *n, max);
}

static int with_defaults(const struct weir_dpi_worker_conf *conf, struct weir_dpi_worker_conf *out,
			 struct weir_why *why)
{
	int rc;

	*out = *conf;
	rc = with_default(&out->states, 16384, WEIR_DPI_STATES_MAX, "flows under inspection", why);
	if (rc == 0)
		rc = with_default(&out->held_blocks, 4096, HELD_BLOCKS_MAX, "blocks", why);
	if (rc == 0)
		rc = with_default(&out->flow_blocks, 32, out->held_blocks, "blocks of a flow", why);
	if (rc == 0)
		rc = with_default(&out->sniff_buffers, 256, SNIFF_BUFFERS_MAX, "buffers", why);
	if (rc == 0)
		rc = with_default(&out->sniff_bytes, 16645, SNIFF_BYTES_MAX, "bytes of a buffer",
				  why);
	if (rc == 0)
		rc = with_default(&out->flow_alerts, 64, UINT32_MAX, "events of a flow", why);
	return rc;
}

static uint64_t size_of(const struct weir_dpi_worker_conf *c)
{
	return sizeof(struct weir_dpi_worker) + (c->states + 1ull) * sizeof(struct dpi_state) +
	       (c->held_blocks + 1ull) * sizeof(struct dpi_block) +
	       (uint64_t)c->sniff_buffers * c->sniff_bytes +
	       (c->sniff_buffers + 1ull) * sizeof(uint32_t) + DPI_DATAGRAM_BYTES;
}

uint64_t weir_dpi_worker_size(const struct weir_dpi_worker_conf *conf, const struct weir_dpi *d)
{
	struct weir_dpi_worker_conf c;

	if (with_defaults(conf, &c, NULL) < 0)
		return 0;
	return size_of(&c) + (d != NULL ? dpi_streams_size(d, c.states) + d->scratch_bytes : 0);
}

static int take_memory(struct weir_dpi_worker *w)
{
	const struct weir_dpi_worker_conf *c = &w->conf;
	const int numa = c->numa;

	w->state = rte_zmalloc_socket("weir_dpi_states", (c->states + 1ul) * sizeof(w->state[0]),
				      RTE_CACHE_LINE_SIZE, numa);
	w->block = rte_zmalloc_socket("weir_dpi_blocks",
				      (c->held_blocks + 1ul) * sizeof(w->block[0]),
				      RTE_CACHE_LINE_SIZE, numa);
	w->buffer = rte_zmalloc_socket("weir_dpi_buffers",
				       (size_t)c->sniff_buffers * c->sniff_bytes,
				       RTE_CACHE_LINE_SIZE, numa);
	w->buffer_next = rte_zmalloc_socket("weir_dpi", (c->sniff_buffers + 1ul) * sizeof(uint32_t),
					    RTE_CACHE_LINE_SIZE, numa);
	w->flat = rte_zmalloc_socket("weir_dpi", DPI_DATAGRAM_BYTES, RTE_CACHE_LINE_SIZE, numa);
	return w->state != NULL && w->block != NULL && w->buffer != NULL &&
			       w->buffer_next != NULL && w->flat != NULL
		       ? 0
		       : -ENOMEM;
}

/* All are free: 1, 2, 3 and so on. */
static void link_free(struct weir_dpi_worker *w)
{
	for (uint32_t i = 1; i < w->conf.states; i++)
		w->state[i].next = i + 1;
	for (uint32_t i = 1; i < w->conf.held_blocks; i++)
		w->block[i].next = i + 1;
	for (uint32_t i = 1; i < w->conf.sniff_buffers; i++)
		w->buffer_next[i] = i + 1;
	w->free_state = w->free_block = w->free_buffer = 1;
}

int weir_dpi_worker_create(const struct weir_dpi_worker_conf *conf, struct weir_dpi_worker **out,
			   struct weir_why *why)
{
	struct weir_dpi_worker_conf c;
	struct weir_dpi_worker *w;
	int rc = with_defaults(conf, &c, why);

	if (rc < 0)
		return rc;
	w = rte_zmalloc_socket("weir_dpi", sizeof(*w), RTE_CACHE_LINE_SIZE, c.numa);
	if (w != NULL) {
		w->conf = c;
		rc = take_memory(w);
	}
	if (w == NULL || rc < 0) {
		weir_dpi_worker_free(w);
		return weir_why(why, -ENOMEM,
				"no memory for inspection: it takes %" PRIu64
				" MiB; lower its limits or add hugepages",
				(size_of(&c) >> 20) + 1);
	}
	link_free(w);
	*out = w;
	return 0;
}

void weir_dpi_worker_free(struct weir_dpi_worker *w)
{
	if (w == NULL)
		return;
	for (unsigned i = 0; i < DPI_SIDES; i++)
		weir_dpi_worker_retire(w, w->side[i].d);
	rte_free(w->state);
	rte_free(w->block);
	rte_free(w->buffer);
	rte_free(w->buffer_next);
	rte_free(w->flat);
	rte_free(w);
}

const struct weir_dpi_counters *weir_dpi_worker_counters(const struct weir_dpi_worker *w)
{
	return &w->counters;
}

static void side_clear(struct dpi_side *side)
{
	__atomic_store_n(&side->d, NULL, __ATOMIC_RELEASE);
	hs_free_scratch(side->scratch);
	side->scratch = NULL;
	dpi_streams_close(side);
}

int weir_dpi_worker_prepare(struct weir_dpi_worker *w, const struct weir_dpi *d,
			    struct weir_why *why)
{
	struct dpi_side *side = NULL;
	int rc = 0;

	for (unsigned i = 0; i < DPI_SIDES; i++) {
		if (w->side[i].d == d)
			return 0;
		if (w->side[i].d == NULL)
			side = &w->side[i];
	}
	if (side == NULL)
		return weir_why(why, -EBUSY, "inspection: the patterns before the last are in use");
	if (d->scratch != NULL && hs_clone_scratch(d->scratch, &side->scratch) != HS_SUCCESS)
		rc = -ENOMEM;
	if (rc == 0)
		rc = dpi_streams_open(side, d, w->conf.states, w->conf.numa);
	if (rc < 0) {
		side_clear(side);
		return weir_why(why, rc,
				"no memory for inspection: %u streams of %u bytes take %" PRIu64
				" MiB; lower the number of flows or add hugepages",
				2 * w->conf.states, d->stats.stream_bytes,
				(dpi_streams_size(d, w->conf.states) >> 20) + 1);
	}
	side->epoch = ++w->epochs;
	__atomic_store_n(&side->d, d, __ATOMIC_RELEASE);
	return 0;
}

void weir_dpi_worker_retire(struct weir_dpi_worker *w, const struct weir_dpi *d)
{
	for (unsigned i = 0; i < DPI_SIDES; i++)
		if (d != NULL && w->side[i].d == d)
			side_clear(&w->side[i]);
}
