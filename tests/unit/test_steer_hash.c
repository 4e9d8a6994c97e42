/* SPDX-License-Identifier: BSD-3-Clause */
/* Software RSS: the program's hash against published values and DPDK's, and the queue it leads to.
 */
#include "test.h"
#include "toy_steer.h"

#include <rte_byteorder.h>
#include <rte_thash.h>

#define ALL_TYPES 0x3f

/* Microsoft, "Verifying the RSS hash calculation". */
static const uint8_t microsoft_key[40] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static const struct {
	const char *src, *dst;
	uint16_t sport, dport;
	uint32_t ip, tcp;
} published[] = {
	{"66.9.149.187", "161.142.100.80", 2794, 1766, 0x323e8fc2, 0x51ccc178},
	{"199.92.111.2", "65.69.140.83", 14230, 4739, 0xd718262a, 0xc626b0ea},
	{"24.19.198.95", "12.22.207.184", 12898, 38024, 0xd2d0a5de, 0x5c2b394a},
	{"38.27.205.30", "209.142.163.6", 48228, 2217, 0x82989176, 0xafc7327f},
	{"153.39.163.191", "202.188.127.2", 44251, 1303, 0x5d1809c5, 0x10e828a2},
	{"3ffe:2501:200:1fff::7", "3ffe:2501:200:3::1", 2794, 1766, 0x2cc18cd5, 0x40207d3d},
	{"3ffe:501:8::260:97ff:fe40:efab", "ff02::1", 14230, 4739, 0x0f0c461c, 0xdde51bbf},
	{"3ffe:1900:4545:3:200:f8ff:fe21:67cf", "fe80::200:f8ff:fe21:67cf", 44251, 38024,
	 0x4b61e985, 0x02d1feef},
};

static struct steer_config *config_of(uint32_t types)
{
	struct steer_config *config = toy_config();

	config->rss_types = types;
	steer_set_key(toy, microsoft_key, sizeof(microsoft_key));
	return config;
}

/* Returns whether there is a hash. */
static bool hash_of(const struct frame *f, uint32_t *hash)
{
	const struct toy_end end = toy_run(f);

	*hash = end.meta.hash;
	return end.has_meta && (end.meta.flags & STEER_META_HASH);
}

static void test_published_hashes_are_met(void)
{
	struct steer_config *config = config_of(0);
	uint32_t hash;

	for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++) {
		const struct frame f = frame_flow(6, published[i].src, published[i].sport,
						  published[i].dst, published[i].dport);

		config->rss_types = ALL_TYPES;
		CU_ASSERT_TRUE(hash_of(&f, &hash));
		CU_ASSERT_EQUAL(hash, published[i].tcp);
		config->rss_types = STEER_RSS_IPV4 | STEER_RSS_IPV6;
		CU_ASSERT_TRUE(hash_of(&f, &hash));
		CU_ASSERT_EQUAL(hash, published[i].ip);
	}
}

static void test_random_flows_hash_as_dpdk_does(void)
{
	uint8_t key[40];
	uint32_t hash;

	config_of(ALL_TYPES);
	srandom(3);
	for (unsigned i = 0; i < 300; i++) {
		const bool v6 = i % 2;
		struct frame f = frame_flow(i % 4 < 2 ? 6 : 17, v6 ? "::1" : "127.0.0.1", 1,
					    v6 ? "::1" : "127.0.0.1", 1);
		uint8_t *tuple = f.bytes + (v6 ? 22 : 26);
		uint32_t words[9];
		const unsigned n = v6 ? 9 : 3;

		if (i % 50 == 0) {
			for (unsigned j = 0; j < sizeof(key); j++)
				key[j] = (uint8_t)random();
			steer_set_key(toy, key, sizeof(key));
		}
		for (unsigned j = 0; j < n * 4; j++)
			tuple[j] = (uint8_t)random();
		memcpy(words, tuple, n * 4);
		for (unsigned j = 0; j < n; j++)
			words[j] = ntohl(words[j]);
		CU_ASSERT_TRUE(hash_of(&f, &hash));
		CU_ASSERT_EQUAL(hash, rte_softrss(words, n, key));
	}
}

static void test_only_the_types_asked_for_are_hashed(void)
{
	static const struct {
		uint8_t proto;
		const char *ip;
		uint32_t type, also;
	} kinds[] = {
		{6, "192.0.2.1", STEER_RSS_IPV4_TCP, STEER_RSS_IPV4},
		{17, "192.0.2.1", STEER_RSS_IPV4_UDP, STEER_RSS_IPV4},
		{6, "2001:db8::1", STEER_RSS_IPV6_TCP, STEER_RSS_IPV6},
		{17, "2001:db8::1", STEER_RSS_IPV6_UDP, STEER_RSS_IPV6},
	};
	struct steer_config *config = config_of(0);
	struct frame arp = frame_eth();
	uint32_t hash, with_ports, without;

	for (unsigned i = 0; i < 4; i++) {
		struct frame f = frame_flow(kinds[i].proto, kinds[i].ip, 7, kinds[i].ip, 9);

		config->rss_types = ALL_TYPES & ~kinds[i].type & ~kinds[i].also;
		CU_ASSERT_FALSE(hash_of(&f, &hash));
		config->rss_types = kinds[i].type;
		CU_ASSERT_TRUE(hash_of(&f, &with_ports));
		config->rss_types = kinds[i].also;
		CU_ASSERT_TRUE(hash_of(&f, &without));
		CU_ASSERT_NOT_EQUAL(with_ports, without);
	}
	put16(&arp, 0x0806);
	put_zero(&arp, 46);
	config->rss_types = ALL_TYPES;
	CU_ASSERT_FALSE(hash_of(&arp, &hash));
	CU_ASSERT_EQUAL(toy_goes_to(&arp), 0);
}

static void test_all_fragments_of_a_datagram_hash_alike(void)
{
	static const uint16_t frags[] = {0x2000, 0x2010, 0x0020};
	uint32_t hash[3];

	config_of(ALL_TYPES);
	for (unsigned i = 0; i < 3; i++) {
		struct frame f = frame_eth();

		put_ipv4(&f, 17, published[0].src, published[0].dst, frags[i], 0);
		put_ports(&f, (uint16_t)(i + 1), 2);
		CU_ASSERT_TRUE(hash_of(&f, &hash[i]));
		CU_ASSERT_EQUAL(hash[i], published[0].ip);
	}
}

static void test_a_fragment_header_on_a_whole_ipv6_packet_changes_nothing(void)
{
	static const uint16_t offsets[] = {0x0000, 0x0001, 0x0081, 0x0080};

	config_of(ALL_TYPES);
	for (unsigned i = 0; i < 4; i++) {
		struct frame f = frame_eth();
		uint32_t hash;

		put_ipv6(&f, 44, published[5].src, published[5].dst);
		put8(&f, 6);
		put8(&f, 0);
		put16(&f, offsets[i]);
		put_zero(&f, 4);
		put_ports(&f, published[5].sport, published[5].dport);
		CU_ASSERT_TRUE(hash_of(&f, &hash));
		CU_ASSERT_EQUAL(hash, i == 0 ? published[5].tcp : published[5].ip);
	}
}

static void test_symmetric_hashes_of_both_directions_are_equal(void)
{
	struct steer_config *config = config_of(ALL_TYPES);
	static const char *const ips[][2] = {
		{"10.0.0.1", "10.0.0.2"},
		{"10.0.0.1", "9.255.255.255"},
		{"2001:db8::1", "2001:db8::2"},
		{"2001:db8:1::2", "2001:db8:2::1"},
	};

	for (unsigned i = 0; i < 4 * 3; i++) {
		const uint16_t sport = (uint16_t)(i % 3 * 300), dport = 400;
		const char *const *ip = ips[i / 3];
		const struct frame there = frame_flow(6, ip[0], sport, ip[1], dport),
				   back = frame_flow(6, ip[1], dport, ip[0], sport);
		uint32_t one = 0, other = 0;

		config->symmetric = 0;
		CU_ASSERT_TRUE(hash_of(&there, &one) && hash_of(&back, &other));
		CU_ASSERT_NOT_EQUAL(one, other);
		config->symmetric = 1;
		CU_ASSERT_TRUE(hash_of(&there, &one) && hash_of(&back, &other));
		CU_ASSERT_EQUAL(one, other);
	}
}

static void test_the_table_turns_hashes_into_queues(void)
{
	struct steer_config *config = config_of(STEER_RSS_IPV4_TCP);

	for (unsigned i = 0; i < STEER_RETA; i++)
		steer_reta(toy)[i] = (uint16_t)(i % TOY_QUEUES);
	for (unsigned i = 0; i < 5; i++) {
		const struct frame f = frame_flow(6, published[i].src, published[i].sport,
						  published[i].dst, published[i].dport);
		const unsigned entry = published[i].tcp % STEER_RETA;

		CU_ASSERT_EQUAL(toy_goes_to(&f), (int)(entry % TOY_QUEUES));
		steer_reta(toy)[entry] = 3;
		CU_ASSERT_EQUAL(toy_goes_to(&f), 3);
		config->soft_rss = 0;
		CU_ASSERT_EQUAL(toy_goes_to(&f), 0);
		config->soft_rss = 1;
	}
}

static void test_a_rule_spreads_over_its_own_queues(void)
{
	struct steer_spec spec = toy_spec(STEER_SPREAD, 0, 0);
	unsigned hits[TOY_QUEUES] = {0};

	config_of(ALL_TYPES);
	spec.rule.n_queues = 3;
	memcpy(spec.rule.queues, (uint8_t[]){1, 4, 6}, 3);
	CU_ASSERT_NOT_EQUAL_FATAL(toy_add(&spec), 0);
	for (uint16_t port = 0; port < 600; port++) {
		const struct frame f = frame_flow(6, "192.0.2.1", port, "192.0.2.2", 80);
		const int queue = toy_goes_to(&f);

		CU_ASSERT_FATAL(queue >= 0 && queue < TOY_QUEUES);
		hits[queue]++;
	}
	CU_ASSERT_EQUAL(hits[1] + hits[4] + hits[6], 600);
	CU_ASSERT(hits[1] > 100 && hits[4] > 100 && hits[6] > 100);
}

WEIR_TESTS("xdp/steer-hash", TEST(published_hashes_are_met), TEST(random_flows_hash_as_dpdk_does),
	   TEST(only_the_types_asked_for_are_hashed), TEST(all_fragments_of_a_datagram_hash_alike),
	   TEST(a_fragment_header_on_a_whole_ipv6_packet_changes_nothing),
	   TEST(symmetric_hashes_of_both_directions_are_equal),
	   TEST(the_table_turns_hashes_into_queues), TEST(a_rule_spreads_over_its_own_queues))
