/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * TCP: what its files share. Sequence numbers are in host order and compared by seq_*(); times are
 * in nanoseconds of the caller's clock, round-trip times in microseconds.
 *
 * A connection's state is in three places: struct conn (192 bytes, as long as it lives), conn_count
 * (48 bytes, what it has counted) and struct work (while bytes are on their way, and some time
 * after). Half-open connections and those in TIME-WAIT are 64 bytes. All are found by the table.
 */

#include "stack_priv.h"

#include "tcp_small_priv.h"
#include "tcp_work_priv.h"
#include <assert.h>

#include <weir/wheel.h>

/* ---- a connection ---- */

enum tcp_state { /* RFC 9293 section 3.3.2; SYN-RECEIVED is half_open, TIME-WAIT time_wait */
		 TCPS_CLOSED,
		 TCPS_LISTEN,
		 TCPS_SYN_SENT,
		 TCPS_SYN_RECEIVED, /* here only by a simultaneous open, or by a fast one */
		 TCPS_ESTABLISHED,
		 TCPS_FIN_WAIT_1,
		 TCPS_FIN_WAIT_2,
		 TCPS_CLOSE_WAIT,
		 TCPS_CLOSING,
		 TCPS_LAST_ACK,
		 TCPS_FREE, /* nobody's, but a list still names it */
};

enum conn_flag {
	CONN_STAMPS = 1 << 0,  /* both use timestamps */
	CONN_SACK = 1 << 1,    /* the peer takes SACK */
	CONN_SCALE = 1 << 2,   /* both scale windows */
	CONN_ECN = 1 << 3,     /* both use ECN */
	CONN_CWR_DUE = 1 << 4, /* tell the peer that we have cut the window */
	CONN_ECE_DUE = 1 << 5, /* tell the peer of marks until it says CWR */
	CONN_NODELAY = 1 << 6,
	CONN_CORK = 1 << 7,
	CONN_KEEPALIVE = 1 << 8,
	CONN_ACK_NOW = 1 << 9, /* an ACK is due with the next poll */
	CONN_DIRTY = 1 << 10,  /* is in the list of those with something to send */
	CONN_READY = 1 << 11,  /* is in the list of events */
	CONN_ORPHAN = 1 << 12, /* the user has closed it */
	CONN_SHUT_RD = 1 << 13,
	CONN_FIN_QUEUED = 1 << 14,    /* the user has ended our direction */
	CONN_FIN_IN = 1 << 15,	      /* the peer has ended its, and all before it was received */
	CONN_LINGER = 1 << 16,	      /* SO_LINGER with 0: close resets */
	CONN_QUICKACK = 1 << 17,      /* acknowledge at once */
	CONN_FROM_LISTENER = 1 << 18, /* waits to be accepted */
	CONN_LEVEL = 1 << 19,	      /* events by level */
	CONN_BOUND = 1 << 20,	      /* has a port of its own: work is its index there */
	CONN_ECN_ASKED = 1 << 27,
	CONN_FULL_OUT = 1 << 21, /* a send was refused for want of room: tell when there is some */
	CONN_V6 = 1 << 22,	 /* its addresses are IPv6 */
	CONN_FASTOPEN = 1 << 23, /* the SYN brought data, or may: RFC 7413 */
	CONN_CE = 1 << 24,	 /* DCTCP: the last segment's mark */
	CONN_FIN_MADE = 1 << 25, /* the FIN has its place in the queue */
	CONN_IN_TABLE = 1 << 26,
	CONN_UNWATCHED_SHIFT = 28, /* four bits: enum weir_ready that nobody wants to hear of */
};

struct conn {
	struct ends ends;
	uint8_t state;	      /* enum tcp_state */
	uint8_t generation;   /* 1 to 255, of its handle */
	uint8_t scale_out;    /* shift of the peer's window */
	uint8_t scale_in : 4; /* and of ours */
	bool cuts : 1;	      /* long segments are cut behind us (weir_way.cuts) */
	/* Sequence numbers, RFC 9293 section 3.3.1. */
	uint32_t snd_una, snd_nxt, snd_wnd, snd_wl1, snd_wl2;
	uint32_t snd_wnd_most; /* the largest window that the peer has offered */
	uint32_t rcv_nxt;
	uint32_t rcv_adv;   /* the right edge that we have offered */
	uint32_t rcv_acked; /* RCV.NXT as last sent: Last.ACK.sent of RFC 7323 */
	uint32_t flags;	    /* enum conn_flag */
	uint32_t work;	    /* index, NONE while nothing is on its way; a listener: its own */
	uint32_t ts_recent;
	uint32_t ts_offset; /* random (RFC 7323 section 5.4) */
	uint16_t mss_out;   /* payload of a segment at most, options not counted */
	uint16_t mss_in;    /* as we have announced it */
	uint32_t srtt_us, rttvar_us, min_rtt_us; /* RFC 6298; srtt 0: nothing measured */
	uint32_t ssthresh;			 /* kept over rest */
	uint32_t rcvbuf;			 /* our window now, grows up to its limit */
	uint8_t backoff;			 /* retransmission timeouts in a row */
	uint8_t probes;				 /* keepalive or window probes without an answer */
	uint8_t error;				 /* errno, told once */
	uint8_t ready;				 /* enum weir_ready that was not told yet */
	uint32_t opts;				 /* index of its settings (sockopt.c) */
	uint32_t next_dirty;			 /* in lists */
	uint32_t next_ready;
	uint32_t heard_tick; /* when the peer was last heard, tick_of() */
	void *user;
	struct weir_stack *stack;
	uint64_t due_ns;	 /* when the timer has to do something; UINT64_MAX: never */
	struct weir_timer timer; /* armed for due_ns or before: it is lazy */
};
static_assert(sizeof(struct conn) == 3 * RTE_CACHE_LINE_SIZE, "three lines a connection");

#define TABLE_BYTES 13 /* of a place in the table, all counted */

struct conn_count {
	uint64_t in_bytes, out_bytes; /* received in order, acknowledged */
	uint32_t in_segs, out_segs, resent_segs;
	uint32_t began_tick;	/* when, tick_of() */
	uint32_t data_tick;	/* when bytes came last */
	uint32_t acked_tick;	/* when of ours was acknowledged last, or sent after rest */
	uint32_t answered_tick; /* when something outside of the window was answered last */
	uint16_t mss_most;	/* payload of a segment as the peer and TCP_MAXSEG have it */
	uint8_t by_source;	/* its source knows of it (tcp_source.c) */
	/* RFC 5482: the peer's user timeout in units of 30 s, 0: it has told none; ours is to be
	   told. */
	uint8_t peer_uto : 7, uto_due : 1;
};
static_assert(sizeof(struct conn) + sizeof(struct conn_count) + TABLE_BYTES <= 256,
	      "an idle connection costs at most 256 bytes in all, with its place in the table");

/* ---- RTT (tcp_rtt.c): RFC 6298 with Linux's bounds ---- */

#define RTO_MIN_US   200000u
#define RTO_MAX_US   120000000u
#define RTO_FIRST_US 1000000u
#define RTO_AGAIN_US 3000000u /* after a SYN that was sent again */

/* A measured round trip, not of a segment that was sent twice unless by timestamps (Karn). */
void rtt_sample(struct conn *c, uint32_t rtt_us);
/* The handshake took several SYNs, and has told nothing of round trips. */
void rtt_after_lost_syn(struct conn *c);
/* With back-off. */
uint32_t rto_us(const struct conn *c);

/* ---- the queue of sending (tcp_snd.c) and what is lost (tcp_loss.c) ---- */

/*
 * Put the application's bytes behind the unsent. Takes @m, a packet of any number of segments;
 * seg_of(m)->flags are SEG_PSH, SEG_FIN or SEG_SYN, or none.
 */
void snd_append(struct work *w, struct rte_mbuf *m);

/*
 * Cut the next segment of at most @most bytes from the unsent, move it to the flight and give it
 * its sequence number: moves c->snd_nxt. Buffers are divided by reference. Until snd_sent() it is
 * LOST: if it cannot be sent now, snd_lost() gives it again.
 * @return NULL: nothing is unsent, or no buffer.
 */
struct rte_mbuf *snd_carve(struct weir_stack *s, struct conn *c, struct work *w, uint32_t most);

/*
 * The first segment of the flight that is lost and not sent again yet, cut to @most bytes; NULL:
 * none, or no buffer to divide it. It is LOST until snd_sent(). What leaves has to be a clone:
 * segments of the flight are trimmed and divided.
 */
struct rte_mbuf *snd_lost(struct weir_stack *s, struct work *w, uint32_t most);

/* A segment of the flight was sent, for the first time or again. */
void snd_sent(struct conn *c, struct work *w, struct rte_mbuf *m, uint64_t now_ns);

/* What an ACK did. */
struct acked {
	uint32_t bytes;	 /* of payload that left the flight */
	bool fin, syn;	 /* what else did */
	bool is_new;	 /* SND.UNA has moved, or something was newly SACKed */
	uint32_t rtt_us; /* 0: none measured */
};

/*
 * An acceptable ACK (SND.UNA <= SEG.ACK <= SND.NXT) of a connection whose SND.WND is updated
 * already. Removes what is acknowledged, marks what is SACKed,
 * finds what is lost (RACK), drives recovery (PRR, F-RTO, undo by DSACK or timestamps; without SACK
 * NewReno), samples rate and round trip, tells congestion control, sets w->rtx_at_ns anew.
 * Moves c->snd_una.
 */
void loss_on_ack(struct weir_stack *s, struct conn *c, struct work *w, const struct segment *seg,
		 struct acked *out);

/* w->rtx_at_ns has come, and the kind is RTX_RTO, _TLP or _REORDER: marks what is to be sent. */
void loss_on_timer(struct weir_stack *s, struct conn *c, struct work *w, uint64_t now_ns);

/* Something was sent: set w->rtx_at_ns anew. RTX_PROBE is left alone. */
void loss_arm(struct conn *c, struct work *w, uint64_t now_ns);

/* How many bytes may be sent now as congestion control and PRR have it, a probe (TLP) with them. */
uint32_t loss_room(const struct conn *c, const struct work *w);

/* The path is known to be narrower: segments of the flight longer than @mss are lost (RFC 1191).
   Sets the MSS of congestion control. */
void loss_on_mss(struct conn *c, struct work *w, uint32_t mss);

/* ---- the queue of receiving (tcp_rcv.c) ---- */

/* What became of a segment's bytes. */
enum rcv_what {
	RCV_NOTHING,  /* nothing new: a duplicate (told by a DSACK), or no room */
	RCV_IN_ORDER, /* RCV.NXT has moved */
	RCV_EARLY,    /* a hole is before it */
};

/*
 * Take a segment's bytes and FIN, none of which is above the window; what is below RCV.NXT, all or
 * some, becomes a DSACK. Takes seg->m, always. Moves c->rcv_nxt, sets CONN_FIN_IN when all before
 * the FIN is there. Counts tcp_in_bytes, tcp_disordered and tcp_memory of the statistics.
 */
enum rcv_what rcv_take(struct weir_stack *s, struct conn *c, struct work *w, struct segment *seg);

/* What of a segment is below RCV.NXT becomes a DSACK. @return whether any is. */
bool rcv_again(const struct conn *c, struct work *w, const struct segment *seg);

/* The oldest packet that is ready, the caller's from now on; NULL: none. */
struct rte_mbuf *rcv_pop(struct weir_stack *s, struct work *w);
/* The oldest bytes, by copying. @return how many. */
uint32_t rcv_copy(struct weir_stack *s, struct work *w, void *to, uint32_t bytes);
/* Forget all that has come. */
void rcv_free(struct weir_stack *s, struct work *w);

/* SACK blocks to tell, a DSACK first and once (RFC 2883), then newest first (RFC 2018). */
uint8_t rcv_sacks(struct work *w, struct seq_range out[SACK_BLOCKS], uint8_t most);

/* How many there are to tell. */
static inline uint32_t rcv_sacks_due(const struct work *w)
{
	return w->ranges + (w->dsack.from != w->dsack.to);
}

/* The application has taken @bytes at @now_ns: the window may have to grow (auto-tuning). */
void rcv_tune(struct weir_stack *s, struct conn *c, struct work *w, uint32_t bytes,
	      uint64_t now_ns);

/* ---- the table (tcp_table.c): hash to what lies there, a miss of one line in the common case ----
 */

enum ref_kind { REF_NONE, REF_CONN, REF_HALF_OPEN, REF_TIME_WAIT };
#define REF_KIND_BITS	 2
#define REF(kind, index) ((uint32_t)(index) << REF_KIND_BITS | (kind))

struct tcp_table;

int tcp_table_create(uint32_t most, struct tcp_table **out);
void tcp_table_free(struct tcp_table *t);
void tcp_table_prefetch(const struct tcp_table *t, uint32_t hash);
/*
 * The refs of a hash, one after the other: the caller compares ends. *@at is 0 at first.
 * @return 0: no more.
 */
uint32_t tcp_table_next(const struct tcp_table *t, uint32_t hash, uint32_t *at);
/* False: as many as may be are in it. */
bool tcp_table_add(struct tcp_table *t, uint32_t hash, uint32_t ref);
/* It is in there. */
void tcp_table_remove(struct tcp_table *t, uint32_t hash, uint32_t ref);
/* It is in there, as @old. */
void tcp_table_replace(struct tcp_table *t, uint32_t hash, uint32_t old, uint32_t ref);

/* ---- numbers that nobody guesses (tcp_secret.c) ---- */

uint32_t ends_hash(const struct weir_siphash_key *key, const struct ends *e);
/* RFC 6528: 4 us a step. */
uint32_t tcp_isn(const struct weir_siphash_key *key, const struct ends *e, uint64_t now_ns);
uint32_t tcp_ts_offset(const struct weir_siphash_key *key, const struct ends *e);

/* What a SYN cookie keeps: MSS (rounded down) and, in the timestamp, scale, SACK and ECN. */
struct cookie {
	uint16_t mss;
	uint8_t scale; /* of the peer; NO_SCALE: none */
	bool sack, ecn;
};

/* Our ISN that is a cookie (RFC 4987 section 3.6), valid for one to two minutes. */
uint32_t cookie_make(const struct weir_siphash_key *key, const struct ends *e, uint32_t peer_isn,
		     const struct cookie *c, uint64_t now_ns);
/* The lowest bits of our timestamp, so that it still grows: what cookie_read_stamp() gives. */
uint32_t cookie_stamp(uint32_t stamp, const struct cookie *c);
/* @ack is our ISN + 1, @seq the peer's ISN + 1. False: it is none of ours, or old. Sets mss. */
bool cookie_read(const struct weir_siphash_key *key, const struct ends *e, uint32_t seq,
		 uint32_t ack, uint64_t now_ns, struct cookie *out);
/* Sets the rest from the echo of our stamp. */
void cookie_read_stamp(uint32_t echo, struct cookie *out);
/* RFC 7413's of a peer's address, 8 bytes. Another one each hour. */
uint64_t fastopen_cookie(const struct weir_siphash_key *key, const struct ends *e, uint32_t hour);

/* ---- who listens (tcp_listen.c) ---- */

/* A port that is bound; a listener once somebody listens. */
struct port {
	struct weir_endpoint at;
	uint32_t conn; /* whose */
	uint32_t next; /* in its bucket, or of the free ones */
	uint32_t backlog, n_waiting;
	struct list waiting; /* connections to accept, by next_ready */
	bool is_drained;
	/* Of fast open: connections whose handshake goes on, and those that were reset in it. */
	uint32_t n_fast, n_fast_reset;
	uint64_t fast_reset_until_ns; /* the latter count until then */
};

#define PORT_BUCKETS   1024
#define COOKIE_LIFE_NS UINT64_C(128000000000) /* ACKs are taken for cookies so long */
#define RCVBUF_FIRST   65535u
#define MSS_LEAST      88u   /* Linux's (tcp_min_snd_mss, with room for options) */
#define BASE_MSS       1024u /* as Linux; RFC 4821 section 7.2 */
#define MSS4_DEFAULT   536u  /* RFC 9293 section 3.7.1 */
#define MSS6_DEFAULT   1220u
#define DELAYED_ACK_NS 40000000u
#define ECT0	       2

#define SYN_RETRIES 5

struct tcp {
	struct conn *conns;
	struct conn_count *counts;
	struct work *works;
	struct port *ports;
	struct slab half_open, time_wait;
	struct tcp_table *table;
	struct tcp_sources *sources; /* NULL: who connects has no limits */
	struct weir_wheel *wheel;
	uint32_t conn_free, work_free, port_free;
	uint32_t conn_touched, work_touched; /* those above were never used */
	uint32_t dirty;			     /* conns by next_dirty */
	uint32_t port_next;		     /* RFC 6056 */
	uint64_t small_due_ns;		     /* when the first of the lists below is due */
	struct fast_peer *fast_peers;	     /* who has given us cookies */
	struct list syns[SYN_RETRIES + 1];   /* half-open ones by how often they were answered */
	struct list waits;
	uint32_t port_buckets[PORT_BUCKETS];
	uint32_t *port_users;	   /* connections and TIME-WAIT, by our port in network order */
	uint64_t cookies_until_ns; /* since the last one was sent: ACKs are taken for one */
	struct weir_siphash_key isn_key;
	uint64_t challenge_from_ns; /* a second of RFC 5961's limit, and what it has had */
	uint32_t challenges;
	uint8_t scale_in; /* of all our windows */
};

static inline uint32_t conn_index(const struct conn *c)
{
	return (uint32_t)(c - c->stack->tcp->conns);
}

static inline struct conn_count *count_of(const struct conn *c)
{
	return &c->stack->tcp->counts[conn_index(c)];
}

/* NULL: nothing is on its way. */
static inline struct work *work_of(const struct conn *c)
{
	return c->work == NONE || (c->flags & CONN_BOUND) ? NULL : &c->stack->tcp->works[c->work];
}

/* Our SYN, or SYN-ACK, is not acknowledged yet. */
static inline bool syn_waits(const struct work *w)
{
	return w->flight.head != NULL && (seg_of(w->flight.head)->flags & SEG_SYN);
}

/* Data may be sent: after the handshake, and in it to who has shown a cookie (RFC 7413 4.2.2). */
static inline bool conn_is_open(const struct conn *c)
{
	return c->state >= TCPS_ESTABLISHED ||
	       (c->state == TCPS_SYN_RECEIVED && c->flags & CONN_FASTOPEN);
}

/* The SYN waits for data that it brings. */
static inline bool syn_is_held(const struct conn *c)
{
	return c->state == TCPS_SYN_SENT && c->flags & CONN_FASTOPEN &&
	       seg_of(work_of(c)->flight.head)->sent_count == 0;
}

/* ---- tcp.c: the doors ---- */

int tcp_create(struct weir_stack *s);
void tcp_free(struct weir_stack *s);
/* What is known by these ends; 0: nothing. */
uint32_t tcp_find(const struct tcp *t, uint32_t hash, const struct ends *e);
/* Segments for us: takes them all. */
void tcp_input(struct weir_stack *s, struct rte_mbuf **pkts, uint16_t n);
/* Timers, and what is to be sent. @return when it is due again. */
uint64_t tcp_poll(struct weir_stack *s);

/* ---- tcp_conn.c: birth and death ---- */

/* With no ends, CLOSED. NULL: there are as many as may be. */
struct conn *conn_new(struct weir_stack *s);
/* The connection is over: @error is told, 0: in order. Whose user has closed it is freed. */
void conn_end(struct conn *c, int error);
/* Its place is another's from now on. Not in the table any more. */
void conn_free(struct conn *c);
/* Known by its ends from now on, and then conn_entered(). False: the table is full. */
bool conn_add(struct conn *c, uint32_t hash);
void conn_entered(struct conn *c);
/* Segments have at most so many bytes from now on; those on their way are divided. */
void conn_set_mss(struct conn *c, uint32_t mss);
/* For who has none; NULL: as many are as may be. */
struct work *work_new(struct conn *c);
/* What is on its way, made if there was nothing; NULL as above. */
static inline struct work *work_get(struct conn *c)
{
	return c->work != NONE ? &c->stack->tcp->works[c->work] : work_new(c);
}
void work_put(struct conn *c);
/* From FIN-WAIT-2 or CLOSING to TIME-WAIT: the connection ends, 64 bytes remain. */
void conn_wait(struct conn *c);
/* A reset leaves, and it is over. */
void conn_abort(struct conn *c, int error);
/* Something is to be sent with the next poll. */
void conn_dirty(struct conn *c);
/* The user is to be told. @bits: enum weir_ready. */
void conn_ready(struct conn *c, uint32_t bits);
/* The user is told by the next call for events what has changed, or is so by level. */
void conn_ask_again(struct conn *c);
/* The user was told of no room, and is to be told of some. */
void conn_want_room(struct conn *c);
void conn_tell_room(struct conn *c);
/* What it is ready for now. */
uint32_t conn_level(const struct conn *c);
/* Bytes that may be held now. */
static inline uint64_t memory_most(const struct weir_stack *s)
{
	return s->pool_level == POOL_PLENTY ? s->conf.memory_bytes : s->short_bytes;
}

/* Held bytes up to which memory is for all; the rest is for who has nothing in a queue yet. */
static inline uint64_t memory_shared(const struct weir_stack *s)
{
	return memory_most(s) - memory_most(s) / 8;
}

/* tcp_memory.c: look at the pool now and then, and slow down while buffers are short. */
void memory_look(struct weir_stack *s);

/* Bytes that may be queued to be sent now. */
uint32_t conn_room(const struct conn *c);
/* The user has no more to send: FIN follows. */
void conn_finish(struct conn *c);
/* SND.WND bytes from what a header says. */
static inline uint32_t stamp_rtt_us(const struct conn *c, uint32_t echo)
{
	const uint32_t ticks = tick_of(c->stack->now_ns) + c->ts_offset - echo;

	return ticks == 0 ? 1 : (uint32_t)RTE_MIN((uint64_t)ticks * 1049, (uint64_t)RTO_MAX_US);
}
static inline uint32_t conn_wnd(const struct conn *c, const struct segment *seg)
{
	return seg->wnd << (seg->flags & TCP_SYN ? 0 : c->scale_out);
}

/* The user is gone: what is queued is sent, and FIN; or a reset, if bytes were not read. */
void conn_close(struct conn *c);

/* ---- tcp_input.c: SEGMENT ARRIVES ---- */

/* Sequence numbers, windows and MSS to begin with; ours is @iss + 1 next. */
void conn_begin(struct conn *c, uint32_t iss, uint32_t irs, uint16_t peer_mss);
/* The handshake is done, by this segment. */
void conn_establish(struct conn *c, const struct segment *g);
/* SYN-RECEIVED by a SYN that shows a cookie: its window and its data count. */
void conn_begin_fast(struct conn *c, struct segment *g);

void conn_input(struct conn *c, struct segment *seg);

/* ---- tcp_listen.c: LISTEN and SYN-RECEIVED, cookies ---- */

struct port *port_find(struct weir_stack *s, const struct ends *e, bool v6);
/* A segment for a listener and no connection. @iss: to begin with, 0: any. */
void listen_input(struct weir_stack *s, struct port *p, struct segment *seg, uint32_t iss);
void half_open_input(struct weir_stack *s, uint32_t i, struct segment *seg);
/* It has become a connection; or is to be forgotten, and is in the table. */
void half_open_end(struct weir_stack *s, uint32_t i);
void half_open_forget(struct weir_stack *s, uint32_t i);
/* Answers again those that are due, @most at once. @return when the next is. */
uint64_t half_open_run(struct weir_stack *s, unsigned most);
/* Nobody listens any more. */
void conn_unlisten(struct conn *listener);
int port_bind(struct conn *c, const struct weir_endpoint *at);
void port_free(struct conn *c);
struct port *port_of(const struct conn *c); /* NULL: not bound */
int conn_listen(struct conn *c, uint32_t backlog);
/* -EAGAIN: none waits. */
int conn_accept(struct conn *listener, struct conn **out);

/* ---- tcp_fastopen.c: RFC 7413 ---- */

enum fastopen_syn {
	FASTOPEN_NONE, /* the usual handshake */
	FASTOPEN_GIVE, /* the same, and the SYN-ACK brings a cookie */
	FASTOPEN_GOOD, /* it shows a cookie of ours */
	FASTOPEN_OLD,  /* the same, of the hour before: it is to get another */
};

/* What a SYN for a listener asks for. */
enum fastopen_syn fastopen_judge(struct weir_stack *s, struct port *p, const struct segment *g);
/* The cookie of a peer as it is now. */
void fastopen_give(struct weir_stack *s, const struct ends *e, struct tcp_opts *o);
/* A connection that a SYN has begun is one of those whose handshake goes on. */
void fastopen_pending(struct conn *c, const struct conn *listener);
/* It is no more, if it was: our SYN-ACK is acknowledged; a reset came; the connection ends. */
void fastopen_confirmed(struct conn *c, struct work *w);
void fastopen_reset(struct conn *c, struct work *w);
void fastopen_done(struct conn *c, struct work *w);
/* The same SYN once more: our answer was lost. */
bool fastopen_is_again(const struct conn *c, const struct segment *g);

/* ---- tcp_fastopen_connect.c: RFC 7413, who connects ---- */

int fastopen_create(struct tcp *t);
void fastopen_free(struct tcp *t);
/* Whether the SYN that is queued waits for data: the peer has given a cookie. */
bool fastopen_hold(struct conn *c);
/* Data that leave with the first SYN, in the flight behind it. NULL: none, or no buffer. */
struct rte_mbuf *fastopen_data(struct conn *c, struct work *w);
/* What the first SYN says of it: a cookie, a request for one, or nothing. */
void fastopen_ask(const struct conn *c, struct tcp_opts *o);
/* A SYN-ACK has come, for data of so many bytes; @again: not for the first SYN alone. */
void fastopen_answered(struct conn *c, struct work *w, const struct segment *g, bool again,
		       uint32_t taken_bytes);
/* It is not to be tried with this peer for a while. */
void fastopen_harmed(struct conn *c);

/* ---- tcp_uto.c: RFC 5482 ---- */

/* How long data may stay unacknowledged until the connection ends; 0: as long as retries last. */
uint64_t uto_ns(const struct conn *c);
/* What a segment has told; where the application has asked for it. */
void uto_heed(struct conn *c, const struct tcp_opts *o);
struct settings;
void uto_tell(const struct settings *set, struct tcp_opts *o);
/* The connection is open: the first segment says it, too (section 3.2). */
void uto_begin(struct conn *c);
/* Our timeout is another: the peer is told. */
void uto_changed(struct conn *c);

/* ---- tcp_wait.c: TIME-WAIT ---- */

void wait_input(struct weir_stack *s, uint32_t i, struct segment *seg);
/* Of a slab's line that is filled and in the table. */
void wait_begin(struct weir_stack *s, uint32_t i);
/* NONE is allowed. */
void wait_end(struct weir_stack *s, uint32_t i);
/* Ends those that are due, @most at once. @return when the next is. */
uint64_t wait_run(struct weir_stack *s, unsigned most);

/* ---- tcp_timer.c ---- */

/* The timer is to fire at @c's next deadline at the latest. */
void conn_arm(struct conn *c);
/* Only this deadline is new. */
void conn_arm_at(struct conn *c, uint64_t at_ns);
void conn_fire(struct weir_timer *t, uint64_t now_ns);
/* Half-open ones and TIME-WAIT. @return when the next is due. */
uint64_t small_run(struct weir_stack *s);

/* ---- tcp_ack.c: when what has come is acknowledged ---- */

/* An ACK leaves with the next poll, unless a segment with bytes does. */
void ack_now(struct conn *c);
/* Something is missing, or came twice: some segments are acknowledged at once. */
void ack_lost(struct work *w);
/* @g is about to be taken: what is due before it has an ACK of its own while something is lost. */
void ack_before(struct conn *c, const struct work *w, const struct segment *g);
/* It was taken. Counts it in conn_count.in_segs. */
void ack_after(struct conn *c, struct work *w, const struct segment *g, enum rcv_what what);

/* ---- tcp_output.c ---- */

/* Send what may be sent now: what is lost, what is new, an ACK. */
void conn_output(struct conn *c);
/* One segment without bytes: ACK, a probe of the window or of life. False: no buffer. */
bool conn_send_bare(struct conn *c, uint32_t seq, uint8_t flags);
/* An ACK at once, of what is below @ack: of all, or of a part of what has come. */
bool conn_acknowledge(struct conn *c, uint32_t ack);
/* One without a connection. */
void tcp_reply(struct weir_stack *s, const struct ends *e, bool v6, uint32_t seq, uint32_t ack,
	       uint8_t flags, uint16_t wnd, const struct tcp_opts *opts);
/* RFC 9293 section 3.10.7.1: the answer to a segment that belongs to nobody. */
void tcp_reset(struct weir_stack *s, const struct segment *seg);
/* The window that we offer now, in bytes. */
uint32_t conn_window(const struct conn *c);

/* No window is opened by less: section 3.8.6.2.2. */
static inline uint32_t window_least(const struct conn *c)
{
	return RTE_MIN(c->rcvbuf / 2, (uint32_t)c->mss_in);
}
/* What our SYN says. */
struct tcp_opts syn_opts(struct weir_stack *s, const struct conn *c);
/* Payload of a packet at most on the way to the peer. */
uint16_t way_mss(struct weir_stack *s, const struct ends *e, bool v6);
/* The same, and *cuts: whether longer segments are cut on it. */
uint16_t way_path(struct weir_stack *s, const struct ends *e, bool v6, bool *cuts);

/* ---- tcp_mtu.c: how long segments may be where nobody says it ---- */

/* The handshake has told that the peer takes @most. */
void mtu_begin(struct conn *c, uint16_t most);
/* A retransmission timer has run out: are segments too long for the path? */
void mtu_on_timeout(struct conn *c);
/*
 * Whether the next segment is to be a probe; @mss are in one with the options that it has.
 * @return by how much it is longer than others; 0: it is none.
 */
uint32_t mtu_probe_more(struct conn *c, struct work *w, uint32_t mss);
/* One has left that is longer by @more. */
void mtu_sent(struct conn *c, struct work *w, struct rte_mbuf *m, uint32_t more);
/* It has arrived: segments are as long from now on. */
void mtu_arrived(struct conn *c, struct work *w, struct seg *g);
/* It has not. @alone: nothing else is lost, so that it says something about the path's width. */
void mtu_lost(struct conn *c, struct work *w, struct seg *g, bool alone);
/* An ICMP error has told of a narrower path, about the segment at @seq. */
void mtu_told(struct conn *c, uint32_t seq);

/* ---- tcp_connect.c ---- */

int conn_connect(struct conn *c, const struct weir_endpoint *to);
/* Put the first SYN, or SYN-ACK, into the flight; its number is c->snd_una. 0 or -ENOBUFS. */
int syn_queue(struct conn *c);
/* The SYN of the flight is to be sent (again). */
void syn_again(struct conn *c);

/* ---- ../socket ---- */

/* NULL: it was closed, or never was one. */
static inline struct conn *conn_by(struct weir_stack *s, weir_sock sock)
{
	const uint32_t index = sock & ((UINT32_C(1) << SOCK_INDEX_BITS) - 1);
	struct conn *c;

	if (index < s->conf.sockets || s->tcp == NULL ||
	    index - s->conf.sockets >= s->tcp->conn_touched)
		return NULL;
	c = &s->tcp->conns[index - s->conf.sockets];
	return c->generation == sock >> SOCK_INDEX_BITS && c->state != TCPS_FREE &&
			       !(c->flags & (CONN_ORPHAN | CONN_FROM_LISTENER))
		       ? c
		       : NULL;
}
weir_sock conn_handle(const struct conn *c);
struct weir_endpoint conn_ours(const struct conn *c);
struct weir_endpoint conn_peer(const struct conn *c);
struct tcp_info;
void conn_info(const struct conn *c, struct tcp_info *out);
/* A UDP socket for the table of all. False: nobody's. */
bool sock_look(const struct weir_stack *s, uint32_t index, struct weir_sock_info *out);

/* ---- ../socket/sockopt.c: settings that connections share ---- */

#define SETTINGS_MOST 1024

struct settings {
	uint64_t deadline_ns[WEIR_DEADLINES];
	const struct cc_ops *cc;
	uint32_t sndbuf, rcvbuf; /* rcvbuf 0: tuned */
	uint32_t user_timeout_ms, keep_idle_s, keep_interval_s, linger2_s, defer_s;
	uint32_t fastopen; /* of a listener: handshakes that may go on at once; 0: none */
	uint16_t maxseg;
	uint8_t keep_count, syn_count, tos, fastopen_connect, uto;
	bool v6_only, reuse, reuseport;
};

/* Entry 0 is the stack's default and never goes. */
struct settings_table {
	uint32_t used;
	uint32_t users[SETTINGS_MOST];
	struct settings at[SETTINGS_MOST];
};

static inline const struct settings *settings_of(const struct conn *c)
{
	return &c->stack->settings->at[c->opts];
}
int settings_create(struct weir_stack *s);
void settings_free(struct weir_stack *s);
/* What a connection had; of a listener's child: what the listener has. */
void settings_drop(struct conn *c);
void settings_inherit(struct conn *c, const struct conn *from);
