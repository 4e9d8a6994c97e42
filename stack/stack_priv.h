/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the floors of a stack share. */

#include <stdbool.h>
#include <weir/meta.h>
#include <weir/socket.h>
#include <weir/stack.h>
#include <weir/tuple.h>

#define SOCK_INDEX_BITS 24
#define SOCK_NONE	UINT32_MAX /* in place of an index */

/* Packets in a row, linked behind their mbufs: a queue takes no memory of its own. */
struct pkt_queue {
	struct rte_mbuf *head, *tail;
	uint32_t n;
};

enum sock_flag {
	SOCK_REUSEADDR = 1 << 0,
	SOCK_REUSEPORT = 1 << 1,
	SOCK_FROM_WAY = 1 << 2, /* bound to any; its address is that of the way to its peer */
};

struct sock {
	struct weir_endpoint at;
	void *user;
	struct pkt_queue in;
	struct weir_endpoint peer; /* of one that is connected; port 0: of none */
	uint32_t next;		   /* in its bucket of the table, or of the free ones */
	uint32_t next_port;	   /* in its port's bucket */
	uint32_t next_ready;	   /* in the list of those that have become ready */
	uint8_t generation;	   /* 1 to 255 */
	uint8_t error;		   /* errno, told once */
	uint8_t tos;		   /* DSCP and ECN of what it sends */
	uint8_t flags;		   /* enum sock_flag */
	bool open, ready;
};

/* A path that is narrower than the link that it begins with. */
struct pmtu {
	uint8_t to[16];
	uint32_t told_tick;
	uint16_t mtu_bytes;  /* passes */
	uint16_t most_bytes; /* may pass: more than mtu_bytes while somebody searches */
	uint8_t family;	     /* 0: none */
};

#define PMTU_SETS 256
#define PMTU_WAYS 4

struct weir_stack {
	struct weir_stack_conf conf;
	struct weir_stack_stats stats;
	struct pkt_queue out;
	uint16_t idents; /* of IPv4 packets */
	uint32_t free;	 /* of socks */
	uint32_t ready_head, ready_tail;
	uint32_t udp_port_next; /* counts the ports that were chosen */
	uint32_t bucket_mask;
	uint32_t connected;	/* of socks */
	uint32_t *buckets;	/* of socks by their ends (udp_port.c) */
	uint32_t *port_buckets; /* by their port alone */
	struct sock *socks;
	uint64_t now_ns;     /* of the last input or poll */
	uint64_t held_bytes; /* in buffers received and queued in all connections, held_of() */
	struct tcp *tcp;     /* NULL: no connections */
	struct settings_table *settings;
	bool has_pmtu; /* something is known of a path, or was */
	struct pmtu pmtu[PMTU_SETS][PMTU_WAYS];
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

/* The error that waits to be told, once, as calls return it; 0: none. */
static inline int sock_error(struct sock *k)
{
	const int error = k->error;

	k->error = 0;
	return -error;
}

/* socket/sock.c: the sockets, by handle. */

int sock_table_create(struct weir_stack *s);
void sock_table_free(struct weir_stack *s);
/* NULL: it was closed, or never was. */
struct sock *sock_of(struct weir_stack *s, weir_sock sock);
int sock_new(struct weir_stack *s, void *user, weir_sock *out);
void sock_is_ready(struct weir_stack *s, struct sock *k);
/* Sockets and connections in one row: these behind those. */
void sock_list_ready(struct weir_stack *s, uint32_t index);
/* Connections that were closed before anybody asked for their events leave the list. */
void sock_forget_closed(struct weir_stack *s);

/* udp/udp_port.c: the sockets of UDP, by where they are bound. */

/*
 * Whose a datagram from @from to @at is: one that is connected to that peer, else one at this
 * address and port, else one at the port of any address. NULL: nobody's.
 */
struct sock *sock_find(struct weir_stack *s, const struct weir_endpoint *at,
		       const struct weir_endpoint *from);
/* Whether one with these flags may be bound there: nobody is, or all who are share it. */
bool udp_may_bind(struct weir_stack *s, const struct weir_endpoint *at, uint8_t flags);
/* @return 0, -EINVAL (it is bound, or no port) or -EADDRINUSE. */
int sock_bind(struct weir_stack *s, struct sock *k, const struct weir_endpoint *at);
/* One that was never bound is allowed. */
void sock_unbind(struct weir_stack *s, struct sock *k);
/* Change the address and the peer of one that is bound; port 0: it has none. */
void sock_set_peer(struct weir_stack *s, struct sock *k, const struct weir_addr *at,
		   const struct weir_endpoint *peer);

/* ip/ip_out.c */

/*
 * Put an IP header before a transport header and its payload, and queue the packet for output.
 * The payload's l4_bytes are set in @m already. @src and @dst are of one family. @tos: DSCP and
 * ECN.
 */
void ip_send(struct weir_stack *s, struct rte_mbuf *m, const struct weir_addr *src,
	     const struct weir_addr *dst, uint8_t proto, uint8_t tos);
#define IP_HEADER_MOST 40
/* The same for TCP, which finds a path's MTU (DF set). Addresses in network order. */
void ip_send_tcp(struct weir_stack *s, struct rte_mbuf *m, const uint8_t *src, const uint8_t *dst,
		 bool v6, uint8_t tos);

/* ip/ip_icmp_in.c: errors about what we have sent. */

struct ip_error {
	struct weir_tuple ends; /* of the packet that was sent: src is ours */
	uint32_t seq;		/* of TCP */
	uint16_t mtu_bytes;	/* of the path, when error is EMSGSIZE */
	uint8_t error;		/* errno, as Linux has it */
	bool hard;		/* it will not go away (RFC 1122 section 4.2.3.9) */
};

/*
 * What an ICMP error says, if it quotes a UDP or TCP packet that could be one of ours. Whether it
 * is, the owner knows: udp_icmp(), tcp_icmp().
 */
bool ip_error_read(struct rte_mbuf *m, struct ip_error *out);

/* ip/ip_pmtu.c: what a path takes. */

#define IP_MTU_LEAST4 552 /* as Linux; RFC 791 promises 68 */
#define IP_MTU_LEAST6 1280

/* The largest packet on the way to @to. */
uint16_t ip_mtu(struct weir_stack *s, const struct weir_addr *to);
/* What may pass; it is as much as ip_mtu() unless a search (RFC 4821) has not ended. */
uint16_t ip_mtu_most(struct weir_stack *s, const struct weir_addr *to);
/* A search has found that this passes, and no more than that. */
void ip_mtu_found(struct weir_stack *s, const struct weir_addr *to, uint16_t mtu_bytes,
		  uint16_t most_bytes);
/* An error, believed by its owner, has told this. False: that is nothing new. */
bool ip_mtu_lower(struct weir_stack *s, const struct weir_addr *to, uint16_t mtu_bytes);

/* udp/: false: it is for no socket. */
bool udp_input(struct weir_stack *s, struct rte_mbuf *m);
bool udp_icmp(struct weir_stack *s, const struct ip_error *e);
/* tcp/tcp_icmp.c: false: it is about nothing of ours. */
bool tcp_icmp(struct weir_stack *s, const struct ip_error *e);

/*
 * Where to bind a socket that nobody has bound: at @ours (family 0: any) and a port that is free
 * (RFC 6056); for connecting to @peer (NULL: to nobody) one whose answers come to this worker.
 * @return 0, -EADDRINUSE, or with @peer -EADDRNOTAVAIL.
 */
int udp_choose(struct weir_stack *s, const struct weir_addr *ours, const struct weir_endpoint *peer,
	       struct weir_endpoint *out);
/* Where to send from to @to: 0, -ENETUNREACH or -EADDRNOTAVAIL. */
int udp_source(struct weir_stack *s, const struct sock *k, const struct weir_addr *to,
	       struct weir_addr *out);
/* Port 0: one is chosen. @return 0, -EINVAL (it is bound) or -EADDRINUSE. */
int udp_bind(struct weir_stack *s, struct sock *k, const struct weir_endpoint *at);
/*
 * Connect a socket, and bind it if it is not. @to of family 0: it is connected no more.
 * @return 0, -EINVAL, -ENETUNREACH or -EADDRNOTAVAIL.
 */
int udp_connect(struct weir_stack *s, struct sock *k, const struct weir_endpoint *to);
/* SO_REUSEADDR, SO_REUSEPORT, IP_TOS and IPV6_TCLASS; @return as weir_setsockopt(). */
int udp_setsockopt(struct sock *k, int level, int name, const void *value, uint32_t bytes);
/* The same, SO_ERROR and SO_TYPE: all are an int. */
int udp_getsockopt(struct sock *k, int level, int name, int *number);
/* Give a payload its headers and queue it. @return as weir_udp_send(). */
int udp_send(struct weir_stack *s, struct sock *k, struct rte_mbuf *payload,
	     const struct weir_endpoint *to, const struct weir_addr *from);
