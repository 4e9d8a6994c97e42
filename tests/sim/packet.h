/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What a bystander sees in a packet on the wire. */

#include "tcp_priv.h"

/* Hosts are 192.0.2.1 and 2001:db8::1, .2 and ::2, and so on; the wire's router is the last. */
#define HOSTS_MOST 4
#define ROUTER	   253

struct packet {
	uint8_t from, to; /* which hosts; HOSTS_MOST and above: none of them */
	bool v6, is_tcp;
	bool ce, ect;
	uint8_t flags; /* enum tcp_flag */
	uint16_t src_port, dst_port;
	uint16_t l4_off;
	uint8_t proto;
	uint32_t seq, ack, wnd; /* as on the wire */
	uint32_t bytes;		/* of payload */
	struct tcp_opts opts;
};

struct weir_addr host_addr(unsigned host, uint8_t family);

/* As 70_local does before the stack: false: lengths or checksums are not right. */
bool packet_read(const struct rte_mbuf *m, struct packet *out);
/* Let it be marked: congestion experienced. False: it is not ECN-capable. */
bool packet_mark(struct rte_mbuf *m);
/* What a router says of @m that is too long. NULL: no buffer. */
struct rte_mbuf *packet_too_big(struct rte_mempool *pool, const struct rte_mbuf *m, uint16_t mtu);
/* One line, as tcpdump prints it, with sequence numbers as they are. */
void packet_print(const struct packet *p, uint64_t now_ns, const char *what);
