/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Reassembly alone (20_defrag) beside a model that keeps all fragments in lists. Input: six bytes a
 * fragment:
 *   0      bit 0: IPv6; bits 1 and 2: identification; bit 3: source; bit 4: more follow;
 *          bits 5 to 7: time goes on by their square in 40 ms
 *   1, 2   offset in units of 8 bytes
 *   3, 4   bytes of payload, modulo 1,481
 *   5      where its bytes are taken from, so that two that overlap may differ
 *
 * What comes out is what the model would put together, byte by byte, and comes when the model has
 * it. What is refused has an overlap, lies behind the end, or is in too many pieces (RFC 5722). No
 * more fragments wait than may, and none is left behind.
 */

#include "20_defrag.c"

#include "fuzz_wire.h"

#include <rte_eal.h>
#include <weir/wheel.h>

#define DATAGRAMS    8
#define TIMEOUT_NS   (1000 * FUZZ_MS)
#define PIECES	     RTE_LIBRTE_IP_FRAG_MAX_FRAG
#define PAYLOAD_MOST 1480
#define RECORD_BYTES 6
#define KEYS	     16
#define HEADERS_MOST (sizeof(struct rte_ipv6_hdr) + sizeof(struct rte_ipv6_fragment_ext))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A fragment as the model keeps it. */
struct piece {
	uint32_t off, bytes;
	uint8_t from;
	bool more;
};

/* What waits of one datagram. */
struct waiting {
	uint64_t since_ns;
	unsigned n;
	struct piece piece[PIECES + 1];
};

static struct waiting model[KEYS];
static struct weir_shard shard;
static void *node;
static uint64_t now_ns;
static struct rte_mbuf *out; /* what has come out */

static const struct weir_hop hops[] = {{.kind = WEIR_HOP_NONE}, {.kind = WEIR_HOP_LOCAL}};
static struct weir_iface iface = {.mac = {2, 2, 2, 2, 2, 2}};
static struct weir_l3 l3 = {.hops = hops, .n_hops = 2, .ifaces = &iface, .n_ifaces = 1};
static const struct weir_gen gen = {.number = 1, .l3 = &l3};
static const uint8_t ours6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};

void weir_origin_push(struct weir_origin *o, struct rte_mbuf *m, enum weir_verdict verdict)
{
	(void)o;
	must(out == NULL && verdict == WEIR_NEXT, "one packet goes round at a time");
	out = m;
}

uint16_t handoff_owner(const struct weir_handoff *h, struct rte_mbuf *m)
{
	(void)h, (void)m;
	return 0;
}

void handoff_give(struct weir_handoff *h, uint16_t to, struct rte_mbuf **pkts, uint16_t n)
{
	(void)h, (void)to, (void)pkts, (void)n;
	must(false, "a lone worker gives nobody anything");
}

static void make_routes(void)
{
	struct rte_fib_conf c4 = {.type = RTE_FIB_DUMMY, .max_routes = 16};
	struct rte_fib6_conf c6 = {.type = RTE_FIB6_DUMMY, .max_routes = 16};

	l3.fib4 = rte_fib_create("reassembly4", SOCKET_ID_ANY, &c4);
	l3.fib6 = rte_fib6_create("reassembly6", SOCKET_ID_ANY, &c6);
	must(l3.fib4 != NULL && l3.fib6 != NULL, "there is memory");
	must(rte_fib_add(l3.fib4, UINT32_C(0xc0000201), 32, 1) == 0 &&
		     rte_fib6_add(l3.fib6, (void *)(uintptr_t)ours6, 128, 1) == 0,
	     "routes are taken");
}

/* ---- a fragment ---- */

static uint8_t byte_of(uint8_t from, uint32_t at)
{
	return (uint8_t)(at * 7 + at / 256 + from);
}

static void put_ip4(struct rte_mbuf *m, const uint8_t *r, uint16_t frag, uint16_t bytes)
{
	struct rte_ipv4_hdr *ip =
		(struct rte_ipv4_hdr *)rte_pktmbuf_append(m, sizeof(struct rte_ipv4_hdr));

	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + bytes)),
		.packet_id = r[0] >> 1 & 3,
		.fragment_offset = rte_cpu_to_be_16(frag),
		.time_to_live = 64,
		.next_proto_id = 253, /* for experiments: no header is looked for (RFC 3692) */
		.src_addr = rte_cpu_to_be_32(UINT32_C(0xc0000202) + (r[0] >> 3 & 1)),
		.dst_addr = rte_cpu_to_be_32(UINT32_C(0xc0000201)),
	};
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static void put_ip6(struct rte_mbuf *m, const uint8_t *r, uint16_t frag, uint16_t bytes)
{
	struct rte_ipv6_fragment_ext ext = {
		.next_header = 253,
		.frag_data = rte_cpu_to_be_16(frag),
		.id = r[0] >> 1 & 3,
	};
	uint8_t ip[HEADERS_MOST] = {
		0x60, [4] = (uint8_t)((bytes + sizeof(ext)) >> 8),
		[5] = (uint8_t)(bytes + sizeof(ext)), [6] = IPPROTO_FRAGMENT, [7] = 64};

	memcpy(ip + 8, ours6, 16);
	ip[8 + 7] = r[0] >> 3 & 1; /* another /64 */
	ip[8 + 15] = 2;
	memcpy(ip + 24, ours6, 16);
	memcpy(ip + sizeof(struct rte_ipv6_hdr), &ext, sizeof(ext));
	memcpy(rte_pktmbuf_append(m, sizeof(ip)), ip, sizeof(ip));
}

static struct rte_mbuf *make(const uint8_t *r, const struct piece *p)
{
	static const uint16_t types[] = {RTE_ETHER_TYPE_IPV4, RTE_ETHER_TYPE_IPV6};
	struct rte_mbuf *m = rte_pktmbuf_alloc(wire);
	struct rte_ether_hdr *eth;
	uint8_t *payload;

	must(m != NULL, "no buffer is lost");
	memset(weir_meta(m), 0, sizeof(struct weir_meta));
	eth = (struct rte_ether_hdr *)rte_pktmbuf_append(m, sizeof(*eth));
	memset(eth, 2, sizeof(*eth));
	eth->ether_type = rte_cpu_to_be_16(types[r[0] & 1]);
	if (r[0] & 1)
		put_ip6(m, r, (uint16_t)(p->off | p->more), (uint16_t)p->bytes);
	else
		put_ip4(m, r, (uint16_t)(p->off / 8 | (p->more ? RTE_IPV4_HDR_MF_FLAG : 0)),
			(uint16_t)p->bytes);
	payload = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)p->bytes);
	for (uint32_t i = 0; i < p->bytes; i++)
		payload[i] = byte_of(p->from, p->off + i);
	return m;
}

/* ---- the model ---- */

/* What begins at @at, and how many do. */
static const struct piece *piece_at(const struct waiting *w, uint32_t at, unsigned *n)
{
	const struct piece *found = NULL;

	*n = 0;
	for (unsigned i = 0; i < w->n; i++)
		if (w->piece[i].off == at) {
			found = &w->piece[i];
			++*n;
		}
	return found;
}

/* Whether all that waits meets end to end, from the first byte on to the last. */
static bool is_whole(const struct waiting *w)
{
	uint32_t at = 0;

	for (unsigned i = 0; i < w->n; i++) {
		unsigned n;
		const struct piece *p = piece_at(w, at, &n);

		if (n != 1)
			return false;
		at += p->bytes;
		if (!p->more)
			return i + 1 == w->n;
	}
	return false;
}

/* An overlap, two ends, or something behind the end. */
static bool is_wrong(const struct waiting *w)
{
	for (unsigned i = 0; i < w->n; i++)
		for (unsigned k = 0; k < w->n; k++) {
			const struct piece *a = &w->piece[i], *b = &w->piece[k];

			if (i == k)
				continue;
			if (a->off <= b->off && b->off < a->off + a->bytes)
				return true;
			if (!a->more && b->off + b->bytes > a->off)
				return true;
		}
	return false;
}

static uint8_t model_byte(const struct waiting *w, uint32_t at)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->piece[i].off <= at && at - w->piece[i].off < w->piece[i].bytes)
			return byte_of(w->piece[i].from, at);
	must(false, "every byte is of a fragment");
	return 0;
}

static void check_out(struct rte_mbuf *m, const struct waiting *w, bool v6)
{
	const uint32_t head = RTE_ETHER_HDR_LEN +
			      (v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr));
	uint32_t bytes = 0;
	uint8_t text[HEADERS_MOST];
	const uint8_t *ip = rte_pktmbuf_read(m, RTE_ETHER_HDR_LEN, head - RTE_ETHER_HDR_LEN, text);

	for (unsigned i = 0; i < w->n; i++)
		bytes += w->piece[i].bytes;
	must(m->pkt_len == head + bytes, "it has as many bytes as its fragments");
	must(v6 ? ip[4] * 256u + ip[5] == bytes && ip[6] == 253
		: ip[2] * 256u + ip[3] == bytes + 20 && (ip[6] & 0x3f) == 0 && ip[7] == 0 &&
			     rte_ipv4_cksum((const struct rte_ipv4_hdr *)ip) == 0,
	     "its header is of the whole");
	for (uint32_t i = 0; i < bytes; i++) {
		uint8_t one;

		must(*(const uint8_t *)rte_pktmbuf_read(m, head + i, 1, &one) == model_byte(w, i),
		     "its bytes are those of the fragments");
	}
}

/* ---- one fragment to both ---- */

static uint64_t drops(enum weir_drop why)
{
	return shard.counters.drops[why];
}

/* False: 10_parse, or 20_defrag itself, has refused or passed it. */
static bool is_taken(struct rte_mbuf *m)
{
	const struct weir_pass pass = {.now_ns = now_ns, .gen = &gen};
	uint8_t verdict = WEIR_VERDICTS;
	struct weir_burst b = {.pkt = &m, .verdict = &verdict, .n = 1, .pass = &pass};

	weir_node_parse.process(NULL, &b);
	if (verdict == WEIR_NEXT)
		weir_node_defrag.process(node, &b);
	if (verdict != WEIR_HELD)
		rte_pktmbuf_free(m);
	return verdict == WEIR_HELD;
}

static void feed(const uint8_t *r)
{
	struct waiting *w = &model[r[0] & 15];
	const struct piece p = {
		.off = ((uint32_t)(r[1] | r[2] << 8) & 0x1fff) * 8,
		.bytes = (uint32_t)(r[3] | r[4] << 8) % (PAYLOAD_MOST + 1),
		.from = r[5],
		.more = r[0] >> 4 & 1,
	};
	const uint64_t bad = drops(WEIR_DROP_FRAG_BAD), many = drops(WEIR_DROP_FRAG_MANY),
		       full = drops(WEIR_DROP_FRAG_FULL);

	now_ns += (uint64_t)(r[0] >> 5) * (r[0] >> 5) * 40 * FUZZ_MS;
	weir_wheel_run(shard.wheel, now_ns, UINT32_MAX);
	if (w->n > 0 && now_ns > w->since_ns + TIMEOUT_NS)
		w->n = 0;
	if (!is_taken(make(r, &p)) || drops(WEIR_DROP_FRAG_FULL) != full)
		return;
	if (w->n == 0)
		w->since_ns = now_ns;
	w->piece[w->n++] = p;
	if (out != NULL) {
		must(is_whole(w), "only what is whole comes out");
		check_out(out, w, r[0] & 1);
		rte_pktmbuf_free(out);
		out = NULL;
		w->n = 0;
		return;
	}
	must(!is_whole(w), "what is whole comes out");
	if (drops(WEIR_DROP_FRAG_BAD) != bad) {
		must(is_wrong(w), "what is refused is wrong");
		w->n = 0;
	} else if (drops(WEIR_DROP_FRAG_MANY) != many) {
		must(w->n > PIECES - 2, "what is refused has many fragments");
		w->n = 0;
	}
	must(w->n <= PIECES, "no more fragments of a datagram wait than may");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (wire == NULL) {
		fuzz_begin("512");
		make_routes();
	}
	now_ns = FUZZ_MS;
	memset(model, 0, sizeof(model));
	shard = (struct weir_shard){
		.limits = {.fragments = DATAGRAMS, .fragment_timeout_ns = TIMEOUT_NS},
		.numa = SOCKET_ID_ANY,
	};
	must(weir_wheel_create(1 << 20, now_ns, &shard.wheel) == 0 &&
		     weir_node_defrag.create(&shard, &node) == 0,
	     "there is memory");
	for (; size >= RECORD_BYTES; data += RECORD_BYTES, size -= RECORD_BYTES) {
		feed(data);
		must(rte_mempool_in_use_count(wire) <= DATAGRAMS * PIECES,
		     "no more fragments wait than may");
	}
	weir_node_defrag.free(node);
	weir_wheel_free(shard.wheel);
	must(rte_mempool_in_use_count(wire) == 0, "every buffer is home");
	return 0;
}
