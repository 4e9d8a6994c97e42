/* SPDX-License-Identifier: BSD-3-Clause */

/* The SYN proxy, segment by segment: a client outside, a server inside, and what each of them sees.
 */

#include "toy_firewall.h"

#include "origin_priv.h"
#include "synproxy_priv.h"

#define SYNACK	  (SYN | ACK)
#define FIN	  RTE_TCP_FIN_FLAG
#define ECN_FLAGS (RTE_TCP_ECE_FLAG | RTE_TCP_CWR_FLAG)

#define PROXY                          \
	WORLD_PORTS "firewall:\n"      \
		    "  synproxy: {}\n" \
		    "  rules:\n"       \
		    "    - {name: proxy, from: wan, to: lan, action: synproxy}\n"
#define FORWARD                                                                                \
	"nat: {destination: [{name: d, from: wan, destination: 192.0.2.1, proto: tcp, dport: " \
	"80, action: dnat, forward: '10.0.0.2:8080'}]}\n"

#define CLIENT_SEQ UINT32_C(1000)
#define SERVER_SEQ UINT32_C(0xfffffff0) /* its numbers wrap */

/* One who speaks TCP with another one. */
struct pair {
	const char *client, *server; /* as the client knows it */
	const char *inside;	     /* as it is */
	uint16_t server_port, inside_port;
};
static const struct pair plain = {"198.51.100.7", "10.0.0.2", "10.0.0.2", 80, 80};
static const struct pair forwarded = {"198.51.100.7", "192.0.2.1", "10.0.0.2", 80, 8080};
static const struct pair six = {"2001:db8:2::7", "2001:db8:1::2", "2001:db8:1::2", 80, 80};
#define CLIENT_PORT 4000

/* A segment: what is sent, or what has come out. */
struct seg {
	uint8_t flags;
	uint32_t seq, ack;
	uint16_t window;
	uint8_t n_options;
	uint8_t options[40];
	uint16_t data_bytes;
};

static struct toy_mbuf last; /* the last packet */

static inline void begin_proxy(const char *conf)
{
	toy_begin(conf);
	world.shard.pool = toy_only_pool();
	CU_ASSERT_EQUAL_FATAL(origin_create(&world.shard, &world.shard.origin), 0);
}

static inline void end_proxy(void)
{
	origin_free(world.shard.origin);
	toy_end();
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

static inline uint16_t l4_sum(struct rte_mbuf *m)
{
	const struct weir_meta *meta = weir_meta(m);

	return meta->flags & WEIR_META_IP4 ? rte_ipv4_udptcp_cksum(ip4(m), l4(m))
					   : rte_ipv6_udptcp_cksum(ip6(m), l4(m));
}

/* A parsed packet that brings a segment. */
static inline struct rte_mbuf *come(bool to_server, const struct pair *p, const struct seg *s)
{
	const struct toy_ip head = to_server ? toy_tcp(p->client, CLIENT_PORT, p->server,
						       p->server_port, s->flags, s->seq, s->ack)
					     : toy_tcp(p->inside, p->inside_port, p->client,
						       CLIENT_PORT, s->flags, s->seq, s->ack);
	const uint16_t more = (uint16_t)(s->n_options + s->data_bytes);
	struct rte_mbuf *m = toy_come(&last, to_server ? WAN : LAN, &head);
	struct rte_tcp_hdr *tcp = l4(m);

	tcp->data_off = (uint8_t)((20 + s->n_options) / 4 << 4);
	tcp->rx_win = rte_cpu_to_be_16(s->window);
	memcpy(tcp + 1, s->options, s->n_options);
	memset((uint8_t *)(tcp + 1) + s->n_options, 'd', s->data_bytes);
	m->data_len += more;
	m->pkt_len += more;
	if (weir_meta(m)->flags & WEIR_META_IP4) {
		ip4(m)->total_length = rte_cpu_to_be_16((uint16_t)(40 + more));
		ip4(m)->hdr_checksum = 0;
		ip4(m)->hdr_checksum = rte_ipv4_cksum(ip4(m));
	} else {
		ip6(m)->payload_len = rte_cpu_to_be_16((uint16_t)(20 + more));
	}
	tcp->cksum = 0;
	tcp->cksum = l4_sum(m);
	return m;
}

/* What a packet says; its lengths and checksums are right. */
static inline struct seg read_segment(struct rte_mbuf *m)
{
	struct rte_tcp_hdr *tcp = l4(m);
	const uint16_t sum = tcp->cksum;
	struct seg s = {.flags = tcp->tcp_flags,
			.seq = rte_be_to_cpu_32(tcp->sent_seq),
			.ack = rte_be_to_cpu_32(tcp->recv_ack),
			.window = rte_be_to_cpu_16(tcp->rx_win),
			.n_options = (uint8_t)((tcp->data_off >> 4 << 2) - 20)};

	memcpy(s.options, tcp + 1, s.n_options);
	s.data_bytes = (uint16_t)(l4_there(m) - 20 - s.n_options);
	tcp->cksum = 0;
	CU_ASSERT_EQUAL(l4_sum(m), sum);
	tcp->cksum = sum;
	if (weir_meta(m)->flags & WEIR_META_IP4) {
		CU_ASSERT_EQUAL(rte_raw_cksum(ip4(m), 20), 0xffff);
		CU_ASSERT_EQUAL(rte_be_to_cpu_16(ip4(m)->total_length),
				m->pkt_len - weir_meta(m)->l3_off);
	} else {
		CU_ASSERT_EQUAL(rte_be_to_cpu_16(ip6(m)->payload_len), l4_there(m));
	}
	return s;
}

static inline void expect_ports(struct rte_mbuf *m, uint16_t from, uint16_t to)
{
	const struct rte_tcp_hdr *tcp = l4(m);

	CU_ASSERT_EQUAL(rte_be_to_cpu_16(tcp->src_port), from);
	CU_ASSERT_EQUAL(rte_be_to_cpu_16(tcp->dst_port), to);
}

/* Send a segment, which passes; what it has become. */
static inline struct seg pass(bool to_server, const struct pair *p, const struct seg *s)
{
	struct rte_mbuf *m = come(to_server, p, s);

	CU_ASSERT_EQUAL(toy_walk(m), WEIR_NEXT);
	if (to_server)
		expect_ports(m, CLIENT_PORT, p->inside_port);
	else
		expect_ports(m, p->server_port, CLIENT_PORT);
	return read_segment(m);
}

static inline void expect_drop(bool to_server, const struct pair *p, const struct seg *s,
			       enum weir_drop why)
{
	CU_ASSERT_EQUAL(toy_walk(come(to_server, p, s)), WEIR_DROP);
	CU_ASSERT_EQUAL(last.meta.drop, why);
	if (last.meta.drop != why)
		printf("\n  is %s\n", weir_drop_text(last.meta.drop)->label);
}

static inline unsigned sent(void)
{
	struct rte_mbuf *m[8];
	const uint16_t n = origin_take(world.shard.origin, m, 8);

	rte_pktmbuf_free_bulk(m, n);
	return n;
}

/* The one segment that we sent ourselves; to the client, or to the server. */
static inline struct seg sent_segment(bool to_client, const struct pair *p)
{
	const struct weir_pass now = {.now_ns = world.now_ns, .gen = &world.gen};
	uint8_t verdict;
	struct rte_mbuf *m;
	struct weir_burst b = {.pkt = &m, .verdict = &verdict, .n = 1, .pass = &now};
	struct seg s;

	CU_ASSERT_EQUAL_FATAL(origin_take(world.shard.origin, &m, 1), 1);
	CU_ASSERT_EQUAL_FATAL(origin_take(world.shard.origin, &m, 0), 0);
	weir_node_parse.process(NULL, &b);
	CU_ASSERT_EQUAL_FATAL(verdict, WEIR_NEXT);
	CU_ASSERT_EQUAL(toy_walk(m), WEIR_NEXT);
	if (to_client)
		expect_ports(m, p->server_port, CLIENT_PORT);
	else
		expect_ports(m, CLIENT_PORT, p->inside_port);
	s = read_segment(m);
	rte_pktmbuf_free(m);
	return s;
}

static inline void put_be32(uint8_t *at, uint32_t v)
{
	v = rte_cpu_to_be_32(v);
	memcpy(at, &v, sizeof(v));
}

static inline uint32_t be32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return rte_be_to_cpu_32(v);
}

/* Options as Linux sends them: MSS 1400, SACK, timestamps, scale; and of other segments. */
static inline void syn_options(struct seg *s, uint32_t value, uint32_t echo, uint8_t wscale)
{
	static const uint8_t words[20] = {2, 4, 1400 >> 8, 1400 & 255, 4, 2, 8, 10, [16] = 1, 3, 3};

	memcpy(s->options, words, sizeof(words));
	put_be32(s->options + 8, value);
	put_be32(s->options + 12, echo);
	s->options[19] = wscale;
	s->n_options = sizeof(words);
}

static inline void stamp(struct seg *s, uint32_t value, uint32_t echo)
{
	static const uint8_t words[4] = {1, 1, 8, 10};

	memcpy(s->options, words, sizeof(words));
	put_be32(s->options + 4, value);
	put_be32(s->options + 8, echo);
	s->n_options = 12;
}

/* The client's SYN; what it is answered with. */
static inline struct seg ask(const struct pair *p, bool with_options, uint8_t flags)
{
	struct seg syn = {.flags = flags, .seq = CLIENT_SEQ, .window = 64240};

	if (with_options)
		syn_options(&syn, 7000, 0, 9);
	else
		memcpy(syn.options, (uint8_t[]){2, 4, 1400 >> 8, 1400 & 255}, syn.n_options = 4);
	expect_drop(true, p, &syn, WEIR_DROP_SYNPROXY_DONE);
	CU_ASSERT_EQUAL(toy_flows(), 0);
	return sent_segment(true, p);
}

/* The ACK that ends the handshake with us. */
static inline struct seg complete(const struct seg *synack)
{
	struct seg ack = {
		.flags = ACK, .seq = CLIENT_SEQ + 1, .ack = synack->seq + 1, .window = 502};

	if (synack->n_options == 20)
		stamp(&ack, 7010, be32(synack->options + 8));
	return ack;
}

/* The server's SYN-ACK to a SYN. */
static inline struct seg server_answer(const struct seg *syn, uint8_t wscale)
{
	struct seg s = {.flags = SYNACK, .seq = SERVER_SEQ, .ack = syn->seq + 1, .window = 65160};

	if (syn->n_options == 20)
		syn_options(&s, 900000, be32(syn->options + 8), wscale);
	return s;
}

/* Up to the established connection: the cookie. */
static inline uint32_t open_connection(const struct pair *p, bool with_options)
{
	const struct seg synack = ask(p, with_options, SYN);
	const struct seg ack = complete(&synack);
	const struct seg syn = pass(true, p, &ack);
	const struct seg answer = server_answer(&syn, 7);

	(void)pass(false, p, &answer);
	CU_ASSERT_EQUAL(sent(), 1);
	return synack.seq;
}

static inline struct weir_flow *the_flow(void)
{
	return weir_flow_at(world.shard.tracker->flows, last.meta.flow >> 1);
}
