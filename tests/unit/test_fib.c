/* SPDX-License-Identifier: BSD-3-Clause */

/* One side of the forwarding tables against a longest match that tries every prefix. */

#include "fib.c"
#include "test.h"
#include "toy_rib.h"

#include <rte_ip.h>
#include <stdlib.h>

#define PREFIXES 600
#define STEPS	 4000
#define PROBES	 403 /* no multiple of what a vector holds */

static uint64_t seed = 20;

/* xorshift64*, so that a failure repeats. */
static uint32_t any(uint32_t below)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t)((seed * UINT64_C(2685821657736338717)) >> 33) % below;
}

static struct weir_rib_conf conf = {
	.routes4 = 2000, .routes6 = 2000, .groups4 = 500, .groups6 = 20000, .numa = -1};

struct known {
	struct weir_prefix to;
	uint16_t hop; /* 0: not in the table */
};

/* Few bits differ, so that prefixes cover each other. */
static struct weir_addr any_addr(uint8_t family)
{
	struct weir_addr a = {.family = family};
	const unsigned n = family == 4 ? 4 : 16;

	for (unsigned i = 0; i < n; i++)
		a.bytes[i] = (uint8_t)(any(3) * 127);
	return a;
}

static struct weir_prefix any_prefix(uint8_t family)
{
	struct weir_prefix p = {.addr = any_addr(family)};

	p.length = (uint8_t)any(family == 4 ? 33 : 129);
	return weir_prefix_network(&p);
}

static uint16_t naive(const struct known *k, const struct weir_addr *to)
{
	int length = -1;
	uint16_t hop = 0;

	for (unsigned i = 0; i < PREFIXES; i++)
		if (k[i].hop != 0 && k[i].to.length > length &&
		    weir_prefix_contains(&k[i].to, to)) {
			length = k[i].to.length;
			hop = k[i].hop;
		}
	return hop;
}

static uint16_t looked_up(struct weir_fib *f, const struct weir_addr *to)
{
	const struct weir_prefix p = {.addr = *to};
	uint32_t ip = word(&p);
	uint64_t hop;

	if (to->family == 4)
		rte_fib_lookup_bulk(f->v4, &ip, &hop, 1);
	else
		rte_fib6_lookup_bulk(f->v6, (void *)(uintptr_t)to->bytes, &hop, 1);
	return (uint16_t)hop;
}

static void make_known(struct known *k, uint8_t family)
{
	for (unsigned i = 0; i < PREFIXES; i++) {
		bool again = true;

		while (again) {
			k[i] = (struct known){.to = any_prefix(family)};
			again = false;
			for (unsigned j = 0; j < i && !again; j++)
				again = k[j].to.length == k[i].to.length &&
					weir_addr_equal(&k[j].to.addr, &k[i].to.addr);
		}
	}
}

/* Looked up in bulk, for the vector functions take many at once and the rest one by one. */
static unsigned wrong(struct weir_fib *f, const struct known *k, uint8_t family)
{
	struct weir_addr to[PROBES];
	uint8_t ip6[PROBES][16];
	uint32_t ip4[PROBES];
	uint64_t hop[PROBES];
	unsigned n = 0;

	for (unsigned i = 0; i < PROBES; i++) {
		to[i] = any_addr(family);
		ip4[i] = word(&(const struct weir_prefix){.addr = to[i]});
		memcpy(ip6[i], to[i].bytes, 16);
	}
	if (family == 4)
		rte_fib_lookup_bulk(f->v4, ip4, hop, PROBES);
	else
		rte_fib6_lookup_bulk(f->v6, (void *)ip6, hop, PROBES);
	for (unsigned i = 0; i < PROBES; i++)
		n += hop[i] != naive(k, &to[i]);
	return n;
}

/* Adds, changes and deletes in any order; returns how often the estimate of rte_fib6 said no. */
static unsigned churn(uint8_t family)
{
	static struct known k[PREFIXES];
	struct weir_fib f;
	unsigned refused = 0;

	make_known(k, family);
	CU_ASSERT_EQUAL_FATAL(fib_create(&f, &conf), 0);
	for (unsigned step = 0; step < STEPS; step++) {
		struct known *one = &k[any(PREFIXES)];
		const uint16_t hop = one->hop != 0 && any(2) == 0 ? 0 : (uint16_t)(1 + any(20));
		const int rc = fib_set(&f, &conf, &one->to, hop);

		if (rc == 0)
			one->hop = hop;
		else
			refused++;
		if (step % 500 == 499)
			CU_ASSERT_EQUAL(wrong(&f, k, family), 0);
	}
	for (unsigned i = 0; i < PREFIXES; i++)
		if (k[i].hop != 0) {
			CU_ASSERT_EQUAL(fib_set(&f, &conf, &k[i].to, 0), 0);
			k[i].hop = 0;
		}
	CU_ASSERT_EQUAL(wrong(&f, k, family), 0);
	CU_ASSERT_EQUAL(f.groups4, 0);
	CU_ASSERT_EQUAL(f.groups6, 0);
	fib_destroy(&f);
	return refused;
}

static void test_ipv4_matches_a_naive_search_under_any_order_of_changes(void)
{
	toy_rib_eal();
	CU_ASSERT_EQUAL(churn(4), 0);
}

static void test_ipv6_matches_a_naive_search_under_any_order_of_changes(void)
{
	toy_rib_eal();
	CU_ASSERT(churn(6) < STEPS / 2);
}

static void test_tables_with_more_groups_than_two_bytes_number_match_too(void)
{
	const struct weir_rib_conf narrow = conf;

	toy_rib_eal();
	conf.groups4 = conf.groups6 = 33000;
	CU_ASSERT_EQUAL(churn(4), 0);
	CU_ASSERT(churn(6) < STEPS / 2);
	conf = narrow;
}

static void test_a_default_route_covers_both_ends_of_the_address_space(void)
{
	static const char *const ends[] = {"0.0.0.0/32", "255.255.255.255/32", "::/128",
					   "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"};
	struct weir_fib f;
	struct weir_prefix p;

	CU_ASSERT_EQUAL_FATAL(fib_create(&f, &conf), 0);
	p = toy_prefix("0.0.0.0/0");
	CU_ASSERT_EQUAL(fib_set(&f, &conf, &p, 7), 0);
	p = toy_prefix("::/0");
	CU_ASSERT_EQUAL(fib_set(&f, &conf, &p, 7), 0);
	for (unsigned i = 0; i < 4; i++) {
		p = toy_prefix(ends[i]);
		CU_ASSERT_EQUAL(looked_up(&f, &p.addr), 7);
		CU_ASSERT_EQUAL(fib_set(&f, &conf, &p, 9), 0);
		CU_ASSERT_EQUAL(looked_up(&f, &p.addr), 9);
		CU_ASSERT_EQUAL(fib_set(&f, &conf, &p, 0), 0);
		CU_ASSERT_EQUAL(looked_up(&f, &p.addr), 7);
	}
	p = toy_prefix("0.0.0.0/0");
	CU_ASSERT_EQUAL(fib_set(&f, &conf, &p, 0), 0);
	CU_ASSERT_EQUAL(looked_up(&f, &p.addr), 0);
	fib_destroy(&f);
}

static void test_a_full_table_refuses_and_stays_as_it_was(void)
{
	const struct weir_rib_conf small = {
		.routes4 = 100, .routes6 = 100, .groups4 = 2, .groups6 = 13, .numa = -1};
	const struct weir_prefix a = toy_prefix("10.0.0.1/32"), b = toy_prefix("10.0.1.1/32"),
				 c = toy_prefix("10.0.2.1/32"), d = toy_prefix("10.0.1.2/32"),
				 x = toy_prefix("2001:db8::1/128"),
				 y = toy_prefix("2001:db9::1/128");
	struct weir_fib f;

	CU_ASSERT_EQUAL_FATAL(fib_create(&f, &small), 0);
	CU_ASSERT_EQUAL(fib_set(&f, &small, &a, 1), 0);
	CU_ASSERT_EQUAL(fib_set(&f, &small, &b, 2), 0);
	CU_ASSERT_EQUAL(fib_set(&f, &small, &c, 3), -ENOSPC);
	CU_ASSERT_EQUAL(looked_up(&f, &c.addr), 0);
	CU_ASSERT_EQUAL(fib_set(&f, &small, &d, 3), 0); /* in a group that is there */
	CU_ASSERT_EQUAL(fib_set(&f, &small, &a, 0), 0);
	CU_ASSERT_EQUAL(fib_set(&f, &small, &c, 3), 0);
	CU_ASSERT_EQUAL(looked_up(&f, &c.addr), 3);
	CU_ASSERT_EQUAL(fib_set(&f, &small, &x, 1), 0);
	CU_ASSERT_EQUAL(fib_set(&f, &small, &y, 1), -ENOSPC);
	CU_ASSERT_EQUAL(looked_up(&f, &y.addr), 0);
	CU_ASSERT_EQUAL(looked_up(&f, &x.addr), 1);
	fib_destroy(&f);
}

/* With entries of 2 and of 4 bytes: what is there changes with the route. */
static void test_the_place_of_an_entry_to_fetch_ahead_is_found(void)
{
	for (unsigned wide = 0; wide < 2; wide++) {
		const struct weir_rib_conf size = {.routes4 = 10,
						   .routes6 = 10,
						   .groups4 = wide ? 40000 : 10,
						   .groups6 = 10,
						   .numa = -1};
		const struct weir_prefix to = {{4, {192, 0, 2}}, 24};
		const uint32_t first = UINT32_C(0xc00002);
		struct weir_fib f;
		uint8_t before;

		CU_ASSERT_EQUAL_FATAL(fib_create(&f, &size), 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(f.first4);
		CU_ASSERT_EQUAL(f.first4_bytes, wide ? 4 : 2);
		CU_ASSERT_EQUAL(f.first4[0], 0); /* the route that found it is gone */
		before = f.first4[first * f.first4_bytes];
		CU_ASSERT_EQUAL(fib_set(&f, &size, &to, 5), 0);
		CU_ASSERT_NOT_EQUAL(f.first4[first * f.first4_bytes], before);
		fib_destroy(&f);
	}
}

WEIR_TESTS("tables/fib", TEST(ipv4_matches_a_naive_search_under_any_order_of_changes),
	   TEST(ipv6_matches_a_naive_search_under_any_order_of_changes),
	   TEST(tables_with_more_groups_than_two_bytes_number_match_too),
	   TEST(a_default_route_covers_both_ends_of_the_address_space),
	   TEST(a_full_table_refuses_and_stays_as_it_was),
	   TEST(the_place_of_an_entry_to_fetch_ahead_is_found))
