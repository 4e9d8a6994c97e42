/* SPDX-License-Identifier: BSD-3-Clause */

/* ICMP errors from IPv6 to IPv4 and back: RFC 7915's tables, quotes, MTUs, extensions. */

#include "10_parse.c"
#include "rewrite_priv.h"
#include "test.h"
#include "toy_wire.h"

#include <stdio.h>
#include <weir/nat.h>

#define RUNS 20000
#define IP   WIRE_L2
#define NONE 0xff

static struct toy_mbuf segs[WIRE_SEGS];
static struct icmp_idents ids;

/* A flow from IPv6 by 64:ff9b::/96: its first packet as it came, and as it left. */
static struct weir_tuple came, left;

static void begin_flow(const struct wire_kind *k6, const struct wire_kind *k4)
{
	came = wire_tuple(6, k6);
	left = wire_tuple(4, k4);
	memcpy(came.dst, "\x00\x64\xff\x9b\0\0\0\0\0\0\0\0", 12);
	memcpy(came.dst + 12, left.dst, 4);
}

static struct rte_mbuf *parsed(const struct wire *w, uint16_t cut)
{
	struct rte_mbuf *m = wire_mbuf(segs, w, cut, 0);

	return parse_any(m, NULL) == WEIR_NEXT ? m : NULL;
}

/* An error that came about a packet of the flow which went out as @p t, or as a reply came. */
static void make_error(struct wire *w, uint8_t type, uint8_t code, uint32_t rest,
		       const struct wire_kind *k, const struct weir_tuple *t, uint16_t quoted)
{
	const struct wire_kind error = {.type = type, .code = code, .rest = rest};
	struct weir_tuple outer = weir_tuple_reverse(t);
	struct wire about;

	wire_make(&about, k, t, NULL);
	if (quoted == 0)
		quoted = (uint16_t)(about.n - IP);
	outer.src[t->family == 4 ? 3 : 15] ^= 0x55; /* a router on the way */
	wire_make_error(w, error, &outer, &about, quoted);
}

/* Type, code and second word of what was made of it, of either family; NONE: it is dropped. */
static uint8_t crossing(const struct wire *w, const struct weir_tuple *to, uint8_t *code,
			uint32_t *rest)
{
	struct rte_mbuf *m = parsed(w, 0);
	const struct icmp_head *icmp;
	enum weir_drop why;

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	why = rewrite_error(&ids, m, to);
	if (why == WEIR_DROP_NAT_UNTRANSLATABLE)
		return NONE;
	CU_ASSERT_EQUAL(why, WEIR_DROP_NONE);
	CU_ASSERT_PTR_NULL(wire_judge(m, WIRE_L2));
	icmp = l4(m);
	*code = icmp->code;
	*rest = rte_be_to_cpu_32(icmp->rest_be);
	return icmp->type;
}

/* Section 4.2. */
static void test_errors_of_ipv4_become_those_of_the_table(void)
{
	static const struct {
		uint8_t type, code, to_type, to_code;
		uint32_t rest, to_rest;
	} table[] = {
		{3, 0, 1, 0, 0, 0},
		{3, 1, 1, 0, 0, 0},
		{3, 2, 4, 1, 0, 6},
		{3, 3, 1, 4, 0, 0},
		{3, 4, 2, 0, 1400, 1420},
		{3, 4, 2, 0, 576, 1280},
		{3, 5, 1, 0, 0, 0},
		{3, 6, 1, 0, 0, 0},
		{3, 7, 1, 0, 0, 0},
		{3, 8, 1, 0, 0, 0},
		{3, 9, 1, 1, 0, 0},
		{3, 10, 1, 1, 0, 0},
		{3, 11, 1, 0, 0, 0},
		{3, 12, 1, 0, 0, 0},
		{3, 13, 1, 1, 0, 0},
		{3, 14, NONE, 0, 0, 0},
		{3, 15, 1, 1, 0, 0},
		{3, 16, NONE, 0, 0, 0},
		{4, 0, NONE, 0, 0, 0},
		{5, 1, NONE, 0, 0, 0},
		{11, 0, 3, 0, 0, 0},
		{11, 1, 3, 1, 0, 0},
		{12, 1, NONE, 0, 0, 0},
		{12, 0, 4, 0, 0, 0},
		{12, 0, 4, 0, 1u << 24, 1},
		{12, 0, 4, 0, 2u << 24, 4},
		{12, 2, 4, 0, 3u << 24, 4},
		{12, 0, NONE, 0, 4u << 24, 0},
		{12, 0, NONE, 0, 7u << 24, 0},
		{12, 0, 4, 0, 8u << 24, 7},
		{12, 0, 4, 0, 9u << 24, 6},
		{12, 0, NONE, 0, 10u << 24, 0},
		{12, 0, 4, 0, 12u << 24, 8},
		{12, 0, 4, 0, 15u << 24, 8},
		{12, 0, 4, 0, 16u << 24, 24},
		{12, 0, 4, 0, 19u << 24, 24},
		{12, 0, NONE, 0, 20u << 24, 0},
	};
	const struct wire_kind k = {.proto = IPPROTO_UDP, .payload_bytes = 60};

	for (unsigned i = 0; i < RTE_DIM(table); i++) {
		uint32_t rest = 0;
		uint8_t code = 0;
		struct wire w;

		begin_flow(&k, &k);
		make_error(&w, table[i].type, table[i].code, table[i].rest, &k, &left, 0);
		CU_ASSERT_EQUAL(crossing(&w, &came, &code, &rest), table[i].to_type);
		CU_ASSERT_EQUAL(code, table[i].to_code);
		CU_ASSERT_EQUAL(rest, table[i].to_rest);
	}
}

/* Section 5.2. */
static void test_errors_of_ipv6_become_those_of_the_table(void)
{
	static const struct {
		uint8_t type, code, to_type, to_code;
		uint32_t rest, to_rest;
	} table[] = {
		{1, 0, 3, 1, 0, 0},	      {1, 1, 3, 10, 0, 0},
		{1, 2, 3, 1, 0, 0},	      {1, 3, 3, 1, 0, 0},
		{1, 4, 3, 3, 0, 0},	      {1, 5, NONE, 0, 0, 0},
		{2, 0, 3, 4, 1500, 1480},     {2, 0, 3, 4, 1280, 1260},
		{2, 0, 3, 4, 70000, 65535},   {2, 0, 3, 4, 10, 68},
		{3, 0, 11, 0, 0, 0},	      {3, 1, 11, 1, 0, 0},
		{4, 1, 3, 2, 6, 0},	      {4, 2, NONE, 0, 0, 0},
		{4, 0, 12, 0, 0, 0},	      {4, 0, 12, 0, 1, 1u << 24},
		{4, 0, NONE, 0, 2, 0},	      {4, 0, NONE, 0, 3, 0},
		{4, 0, 12, 0, 4, 2u << 24},   {4, 0, 12, 0, 5, 2u << 24},
		{4, 0, 12, 0, 6, 9u << 24},   {4, 0, 12, 0, 7, 8u << 24},
		{4, 0, 12, 0, 8, 12u << 24},  {4, 0, 12, 0, 23, 12u << 24},
		{4, 0, 12, 0, 24, 16u << 24}, {4, 0, 12, 0, 39, 16u << 24},
		{4, 0, NONE, 0, 40, 0},	      {5, 0, NONE, 0, 0, 0},
		{127, 0, NONE, 0, 0, 0},
	};
	const struct wire_kind k = {.proto = IPPROTO_UDP, .payload_bytes = 60};

	for (unsigned i = 0; i < RTE_DIM(table); i++) {
		struct weir_tuple quoted, to;
		uint32_t rest = 0;
		uint8_t code = 0;
		struct wire w;

		begin_flow(&k, &k); /* an error about the reply, which came from IPv4 */
		quoted = weir_tuple_reverse(&came);
		to = weir_tuple_reverse(&left);
		make_error(&w, table[i].type, table[i].code, table[i].rest, &k, &quoted, 0);
		CU_ASSERT_EQUAL(crossing(&w, &to, &code, &rest), table[i].to_type);
		CU_ASSERT_EQUAL(code, table[i].to_code);
		CU_ASSERT_EQUAL(rest, table[i].to_rest);
	}
}

/* RFC 1191 section 7: who does not say an MTU is asked for the next lower one that is usual. */
static void test_an_mtu_that_is_not_said_is_guessed_from_the_packet(void)
{
	static const struct {
		uint16_t total_bytes;
		uint32_t mtu;
	} table[] = {{1500, 1492 + 20}, {1492, 1280}, {1006, 1280}, {4353, 4352 + 20}};
	const struct wire_kind k = {.proto = IPPROTO_UDP, .payload_bytes = 60};

	for (unsigned i = 0; i < RTE_DIM(table); i++) {
		struct wire about, w;
		uint32_t rest = 0;
		uint8_t code = 0;

		begin_flow(&k, &k);
		wire_make(&about, &k, &left, NULL);
		toy_put16(about.b + IP + 2, table[i].total_bytes);
		toy_put16(about.b + IP + 10, 0);
		toy_put16(about.b + IP + 10, ~toy_add(0, about.b + IP, 20));
		{
			const struct wire_kind error = {.type = 3, .code = 4};
			const struct weir_tuple outer = weir_tuple_reverse(&left);

			wire_make_error(&w, error, &outer, &about, 60);
		}
		CU_ASSERT_EQUAL(crossing(&w, &came, &code, &rest), 2);
		CU_ASSERT_EQUAL(rest, table[i].mtu);
	}
}

/* Section 5.2: a quoted fragment's header goes too, so its packet shrinks by 8 bytes more. */
static void test_an_mtu_is_lower_by_a_quoted_fragment_header(void)
{
	const struct wire_kind k = {.proto = IPPROTO_UDP, .payload_bytes = 60, .option_bytes = 8};
	struct weir_tuple quoted, to;
	const struct wire_kind error = {.type = 2, .rest = 1400};
	struct wire about, w;
	struct weir_tuple outer;
	uint32_t rest = 0;
	uint8_t code = 0;

	begin_flow(&k, &k);
	quoted = weir_tuple_reverse(&came);
	outer = came;
	to = weir_tuple_reverse(&left);
	wire_make(&about, &k, &quoted, NULL);
	about.b[IP + 6] = IPPROTO_FRAGMENT;
	memcpy(about.b + IP + 41, "\0\0\1\x01\x02\x03\x04", 7);
	wire_make_error(&w, error, &outer, &about, 100);
	CU_ASSERT_EQUAL(crossing(&w, &to, &code, &rest), 3);
	CU_ASSERT_EQUAL(rest, 1400 - 28);
}

static struct wire_kind random_kind(struct wire_kind *k4)
{
	static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6, IPPROTO_UDPLITE,
					 IPPROTO_SCTP};
	struct wire_kind k6 = {.proto = protos[wire_random(RTE_DIM(protos))],
			       .payload_bytes = (uint16_t)(8 + wire_random(300))};

	*k4 = k6;
	if (k6.proto == IPPROTO_ICMPV6) {
		k6.type = (uint8_t)(128 + wire_random(2));
		k4->type = k6.type == 128 ? 8 : 0;
		k4->proto = IPPROTO_ICMP;
	}
	return k6;
}

static bool is_quoted(struct rte_mbuf *m, const struct weir_tuple *to)
{
	const uint8_t *ip = (const uint8_t *)l4(m) + 8;
	const unsigned at = to->family == 4 ? 12 : 8, bytes = to->family == 4 ? 4 : 16;

	return ip[0] >> 4 == to->family && memcmp(ip + at, to->src, bytes) == 0 &&
	       memcmp(ip + at + bytes, to->dst, bytes) == 0;
}

static void test_quotes_of_all_kinds_and_lengths_are_right_in_the_other_family(void)
{
	unsigned bad = 0;

	for (unsigned run = 0; run < RUNS; run++) {
		const bool from4 = run % 2;
		struct wire_kind k4, k6 = random_kind(&k4);
		struct weir_tuple quoted, to;
		const char *wrong = NULL;
		struct rte_mbuf *m;
		struct wire w;
		uint16_t head;

		begin_flow(&k6, &k4);
		quoted = from4 ? left : weir_tuple_reverse(&came);
		to = from4 ? came : weir_tuple_reverse(&left);
		/* The reply of a question is an answer. */
		if (!from4 && k6.proto == IPPROTO_ICMPV6) {
			k6.type ^= 1;
			k4.type = k4.type == 8 ? 0 : 8;
		}
		k4.option_bytes = (uint8_t)(wire_random(3) * 4);
		k6.option_bytes = (uint8_t)(wire_random(2) * 8);
		head = (uint16_t)((from4 ? 20 + k4.option_bytes : 40 + k6.option_bytes) + 8);
		make_error(&w, from4 ? 3 : 1, from4 ? 3 : 4, 0, from4 ? &k4 : &k6, &quoted,
			   (uint16_t)(head + wire_random(k4.payload_bytes)));
		m = parsed(&w, run % 3 ? (uint16_t)(1 + wire_random(w.n - 1)) : 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		if (rewrite_error(&ids, m, &to) != WEIR_DROP_NONE)
			wrong = "it is dropped";
		else if (!is_quoted(m, &to))
			wrong = "addresses of the quoted packet";
		if (wrong == NULL)
			wrong = wire_judge(m, WIRE_L2);
		if (wrong != NULL && bad++ < 5)
			fprintf(stderr, "run %u, protocol %u: %s\n", run, k6.proto, wrong);
	}
	CU_ASSERT_EQUAL(bad, 0);
}

static void test_an_error_comes_from_who_sent_it_if_that_has_an_address(void)
{
	static const struct {
		uint8_t length;
		const char *router; /* 192.0.2.33 in it */
	} cases[] = {
		{32, "2001:db8:c000:221::"},	      {40, "2001:db8:1c0:2:21::"},
		{48, "2001:db8:122:c000:2:2100::"},   {56, "2001:db8:122:3c0:0:221::"},
		{64, "2001:db8:122:344:c0:2:2100::"}, {96, "2001:db8:122:344::c000:221"},
	};
	const struct wire_kind k = {.proto = IPPROTO_UDP, .payload_bytes = 20};
	const struct wire_kind error = {.type = 11};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct weir_prefix prefix = {.length = cases[i].length};
		struct weir_tuple outer;
		struct wire about, w;
		struct rte_mbuf *m;

		begin_flow(&k, &k);
		CU_ASSERT_EQUAL(
			weir_addr_parse(cases[i].router, strlen(cases[i].router), &prefix.addr), 0);
		weir_nat64_embed(&prefix, left.dst, came.dst);
		wire_make(&about, &k, &left, NULL);
		outer = weir_tuple_reverse(&left);
		memcpy(outer.src, "\xc0\x00\x02\x21", 4);
		wire_make_error(&w, error, &outer, &about, 48);
		m = parsed(&w, 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		CU_ASSERT_EQUAL(rewrite_error(&ids, m, &came), WEIR_DROP_NONE);
		CU_ASSERT_EQUAL(memcmp(ip6_src(ip6(m)), prefix.addr.bytes, 16), 0);
		CU_ASSERT_EQUAL(memcmp(ip6_dst(ip6(m)), came.src, 16), 0);
	}
	/* A router of IPv6 has none: the error comes from the flow's own address outside. */
	{
		struct weir_tuple quoted, to;
		struct rte_mbuf *m;
		struct wire w;

		begin_flow(&k, &k);
		quoted = weir_tuple_reverse(&came);
		to = weir_tuple_reverse(&left);
		make_error(&w, 3, 0, 0, &k, &quoted, 0);
		m = parsed(&w, 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		CU_ASSERT_EQUAL(rewrite_error(&ids, m, &to), WEIR_DROP_NONE);
		CU_ASSERT_EQUAL(memcmp(&ip4(m)->src_addr, left.src, 4), 0);
		CU_ASSERT_EQUAL(memcmp(&ip4(m)->dst_addr, left.dst, 4), 0);
	}
}

/* Write the length of what stands before extensions, and put them there: 12 bytes. */
static void extend(struct wire *w, bool v6, uint16_t before)
{
	uint8_t *icmp = w->b + w->l4;
	uint32_t bytes;

	icmp[v6 ? 4 : 5] = (uint8_t)(before / (v6 ? 8 : 4));
	memcpy(icmp + 8 + before,
	       "\x20\x00\xaa\xbb\x00\x08\x01\x01"
	       "ABCD",
	       12);
	w->n = (uint16_t)(w->l4 + 8 + before + 12);
	bytes = (uint32_t)w->n - w->l4;
	toy_put16(w->b + IP + (v6 ? 4 : 2), v6 ? bytes : bytes + 20);
	toy_put16(icmp + 2, 0);
	if (!v6) {
		toy_put16(w->b + IP + 10, 0);
		toy_put16(w->b + IP + 10, ~toy_add(0, w->b + IP, 20));
	}
	toy_put16(icmp + 2,
		  ~wire_l4_sum(w->b + IP, icmp, bytes, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP));
}

/* RFC 4884: they are passed on as they are, behind what is quoted in whole units. */
static void test_extensions_stay_behind_the_quote(void)
{
	static const uint16_t befores[] = {128, 132, 136, 140, 256, 600};
	const struct wire_kind k = {.proto = IPPROTO_UDP, .payload_bytes = 700};

	for (unsigned i = 0; i < 2 * RTE_DIM(befores); i++) {
		const bool v6 = i % 2;
		const uint16_t before = v6 ? (uint16_t)(befores[i / 2] & ~7) : befores[i / 2];
		const unsigned unit = v6 ? 4 : 8;
		struct weir_tuple quoted, to;
		const uint8_t *icmp;
		struct rte_mbuf *m;
		unsigned length;
		struct wire w;

		begin_flow(&k, &k);
		quoted = v6 ? weir_tuple_reverse(&came) : left;
		to = v6 ? weir_tuple_reverse(&left) : came;
		make_error(&w, v6 ? 3 : 11, 0, 0, &k, &quoted, before);
		extend(&w, v6, before);
		m = parsed(&w, 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		CU_ASSERT_EQUAL(rewrite_error(&ids, m, &to), WEIR_DROP_NONE);
		CU_ASSERT_PTR_NULL(wire_judge(m, WIRE_L2));
		icmp = l4(m);
		length = icmp[v6 ? 5 : 4] * unit;
		CU_ASSERT_TRUE(length >= 128);
		CU_ASSERT_TRUE(length >= (v6 ? before - 20u : before + 20u));
		CU_ASSERT_EQUAL(l4_there(m), 8 + length + 12);
		CU_ASSERT_EQUAL(memcmp(icmp + 8 + length, w.b + w.n - 12, 12), 0);
	}
}

/* RFC 4443 section 2.4: no longer than IPv6's least MTU; extensions that do not fit are left out.
 */
static void test_an_error_fits_the_least_mtu(void)
{
	const struct wire_kind k = {.proto = IPPROTO_UDP, .payload_bytes = 1300};
	struct rte_mbuf *m;
	struct wire w;

	begin_flow(&k, &k);
	make_error(&w, 3, 1, 0, &k, &left, 1300);
	m = parsed(&w, 700);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_EQUAL(rewrite_error(&ids, m, &came), WEIR_DROP_NONE);
	CU_ASSERT_EQUAL(m->pkt_len, WIRE_L2 + 1280);
	CU_ASSERT_PTR_NULL(wire_judge(m, WIRE_L2));
	make_error(&w, 3, 1, 0, &k, &left, 1000);
	extend(&w, false, 1000);
	w.n += 200; /* much of it */
	toy_put16(w.b + IP + 2, w.n - IP);
	toy_put16(w.b + IP + 10, 0);
	toy_put16(w.b + IP + 10, ~toy_add(0, w.b + IP, 20));
	toy_put16(w.b + w.l4 + 2, 0);
	toy_put16(w.b + w.l4 + 2,
		  ~wire_l4_sum(w.b + IP, w.b + w.l4, (uint32_t)w.n - w.l4, IPPROTO_ICMP));
	m = parsed(&w, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_EQUAL(rewrite_error(&ids, m, &came), WEIR_DROP_NONE);
	CU_ASSERT_PTR_NULL(wire_judge(m, WIRE_L2));
	CU_ASSERT_TRUE(m->pkt_len <= WIRE_L2 + 1280);
}

static void test_a_wrong_error_does_not_become_right(void)
{
	const struct wire_kind k = {.proto = IPPROTO_UDP, .payload_bytes = 60};
	struct weir_tuple quoted, to;
	struct rte_mbuf *m;
	struct wire w;

	begin_flow(&k, &k);
	make_error(&w, 3, 1, 0, &k, &left, 0);
	w.b[w.n - 1] ^= 1;
	m = parsed(&w, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_EQUAL(rewrite_error(&ids, m, &came), WEIR_DROP_L4_CSUM);
	quoted = weir_tuple_reverse(&came);
	to = weir_tuple_reverse(&left);
	make_error(&w, 1, 0, 0, &k, &quoted, 0);
	w.b[w.n - 1] ^= 1;
	m = parsed(&w, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_EQUAL(rewrite_error(&ids, m, &to), WEIR_DROP_L4_CSUM);
}

WEIR_TESTS("nodes/rewrite64_error", TEST(errors_of_ipv4_become_those_of_the_table),
	   TEST(errors_of_ipv6_become_those_of_the_table),
	   TEST(an_mtu_that_is_not_said_is_guessed_from_the_packet),
	   TEST(an_mtu_is_lower_by_a_quoted_fragment_header),
	   TEST(quotes_of_all_kinds_and_lengths_are_right_in_the_other_family),
	   TEST(an_error_comes_from_who_sent_it_if_that_has_an_address),
	   TEST(extensions_stay_behind_the_quote), TEST(an_error_fits_the_least_mtu),
	   TEST(a_wrong_error_does_not_become_right))
