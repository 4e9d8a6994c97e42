/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the files that send, and find out what was lost, share. */

#include "tcp_priv.h"

#define CARVE_BUFFERS 64 /* in a segment that is joined of several packets */
#define BACKOFF_KEPT  6	 /* timeouts in a row that progress without a sample leaves */
#define DUP_THRESHOLD 3	 /* RFC 5681 */

/* ---- the flight's accounts: each segment is in one of them, or on its first way ---- */

static inline uint32_t *seg_account(struct work *w, const struct seg *g)
{
	if (g->flags & SEG_SACKED)
		return &w->sacked_bytes;
	if (g->flags & SEG_LOST)
		return &w->lost_bytes;
	return g->flags & SEG_RESENT ? &w->resent_bytes : NULL;
}

static inline void seg_uncount(struct work *w, const struct seg *g)
{
	uint32_t *account = seg_account(w, g);

	if (account != NULL)
		*account -= g->end - g->seq;
}

static inline void seg_count(struct work *w, const struct seg *g)
{
	uint32_t *account = seg_account(w, g);

	if (account != NULL)
		*account += g->end - g->seq;
}

static inline void seg_change(struct work *w, struct seg *g, uint16_t set, uint16_t clear)
{
	seg_uncount(w, g);
	g->flags = (uint16_t)((g->flags & ~clear) | set);
	seg_count(w, g);
}

/* It is to be sent again (or for the first time). */
static inline void seg_set_lost(struct work *w, struct rte_mbuf *m)
{
	seg_change(w, seg_of(m), SEG_LOST, 0);
	if (w->lost_from == NULL || seq_lt(seg_of(m)->seq, seg_of(w->lost_from)->seq))
		w->lost_from = m;
}

static inline uint32_t flight_size(const struct conn *c)
{
	return c->snd_nxt - c->snd_una;
}

/* ---- tcp_snd.c ---- */

/* @m keeps its first @bytes, the rest follows it in @q. False: no buffer. 0 < @bytes < its all. */
bool snd_split(struct weir_stack *s, struct seg_queue *q, struct rte_mbuf *m, uint32_t bytes);
/* The first @bytes of payload of the flight's first segment have arrived. */
void snd_trim_first(struct work *w, uint32_t bytes);
/* All of it has. */
void snd_drop_first(struct work *w);

/* ---- one ACK on its way through these files ---- */

struct rate_sample {
	uint64_t delivered, delivered_ns; /* when the newest segment acked was sent; ns 0: none */
	uint64_t sent_ns, send_ns;
	uint32_t end, flight_bytes, lost_bytes;
	bool app_limited;
};

struct ack {
	struct conn *c;
	struct work *w;
	const struct segment *seg;
	uint64_t now_ns;
	uint32_t una_before, pipe_before;
	uint32_t new_bytes;	    /* that have arrived and were not known to have */
	uint32_t acked_segs;	    /* that left the flight */
	uint32_t prr_bytes;	    /* DeliveredData of RFC 9937 */
	struct seq_range dsack;	    /* from == to: none */
	uint64_t first_ns, last_ns; /* sent once and acknowledged now: when; 0: none */
	uint64_t sack_first_ns, sack_last_ns;
	struct rate_sample rate;
	bool resent_acked;	  /* one that was sent more than once */
	bool original_acked;	  /* one from before the timeout that was not (RFC 5682) */
	bool newly_sacked, moved; /* SND.UNA has */
	bool dup;		  /* a duplicate ACK as RFC 5681 section 2 has it */
	bool ended;		  /* recovery has, with this ACK */
	bool found_lost;
};

static inline bool ack_has_ece(const struct ack *a)
{
	return (a->c->flags & CONN_ECN) && (a->seg->flags & (TCP_ECE | TCP_SYN)) == TCP_ECE;
}

/* ---- tcp_sack.c: what has arrived ---- */

void sack_read(struct ack *a, struct acked *out);
/* The peer has dropped what it said it had (RFC 2018 section 8). */
void sack_forget(struct work *w);

/* ---- tcp_rate.c: samples of the delivery rate ---- */

void rate_sent(struct work *w, struct seg *g, uint64_t now_ns);
void rate_arrived(struct ack *a, struct seg *g);
/* Bytes a second; 0: no sample. */
uint64_t rate_of(const struct ack *a);

/* ---- tcp_rack.c: RACK-TLP, and what stands for it without SACK ---- */

void rack_arrived(struct ack *a, const struct seg *g);
void rack_on_dsack(struct ack *a);
/* Marks what is lost, sets loss.reorder_ns. @return whether something is, newly. */
bool rack_detect(struct conn *c, struct work *w, uint64_t now_ns);
/* After a timeout (RFC 8985 section 6.3). */
void rack_on_timeout(struct conn *c, struct work *w, uint64_t now_ns);
void rack_recovered(struct work *w);
/* Without SACK: duplicate ACKs and partial ones (RFC 6582). */
bool newreno_detect(struct ack *a);
void tlp_on_ack(struct ack *a);
/* @return false: no probe is to be sent. */
bool tlp_fire(struct conn *c, struct work *w);
void tlp_sent(struct conn *c, struct work *w, bool is_new);
/* When a probe is due; UINT64_MAX: never. */
uint64_t tlp_at_ns(const struct conn *c, const struct work *w);

/* ---- tcp_recovery.c: from loss to order ---- */

/* Something is lost; @ece: the ACK tells of a mark, too; @new_bytes have arrived with it. */
void recovery_lost(struct conn *c, struct work *w, bool ece, uint32_t new_bytes, uint64_t now_ns);
/* The ACK tells of a mark: once a window. */
void recovery_marked(struct conn *c, struct work *w, uint32_t new_bytes, uint64_t now_ns);
void recovery_timeout(struct conn *c, struct work *w, uint64_t now_ns);
/* Whether it was no loss, or is over. */
void recovery_on_ack(struct ack *a);
void recovery_resent(struct work *w, const struct seg *g, uint64_t now_ns);
/* Set cwnd (RFC 9937). */
void prr_update(struct work *w, uint32_t delivered_bytes, bool is_safe);
void prr_on_ack(struct ack *a);
