/* SPDX-License-Identifier: BSD-3-Clause */

/* NPTv6: addresses that leave checksums as they are (RFC 6296). */

#include "toy_nat.h"
#include "toy_packet.h"

static struct weir_prefix outside;

/* From outside to inside and back, each from its own zone. */
static struct weir_nat *pair_of(const struct weir_prefix *inside)
{
	struct weir_nat_rule in = {.name = "npt",
				   .kind = WEIR_NAT_NPT6,
				   .from_zones = ZONE(WAN),
				   .inside = *inside,
				   .pool = &outside,
				   .n_pool = 1};
	struct weir_nat_rule out = in;

	out.from_zones = ZONE(LAN);
	return toy_nat_rules(&in, 1, &out, 1);
}

static struct weir_nat *pair(const char *in, const char *out)
{
	const struct weir_prefix inside = toy_prefix(in);

	outside = toy_prefix(out);
	return pair_of(&inside);
}

static void test_the_examples_of_the_rfc(void)
{
	/* Sections 3.1 to 3.3 with erratum 3033; then a prefix that is longer than /48. */
	static const struct {
		const char *in, *out, *host, *seen;
	} cases[] = {
		{"fd01:203:405::/48", "2001:db8:1::/48", "fd01:203:405:1::1234",
		 "2001:db8:1:d550::1234"},
		{"fd01:203:405::/48", "2001:db8:1::/48", "fd01:203:405:2ab0::1", "2001:db8:1::1"},
		{"fd01:203:405::/48", "2001:db8:1::/48", "fd01:203:405::1", "2001:db8:1:d54f::1"},
		{"fd01:203:405:100::/56", "2001:db8:1:200::/56", "fd01:203:405:107:0:1:2:3",
		 "2001:db8:1:207:d44f:1:2:3"},
		{"fd01:203:405:100::/56", "2001:db8:1:200::/56", "fd01:203:405:107:ffff:1:2:3",
		 "2001:db8:1:207:ffff:d450:2:3"},
	};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		const struct weir_tuple t =
			toy_flow_of(IPPROTO_TCP, cases[i].host, 99, "2001:db8:77::1", 80);
		const struct weir_tuple back =
			toy_flow_of(IPPROTO_TCP, "2001:db8:77::1", 80, cases[i].seen, 99);
		struct weir_tuple leaves;
		struct toy_nat g;
		uint32_t n;

		toy_nat_begin(&g, pair(cases[i].in, cases[i].out), 16, 0);
		CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, WAN, &t, &leaves, &n), 0);
		CU_ASSERT_EQUAL(n, 1);
		CU_ASSERT_TRUE(toy_has_addr(leaves.src, cases[i].seen));
		CU_ASSERT_EQUAL(leaves.sport, t.sport);
		CU_ASSERT_EQUAL(toy_nat_choose(&g, WAN, LAN, &back, &leaves, &n), 0);
		CU_ASSERT_EQUAL(n, 0);
		CU_ASSERT_TRUE(toy_has_addr(leaves.dst, cases[i].host));
		toy_nat_end(&g);
	}
}

static void test_a_subnet_of_all_ones_cannot_be_translated(void)
{
	const struct weir_tuple t =
		toy_flow_of(IPPROTO_TCP, "fd01:203:405:ffff::1", 99, "2001:db8:77::1", 80);
	const struct weir_tuple in =
		toy_flow_of(IPPROTO_TCP, "2001:db8:77::1", 99, "2001:db8:1:ffff::1", 80);
	struct weir_tuple leaves;
	struct toy_nat g;
	uint32_t n;

	toy_nat_begin(&g, pair("fd01:203:405::/48", "2001:db8:1::/48"), 16, 0);
	CU_ASSERT_EQUAL(toy_nat_choose(&g, LAN, WAN, &t, &leaves, &n), -EADDRNOTAVAIL);
	CU_ASSERT_EQUAL(g.asker.no_address, 1);
	CU_ASSERT_EQUAL(toy_nat_choose(&g, WAN, LAN, &in, &leaves, &n), 0);
	CU_ASSERT_TRUE(toy_tuple_equal(&leaves, &in));
	toy_nat_end(&g);
}

/* Whether none of the words that may take up the difference can. */
static bool is_all_ones(const uint8_t addr[16], uint8_t bits)
{
	unsigned at = (bits + 15u) / 16 * 2, end = 16;

	if (bits <= 48) {
		at = 6;
		end = 8;
	}
	for (at = bits > 48 && at < 8 ? 8 : at; at < end; at++)
		if (addr[at] != 0xff)
			return false;
	return true;
}

/* For each length: the sum of the address stays, two hosts stay two, and the way back is the same.
 */
static void test_every_length_keeps_sums_and_comes_back(void)
{
	unsigned wrong = 0;

	for (uint8_t bits = 1; bits <= 112; bits++) {
		struct weir_prefix inside;
		struct toy_nat g;

		outside = (struct weir_prefix){
			.addr = {.family = 6, .bytes = {0x80 | bits, 3, 7, 1, bits, 9, 8, 7, 2, 1}},
			.length = bits};
		inside = (struct weir_prefix){
			.addr = {.family = 6, .bytes = {0x7d, 9, 0xff, bits, 0xff, 5, 4, 3, 1, 8}},
			.length = bits};
		toy_nat_begin(&g, pair_of(&inside), 16, 0);
		for (unsigned i = 0; i < 300; i++) {
			struct weir_prefix host = weir_prefix_network(&inside);
			struct weir_tuple t =
				toy_flow_of(IPPROTO_TCP, "::1", 99, "2001:db8:77::1", 80);
			struct weir_tuple leaves, back;
			uint32_t n;
			int rc;

			for (unsigned b = bits; b < 128; b++)
				if ((i * 2654435761u + b * b * (i + 1)) >> 7 & 1)
					host.addr.bytes[b / 8] |= (uint8_t)(0x80 >> b % 8);
			memcpy(t.src, host.addr.bytes, 16);
			rc = toy_nat_choose(&g, LAN, WAN, &t, &leaves, &n);
			if (rc < 0) {
				wrong += !is_all_ones(t.src, bits);
				continue;
			}
			wrong += toy_add(0, leaves.src, 16) % 0xffff !=
				 toy_add(0, t.src, 16) % 0xffff;
			back = weir_tuple_reverse(&leaves);
			wrong += toy_nat_choose(&g, WAN, LAN, &back, &leaves, &n) != 0;
			/* Of one's complement's two zeros only one comes back. */
			wrong += memcmp(leaves.dst, t.src, 16) != 0;
		}
		toy_nat_end(&g);
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

WEIR_TESTS("tables/nat_npt6", TEST(the_examples_of_the_rfc),
	   TEST(a_subnet_of_all_ones_cannot_be_translated),
	   TEST(every_length_keeps_sums_and_comes_back))
