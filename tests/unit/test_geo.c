/* SPDX-License-Identifier: BSD-3-Clause */

/* Countries of addresses, from databases that the test writes, sound and broken ones. */

#include "failalloc.h"
#include "geo_priv.h"
#include "test.h"
#include "toy_mmdb.h"
#include "toy_rib.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
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

/* ---- against a list ---- */

#define RULES  400
#define PROBES 20000

static uint64_t seed = 9;

/* xorshift64*, so that a failure repeats. */
static uint32_t any(uint32_t below)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t)((seed * UINT64_C(2685821657736338717)) >> 33) % below;
}

/* Few bits differ, so that prefixes cover each other. */
static struct weir_addr any_addr(uint8_t family)
{
	struct weir_addr a = {.family = family};
	const unsigned n = family == 4 ? 4 : 16;

	for (unsigned i = 0; i < n; i++)
		a.bytes[i] = (uint8_t)(any(3) * 127);
	if (family == 6)
		a.bytes[0] |= 0x20; /* not where IPv4 is */
	return a;
}

struct rule {
	struct weir_prefix prefix;
	char code[3];
};

/* Of the rules that cover an address, the last one. */
static const char *last_rule(const struct rule *rules, const struct weir_addr *a)
{
	for (unsigned i = RULES; i > 0; i--)
		if (weir_prefix_contains(&rules[i - 1].prefix, a))
			return rules[i - 1].code;
	return "??";
}

static void compare(const struct weir_geo *g, const struct rule *rules, uint8_t family)
{
	struct weir_addr a[WEIR_GEO_BURST];
	const uint8_t *at[WEIR_GEO_BURST];
	uint16_t country[WEIR_GEO_BURST];
	unsigned wrong = 0;

	for (unsigned probe = 0; probe < PROBES; probe += WEIR_GEO_BURST) {
		const unsigned n = any(WEIR_GEO_BURST + 1);

		for (unsigned i = 0; i < n; i++) {
			a[i] = any_addr(family);
			at[i] = a[i].bytes;
		}
		weir_geo_lookup(g, family, at, n, country);
		for (unsigned i = 0; i < n; i++)
			wrong += strcmp(weir_geo_code(g, country[i]), last_rule(rules, &a[i])) != 0;
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

static void test_random_databases_match_a_list_that_is_searched_from_end_to_end(void)
{
	static struct rule rules[RULES];

	for (unsigned round = 0; round < 4; round++) {
		struct weir_geo *g;

		begin(6, round % 2 == 0 ? 24 : 28);
		for (unsigned i = 0; i < RULES; i++) {
			struct rule *r = &rules[i];
			const uint8_t family = i % 2 == 0 ? 4 : 6, most = family == 4 ? 32 : 128;

			r->code[0] = (char)('A' + any(2));
			r->code[1] = (char)('A' + any(3));
			r->prefix.addr = any_addr(family);
			r->prefix.length = (uint8_t)(1 + any(most));
			r->prefix.length = r->prefix.length < 4 ? 4 : r->prefix.length;
			r->prefix = weir_prefix_network(&r->prefix);
			toy_mmdb_add_prefix(&db, &r->prefix,
					    toy_mmdb_country(&db, "country", r->code));
		}
		g = load();
		compare(g, rules, 4);
		compare(g, rules, 6);
		done(g);
	}
}

static void test_more_long_prefixes_than_two_bytes_number_have_their_country_too(void)
{
	struct weir_geo *g;
	uint32_t is, v4, v6;

	begin(4, 28);
	is = toy_mmdb_country(&db, "country", "IS");
	for (uint32_t i = 0; i < 33000; i++) {
		const struct weir_prefix p = {{4, {10, (uint8_t)(i >> 8), (uint8_t)i, 128}}, 25};

		toy_mmdb_add_prefix(&db, &p, is);
	}
	g = load();
	weir_geo_prefixes(g, &v4, &v6);
	CU_ASSERT_EQUAL(v4, 33000);
	CU_ASSERT_STRING_EQUAL(where(g, "10.0.0.128"), "IS");
	CU_ASSERT_STRING_EQUAL(where(g, "10.0.0.127"), "??");
	CU_ASSERT_STRING_EQUAL(where(g, "10.128.231.255"), "IS");
	CU_ASSERT_STRING_EQUAL(where(g, "10.128.232.255"), "??");
	done(g);
}

/* ---- files that are no such database ---- */

/* What is wrong with the database as written, behind the file's name. */
static const char *refused(int want)
{
	static struct weir_why why;
	struct weir_geo *g = NULL;
	uint64_t bytes;

	why.text[0] = '\0';
	CU_ASSERT_EQUAL(weir_geo_create(path, -1, &g, &why), want);
	CU_ASSERT_PTR_NULL(g);
	CU_ASSERT_EQUAL(weir_geo_size(path, &bytes, NULL), want);
	CU_ASSERT_EQUAL(strncmp(why.text, path, strlen(path)), 0);
	unlink(path);
	return why.text + strlen(path);
}

static const char *refused_database(int want)
{
	toy_mmdb_write(&db, path);
	toy_mmdb_end(&db);
	return refused(want);
}

static void test_a_file_that_is_no_database_is_named(void)
{
	struct weir_why why = {0};
	struct weir_geo *g = NULL;

	begin(4, 24);
	toy_mmdb_end(&db);
	CU_ASSERT_STRING_EQUAL(refused(-ENOENT), ": cannot be read: No such file or directory");
	toy_mmdb_write_bytes(path, (const uint8_t *)"no database", 11);
	CU_ASSERT_STRING_EQUAL(refused(-EBADMSG), ": is no MaxMind database, or not all of one");
	toy_mmdb_write_bytes(path, (const uint8_t *)"", 0);
	CU_ASSERT_STRING_EQUAL(refused(-EBADMSG), ": is no MaxMind database, or not all of one");
	CU_ASSERT(weir_geo_create("/", -1, &g, &why) < 0);
	CU_ASSERT_EQUAL(strncmp(why.text, "/: cannot be read: ", 19), 0);
	CU_ASSERT_PTR_NULL(g);
	weir_geo_free(NULL);
}

static void test_a_database_without_countries_is_refused(void)
{
	begin(6, 24);
	toy_mmdb_add(&db, "192.0.2.0/24", toy_mmdb_country(&db, "asn", "DE"));
	CU_ASSERT_STRING_EQUAL(refused_database(-ENODATA),
			       ": no address in it has a country.iso_code; is it a database of "
			       "countries?");
}

static void test_codes_that_are_not_two_letters_are_refused(void)
{
	static const char *const codes[] = {"", "D", "DEU", "de", "D1", "\xff\xff"};

	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		begin(6, 24);
		toy_mmdb_add(&db, "192.0.2.0/24", toy_mmdb_country(&db, "country", codes[i]));
		CU_ASSERT_STRING_EQUAL(refused_database(-EBADMSG),
				       ": corrupt at 192.0.2.0/23: iso_code is not two capital "
				       "letters");
	}
}

static void test_a_tree_that_leads_round_or_out_is_refused(void)
{
	uint32_t de;

	begin(4, 24);
	de = toy_mmdb_country(&db, "country", "DE");
	toy_mmdb_add(&db, "192.0.2.0/24", de);
	toy_mmdb_add(&db, "192.0.3.0/24", toy_mmdb_at(&db, "192.0.0.0/8")); /* back up */
	CU_ASSERT_PTR_NOT_NULL(strstr(refused_database(-EBADMSG), "search tree"));

	begin(4, 24);
	de = toy_mmdb_country(&db, "country", "DE");
	toy_mmdb_add(&db, "192.0.2.0/24", de);
	toy_mmdb_add(&db, "10.0.0.0/8", toy_mmdb_at(&db, "192.0.0.0/8")); /* the same twice */
	CU_ASSERT_STRING_EQUAL(refused_database(-EBADMSG),
			       ": corrupt at 192.0.0.0/8: its search tree comes to the same nodes "
			       "again");

	begin(4, 24);
	toy_mmdb_add(&db, "192.0.2.1/32", toy_mmdb_node(&db, TOY_MMDB_EMPTY));
	CU_ASSERT_STRING_EQUAL(refused_database(-EBADMSG),
			       ": corrupt at 192.0.2.1/32: its search tree is deeper than an "
			       "address is long");

	begin(4, 24);
	toy_mmdb_add(&db, "192.0.2.0/24", TOY_MMDB_BROKEN);
	CU_ASSERT_STRING_EQUAL(refused_database(-EBADMSG),
			       ": corrupt at 192.0.2.0/23: a record leads out of the file");
}

/* More nodes than the file has room for, so many that their bytes do not fit 32 bits. */
static void test_a_tree_that_is_longer_than_its_file_is_refused(void)
{
	const uint32_t counts[] = {1000, UINT32_C(0x20000001), UINT32_MAX};

	for (unsigned i = 0; i < 3; i++) {
		uint8_t *file, *count;
		size_t bytes;

		begin(6, 32);
		toy_mmdb_add(&db, "192.0.2.0/24", toy_mmdb_country(&db, "country", "DE"));
		file = toy_mmdb_bytes(&db, &bytes);
		toy_mmdb_end(&db);
		count = memmem(file, bytes, "node_count", 10);
		CU_ASSERT_PTR_NOT_NULL_FATAL(count);
		for (unsigned b = 0; b < 4; b++)
			count[11 + b] = (uint8_t)(counts[i] >> (24 - 8 * b));
		toy_mmdb_write_bytes(path, file, bytes);
		CU_ASSERT_STRING_EQUAL(refused(-EBADMSG),
				       ": is no MaxMind database, or not all of one");
		free(file);
	}
}

/* Arrays in an array in ... before the field that is looked for. */
static void test_a_record_of_many_levels_is_refused(void)
{
	const size_t levels = 1000000; /* the library alone would run out of stack */
	size_t bytes, tree;
	uint8_t *file, *deep;

	begin(4, 24);
	toy_mmdb_add(&db, "128.0.0.0/1", TOY_MMDB_DATA);
	db.data_bytes = 3;
	memcpy(db.data, "\xe2\x41X", 3); /* {"X": */
	file = toy_mmdb_bytes(&db, &bytes);
	tree = db.nodes * 6 + 16 + 3;
	deep = malloc(bytes + 2 * levels);
	CU_ASSERT_PTR_NOT_NULL_FATAL(deep);
	memcpy(deep, file, tree);
	for (size_t i = 0; i < levels; i++)
		memcpy(deep + tree + 2 * i, "\x01\x04", 2); /* an array of one */
	memcpy(deep + tree + 2 * levels, file + tree, bytes - tree);
	toy_mmdb_write_bytes(path, deep, bytes + 2 * levels);
	toy_mmdb_end(&db);
	CU_ASSERT_STRING_EQUAL(refused(-EBADMSG),
			       ": corrupt at 128.0.0.0/0: a record is too deep, too long, or leads "
			       "out of the file");
	free(deep);
	free(file);
}

/* A small sound database with all that there can be. */
static uint8_t *sound(size_t *bytes)
{
	uint8_t *file;
	uint32_t de;

	begin(6, 28);
	de = toy_mmdb_country(&db, "country", "DE");
	toy_mmdb_add(&db, "192.0.2.0/24", de);
	toy_mmdb_add(&db, "2001:db8::/32", toy_mmdb_country(&db, "registered_country", "FR"));
	toy_mmdb_add(&db, "2002::/16", toy_mmdb_at(&db, "::/96"));
	file = toy_mmdb_bytes(&db, bytes);
	toy_mmdb_end(&db);
	return file;
}

/* Whatever it holds: an answer, or a sentence that begins with the file's name. */
static unsigned wrong_of(const uint8_t *file, size_t bytes)
{
	struct weir_why why = {0};
	uint64_t size;
	int rc;

	toy_mmdb_write_bytes(path, file, bytes);
	rc = weir_geo_size(path, &size, &why);
	unlink(path);
	return rc < 0 && strncmp(why.text, path, strlen(path)) != 0;
}

static unsigned wrong_of_changed(uint8_t *file, size_t bytes)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < bytes; i++) {
		const uint8_t was = file[i];

		wrong += wrong_of(file, i);
		for (unsigned turn = 0; turn < 4; turn++) {
			file[i] = turn < 3 ? (uint8_t)(was ^ 1 << any(8)) : (uint8_t)any(256);
			wrong += wrong_of(file, bytes);
		}
		file[i] = was;
	}
	return wrong;
}

/* In a child, for libmaxminddb 1.7.1 keeps 4 KiB each time it refuses metadata. */
static void test_a_database_that_was_cut_or_changed_anywhere_is_survived(void)
{
	size_t bytes;
	uint8_t *file = sound(&bytes);
	int status = -1;
	const pid_t child = fork();

	CU_ASSERT_FATAL(child >= 0);
	if (child == 0)
		_exit(wrong_of_changed(file, bytes) > 0);
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	free(file);
}

static void test_without_memory_nothing_is_made(void)
{
	struct weir_geo *g = NULL;
	size_t bytes;
	uint8_t *file = sound(&bytes);

	toy_mmdb_write_bytes(path, file, bytes);
	free(file);
	FAILALLOC_EACH(n)
	{
		struct weir_why why = {0};
		const int rc = weir_geo_create(path, -1, &g, &why);

		if (failalloc_done())
			break;
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(g);
		CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "out of memory"));
	}
	CU_ASSERT_PTR_NOT_NULL_FATAL(g);
	CU_ASSERT_STRING_EQUAL(where(g, "192.0.2.1"), "DE");
	done(g);
	rmdir(folder); /* the last one that writes there */
}

WEIR_TESTS("tables/geo", TEST(addresses_of_both_families_have_the_country_of_their_prefix),
	   TEST(a_country_has_the_same_number_in_every_database),
	   TEST(the_registered_country_counts_where_there_is_no_other),
	   TEST(neighbours_of_the_same_country_are_one_prefix),
	   TEST(both_ends_of_the_address_space_have_their_country),
	   TEST(a_world_of_one_country_has_no_other),
	   TEST(other_ways_to_the_ipv4_part_are_left_out),
	   TEST(random_databases_match_a_list_that_is_searched_from_end_to_end),
	   TEST(more_long_prefixes_than_two_bytes_number_have_their_country_too),
	   TEST(a_file_that_is_no_database_is_named), TEST(a_database_without_countries_is_refused),
	   TEST(codes_that_are_not_two_letters_are_refused),
	   TEST(a_tree_that_leads_round_or_out_is_refused),
	   TEST(a_tree_that_is_longer_than_its_file_is_refused),
	   TEST(a_record_of_many_levels_is_refused),
	   TEST(a_database_that_was_cut_or_changed_anywhere_is_survived),
	   TEST(without_memory_nothing_is_made))
