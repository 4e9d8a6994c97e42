/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The SYN proxy (RFC 4987 section 3.6; Linux's nf_synproxy_core.c): a client's handshake is made
 * with us, and its server hears of it only when it is complete.
 *
 *	client				 weir				server
 *	SYN			40_acl answers, no flow
 *			<-	SYN-ACK: a cookie, window 0
 *	ACK			40_acl takes the cookie: a flow, in SYN_SENT
 *				50_nat makes it a SYN		->
 *				30_conntrack learns		<-	SYN-ACK
 *				50_nat sends an ACK		->
 *			<-	and makes it a window update
 *	data		->	acknowledgements, SACK, timestamps	->
 *			<-	sequence numbers, timestamps	<-	data
 *
 * What a client sends before the server has answered becomes the SYN once more; its data are sent
 * again. 30_conntrack follows the connection in the server's numbers, 50_nat rewrites the packets.
 */

#include <weir/flow.h>
#include <weir/gen.h>
#include <weir/policy.h>
#include <weir/shard.h>

#include "tcp_answer_priv.h"
#include <weir/syn_cookie.h>

/* 40_acl, before there is a flow; synproxy_open.c. t: addresses and ports as they came. */

/* Answer a SYN with a cookie. What may not be answered, or has no buffer, is not. */
void synproxy_answer(const struct weir_syn_cookies *c, struct weir_shard *s,
		     const struct weir_pass *pass, const struct weir_tuple *t, struct rte_mbuf *m);
/* The cookie that a segment without SYN and RST acknowledges. If it is GOOD, @seg becomes the SYN
 * that the segment stands for. */
enum weir_syn_cookie synproxy_check(const struct weir_syn_cookies *c, const struct weir_tuple *t,
				    struct rte_mbuf *m, struct weir_flow_segment *seg);
/* Make a draft one of the SYN proxy, by the first packet, whose cookie is GOOD. False: no
 * struct weir_flow_ext is free. */
bool synproxy_begin(struct weir_flow_table *t, struct weir_flow *f,
		    const struct weir_synproxy *conf, struct rte_mbuf *m);
/* 50_nat: make a client's packet the SYN to its server. False: the buffer has no room. */
bool synproxy_become_syn(struct rte_mbuf *m, const struct weir_flow *f,
			 const struct weir_flow_ext *x);

/* Flows with WEIR_FLOW_SYNPROXY; synproxy.c. */

/* 30_conntrack: weir_flow_tcp() for them. */
enum weir_flow_tcp synproxy_track(struct weir_tracker *t, struct rte_mbuf *m, struct weir_flow *f,
				  enum weir_dir dir, struct weir_flow_segment *seg,
				  enum weir_flow_class *cls);
/* 50_nat: a packet as its receiver has to see it. DROP_NONE: it goes on. */
enum weir_drop synproxy_rewrite(struct weir_shard *s, const struct weir_pass *pass,
				struct rte_mbuf *m, const struct weir_flow *f, enum weir_dir dir);
/* 50_nat: an ICMP error, whose receiver knows the quoted packet by other numbers. */
void synproxy_rewrite_error(const struct weir_flow_ext *x, enum weir_dir dir, struct rte_mbuf *m);
/* 75_reject: a packet's sequence number as its sender knows it. */
void synproxy_put_back(const struct weir_flow_ext *x, enum weir_dir dir, struct rte_mbuf *m);

/* Whether a client's packet, first or not, becomes the SYN: its data go no further. */
static inline bool synproxy_waits(const struct weir_flow_table *t, const struct weir_flow *f,
				  enum weir_dir dir)
{
	return (f->flags & WEIR_FLOW_SYNPROXY) && dir == WEIR_DIR_ORIG &&
	       !weir_flow_ext(t, f)->answered;
}

/* What both files need of options. */

/* The next option of a kind of its own that is whole, or NULL. *at goes on by a byte at least. */
uint8_t *synproxy_option(uint8_t **at, const uint8_t *end);
/* What a segment's options say. Without MSS it is the family's default. */
void synproxy_read_options(struct rte_mbuf *m, struct weir_syn_offer *o);
/* The timestamps of a segment in 12 bytes. */
void synproxy_put_stamps(uint8_t *at, const struct weir_syn_offer *o);
/* A window shifted, so that what was open stays open. */
uint16_t synproxy_window(uint16_t window, int shift);

#define TCPOPT_FILL	  1
#define TCPOPT_MSS	  2
#define TCPOPT_WSCALE	  3
#define TCPOPT_SACK_OK	  4
#define TCPOPT_SACK	  5
#define TCPOPT_STAMPS	  8
#define TCPOPT_STAMPS_LEN 10
