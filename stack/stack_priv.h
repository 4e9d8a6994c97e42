/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the floors of a stack share. */

#include <stdbool.h>
#include <weir/meta.h>
#include <weir/socket.h>
#include <weir/stack.h>

#define SOCK_INDEX_BITS 24
#define SOCK_NONE	UINT32_MAX /* in place of an index */

/* Packets in a row, linked behind their mbufs: a queue takes no memory of its own. */
struct pkt_queue {
	struct rte_mbuf *head, *tail;
	uint32_t n;
};

struct sock {
	struct weir_endpoint at;
	void *user;
	struct pkt_queue in;
	uint32_t next;	     /* in its bucket of the table, or of the free ones */
	uint32_t next_ready; /* in the list of those that have become ready */
	uint8_t generation;  /* 1 to 255 */
	bool open, ready;
};

struct weir_stack {
	struct weir_stack_conf conf;
	struct weir_stack_stats stats;
	struct pkt_queue out;
	uint16_t idents; /* of IPv4 packets */
	uint32_t free;	 /* of socks */
	uint32_t ready_head, ready_tail;
	uint32_t bucket_mask;
	uint32_t *buckets;
	struct sock *socks;
	uint64_t now_ns;     /* of the last input or poll */
	uint64_t held_bytes; /* in buffers received and queued in all connections, held_of() */
	struct tcp *tcp;     /* NULL: no connections */
	struct settings_table *settings;
};

static inline struct rte_mbuf **pkt_link(struct rte_mbuf *m)
{
	return (struct rte_mbuf **)&weir_meta(m)->user[0];
}

static inline void pkt_put(struct pkt_queue *q, struct rte_mbuf *m)
{
	*pkt_link(m) = NULL;
	if (q->head == NULL)
		q->head = m;
	else
		*pkt_link(q->tail) = m;
	q->tail = m;
	q->n++;
}

/* NULL: it is empty. */
static inline struct rte_mbuf *pkt_take(struct pkt_queue *q)
{
	struct rte_mbuf *m = q->head;

	if (m != NULL) {
		q->head = *pkt_link(m);
		q->n--;
	}
	return m;
}

static inline void stack_count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* pkt.c: packets of any number of segments, cut at either end. Nobody else may hold them. */

/* Free what is behind the first @bytes; it has so many. */
void pkt_keep(struct rte_mbuf *m, uint32_t bytes);
/* Free the first @bytes; it has so many. @return what is left, with its metadata. */
WEIR_MUST_CHECK struct rte_mbuf *pkt_skip(struct rte_mbuf *m, uint32_t bytes);

/* socket/sock.c: the sockets, by handle and by where they are bound. */

int sock_table_create(struct weir_stack *s);
void sock_table_free(struct weir_stack *s);
/* NULL: it was closed, or never was. */
struct sock *sock_of(struct weir_stack *s, weir_sock sock);
/* Who is bound to this address and port, or to the port at all addresses. */
struct sock *sock_find(struct weir_stack *s, const struct weir_endpoint *at);
int sock_new(struct weir_stack *s, void *user, weir_sock *out);
/* 0, or why nobody can be bound there. */
int sock_may_bind(struct weir_stack *s, const struct weir_endpoint *at);
int sock_bind(struct weir_stack *s, struct sock *k, const struct weir_endpoint *at);
void sock_is_ready(struct weir_stack *s, struct sock *k);
/* Sockets and connections in one row: these behind those. */
void sock_list_ready(struct weir_stack *s, uint32_t index);
/* Connections that were closed before anybody asked for their events leave the list. */
void sock_forget_closed(struct weir_stack *s);

/* ip/ip_out.c */

/*
 * Put an IP header before a transport header and its payload, and queue the packet for output.
 * The payload's l4_bytes are set in @m already. @src and @dst are of one family.
 */
void ip_send(struct weir_stack *s, struct rte_mbuf *m, const struct weir_addr *src,
	     const struct weir_addr *dst, uint8_t proto);
#define IP_HEADER_MOST 40
/* The same for TCP, which finds a path's MTU (DF set). Addresses in network order. */
void ip_send_tcp(struct weir_stack *s, struct rte_mbuf *m, const uint8_t *src, const uint8_t *dst,
		 bool v6, uint8_t tos);

/* udp/udp.c: false: it is for no socket. */
bool udp_input(struct weir_stack *s, struct rte_mbuf *m);
