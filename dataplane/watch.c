/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The worker's side of weirctl trace and pcap: called behind each stage while somebody watches.
 *
 * A packet whose verdict is HELD may be freed already, so its bytes are not touched. A followed
 * one is known by the address of its mbuf then: it stays in the list, as held, until it comes up
 * again with its mark (it waited for a neighbour) or without (its buffer carries another packet).
 */

#include "watch_priv.h"

#include <errno.h>
#include <rte_branch_prediction.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <stdlib.h>
#include <string.h>
#include <weir/drop.h>

#include "capture_priv.h"
#include "slots_priv.h"

/* One packet that is followed. */
struct followed {
	const struct rte_mbuf *m; /* NULL: free */
	uint32_t serial;
	bool held;
};

struct watch {
	struct weir_watch hook; /* first: see() casts it back */
	struct watch_conf conf;
	struct followed followed[WATCH_FOLLOWED]; /* worker only */
	unsigned places;			  /* of those, ever used; worker only */
	uint32_t chosen;			  /* worker only */
	struct slots slots;			  /* of watch_record */
};

/* ---- matching ---- */

struct watch_prefix watch_prefix(const struct weir_prefix *p)
{
	struct watch_prefix out = {.family = p->addr.family};
	uint8_t mask[16] = {0}, addr[16];

	for (unsigned bit = 0; bit < p->length; bit++)
		mask[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	for (unsigned i = 0; i < sizeof(addr); i++)
		addr[i] = p->addr.bytes[i] & mask[i];
	memcpy(out.addr, addr, sizeof(addr));
	memcpy(out.mask, mask, sizeof(mask));
	return out;
}

static inline bool inside(const struct watch_prefix *p, uint8_t family, const uint64_t addr[2])
{
	return p->family == family && (addr[0] & p->mask[0]) == p->addr[0] &&
	       (addr[1] & p->mask[1]) == p->addr[1];
}

static bool match_addresses(const struct watch_filter *f, struct rte_mbuf *m)
{
	const struct weir_meta *meta = weir_meta(m);
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, meta->l3_off);
	uint64_t src[2] = {0}, dst[2] = {0};
	uint8_t family;

	if ((meta->flags & WEIR_META_IP4) &&
	    m->data_len >= meta->l3_off + sizeof(struct rte_ipv4_hdr)) {
		family = 4;
		memcpy(src, ip + offsetof(struct rte_ipv4_hdr, src_addr), 4);
		memcpy(dst, ip + offsetof(struct rte_ipv4_hdr, dst_addr), 4);
	} else if ((meta->flags & WEIR_META_IP6) &&
		   m->data_len >= meta->l3_off + sizeof(struct rte_ipv6_hdr)) {
		family = 6;
		memcpy(src, ip + offsetof(struct rte_ipv6_hdr, src_addr), 16);
		memcpy(dst, ip + offsetof(struct rte_ipv6_hdr, dst_addr), 16);
	} else {
		return false;
	}
	if (f->src.family != 0 && !inside(&f->src, family, src))
		return false;
	if (f->dst.family != 0 && !inside(&f->dst, family, dst))
		return false;
	return f->host.family == 0 || inside(&f->host, family, src) ||
	       inside(&f->host, family, dst);
}

static bool match_ports(const struct watch_filter *f, struct rte_mbuf *m)
{
	const struct weir_meta *meta = weir_meta(m);
	uint16_t port[2];

	if (!(meta->flags & WEIR_META_L4) ||
	    (meta->proto != IPPROTO_TCP && meta->proto != IPPROTO_UDP) ||
	    m->data_len < meta->l4_off + sizeof(port))
		return false;
	memcpy(port, rte_pktmbuf_mtod_offset(m, const uint8_t *, meta->l4_off), sizeof(port));
	return (f->sport_be == 0 || f->sport_be == port[0]) &&
	       (f->dport_be == 0 || f->dport_be == port[1]);
}

bool watch_match(const struct watch_filter *f, struct rte_mbuf *m)
{
	const struct weir_meta *meta = weir_meta(m);
	const uint32_t ip = meta->flags & (WEIR_META_IP4 | WEIR_META_IP6);

	if (f->port != WEIR_NO_PORT && f->port != meta->port_in)
		return false;
	if (f->proto != 0 && (ip == 0 || f->proto != meta->proto))
		return false;
	if ((f->src.family | f->dst.family | f->host.family) != 0 && !match_addresses(f, m))
		return false;
	return (f->sport_be | f->dport_be) == 0 || match_ports(f, m);
}

/* ---- the ring ---- */

const uint8_t *watch_bytes(const struct watch_record *r)
{
	return (const uint8_t *)(r + 1);
}

/* Write a record; m NULL: the packet is out of reach. False: there was no room. */
static bool record(struct watch *w, const struct weir_burst *b, unsigned stage, unsigned i,
		   struct rte_mbuf *m, uint32_t serial)
{
	struct watch_record *r = slots_reserve(&w->slots);

	if (r == NULL)
		return false;
	*r = (struct watch_record){
		.now_ns = b->pass->now_ns,
		.serial = serial,
		.stage = (uint8_t)stage,
		.verdict = b->verdict[i],
	};
	if (m != NULL) {
		r->known = true;
		r->meta = *weir_meta(m);
		r->wire_bytes = m->pkt_len;
		r->captured_bytes = capture_copy(m, w->conf.snap_bytes, (uint8_t *)(r + 1));
	}
	slots_commit(&w->slots);
	return true;
}

const struct watch_record *watch_peek(const struct watch *w)
{
	return slots_peek(&w->slots);
}

void watch_pop(struct watch *w)
{
	slots_pop(&w->slots);
}

uint64_t watch_lost(const struct watch *w)
{
	return slots_lost(&w->slots);
}

/* ---- following ---- */

static struct followed *find(struct watch *w, const struct rte_mbuf *m)
{
	for (unsigned i = 0; i < w->places; i++)
		if (w->followed[i].m == m)
			return &w->followed[i];
	return NULL;
}

/* Room for one more: a free place, else one whose packet is held, most likely for good. */
static struct followed *place(struct watch *w)
{
	struct followed *f = find(w, NULL);

	if (f == NULL && w->places < WATCH_FOLLOWED)
		return &w->followed[w->places++];
	for (unsigned i = 0; f == NULL && i < w->places; i++)
		if (w->followed[i].held)
			f = &w->followed[i];
	return f;
}

static struct followed *choose(struct watch *w, struct rte_mbuf *m)
{
	struct followed *f;

	if (w->chosen == w->conf.count || !watch_match(&w->conf.filter, m))
		return NULL;
	f = place(w);
	if (f == NULL)
		return NULL;
	*f = (struct followed){.m = m, .serial = ++w->chosen};
	weir_meta(m)->flags |= WEIR_META_TRACED;
	return f;
}

static void trace_one(struct watch *w, const struct weir_burst *b, unsigned stage, unsigned i)
{
	struct rte_mbuf *m = b->pkt[i];
	struct followed *f = find(w, m);

	if (b->verdict[i] == WEIR_HELD) {
		if (f == NULL || f->held)
			return;
		f->held = true;
		record(w, b, stage, i, NULL, f->serial);
		return;
	}
	if (f != NULL && !(weir_meta(m)->flags & WEIR_META_TRACED)) {
		f->m = NULL; /* the buffer carries another packet now */
		f = NULL;
	}
	/* Our own packets do not pass the stage where others are chosen. */
	if (f == NULL &&
	    (stage == w->conf.at || (stage + 1 == w->conf.origin && b->verdict[i] != WEIR_NEXT)))
		f = choose(w, m);
	if (f == NULL)
		return;
	f->held = false;
	record(w, b, stage, i, m, f->serial);
}

/* ---- capturing ---- */

static bool captured(const struct watch_conf *c, unsigned stage, enum weir_verdict verdict,
		     struct rte_mbuf *m)
{
	const struct weir_meta *meta = weir_meta(m);

	switch (c->kind) {
	case WATCH_STAGE:
		return stage == c->at;
	case WATCH_DROP:
		return verdict == WEIR_DROP && meta->drop == c->drop;
	case WATCH_RX:
		/* Not what goes round again, nor copies of ARP from other workers. */
		return stage == c->at && meta->laps == 0 &&
		       !(meta->flags & (WEIR_META_OURS | WEIR_META_LEARN));
	case WATCH_TX:
		/* A frame from another worker was seen there. */
		return verdict == WEIR_TX && meta->port_out == c->port_out && stage + 1 != c->at;
	case WATCH_TRACE:
		break;
	}
	return false;
}

static void capture_one(struct watch *w, const struct weir_burst *b, unsigned stage, unsigned i)
{
	struct rte_mbuf *m = b->pkt[i];

	if (b->verdict[i] == WEIR_HELD || w->chosen == w->conf.count)
		return;
	if (captured(&w->conf, stage, (enum weir_verdict)b->verdict[i], m) &&
	    watch_match(&w->conf.filter, m) && record(w, b, stage, i, m, w->chosen + 1))
		w->chosen++;
}

static void see(const struct weir_watch *hook, unsigned stage, const struct weir_burst *b)
{
	/* Ours, and made by us: only the hook's type is constant. */
	struct watch *w = (struct watch *)(uintptr_t)hook;

	for (unsigned i = 0; i < b->n; i++) {
		if (w->conf.kind == WATCH_TRACE)
			trace_one(w, b, stage, i);
		else
			capture_one(w, b, stage, i);
	}
}

/* ---- life ---- */

int watch_create(const struct watch_conf *conf, struct watch **out)
{
	struct watch *w = aligned_alloc(alignof(struct watch), sizeof(*w));
	int rc;

	if (w == NULL)
		return -ENOMEM;
	memset(w, 0, sizeof(*w));
	w->hook.see = see;
	w->conf = *conf;
	rc = slots_create(&w->slots, conf->slots, sizeof(struct watch_record) + conf->snap_bytes,
			  RTE_CACHE_LINE_SIZE);
	if (rc < 0) {
		watch_free(w);
		return rc;
	}
	*out = w;
	return 0;
}

void watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	slots_free(&w->slots);
	free(w);
}

const struct weir_watch *watch_hook(const struct watch *w)
{
	return &w->hook;
}
