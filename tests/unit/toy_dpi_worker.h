/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* A worker that inspects, for tests: what it is told is kept, packets live on the stack. */

#include <netinet/in.h>

#include "toy_dpi.h"
#include "toy_eal.h"
#include "toy_mbuf.h"

#define TOY_ALERTS 256

/* Alerts as they came; strings are copied, for they may not outlive the call. */
struct toy_alerts {
	struct weir_dpi_alert alert[TOY_ALERTS];
	char name[TOY_ALERTS][WEIR_SNIFF_NAME];
	unsigned n;
};

static inline void toy_alert(void *ctx, const struct weir_dpi_alert *alert)
{
	struct toy_alerts *a = ctx;

	if (a->n < TOY_ALERTS) {
		a->alert[a->n] = *alert;
		snprintf(a->name[a->n], sizeof(a->name[0]), "%s", alert->name);
	}
	a->n++;
}

/* How often a pattern or set was told of. */
static inline unsigned toy_told(const struct toy_alerts *a, uint32_t id)
{
	unsigned times = 0;

	for (unsigned i = 0; i < a->n && i < TOY_ALERTS; i++)
		times += a->alert[i].id == id;
	return times;
}

/* A small worker, prepared for d. */
static inline struct weir_dpi_worker *toy_worker(const struct weir_dpi *d, struct toy_alerts *a)
{
	const struct weir_dpi_worker_conf conf = {.states = 4,
						  .held_blocks = 48,
						  .flow_blocks = 32,
						  .sniff_buffers = 2,
						  .numa = -1,
						  .alert = toy_alert,
						  .ctx = a};
	struct weir_dpi_worker *w = NULL;

	toy_eal();
	*a = (struct toy_alerts){.n = 0};
	CU_ASSERT_EQUAL_FATAL(weir_dpi_worker_create(&conf, &w, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(weir_dpi_worker_prepare(w, d, NULL), 0);
	return w;
}

static inline const struct weir_dpi *toy_must(struct weir_dpi *d, const struct weir_why *why)
{
	if (d == NULL)
		fprintf(stderr, "%s\n", why->text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	return d;
}

static const struct weir_dpi_flow toy_tcp = {7, 40000, 80, IPPROTO_TCP};
static const struct weir_dpi_flow toy_udp = {8, 40000, 53, IPPROTO_UDP};

/* One side's packets. */
struct toy_side {
	struct weir_dpi_worker *w;
	const struct weir_dpi *d;
	uint32_t state;
	enum weir_dir dir;
	uint32_t base; /* number of the stream's first byte */
};

/* Bytes at an offset of the stream, in a packet that begins with something else. */
static inline struct weir_dpi_verdict toy_give(const struct toy_side *side, uint32_t at,
					       const void *bytes, uint32_t n)
{
	struct toy_mbuf t;
	struct rte_mbuf *m = toy_mbuf(&t, NULL, (uint16_t)(54 + n));

	memset(rte_pktmbuf_mtod(m, void *), 'H', 54);
	memcpy(rte_pktmbuf_mtod_offset(m, void *, 54), bytes, n);
	return weir_dpi_segment(side->w, side->d, side->state, side->dir, side->base + at, m, 54,
				n);
}

static inline struct weir_dpi_verdict toy_datagram(const struct toy_side *side, const void *bytes,
						   uint32_t n)
{
	struct toy_mbuf t;
	struct rte_mbuf *m = toy_mbuf(&t, bytes, (uint16_t)n);

	return weir_dpi_datagram(side->w, side->d, side->state, side->dir, m, 0, n);
}

/* A client's side of a new TCP flow whose SYN was seen. */
static inline struct toy_side toy_begin(struct weir_dpi_worker *w, const struct weir_dpi *d,
					uint32_t base)
{
	struct toy_side s = {.w = w, .d = d, .dir = WEIR_DIR_ORIG, .base = base};

	s.state = weir_dpi_begin(w, d, &toy_tcp);
	CU_ASSERT_NOT_EQUAL_FATAL(s.state, 0);
	weir_dpi_syn(w, s.state, s.dir, base - 1);
	return s;
}
