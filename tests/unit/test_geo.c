/* SPDX-License-Identifier: BSD-3-Clause */

/* Countries of addresses, from databases that the test writes, sound and broken ones. */

#include "failalloc.h"
#include "geo_priv.h"
#include "test.h"
#include "toy_mmdb.h"
#include "toy_rib.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/weir-geo-XXXXXX";
static char path[64];
static struct toy_mmdb db;

static void begin(uint8_t ip_version, uint8_t record_bits)
{
	static bool made;

	if (!made) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
		snprintf(path, sizeof(path), "%s/toy.mmdb", folder);
		made = true;
	}
	toy_rib_eal();
	toy_mmdb_begin(&db, ip_version, record_bits);
}

/* The database as it was written; NULL after an error. */
static struct weir_geo *load(void)
{
	struct weir_geo *g = NULL;
	struct weir_why why = {0};
	uint64_t bytes = 0;

	toy_mmdb_write(&db, path);
	toy_mmdb_end(&db);
	CU_ASSERT_EQUAL(weir_geo_size(path, &bytes, &why), 0);
	CU_ASSERT(bytes > 0);
	CU_ASSERT_EQUAL(weir_geo_create(path, -1, &g, &why), 0);
	CU_ASSERT_STRING_EQUAL(why.text, "");
	CU_ASSERT_PTR_NOT_NULL_FATAL(g);
	return g;
}

static const char *where(const struct weir_geo *g, const char *address)
{
	const struct weir_addr a = toy_addr(address);
	const uint8_t *bytes = a.bytes;
	uint16_t country;

	weir_geo_lookup(g, a.family, &bytes, 1, &country);
	return weir_geo_code(g, country);
}

static void done(struct weir_geo *g)
{
	weir_geo_free(g);
	unlink(path);
}

static void check_both_families(uint8_t record_bits)
{
	struct weir_geo *g;
	uint32_t de, fr, v4, v6;

	begin(6, record_bits);
	de = toy_mmdb_country(&db, "country", "DE");
	fr = toy_mmdb_country(&db, "country", "FR");
	toy_mmdb_add(&db, "192.0.2.0/24", de);
	toy_mmdb_add(&db, "198.51.100.7/32", fr);
	toy_mmdb_add(&db, "2001:db8::/32", de);
	toy_mmdb_add(&db, "2001:db8:1:2::3/128", fr);
	g = load();
	CU_ASSERT_STRING_EQUAL(where(g, "192.0.2.0"), "DE");
	CU_ASSERT_STRING_EQUAL(where(g, "192.0.2.255"), "DE");
	CU_ASSERT_STRING_EQUAL(where(g, "192.0.3.0"), "??");
	CU_ASSERT_STRING_EQUAL(where(g, "198.51.100.7"), "FR");
	CU_ASSERT_STRING_EQUAL(where(g, "198.51.100.6"), "??");
	CU_ASSERT_STRING_EQUAL(where(g, "2001:db8:ffff::"), "DE");
	CU_ASSERT_STRING_EQUAL(where(g, "2001:db8:1:2::3"), "FR");
	CU_ASSERT_STRING_EQUAL(where(g, "2001:db8:1:2::4"), "DE");
	CU_ASSERT_STRING_EQUAL(where(g, "2001:db9::"), "??");
	weir_geo_prefixes(g, &v4, &v6);
	CU_ASSERT_EQUAL(v4, 2);
	CU_ASSERT_EQUAL(v6, 128 - 32 + 1); /* all but one address of a /32, and that one */
	done(g);
}

static void test_addresses_of_both_families_have_the_country_of_their_prefix(void)
{
	check_both_families(24);
	check_both_families(28);
	check_both_families(32);
}

static void test_a_country_has_the_same_number_in_every_database(void)
{
	struct weir_geo *g;
	uint16_t ad, zw;

	begin(4, 24);
	toy_mmdb_add(&db, "192.0.2.0/24", toy_mmdb_country(&db, "country", "ZW"));
	toy_mmdb_add(&db, "198.51.100.0/24", toy_mmdb_country(&db, "country", "AD"));
	g = load();
	ad = weir_geo_country(g, "AD");
	zw = weir_geo_country(g, "ZW");
	CU_ASSERT_STRING_EQUAL(weir_geo_code(g, ad), "AD");
	CU_ASSERT_STRING_EQUAL(weir_geo_code(g, zw), "ZW");
	CU_ASSERT_EQUAL(weir_geo_country(g, "DE"), WEIR_GEO_NONE); /* no address is there */
	CU_ASSERT_EQUAL(weir_geo_country(g, "ad"), WEIR_GEO_NONE);
	CU_ASSERT_EQUAL(weir_geo_country(g, ""), WEIR_GEO_NONE);
	CU_ASSERT_EQUAL(weir_geo_country(g, "ADX"), WEIR_GEO_NONE);
	CU_ASSERT_STRING_EQUAL(weir_geo_code(g, WEIR_GEO_NONE), "??");
	CU_ASSERT_STRING_EQUAL(weir_geo_code(g, 65535), "??");
	CU_ASSERT_STRING_EQUAL(where(g, "2001:db8::1"), "??"); /* it has no IPv6 */
	done(g);
	begin(6, 28);
	toy_mmdb_add(&db, "2001:db8::/32", toy_mmdb_country(&db, "country", "ZW"));
	g = load();
	CU_ASSERT_EQUAL(weir_geo_country(g, "ZW"), zw);
	CU_ASSERT_STRING_EQUAL(where(g, "192.0.2.1"), "??"); /* and this no IPv4 */
	done(g);
}

static void test_the_registered_country_counts_where_there_is_no_other(void)
{
	struct weir_geo *g;

	begin(4, 24);
	toy_mmdb_add(&db, "192.0.2.0/24", toy_mmdb_country(&db, "registered_country", "AT"));
	toy_mmdb_add(&db, "198.51.100.0/24", toy_mmdb_country(&db, "represented_country", "US"));
	g = load();
	CU_ASSERT_STRING_EQUAL(where(g, "192.0.2.1"), "AT");
	CU_ASSERT_STRING_EQUAL(where(g, "198.51.100.1"), "??");
	done(g);
}

static void test_neighbours_of_the_same_country_are_one_prefix(void)
{
	struct weir_geo *g;
	uint32_t v4, v6;

	begin(6, 24);
	for (unsigned i = 0; i < 256; i++) { /* 256 records that say the same */
		char text[32];

		snprintf(text, sizeof(text), "10.%u.0.0/16", i);
		toy_mmdb_add(&db, text, toy_mmdb_country(&db, "country", "SE"));
	}
	g = load();
	weir_geo_prefixes(g, &v4, &v6);
	CU_ASSERT_EQUAL(v4, 1);
	CU_ASSERT_EQUAL(v6, 0);
	CU_ASSERT_STRING_EQUAL(where(g, "10.0.0.0"), "SE");
	CU_ASSERT_STRING_EQUAL(where(g, "10.255.255.255"), "SE");
	CU_ASSERT_STRING_EQUAL(where(g, "11.0.0.0"), "??");
	done(g);
}

static void test_both_ends_of_the_address_space_have_their_country(void)
{
	struct weir_geo *g;
	uint32_t no, pt;

	begin(6, 32);
	no = toy_mmdb_country(&db, "country", "NO");
	pt = toy_mmdb_country(&db, "country", "PT");
	toy_mmdb_add(&db, "0.0.0.0/1", no);
	toy_mmdb_add(&db, "128.0.0.0/1", no);
	toy_mmdb_add(&db, "240.0.0.0/4", pt);
	toy_mmdb_add(&db, "255.255.255.255/32", no);
	toy_mmdb_add(&db, "8000::/1", pt);
	toy_mmdb_add(&db, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", no);
	g = load();
	CU_ASSERT_STRING_EQUAL(where(g, "0.0.0.0"), "NO");
	CU_ASSERT_STRING_EQUAL(where(g, "239.255.255.255"), "NO");
	CU_ASSERT_STRING_EQUAL(where(g, "240.0.0.0"), "PT");
	CU_ASSERT_STRING_EQUAL(where(g, "255.255.255.254"), "PT");
	CU_ASSERT_STRING_EQUAL(where(g, "255.255.255.255"), "NO");
	CU_ASSERT_STRING_EQUAL(where(g, "7fff::1"), "??");
	CU_ASSERT_STRING_EQUAL(where(g, "8000::"), "PT");
	CU_ASSERT_STRING_EQUAL(where(g, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"), "PT");
	CU_ASSERT_STRING_EQUAL(where(g, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "NO");
	done(g);
}

static void test_a_world_of_one_country_has_no_other(void)
{
	struct weir_geo *g;
	uint32_t va, v4, v6;

	begin(6, 24);
	va = toy_mmdb_country(&db, "country", "VA");
	toy_mmdb_add(&db, "::/1", va); /* above where IPv4 begins, so that is of it too */
	toy_mmdb_add(&db, "8000::/1", va);
	g = load();
	weir_geo_prefixes(g, &v4, &v6);
	CU_ASSERT_EQUAL(v4, 2);
	CU_ASSERT_EQUAL(v6, 2);
	CU_ASSERT_STRING_EQUAL(where(g, "0.0.0.0"), "VA");
	CU_ASSERT_STRING_EQUAL(where(g, "255.255.255.255"), "VA");
	CU_ASSERT_STRING_EQUAL(where(g, "::"), "VA");
	CU_ASSERT_STRING_EQUAL(where(g, "ffff::"), "VA");
	done(g);
}

static void test_other_ways_to_the_ipv4_part_are_left_out(void)
{
	struct weir_geo *g;
	uint32_t be, v4, v6;

	begin(6, 28);
	be = toy_mmdb_country(&db, "country", "BE");
	toy_mmdb_add(&db, "192.0.2.0/24", be);
	toy_mmdb_add(&db, "2001:db8::/32", be);
	toy_mmdb_add(&db, "2002::/16", toy_mmdb_at(&db, "::/96"));
	toy_mmdb_add(&db, "::ffff:0:0/96", toy_mmdb_at(&db, "::/96"));
	g = load();
	weir_geo_prefixes(g, &v4, &v6);
	CU_ASSERT_EQUAL(v4, 1);
	CU_ASSERT_EQUAL(v6, 1);
	CU_ASSERT_STRING_EQUAL(where(g, "2002:c000:201::"), "??");
	CU_ASSERT_STRING_EQUAL(where(g, "192.0.2.1"), "BE");
	done(g);
}

WEIR_TESTS("tables/geo", TEST(addresses_of_both_families_have_the_country_of_their_prefix),
	   TEST(a_country_has_the_same_number_in_every_database),
	   TEST(the_registered_country_counts_where_there_is_no_other),
	   TEST(neighbours_of_the_same_country_are_one_prefix),
	   TEST(both_ends_of_the_address_space_have_their_country),
	   TEST(a_world_of_one_country_has_no_other),
	   TEST(other_ways_to_the_ipv4_part_are_left_out))
