/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Mbufs that live on a test's stack: nodes are judged without EAL, pools or ports.
 */

#include <rte_mbuf.h>
#include <string.h>
#include <weir/meta.h>

#define TOY_HEADROOM 128
#define TOY_ROOM     2048

struct toy_mbuf {
	struct rte_mbuf m;
	struct weir_meta meta; /* where weir_meta() looks: right behind the mbuf */
	uint8_t buf[TOY_ROOM];
};

/* A packet with these bytes. */
static inline struct rte_mbuf *toy_mbuf(struct toy_mbuf *t, const void *bytes, uint16_t len)
{
	memset(t, 0, sizeof(*t));
	t->m.buf_addr = t->buf;
	t->m.buf_len = sizeof(t->buf);
	t->m.data_off = TOY_HEADROOM;
	t->m.data_len = len;
	t->m.pkt_len = len;
	t->m.nb_segs = 1;
	t->m.refcnt = 1;
	t->m.port = 0;
	if (bytes != NULL)
		memcpy(t->buf + TOY_HEADROOM, bytes, len);
	return &t->m;
}
