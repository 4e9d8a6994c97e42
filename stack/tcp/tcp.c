/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * TCP's doors: segments of a burst are read, looked up with their lines fetched ahead, and handed
 * to what they belong to; poll runs timers and lets those send that have something to.
 */

#include "tcp_source_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#define BURST	  32u
#define TICK_NS	  (UINT64_C(1) << 17)
#define TIMERS	  4096 /* fired in one poll at most */
#define TCP_BYTES 20

/* ---- beginning and end ---- */

/* A window of @bytes is sent in 16 bits (RFC 7323 section 2.3). */
static uint8_t scale_for(uint32_t bytes)
{
	uint8_t scale = 0;

	while (scale < 14 && bytes >> scale > UINT16_MAX)
		scale++;
	return scale;
}

static void make_free_lists(struct weir_stack *s)
{
	struct tcp *t = s->tcp;

	t->conn_free = NONE;
	t->work_free = NONE;
	t->dirty = NONE;
	for (uint32_t i = 0; i < s->conf.sockets; i++)
		t->ports[i].next = i + 1 < s->conf.sockets ? i + 1 : NONE;
	for (uint32_t i = 0; i < PORT_BUCKETS; i++)
		t->port_buckets[i] = NONE;
	for (unsigned i = 0; i <= SYN_RETRIES; i++)
		t->syns[i] = (struct list){NONE, NONE};
	t->waits = (struct list){NONE, NONE};
}

/* calloc() of much is zero pages: what is never used costs nothing. */
static int take_memory(struct weir_stack *s, const struct weir_stack_conf *c)
{
	struct tcp *t = s->tcp;
	int rc;

	t->conns = aligned_alloc(RTE_CACHE_LINE_SIZE, (size_t)c->connections * sizeof(*t->conns));
	t->counts = calloc(c->connections, sizeof(*t->counts));
	t->works = aligned_alloc(RTE_CACHE_LINE_SIZE, (size_t)c->active * sizeof(*t->works));
	t->ports = calloc(c->sockets, sizeof(*t->ports));
	t->port_users = calloc(UINT16_MAX + 1, sizeof(*t->port_users));
	if (t->conns == NULL || t->counts == NULL || t->works == NULL || t->ports == NULL ||
	    t->port_users == NULL)
		return -ENOMEM;
	rc = slab_create(&t->half_open, c->half_open);
	if (rc == 0)
		rc = slab_create(&t->time_wait, c->time_wait);
	if (rc == 0)
		rc = tcp_table_create(c->connections + c->half_open + c->time_wait, &t->table);
	if (rc == 0)
		rc = weir_wheel_create(TICK_NS, c->now_ns, &t->wheel);
	if (rc == 0)
		rc = fastopen_create(t);
	return rc;
}

static void set_defaults(struct weir_stack_conf *c)
{
	if (c->active == 0 || c->active > c->connections)
		c->active = c->connections;
	if (c->half_open == 0)
		c->half_open = RTE_MAX(c->connections / 4, 64u);
	if (c->time_wait == 0)
		c->time_wait = c->connections;
	if (c->sndbuf_bytes == 0)
		c->sndbuf_bytes = 256 << 10;
	if (c->rcvbuf_bytes == 0)
		c->rcvbuf_bytes = 1 << 20;
	if (c->memory_bytes == 0)
		c->memory_bytes = (uint64_t)c->pool->size * rte_pktmbuf_data_room_size(c->pool) / 2;
	if (c->base_mss == 0)
		c->base_mss = BASE_MSS;
	c->base_mss = RTE_MAX(c->base_mss, MSS_LEAST);
	if (c->congestion == NULL)
		c->congestion = "cubic";
}

int tcp_create(struct weir_stack *s)
{
	struct weir_stack_conf *c = &s->conf;
	int rc;

	if (c->connections == 0)
		return 0;
	if (c->connections > WEIR_STACK_CONNECTIONS_MAX || c->half_open > 1u << 24 ||
	    c->time_wait > 1u << 24)
		return -EINVAL;
	set_defaults(c);
	s->tcp = calloc(1, sizeof(*s->tcp));
	if (s->tcp == NULL)
		return -ENOMEM;
	rc = take_memory(s, c);
	if (rc == 0)
		rc = settings_create(s);
	if (rc == 0)
		rc = sources_create(s);
	if (rc < 0)
		return rc;
	make_free_lists(s);
	s->tcp->isn_key = (struct weir_siphash_key){weir_siphash13_u64(&c->secret, 1),
						    weir_siphash13_u64(&c->secret, 2)};
	s->tcp->scale_in = scale_for(c->rcvbuf_bytes);
	s->tcp->small_due_ns = UINT64_MAX;
	return 0;
}

void tcp_free(struct weir_stack *s)
{
	struct tcp *t = s->tcp;

	if (t == NULL)
		return;
	for (uint32_t i = 0; i < t->conn_touched; i++)
		if (t->conns[i].state != TCPS_LISTEN && t->conns[i].state != TCPS_FREE &&
		    t->conns[i].work != NONE)
			work_put(&t->conns[i]);
	settings_free(s);
	sources_free(s);
	weir_wheel_free(t->wheel);
	fastopen_free(t);
	tcp_table_free(t->table);
	free(t->half_open.at);
	free(t->time_wait.at);
	free(t->port_users);
	free(t->ports);
	free(t->works);
	free(t->counts);
	free(t->conns);
	free(t);
}

/* ---- input ---- */

static void read_ends(const struct rte_mbuf *m, const struct weir_meta *meta,
		      const struct tcphdr *tcp, struct segment *g)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, meta->l3_off);

	g->ends = (struct ends){.our_port = tcp->dest, .peer_port = tcp->source};
	if (meta->flags & WEIR_META_IP4) {
		const struct iphdr *ip4 = (const struct iphdr *)ip;

		memcpy(g->ends.ours, &ip4->daddr, 4);
		memcpy(g->ends.peer, &ip4->saddr, 4);
		g->v6 = false;
		g->ce = (ip4->tos & 3) == 3;
		g->l4_bytes = ntohs(ip4->tot_len) - (uint32_t)(meta->l4_off - meta->l3_off);
	} else {
		const struct ip6_hdr *ip6 = (const struct ip6_hdr *)ip;

		memcpy(g->ends.ours, &ip6->ip6_dst, 16);
		memcpy(g->ends.peer, &ip6->ip6_src, 16);
		g->v6 = true;
		g->ce = (ntohl(ip6->ip6_flow) >> 20 & 3) == 3;
		g->l4_bytes = ntohs(ip6->ip6_plen) + (uint32_t)sizeof(*ip6) -
			      (uint32_t)(meta->l4_off - meta->l3_off);
	}
}

/* False: it is no segment (RFC 9293 section 3.1). Headers are in the first buffer. */
static bool read_segment(struct weir_stack *s, struct rte_mbuf *m, struct segment *g)
{
	const struct weir_meta *meta = weir_meta(m);
	const uint8_t *p = rte_pktmbuf_mtod_offset(m, const uint8_t *, meta->l4_off);
	const struct tcphdr *tcp = (const struct tcphdr *)p;
	uint32_t header_bytes;

	if (m->data_len < meta->l4_off + TCP_BYTES)
		return false;
	header_bytes = tcp->doff * 4u;
	read_ends(m, meta, tcp, g);
	if (header_bytes < TCP_BYTES || header_bytes > g->l4_bytes ||
	    meta->l4_off + header_bytes > m->data_len || meta->l4_off + g->l4_bytes > m->pkt_len)
		return false;
	g->m = m;
	g->seq = ntohl(tcp->seq);
	g->ack = ntohl(tcp->ack_seq);
	g->wnd = ntohs(tcp->window);
	g->flags = p[13];
	g->off = (uint16_t)(meta->l4_off + header_bytes);
	g->bytes = g->l4_bytes - header_bytes;
	g->segs = 1;
	g->each_bytes = g->bytes;
	g->last = NULL;
	g->hash = ends_hash(&s->conf.secret, &g->ends);
	tcp_table_prefetch(s->tcp->table, g->hash);
	return tcp_opts_read(p + TCP_BYTES, header_bytes - TCP_BYTES, g->flags & TCP_SYN, &g->opts);
}

static bool is_same_ends(const struct ends *a, const struct ends *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static const struct ends *ends_of_ref(const struct tcp *t, uint32_t ref)
{
	const uint32_t i = ref >> REF_KIND_BITS;

	switch (ref & ((1u << REF_KIND_BITS) - 1)) {
	case REF_CONN:
		return &t->conns[i].ends;
	case REF_HALF_OPEN:
		return &t->half_open.at[i].ends;
	default:
		return &t->time_wait.at[i].ends;
	}
}

uint32_t tcp_find(const struct tcp *t, uint32_t hash, const struct ends *e)
{
	uint32_t at = 0, ref;

	do
		ref = tcp_table_next(t->table, hash, &at);
	while (ref != 0 && !is_same_ends(ends_of_ref(t, ref), e));
	return ref;
}

/* ---- a burst's lines, on their way from memory all at once ---- */

static void fetch(const void *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += RTE_CACHE_LINE_SIZE)
		rte_prefetch0((const char *)at + i);
}

/* Whose segment it may be: ends are not compared yet. NULL: no connection's. */
static struct conn *fetch_conn(const struct tcp *t, const struct segment *g)
{
	uint32_t at = 0;
	const uint32_t ref = tcp_table_next(t->table, g->hash, &at), i = ref >> REF_KIND_BITS;

	switch (ref & ((1u << REF_KIND_BITS) - 1)) {
	case REF_CONN:
		fetch(&t->conns[i], sizeof(t->conns[i]));
		fetch(&t->counts[i], sizeof(t->counts[i]));
		return &t->conns[i];
	case REF_HALF_OPEN:
		rte_prefetch0(&t->half_open.at[i]);
		return NULL;
	case REF_TIME_WAIT:
		rte_prefetch0(&t->time_wait.at[i]);
		return NULL;
	default:
		return NULL;
	}
}

static const struct work *fetch_work(const struct conn *c)
{
	const struct work *w = work_of(c);

	if (w != NULL)
		fetch(w, WORK_BYTES_OFTEN);
	return w;
}

/* What an ACK takes from the flight. */
static void fetch_flight(const struct work *w)
{
	if (w->flight.head != NULL)
		fetch(w->flight.head, sizeof(struct rte_mbuf) + sizeof(struct weir_meta));
}

/*
 * Each step needs what the one before has fetched, and for all of the burst at once: so many
 * connections wait for memory as often as one.
 */
static void fetch_burst(const struct tcp *t, const struct segment *g, uint16_t n)
{
	const struct work *works[BURST];
	struct conn *conns[BURST];
	uint16_t n_conns = 0, n_works = 0;

	for (uint16_t i = 0; i < n; i++) {
		conns[n_conns] = fetch_conn(t, &g[i]);
		n_conns += conns[n_conns] != NULL;
	}
	for (uint16_t i = 0; i < n_conns; i++) {
		works[n_works] = fetch_work(conns[i]);
		n_works += works[n_works] != NULL;
	}
	for (uint16_t i = 0; i < n_works; i++)
		fetch_flight(works[i]);
}

static void input_one(struct weir_stack *s, struct segment *g)
{
	const uint32_t ref = tcp_find(s->tcp, g->hash, &g->ends);
	const uint32_t i = ref >> REF_KIND_BITS;
	struct port *p;

	switch (ref & ((1u << REF_KIND_BITS) - 1)) {
	case REF_CONN:
		conn_input(&s->tcp->conns[i], g);
		break;
	case REF_HALF_OPEN:
		half_open_input(s, i, g);
		break;
	case REF_TIME_WAIT:
		wait_input(s, i, g);
		break;
	default:
		p = port_find(s, &g->ends, g->v6);
		if (p != NULL)
			listen_input(s, p, g, 0);
		else
			tcp_reset(s, g);
	}
	rte_pktmbuf_free(g->m); /* NULL: somebody has taken it */
}

void tcp_input(struct weir_stack *s, struct rte_mbuf **pkts, uint16_t n)
{
	struct segment g[BURST];

	stack_count(&s->stats.tcp_in, n);
	for (uint32_t from = 0; from < n; from += BURST) {
		const uint32_t most = RTE_MIN(n - from, BURST);
		uint16_t have = 0, merged = 0;

		for (uint32_t i = 0; i < most; i++) {
			if (read_segment(s, pkts[from + i], &g[have])) {
				if (have > 0 && segment_merge(&g[have - 1], &g[have]))
					merged++;
				else
					have++;
				continue;
			}
			stack_count(&s->stats.tcp_bad, 1);
			rte_pktmbuf_free(pkts[from + i]);
		}
		if (merged > 0)
			stack_count(&s->stats.tcp_merged, merged);
		if (have > 1)
			fetch_burst(s->tcp, g, have);
		for (uint16_t i = 0; i < have; i++)
			input_one(s, &g[i]);
	}
}

/* ---- poll ---- */

/* Who is dirty now is served once; who becomes so meanwhile waits for the next poll. */
static void output_dirty(struct tcp *t)
{
	uint32_t i = t->dirty;

	t->dirty = NONE;
	while (i != NONE) {
		struct conn *c = &t->conns[i];

		i = c->next_dirty;
		c->flags &= ~CONN_DIRTY;
		if (c->state == TCPS_FREE)
			conn_free(c);
		else
			conn_output(c);
	}
}

uint64_t tcp_poll(struct weir_stack *s)
{
	struct tcp *t = s->tcp;
	uint64_t due_ns, wheel_ns;

	memory_look(s);
	weir_wheel_run(t->wheel, s->now_ns, TIMERS);
	due_ns = small_run(s);
	output_dirty(t);
	if (t->dirty != NONE)
		return s->now_ns;
	wheel_ns = weir_wheel_next_ns(t->wheel);
	return RTE_MIN(due_ns, wheel_ns);
}
