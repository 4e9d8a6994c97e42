/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * TCP under a hostile peer, and under random calls of its own user.
 *
 * Input: records of two bytes, a call and its argument, some with bytes behind them. The peer has
 * up to eight ports; it knows what it was sent, so that its segments are about a live connection,
 * and a byte each says how far their sequence number, ACK, window and flags are from what would be
 * right. Whatever comes: no call but those of Linux's errors fails, what leaves is a whole packet
 * with right checksums, and when the stack ends every buffer is home.
 */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <string.h>
#include <weir/csum.h>
#include <weir/socket.h>

#include "fuzz_eal.h"

#define BUFFERS 255
#define PEERS	8
#define HANDLES 16
#define PORT	80
#define HEAD	5 /* bytes that say how a segment is wrong */

enum {
	SYN,
	HANDSHAKE,
	SEGMENT,
	ACCEPT,
	CONNECT,
	SEND,
	SEND_MBUF,
	RECV,
	RECV_MBUF,
	SHUTDOWN,
	CLOSE,
	ABORT,
	SETTING,
	EVENTS,
	LOOK,
	PASS,
	FAST,
	CALLS
};

struct peer {
	uint32_t next,
		theirs; /* its next sequence number, and the next that is expected of the stack */
	uint16_t port;	/* of the stack's, where it sends to */
};

static struct rte_mempool *pool;
static struct weir_stack *stack;
static weir_sock handles[HANDLES]; /* open ones, old ones, none; the first is the listener */
static struct peer peers[PEERS];
static uint8_t cookie[12]; /* of fast open, as the peers were given it, with its kind and padding */
static uint64_t now_ns;

static const struct weir_addr ours = {.family = 4, .bytes = {192, 0, 2, 1}};
static const struct weir_addr theirs = {.family = 4, .bytes = {192, 0, 2, 2}};

/* ---- the wire ---- */

static uint16_t checked(struct rte_mbuf *m)
{
	const struct iphdr *ip = rte_pktmbuf_mtod(m, const struct iphdr *);
	uint8_t flat[4096];
	const uint32_t bytes = m->pkt_len - (uint32_t)sizeof(*ip);
	const uint8_t *p = rte_pktmbuf_read(m, sizeof(*ip), bytes, flat);

	return weir_csum_finish(
		weir_csum_add(weir_csum_pseudo4(ip->saddr, ip->daddr, IPPROTO_TCP, bytes),
			      weir_csum_sum(p, bytes)));
}

/* A SYN-ACK's last option. */
static void learn_cookie(const struct tcphdr *tcp)
{
	const uint8_t *end = (const uint8_t *)tcp + tcp->doff * 4u;

	if (tcp->syn && tcp->doff >= 8 && end[-(int)sizeof(cookie)] == cookie[0])
		memcpy(cookie, end - sizeof(cookie), sizeof(cookie));
}

/* The peer learns what it was sent. */
static void output(void *ctx, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const struct iphdr *ip = rte_pktmbuf_mtod(m, const struct iphdr *);
		const struct tcphdr *tcp = (const struct tcphdr *)(ip + 1);
		struct peer *p = &peers[ntohs(tcp->dest) % PEERS];

		must(ntohs(ip->tot_len) == m->pkt_len, "its length is right");
		must(weir_csum(ip, sizeof(*ip)) == 0 && checked(m) == 0, "checksums are right");
		rte_mbuf_sanity_check(m, 1);
		p->theirs = ntohl(tcp->seq) + m->pkt_len - (uint32_t)sizeof(*ip) - tcp->doff * 4u +
			    tcp->syn + tcp->fin;
		p->port = ntohs(tcp->source);
		learn_cookie(tcp);
		rte_pktmbuf_free(m);
	}
}

static bool way(void *ctx, const struct weir_addr *to, struct weir_way *out)
{
	*out = (struct weir_way){.from = ours, .mtu_bytes = 1500};
	return to->family == 4;
}

static void put(struct peer *p, uint32_t seq, uint32_t ack, uint8_t flags, uint16_t wnd,
		const uint8_t *opts, uint8_t opt_bytes, const uint8_t *bytes, uint16_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct tcphdr *tcp;
	struct iphdr *ip;

	if (m == NULL)
		return;
	ip = (struct iphdr *)rte_pktmbuf_append(
		m, (uint16_t)(sizeof(*ip) + sizeof(*tcp) + opt_bytes + n));
	tcp = (struct tcphdr *)(ip + 1);
	*ip = (struct iphdr){.version = 4,
			     .ihl = 5,
			     .protocol = IPPROTO_TCP,
			     .tot_len = htons((uint16_t)m->pkt_len)};
	memcpy(&ip->saddr, theirs.bytes, 4);
	memcpy(&ip->daddr, ours.bytes, 4);
	*tcp = (struct tcphdr){.source = htons((uint16_t)(1024 + (p - peers))),
			       .dest = htons(p->port),
			       .seq = htonl(seq),
			       .ack_seq = htonl(ack),
			       .window = htons(wnd),
			       .doff = (5u + opt_bytes / 4) & 15};
	((uint8_t *)tcp)[13] = flags;
	if (opt_bytes > 0)
		memcpy(tcp + 1, opts, opt_bytes);
	if (n > 0)
		memcpy((uint8_t *)(tcp + 1) + opt_bytes, bytes, n);
	*weir_meta(m) = (struct weir_meta){
		.flags = WEIR_META_IP4 | WEIR_META_L4, .l4_off = sizeof(*ip), .proto = IPPROTO_TCP};
	must(weir_stack_input(stack, &m, 1, now_ns) == 0, "TCP takes all segments");
}

static const uint8_t syn_opts[20] = {2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7};

static void syn(struct peer *p)
{
	p->port = PORT;
	put(p, p->next++, 0, TH_SYN, 65535, syn_opts, sizeof(syn_opts), NULL, 0);
	weir_stack_poll(stack, now_ns);
}

/* A SYN with a cookie and bytes, or an answer to one of the stack's. */
static size_t fast(uint8_t arg, const uint8_t *bytes, size_t n)
{
	struct peer *p = &peers[arg % PEERS];
	const bool answers = arg & 8;
	uint8_t opts[sizeof(syn_opts) + sizeof(cookie)];

	if (!answers)
		p->port = PORT;
	memcpy(opts, syn_opts, sizeof(syn_opts));
	memcpy(opts + sizeof(syn_opts), cookie, sizeof(cookie));
	put(p, p->next, p->theirs - (arg >> 6), answers ? TH_SYN | TH_ACK : TH_SYN, 65535, opts,
	    sizeof(opts), bytes, (uint16_t)n);
	p->next += 1 + (uint32_t)n;
	weir_stack_poll(stack, now_ns);
	return n;
}

/* A signed byte as a distance: small ones exactly, large ones by thousands. */
static uint32_t off(uint8_t b)
{
	const int8_t d = (int8_t)b;

	return (uint32_t)(d >= -64 && d < 64 ? d : d * 1021);
}

/* @return the bytes that it has used. */
static size_t segment(uint8_t arg, const uint8_t *b, size_t n)
{
	struct peer *p = &peers[arg % PEERS];
	const uint8_t opt_words = n > HEAD ? b[4] >> 4 : 0;
	const size_t opt_bytes = RTE_MIN((size_t)(opt_words > 10 ? 10 : opt_words) * 4,
					 n < HEAD ? 0 : (n - HEAD) & ~3ul);
	size_t payload, used;
	uint32_t seq;

	if (n < HEAD)
		return n;
	payload = RTE_MIN(n - HEAD - opt_bytes, (size_t)(b[4] & 15) * (arg & 128 ? 97 : 5));
	used = HEAD + opt_bytes + payload;
	seq = p->next + off(b[1]);
	put(p, seq, p->theirs + off(b[2]), b[0], (uint16_t)(b[3] << (arg >> 3 & 7)), b + HEAD,
	    (uint8_t)opt_bytes, b + HEAD + opt_bytes, (uint16_t)payload);
	if (b[1] == 0)
		p->next = seq + (uint32_t)payload + !!(b[0] & TH_FIN) + !!(b[0] & TH_SYN);
	return used;
}

/* ---- the user ---- */

static bool is_fair(int64_t rc)
{
	static const int errors[] = {EBADF,   EAGAIN,	   EPIPE,	ENOTCONN,      ENOBUFS,
				     EINVAL,  ENOPROTOOPT, ECONNRESET,	ECONNREFUSED,  ETIMEDOUT,
				     EISCONN, EALREADY,	   EINPROGRESS, EADDRNOTAVAIL, EADDRINUSE,
				     ENFILE,  EOPNOTSUPP,  ENETUNREACH, ENOENT};

	for (unsigned i = 0; i < RTE_DIM(errors); i++)
		if (rc == -errors[i])
			return true;
	return rc >= 0;
}

static void send_mbuf(weir_sock sock, const uint8_t *bytes, uint16_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	if (m == NULL)
		return;
	memcpy(rte_pktmbuf_append(m, n), bytes, n);
	must(is_fair(weir_send_mbuf(stack, sock, &m)), "it says why");
	rte_pktmbuf_free(m); /* what was not taken is still ours */
}

static void setting(weir_sock sock, uint8_t arg)
{
	static const struct {
		int level, name;
	} opts[] = {{IPPROTO_TCP, TCP_NODELAY},	   {IPPROTO_TCP, TCP_CORK},
		    {SOL_SOCKET, SO_KEEPALIVE},	   {IPPROTO_TCP, TCP_KEEPIDLE},
		    {IPPROTO_TCP, TCP_MAXSEG},	   {SOL_SOCKET, SO_RCVBUF},
		    {SOL_SOCKET, SO_SNDBUF},	   {IPPROTO_TCP, TCP_USER_TIMEOUT},
		    {IPPROTO_TCP, TCP_QUICKACK},   {IPPROTO_TCP, TCP_DEFER_ACCEPT},
		    {IPPROTO_TCP, TCP_LINGER2},	   {SOL_SOCKET, SO_LINGER},
		    {IPPROTO_TCP, TCP_CONGESTION}, {IPPROTO_TCP, TCP_FASTOPEN},
		    {IPPROTO_TCP, WEIR_TCP_UTO}};
	static const char *const names[] = {"cubic", "bbr", "dctcp", "newreno"};
	const unsigned i = arg % RTE_DIM(opts);
	const int value[2] = {arg >> 4, 0};

	if (opts[i].name == TCP_CONGESTION && opts[i].level == IPPROTO_TCP)
		must(is_fair(weir_setsockopt(stack, sock, IPPROTO_TCP, TCP_CONGESTION,
					     names[arg >> 4 & 3], 8)),
		     "it says why");
	else
		must(is_fair(weir_setsockopt(stack, sock, opts[i].level, opts[i].name, value,
					     sizeof(value))),
		     "it says why");
}

static void look(weir_sock sock)
{
	struct weir_sock_info info[3];
	struct tcp_info told;
	uint32_t bytes = sizeof(told);
	uint64_t at = 0;

	must(is_fair(weir_getsockopt(stack, sock, IPPROTO_TCP, TCP_INFO, &told, &bytes)),
	     "it says why");
	while (at != UINT64_MAX)
		must(weir_sock_walk(stack, &at, info, 3) <= 3, "no more than there is room");
}

static void begin_conn(weir_sock *h, const struct weir_endpoint *to, int fastopen)
{
	if (weir_socket(stack, WEIR_TCP, NULL, h) < 0)
		return;
	must(weir_setsockopt(stack, *h, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &fastopen,
			     sizeof(fastopen)) == 0,
	     "it may be chosen");
	must(is_fair(weir_connect(stack, *h, to)), "it says why");
}

/* One call. @return the bytes behind it that it has used. */
static size_t call(uint8_t what, uint8_t arg, const uint8_t *bytes, size_t n)
{
	const size_t some = RTE_MIN(n, (size_t)(arg & 63));
	const struct weir_endpoint to = {.addr = theirs, .port = (uint16_t)(1024 + arg % PEERS)};
	weir_sock *h = &handles[arg % HANDLES], sock = *h;
	struct peer *p = &peers[arg % PEERS];
	struct weir_event ev[3];
	struct rte_mbuf *m;
	uint8_t text[300];

	switch (what % CALLS) {
	case SYN:
		syn(p);
		return 0;
	case HANDSHAKE:
		syn(p);
		put(p, p->next, p->theirs, TH_ACK, 1024, NULL, 0, NULL, 0);
		return 0;
	case SEGMENT:
		return segment(arg, bytes, n);
	case ACCEPT:
		must(is_fair(weir_accept(stack, handles[0], NULL, h == handles ? &sock : h, NULL)),
		     "it says why");
		return 0;
	case CONNECT:
		if (h != handles)
			begin_conn(h, &to, arg >> 7);
		return 0;
	case SEND:
		must(is_fair(weir_send(stack, sock, bytes, some)), "it says why");
		return some;
	case SEND_MBUF:
		send_mbuf(sock, bytes, (uint16_t)some);
		return some;
	case RECV:
		must(is_fair(weir_recv(stack, sock, text, arg + 1u)), "it says why");
		return 0;
	case RECV_MBUF:
		if (weir_recv_mbuf(stack, sock, &m) > 0)
			rte_pktmbuf_free(m);
		return 0;
	case SHUTDOWN:
		must(is_fair(weir_shutdown(stack, sock, arg >> 4 & 3)), "it says why");
		return 0;
	case CLOSE:
		if (weir_sock_close(stack, sock) == 0)
			must(weir_sock_close(stack, sock) == -EBADF, "closed once");
		return 0;
	case ABORT:
		must(is_fair(weir_sock_abort(stack, sock)), "it says why");
		return 0;
	case SETTING:
		setting(sock, arg);
		return 0;
	case EVENTS:
		must(weir_stack_events(stack, ev, 1 + arg % 3) <= 3, "no more than there is room");
		return 0;
	case LOOK:
		look(sock);
		return 0;
	case FAST:
		return fast(arg, bytes, some);
	default: /* time passes: from a millisecond to half a minute */
		now_ns += UINT64_C(1000000) << (arg & 15);
		weir_stack_poll(stack, now_ns);
		return 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct weir_endpoint at = {.port = PORT};
	const int fastopen = 2;
	struct weir_stack_conf conf = {.sockets = 4,
				       .socket_pkts = 3,
				       .connections = 12,
				       .half_open = 3,
				       .time_wait = 3,
				       .rcvbuf_bytes = 16384,
				       .sndbuf_bytes = 16384,
				       .now_ns = 1000000000,
				       .secret = {1, 2},
				       .output = output,
				       .way = way};

	if (pool == NULL) {
		fuzz_eal("64");
		pool = fuzz_pool(BUFFERS);
	}
	conf.pool = pool;
	now_ns = conf.now_ns;
	memset(handles, 0, sizeof(handles));
	memset(peers, 0, sizeof(peers));
	for (unsigned i = 0; i < PEERS; i++)
		peers[i].port = PORT;
	memcpy(cookie, (const uint8_t[12]){34, 10}, sizeof(cookie));
	must(weir_stack_create(&conf, &stack) == 0, "a stack is made");
	must(weir_socket(stack, WEIR_TCP, NULL, &handles[0]) == 0 &&
		     weir_bind(stack, handles[0], &at) == 0 &&
		     weir_setsockopt(stack, handles[0], IPPROTO_TCP, TCP_FASTOPEN, &fastopen,
				     sizeof(fastopen)) == 0 &&
		     weir_listen(stack, handles[0], 3) == 0,
	     "there is a listener");
	for (size_t i = 0; i + 2 <= size;)
		i += 2 + call(data[i], data[i + 1], data + i + 2, size - i - 2);
	weir_stack_free(stack);
	must(rte_mempool_in_use_count(pool) == 0, "every buffer is home");
	return 0;
}
