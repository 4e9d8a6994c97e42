/* SPDX-License-Identifier: BSD-3-Clause */

/* ICMP errors: what each means, and which are believed to quote one of our packets. */

#include "toy_icmp.h"

#include <errno.h>

static bool reads(const struct toy_error *e, struct ip_error *out)
{
	/* The outer headers are in one piece, as 10_parse promises. */
	struct rte_mbuf *m = toy_icmp(e, e->family == 4 ? 31 : 51);
	const bool is = ip_error_read(m, out);

	rte_pktmbuf_free(m);
	return is;
}

static const struct {
	uint8_t family, type, code;
	int error; /* 0: it is no error */
	bool hard;
} codes[] = {
	{4, 3, 0, ENETUNREACH, false},
	{4, 3, 1, EHOSTUNREACH, false},
	{4, 3, 2, ENOPROTOOPT, true},
	{4, 3, 3, ECONNREFUSED, true},
	{4, 3, 5, EOPNOTSUPP, false},
	{4, 3, 6, ENETUNREACH, true},
	{4, 3, 7, EHOSTDOWN, true},
	{4, 3, 8, ENONET, true},
	{4, 3, 9, ENETUNREACH, true},
	{4, 3, 10, EHOSTUNREACH, true},
	{4, 3, 11, ENETUNREACH, false},
	{4, 3, 12, EHOSTUNREACH, false},
	{4, 3, 13, EHOSTUNREACH, true},
	{4, 3, 14, EHOSTUNREACH, true},
	{4, 3, 15, EHOSTUNREACH, true},
	{4, 3, 16, 0, false},
	{4, 3, 255, 0, false},
	{4, 11, 0, EHOSTUNREACH, false},
	{4, 11, 1, EHOSTUNREACH, false},
	{4, 12, 0, EPROTO, true},
	{4, 4, 0, 0, false},
	{4, 5, 1, 0, false},
	{4, 0, 0, 0, false},
	{4, 8, 0, 0, false},
	{6, 1, 0, ENETUNREACH, false},
	{6, 1, 1, EACCES, true},
	{6, 1, 2, EHOSTUNREACH, false},
	{6, 1, 3, EHOSTUNREACH, false},
	{6, 1, 4, ECONNREFUSED, true},
	{6, 1, 5, EACCES, true},
	{6, 1, 6, EACCES, true},
	{6, 1, 7, EPROTO, true},
	{6, 3, 0, EHOSTUNREACH, false},
	{6, 4, 1, EPROTO, true},
	{6, 128, 0, 0, false},
	{6, 129, 0, 0, false},
	{6, 135, 0, 0, false},
	{6, 0, 0, 0, false},
};

static void test_each_code_has_the_errno_that_linux_gives_it(void)
{
	for (unsigned i = 0; i < RTE_DIM(codes); i++) {
		const struct toy_error e = {.family = codes[i].family,
					    .type = codes[i].type,
					    .code = codes[i].code,
					    .proto = IPPROTO_TCP,
					    .our_port = 1000,
					    .peer_port = 80,
					    .seq = 0x12345678};
		struct ip_error got = {0};

		CU_ASSERT_EQUAL(reads(&e, &got), codes[i].error != 0);
		CU_ASSERT_EQUAL(got.error, codes[i].error);
		CU_ASSERT_EQUAL(got.hard, codes[i].hard);
		if (codes[i].error == 0)
			continue;
		CU_ASSERT_EQUAL(got.ends.family, codes[i].family);
		CU_ASSERT_EQUAL(got.ends.proto, IPPROTO_TCP);
		CU_ASSERT_EQUAL(got.ends.sport, htons(1000));
		CU_ASSERT_EQUAL(got.ends.dport, htons(80));
		CU_ASSERT_EQUAL(got.ends.src[codes[i].family == 4 ? 3 : 15], 1);
		CU_ASSERT_EQUAL(got.ends.dst[codes[i].family == 4 ? 3 : 15], 2);
		CU_ASSERT_EQUAL(got.ends.dst[4], 0);
		CU_ASSERT_EQUAL(got.seq, 0x12345678);
		CU_ASSERT_EQUAL(got.mtu_bytes, 0);
	}
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

static void test_only_packets_that_we_could_have_sent_are_believed(void)
{
	static const struct {
		struct toy_error e;
		bool is;
	} cases[] = {
		{{.family = 4}, true},
		{{.family = 4, .options = 40}, true},
		{{.family = 4, .says = 28}, true},
		{{.family = 4, .frag = 0x4000}, true},
		{{.family = 4, .frag = 0x2000}, true}, /* the first fragment */
		{{.family = 4, .frag = 0x2001}, false},
		{{.family = 4, .says = 27}, false},
		{{.family = 4, .first = 0x44}, false},
		{{.family = 4, .first = 0x65}, false},
		{{.family = 4, .first = 0x4f}, false}, /* options that are not quoted */
		{{.family = 4, .other_source = true}, false},
		{{.family = 4, .proto = IPPROTO_SCTP}, false},
		{{.family = 4, .proto = IPPROTO_ICMP}, false},
		{{.family = 4, .quoted = 27}, false},
		{{.family = 4, .quoted = 20}, false},
		{{.family = 4, .quoted = 1}, false},
		{{.family = 6}, true},
		{{.family = 6, .fragment_header = true}, true},
		{{.family = 6, .fragment_header = true, .frag = 1}, true},
		{{.family = 6, .fragment_header = true, .frag = 8}, false},
		{{.family = 6, .fragment_header = true, .proto = IPPROTO_FRAGMENT}, false},
		{{.family = 6, .says = 8}, true},
		{{.family = 6, .says = 7}, false},
		{{.family = 6, .first = 0x45}, false},
		{{.family = 6, .other_source = true}, false},
		{{.family = 6, .proto = IPPROTO_AH}, false},
		{{.family = 6, .proto = IPPROTO_ROUTING}, false},
		{{.family = 6, .proto = IPPROTO_DSTOPTS}, false},
		{{.family = 6, .quoted = 47}, false},
		{{.family = 6, .quoted = 39}, false},
		{{.family = 6, .quoted = 1}, false},
	};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct toy_error e = cases[i].e;
		struct ip_error got;
		struct rte_mbuf *m;

		e.type = e.family == 4 ? 3 : 1;
		e.code = e.family == 4 ? 3 : 4;
		e.proto = e.proto ? e.proto : IPPROTO_UDP;
		e.seq = 99; /* length and checksum of UDP */
		CU_ASSERT_EQUAL(reads(&e, &got), cases[i].is);
		if (cases[i].is)
			CU_ASSERT_EQUAL(got.seq, 0);
		/* Cut anywhere, nothing behind the end is read. */
		m = toy_icmp(&e, 2000);
		for (uint32_t n = m->pkt_len - 1; n >= weir_meta(m)->l4_off; n--) {
			pkt_keep(m, n);
			CU_ASSERT(!ip_error_read(m, &got));
		}
		rte_pktmbuf_free(m);
	}
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(toy_only_pool()), 0);
}

static void test_what_is_no_icmp_is_no_error(void)
{
	const struct toy_error e = {.family = 4, .type = 3, .code = 3, .proto = IPPROTO_UDP};
	struct rte_mbuf *m = toy_icmp(&e, 2000);
	struct ip_error got;

	CU_ASSERT(ip_error_read(m, &got));
	weir_meta(m)->proto = IPPROTO_UDP;
	CU_ASSERT(!ip_error_read(m, &got));
	weir_meta(m)->proto = IPPROTO_ICMPV6; /* over IPv4 */
	CU_ASSERT(!ip_error_read(m, &got));
	weir_meta(m)->proto = IPPROTO_ICMP;
	weir_meta(m)->l4_off = (uint16_t)(m->pkt_len + 1);
	CU_ASSERT(!ip_error_read(m, &got));
	rte_pktmbuf_free(m);
}

static void test_an_mtu_has_to_be_below_the_packet_that_it_stopped(void)
{
	static const struct {
		uint8_t family;
		uint32_t told;
		uint16_t says, frag;
		uint16_t mtu; /* 0: not believed */
	} cases[] = {
		{4, 1400, 1500, 0x4000, 1400},
		{4, 1499, 1500, 0x4000, 1499},
		{4, 1500, 1500, 0x4000, 0},
		{4, 9000, 1500, 0x4000, 0},
		{4, 1400, 1500, 0, 0}, /* it may be cut: nobody complains */
		{4, 68, 1500, 0x4000, 68},
		{4, 67, 1500, 0x4000, 0},
		{4, 0, 1500, 0x4000, 1492},
		{4, 0, 1492, 0x4000, 1006}, /* RFC 1191 section 7 */
		{4, 0, 65535, 0x4000, 32000},
		{4, 0, 296, 0x4000, 68},
		{4, 0, 68, 0x4000, 0},
		{4, 0x00050578, 1500, 0x4000, 1400},
		{6, 1400, 1460, 0, 1400},
		{6, 1499, 1460, 0, 1499},
		{6, 1500, 1460, 0, 0},
		{6, 1280, 1460, 0, 1280},
		{6, 1279, 1460, 0, 0}, /* RFC 8201 section 4 */
		{6, 0, 1460, 0, 0},
		{6, 0x10000 + 1400, 1460, 0, 0},
		{6, UINT32_MAX, 1460, 0, 0},
		{6, 1280, 1240, 0, 0},
	};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		const struct toy_error e = {.family = cases[i].family,
					    .type = cases[i].family == 4 ? 3 : 2,
					    .code = cases[i].family == 4 ? 4 : 0,
					    .proto = IPPROTO_TCP,
					    .mtu = cases[i].told,
					    .says = cases[i].says,
					    .frag = cases[i].frag};
		struct ip_error got = {0};

		CU_ASSERT_EQUAL(reads(&e, &got), cases[i].mtu != 0);
		CU_ASSERT_EQUAL(got.mtu_bytes, cases[i].mtu);
		CU_ASSERT_EQUAL(got.error, cases[i].mtu != 0 ? EMSGSIZE : 0);
		CU_ASSERT(!got.hard);
	}
}

WEIR_TESTS("ip/icmp_in", TEST(each_code_has_the_errno_that_linux_gives_it),
	   TEST(only_packets_that_we_could_have_sent_are_believed),
	   TEST(what_is_no_icmp_is_no_error),
	   TEST(an_mtu_has_to_be_below_the_packet_that_it_stopped))
