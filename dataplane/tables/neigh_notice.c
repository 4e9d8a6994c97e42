/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The rings of neigh_notice_priv.h. Who fills one is alone on its end, as is who empties it.
 */

#include "neigh_notice_priv.h"
#include "neigh_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NOTICES	       128
#define FRAMES	       64
#define ADVERTS	       32 /* less one */
#define FRAMES_AT_ONCE 16

static int make_ring(const char *name, unsigned element_bytes, unsigned slots,
		     struct rte_ring **out)
{
	const ssize_t bytes = rte_ring_get_memsize_elem(element_bytes, slots);
	struct rte_ring *r;

	r = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL((size_t)bytes, RTE_CACHE_LINE_SIZE));
	if (r == NULL)
		return -ENOMEM;
	if (rte_ring_init(r, name, slots, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0) {
		free(r);
		return -EINVAL;
	}
	*out = r;
	return 0;
}

int neigh_notice_create(struct weir_neigh_table *t)
{
	int rc = make_ring("notices", sizeof(struct neigh_notice), NOTICES, &t->notices);

	if (rc == 0)
		rc = make_ring("adverts", sizeof(struct neigh_advert), ADVERTS, &t->adverts);
	return rc < 0 ? rc : make_ring("frames", sizeof(struct neigh_frame), FRAMES, &t->frames);
}

void neigh_notice_free(struct weir_neigh_table *t)
{
	free(t->notices);
	free(t->adverts);
	free(t->frames);
}

void neigh_notify(struct weir_neigh_table *t, struct neigh_notice *n)
{
	rte_ring_sp_enqueue_elem(t->notices, n, sizeof(*n));
}

bool neigh_next_notice(struct weir_neigh_table *t, struct neigh_notice *out)
{
	return rte_ring_sc_dequeue_elem(t->notices, out, sizeof(*out)) == 0;
}

bool neigh_advertise(struct weir_neigh_table *t, struct neigh_advert *a)
{
	return rte_ring_sp_enqueue_elem(t->adverts, a, sizeof(*a)) == 0;
}

bool neigh_next_advert(struct weir_neigh_table *t, struct neigh_advert *out)
{
	return rte_ring_sc_dequeue_elem(t->adverts, out, sizeof(*out)) == 0;
}

bool neigh_give_frame(struct weir_neigh_table *t, struct neigh_frame *f)
{
	return rte_ring_sp_enqueue_elem(t->frames, f, sizeof(*f)) == 0;
}

/* Interfaces that the generation does not have any more are passed over. */
static void send_frame(struct weir_neigh_table *t, const struct weir_l3 *l3,
		       const struct neigh_frame *f)
{
	struct weir_l2 l2;
	struct rte_mbuf *m;
	void *body;

	if (l3 == NULL || f->iface >= l3->n_ifaces || l3->ifaces[f->iface].port == WEIR_NO_PORT)
		return;
	m = weir_shard_alloc(t->shard);
	if (m == NULL)
		return;
	body = rte_pktmbuf_append(m, f->len_bytes);
	if (body == NULL) {
		weir_drop(t->shard, m, WEIR_DROP_NO_MBUF);
		return;
	}
	memcpy(body, f->bytes, f->len_bytes);
	weir_l2_make(&l2, f->to.bytes, l3->ifaces[f->iface].mac, l3->ifaces[f->iface].vlan);
	if (!weir_l2_put(m, &l2, f->type_be)) {
		weir_drop(t->shard, m, WEIR_DROP_HEADROOM);
		return;
	}
	weir_meta(m)->port_out = l3->ifaces[f->iface].port;
	weir_meta(m)->iface_out = f->iface;
	weir_origin_push(t->shard->origin, m, WEIR_TX);
}

void neigh_send_frames(struct weir_neigh_table *t)
{
	struct neigh_frame f;

	for (unsigned n = 0; n < FRAMES_AT_ONCE; n++) {
		if (rte_ring_sc_dequeue_elem(t->frames, &f, sizeof(f)) != 0)
			return;
		send_frame(t, neigh_l3(t), &f);
	}
}
