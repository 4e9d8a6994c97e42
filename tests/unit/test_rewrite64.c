/* SPDX-License-Identifier: BSD-3-Clause */

/* Packets from IPv6 to IPv4 and back (RFC 7915), judged by sums made byte by byte. */

#include "10_parse.c"
#include "rewrite_priv.h"
#include "test.h"
#include "toy_wire.h"

#include <stdio.h>
#include <weir/port.h>

#define RUNS 20000
#define IP   WIRE_L2 /* where the IP header is */

static struct toy_mbuf segs[WIRE_SEGS];
static struct icmp_idents ids;

static struct rte_mbuf *parsed(const struct wire *w, uint16_t cut)
{
	struct rte_mbuf *m = wire_mbuf(segs, w, cut, 0);

	return parse_any(m, NULL) == WEIR_NEXT ? m : NULL;
}

/* A kind of packet that both families have. */
static struct wire_kind random_kind(uint8_t family)
{
	static const uint8_t protos[] = {IPPROTO_TCP,  IPPROTO_UDP,	IPPROTO_UDP,  IPPROTO_ICMP,
					 IPPROTO_ICMP, IPPROTO_UDPLITE, IPPROTO_DCCP, IPPROTO_SCTP};
	struct wire_kind k = {
		.proto = protos[wire_random(RTE_DIM(protos))],
		.option_bytes = (uint8_t)(wire_random(3) * 8),
		.payload_bytes = (uint16_t)wire_random(200),
		.df = wire_random(2),
	};

	if (k.proto == IPPROTO_ICMP) {
		k.proto = family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		k.type = (uint8_t)(family == 4 ? wire_random(2) * 8 : 128 + wire_random(2));
	}
	return k;
}

/* The same kind in the other family. */
static struct wire_kind crossed(struct wire_kind k)
{
	if (k.proto == IPPROTO_ICMP)
		k.type = k.type == 8 ? 128 : 129;
	else if (k.proto == IPPROTO_ICMPV6)
		k.type = k.type == 128 ? 8 : 0;
	if (k.proto == IPPROTO_ICMP || k.proto == IPPROTO_ICMPV6)
		k.proto = k.proto == IPPROTO_ICMP ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	return k;
}

/* What a header says in either family; and the packet behind it. */
struct said {
	uint8_t tos, ttl;
	uint32_t l4_bytes;
	const uint8_t *l4;
};

static struct said said_by(const uint8_t *ip, uint32_t bytes)
{
	struct said s = {.tos = ip[1], .ttl = ip[8]};
	uint32_t head = (ip[0] & 15) * 4u;

	if (ip[0] >> 4 == 6) {
		s.tos = (uint8_t)(ip[0] << 4 | ip[1] >> 4);
		s.ttl = ip[7];
		head = ip[6] == IPPROTO_DSTOPTS ? 40 + (ip[41] + 1u) * 8 : 40;
	}
	s.l4 = ip + head;
	s.l4_bytes = bytes - head;
	return s;
}

static bool is_alike(const struct rte_mbuf *m, const struct wire *w)
{
	static uint8_t flat[WIRE_BYTES + 64];
	const uint16_t n = wire_flat(m, flat);
	const struct said a = said_by(flat + IP, n - IP), b = said_by(w->b + IP, w->n - IP);

	return a.tos == b.tos && a.ttl == b.ttl && a.l4_bytes == b.l4_bytes;
}

static bool is_alike_and_same_behind(const struct rte_mbuf *m, const struct wire *w)
{
	static uint8_t flat[WIRE_BYTES + 64];
	const uint16_t n = wire_flat(m, flat);
	const struct said a = said_by(flat + IP, n - IP), b = said_by(w->b + IP, w->n - IP);

	return is_alike(m, w) && memcmp(a.l4, b.l4, a.l4_bytes) == 0;
}

/* Meta and mbuf say what the bytes say. */
static bool is_told(struct rte_mbuf *m)
{
	const struct weir_meta *meta = weir_meta(m);
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, meta->l3_off);
	const bool v4 = ip[0] >> 4 == 4;

	return (meta->flags & (WEIR_META_IP4 | WEIR_META_IP6)) ==
		       (v4 ? WEIR_META_IP4 : WEIR_META_IP6) &&
	       meta->l4_off - meta->l3_off == (v4 ? 20 : 40) && m->l2_len == meta->l3_off &&
	       m->l3_len == (v4 ? 20 : 40) && meta->proto == ip[v4 ? 9 : 6];
}

static void complain(unsigned run, const struct wire_kind *k, const char *wrong)
{
	fprintf(stderr, "run %u, protocol %u, type %u, options %u: %s\n", run, k->proto, k->type,
		k->option_bytes, wrong);
}

static void test_each_kind_is_right_in_the_other_family_and_when_it_comes_back(void)
{
	unsigned bad = 0;

	for (unsigned run = 0; run < RUNS; run++) {
		const uint8_t family = run % 2 ? 6 : 4;
		const struct wire_kind k = random_kind(family), c = crossed(k);
		const struct weir_tuple was = wire_tuple(family, &k);
		const struct weir_tuple to = wire_tuple(family ^ 2, &c);
		const char *wrong;
		struct rte_mbuf *m;
		struct wire w;

		wire_make(&w, &k, &was, NULL);
		m = parsed(&w, run % 3 ? (uint16_t)(1 + wire_random(w.n - 1)) : 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		CU_ASSERT_EQUAL(rewrite(&ids, m, &to), WEIR_DROP_NONE);
		wrong = wire_judge(m, WIRE_L2);
		if (wrong == NULL && !is_alike(m, &w))
			wrong = "type of service, time to live or length";
		if (wrong == NULL && !is_told(m))
			wrong = "what later stages are told";
		CU_ASSERT_EQUAL(rewrite(&ids, m, &was), WEIR_DROP_NONE);
		if (wrong == NULL)
			wrong = wire_judge(m, WIRE_L2);
		if (wrong == NULL && !is_alike_and_same_behind(m, &w))
			wrong = "not the same when it came back";
		if (wrong != NULL && bad++ < 5)
			complain(run, &k, wrong);
	}
	CU_ASSERT_EQUAL(bad, 0);
}

/* Section 5.1: what is longer than 1260 bytes may not be cut on its way; what may has a number. */
static void test_dont_fragment_is_set_by_the_length(void)
{
	const struct wire_kind k = {.proto = IPPROTO_UDP};
	const struct weir_tuple was = wire_tuple(6, &k), to = wire_tuple(4, &k);
	uint16_t last = 0;

	for (uint16_t bytes = 1200; bytes < 1300; bytes++) {
		struct wire_kind sized = k;
		struct rte_mbuf *m;
		struct wire w;

		sized.payload_bytes = (uint16_t)(bytes - 28);
		wire_make(&w, &sized, &was, NULL);
		m = parsed(&w, 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		CU_ASSERT_EQUAL(rewrite(&ids, m, &to), WEIR_DROP_NONE);
		CU_ASSERT_PTR_NULL(wire_judge(m, WIRE_L2));
		CU_ASSERT_EQUAL(ip4(m)->fragment_offset, bytes > 1260 ? RTE_BE16(0x4000) : 0);
		CU_ASSERT_TRUE(bytes > 1260 ? ip4(m)->packet_id == 0 : ip4(m)->packet_id != last);
		last = ip4(m)->packet_id;
	}
}

static void test_what_came_in_fragments_may_be_cut_again(void)
{
	struct wire_kind k = {.proto = IPPROTO_UDP, .payload_bytes = 1400};
	const struct weir_tuple was = wire_tuple(6, &k), to = wire_tuple(4, &k);
	struct rte_mbuf *m;
	struct wire w;

	wire_make(&w, &k, &was, NULL);
	m = parsed(&w, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	weir_meta(m)->flags |= WEIR_META_DEFRAGGED;
	CU_ASSERT_EQUAL(rewrite(&ids, m, &to), WEIR_DROP_NONE);
	CU_ASSERT_PTR_NULL(wire_judge(m, WIRE_L2));
	CU_ASSERT_EQUAL(ip4(m)->fragment_offset, 0);
	CU_ASSERT_NOT_EQUAL(ip4(m)->packet_id, 0);
}

static void test_ipv4_that_may_be_cut_is_marked(void)
{
	for (unsigned df = 0; df < 2; df++) {
		const struct wire_kind k = {.proto = IPPROTO_UDP, .payload_bytes = 9, .df = df};
		const struct weir_tuple was = wire_tuple(4, &k), to = wire_tuple(6, &k);
		struct rte_mbuf *m;
		struct wire w;

		wire_make(&w, &k, &was, NULL);
		m = parsed(&w, 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		CU_ASSERT_EQUAL(rewrite(&ids, m, &to), WEIR_DROP_NONE);
		CU_ASSERT_EQUAL(!!(weir_meta(m)->flags & WEIR_META_MAY_CUT), !df);
	}
}

static void test_udp_without_a_checksum_gets_one(void)
{
	for (unsigned run = 0; run < 500; run++) {
		const struct wire_kind k = {.proto = IPPROTO_UDP,
					    .payload_bytes = (uint16_t)wire_random(100),
					    .no_csum = true};
		const struct weir_tuple was = wire_tuple(4, &k), to = wire_tuple(6, &k);
		struct rte_mbuf *m;
		struct wire w;

		wire_make(&w, &k, &was, NULL);
		m = parsed(&w, run % 2 ? (uint16_t)(1 + wire_random(w.n - 1)) : 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		CU_ASSERT_EQUAL(rewrite(&ids, m, &to), WEIR_DROP_NONE);
		CU_ASSERT_PTR_NULL(wire_judge(m, WIRE_L2)); /* IPv6 wants one */
	}
}

static void test_what_the_port_is_to_finish_is_finished_right(void)
{
	for (unsigned run = 0; run < 500; run++) {
		const uint8_t family = run % 2 ? 6 : 4;
		const struct wire_kind k = {.proto = run % 4 < 2 ? IPPROTO_TCP : IPPROTO_UDP,
					    .payload_bytes = (uint16_t)(run % 50)};
		const struct weir_tuple was = wire_tuple(family, &k);
		const struct weir_tuple to = wire_tuple(family ^ 2, &k);
		struct rte_mbuf *m;
		struct wire w;

		wire_make(&w, &k, &was, NULL);
		m = parsed(&w, 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		weir_offload_request(m, weir_meta(m)->l3_off, weir_meta(m)->l4_off);
		CU_ASSERT_EQUAL(rewrite(&ids, m, &to), WEIR_DROP_NONE);
		CU_ASSERT_EQUAL(weir_offload_finish(m, 0), 1);
		CU_ASSERT_PTR_NULL(wire_judge(m, WIRE_L2));
	}
}

/* A header of 8 bytes between IPv6's and what follows. */
static void insert6(struct wire *w, uint8_t kind, const uint8_t ext[8])
{
	uint8_t *ip = w->b + IP;

	memmove(ip + 48, ip + 40, w->n - IP - 40u);
	memcpy(ip + 40, ext, 8);
	ip[40] = ip[6];
	ip[6] = kind;
	w->n += 8;
	toy_put16(ip + 4, w->n - IP - 40u);
}

static void sum4(struct wire *w)
{
	toy_put16(w->b + IP + 10, 0);
	toy_put16(w->b + IP + 10, ~toy_add(0, w->b + IP, (w->b[IP] & 15) * 4u));
}

static void test_fragments_cross_with_their_header(void)
{
	static const uint8_t ext[8] = {0, 0, 0x0a, 0xb9, 0x12, 0x34, 0x56, 0x78};
	const struct wire_kind k = {.proto = IPPROTO_UDP, .payload_bytes = 32};
	const struct weir_tuple t6 = wire_tuple(6, &k), t4 = wire_tuple(4, &k);
	struct rte_mbuf *m;
	struct wire w;
	uint8_t *ip;

	wire_make(&w, &k, &t6, NULL);
	insert6(&w, IPPROTO_FRAGMENT, ext);
	m = parsed(&w, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_EQUAL(rewrite(&ids, m, &t4), WEIR_DROP_NONE);
	CU_ASSERT_PTR_NULL(wire_judge(m, WIRE_L2));
	CU_ASSERT_EQUAL(ip4(m)->packet_id, RTE_BE16(0x5678));
	CU_ASSERT_EQUAL(ip4(m)->fragment_offset, RTE_BE16(0x2000 | 0x0ab8 / 8));
	CU_ASSERT_EQUAL(memcmp(l4(m), w.b + IP + 48, 40), 0); /* a later one: no ports */
	CU_ASSERT_EQUAL(rewrite(&ids, m, &t6), WEIR_DROP_NONE);
	ip = (uint8_t *)ip6(m);
	CU_ASSERT_EQUAL(ip[6], IPPROTO_FRAGMENT);
	CU_ASSERT_EQUAL(memcmp(ip + 40, "\x11\x00\x0a\xb9\x00\x00\x56\x78", 8), 0);
	CU_ASSERT_EQUAL(weir_meta(m)->l4_off - weir_meta(m)->l3_off, 48);
	CU_ASSERT_PTR_NULL(wire_judge(m, WIRE_L2));
}

static void test_what_cannot_cross_is_left_alone(void)
{
	static const uint8_t more[8] = {0, 0, 0, 1, 1, 2, 3, 4}, segments[8] = {0, 0, 4, 1};
	static const uint8_t auth[8] = {0, 0, 0, 0, 1, 2, 3, 4};
	const struct wire_kind ping = {.proto = IPPROTO_ICMPV6, .type = 128, .payload_bytes = 8};
	const struct wire_kind udp = {.proto = IPPROTO_UDP, .payload_bytes = 8};
	const struct {
		struct wire_kind kind;
		uint8_t ext;
		const uint8_t *bytes;
	} cases[] = {
		{ping, IPPROTO_FRAGMENT, more},
		{udp, IPPROTO_ROUTING, segments},
		{udp, IPPROTO_AH, auth},
		{{.proto = IPPROTO_ICMPV6, .type = 133, .payload_bytes = 8}, 0, NULL},
		{{.proto = IPPROTO_AH, .payload_bytes = 8}, 0, NULL},
	};
	struct rte_mbuf *m;
	struct wire w;

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		const struct weir_tuple was = wire_tuple(6, &cases[i].kind);
		struct weir_tuple to = wire_tuple(4, &cases[i].kind);
		uint8_t flat[WIRE_BYTES + 64];

		wire_make(&w, &cases[i].kind, &was, NULL);
		if (cases[i].bytes != NULL)
			insert6(&w, cases[i].ext, cases[i].bytes);
		if (cases[i].kind.proto == IPPROTO_AH)
			w.b[IP + 41] = 0;
		m = parsed(&w, 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		if (to.proto == IPPROTO_ICMPV6)
			to.proto = IPPROTO_ICMP;
		CU_ASSERT_EQUAL(rewrite(&ids, m, &to), WEIR_DROP_NAT_UNTRANSLATABLE);
		CU_ASSERT_EQUAL(wire_flat(m, flat), w.n);
		CU_ASSERT_EQUAL(memcmp(flat, w.b, w.n), 0);
	}
}

/* IPv4: source routes (section 4.1), fragments that lack what ICMPv6 and UDP need. */
static void test_what_cannot_cross_from_ipv4_is_left_alone(void)
{
	static const struct {
		uint8_t proto, options[8];
		uint16_t fragment;
		bool crosses;
	} cases[] = {
		{IPPROTO_UDP, {131, 7, 4, 1, 2, 3, 4, 0}, 0, false}, /* loose, not at its end */
		{IPPROTO_UDP, {137, 7, 4, 1, 2, 3, 4, 0}, 0, false}, /* strict */
		{IPPROTO_UDP, {131, 7, 8, 1, 2, 3, 4, 0}, 0, true},  /* at its end */
		{IPPROTO_UDP, {1, 1, 137, 3, 4, 1, 1, 0}, 0, true},
		{IPPROTO_UDP, {7, 99, 4, 1, 2, 3, 4, 0}, 0, false}, /* lies */
		{IPPROTO_UDP, {7, 1, 4, 1, 2, 3, 4, 0}, 0, false},
		{IPPROTO_UDP, {7, 7, 4, 1, 2, 3, 4, 0}, 0, true},   /* record route */
		{IPPROTO_UDP, {0, 131, 7, 4, 1, 1, 1, 1}, 0, true}, /* behind the end */
		{IPPROTO_UDP, {1, 1, 1, 1, 1, 1, 1, 7}, 0, false},
		{IPPROTO_ICMP, {1, 1, 1, 1, 1, 1, 1, 1}, 0x2000, false},
		{IPPROTO_ICMP, {1, 1, 1, 1, 1, 1, 1, 1}, 0x0001, false},
		{IPPROTO_UDP, {1, 1, 1, 1, 1, 1, 1, 1}, 0x2000, false}, /* no checksum */
		{IPPROTO_UDP, {1, 1, 1, 1, 1, 1, 1, 1}, 0x0001, true},
		{IPPROTO_TCP, {1, 1, 1, 1, 1, 1, 1, 1}, 0x2000, true},
	};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		const struct wire_kind k = {.proto = cases[i].proto,
					    .type = 8,
					    .option_bytes = 8,
					    .payload_bytes = 32,
					    .no_csum = cases[i].fragment != 0};
		const struct wire_kind c = crossed(k);
		const struct weir_tuple was = wire_tuple(4, &k), to = wire_tuple(6, &c);
		struct rte_mbuf *m;
		struct wire w;

		wire_make(&w, &k, &was, NULL);
		toy_put16(w.b + IP + 6, cases[i].fragment);
		sum4(&w);
		m = parsed(&w, 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		/* 10_parse lets no source route come so far. */
		memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, IP + 20), cases[i].options, 8);
		CU_ASSERT_EQUAL(rewrite(&ids, m, &to),
				cases[i].crosses ? WEIR_DROP_NONE : WEIR_DROP_NAT_UNTRANSLATABLE);
		if (cases[i].crosses)
			CU_ASSERT_PTR_NULL(wire_judge(m, WIRE_L2));
	}
}

static void test_without_head_room_a_packet_stays_as_it_is(void)
{
	const struct wire_kind k = {.proto = IPPROTO_TCP, .payload_bytes = 10};
	const struct weir_tuple was = wire_tuple(4, &k), to = wire_tuple(6, &k);

	for (uint16_t room = 0; room < 32; room++) {
		uint8_t flat[WIRE_BYTES + 64];
		struct rte_mbuf *m;
		struct wire w;

		wire_make(&w, &k, &was, NULL);
		m = parsed(&w, 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		memmove((uint8_t *)m->buf_addr + room, rte_pktmbuf_mtod(m, void *), w.n);
		m->data_off = room;
		CU_ASSERT_EQUAL(rewrite(&ids, m, &to),
				room < 20 ? WEIR_DROP_HEADROOM : WEIR_DROP_NONE);
		if (room < 20) {
			CU_ASSERT_EQUAL(wire_flat(m, flat), w.n);
			CU_ASSERT_EQUAL(memcmp(flat, w.b, w.n), 0);
		} else {
			CU_ASSERT_PTR_NULL(wire_judge(m, WIRE_L2));
		}
	}
}

static void test_tags_stay_in_front(void)
{
	const struct wire_kind k = {.proto = IPPROTO_TCP, .payload_bytes = 10};
	const struct weir_tuple was = wire_tuple(4, &k), to = wire_tuple(6, &k);
	struct rte_mbuf *m;
	struct wire w;

	wire_make(&w, &k, &was, NULL);
	memmove(w.b + 16, w.b + 12, w.n - 12u);
	memcpy(w.b + 12, "\x81\x00\x00\x07", 4);
	w.n += 4;
	for (unsigned i = 0; i < 2; i++) {
		m = i == 0 ? parsed(&w, 0) : m;
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		CU_ASSERT_EQUAL(rewrite(&ids, m, i == 0 ? &to : &was), WEIR_DROP_NONE);
		CU_ASSERT_EQUAL(weir_meta(m)->l3_off, 18);
		CU_ASSERT_EQUAL(memcmp(rte_pktmbuf_mtod(m, uint8_t *), w.b, 16), 0);
		CU_ASSERT_PTR_NULL(wire_judge(m, 18));
	}
}

WEIR_TESTS("nodes/rewrite64", TEST(each_kind_is_right_in_the_other_family_and_when_it_comes_back),
	   TEST(dont_fragment_is_set_by_the_length), TEST(ipv4_that_may_be_cut_is_marked),
	   TEST(what_came_in_fragments_may_be_cut_again), TEST(udp_without_a_checksum_gets_one),
	   TEST(what_the_port_is_to_finish_is_finished_right),
	   TEST(fragments_cross_with_their_header), TEST(what_cannot_cross_is_left_alone),
	   TEST(what_cannot_cross_from_ipv4_is_left_alone),
	   TEST(without_head_room_a_packet_stays_as_it_is), TEST(tags_stay_in_front))
