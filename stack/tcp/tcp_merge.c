/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Segments of one burst that follow each other are one for all that comes after: one lookup, one
 * walk through SEGMENT ARRIVES, one decision about an ACK.
 *
 * The rules are those of Linux's GRO (tcp_gro_receive): only what says the same but for its bytes
 * is merged, and PSH, FIN or a short one ends it.
 */

#include "tcp_priv.h"

/* With these a segment says more than its bytes. */
#define ALONE (TCP_SYN | TCP_RST | TCP_URG | TCP_CWR)
/* These end a run. */
#define LAST (TCP_FIN | TCP_PSH)

static bool is_same_opts(const struct tcp_opts *a, const struct tcp_opts *b)
{
	return a->flags == b->flags && !(a->flags & ~OPT_STAMP) && a->stamp == b->stamp &&
	       a->echo == b->echo && a->sacks == 0 && b->sacks == 0;
}

static bool follows(const struct segment *to, const struct segment *g)
{
	return g->hash == to->hash && g->seq == to->seq + to->bytes && g->ack == to->ack &&
	       g->bytes > 0 && to->bytes > 0 && g->wnd == to->wnd && g->ce == to->ce &&
	       ((g->flags ^ to->flags) & (uint8_t)~LAST) == 0 && !(g->flags & ALONE) &&
	       !(to->flags & LAST) && g->bytes <= to->each_bytes &&
	       to->bytes == to->segs * to->each_bytes && to->l4_bytes + g->bytes <= UINT16_MAX &&
	       is_same_opts(&to->opts, &g->opts) &&
	       memcmp(&to->ends, &g->ends, sizeof(to->ends)) == 0;
}

bool segment_merge(struct segment *to, struct segment *g)
{
	struct rte_mbuf *m = g->m, *last;

	if (!follows(to, g))
		return false;
	if (to->last == NULL) { /* what a frame has behind its packet would be between them */
		pkt_keep(to->m, to->off + to->bytes);
		to->last = rte_pktmbuf_lastseg(to->m);
	}
	pkt_keep(m, g->off + g->bytes);
	m = pkt_skip(m, g->off);
	last = rte_pktmbuf_lastseg(m);
	to->last->next = m;
	to->last = last;
	to->m->nb_segs = (uint16_t)(to->m->nb_segs + m->nb_segs);
	to->m->pkt_len += m->pkt_len;
	to->bytes += g->bytes;
	to->l4_bytes += g->bytes;
	to->flags |= g->flags;
	to->segs++;
	return true;
}
