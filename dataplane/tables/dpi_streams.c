/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dpi_streams: hyperscan's streams for all states of a worker, without an allocation in its path.
 *
 * hs_open_stream() asks hyperscan's allocator of streams for memory. That is one of ours, which
 * cuts from a piece of memory while the control thread opens all streams that the worker may ever
 * need, and is malloc() at any other time and for any other thread. The worker takes a stream as
 * its own by hs_reset_stream(), which allocates nothing. Nothing but memory is in a stream, so
 * giving the whole piece back ends them all.
 */
#include "dpi_worker_priv.h"

#include <errno.h>
#include <pthread.h>
#include <rte_malloc.h>
#include <stdlib.h>

/* Where the next streams of this thread come from; at NULL: from malloc(). */
static _Thread_local struct {
	uint8_t *at;
	size_t stride;
} cutting;

static void *stream_alloc(size_t bytes)
{
	void *p = cutting.at;

	if (p == NULL)
		return malloc(bytes);
	if (bytes > cutting.stride)
		return NULL;
	cutting.at += cutting.stride;
	return p;
}

/* Ours are not closed one by one, so this is one of somebody else's. */
static void stream_free(void *p)
{
	free(p);
}

static void set_allocator(void)
{
	hs_set_stream_allocator(stream_alloc, stream_free);
}

static size_t stride_of(const struct weir_dpi *d)
{
	return RTE_ALIGN_CEIL((size_t)d->stats.stream_bytes, RTE_CACHE_LINE_SIZE);
}

uint64_t dpi_streams_size(const struct weir_dpi *d, uint32_t states)
{
	if (d->db[DPI_STREAM] == NULL)
		return 0;
	return (states + 1ull) * WEIR_DIRS * stride_of(d);
}

int dpi_streams_open(struct dpi_side *side, const struct weir_dpi *d, uint32_t states, int numa)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const size_t n = (states + 1ul) * WEIR_DIRS, stride = stride_of(d);
	hs_stream_t *stream;
	int rc = 0;

	if (d->db[DPI_STREAM] == NULL)
		return 0;
	pthread_once(&once, set_allocator);
	side->stride = stride;
	side->streams =
		rte_zmalloc_socket("weir_dpi_streams", n * stride, RTE_CACHE_LINE_SIZE, numa);
	if (side->streams == NULL)
		return -ENOMEM;
	cutting.at = side->streams;
	cutting.stride = stride;
	for (size_t i = 0; i < n && rc == 0; i++)
		if (hs_open_stream(d->db[DPI_STREAM], 0, &stream) != HS_SUCCESS ||
		    stream != (hs_stream_t *)(side->streams + i * stride))
			rc = -ENOMEM;
	cutting.at = NULL;
	return rc;
}

void dpi_streams_close(struct dpi_side *side)
{
	rte_free(side->streams);
	side->streams = NULL;
}
