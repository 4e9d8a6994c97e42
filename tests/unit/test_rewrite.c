/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Packets rewritten within their family, parsed by 10_parse as on their way, and judged by sums
 * made byte by byte. rewrite64.c's are in test_rewrite64.c.
 */

#include "10_parse.c"
#include "rewrite_priv.h"
#include "test.h"
#include "toy_wire.h"

#include <stdio.h>
#include <weir/port.h>

#define RUNS 30000

static struct toy_mbuf segs[WIRE_SEGS];
static struct icmp_idents ids;

/* A packet that 10_parse has passed; NULL if it did not. */
static struct rte_mbuf *parsed(const struct wire *w, uint16_t cut, uint16_t again)
{
	struct rte_mbuf *m = wire_mbuf(segs, w, cut, again);

	return parse_any(m, NULL) == WEIR_NEXT ? m : NULL;
}

static bool is_same(const struct rte_mbuf *m, const struct wire *w)
{
	uint8_t flat[WIRE_BYTES + 64];

	return wire_flat(m, flat) == w->n && memcmp(flat, w->b, w->n) == 0;
}

/* A kind of packet that is no ICMP error. */
static struct wire_kind random_kind(uint8_t family)
{
	static const uint8_t protos[] = {IPPROTO_TCP,	  IPPROTO_UDP,	IPPROTO_UDP,  IPPROTO_ICMP,
					 IPPROTO_UDPLITE, IPPROTO_DCCP, IPPROTO_SCTP, IPPROTO_GRE};
	struct wire_kind k = {
		.proto = protos[wire_random(RTE_DIM(protos))],
		.option_bytes = (uint8_t)(wire_random(3) * 8),
		.payload_bytes = (uint16_t)wire_random(200),
		.no_csum = family == 4 && wire_random(4) == 0,
		.df = wire_random(2),
	};

	if (k.proto == IPPROTO_ICMP) {
		k.proto = family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		k.type = (uint8_t)(family == 4 ? wire_random(2) * 8 : 128 + wire_random(2));
	}
	return k;
}

/* The tuple of a packet that is whole, from its bytes. */
static bool has_tuple(const struct rte_mbuf *m, const struct weir_tuple *t)
{
	uint8_t flat[WIRE_BYTES + 64];
	const uint8_t *ip = flat + weir_meta((struct rte_mbuf *)(uintptr_t)m)->l3_off;
	const uint8_t *l4 = flat + weir_meta((struct rte_mbuf *)(uintptr_t)m)->l4_off;
	const unsigned bytes = t->family == 4 ? 4 : 16, at = t->family == 4 ? 12 : 8;

	wire_flat(m, flat);
	if (memcmp(ip + at, t->src, bytes) != 0 || memcmp(ip + at + bytes, t->dst, bytes) != 0)
		return false;
	if (t->proto == IPPROTO_TCP || t->proto == IPPROTO_UDP)
		return memcmp(l4, &t->sport, 4) == 0;
	if (t->proto == IPPROTO_ICMP || t->proto == IPPROTO_ICMPV6)
		return memcmp(l4 + 4, l4[0] == 0 || l4[0] == 129 ? &t->dport : &t->sport, 2) == 0;
	return true;
}

static void complain(unsigned run, const struct wire_kind *k, const char *wrong)
{
	fprintf(stderr, "run %u, protocol %u, type %u, options %u: %s\n", run, k->proto, k->type,
		k->option_bytes, wrong);
}

static void test_each_kind_is_right_afterwards_and_the_same_when_it_comes_back(void)
{
	unsigned bad = 0;

	for (unsigned run = 0; run < RUNS; run++) {
		const uint8_t family = run % 2 ? 6 : 4;
		const struct wire_kind k = random_kind(family);
		const struct weir_tuple was = wire_tuple(family, &k);
		struct weir_tuple to = wire_tuple(family, &k);
		const char *wrong;
		struct rte_mbuf *m;
		struct wire w;
		uint16_t cut, again;

		wire_make(&w, &k, &was, NULL);
		cut = run % 3 ? (uint16_t)(1 + wire_random(w.n - 1)) : 0;
		again = cut && run % 5 ? (uint16_t)(cut + wire_random((uint32_t)w.n - cut)) : 0;
		m = parsed(&w, cut, again == cut ? 0 : again);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		CU_ASSERT_EQUAL(rewrite(&ids, m, &to), WEIR_DROP_NONE);
		wrong = wire_judge(m, WIRE_L2);
		if (wrong == NULL && !has_tuple(m, &to))
			wrong = "addresses or ports";
		CU_ASSERT_EQUAL(rewrite(&ids, m, &was), WEIR_DROP_NONE);
		if (wrong == NULL && !is_same(m, &w))
			wrong = "not the same when it came back";
		if (wrong != NULL && bad++ < 5)
			complain(run, &k, wrong);
	}
	CU_ASSERT_EQUAL(bad, 0);
}

/* Errors whose quotes are as long as they come: from a few bytes of transport to all of it. */
static void test_errors_are_right_inside_and_outside_and_come_back_the_same(void)
{
	static const uint8_t types4[] = {3, 11, 12}, types6[] = {1, 2, 3, 4};
	unsigned bad = 0;

	for (unsigned run = 0; run < RUNS; run++) {
		const uint8_t family = run % 2 ? 6 : 4;
		const struct wire_kind k = random_kind(family);
		struct wire_kind error = {.type = family == 4 ? types4[wire_random(3)]
							      : types6[wire_random(4)]};
		const struct weir_tuple was = wire_tuple(family, &k);
		struct weir_tuple to = wire_tuple(family, &k), outer = weir_tuple_reverse(&was);
		const char *wrong;
		struct rte_mbuf *m;
		struct wire about, w;
		uint16_t bytes, cut;

		wire_make(&about, &k, &was, NULL);
		bytes = (uint16_t)(about.l4 - WIRE_L2 + 8);
		bytes = (uint16_t)(bytes + wire_random(about.n - WIRE_L2 - bytes + 1u));
		error.option_bytes = (uint8_t)(wire_random(2) * 8);
		wire_make_error(&w, error, &outer, &about, bytes);
		cut = run % 3 ? (uint16_t)(1 + wire_random(w.n - 1)) : 0;
		m = parsed(&w, cut, 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		CU_ASSERT_EQUAL(rewrite_error(&ids, m, &to), WEIR_DROP_NONE);
		wrong = wire_judge(m, WIRE_L2);
		CU_ASSERT_EQUAL(rewrite_error(&ids, m, &was), WEIR_DROP_NONE);
		if (wrong == NULL && !is_same(m, &w))
			wrong = "not the same when it came back";
		if (wrong != NULL && bad++ < 5)
			complain(run, &k, wrong);
	}
	CU_ASSERT_EQUAL(bad, 0);
}

/* An error about UDP from inside to a server outside: quoted as the server's router saw it. */
static struct rte_mbuf *error_about(uint8_t family, const struct weir_tuple *quoted,
				    const struct weir_tuple *outer, struct wire *w)
{
	const struct wire_kind udp = {.proto = IPPROTO_UDP, .payload_bytes = 20};
	struct wire about;

	wire_make(&about, &udp, quoted, NULL);
	wire_make_error(w, (struct wire_kind){.type = family == 4 ? 3 : 1}, outer, &about,
			(uint16_t)(about.n - WIRE_L2));
	return parsed(w, 0, 0);
}

static void test_an_error_goes_to_who_sent_the_packet(void)
{
	static const struct wire_kind udp = {.proto = IPPROTO_UDP};

	for (uint8_t family = 4; family <= 6; family += 2) {
		const unsigned bytes = family == 4 ? 4 : 16, at = family == 4 ? 12 : 8;
		const struct weir_tuple quoted = wire_tuple(family, &udp);
		struct weir_tuple outer = wire_tuple(family, &udp), to = quoted;
		struct rte_mbuf *m;
		struct wire w;
		uint8_t *ip;

		memcpy(outer.dst, quoted.src, sizeof(outer.dst));
		memset(to.src, 0x21, bytes);
		to.sport = RTE_BE16(4711);
		m = error_about(family, &quoted, &outer, &w);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		CU_ASSERT_EQUAL(rewrite_error(&ids, m, &to), WEIR_DROP_NONE);
		ip = rte_pktmbuf_mtod_offset(m, uint8_t *, WIRE_L2);
		CU_ASSERT_EQUAL(memcmp(ip + at, outer.src, bytes), 0); /* the router, as it is */
		CU_ASSERT_EQUAL(memcmp(ip + at + bytes, to.src, bytes), 0);
		/* A translated destination hides who is behind it. */
		m = error_about(family, &quoted, &outer, &w);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		memset(to.dst, 0x22, bytes);
		CU_ASSERT_EQUAL(rewrite_error(&ids, m, &to), WEIR_DROP_NONE);
		ip = rte_pktmbuf_mtod_offset(m, uint8_t *, WIRE_L2);
		CU_ASSERT_EQUAL(memcmp(ip + at, to.dst, bytes), 0);
		CU_ASSERT_PTR_NULL(wire_judge(m, WIRE_L2));
	}
}

static void test_a_quote_that_lies_is_refused(void)
{
	static const struct wire_kind udp = {.proto = IPPROTO_UDP, .payload_bytes = 20};
	const struct weir_tuple quoted = wire_tuple(4, &udp);
	const struct weir_tuple outer = weir_tuple_reverse(&quoted);
	const struct {
		uint8_t at, value;
		uint16_t bytes; /* that are quoted */
	} lies[] = {
		{0, 0x45, 20}, /* no transport header */
		{0, 0x45, 27}, /* a part of it */
		{0, 0x45, 3},  /* not even IP */
		{0, 0x55, 48}, /* another version */
		{0, 0x44, 48}, /* a header too short to be one */
		{0, 0x4f, 48}, /* longer than what is there */
		{2, 0xff, 48}, /* a long packet: that may be, only its length is another */
		{3, 19, 48},   /* shorter than its header */
		{6, 0x01, 48}, /* a later fragment */
		{9, IPPROTO_ICMPV6, 48},
	};

	for (unsigned i = 0; i < RTE_DIM(lies); i++) {
		const bool fine = lies[i].at == 2;
		struct wire about, w;
		struct rte_mbuf *m;

		wire_make(&about, &udp, &quoted, NULL);
		about.b[WIRE_L2 + 2] = 0;
		about.b[WIRE_L2 + lies[i].at] = lies[i].value;
		wire_make_error(&w, (struct wire_kind){.type = 3}, &outer, &about, lies[i].bytes);
		m = parsed(&w, 0, 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		CU_ASSERT_EQUAL(rewrite_error(&ids, m, &quoted),
				fine ? WEIR_DROP_NONE : WEIR_DROP_ICMP_QUOTE);
	}
}

static void test_a_quote_of_ipv6_is_followed_behind_its_extension_headers(void)
{
	struct wire_kind k = {.proto = IPPROTO_TCP, .payload_bytes = 40, .option_bytes = 24};
	const struct weir_tuple was = wire_tuple(6, &k), outer = weir_tuple_reverse(&was);
	const struct weir_tuple to = wire_tuple(6, &k);
	struct wire about, w;
	struct rte_mbuf *m;

	for (uint16_t bytes = 0; bytes < 124; bytes++) {
		wire_make(&about, &k, &was, NULL);
		wire_make_error(&w, (struct wire_kind){.type = 1}, &outer, &about, bytes);
		m = parsed(&w, 0, 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		CU_ASSERT_EQUAL(rewrite_error(&ids, m, &to),
				bytes < 72 ? WEIR_DROP_ICMP_QUOTE : WEIR_DROP_NONE);
		if (bytes >= 72)
			CU_ASSERT_PTR_NULL(wire_judge(m, WIRE_L2));
	}
	wire_make(&about, &k, &was, NULL);
	about.b[WIRE_L2 + 6] = IPPROTO_ROUTING; /* one that says where else it goes */
	about.b[WIRE_L2 + 43] = 1;
	wire_make_error(&w, (struct wire_kind){.type = 1}, &outer, &about, 124);
	m = parsed(&w, 0, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_EQUAL(rewrite_error(&ids, m, &to), WEIR_DROP_ICMP_QUOTE);
}

static void test_a_wrong_checksum_stays_wrong_by_as_much(void)
{
	for (unsigned run = 0; run < 2000; run++) {
		const uint8_t family = run % 2 ? 6 : 4;
		const struct wire_kind k = {.proto = run % 4 < 2 ? IPPROTO_TCP : IPPROTO_UDP,
					    .payload_bytes = (uint16_t)(run % 50 + 2)};
		const struct weir_tuple was = wire_tuple(family, &k);
		const struct weir_tuple to = wire_tuple(family, &k);
		struct rte_mbuf *m;
		struct wire w;

		wire_make(&w, &k, &was, NULL);
		w.b[w.n - 1] ^= 0x40;
		m = parsed(&w, 0, 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		CU_ASSERT_EQUAL(rewrite(&ids, m, &to), WEIR_DROP_NONE);
		CU_ASSERT_PTR_NOT_NULL(wire_judge(m, WIRE_L2));
		*rte_pktmbuf_mtod_offset(m, uint8_t *, w.n - 1) ^= 0x40;
		CU_ASSERT_PTR_NULL(wire_judge(m, WIRE_L2));
	}
}

static void test_what_the_port_is_to_finish_is_finished_right(void)
{
	for (unsigned run = 0; run < 2000; run++) {
		const uint8_t family = run % 2 ? 6 : 4;
		const struct wire_kind k = {.proto = run % 4 < 2 ? IPPROTO_TCP : IPPROTO_UDP,
					    .payload_bytes = (uint16_t)(run % 50)};
		const struct weir_tuple was = wire_tuple(family, &k);
		const struct weir_tuple to = wire_tuple(family, &k);
		const uint32_t caps = run % 3 ? 0 : WEIR_PORT_TX_CSUM_IP4;
		uint16_t seen, expected;
		struct rte_mbuf *m;
		struct wire w;

		wire_make(&w, &k, &was, NULL);
		m = parsed(&w, 0, 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		weir_offload_request(m, weir_meta(m)->l3_off, weir_meta(m)->l4_off);
		CU_ASSERT_EQUAL(rewrite(&ids, m, &to), WEIR_DROP_NONE);
		if (family == 4)
			CU_ASSERT_EQUAL(ip4(m)->hdr_checksum, 0); /* as an engine expects it */
		memcpy(&seen, (uint8_t *)l4(m) + wire_csum_at(k.proto), sizeof(seen));
		expected = weir_csum_fold(pseudo_sum(&to, l4_there(m)));
		CU_ASSERT_EQUAL(seen % 0xffff, expected % 0xffff);
		weir_offload_finish(m, caps);
		if (caps == 0 || family == 6)
			CU_ASSERT_PTR_NULL(wire_judge(m, WIRE_L2));
	}
}

/* Of 65,535 values of a word of the source address one makes the sum come out as zero. */
static unsigned count_all_ones(uint8_t family, uint8_t proto)
{
	const struct wire_kind k = {.proto = proto, .payload_bytes = 9};
	const struct weir_tuple was = wire_tuple(family, &k);
	struct weir_tuple to = wire_tuple(family, &k);
	struct rte_mbuf *m;
	unsigned ones = 0;
	struct wire w;

	wire_make(&w, &k, &was, NULL);
	m = parsed(&w, 0, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	for (uint32_t word = 1; word <= 65535; word++) {
		uint16_t csum;

		toy_put16(to.src + (family == 4 ? 2 : 14), word);
		CU_ASSERT_EQUAL(rewrite(&ids, m, &to), WEIR_DROP_NONE);
		memcpy(&csum, (const uint8_t *)l4(m) + wire_csum_at(proto), sizeof(csum));
		if (csum == 0)
			return 0; /* there is none any more */
		if (csum == 0xffff && wire_judge(m, WIRE_L2) == NULL)
			ones++;
	}
	return ones;
}

static void test_udp_that_sums_up_to_zero_is_sent_as_all_ones(void)
{
	for (uint8_t family = 4; family <= 6; family += 2) {
		CU_ASSERT_EQUAL(count_all_ones(family, IPPROTO_UDP), 1);
		CU_ASSERT_EQUAL(count_all_ones(family, IPPROTO_UDPLITE), 1);
	}
}

/* A datagram of 100 bytes in two fragments: the first one's checksum covers both. */
static void test_fragments_add_up_to_what_the_whole_would_be(void)
{
	const struct wire_kind k = {.proto = IPPROTO_UDP, .payload_bytes = 92};
	const struct weir_tuple was = wire_tuple(4, &k), to = wire_tuple(4, &k);
	struct wire whole, part[2];
	uint8_t all[20 + 100];
	struct rte_mbuf *m;

	wire_make(&whole, &k, &was, NULL);
	for (unsigned i = 0; i < 2; i++) {
		uint8_t *ip = part[i].b + WIRE_L2;

		part[i].n = (uint16_t)(WIRE_L2 + 20 + (i == 0 ? 56 : 44));
		memcpy(part[i].b, whole.b, WIRE_L2 + 20);
		memcpy(ip + 20, whole.b + WIRE_L2 + 20 + i * 56, i == 0 ? 56 : 44);
		toy_put16(ip + 2, part[i].n - WIRE_L2);
		toy_put16(ip + 6, i == 0 ? 0x2000 : 7);
		toy_put16(ip + 10, 0);
		toy_put16(ip + 10, ~toy_add(0, ip, 20));
		m = parsed(&part[i], 0, 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		CU_ASSERT_EQUAL(rewrite(&ids, m, &to), WEIR_DROP_NONE);
		CU_ASSERT_PTR_NULL(wire_judge(m, WIRE_L2)); /* of each the IP header */
		ip = rte_pktmbuf_mtod_offset(m, uint8_t *, WIRE_L2);
		if (i == 0)
			memcpy(all, ip, 20 + 56);
		else
			memcpy(all + 20 + 56, ip + 20, 44);
		CU_ASSERT_EQUAL(memcmp(ip + 12, to.src, 4), 0);
	}
	CU_ASSERT_EQUAL(wire_l4_sum(all, all + 20, 100, IPPROTO_UDP), 0xffff);
	CU_ASSERT_EQUAL(memcmp(all + 20, &to.sport, 4), 0);
}

static void test_a_packet_that_is_routed_by_its_header_is_left_alone(void)
{
	const struct wire_kind k = {.proto = IPPROTO_UDP, .payload_bytes = 9, .option_bytes = 24};
	const struct weir_tuple was = wire_tuple(6, &k), to = wire_tuple(6, &k);
	struct rte_mbuf *m;
	struct wire w;

	wire_make(&w, &k, &was, NULL);
	w.b[WIRE_L2 + 6] = IPPROTO_ROUTING;
	w.b[WIRE_L2 + 43] = 1; /* segments left */
	m = parsed(&w, 0, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_EQUAL(rewrite(&ids, m, &to), WEIR_DROP_NAT_UNTRANSLATABLE);
	CU_ASSERT_TRUE(is_same(m, &w));
	w.b[WIRE_L2 + 43] = 0; /* it has arrived where it was to go */
	m = parsed(&w, 0, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_EQUAL(rewrite(&ids, m, &to), WEIR_DROP_NONE);
}

WEIR_TESTS("nodes/rewrite", TEST(each_kind_is_right_afterwards_and_the_same_when_it_comes_back),
	   TEST(errors_are_right_inside_and_outside_and_come_back_the_same),
	   TEST(an_error_goes_to_who_sent_the_packet), TEST(a_quote_that_lies_is_refused),
	   TEST(a_quote_of_ipv6_is_followed_behind_its_extension_headers),
	   TEST(a_wrong_checksum_stays_wrong_by_as_much),
	   TEST(what_the_port_is_to_finish_is_finished_right),
	   TEST(udp_that_sums_up_to_zero_is_sent_as_all_ones),
	   TEST(fragments_add_up_to_what_the_whole_would_be),
	   TEST(a_packet_that_is_routed_by_its_header_is_left_alone))
