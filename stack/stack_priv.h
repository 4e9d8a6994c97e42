/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the floors of a stack share. */

#include <stdbool.h>
#include <weir/meta.h>
#include <weir/socket.h>
#include <weir/stack.h>
#include <weir/tuple.h>

#include "count_priv.h"

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
	SOCK_BROADCAST = 1 << 3,
	SOCK_NO_LOOP = 1 << 4,	  /* IP_MULTICAST_LOOP is off */
	SOCK_OWN_GROUPS = 1 << 5, /* IP_MULTICAST_ALL is off */
};

struct sock {
	struct weir_endpoint at;
	void *user;
	struct pkt_queue in;
	struct weir_endpoint peer; /* of one that is connected; port 0: of none */
	uint32_t next;		   /* in its bucket of the table, or of the free ones */
	uint32_t next_port;	   /* in its port's bucket */
	uint32_t memberships;	   /* the groups that it has joined (ip_group.c) */
	uint16_t group_iface;	   /* by which it sends to groups; WEIR_NO_IFACE: any */
	uint8_t group_ttl;	   /* and with which TTL */
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

/* How full the pool of buffers is (tcp_memory.c). */
enum pool_level { POOL_PLENTY, POOL_SHORT, POOL_SCARCE };

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
	uint64_t now_ns;      /* of the last input or poll */
	uint64_t held_bytes;  /* in buffers received and queued in all connections, held_of() */
	uint64_t short_bytes; /* of these at most while buffers are short */
	uint64_t look_ns;     /* when the pool is looked at next */
	enum pool_level pool_level;
	struct tcp *tcp; /* NULL: no connections */
	struct groups *groups;
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

/* pkt.c: packets of any number of segments, cut at either end. Nobody else may hold them. */

/* Free what is behind the first @bytes; it has so many. */
void pkt_keep(struct rte_mbuf *m, uint32_t bytes);
/* Free the first @bytes; it has so many. @return what is left, with its metadata. */
WEIR_MUST_CHECK struct rte_mbuf *pkt_skip(struct rte_mbuf *m, uint32_t bytes);

/* To a group; the family is 4 or 6. */
static inline bool addr_is_group(const struct weir_addr *a)
{
	return a->family == 4 ? a->bytes[0] >> 4 == 0xe : a->bytes[0] == 0xff;
}

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
/*
 * All who hear a datagram for many that is to @at: those bound there, and those connected to @from,
 * one after the other; @k is NULL at first. NULL: no more.
 */
struct sock *sock_each(struct weir_stack *s, const struct sock *k, const struct weir_endpoint *at,
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
#define IP_HOPS	       64 /* RFC 1700's default, and everybody's */
/* The same for TCP, which finds a path's MTU (DF set). Addresses in network order. */
void ip_send_tcp(struct weir_stack *s, struct rte_mbuf *m, const uint8_t *src, const uint8_t *dst,
		 bool v6, uint8_t tos);

/* The header of one to a group or by broadcast, which leaves by @iface. It is not queued yet. */
void ip_put_many(struct weir_stack *s, struct rte_mbuf *m, const struct weir_addr *src,
		 const struct weir_addr *dst, uint8_t tos, uint8_t ttl, uint16_t iface);
/* Send a message about groups: TTL 1, and routers are to look at it. */
void ip_send_alert(struct weir_stack *s, struct rte_mbuf *m, const struct weir_addr *src,
		   const struct weir_addr *dst, uint16_t iface);

/* weir_stack_conf.link; false too if there is none. @out stays as it is then. */
static inline bool ip_link(const struct weir_stack *s, const struct weir_addr *to,
			   const struct weir_link *want, struct weir_link *out)
{
	return s->conf.link != NULL && s->conf.link(s->conf.ctx, to, want, out);
}

/* ip/ip_group.c: groups that are heard. */

#define MEMBERSHIPS_A_GROUP  4
#define MEMBERSHIPS_A_SOCKET 20 /* as Linux: net.ipv4.igmp_max_memberships */

int groups_create(struct weir_stack *s);
void groups_free(struct weir_stack *s);
/* @return 0, -EADDRINUSE (it has joined already) or -ENOBUFS (a table is full). */
int group_join(struct weir_stack *s, struct sock *k, uint16_t iface, const struct weir_addr *a);
/* WEIR_NO_IFACE: on whichever. @return 0 or -EADDRNOTAVAIL (it has not joined). */
int group_leave(struct weir_stack *s, struct sock *k, uint16_t iface, const struct weir_addr *a);
void group_leave_all(struct weir_stack *s, struct sock *k);
bool group_is_member(const struct weir_stack *s, const struct sock *k, uint16_t iface,
		     const struct weir_addr *a);
/* Reports that are due. @return when the next are. */
uint64_t groups_poll(struct weir_stack *s);
/* ip/ip_group_msg.c: IGMP, and ICMPv6 that may be MLD. False: it is not, and the caller's. */
bool group_input(struct weir_stack *s, struct rte_mbuf *m);

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

/* The largest packet on the way to @to; *cuts: whether longer segments are cut there. */
uint16_t ip_path(struct weir_stack *s, const struct weir_addr *to, bool *cuts);
static inline uint16_t ip_mtu(struct weir_stack *s, const struct weir_addr *to)
{
	bool cuts;

	return ip_path(s, to, &cuts);
}
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
/*
 * Where to send from to @to, and if that is for many by which interface, else WEIR_NO_IFACE.
 * @return 0, -ENETUNREACH, -EADDRNOTAVAIL, -EINVAL (families differ) or -EACCES (broadcast).
 */
int udp_source(struct weir_stack *s, const struct sock *k, const struct weir_addr *to,
	       struct weir_addr *out, uint16_t *iface);
/* Port 0: one is chosen. @return 0, -EINVAL (it is bound) or -EADDRINUSE. */
int udp_bind(struct weir_stack *s, struct sock *k, const struct weir_endpoint *at);
/*
 * Connect a socket, and bind it if it is not. @to of family 0: it is connected no more.
 * @return 0, -EINVAL, -ENETUNREACH or -EADDRNOTAVAIL.
 */
int udp_connect(struct weir_stack *s, struct sock *k, const struct weir_endpoint *to);
/* The options of UDP sockets; @return as weir_setsockopt(). */
int udp_setsockopt(struct weir_stack *s, struct sock *k, int level, int name, const void *value,
		   uint32_t bytes);
/* The same, SO_ERROR and SO_TYPE: all are an int. */
int udp_getsockopt(struct sock *k, int level, int name, int *number);
/* Give a payload its headers and queue it. @return as weir_udp_send(). */
int udp_send(struct weir_stack *s, struct sock *k, struct rte_mbuf *payload,
	     const struct weir_endpoint *to, const struct weir_addr *from);
/* A datagram of pkt_len that is a socket's now, or dropped because its queue is full. */
void udp_give(struct weir_stack *s, struct sock *k, struct rte_mbuf *m);
/* Cut what stands behind a datagram. False: it lies about its length, is counted and freed. */
bool udp_trim(struct weir_stack *s, struct rte_mbuf *m);

/* udp/udp_group.c: groups and broadcast. */

/* A datagram for many. False: nobody takes it, and it is the caller's. */
bool udp_input_many(struct weir_stack *s, struct rte_mbuf *m, const struct weir_endpoint *from,
		    const struct weir_endpoint *to);
/* Whether an address is a group's or a broadcast: nobody sends from there. */
bool udp_is_many(struct weir_stack *s, const struct weir_addr *a);
/* How @to is reached if it is for many: 1; 0: it is not; -ENETUNREACH or -EACCES. */
int udp_link(struct weir_stack *s, const struct sock *k, const struct weir_addr *to,
	     struct weir_link *out);
/* Send one that has its UDP header. */
void udp_send_many(struct weir_stack *s, const struct sock *k, struct rte_mbuf *m,
		   const struct weir_addr *source, const struct weir_endpoint *to, uint16_t iface);
/* Options about groups; -ENOPROTOOPT: it is none. */
int group_setsockopt(struct weir_stack *s, struct sock *k, int level, int name, const void *value,
		     uint32_t bytes);
int group_getsockopt(const struct sock *k, int level, int name, int *number);
