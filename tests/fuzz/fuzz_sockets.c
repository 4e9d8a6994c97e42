/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A stack under random calls of its sockets, between packets that lie about their datagram.
 *
 * Input: records of two bytes, a call and its argument, some with bytes behind them. Whatever
 * comes: an old handle is EBADF, what is refused stays the caller's, what is sent is a whole packet
 * with a right checksum, and when the stack ends every buffer is home.
 */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <string.h>
#include <weir/csum.h>
#include <weir/socket.h>

#include "fuzz_eal.h"

#define SOCKETS 8
#define BUFFERS 255

enum { OPEN, CLOSE, RECEIVE, SEND, EVENTS, PACKET, POLL, CALLS };

static struct rte_mempool *pool;
static struct weir_stack *stack;
static weir_sock handles[16]; /* open ones, old ones, none */

static uint16_t checked(struct rte_mbuf *m)
{
	const struct iphdr *ip = rte_pktmbuf_mtod(m, const struct iphdr *);
	uint32_t sum = weir_csum_pseudo4(ip->saddr, ip->daddr, IPPROTO_UDP,
					 m->pkt_len - (uint32_t)sizeof(*ip));
	uint32_t off = 0;

	for (struct rte_mbuf *s = m; s != NULL; s = s->next) {
		const uint32_t skip = s == m ? sizeof(*ip) : 0;
		const uint32_t n = s->data_len - skip;

		sum = weir_csum_add(
			sum,
			weir_csum_at(
				weir_csum_sum(rte_pktmbuf_mtod_offset(s, const void *, skip), n),
				off));
		off += n;
	}
	return weir_csum_finish(sum);
}

static void output(void *ctx, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		const struct iphdr *ip = rte_pktmbuf_mtod(pkts[i], const struct iphdr *);

		must(ntohs(ip->tot_len) == pkts[i]->pkt_len, "its length is right");
		must(weir_csum(ip, sizeof(*ip)) == 0 && checked(pkts[i]) == 0,
		     "checksums are right");
		rte_mbuf_sanity_check(pkts[i], 1);
		rte_pktmbuf_free(pkts[i]);
	}
}

static struct weir_endpoint end_of(uint8_t arg)
{
	const struct weir_endpoint e = {
		.port = arg & 3,
		.addr = {.family = arg & 4 ? 4 : 0, .bytes = {192, 0, 2, arg & 4 ? arg & 8 : 0}}};

	if (e.addr.family == 0)
		return (struct weir_endpoint){.port = e.port};
	return e;
}

static struct rte_mbuf *buffer(const uint8_t *bytes, size_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	if (m != NULL)
		memcpy(rte_pktmbuf_append(m, (uint16_t)n), bytes, n);
	return m;
}

static void send_one(uint8_t arg, const uint8_t *bytes, size_t n)
{
	const struct weir_endpoint to = end_of((uint8_t)(arg >> 4));
	const struct weir_addr from = {.family = 4, .bytes = {192, 0, 2, 1}};
	struct rte_mbuf *m = buffer(bytes, n);

	if (m == NULL)
		return;
	if (weir_udp_send(stack, handles[arg & 15], m, &to, arg & 16 ? &from : NULL) != 0) {
		must(m->pkt_len == n && rte_mbuf_refcnt_read(m) == 1,
		     "a refused payload is as it was");
		rte_pktmbuf_free(m);
	}
}

static void packet(uint8_t arg, const uint8_t *bytes, size_t n)
{
	const struct weir_endpoint to = end_of((uint8_t)(arg & 7));
	struct rte_mbuf *m = buffer(bytes, n);
	struct udphdr *udp;
	struct iphdr *ip;

	if (m == NULL)
		return;
	udp = (struct udphdr *)rte_pktmbuf_prepend(m, sizeof(*udp));
	ip = (struct iphdr *)rte_pktmbuf_prepend(m, sizeof(*ip));
	*udp = (struct udphdr){.dest = htons(to.port), .len = htons(arg)}; /* true at times */
	*ip = (struct iphdr){.version = 4, .ihl = 5, .protocol = IPPROTO_UDP};
	memcpy(&ip->daddr, to.addr.bytes, sizeof(ip->daddr));
	*weir_meta(m) = (struct weir_meta){
		.flags = WEIR_META_IP4 | WEIR_META_L4, .l4_off = sizeof(*ip), .proto = IPPROTO_UDP};
	if (weir_stack_input(stack, &m, 1, 0) == 1)
		rte_pktmbuf_free(m);
}

static void receive(uint8_t arg)
{
	struct weir_dgram d;
	const int rc = weir_udp_recv(stack, handles[arg & 15], &d);

	if (rc != 0) {
		must(rc == -EAGAIN || rc == -EBADF, "it says why");
		return;
	}
	rte_mbuf_sanity_check(d.payload, 1);
	if (arg & 16 ||
	    weir_udp_send(stack, handles[arg & 15], d.payload, &d.from, &d.to.addr) != 0)
		rte_pktmbuf_free(d.payload);
}

/* One call. @return the bytes behind it that it has used. */
static size_t call(uint8_t what, uint8_t arg, const uint8_t *bytes, size_t n)
{
	const struct weir_endpoint at = end_of(arg);
	const size_t some = n < (size_t)(arg & 63) ? n : arg & 63;
	struct weir_event ev[3];

	switch (what % CALLS) {
	case OPEN:
		if (weir_udp_open(stack, &at, NULL, &handles[arg >> 4]) == 0)
			must(handles[arg >> 4] != WEIR_NO_SOCK, "a socket is one");
		return 0;
	case CLOSE:
		if (weir_sock_close(stack, handles[arg & 15]) == 0)
			must(weir_sock_close(stack, handles[arg & 15]) == -EBADF, "closed once");
		return 0;
	case RECEIVE:
		receive(arg);
		return 0;
	case SEND:
		send_one(arg, bytes, some);
		return some;
	case EVENTS:
		must(weir_stack_events(stack, ev, 1 + arg % 3) <= 3, "no more than there is room");
		return 0;
	case PACKET:
		packet(arg, bytes, some);
		return some;
	default:
		must(weir_stack_poll(stack, 0) == UINT64_MAX, "UDP has no timers");
		return 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct weir_stack_conf conf = {
		.sockets = SOCKETS, .socket_pkts = 3, .secret = {1, 2}, .output = output};
	struct weir_stack_conf whole = conf;

	if (pool == NULL) {
		fuzz_eal("64");
		pool = fuzz_pool(BUFFERS);
	}
	whole.pool = pool;
	memset(handles, 0, sizeof(handles));
	must(weir_stack_create(&whole, &stack) == 0, "a stack is made");
	for (size_t at = 0; at + 2 <= size;)
		at += 2 + call(data[at], data[at + 1], data + at + 2, size - at - 2);
	weir_stack_free(stack);
	must(rte_mempool_in_use_count(pool) == 0, "every buffer is home");
	return 0;
}
